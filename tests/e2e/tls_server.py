"""An HTTP/1.1 server over TLS that a test bends: its answers are those of a handler of the test's own."""

import http.server
import re
import socket
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def asked_range(self, size):
        """The first and the last byte of `size` that the Range field asks for; None, None: all of them."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(wanted[1]), min(int(wanted[2]), size - 1)) if wanted else (None, None)


class TlsServer:
    """Answers as soon as it is made. .url has no path, .names are those that clients asked for by SNI."""

    def __init__(self, lab, handler, host="127.0.0.1"):
        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self.names = []
        self.http = Server((host, 0), handler)
        self.http.handle_error = lambda *_: None  # a client that leaves is what is tested
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*lab.certificate())
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.port = self.http.server_port
        self.url = f"https://{'[' + host + ']' if ':' in host else host}:{self.port}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()

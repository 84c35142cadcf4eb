"""PROXY headers in front of TLS and of plain HTTP/1.1: from a load balancer made of plain sockets, which the gateway trusts by its address."""

import http.server
import ipaddress
import json
import re
import socket
import ssl
import subprocess
import threading
import unittest
import urllib.request

import harness
from harness import PATIENCE, SALLYPORT, Lab

BALANCER = "127.0.0.77"
CLIENT = "198.51.100.7"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client=CLIENT):
    family = f"TCP{ipaddress.ip_address(client).version}"
    return f"PROXY {family} {client} {'192.0.2.1' if family == 'TCP4' else '2001:db8::ff'} 56324 443\r\n".encode()


def v2(client=CLIENT, command=0x21, tlvs=b"\x01\0\x02h2\x04\0\x03abc"):
    address = ipaddress.ip_address(client)
    rest = address.packed + bytes(len(address.packed)) + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big") + tlvs
    return SIGNATURE + bytes([command, 0x11 if address.version == 4 else 0x21]) + len(rest).to_bytes(2, "big") + rest


LOCAL = SIGNATURE + b"\x20\0\0\0"


def reach(port, header=b"", source=BALANCER):
    """A connection to the gateway, which begins with the header."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))
    connection.sendall(header)
    return connection


def read_all(connection):
    """What comes until the end, or until a reset."""
    got = b""
    try:
        while data := connection.recv(65536):
            got += data
    except ConnectionResetError:
        pass
    return got


class Balancer:
    """Passes each connection on to `port` behind the header that it has at that moment: with it, in one piece, goes what the client sent first.
    `split`: the header goes alone, byte by byte."""

    def __init__(self, case, port, header, split=False):
        self.port_behind, self.header, self.split = port, header, split
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.serve, daemon=True).start()
        case.addCleanup(self.close)

    def close(self):
        for each in [self.listener, *self.open]:
            shut(each)

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port_behind), source_address=(BALANCER, 0))
            except OSError:
                return
            self.open += [client, server]
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            header = self.header
            if self.split:
                for byte in header:
                    server.send(bytes([byte]))
                header = b""
            threading.Thread(target=self.carry, args=(client, server, header), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, b""), daemon=True).start()

    @staticmethod
    def carry(one, other, first):
        try:
            while data := one.recv(65536):
                other.sendall(first + data)
                first = b""
            other.shutdown(socket.SHUT_WR)
        except OSError:
            shut(other)


def shut(connection):
    """Also where a thread waits in it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


class Site(http.server.BaseHTTPRequestHandler):
    """A backend that tells the client's address as it was told."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = self.headers["x-forwarded-for"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ProxyProtocolCase(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
        self.site.daemon_threads = True
        self.site.handle_error = lambda *_: None  # connections that end with the gateway
        threading.Thread(target=self.site.serve_forever, daemon=True).start()
        self.addCleanup(self.site.server_close)
        self.addCleanup(self.site.shutdown)
        self.log = self.lab.folder / "access.log"

    def gateway(self, *flags, trusted=BALANCER):
        made = self.lab.gateway("--workers", 2, "--access-log", self.log, "--admin", "127.0.0.1:0", "--listen-http", "127.0.0.1:0",
                                "--proxy-protocol-from", "192.0.2.0/24", "--proxy-protocol-from", trusted,
                                "--route", f"/=http://127.0.0.1:{self.site.server_port}", *flags)
        made.clear = int(re.search(r"listening on 127\.0\.0\.1:(\d+) \(TCP, without TLS\)", made.log_path.read_text())[1])
        return made

    def get(self, port, version, scheme="https"):
        done = subprocess.run([SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "--http", version, "-o", "-",
                               f"{scheme}://127.0.0.1:{port}/"], capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def get_in_the_clear(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            return answer.read().decode()

    def recorded(self, count):
        harness.wait_until(lambda: len(self.log.read_text().splitlines()) == count, "all is recorded")
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def headers(self, gateway):
        """How many PROXY headers there were, by result."""
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin}/metrics", timeout=PATIENCE) as page:
            found = re.findall(r'^sallyport_proxy_protocol_headers_total\{result="(\w+)"\} (\d+)$', page.read().decode(), re.MULTILINE)
        return {result: int(count) for result, count in found if count != "0"}

    def tls(self, connection):
        context = ssl.create_default_context(cafile=str(self.lab.certificate()[0]))
        return context.wrap_socket(connection, server_hostname="localhost")


class Believed(ProxyProtocolCase):
    def test_the_client_is_whom_the_header_names(self):
        gateway = self.gateway()
        count = 0
        for client in (CLIENT, "2001:db8::7"):
            for header in (v1(client), v2(client)):
                for split in (False, True):
                    tls = Balancer(self, gateway.port, header, split)
                    for version in ("h2", "h1"):
                        with self.subTest(header=header, version=version, split=split):
                            self.assertEqual(self.get(tls.port, version), client)
                    self.assertEqual(self.get_in_the_clear(Balancer(self, gateway.clear, header, split).port), client)
                    count += 3
        lines = self.recorded(count)
        self.assertEqual({(line["client"], line["client_port"]) for line in lines}, {(CLIENT, 56324), ("2001:db8::7", 56324)})
        self.assertEqual({line["version"] for line in lines}, {"HTTP/2", "HTTP/1.1"})
        self.assertEqual(self.headers(gateway), {"client": count})

    def test_a_header_without_a_client(self):
        gateway = self.gateway()
        for header in (b"PROXY UNKNOWN\r\n", LOCAL, v2(command=0x20)):
            balancer = Balancer(self, gateway.port, header)
            for version in ("h2", "h1"):
                self.assertEqual(self.get(balancer.port, version), BALANCER)
            self.assertEqual(self.get_in_the_clear(Balancer(self, gateway.clear, header).port), BALANCER)
        self.assertEqual(self.headers(gateway), {"no_client": 9})

    def test_limits_are_for_the_client(self):
        """A tunnel for each client address."""
        gateway = self.gateway("--masque", "tcp", "--open-proxy", "--allow", "127.0.0.1", "--max-tunnels", "1")

        def connect(client):
            connection = self.tls(reach(gateway.port, v1(client)))
            self.addCleanup(connection.close)
            connection.sendall(f"CONNECT 127.0.0.1:{self.site.server_port} HTTP/1.1\r\nHost: 127.0.0.1:{self.site.server_port}\r\n\r\n".encode())
            return connection.recv(4096).split()[1]

        self.assertEqual(connect(CLIENT), b"200")
        self.assertEqual(connect(CLIENT), b"429")
        self.assertEqual(connect("198.51.100.8"), b"200")

    def test_after_a_reload(self):
        gateway = self.gateway()
        gateway.child.send_signal(1)
        harness.wait_until(lambda: "read again" in gateway.log_path.read_text(), "it was reloaded")
        self.assertEqual(self.get(Balancer(self, gateway.port, v2()).port, "h2"), CLIENT)

    def test_http3_has_no_header(self):
        """Also from a trusted address, as every address of this machine is here."""
        gateway = self.gateway(trusted="127.0.0.0/8")
        self.assertEqual(self.get(gateway.port, "h3"), "127.0.0.1")
        self.assertEqual(self.headers(gateway), {})


class NotBelieved(ProxyProtocolCase):
    def test_others_are_served_as_ever(self):
        gateway = self.gateway()
        for version in ("h3", "h2", "h1"):
            self.assertEqual(self.get(gateway.port, version), "127.0.0.1")
        self.assertEqual(self.get_in_the_clear(gateway.clear), "127.0.0.1")
        self.assertEqual(self.headers(gateway), {})

    def test_a_header_of_others_is_bad_tls_and_bad_http(self):
        gateway = self.gateway()
        for header in (v1(), v2()):
            with reach(gateway.port, header, source="127.0.0.1") as connection, self.assertRaises((ssl.SSLError, OSError)):
                self.tls(connection)
            with reach(gateway.clear, header + b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", source="127.0.0.1") as connection:
                self.assertNotIn(b" 200 ", read_all(connection))
        self.assertEqual(self.headers(gateway), {})

    def test_a_balancer_without_a_good_header_is_not_answered(self):
        gateway = self.gateway()
        request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        bad = (b"", b"PROXY TCP4 198.51.100.7 192.0.2.1 56324\r\n", b"PROXY TCP4 2001:db8::7 192.0.2.1 56324 443\r\n", v2(command=0x11),
               SIGNATURE + b"\x21\x11\xff\xff", v2(tlvs=b"\x04\xff\xff"))
        for header in bad:
            for port in (gateway.port, gateway.clear):
                with self.subTest(header=header), reach(port, header + request) as connection:
                    self.assertEqual(read_all(connection), b"")
        self.assertEqual(self.headers(gateway), {"malformed": 2 * len(bad)})
        with reach(gateway.port) as connection:  # a health check
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(connection), b"")
        self.assertEqual(self.headers(gateway), {"malformed": 2 * len(bad), "incomplete": 1})
        self.assertEqual(self.get(gateway.port, "h2"), "127.0.0.1", "and nobody else notices")


class Flags(ProxyProtocolCase):
    def words(self, *flags):
        done = harness.finish([SALLYPORT, "gateway", "--self-signed", "localhost", "--listen", "127.0.0.1:0", "--check", "--proxy-protocol-from", *flags])
        return done.returncode, done.stdout + done.stderr

    def test_what_is_wrong_is_said(self):
        for flags, sentence in ((("balancer", "--route", "/=http://b"), "--proxy-protocol-from 'balancer' is not a prefix; write it as 10.0.0.0/8"),
                                (("10.0.0.1", "--no-tcp", "--route", "/=http://b"), "--proxy-protocol-from is for connections over TCP, which --no-tcp disables"),
                                (("127.0.0.1", "--masque", "tcp"), "through those of --proxy-protocol-from, would be an open proxy")):
            status, words = self.words(*flags)
            self.assertEqual(status, 2, words)
            self.assertIn(sentence, words)

    def test_check_prints_them(self):
        status, words = self.words("10.0.0.0/8", "--proxy-protocol-from", "2001:db8::1", "--route", "/=http://b")
        self.assertEqual(status, 0, words)
        self.assertIn("  PROXY protocol from 10.0.0.0/8\n  PROXY protocol from 2001:db8::1/128\n", words)


if __name__ == "__main__":
    unittest.main()

"""A hop that does not do as the RFCs say: `sallyport get` ends with status 1 and one sentence that names the hop."""

import socket
import ssl
import subprocess
import threading
import unittest

from harness import PATIENCE, SALLYPORT, Lab

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: connect-udp\r\ncapsule-protocol: ?1\r\n\r\n"


class Hop:
    """Speaks HTTP/1.1 over TLS: reads a request's head, says `answer`, and closes or waits for the client to do it."""

    def __init__(self, lab, answer, closes):
        self.answer, self.closes = answer, closes
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*lab.certificate())
        self.context.set_alpn_protocols(["http/1.1"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) as stream:
                head = b""
                while b"\r\n\r\n" not in head:
                    more = stream.recv(65536)
                    if not more:
                        return
                    head += more
                stream.sendall(self.answer)
                while not self.closes and stream.recv(65536):
                    pass
        except (OSError, ssl.SSLError):
            pass  # the client went away


class HostileHop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)

    def fails(self, answer, closes=False, mode="udp", timeout=60):
        hop = Hop(self.lab, answer, closes)
        self.addCleanup(hop.listener.close)
        command = [SALLYPORT, "get", "--no-cache", "--quiet", "--ca", self.lab.certificate()[0], "--via", f"https://127.0.0.1:{hop.port}",
                   "--via-http", "h1", "--mode", mode, "--timeout", str(timeout), "-o", "/dev/null", "https://192.0.2.1/x"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(f"hop 1 (127.0.0.1:{hop.port}): ", done.stderr)

    def test_answers_that_open_no_tunnel(self):
        for mode in ("udp", "tcp"):
            with self.subTest(mode=mode):
                self.fails(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", mode=mode)
                self.fails(b"HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", mode=mode)
                self.fails(b"", closes=True, mode=mode)
        self.fails(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        self.fails(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")

    def test_silence(self):
        self.fails(b"", timeout=3)

    def test_silence_over_udp(self):
        """A dead hop is given up after its own timeout, and the sentence says which that is."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            command = [SALLYPORT, "get", "--no-cache", "--quiet", "-k", "--via", f"https://127.0.0.1:{port}", "--timeout", "2", "-o", "/dev/null",
                       "https://192.0.2.1/x"]
            done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn(f"hop 1 (127.0.0.1:{port})", done.stderr)
        self.assertIn("within 2 s", done.stderr)

    def test_capsules_that_are_none(self):
        # A DATAGRAM capsule that is cut, one longer than any datagram, and one of another kind without an end.
        self.fails(UPGRADED + b"\x00\x40\x64abc", closes=True)
        self.fails(UPGRADED + b"\x00\xc0\x00\x00\x00\x40\x00\x00\x00" + b"x" * 100_000)
        self.fails(UPGRADED + b"\x00\x03", closes=True)


if __name__ == "__main__":
    unittest.main()

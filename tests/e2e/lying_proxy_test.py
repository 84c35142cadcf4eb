"""`sallyport get` through a proxy that lies (docs/threat-model.md, "lying hop"): each lie ends the hop with one clear sentence, soon."""

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import unittest

from harness import PATIENCE, SALLYPORT, Lab

HTML = b"<html><body>" + b"Sign in to this network first. " * 2000 + b"</body></html>"
CAPSULES = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: connect-udp\r\nCapsule-Protocol: ?1\r\n\r\n"


def capsule(context, payload):
    size = len(payload) + 1
    return b"\0" + (bytes([size]) if size < 64 else (0x4000 | size).to_bytes(2, "big")) + bytes([context]) + payload


class Liar:
    """A TLS server of HTTP/1.1 that says `answer` to the first request of each connection, then all that `more` yields."""

    def __init__(self, certificate, key, answer, more=()):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)
        self.context.set_alpn_protocols(["http/1.1"])
        self.answer, self.more = answer, more
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.lie, args=[self.listener.accept()[0]], daemon=True).start()

    def lie(self, plain):
        with contextlib.suppress(OSError), plain, self.context.wrap_socket(plain, server_side=True) as connection:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            connection.sendall(self.answer)
            for piece in self.more:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # to close before all is read would be a reset, which takes back what was sent
                pass

    def close(self):
        self.listener.close()


class LyingProxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)

    def words(self, mode, answer, more=()):
        liar = Liar(*self.lab.certificate(), answer, more)
        self.addCleanup(liar.close)
        done = subprocess.run([SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "--timeout", "15", "-o", os.devnull,
                               "--via-http", "h1", "--mode", mode, "--via", liar.url, "https://127.0.0.1:9/"],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.stderr

    def assert_said(self, words, *parts):
        for part in parts:
            self.assertIn(part, words)

    def test_redirects(self):
        for mode in ("udp", "tcp"):
            for status in (301, 307):
                with self.subTest(mode=mode, status=status):
                    answer = f"HTTP/1.1 {status} Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
                    self.assert_said(self.words(mode, answer), "hop 1", "redirect", str(status))

    def test_a_page_instead_of_an_upgrade(self):
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(HTML)}\r\n\r\n".encode() + HTML
        self.assert_said(self.words("udp", answer), "hop 1")

    def test_an_upgrade_to_no_capsules(self):
        self.assert_said(self.words("udp", CAPSULES + HTML), "hop 1")

    def test_payloads_longer_than_udp(self):
        self.assert_said(self.words("udp", CAPSULES + b"\0" + (0x80000000 | 65530).to_bytes(4, "big") + b"\0" * 65530), "hop 1", "65529")

    def test_a_capsule_without_end(self):
        self.assert_said(self.words("udp", CAPSULES + b"\0" + (0xC000000000000000 | 1 << 40).to_bytes(8, "big")), "hop 1", "capsule")

    def test_datagrams_of_contexts_that_nobody_agreed_on(self):
        def without_end():
            while True:
                yield capsule(2, b"x" * 1000) * 64
        self.assert_said(self.words("udp", CAPSULES, without_end()), "hop 1", "context")

    def test_a_page_instead_of_a_tunnel(self):
        self.assert_said(self.words("tcp", b"HTTP/1.1 200 OK\r\n\r\n" + HTML), "127.0.0.1:9", "TLS")

    def test_a_tunnel_that_ends_at_once(self):
        self.assert_said(self.words("tcp", b"HTTP/1.1 200 OK\r\n\r\n"), "hop 1")

    def test_interim_answers_without_end(self):
        def without_end():
            while True:
                yield b"HTTP/1.1 102 Processing\r\n\r\n" * 100
        for mode in ("udp", "tcp"):
            with self.subTest(mode=mode):
                self.assert_said(self.words(mode, b"", without_end()), "hop 1", "interim")


if __name__ == "__main__":
    unittest.main()

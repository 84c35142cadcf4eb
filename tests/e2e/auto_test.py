"""`--http auto` where UDP does not get through: the fallback to TCP, and what is remembered of it."""

import json
import shutil
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import SALLYPORT, Lab

RACE_DELAY_MS = 300
BROKEN_FOR = 300


class TcpOnly:
    """A port at which the gateway is reached over TCP only. Over UDP nobody listens there, or, with `silent`, somebody who never
    answers, as behind a firewall; .datagrams() are those that came since it was asked last."""

    def __init__(self, gateway, silent):
        self.target = ("127.0.0.1", gateway.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.udp = None
        if silent:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", self.port))
            self.udp.setblocking(False)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(near, socket.create_connection(self.target)), daemon=True).start()

    def carry(self, near, far):
        with near, far:
            back = threading.Thread(target=self.pump, args=(far, near), daemon=True)
            back.start()
            self.pump(near, far)
            back.join()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side is gone

    def datagrams(self):
        count = 0
        while True:
            try:
                self.udp.recv(65536)
                count += 1
            except BlockingIOError:
                return count

    def close(self):
        self.listener.close()
        if self.udp:
            self.udp.close()


class Automatic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.site = cls.lab.folder / "site"
        cls.site.mkdir()
        (cls.site / "small.txt").write_text("hello\n")
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def setUp(self):
        self.cache = self.lab.folder / self.id().rsplit(".", 1)[1]

    def tcp_only(self, silent):
        port = TcpOnly(self.origin, silent)
        self.addCleanup(port.close)
        return port

    def link(self, port, *flags):
        """Of a download that went well."""
        command = [SALLYPORT, "get", "--json", "--quiet", "--cache", self.cache, "--ca", self.lab.certificate()[0], "-o", "/dev/null", *flags,
                   f"https://127.0.0.1:{port}/small.txt"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        (link,) = json.loads(done.stdout)["links"]
        return link

    def remembered(self, port):
        return json.loads((self.cache / "origins.json").read_text())[f"127.0.0.1:{port}"]

    def test_udp_refused(self):
        port = self.tcp_only(silent=False).port
        self.assertEqual(self.link(port)["http_version"], "HTTP/2")
        self.assertFalse(self.remembered(port)["http3"])

    def test_udp_dropped(self):
        """TCP starts 300 ms after HTTP/3, long before anybody gives HTTP/3 up; the next run does not try it at all."""
        place = self.tcp_only(silent=True)
        before = time.time()
        first = self.link(place.port, "--timeout", "60")
        self.assertEqual(first["http_version"], "HTTP/2")
        self.assertGreaterEqual(first["connect_ms"], RACE_DELAY_MS)
        self.assertLess(first["connect_ms"], 30_000)
        self.assertGreater(place.datagrams(), 0)

        known = self.remembered(place.port)
        self.assertFalse(known["http3"])
        self.assertGreaterEqual(known["until"], int(before) + BROKEN_FOR)
        self.assertLessEqual(known["until"], time.time() + BROKEN_FOR)

        def is_without_udp():
            self.assertEqual(self.link(place.port)["http_version"], "HTTP/2")
            return place.datagrams() == 0

        # HTTP/3 would be tried as well where TCP takes longer than the race's delay.
        harness.wait_until(is_without_udp, "the next run does not try HTTP/3")

        # Five minutes later.
        (self.cache / "origins.json").write_text(json.dumps({f"127.0.0.1:{place.port}": {"http3": False, "until": int(time.time()) - 1}}))
        self.assertEqual(self.link(place.port)["http_version"], "HTTP/2")
        self.assertGreater(place.datagrams(), 0)

    def test_nothing_is_remembered_without_a_cache(self):
        place = self.tcp_only(silent=True)
        for _ in range(2):
            self.lab.get_json("-o", "/dev/null", f"https://127.0.0.1:{place.port}/small.txt")
            self.assertGreater(place.datagrams(), 0)

    def test_alt_svc_is_learned(self):
        def wins_after_it_was_learned():
            shutil.rmtree(self.cache, ignore_errors=True)
            self.assertEqual(self.link(self.origin.port, "--http", "h2")["http_version"], "HTTP/2")
            self.assertTrue(self.remembered(self.origin.port)["http3"])
            return self.link(self.origin.port)["http_version"] == "HTTP/3"

        # On a loaded machine TCP may win the race now and then.
        harness.wait_until(wins_after_it_was_learned, "HTTP/3 won the race")

    def test_insisting_on_http3_does_not_fall_back(self):
        place = self.tcp_only(silent=True)
        command = [SALLYPORT, "get", "--no-cache", "--quiet", "--http", "h3", "--timeout", "1", "-o", "/dev/null", f"https://127.0.0.1:{place.port}/"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"origin 127.0.0.1:{place.port}: no answer within 1 s", done.stderr)


if __name__ == "__main__":
    unittest.main()

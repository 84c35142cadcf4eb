"""nghttp and h2load (Debian's nghttp2-client) against our gateway over HTTP/2 and HTTP/1.1."""

import re
import signal
import subprocess
import unittest

import harness
from fixtures import InteropCase, run

EXTENDED_CONNECT = "SETTINGS_ENABLE_CONNECT_PROTOCOL(0x08):1"


class Nghttp(InteropCase):
    programs = ("nghttp",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def nghttp(self, *arguments):
        """Its log of frames, bodies left out."""
        done = run("nghttp", "-nv", "--no-verify-peer", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("The negotiated protocol: h2", done.stdout)
        return done.stdout

    def url(self, name="large.bin"):
        return f"{self.origin.url}/{name}"

    def received(self, log, frame):
        """The stream and the length of each frame of this type that came."""
        return [(int(stream), int(length)) for length, stream in
                re.findall(rf"recv {frame} frame <length=(\d+), flags=\S+, stream_id=(\d+)>", log)]

    def test_settings_come_first(self):
        log = self.nghttp(self.url("small.txt"))
        frames = re.findall(r"recv (\w+) frame", log)
        self.assertEqual(frames[0], "SETTINGS")
        self.assertIn(EXTENDED_CONNECT, log)
        self.assertIn("SETTINGS_NO_RFC7540_PRIORITIES(0x09):1", log)
        self.assertRegex(log, r"recv SETTINGS frame <length=0, flags=0x01")
        self.assertNotIn("PUSH_PROMISE", log)

    def test_every_byte_comes(self):
        log = self.nghttp(self.url())
        self.assertIn(":status: 200", log)
        self.assertEqual(sum(length for _, length in self.received(log, "DATA")), (self.site / "large.bin").stat().st_size)
        target = self.downloads / "nghttp"
        with open(target, "wb") as out:
            subprocess.run(["nghttp", "--no-verify-peer", self.url()], stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=harness.PATIENCE)
        self.assert_is(target)

    def order_of(self, *arguments):
        """The streams of six large answers, as their DATA frames came."""
        log = self.nghttp("-m", "6", *arguments, self.url())
        frames = self.received(log, "DATA")
        size = (self.site / "large.bin").stat().st_size
        order = [stream for stream, _ in frames]
        self.assertEqual([sum(length for s, length in frames if s == stream) for stream in sorted(set(order))], [size] * 6)
        return order

    def test_priority_decides_who_shares(self):
        """RFC 9218, section 10: incremental answers take turns, others come one after the other."""
        order = self.order_of("-H", "priority: i")
        self.assertLess(max(order.index(stream) for stream in set(order)), len(order) // 10)
        order = self.order_of()
        ends = [len(order) - order[::-1].index(stream) for stream in sorted(set(order))]
        # One after the other, but for what a stream whose own window is empty leaves of the connection's to the next.
        self.assertEqual(ends, sorted(ends))
        self.assertLess(ends[0], len(order) // 2, "if they shared, the first would end near the end")

    def test_small_windows_are_respected(self):
        """nghttp ends with FLOW_CONTROL_ERROR when more comes than its window has room for."""
        log = self.nghttp("-w", "10", "-W", "16", self.url("large.bin"))
        self.assertEqual(sum(length for _, length in self.received(log, "DATA")), (self.site / "large.bin").stat().st_size)
        self.assertNotIn("FLOW_CONTROL_ERROR", log)

    def test_padding_and_upload_are_taken(self):
        log = self.nghttp("-b", "64", "-d", self.site / "small.txt", self.url("small.txt"))
        self.assertIn(":status: 405", log)

    def test_fields(self):
        """A section that needs CONTINUATION frames is taken; one of too many fields is refused by a status."""
        log = self.nghttp("-H", f"x-large: {'~' * 40_000}", self.url("small.txt"))
        self.assertGreater(int(re.search(r"send HEADERS frame <length=(\d+)", log).group(1)), 16_384)
        self.assertIn(":status: 200", log)
        self.assertIn(":status: 431", self.nghttp(*[word for i in range(400) for word in ("-H", f"x-{i}: 1")], self.url("small.txt")))

    def test_shutdown_says_goaway_and_finishes(self):
        origin = self.lab.gateway("--files", self.site, "--grace", "600", name="ending")
        # Its log goes into a pipe: while nobody reads on, it cannot come to its end.
        client = subprocess.Popen(["nghttp", "-nv", "--no-verify-peer", "-m", "40", "-w", "16", f"{origin.url}/large.bin"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        self.addCleanup(client.stdout.close)
        log = b""
        while b"recv DATA" not in log:
            some = client.stdout.read1(4096)
            self.assertTrue(some, log[-1000:])
            log += some
        self.assertNotIn(b"recv GOAWAY", log)
        origin.child.send_signal(signal.SIGTERM)
        harness.wait_until(lambda: b"graceful shutdown" in origin.log_path.read_bytes(), "the gateway drained", process=origin)
        log = (log + client.stdout.read()).decode(errors="replace")
        self.assertEqual(client.wait(harness.PATIENCE), 0, log[-1000:])
        self.assertRegex(log, r"recv GOAWAY frame")
        self.assertIn("error_code=NO_ERROR", log)
        size = (self.site / "large.bin").stat().st_size
        self.assertEqual(sum(length for _, length in self.received(log, "DATA")), 40 * size)
        self.assertEqual(origin.child.wait(harness.PATIENCE), 0)


class H2load(InteropCase):
    programs = ("h2load",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.counting_gateway("--files", cls.site, name="origin")

    def load(self, *arguments, requests, protocol="h2", name="small.txt"):
        done = run("h2load", "-n", str(requests), *arguments, f"{self.origin.url}/{name}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"Application protocol: {protocol}", done.stdout)
        counts = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
        self.assertEqual(list(map(int, counts.groups())), [requests, requests, 0, 0, 0], done.stdout)
        data = re.search(r"\((\d+)\) data", done.stdout)
        return int(data.group(1))

    def test_http2(self):
        self.assertEqual(self.load("-c", "8", "-m", "32", requests=20_000), 20_000 * 6)

    def test_http1(self):
        self.assertEqual(self.load("-c", "8", "--h1", requests=5_000, protocol="http/1.1"), 5_000 * 6)

    def test_large_answers(self):
        size = (self.site / "large.bin").stat().st_size
        self.assertEqual(self.load("-c", "2", "-m", "10", requests=40, name="large.bin"), 40 * size)
        self.assertEqual(self.load("-c", "2", "--h1", requests=10, protocol="http/1.1", name="large.bin"), 10 * size)

    def test_many_connections(self):
        before = self.metrics(self.origin)['sallyport_connections_total{version="http/2"}']
        self.load("-c", "300", "-m", "2", requests=1_200)
        self.assertEqual(self.metrics(self.origin)['sallyport_connections_total{version="http/2"}'] - before, 300)


if __name__ == "__main__":
    unittest.main()

"""`sallyport bench` checked against the load generators of others on the same server: h2load over HTTP/2, gtlsclient over HTTP/3. What
our gateway counted is the judge of how much each asked; the two must see the same server alike. scripts/bench loadgen prints both."""

import json
import re
import time
import unittest

import peers
from fixtures import InteropCase
from harness import SALLYPORT

ROUNDS = 3  # the best of them counts: a machine that is busy with something else is slow by chance, never quick
APART = 4   # times at most


class LoadGenerators(InteropCase):
    programs = ("h2load", "gtlsclient")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.counting_gateway("--files", cls.site, "--workers", "1", name="origin")
        cls.url = f"{cls.origin.url}/small.txt"

    def asked(self, version, command):
        """How many requests of this version the gateway saw of the command; its output and its CPU seconds."""
        name = f'sallyport_requests_total{{version="{version}"}}'
        before = self.metrics(self.origin)[name]
        cpu, out = peers.measured(command)
        return self.metrics(self.origin)[name] - before, out, cpu

    def bench(self, http, requests, connections, streams):
        count, out, cpu = self.asked(f"http/{http[1]}", [SALLYPORT, "bench", "-k", "--json", "--http", http, "-n", requests, "-c", connections,
                                                         "-m", streams, self.url])
        figures = json.loads(out)
        self.assertEqual((count, figures["requests"], figures["errors"]), (requests, requests, {}))
        self.assertEqual(figures["bytes"], requests * 6)
        # Little's law: what is under way is the rate times the latency. No more than was asked for, and in the best round most of it.
        figures["under_way"] = figures["requests_per_s"] * figures["latency"]["mean_ms"] / 1000 / (connections * streams)
        self.assertLess(figures["under_way"], 1.05)
        figures["cpu_off"] = abs(figures["cpu_s"] - cpu) - cpu / 4
        return figures

    def assert_sound(self, rounds):
        self.assertGreater(max(figures["under_way"] for figures in rounds), 0.3)
        self.assertLess(min(figures["cpu_off"] for figures in rounds), 0.05, "what it says of its CPU time is what the kernel says of it")

    def assert_alike(self, ours, theirs, what):
        self.assertLess(ours, theirs * APART, what)
        self.assertGreater(ours, theirs / APART, what)

    def test_http2_like_h2load(self):
        requests, connections, streams = 20_000, 4, 8
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(self.bench("h2", requests, connections, streams))
            count, out, _ = self.asked("http/2", ["h2load", "-n", requests, "-c", connections, "-m", streams, self.url])
            self.assertEqual(count, requests)
            mean, unit = re.search(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms|s)", out).groups()
            theirs.append((float(re.search(r"finished in .*, ([\d.]+) req/s", out).group(1)), float(mean) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]))
        self.assert_sound(ours)
        self.assert_alike(max(figures["requests_per_s"] for figures in ours), max(rate for rate, _ in theirs), "requests a second")
        self.assert_alike(min(figures["latency"]["mean_ms"] for figures in ours), min(mean for _, mean in theirs), "mean latency, ms")

    def test_http3_like_gtlsclient(self):
        requests = 10_000
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(self.bench("h3", requests, 1, 100))
            began = time.monotonic()
            count, _, _ = self.asked("http/3", peers.gtlsclient_command(self.url, streams=requests))
            theirs.append(requests / (time.monotonic() - began))
            self.assertEqual(count, requests)
        self.assert_sound(ours)
        self.assert_alike(max(figures["requests_per_s"] for figures in ours), max(theirs), "requests a second")


if __name__ == "__main__":
    unittest.main()

"""`sallyport bench` as a process: what it reports is what the gateway counted, and its exit status tells whether all went well."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

import harness
from harness import SALLYPORT, Lab

VERSIONS = ("h3", "h2", "h1")


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        site = cls.lab.folder / "site"
        site.mkdir()
        harness.make_file(site / "k.bin", 1024)
        harness.make_file(site / "large.bin", 64 << 20)
        cls.ca = cls.lab.certificate()[0]
        with socket.create_server(("127.0.0.1", 0)) as free:
            cls.admin = free.getsockname()[1]
        cls.gateway = cls.lab.gateway("--files", site, "--admin", f"127.0.0.1:{cls.admin}")

    def counted(self, http):
        """Requests of this version that the gateway has seen."""
        version = http.replace("h", "http/")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as page:
            found = re.findall(rf'^sallyport_requests_total{{version="{version}"}} (\d+)', page.read().decode(), re.MULTILINE)
        self.assertEqual(len(found), 1)
        return int(found[0])

    def bench(self, *arguments, path="k.bin", url=None, status=0):
        command = [SALLYPORT, "bench", "--json", "--ca", self.ca, *arguments, url or f"{self.gateway.url}/{path}"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return json.loads(done.stdout), done.stderr

    def test_counts_every_request(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                before = self.counted(http)
                figures, words = self.bench("--http", http, "-n", 500, "-c", 3, "-m", 4)
                self.assertEqual(self.counted(http) - before, 500)
                self.assertEqual((figures["requests"], figures["connections"], figures["errors"], words), (500, 3, {}, ""))
                self.assertEqual(figures["bytes"], 500 * 1024)
                self.assertEqual(figures["latency"]["count"], 500)

    def test_a_connection_for_each_request(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                figures, _ = self.bench("--http", http, "-n", 50, "-c", 4, "--new-connections")
                self.assertEqual((figures["requests"], figures["connections"]), (50, 50))
                self.assertGreaterEqual(figures["latency"]["p50_ms"], figures["connect"]["p50_ms"])

    def test_keeps_to_a_rate(self):
        for more in ((), ("--new-connections",)):
            with self.subTest(more=more):
                figures, _ = self.bench("--http", "h2", "-n", 100, "--rate", 200, "-c", 4, *more)
                self.assertEqual(figures["requests"], 100)
                self.assertGreater(figures["seconds"], 0.45)  # the last is due after 0.495 s

    def test_what_is_under_way_at_the_end_is_no_error(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                figures, _ = self.bench("--http", http, "-t", 1, "-c", 2, "-m", 2, path="large.bin")
                self.assertEqual(figures["errors"], {})
                self.assertLess(figures["seconds"], 2)

    def test_a_server_that_hangs_is_not_hidden(self):
        gateway = self.lab.gateway("--files", self.lab.folder / "site", name="hanging")
        command = [SALLYPORT, "bench", "--json", "--ca", self.ca, "--http", "h2", "--rate", "50", "-t", "4", f"{gateway.url}/k.bin"]
        child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        os.kill(gateway.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, gateway.pid, signal.SIGCONT)
        figures = json.loads(child.communicate(timeout=60)[0])
        self.assertEqual(child.returncode, 1)
        self.assertEqual(figures["errors"], {"no answer": figures["unanswered"]})
        self.assertGreater(figures["unanswered"], 50)
        self.assertEqual(figures["latency"]["count"], figures["requests"] + figures["unanswered"])
        self.assertGreater(figures["latency"]["p99_ms"], 1000)

    def test_errors_by_kind(self):
        figures, _ = self.bench("-n", 20, path="nothing", status=1)
        self.assertEqual((figures["requests"], figures["errors"]), (0, {"status 404": 20}))

    def test_nobody_there(self):
        figures, words = self.bench("-n", 10, "-c", 2, "--timeout", 1, url="https://127.0.0.1:9/", status=1)
        self.assertEqual(sum(figures["errors"].values()), 2)
        self.assertEqual(len(words.splitlines()), 1)
        self.assertIn("127.0.0.1:9", words)


if __name__ == "__main__":
    unittest.main()

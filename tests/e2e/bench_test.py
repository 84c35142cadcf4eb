"""`sallyport bench` as a process: what it reports is what the gateway counted, and its exit status tells whether all went well."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import unittest
import urllib.request

import harness
from harness import SALLYPORT, Lab, Namespace
from tls_server import Handler, TlsServer

VERSIONS = ("h3", "h2", "h1")


class Listener(TlsServer):
    """HTTP/1.1 over TLS that keeps what it is asked, (method, path, fields, body), and answers the first `answers` requests only."""

    def __init__(self, lab, answers=1 << 30):
        self.asked = []
        self.over = threading.Event()
        listener = self

        class Listening(Handler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                listener.asked.append((self.command, self.path, self.headers, body))
                if len(listener.asked) > answers:
                    listener.over.wait()
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_POST = do_GET

        super().__init__(lab, Listening)

    def close(self):
        self.over.set()
        super().close()


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
        cls.site = site
        cls.gateway = cls.lab.gateway("--files", site, "--admin", "127.0.0.1:0")

    def counted(self, http, admin=None):
        """Requests of this version that the gateway has seen."""
        version = http.replace("h", "http/")
        with urllib.request.urlopen(f"http://127.0.0.1:{admin or self.gateway.admin}/metrics", timeout=harness.PATIENCE) as page:
            found = re.findall(rf'^sallyport_requests_total{{version="{version}"}} (\d+)', page.read().decode(), re.MULTILINE)
        self.assertEqual(len(found), 1)
        return int(found[0])

    def bench(self, *arguments, path="k.bin", url=None, status=0):
        command = [SALLYPORT, "bench", "--json", "--ca", self.ca, *arguments, url or f"{self.gateway.url}/{path}"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=harness.PATIENCE)
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

    def test_what_is_under_way_at_the_end_is_no_error(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                # The small one is answered on the slowest machine, the large one is under way on the quickest.
                command = [SALLYPORT, "bench", "--json", "--ca", self.ca, "--http", http, "-t", "1", "-c", "2", "-m", "2",
                           f"{self.gateway.url}/k.bin", f"{self.gateway.url}/large.bin"]

                def is_no_error(command=command):
                    done = harness.finish(command)
                    figures = json.loads(done.stdout)
                    return done.returncode == 0 and figures["errors"] == {} and figures["unanswered"] > 0

                # A gateway that the machine stopped for a second rightly counts as one that hangs.
                self.assertTrue(any(is_no_error() for _ in range(5)))

    def test_a_server_that_hangs_is_not_hidden(self):
        server = Listener(self.lab, answers=20)
        self.addCleanup(server.close)
        figures, _ = self.bench("--http", "h1", "--rate", 50, "-t", 10, url=server.url, status=1)
        self.assertEqual(figures["requests"], 20)
        self.assertEqual(figures["errors"], {"no answer": figures["unanswered"]})
        self.assertEqual(figures["requests"] + figures["unanswered"], 501, "all that was due")
        self.assertEqual(figures["latency"]["count"], 501)

    def test_goes_on_when_the_server_comes_back(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                flags = ("--files", self.site, "--admin", "127.0.0.1:0", "--grace", "0")
                first = self.lab.gateway(*flags, name="first")
                command = [SALLYPORT, "bench", "--json", "--ca", self.ca, "--http", http, "--rate", "200", "-c", "2", "-t", "3600", f"{first.url}/k.bin"]
                child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(child.kill)
                harness.wait_until(lambda: self.counted(http, first.admin) > 20, "the first server was asked")
                first.stop(harness.PATIENCE)
                second = self.lab.gateway(*flags, listen=f"127.0.0.1:{first.port}", name="second")
                harness.wait_until(lambda: self.counted(http, second.admin) > 20, "the second server was asked", process=second)
                for _ in range(2):  # as a terminal does that is closed
                    child.send_signal(signal.SIGHUP)
                figures = json.loads(child.communicate(timeout=harness.PATIENCE)[0])
                self.assertEqual(child.returncode, -signal.SIGHUP)
                # Some of those that the servers counted were under way when the first ended, and at the end.
                self.assertGreater(figures["requests"], 30)
                # One to each at least: the other may not have been open yet, or be waiting to try again.
                self.assertGreaterEqual(figures["connections"], 2)

    def test_many_connections_ask_for_the_name_once(self):
        """More than our own resolver would have waiting."""
        for http in ("h3", "h2"):
            with self.subTest(http=http):
                figures, words = self.bench("--http", http, "-n", 600, "-c", 300, "--new-connections", "--timeout", 60,
                                            url=f"https://localhost:{self.gateway.port}/k.bin")
                self.assertEqual((figures["requests"], figures["connections"], figures["errors"], words), (600, 600, {}, ""))

    def test_fields_bodies_and_several_urls(self):
        server, other = Listener(self.lab), Listener(self.lab)
        self.addCleanup(server.close)
        self.addCleanup(other.close)
        body = self.lab.folder / "body"
        body.write_bytes(os.urandom(300_000))
        figures, _ = self.bench("--http", "h1", "-c", 2, "-n", 200, "-H", "X-One: 1", "-H", "User-Agent: mine", "-d", f"@{body}",
                                f"{server.url}/a", f"{server.url}/b?c", url=f"{other.url}/d")
        self.assertEqual((figures["requests"], figures["errors"]), (200, {}))
        self.assertEqual(len(server.asked) + len(other.asked), 200)
        self.assertEqual({path for _, path, _, _ in server.asked}, {"/a", "/b?c"})
        self.assertEqual({path for _, path, _, _ in other.asked}, {"/d"})
        for method, _, fields, sent in server.asked + other.asked:
            self.assertEqual((method, fields["x-one"], fields["user-agent"]), ("POST", "1", "mine"))
            self.assertEqual(sent, body.read_bytes())
        with open(body, "rb") as file:
            harness.run(SALLYPORT, "bench", "--ca", self.ca, "--http", "h1", "-n", "1", "-d", "@-", server.url, stdin=file)
        self.assertEqual(server.asked[-1][3], body.read_bytes())
        fields_file = self.lab.folder / "fields"
        fields_file.write_text("X-One: 1\nX-Two: 2\n")
        self.bench("--http", "h1", "-n", 1, "-H", f"@{fields_file}", url=server.url)
        self.assertEqual([server.asked[-1][2][name] for name in ("x-one", "x-two")], ["1", "2"])
        self.bench("--http", "h1", "-n", 1, "-d", "a=b", url=server.url)
        method, _, fields, sent = server.asked[-1]
        self.assertEqual((method, fields["content-type"], sent), ("POST", "application/x-www-form-urlencoded", b"a=b"))

    def test_what_cannot_be_asked_is_said(self):
        for status, flags in ((2, ("-H", "no colon")), (2, ("-H", "Host: elsewhere")), (2, ("-H", "Transfer-Encoding: chunked")),
                              (1, ("-d", "@/no/such/file")), (2, ("https://localhost:1/",))):
            with self.subTest(flags=flags):
                done = harness.finish([SALLYPORT, "bench", *flags, f"{self.gateway.url}/k.bin"])
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
                self.assertIn("2 hosts" if len(flags) == 1 else flags[0], done.stderr)

    def test_a_warm_up_is_not_counted(self):
        before = self.counted("h2")
        figures, _ = self.bench("--http", "h2", "-n", 100, "--warm-up", 3)
        self.assertEqual((figures["requests"], figures["latency"]["count"], figures["bytes"]), (100, 100, 100 * 1024))
        self.assertGreater(figures["warm_up_seconds"], 0)
        self.assertGreater(self.counted("h2") - before, 100)

    def test_shows_progress_on_a_terminal(self):
        for quiet in ((), ("--quiet",)):
            ours, theirs = pty.openpty()
            command = [SALLYPORT, "bench", "--ca", self.ca, "--http", "h2", "-t", "3", *quiet, f"{self.gateway.url}/k.bin"]
            done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=theirs, timeout=harness.PATIENCE)
            self.assertEqual(done.returncode, 0)
            os.write(theirs, b".")  # so that there is something to read
            seen = os.read(ours, 1 << 16).decode()
            os.close(theirs)
            os.close(ours)
            self.assertEqual(bool(re.search(r"s of 3 s  \d+ requests?  [\d.]+ a second  1 connection\b", seen)), not quiet, seen)

    def test_ports_that_are_exhausted_are_called_that(self):
        with Lab(namespace=Namespace()) as lab:
            harness.run(*lab.prefix, "sh", "-c", "echo 50000 50009 > /proc/sys/net/ipv4/ip_local_port_range")
            gateway = lab.gateway("--files", self.site, listen="127.0.0.1:8443")
            for http in ("h3", "h2"):
                with self.subTest(http=http):
                    done = harness.finish([*lab.prefix, SALLYPORT, "bench", "--json", "--ca", lab.certificate()[0], "--http", http, "-c", 50, "-n", 500,
                                           f"{gateway.url}/k.bin"])
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("no ephemeral port is free", done.stderr)
                    self.assertNotIn("temporarily", done.stderr)
                    self.assertGreater(json.loads(done.stdout)["requests"], 0, "those that got one do their work")

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

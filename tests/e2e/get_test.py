"""`sallyport get` and `sallyport gateway` as processes: downloads on every version, direct and through hops, and what goes wrong."""

import json
import os
import pty
import re
import resource
import select
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import harness
from harness import SALLYPORT, Lab, sha256
from tls_server import Handler, TlsServer

SIZE = 24 << 20


def sallyport(*arguments, timeout=harness.PATIENCE, prefix=()):
    return subprocess.run([*prefix, SALLYPORT, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


class PoorServer(TlsServer):
    """HTTP/1.1 over TLS that ends the connection after every answer, and answers slowly in pieces until .whole is set."""

    def __init__(self, lab, content, redirect=False):
        server = self

        class Poor(Handler):
            def do_GET(self):
                if redirect and self.path != "/target":
                    self.send_response(302)
                    self.send_header("location", "/target")
                    self.send_header("content-length", "0")
                    return self.end_headers()
                first, last = self.asked_range(len(content))
                ranged = first is not None
                if not ranged:
                    first, last = 0, len(content) - 1
                self.send_response(206 if ranged else 200)
                if ranged:
                    self.send_header("content-range", f"bytes {first}-{last}/{len(content)}")
                self.send_header("etag", '"1"')
                self.send_header("content-length", str(last - first + 1))
                self.send_header("connection", "close")
                self.end_headers()
                body = content[first:last + 1]
                if not server.whole.is_set():
                    body, rest = body[:len(body) // 3], body[len(body) // 3:]
                    self.wfile.write(body)
                    server.whole.wait(harness.PATIENCE)
                    body = rest
                self.wfile.write(body)

        self.whole = threading.Event()
        self.whole.set()
        super().__init__(lab, Poor)

    def close(self):
        self.whole.set()
        super().close()


class Http1Proxy(TlsServer):
    """A proxy that knows HTTP/1.1 and CONNECT alone, as many do; .tunnels are those that were opened."""

    def __init__(self, lab):
        proxy = self

        class Tunnel(Handler):
            def do_CONNECT(self):
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port))) as target:
                    proxy.tunnels += 1
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=self.copy, args=(target, self.connection))
                    back.start()
                    self.copy(self.connection, target)
                    back.join()
                self.close_connection = True

            def copy(self, source, sink):
                try:
                    while data := source.recv(65536):
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # one of them went away

        self.tunnels = 0
        super().__init__(lab, Tunnel)


class Downloads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.site = cls.lab.folder / "site"
        cls.site.mkdir()
        harness.make_file(cls.site / "file.bin", SIZE)
        (cls.site / "small.txt").write_text("hello\n")
        (cls.site / "empty").write_text("")
        cls.want = sha256(cls.site / "file.bin")
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")
        cls.hops = [cls.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.0/8", name=f"hop{i}") for i in range(4)]
        cls.target = cls.lab.folder / "got.bin"

    def get(self, *arguments, path="file.bin"):
        self.target.unlink(missing_ok=True)
        figures = self.lab.get_json("-o", self.target, *arguments, f"{self.origin.url}/{path}")
        if path == "file.bin":
            self.assertEqual(sha256(self.target), self.want)
        return figures

    def via(self, count):
        return [word for hop in self.hops[:count] for word in ("--via", hop.url)]

    def test_every_version_directly(self):
        for http, name in (("h3", "HTTP/3"), ("h2", "HTTP/2"), ("h1", "HTTP/1.1")):
            with self.subTest(http=http):
                self.assertEqual(self.get("--http", http)["links"][-1]["http_version"], name)

    def test_auto_prefers_http3(self):
        # On a loaded machine TCP may win the race now and then.
        harness.wait_until(lambda: self.get("--http", "auto")["links"][-1]["http_version"] == "HTTP/3", "HTTP/3 won the race")

    def test_through_hops(self):
        for count in (1, 2, 4):
            with self.subTest(hops=count):
                links = self.get("--http", "h3", "--via-http", "h3", *self.via(count))["links"]
                self.assertEqual(len(links), count + 1)
                budgets = [link["path_budget"] for link in links[:-1]]
                self.assertEqual(budgets, sorted(budgets, reverse=True))
                self.assertGreaterEqual(budgets[-1], 1200)
                for link in links:
                    self.assertGreater(link["quic"]["ttfb_ms"], 0)
                    self.assertGreater(link["quic"]["smoothed_rtt_ms"], 0)

    def test_hops_over_tcp_versions(self):
        for http in ("h2", "h1"):
            with self.subTest(via_http=http):
                links = self.get("--http", "h3", "--via-http", http, *self.via(1))["links"]
                self.assertEqual(links[-1]["http_version"], "HTTP/3")
                self.assertEqual(links[0]["http_version"], {"h2": "HTTP/2", "h1": "HTTP/1.1"}[http])

    def test_several_at_once_through_http1_hops(self):
        urls = [f"{self.origin.url}/file.bin", f"{self.origin.url}/small.txt", f"{self.origin.url}/empty", f"{self.origin.url}/file.bin"]
        for count in (1, 2):
            with self.subTest(hops=count):
                figures = self.lab.get_json("-n", "4", "--via-http", "h1", "--http", "h1", *self.via(count), "-o", "/dev/null", *urls)
                self.assertEqual([t["status"] for t in figures["transfers"]], [200] * 4)
                self.assertEqual({link["http_version"] for link in figures["links"]}, {"HTTP/1.1"})
        self.get("-n", "4", "--via-http", "h1", "--http", "h1", *self.via(2))

    def test_an_http1_hop_among_others(self):
        proxy = Http1Proxy(self.lab)
        self.addCleanup(proxy.close)
        mine, gateway, urls = ("--via", proxy.url), self.via(1), [f"{self.origin.url}/small.txt"] * 4
        for hops, http, tunnels in ((mine, "h1", 4), ((*gateway, *mine), "h1", 4), ((*mine, *gateway), "h1", 1), ((*mine, *gateway), "h3", 1),
                                    (mine, "auto", 1)):
            with self.subTest(hops=hops, http=http):
                proxy.tunnels = 0
                figures = self.lab.get_json("-n", "4", "--via-http", "auto", "--http", http, *hops, "-o", "/dev/null", *urls)
                self.assertEqual([t["status"] for t in figures["transfers"]], [200] * 4)
                self.assertLessEqual(proxy.tunnels, tunnels)
                self.assertGreater(proxy.tunnels, 0)

    def test_connect_carries_tls(self):
        for via_http in ("h3", "h2", "h1"):
            with self.subTest(via_http=via_http):
                links = self.get("--mode", "tcp", "--via-http", via_http, *self.via(1))["links"]
                versions = {"h3": "HTTP/3", "h2": "HTTP/2", "h1": "HTTP/1.1"}
                self.assertEqual([link["http_version"] for link in links], [versions[via_http], "HTTP/2"])

    def test_split_by_ranges(self):
        figures = self.get("-n", "8")
        self.assertGreater(figures["transfers"][0]["requests"], 8)
        self.get("-n", "8", "--http", "h2")

    def test_small_and_empty(self):
        self.get("-n", "4", path="small.txt")
        self.assertEqual(self.target.read_text(), "hello\n")
        self.get("-n", "4", path="empty")
        self.assertEqual(self.target.read_bytes(), b"")

    def test_body_on_stdout(self):
        done = sallyport("get", "--no-cache", "--ca", self.lab.certificate()[0], f"{self.origin.url}/small.txt")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    def test_several_urls_and_repeats(self):
        figures = self.lab.get_json("-o", "/dev/null", "-n", "3", "--repeat", "3", f"{self.origin.url}/small.txt", f"{self.origin.url}/empty")
        self.assertEqual(len(figures["transfers"]), 6)
        self.assertEqual([t["status"] for t in figures["transfers"]], [200] * 6)

    def test_several_urls_over_http1(self):
        figures = self.lab.get_json("--http", "h1", "-o", "/dev/null", "-n", "3", f"{self.origin.url}/file.bin", f"{self.origin.url}/nothing",
                                    f"{self.origin.url}/small.txt", f"{self.origin.url}/empty", expect=1)
        self.assertEqual([t["status"] for t in figures["transfers"]], [200, 404, 200, 200])

    def test_repeats_end_when_nobody_is_there(self):
        done = sallyport("get", "--no-cache", "--repeat", "2", "--timeout", "1", "-o", "/dev/null", "https://127.0.0.1:9/", timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("origin 127.0.0.1:9: "), 2, done.stderr)

    def test_redirects(self):
        (self.site / "folder").mkdir(exist_ok=True)
        for http in ("h3", "h1"):
            with self.subTest(http=http):
                done = sallyport("get", "--no-cache", "--ca", self.lab.certificate()[0], "--http", http, f"{self.origin.url}/folder")
                self.assertEqual(done.returncode, 1)
                self.assertIn("--location", done.stderr)
                transfer = self.lab.get_json("--http", http, "-L", "-o", "/dev/null", f"{self.origin.url}/folder")["transfers"][0]
                self.assertEqual((transfer["status"], transfer["url"]), (200, f"{self.origin.url}/folder/"))

    def early_data(self, http):
        """Whether the second of two runs sent its request before the handshake was over; nothing where TCP won a race."""
        with tempfile.TemporaryDirectory(dir=self.lab.folder) as cache:
            for early in (False, True):
                done = sallyport("get", "--json", "--http", http, "--cache", cache, "--early-data", "--ca", self.lab.certificate()[0],
                                 "-o", "/dev/null", f"{self.origin.url}/small.txt")
                self.assertEqual(done.returncode, 0, done.stderr)
                link = json.loads(done.stdout)["links"][0]
                if http == "auto" and "quic" not in link:
                    return None
                self.assertEqual(link["quic"]["early_data_accepted"], early)
                # The request did not wait for the handshake.
                self.assertEqual(link["connect_ms"] < link["quic"]["handshake_ms"], early)
        return True

    def test_second_run_sends_early_data(self):
        self.assertTrue(self.early_data("h3"))
        harness.wait_until(lambda: self.early_data("auto"), "HTTP/3 won the race")

    def test_interrupted_keeps_what_came_and_says_so_once(self):
        harness.make_file(self.site / "huge.bin", 1 << 30)
        target = self.lab.folder / "huge.bin"
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.lab.certificate()[0], "-n", "4", "-o", target, f"{self.origin.url}/huge.bin"]
        child = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True)
        part = Path(f"{target}.part")
        harness.wait_until(lambda: part.exists() and part.stat().st_size > 1 << 20, "a part is there")
        child.send_signal(signal.SIGINT)
        words = child.communicate(timeout=harness.PATIENCE)[1]
        self.assertEqual(child.returncode, -signal.SIGINT, words)
        self.assertEqual(words.count("--resume"), 1, words)
        figures = self.lab.get_json("-n", "4", "--resume", "-o", target, f"{self.origin.url}/huge.bin")
        self.assertGreater(figures["transfers"][0]["resumed_bytes"], 0)
        if not harness.sanitized():  # its allocator keeps what was freed
            self.assertLess(figures["process"]["max_resident_kib"], 64 * 1024)
        self.assertEqual(sha256(target), sha256(self.site / "huge.bin"))
        for path in (target, self.site / "huge.bin"):
            path.unlink()

    def test_qlog_keylog_and_summary(self):
        folder, keys = self.lab.folder / "qlog", self.lab.folder / "keys"
        self.get("--http", "h3", *self.via(1), "--qlog", folder, "--keylog", keys)
        logs = sorted(folder.glob("*_client.sqlog"))
        self.assertEqual(len(logs), 2)
        self.assertEqual(keys.stat().st_mode & 0o777, 0o600)
        self.assertIn("CLIENT_TRAFFIC_SECRET_0", keys.read_text())
        done = sallyport("trace", "summary", "--json", *logs)
        self.assertEqual(done.returncode, 0, done.stderr)
        for connection in json.loads(done.stdout):
            self.assertGreater(connection["rtt"]["min_ms"], 0)
            self.assertGreater(connection["received"]["packets"], 0)

    def test_a_full_disk_is_told_by_how_many_events_the_qlog_lacks(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        ca = self.lab.certificate()[0]
        folder = self.lab.folder / "qlog-small"
        for command in (["get", "-q", "-o", "/dev/null"], ["bench", "-q", "-n", 1]):
            for limit in (None, small_files):
                done = harness.finish([SALLYPORT, *command, "--no-cache", "--ca", ca, "--http", "h3", "--qlog", folder, f"{self.origin.url}/file.bin"],
                                      preexec_fn=limit)
                self.assertEqual(done.returncode, 0, done.stderr)
                told = re.findall(r"--qlog: events that were not recorded: \d+,", done.stderr)
                self.assertEqual(len(told), 1 if limit else 0, done.stderr)

    def interrupted(self, server, target, *arguments):
        """Runs `get`, hangs up on it when a part of the file is there, and returns its words."""
        server.whole.clear()
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.lab.certificate()[0], "--http", "h1", "-o", target, *arguments]
        child = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True)
        state = Path(f"{target}.part.json")
        harness.wait_until(state.exists, "a part is there")
        child.send_signal(signal.SIGHUP)
        words = child.communicate(timeout=harness.PATIENCE)[1]
        server.whole.set()
        self.assertEqual(child.returncode, -signal.SIGHUP, words)
        return words

    def test_resumes_through_a_redirect(self):
        content = os.urandom(3_000_000)
        server = PoorServer(self.lab, content, redirect=True)
        self.addCleanup(server.close)
        target = self.lab.folder / "redirected.bin"
        words = self.interrupted(server, target, "-L", f"{server.url}/start")
        kept = int(re.search(r"(\d+) bytes are kept", words)[1])
        self.assertGreater(kept, 0)
        transfer = self.lab.get_json("--http", "h1", "-L", "--resume", "-o", target, f"{server.url}/start")["transfers"][0]
        self.assertEqual((transfer["resumed_bytes"], transfer["bytes"]), (kept, len(content) - kept))
        self.assertEqual(target.read_bytes(), content)

    def test_splits_with_a_server_that_closes_after_each_answer(self):
        content = os.urandom(3_000_000)
        server = PoorServer(self.lab, content)
        self.addCleanup(server.close)
        target = self.lab.folder / "closing.bin"
        figures = self.lab.get_json("--http", "h1", "-n", "4", "-o", target, f"{server.url}/x")
        self.assertGreaterEqual(figures["transfers"][0]["requests"], 5)
        self.assertEqual(target.read_bytes(), content)

    def test_a_failure_touches_nothing(self):
        target = self.lab.folder / "untouched.bin"
        part, state = Path(f"{target}.part"), Path(f"{target}.part.json")
        for url in (f"{self.origin.url}/nothing", "https://127.0.0.1:9/"):
            with self.subTest(url=url):
                self.lab.get_json("--timeout", "1", "-o", target, url, expect=1)
                self.assertFalse(part.exists())
                part.write_text("old")
                state.write_text("{}")
                self.lab.get_json("--timeout", "1", "-o", target, url, expect=1)
                self.assertEqual((part.read_text(), state.read_text()), ("old", "{}"))
                part.unlink()
                state.unlink()

    def test_a_full_disk_keeps_what_fits(self):
        if os.geteuid() != 0:
            self.skipTest("a small disk needs root")
        disk = self.lab.folder / "disk"
        disk.mkdir()
        harness.run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        content = os.urandom(3_000_000)
        (self.site / "three.bin").write_bytes(content)
        target = disk / "f"
        command = ["get", "--no-cache", "--ca", self.lab.certificate()[0], "-o", target, f"{self.origin.url}/three.bin"]
        done = sallyport(*command)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left on device", done.stderr)
        kept = int(re.search(r"(\d+) bytes are kept", done.stderr)[1])
        self.assertGreater(kept, 1_500_000)
        self.assertLessEqual(kept, 2 << 20)
        harness.run("mount", "-o", "remount,size=8m", disk)
        done = sallyport(*command, "--resume", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["transfers"][0]["resumed_bytes"], kept)
        self.assertEqual(target.read_bytes(), content)

    def test_a_body_on_a_terminal_is_not_drawn_over(self):
        (self.site / "line").write_text("no newline at end")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.lab.certificate()[0], f"{self.origin.url}/line"]
        done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, timeout=harness.PATIENCE)
        os.close(theirs)
        seen = b""
        try:
            while more := os.read(ours, 4096):
                seen += more
        except OSError:  # the other end is closed
            pass
        self.assertEqual((done.returncode, seen), (0, b"no newline at end"))

    def test_a_slow_reader_of_the_output_is_waited_for(self):
        silent = PoorServer(self.lab, bytes(3000))
        self.addCleanup(silent.close)
        silent.whole.clear()
        # Long enough for a server that the machine stops for a moment.
        get = ["get", "--no-cache", "--ca", self.lab.certificate()[0], "--stall-timeout", "5"]
        children = {}
        for http in ("h3", "h2", "h1"):
            command = [SALLYPORT, *get, "--http", http, f"{self.origin.url}/file.bin"]
            children[http] = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(children[http].kill)
        for child in children.values():
            select.select([child.stdout], [], [])
        # Two more run into the same stall timeout meanwhile, one after the other, so it is over twice.
        for _ in range(2):
            stalled = sallyport(*get, "--http", "h1", "-o", "/dev/null", silent.url, timeout=harness.PATIENCE)
            self.assertEqual(stalled.returncode, 1)
        for http, child in children.items():
            with self.subTest(http=http):
                body, words = child.communicate(timeout=harness.PATIENCE)
                self.assertEqual((child.returncode, words), (0, b""))
                self.assertEqual(body, (self.site / "file.bin").read_bytes())

    def test_says_who_fell_silent(self):
        for silent in ("hop", "origin"):
            with self.subTest(silent=silent):
                hop = self.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="hop-to-stop")
                origin = self.lab.gateway("--files", self.site, name="origin-to-stop")
                command = [SALLYPORT, "get", "--no-cache", "--ca", self.lab.certificate()[0], "--http", "h3", "--stall-timeout", "6",
                           "--via", hop.url, f"{origin.url}/file.bin"]
                child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                select.select([child.stdout], [], [])  # it has begun, and waits for us
                stopped = hop if silent == "hop" else origin
                os.kill(stopped.pid, signal.SIGSTOP)
                self.addCleanup(os.kill, stopped.pid, signal.SIGCONT)
                words = child.communicate(timeout=harness.PATIENCE)[1].decode()
                self.assertEqual(child.returncode, 1)
                self.assertEqual(len(words.splitlines()), 1, words)
                if silent == "hop":
                    self.assertIn(f"hop 1 (127.0.0.1:{hop.port}): nothing came from it", words)
                else:
                    self.assertIn("nothing came from 127.0.0.1", words)
                    self.assertNotIn("hop", words)

    def test_the_stall_timeout_is_what_the_connections_keep(self):
        folder = self.lab.folder / "patient"
        self.get("--http", "h3", *self.via(1), "--stall-timeout", "90", "--qlog", folder)
        for log in folder.glob("*_client.sqlog"):
            ours = [e["data"] for e in map(json.loads, filter(None, (line.strip("\x1e\n") for line in log.read_text().splitlines())))
                    if e.get("name") == "quic:parameters_set" and e["data"].get("initiator", e["data"].get("owner")) == "local"]
            self.assertEqual([p["max_idle_timeout"] for p in ours], [90_000])

    def test_what_a_gateway_announces_outlives_its_tunnels(self):
        """Else a silent one would end with its connection, after --idle-timeout."""
        udp = self.lab.gateway("--masque", "udp", "--udp-tunnel-idle", "200", "--allow", "127.0.0.0/8", name="udp-only")
        for hop, tunnels in ((self.hops[0], 610_000), (udp, 210_000)):
            folder = self.lab.folder / f"announced-{tunnels}"
            self.get("--http", "h3", "--via", hop.url, "--qlog", folder)
            theirs = [e["data"]["max_idle_timeout"] for log in folder.glob("*_client.sqlog")
                      for e in map(json.loads, filter(None, (line.strip("\x1e\n") for line in log.read_text().splitlines())))
                      if e.get("name") == "quic:parameters_set" and e["data"].get("initiator", e["data"].get("owner")) == "remote"]
            self.assertEqual(sorted(theirs), [60_000, tunnels])

    def test_tickets_of_two_servers_on_one_host_are_kept_apart(self):
        other = self.lab.gateway("--files", self.site, name="other")
        cache = self.lab.folder / "cache-tcp"
        for server in (self.origin, other):
            done = sallyport("get", "--http", "h2", "--cache", cache, "--ca", self.lab.certificate()[0], "-o", "/dev/null", f"{server.url}/small.txt")
            self.assertEqual(done.returncode, 0, done.stderr)
        kept = (cache / "sessions").read_text(errors="replace")
        for server in (self.origin, other):
            self.assertIn(f"tcp/127.0.0.1:{server.port}", kept)

    def test_missing_file_is_an_error_with_its_status(self):
        done = sallyport("get", "--no-cache", "--ca", self.lab.certificate()[0], f"{self.origin.url}/nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn("404", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_killed_hop_keeps_what_came_and_resumes(self):
        harness.make_file(self.site / "large.bin", 512 << 20)
        hop = self.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="victim")
        target = self.lab.folder / "large.bin"
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.lab.certificate()[0], "--http", "h3", "--stall-timeout", "5",
                   "-o", target, "--via", hop.url, f"{self.origin.url}/large.bin"]
        child = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True)
        part = Path(f"{target}.part")
        harness.wait_until(lambda: part.exists() and part.stat().st_size > 20 << 20, "a part is there")
        os.kill(hop.pid, signal.SIGKILL)
        words = child.communicate(timeout=harness.PATIENCE)[1]
        self.assertEqual(child.returncode, 1, words)
        self.assertIn("hop 1", words)
        self.assertIn("--resume", words)
        self.assertTrue(part.exists())
        figures = self.lab.get_json("--http", "h3", "--resume", "-o", target, *self.via(1), f"{self.origin.url}/large.bin")
        self.assertGreater(figures["transfers"][0]["resumed_bytes"], 0)
        self.assertEqual(sha256(target), sha256(self.site / "large.bin"))
        self.assertFalse(part.exists())


class Failures(unittest.TestCase):
    """Each ends with one sentence that names what is wrong, and the right status."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.cert, cls.key = cls.lab.certificate()
        (cls.lab.folder / "site").mkdir()
        (cls.lab.folder / "site" / "a").write_text("a")
        cls.origin = cls.lab.gateway("--files", cls.lab.folder / "site", name="origin")

    def fails(self, status, *words, command, timeout=harness.PATIENCE):
        done = sallyport(*command, timeout=timeout)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(str(word), done.stderr)

    def get(self, *arguments):
        return ["get", "--no-cache", "--ca", self.cert, "-o", "/dev/null", *arguments]

    def test_wrong_flags(self):
        self.fails(2, "--frobnicate", command=["get", "--frobnicate", "https://a/"])
        self.fails(2, "http://a/", command=["get", "http://a/"])
        self.fails(2, "--via", command=["get", "--via", "gopher://x", "https://a/"])
        self.fails(2, "same file 'a'", command=["get", "-O", "https://a/a", "https://b/a"])
        self.fails(2, "a command is missing", command=[])

    def test_unusable_files(self):
        self.fails(1, "/nonexistent/cert.pem", command=["gateway", "--listen", "127.0.0.1:0", "--cert", "/nonexistent/cert.pem", "--key", self.key, "--masque", "udp"])
        self.fails(1, "/nonexistent/site", command=["gateway", "--listen", "127.0.0.1:0", "--cert", self.cert, "--key", self.key, "--files", "/nonexistent/site"])
        self.fails(1, "/nonexistent/ca.pem", command=["get", "--ca", "/nonexistent/ca.pem", "https://a/"])
        self.fails(1, "/nonexistent/out", command=self.get("-o", "/nonexistent/out", f"{self.origin.url}/a")[:4] + ["-o", "/nonexistent/out", f"{self.origin.url}/a"])

    def test_port_in_use(self):
        self.fails(1, self.origin.port, command=["gateway", "--listen", f"127.0.0.1:{self.origin.port}", "--cert", self.cert, "--key", self.key,
                                               "--files", self.lab.folder / "site"])

    def test_refused_target(self):
        hop = self.lab.gateway("--masque", "udp,tcp", name="strict")
        for mode in ("udp", "tcp"):
            self.fails(1, "hop 1", "403", "destination_ip_prohibited",
                       command=self.get("--via", hop.url, "--mode", mode, f"{self.origin.url}/a"))

    def test_dead_hop(self):
        self.fails(1, "hop 1 (127.0.0.1:9)", "--via-http auto", command=self.get("--timeout", "2", "--via", "https://127.0.0.1:9", f"{self.origin.url}/a"))

    def test_nobody_listens(self):
        self.fails(1, "origin 127.0.0.1:9", "TCP: cannot connect to 127.0.0.1:9: Connection refused", "QUIC: UDP to 127.0.0.1:9 failed",
                   command=self.get("https://127.0.0.1:9/"))
        done = sallyport(*self.get("-v", "https://127.0.0.1:9/"), timeout=harness.PATIENCE)
        lines = [line for line in done.stderr.splitlines() if line.startswith("* ")]
        self.assertEqual(len(lines), 2, done.stderr)
        for line in lines:
            self.assertIn("127.0.0.1:9", line)

    def test_wrong_certificate(self):
        other = Lab()
        self.addCleanup(other.__exit__)
        ca = other.certificate("other.test")[0]
        self.fails(1, "origin 127.0.0.1", "certificate", command=["get", "--no-cache", "--ca", ca, "-o", "/dev/null", "--http", "h3", f"{self.origin.url}/a"])
        self.fails(1, "hop 1", "certificate", command=["get", "--no-cache", "--ca", ca, "-o", "/dev/null", "--via", self.origin.url, f"{self.origin.url}/a"])

    def test_too_small_an_mtu(self):
        if os.geteuid() != 0:
            self.skipTest("a network namespace of a small MTU needs root")
        with Lab(namespace=harness.Namespace(mtu=1260)) as lab:
            lab.certificate()
            (lab.folder / "site").mkdir()
            (lab.folder / "site" / "a").write_text("a")
            origin = lab.gateway("--files", lab.folder / "site")
            hop = lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8")
            done = sallyport("get", "--no-cache", "--ca", lab.certificate()[0], "--http", "h3", "--timeout", "5", "-o", "/dev/null",
                             "--via", hop.url, "--via", hop.url, f"{origin.url}/a", prefix=lab.prefix)
            self.assertEqual(done.returncode, 1)
            self.assertIn("MTU", done.stderr)


if __name__ == "__main__":
    unittest.main()

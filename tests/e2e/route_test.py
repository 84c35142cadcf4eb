"""The gateway as a reverse proxy: sites behind it over every protocol, their absence, what is recorded, and reloads under load."""

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import unittest
import urllib.request

import harness
from harness import PATIENCE, SALLYPORT, Lab

VERSIONS = ("h3", "h2", "h1")


class Site(http.server.BaseHTTPRequestHandler):
    """A backend of HTTP/1.1: says what it was asked; /large is 5 MiB, /cut breaks off, an upload is sent back."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    seen = []

    def log_message(self, *_):
        pass

    def answer(self, body, length=None):
        self.send_response(200)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        type(self).seen.append((self.path, dict(self.headers.items())))
        if self.path == "/large":
            return self.answer(bytes(range(256)) * (20 << 10))
        if self.path == "/cut":
            self.answer(b"half of it", 1000)
            self.close_connection = True
            return None
        return self.answer(f"{self.headers['host']} {self.path}".encode())

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["content-length"])))


class RouteCase(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)

    def site(self):
        """The URL of a backend."""
        handler = type("OneSite", (Site,), {"seen": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # connections that end with the gateway
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.seen = handler.seen
        return f"http://127.0.0.1:{server.server_port}"

    def gateway(self, *routes, flags=()):
        words = [word for route in routes for word in ("--route", route)]
        self.log = self.lab.folder / "access.log"
        return self.lab.gateway("--workers", 1, "--access-log", self.log, "--admin", "127.0.0.1:0", *words, *flags)

    def get(self, gateway, path, *flags):
        """(exit status, standard output, standard error)."""
        done = subprocess.run([SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "-o", "-", *flags, f"{gateway.url}{path}"],
                              capture_output=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr.decode()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def metric(self, gateway, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin}/metrics", timeout=PATIENCE) as page:
            return sum(float(line.split()[-1]) for line in page.read().decode().splitlines() if line.startswith(name))


class Routes(RouteCase):
    def test_over_every_version(self):
        gateway = self.gateway(f"127.0.0.1={self.site()}")
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(self.get(gateway, "/a?b=c", "--http", version), (0, f"127.0.0.1:{gateway.port} /a?b=c".encode(), ""))
                self.assertEqual(self.get(gateway, "/large", "--http", version)[1], bytes(range(256)) * (20 << 10))
                upload = self.lab.folder / "upload"
                upload.write_bytes(os.urandom(300_000).hex().encode())
                self.assertEqual(self.get(gateway, "/", "--http", version, "-d", f"@{upload}")[1], upload.read_bytes())
        _, fields = self.seen[0]
        self.assertEqual(fields["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(fields["x-forwarded-proto"], "https")
        self.assertRegex(fields["via"], r"^3\.0 sallyport-[0-9a-f]{8}-0$")
        harness.wait_until(lambda: len(self.lines()) == 9, "all are recorded")
        self.assertEqual({(line["route"], line["status"]) for line in self.lines()}, {("127.0.0.1/", 200)})
        self.assertRegex(self.lines()[0]["upstream"], r"^http://127\.0\.0\.1:\d+$")
        self.assertEqual(self.metric(gateway, 'sallyport_route_requests_total{route="127.0.0.1/"}'), 9)
        self.assertEqual(self.metric(gateway, "sallyport_upstream_connections_total"), 1)

    def test_options_of_a_route(self):
        site = self.site()
        gateway = self.gateway(f"/api={site};method=GET;header=x-tier:gold;prefix=/v2;set-header=x-seen:1;set-response-header=x-by:gateway",
                               "/old=redirect:/new;status=301", "/[a-z]+[.]php=respond:410;regex;body=gone", f"/={site}")
        for version in VERSIONS:
            with self.subTest(version=version):
                host = f"127.0.0.1:{gateway.port}"
                _, out, _ = self.get(gateway, "/api/users?x=1", "--http", version, "-H", "X-Tier: gold", "-i")
                self.assertTrue(out.endswith(f"{host} /v2/users?x=1".encode()), out)
                self.assertIn(b"x-by: gateway", out.lower())
                self.assertEqual(self.seen[-1][1]["x-seen"], "1")
                self.assertTrue(self.get(gateway, "/api/users", "--http", version)[1].endswith(b" /api/users"), "without the header field")
                self.assertTrue(self.get(gateway, "/old/a?b", "-L", "--http", version)[1].endswith(b" /new/a?b"), "redirected")
                self.assertIn(b" 410 ", self.get(gateway, "/index.php", "--http", version, "-i")[1])
        harness.wait_until(lambda: len(self.lines()) >= 15, "all are recorded")
        self.assertEqual({line["route"] for line in self.lines()},
                         {"*/api;method=GET;header=x-tier:gold", "*/old", "*/[a-z]+[.]php;regex", "*/"})

    def test_a_request_has_one_id(self):
        gateway = self.gateway(f"/={self.site()}", flags=("--trust-forwarded", "127.0.0.0/8"))
        self.get(gateway, "/", "-H", "X-Request-ID: from-the-front", "-H", "X-Forwarded-For: 203.0.113.9")
        self.get(gateway, "/")
        harness.wait_until(lambda: len(self.lines()) == 2, "both are recorded")
        self.assertEqual([line["request_id"] for line in self.lines()], [fields["x-request-id"] for _, fields in self.seen])
        self.assertEqual(self.lines()[0]["request_id"], "from-the-front")
        self.assertEqual(self.seen[0][1]["x-forwarded-for"], "203.0.113.9, 127.0.0.1")

    def test_a_timeout_of_a_route(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            gateway = self.gateway(f"/=http://127.0.0.1:{silent.getsockname()[1]};timeout=0.2")
            for version in VERSIONS:
                self.assertIn(b"504", self.get(gateway, "/", "--http", version, "-i")[1])
        self.assertEqual(self.metric(gateway, "sallyport_route_failures_total"), 3)

    def test_backends_of_every_protocol(self):
        folder = self.lab.folder / "files"
        folder.mkdir()
        (folder / "a").write_text("behind it")
        behind = self.lab.gateway("--files", folder, "--workers", 1, name="behind")
        ca = ("--backend-ca", self.lab.certificate()[0])
        gateway = self.gateway(f"/h3=h3://127.0.0.1:{behind.port}", f"/=https://127.0.0.1:{behind.port}", flags=ca)
        (folder / "h3").mkdir()
        (folder / "h3" / "a").write_text("behind it")
        for version in VERSIONS:
            for path in ("/a", "/h3/a"):
                self.assertEqual(self.get(gateway, path, "--http", version), (0, b"behind it", ""))
        self.assertEqual(self.metric(gateway, "sallyport_upstream_connections_total"), 2)

    def test_a_backend_whose_certificate_is_not_trusted(self):
        behind = self.lab.gateway("--files", self.lab.folder, "--workers", 1, name="behind")
        gateway = self.gateway(f"127.0.0.1=https://127.0.0.1:{behind.port}")
        status, _, words = self.get(gateway, "/")
        self.assertEqual(status, 1)
        self.assertIn("502", words)
        harness.wait_until(lambda: self.lines(), "it is recorded")
        self.assertIn("certificate", self.lines()[0]["upstream_error"])

    def test_routes_come_before_files(self):
        (self.lab.folder / "own").write_text("own file")
        gateway = self.gateway(f"/api={self.site()}", flags=("--files", self.lab.folder))
        self.assertEqual(self.get(gateway, "/own")[1], b"own file")
        self.assertEqual(self.get(gateway, "/api/own")[1], f"127.0.0.1:{gateway.port} /api/own".encode())
        self.assertEqual(self.get(gateway, "/apis")[0], 1)

    def test_a_backend_that_is_away(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), Site)
        server.server_close()
        gateway = self.gateway(f"127.0.0.1=http://127.0.0.1:{server.server_port}")
        for version in VERSIONS:
            status, _, words = self.get(gateway, "/", "--http", version)
            self.assertEqual(status, 1)
            self.assertIn("502", words)
        harness.wait_until(lambda: len(self.lines()) == 3, "it is recorded")
        self.assertIn("refused", self.lines()[0]["upstream_error"])
        self.assertEqual(self.lines()[0]["proxy_error"], "connection_refused")
        self.assertEqual(self.metric(gateway, "sallyport_route_failures_total"), 3)

    def test_a_response_that_is_cut_does_not_look_complete(self):
        gateway = self.gateway(f"127.0.0.1={self.site()}")
        for version in VERSIONS:
            status, _, words = self.get(gateway, "/cut", "--http", version)
            self.assertEqual(status, 1, words)

    def test_reloads_under_load(self):
        gateway = self.gateway(f"127.0.0.1={self.site()}")
        bench = subprocess.Popen([SALLYPORT, "bench", "-k", "--json", "--http", "h2", "-c", "2", "-m", "4", "-n", "2000", f"{gateway.url}/x"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(bench.stderr.close)
        self.addCleanup(bench.stdout.close)
        reloads = 0
        while bench.poll() is None:
            gateway.child.send_signal(signal.SIGHUP)
            reloads += 1
            threading.Event().wait(0.01)
        figures = json.loads(bench.stdout.read())
        self.assertEqual((figures["requests"], figures["errors"]), (2000, {}), bench.stderr.read())
        self.assertGreater(reloads, 5)


class WithoutTls(RouteCase):
    """--listen-http."""

    def gateway(self, *routes, flags=()):
        made = super().gateway(*routes, flags=("--listen-http", "127.0.0.1:0", *flags))
        made.clear = int(re.search(r"listening on 127\.0\.0\.1:(\d+) \(TCP, without TLS\)", made.log_path.read_text())[1])
        return made

    def ask(self, gateway, path, method="GET", **headers):
        """Status, Location and body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.clear, timeout=PATIENCE)) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("location"), answer.read().decode()

    def test_serves_as_the_others_do(self):
        (self.lab.folder / "own").write_text("own file")
        gateway = self.gateway(f"/api={self.site()}", flags=("--files", self.lab.folder, "--masque", "tcp"))
        self.assertEqual(self.ask(gateway, "/api"), (200, None, f"127.0.0.1:{gateway.clear} /api"))
        self.assertEqual(self.seen[0][1]["x-forwarded-proto"], "http")
        self.assertEqual(self.ask(gateway, "/own"), (200, None, "own file"))
        self.assertEqual(self.ask(gateway, "127.0.0.1:1", "CONNECT")[0], 501, "no proxy without TLS")

    def test_redirects(self):
        gateway = self.gateway(f"/={self.site()}", flags=("--redirect-https",))
        for method in ("GET", "POST"):
            self.assertEqual(self.ask(gateway, "/a?b", method)[:2], (308, f"https://127.0.0.1:{gateway.port}/a?b"))
        self.assertEqual(self.ask(gateway, "/a", host="[::1]:80")[1], f"https://[::1]:{gateway.port}/a")
        self.assertEqual(self.ask(self.gateway(f"/={self.site()}", flags=("--redirect-https=443",)), "/", host="example.org:80")[1],
                         "https://example.org/")
        self.assertEqual(self.seen, [])


class WithoutQuic(RouteCase):
    def test_has_http2_and_http1(self):
        gateway = self.gateway(f"/={self.site()}", flags=("--no-quic",))
        for version in ("h2", "h1"):
            status, _, words = self.get(gateway, "/", "-i", "--http", version)
            self.assertEqual(status, 0, words)
            self.assertNotIn("alt-svc", words)
        self.assertEqual(self.get(gateway, "/", "--http", "h3", "--timeout", "1")[0], 1)
        self.assertEqual(self.metric(gateway, "sallyport_quic_"), 0)


class Flags(RouteCase):
    def words(self, *flags):
        done = harness.finish([SALLYPORT, "gateway", "--self-signed", "localhost", "--listen", "127.0.0.1:0", "--check", *flags])
        return done.returncode, done.stdout + done.stderr

    def test_what_is_wrong_is_said(self):
        for flags, sentence in ((("--route", "a"), "--route a: it is HOST[/PATH]=URL, as in example.org=http://127.0.0.1:8080"),
                                (("--route", "a=http://b/c"), "it has no path: requests keep their own"),
                                (("--route", "a=http://b", "--route", "A=http://c"), "two --route are for a/"),
                                (("--route", "a=http://b", "--redirect-https"), "--redirect-https is for --listen-http, which is not given"),
                                (("--route", "a=http://b", "--no-tcp", "--no-quic"), "--no-tcp and --no-quic leave nothing to listen on"),
                                (("--route", "a=http://b", "--no-quic", "--alt-svc-port", "1"), "--alt-svc-port advertises HTTP/3"),
                                (("--route", "a=http://b", "--listen-http", "nonsense"), "--listen-http: "),
                                (("--route", "a=http://b", "--backend-ca", "f"), "--backend-ca is for a --route to https:// or h3://"),
                                ((), "give --files DIR, --route HOST=URL, --masque udp,tcp, or several of them")):
            status, words = self.words(*flags)
            self.assertEqual(status, 2, words)
            self.assertIn(sentence, words)
        status, words = self.words("--route", "a=https://b", "--backend-ca", "/nonexistent")
        self.assertEqual(status, 1, words)
        self.assertIn("--backend-ca: ", words)

    def test_check_prints_them(self):
        status, words = self.words("--route", "*.example.org/api=http://b:1#3,h2c://c")
        self.assertEqual(status, 0, words)
        self.assertIn("route *.example.org/api\n  backend http://b:1, weight 3\n  backend h2c://c:80, weight 1\n", words)


if __name__ == "__main__":
    unittest.main()

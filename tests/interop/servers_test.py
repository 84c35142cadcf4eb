"""Foreign servers of HTTP/2 and HTTP/1.1 for `sallyport get`: Debian's nginx and nghttp2's nghttpd, directly and through hops."""

import unittest

import harness
import peers
from fixtures import LARGE, InteropCase

VERSIONS = {"h2": "HTTP/2", "h1": "HTTP/1.1"}


class OursAgainstNginx(InteropCase):
    programs = ("nginx",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = peers.nginx(cls.lab, cls.site)

    def test_download(self):
        for http, version in VERSIONS.items():
            for name in ("large.bin", "small.txt", "empty"):
                with self.subTest(http=http, name=name):
                    self.assertEqual(self.get(self.server.url, "--http", http, name=name)["links"][-1]["http_version"], version)

    def test_auto_finds_it_over_tcp(self):
        """Nobody listens on its UDP port."""
        self.assertEqual(self.get(self.server.url)["links"][-1]["http_version"], "HTTP/2")

    def test_parts_by_ranges(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                transfer = self.get(self.server.url, "--http", http, "-n", "4")["transfers"][0]
                self.assertGreaterEqual(transfer["requests"], 4)

    def test_many_requests(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                figures = self.lab.get_json("--http", http, "-o", "/dev/null", "-n", "4", "--repeat", "25", f"{self.server.url}/small.txt",
                                            f"{self.server.url}/large.bin")
                self.assertEqual([t["status"] for t in figures["transfers"]], [200] * 50)

    def test_connections_that_end(self):
        """It takes three requests a connection: HTTP/1.1 then closes, HTTP/2 says GOAWAY; parts and files go on over the next one."""
        server = peers.nginx(self.lab, self.site, more="keepalive_requests 3;")
        for http in VERSIONS:
            for flags in (("-n", "4"), ("-n", "2", "--repeat", "4")):
                with self.subTest(http=http, flags=flags):
                    target = self.downloads / "ended"
                    figures = self.lab.get_json("--http", http, *flags, "-o", target, f"{server.url}/large.bin")
                    self.assertLessEqual({t["status"] for t in figures["transfers"]}, {200, 206})
                    self.assert_is(target)

    def test_resumed_download(self):
        """A part that was kept, made by stopping a slow download; nginx checks the If-Range that comes with the rest."""
        slow = peers.nginx(self.lab, self.site, more=f"limit_rate 100k; limit_rate_after {LARGE * 2 // 3};")
        for http in VERSIONS:
            with self.subTest(http=http):
                target = self.downloads / "part"
                part = target.with_name("part.part")
                client = self.lab.start([harness.SALLYPORT, "get", "--no-cache", "-q", "--ca", self.cert, "--http", http, "-o", target,
                                         f"{slow.url}/large.bin"], "get")
                harness.wait_until(lambda: part.exists() and part.stat().st_size > LARGE // 3, "a third came", process=client)
                client.stop()
                figures = self.lab.get_json("--http", http, "--resume", "-o", target, f"{slow.url}/large.bin")
                self.assertGreater(figures["transfers"][0]["resumed_bytes"], LARGE // 4)
                self.assert_is(target)

    def test_redirect_and_missing(self):
        (self.site / "folder").mkdir(exist_ok=True)
        server = peers.nginx(self.lab, self.site, more="location = /moved { return 302 /small.txt; } location = /round { return 302 /round; }")
        for http in VERSIONS:
            with self.subTest(http=http):
                target = self.downloads / "moved"
                self.lab.get_json("--http", http, "-L", "-o", target, f"{server.url}/moved")
                self.assert_is(target, "small.txt")
                self.assertIn("404", self.get_fails("--http", http, f"{server.url}/nothing"))
                self.assertIn("redirect", self.get_fails("--http", http, "-L", f"{server.url}/round"))

    def test_compressed_on_the_fly_is_not_asked_for(self):
        """Neither version says that it takes gzip, so what comes is what lies there."""
        server = peers.nginx(self.lab, self.site, more="gzip on; gzip_types *; gzip_min_length 1;")
        for http in VERSIONS:
            self.get(server.url, "--http", http)

    def test_through_hops(self):
        """TLS to the origin in CONNECT, inside one hop and two, over all versions with the hops."""
        hops = [self.lab.gateway("--masque", "tcp,udp", "--allow", "127.0.0.0/8", name=f"hop{i}") for i in range(2)]
        for via_http in ("h3", "h2", "h1"):
            for count in (1, 2):
                with self.subTest(via_http=via_http, hops=count):
                    via = [word for hop in hops[:count] for word in ("--via", hop.url)]
                    links = self.get(self.server.url, "--mode", "tcp", "--via-http", via_http, *via)["links"]
                    self.assertEqual((len(links), links[-1]["http_version"]), (count + 1, "HTTP/2"))

    def test_bench(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                figures = self.json_of(harness.SALLYPORT, "bench", "--json", "--ca", self.cert, "--http", http, "-c", "4", "-m", "8", "-n", "5000",
                                       f"{self.server.url}/small.txt")
                self.assertEqual((figures["requests"], figures["errors"], figures["bytes"]), (5000, {}, 5000 * 6))


class OursAgainstNghttpd(InteropCase):
    programs = ("nghttpd",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = peers.nghttpd(cls.lab, cls.site)

    def download(self, server, *flags, name="large.bin"):
        self.assertEqual(self.get(server.url, "--http", "h2", *flags, name=name)["links"][-1]["http_version"], "HTTP/2")

    def test_download(self):
        for name in ("large.bin", "small.txt", "empty"):
            self.download(self.server, name=name)

    def test_parts_of_a_server_without_ranges(self):
        """It answers a range request with the whole file; that must come out whole, once."""
        figures = self.get(self.server.url, "--http", "h2", "-n", "4")
        self.assertEqual(figures["transfers"][0]["bytes"], LARGE)

    def test_padding_and_trailers(self):
        self.download(peers.nghttpd(self.lab, self.site, "--padding=200"))
        self.download(peers.nghttpd(self.lab, self.site, "--trailer", "sum: 1"))

    def test_small_header_table(self):
        self.download(peers.nghttpd(self.lab, self.site, "--header-table-size=0", "--encoder-header-table-size=0"))

    def test_one_stream_at_once(self):
        """More requests than it lets be open wait for their turn."""
        server = peers.nghttpd(self.lab, self.site, "--max-concurrent-streams=1")
        figures = self.lab.get_json("--http", "h2", "-o", "/dev/null", "-n", "4", "--repeat", "10", f"{server.url}/small.txt", f"{server.url}/large.bin")
        self.assertEqual([t["status"] for t in figures["transfers"]], [200] * 20)
        self.assertEqual(len(figures["links"]), 1)

    def test_missing_file_is_said(self):
        self.assertIn("404", self.get_fails("--http", "h2", f"{self.server.url}/nothing"))

    def test_upload(self):
        """It sends back what it was sent."""
        server = peers.nghttpd(self.lab, self.site, "--echo-upload")
        self.get(server.url, "--http", "h2", "-T", self.site / "large.bin")
        figures = self.lab.get_json("--http", "h2", "-o", self.downloads / "got", "-d", "hello\n", f"{server.url}/x")
        self.assertEqual(figures["transfers"][0]["status"], 200)
        self.assert_is(self.downloads / "got", "small.txt")


if __name__ == "__main__":
    unittest.main()

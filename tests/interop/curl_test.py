"""curl: the machine's as a client of our file server and of our proxy; for HTTP/3, and HTTP/2 to a proxy, Debian 13's on any machine; and PyPI's
curl_cffi."""

import json
import unittest

import debian
import peers
from fixtures import EXPECT, HERE, InteropCase, curl

TCP_VERSIONS = {"--http2": "2", "--http1.1": "1.1"}


class CurlCase(InteropCase):
    programs = ("curl",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def curl(self, *arguments, name="large.bin", origin=None):
        """curl's own account (its --write-out) with the header fields; the body lies in .body."""
        self.body = self.downloads / "curl-body"
        self.body.unlink(missing_ok=True)
        fields = self.downloads / "curl-fields"
        done = curl("--noproxy", "", "--cacert", self.cert, "-o", self.body, "-D", fields, "-w", "%{json}", *arguments,
                   f"{(origin or self.origin).url}/{name}")
        account = json.loads(done.stdout)
        account["status"], account["stderr"] = done.returncode, done.stderr
        lines = [line.split(": ", 1) for line in fields.read_text().splitlines() if ": " in line] if fields.exists() else []
        account["fields"] = {key.lower(): value for key, value in lines}
        return account


class Files(CurlCase):
    versions = TCP_VERSIONS

    def get(self, flag, version, *arguments, code=200, name="large.bin"):
        account = self.curl(flag, *arguments, name=name)
        self.assertEqual((account["status"], account["http_code"], account["http_version"]), (0, code, version), account["stderr"])
        return account

    def test_download(self):
        for flag, version in self.versions.items():
            fields = self.get(flag, version)["fields"]
            self.assert_is(self.body)
            self.assertEqual(fields["accept-ranges"], "bytes")
            if flag in TCP_VERSIONS:
                self.assertIn(f'h3=":{self.origin.port}"', fields["alt-svc"])

    def test_empty_and_missing(self):
        for flag, version in self.versions.items():
            self.assertEqual(self.get(flag, version, name="empty")["fields"]["content-length"], "0")
            self.get(flag, version, name="nothing", code=404)

    def test_head(self):
        for flag, version in self.versions.items():
            account = self.get(flag, version, "--head")
            self.assertEqual((account["size_download"], int(account["fields"]["content-length"])),
                             (0, (self.site / "large.bin").stat().st_size))

    def test_ranges(self):
        whole = (self.site / "large.bin").read_bytes()
        for flag, version in self.versions.items():
            for asked, part in (("0-0", whole[:1]), ("1000-4999", whole[1000:5000]), ("-300", whole[-300:]), (f"{len(whole) - 5}-", whole[-5:])):
                account = self.get(flag, version, "--range", asked, code=206)
                self.assertEqual(self.body.read_bytes(), part)
                self.assertTrue(account["fields"]["content-range"].endswith(f"/{len(whole)}"))
            self.get(flag, version, "--range", f"{len(whole)}-", code=416)

    def test_resumed_download(self):
        for flag, version in self.versions.items():
            half = self.downloads / "half"
            half.write_bytes((self.site / "large.bin").read_bytes()[:5_000_000])
            self.assertEqual(curl(flag, "--cacert", self.cert, "-C", "-", "-o", half, f"{self.origin.url}/large.bin").returncode, 0)
            self.assert_is(half)

    def test_conditions(self):
        for flag, version in self.versions.items():
            fields = self.get(flag, version, name="small.txt")["fields"]
            for field, value, code in (("if-none-match", fields["etag"], 304), ("if-none-match", '"another"', 200),
                                       ("if-modified-since", fields["last-modified"], 304), ("if-match", '"another"', 412)):
                self.get(flag, version, "-H", f"{field}: {value}", name="small.txt", code=code)

    def test_uploads_are_refused(self):
        small = self.lab.folder / "small-upload"
        small.write_bytes(b"x" * 500_000)
        for flag, version in self.versions.items():
            account = self.curl(flag, "-T", small, name="upload")
            self.assertEqual((account["http_code"], account["http_version"]), (405, version), account["stderr"])
            self.assertIn("GET", account["fields"]["allow"])
            # A client that asks first is told before it sends anything.
            account = self.curl(flag, "-T", self.site / "large.bin", "-H", EXPECT, "--expect100-timeout", "20", name="upload")
            self.assertEqual((account["http_code"], account["http_version"], account["size_upload"]), (405, version, 0), account["stderr"])
        self.assertFalse((self.site / "upload").exists())

    def test_many_requests_over_one_connection(self):
        for flag, version in self.versions.items():
            account = curl(flag, "--cacert", self.cert, "-w", "%{http_version} %{http_code} %{num_connects}\n", "-o", "/dev/null",
                          f"{self.origin.url}/small.txt?[1-40]").stdout.split("\n")
            self.assertEqual(account[:40], [f"{version} 200 1"] + [f"{version} 200 0"] * 39)

    def test_parallel_streams(self):
        for flag, version in self.versions.items():
            if version == "1.1":
                continue
            done = curl(flag, "--parallel", "--parallel-max", "20", "--cacert", self.cert, "-w", "%{http_version} %{http_code}\n",
                       "--output-dir", self.downloads, "-o", "part#1", f"{self.origin.url}/large.bin?[1-8]")
            self.assertEqual(done.stdout.split(), [version, "200"] * 8, done.stderr)
            for i in range(1, 9):
                self.assert_is(self.downloads / f"part{i}")

    def test_paths_out_of_the_folder(self):
        (self.lab.folder / "secret").write_text("secret")
        for path in ("../secret", "%2e%2e/secret", "..%2fsecret", "x/../../secret", "%00"):
            with self.subTest(path=path):
                for flag in self.versions:
                    self.assertIn(self.curl(flag, "--path-as-is", name=path)["http_code"], (400, 403, 404))


class FilesOverHttp3(Files):
    versions = {"--http3-only": "3"}

    @classmethod
    def setUpClass(cls):
        debian.curl_with_http3()
        super().setUpClass()


class Proxy(CurlCase):
    """CONNECT: curl through our gateway to our file server."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hop = cls.lab.gateway("--masque", "tcp", "--allow", "127.0.0.0/8", name="hop")
        cls.strict = cls.lab.gateway("--masque", "tcp", name="strict")

    def test_a_proxy_that_wants_a_token(self):
        tokens = self.lab.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        hop = self.lab.gateway("--masque", "tcp", "--allow", "127.0.0.0/8", "--token-file", tokens, name="tokens")
        refused = self.through(hop)
        self.assertEqual((refused["status"], refused["http_connect"]), (56, 407))
        self.assertIn("Bearer", refused["fields"]["proxy-authenticate"])
        wrong = self.through(hop, "--proxy-header", "Proxy-Authorization: Bearer wrong")
        self.assertEqual((wrong["status"], wrong["http_connect"]), (56, 407))
        self.assertIn("invalid_token", wrong["fields"]["proxy-authenticate"])
        for field in ("Proxy-Authorization", "authorization"):
            account = self.through(hop, "--proxy-header", f"{field}: Bearer token-of-alice-0001")
            self.assertEqual((account["status"], account["http_connect"], account["http_code"]), (0, 200, 200), account["stderr"])
            self.assert_is(self.body)

    def through(self, hop, *arguments):
        return self.curl("--proxy", hop.url, "--proxy-cacert", self.cert, *arguments)

    def test_connect_over_http1(self):
        for flag, version in TCP_VERSIONS.items():
            with self.subTest(inside=version):
                account = self.through(self.hop, flag)
                self.assertEqual((account["status"], account["http_connect"], account["http_code"], account["http_version"]),
                                 (0, 200, 200, version), account["stderr"])
                self.assert_is(self.body)

    def test_connect_over_http2(self):
        hop = self.counting_gateway("--masque", "tcp", "--allow", "127.0.0.0/8", name="counting")
        for flag, version in TCP_VERSIONS.items():
            account = self.through(hop, "--proxy-http2", flag)
            # It does not fill in http_connect here; the counts below say that it came by the proxy.
            self.assertEqual((account["status"], account["http_code"], account["http_version"]), (0, 200, version), account["stderr"])
            self.assert_is(self.body)
        counted = self.metrics(hop)
        self.assertEqual(counted['sallyport_requests_total{version="http/2"}'], len(TCP_VERSIONS))
        self.assertEqual(counted['sallyport_masque_tunnels_total{protocol="tcp"}'], len(TCP_VERSIONS))

    def test_refused_target(self):
        account = self.through(self.strict)
        self.assertEqual((account["status"], account["http_connect"]), (56, 403))

    def test_closed_port(self):
        account = self.curl("--proxy", self.hop.url, "--proxy-cacert", self.cert, "--connect-to", "::127.0.0.1:1")
        self.assertEqual((account["status"], account["http_connect"]), (56, 502))


class CurlWithHttp3(InteropCase):
    programs = ("curl",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.interpreter = peers.python()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def curl(self, *arguments, name="large.bin"):
        return self.json_of(self.interpreter, HERE / "curl_cffi_client.py", "--ca", self.cert, *arguments, f"{self.origin.url}/{name}")

    def test_download(self):
        for http, version in (("h3", "HTTP/3"), ("h2", "HTTP/2"), ("h1", "HTTP/1.1")):
            with self.subTest(http=http):
                got = self.curl("--http", http)
                self.assertEqual((got["status"], got["version"], got["sha256"]), (200, version, self.want["large.bin"]))

    def test_head_ranges_conditions_and_refusals(self):
        size = (self.site / "large.bin").stat().st_size
        head = self.curl("--method", "HEAD")
        self.assertEqual((head["status"], head["version"], head["length"], int(head["headers"]["content-length"])), (200, "HTTP/3", 0, size))
        part = self.curl("--header", "range: bytes=100-299")
        self.assertEqual((part["status"], part["length"], part["headers"]["content-range"]), (206, 200, f"bytes 100-299/{size}"))
        self.assertEqual(self.curl("--header", f"if-none-match: {head['headers']['etag']}")["status"], 304)
        self.assertEqual(self.curl("--method", "DELETE")["status"], 405)
        self.assertEqual(self.curl(name="nothing")["status"], 404)

    def test_many_requests_over_one_connection(self):
        got = self.curl("--times", "50", name="small.txt")
        self.assertEqual((got["status"], got["version"], got["sha256"]), (200, "HTTP/3", self.want["small.txt"]))

    def test_connect_over_http2(self):
        hop = self.counting_gateway("--masque", "tcp", "--allow", "127.0.0.0/8", name="hop")
        inside = (("h2", "HTTP/2"), ("h1", "HTTP/1.1"))
        for http, version in inside:
            with self.subTest(inside=http):
                got = self.curl("--http", http, "--proxy", hop.url)
                self.assertEqual((got["status"], got["version"], got["sha256"]), (200, version, self.want["large.bin"]))
        counted = self.metrics(hop)
        self.assertEqual(counted['sallyport_requests_total{version="http/2"}'], len(inside))
        self.assertEqual(counted['sallyport_masque_tunnels_total{protocol="tcp"}'], len(inside))


if __name__ == "__main__":
    unittest.main()

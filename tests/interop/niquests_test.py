"""PyPI's niquests, whose HTTP/3 is qh3 (a fork of aioquic with its cryptography in Rust), as a client of our gateway."""

import unittest

import peers
from fixtures import HERE, InteropCase

VERSIONS = (("h3", "HTTP/3"), ("h2", "HTTP/2"), ("h1", "HTTP/1.1"))


class Niquests(InteropCase):
    programs = ("openssl",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.interpreter = peers.python()
        # qh3 takes no self-signed certificate for its own authority.
        cls.authority, cls.pair = cls.authority_and_certificate()

    def setUp(self):
        self.origin = self.counting_gateway("--files", self.site, "--qlog", self.lab.folder / "qlogs", name="origin", certificate=self.pair)
        self.addCleanup(self.origin.stop)

    def ask(self, *arguments, names=("large.bin",)):
        return self.json_of(self.interpreter, HERE / "niquests_client.py", "--ca", self.authority, *arguments,
                            *(f"{self.origin.url}/{name}" for name in names))

    def ask_one(self, *arguments, name="large.bin"):
        (answer,) = self.ask("--http", "h3", *arguments, names=(name,))
        self.assertEqual(answer["version"], "HTTP/3")
        return answer

    def test_download(self):
        for http, version in VERSIONS:
            with self.subTest(http=http):
                (got,) = self.ask("--http", http)
                self.assertEqual((got["status"], got["version"], got["sha256"]), (200, version, self.want["large.bin"]))

    def test_parallel_requests(self):
        names = [f"{name}?{i}" for i in range(10) for name in ("small.txt", "large.bin", "empty", "nothing")]
        for got, name in zip(self.ask("--http", "h3", names=names), names, strict=True):
            path = name.split("?")[0]
            self.assertEqual((got["status"], got["version"]), (404 if path == "nothing" else 200, "HTTP/3"))
            if path != "nothing":
                self.assertEqual(got["sha256"], self.want[path])
        counted = self.metrics(self.origin)
        self.assertEqual(counted['sallyport_requests_total{version="http/3"}'], len(names))
        self.assertEqual(counted['sallyport_connections_total{version="http/3"}'], 1)

    def test_http3_is_found_by_alt_svc(self):
        answers = self.ask("--in-turn", names=[f"small.txt?{i}" for i in range(3)])
        self.assertEqual([got["version"] for got in answers], ["HTTP/2", "HTTP/3", "HTTP/3"])
        self.assertEqual({(got["status"], got["sha256"]) for got in answers}, {(200, self.want["small.txt"])})
        self.assertEqual(answers[0]["headers"]["alt-svc"].split(";")[0], f'h3=":{self.origin.port}"')

    def test_head_ranges_conditions_and_refusals(self):
        size = (self.site / "large.bin").stat().st_size
        head = self.ask_one("--method", "HEAD")
        self.assertEqual((head["status"], head["length"], int(head["headers"]["content-length"])), (200, 0, size))
        part = self.ask_one("--header", "range: bytes=100-299")
        self.assertEqual((part["status"], part["length"], part["headers"]["content-range"]), (206, 200, f"bytes 100-299/{size}"))
        self.assertEqual(self.ask_one("--header", f"if-none-match: {head['headers']['etag']}")["status"], 304)
        self.assertEqual(self.ask_one("--method", "DELETE")["status"], 405)

    def test_uploads_are_refused(self):
        for size in (0, 1, 100_000, 5_000_000):
            with self.subTest(size=size):
                got = self.ask_one("--method", "POST", "--upload", str(size), name="upload")
                self.assertEqual((got["status"], got["headers"]["allow"]), (405, "GET, HEAD, OPTIONS"))
        self.assertFalse((self.site / "upload").exists())


if __name__ == "__main__":
    unittest.main()

"""Clients and backends of HTTP/2 and HTTP/3 of others at a route: h2load, nghttp, aioquic and quic-go before it, with nginx behind; aioquic, quic-go
and gtlsserver behind it, over HTTP/3."""

import re
import unittest

import harness
import peers
from fixtures import HERE, run, wait_for
from harness import sha256
from routes import BACKENDS, FRONTS, NginxCase, RouteCase

UPLOAD = 1_000_000
HELLO_SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


class Clients(NginxCase):
    programs = ("curl", "nginx", "nghttp", "h2load")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.interpreter, cls.quicgo = peers.python(), peers.go_program("quicgo")

    def aioquic(self, *arguments):
        return self.json_of(self.interpreter, HERE / "aioquic_client.py", "get", "--ca", self.cert, *arguments)

    def load(self, back, *arguments, requests, name="small.txt", protocol="h2"):
        url = self.url(back, f"{name}?{back}-{protocol}")
        done = run("h2load", "-n", str(requests), *arguments, url)
        self.assertIn(f"Application protocol: {protocol}", done.stdout)
        counts = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
        self.assertEqual(list(map(int, counts.groups())), [requests, requests, 0, 0, 0], done.stdout)
        self.assertEqual(int(re.search(r"\((\d+)\) data", done.stdout).group(1)), requests * (self.site / name).stat().st_size)
        seen = self.seen(f"/{back}/{name}?{back}-{protocol}", requests)
        self.assertEqual((len(seen), {line["protocol"] for line in seen}), (requests, {BACKENDS[back][2]}))
        return len({line["connection"] for line in seen})

    def test_h2load(self):
        for back, (_, _, protocol) in BACKENDS.items():
            connections = self.load(back, "-c", "4", "-m", "16", requests=1_500)
            # No more than there are requests at once; over HTTP/2 they share.
            self.assertLessEqual(connections, 64 if protocol == "HTTP/1.1" else 1, back)
            self.assertLessEqual(self.load(back, "-c", "4", "--h1", requests=500, protocol="http/1.1"), 4 if protocol == "HTTP/1.1" else 1)

    def test_h2load_of_large_answers(self):
        for back in BACKENDS:
            self.load(back, "-c", "2", "-m", "4", requests=8, name="large.bin")

    def test_nghttp(self):
        for back in BACKENDS:
            # A small window, padding, and an upload.
            log = run("nghttp", "-nv", "--no-verify-peer", "-w", "12", "-W", "16", self.url(back, "large.bin")).stdout
            received = sum(int(length) for length in re.findall(r"recv DATA frame <length=(\d+)", log))
            self.assertEqual(received, (self.site / "large.bin").stat().st_size)
            stored = self.uploads / "by-nghttp"
            stored.unlink(missing_ok=True)
            log = run("nghttp", "-nv", "--no-verify-peer", "-b", "64", "-H", ":method: PUT", "-d", self.site / "small.txt",
                      self.url(back, "uploads/by-nghttp")).stdout
            self.assertIn(":status: 201", log)
            self.assertEqual(stored.read_text(), "hello\n")

    def test_aioquic(self):
        for back in BACKENDS:
            got = self.aioquic("--header", "accept-encoding: identity", *[self.url(back, "small.txt")] * 40, self.url(back, "trailers"))["answers"]
            self.assertEqual({(answer["status"], answer["sha256"], answer["reset"]) for answer in got}, {(200, HELLO_SHA256, None)})
            self.assertEqual([answer["trailers"] for answer in got], [{}] * 40 + [{"x-checked": "yes it was"}])
            self.assertEqual(got[40]["headers"].get("content-length"), "6" if BACKENDS[back][2] == "HTTP/2.0" else None)
            (part,) = self.aioquic("--header", "range: bytes=100-299", self.url(back, "large.bin"))["answers"]
            self.assertEqual((part["status"], part["length"]), (206, 200))

    def test_quicgo(self):
        for back in BACKENDS:
            target = self.downloads / "quicgo"
            (one,) = self.json_of(self.quicgo, "get", "-ca", self.cert, "-o", target, "-n", "4", self.url(back, "large.bin"))
            self.assert_is(target)
            self.assertEqual((one["status"], one["protocol"], one["bytes"]), (200, "HTTP/3.0", 4 * (self.site / "large.bin").stat().st_size))


class Http3Backends(RouteCase):
    programs = ("curl", "gtlsserver")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        quicgo = cls.lab.start([peers.go_program("quicgo"), "serve", "-cert", cls.cert, "-key", cls.key, "-folder", cls.site], "quicgo")
        quicgo.port = int(harness.wait_for_ready(quicgo, quicgo.log_path).rsplit(":", 1)[1])
        # Trailers by curl over HTTP/3 are in the body.
        cls.servers = {"aioquic": cls.aioquic(), "hinting": cls.aioquic("--trailers", "--informational"), "quicgo": quicgo,
                       "gtlsserver": peers.gtlsserver(cls.lab, cls.site)}
        cls.gateways = {name: cls.routing(f"/=h3://127.0.0.1:{server.port}", name=name) for name, server in cls.servers.items()}

    @classmethod
    def aioquic(cls, *flags):
        port = peers.free_port()
        process = cls.lab.start([peers.python(), HERE / "aioquic_server.py", "--port", port, "--cert", cls.cert, "--key", cls.key, "--folder", cls.site,
                                 *flags], "aioquic")
        return wait_for(process, port)

    def test_downloads(self):
        for name in ("aioquic", "quicgo", "gtlsserver"):
            gateway = self.gateways[name]
            for front in FRONTS:
                self.asks(f"{gateway.url}/large.bin", front)
                self.assert_is(self.downloads / "asked-body")
                self.asks(f"{gateway.url}/nothing", front, code=404)
            self.assertEqual(self.counted(gateway, "sallyport_upstream_connections_total"), 1, name)
            (line, *_) = self.recorded(gateway, lambda line: line["path"] == "/large.bin", "downloads")
            self.assertEqual((line["upstream"], line["status"], line["end"]), (f"h3://127.0.0.1:{self.servers[name].port}", 200, "complete"))

    def test_early_hints_and_trailers(self):
        gateway = self.gateways["hinting"]
        for front in FRONTS:
            answer = self.asks(f"{gateway.url}/small.txt", front)
            self.assertEqual(answer.interim, [(103, {"link": "</style.css>; rel=preload"})])
            if front != "--http3-only":
                self.assertEqual((answer.body, answer.trailers), (b"hello\n", {"x-checked": "yes"}))
        (got,) = self.json_of(peers.python(), HERE / "aioquic_client.py", "get", "--ca", self.cert, f"{gateway.url}/small.txt")["answers"]
        self.assertEqual((got["trailers"], got["sha256"]), ({"x-checked": "yes"}, HELLO_SHA256))

    def test_uploads(self):
        upload = self.lab.folder / "upload.bin"
        harness.make_file(upload, UPLOAD)
        for front in FRONTS:
            answer = self.asks(f"{self.gateways['aioquic'].url}/echo", front, "--data-binary", f"@{upload}", "-H", "expect:")
            self.assertEqual(sha256(self.downloads / "asked-body"), sha256(upload))
            self.assertEqual(answer.interim, [])


if __name__ == "__main__":
    unittest.main()

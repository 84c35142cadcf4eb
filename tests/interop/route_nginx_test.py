"""Debian's nginx behind a route: over HTTP/1.1 and h2c in the clear, HTTP/2 and HTTP/1.1 over TLS; curl before it over every version. Its own
access log says what it saw."""

import gzip
import subprocess
import unittest

import harness
from fixtures import EXPECT, curl, curl_command, run
from harness import sha256
from routes import BACKENDS, FRONTS, NginxCase

UPLOAD = 3_000_000


class Messages(NginxCase):
    def test_downloads_and_what_it_saw(self):
        def check(front, back):
            before = len(self.seen_log.read_text().splitlines())
            path = f"large.bin?{front}"
            answer = self.asks(self.url(back, path), front, "-H", "X-Custom: as it was", "-H", "X-Forwarded-For: 10.9.8.7", "-H", "X-Real-IP: 10.9.8.7",
                               "-H", "X-Forwarded-Host: lie.example", "-H", "X-Request-ID: lie")
            self.assertEqual(int(answer.fields["content-length"]), (self.site / "large.bin").stat().st_size)
            self.assert_is(self.downloads / "asked-body")
            self.assertTrue(answer.fields["server"].startswith("nginx/"))
            seen = self.seen(f"/{back}/{path}")
            self.assertEqual((len(seen), len(self.seen_log.read_text().splitlines())), (1, before + 1))
            self.assertEqual({name: seen[0][name] for name in ("protocol", "method", "host", "for", "proto", "forwarded_host", "custom", "real_ip",
                                                               "connection_field", "length", "coding")},
                             {"protocol": BACKENDS[back][2], "method": "GET", "host": f"127.0.0.1:{self.gateway.port}", "for": "127.0.0.1",
                              "proto": "https", "forwarded_host": f"127.0.0.1:{self.gateway.port}", "custom": "as it was", "real_ip": "",
                              "connection_field": "", "length": "", "coding": ""})
            self.assertRegex(seen[0]["via"], r"^(3\.0|2\.0|1\.1) sallyport-[0-9a-f]+-0$")
            self.assertNotIn(seen[0]["request_id"], ("", "lie"))

        self.each_pair(check)

    def test_head(self):
        def check(front, back):
            answer = self.asks(self.url(back, "large.bin"), front, "--head")
            self.assertEqual((answer.account["size_download"], int(answer.fields["content-length"])), (0, (self.site / "large.bin").stat().st_size))
            # The connection is of use after it.
            self.assertEqual(self.asks(self.url(back, "small.txt"), front).body, b"hello\n")

        self.each_pair(check)

    def test_ranges(self):
        whole = (self.site / "large.bin").read_bytes()
        def check(front, back):
            for asked, part in (("0-0", whole[:1]), ("1000-4999", whole[1000:5000]), ("-300", whole[-300:])):
                answer = self.asks(self.url(back, "large.bin"), front, "--range", asked, code=206)
                self.assertEqual(answer.body, part)
                self.assertTrue(answer.fields["content-range"].endswith(f"/{len(whole)}"))
            answer = self.asks(self.url(back, "large.bin"), front, "--range", "0-9,100-109", code=206)
            self.assertTrue(answer.fields["content-type"].startswith("multipart/byteranges"))
            self.assertIn(whole[100:110], answer.body)
            self.asks(self.url(back, "large.bin"), front, "--range", f"{len(whole)}-", code=416)

        self.each_pair(check)

    def test_conditions(self):
        def check(front, back):
            fields = self.asks(self.url(back, "large.bin"), front, "--head").fields
            for field, value, code in (("if-none-match", fields["etag"], 304), ("if-modified-since", fields["last-modified"], 304),
                                       ("if-match", '"another"', 412)):
                answer = self.asks(self.url(back, "large.bin"), front, "-H", f"{field}: {value}", code=code)
                if code == 304:
                    self.assertEqual((answer.body, answer.fields["etag"]), (b"", fields["etag"]))

        self.each_pair(check)

    def test_compression_is_left_alone(self):
        plain = (self.site / "long.txt").read_bytes()
        def check(front, back):
            answer = self.asks(self.url(back, "long.txt"), front, "-H", "accept-encoding: gzip")
            self.assertEqual(answer.fields["content-encoding"], "gzip")
            self.assertLess(len(answer.body), len(plain) // 10)
            self.assertEqual(gzip.decompress(answer.body), plain)
            answer = self.asks(self.url(back, "long.txt?identity"), front)
            self.assertNotIn("content-encoding", answer.fields)
            self.assertEqual(answer.body, plain)

        self.each_pair(check)
        self.assertEqual({line["encodings"] for line in self.seen("/h1/long.txt?identity")}, {""})

    def test_uploads(self):
        upload = self.lab.folder / "upload.bin"
        harness.make_file(upload, UPLOAD)
        def check(front, back):
            stored = self.uploads / f"put{front}"
            stored.unlink(missing_ok=True)
            self.asks(self.url(back, f"uploads/put{front}"), front, "-T", upload, code=201)
            self.assertEqual(sha256(stored), sha256(upload))
            seen = self.seen(f"/{back}/uploads/put{front}")[-1]
            self.assertEqual((seen["length"], seen["coding"]), (str(UPLOAD), ""))

        self.each_pair(check)

    def test_uploads_of_unknown_length(self):
        upload = self.lab.folder / "upload.bin"
        harness.make_file(upload, UPLOAD)
        for front in FRONTS:
            for back in BACKENDS:
                stored = self.uploads / f"chunks{front}"
                stored.unlink(missing_ok=True)
                with open(upload, "rb") as source:
                    done = subprocess.run([*curl_command(front), "-sS", front, "--cacert", self.cert, "-o", "/dev/null", "-w", "%{http_code}", "-T", "-",
                                           self.url(back, f"uploads/chunks{front}")], stdin=source, capture_output=True, text=True, timeout=harness.PATIENCE)
                self.assertEqual((done.returncode, done.stdout), (0, "201"), done.stderr)
                self.assertEqual(sha256(stored), sha256(upload))

    def test_upload_that_waits_for_100(self):
        """nginx says 100 over HTTP/1.1 only."""
        for front in FRONTS:
            for back in BACKENDS:
                stored = self.uploads / f"expect{front}"
                stored.unlink(missing_ok=True)
                answer = self.asks(self.url(back, f"uploads/expect{front}"), front, "-T", self.site / "large.bin", "-H", EXPECT, "--expect100-timeout", "60",
                                   code=201)
                self.assertEqual([status for status, _ in answer.interim], [100])
                self.assertEqual(sha256(stored), self.want["large.bin"])

    def test_trailers(self):
        """curl reads none behind a Content-Length, nghttp does; those over HTTP/3 are shown by aioquic, in route_clients_test.py."""
        for back in BACKENDS:
            for front in ("--http2", "--http1.1"):
                answer = self.asks(self.url(back, "trailers"), front, "-H", "accept-encoding: gzip")
                self.assertEqual((gzip.decompress(answer.body), answer.trailers), (b"hello\n", {"x-checked": "yes it was"}))
            frames = run("nghttp", "-nv", "--no-verify-peer", "-H", "accept-encoding: identity", self.url(back, "trailers")).stdout
            self.assertRegex(frames, r"(?s)recv DATA frame <length=6, flags=0x00.*x-checked: yes it was.*recv HEADERS frame <length=\d+, flags=0x05")

    def test_redirects_errors_and_fields(self):
        def check(front, back):
            self.assertEqual(self.asks(self.url(back, "moved"), front, code=307).fields["location"], "http://elsewhere.example/there")
            self.assertEqual(self.asks(self.url(back, "gone"), front, code=410).body, b"gone for good")
            answer = self.asks(self.url(back, "fields"), front, code=204)
            self.assertEqual(answer.body, b"")
            heads = (self.downloads / "asked-heads").read_text().lower()
            self.assertEqual([heads.count(f"{line}\n") for line in ("x-twice: one", "x-twice: two", "set-cookie: a=1", "set-cookie: b=2")], [1] * 4)

        self.each_pair(check)

    def test_a_connection_that_closes_without_a_response(self):
        def check(front, back):
            answer = self.asks(self.url(back, "closed"), front, code=502)
            self.assertIn("proxy-status", answer.fields)
            self.assertNotIn(str(self.ports[back]), answer.fields["proxy-status"])
            line = self.recorded(self.gateway, lambda line: line.get("status") == 502 and line["path"] == f"/{back}/closed", "the 502")[-1]
            self.assertTrue(line["upstream_error"])

        self.each_pair(check)


class Connections(NginxCase):
    """How connections to nginx are used."""

    def test_are_used_again(self):
        for front in FRONTS:
            for back, (_, _, protocol) in BACKENDS.items():
                path = f"small.txt?reuse{front}"
                for _ in range(5):
                    self.assertEqual(self.asks(self.url(back, path), front).body, b"hello\n")
                seen = self.seen(f"/{back}/{path}", 5)
                self.assertEqual({line["protocol"] for line in seen}, {protocol})
        for back in BACKENDS:
            connections = {line["connection"] for front in FRONTS for line in self.seen(f"/{back}/small.txt?reuse{front}", 5)}
            self.assertEqual(len(connections), 1, back)

    def test_parallel_requests(self):
        for front in ("--http3-only", "--http2"):
            for back in BACKENDS:
                done = curl(front, "--parallel", "--parallel-max", "4", "--cacert", self.cert, "-w", "%{http_version}:%{http_code}\n", "--output-dir",
                            self.downloads, "-o", "part#1", self.url(back, "large.bin?[1-4]"))
                self.assertEqual(done.stdout.split(), [f"{FRONTS[front][0]}:200"] * 4, done.stderr)
                for i in range(1, 5):
                    self.assert_is(self.downloads / f"part{i}")

    def test_a_server_that_was_started_anew(self):
        """Every idle connection has been closed."""
        for _ in range(3):
            for back in BACKENDS:
                self.asks(self.url(back, "small.txt"), "--http2")
            self.nginx.stop()
            self.start_nginx()
            for back in BACKENDS:
                self.assertEqual(self.asks(self.url(back, "small.txt"), "--http2").body, b"hello\n")

    def test_a_server_that_is_not_there(self):
        self.nginx.stop()
        self.addCleanup(self.start_nginx)

        def check(front, back):
            answer = self.asks(self.url(back, "small.txt"), front, code=502)
            self.assertIn("error=", answer.fields["proxy-status"])

        self.each_pair(check)


class ConnectionsThatEnd(NginxCase):
    """nginx takes three requests a connection: over HTTP/1.1 it then says close, over HTTP/2 GOAWAY."""

    more = "keepalive_requests 3;"

    def test_none_fails(self):
        for back in BACKENDS:
            for _ in range(10):
                self.asks(self.url(back, "small.txt?ends"), "--http2")
            self.assertGreaterEqual(len({line["connection"] for line in self.seen(f"/{back}/small.txt?ends", 10)}), 3)
            stored = self.uploads / "ends"
            for _ in range(10):
                stored.unlink(missing_ok=True)
                self.asks(self.url(back, "uploads/ends"), "--http2", "-T", self.site / "small.txt", code=201)
                self.assertEqual(stored.read_text(), "hello\n")


if __name__ == "__main__":
    unittest.main()

"""aioquic (Python, from PyPI), both ways: its HTTP/3 client and server, its datagrams through our CONNECT-UDP, its qlog."""

import unittest

import harness
import peers
from fixtures import HERE, InteropCase, wait_for

QUIC_V2 = "0x6b3343cf"
H3_DATAGRAM, EXTENDED_CONNECT = "51", "8"


class ClientAgainstOurs(InteropCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")
        cls.interpreter = peers.python()

    def client(self, *arguments):
        return self.json_of(self.interpreter, HERE / "aioquic_client.py", "get", "--ca", self.cert, *arguments)

    def url(self, name="large.bin"):
        return f"{self.origin.url}/{name}"

    def assert_whole(self, answer, name="large.bin"):
        self.assertEqual((answer["status"], answer["sha256"]), (200, self.want[name]))

    def test_download(self):
        got = self.client(self.url())
        self.assert_whole(got["answers"][0])
        self.assertEqual((got["alpn"], got["version"]), ("h3", "0x00000001"))

    def test_many_requests_at_once(self):
        got = self.client(*[self.url("small.txt")] * 60, self.url(), *[self.url("empty")] * 5)
        for answer, name in zip(got["answers"], ["small.txt"] * 60 + ["large.bin"] + ["empty"] * 5):
            self.assert_whole(answer, name)

    def test_version_2(self):
        got = self.client(self.url(), "--version", "v2")
        self.assert_whole(got["answers"][0])
        self.assertEqual(got["version"], QUIC_V2)

    def test_key_update(self):
        got = self.client(self.url(), "--key-update")
        self.assert_whole(got["answers"][0])
        self.assertEqual(got["key_phase"], 1)

    def test_resumption_and_early_data(self):
        both = self.client(self.url(), "--again")
        for got in both.values():
            self.assert_whole(got["answers"][0])
        self.assertEqual((both["first"]["resumed"], both["second"]["resumed"]), (False, True))
        self.assertTrue(both["second"]["early_data_accepted"])

    def test_head_and_missing(self):
        # aioquic takes a length without content for malformed, even in an answer to HEAD, so an empty file must do.
        head = self.client(self.url("empty"), "--method", "HEAD")["answers"][0]
        self.assertEqual((head["status"], head["headers"]["content-length"], head["length"]), (200, "0", 0))
        self.assertEqual(self.client(self.url("nothing"))["answers"][0]["status"], 404)

    def test_range_and_condition(self):
        part = self.client(self.url("small.txt"), "--header", "range: bytes=1-3")["answers"][0]
        self.assertEqual((part["status"], part["length"], part["headers"]["content-range"]), (206, 3, "bytes 1-3/6"))
        tag = self.client(self.url("small.txt"))["answers"][0]["headers"]["etag"]
        self.assertEqual(self.client(self.url("small.txt"), "--header", f"if-none-match: {tag}")["answers"][0]["status"], 304)

    def test_malformed_requests_end_their_stream_only(self):
        """Uppercase in a field name, and a connection-specific field, are malformed in HTTP/3 (RFC 9114, section 4.2)."""
        for field in ("X-Upper: 1", "connection: close", "transfer-encoding: chunked"):
            with self.subTest(field=field):
                got = self.client(self.url("small.txt"), "--header", field)
                answer = got["answers"][0]
                self.assertTrue(answer["reset"] is not None or answer["status"] == 400, answer)
                self.assertNotIn("closed", got)

    def test_no_transport_parameters(self):
        """RFC 9001, section 8.2: CRYPTO_ERROR with the alert missing_extension, for that connection alone."""
        for retry in ("never", "always"):
            with self.subTest(retry=retry):
                gateway = self.lab.gateway("--files", self.site, "--retry", retry, name=f"without-parameters-{retry}")
                got = self.json_of(self.interpreter, HERE / "aioquic_client.py", "meet", "--ca", self.cert,
                                   "--no-transport-parameters", gateway.url)
                self.assertEqual(got.get("closed", "")[:5], "0x16d", got)
                self.assert_whole(self.client(f"{gateway.url}/small.txt")["answers"][0], "small.txt")
                self.assertTrue(gateway.alive())

    def test_its_qlog_is_read(self):
        folder = self.lab.folder / "aioquic-client-qlog"
        folder.mkdir()
        self.assert_whole(self.client(self.url(), "--qlog", folder)["answers"][0])
        (summary,) = self.summaries(*folder.iterdir())
        self.assertEqual((summary["vantage"], summary["requests"]), ("client", 1))
        self.assertGreaterEqual(summary["received"]["stream_bytes"], (self.site / "large.bin").stat().st_size)
        self.assertGreater(summary["http_ttfb_ms"], 0)


class OursAgainstServer(InteropCase):
    def serve(self, *flags):
        port = peers.free_port()
        process = self.lab.start([peers.python(), HERE / "aioquic_server.py", "--port", port, "--cert", self.cert, "--key", self.key,
                                  "--folder", self.site, *flags], "aioquic-server")
        self.addCleanup(process.stop)
        return wait_for(process, port)

    def download(self, server, name="large.bin"):
        link = self.get(server.url, "--http", "h3", name=name)["links"][-1]
        self.assertEqual(link["http_version"], "HTTP/3")
        return link["quic"]

    def test_download(self):
        server = self.serve()
        self.assertFalse(self.download(server)["retried"])
        self.download(server, "empty")

    def test_retry(self):
        self.assertTrue(self.download(self.serve("--retry"))["retried"])

    def test_interim_answer_and_trailers(self):
        self.download(self.serve("--informational", "--trailers"))

    def test_through_a_hop_of_ours(self):
        hop = self.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="hop")
        links = self.get(self.serve().url, "--http", "h3", "--via-http", "h3", "--via", hop.url)["links"]
        self.assertEqual([link["http_version"] for link in links], ["HTTP/3", "HTTP/3"])
        self.assertGreater(links[0]["quic"]["datagrams_received"], 1000)

    def test_missing_file_is_said(self):
        words = self.get_fails("--http", "h3", f"{self.serve().url}/nothing")
        self.assertIn("404", words)

    def test_upload(self):
        """It sends back what it was sent."""
        server = self.serve()
        for hops in ([], ["--via", self.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="hop").url]):
            self.get(server.url, "--http", "h3", *hops, "-T", self.site / "large.bin")
            self.lab.get_json("--http", "h3", *hops, "-o", self.downloads / "got", "-d", "hello\n", f"{server.url}/x")
            self.assert_is(self.downloads / "got", "small.txt")

    def test_its_qlog_is_read(self):
        folder = self.lab.folder / "aioquic-server-qlog"
        folder.mkdir()
        server = self.serve("--qlog", folder)
        self.download(server)
        server.stop(harness.PATIENCE)
        (summary,) = self.summaries(*folder.iterdir())
        self.assertEqual(summary["vantage"], "server")
        self.assertGreaterEqual(summary["sent"]["stream_bytes"], (self.site / "large.bin").stat().st_size)


class ConnectUdpThroughOurs(InteropCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hop = cls.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="hop")
        cls.strict = cls.lab.gateway("--masque", "udp", name="strict")
        cls.interpreter = peers.python()

    def tunnel(self, target, *flags, hop=None):
        return self.json_of(self.interpreter, HERE / "aioquic_client.py", "connect-udp", "--ca", self.cert, *flags, (hop or self.hop).url, target)

    def assert_echoed(self, got, echo, count=50):
        self.assertEqual(got["status"], 200)
        self.assertEqual(got["headers"].get("capsule-protocol"), "?1")
        self.assertTrue(got["whole"], "not every datagram came back once and unchanged")
        self.assertEqual(len(echo.datagrams), count)

    def test_datagrams(self):
        echo = self.udp_echo()
        got = self.tunnel(echo.address)
        self.assert_echoed(got, echo)
        self.assertEqual((got["as_datagrams"], got["as_capsules"]), (50, 0))
        self.assertEqual((got["settings"][H3_DATAGRAM], got["settings"][EXTENDED_CONNECT]), (1, 1))

    def test_datagrams_before_the_answer(self):
        """They must wait for the tunnel, not be lost (RFC 9298, section 5)."""
        echo = self.udp_echo()
        self.assert_echoed(self.tunnel(echo.address, "--early", "--count", "8"), echo, 8)

    def test_datagrams_as_capsules(self):
        """Capsules are allowed on HTTP/3 too (RFC 9297, section 3.5), and capsules of an unknown type are skipped."""
        echo = self.udp_echo()
        self.assert_echoed(self.tunnel(echo.address, "--capsules"), echo)

    def test_capsules_before_the_answer(self):
        echo = self.udp_echo()
        self.assert_echoed(self.tunnel(echo.address, "--capsules", "--early", "--count", "8"), echo, 8)

    def test_client_without_datagrams_gets_capsules(self):
        echo = self.udp_echo()
        got = self.tunnel(echo.address, "--capsules", "--no-datagrams")
        self.assert_echoed(got, echo)
        self.assertEqual((got["as_datagrams"], got["as_capsules"]), (0, 50))

    def test_unknown_contexts_are_dropped(self):
        echo = self.udp_echo()
        self.assert_echoed(self.tunnel(echo.address, "--strange-contexts"), echo)

    def test_sizes(self):
        for size in (0, 2, 1150):
            with self.subTest(size=size):
                echo = self.udp_echo()
                self.assert_echoed(self.tunnel(echo.address, "--size", size), echo)

    def test_refusal_says_why(self):
        got = self.tunnel("127.0.0.1:9", hop=self.strict)
        self.assertEqual(got["status"], 403)
        self.assertIn("destination_ip_prohibited", got["headers"]["proxy-status"])


if __name__ == "__main__":
    unittest.main()

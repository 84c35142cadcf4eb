"""quic-go's http3 (the Go program in quicgo/), both ways: its client and server, its QUIC and its UDP through our CONNECT-UDP,
its qlog."""

import os
import unittest

import harness
import peers
from fixtures import InteropCase, need, run


class QuicGoCase(InteropCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = peers.go_program("quicgo")

    def quicgo(self, *arguments, qlog=None):
        return self.json_of(self.program, *arguments, env={**os.environ, "QLOGDIR": str(qlog)} if qlog else None)

    def download(self, origin, *flags, name="large.bin", qlog=None):
        """One download for each connection made; the content is checked."""
        target = self.downloads / "quicgo"
        rounds = self.quicgo("get", "-ca", self.cert, "-o", target, *flags, f"{origin.url}/{name}", qlog=qlog)
        self.assert_is(target, name)
        for one in rounds:
            self.assertEqual((one["status"], one["protocol"], one["alpn"]), (200, "HTTP/3.0", "h3"))
        return rounds

    def serve(self, *flags, qlog=None):
        process = self.lab.start([self.program, "serve", "-cert", self.cert, "-key", self.key, "-folder", self.site, *flags], "quicgo-server",
                                 env={"QLOGDIR": str(qlog)} if qlog else None)
        self.addCleanup(process.stop)
        process.url = "https://" + harness.wait_for_ready(process, process.log_path)
        return process


class ClientAgainstOurs(QuicGoCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def test_download(self):
        (one,) = self.download(self.origin)
        self.assertEqual((one["version"], one["resumed"]), ("v1", False))

    def test_many_streams(self):
        (one,) = self.download(self.origin, "-n", "12")
        self.assertEqual(one["bytes"], 12 * (self.site / "large.bin").stat().st_size)

    def test_version_2(self):
        """A small file: before 0.65 quic-go's key update of version 2, due after 100 packets, takes the label of version 1."""
        self.assertEqual(self.download(self.origin, "-v2", name="small.txt")[0]["version"], "v2")

    def test_resumption(self):
        first, second = self.download(self.origin, "-again")
        self.assertEqual((first["resumed"], second["resumed"]), (False, True))

    def test_retry(self):
        folder = self.lab.folder / "retry-qlog"
        origin = self.lab.gateway("--files", self.site, "--retry", "always", name="retrying")
        self.download(origin, qlog=folder)
        (log,) = folder.iterdir()
        self.assertIn('"packet_type":"retry"', log.read_text())

    def test_both_sides_qlogs_agree(self):
        theirs, ours = self.lab.folder / "their-qlog", self.lab.folder / "our-qlog"
        origin = self.lab.gateway("--files", self.site, "--qlog", ours, name="logging")
        self.download(origin, qlog=theirs)
        origin.stop()
        (client,) = self.summaries(*theirs.iterdir())
        (server,) = self.summaries(*ours.iterdir())
        self.assertEqual((client["vantage"], server["vantage"]), ("client", "server"))
        self.assertEqual(client["received"]["stream_bytes"], server["sent"]["stream_bytes"])
        self.assertEqual((client["requests"], server["requests"]), (1, 1))
        # What got lost on the way was sent again.
        self.assertLessEqual(client["received"]["packets"], server["sent"]["packets"])
        self.assertGreater(client["rtt"]["samples"], 3)
        self.assertGreater(client["received"]["goodput_mbps"], 0)


class OursAgainstServer(QuicGoCase):
    def test_download(self):
        link = self.get(self.serve().url, "--http", "h3")["links"][-1]
        self.assertEqual((link["http_version"], link["quic"]["retried"]), ("HTTP/3", False))

    def test_retry(self):
        self.assertTrue(self.get(self.serve("-retry").url, "--http", "h3")["links"][-1]["quic"]["retried"])

    def test_parts_by_ranges(self):
        transfer = self.get(self.serve().url, "--http", "h3", "-n", "6")["transfers"][0]
        self.assertGreater(transfer["requests"], 6)

    def test_through_hops_of_ours(self):
        hops = [self.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name=f"hop{i}") for i in range(2)]
        via = [word for hop in hops for word in ("--via", hop.url)]
        links = self.get(self.serve().url, "--http", "h3", "--via-http", "h3", *via)["links"]
        self.assertEqual([link["http_version"] for link in links], ["HTTP/3"] * 3)

    def test_its_qlog_is_read(self):
        folder = self.lab.folder / "server-qlog"
        server = self.serve(qlog=folder)
        self.get(server.url, "--http", "h3")
        server.stop(harness.PATIENCE)
        (summary,) = self.summaries(*folder.iterdir())
        self.assertEqual((summary["vantage"], summary["requests"]), ("server", 1))
        self.assertGreaterEqual(summary["sent"]["stream_bytes"], (self.site / "large.bin").stat().st_size)


class ConnectUdpThroughOurs(QuicGoCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")
        cls.hop = cls.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="hop")

    def udp(self, target, *flags):
        return self.quicgo("udp", "-ca", self.cert, "-via", self.hop.url, *flags, target)

    def test_echo(self):
        echo = self.udp_echo()
        self.assertEqual(self.udp(echo.address), {"status": 200, "echoed": 50, "whole": True})
        self.assertEqual(len(echo.datagrams), 50)

    def test_datagrams_before_the_answer(self):
        echo = self.udp_echo()
        self.assertEqual(self.udp(echo.address, "-early", "-count", "8"), {"status": 200, "echoed": 8, "whole": True})

    def test_http3_inside_the_tunnel(self):
        """Their QUIC in our tunnel, ended by our own gateway and by ngtcp2's server."""
        need("gtlsserver")
        for origin in (self.origin, peers.gtlsserver(self.lab, self.site)):
            self.download(origin, "-via", self.hop.url)

    def test_refusal_reaches_it(self):
        strict = self.lab.gateway("--masque", "udp", name="strict")
        done = run(self.program, "udp", "-ca", self.cert, "-via", strict.url, "127.0.0.1:9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("status 403", done.stderr)
        self.assertIn("destination_ip_prohibited", done.stderr)


if __name__ == "__main__":
    unittest.main()

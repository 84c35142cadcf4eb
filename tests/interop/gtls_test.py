"""ngtcp2's example client and server (GnuTLS flavour, Debian's ngtcp2-client and ngtcp2-server), both ways. What the client
says in its own log is the proof that a feature was used."""

import re
import shutil
import unittest

import harness
import peers
from fixtures import InteropCase, run
from harness import SALLYPORT
from peers import tool

QUIC_V2 = "0x6b3343cf"


class ClientAgainstOurs(InteropCase):
    programs = ("gtlsclient",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def gtlsclient(self, *flags, origin=None, name="large.bin"):
        """Downloads, checks the content, returns the client's log."""
        origin = origin or self.origin
        done = run(tool("gtlsclient"), "--exit-on-all-streams-close", "--no-quic-dump", "--no-http-dump", "--download", self.downloads,
                   *flags, "127.0.0.1", origin.port, f"{origin.url}/{name}")
        log = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, log[-800:])
        self.assert_is(self.downloads / name, name)
        return log

    def test_download(self):
        log = self.gtlsclient()
        self.assertIn("the negotiated version is 0x00000001", log)
        self.assertIn("[:status: 200]", log)
        self.assertNotIn("type=Retry", log)

    def test_small_and_empty_files(self):
        self.assertIn("[content-length: 6]", self.gtlsclient(name="small.txt"))
        self.assertIn("[content-length: 0]", self.gtlsclient(name="empty"))

    def test_version_2(self):
        log = self.gtlsclient("-v", "v2", "--available-versions", "v2")
        self.assertIn(f"the negotiated version is {QUIC_V2}", log)

    def test_server_chooses_among_the_versions_offered(self):
        """Compatible version negotiation (RFC 9368): a client that starts with 2 and knows both is taken to 1, which ours prefers."""
        log = self.gtlsclient("-v", "v2", "--available-versions", "v2,v1")
        self.assertIn(f"version={QUIC_V2} type=Initial", log)
        self.assertIn("the negotiated version is 0x00000001", log)

    def test_unknown_version_is_answered_with_version_negotiation(self):
        done = run(tool("gtlsclient"), "-v", "0x1a2a3a4a", "--available-versions", "v1", "--preferred-versions", "v1", "--no-quic-dump",
                   "--no-http-dump", "--exit-on-all-streams-close", "--timeout", "3s", "127.0.0.1", self.origin.port,
                   f"{self.origin.url}/small.txt")
        self.assertIn("type=VN", done.stdout + done.stderr)

    def test_retry(self):
        origin = self.lab.gateway("--files", self.site, "--retry", "always", name="retrying")
        log = self.gtlsclient(origin=origin)
        self.assertIn("type=Retry", log)
        self.assertIn("retry_source_connection_id", log)

    def test_address_token(self):
        """A NEW_TOKEN frame comes, and the next connection shows it: to the gateway that gave it, which takes it, and to another."""
        giver, other = (self.counting_gateway("--files", self.site, name=name) for name in ("giver", "other"))
        token = self.lab.folder / "token"
        self.assertRegex(self.gtlsclient("--token-file", token, origin=giver, name="small.txt"), r"frm rx \d+ 1RTT NEW_TOKEN")
        for gateway, refused in ((other, 1), (giver, 0)):
            shown = self.lab.folder / f"token-{refused}"  # the client replaces it by the next one
            shutil.copy(token, shown)
            self.gtlsclient("--token-file", shown, origin=gateway, name="small.txt")
            self.assertEqual(self.metrics(gateway)["sallyport_quic_tokens_ignored_total"], refused)
            self.assertEqual(self.metrics(gateway)['sallyport_quic_unmatched_total{reason="token"}'], 0)

    def test_key_update(self):
        log = self.gtlsclient("--key-update", "1ms")
        self.assertIn("Initiate key update", log)
        self.assertIn("KEY_PHASE", log)

    def test_resumption_and_early_data(self):
        session, parameters = self.lab.folder / "session", self.lab.folder / "parameters"
        flags = ("--session-file", session, "--tp-file", parameters)
        first = self.gtlsclient("--wait-for-ticket", *flags)
        self.assertNotIn("type=0RTT", first)
        again = self.gtlsclient(*flags)
        self.assertIn("type=0RTT", again)
        self.assertNotIn("rejected", again)
        # A resumed handshake carries no certificate.
        self.assertLess(self.handshake_bytes(again), self.handshake_bytes(first) - 200)
        without = self.gtlsclient("--disable-early-data", *flags)
        self.assertNotIn("type=0RTT", without)
        self.assertLess(self.handshake_bytes(without), self.handshake_bytes(first) - 200)

    @staticmethod
    def handshake_bytes(log):
        return sum(int(length) for length in re.findall(r"frm rx \d+ Handshake CRYPTO\(0x06\) offset=\d+ len=(\d+)", log))

    def test_nat_rebinding(self):
        # In mid-download neither side could know: the client only waits, the server only sends to where nobody is. So the request comes
        # from the new port.
        log = self.gtlsclient("--change-local-addr", "20ms", "--delay-stream", "60ms", "--nat-rebinding")
        self.assertIn("Local address is now", log)
        self.assertRegex(log, r"frm rx \d+ 1RTT PATH_CHALLENGE", "the server did not check the new path")

    def test_migration(self):
        log = self.gtlsclient("--change-local-addr", "2ms")
        self.assertIn("Local address is now", log)
        self.assertRegex(log, r"frm rx \d+ 1RTT PATH_RESPONSE")
        self.assertRegex(log, r"frm tx \d+ 1RTT RETIRE_CONNECTION_ID")

    def test_loss(self):
        log = self.gtlsclient("--rx-loss", "0.02", "--tx-loss", "0.02", name="large.bin")
        self.assertIn("Simulated", log)

    def test_many_streams_of_one_connection(self):
        log = run(tool("gtlsclient"), "--exit-on-all-streams-close", "--no-quic-dump", "--no-http-dump", "-n", "250", "127.0.0.1",
                  self.origin.port, f"{self.origin.url}/small.txt")
        self.assertEqual(log.returncode, 0)
        self.assertEqual((log.stdout + log.stderr).count("[:status: 200]"), 250)

    def test_ciphers(self):
        for cipher, name in (("AES-256-GCM", "AES-256-GCM"), ("CHACHA20-POLY1305", "CHACHA20-POLY1305")):
            with self.subTest(cipher=name):
                log = self.gtlsclient("--ciphers", f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{cipher}", name="small.txt")
                self.assertIn(name, log)


class OursAgainstServer(InteropCase):
    programs = ("gtlsserver",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = peers.gtlsserver(cls.lab, cls.site)

    def test_download(self):
        link = self.get(self.plain.url, "--http", "h3")["links"][-1]
        self.assertEqual(link["http_version"], "HTTP/3")
        self.assertFalse(link["quic"]["retried"])

    def test_retry(self):
        server = peers.gtlsserver(self.lab, self.site, None, "-V")
        self.assertTrue(self.get(server.url, "--http", "h3")["links"][-1]["quic"]["retried"])

    def test_parts_of_a_server_without_ranges(self):
        """It answers a range request with the whole file; that must come out whole, once."""
        figures = self.get(self.plain.url, "--http", "h3", "-n", "4")
        self.assertEqual(figures["transfers"][0]["bytes"], (self.site / "large.bin").stat().st_size)

    def test_several_files_over_one_connection(self):
        figures = self.lab.get_json("--http", "h3", "-o", "/dev/null", "-n", "3", "--repeat", "20", f"{self.plain.url}/small.txt",
                                    f"{self.plain.url}/large.bin")
        self.assertEqual([t["status"] for t in figures["transfers"]], [200] * 40)
        self.assertEqual(len(figures["links"]), 1)

    def test_trailers_are_taken(self):
        server = peers.gtlsserver(self.lab, self.site, None, "--send-trailers")
        self.get(server.url, "--http", "h3")

    def test_resumption_and_early_data(self):
        cache = self.lab.folder / "cache"
        command = ["--http", "h3", "--cache", cache, "--early-data"]
        first = self.cached_get(*command)
        second = self.cached_get(*command)
        self.assertFalse(first["quic"]["resumed"])
        self.assertTrue(second["quic"]["resumed"])
        self.assertTrue(second["quic"]["early_data_accepted"])

    def cached_get(self, *flags):
        """Like get(), which works without a cache."""
        target = self.downloads / "cached"
        figures = self.json_of(SALLYPORT, "get", "--json", "--quiet", "--ca", self.cert, "-o", target, *flags,
                               f"{self.plain.url}/large.bin")
        self.assert_is(target)
        return figures["links"][-1]

    def test_lossy_server(self):
        server = peers.gtlsserver(self.lab, self.site, None, "--tx-loss", "0.02", "--rx-loss", "0.02")
        self.get(server.url, "--http", "h3")

    def test_version_2_preferred_by_the_server(self):
        """Ours starts with 1 and offers both; the server takes it to 2 within the same handshake (RFC 9368)."""
        server = peers.gtlsserver(self.lab, self.site, None, "--preferred-versions", "v2")
        self.assertEqual(self.get(server.url, "--http", "h3")["links"][-1]["quic"]["version"], QUIC_V2)

    def test_its_qlog_is_read(self):
        folder = self.lab.folder / "gtls-qlog"
        folder.mkdir()
        server = peers.gtlsserver(self.lab, self.site, None, "--qlog-dir", folder)
        self.get(server.url, "--http", "h3")
        server.stop(harness.PATIENCE)
        (summary,) = self.summaries(*folder.iterdir())
        self.assertEqual(summary["vantage"], "server")
        self.assertGreater(summary["sent"]["packets"], 1000)
        self.assertGreater(summary["rtt"]["samples"], 10)


if __name__ == "__main__":
    unittest.main()

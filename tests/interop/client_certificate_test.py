"""Client certificates of other people's clients: openssl and curl over TCP, aioquic and Debian 13's curl over HTTP/3; and nginx as a backend that
requires one."""

import json
import subprocess
import sys
import unittest

import debian
import harness
import peers
from fixtures import HERE, InteropCase, curl, run

sys.path.insert(0, str(HERE.parent / "e2e"))
from client_certificates import Authority  # noqa: E402


class Clients(InteropCase):
    programs = ("openssl", "curl")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clients = Authority(cls.lab.folder, "clients")
        cls.alice, cls.eve = cls.clients.issue("alice"), Authority(cls.lab.folder, "others").issue("eve")
        cls.gateway = cls.lab.gateway("--files", cls.site, "--client-ca", cls.clients.cert, name="required")
        cls.lenient = cls.lab.gateway("--files", cls.site, "--client-ca", cls.clients.cert, "--client-cert", "optional", name="optional")

    def s_client(self, version, pair=None):
        shown = ("-cert", pair[0], "-key", pair[1]) if pair else ()
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.gateway.port}", version, "-servername", "localhost",
                               "-alpn", "http/1.1", "-CAfile", self.cert, "-ign_eof", *shown],
                              input="GET /small.txt HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", text=True, capture_output=True,
                              timeout=harness.PATIENCE)
        return done.stdout + done.stderr

    def test_openssl(self):
        for version, missing in (("-tls1_3", "alert number 116"), ("-tls1_2", "alert number 40")):
            with self.subTest(version=version):
                said = self.s_client(version, self.alice)
                self.assertIn("HTTP/1.1 200", said)
                self.assertRegex(said, r"Acceptable client certificate CA names\s+CN ?= ?clients\n")
                self.assertNotIn("HTTP/1.1", self.s_client(version))
                self.assertIn(missing, self.s_client(version))
                said = self.s_client(version, self.eve)
                self.assertNotIn("HTTP/1.1", said)
                self.assertIn("alert number 48", said)

    def fetch(self, gateway, flag, *arguments):
        done = curl("--noproxy", "", flag, "--cacert", self.cert, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", *arguments,
                    f"{gateway.url}/small.txt")
        return done.returncode, done.stdout, done.stderr

    def check_curl(self, flag, version):
        alice, eve = (("--cert", pair[0], "--key", pair[1]) for pair in (self.alice, self.eve))
        self.assertEqual(self.fetch(self.gateway, flag, *alice)[:2], (0, f"200 {version}"))
        self.assertNotEqual(self.fetch(self.gateway, flag)[0], 0)
        self.assertNotEqual(self.fetch(self.gateway, flag, *eve)[0], 0)
        self.assertEqual(self.fetch(self.lenient, flag)[:2], (0, f"200 {version}"))
        self.assertNotEqual(self.fetch(self.lenient, flag, *eve)[0], 0)

    def test_curl(self):
        self.check_curl("--http1.1", "1.1")
        self.check_curl("--http2", "2")

    def test_curl_over_http3(self):
        debian.curl_with_http3()
        self.check_curl("--http3-only", "3")

    def test_aioquic(self):
        def get(gateway, pair=None):
            """The response's status, and the code that the connection was closed with."""
            shown = ("--cert", pair[0], "--key", pair[1]) if pair else ()
            done = run(peers.python(), HERE / "aioquic_client.py", "--ca", self.cert, *shown, "get", f"{gateway.url}/small.txt")
            self.assertEqual(done.returncode, 0, done.stderr)
            facts = json.loads(done.stdout)
            return facts["answers"][0]["status"], facts.get("closed")

        self.assertEqual(get(self.gateway, self.alice), (200, None))
        self.assertEqual(get(self.lenient), (200, None))
        self.assertEqual(get(self.gateway), (0, hex(0x100 + 116)))
        for gateway in (self.gateway, self.lenient):
            self.assertEqual(get(gateway, self.eve), (0, hex(0x100 + 48)))


class Backend(InteropCase):
    programs = ("nginx", "openssl")

    def test_nginx_requires_one(self):
        authority = Authority(self.lab.folder, "clients")
        alice = authority.issue("gateway")
        server = peers.nginx(self.lab, self.site, more=f"ssl_client_certificate {authority.cert}; ssl_verify_client on;")
        for shown, status in ((("--backend-cert", alice[0], "--backend-key", alice[1]), 0), ((), 22)):
            front = self.lab.gateway("--route", f"/=https://127.0.0.1:{server.port}", "--backend-ca", self.cert, *shown, name="front")
            for flag in ("--http1.1", "--http2"):
                done = curl("--noproxy", "", "--fail", flag, "--cacert", self.cert, "-o", "/dev/null", f"{front.url}/small.txt")
                self.assertEqual(done.returncode, status, done.stderr)


if __name__ == "__main__":
    unittest.main()

"""openssl: TLS 1.2 with our gateway and with `get`; above all, that nothing is signed with SHA-1 (RFC 9155)."""

import re
import subprocess
import unittest

import harness
import peers
from fixtures import InteropCase, run, wait_for
from harness import SALLYPORT

HANDSHAKE_FAILURE = "SSL alert number 40"
# Level 0 lets openssl itself take SHA-1.
CIPHERS = ("-tls1_2", "-cipher", "DEFAULT:@SECLEVEL=0")


class Tls12(InteropCase):
    programs = ("openssl",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rsa = cls.lab.folder / "rsa.pem", cls.lab.folder / "rsa-key.pem"
        harness.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", rsa[0], "-keyout", rsa[1])
        cls.certificates = {"ECDSA": (cls.cert, cls.key), "RSA": rsa}
        cls.gateways = {kind: cls.lab.gateway("--files", cls.site, name=kind, certificate=pair) for kind, pair in cls.certificates.items()}

    def connect(self, kind, signatures):
        """How `openssl s_client` ends that offers these signature algorithms to the gateway with a key of this kind, and the hash that it says
        the gateway signed with, or None."""
        done = harness.finish(["openssl", "s_client", "-connect", f"127.0.0.1:{self.gateways[kind].port}", *CIPHERS, "-sigalgs", signatures,
                               "-servername", "localhost", "-alpn", "http/1.1", "-CAfile", self.certificates[kind][0], "-verify_return_error"],
                              timeout=harness.PATIENCE, stdin=subprocess.DEVNULL)
        digest = re.search(r"^Peer signing digest: (\S+)", done.stdout, re.MULTILINE)
        return done, digest and digest[1]

    def test_gateway_signs_with_sha256(self):
        for kind in self.gateways:
            for signatures in (f"{kind}+SHA256", f"{kind}+SHA1:{kind}+SHA256"):
                with self.subTest(signatures=signatures):
                    done, digest = self.connect(kind, signatures)
                    self.assertEqual((done.returncode, digest), (0, "SHA256"), done.stderr)

    def test_gateway_refuses_who_verifies_only_sha1(self):
        for kind in self.gateways:
            for signatures in (f"{kind}+SHA1", "RSA+SHA1:ECDSA+SHA1:DSA+SHA1"):
                with self.subTest(kind=kind, signatures=signatures):
                    done, digest = self.connect(kind, signatures)
                    self.assertEqual((done.returncode, digest), (1, None))
                    self.assertIn(HANDSHAKE_FAILURE, done.stderr)
        # It goes on for all others.
        self.get(self.gateways["ECDSA"].url, "--http", "h1", name="small.txt")

    def serve(self, kind, signatures):
        """`openssl s_server` that signs with these algorithms only, and answers any request with a page about the connection."""
        port = peers.free_port()
        cert, key = self.certificates[kind]
        server = self.lab.start(["openssl", "s_server", "-accept", port, "-www", *CIPHERS, "-sigalgs", signatures, "-cert", cert, "-key", key],
                                "s_server")
        return wait_for(server, port, udp=False)

    def test_get_takes_no_sha1(self):
        for kind, (cert, _) in self.certificates.items():
            with self.subTest(kind=kind):
                page = self.downloads / "page"
                get = (SALLYPORT, "get", "--quiet", "--no-cache", "--http", "h1", "--ca", cert, "-o", page)
                done = run(*get, f"{self.serve(kind, f'{kind}+SHA256').url}/")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("TLSv1.2", page.read_text())
                page.unlink()
                done = run(*get, f"{self.serve(kind, f'{kind}+SHA1').url}/")
                self.assertEqual((done.returncode, page.exists()), (1, False))
                self.assertIn("no cipher suite, group or signature algorithm in common", done.stderr)


class Alerts(InteropCase):
    programs = ("openssl",)

    def test_a_client_that_refuses_the_certificate(self):
        """TLS 1.3's alert comes in clear from openssl, and encrypted from others: the log names it either way."""
        gateway = self.lab.gateway("--files", self.site, "--log-level", "debug", name="alerts")
        for version in ("-tls1_3", "-tls1_2"):
            done = harness.finish(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", version, "-servername", "localhost",
                                   "-alpn", "http/1.1", "-verify_return_error"], timeout=harness.PATIENCE, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1, done.stderr)
        gateway.stop()
        failed = [line for line in gateway.log_path.read_text().splitlines() if "handshake failed" in line]
        self.assertEqual(len(failed), 2, failed)
        for line in failed:
            self.assertIn("handshake failed: the client refused the certificate: unknown CA (alert 48)", line)


if __name__ == "__main__":
    unittest.main()

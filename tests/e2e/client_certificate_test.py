"""Client certificates: those that the gateway asks for, takes and tells backends of, over every version; and the one that it shows to backends."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import unittest

import harness
from client_certificates import Authority
from harness import PATIENCE, SALLYPORT, Lab
from route_test import Site

VERSIONS = ("h3", "h2", "h1")
# A server that resets the connection as soon as it sent its alert is mostly heard as this.
REFUSED = "client certificate: |reset by peer|[Bb]roken pipe"


def der(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


class CertificateCase(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.clients = Authority(self.lab.folder, "clients")
        self.others = Authority(self.lab.folder, "others")
        self.alice, self.eve = self.clients.issue("alice"), self.others.issue("eve")

    def site(self, context=None):
        """The address of a backend."""
        handler = type("OneSite", (Site,), {"seen": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # clients without a certificate
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.seen = handler.seen
        return f"127.0.0.1:{server.server_port}"

    def gateway(self, *flags, **options):
        self.log = self.lab.folder / f"{options.get('name', 'access')}.log"
        return self.lab.gateway("--workers", 1, "--access-log", self.log, *flags, **options)

    def get(self, url, version, *flags, pair=None):
        """(exit status, standard output, standard error)."""
        shown = ("--cert", pair[0], "--key", pair[1]) if pair else ()
        command = [SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "--http", version, "-o", "-", *shown, *flags, url]
        done = subprocess.run([str(word) for word in command], capture_output=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr.decode()

    @staticmethod
    def lines(log):
        return [json.loads(line) for line in log.read_text().splitlines()]


class OfClients(CertificateCase):
    def test_required(self):
        gateway = self.gateway("--client-ca", self.clients.cert, "--route", f"/=http://{self.site()}")
        for version in VERSIONS:
            with self.subTest(version=version):
                status, body, words = self.get(f"{gateway.url}/{version}", version, "-H", "Client-Cert: :QQ==:", "-H", "SSL_CLIENT_S_DN: CN=root",
                                               "-H", "Client-Cert-Chain: :QQ==:", pair=self.alice)
                self.assertEqual((status, body), (0, f"127.0.0.1:{gateway.port} /{version}".encode()), words)
                fields = {name.lower(): value for name, value in self.seen[-1][1].items()}
                self.assertEqual(fields["client-cert"], f":{base64.b64encode(der(self.alice[0])).decode()}:")
                self.assertNotIn("client-cert-chain", fields)
                self.assertNotIn("ssl_client_s_dn", fields)
                status, _, words = self.get(gateway.url, version)
                self.assertEqual(status, 1, words)
                self.assertIn("the server requires a client certificate: certificate required (alert 116)", words)
                status, _, words = self.get(gateway.url, version, pair=self.eve)
                self.assertEqual(status, 1, words)
                self.assertIn("the server refused the client certificate: unknown CA (alert 48)", words)
                status, _, words = self.get(gateway.url, version, pair=self.clients.issue("server", "serverAuth"))
                self.assertIn("unsupported certificate (alert 43)", words)
        self.assertEqual([path for path, _ in self.seen], [f"/{version}" for version in VERSIONS], "nobody else came through")
        harness.wait_until(lambda: len(self.lines(self.log)) == 3, "all are recorded")
        for line in self.lines(self.log):
            self.assertEqual(line["client_cert_subject"], "CN=alice,O=Sallyport")
            self.assertRegex(line["client_cert_sha256"], "^[0-9a-f]{64}$")

    def test_optional_with_the_chain(self):
        chain = self.lab.folder / "chain.pem"
        chain.write_text(self.alice[0].read_text() + self.clients.cert.read_text())
        gateway = self.gateway("--client-ca", self.clients.cert, "--client-cert", "optional", "--client-cert-chain", "--route", f"/=http://{self.site()}")
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(self.get(gateway.url, version, "-H", "Client-Cert: :QQ==:")[0], 0)
                self.assertNotIn("client-cert", {name.lower() for name in self.seen[-1][1]})
                self.assertEqual(self.get(gateway.url, version, pair=(chain, self.alice[1]))[0], 0)
                fields = {name.lower(): value for name, value in self.seen[-1][1].items()}
                self.assertEqual(fields["client-cert-chain"], f":{base64.b64encode(der(self.clients.cert)).decode()}:")
                self.assertEqual(self.get(gateway.url, version, pair=self.eve)[0], 1)

    def test_another_authority_while_it_runs(self):
        authorities = self.lab.folder / "authorities.pem"
        authorities.write_text(self.clients.cert.read_text())
        gateway = self.gateway("--client-ca", authorities, "--files", self.lab.folder)
        url = f"{gateway.url}/clients.pem"
        self.assertEqual([self.get(url, "h2", pair=pair)[0] for pair in (self.alice, self.eve)], [0, 1])
        (self.lab.folder / "new").write_text(self.others.cert.read_text())
        (self.lab.folder / "new").rename(authorities)
        harness.wait_until(lambda: f"{authorities} was reloaded" in gateway.log_path.read_text(), "it was read again", process=gateway)
        for version in VERSIONS:
            harness.wait_until(lambda: self.get(url, version, pair=self.eve)[0] == 0, "the new one holds", process=gateway)
            self.assertEqual(self.get(url, version, pair=self.alice)[0], 1)

    def test_a_ticket_of_the_time_before_lets_nobody_in(self):
        secret = self.lab.folder / "secret"
        secret.write_bytes(bytes(range(64)))
        cache = self.lab.folder / "cache"
        flags = ("--files", self.lab.folder, "--secret-file", secret)
        before = self.gateway(*flags)
        command = [SALLYPORT, "get", "--json", "--quiet", "--cache", cache, "--early-data", "--ca", self.lab.certificate()[0],
                   "-o", self.lab.folder / "got", f"{before.url}/clients.pem"]
        for version in VERSIONS:
            harness.run(*command, "--http", version)
        before.stop()
        self.gateway(*flags, "--client-ca", self.clients.cert, listen=f"127.0.0.1:{before.port}")
        for version in VERSIONS:
            done = harness.finish([*command, "--http", version])
            self.assertEqual(done.returncode, 1)
            self.assertIn("certificate required (alert 116)", done.stderr)

    def test_no_hop_gets_the_origins(self):
        hop = self.gateway("--masque", "udp,tcp", "--allow", "127.0.0.0/8", "--client-ca", self.clients.cert, "--client-cert", "optional", name="hop")
        hop_log = self.log
        origin = self.gateway("--files", self.lab.folder, "--client-ca", self.clients.cert, name="origin")
        for version in VERSIONS:
            self.assertEqual(self.get(f"{origin.url}/clients.pem", version, "--via", hop.url, pair=self.alice)[0], 0)
        harness.wait_until(lambda: len(self.lines(self.log)) == 3 and len(self.lines(hop_log)) == 3, "all are recorded")
        self.assertTrue(all("client_cert_subject" in line for line in self.lines(self.log)))
        self.assertFalse(any("client_cert_subject" in line for line in self.lines(hop_log)))


class OfBackends(CertificateCase):
    def test_is_shown_to_a_backend_over_tls(self):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.clients.cert)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*self.others.issue("backend", "serverAuth"))
        address = self.site(context)
        ca = ("--backend-ca", self.others.cert)
        cert, key = self.lab.folder / "backend.pem", self.lab.folder / "backend.key"
        for copy, original in zip((cert, key), self.eve):
            copy.write_text(original.read_text())
        with_it = self.gateway("--route", f"/=https://{address}", *ca, "--backend-cert", cert, "--backend-key", key)
        log = self.log
        status, _, words = self.get(with_it.url, "h2")
        self.assertEqual(status, 1)
        self.assertIn("502", words)
        harness.wait_until(lambda: self.lines(log), "it is recorded")
        self.assertRegex(self.lines(log)[0]["upstream_error"], REFUSED)
        # The right one, while it runs.
        for copy, original in zip((cert, key), self.alice):
            (self.lab.folder / "new").write_text(original.read_text())
            (self.lab.folder / "new").rename(copy)
        harness.wait_until(lambda: self.get(with_it.url, "h2")[0] == 0, "the new one is shown", process=with_it)
        without = self.gateway("--route", f"/=https://{address}", *ca, name="without")
        self.assertEqual(self.get(without.url, "h2")[0], 1)
        harness.wait_until(lambda: self.lines(self.log), "it is recorded")
        self.assertRegex(self.lines(self.log)[0]["upstream_error"], REFUSED)

    def test_is_shown_to_gateways_behind_over_every_version(self):
        behind = self.gateway("--client-ca", self.clients.cert, "--files", self.lab.folder, name="behind")
        log = self.log
        front = self.gateway("--route", f"/h3/=h3://127.0.0.1:{behind.port}", "--route", f"/=https://127.0.0.1:{behind.port}",
                             "--backend-ca", self.lab.certificate()[0], "--backend-cert", self.alice[0], "--backend-key", self.alice[1], name="front")
        (self.lab.folder / "h3").mkdir()
        (self.lab.folder / "h3" / "page").write_text("a page")
        self.assertEqual(self.get(f"{front.url}/clients.pem", "h2")[0], 0)
        self.assertEqual(self.get(f"{front.url}/h3/page", "h2")[:2], (0, b"a page"))
        harness.wait_until(lambda: len(self.lines(log)) == 2, "both are recorded")
        self.assertEqual({(line["version"], line["client_cert_subject"]) for line in self.lines(log)},
                         {("HTTP/2", "CN=alice,O=Sallyport"), ("HTTP/3", "CN=alice,O=Sallyport")})


class Flags(CertificateCase):
    def words(self, *flags):
        done = harness.finish([SALLYPORT, "gateway", "--self-signed", "localhost", "--listen", "127.0.0.1:8443", "--check", "--files", self.lab.folder, *flags])
        return done.returncode, done.stdout + done.stderr

    def test_what_is_wrong_is_said(self):
        empty = self.lab.folder / "empty"
        empty.touch()
        for flags, expected, sentence in (
                (("--client-ca", "/nonexistent"), 1, "--client-ca: cannot read /nonexistent"),
                (("--client-ca", empty), 1, f"--client-ca: {empty} holds no certificate in PEM form"),
                (("--client-ca", "127.0.0.1:1=x"), 2, "--client-ca 127.0.0.1:1=x: there is no --listen 127.0.0.1:1"),
                (("--client-cert", "required"), 2, "--client-cert is for --client-ca, which is not given"),
                (("--client-ca", self.clients.cert, "--listen-http", "127.0.0.1:0"), 2, "--listen-http would serve everything without the certificate"),
                (("--backend-cert", self.alice[0]), 2, "--backend-cert and --backend-key go together"),
                (("--route", "a=https://b", "--backend-cert", self.alice[0], "--backend-key", self.eve[1]), 1, "does not match")):
            status, words = self.words(*flags)
            self.assertEqual(status, expected, words)
            self.assertIn(sentence, words)

    def test_check_prints_them(self):
        status, words = self.words("--client-ca", f"127.0.0.1:8443={self.clients.cert}", "--route", "a=https://b", "--backend-ca", self.others.cert,
                                   "--backend-cert", self.alice[0], "--backend-key", self.alice[1])
        self.assertEqual(status, 0, words)
        self.assertRegex(words, r"  client certificates required\n  client CA CN=clients; valid until .*; SHA-256 [0-9a-f]{64}\n")
        self.assertIn("certificate for backends ", words)
        self.assertIn("issued by CN=clients", words)

    def test_get_needs_a_key(self):
        for flags, sentence in ((("--key", self.alice[1]), "--key is the key of a --cert"), (("--cert", self.alice[0]), "holds no private key"),
                                (("--cert", self.alice[0], "--key", self.eve[1]), "does not match")):
            done = harness.finish([SALLYPORT, "get", *flags, "https://localhost/"])
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(sentence, done.stderr)


if __name__ == "__main__":
    unittest.main()

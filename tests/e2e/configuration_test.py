"""What a gateway serves, as its flags and files say it: several certificates, certificates that are renewed, and --check."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import unittest

import harness
from harness import SALLYPORT, Lab


class Certificates(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.folder = self.lab.folder
        self.site = self.folder / "site"
        self.site.mkdir()
        (self.site / "f").write_text("hello\n")

    def pair(self, name):
        """Two files, of a certificate for this name and its key."""
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        harness.run(SALLYPORT, "cert", "self-signed", name, "--cert", files[0], "--key", files[1])
        return files

    @staticmethod
    def program(*arguments):
        return subprocess.run([SALLYPORT, *arguments], capture_output=True, text=True, check=False, timeout=harness.PATIENCE)

    def start(self, *flags):
        ready = self.folder / "ready"
        gateway = self.lab.start([SALLYPORT, "gateway", "--files", self.site, "--ready-file", ready, *flags])
        harness.wait_for_ready(gateway, ready)
        return gateway, [int(line.rsplit(":", 1)[1]) for line in ready.read_text().split()]

    def connect(self, port, name, certificate, address="127.0.0.1"):
        """A connection that asks for this name, and trusts one certificate."""
        context = ssl.create_default_context(cafile=certificate)
        connection = http.client.HTTPSConnection(name, port, timeout=harness.PATIENCE)
        connection.sock = context.wrap_socket(socket.create_connection((address, port), harness.PATIENCE), server_hostname=name)
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def status(connection, host):
        connection.request("GET", "/f", headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def test_the_name_that_a_client_asks_for_chooses(self):
        one, other = self.pair("one.test"), self.pair("other.test")
        _, (port,) = self.start("--listen", "127.0.0.1:0", "--cert", one[0], "--key", one[1], "--cert", other[0], "--key", other[1])
        for name, (certificate, _), wrong in (("one.test", one, "other.test"), ("other.test", other, "one.test")):
            connection = self.connect(port, name, certificate)
            self.assertEqual(self.status(connection, name), 200)
            # It is another certificate's, and so needs another connection.
            self.assertEqual(self.status(connection, wrong), 421)
            for version in ("h3", "h2", "h1"):
                got = self.program("get", "--http", version, "--no-cache", "--ca", certificate, "--resolve", f"{name}:{port}:127.0.0.1",
                                   f"https://{name}:{port}/f")
                self.assertEqual((got.returncode, got.stdout), (0, "hello\n"), got.stderr)

    def test_a_listener_may_have_one_of_its_own(self):
        one, other = self.pair("one.test"), self.pair("other.test")
        own = "127.0.0.2:0"
        _, ports = self.start("--listen", "127.0.0.1:0", "--listen", own, "--cert", one[0], "--key", one[1],
                              "--cert", f"{own}={other[0]}", "--key", other[1])
        for name, pair in (("other.test", other), ("one.test", one)):
            self.assertEqual(self.status(self.connect(ports[1], name, pair[0], "127.0.0.2"), name), 200)
        self.assertEqual(self.status(self.connect(ports[0], "one.test", one[0]), "one.test"), 200)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(ports[0], "other.test", other[0])

    def test_a_renewed_certificate_is_taken_up_by_itself(self):
        """As certbot has it: symbolic links that are switched to the new files, one after the other."""
        old, new = self.pair("a.test"), None
        live = self.folder / "live.pem", self.folder / "live.key"
        for link, file in zip(live, old):
            link.symlink_to(file)
        gateway, (port,) = self.start("--listen", "127.0.0.1:0", "--workers", "2", "--cert", live[0], "--key", live[1])
        before = self.connect(port, "a.test", old[0])
        os.rename(old[0], self.folder / "old.pem")
        os.rename(old[1], self.folder / "old.key")
        new = self.pair("a.test")
        self.assertEqual(self.status(before, "a.test"), 200)
        for link, file in zip(live, new):
            link.unlink()
            link.symlink_to(file)
        harness.wait_until(lambda: f"{live[0]} was reloaded, for new connections" in gateway.log_path.read_text(), "it is seen", process=gateway)

        def is_new():
            with contextlib.suppress(ssl.SSLCertVerificationError):
                return self.status(self.connect(port, "a.test", new[0]), "a.test") == 200
            return False

        harness.wait_until(is_new, "new connections get it", process=gateway)
        self.assertEqual(self.status(before, "a.test"), 200)

    def test_pairs_that_are_none(self):
        one, other = self.pair("one.test"), self.pair("other.test")
        for flags, words in ((["--cert", one[0]], "go together"), (["--cert", one[0], "--cert", other[0], "--key", one[1]], "2 of --cert and 1 of"),
                             (["--cert", one[0], "--key", other[1]], "--cert and --key:")):
            done = self.program("gateway", "--listen", "127.0.0.1:0", "--files", self.site, *flags)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)

    def test_check_tells_what_the_flags_mean(self):
        one = self.pair("one.test")
        tokens = self.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        tokens.chmod(0o600)
        flags = ["gateway", "--check", "--listen", "0.0.0.0:8443", "--cert", one[0], "--key", one[1], "--masque", "udp", "--allow", "10.0.0.0/8"]
        done = self.program(*flags, "--token-file", tokens)
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("listener 0.0.0.0:8443", "one.test", "proxy udp", "tokens: 1", "allow 10.0.0.0/8"):
            self.assertIn(words, done.stdout)
        self.assertNotIn("token-of-alice", done.stdout + done.stderr)
        self.assertNotIn("PRIVATE", done.stdout)
        done = self.program(*flags)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("open proxy", done.stderr)

    def test_check_refuses_what_a_start_would(self):
        one = self.pair("one.test")
        secret = self.folder / "secret"
        secret.write_text("too short")
        flags = ["gateway", "--listen", "127.0.0.1:0", "--files", self.site]
        own, made = ["--cert", one[0], "--key", one[1]], ["--self-signed", "localhost"]
        before = sorted(self.folder.rglob("*"))
        for more in ([*own, "--secret-file", "nope"], [*own, "--secret-file", secret], [*own, "--access-log", "/nonexist/x"], [*own, "--qlog", "/proc/x"],
                     [*own, "--qlog", secret], [*own, "--keylog", "/nonexist/x"], [*own, "--admin", "unix:/nonexist/s"],
                     [*own, "--ready-file", "/nonexist/s"], [*made, "--write-cert", "/nonexist/a"], [*made, "--write-cert", one[1]]):
            with self.subTest(flags=more):
                check, start = self.program(*flags, *more, "--check"), self.program(*flags, *more)
                self.assertEqual((check.returncode, check.stdout, check.stderr), (1, "", start.stderr))
                self.assertEqual(start.returncode, 1)
        self.assertEqual(sorted(self.folder.rglob("*")), before)


if __name__ == "__main__":
    unittest.main()

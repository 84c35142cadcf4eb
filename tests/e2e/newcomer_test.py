"""What somebody meets who tries the program for the first time: where it is installed, what it hints at, and how often."""

import os
import subprocess
import unittest
from pathlib import Path

import harness
from harness import ROOT, SALLYPORT, Lab

# What a client asks the kernel for: net/udp_socket.h.
WANTED_BUFFER = 7 << 20


class FirstSteps(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.site = self.lab.folder / "site"
        self.site.mkdir()
        (self.site / "small.txt").write_text("hello\n")
        with open(self.site / "large.bin", "wb") as large:
            large.truncate(40 << 20)
        self.home = self.lab.folder / "home"

    def get(self, *flags, without="-net_admin", name="small.txt"):
        """A download by somebody without root's privilege to exceed the kernel's limits, or another; what is said on standard error."""
        environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
        done = subprocess.run(["setpriv", f"--bounding-set={without}", f"--inh-caps={without}", SALLYPORT, "get", "--http", "h3", "--ca", self.lab.certificate()[0], *flags,
                               f"{self.url}/{name}"], capture_output=True, text=True, timeout=harness.PATIENCE,
                              env={**environment, "HOME": str(self.home)})
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n" if name == "small.txt" else ""), done.stderr)
        return done.stderr

    def get_large(self, *flags):
        return self.get("-o", os.devnull, *flags, name="large.bin")

    def serve(self):
        self.url = self.lab.gateway("--files", self.site).url

    def grants_less_than_wanted(self):
        return any(int(Path(f"/proc/sys/net/core/{name}").read_text()) < WANTED_BUFFER for name in ("rmem_max", "wmem_max"))

    def test_small_buffers_are_hinted_at_once_and_where_they_matter(self):
        self.serve()
        self.home.mkdir()
        if not self.grants_less_than_wanted():
            self.assertEqual(self.get_large(), "")
            return
        self.assertEqual(self.get("--no-cache"), "")
        self.assertEqual(self.get_large("--quiet"), "")
        said = self.get_large()
        self.assertIn("net.core.rmem_max", said)
        self.assertEqual(said.count("\n"), 1)
        self.assertEqual(self.get_large(), "")
        # Another state of the machine is another hint.
        (self.home / ".cache/sallyport/udp-buffers").write_text("something else\n")
        self.assertEqual(self.get_large(), said)
        self.assertEqual(self.get_large(), "")

    def test_a_home_of_others_is_warned_of_once(self):
        """As whoever changes the user but not $HOME has it."""
        self.serve()
        (self.home / ".cache/sallyport").mkdir(parents=True)
        self.home.chmod(0)
        said = self.get("--quiet", without="-dac_override,-dac_read_search")
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("--no-cache", said)

    def test_no_home_is_no_warning(self):
        self.serve()
        said = self.get("--quiet")
        self.assertEqual(said, "")
        self.assertFalse(self.home.exists())

    def test_a_key_is_not_replaced_by_a_certificate(self):
        key = self.lab.folder / "precious.pem"
        for content in ("-----BEGIN PRIVATE KEY-----\nMII\n", "-----BEGIN CERTIFICATE-----\nMII\n-----BEGIN PRIVATE KEY-----\n", "alice token\n"):
            key.write_text(content)
            done = subprocess.run([SALLYPORT, "gateway", "--self-signed", "localhost", "--write-cert", key, "--listen", "127.0.0.1:0", "--files", self.site],
                                  capture_output=True, text=True, timeout=harness.PATIENCE)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"--write-cert: {key} exists and is not a certificate; name another file", done.stderr)
            self.assertEqual(key.read_text(), content)

    def test_a_gateway_that_cannot_start_leaves_the_certificate_of_the_one_that_runs(self):
        certificate, ready = self.lab.folder / "ca.pem", self.lab.folder / "ready"
        flags = [SALLYPORT, "gateway", "--self-signed", "localhost", "--write-cert", certificate, "--files", self.site, "--listen"]
        gateway = self.lab.start([*flags, "localhost:0", "--ready-file", ready])
        port = harness.wait_for_ready(gateway, ready).rsplit(":", 1)[1]
        before = certificate.read_bytes()
        for more, words in (([f"localhost:{port}"], f":{port} is in use"), ([":0", "--masque", "udp"], "open proxy"),
                            (["localhost:0", "--secret-file", "/nowhere"], "/nowhere")):
            done = harness.finish([*flags, *more])
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stderr.count("\n"), 1, "the error alone is said, not the fingerprint of what never served")
            self.assertIn(words, done.stderr)
            self.assertEqual(certificate.read_bytes(), before)
        self.assertEqual(harness.run(SALLYPORT, "get", "-q", "--no-cache", "--ca", certificate, f"https://localhost:{port}/small.txt"), "hello\n")

    def test_install(self):
        prefix = self.lab.folder / "prefix"
        harness.run("cmake", "--install", SALLYPORT.parent, "--prefix", prefix)
        version = harness.run(prefix / "bin" / "sallyport", "--version")
        self.assertEqual(version, harness.run(SALLYPORT, "--version"))
        self.assertIn("ngtcp2/", version)
        self.assertTrue((prefix / "share/doc/sallyport/README.md").is_file())
        for page in (ROOT / "docs").glob("*.md"):
            self.assertTrue((prefix / "share/doc/sallyport/docs" / page.name).is_file(), page.name)


if __name__ == "__main__":
    unittest.main()

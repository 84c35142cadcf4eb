"""The dates of the gateway's certificates: what it says of them at its start and on SIGHUP, and its metric of their end."""

import calendar
import signal
import socket
import time
import unittest
import urllib.request

import harness
from harness import SALLYPORT, Lab

DAY = 86400
CONFIG = """[ca]
default_ca = own
[own]
database = {folder}/database
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


def text_of(seconds):
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


class Dates(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.folder = self.lab.folder
        self.now = int(time.time())
        _, self.key = self.lab.certificate()
        (self.folder / "config").write_text(CONFIG.format(folder=self.folder))
        harness.run("openssl", "req", "-new", "-key", self.key, "-subj", "/CN=localhost", "-out", self.folder / "request")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.admin = free.getsockname()[1]

    def certificate(self, begin, end):
        """PEM of a certificate of the lab's key with these dates."""
        (self.folder / "database").write_text("")
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds)) for seconds in (begin, end)]
        harness.run("openssl", "ca", "-batch", "-notext", "-selfsign", "-config", self.folder / "config", "-keyfile", self.key,
                    "-in", self.folder / "request", "-startdate", dates[0], "-enddate", dates[1], "-out", self.folder / "made")
        return (self.folder / "made").read_text()

    def write(self, *certificates):
        """Puts a new chain in the place of the old one, as a whole."""
        (self.folder / "new").write_text("".join(certificates))
        (self.folder / "new").rename(self.folder / "chain.pem")

    def start(self):
        chain = self.folder / "chain.pem"
        return self.lab.gateway("--files", self.folder, "--admin", f"127.0.0.1:{self.admin}", certificate=(chain, self.key))

    def end(self, label=None):
        """The metric."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=harness.PATIENCE) as page:
            lines = page.read().decode().splitlines()
        start = f'sallyport_certificate_not_after_seconds{{certificate="{label or self.folder / "chain.pem"}"}} '
        (found,) = [float(line.removeprefix(start)) for line in lines if line.startswith(start)]
        return found

    @staticmethod
    def warnings(gateway):
        return [line for line in gateway.log_path.read_text().splitlines() if "certificate" in line and "warn" in line]

    def reload(self, gateway):
        said = gateway.log_path.read_text().count("SIGHUP: ")
        gateway.child.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: gateway.log_path.read_text().count("SIGHUP: ") > said, "it read the certificate again", process=gateway)

    def test_expired_and_renewed(self):
        begin, end = calendar.timegm((2020, 1, 1, 0, 0, 0)), calendar.timegm((2020, 4, 1, 0, 0, 0))
        self.write(self.certificate(begin, end))
        gateway = self.start()
        (line,) = self.warnings(gateway)
        self.assertTrue(line.endswith(f"the certificate in {self.folder}/chain.pem expired on 2020-04-01 00:00 UTC, so clients refuse it; "
                                      "put a new one there, with its key; it is taken up by itself"), line)
        self.assertEqual(self.end(), end)
        good = self.now + 80 * DAY
        self.write(self.certificate(self.now - 10 * DAY, good))
        self.reload(gateway)
        self.assertEqual(self.end(), good)
        self.assertEqual(self.warnings(gateway), [line])

    def test_old_and_new_certificates_of_many_lifetimes(self):
        self.write(self.certificate(self.now - DAY, self.now + 89 * DAY))
        gateway = self.start()
        for lifetime, age, warned in ((90, 75, False), (90, 77, True), (6, 3, False), (6, 5, True), (13, 8, False), (13, 9, True), (365, 340, False),
                                      (365, 360, True)):
            with self.subTest(lifetime=lifetime, age=age):
                before = len(self.warnings(gateway))
                end = self.now + (lifetime - age) * DAY
                self.write(self.certificate(self.now - age * DAY, end))
                self.reload(gateway)
                found = self.warnings(gateway)[before:]
                self.assertEqual(len(found), int(warned), found)
                self.assertEqual(self.end(), end)
                if warned:
                    self.assertIn(f"the certificate in {self.folder}/chain.pem expires on {text_of(end)}, in ", found[0])

    def test_every_certificate_of_the_chain_counts(self):
        early = self.now + 3 * DAY
        self.write(self.certificate(self.now - DAY, self.now + 89 * DAY), self.certificate(self.now - 300 * DAY, early),
                   self.certificate(self.now - DAY, self.now + 1000 * DAY))
        gateway = self.start()
        (line,) = self.warnings(gateway)
        self.assertIn(f"certificate 2 of the chain in {self.folder}/chain.pem expires on {text_of(early)}", line)
        self.assertEqual(self.end(), early)

    def test_not_yet_valid(self):
        begin = self.now + 2 * DAY
        self.write(self.certificate(begin, begin + 90 * DAY))
        (line,) = self.warnings(self.start())
        self.assertIn(f"is not valid before {text_of(begin)}, so clients refuse it (is the clock right?)", line)

    def test_self_signed(self):
        ready = self.folder / "ready"
        gateway = self.lab.start([SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--self-signed", "localhost", "--files", self.folder,
                                  "--admin", f"127.0.0.1:{self.admin}", "--ready-file", ready])
        harness.wait_for_ready(gateway, ready)
        self.assertEqual(self.warnings(gateway), [])
        self.assertAlmostEqual(self.end("self-signed"), self.now + 13 * DAY - 3600, delta=60)
        self.reload(gateway)
        self.assertEqual(self.warnings(gateway), [])


if __name__ == "__main__":
    unittest.main()

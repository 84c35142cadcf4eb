"""What the interop tests share: a folder of files with known hashes, gateways of ours, a UDP echo, and skips that say why."""

import html
import json
import os
import re
import socket
import threading
import time
import unittest
import urllib.request
from pathlib import Path

import debian
import harness
import peers
from harness import SALLYPORT, Lab, sha256

HERE = Path(__file__).resolve().parent
LARGE = 12 << 20


def need(*programs):
    """Skips, aloud, where a peer is not installed."""
    for name in programs:
        peers.tool(name)


def run(*command, timeout=harness.PATIENCE, env=None):
    """Runs a peer to its end, whatever that is; standard output and error apart, as text."""
    return harness.finish(command, timeout=timeout, env=env)


EXPECT = "expect: 100-continue"
# What Debian 12's own curl cannot do; over HTTP/2 it now and then sends some of its body before it waits for the 100.
NEWER_CURL = {"--http3-only", "--proxy-http2", EXPECT}


def curl_command(*arguments):
    """The curl that knows all of these arguments."""
    return ["curl"] if NEWER_CURL.isdisjoint(arguments) else debian.curl_with_http3()


def curl(*arguments, prefix=()):
    """Runs curl to its end. On OpenSSL's QUIC it now and then never sends its QPACK encoder stream (curl's issue 21463), without which its
    request cannot be read and is reset after ten seconds: then it is run once more, on a connection of its own again."""
    command = curl_command(*arguments)
    for _ in range(3):
        done = run(*prefix, *command, "-sS", *arguments)
        if "--http3-only" not in arguments or not re.search(r"HTTP/3 stream \d+ reset by server", done.stderr):
            break
    return done


def chromium_command(certificate, profile, *flags):
    """A Chromium without a window that has seen nothing before and trusts this certificate."""
    spki = re.search(r"[A-Za-z0-9+/]{43}=", harness.run(SALLYPORT, "cert", "spki", certificate))[0]
    return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={profile}", f"--ignore-certificate-errors-spki-list={spki}", *flags]


def chromium(lab, name, certificate, url, *flags):
    """One that has this page open until it is stopped."""
    return lab.start(chromium_command(certificate, lab.folder / f"chromium-{name}", *flags, url), "chromium")


def told_in_chromium(lab, name, certificate, url, *flags):
    """The JSON object that a page makes of its body in the end; the profiles are in the lab."""
    # On a loaded machine its virtual time may be over before its page is.
    for attempt in range(3):
        done = run(*lab.prefix, *chromium_command(certificate, lab.folder / f"chromium-{name}-{attempt}", "--virtual-time-budget=20000", *flags,
                                                  "--dump-dom", url))
        told = re.search(r"<body>(\{.*\})\s*</body>", done.stdout, re.DOTALL)
        if told:
            return json.loads(html.unescape(told[1]))
    raise AssertionError(done.stdout[-500:] + done.stderr[-1000:])


def check_qlogs(folder):
    """Whatever Sallyport recorded there is as the schema says (qlog_schema.py); returns how often each event is there, by file."""
    logs = sorted(folder.rglob("*.sqlog"))
    if not logs:
        return {}
    done = run(peers.python(), HERE / "qlog_schema.py", *logs, timeout=harness.PATIENCE)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def wait_for(server, port, udp=True):
    """Waits until the server, a Process, listens on the port; gives it its .port and .url; tells its last words if it ended."""
    harness.wait_for_port(port, udp=udp, process=server)
    server.port, server.url = port, f"https://127.0.0.1:{port}"
    return server


class UdpEcho:
    """Sends every datagram back, from a thread of its own; .datagrams are those that came, in order."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.datagrams = []
        self.closed = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            data, peer = self.socket.recvfrom(65536)
            if self.closed:
                return
            self.datagrams.append(data)
            self.socket.sendto(data, peer)

    def close(self):
        self.closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()


class InteropCase(unittest.TestCase):
    """A lab with `site` (large.bin, small.txt, empty); gateways are started by the classes that want them."""

    programs = ()

    @classmethod
    def setUpClass(cls):
        need(*cls.programs)
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.lab.keeps_qlogs = False
        cls.addClassCleanup(check_qlogs, cls.lab.folder)
        cls.cert, cls.key = cls.lab.certificate()
        cls.site = cls.lab.folder / "site"
        cls.site.mkdir()
        harness.make_file(cls.site / "large.bin", LARGE)
        (cls.site / "small.txt").write_text("hello\n")
        (cls.site / "empty").write_text("")
        # Not of this second: a date that new says nothing of whether two answers are of one version (RFC 9110 §8.8.2.2).
        for path in cls.site.iterdir():
            os.utime(path, (time.time() - 3600,) * 2)
        cls.want = {path.name: sha256(path) for path in cls.site.iterdir()}
        cls.downloads = cls.lab.folder / "downloads"
        cls.downloads.mkdir()

    @classmethod
    def authority_and_certificate(cls):
        """The certificate of an authority, and those of localhost that it signed with its key: for peers that want more than a self-signed one."""
        files = [cls.lab.folder / name for name in ("ca.pem", "ca-key.pem", "leaf.request", "leaf.extensions", "leaf.pem", "leaf-key.pem")]
        ca, ca_key, request, extensions, leaf, leaf_key = files
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        harness.run("openssl", "req", "-x509", *key, "-days", "30", "-subj", "/CN=Authority of the tests", "-out", ca, "-keyout", ca_key)
        harness.run("openssl", "req", "-new", *key, "-subj", "/CN=localhost", "-out", request, "-keyout", leaf_key)
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
        harness.run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "20",
                    "-extfile", extensions, "-out", leaf)
        return ca, (leaf, leaf_key)

    def assert_is(self, path, name="large.bin"):
        """The file at `path` is what the site has under `name`; it is removed."""
        self.assertTrue(path.exists(), f"{path.name} was not written")
        self.assertEqual(sha256(path), self.want[name], f"{path.name} differs from {name}")
        path.unlink()

    def get(self, url, *arguments, name="large.bin"):
        """Downloads with `sallyport get`, checks the content, and returns the figures."""
        target = self.downloads / "got"
        figures = self.lab.get_json("-o", target, *arguments, f"{url}/{name}")
        self.assert_is(target, name)
        return figures

    def get_fails(self, *arguments):
        """`sallyport get` must end with status 1 and one line on standard error, which is returned."""
        done = run(SALLYPORT, "get", "--no-cache", "--quiet", "--ca", self.cert, "-o", "/dev/null", *arguments)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.stderr

    @classmethod
    def counting_gateway(cls, *flags, name="gateway", certificate=None):
        """A gateway whose metrics() are to be read."""
        return cls.lab.gateway("--admin", "127.0.0.1:0", *flags, name=name, certificate=certificate)

    @staticmethod
    def metrics(process):
        """What it counted so far: name{labels} -> value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{process.admin}/metrics", timeout=60) as page:
            lines = page.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def udp_echo(self):
        echo = UdpEcho()
        self.addCleanup(echo.close)
        return echo

    def json_of(self, *command, env=None):
        """What a peer of ours in another language prints: one JSON object; its own words when it fails."""
        done = run(*command, env=env)
        self.assertEqual(done.returncode, 0, (done.stderr or done.stdout)[-1500:])
        return json.loads(done.stdout)

    def summaries(self, *files):
        """What `sallyport trace summary` reads from these qlog files."""
        done = run(SALLYPORT, "trace", "summary", "--json", *files)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

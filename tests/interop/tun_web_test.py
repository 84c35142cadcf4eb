"""curl and Chromium through `sallyport tun`: files and a page from a gateway of ours that is behind the tunnel, over HTTP/3, by real TUN devices."""

import json
import unittest

import harness
from fixtures import curl, need, told_in_chromium
from tunnels import ORIGINS, TunCase, authority

# It tells how all of it came, and what did.
PAGE = """<!DOCTYPE html><title>wait</title><script type="module">
const file = await (await fetch("file.bin")).arrayBuffer();
const digest = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", file)), b => b.toString(16).padStart(2, "0")).join("");
const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
document.body.textContent = JSON.stringify({digest, protocols: entries.map(e => e.nextHopProtocol)});
</script><body></body>"""


class Web(TunCase):
    names = ("origin.test",)

    @classmethod
    def setUpClass(cls):
        need("curl", "chromium")
        super().setUpClass()
        (cls.far.folder / "site" / "page.html").write_text(PAGE)

    def url(self, address, name):
        return f"https://{authority(address, self.origin.port)}/{name}"

    def by_curl(self, version, address):
        """The version by which it came, where it came whole."""
        target = self.near.folder / "curl"
        target.unlink(missing_ok=True)
        done = curl(version, "--noproxy", "*", "--cacert", self.far.certificate()[0], "-o", target, "-w", "%{json}", self.url(address, "file.bin"),
                    prefix=self.near.prefix)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(harness.sha256(target), self.want)
        return json.loads(done.stdout)["http_version"]

    def assert_curl(self, versions):
        for address in ORIGINS:
            for flag, version in versions.items():
                with self.subTest(address=address, flag=flag):
                    self.assertEqual(self.by_curl(flag, address), version)

    def test_curl(self):
        self.up_by("ip", 1)
        self.assert_curl({"--http3-only": "3", "--http2": "2", "--http1.1": "1.1"})

    def test_curl_over_four_hops(self):
        self.up_by("ip", 4)
        self.assert_curl({"--http3-only": "3"})

    def test_curl_in_mode_udp(self):
        self.up_by("udp", 1)
        self.assert_curl({"--http3-only": "3"})

    def test_curl_in_mode_udp_over_two_hops(self):
        self.up_by("udp", 2)
        self.assert_curl({"--http3-only": "3"})

    def assert_chromium(self, address):
        # By a name: it does not take an IPv6 address for an origin to force QUIC on.
        name = f"origin.test:{self.origin.port}"
        told = told_in_chromium(self.near, self.id().rsplit(".", 1)[1], self.far.certificate()[0], f"https://{name}/page.html",
                                f"--origin-to-force-quic-on={name}", f"--host-resolver-rules=MAP origin.test {authority(address, 443)[:-4]}")
        self.assertEqual((told["digest"], set(told["protocols"])), (self.want, {"h3"}))

    def test_chromium_over_two_hops(self):
        self.up_by("ip", 2)
        self.assert_chromium(ORIGINS[0])

    def test_chromium_in_mode_udp(self):
        self.up_by("udp", 1)
        self.assert_chromium(ORIGINS[1])


if __name__ == "__main__":
    unittest.main()

"""Debian's Chromium, headless: loads pages of our gateway over HTTP/3, which the page itself tells (nextHopProtocol)."""

import unittest

from fixtures import InteropCase, told_in_chromium

PAGE = """<!DOCTYPE html><title>wait</title><script type="module">
const text = await (await fetch("small.txt")).text();
const large = await (await fetch("large.bin")).arrayBuffer();
const digest = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", large)), b => b.toString(16).padStart(2, "0")).join("");
const part = await fetch("large.bin", {headers: {range: "bytes=10-19"}});
// Answered before its end, which Chromium takes ill when it is told to stop.
const again = await fetch("small.txt", {method: "POST", body: "x".repeat(100000)});
const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
const told = {text, digest, part: [part.status, (await part.arrayBuffer()).byteLength], post: again.status,
              protocols: entries.map(e => e.nextHopProtocol)};
document.title = "done";
document.body.textContent = JSON.stringify(told);
</script><body></body>"""


class Browser(InteropCase):
    programs = ("chromium",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.site / "page.html").write_text(PAGE)
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")

    def load(self, *flags):
        return told_in_chromium(self.lab, self.id().rsplit(".", 1)[1], self.cert, f"{self.origin.url}/page.html", *flags)

    def assert_right(self, told, protocol):
        self.assertEqual((told["text"], told["digest"]), ("hello\n", self.want["large.bin"]))
        self.assertEqual((told["part"], told["post"]), ([206, 10], 405))
        self.assertEqual(set(told["protocols"]), {protocol})

    def test_http3(self):
        self.assert_right(self.load(f"--origin-to-force-quic-on=127.0.0.1:{self.origin.port}"), "h3")

    def test_http2(self):
        self.assert_right(self.load("--disable-quic"), "h2")


if __name__ == "__main__":
    unittest.main()

"""Debian's Chromium, headless: loads pages of our gateway over HTTP/3, which the page itself tells (nextHopProtocol)."""

import html
import json
import re
import unittest

from fixtures import InteropCase, run
from harness import SALLYPORT

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
        words = run(SALLYPORT, "cert", "spki", cls.cert).stdout
        cls.spki = re.search(r"[A-Za-z0-9+/]{43}=", words).group(0)

    def load(self, *flags):
        """What the page tells of itself, in a browser that has seen nothing before."""
        name = f"chromium-{self.id().rsplit('.', 1)[1]}"
        # On a loaded machine its virtual time may be over before its page is.
        for attempt in range(3):
            told, done = self.try_load(self.lab.folder / f"{name}-{attempt}", *flags)
            if told:
                break
        self.assertTrue(told, done.stdout[-500:] + done.stderr[-1000:])
        return json.loads(html.unescape(told.group(1)))

    def try_load(self, profile, *flags):
        done = run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
                   f"--ignore-certificate-errors-spki-list={self.spki}", "--virtual-time-budget=20000", *flags, "--dump-dom",
                   f"{self.origin.url}/page.html")
        return re.search(r"<body>(\{.*\})\s*</body>", done.stdout, re.DOTALL), done

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

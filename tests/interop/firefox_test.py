"""Debian's Firefox, headless, with an authority of our own in its profile: loads pages of our gateway over HTTP/3, which the page itself tells
(nextHopProtocol) and our access log too."""

import json
import unittest

import harness
from fixtures import InteropCase
from harness import sha256
from marionette import Firefox

OBJECTS = 100
HUGE = 96 << 20
# The last is one that the gateway tells it to stop.
SIZES = (1, 100_000, 3_000_000)
PATHS = ("/page.html", *(f"/object-{i}.svg" for i in range(1, OBJECTS + 1)))
# Each image has a width of its own, so that one in another's place is seen.
PAGE = "<!DOCTYPE html><title>objects</title>" + "".join(f'<img src="object-{i}.svg">' for i in range(1, OBJECTS + 1))
TOLD = """return [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map(e => [new URL(e.name).pathname, e.nextHopProtocol])"""
DOWNLOAD = """const answer = await fetch(arguments[0], {cache: "no-store"});
const digest = await crypto.subtle.digest("SHA-256", await answer.arrayBuffer());
return [answer.status, Array.from(new Uint8Array(digest), b => b.toString(16).padStart(2, "0")).join("")]"""
UPLOAD = """const answer = await fetch(arguments[0], {method: "POST", body: new Uint8Array(arguments[1])});
return [answer.status, answer.headers.get("allow")]"""
RANGE = """const answer = await fetch("large.bin", {headers: {range: "bytes=10-19"}, cache: "no-store"});
return [answer.status, answer.headers.get("content-range"), (await answer.arrayBuffer()).byteLength]"""


class Browser(InteropCase):
    programs = ("firefox-esr", "certutil", "openssl")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.site / "page.html").write_text(PAGE)
        for i in range(1, OBJECTS + 1):
            (cls.site / f"object-{i}.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{i}" height="10"/>')
        harness.make_file(cls.site / "huge.bin", HUGE)
        cls.want["huge.bin"] = sha256(cls.site / "huge.bin")
        cls.authority, cls.pair = cls.authority_and_certificate()

    def setUp(self):
        name = self.id().rsplit(".", 1)[1]
        self.log = self.lab.folder / f"{name}.log"
        self.origin = self.lab.gateway("--files", self.site, "--access-log", self.log, name=name, certificate=self.pair)
        self.addCleanup(self.origin.stop)
        self.url = f"https://localhost:{self.origin.port}"

    def browser(self, preferences=None):
        firefox = Firefox(self.lab, f"firefox-{self.id().rsplit('.', 1)[1]}", self.authority, preferences)
        self.addCleanup(firefox.close)
        return firefox

    def http3_at_once(self):
        """A browser that knows without being told that the gateway has HTTP/3."""
        return self.browser({"network.http.http3.alt-svc-mapping-for-testing": f"localhost;h3=:{self.origin.port}",
                             # Else it goes by TCP where the handshake takes longer than 100 ms.
                             "network.http.http3.backup_timer_delay": 600_000,
                             "network.http.happy_eyeballs_enabled": False})

    def logged(self, *paths):
        """What the gateway's access log has of these, by path, once it has them all."""
        lines = {}

        def all_there():
            whole = self.log.read_text().rpartition("\n")[0]
            lines.update((line["path"], line) for line in map(json.loads, whole.splitlines()))
            return set(paths) <= set(lines)

        harness.wait_until(all_there, f"the access log had {len(paths)} requests")
        return {path: lines[path] for path in paths}

    def load(self, firefox):
        """Opens the page and sees that all of it came right; by path, the protocol that each part of it came by."""
        firefox.open(f"{self.url}/page.html")
        self.assertEqual(firefox.run("return [...document.images].map(i => i.naturalWidth)"), list(range(1, OBJECTS + 1)))
        told = dict(firefox.run(TOLD))
        self.assertEqual(set(told), set(PATHS))
        return told

    def test_a_page_of_many_objects(self):
        self.assertEqual(set(self.load(self.http3_at_once()).values()), {"h3"})
        lines = self.logged(*PATHS).values()
        self.assertEqual({(line["version"], line["status"], line["end"]) for line in lines}, {("HTTP/3", 200, "complete")})
        self.assertEqual(len({line["connection_id"] for line in lines}), 1)
        for line in lines:
            self.assertIn("Firefox/", line["user_agent"])

    def test_downloads_ranges_and_uploads(self):
        firefox = self.http3_at_once()
        firefox.open(f"{self.url}/small.txt")
        for name in ("large.bin", "huge.bin", "empty"):
            self.assertEqual(firefox.run(DOWNLOAD, name), [200, self.want[name]])
        self.assertEqual(firefox.run(RANGE), [206, f"bytes 10-19/{(self.site / 'large.bin').stat().st_size}", 10])
        for size in SIZES:
            status, allow = firefox.run(UPLOAD, f"upload-{size}", size)
            self.assertEqual(status, 405)
            self.assertIn("GET", allow)
        self.assertEqual({protocol for _, protocol in firefox.run(TOLD)}, {"h3"})
        lines = self.logged(*(f"/{name}" for name in ("small.txt", "large.bin", "huge.bin", "empty")), *(f"/upload-{size}" for size in SIZES))
        self.assertEqual({line["version"] for line in lines.values()}, {"HTTP/3"})
        self.assertEqual(lines["/huge.bin"]["bytes_out"], HUGE)
        for size in SIZES:
            line = lines[f"/upload-{size}"]
            self.assertEqual((line["method"], line["status"], line["end"]), ("POST", 405, "complete"))
        self.assertEqual([lines[f"/upload-{size}"]["bytes_in"] for size in SIZES[:2]], [*SIZES[:2]])

    def test_refused_uploads_hold_no_streams(self):
        """More of them than the streams that the connection may have at once, of a size at which Firefox neither goes on nor ends its stream."""
        firefox = self.http3_at_once()
        firefox.open(f"{self.url}/small.txt")
        count = 110
        for i in range(count):
            self.assertEqual(firefox.run(UPLOAD, f"upload-{i}", 1_000_000)[0], 405)
        lines = self.logged(*(f"/upload-{i}" for i in range(count)))
        self.assertEqual({line["end"] for line in lines.values()} - {"complete", "reset"}, set())

    def test_http3_is_found_by_alt_svc(self):
        """Nothing is known before: the first answer, over HTTP/2, says that there is HTTP/3, and Firefox goes there when it has tried it."""
        firefox = self.browser()
        told = self.load(firefox)
        self.assertEqual(told["/page.html"], "h2")
        self.assertLessEqual(set(told.values()), {"h2", "h3"})
        times = 0

        def by_http3():
            nonlocal times
            times += 1
            firefox.open(f"{self.url}/small.txt?{times}")
            return dict(firefox.run(TOLD))["/small.txt"] == "h3"

        harness.wait_until(by_http3, "Firefox came over HTTP/3")
        self.assertEqual(self.logged(f"/small.txt?{times}")[f"/small.txt?{times}"]["version"], "HTTP/3")

    def test_http2(self):
        self.assertEqual(set(self.load(self.browser({"network.http.http3.enable": False})).values()), {"h2"})
        self.assertEqual({line["version"] for line in self.logged(*PATHS).values()}, {"HTTP/2"})


if __name__ == "__main__":
    unittest.main()

"""Debian's Chromium and Firefox, headless, at a route: a page, a large answer, an upload, server-sent events and a WebSocket, over HTTP/3 and HTTP/2."""

import hashlib
import http.server
import json
import queue
import threading
import unittest

import harness
import peers
from fixtures import HERE, chromium
from marionette import Firefox
from routes import RouteCase

UPLOAD = 300_000
# The second event comes when the page has told that it has the first: none is held back on the way.
SCRIPT = """
const text = await (await fetch("small.txt", {cache: "no-store"})).text();
const large = await (await fetch("large.bin", {cache: "no-store"})).arrayBuffer();
const digest = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", large)), b => b.toString(16).padStart(2, "0")).join("");
const post = await (await fetch("post?a=b", {method: "POST", body: new Uint8Array(300000).fill(7), headers: {"X-Custom": "as it was"}})).json();
const events = await new Promise((done, fail) => {
  const source = new EventSource("events"), came = [];
  source.onmessage = async event => { came.push(event.data + " " + event.lastEventId); if (came.length == 1) await fetch("ack"); };
  source.addEventListener("last", event => { came.push(event.type + " " + event.data); source.close(); done(came); });
  source.onerror = () => fail(new Error("the events broke off"));
});
const socket = await new Promise((done, fail) => {
  const made = new WebSocket("wss://" + location.host + "/echo/" + location.port, "echo.example"), came = [made.protocol];
  made.binaryType = "arraybuffer";
  made.onopen = () => { came[0] = made.protocol; made.send("h\\u00e9llo"); made.send(new Uint8Array(100000).fill(9)); };
  made.onmessage = event => {
    came.push(typeof event.data == "string" ? event.data : [event.data.byteLength, new Uint8Array(event.data).every(byte => byte == 9)]);
    if (came.length == 3) made.close(3001, "that is all");
  };
  made.onclose = event => done([...came, event.code, event.reason, event.wasClean]);
});
const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
const told = {text, digest, post, events, socket, protocols: entries.map(e => e.nextHopProtocol).filter(p => p)};
"""
PAGE = f"""<!DOCTYPE html><title>wait</title><script type="module">{SCRIPT}
await fetch("told", {{method: "POST", body: JSON.stringify(told)}});</script>"""


def backend(site):
    """A server of HTTP/1.1 that serves these files, says what was posted, and has events; .told gets what a page posts of itself."""

    class Site(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        acknowledged = threading.Event()

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=site)

        def log_message(self, *_):
            pass

        def answer(self, body, kind):
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/ack":
                self.acknowledged.set()
                self.answer(b"", "text/plain")
            elif self.path == "/events":
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(b"id: 1\ndata: first\n\n")
                if self.acknowledged.wait(harness.PATIENCE):
                    self.wfile.write(b"id: 2\ndata: second\n\nevent: last\ndata: bye\n\n")
                self.acknowledged.clear()
            else:
                super().do_GET()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/told":
                self.server.told.put(json.loads(body))
            seen = {"path": self.path, "sha256": hashlib.sha256(body).hexdigest(), "custom": self.headers["x-custom"], "host": self.headers["host"],
                    "proto": self.headers["x-forwarded-proto"], "via": self.headers["via"].split()[0]}
            self.answer(json.dumps(seen).encode(), "application/json")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.told = queue.Queue()
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # connections that end with the gateway
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class BrowserCase(RouteCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.site / "page.html").write_text(PAGE)
        (cls.site / "plain.html").write_text("<!DOCTYPE html><title>plain</title>")
        cls.server = backend(cls.site)
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        cls.websockets = cls.lab.start([peers.python(), HERE / "websocket_server.py", "--port", port := peers.free_port()], "websockets")
        harness.wait_for_port(port, process=cls.websockets)
        cls.routes = (f"/=http://127.0.0.1:{cls.server.server_port}", f"/echo=http://127.0.0.1:{port}")

    def assert_right(self, told, authority, protocol, version, gateway):
        """What the page got, and what our gateway recorded of it."""
        self.assertEqual((told["text"], told["digest"]), ("hello\n", self.want["large.bin"]))
        self.assertEqual(told["post"], {"path": "/post?a=b", "sha256": hashlib.sha256(b"\7" * UPLOAD).hexdigest(), "custom": "as it was",
                                        "host": authority, "proto": "https", "via": {"h3": "3.0", "h2": "2.0"}[protocol]})
        self.assertEqual(told["events"], ["first 1", "second 2", "last bye"])
        self.assertEqual(told["socket"], ["echo.example", "h\u00e9llo", [100_000, True], 3001, "that is all", True])
        self.assertEqual(set(told["protocols"]), {protocol})
        for path, status in (("/large.bin", 200), ("/post?a=b", 200), ("/events", 200)):
            lines = self.recorded(gateway, lambda line, path=path: line["path"] == path, path)
            self.assertEqual({(line["version"], line["status"], line["route"]) for line in lines}, {(version, status, "*/")})

    def assert_socket_ended(self, gateway, version):
        """The server has heard of its end, while the page is still open; by this version the browser had asked for it."""
        def found():
            lines = [json.loads(line) for line in self.websockets.log_path.read_text().splitlines() if line.startswith("{")]
            return [line for line in lines if line["path"] == f"/echo/{gateway.port}"]

        harness.wait_until(found, "the server told of the WebSocket", process=self.websockets)
        (seen,) = found()
        self.assertEqual((seen["messages"], seen["close"]), ([["text", 1, 5], ["binary", 1, 100_000]], [3001, "that is all"]))
        self.assertEqual(seen["headers"]["via"].split()[0], version)


class InChromium(BrowserCase):
    programs = ("curl", "chromium")

    def load(self, gateway, name, *flags):
        self.addCleanup(chromium(self.lab, name, self.cert, f"{gateway.url}/page.html", "--remote-debugging-port=0", *flags).stop)
        return self.server.told.get(timeout=harness.PATIENCE)

    def test_http3(self):
        gateway = self.routing(*self.routes, name="http3")
        told = self.load(gateway, "http3", f"--origin-to-force-quic-on=127.0.0.1:{gateway.port}")
        self.assert_right(told, f"127.0.0.1:{gateway.port}", "h3", "HTTP/3", gateway)

    def test_http2(self):
        gateway = self.routing(*self.routes, name="http2")
        told = self.load(gateway, "http2", "--disable-quic")
        self.assert_right(told, f"127.0.0.1:{gateway.port}", "h2", "HTTP/2", gateway)
        # RFC 8441: on the connection that is there.
        self.assert_socket_ended(gateway, "2.0")


class InFirefox(BrowserCase):
    programs = ("curl", "firefox-esr", "certutil", "openssl")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority, cls.pair = cls.authority_and_certificate()

    def load(self, gateway, name, preferences):
        firefox = Firefox(self.lab, name, self.authority, preferences)
        self.addCleanup(firefox.close)
        firefox.open(f"https://localhost:{gateway.port}/plain.html")
        return firefox.run(SCRIPT + "return told;")

    def test_http3(self):
        gateway = self.routing(*self.routes, name="http3", certificate=self.pair)
        told = self.load(gateway, "firefox3", {"network.http.http3.alt-svc-mapping-for-testing": f"localhost;h3=:{gateway.port}",
                                               "network.http.http3.backup_timer_delay": 600_000, "network.http.happy_eyeballs_enabled": False})
        self.assert_right(told, f"localhost:{gateway.port}", "h3", "HTTP/3", gateway)

    def test_http2(self):
        gateway = self.routing(*self.routes, name="http2", certificate=self.pair)
        told = self.load(gateway, "firefox2", {"network.http.http3.enable": False})
        self.assert_right(told, f"localhost:{gateway.port}", "h2", "HTTP/2", gateway)
        self.assert_socket_ended(gateway, "2.0")


if __name__ == "__main__":
    unittest.main()

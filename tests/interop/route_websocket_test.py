"""WebSockets through a route: PyPI's websockets as server (HTTP/1.1, with and without TLS) and hypercorn (HTTP/2, RFC 8441) behind it; before it
websockets over HTTP/1.1, and its frames over HTTP/2 (RFC 8441, h2) and HTTP/3 (RFC 9220, aioquic)."""

import json
import unittest

import harness
import peers
from fixtures import HERE, run
from routes import RouteCase

FRONTS = {"h1": "HTTP/1.1", "h2": "HTTP/2", "h3": "HTTP/3"}
MIB = 1 << 20
ALL = ("text", "binary", "empty", "fragments", "large_text", "large_binary")


class WebSocketCase(RouteCase):
    programs = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.interpreter = peers.python()
        cls.clear, cls.secured = cls.server(), cls.server("--cert", cls.cert, "--key", cls.key)
        cls.hypercorn = cls.start_hypercorn()
        cls.servers = {"http": cls.clear, "https": cls.secured, "h2c": cls.hypercorn}
        cls.gateways = {scheme: cls.routing(f"/={scheme}://127.0.0.1:{server.port}", name=scheme) for scheme, server in cls.servers.items()}

    @classmethod
    def server(cls, *flags):
        port = peers.free_port()
        process = cls.lab.start([cls.interpreter, HERE / "websocket_server.py", "--port", port, *flags], "websockets")
        harness.wait_for_port(port, process=process)
        process.port = port
        return process

    @classmethod
    def start_hypercorn(cls):
        port = peers.free_port()
        settings = cls.lab.folder / "hypercorn.toml"
        settings.write_text(f'bind = "127.0.0.1:{port}"\nwebsocket_max_message_size = {16 * MIB}\n')
        process = cls.lab.start([cls.interpreter, "-m", "hypercorn", "-c", settings, "websocket_app:app"], "hypercorn", env={"PYTHONPATH": str(HERE)})
        harness.wait_for_port(port, process=process)
        process.port = port
        return process

    def told(self, server, path):
        """What the server says of the connection that asked for this path."""
        def found():
            lines = [json.loads(line) for line in server.log_path.read_text().splitlines() if line.startswith("{")]
            return [line for line in lines if line["path"] == path]

        harness.wait_until(found, f"the server told of {path}", process=server)
        (one,) = found()
        return one

    def client(self, act, http, *places):
        """What came by each (scheme of the backend, path)."""
        done = run(self.interpreter, HERE / "websocket_client.py", act, "--ca", self.cert, "--http", http,
                   *(f"{self.gateways[scheme].url}{path}" for scheme, path in places))
        self.assertEqual(done.returncode, 0, done.stderr[-1500:])
        return json.loads(done.stdout)

    def record(self, scheme, path):
        (line,) = self.recorded(self.gateways[scheme], lambda line: line["path"] == path, path)
        return line


class WithHttp1Backends(WebSocketCase):
    def each(self, act, path):
        """(front, scheme, path, what came) for each of FRONTS and both backends of HTTP/1.1; `path` is made different for each."""
        for http in FRONTS:
            places = [(scheme, path.format(f"{http}-{scheme}")) for scheme in ("http", "https")]
            for (scheme, asked), got in zip(places, self.client(act, http, *places)):
                yield http, scheme, asked, got

    def test_messages_of_every_kind(self):
        for http, scheme, path, got in self.each("echo", "/echo/{}"):
            self.assertEqual(got["came"], dict.fromkeys(ALL, [True, True]))
            self.assertEqual((got["close"], got["headers"]["sec-websocket-protocol"]), ([3001, "that is all"], "echo.example"))
            self.assertEqual(got["status"], 101 if http == "h1" else 200)
            for name in ("connection", "upgrade", "sec-websocket-accept"):
                self.assertEqual(name in got["headers"], http == "h1", name)
            self.assertEqual(got.get("extended"), {"h1": None, "h2": 1, "h3": 1}[http])
            seen = self.told(self.servers[scheme], path)
            self.assertEqual(seen["close"], [3001, "that is all"])
            # Their own client ends a fragmented message with an empty fragment.
            empty = 1 if http == "h1" else 0
            self.assertEqual(seen["messages"], [["text", 1, 7], ["binary", 1, 256], ["binary", 1, 0], ["text", 3 + empty, 13], ["text", 1, MIB],
                                                ["binary", 16 + empty, MIB]])
            fields = seen["headers"]
            self.assertEqual((fields["upgrade"].lower(), fields["connection"].lower(), fields["sec-websocket-version"]),
                             ("websocket", "upgrade", "13"))
            self.assertEqual((fields["host"], fields["x-forwarded-for"]), (f"127.0.0.1:{self.gateways[scheme].port}", "127.0.0.1"))
            line = self.record(scheme, path)
            self.assertEqual((line["version"], line["protocol"], line["status"], line["end"]),
                             (FRONTS[http], "websocket", 101 if http == "h1" else 200, "complete"))
            if http != "h1":
                self.assertGreater(min(line["bytes_in"], line["bytes_out"]), 2 * MIB)

    def test_extensions_are_agreed_on_end_to_end(self):
        (got,) = self.client("echo", "h1", ("http", "/echo/deflated"))
        self.assertIn("permessage-deflate", got["headers"]["sec-websocket-extensions"])
        self.assertIn("permessage-deflate", self.told(self.clear, "/echo/deflated")["headers"]["sec-websocket-extensions"])
        # What compresses well came compressed.
        self.assertLess(self.record("http", "/echo/deflated")["bytes_in"], MIB // 2)

    def test_server_that_sends_much(self):
        for http in FRONTS:
            (got,) = self.client("watch", http, ("http", f"/push/12/{MIB}/{http}"))
            self.assertEqual(got["came"], [[MIB, i] for i in range(12)])
            self.assertEqual(got["close"], [1000, "all of it"])
            self.assertEqual(got.get("stream"), None if http == "h1" else "end")

    def test_server_that_closes(self):
        for _, scheme, path, got in self.each("poke", "/close/4321/b%C3%BFe%20now/{}"):
            self.assertEqual((got["came"], got["close"]), ([], [4321, "b\u00ffe now"]))
            # The client's own Close frame came, too.
            self.assertEqual(self.told(self.servers[scheme], path)["close"], [4321, "b\u00ffe now"])

    def test_server_that_breaks_off(self):
        for http, scheme, path, got in self.each("poke", "/abort/{}"):
            self.assertEqual((got["came"], got["close"]), ([], None))
            if http != "h1":
                self.assertNotIn(got["stream"], ("connection", None), "the connection is not the stream's")

    def test_client_that_vanishes(self):
        """The server is told by its connection, which ends without a Close frame."""
        for _, scheme, path, got in self.each("vanish", "/echo/vanish-{}"):
            self.assertEqual(got["came"], ["before"])
            seen = self.told(self.servers[scheme], path)
            self.assertEqual((seen["messages"], seen["close"]), ([["text", 1, 6]], None))
            self.assertNotEqual(self.record(scheme, path)["end"], "complete")

    def test_client_that_does_not_end_its_side(self):
        """As Firefox does over HTTP/2: it has sent and got a Close frame, and got the end of the stream. The server waits for the end of its connection."""
        for http in ("h2", "h3"):
            path = f"/echo/linger-{http}"
            client = self.lab.start([self.interpreter, HERE / "websocket_client.py", "linger", "--ca", self.cert, "--http", http,
                                     f"{self.gateways['http'].url}{path}"], "linger")
            self.addCleanup(client.stop)
            self.assertEqual(self.told(self.clear, path)["close"], [3001, "that is all"])
            self.assertTrue(client.alive())
            self.record("http", path)

    def test_refusal(self):
        for _, _, _, got in self.each("watch", "/forbidden"):
            self.assertEqual((got["refused"], got["headers"]["content-length"]), (403, "12"))


class WithHttp2Backend(WebSocketCase):
    """hypercorn does not tell by which code it was closed."""

    def test_messages_of_every_kind(self):
        for http, version in FRONTS.items():
            path = f"/echo/{http}"
            (got,) = self.client("echo", http, ("h2c", path))
            self.assertEqual({name: whole for name, (whole, _) in got["came"].items()}, dict.fromkeys(ALL, True))
            self.assertEqual((got["close"][0], got["status"], got["headers"]["sec-websocket-protocol"]),
                             (3001, 101 if http == "h1" else 200, "echo.example"))
            seen = self.told(self.hypercorn, path)
            self.assertEqual(seen["version"], "2")
            self.assertEqual([length for _, length in seen["messages"]], [7, 256, 0, 13, MIB, MIB])
            self.assertEqual(seen["headers"]["x-forwarded-for"], "127.0.0.1")
            for name in ("upgrade", "connection", "sec-websocket-key"):
                self.assertNotIn(name, seen["headers"])
            line = self.record("h2c", path)
            self.assertEqual((line["version"], line["status"]), (version, 101 if http == "h1" else 200))

    def test_server_that_closes(self):
        for http in FRONTS:
            (got,) = self.client("poke", http, ("h2c", f"/close/4321/bye/{http}"))
            self.assertEqual((got["came"], got["close"]), ([], [4321, "bye"]))

    def test_client_that_vanishes(self):
        for http in FRONTS:
            path = f"/echo/vanish-{http}"
            (got,) = self.client("vanish", http, ("h2c", path))
            self.assertEqual(got["came"], ["before"])
            self.assertEqual(self.told(self.hypercorn, path)["messages"], [["text", 6]])


if __name__ == "__main__":
    unittest.main()

"""gRPC through a route: its own interoperability tests in Go (the program in grpcgo/), client and server, with TLS before the gateway and h2c or
TLS behind it. The server tells what it saw of each call."""

import json
import unittest

import harness
import peers
from routes import RouteCase

SUITE = ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream", "timeout_on_sleeping_server",
         "cancel_after_begin", "cancel_after_first_response", "custom_metadata", "status_code_and_message", "special_status_message",
         "unimplemented_method", "unimplemented_service")
SERVICE = "/grpc.testing.TestService/"
LARGE = 8 << 20
# What the server answers with where it is told to, and its metadata as the client's library shows it.
REFUSAL = ("FailedPrecondition", "100% of it,\nin any script: \u00e9\u4e2d")
INITIAL, TRAILING = ["initial"], ["\x00\x01\ufffd"]


class GrpcCase(RouteCase):
    programs = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = peers.go_program("grpcgo")
        cls.servers = {"h2c": cls.serve(), "https": cls.serve("-cert", cls.cert, "-key", cls.key)}
        cls.gateways = {scheme: cls.routing(f"/={scheme}://{server.address}", name=scheme) for scheme, server in cls.servers.items()}

    @classmethod
    def serve(cls, *flags):
        process = cls.lab.start([cls.program, "serve", *flags], "grpc-server")
        process.address = harness.wait_for_ready(process, process.log_path)
        return process

    def call(self, scheme, case, *flags):
        return self.json_of(self.program, "call", "-ca", self.cert, "-address", f"127.0.0.1:{self.gateways[scheme].port}", *flags, case)

    def calls(self, server):
        """What the server saw so far of each call that ended."""
        return [json.loads(line) for line in server.log_path.read_text().rpartition("\n")[0].splitlines()[1:]]

    def next_call(self, server, before, method="FullDuplexCall"):
        """The first of them beyond those of `before`."""
        def found():
            return [call for call in self.calls(server)[before:] if call["method"] == SERVICE + method]

        harness.wait_until(found, f"the server saw {method}", process=server)
        return found()[0]


class Suite(GrpcCase):
    def test_its_own_cases(self):
        for scheme, server in self.servers.items():
            for case in SUITE:
                with self.subTest(scheme=scheme, case=case):
                    self.assertEqual(self.call(scheme, case), {"passed": True})
            seen = {call["method"].removeprefix(SERVICE) for call in self.calls(server)}
            self.assertEqual(seen, {"EmptyCall", "UnaryCall", "StreamingInputCall", "StreamingOutputCall", "FullDuplexCall", "UnimplementedCall"})
            for call in self.calls(server):
                self.assertEqual((call["metadata"][":authority"], call["metadata"]["x-forwarded-for"], call["metadata"]["x-forwarded-proto"]),
                                 ([f"127.0.0.1:{self.gateways[scheme].port}"], ["127.0.0.1"], ["https"]))
                self.assertEqual(call["metadata"]["content-type"], ["application/grpc"])
            lines = self.lines(self.gateways[scheme])
            self.assertEqual({line["version"] for line in lines}, {"HTTP/2"})
            self.assertEqual({line["status"] for line in lines if line["end"] == "complete"}, {200})
            self.assertTrue(lines[0]["upstream"].startswith(f"{scheme}://"))


class Calls(GrpcCase):
    def assert_metadata(self, got):
        self.assertEqual(got["headers"]["x-grpc-test-echo-initial"], INITIAL)
        self.assertEqual(got["trailers"]["x-grpc-test-echo-trailing-bin"], TRAILING)

    def test_large_messages_both_ways(self):
        for scheme, server in self.servers.items():
            got = self.call(scheme, "unary", "-size", str(LARGE))
            self.assertEqual((got["code"], got["messages"], got["bytes"]), ("OK", 1, LARGE))
            self.assert_metadata(got)
            (line,) = self.recorded(self.gateways[scheme], lambda line: line["bytes_in"] > LARGE, "the call")
            self.assertGreater(line["bytes_out"], LARGE)
            self.assertEqual(line["end"], "complete")

    def test_error_without_a_body(self):
        for scheme, server in self.servers.items():
            before = len(self.calls(server))
            got = self.call(scheme, "error_without_a_body", "-size", "1000")
            self.assertEqual((got["code"], got["message"], got["messages"]), (*REFUSAL, 0))
            self.assertEqual(got["trailers"]["x-grpc-test-echo-trailing-bin"], TRAILING)
            self.assertEqual(self.next_call(server, before, "UnaryCall")["code"], REFUSAL[0])

    def test_error_with_a_body(self):
        for scheme, server in self.servers.items():
            for size in (1, 100_000):
                before = len(self.calls(server))
                got = self.call(scheme, "error_with_a_body", "-size", str(size))
                self.assertEqual((got["code"], got["message"], got["messages"], got["bytes"]), (*REFUSAL, 1, size))
                self.assert_metadata(got)
                self.assertEqual(self.next_call(server, before)["code"], REFUSAL[0])

    def test_deadline(self):
        """The server knows it, too."""
        for scheme, server in self.servers.items():
            before = len(self.calls(server))
            self.assertEqual(self.call(scheme, "deadline")["code"], "DeadlineExceeded")
            seen = self.next_call(server, before)
            self.assertGreater(seen["deadline"], 0)
            self.assertLessEqual(seen["deadline"], 0.5)
            self.assertTrue(seen["context"], "its context was over before it")

    def test_cancellation(self):
        for scheme, server in self.servers.items():
            before = len(self.calls(server))
            self.assertEqual(self.call(scheme, "cancel")["code"], "Canceled")
            seen = self.next_call(server, before)
            self.assertEqual((seen["code"], seen["context"], seen["deadline"] > 60), ("Canceled", "context canceled", True))
            (line,) = self.recorded(self.gateways[scheme], lambda line: line["end"] == "client_reset" and line["path"] == f"{SERVICE}FullDuplexCall"
                                    and line["bytes_out"] > 0, "the call")
            self.assertEqual(line["status"], 200)

    def test_server_that_is_not_there(self):
        """A 502 without gRPC's fields is its UNAVAILABLE."""
        server = self.serve()
        gateway = self.routing(f"/=h2c://{server.address}", name="alone")
        server.stop()
        done = self.json_of(self.program, "call", "-ca", self.cert, "-address", f"127.0.0.1:{gateway.port}", "-size", "1", "unary")
        self.assertEqual(done["code"], "Unavailable")
        self.recorded(gateway, lambda line: line.get("upstream_error"), "why")


if __name__ == "__main__":
    unittest.main()

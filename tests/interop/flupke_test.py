"""flupke, HTTP/3 in Java on kwik (Maven Central), as a client of our gateway and of its CONNECT-UDP; the program in flupke/.
What it sends at once fits a packet: of more, kwik at times sends the first packet alone and then waits for ever."""

import unittest

import peers
from fixtures import InteropCase


class Flupke(InteropCase):
    programs = ("javac", "mvn", "openssl")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = peers.java_program("flupke")
        cls.authority, cls.pair = cls.authority_and_certificate()

    def setUp(self):
        self.gateway = self.counting_gateway("--files", self.site, "--masque", "udp", "--open-proxy", "--allow", "127.0.0.0/8",
                                             "--qlog", self.lab.folder / "qlogs", certificate=self.pair)
        self.addCleanup(self.gateway.stop)
        # By its name: kwik does not look for addresses in certificates.
        self.url = f"https://localhost:{self.gateway.port}"

    def get(self, *options, name="large.bin"):
        """Of each connection the QUIC version and the answers."""
        return self.json_of(*self.program, "get", f"{self.url}/{name}", self.authority, *options)

    def get_one(self, *options, name="large.bin"):
        (connection,) = self.get(*options, name=name)
        (answer,) = connection["answers"]
        return answer

    def udp(self, target, *options):
        host, port = target.split(":")
        return self.json_of(*self.program, "udp", f"{self.url}/.well-known/masque/udp/{host}/{port}/", self.authority, *options)

    def test_parallel_downloads(self):
        for name, times in (("large.bin", 4), ("small.txt", 150), ("empty", 3)):
            (connection,) = self.get(f"times={times}", name=name)
            self.assertEqual([(got["status"], got["sha256"]) for got in connection["answers"]], [(200, self.want[name])] * times)
            self.assertEqual(connection["version"], "V1")
        counted = self.metrics(self.gateway)
        self.assertEqual(counted['sallyport_requests_total{version="http/3"}'], 157)
        self.assertEqual(counted['sallyport_connections_total{version="http/3"}'], 3)

    def test_version_2_is_not_chosen(self):
        """It begins with version 1 and would take 2; ours prefers 1."""
        (connection,) = self.get("preferred=2", name="small.txt")
        self.assertEqual((connection["version"], connection["answers"][0]["sha256"]), ("V1", self.want["small.txt"]))

    def test_resumption(self):
        connections = self.get("connections=3", name="small.txt")
        self.assertEqual([got["sha256"] for one in connections for got in one["answers"]], [self.want["small.txt"]] * 3)
        self.assertEqual(self.metrics(self.gateway)["sallyport_quic_resumed_total"], 2)

    def test_head_ranges_and_refusals(self):
        size = (self.site / "large.bin").stat().st_size
        head = self.get_one("method=HEAD")
        self.assertEqual((head["status"], head["length"], int(head["headers"]["content-length"])), (200, 0, size))
        part = self.get_one("range=bytes=100-299")
        self.assertEqual((part["status"], part["length"], part["headers"]["content-range"]), (206, 200, f"bytes 100-299/{size}"))
        self.assertEqual(self.get_one(name="nothing")["status"], 404)

    def test_uploads_are_refused(self):
        for size in (0, 1, 1000):
            with self.subTest(size=size):
                got = self.get_one("method=POST", f"upload={size}", name="upload")
                self.assertEqual((got["status"], got["headers"]["allow"]), (405, "GET, HEAD, OPTIONS"))
        self.assertFalse((self.site / "upload").exists())

    def test_connect_udp(self):
        echo = self.udp_echo()
        for size in (1, 60, 1000):
            before = len(echo.datagrams)
            self.assertEqual(self.udp(echo.address, f"size={size}", "count=20"), {"echoed": 20, "ended": True})
            self.assertEqual([len(datagram) for datagram in echo.datagrams[before:]], [size] * 20)
        counted = self.metrics(self.gateway)
        self.assertEqual(counted['sallyport_masque_tunnels_total{protocol="udp"}'], 3)
        self.assertEqual(self.udp("192.0.2.1:443")["status"], 403)


if __name__ == "__main__":
    unittest.main()

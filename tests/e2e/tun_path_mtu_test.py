"""`sallyport tun` on a path that becomes narrower without a word: packets that are too long vanish, in both directions, and no ICMP message says so."""

import sys
import unittest

import harness
import peers
from harness import SALLYPORT
from tunnels import ORIGINS, POOLS, TunCase, authority

# Answers a connection with how many bytes came by it, once they have ended.
SINK = """
import socket
server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
print(server.getsockname()[1], flush=True)
connection, client = server.accept()
count = 0
while data := connection.recv(1 << 16):
    count += len(data)
connection.sendall(str(count).encode())
"""
SEND = """
import socket, sys
sending = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sending.sendall(bytes(int(sys.argv[3])))
sending.shutdown(socket.SHUT_WR)
print(sending.recv(100).decode())
"""
SIZE = 2 << 20


class MtuCase(TunCase):
    @classmethod
    def setUpClass(cls):
        peers.tool("nft")
        super().setUpClass()

    def sending(self, address):
        """The command that sends some."""
        sink = self.far.start([sys.executable, "-c", SINK], "sink")
        self.addCleanup(sink.stop)
        return [sys.executable, "-c", SEND, address, harness.wait_for_ready(sink, sink.log_path), SIZE]


class BlackHole(MtuCase):
    def assert_follows(self, hops, size, address):
        tun = self.up_by("ip", hops)
        # Its search is over: it carries what the path does, but for some bytes.
        headers = 28 + 40 * hops
        harness.wait_until(lambda: self.devices()["tunnel0"] > 1500 - headers, "the MTU is what the path carries", process=tun)
        self.narrow(size)
        self.assertEqual(int(harness.run(*self.near.prefix, *self.sending(address))), SIZE, "upwards")
        self.assertEqual(self.get(address), (True, ""))
        self.assertEqual(self.get(address, "h1"), (True, ""))
        self.assert_dropped(self.near, self.far)
        harness.wait_until(lambda: size - headers < self.devices()["tunnel0"] < size - 28, "the MTU is what the path carries now", process=tun)

    def test_one_hop(self):
        self.assert_follows(1, 1400, ORIGINS[0])

    def test_two_hops(self):
        self.assert_follows(2, 1440, ORIGINS[1])

    def test_four_hops(self):
        self.assert_follows(4, 1480, ORIGINS[0])


class TooNarrow(MtuCase):
    """For packets of 1,280 bytes: RFC 9484 §7.2 has whoever finds that out end a tunnel that carries IPv6."""

    def assert_ends(self, tun, *command):
        """Meanwhile this runs in the client's namespace. Why it ended, as the client says."""
        running = self.near.start(command)
        self.addCleanup(running.stop)
        self.assertEqual(tun.child.wait(harness.PATIENCE), 1)
        self.assert_untouched()
        return tun.last_words()

    def test_the_gateway_ends_it(self):
        log = self.far.folder / "access.log"
        proxy = self.proxy("--access-log", log)
        tun = self.up("--via", proxy.url)
        self.narrow(1300)
        words = self.assert_ends(tun, SALLYPORT, "get", "-k", "-o", "/dev/null", f"https://{authority(ORIGINS[0], self.origin.port)}/file.bin")
        self.assertIn("the peer reset the stream", words)
        self.assertEqual(proxy.stop(harness.PATIENCE), 0)
        self.assertIn("IPv6 needs 1280", log.read_text())

    def test_the_client_ends_it(self):
        tun = self.up_by("ip", 1)
        self.narrow(1300)
        self.assertIn("IPv6 needs 1280", self.assert_ends(tun, *self.sending(ORIGINS[0])))

    def test_ipv4_goes_on(self):
        self.up("--via", self.proxy(pools=POOLS[:2]).url)
        self.narrow(1300)
        self.assertEqual(int(harness.run(*self.near.prefix, *self.sending(ORIGINS[0]))), SIZE, "upwards")
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))


if __name__ == "__main__":
    unittest.main()

"""`--ip-nat` with real devices: a client and a gateway as in tunnels.py, and behind the gateway an Internet that has no way back to its pool."""

import signal
import sys
import unittest
from pathlib import Path

import harness
from tunnels import MORE_POOLS, OUTSIDE, SERVERS, WorldCase

PORT = 7777
ASK = """
import socket, sys
kind, address = sys.argv[1:]
asking = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, getattr(socket, kind))
asking.connect((address, 7777))
asking.settimeout(float(60))
if kind == "SOCK_DGRAM":
    asking.send(b"who am I?")
print(asking.recv(2048).decode())
"""


class Nat(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.world.start([sys.executable, Path(__file__).with_name("who_asks.py"), PORT], "server")
        harness.wait_until(lambda: "ready" in cls.server.log_path.read_text(), "the server listens", process=cls.server)

    def ask(self, kind, address):
        return harness.run(*self.near.prefix, sys.executable, "-c", ASK, kind, address).strip()

    def tables(self):
        return harness.run(*self.far.prefix, "nft", "list", "tables").splitlines()

    def test_the_world_sees_the_gateways_address(self):
        proxy = self.proxy("--ip-nat", "--ip-device", "tun-nat")
        self.assertIn("reach the network through tun-nat, with this machine's address (--ip-nat)", proxy.log_path.read_text())
        self.assertEqual(self.tables(), ["table inet sallyport-tun-nat"])
        self.up("--via", proxy.url)
        for address, seen in zip(SERVERS, OUTSIDE):
            for kind in ("SOCK_DGRAM", "SOCK_STREAM"):
                with self.subTest(kind=kind, address=address):
                    self.assertEqual(self.ask(kind, address), seen)
        self.assertEqual(proxy.stop(harness.PATIENCE), 0)
        self.assertEqual(self.tables(), [])

    def test_without_it_there_is_no_way_back(self):
        self.up("--via", self.proxy().url)
        self.assertEqual(self.tables(), [])
        for address, pool in zip(SERVERS, ("10.89.0.", "fd89::")):
            sending = self.near.start([sys.executable, "-c", ASK, "SOCK_DGRAM", address])
            self.addCleanup(sending.stop)
            harness.wait_until(lambda: f"no way back to {pool}" in self.server.log_path.read_text(), "the server knows no way back",
                               process=self.server)

    def test_what_a_killed_gateway_leaves(self):
        killed = self.proxy("--ip-nat")
        killed.child.send_signal(signal.SIGKILL)
        killed.child.wait(harness.PATIENCE)
        proxy = self.proxy("--ip-nat")
        self.assertEqual(len(self.tables()), 1, self.tables())
        self.up("--via", proxy.url)
        self.assertEqual(self.ask("SOCK_DGRAM", SERVERS[0]), OUTSIDE[0])

    def test_two_gateways_and_a_firewall_leave_each_other_alone(self):
        first = self.proxy("--ip-nat", "--ip-device", "tun-a")
        second = self.proxy("--ip-nat", "--ip-device", "tun-b", pools=MORE_POOLS)
        harness.run(*self.far.prefix, "nft", "flush", "ruleset")
        self.assertEqual(sorted(self.tables()), ["table inet sallyport-tun-a", "table inet sallyport-tun-b"])
        self.assertEqual(first.stop(harness.PATIENCE), 0)
        self.assertEqual(self.tables(), ["table inet sallyport-tun-b"])
        self.up("--via", second.url)
        for address, seen in zip(SERVERS, OUTSIDE):
            self.assertEqual(self.ask("SOCK_DGRAM", address), seen)


if __name__ == "__main__":
    unittest.main()

"""connect-ip-go (in the Go program in quicgo/) through our gateway's CONNECT-IP: a real TUN device in a namespace, with an echo behind it."""

import base64
import json
import sys
import unittest

import harness
import peers
from fixtures import HERE, check_qlogs
from harness import Lab, Namespace

# Of the namespace's loopback; behind the TUN device, as clients see it.
ECHO = ("198.51.100.1", "2001:db8:5::1")
PORT = 7000


class ConnectIpGo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = peers.go_program("quicgo")
        cls.lab = Lab(namespace=Namespace())
        cls.addClassCleanup(cls.lab.__exit__)
        cls.lab.keeps_qlogs = False
        for address, length in zip(ECHO, (32, 128)):
            harness.run(*cls.lab.prefix, "ip", "address", "add", f"{address}/{length}", "dev", "lo", *(["nodad"] if ":" in address else []))
        echo = cls.lab.start([sys.executable, HERE / "udp_echo.py", *(word for address in ECHO for word in (address, PORT))], "echo")
        harness.wait_for_port(PORT, udp=True, prefix=cls.lab.prefix, process=echo)
        cls.flags = ("--masque", "ip", "--ip-pool", "10.89.0.0/24", "--ip-pool", "fd89::/64", "--workers", "2", "--allow", f"{ECHO[0]}/32",
                     "--allow", f"{ECHO[1]}/128", "--grace", "0")

    def setUp(self):
        self.gateway = self.lab.gateway(*self.flags, "--qlog", self.lab.folder / self.id())
        self.addCleanup(self.gateway.stop)

    def ask(self, target=""):
        done = harness.run(*self.lab.prefix, self.program, "ip", "-ca", self.lab.certificate()[0], "-via", self.gateway.url, "-count", "20",
                           "-size", "1200", target)
        return json.loads(done)

    def test_addresses_and_routes(self):
        told = self.ask()
        self.assertEqual(told["status"], 200)
        self.assertRegex(told["prefixes"][0], r"^10\.89\.0\.\d+/32$")
        self.assertRegex(told["prefixes"][1], r"^fd89::\w+/128$")
        self.assertEqual(told["routes"], ["0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])

    def test_the_record_of_a_tunnel_is_as_the_schema_says(self):
        told = self.ask()
        self.gateway.stop(harness.PATIENCE)
        (events,) = check_qlogs(self.lab.folder / self.id()).values()
        self.assertGreaterEqual(events["loglevel:info"], 2)
        self.assertGreaterEqual(events["http:capsule_created"], 2)
        (log,) = (self.lab.folder / self.id()).glob("*.sqlog")
        self.assertIn(f"sent ADDRESS_ASSIGN {' '.join(told['prefixes'])}", log.read_text())

    def test_packets_pass_both_ways(self):
        for address in ECHO:
            with self.subTest(address=address):
                told = self.ask(f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}")
                self.assertEqual((told["echoed"], told["icmp"]), (20, None))

    def test_what_is_forbidden_is_answered(self):
        """The gateway's own address, which no --allow names."""
        told = self.ask(f"10.89.0.1:{PORT}")
        self.assertEqual((told["echoed"], len(told["icmp"])), (0, 20))
        answer = base64.b64decode(told["icmp"][0])
        self.assertEqual((answer[9], answer[20], answer[21]), (1, 3, 13), "ICMP, unreachable, administratively prohibited")


if __name__ == "__main__":
    unittest.main()

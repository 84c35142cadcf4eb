"""`sallyport tun` and `get --mode ip` through a CONNECT-IP proxy on connect-ip-go (the Go program in connectip/), with real TUN devices at both
ends."""

import signal
import unittest

import harness
import peers
from tunnels import GATEWAY, ORIGINS, TunCase

DEVICE = "their0"
# Of the proxy's device, and what it assigns: at first, and when it is told to assign others.
OWN, ASSIGNED, OTHERS = ("10.88.0.1/24", "fd88::1/64"), ("10.88.0.2", "fd88::2"), ("10.88.0.9", "fd88::9")


def prefixes(addresses):
    return ",".join(f"{address}/{128 if ':' in address else 32}" for address in addresses)


class ConnectIpGoProxy(TunCase):
    @classmethod
    def setUpClass(cls):
        cls.program = peers.go_program("connectip")
        super().setUpClass()

    def their_proxy(self, assigned=ASSIGNED):
        certificate, key = self.far.certificate()
        process = self.far.start([self.program, "-listen", f"{GATEWAY}:0", "-cert", certificate, "-key", key, "-device", DEVICE, "-assign",
                                  prefixes(assigned), "-then", prefixes(OTHERS)], "connect-ip-go")
        self.addCleanup(process.stop)
        authority = harness.wait_for_ready(process, process.log_path)
        for address in OWN:
            harness.run(*self.far.prefix, "ip", "address", "add", address, "dev", DEVICE, *(["nodad"] if ":" in address else []))
        harness.run(*self.far.prefix, "ip", "link", "set", DEVICE, "up")
        process.url = f"https://{authority}"
        process.template = f"{process.url}/.well-known/masque/ip/*/*/"
        return process

    def lines(self, tun):
        return tun.log_path.read_text().splitlines()

    def assert_carries(self, *addresses):
        for address in addresses:
            for http in ("h3", "h1"):
                with self.subTest(address=address, http=http):
                    self.assertEqual(self.get(address, http), (True, ""))

    def test_tun(self):
        proxy = self.their_proxy()
        tun = self.up("--via", proxy.url, "--device", "tunnel0")
        self.assertIn("requested: [0.0.0.0/32 ::/128]", proxy.log_path.read_text())
        self.assert_carries(*ORIGINS)
        self.assertEqual(self.lines(tun), [f"sallyport: tunnel0: {', '.join(ASSIGNED)}", "sallyport: tunnel0: routes 0.0.0.0/0, ::/0"])
        tun.child.send_signal(signal.SIGTERM)
        self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGTERM)
        self.assert_untouched()
        # The stream ended as it should, and the proxy takes the next client.
        harness.wait_until(lambda: "the tunnel ended" in proxy.log_path.read_text(), "the proxy noticed the end", process=proxy)
        self.up("--via", proxy.template)
        self.assert_carries(ORIGINS[0])

    def test_behind_a_hop_of_ours(self):
        self.up("--via", self.proxy(pools=(), masque="udp").url, "--via", self.their_proxy().url)
        self.assert_carries(*ORIGINS)

    def test_an_ip_version_that_it_rejects(self):
        tun = self.up("--via", self.their_proxy(ASSIGNED[:1]).url, "--device", "tunnel0")
        self.assert_carries(ORIGINS[0])
        came, words = self.get(ORIGINS[1])
        self.assertFalse(came)
        self.assertIn("No route to host", words)
        self.assertEqual(self.lines(tun)[0], f"sallyport: tunnel0: {ASSIGNED[0]}")

    def test_other_addresses_while_the_tunnel_is_open(self):
        proxy = self.their_proxy()
        tun = self.up("--via", proxy.url, "--device", "tunnel0")
        self.assert_carries(ORIGINS[0])
        proxy.child.send_signal(signal.SIGUSR1)
        harness.wait_until(lambda: f"sallyport: tunnel0: {', '.join(OTHERS)}" in self.lines(tun), "the addresses are others", process=tun)
        have = harness.run(*self.near.prefix, "ip", "-br", "address", "show", "dev", "tunnel0").split()[2:]
        self.assertEqual(set(have), set(prefixes(OTHERS).split(",")))
        self.assert_carries(*ORIGINS)

    def test_get_without_a_device(self):
        proxy = self.their_proxy()
        for address in ORIGINS:
            with self.subTest(address=address):
                self.assertEqual(self.get(address, "h3", "--via", proxy.template, "--mode", "ip"), (True, ""))

    def test_get_through_hops_of_both(self):
        """Our gateway, then theirs; and theirs, which carries QUIC to our gateway in IP packets."""
        theirs, ours = self.their_proxy(), self.proxy()
        for first, second in ((ours.url, theirs.template), (theirs.template, ours.url)):
            with self.subTest(first=first):
                self.assertEqual(self.get(ORIGINS[0], "h3", "--via", first, "--via", second, "--via-mode", "ip", "--mode", "ip"), (True, ""))


if __name__ == "__main__":
    unittest.main()

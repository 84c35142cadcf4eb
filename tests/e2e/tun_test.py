"""`sallyport tun` as a process, with real TUN devices: a namespace of the client, and one of the gateway with what is behind it, joined by veth."""

import json
import signal
import unittest

import harness
from harness import SALLYPORT, Lab, Namespace

# Of the gateway's namespace: its address on the network between them, and the origin's, which the client reaches through a tunnel alone.
GATEWAY, CLIENT, ORIGINS = "192.0.2.1", "192.0.2.2", ("198.51.100.1", "2001:db8:5::1")
POOLS = ("--ip-pool", "10.89.0.0/24", "--ip-pool", "fd89::/64")
SIZE = 8 << 20


def authority(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class TunCase(unittest.TestCase):
    names = ()  # more of them for the certificate

    @classmethod
    def setUpClass(cls):
        cls.far, cls.near = Lab(namespace=Namespace(suffix="-gateway")), Lab(namespace=Namespace(suffix="-client"))
        for lab in (cls.far, cls.near):
            cls.addClassCleanup(lab.__exit__)
        cls.far.certificate("localhost", GATEWAY, *ORIGINS, *cls.names)
        harness.run("ip", "link", "add", "veth-c", "netns", cls.near.namespace.name, "type", "veth", "peer", "name", "veth-g", "netns",
                    cls.far.namespace.name)
        for lab, device, address in ((cls.near, "veth-c", CLIENT), (cls.far, "veth-g", GATEWAY)):
            harness.run(*lab.prefix, "ip", "address", "add", f"{address}/24", "dev", device)
            harness.run(*lab.prefix, "ip", "link", "set", device, "up")
        # A way out that leads nowhere near the origin.
        harness.run(*cls.near.prefix, "ip", "route", "add", "default", "via", "192.0.2.77")
        for address in ORIGINS:
            harness.run(*cls.far.prefix, "ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
        site = cls.far.folder / "site"
        site.mkdir()
        harness.make_file(site / "file.bin", SIZE)
        cls.want = harness.sha256(site / "file.bin")
        cls.origin = cls.far.gateway("--files", site, listen=":0", name="origin")

    def proxy(self, *flags, pools=POOLS, token=None, masque="udp,ip"):
        """A gateway for CONNECT-IP; ended with the test."""
        process = self.far.gateway("--masque", masque, *pools, *(["--token-file", token] if token else ["--open-proxy"]),
                                   *(word for address in ORIGINS for word in ("--allow", address)), "--allow", "192.0.2.0/24", "--workers", "2",
                                   "--grace", "0", *flags, listen=f"{GATEWAY}:0", name="proxy")
        self.addCleanup(process.stop)
        process.url = f"https://{GATEWAY}:{process.port}"
        return process

    def tun(self, *flags):
        process = self.near.start([SALLYPORT, "tun", "--no-cache", "--ca", self.far.certificate()[0], *flags], "tun")
        self.addCleanup(process.stop)
        return process

    def up(self, *flags):
        process = self.tun(*flags)
        harness.wait_until(lambda: ": routes " in process.log_path.read_text(), "the tunnel is open", process=process)
        return process

    def fails(self, *flags, status=1):
        """The one sentence with which it ends."""
        process = self.tun(*flags)
        self.assertEqual(process.child.wait(harness.PATIENCE), status, process.last_words())
        self.assert_untouched()
        self.assertEqual(process.log_path.read_text().count("\n"), 1, process.log_path.read_text())
        return process.last_words()

    def get(self, address, http="h3"):
        """Whether the file comes through the tunnel."""
        target = self.near.folder / "got"
        done = harness.finish([*self.near.prefix, SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.far.certificate()[0], "--http", http, "-o",
                               target, f"https://{authority(address, self.origin.port)}/file.bin"])
        return done.returncode == 0 and harness.sha256(target) == self.want, done.stderr

    def devices(self):
        return {link["ifname"]: link["mtu"] for link in json.loads(harness.run(*self.near.prefix, "ip", "-j", "link"))}

    def routes(self):
        return [harness.run(*self.near.prefix, "ip", family, what) for family in ("-4", "-6") for what in ("route", "rule")]

    def setUp(self):
        self.before = self.routes()

    def assert_untouched(self):
        self.assertEqual(set(self.devices()), {"lo", "veth-c"})
        # The kernel's own of IPv6 come when they are ready.
        harness.wait_until(lambda: self.routes() == self.before, "the routes are as they were")


class Tunnel(TunCase):
    def test_carries_everything_and_leaves_nothing_behind(self):
        tun = self.up("--via", self.proxy().url, "--device", "tunnel0")
        self.assertGreater(self.devices()["tunnel0"], 1400, "what the path carries")
        for address in ORIGINS:
            for http in ("h3", "h1"):
                with self.subTest(address=address, http=http):
                    self.assertEqual(self.get(address, http), (True, ""))
        tun.child.send_signal(signal.SIGTERM)
        self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGTERM)
        self.assert_untouched()
        lines = tun.log_path.read_text().splitlines()
        self.assertEqual(len(lines), 3, lines)
        self.assertRegex(lines[0], r"^sallyport: tunnel0: 10\.89\.0\.\d+, fd89::\w+$")
        self.assertEqual(lines[1], "sallyport: tunnel0: routes 0.0.0.0/0, ::/0")
        self.assertRegex(lines[2], r"^sallyport: up [\d.]+ KiB, down 3\d\.\d MiB in \d+ ")

    def test_two_hops_over_every_version(self):
        first, last = self.proxy(), self.proxy(pools=("--ip-pool", "10.90.0.0/24", "--ip-pool", "fd90::/64"))
        for http in ("h3", "h2", "h1"):
            with self.subTest(http=http):
                hops = ["--via", first.url] if http == "h3" else []  # CONNECT is not what these proxies are for
                tun = self.up("--via-http", http, *hops, "--via", last.url)
                for address in ORIGINS:
                    self.assertEqual(self.get(address), (True, ""))
                tun.child.send_signal(signal.SIGINT)
                self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGINT)
                self.assert_untouched()

    def test_an_ip_version_without_an_address_does_not_leak(self):
        tun = self.up("--via", self.proxy(pools=POOLS[:2]).url)
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))
        came, words = self.get(ORIGINS[1])
        self.assertFalse(came)
        self.assertIn("No route to host", words)
        tun.child.send_signal(signal.SIGTERM)
        tun.child.wait(harness.PATIENCE)
        self.assert_untouched()

    def test_routes_that_are_chosen(self):
        self.up("--via", self.proxy("--ip-route", "198.51.0.0/16").url, "--route", "198.51.100.0/24", "--exclude", "198.51.100.128/25", "--device",
                "tunnel0")
        for address, device in ((ORIGINS[0], "tunnel0"), ("198.51.100.200", "veth-c"), ("198.51.101.1", "veth-c"), ("8.8.8.8", "veth-c")):
            self.assertIn(f"dev {device} ", harness.run(*self.near.prefix, "ip", "route", "get", address))
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))

    def test_a_local_network_is_not_the_proxys_to_take(self):
        self.up("--via", self.proxy("--ip-route", "192.0.2.0/24", "--ip-route", "198.51.100.0/24").url)
        self.assertIn("dev veth-c ", harness.run(*self.near.prefix, "ip", "route", "get", "192.0.2.77"))
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))

    def test_a_device_that_is_taken_away_ends_it(self):
        tun = self.up("--via", self.proxy().url, "--device", "tunnel0")
        harness.run(*self.near.prefix, "ip", "link", "delete", "dev", "tunnel0")
        self.assertEqual(tun.child.wait(harness.PATIENCE), 1)
        self.assertIn("tunnel0", tun.last_words())
        self.assert_untouched()

    def test_a_machine_without_ipv6(self):
        setting = ["/proc/sys/net/ipv6/conf/default/disable_ipv6", "/proc/sys/net/ipv6/conf/all/disable_ipv6"]

        def set_all(value):
            harness.run(*self.near.prefix, "sh", "-c", "; ".join(f"echo {value} > {path}" for path in setting))

        set_all(1)
        self.addCleanup(set_all, 0)
        self.up("--via", self.proxy().url, "--route", "0.0.0.0/0")
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))

    def test_the_gateway_that_ends_is_told_of(self):
        proxy = self.proxy()
        tun = self.up("--via", proxy.url)
        self.assertEqual(proxy.stop(harness.PATIENCE), 0)
        self.assertEqual(tun.child.wait(harness.PATIENCE), 1)
        self.assertIn(f"hop 1 ({GATEWAY}:{proxy.port}): ", tun.last_words())
        self.assert_untouched()


class Failures(TunCase):
    def test_sentences(self):
        tokens = self.far.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        tokens.chmod(0o600)
        self.assertIn("401, it requires a bearer token; give one with --token-file FILE", self.fails("--via", self.proxy(token=tokens).url))
        self.assertIn("501", self.fails("--via", f"https://{GATEWAY}:{self.origin.port}"))
        self.assertIn("--device: 'a/b' is no name", self.fails("--via", GATEWAY, "--device", "a/b", status=2))
        self.assertIn("--device: ", self.fails("--via", GATEWAY, "--device", "veth-c"))
        self.assertIn("--route '10.0.0.1/8' is not a prefix", self.fails("--via", GATEWAY, "--route", "10.0.0.1/8", status=2))
        self.assertIn("--via is required", self.fails(status=2))
        self.assertIn("hop 1 (192.0.2.1:9): ", self.fails("--via", f"{GATEWAY}:9"))

    def test_a_token_lets_in(self):
        tokens = self.far.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        tokens.chmod(0o600)
        self.up("--via", self.proxy(token=tokens).url, "--token-file", tokens)
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))

    def test_without_the_right_to_make_a_device(self):
        done = harness.finish([*self.near.prefix, "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", SALLYPORT, "tun", "--via",
                               "192.0.2.1"])
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("CAP_NET_ADMIN", done.stderr)


if __name__ == "__main__":
    unittest.main()

"""Two network namespaces joined by veth, a client's and that of a gateway with what is behind it, and `sallyport tun` from one to the other: what the
tests of tunnels share, in tests/e2e and tests/interop."""

import json
import re
import unittest

import harness
from harness import SALLYPORT, Lab, Namespace

# Of the gateway's namespace: its address on the network between them, and the origin's, which the client reaches through a tunnel alone.
GATEWAY, CLIENT, ORIGINS = "192.0.2.1", "192.0.2.2", ("198.51.100.1", "2001:db8:5::1")
# The gateway's addresses towards the Internet, and a server there.
OUTSIDE, SERVERS = ("203.0.113.2", "2001:db8:6::2"), ("203.0.113.1", "2001:db8:6::1")
POOLS = ("--ip-pool", "10.89.0.0/24", "--ip-pool", "fd89::/64")
MORE_POOLS = ("--ip-pool", "10.90.0.0/24", "--ip-pool", "fd90::/64")
SIZE = 8 << 20


def authority(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class TunCase(unittest.TestCase):
    """With `near` and `far`, the labs of the two namespaces, and `origin`, a file server that is reached through a tunnel alone."""

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

    def up_by(self, mode, hops, *flags):
        """A tunnel of this mode over that many hops, by a device that is called tunnel0."""
        last = self.proxy() if mode == "ip" else self.proxy(pools=(), masque="udp")
        proxies = [*(self.proxy(pools=(), masque="udp") for _ in range(hops - 1)), last]
        return self.up("--mode", mode, "--device", "tunnel0", *(word for proxy in proxies for word in ("--via", proxy.url)), *flags)

    def fails(self, *flags, status=1):
        """The one sentence with which it ends."""
        process = self.tun(*flags)
        self.assertEqual(process.child.wait(harness.PATIENCE), status, process.last_words())
        self.assert_untouched()
        self.assertEqual(process.log_path.read_text().count("\n"), 1, process.log_path.read_text())
        return process.last_words()

    def get(self, address, http="h3", *flags):
        """Whether the file comes through the tunnel, and what `get` says."""
        target = self.near.folder / "got"
        done = harness.finish([*self.near.prefix, SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.far.certificate()[0], "--http", http, *flags,
                               "-o", target, f"https://{authority(address, self.origin.port)}/file.bin"])
        return done.returncode == 0 and harness.sha256(target) == self.want, done.stderr

    def narrow(self, size):
        """From now on the path between the namespaces drops packets that are longer, and says nothing."""
        for lab, device in ((self.near, "veth-c"), (self.far, "veth-g")):
            # Else the veth passes super-packets, whose length says nothing of the packets in them.
            harness.run(*lab.prefix, "ip", "link", "set", device, "gso_max_segs", "1")
            rule = f'iifname "{device}" meta length > {size} counter drop'
            harness.run(*lab.prefix, "nft", "-f", "-",
                        input=f"table ip narrow {{ chain in {{ type filter hook prerouting priority raw; {rule}; }}; }}")
            self.addCleanup(harness.run, *lab.prefix, "nft", "delete", "table", "ip", "narrow")
            self.addCleanup(harness.run, *lab.prefix, "ip", "link", "set", device, "gso_max_segs", "65535")

    def assert_dropped(self, *labs):
        """That it did, of what came into these namespaces."""
        for lab in labs:
            self.assertGreater(int(re.search(r"counter packets (\d+)", harness.run(*lab.prefix, "nft", "list", "table", "ip", "narrow"))[1]), 0)

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


class WorldCase(TunCase):
    """With an Internet, the lab `world`, behind the gateway's machine, which forwards; it has no way back to the gateway's pool."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world = Lab(namespace=Namespace(suffix="-world"))
        cls.addClassCleanup(cls.world.__exit__)
        harness.run("ip", "link", "add", "veth-w", "netns", cls.world.namespace.name, "type", "veth", "peer", "name", "veth-o", "netns",
                    cls.far.namespace.name)
        for lab, device, addresses in ((cls.world, "veth-w", SERVERS), (cls.far, "veth-o", OUTSIDE)):
            for address, length in zip(addresses, (24, 64)):
                harness.run(*lab.prefix, "ip", "address", "add", f"{address}/{length}", "dev", device, *(["nodad"] if ":" in address else []))
            # Else it has no link-local address for two seconds, and until then no neighbours.
            harness.run(*lab.prefix, "sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{device}/accept_dad")
            harness.run(*lab.prefix, "ip", "link", "set", device, "up")
        harness.run(*cls.far.prefix, "sh", "-c", "echo 1 | tee /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding")

    def proxy(self, *flags, **options):
        return super().proxy("--allow", "203.0.113.0/24", "--allow", "2001:db8:6::/64", *flags, **options)

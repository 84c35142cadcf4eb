"""iperf3, ping and traceroute through `sallyport tun`, in both modes and over one, two and four hops, with real TUN devices."""

import json
import os
import re
import unittest

import harness
import peers
from fixtures import need
from tunnels import CLIENT, GATEWAY, MORE_POOLS, OUTSIDE, SERVERS, WorldCase

# By IP version: of the gateway's own in its pool; bytes of the headers of an echo request.
GATEWAYS, HEADERS = ("10.89.0.1", "fd89::1"), (28, 48)
PORT = 5201
# Of its sockets' buffers, which is doubled by the kernel: no more is on its way from one program to the other than both of them hold.
WINDOW = 200 << 10
TCP_BYTES = 8 << 20
# Slow, and as much as fits into the receiver's buffer: what is lost, the tunnel lost.
UDP_BYTES, UDP_SIZE, UDP_RATE = 150_000, 1_000, 2_000_000


class ProgramsCase(WorldCase):
    """All runs between the client and a server behind the gateway's machine, which forwards to it and knows the way back."""

    @classmethod
    def setUpClass(cls):
        need("iperf3", "ping", "traceroute")
        super().setUpClass()
        for network, router in (("10.89.0.0/24", OUTSIDE[0]), ("fd89::/64", OUTSIDE[1]), (f"{CLIENT}/32", OUTSIDE[0])):
            harness.run(*cls.world.prefix, "ip", "route", "add", network, "via", router)
        # Else Linux answers what one host sends for traceroute but once a second.
        for lab in (cls.far, cls.world):
            harness.run(*lab.prefix, "sh", "-c", "echo 0 | tee /proc/sys/net/ipv4/icmp_ratelimit /proc/sys/net/ipv6/icmp/ratelimit")

    def call(self, lab, program, *arguments):
        return harness.finish([*lab.prefix, peers.tool(program), *arguments], env={**os.environ, "LC_ALL": "C"})

    def iperf3(self, address, *flags):
        """The client's figures of one run against a server that ends with it."""
        server = self.world.start([peers.tool("iperf3"), "-s", "-1", "-p", PORT], "iperf3")
        self.addCleanup(server.stop)
        harness.wait_for_port(PORT, prefix=self.world.prefix, process=server)
        done = self.call(self.near, "iperf3", "-c", address, "-p", PORT, "--json", "--window", WINDOW, *flags)
        self.assertEqual(done.returncode, 0, done.stdout[-1000:] + done.stderr)
        self.assertEqual(server.child.wait(harness.PATIENCE), 0, server.last_words())
        return json.loads(done.stdout)["end"]

    def assert_tcp(self, address):
        for direction in ((), ("--reverse",)):
            with self.subTest(address=address, direction=direction):
                end = self.iperf3(address, "--bytes", TCP_BYTES, *direction)
                self.assertGreaterEqual(end["sum_sent"]["bytes"], TCP_BYTES)
                self.assertGreater(end["sum_received"]["bytes"], TCP_BYTES - 4 * WINDOW)

    def assert_udp(self, address):
        for direction in ((), ("--reverse",)):
            with self.subTest(address=address, direction=direction):
                told = self.iperf3(address, "--udp", "--bytes", UDP_BYTES, "--length", UDP_SIZE, "--bitrate", UDP_RATE, *direction)["sum_received"]
                # The last ones may come after the word of the control connection that all were sent.
                self.assertGreater(told["packets"], 0.5 * UDP_BYTES / UDP_SIZE, told)
                self.assertLess(told["lost_percent"], 2, told)

    def ping(self, lab, address, *flags):
        """Until so many were answered, or one error came. Exit status and words."""
        done = self.call(lab, "ping", "-n", "-A", "-w", harness.PATIENCE // 3, *flags, address)
        return done.returncode, done.stdout + done.stderr

    def assert_answered(self, lab, address, *flags):
        """Returns with which TTLs, or hop limits."""
        status, words = self.ping(lab, address, "-c", "20", *flags)
        self.assertEqual(status, 0, words)
        self.assertRegex(words, r"\d+ packets transmitted, 20 received,")
        return set(re.findall(r" ttl=(\d+) ", words))

    def told(self, lab, address, size):
        """The MTU that so many bytes are more than, as a router on the way says."""
        for version in ("-4", "-6"):  # what one said to an earlier test
            harness.run(*lab.prefix, "ip", version, "route", "flush", "cache")
        status, words = self.ping(lab, address, "-c", "1", "-M", "do", "-s", size)
        mtu = re.search(r"Frag needed and DF set \(mtu = (\d+)\)\n|Packet too big: mtu=(\d+)\n", words)
        self.assertTrue(status == 1 and mtu, words)
        return int(mtu[1] or mtu[2])

    def trace(self, address, *flags):
        """The routers on the way, and the destination."""
        done = self.call(self.near, "traceroute", "-n", "-q", "1", "-m", "4", "-w", f"{harness.PATIENCE / 10},0,0", *flags, address)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.split()[1] for line in done.stdout.splitlines()[1:]]


class ModeIp(ProgramsCase):
    def clients(self, tun):
        """Its addresses, by IP version."""
        return re.search(r"tunnel0: (10\.89\.0\.\d+), (fd89::\w+)\n", tun.log_path.read_text()).groups()

    def test_ping(self):
        tun = self.up_by("ip", 1)
        mtu = self.devices()["tunnel0"]
        for server, client, headers in zip(SERVERS, self.clients(tun), HEADERS):
            for lab, to in ((self.near, server), (self.world, client)):
                with self.subTest(to=to):
                    self.assert_answered(lab, to)
                    # All that fits, and fragments of more.
                    self.assert_answered(lab, to, "-M", "do", "-s", mtu - headers)
                    self.assert_answered(lab, to, "-M", "dont", "-s", "8000")

    def test_one_router_is_on_the_way(self):
        """The gateway's machine, which forwards; what comes out of a tunnel loses no hop for that (RFC 9484 §7.2)."""
        tun = self.up_by("ip", 1)
        for address, client, gateway in zip(SERVERS, self.clients(tun), GATEWAYS):
            for lab, to in ((self.near, address), (self.world, client)):
                self.assertEqual(self.assert_answered(lab, to), {"63"}, "the other end's 64, less one")
            for how in ((), ("-I",), ("-T", "-p", PORT)):
                with self.subTest(address=address, how=how):
                    self.assertEqual(self.trace(address, *how), [gateway, address])

    def test_the_gateway_says_what_is_too_large(self):
        """Its device takes more than the tunnel carries."""
        tun = self.up_by("ip", 1)
        for client, headers in zip(self.clients(tun), HEADERS):
            with self.subTest(client=client):
                mtu = self.told(self.world, client, 1500 - headers)
                self.assertTrue(1400 < mtu < 1500, mtu)
                self.assert_answered(self.world, client, "-M", "do", "-s", mtu - headers)

    def test_the_client_says_what_is_too_large(self):
        self.up_by("ip", 1, "--mtu", "9000")
        for server, headers in zip(SERVERS, HEADERS):
            with self.subTest(server=server):
                mtu = self.told(self.near, server, 8000)
                self.assertTrue(1400 < mtu < 1500, mtu)
                self.assert_answered(self.near, server, "-M", "do", "-s", mtu - headers)

    def test_a_narrow_link_behind_the_gateway(self):
        self.up_by("ip", 1)
        for lab, device in ((self.far, "veth-o"), (self.world, "veth-w")):
            harness.run(*lab.prefix, "ip", "link", "set", device, "mtu", "1300")
            self.addCleanup(harness.run, *lab.prefix, "ip", "link", "set", device, "mtu", "1500")
        for address, headers in zip(SERVERS, HEADERS):
            with self.subTest(address=address):
                self.assertEqual(self.told(self.near, address, 1300 - headers + 1), 1300)
                self.assert_answered(self.near, address, "-M", "do", "-s", 1300 - headers)

    def assert_carries(self):
        for address, gateway in zip(SERVERS, GATEWAYS):
            self.assert_tcp(address)
            self.assert_udp(address)
            self.assert_answered(self.near, address)
            self.assertEqual(self.trace(address), [gateway, address])

    def test_one_hop(self):
        self.up_by("ip", 1)
        self.assert_carries()

    def test_two_hops(self):
        self.up_by("ip", 2)
        self.assert_carries()

    def test_a_hop_in_a_hop_of_ip(self):
        self.up("--via-mode", "ip", "--via", self.proxy(pools=MORE_POOLS).url, "--via", self.proxy().url)
        self.assert_carries()

    def test_four_hops(self):
        self.up_by("ip", 4)
        self.assert_carries()


class ModeUdp(ProgramsCase):
    def assert_carries(self, hops):
        # iperf3's control connection is TCP, which this mode does not carry.
        for command in (("route", SERVERS[0], "via", GATEWAY, "table", "99"), ("rule", "pref", "99", "ipproto", "tcp", "lookup", "99")):
            harness.run(*self.near.prefix, "ip", command[0], "add", *command[1:])
            self.addCleanup(harness.run, *self.near.prefix, "ip", command[0], "del", *command[1:])
        self.up_by("udp", hops)
        self.assert_udp(SERVERS[0])
        for address, router in zip(SERVERS, ("192.0.0.1", "fd5e:1a53:b9c7::1")):
            self.assertEqual(self.trace(address), [router, address])

    def test_one_hop(self):
        self.assert_carries(1)

    def test_two_hops(self):
        self.assert_carries(2)

    def test_four_hops(self):
        self.assert_carries(4)

    def test_ping_fails_at_once(self):
        self.up_by("udp", 1)
        for address, words in zip(SERVERS, ("Packet filtered", "Administratively prohibited")):
            status, told = self.ping(self.near, address, "-c", "1")
            self.assertEqual(status, 1, told)
            self.assertIn(words, told)


if __name__ == "__main__":
    unittest.main()

"""`sallyport tun --mode udp` as a process, with real TUN devices: what programs in the client's namespace see."""

import json
import signal
import sys
import unittest

import harness
from tunnels import CLIENT, GATEWAY, ORIGINS, TunCase

# Sends back what it gets, until it is killed: ADDRESS PORT.
ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    payload, peer = server.recvfrom(65536)
    server.sendto(payload, peer)
"""

# What programs in the client's namespace begin with: connected sockets, which hear of ICMP errors.
CLIENT_WORDS = """
import errno, json, socket
IP_MTU_DISCOVER, IP_PMTUDISC_DO, UDP_SEGMENT = 10, 2, 103
def udp(address, port=%d, **options):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(60)
    made.connect((address, port))
    return made
def error_of(work):
    try:
        work()
    except OSError as why:
        return errno.errorcode.get(why.errno, str(why))
    return None
def told(made, payload=b"x"):
    "What comes of a datagram: the answer's size, or an error's name."
    size = []
    return error_of(lambda: (made.send(payload), size.append(len(made.recv(65536))))) or size[0]
"""


class UdpCase(TunCase):
    ECHO_PORT, DNS_PORT = 7007, 53

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for address in ORIGINS:
            for port in (cls.ECHO_PORT, cls.DNS_PORT):
                echo = cls.far.start([sys.executable, "-c", ECHO, address, port], "echo")
                harness.wait_until(lambda echo=echo: "ready" in echo.log_path.read_text(), "the echo server is ready", process=echo)

    def proxy(self, *flags, token=None):
        return super().proxy(*flags, pools=(), token=token, masque="udp")

    def up_udp(self, *flags):
        return self.up("--mode", "udp", "--device", "tunnel0", *flags)

    def in_client(self, script, *arguments):
        """What `script` prints as JSON, run by Python in the client's namespace."""
        return json.loads(harness.run(*self.near.prefix, sys.executable, "-c", CLIENT_WORDS % self.ECHO_PORT + script, *arguments))

    def told(self, address, port=ECHO_PORT):
        return self.in_client("import sys; print(json.dumps(told(udp(sys.argv[1], int(sys.argv[2])))))", address, port)

    def send(self, address):
        """A datagram whose answer nobody waits for."""
        self.in_client("import sys; print(json.dumps(error_of(lambda: udp(sys.argv[1]).send(b'x'))))", address)

    def ends_with(self, tun, status=1):
        self.assertEqual(tun.child.wait(harness.PATIENCE), status, tun.last_words())
        self.assert_untouched()
        return tun.last_words()


class Flows(UdpCase):
    def test_carries_udp_and_leaves_nothing_behind(self):
        tun = self.up_udp("--via", self.proxy().url)
        for address in ORIGINS:
            with self.subTest(address=address):
                self.assertEqual(self.told(address), 1)
                self.assertEqual(self.told(address, self.DNS_PORT), 1)
                self.assertEqual(self.get(address), (True, ""), "HTTP/3")
        harness.wait_until(lambda: self.devices()["tunnel0"] > 1400, "the MTU is what the path carries")
        tun.child.send_signal(signal.SIGTERM)
        self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGTERM)
        self.assert_untouched()
        *lines, last = tun.log_path.read_text().splitlines()
        self.assertEqual(lines, ["sallyport: tunnel0: 192.0.0.2, fd5e:1a53:b9c7::2", "sallyport: tunnel0: routes 0.0.0.0/0, ::/0"])
        self.assertRegex(last, r"^sallyport: up .*, down .* in ")

    def test_many_flows(self):
        self.up_udp("--via", self.proxy().url)
        script = """
import sys
def answered(made, word):
    "A datagram that comes before the gateway knows of its flow may be lost."
    made.settimeout(3)
    for _ in range(40):
        made.send(word)
        try:
            return made.recv(100) == word
        except TimeoutError:
            pass
    return False
sockets = [udp(address) for address in sys.argv[1:] for _ in range(40)]
for number, each in enumerate(sockets): each.send(b"%d" % number)
print(json.dumps(all(answered(each, b"%d" % number) for number, each in enumerate(sockets))))
"""
        self.assertTrue(self.in_client(script, *ORIGINS))

    def test_all_but_udp_fails_at_once(self):
        self.up_udp("--via", self.proxy().url)
        script = "import sys; print(json.dumps([error_of(lambda: socket.create_connection((a, 443), 60)) for a in sys.argv[1:]]))"
        self.assertEqual(self.in_client(script, *ORIGINS), ["EHOSTUNREACH", "EACCES"])
        came, words = self.get(ORIGINS[0], "h1")
        self.assertFalse(came)
        self.assertIn("No route to host", words)

    def test_errors_of_the_other_side_reach_the_sender(self):
        self.up_udp("--via", self.proxy().url)
        for address in ORIGINS:
            self.assertEqual(self.told(address, 9), "ECONNREFUSED", "nobody listens")
        self.assertEqual(self.told("10.1.2.3"), "EHOSTUNREACH", "the proxy's policy forbids it")
        self.assertEqual(self.told("fd12::1"), "EACCES")

    def test_large_datagrams(self):
        self.up_udp("--via", self.proxy().url)
        self.told(ORIGINS[0])  # from now on the size is known
        script = """
import sys
address, mtu = sys.argv[1], int(sys.argv[2])
headers = 48 if ":" in address else 28
print(json.dumps([told(udp(address), bytes(mtu - headers)), told(udp(address), bytes(4 * mtu))]))
"""
        mtu = self.devices()["tunnel0"]
        self.assertEqual(self.in_client(script, ORIGINS[0], mtu), [mtu - 28, "EHOSTUNREACH"], "no fragments")
        self.assertEqual(self.in_client(script, ORIGINS[1], mtu), [mtu - 48, "EACCES"])

    def test_packet_too_big(self):
        self.up_udp("--via", self.proxy().url, "--mtu", "9000")
        script = """
import sys
v6 = ":" in sys.argv[1]
made = udp(sys.argv[1])
made.setsockopt(*((socket.IPPROTO_IPV6, 23) if v6 else (socket.IPPROTO_IP, IP_MTU_DISCOVER)), IP_PMTUDISC_DO)
first = told(made, bytes(8000))
mtu = made.getsockopt(*((socket.IPPROTO_IPV6, 24) if v6 else (socket.IPPROTO_IP, 14)))
print(json.dumps([first, mtu, told(made, bytes(mtu - (48 if v6 else 28)))]))
"""
        for address in ORIGINS:
            with self.subTest(address=address):
                self.told(address)
                first, mtu, second = self.in_client(script, address)
                self.assertEqual(first, "EMSGSIZE")
                self.assertTrue(1280 <= mtu < 1500, mtu)
                self.assertEqual(second, mtu - (48 if ":" in address else 28))

    def test_a_path_that_becomes_narrower_without_a_word(self):
        self.up_udp("--via", self.proxy().url)
        self.told(ORIGINS[0])
        harness.wait_until(lambda: self.devices()["tunnel0"] > 1400, "the MTU is what the path carries")
        self.narrow(1400)
        script = """
import sys
made = udp(sys.argv[1])
made.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
large, lost = bytes(int(sys.argv[2]) - 28), 0
# Small ones get through in the meantime, and answers to them are waited for; they, too, may be told of the ICMP error.
small = None
while small != "EMSGSIZE" and error_of(lambda: made.send(large)) != "EMSGSIZE":
    lost += 1
    small = told(made)
    assert small in (1, "EMSGSIZE"), small
print(json.dumps([lost > 0, made.getsockopt(socket.IPPROTO_IP, 14)]))
"""
        lost, mtu = self.in_client(script, ORIGINS[0], self.devices()["tunnel0"])
        self.assertTrue(lost)
        # It may have been refused while the search for the new size was on, which begins at the smallest.
        self.assertLess(mtu, 1372)
        harness.wait_until(lambda: 1300 < self.devices()["tunnel0"] < 1372, "the MTU is what the narrower path carries")
        # What the search told the sender would hold for ten minutes.
        harness.run(*self.near.prefix, "ip", "route", "flush", "cache")
        largest = self.devices()["tunnel0"] - 28
        self.assertEqual(self.in_client("import sys; print(json.dumps(told(udp(sys.argv[1]), bytes(int(sys.argv[2])))))", ORIGINS[0], largest),
                         largest)
        self.assert_dropped(self.far)
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))

    def test_super_packets(self):
        self.up_udp("--via", self.proxy().url)
        script = """
import sys
made = udp(sys.argv[1])
made.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, UDP_SEGMENT, 1000)
made.send(bytes(range(250)) * 100)
got = [made.recv(65536) for _ in range(25)]
print(json.dumps([{len(each) for each in got} == {1000}, b"".join(got) == bytes(range(250)) * 100]))
"""
        for address in ORIGINS:
            self.assertEqual(self.in_client(script, address), [True, True])

    def test_hops_and_versions(self):
        first, last = self.proxy(), self.proxy()
        for http, hops in (("h3", [first, last]), ("h2", [last]), ("h1", [last])):
            with self.subTest(http=http):
                tun = self.up_udp("--via-http", http, *(word for hop in hops for word in ("--via", hop.url)))
                for address in ORIGINS:
                    self.assertEqual(self.told(address), 1)
                    self.assertEqual(self.get(address), (True, ""))
                tun.child.send_signal(signal.SIGINT)
                self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGINT)
                self.assert_untouched()

    def test_chosen_routes_and_addresses(self):
        tun = self.up_udp("--via", self.proxy().url, "--route", "198.51.100.0/24", "--address", "10.9.8.7")
        self.assertEqual(self.told(ORIGINS[0]), 1)
        self.assertIn("dev veth-c ", harness.run(*self.near.prefix, "ip", "route", "get", "8.8.8.8"))
        self.assertIn("tunnel0: 10.9.8.7\n", tun.log_path.read_text())


class Connections(UdpCase):
    def again(self, process):
        """The same gateway anew, on its port."""
        port = process.port
        self.assertEqual(process.stop(harness.PATIENCE), 0)
        return self.far.gateway("--masque", "udp", "--open-proxy", "--allow", "198.51.100.0/24", "--allow", "192.0.2.0/24", "--grace", "0",
                                listen=f"{GATEWAY}:{port}", name="again")

    def test_a_connection_that_ended_is_made_again(self):
        for hops in (1, 2):
            with self.subTest(hops=hops):
                proxies = [self.proxy() for _ in range(hops)]
                tun = self.up_udp(*(word for each in proxies for word in ("--via", each.url)))
                self.assertEqual(self.told(ORIGINS[0]), 1)
                self.addCleanup(self.again(proxies[0]).stop)
                # A datagram that is sent before the end is known is lost, as datagrams may be.
                script = """
import sys
def answered():
    made = udp(sys.argv[1])
    made.settimeout(1)
    return told(made) == 1
print(json.dumps(any(answered() for _ in range(60))))
"""
                self.assertTrue(self.in_client(script, ORIGINS[0]))
                self.assertTrue(tun.alive(), tun.last_words())
                tun.stop()

    def test_a_proxy_that_is_gone_is_told_of_when_it_is_needed(self):
        proxy = self.proxy()
        tun = self.up_udp("--via", proxy.url, "--timeout", "2")
        self.assertEqual(self.told(ORIGINS[0]), 1)
        self.assertEqual(proxy.stop(harness.PATIENCE), 0)
        # Until the connection is known to be lost, and a new one to be had by nobody.
        harness.wait_until(lambda: self.send(ORIGINS[0]) or not tun.alive(), "tun has ended")
        self.assertIn(f"hop 1 ({GATEWAY}:{proxy.port}): ", self.ends_with(tun))


class Failures(UdpCase):
    def ends_by_a_packet(self, *flags):
        """The sentence with which it ends once there is something to carry."""
        tun = self.up_udp(*flags)
        self.send(ORIGINS[0])
        return self.ends_with(tun)

    def test_sentences(self):
        tokens = self.far.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        tokens.chmod(0o600)
        self.assertIn("401, it requires a bearer token; give one with --token-file FILE",
                      self.ends_by_a_packet("--via", self.proxy(token=tokens).url))
        self.assertIn("501", self.ends_by_a_packet("--via", f"https://{GATEWAY}:{self.origin.port}"))
        udp = ("--mode", "udp", "--via", self.proxy().url)
        self.assertIn("this machine has 192.0.2.0/24 on veth-c; choose another address with --address", self.fails(*udp, "--address", "192.0.2.9"))
        self.assertIn("--address 127.0.0.1: no device can have it", self.fails(*udp, "--address", "127.0.0.1", status=2))
        self.assertIn("--address 'here' is no IP address", self.fails(*udp, "--address", "here", status=2))
        self.assertIn("--address is for --mode udp", self.fails("--via", GATEWAY, "--address", CLIENT, status=2))
        self.assertIn("hop 1 (192.0.2.1:9): ", self.fails("--mode", "udp", "--via", f"{GATEWAY}:9"))

    def test_a_token_lets_in(self):
        tokens = self.far.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        tokens.chmod(0o600)
        self.up_udp("--via", self.proxy(token=tokens).url, "--token-file", tokens)
        self.assertEqual(self.told(ORIGINS[0]), 1)


if __name__ == "__main__":
    unittest.main()

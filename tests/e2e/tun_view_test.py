"""What is seen of `sallyport tun` from outside while it runs, with real TUN devices: its events, admin pages, status line and last words; and several devices at once."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import unittest

import harness
from harness import SALLYPORT
from tunnels import GATEWAY, MORE_POOLS, ORIGINS, TunCase

# Answers each connection with the address that it came from.
ECHO = """
import socket
server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
print(server.getsockname()[1], flush=True)
while True:
    connection, client = server.accept()
    connection.sendall(client[0].removeprefix("::ffff:").encode())
    connection.close()
"""
# Asks it from a socket bound to a device, or to an address.
ASK = """
import socket, sys
to, port, device, address = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
asking = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET)
asking.settimeout(60)
if device:
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
if address:
    asking.bind((address, 0))
asking.connect((to, port))
print(asking.recv(100).decode())
"""
# One HTTP/1.1 request.
PAGE = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", sys.argv[2], headers={"Authorization": "Bearer " + sys.argv[3]})
answer = connection.getresponse()
print(answer.status)
print(answer.read().decode())
"""


def names_in(value):
    """All names of members, at any depth."""
    if isinstance(value, list):
        return set().union(*map(names_in, value)) if value else set()
    return set(value) | names_in(list(value.values())) if isinstance(value, dict) else set()


def explained_in(page, heading):
    """The names in the first columns of the tables in this section of a page."""
    text = (harness.ROOT / "docs" / page).read_text()
    section = re.split(r"^#+ ", text[text.index(heading) + len(heading):], maxsplit=1, flags=re.MULTILINE)[0]
    return {name for row in re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


class ViewCase(TunCase):
    def tun_with_events(self, *flags):
        """Its standard output is apart from its log."""
        path = self.near.folder / f"events-{self.near.count}"
        path.touch()
        process = self.near.start(["sh", "-c", 'out=$1; shift; exec "$@" > "$out"', "sh", path, SALLYPORT, "tun", "--no-cache", "--ca",
                                   self.far.certificate()[0], "--json", *flags], "tun")
        self.addCleanup(process.stop)
        process.events = lambda: [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return process

    def wait_for(self, process, name, **wanted):
        def found():
            return [event for event in process.events() if event["event"] == name and all(event[key] == value for key, value in wanted.items())]
        harness.wait_until(found, f"there was an event '{name}' with {wanted}", process=process)
        return found()[-1]


class Events(ViewCase):
    def test_from_the_first_to_the_last(self):
        first, proxy = self.proxy(), self.proxy(pools=MORE_POOLS)
        tun = self.tun_with_events("--via", first.url, "--via", proxy.url, "--device", "tunnel0", "--json-interval", "0.2")
        self.wait_for(tun, "routes", routes=["0.0.0.0/0", "::/0"])
        for address in ORIGINS:
            self.assertEqual(self.get(address), (True, ""))
        harness.wait_until(lambda: self.wait_for(tun, "figures")["devices"][0]["bytes_down"] > 16 << 20, "the figures are of both downloads")
        figures = self.wait_for(tun, "figures")
        self.assertEqual([link["http_version"] for link in figures["links"]], ["HTTP/3", "HTTP/3"])
        self.assertEqual([link["title"].split(" (")[0] for link in figures["links"]], ["hop 1", "hop 2"])
        for link in figures["links"]:
            self.assertGreater(link["quic"]["smoothed_rtt_ms"], 0)
            self.assertGreater(link["quic"]["congestion_window"], 0)
        device = figures["devices"][0]
        self.assertTrue(device["open"])
        self.assertEqual(device["mtu"], self.devices()["tunnel0"])
        self.assertEqual(len(device["addresses"]), 2)

        harness.run(*self.near.prefix, "ip", "link", "set", "tunnel0", "mtu", "1300")
        self.assertEqual(self.wait_for(tun, "mtu", mtu=1300)["device"], "tunnel0")
        self.assertIn("tunnel0: somebody set its MTU to 1300, which stays so", tun.log_path.read_text())
        for address in ORIGINS:
            self.assertEqual(self.get(address), (True, ""))
        self.assertEqual(self.devices()["tunnel0"], 1300)

        tun.child.send_signal(signal.SIGTERM)
        self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGTERM)
        events = tun.events()
        names = [event["event"] for event in events]
        self.assertEqual(names[-2:], ["figures", "closed"])
        self.assertLess(names.index("opened"), names.index("addresses"))
        self.assertLess(names.index("addresses"), names.index("routes"))
        self.assertIsNone(events[-1]["reason"])
        self.assertGreater(events[-1]["bytes_down"], 4 * 8 << 20)
        self.assertRegex(tun.last_words(), r"^sallyport: up [\d.]+ \w+, down 3\d\.\d MiB in \d+ ")
        for event in events:
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        # Of a link there is what get says of one.
        for event in events:
            event.pop("links", None)
        kinds = set(names)
        self.assertEqual(kinds, {"opened", "addresses", "routes", "mtu", "figures", "closed"})
        self.assertEqual((names_in(events) | {"links"} | kinds), explained_in("tun.md", "## Events\n"))
        self.assert_untouched()

    def test_an_end_that_nobody_asked_for_has_its_reason(self):
        proxy = self.proxy()
        tun = self.tun_with_events("--via", proxy.url, "-q")
        self.wait_for(tun, "routes")
        proxy.stop(harness.PATIENCE)
        self.assertEqual(tun.child.wait(harness.PATIENCE), 1)
        self.assertIn(f"hop 1 ({GATEWAY}:{proxy.port}): ", tun.events()[-1]["reason"])
        self.assertEqual("sallyport: " + tun.events()[-1]["reason"], tun.last_words())
        self.assertNotIn("sallyport: up ", tun.log_path.read_text(), "-q")


class AdminPages(ViewCase):
    def page(self, port, path, token="none"):
        status, text = harness.run(*self.near.prefix, sys.executable, "-c", PAGE, port, path, token).split("\n", 1)
        return int(status), text

    def test_metrics_of_each_hop_and_device(self):
        tokens = self.near.folder / "readers"
        tokens.write_text("carol token-of-carol-01\n")
        tokens.chmod(0o600)
        tun = self.up("--via", self.proxy().url, "--via", self.proxy(pools=("--ip-pool", "10.90.0.0/24")).url, "--device", "tunnel0", "--route",
                      "0.0.0.0/0", "--admin", "127.0.0.1:0", "--admin-token-file", tokens)
        port = re.search(r"admin pages on http://127\.0\.0\.1:(\d+)/metrics", tun.log_path.read_text())[1]
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))
        self.assertEqual(self.page(port, "/healthz")[0], 200)
        self.assertEqual(self.page(port, "/readyz")[0], 200)
        self.assertEqual(self.page(port, "/metrics")[0], 401)
        status, text = self.page(port, "/metrics", "token-of-carol-01")
        self.assertEqual(status, 200)
        values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and not line.startswith("#")}
        self.assertGreater(values['sallyport_tun_bytes_total{device="tunnel0",direction="down"}'], 8 << 20)
        self.assertEqual(values['sallyport_tun_mtu_bytes{device="tunnel0"}'], self.devices()["tunnel0"])
        self.assertEqual(values['sallyport_tun_open{device="tunnel0"}'], 1)
        self.assertEqual(values['sallyport_admin_refused_total{reason="wrong_token"}'], 1)
        for hop in "12":
            self.assertEqual(values[f'sallyport_hop_info{{hop="{hop}",version="HTTP/3"}}'], 1)
            self.assertGreater(values[f'sallyport_hop_rtt_seconds{{hop="{hop}"}}'], 0)
            self.assertGreater(values[f'sallyport_hop_packets_total{{hop="{hop}",direction="in"}}'], 0)
        names = {re.match(r"sallyport_(\w+)", name)[1] for name in values}
        documented = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*)\|", (harness.ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))))
        self.assertEqual(names - documented, set())
        of_tun = {name for name in documented if name.startswith(("tun_", "hop_"))}
        self.assertEqual(of_tun - names, set())

    def test_on_a_unix_socket(self):
        path = self.near.folder / "admin"
        tun = self.up("--via", self.proxy().url, "--admin", f"unix:{path}")
        self.assertTrue(path.is_socket())
        tun.child.send_signal(signal.SIGTERM)
        tun.child.wait(harness.PATIENCE)
        self.assertFalse(path.exists())

    def test_a_port_that_is_taken(self):
        first = self.up("--via", self.proxy().url, "--admin", "127.0.0.1:0")
        port = re.search(r"http://127\.0\.0\.1:(\d+)/", first.log_path.read_text())[1]
        second = self.tun("--via", GATEWAY, "--admin", f"127.0.0.1:{port}")
        self.assertEqual(second.child.wait(harness.PATIENCE), 1)
        self.assertIn(f"127.0.0.1:{port} is in use for TCP; stop the program that listens there, or choose another --admin", second.last_words())


class Terminal(ViewCase):
    def on_terminal(self, *flags):
        """What it draws on a terminal until it is told to end."""
        ours, theirs = pty.openpty()
        log = bytearray()
        child = subprocess.Popen([*self.near.prefix, SALLYPORT, "tun", "--no-cache", "--ca", self.far.certificate()[0], *map(str, flags)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)

        def read():
            try:
                while data := os.read(ours, 65536):
                    log.extend(data)
            except OSError:
                pass  # its other end is closed

        reader = threading.Thread(target=read)
        reader.start()
        self.addCleanup(os.close, ours)

        def end():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            child.wait(harness.PATIENCE)
            reader.join()
            return log.decode()

        self.addCleanup(end)
        return log, end

    def test_has_a_status_line(self):
        log, end = self.on_terminal("--via", self.proxy().url)
        harness.wait_until(lambda: b"hop 1 HTTP/3 rtt " in log, "the status line has the hop's round-trip time")
        words = end()
        line = re.findall(r"\r(up [^\r]*hop 1 HTTP/3 rtt [^\r]*)\x1b\[K", words)[-1]
        self.assertRegex(line, r"^up [\d.]+ \w+/s, down [\d.]+ \w+/s .*\| hop 1 HTTP/3 rtt [\d.]+ ms ")
        self.assertLess(len(line), 80)
        # Sentences have lines of their own.
        self.assertTrue(words.splitlines()[-1].endswith(" s") and "sallyport: up " in words.splitlines()[-1], words.splitlines()[-1])

    def test_is_left_alone_with_quiet(self):
        log, end = self.on_terminal("--via", self.proxy().url, "-q")
        harness.wait_until(lambda: b": routes " in log, "the tunnel is open")
        self.assertNotIn("\x1b", end())

    def test_a_pipe_gets_no_status_line(self):
        tun = self.up("--via", self.proxy().url, "--admin", "127.0.0.1:0")
        port = re.search(r"http://127\.0\.0\.1:(\d+)/", tun.log_path.read_text())[1]
        harness.run(*self.near.prefix, sys.executable, "-c", PAGE, port, "/readyz", "none")
        tun.child.send_signal(signal.SIGINT)
        self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGINT)
        words = tun.log_path.read_text()
        self.assertNotIn("\r", words)
        self.assertNotIn("rtt", words)


class Devices(ViewCase):
    def setUp(self):
        super().setUp()
        self.echo = self.far.start([sys.executable, "-c", ECHO], "echo")
        self.addCleanup(self.echo.stop)
        harness.wait_until(lambda: self.echo.log_path.read_text().endswith("\n"), "the server listens", process=self.echo)
        self.port = self.echo.log_path.read_text().strip()

    def source(self, to, device="", address=""):
        """The address with which the origin sees a socket that is bound so."""
        return harness.run(*self.near.prefix, sys.executable, "-c", ASK, to, self.port, device, address).strip()

    def several(self, *flags, count=3):
        tun = self.tun_with_events("--devices", count, "--device", "vpn%d", "--json-interval", "0.2", *flags)
        harness.wait_until(lambda: len([event for event in tun.events() if event["event"] == "routes"]) == count, "all are open", process=tun)
        return tun, {event["device"]: event["addresses"] for event in tun.events() if event["event"] == "addresses"}

    def test_each_carries_what_is_bound_to_it(self):
        # Packets that come in by another device than answers would take are dropped, as many distributions have it.
        setting = "/proc/sys/net/ipv4/conf/all/rp_filter"
        harness.run(*self.near.prefix, "sh", "-c", f"echo 1 > {setting}")
        self.addCleanup(harness.run, *self.near.prefix, "sh", "-c", f"echo 0 > {setting}")
        proxy = self.proxy()
        for http in ("h3", "h2", "h1"):
            with self.subTest(http=http):
                tun, addresses = self.several("--via-http", http, "--via", proxy.url)
                self.assertEqual(set(addresses), {"vpn0", "vpn1", "vpn2"})
                self.assertEqual(len({address for each in addresses.values() for address in each}), 6)
                for to in ORIGINS:
                    for device, own in addresses.items():
                        [address] = [each for each in own if (":" in each) == (":" in to)]
                        self.assertEqual(self.source(to, device=device), address)
                        self.assertEqual(self.source(to, address=address), address)
                    # Who is bound to nothing uses the first.
                    self.assertIn(self.source(to), addresses["vpn0"])
                harness.wait_until(lambda: all(device["packets_down"] > 0 for device in self.wait_for(tun, "figures")["devices"]),
                                   "each has carried something")
                connections = len(self.wait_for(tun, "figures")["links"])
                self.assertEqual(connections, 3 if http == "h1" else 1)
                tun.child.send_signal(signal.SIGTERM)
                self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGTERM)
                self.assert_untouched()

    def test_of_an_ip_version_without_an_address_nothing_leaks_from_any(self):
        self.several("--via", self.proxy(pools=("--ip-pool", "10.89.0.0/24")).url)
        for device in ("vpn0", "vpn2"):
            with self.assertRaisesRegex(harness.Failure, "No route to host|Network is unreachable"):
                self.source(ORIGINS[1], device=device)

    def test_many(self):
        tun, addresses = self.several("--via", self.proxy().url, "--route", "198.51.100.0/24", count=32)
        self.assertEqual(len(addresses), 32)
        self.assertEqual([self.source(ORIGINS[0], device=device) for device in ("vpn0", "vpn16", "vpn31")],
                         [addresses[device][0] for device in ("vpn0", "vpn16", "vpn31")])
        self.assertEqual(len(self.wait_for(tun, "figures")["links"]), 1)
        tun.child.send_signal(signal.SIGTERM)
        self.assertEqual(tun.child.wait(harness.PATIENCE), -signal.SIGTERM)
        self.assert_untouched()


    def test_what_cannot_be(self):
        self.assertIn("it takes 100 requests at once on a connection, and each of --devices 101 is one; give fewer",
                      self.fails("--via", f"https://{GATEWAY}:{self.origin.port}", "--devices", "101"))
        self.assertIn("--device: ", self.fails("--via", GATEWAY, "--devices", "2", "--device", "a-name-of-15-by", status=2))
        harness.run(*self.near.prefix, "ip", "link", "add", "vpn1", "type", "veth", "peer", "name", "vpn9")
        tun = self.tun("--via", GATEWAY, "--devices", "2", "--device", "vpn")
        self.assertEqual(tun.child.wait(harness.PATIENCE), 1)
        self.assertIn("--device: cannot make the TUN device 'vpn1'", tun.last_words())
        harness.run(*self.near.prefix, "ip", "link", "delete", "vpn1")
        self.assert_untouched()


class Routes(TunCase):
    def test_those_of_the_machines_own_that_win_are_named(self):
        halves = ("0.0.0.0/1", "128.0.0.0/1")
        for half in halves:
            harness.run(*self.near.prefix, "ip", "route", "add", half, "dev", "veth-c")
            self.addCleanup(harness.run, *self.near.prefix, "ip", "route", "del", half, "dev", "veth-c")
        tun = self.up("--via", self.proxy().url)
        self.assertIn("sallyport: this machine has routes of its own to 0.0.0.0/1 (veth-c), 128.0.0.0/1 (veth-c), which go before the tunnel: those "
                      "packets stay out of it\n", tun.log_path.read_text())
        self.assertIn("dev veth-c ", harness.run(*self.near.prefix, "ip", "route", "get", ORIGINS[0]))


if __name__ == "__main__":
    unittest.main()

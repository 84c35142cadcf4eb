"""`sallyport tun` as a process, with real TUN devices: a namespace of the client, and one of the gateway with what is behind it, joined by veth."""

import signal
import unittest

import harness
from harness import SALLYPORT
from tunnels import GATEWAY, MORE_POOLS, ORIGINS, POOLS, TunCase


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
        first, last = self.proxy(), self.proxy(pools=MORE_POOLS)
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

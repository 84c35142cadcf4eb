"""`sallyport get --mode ip` as a process: QUIC in IP packets made by hand, through gateways with real TUN devices."""

import itertools
import json
import unittest

import harness
from harness import SALLYPORT
from tunnels import GATEWAY, MORE_POOLS, ORIGINS, TunCase, authority

# What the name service of the gateway's namespace says. Nobody has the second address of `half.test`.
NAMES = {"both.test": ORIGINS, "v4.test": ORIGINS[:1], "v6.test": ORIGINS[1:], "half.test": (ORIGINS[0], "2001:db8:5::77")}
HEADERS = {True: 48, False: 28}


class IpModeCase(TunCase):
    names = (*NAMES, "named.test")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        hosts = cls.far.folder / "hosts"
        hosts.write_text("".join(f"{address} {name}\n" for name, addresses in NAMES.items() for address in addresses))
        # The client's namespace knows none of these names.
        cls.far.namespace.prefix += ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$0" "$@"']

    def run_get(self, *flags, host=ORIGINS[0], port=None):
        self.target = self.near.folder / "got"
        self.target.unlink(missing_ok=True)
        return harness.finish([*self.near.prefix, SALLYPORT, "get", "--json", "--no-cache", "-k", "--timeout", "5", *flags, "-o", self.target,
                               f"https://{authority(host, port or self.origin.port)}/file.bin"])

    def figures(self, *flags, **where):
        """Of a download that came whole."""
        done = self.run_get(*flags, **where)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(harness.sha256(self.target), self.want)
        self.assertEqual(self.devices().keys(), {"lo", "veth-c"}, "no TUN device")
        return json.loads(done.stdout)["links"]

    def fails_with(self, *flags, status=1, **where):
        done = self.run_get(*flags, **where)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def assert_costs(self, link, headers):
        for direction in ("sent", "received"):
            cost = link["overhead"][direction]
            self.assertGreater(cost["datagrams"], 20)
            self.assertEqual((cost["http"], cost["ip"]), (2, headers))
            if direction == "received":  # full packets
                self.assertGreaterEqual(cost["quic"], 1 + 8 + 1 + 16 + 2)
            # What we send is acknowledgements, with the hop's own beside them.
            self.assertLess(cost["total"] - headers, 36 if direction == "received" else 50)


class Download(IpModeCase):
    def test_one_hop(self):
        proxy = self.proxy()
        for host in ORIGINS:
            with self.subTest(host=host):
                v6 = ":" in host
                hop, origin = self.figures("--via", proxy.url, "--mode", "ip", host=host)
                self.assertEqual(origin["address"], authority(host, self.origin.port))
                self.assert_costs(hop, HEADERS[v6])
                self.assertLessEqual(origin["quic"]["max_udp_payload"], hop["path_budget"])
                self.assertEqual(origin["tunnel"]["dropped_packets"], 0)

    def test_the_proxy_resolves_the_name(self):
        proxy = self.proxy()
        for name, address in (("v4.test", ORIGINS[0]), ("v6.test", ORIGINS[1]), ("both.test", ORIGINS[1])):
            with self.subTest(name=name):
                links = self.figures("--via", proxy.url, "--mode", "ip", host=name)
                self.assertEqual(links[1]["address"], authority(address, self.origin.port), "IPv6 first")
        self.assertEqual(self.figures("--via", proxy.url, "--mode", "ip", "-4", host="both.test")[1]["address"],
                         authority(ORIGINS[0], self.origin.port))

    def test_an_address_that_does_not_answer_is_passed_over(self):
        links = self.figures("--via", self.proxy("--allow", "2001:db8:5::/64").url, "--mode", "ip", host="half.test")
        self.assertEqual(links[1]["address"], authority(ORIGINS[0], self.origin.port))

    def test_templates_without_a_target(self):
        """The client resolves the name, or takes --resolve."""
        proxy = self.proxy()
        for template in ("/.well-known/masque/ip/*/{ipproto}/", "/.well-known/masque/ip/*/*/", "/.well-known/masque/ip/{target}/*/"):
            with self.subTest(template=template):
                name = f"named.test:{self.origin.port}:{ORIGINS[0]}"
                self.figures("--via", proxy.url + template, "--mode", "ip", "--resolve", name, host="named.test")
                self.figures("--via", proxy.url + template, "--mode", "ip", host=ORIGINS[1])

    def test_hops_over_every_version(self):
        proxy = self.proxy()
        for http in ("h3", "h2", "h1"):
            with self.subTest(http=http):
                links = self.figures("--via", proxy.url, "--via-http", http, "--mode", "ip")
                self.assertEqual(links[0]["overhead"]["sent"] is not None, http == "h3")

    def test_hops_of_both_kinds(self):
        first, last = self.proxy(), self.proxy(pools=MORE_POOLS)
        for (via_mode, mode), host in itertools.product((("ip", "ip"), ("ip", "udp"), ("udp", "ip")), ORIGINS):
            with self.subTest(via_mode=via_mode, mode=mode, host=host):
                one, two, origin = self.figures("--via", first.url, "--via", last.url, "--via-mode", via_mode, "--mode", mode, host=host)
                # The way between the hops is IPv4.
                self.assert_costs(one, 28 if via_mode == "ip" else 0)
                self.assert_costs(two, HEADERS[":" in host] if mode == "ip" else 0)
                self.assertLessEqual(two["quic"]["max_udp_payload"], one["path_budget"])
                self.assertLessEqual(origin["quic"]["max_udp_payload"], two["path_budget"])

    def test_the_table_has_the_cost(self):
        done = harness.finish([*self.near.prefix, SALLYPORT, "get", "--table", "--no-cache", "-k", "--via", self.proxy().url, "--mode", "ip", "-o",
                               self.near.folder / "got", f"https://{authority(ORIGINS[0], self.origin.port)}/file.bin"])
        self.assertEqual(done.returncode, 0, done.stderr)
        hop = next(line for line in done.stdout.splitlines() if line.startswith("hop 1"))
        self.assertTrue(49 <= float(hop.split()[-1]) <= 70, hop)

    def test_tun_behind_a_hop_that_carries_ip(self):
        first, last = self.proxy(), self.proxy(pools=MORE_POOLS)
        self.up("--via", first.url, "--via", last.url, "--via-mode", "ip")
        self.assertEqual(self.get(ORIGINS[0]), (True, ""))

    def test_bench(self):
        done = harness.finish([*self.near.prefix, SALLYPORT, "bench", "--no-cache", "-k", "--via", self.proxy().url, "--mode", "ip", "-n", "20", "-c",
                               "2", f"https://{authority(ORIGINS[0], self.origin.port)}/file.bin"])
        self.assertEqual(done.returncode, 0, done.stderr)


class Failures(IpModeCase):
    def test_sentences(self):
        with self.subTest("no IP"):
            words = self.fails_with("--via", f"https://{GATEWAY}:{self.origin.port}", "--mode", "ip")
            self.assertIn(f"hop 1 ({GATEWAY}:{self.origin.port}): the hop refused the tunnel to {ORIGINS[0]}", words)
        narrow = self.proxy("--ip-route", "198.51.0.0/16")
        with self.subTest("no route"):
            words = self.fails_with("--via", narrow.url, "--mode", "ip", host="203.0.113.9")
            self.assertIn("403, destination_ip_prohibited (this proxy has no route to it)", words)
        with self.subTest("a forbidden name"):
            self.assertIn("403", self.fails_with("--via", narrow.url, "--mode", "ip", host="v6.test"))
        with self.subTest("an unknown name"):
            self.assertIn("nowhere.test", self.fails_with("--via", narrow.url, "--mode", "ip", host="nowhere.test"))
        wide = self.proxy(pools=MORE_POOLS)
        with self.subTest("a forbidden address"):
            words = self.fails_with("--via", wide.url, "--mode", "ip", host="10.77.0.7")
            self.assertIn("origin 10.77.0.7:", words)
            self.assertIn("UDP to 10.77.0.7:", words)
        for host in ORIGINS:
            with self.subTest("a closed port", host=host):
                words = self.fails_with("--via", wide.url, "--mode", "ip", host=host, port=9)
                self.assertIn(f"origin {authority(host, 9)}: UDP to {authority(host, 9)} failed: Connection refused", words)

    def test_a_proxy_that_has_no_address_left(self):
        proxy = self.proxy(pools=("--ip-pool", "10.91.0.0/30"))
        self.up("--via", proxy.url)
        done = self.run_get("--via", f"{proxy.url}", "--mode", "ip")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"hop 1 ({GATEWAY}:{proxy.port}): the hop refused the tunnel to {ORIGINS[0]} (IP protocol 17): 503", done.stderr)

    def test_a_token_is_asked_for(self):
        tokens = self.far.folder / "tokens"
        tokens.write_text("alice token-of-alice-0001\n")
        tokens.chmod(0o600)
        proxy = self.proxy(token=tokens)
        self.assertIn("401, it requires a bearer token", self.fails_with("--via", proxy.url, "--mode", "ip"))
        self.figures("--via", proxy.url, "--mode", "ip", "--token-file", tokens)


if __name__ == "__main__":
    unittest.main()

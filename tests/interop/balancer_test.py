"""Other people's load balancers before the gateway: Debian's nginx, which passes TCP on with PROXY headers (v1; the stream module writes no other)."""

import json
import unittest

import harness
import peers
from fixtures import InteropCase

BALANCER = "127.0.0.77"


class BehindNginx(InteropCase):
    programs = ("nginx",)

    def test_the_client_is_told(self):
        log = self.lab.folder / "access.log"
        gateway = self.lab.gateway("--files", self.site, "--listen-http", "127.0.0.1:0", "--workers", "1", "--access-log", log,
                                   "--proxy-protocol-from", BALANCER, name="behind")
        balancer = peers.nginx_stream(self.lab, BALANCER, gateway.port)
        for http, version in (("h2", "HTTP/2"), ("h1", "HTTP/1.1")):
            for name in ("small.txt", "large.bin"):
                with self.subTest(http=http, name=name):
                    self.assertEqual(self.get(balancer.url, "--http", http, name=name)["links"][-1]["http_version"], version)
        harness.wait_until(lambda: len(log.read_text().splitlines()) == 4, "all are recorded")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual({(line["client"], line["status"]) for line in lines}, {("127.0.0.1", 200)})


if __name__ == "__main__":
    unittest.main()

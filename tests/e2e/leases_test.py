"""What the operator of a CONNECT-IP gateway sees and does: the pages of leases, the access log, qlog; and clients that vanish."""

import contextlib
import json
import re
import unittest

import auth_test
import harness
import tunnels

TOKEN = "token-of-alice-0001"


class Case(tunnels.TunCase):
    def admin(self, path, method="GET"):
        """Status and body."""
        connection = auth_test.UnixConnection(self.far.folder / "admin.sock")
        with contextlib.closing(connection):
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def leases(self, state):
        return [lease for lease in json.loads(self.admin("/leases.json")[1]) if lease["state"] == state]

    def records(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()]


class Leases(Case):
    def test_tunnels_are_shown_and_disconnected(self):
        tokens, log, qlogs = self.far.folder / "tokens", self.far.folder / "access.log", self.far.folder / "qlogs"
        tokens.write_text(f"alice {TOKEN}\n")
        tokens.chmod(0o600)
        proxy = self.proxy("--admin", f"unix:{self.far.folder / 'admin.sock'}", "--access-log", log, "--qlog", qlogs / "gateway", token=tokens)
        self.assertEqual(self.admin("/leases.json"), (200, "[]\n"))
        tun = self.up("--via", proxy.url, "--token-file", tokens, "--qlog", qlogs / "client")
        other = self.up("--via", proxy.url, "--token-file", tokens, "--route", "203.0.113.0/24")
        self.assertEqual(self.get(tunnels.ORIGINS[0]), (True, ""))
        addresses = tun.log_path.read_text().split("\n")[0].split(": ")[2].split(", ")
        open_ones = {tuple(lease["addresses"]): lease for lease in self.leases("open")}
        self.assertEqual(len(open_ones), 2, open_ones)
        lease = open_ones[tuple(addresses)]
        self.assertEqual((lease["identity"], lease["client"], lease["version"]), ("alice", tunnels.CLIENT, "HTTP/3"))
        self.assertGreater(lease["bytes_down"], tunnels.SIZE)
        self.assertGreater(lease["packets_up"], 10)
        status, text = self.admin("/leases")
        self.assertEqual(status, 200)
        self.assertIn(f"\nopen\t{','.join(addresses)}\talice\t{tunnels.CLIENT}:", text)

        figures = self.admin("/metrics")[1]
        for name in ('packets_total{direction="in"}', 'packets_total{direction="out"}', 'calls_total{direction="in"}', 'calls_total{direction="out"}'):
            self.assertRegex(figures, rf"\nsallyport_masque_ip_device_{re.escape(name)} [1-9]")
        for reason in ("receive_queue", "backlog", "invalid", "unknown", "error"):
            self.assertRegex(figures, rf'\nsallyport_masque_ip_device_dropped_total{{reason="{reason}"}} \d')

        # Nothing but DELETE does anything.
        for method in ("GET", "POST", "HEAD"):
            self.assertEqual(self.admin(f"/leases/{addresses[0]}", method)[0], 405)
        self.assertEqual(len(self.leases("open")), 2)
        self.assertEqual(self.admin(f"/leases/{addresses[1]}", "DELETE"), (200, "disconnected\n"))
        self.assertEqual(tun.child.wait(harness.PATIENCE), 1)
        self.assertEqual(self.admin(f"/leases/{addresses[1]}", "DELETE"), (404, "no tunnel has this address\n"))
        self.assertTrue(other.alive())
        harness.wait_until(lambda: len(self.leases("kept")) == 2, "both of its addresses are kept for it", process=proxy)
        self.assertEqual(sorted(lease["addresses"][0] for lease in self.leases("kept")), sorted(addresses))
        self.assertIn(f"the CONNECT-IP tunnel of {addresses[1]} was disconnected by the operator", proxy.log_path.read_text())

        self.assertEqual(proxy.stop(harness.PATIENCE), 0)
        other.child.wait(harness.PATIENCE)
        ended = {tuple(record["addresses"]): record for record in self.records(log) if record["protocol"] == "connect-ip"}
        record = ended[tuple(addresses)]
        self.assertEqual((record["status"], record["identity"], record["end"]), (200, "alice", "reset"), record)
        self.assertIn("disconnected by the operator", record["why"])
        self.assertGreater(record["bytes_out"], tunnels.SIZE)
        self.assertGreater(record["datagrams_out"], tunnels.SIZE // 1500)
        self.assertGreater(record["datagrams_in"], 10)
        self.assertEqual(len(ended), 2)
        for side, seen in (("gateway", "sent"), ("client", "received")):
            text = "".join(path.read_text() for path in (qlogs / side).glob("*.sqlog"))
            self.assertIn(f"{seen} ADDRESS_ASSIGN {addresses[0]}/32 {addresses[1]}/128", text)
            self.assertIn(f"{seen} ROUTE_ADVERTISEMENT 0.0.0.0-255.255.255.255 ::-ffff:", text)


class Vanished(Case):
    def test_a_client_over_tcp_that_vanishes_loses_its_tunnel(self):
        flags = ("--masque", "ip", *tunnels.POOLS, "--open-proxy", "--idle-timeout", "1", "--grace", "0", "--admin",
                 f"unix:{self.far.folder / 'admin.sock'}")
        proxy = self.far.gateway(*flags, listen=f"{tunnels.GATEWAY}:0", name="proxy")
        self.addCleanup(proxy.stop)
        link = [*self.near.prefix, "ip", "link", "set", "veth-c"]
        for version in ("h2", "h1"):
            with self.subTest(version=version):
                tun = self.up("--via-http", version, "--via", f"https://{tunnels.GATEWAY}:{proxy.port}")
                self.assertEqual(len(self.leases("open")), 1)
                harness.run(*link, "down")
                harness.wait_until(lambda: not self.leases("open"), "the gateway noticed that the client is gone", process=proxy)
                self.assertEqual(len(self.leases("kept")), 2)
                tun.stop()
                harness.run(*link, "up")
                harness.run(*self.near.prefix, "ip", "route", "add", "default", "via", "192.0.2.77")


if __name__ == "__main__":
    unittest.main()

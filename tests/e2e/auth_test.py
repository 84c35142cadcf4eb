"""Who may use a gateway's proxy and see its admin pages: flags, token files that change, and the Unix socket, with the built program."""

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import unittest
from pathlib import Path

import harness
from harness import SALLYPORT, Lab, wait_until
from proxy_test import ProxyCase

ALICE, BOB, OPERATOR = "token-of-alice-0001", "token-of-bob-000001", "token-of-operator-1"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=harness.PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(harness.PATIENCE)
        self.sock.connect(str(self.path))


def page(connection, path, token=None):
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


class Starting(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.tokens = self.lab.folder / "tokens"
        self.tokens.write_text(f"alice {ALICE}\n")
        self.tokens.chmod(0o600)

    def fails(self, status, words, *flags):
        done = subprocess.run([SALLYPORT, "gateway", "--self-signed", "a.test", "--log-level", "error", *map(str, flags)],
                              capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_proxy_that_others_reach_has_to_say_for_whom(self):
        for address in (":0", "0.0.0.0:0", "[::]:0"):
            with self.subTest(address=address):
                self.fails(2, ("--token-file FILE", "--open-proxy"), "--listen", address, "--masque", "udp")
        self.fails(2, ("--token-file FILE",), "--listen", "127.0.0.1:0", "--listen", ":0", "--masque", "tcp")
        self.fails(2, ("contradict",), "--listen", ":0", "--masque", "udp", "--open-proxy", "--token-file", self.tokens)
        self.fails(2, ("--masque",), "--listen", ":0", "--files", "/", "--token-file", self.tokens)
        for allowed in (("--open-proxy",), ("--token-file", self.tokens)):
            self.lab.gateway("--masque", "udp", *allowed, listen=":0")

    def test_admin_pages_that_others_reach_need_tokens(self):
        flags = ("--listen", "127.0.0.1:0", "--files", "/")
        self.fails(2, ("--admin-token-file FILE", "unix:PATH"), *flags, "--admin", ":0")
        self.fails(2, ("--admin",), *flags, "--admin-token-file", self.tokens)
        self.fails(2, ("unix:PATH",), *flags, "--admin", "unix:")
        self.fails(1, ("/nowhere/socket",), *flags, "--admin", "unix:/nowhere/socket")
        self.fails(1, ("is not a socket",), *flags, "--admin", f"unix:{self.tokens}")
        self.lab.gateway("--files", "/", "--admin", ":0", "--admin-token-file", self.tokens)

    def test_token_files_that_cannot_be_used(self):
        flags = ("--listen", "127.0.0.1:0", "--masque", "udp", "--token-file", self.tokens)
        for content, words in (("alice\n", "line 1 of"), (f"# x\nalice {ALICE}\nbob {ALICE}\n", "line 3 of"), ("", "no token"),
                               ("alice s3cret!\n", "RFC 6750"), ("alice " + "x" * 3000, "longer than 2048")):
            with self.subTest(content=content[:20]):
                self.tokens.write_text(content)
                self.fails(1, (words, "--token-file: ", str(self.tokens)), *flags)
        self.tokens.unlink()
        self.fails(1, ("cannot read", str(self.tokens)), *flags)

    def test_tokens_may_come_out_of_a_command(self):
        ready = self.lab.folder / "ready"
        gateway = self.lab.start(["bash", "-c", 'exec "$@" --token-file <(cat "$0")', self.tokens, SALLYPORT, "gateway", "--listen", "127.0.0.1:0",
                                  "--self-signed", "a.test", "--masque", "udp", "--ready-file", ready])
        harness.wait_for_ready(gateway, ready)
        self.assertIn("tokens: 1", gateway.log_path.read_text())

    def test_a_file_that_everybody_can_read_and_a_short_token_are_warned_of(self):
        self.tokens.write_text("alice short\n")
        self.tokens.chmod(0o644)
        gateway = self.lab.gateway("--masque", "udp", "--token-file", self.tokens)
        log = gateway.log_path.read_text()
        self.assertIn(f"chmod o-r {self.tokens}", log)
        self.assertIn("can be guessed", log)
        self.assertNotIn("short\n", log)

    def test_ports_that_are_refused(self):
        self.fails(2, ("--allow-port 443 changes nothing",), "--listen", "127.0.0.1:0", "--masque", "udp", "--allow-port", "443")
        self.fails(2, ("--allow-port",), "--listen", "127.0.0.1:0", "--masque", "udp", "--allow-port", "0")


class Tokens(ProxyCase):
    def setUp(self):
        super().setUp()
        self.tokens = self.lab.folder / "tokens"
        self.write(f"alice {ALICE}\n")
        self.admin = self.lab.folder / "admin.sock"

    def write(self, content):
        part = self.lab.folder / "part"
        part.write_text(content)
        part.chmod(0o600)
        os.replace(part, self.tokens)

    def gateway(self, *flags):
        return self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.1", "--token-file", self.tokens, "--admin", f"unix:{self.admin}",
                                "--workers", "2", *flags)

    def metrics(self):
        lines = page(UnixConnection(self.admin), "/metrics")[1].splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def tcp_with(self, gateway, port, token, field="Proxy-Authorization", scheme="Bearer"):
        return self.open(gateway, [f"CONNECT 127.0.0.1:{port} HTTP/1.1", f"Host: 127.0.0.1:{port}",
                                   *([f"{field}: {scheme} {token}"] if token else [])])

    def udp_with(self, gateway, port, token, field="Authorization"):
        return self.open(gateway, [f"GET /.well-known/masque/udp/127.0.0.1/{port}/ HTTP/1.1", f"Host: 127.0.0.1:{gateway.port}",
                                   "Connection: Upgrade", "Upgrade: connect-udp", "Capsule-Protocol: ?1",
                                   *([f"{field}: Bearer {token}"] if token else [])])

    def test_requests_by_hand(self):
        gateway = self.gateway()
        port = self.tcp_target()
        for token, error in ((None, ""), ("wrong", ', error="invalid_token"')):
            tcp, udp = self.tcp_with(gateway, port, token), self.udp_with(gateway, port, token)
            self.assertEqual((tcp.status, tcp.fields["proxy-authenticate"]), (407, f'bearer realm="sallyport"{error}'))
            self.assertEqual((udp.status, udp.fields["www-authenticate"]), (401, f'bearer realm="sallyport"{error}'))
            self.assertIn("http_request_denied", tcp.proxy_status)
            self.assertIn("http_request_denied", udp.proxy_status)
        for field in ("Authorization", "proxy-authorization"):
            self.assertEqual(self.tcp_with(gateway, port, ALICE, field).status, 200)
            self.assertEqual(self.udp_with(gateway, port, ALICE, field).status, 101)
        self.assertEqual(self.tcp_with(gateway, port, ALICE, scheme="bEARER").status, 200)
        nominated = self.open(gateway, [f"CONNECT 127.0.0.1:{port} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Proxy-Authorization",
                                        f"Proxy-Authorization: Bearer {ALICE}"])
        self.assertEqual(nominated.status, 200, "what Connection names is for this hop")
        figures = self.metrics()
        self.assertEqual(figures['sallyport_masque_refused_total{reason="no_token"}'], 2)
        self.assertEqual(figures['sallyport_masque_refused_total{reason="wrong_token"}'], 2)
        self.assertEqual(figures['sallyport_masque_identity_tunnels_total{identity="alice"}'], 6)

    def test_get_through_hops_that_want_tokens(self):
        """Every mode and version; the credentials are in no log, no qlog, and not at the origin."""
        (self.lab.folder / "site").mkdir()
        harness.make_file(self.lab.folder / "site" / "file", 100_000)
        origin = self.lab.gateway("--files", self.lab.folder / "site", "--qlog", self.lab.folder / "qlog-origin", name="origin")
        hops = [self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.1", "--token-file", self.tokens, "--log-level", "debug",
                                 "--qlog", self.lab.folder / f"qlog-hop{i}", name=f"hop{i}") for i in range(2)]
        via = [word for hop in hops for word in ("--via", hop.url)]
        for mode in ("udp", "tcp"):
            for version in ("h3", "h2", "h1"):
                with self.subTest(mode=mode, hops=version):
                    target = self.lab.folder / "got"
                    self.lab.get_json("--mode", mode, "--via-http", version, "--token-file", self.tokens, "--qlog", self.lab.folder / "qlog",
                                      "-o", target, *via, f"{origin.url}/file")
                    self.assertEqual(target.stat().st_size, 100_000)
        for log in [*self.lab.folder.glob("*.log"), *self.lab.folder.glob("qlog*/*")]:
            self.assertNotIn(ALICE.encode(), log.read_bytes(), log.name)

    def test_a_hop_that_ends_the_tunnel_is_named(self):
        """In the middle of a download, as its token is taken out."""
        (self.lab.folder / "site").mkdir()
        harness.make_file(self.lab.folder / "site" / "file", 8 << 20)
        origin = self.lab.gateway("--files", self.lab.folder / "site", name="origin")
        mine = self.lab.folder / "mine"
        mine.write_text(ALICE)
        for version in ("h3", "h2", "h1"):
            with self.subTest(version=version):
                self.write(f"alice {ALICE}\nbob {BOB}\n")
                hop = self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.1", "--token-file", self.tokens, name=f"hop-{version}")
                target = self.lab.folder / f"got-{version}"
                words = [SALLYPORT, "get", "-q", "--no-cache", "--http", version, "--ca", self.lab.certificate()[0], "--token-file", mine,
                         "--limit-rate", "100k", "-o", target, "--via", hop.url, f"{origin.url}/file"]
                child = subprocess.Popen([str(word) for word in words], stderr=subprocess.PIPE, text=True)
                self.addCleanup(child.kill)
                part = Path(f"{target}.part")
                harness.wait_until(lambda part=part: part.exists() and part.stat().st_size > 0, "something came")
                self.write(f"bob {BOB}\n")
                os.kill(hop.pid, signal.SIGHUP)
                said = child.communicate(timeout=harness.PATIENCE)[1]
                self.assertEqual(child.returncode, 1, said)
                self.assertRegex(said, rf"^sallyport: hop 1 \(127\.0\.0\.1:{hop.port}\): the tunnel to 127\.0\.0\.1:{origin.port} ended: ")

    def test_each_hop_has_a_token_of_its_own(self):
        (self.lab.folder / "site").mkdir()
        (self.lab.folder / "site" / "file").write_text("hello\n")
        origin = self.lab.gateway("--files", self.lab.folder / "site", name="origin")
        via, flags, tokens = [], [], []
        for name, token in (("alice", ALICE), ("bob", BOB)):
            tokens.append(self.lab.folder / f"token-of-{name}")
            tokens[-1].write_text(f"{name} {token}\n")
            tokens[-1].chmod(0o600)
            hop = self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.1", "--token-file", tokens[-1], name=f"hop-of-{name}")
            via += ["--via", hop.url]
            flags += ["--token-file", tokens[-1]]
        for mode in ("udp", "tcp"):
            for version in ("h3", "h2"):
                with self.subTest(mode=mode, hops=version):
                    self.lab.get_json("--mode", mode, "--via-http", version, *flags, "-o", "/dev/null", *via, f"{origin.url}/file")
        get = [SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "-o", "/dev/null", *via, f"{origin.url}/file"]
        one = harness.finish([*get, "--token-file", tokens[0]])
        self.assertEqual(one.returncode, 1)
        self.assertIn("hop 2", one.stderr)
        three = harness.finish([*get, *flags, "--token-file", tokens[0]])
        self.assertEqual(three.returncode, 2)
        self.assertIn("3 --token-file and 2 --via", three.stderr)

    def test_get_says_what_is_missing(self):
        gateway = self.gateway()
        wrong = self.lab.folder / "wrong"
        wrong.write_text("wrong-token-of-mine\n")
        get = [SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "-o", "/dev/null", "--via", gateway.url]
        for mode, status in (("udp", 401), ("tcp", 407)):
            for token, words in (((), "requires a bearer token; give one with --token-file FILE"),
                                 (("--token-file", wrong), "rejected the bearer token of --token-file")):
                with self.subTest(mode=mode, token=token):
                    done = harness.finish([*get, "--mode", mode, *token, "https://127.0.0.1:9/"])
                    self.assertEqual(done.returncode, 1)
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                    self.assertIn(f"{status}, it {words}", done.stderr)

    def gets(self, gateway, port, token, status):
        """Waits for this status: the workers take a file over one after the other, after the log has told of it."""
        wait_until(lambda: self.tcp_with(gateway, port, token).status == status, f"it gets {status}", process=gateway)

    def test_a_file_that_changes_is_read_again(self):
        record = self.lab.folder / "access.log"
        gateway = self.gateway("--access-log", record, "--grace", "1")
        port, log = self.tcp_target(), gateway.log_path
        self.assertEqual(self.tcp_with(gateway, port, BOB).status, 407)
        self.write(f"alice {ALICE}\nbob {BOB}\n")
        wait_until(lambda: "tokens: 2" in log.read_text(), "the new file was read", process=gateway)
        self.gets(gateway, port, BOB, 200)
        udp = self.udp_target()
        alices, bobs = self.udp_with(gateway, udp.getsockname()[1], ALICE), self.udp_with(gateway, udp.getsockname()[1], BOB)
        self.write("broken\n")
        wait_until(lambda: "the old tokens stay in use" in log.read_text(), "the broken one was told of", process=gateway)
        self.assertEqual(self.tcp_with(gateway, port, BOB).status, 200)
        self.write(f"bob {BOB}\n")
        wait_until(lambda: "tokens: 1" in log.read_text().split("stay in use")[1], "the next one was read", process=gateway)
        with self.assertRaises(EOFError):
            alices.receive()  # ended with its token
        bobs.send(b"still here")
        self.assertEqual(udp.recvfrom(100)[0], b"still here")
        self.gets(gateway, port, ALICE, 407)
        wait_until(lambda: 'sallyport_masque_identity_tunnels_total{identity="alice"}' not in self.metrics(), "her tunnels ended", process=gateway)
        figures = self.metrics()
        self.assertEqual(figures['sallyport_token_file_reads_total{file="token-file",result="used"}'], 2)
        self.assertEqual(figures['sallyport_token_file_reads_total{file="token-file",result="failed"}'], 1)
        gateway.stop(harness.PATIENCE)
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        (ended,) = [line for line in lines if line.get("protocol") == "connect-udp" and line.get("identity") == "alice"]
        self.assertEqual((ended["status"], ended["end"]), (101, "reset"), ended)
        self.assertIn("the bearer token of the tunnel was revoked", ended["why"])
        self.assertEqual({line.get("identity") for line in lines if line.get("status") == 407}, {None})

    def test_sighup_reads_it_at_once(self):
        gateway = self.gateway()
        port = self.tcp_target()
        self.write(f"bob {BOB}\n")
        gateway.child.send_signal(signal.SIGHUP)
        wait_until(lambda: f"SIGHUP: {self.tokens} was reloaded, tokens: 1" in gateway.log_path.read_text(), "it was read", process=gateway)
        self.gets(gateway, port, ALICE, 407)
        self.gets(gateway, port, BOB, 200)
        self.write("nothing\n")
        gateway.child.send_signal(signal.SIGHUP)
        wait_until(lambda: "the old tokens stay in use" in gateway.log_path.read_text(), "the broken one was told of", process=gateway)
        self.assertEqual(self.tcp_with(gateway, port, BOB).status, 200)
        # The last one is taken out.
        self.write("")
        gateway.child.send_signal(signal.SIGHUP)
        wait_until(lambda: "was reloaded and has no token: every client is refused" in gateway.log_path.read_text(), "it was read", process=gateway)
        self.gets(gateway, port, BOB, 407)

    def test_each_mistake_is_told_of(self):
        """One after another, as whoever mends a file by trial makes them."""
        gateway = self.gateway()
        for mistake, words in (("alice\n", "has one word"), ("alice b c d\n", "has more than a name and a token"), ("al(ice x\n", "has a name with other")):
            self.write(mistake)
            wait_until(lambda words=words: words in gateway.log_path.read_text(), "the mistake was told of", process=gateway)

    def test_guessing_is_slowed_down(self):
        gateway = self.gateway()
        port = self.tcp_target()
        statuses = [self.tcp_with(gateway, port, f"guess-{i}").status for i in range(30)]
        self.assertEqual(statuses[:10], [407] * 10)
        self.assertIn(429, statuses[10:])
        self.assertEqual(self.metrics()["sallyport_masque_failing_clients"], 1)
        self.assertGreater(self.metrics()['sallyport_masque_refused_total{reason="throttled"}'], 0)
        self.assertEqual(self.tcp_with(gateway, port, None).status, 407)

    def test_mail_servers_are_reached_for_nobody(self):
        for ask in (self.tcp_with, self.udp_with):
            self.assertEqual(ask(self.gateway(), 25, ALICE).status, 403)
            self.admin.unlink(missing_ok=True)
            self.assertNotEqual(ask(self.gateway("--allow-port", "25"), 25, ALICE).status, 403)
            self.admin.unlink(missing_ok=True)


class AdminPages(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.tokens = self.lab.folder / "admin-tokens"
        self.tokens.write_text(f"operator {OPERATOR}\n")
        self.tokens.chmod(0o600)

    def test_a_unix_socket_for_this_user(self):
        path = self.lab.folder / "admin.sock"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))  # left behind by a process that died
        gateway = self.lab.gateway("--files", "/", "--admin", f"unix:{path}")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(page(UnixConnection(path), "/readyz")[:2], (200, "ready\n"))
        self.assertIn("sallyport_workers", page(UnixConnection(path), "/metrics")[1])
        other = harness.finish([SALLYPORT, "gateway", "--self-signed", "a", "--listen", "127.0.0.1:0", "--files", "/", "--log-level", "error",
                                "--admin", f"unix:{path}"])
        self.assertEqual(other.returncode, 1)
        self.assertIn("another program listens", other.stderr)
        self.assertEqual(gateway.stop(harness.PATIENCE), 0)
        self.assertFalse(path.exists())

    def test_tokens_for_the_figures_and_none_for_probes(self):
        gateway = self.lab.gateway("--files", "/", "--admin", "0.0.0.0:0", "--admin-token-file", self.tokens)

        def ask(path, token=None):
            return page(http.client.HTTPConnection("127.0.0.1", gateway.admin, timeout=harness.PATIENCE), path, token)

        self.assertEqual(ask("/healthz")[0], 200)
        self.assertEqual(ask("/readyz")[0], 200)
        status, _, headers = ask("/metrics")
        self.assertEqual((status, headers["www-authenticate"]), (401, 'Bearer realm="sallyport"'))
        status, _, headers = ask("/metrics", "wrong")
        self.assertEqual((status, headers["www-authenticate"]), (401, 'Bearer realm="sallyport", error="invalid_token"'))
        status, text, _ = ask("/metrics", OPERATOR)
        self.assertEqual(status, 200)
        self.assertIn('sallyport_admin_refused_total{reason="wrong_token"} 1', text)
        self.tokens.write_text(f"another {BOB}\n")
        gateway.child.send_signal(signal.SIGHUP)
        wait_until(lambda: f"SIGHUP: {self.tokens} was reloaded, tokens: 1" in gateway.log_path.read_text(), "it was read", process=gateway)
        self.assertEqual(ask("/metrics", OPERATOR)[0], 401)
        self.assertEqual(ask("/metrics", BOB)[0], 200)


if __name__ == "__main__":
    unittest.main()

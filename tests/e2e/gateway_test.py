"""`sallyport gateway` as a process: its pages for operators, certificates under way, its end, and what it says when it cannot start."""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import unittest

import harness
from harness import SALLYPORT, Lab

SIZE = 8 << 20


def tls_context(certificate):
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Running(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.site = self.lab.folder / "site"
        self.site.mkdir()
        (self.site / "small.txt").write_text("hello\n")
        harness.make_file(self.site / "file.bin", SIZE)

    def gateway(self, *flags):
        gateway = self.lab.gateway("--files", self.site, "--admin", "127.0.0.1:0", *flags)
        self.admin = gateway.admin
        return gateway

    def page(self, path):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.admin, timeout=harness.PATIENCE)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, line):
        def page_came():  # else the workers were too busy to answer in time
            status, self.figures = self.page("/metrics")
            return status == 200

        harness.wait_until(page_came, "the workers answered")
        for found in self.figures.splitlines():
            if found.startswith(f"sallyport_{line} "):
                return float(found.split()[-1])
        self.fail(f"no metric {line}")

    def connect(self, gateway, certificate=None):
        connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=harness.PATIENCE,
                                                 context=tls_context(certificate or self.lab.certificate()[0]))
        self.addCleanup(connection.close)
        connection.connect()
        return connection


class Operation(Running):
    def test_pages_and_counts(self):
        gateway = self.gateway("--masque", "udp", "--workers", "3")
        self.assertEqual(self.page("/healthz"), (200, "alive\n"))
        self.assertEqual(self.page("/readyz"), (200, "ready\n"))
        self.assertEqual(self.page("/small.txt")[0], 404)
        for version in ("h3", "h2", "h1"):
            for _ in range(4):
                self.lab.get_json("--http", version, "-o", self.lab.folder / "got", f"{gateway.url}/file.bin")
        self.assertEqual(self.metric("workers"), 3)
        for version in ("http/1", "http/2", "http/3"):
            self.assertEqual(self.metric(f'requests_total{{version="{version}"}}'), 4)
            self.assertEqual(self.metric(f'responses_total{{version="{version}",class="2xx"}}'), 4)
            self.assertEqual(self.metric(f'response_body_bytes_total{{version="{version}"}}'), 4 * SIZE)
        self.assertEqual(self.metric('handshakes_total{transport="quic",result="completed"}'), 4)
        self.assertEqual(self.metric('handshakes_total{transport="tcp",result="completed"}'), 8)
        self.assertGreater(self.metric('udp_bytes_total{direction="out"}'), 4 * SIZE)
        self.assertGreater(self.metric('udp_datagrams_total{direction="out"}'), 2 * self.metric('udp_calls_total{direction="out"}'))
        harness.wait_until(lambda: self.metric("quic_rtt_seconds_count") >= 4, "round-trip times are sampled when connections end")
        self.assertEqual(self.metric('masque_tunnels_open{protocol="udp"}'), 0)

    def test_alt_svc_names_the_port_that_is_asked_for(self):
        gateway = self.gateway("--alt-svc-port", "443", "--listen", "127.0.0.1:0")
        connection = self.connect(gateway)
        connection.request("GET", "/small.txt")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["alt-svc"]), (200, 'h3=":443"; ma=86400'))

    def test_alt_svc_port_has_to_be_of_use(self):
        for flags, why in ((("--alt-svc-port", "443", "--no-tcp"), "--alt-svc-port is advertised over TCP"),
                           (("--alt-svc-port", "0"), "--alt-svc-port"), (("--alt-svc-port", "65536"), "--alt-svc-port")):
            done = subprocess.run([SALLYPORT, "gateway", "--files", self.site, "--self-signed", "localhost", "--listen", "127.0.0.1:0",
                                   *flags], capture_output=True, text=True, timeout=harness.PATIENCE)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(why, done.stderr)

    def test_http_without_tls_is_told_so(self):
        gateway = self.gateway()
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=harness.PATIENCE)
        self.addCleanup(connection.close)
        # More than a read: what is not looked at must not cost the client its answer.
        connection.request("POST", "/small.txt", body=b"x" * 3_000_000)
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["connection"]), (400, "close"))
        self.assertIn("https://", answer.read().decode())
        self.assertEqual(self.metric('handshakes_total{transport="tcp",result="failed"}'), 1)

    def test_requests_to_forward_are_refused(self):
        gateway = self.gateway()
        connection = self.connect(gateway)
        for target in ("http://localhost/small.txt", f"http://localhost:{gateway.port + 1}/small.txt", "http://example.org/", "ftp://localhost/"):
            connection.request("GET", target)
            answer = connection.getresponse()
            text = answer.read().decode()
            self.assertEqual(answer.status, 501, target)
            self.assertIn("not forwarded", text)
            self.assertIn("proxy_configuration_error", answer.headers["proxy-status"])
        connection.putrequest("GET", f"https://localhost:{gateway.port}/small.txt", skip_host=True)
        connection.putheader("Host", "example.org")  # is ignored beside such a target
        connection.endheaders()
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b"hello\n"))

    def test_alt_svc_and_misdirected(self):
        gateway = self.gateway()
        connection = self.connect(gateway)
        connection.request("GET", "/small.txt")
        answer = connection.getresponse()
        self.assertEqual(answer.read(), b"hello\n")
        self.assertEqual(answer.headers["alt-svc"], f'h3=":{gateway.port}"; ma=86400')
        connection.request("GET", "/small.txt", headers={"Host": "other.test"})
        answer = connection.getresponse()
        answer.read()
        self.assertEqual((answer.status, answer.headers["alt-svc"]), (421, None))

    def test_new_certificate_without_a_restart(self):
        gateway = self.gateway("--workers", "2")
        certificate, key = self.lab.certificate()
        before = self.connect(gateway)
        new = self.lab.folder / "new.pem"
        harness.run(SALLYPORT, "cert", "self-signed", "127.0.0.1", "--cert", new, "--key", self.lab.folder / "new-key.pem")
        old = self.lab.folder / "old.pem"
        old.write_bytes(certificate.read_bytes())
        certificate.write_bytes(b"no certificate")
        gateway.child.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: "the old certificates stay" in gateway.last_words(), "a bad certificate is reported")
        self.connect(gateway, old).close()
        os.replace(self.lab.folder / "new-key.pem", key)
        os.replace(new, certificate)
        gateway.child.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: "reloaded, for new connections" in gateway.last_words(), "a good one is taken")
        self.lab.get_json("--http", "h3", "-o", self.lab.folder / "got", f"{gateway.url}/small.txt")
        self.connect(gateway).close()
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(gateway, old)
        before.request("GET", "/small.txt")
        self.assertEqual(before.getresponse().read(), b"hello\n")

    def test_a_new_certificate_under_load(self):
        """Downloads go on across SIGHUPs, and so do the hosts of connections that were there before."""
        with open(self.site / "big.bin", "wb") as file:
            file.truncate(256 << 20)
        gateway = self.gateway("--workers", "2", "--idle-timeout", "600")
        certificate, key = self.lab.certificate()
        old = self.lab.folder / "old.pem"
        old.write_bytes(certificate.read_bytes())
        before = self.connect(gateway, old)
        clients = [self.lab.start([SALLYPORT, "get", "-k", "--http", version, "--no-cache", "-q", "--limit-rate", "50M", "-o", self.lab.folder / f"got-{version}",
                                   f"{gateway.url}/big.bin"]) for version in ("h3", "h2", "h1")]
        harness.wait_until(lambda: self.metric("file_transfers_open") == len(clients), "the downloads started")
        for number in range(3):
            new, new_key = self.lab.folder / "new.pem", self.lab.folder / "new-key.pem"
            harness.run(SALLYPORT, "cert", "self-signed", f"{number}.test", "--cert", new, "--key", new_key)
            os.replace(new_key, key)
            os.replace(new, certificate)
            gateway.child.send_signal(signal.SIGHUP)
            harness.wait_until(lambda: gateway.log_path.read_text().count("reloaded, for new connections") == number + 1, "it is taken")
        for client in clients:
            self.assertEqual(client.child.wait(harness.PATIENCE), 0, client.last_words())
        for version in ("h3", "h2", "h1"):
            self.assertEqual((self.lab.folder / f"got-{version}").stat().st_size, 256 << 20)
        # The new certificate does not cover 127.0.0.1; the one that this connection was opened with does.
        before.request("GET", "/small.txt")
        answer = before.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b"hello\n"))
        before.close()
        self.assertEqual(self.metric("file_transfers_cut_total"), 0)

    def test_a_full_disk_stops_no_download(self):
        """qlog records are dropped and counted when the disk is full; what was written stays whole."""
        small = self.lab.folder / "small-disk"
        small.mkdir()
        try:
            harness.run("mount", "-t", "tmpfs", "-o", "size=64k", "none", small)
        except harness.Failure as failure:
            self.skipTest(str(failure))
        self.addCleanup(harness.run, "umount", "-l", small)
        gateway = self.gateway("--qlog", small)
        for version in ("h3", "h1"):
            self.lab.get_json("--http", version, "-o", self.lab.folder / "got", f"{gateway.url}/file.bin")
            self.assertEqual(harness.sha256(self.lab.folder / "got"), harness.sha256(self.site / "file.bin"))
        harness.wait_until(lambda: self.metric("qlog_events_dropped_total") > 0, "what did not fit is counted")
        self.assertEqual(gateway.stop(harness.PATIENCE), 0)
        traces = list(small.glob("*.sqlog"))
        self.assertTrue(traces)
        for trace in traces:
            for record in trace.read_text().split("\x1e")[1:]:
                self.assertIsInstance(json.loads(record), dict)

    def test_a_cut_file_never_looks_whole(self):
        gateway = self.gateway()
        connection = self.connect(gateway)
        connection.request("GET", "/file.bin")
        answer = connection.getresponse()
        os.truncate(self.site / "file.bin", SIZE // 2)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError, ssl.SSLError)):
            answer.read()
        self.assertEqual(self.metric("file_transfers_cut_total"), 1)


class Shortage(Running):
    def test_out_of_descriptors(self):
        gateway = self.gateway("--workers", "1", "--masque", "udp", "--allow", "127.0.0.1")
        before = self.connect(gateway)
        used = int(self.metric("process_open_descriptors"))
        _, hard = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (used + 64 + 10, hard))
        with contextlib.ExitStack() as crowd:
            for _ in range(40):
                crowd.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", gateway.port))))
            harness.wait_until(lambda: self.metric('resource_shortages_total{what="accept"}') > 0, "connections are refused")
            self.assertEqual(self.page("/healthz"), (200, "alive\n"))

            def is_tunnel_refused():
                # The page that was asked for last gave a descriptor back.
                crowd.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", gateway.port))))
                command = [SALLYPORT, "get", "-k", "--http", "h3", "--no-cache", "--via", gateway.url, f"{gateway.url}/small.txt"]
                return subprocess.run(command, capture_output=True, timeout=harness.PATIENCE).returncode == 1

            harness.wait_until(is_tunnel_refused, "tunnels are refused")
            self.assertGreater(self.metric('resource_shortages_total{what="tunnel"}'), 0)
            # What is open goes on, and what needs no descriptor is served.
            before.request("GET", "/small.txt")
            self.assertEqual(before.getresponse().read(), b"hello\n")
            self.lab.get_json("--http", "h3", "-o", self.lab.folder / "got", f"{gateway.url}/small.txt")
            log = gateway.log_path.read_text()
            self.assertEqual(log.count("cannot accept"), 1, log)
            self.assertEqual(log.count("cannot open a socket for a tunnel"), 1, log)
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.lab.get_json("--http", "h1", "-o", self.lab.folder / "got", f"{gateway.url}/small.txt")


class Ending(Running):
    def test_lets_what_is_open_finish(self):
        gateway = self.gateway("--grace", "600")
        connection = self.connect(gateway)
        connection.request("GET", "/file.bin")
        answer = connection.getresponse()
        self.connect(gateway)  # idle: does not hold up the end
        gateway.child.send_signal(signal.SIGTERM)
        harness.wait_until(lambda: self.page("/readyz")[0] == 503, "not ready while draining")
        with self.assertRaises(ConnectionError):
            self.connect(gateway)
        self.assertIn("SIGTERM: graceful shutdown, no new connections, up to 600 s for open requests", gateway.last_words())
        refused = subprocess.run([SALLYPORT, "get", "-k", "--http", "h3", "--no-cache", "--timeout", "5", f"{gateway.url}/small.txt"],
                                 capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(refused.returncode, 1)
        self.assertTrue(gateway.alive())
        self.assertEqual(len(answer.read()), SIZE)
        self.assertEqual(gateway.child.wait(harness.PATIENCE), 0)
        self.assertTrue(gateway.last_words().endswith(" ended by SIGTERM: drained"), gateway.last_words())

    def test_a_download_over_http3_finishes(self):
        with open(self.site / "big.bin", "wb") as file:
            file.truncate(256 << 20)
        gateway = self.gateway("--grace", "600")
        client = self.lab.start([SALLYPORT, "get", "-k", "--http", "h3", "--no-cache", "-q", "--limit-rate", "50M", "-o", self.lab.folder / "got",
                                 f"{gateway.url}/big.bin"])
        harness.wait_until(lambda: self.metric('requests_open{transport="quic"}') == 1, "the download started")
        gateway.child.send_signal(signal.SIGTERM)
        self.assertEqual(client.child.wait(harness.PATIENCE), 0)
        self.assertEqual((self.lab.folder / "got").stat().st_size, 256 << 20)
        self.assertEqual(gateway.child.wait(harness.PATIENCE), 0)

    def tunnels(self, gateway, target):
        """Two CONNECT tunnels to `target` through HTTP/1.1, as sockets of which nothing but the tunnel's bytes come."""
        opened = []
        for _ in range(2):
            plain = self.connect(gateway).sock
            plain.sendall(f"CONNECT 127.0.0.1:{target} HTTP/1.1\r\nHost: 127.0.0.1:{target}\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += plain.recv(1)
            self.assertIn(b" 200 ", head)
            opened.append(plain)
        return opened

    def test_tunnels_go_on_until_they_end(self):
        gateway = self.gateway("--masque", "tcp", "--allow", "127.0.0.1", "--grace", "600")
        with socket.create_server(("127.0.0.1", 0)) as server:
            tunnels = self.tunnels(gateway, server.getsockname()[1])
            ends = [server.accept()[0] for _ in tunnels]
            gateway.child.send_signal(signal.SIGTERM)
            harness.wait_until(lambda: self.page("/readyz")[0] == 503, "draining")
            with self.assertRaises(ConnectionError):
                self.connect(gateway)
            for tunnel, end in zip(tunnels, ends):
                tunnel.sendall(b"up")
                self.assertEqual(end.recv(10), b"up")
                end.sendall(b"down")
                self.assertEqual(tunnel.recv(10), b"down")
            self.assertTrue(gateway.alive())
            for tunnel, end in zip(tunnels, ends):
                end.sendall(b"last")
                end.close()
                self.assertEqual(tunnel.recv(10), b"last")
                tunnel.close()
            self.assertEqual(gateway.child.wait(harness.PATIENCE), 0)
            self.assertTrue(gateway.last_words().endswith(" ended by SIGTERM: drained"), gateway.last_words())

    def test_tunnels_end_with_the_grace_time(self):
        gateway = self.gateway("--masque", "tcp,udp", "--allow", "127.0.0.1", "--grace", "0.3")
        origin = self.lab.gateway("--files", self.site, name="origin")
        with open(self.site / "big.bin", "wb") as file:
            file.truncate(4 << 30)
        client = self.lab.start([SALLYPORT, "get", "-k", "--http", "h3", "--no-cache", "-q", "--via", gateway.url, "-o", "/dev/null",
                                 f"{origin.url}/big.bin"])
        harness.wait_until(lambda: self.metric('masque_tunnels_open{protocol="udp"}') == 1, "a UDP tunnel is open")
        with socket.create_server(("127.0.0.1", 0)) as server:
            tunnels = self.tunnels(gateway, server.getsockname()[1])
            ends = [server.accept()[0] for _ in tunnels]
            gateway.child.send_signal(signal.SIGTERM)
            self.assertEqual(gateway.child.wait(harness.PATIENCE), 0)
            for end in ends:
                with end, contextlib.suppress(ConnectionError):
                    self.assertEqual(end.recv(10), b"")
        self.assertEqual(client.child.wait(harness.PATIENCE), 1)

    def test_ends_after_the_grace_time(self):
        gateway = self.gateway("--grace", "0.3")
        connection = self.connect(gateway)
        connection.request("GET", "/file.bin")
        answer = connection.getresponse()
        gateway.child.send_signal(signal.SIGTERM)
        self.assertEqual(gateway.child.wait(harness.PATIENCE), 0)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError, ssl.SSLError)):
            answer.read()
        self.assertIn(" ended by SIGTERM: the grace period is over (--grace)", gateway.last_words())

    def test_a_second_signal_ends_at_once(self):
        gateway = self.gateway("--grace", "600")
        connection = self.connect(gateway)
        connection.request("GET", "/file.bin")
        connection.getresponse()
        for _ in range(2):  # as timeout(1) sends it, to the process and to its group
            gateway.child.send_signal(signal.SIGINT)
        harness.wait_until(lambda: self.page("/readyz")[0] == 503, "draining")

        def ends_on_another():
            gateway.child.send_signal(signal.SIGINT)
            return not gateway.alive()

        harness.wait_until(ends_on_another, "half a second later one more ends it")
        self.assertEqual(gateway.child.wait(), 0)
        self.assertTrue(gateway.last_words().endswith(" ended by SIGINT: second signal"), gateway.last_words())


class Starting(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)

    def fails(self, status, words, *flags, own_certificate=False):
        certificate = [] if own_certificate else ["--self-signed", "a.test"]
        done = subprocess.run([SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--log-level", "error", *map(str, flags), *certificate],
                              capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def test_wrong_flags(self):
        self.fails(2, "nothing to do")
        self.fails(2, "needs a certificate", "--files", "/", own_certificate=True)
        self.fails(2, "--cert and --key go together", "--files", "/", "--cert", "x", own_certificate=True)
        self.fails(2, "does not know 'sctp'", "--masque", "udp,sctp")
        self.fails(2, "10.0.0.1/8", "--masque", "udp", "--allow", "10.0.0.1/8")
        self.fails(2, "not an address to listen on", "--files", "/", "--listen", "443")
        self.fails(2, "--workers", "--files", "/", "--workers", "1000")
        self.fails(2, "--cc", "--files", "/", "--cc", "vegas")
        self.fails(2, "--etag", "--files", "/", "--etag", "inode")

    def test_connect_ip_needs_a_pool(self):
        self.fails(2, "--ip-pool PREFIX", "--masque", "ip")
        self.fails(2, "which is not given", "--masque", "udp", "--ip-pool", "10.89.0.0/24")
        self.fails(2, "which is not given", "--masque", "udp", "--ip-nat")
        self.fails(2, "10.89.0.1/24", "--masque", "ip", "--ip-pool", "10.89.0.1/24")
        self.fails(2, "which no client can use", "--masque", "ip", "--ip-pool", "127.1.0.0/16")
        for check in ((), ("--check",)):
            with self.subTest(check=check):
                pool = ("--masque", "ip", "--ip-pool", "10.89.0.0/24", *check)
                self.fails(2, "which no client can use", "--masque", "ip", "--ip-pool", "127.1.0.0/16", *check)
                self.fails(2, "--ip-device 'a/b' is no name", *pool, "--ip-device", "a/b")
                self.fails(2, "no --ip-pool has addresses of this IP version", *pool, "--ip-route", "2001:db8::/32")
                self.fails(2, "overlaps --ip-pool 10.89.0.0/24", *pool, "--ip-client-network", "10.0.0.0/8")
        done = harness.run(SALLYPORT, "gateway", "--check", "--listen", "127.0.0.1:0", "--self-signed", "a.test", "--masque", "ip", "--ip-pool",
                           "10.89.0.0/24", "--ip-route", "8.0.0.0/8", "--ip-nat")
        self.assertIn("CONNECT-IP addresses of 10.89.0.0/24\n  route 8.0.0.0/8\n  packets that leave this machine get its address (nftables)\n", done)

    def test_a_pool_that_the_machine_uses_is_refused(self):
        with Lab(namespace=harness.Namespace()) as lab:
            harness.run(*lab.prefix, "ip", "address", "add", "10.89.3.1/24", "dev", "lo")
            done = harness.finish([*lab.prefix, SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--self-signed", "a.test", "--log-level", "error",
                                   "--masque", "ip", "--ip-pool", "10.89.0.0/16"])
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stderr, "sallyport: --ip-pool 10.89.0.0/16: this machine has 10.89.3.0/24 on lo; choose addresses that are "
                                          "used nowhere\n")
            self.assertEqual(harness.run(*lab.prefix, "ip", "-br", "link").count("\n"), 1, "no device is left")

    def test_connect_ip_without_the_right_to_make_a_device(self):
        done = harness.finish(["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", SALLYPORT, "gateway", "--listen",
                               "127.0.0.1:0", "--self-signed", "a.test", "--log-level", "error", "--masque", "ip", "--ip-pool", "10.89.0.0/16"])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("CAP_NET_ADMIN", done.stderr)

    def test_unusable_files_and_addresses(self):
        self.fails(1, "/nowhere", "--files", "/nowhere")
        self.fails(1, "is not a folder", "--files", "/etc/passwd")
        self.fails(1, "/nowhere", "--files", "/", "--cert", "/nowhere", "--key", "/nowhere", own_certificate=True)
        certificate, _ = self.lab.certificate()
        self.fails(1, str(certificate), "--files", "/", "--cert", certificate, "--key", certificate, own_certificate=True)
        self.fails(1, "192.0.2.77", "--files", "/", "--listen", "192.0.2.77:8443")
        self.fails(1, "/nowhere", "--files", "/", "--keylog", "/nowhere/keys")
        self.fails(1, "/nowhere", "--files", "/", "--secret-file", "/nowhere")
        for kind, name in ((socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")):
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                port = taken.getsockname()[1]
                self.fails(1, f"127.0.0.1:{port} is in use for {name}", "--files", "/", "--listen", f"127.0.0.1:{port}")

    def test_a_self_signed_certificate_that_clients_can_trust(self):
        certificate, ready = self.lab.folder / "made.pem", self.lab.folder / "ready"
        (self.lab.folder / "a").write_text("hello\n")
        gateway = self.lab.start([SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--self-signed", "localhost", "127.0.0.1", "--write-cert",
                                  certificate, "--files", self.lab.folder, "--ready-file", ready])
        address = harness.wait_for_ready(gateway, ready)
        self.assertEqual(harness.run(SALLYPORT, "get", "--ca", certificate, "--no-cache", "-q", f"https://{address}/a"), "hello\n")


if __name__ == "__main__":
    unittest.main()

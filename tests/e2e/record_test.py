"""What `sallyport` leaves on record and shows: the access log and its rotation, logs whose readers or disks are gone, and text of peers that
is fit for neither a terminal nor JSON."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import unittest

import harness
from gateway_test import Running
from harness import SALLYPORT, Lab
from lying_proxy_test import Liar
from proxy_test import ProxyCase


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Log:
    """An access log under way."""

    def __init__(self, path):
        self.path = path
        self.seen = 0

    def next(self, count=1):
        """The next lines, sorted by what they ask for; waits until they are there."""
        harness.wait_until(lambda: self.path.exists() and self.path.read_bytes().count(b"\n") >= self.seen + count, "the lines are there")
        lines = lines_of(self.path)[self.seen :]
        assert len(lines) == count, lines
        self.seen += count
        return lines[0] if count == 1 else lines


class AccessLog(Running):
    def setUp(self):
        super().setUp()
        self.log = Log(self.lab.folder / "access.log")

    def logging(self, *flags):
        return self.gateway("--access-log", self.log.path, *flags)

    def ask(self, gateway, method, path, **headers):
        connection = self.connect(gateway)
        connection.request(method, path, headers=headers)
        with contextlib.closing(connection):
            return connection.getresponse().read()

    def test_requests_of_all_versions(self):
        gateway = self.logging("--qlog", self.lab.folder / "qlog")
        for flag, version in (("h3", "HTTP/3"), ("h2", "HTTP/2"), ("h1", "HTTP/1.1")):
            self.lab.get_json("--http", flag, "-o", os.devnull, f"https://localhost:{gateway.port}/file.bin?token=1")
            line = self.log.next()
            self.assertEqual(line["version"], version)
            self.assertEqual((line["method"], line["path"], line["authority"]), ("GET", "/file.bin?token=1", f"localhost:{gateway.port}"))
            self.assertEqual((line["status"], line["bytes_in"], line["bytes_out"], line["end"]), (200, 0, 8 << 20, "complete"))
            self.assertEqual((line["client"], line["tls"], line["sni"]), ("127.0.0.1", "TLS1.3", "localhost"))
            self.assertRegex(line["cipher"], "^TLS_")
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            if flag == "h3":
                harness.wait_until((self.lab.folder / "qlog" / f"{line['connection_id']}_server.sqlog").exists, "its qlog is there")
        self.ask(gateway, "HEAD", "/small.txt", **{"User-Agent": 'a "b" \\ c'})
        line = self.log.next()
        self.assertEqual((line["method"], line["status"], line["bytes_out"], line["user_agent"]), ("HEAD", 200, 0, 'a "b" \\ c'))
        self.ask(gateway, "GET", "/missing")
        self.assertEqual(self.log.next()["status"], 404)
        self.ask(gateway, "GET", "/", Host="else.where")
        line = self.log.next()
        self.assertEqual((line["status"], line["authority"]), (421, "else.where"))
        self.ask(gateway, "GET", "/", Host="bad host")
        self.assertEqual(self.log.next()["status"], 400)
        harness.wait_until(lambda: self.metric("access_log_lines_total") == 7, "all are counted")
        ids = [line["request_id"] for line in lines_of(self.log.path)]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(os.stat(self.log.path).st_mode & 0o137, 0)

    def test_a_client_that_goes_away(self):
        gateway = self.logging()
        size = 512 << 20  # more than all buffers on the way
        with open(self.site / "sparse", "wb") as sparse:
            sparse.truncate(size)
        connection = self.connect(gateway)
        connection.request("GET", "/sparse")
        connection.getresponse().read(1)
        connection.sock.close()
        connection.close()
        line = self.log.next()
        self.assertEqual((line["status"], line["end"]), (200, "connection_closed"), line)
        self.assertLess(line["bytes_out"], size)
        self.assertTrue(line["why"])

    def test_what_the_end_cuts_is_on_record(self):
        gateway = self.logging("--grace", "0")
        connection = self.connect(gateway)
        connection.request("GET", "/file.bin")
        connection.getresponse()
        self.assertEqual(gateway.stop(harness.PATIENCE), 0)
        self.assertEqual(self.log.next()["end"], "connection_closed")

    def test_rotation(self):
        gateway = self.logging()
        self.ask(gateway, "GET", "/before")
        self.log.next()
        old = self.log.path.with_suffix(".1")
        self.log.path.rename(old)
        self.ask(gateway, "GET", "/between")
        gateway.child.send_signal(signal.SIGUSR1)
        harness.wait_until(self.log.path.exists, "the log is opened again", process=gateway)
        self.ask(gateway, "GET", "/after")
        self.log.seen = 0
        self.assertEqual(self.log.next()["path"], "/after")
        self.assertEqual([line["path"] for line in lines_of(old)], ["/before", "/between"])

    def test_a_signal_to_rotate_nothing_ends_nothing(self):
        gateway = self.gateway()
        gateway.child.send_signal(signal.SIGUSR1)
        harness.wait_until(lambda: "there is no --access-log" in gateway.last_words(), "it says so", process=gateway)
        self.assertEqual(self.ask(gateway, "GET", "/small.txt"), b"hello\n")

    def test_the_combined_log_format(self):
        gateway = self.logging("--access-log-format", "common")
        self.ask(gateway, "GET", "/small.txt", **{"User-Agent": 'a "b"'})
        harness.wait_until(lambda: self.log.path.read_text().endswith("\n"), "the line is there")
        self.assertRegex(self.log.path.read_text(),
                         r'^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /small\.txt HTTP/1\.1" 200 6 "-" "a \\"b\\""\n$')

    def test_a_full_disk_costs_lines_only(self):
        gateway = self.gateway("--access-log", "/dev/full")
        self.assertEqual(self.ask(gateway, "GET", "/small.txt"), b"hello\n")
        harness.wait_until(lambda: self.metric('access_log_dropped_total{reason="write"}') == 1, "the line is counted")
        self.assertEqual(self.ask(gateway, "GET", "/small.txt"), b"hello\n")
        harness.wait_until(lambda: self.metric('access_log_dropped_total{reason="write"}') == 2, "the line is counted")
        self.assertEqual(gateway.log_path.read_text().count("No space left on device"), 1)
        self.assertEqual(gateway.stop(harness.PATIENCE), 0)

    def test_what_cannot_be_opened_is_said(self):
        cert, key = self.lab.certificate()
        done = harness.finish([SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--cert", cert, "--key", key, "--files", self.site,
                               "--access-log", self.lab.folder / "none" / "a.log"])
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^sallyport: --access-log .*/none/a\.log cannot be opened for appending: No such file or directory\n$")


class ReadersGone(Running):
    def start(self, stdout, stderr, *flags):
        """A gateway whose outputs are these; killed at the end where it did not end."""
        cert, key = self.lab.certificate()
        ready = self.lab.folder / "ready"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.admin = free.getsockname()[1]
        process = subprocess.Popen([SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--cert", cert, "--key", key, "--files", self.site,
                                    "--ready-file", ready, "--admin", f"127.0.0.1:{self.admin}", *flags], stdout=stdout, stderr=stderr)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        harness.wait_until(lambda: ready.exists() and ready.read_text().endswith("\n"), "it was ready")
        self.port = self.port_of(ready)
        return process

    @staticmethod
    def port_of(ready):
        return int(ready.read_text().splitlines()[0].rsplit(":", 1)[1])

    def get(self):
        self.lab.get_json("-o", os.devnull, f"https://127.0.0.1:{self.port}/small.txt")

    def test_standard_error(self):
        read, write = os.pipe()
        process = self.start(subprocess.DEVNULL, write, "--log-level", "debug")
        os.close(write)
        os.close(read)
        process.send_signal(signal.SIGUSR1)  # says something
        harness.wait_until(lambda: self.metric("log_lines_lost_total") > 0, "the line is counted")
        self.get()
        process.terminate()
        self.assertEqual(process.wait(harness.PATIENCE), 0)

    def test_a_full_disk_under_standard_error(self):
        with open("/dev/full", "wb") as full:
            process = self.start(subprocess.DEVNULL, full)
        self.get()
        self.assertGreater(self.metric("log_lines_lost_total"), 0)
        process.terminate()
        self.assertEqual(process.wait(harness.PATIENCE), 0)

    def test_standard_output_with_the_access_log(self):
        read, write = os.pipe()
        process = self.start(write, subprocess.DEVNULL, "--access-log", "-")
        os.close(write)
        self.get()
        with os.fdopen(read, "rb") as reader:
            self.assertEqual(json.loads(reader.readline())["path"], "/small.txt")
        self.get()
        harness.wait_until(lambda: self.metric('access_log_dropped_total{reason="write"}') == 1, "the line is counted")
        process.terminate()
        self.assertEqual(process.wait(harness.PATIENCE), 0)

    def test_a_reader_that_does_not_read_holds_up_nothing(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(write, False)
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        process = self.start(write, subprocess.DEVNULL, "--access-log", "-")
        os.close(write)
        for _ in range(3):
            self.get()
        process.terminate()
        self.assertEqual(process.wait(harness.PATIENCE), 0)

    def test_a_download_into_a_closed_pipe_ends(self):
        gateway = self.gateway()
        read, write = os.pipe()
        process = subprocess.Popen([SALLYPORT, "get", "--no-cache", "--ca", self.lab.certificate()[0], f"{gateway.url}/file.bin"],
                                   stdout=write, stderr=subprocess.DEVNULL)
        os.close(write)
        os.read(read, 1)
        os.close(read)
        self.assertIn(process.wait(harness.PATIENCE), (-signal.SIGPIPE, 1))


class Tunnels(ProxyCase):
    def setUp(self):
        super().setUp()
        self.log = Log(self.lab.folder / "access.log")

    def gateway(self, *flags):
        return self.lab.gateway("--masque", "udp,tcp", "--access-log", self.log.path, *flags)

    def test_both_sorts_with_their_payloads(self):
        gateway = self.gateway("--allow", "127.0.0.1")
        target = self.udp_target()
        host, port = target.getsockname()
        tunnel = self.udp(gateway, host, port)
        tunnel.send(b"twelve bytes")
        data, back = target.recvfrom(100)
        self.assertEqual(data, b"twelve bytes")
        target.sendto(b"seven b", back)
        self.assertEqual(tunnel.receive(), b"seven b")
        tunnel.close()
        line = self.log.next()
        self.assertEqual((line["method"], line["protocol"], line["target"], line["status"]), ("CONNECT", "connect-udp", f"{host}:{port}", 101))
        self.assertEqual((line["bytes_in"], line["bytes_out"], line["next_hop"]), (12, 7, f"{host}:{port}"))

        port = self.tcp_target()
        tunnel = self.tcp(gateway, "127.0.0.1", port)
        while tunnel.rest != b"hello":
            tunnel.fill()
        tunnel.close()
        line = self.log.next()
        self.assertEqual((line["method"], line["target"], line["status"], line["bytes_out"]), ("CONNECT", f"127.0.0.1:{port}", 200, 5))

    def test_refused_ones(self):
        gateway = self.gateway()
        self.udp(gateway, "127.0.0.1", 53)
        line = self.log.next()
        self.assertEqual((line["status"], line["proxy_error"]), (403, "destination_ip_prohibited"))
        self.tcp(gateway, "10.0.0.1", 53)
        line = self.log.next()
        self.assertEqual((line["status"], line["proxy_error"], line["target"]), (403, "destination_ip_prohibited", "10.0.0.1:53"))

    def test_over_http3(self):
        gateway = self.gateway("--allow", "127.0.0.1")
        site = self.lab.folder / "site"
        site.mkdir()
        harness.make_file(site / "file.bin", 1 << 20)
        origin = self.lab.gateway("--files", site)
        self.lab.get_json("--http", "h3", "-o", os.devnull, "--via", gateway.url, f"{origin.url}/file.bin")
        line = self.log.next()
        self.assertEqual((line["version"], line["protocol"], line["target"]), ("HTTP/3", "connect-udp", f"127.0.0.1:{origin.port}"))
        self.assertGreater(line["bytes_out"], 1 << 20)


class Debug(Running):
    def test_the_life_of_connections(self):
        gateway = self.gateway("--log-level", "debug")
        self.lab.get_json("--http", "h3", "-o", os.devnull, f"https://localhost:{gateway.port}/small.txt")
        self.lab.get_json("--http", "h2", "-o", os.devnull, f"https://localhost:{gateway.port}/small.txt")
        for http_version in ("h3", "h2"):
            harness.finish([SALLYPORT, "get", "--no-cache", "--http", http_version, "-o", os.devnull, f"{gateway.url}/small.txt"])
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=harness.PATIENCE) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)
        gateway.stop(harness.PATIENCE)
        log = gateway.log_path.read_text()
        for what in (r"connection [0-9a-f]+ from 127\.0\.0\.1:\d+: accepted over QUIC",
                     r"connection [0-9a-f]+ from 127\.0\.0\.1:\d+: handshake complete: ALPN h3, TLS1\.3, TLS_\w+, SNI 'localhost'",
                     r"connection [0-9a-f]+ from 127\.0\.0\.1:\d+: closed: the peer closed the connection \(H3_NO_ERROR\)",
                     r"connection tcp-\w+ from 127\.0\.0\.1:\d+: handshake complete: ALPN h2, TLS1\.3, TLS_\w+, SNI 'localhost'",
                     r"connection tcp-\w+ from 127\.0\.0\.1:\d+: closed: ",
                     r"connection [0-9a-f]+ from \S+: handshake failed: the client refused the certificate: [\w ]+ \(alert \d+\)",
                     r"connection tcp-\w+ from \S+: handshake failed: the client refused the certificate: [\w ]+ \(alert \d+\)",
                     r"connection tcp-\w+ from \S+: handshake failed: the client sent a plain HTTP request to the HTTPS port"):
            self.assertRegex(log, what)

    def test_nothing_of_it_above_that_level(self):
        gateway = self.gateway()
        self.lab.get_json("-o", os.devnull, f"{gateway.url}/small.txt")
        gateway.stop()
        self.assertNotIn(" debug ", gateway.log_path.read_text())


class HostileText(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)

    def assert_shown(self, output):
        """Lines of UTF-8, without any control character."""
        self.assertEqual(re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", output.decode()), [])

    def test_the_issuer_of_a_certificate(self):
        cert, key = self.lab.folder / "evil.pem", self.lab.folder / "evil.key"
        harness.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-days", "2",
                    "-subj", "/O=\x1b]0;owned\x07/CN=EVIL \x1b[31m\u009b \u202e caf\u00e9", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", cert)
        liar = Liar(cert, key, b"")
        self.addCleanup(liar.close)
        done = harness.finish([SALLYPORT, "get", "--no-cache", "--http", "h1", "-o", os.devnull, liar.url], text=False, errors=None)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"EVIL", done.stderr)
        self.assertIn("caf\u00e9".encode(), done.stderr)
        self.assert_shown(done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_figures_are_json_whatever_a_server_says(self):
        liar = Liar(*self.lab.certificate(), b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe\xc2\x9b \xe2\x80\xae/\r\nContent-Length: 0\r\n\r\n")
        self.addCleanup(liar.close)
        done = harness.finish([SALLYPORT, "get", "--no-cache", "--quiet", "--ca", self.lab.certificate()[0], "--http", "h1", "--json", "-L",
                               "-o", os.devnull, liar.url], text=False, errors=None)
        self.assertEqual(done.returncode, 1)
        figures = json.loads(done.stdout.decode("utf-8", "strict"))
        self.assertIn("\ufffd", figures["transfers"][0]["error"])
        self.assert_shown(done.stdout)
        self.assert_shown(done.stderr)

    def test_what_a_trace_says(self):
        trace = self.lab.folder / "a.qlog"
        trace.write_text(json.dumps({"qlog_version": "0.3", "title": "t\x1b[2J\u009b", "traces": [
            {"title": "evil \x1b[2J\u202e", "vantage_point": {"type": "\x1b[31m"}, "common_fields": {"ODCID": "\x1b"}, "events": []}]}))
        for flags in ([], ["--json"]):
            done = harness.finish([SALLYPORT, "trace", "summary", *flags, trace], text=False, errors=None)
            self.assert_shown(done.stdout)
            self.assert_shown(done.stderr)

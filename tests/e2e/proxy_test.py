"""`sallyport gateway --masque` as a process, from clients that speak HTTP/1.1 by hand: what it lets through, and what it refuses to whom."""

import contextlib
import socket
import ssl
import subprocess
import threading
import unittest

from harness import PATIENCE, SALLYPORT, Lab, Namespace, run, wait_until


def varint(number):
    return bytes([number]) if number < 64 else (0x4000 | number).to_bytes(2, "big")


class Tunnel:
    """One CONNECT or CONNECT-UDP request on a connection of its own."""

    def __init__(self, gateway, certificate, head):
        context = ssl.create_default_context(cafile=certificate)
        context.set_alpn_protocols(["http/1.1"])
        plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())
        self.rest = b""
        answer = self.read_until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(answer[0].split()[1])
        self.fields = dict(line.lower().split(": ", 1) for line in answer[1:] if line)
        self.proxy_status = self.fields.get("proxy-status", "")

    def read_until(self, mark):
        while mark not in self.rest:
            self.fill()
        found, self.rest = self.rest.split(mark, 1)
        return found

    def fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:  # it waited for ours, and closed its socket by now
            data = b""
        if not data:
            raise EOFError(f"the gateway ended the connection after {self.rest!r}")
        self.rest += data

    def send(self, payload):
        """One UDP payload, as a DATAGRAM capsule."""
        self.socket.sendall(varint(0) + varint(len(payload) + 1) + b"\0" + payload)

    def receive(self):
        while True:
            for width in (1, 2):
                if len(self.rest) > width and (2 if self.rest[1] >= 64 else 1) == width:
                    size = int.from_bytes(self.rest[1 : 1 + width], "big") & (0x3FFF if width == 2 else 0x3F)
                    if len(self.rest) >= 1 + width + size:
                        value, self.rest = self.rest[1 + width : 1 + width + size], self.rest[1 + width + size :]
                        return value[1:]
            self.fill()

    def close(self):
        self.socket.close()


class ProxyCase(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)

    def open(self, gateway, head):
        tunnel = Tunnel(gateway, self.lab.certificate()[0], head)
        self.addCleanup(tunnel.close)
        return tunnel

    def udp(self, gateway, host, port):
        host = host.replace(":", "%3A")
        return self.open(gateway, [f"GET /.well-known/masque/udp/{host}/{port}/ HTTP/1.1", f"Host: 127.0.0.1:{gateway.port}",
                                   "Connection: Upgrade", "Upgrade: connect-udp", "Capsule-Protocol: ?1"])

    def tcp(self, gateway, host, port):
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return self.open(gateway, [f"CONNECT {target} HTTP/1.1", f"Host: {target}"])

    def udp_target(self):
        target = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(target.close)
        target.bind(("127.0.0.1", 0))
        target.settimeout(PATIENCE)
        return target

    def tcp_target(self, address="127.0.0.1"):
        """A listener that says hello to whoever comes; returns its port."""
        listener = socket.create_server((address, 0))
        self.addCleanup(listener.close)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as connection:
                        connection.sendall(b"hello")

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]


class Datagrams(ProxyCase):
    def test_payloads_of_no_length_pass_both_ways(self):
        """UDP allows them (RFC 768), and so does RFC 9298."""
        target = self.udp_target()
        tunnel = self.udp(self.lab.gateway("--masque", "udp", "--allow", "127.0.0.1"), *target.getsockname())
        self.assertEqual(tunnel.status, 101)
        payloads = [b"before", b"", b"", b"x" * 200, b"", b"after"]
        for payload in payloads:
            tunnel.send(payload)
        came = [target.recvfrom(2000) for _ in payloads]
        self.assertEqual([payload for payload, _ in came], payloads)
        for payload in payloads:
            target.sendto(payload, came[0][1])
        self.assertEqual([tunnel.receive() for _ in payloads], payloads)


class Limits(ProxyCase):
    def test_tunnels_of_one_address_are_counted_over_all_workers(self):
        gateway = self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.1", "--workers", "4", "--max-tunnels", "5")
        target = self.udp_target()
        tunnels = [self.udp(gateway, *target.getsockname()) for _ in range(20)]
        statuses = [tunnel.status for tunnel in tunnels]
        self.assertEqual((statuses.count(101), statuses.count(429)), (5, 15))
        port = self.tcp_target()
        self.assertEqual(self.tcp(gateway, "127.0.0.1", port).status, 429)
        next(tunnel for tunnel in tunnels if tunnel.status == 101).close()
        wait_until(lambda: self.tcp(gateway, "127.0.0.1", port).status == 200, "a tunnel that ended makes room for another", process=gateway)


class Policy(ProxyCase):
    @property
    def get(self):
        return [*self.lab.prefix, SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.lab.certificate()[0], "-o", self.lab.folder / "got"]

    def fails(self, *command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def assert_refused(self, tunnel):
        self.assertEqual(tunnel.status, 403, tunnel.proxy_status)
        self.assertIn("destination_ip_prohibited", tunnel.proxy_status)

    def test_its_own_host_by_any_name(self):
        """docs/threat-model.md, "forbidden target", with the system's resolver."""
        gateway = self.lab.gateway("--masque", "udp,tcp")
        port = self.tcp_target()
        for host in ("localhost", "2130706433", "0x7f.1", "127.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "168.63.129.16"):
            for ask in (self.tcp, self.udp):
                with self.subTest(host=host, by=ask.__name__):
                    self.assert_refused(ask(gateway, host, port))

    def test_its_own_public_addresses_at_any_port(self):
        self.lab.namespace = Namespace()
        gateway = self.lab.gateway("--masque", "udp,tcp")
        run(*self.lab.prefix, "ip", "address", "add", "9.9.9.9/32", "dev", "lo")  # after the start
        for mode in ("udp", "tcp"):
            with self.subTest(mode=mode):
                words = self.fails(*self.get, "--mode", mode, "--via", gateway.url, "https://9.9.9.9:8080/")
                self.assertIn("destination_ip_prohibited", words)
                self.assertIn("the proxy's own host", words)

    def test_the_operators_pages_are_reached_for_nobody(self):
        gateway = self.lab.gateway("--masque", "tcp", "--admin", "127.0.0.1:0", "--allow", "0.0.0.0/0", "--allow", "::/0")
        for host in ("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"):
            with self.subTest(host=host):
                self.assert_refused(self.tcp(gateway, host, gateway.admin))
        # Where it has an IPv6 address as well, that one is asked, and nobody is there.
        self.assertIn(self.tcp(gateway, "localhost", gateway.admin).status, (403, 502))
        self.assertEqual(self.tcp(gateway, "127.0.0.1", self.tcp_target()).status, 200)

    def test_a_chain_that_comes_back_is_a_loop(self):
        """docs/threat-model.md, "proxy loop": the gateway is allowed to reach itself, and its client makes a circle of it."""
        (self.lab.folder / "site").mkdir()
        gateway = self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.1", "--workers", "2", "--files", self.lab.folder / "site")
        (self.lab.folder / "site" / "file").write_text("content\n")
        url = f"{gateway.url}/file"
        for mode in ("udp", "tcp"):
            with self.subTest(mode=mode):
                run(*self.get, "--mode", mode, "--via", gateway.url, url)  # one turn is no loop
                words = self.fails(*self.get, "--mode", mode, "--via", gateway.url, "--via", gateway.url, url)
                self.assertIn("508", words)
                self.assertIn("proxy_loop_detected", words)


if __name__ == "__main__":
    unittest.main()

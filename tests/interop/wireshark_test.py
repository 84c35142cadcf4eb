"""tshark opens captures of ours with our key logs: HTTP/3 and HTTP/2 by the gateway's log and by the client's."""

import os
import socket
import unittest

import harness
from fixtures import InteropCase, run


class Decryption(InteropCase):
    programs = ("tshark",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise unittest.SkipTest("capturing needs root")
        cls.server_keys = cls.lab.folder / "server-keys"
        cls.origin = cls.lab.gateway("--files", cls.site, "--keylog", cls.server_keys, name="origin")
        cls.hop_keys = cls.lab.folder / "hop-keys"
        cls.hop = cls.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--keylog", cls.hop_keys, name="hop")

    def capture(self, name, ports, work):
        """What crosses these ports while work() runs, as a capture file."""
        path = self.lab.folder / f"{name}.pcapng"
        words = " or ".join(f"port {port}" for port in ports)
        process = self.lab.start(["tshark", "-q", "-i", "lo", "-f", words, "-w", path], "tshark")

        def mark(text):
            """Sends this to the port until it is in the file: what crossed before is there, too."""
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                def is_seen():
                    sender.sendto(text, ("127.0.0.1", ports[0]))
                    return path.exists() and text in path.read_bytes()

                harness.wait_until(is_seen, f"the capture held {text}", process=process)

        mark(b"the capture begins")
        work()
        mark(b"the capture ends")
        process.stop(harness.PATIENCE)
        return path

    def fields(self, capture, keys, wanted, *names, port, udp=True):
        """These fields of the packets that the filter `wanted` finds in the decrypted capture."""
        done = run("tshark", "-r", capture, "-o", f"tls.keylog_file:{keys}", "-d", f"{'udp' if udp else 'tcp'}.port=={port},{'quic' if udp else 'tls'}",
                   "-Y", wanted, "-T", "fields", *[word for name in names for word in ("-e", name)])
        return [line.split("\t") for line in done.stdout.splitlines()]

    def test_http3(self):
        client_keys = self.lab.folder / "client-keys"
        capture = self.capture("h3", [self.origin.port],
                               lambda: self.get(self.origin.url, "--http", "h3", "--keylog", client_keys, name="small.txt"))
        for keys in (self.server_keys, client_keys):
            with self.subTest(keys=keys.name):
                found = self.fields(capture, keys, "http3", "http3.frame_type", port=self.origin.port)
                # tshark 4.0 writes them in decimal, 4.4 in hexadecimal.
                kinds = {int(kind, 0) for row in found for kind in row[0].split(",")}
                self.assertTrue({0, 1, 4} <= kinds, f"DATA, HEADERS and SETTINGS frames are to be seen, not {kinds}")
        self.assertEqual(self.fields(capture, os.devnull, "http3", "http3.frame_type", port=self.origin.port), [])

    def test_http2(self):
        client_keys = self.lab.folder / "client-keys-2"
        capture = self.capture("h2", [self.origin.port],
                               lambda: self.get(self.origin.url, "--http", "h2", "--keylog", client_keys, name="small.txt"))
        for keys in (self.server_keys, client_keys):
            with self.subTest(keys=keys.name):
                found = self.fields(capture, keys, "http2.headers.path", "http2.headers.path", port=self.origin.port, udp=False)
                self.assertEqual(found, [["/small.txt"]])

    def test_hop(self):
        """The tunnel's own frames: DATAGRAMs in 1-RTT packets of the connection to the hop."""
        client_keys = self.lab.folder / "client-keys-hop"
        capture = self.capture("hop", [self.hop.port], lambda: self.get(self.origin.url, "--http", "h3", "--via-http", "h3", "--via", self.hop.url,
                                                                        "--keylog", client_keys, name="small.txt"))
        for keys in (self.hop_keys, client_keys):
            with self.subTest(keys=keys.name):
                found = self.fields(capture, keys, "quic.frame_type == 0x30 || quic.frame_type == 0x31", "quic.frame_type", port=self.hop.port)
                self.assertGreater(len(found), 3)


if __name__ == "__main__":
    unittest.main()

"""Our qlogs as others see them: PyPI's pycddl compares them with the schema (qlog_schema.py), quiche's data model (the crate qlog, in the Rust
program in qlogreader/) loads them."""

import json
import os
import signal
import subprocess
from pathlib import Path

import harness
import peers
from fixtures import InteropCase, check_qlogs, run
from harness import SALLYPORT

# What quiche's model, of an earlier draft, has no type for, or one with other words (HandshakeCompleted, HttpRequestRejection) or members that
# have to be there (unknown_parameters). It takes them as they are.
UNTYPED = {"recovery:metrics_updated", "quic:udp_datagrams_sent", "quic:udp_datagrams_received", "quic:key_updated", "quic:packet_dropped",
           "http:capsule_created", "http:capsule_parsed", "quic:connection_state_updated", "quic:connection_closed", "quic:parameters_set"}


def records(path):
    """Those that are whole: the last of a file that is being written may not be."""
    return [json.loads(record) for record in path.read_text().split("\x1e") if record.endswith("\n")]


def datagrams_to_closed_ports():
    """Of this host so far; each is answered by ICMP."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:"))
    return int(values[names.index("NoPorts")])


class Recorded(InteropCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.qlogs = cls.lab.folder / "qlogs"

    def setUp(self):
        self.hop = self.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.0/8", "--open-proxy", "--qlog", self.qlogs, name="hop")
        self.origin = self.lab.gateway("--files", self.site, "--qlog", self.qlogs, name="origin")
        self.addCleanup(self.stop)

    def stop(self):
        """What the gateways recorded is whole then."""
        for gateway in (self.hop, self.origin):
            gateway.stop(harness.PATIENCE)

    def recorded(self, *arguments, expect=0):
        """The client's qlogs of one download, by title, as lists of records."""
        folder = self.qlogs / self.id().rsplit(".", 1)[1]
        done = run(SALLYPORT, "get", "--no-cache", "--quiet", "--ca", self.cert, "--http", "h3", "-o", "/dev/null", "--qlog", folder, *arguments)
        self.assertEqual(done.returncode, expect, done.stderr)
        self.stop()
        return {log[0]["title"]: log for log in map(records, folder.glob("*.sqlog"))}

    def test_a_download_through_a_hop(self):
        logs = self.recorded("--via-http", "h3", "--via", self.hop.url, f"{self.origin.url}/large.bin")
        self.assertEqual(len(logs), 2)
        counts = check_qlogs(self.qlogs)
        self.assertGreaterEqual(len(counts), 4, "each end of both connections")
        for path in counts:
            events = records(Path(path))[1:]
            frames = [event["data"]["frame"] for event in events if event["name"] in ("http3:frame_created", "http3:frame_parsed")]
            settings = [{one["name"]: one["value"] for one in frame["settings"]} for frame in frames if frame["frame_type"] == "settings"]
            self.assertEqual(len(settings), 2, "ours and the peer's")
            for each in settings:
                self.assertEqual(each["settings_h3_datagram"], 1)
                self.assertIn("settings_max_field_section_size", each)
            (closed,) = [event["data"] for event in events if event["name"] == "quic:connection_closed"] or [{"trigger": "application"}]
            self.assertEqual(closed["trigger"], "application")

    def test_no_secrets(self):
        self.recorded(f"{self.origin.url}/small.txt")
        for log in self.qlogs.rglob("*.sqlog"):
            for event in records(log)[1:]:
                self.assertEqual(event["data"].get("stateless_reset_token", "0" * 16), "0" * 16)
                for frame in event["data"].get("frames", []):
                    self.assertNotIn("stateless_reset_token", frame)

    def test_a_tunnel_that_is_refused(self):
        logs = self.recorded("--via-http", "h3", "--via", self.hop.url, "https://192.0.2.1/", expect=1)
        (hop,) = [log for title, log in logs.items() if title.startswith("hop 1")]
        self.assertTrue(any(field.get("name") == ":status" and field["value"] != "200" for event in hop[1:]
                            for field in event["data"].get("frame", {}).get("headers", []) if event["name"] == "http3:frame_parsed"))
        check_qlogs(self.qlogs)

    def test_a_server_that_starts_anew(self):
        """Its stateless reset ends the connection, and is on record; that its port was closed meanwhile, as ICMP says, does not."""
        secret = self.lab.folder / "secret"
        run("sh", "-c", f"head -c 32 /dev/urandom > {secret}; chmod 600 {secret}")
        flags = ("--files", self.site, "--secret-file", secret)
        with open(self.site / "huge.bin", "wb") as sparse:
            sparse.truncate(64 << 30)  # more than comes before the server is gone
        self.addCleanup((self.site / "huge.bin").unlink)
        server = self.lab.gateway(*flags, name="first")
        folder = self.qlogs / "reset"
        target = self.downloads / "huge"
        command = [SALLYPORT, "get", "--no-cache", "--quiet", "--ca", self.cert, "--http", "h3", "--limit-rate", "20M", "-o", target, "--qlog", folder,
                   f"{server.url}/huge.bin"]
        child = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
        part = Path(f"{target}.part")
        harness.wait_until(lambda: part.exists() and part.stat().st_size > 0, "it has begun")
        before = datagrams_to_closed_ports()
        os.kill(server.pid, signal.SIGKILL)
        server.child.wait()
        harness.wait_until(lambda: datagrams_to_closed_ports() > before, "the client hears that nobody is there")
        self.assertIsNone(child.poll(), "it goes on")
        self.lab.gateway(*flags, listen=f"127.0.0.1:{server.port}", name="second")
        child.communicate(timeout=harness.PATIENCE)
        self.assertEqual(child.returncode, 1)
        (log,) = folder.glob("*.sqlog")
        events = records(log)
        self.assertEqual([event["data"]["trigger"] for event in events if event.get("name") == "quic:connection_closed"], ["stateless_reset"])
        self.assertEqual([event["data"]["header"]["packet_type"] for event in events if event.get("name") == "quic:packet_received"][-1],
                         "stateless_reset")

    def test_quiches_data_model_reads_them(self):
        self.recorded("--via-http", "h3", "--via", self.hop.url, f"{self.origin.url}/large.bin")
        reader = peers.rust_program("qlogreader")
        for log in self.qlogs.rglob("*.sqlog"):
            done = run(reader, log)
            self.assertEqual(done.returncode, 0, done.stderr)
            read = json.loads(done.stdout)
            header, *events = records(log)
            self.assertEqual((read["title"], read["vantage"]["type"]), (header["title"], header["trace"]["vantage_point"]["type"]))
            self.assertEqual(sum(read["typed"].values()) + sum(read["untyped"].values()), len(events), "nothing was left out")
            self.assertLessEqual(set(read["untyped"]), UNTYPED)
            if log.parent.name != self._testMethodName:
                continue  # another test's, and perhaps of a connection that was never established
            self.assertGreater(read["typed"]["quic:packet_sent"], 2)
            self.assertIn("settings_h3_datagram", {setting["name"] for setting in read["settings"]})

    def test_faults_are_found(self):
        """The comparison would notice."""
        self.recorded(f"{self.origin.url}/small.txt")
        log = next((self.qlogs / "test_faults_are_found").glob("*.sqlog"))
        good = log.read_text()
        folder = self.lab.folder / "faulty"
        folder.mkdir()
        (folder / "faulty_client.sqlog").write_text(good)
        check_qlogs(folder)
        for old, new in (('"packet_type":"1RTT"', '"packet_type":"1rtt"'), ('"settings":[', '"settings":[{"name":"H3_DATAGRAM","value":1},'),
                         ('"trigger":"application"', '"trigger":"bored"'), ('"quic:packet_sent"', '"quic:packet_posted"'),
                         ('"stream_type":"control"', '"stream_type":"control","surplus":1')):
            self.assertIn(old, good)
            (folder / "faulty_client.sqlog").write_text(good.replace(old, new, 1))
            with self.assertRaises(AssertionError, msg=new):
                check_qlogs(folder)
        (folder / "faulty_client.sqlog").unlink()

    def test_what_the_other_tests_recorded(self):
        if harness.QLOGS is not None:
            check_qlogs(Path(harness.QLOGS))

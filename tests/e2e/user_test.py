"""--user: root opens the ports and devices, and then every thread of the gateway is another user's. Needs root."""

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

import harness
from harness import PATIENCE, SALLYPORT, Lab, Namespace

USER, GROUP = "nobody", "daemon"
NONE = "0" * 16


def rights(pid):
    """What the threads of a process may do: a set with one entry, where they all may the same."""
    wanted = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs")
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        found.add(tuple((name, " ".join(lines[name].split())) for name in wanted))
    return found


def dropped(user=USER, group=GROUP):
    uid, gid = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    return {(("Uid", f"{uid} {uid} {uid} {uid}"), ("Gid", f"{gid} {gid} {gid} {gid}"), ("Groups", str(gid)), ("CapInh", NONE), ("CapPrm", NONE),
             ("CapEff", NONE), ("CapAmb", NONE), ("NoNewPrivs", "1"))}


class UserCase(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            raise harness.Missing("only root can start a gateway with --user")
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        # Where that user gets to, unlike the lab.
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.give(self.folder)
        cert, key = self.lab.certificate("127.0.0.1", "10.89.0.1")
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        shutil.copy(cert, self.cert)
        shutil.copy(key, self.key)
        self.key.chmod(0o600)
        self.give(self.cert, self.key)

    def give(self, *paths):
        for path in paths:
            shutil.chown(path, USER, GROUP)

    def gateway(self, *flags, user=f"{USER}:{GROUP}", **options):
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        (site / "file").write_text("hello")
        with contextlib.suppress(FileExistsError):
            (site / "link").symlink_to("file")
        ready = self.folder / f"ready-{len(self.lab.processes)}"
        process = self.lab.start([SALLYPORT, "gateway", "--listen", options.get("listen", "127.0.0.1:0"), "--cert", self.cert, "--key", self.key,
                                  "--files", site, "--workers", "2", "--ready-file", ready, "--user", user, *flags], "gateway")
        process.port = int(harness.wait_for_ready(process, ready).rsplit(":", 1)[1])
        process.ready = ready
        return process

    def get(self, gateway, path, version="h3", *flags, host="127.0.0.1"):
        done = harness.finish([*self.lab.prefix, SALLYPORT, "get", "--quiet", "--no-cache", "--ca", self.cert, "--http", version, "-o", "-",
                               *flags, f"https://{host}:{gateway.port}{path}"])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def owner(self, path):
        return path.stat().st_uid, path.stat().st_gid


class Dropped(UserCase):
    def test_in_every_thread(self):
        gateway = self.gateway("--listen-http", "127.0.0.1:0", "--masque", "udp,tcp")
        for version in ("h3", "h2", "h1"):
            self.assertEqual(self.get(gateway, "/file", version), "hello")
        self.assertEqual(self.get(gateway, "/link"), "hello")
        self.assertGreater(len(list(Path(f"/proc/{gateway.pid}/task").iterdir())), 3, "workers, and readers of files")
        self.assertEqual(rights(gateway.pid), dropped())
        self.assertIn("running as nobody:daemon, without privileges", gateway.log_path.read_text())

    def test_with_the_users_own_group(self):
        gateway = self.gateway(user=USER)
        self.assertEqual(rights(gateway.pid), dropped(group=grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name))

    def test_what_it_makes_is_the_users(self):
        folder = self.folder
        gateway = self.gateway("--access-log", folder / "access.log", "--keylog", folder / "keys", "--qlog", folder / "qlog", "--admin",
                               f"unix:{folder}/admin")
        self.get(gateway, "/file")
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(folder / "admin"))
            admin.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            page = b"".join(iter(lambda: admin.recv(65536), b""))
        self.assertIn(b"sallyport_process_open_descriptors ", page)
        harness.wait_until(lambda: list((folder / "qlog").iterdir()) and (folder / "access.log").read_text(), "all is recorded")
        own = (pwd.getpwnam(USER).pw_uid, grp.getgrnam(GROUP).gr_gid)
        for path in (folder / "access.log", folder / "keys", folder / "qlog", *(folder / "qlog").iterdir(), folder / "admin", gateway.ready):
            self.assertEqual(self.owner(path), own, path)
        self.assertEqual(rights(gateway.pid), dropped())
        self.assertEqual(gateway.stop(), 0)
        self.assertFalse(gateway.ready.exists())
        self.assertFalse((folder / "admin").exists())

    def test_its_signals(self):
        log = self.folder / "access.log"
        gateway = self.gateway("--access-log", log)
        old = self.cert.read_text()
        for path, flag in ((self.cert, "--cert"), (self.key, "--key")):
            path.unlink()
        harness.run(SALLYPORT, "cert", "self-signed", "127.0.0.1", "--cert", self.cert, "--key", self.key)
        self.give(self.cert, self.key)
        gateway.child.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: "was reloaded" in gateway.log_path.read_text(), "the certificate was reloaded")
        self.assertNotEqual(self.cert.read_text(), old)
        self.assertEqual(self.get(gateway, "/file"), "hello", "with the new one")
        log.rename(self.folder / "access.log.1")
        gateway.child.send_signal(signal.SIGUSR1)
        harness.wait_until(log.exists, "the log was reopened")
        self.get(gateway, "/file")
        harness.wait_until(log.read_text, "it is used")
        self.assertEqual(self.owner(log)[0], pwd.getpwnam(USER).pw_uid)

    def test_the_secret_may_be_roots(self):
        secret = self.folder / "secret"
        secret.write_bytes(bytes(range(32)))
        secret.chmod(0o600)
        self.assertEqual(self.get(self.gateway("--secret-file", secret), "/file"), "hello")

    def test_standard_output_as_access_log(self):
        gateway = self.gateway("--access-log", "-")
        self.get(gateway, "/file")
        harness.wait_until(lambda: '"path":"/file"' in gateway.log_path.read_text(), "it is logged")


class InANamespace(UserCase):
    def setUp(self):
        super().setUp()
        self.lab.namespace = Namespace()

    def test_ports_below_1024(self):
        gateway = self.gateway("--listen-http", "127.0.0.1:80", "--admin", "127.0.0.1:81", listen="127.0.0.1:443")
        for version in ("h3", "h2"):
            self.assertEqual(self.get(gateway, "/file", version), "hello")
        self.assertEqual(rights(gateway.pid), dropped())

    def test_connect_ip_with_its_device_and_rules(self):
        """Nothing of it needs a capability later: the kernel removes both with the process."""
        gateway = self.gateway("--masque", "ip", "--ip-pool", "10.89.0.0/24", "--ip-nat", "--ip-device", "sally0", "--allow", "10.89.0.1",
                               "--open-proxy", listen="0.0.0.0:443")
        prefix = self.lab.prefix
        self.assertIn("sallyport-sally0", harness.run(*prefix, "nft", "list", "tables"))
        self.assertIn("10.89.0.1", harness.run(*prefix, "ip", "address", "show", "sally0"))
        # In a tunnel to the gateway's own site, through the device and back.
        self.assertEqual(self.get(gateway, "/file", "h3", "--via", f"https://127.0.0.1:{gateway.port}", "--mode", "ip", host="10.89.0.1"), "hello")
        self.assertEqual(rights(gateway.pid), dropped())
        self.assertEqual(gateway.stop(), 0)
        self.assertEqual(harness.run(*prefix, "nft", "list", "tables"), "")
        self.assertNotIn("sally0", harness.run(*prefix, "ip", "link"))


class Refused(UserCase):
    def words(self, *flags, user=f"{USER}:{GROUP}", check=False, **options):
        files = [] if "--files" in flags else ["--files", self.folder]
        command = [SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--cert", self.cert, "--key", self.key, *files, "--user", user, *flags]
        done = subprocess.run([*map(str, command), *(["--check"] if check else [])], capture_output=True, text=True, timeout=PATIENCE, **options)
        return done.returncode, done.stdout + done.stderr

    def test_who_is_not_there(self):
        for user, sentence in (("no-such-user", "--user: there is no user 'no-such-user'"), ("nobody:no-such-group", "--user: there is no group 'no-such-group'"),
                               ("root", "--user: 'root' is root and would keep its privileges; name another user"),
                               (":daemon", "--user: ':daemon' names no user; write it as NAME or NAME:GROUP")):
            for check in (True, False):
                status, words = self.words(user=user, check=check)
                self.assertEqual((status, words), (2, f"sallyport: {sentence}\n"))

    def test_not_by_root(self):
        shutil.copy(SALLYPORT, program := self.folder / "sallyport")
        program.chmod(0o755)
        done = subprocess.run([program, "gateway", "--self-signed", "localhost", "--listen", "127.0.0.1:0", "--files", self.folder, "--user", "daemon"],
                              capture_output=True, text=True, timeout=PATIENCE, user=USER, group=GROUP, extra_groups=[])
        self.assertEqual((done.returncode, done.stderr), (2, "sallyport: --user daemon is for a gateway that root starts, which this one is not; leave it out, or "
                                                             "start it as root\n"))

    def test_what_the_user_cannot_read_or_write(self):
        """At the start, not at the first renewal."""
        private = self.folder / "private"
        private.mkdir(0o700)
        (private / "tokens").write_text("alice token-of-alice-01\n")
        shutil.copy(self.key, private / "key.pem")
        whose = "; it is for the user nobody (--user), who has to have access\n"
        cases = {("--cert", self.cert, "--key", private / "key.pem"): f"cannot read {private}/key.pem: Permission denied",
                 ("--masque", "tcp", "--token-file", private / "tokens"): f"--token-file: cannot read {private}/tokens: Permission denied",
                 ("--admin", "127.0.0.1:0", "--admin-token-file", private / "tokens"): f"--admin-token-file: cannot read {private}/tokens: Permission denied",
                 ("--files", private): f"cannot serve --files {private}: Permission denied",
                 ("--access-log", private / "log"): f"--access-log {private}/log cannot be opened for appending: Permission denied",
                 ("--keylog", private / "keys"): f"--keylog: cannot open the TLS key log {private}/keys: Permission denied",
                 ("--qlog", private): f"--qlog: cannot write qlogs to the folder {private}: Permission denied",
                 ("--ready-file", private / "ready"): f"--ready-file: cannot write {private}/ready: Permission denied",
                 ("--admin", f"unix:{private}/admin"): f"--admin unix: cannot listen on {private}/admin: Permission denied"}
        for flags, sentence in cases.items():
            for check in (True, False):
                with self.subTest(flags=flags, check=check):
                    status, words = self.words(*flags, check=check)
                    self.assertEqual(status, 1, words)
                    self.assertIn(sentence, words)
                    self.assertTrue(words.endswith(whose), words)

    def test_check_tells_of_it(self):
        status, words = self.words(check=True)
        self.assertEqual(status, 0, words)
        self.assertIn("runs as nobody:daemon, without privileges, once it listens\n", words)


if __name__ == "__main__":
    unittest.main()

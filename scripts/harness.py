"""What the demo, the benchmarks and the tests that run the built program share: processes with their CPU and memory, gateways
that say when they listen, a network namespace with Ethernet's MTU. Standard library only."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SALLYPORT = Path(os.environ.get("SALLYPORT", ROOT / "build" / "sallyport"))
GIB = 1 << 30
BUILD = ROOT / "build"
# Where the qlogs of tests are kept for tests/interop/qlog_test.py, which compares them with the schema; None: they go with their lab.
QLOGS = os.environ.get("SALLYPORT_QLOGS")
# Seconds after which a program that should have ended hangs; the longest ones take a tenth of it.
PATIENCE = 300

# The background jobs of a script have SIGINT ignored, those of nohup SIGHUP, and so would the programs that are started here and respect that.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


class Failure(Exception):
    """Said to the person as one sentence."""


class Missing(Failure, unittest.SkipTest):
    """Something of others that is not on this machine and could be: a test that needs it is skipped, anything else fails by it."""


class Namespace:
    """A network namespace of its own whose loopback has Ethernet's MTU; needs root. `suffix` tells several of one process apart."""

    def __init__(self, mtu=1500, suffix=""):
        self.name = f"sallyport-{os.getpid()}{suffix}"
        # Not 'ip netns exec', which mounts a /sys as well and so does not work in a changed root.
        self.prefix = ["nsenter", f"--net=/run/netns/{self.name}"]
        try:
            run("ip", "netns", "add", self.name)
            run(*self.prefix, "ip", "link", "set", "lo", "mtu", str(mtu), "up")
        except Failure as why:
            self.close()
            raise Missing(f"no network namespace can be made here ({why})") from None

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, stderr=subprocess.DEVNULL)


def sanitized():
    """Whether the program under test was built with AddressSanitizer."""
    return "asan" in SALLYPORT.parts


def missing(program):
    if Path(program) == SALLYPORT:
        return f"'{SALLYPORT}' is not there; scripts/build makes it"
    return f"'{program}' is not installed; scripts/setup --all installs it"


def finish(command, timeout=PATIENCE, **options):
    """Runs to the end, whatever that is; a Failure when the program is not there or does not end. Standard output and error as text."""
    command = [str(c) for c in command]
    try:
        return subprocess.run(command, **{"capture_output": True, "text": True, "errors": "replace", "timeout": timeout, **options})
    except FileNotFoundError:
        raise Failure(missing(command[0])) from None
    except subprocess.TimeoutExpired:
        raise Failure(f"'{' '.join(command)}' was stopped after {timeout} s") from None


def run(*command, **options):
    """Runs to the end; a Failure with the command's own last words when it does not end well."""
    done = finish(command, **options)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Failure(f"'{' '.join(str(c) for c in command)}' ended with status {done.returncode}: {words[-1] if words else 'no output'}")
    return done.stdout


class Process:
    """A program that runs in the background, with what it used."""

    def __init__(self, command, prefix=(), log=None, env=None):
        self.command = [str(c) for c in command]
        self.log_path = Path(log) if log else None
        self.log = open(log, "wb") if log else subprocess.DEVNULL
        try:
            self.child = subprocess.Popen([*prefix, *self.command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                          env={**os.environ, **(env or {})})
        except FileNotFoundError:
            raise Failure(missing(self.command[0])) from None
        self.pid = self.child.pid
        self.workers = [self.pid]  # the processes that do the work, where that is not the one started

    def cpu_seconds(self):
        """User and system time so far, of all threads."""
        ticks = 0
        for pid in self.workers:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_kib(self, which="VmHWM"):
        lines = [line for pid in self.workers for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith(which + ":"))

    def alive(self):
        return self.child.poll() is None

    def last_words(self):
        if not self.log_path or not self.log_path.exists():
            return ""
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def stop(self, patience=5):
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.log_path:
            self.log.close()
        return self.child.returncode


class Lab:
    """A folder for a run's files (in build/lab: /tmp is often memory, and too small), and all processes started in it; leaving it stops them."""

    def __init__(self, namespace=None):
        parent = BUILD / "lab"
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=parent))
        self.namespace = namespace
        self.processes = []
        self.count = 0
        self.keeps_qlogs = QLOGS is not None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        if self.namespace:
            self.namespace.close()
        if self.keeps_qlogs:
            Path(QLOGS).mkdir(parents=True, exist_ok=True)
            for path in self.folder.rglob("*.sqlog"):
                shutil.move(path, Path(QLOGS) / f"{self.folder.name}-{path.name}")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def prefix(self):
        return self.namespace.prefix if self.namespace else []

    def start(self, command, name=None, env=None):
        self.count += 1
        process = Process(command, self.prefix, self.folder / f"{name or 'process'}-{self.count}.log", env)
        self.processes.append(process)
        return process

    def certificate(self, *names):
        """A self-signed certificate; returns the paths of certificate and key."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        if not cert.exists():
            run(SALLYPORT, "cert", "self-signed", *(names or ("localhost", "127.0.0.1", "::1")), "--cert", cert, "--key", key)
        return cert, key

    def gateway(self, *flags, listen="127.0.0.1:0", name="gateway", certificate=None, program=SALLYPORT):
        """A `sallyport gateway` that listens; its .port is the one it took, .admin that of its admin pages over TCP. `certificate`: files of a certificate and its key, for another one
        than the lab's. `program`: another build."""
        cert, key = certificate or self.certificate()
        self.count += 1
        ready = self.folder / f"ready-{self.count}"
        process = self.start([program, "gateway", "--listen", listen, "--cert", cert, "--key", key,
                              "--ready-file", ready, *flags], name)
        process.port = int(wait_for_ready(process, ready).rsplit(":", 1)[1])
        process.url = f"https://127.0.0.1:{process.port}"
        admin = re.search(r"admin pages on http://\S*:(\d+)/metrics", process.log_path.read_text())
        process.admin = int(admin[1]) if admin else None
        return process

    def get_json(self, *arguments, expect=0, watch=False):
        """Runs `sallyport get --json`; returns its figures. `watch` lets a person at a terminal see its progress bar."""
        watch = watch and sys.stderr.isatty()
        command = [*self.prefix, SALLYPORT, "get", "--json", *([] if watch else ["--quiet"]), "--no-cache",
                   "--ca", self.certificate()[0], *arguments]
        done = finish(command, capture_output=False, stdout=subprocess.PIPE, stderr=None if watch else subprocess.PIPE)
        if done.returncode != expect:
            words = "see above" if watch else done.stderr.strip() or "no words"
            raise Failure(f"'sallyport get' ended with status {done.returncode}: {words}")
        return json.loads(done.stdout)


def wait_for_ready(process, path, patience=PATIENCE):
    """The first line of the file that a gateway writes when it listens."""
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), "it was ready", patience, process)
    return path.read_text().splitlines()[0]


def wait_until(holds, what, patience=PATIENCE, process=None):
    """Looks again and again until holds() is true; a Failure that says `what` did not come about, at once when `process` ended."""
    end = time.monotonic() + patience
    while not holds():
        if process and not process.alive():
            raise Failure(f"'{' '.join(process.command[:3])}' ended before {what}: {process.last_words() or 'no words'}")
        if time.monotonic() > end:
            raise Failure(f"it did not come about within {patience} s that {what}")
        time.sleep(0.01)


def wait_for_port(port, udp=False, patience=PATIENCE, prefix=(), process=None):
    """Waits until something listens on this port of the loopback."""
    command = [*prefix, "ss", "-ulnH" if udp else "-tlnH", "sport", "=", f":{port}"]
    wait_until(lambda: run(*command).strip(), f"something listened on port {port}", patience, process)


def need_room(folder, size, what):
    """A Failure where `folder`'s disk has not got `size` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Failure(f"{what} need {size / GIB:.1f} GiB under {folder}, where {free / GIB:.1f} GiB are free")


def make_file(path, size):
    """A file of `size` bytes that no compression and no cache of zeros can cheat on; the same for everybody."""
    command = f"head -c {size} /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000"
    with open(path, "wb") as out:
        done = finish(["sh", "-c", command], capture_output=False, stdout=out, stderr=subprocess.PIPE)
    if done.returncode != 0 or path.stat().st_size != size:
        words = done.stderr.strip().splitlines()
        raise Failure(f"a file of {size / GIB:.2g} GiB could not be made as {path}: {words[-1] if words else 'the disk is full'}")


def sha256(path):
    return run("sha256sum", path).split()[0]


def table(rows, head):
    """Lines of a table whose columns are as wide as they need; numbers to the right."""
    cells = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for row in cells:
        lines.append("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def main(work, name=Path(sys.argv[0]).name):
    """Runs `work`, and turns a Failure into one sentence and exit status 1; what it started is stopped however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(work() or 0)
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

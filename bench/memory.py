"""Memory of the gateway for each idle HTTP/3 connection and each idle CONNECT-UDP tunnel, beside gtlsserver."""

import subprocess
import time
from contextlib import contextmanager

import harness
import peers
from figures import goal
from harness import ROOT

CONNECTIONS = 1000
TUNNELS = 2000
SETTLE = 5  # seconds in which nothing happens any more; all of it ends within gtlsserver's idle timeout of 30 s


@contextmanager
def idle_clients(lab, server, *flags):
    """Clients that do nothing while the block runs."""
    command = [*lab.prefix, ROOT / "build" / "bench" / "idle_clients", "-k", "--via", server.url, *flags]
    child = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if child.stdout.readline().strip() != "ready":
            raise harness.Failure("the idle clients were not ready")
        time.sleep(SETTLE)
        yield
        if child.poll() is not None:
            raise harness.Failure("the idle clients were not left alone")
    finally:
        child.stdin.close()
        child.wait()


def grown(lab, server, count, flag):
    """KiB by which a fresh server grew for each of `count` more, while as many were there before: those paid for what is made once."""
    with idle_clients(lab, server, flag, str(count)):
        before = server.memory_kib("VmRSS")
        with idle_clients(lab, server, flag, str(count)):
            after = server.memory_kib("VmRSS")
    server.stop()
    return (after - before) / count


def measure(lab, arguments):
    site = lab.folder / "site"
    site.mkdir()

    def ours():
        return lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1", "--max-tunnels", "100000", "--idle-timeout", "300")

    connection = grown(lab, ours(), CONNECTIONS, "--connections")
    tunnel = grown(lab, ours(), TUNNELS, "--tunnels")
    gtls = grown(lab, peers.gtlsserver(lab, site), CONNECTIONS, "--connections")
    print(f"  idle connection: {connection:.1f} KiB (gtlsserver: {gtls:.1f} KiB); idle tunnel: {tunnel:.1f} KiB, its share of a connection included")
    return {"connection_kib": connection, "tunnel_kib": tunnel, "gtlsserver_connection_kib": gtls,
            "goals": [goal("idle HTTP/3 connection, KiB", connection, 18), goal("idle tunnel, KiB", tunnel, 10)]}

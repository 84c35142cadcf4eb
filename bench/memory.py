"""Memory of the gateway for each idle connection and each idle CONNECT-UDP tunnel, beside gtlsserver and nginx."""

import subprocess
import time
from contextlib import contextmanager

import harness
import peers
from figures import goal, interleave, median, show
from harness import BUILD

CONNECTIONS = 1000
TUNNELS = 2000
SETTLE = 5  # seconds in which nothing happens any more; all of it ends within gtlsserver's idle timeout of 30 s


@contextmanager
def idle_clients(lab, server, *flags, settle):
    """Clients that do nothing while the block runs, which begins after `settle` seconds of it."""
    command = [*lab.prefix, BUILD / "bench" / "idle_clients", "-k", "--via", server.url, *flags]
    child = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if child.stdout.readline().strip() != "ready":
            raise harness.Failure("the idle clients were not ready")
        time.sleep(settle)
        yield
        if child.poll() is not None:
            raise harness.Failure("the idle clients were not left alone")
    finally:
        child.stdin.close()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def grown(lab, start, count, *flags, settle=SETTLE):
    """KiB by which a fresh server grew for each of `count` more, while as many were there before: those paid for what is made once."""
    def once():
        server = start()
        with idle_clients(lab, server, *flags, str(count), settle=settle):
            before = server.memory_kib("VmRSS")
            with idle_clients(lab, server, *flags, str(count), settle=settle):
                after = server.memory_kib("VmRSS")
        server.stop()
        return {"kib": (after - before) / count}
    return once


def measure(lab, arguments):
    site = lab.folder / "site"
    site.mkdir()

    def ours():
        return lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1", "--max-tunnels", "100000", "--idle-timeout", "300")

    results = interleave(max(2, arguments.repeat // 2), {
        "HTTP/3 connection, ours": grown(lab, ours, CONNECTIONS, "--connections"),
        "HTTP/3 connection, gtlsserver": grown(lab, lambda: peers.gtlsserver(lab, site), CONNECTIONS, "--connections"),
        "HTTP/2 connection, ours": grown(lab, ours, CONNECTIONS, "--via-http", "h2", "--connections"),
        "HTTP/2 connection, nginx": grown(lab, lambda: peers.nginx(lab, site), CONNECTIONS, "--via-http", "h2", "--connections"),
        "CONNECT-UDP tunnel, ours": grown(lab, ours, TUNNELS, "--tunnels"),
    }, warm=False)
    show(results, [("KiB", "kib", 1)], "idle")
    print("  of a tunnel: its share of a connection included")
    return {"runs": results, "goals": [
        goal("idle HTTP/3 connection, KiB", median(results["HTTP/3 connection, ours"], "kib"), 18),
        goal("idle tunnel, KiB", median(results["CONNECT-UDP tunnel, ours"], "kib"), 10),
    ]}

"""Memory of the gateway for each idle HTTP/3 connection and each idle CONNECT-UDP tunnel, beside gtlsserver."""

import subprocess

import harness
import peers
from figures import goal
from harness import ROOT

CONNECTIONS = 1000
TUNNELS = 2000


def grown(lab, server, *flags):
    """KiB by which the server grew while the clients were held, twice: the first round pays for what is made once."""
    sizes = []
    for _ in range(2):
        before = server.memory_kib("VmRSS")
        command = [*lab.prefix, ROOT / "build" / "bench" / "idle_clients", "-k", "--via", server.url, "--keep-alive", "10", *flags]
        child = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if child.stdout.readline().strip() != "ready":
            raise harness.Failure("the idle clients were not ready")
        sizes.append(server.memory_kib("VmRSS") - before)
        if len(sizes) == 2:
            break
        held = child
    for process in (child, held):
        process.stdin.close()
        process.wait()
    return sizes[1]


def measure(lab, arguments):
    site = lab.folder / "site"
    site.mkdir()
    ours = lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1", "--max-tunnels", "100000", "--idle-timeout", "300")
    connection = grown(lab, ours, "--connections", str(CONNECTIONS)) / CONNECTIONS
    tunnel = grown(lab, ours, "--tunnels", str(TUNNELS)) / TUNNELS
    theirs = peers.gtlsserver(lab, site)
    gtls = grown(lab, theirs, "--connections", str(CONNECTIONS)) / CONNECTIONS
    print(f"  idle connection: {connection:.1f} KiB (gtlsserver: {gtls:.1f} KiB); idle tunnel: {tunnel:.1f} KiB, its share of a connection included")
    return {"connection_kib": connection, "tunnel_kib": tunnel, "gtlsserver_connection_kib": gtls,
            "goals": [goal("idle HTTP/3 connection, KiB", connection, 18), goal("idle tunnel, KiB", tunnel, 10)]}

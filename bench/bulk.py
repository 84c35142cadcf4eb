"""One large file: our server and client against ngtcp2's gtlsserver and gtlsclient, in all four pairings."""

import time

import harness
import peers
from figures import goal, interleave, ratio, show
from harness import GIB, SALLYPORT


def measure(lab, arguments):
    size = int(arguments.size * GIB)
    site = lab.folder / "site"
    site.mkdir()
    harness.make_file(site / "file.bin", size)
    ours = lab.gateway("--files", site, "--workers", "1")
    theirs = peers.gtlsserver(lab, site)

    def get(server):
        return [SALLYPORT, "get", "--no-cache", "-k", "--http", "h3", "--quiet", "-o", "/dev/null", f"{server.url}/file.bin"]

    def pairing(server, command):
        def once():
            before, began = server.cpu_seconds(), time.monotonic()
            client, _ = peers.measured(command, lab.prefix)
            took = time.monotonic() - began
            return {"server": (server.cpu_seconds() - before) * GIB / size, "client": client * GIB / size, "mbps": size * 8e-6 / took}
        return once

    results = interleave(arguments.repeat, {
        "gateway + get": pairing(ours, get(ours)),
        "gateway + gtlsclient": pairing(ours, peers.gtlsclient_command(ours.url + "/file.bin")),
        "gtlsserver + get": pairing(theirs, get(theirs)),
        "gtlsserver + gtlsclient": pairing(theirs, peers.gtlsclient_command(theirs.url + "/file.bin")),
    })
    show(results, [("server CPU-s/GiB", "server", 2), ("client CPU-s/GiB", "client", 2), ("Mbit/s", "mbps", 0)])
    goals = [
        goal("file server, CPU of gtlsserver's (gtlsclient asking)", ratio(results["gateway + gtlsclient"], results["gtlsserver + gtlsclient"], "server"), 0.9),
        goal("file server, CPU of gtlsserver's (get asking)", ratio(results["gateway + get"], results["gtlsserver + get"], "server"), 0.9),
        goal("get, CPU of gtlsclient's (gtlsserver serving)", ratio(results["gtlsserver + get"], results["gtlsserver + gtlsclient"], "client"), 0.9),
        goal("get, CPU of gtlsclient's (gateway serving)", ratio(results["gateway + get"], results["gateway + gtlsclient"], "client"), 0.9),
    ]
    return {"runs": results, "goals": goals}

"""Small requests and handshakes: ours beside gtlsserver over HTTP/3 and Debian's nginx over HTTP/2."""

import json
import re
import time

import harness
import peers
from figures import goal, interleave, ratio, show
from harness import GIB, SALLYPORT

REQUESTS_H3 = 200_000
REQUESTS_H2 = 200_000
HANDSHAKES = 2_000
BULK_H2 = 40


def measure(lab, arguments):
    site = lab.folder / "site"
    site.mkdir()
    harness.make_file(site / "1k", 1024)
    harness.make_file(site / "bulk", 64 << 20)
    ours = lab.gateway("--files", site, "--workers", "1")
    theirs = peers.gtlsserver(lab, site)
    nginx = peers.nginx(lab, site)
    servers = {"ours": ([ours.pid], ours.url), "gtlsserver": ([theirs.pid], theirs.url), "nginx": (nginx.workers, nginx.url)}

    def load(name, *flags, per, unit):
        """`sallyport bench` against a server; its CPU for each `per` of `unit`."""
        pids, url = servers[name]

        def once():
            before = peers.cpu_of(pids)
            _, out = peers.finish([SALLYPORT, "bench", "-k", "--json", *flags, f"{url}/1k"], lab.prefix)
            figures = json.loads(out)
            count = figures[unit]
            return {"cpu": (peers.cpu_of(pids) - before) * per / count, "rate": count / figures["seconds"], "p99": figures["latency"]["p99_ms"]}
        return once

    def h2load(name, path, requests, streams, size):
        pids, url = servers[name]

        def once():
            before, began = peers.cpu_of(pids), time.monotonic()
            _, out = peers.finish([peers.tool("h2load"), "-n", requests, "-c", 16 if size <= 1024 else 1, "-m", streams, "-w", "24", "-W", "24", f"{url}/{path}"], lab.prefix)
            done = int(re.search(r"(\d+) succeeded", out).group(1))
            if done != requests:
                raise harness.Failure(f"h2load got {done} of {requests} answers from {name}")
            used = peers.cpu_of(pids) - before
            return {"cpu": used * (1e5 / requests if size <= 1024 else GIB / (requests * size)), "rate": requests / (time.monotonic() - began)}
        return once

    results = interleave(arguments.repeat, {
        "h3 1 KiB, ours": load("ours", "--http", "h3", "-c", "16", "-m", "16", "-n", str(REQUESTS_H3), per=1e5, unit="requests"),
        "h3 1 KiB, gtlsserver": load("gtlsserver", "--http", "h3", "-c", "16", "-m", "16", "-n", str(REQUESTS_H3), per=1e5, unit="requests"),
        "handshake, ours": load("ours", "--http", "h3", "-c", "8", "--new-connections", "-n", str(HANDSHAKES), per=1e3, unit="connections"),
        "handshake, gtlsserver": load("gtlsserver", "--http", "h3", "-c", "8", "--new-connections", "-n", str(HANDSHAKES), per=1e3, unit="connections"),
        "h2 1 KiB, ours": h2load("ours", "1k", REQUESTS_H2, 16, 1024),
        "h2 1 KiB, nginx": h2load("nginx", "1k", REQUESTS_H2, 16, 1024),
        "h2 bulk, ours": h2load("ours", "bulk", BULK_H2, 1, 64 << 20),
        "h2 bulk, nginx": h2load("nginx", "bulk", BULK_H2, 1, 64 << 20),
    })
    show(results, [("server CPU", "cpu", 3), ("a second", "rate", 0), ("p99 ms", "p99", 1)])
    print("  server CPU: seconds for 100,000 requests; milliseconds for a handshake; seconds for a GiB of bulk")
    return {"runs": results, "goals": [
        goal("1 KiB over HTTP/3, CPU of gtlsserver's", ratio(results, "h3 1 KiB, ours", "h3 1 KiB, gtlsserver", "cpu"), 1.0),
        goal("handshake and a request, CPU of gtlsserver's", ratio(results, "handshake, ours", "handshake, gtlsserver", "cpu"), 0.9),
        goal("1 KiB over HTTP/2, CPU of nginx's", ratio(results, "h2 1 KiB, ours", "h2 1 KiB, nginx", "cpu"), 1.0),
        goal("bulk over HTTP/2, CPU of nginx's", ratio(results, "h2 bulk, ours", "h2 bulk, nginx", "cpu"), 1.0),
    ]}

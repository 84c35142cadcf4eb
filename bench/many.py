"""Ordinary traffic: small requests, many connections, slow ones, and datagrams one by one; see bench/README.md."""

import json
import time

import harness
import many_hops
import memory
import peers
from figures import goal, interleave, measure_parts, median, ratio, show
from harness import GIB, SALLYPORT
from servers import bench, gateways, h2load, makers

MIB = 1 << 20


def site_of(lab, name, **files):
    site = lab.folder / f"site-{name}"
    site.mkdir()
    for file, size in files.items():
        harness.make_file(site / file, size)
    return site


def small(lab, arguments):
    """1 KiB files and handshakes."""
    site = site_of(lab, "small", **{"1k": 1024})
    ours = gateways(lab, arguments, "--files", site)
    h3 = {**ours, "gtlsserver": peers.gtlsserver(lab, site)}
    h2 = {**ours, "nginx": peers.nginx(lab, site)}
    shapes = {"1x1": (20_000, 1, 1), "16x16": (200_000, 16, 16), "256x1": (50_000, 256, 1)}
    cases = {f"h3 {shape}, {name}": bench(lab, server, count, 1e5, "--http", "h3", "-c", c, "-m", m)
             for shape, (count, c, m) in shapes.items() for name, server in h3.items()}
    cases |= {f"h2 {shape}, {name}": h2load(lab, server, count, c, m, 1e5)
              for shape, (count, c, m) in shapes.items() if shape != "1x1" for name, server in h2.items()}
    cases |= {f"{version} handshake, {name}": bench(lab, server, 2000, 1e3, "--http", version, "-c", 8, "--new-connections")
              for version, servers in (("h3", h3), ("h2", h2)) for name, server in servers.items()}
    results = interleave(arguments.repeat, cases)
    show(results, [("server CPU", "server", 3), ("client CPU", "client", 3), ("a second", "rate", 0), ("p50 us", "p50", 0)])
    print("  CPU: seconds for 100,000 requests, milliseconds for a handshake and its request; connections x requests at once")

    def against(what, other):
        return ratio(results[f"{what}, ours"], results[f"{what}, {other}"], "server")

    return results, [
        goal("1 KiB over HTTP/3, one at a time, CPU of gtlsserver's", against("h3 1x1", "gtlsserver"), 0.8),
        goal("1 KiB over HTTP/3, 16x16, CPU of gtlsserver's", against("h3 16x16", "gtlsserver"), 0.95),
        goal("1 KiB over HTTP/2, 16x16, CPU of nginx's", against("h2 16x16", "nginx"), 0.24),
        goal("1 KiB over HTTP/2, 256x1, CPU of nginx's", against("h2 256x1", "nginx"), 0.7),
        goal("handshake and a request over HTTP/3, CPU of gtlsserver's", against("h3 handshake", "gtlsserver"), 0.7),
        goal("handshake and a request over HTTP/2, CPU of nginx's", against("h2 handshake", "nginx"), 0.65)]


def idle(lab, arguments):
    """Memory of idle HTTP/2 connections."""
    site = site_of(lab, "idle")

    def ours():
        return lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1", "--idle-timeout", "300")

    results = interleave(max(2, arguments.repeat // 2), {
        "HTTP/2 connection, ours": memory.grown(lab, ours, memory.CONNECTIONS, "--via-http", "h2", "--connections"),
        "HTTP/2 connection, nginx": memory.grown(lab, lambda: peers.nginx(lab, site), memory.CONNECTIONS, "--via-http", "h2", "--connections")}, warm=False)
    show(results, [("KiB", "kib", 1)], "idle")
    return results, [goal("idle HTTP/2 connection, KiB", median(results["HTTP/2 connection, ours"], "kib"), 8)]


def fresh(lab, arguments, site):
    """Name -> a function that starts a server of its own for one measurement."""
    return {**makers(lab, arguments, "--files", site), "gtlsserver": lambda: peers.gtlsserver(lab, site)}


def slow(lab, arguments):
    """500 downloads that share 500 Mbit/s: memory and CPU time of the server."""
    readers, seconds = 500, 8
    site = site_of(lab, "slow", large=256 * MIB)
    harness.run(*lab.prefix, "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "500mbit", "burst", "256k", "latency", "50ms")

    def case(start):
        def once():
            server = start()
            before = server.memory_kib("VmRSS")
            _, out = peers.measured([SALLYPORT, "bench", "-k", "--json", "--http", "h3", "-c", str(readers), "-t", str(seconds), f"{server.url}/large"], lab.prefix)
            gib = json.loads(out)["bytes"] / GIB
            figures = {"kib": (server.memory_kib("VmHWM") - before) / readers, "server": server.cpu_seconds() / gib, "mbps": gib * 8 * 1024 * 1.073741824 / seconds}
            server.stop()
            return figures
        return once

    try:
        results = interleave(arguments.repeat, {f"{readers} slow readers, {name}": case(start) for name, start in fresh(lab, arguments, site).items()}, warm=False)
    finally:
        harness.run(*lab.prefix, "tc", "qdisc", "del", "dev", "lo", "root")
    show(results, [("KiB each, at most", "kib", 0), ("server CPU-s/GiB", "server", 2), ("Mbit/s", "mbps", 0)], "slow")
    ours = results[f"{readers} slow readers, ours"]
    return results, [goal("slow reader, KiB", median(ours, "kib"), 100),
                     goal("slow readers, CPU-s/GiB of gtlsserver's", ratio(ours, results[f"{readers} slow readers, gtlsserver"], "server"), 0.6)]


def downloads(lab, arguments):
    """Downloads of 10 MiB, all at once: the server's memory, and what it costs."""
    site = site_of(lab, "downloads", ten=10 * MIB)

    def case(start, count, connections):
        def once():
            server = start()
            _, out = peers.measured([SALLYPORT, "bench", "-k", "--json", "--http", "h3", "-c", str(connections), "-n", str(count), f"{server.url}/ten"], lab.prefix)
            figures = json.loads(out)
            peak = server.memory_kib("VmHWM") / 1024
            cpu = server.cpu_seconds() / (figures["bytes"] / GIB)
            time.sleep(4)  # in which memory goes back
            after = server.memory_kib("VmRSS") / 1024
            server.stop()
            return {"peak": peak, "after": after, "server": cpu, "errors": len(figures["errors"])}
        return once

    makers = fresh(lab, arguments, site)
    results = interleave(max(2, arguments.repeat // 2), {f"{count} downloads, {connections} at once, {name}": case(start, count, connections)
                                                         for count, connections in ((100, 10), (400, 100), (250, 250), (1000, 1000))
                                                         for name, start in makers.items() if name != "gtlsserver" or connections <= 250}, warm=False)
    show(results, [("peak MiB", "peak", 0), ("MiB after", "after", 0), ("server CPU-s/GiB", "server", 2), ("kinds of errors", "errors", 0)], "10 MiB")
    thousand = results["1000 downloads, 1000 at once, ours"]
    return results, [
        goal("1,000 downloads at once, MiB", median(thousand, "peak"), 200),
        goal("and a few seconds later, MiB", median(thousand, "after"), 60),
        goal("kinds of errors among them", median(thousand, "errors"), 0),
        goal("CPU-s/GiB at 100 connections, of that at 10",
             median(results["400 downloads, 100 at once, ours"], "server") / median(results["100 downloads, 10 at once, ours"], "server"), 1.4)]


PARTS = {"small": small, "idle": idle, "slow": slow, "downloads": downloads, "paced": many_hops.paced, "downlink": many_hops.downlink,
         "flood": many_hops.flood, "latency": many_hops.latency, "connect": many_hops.connect}


def measure(lab, arguments):
    def one(part):
        done = part(lab, arguments)
        for process in reversed(lab.processes):  # those of one part do not stay beside the next
            process.stop()
        lab.processes.clear()
        return done
    return measure_parts("many", PARTS, arguments.parts, one)

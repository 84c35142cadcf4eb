"""What scripts/bench many measures of hops: datagrams that come one by one, from many connections and to many, and what waits behind a flood."""

import json
import subprocess

import harness
import peers
from figures import goal, interleave, median, ratio, show
from harness import BUILD, GIB, SALLYPORT
from servers import gateways

RATE = 20_000  # datagrams a second, each sent when it is due
SECONDS = 2
TUNNELS = 100


class Relay:
    """bench/udp_relay.cpp in front of a port that the sender of the datagrams will have."""

    def __init__(self, lab):
        self.target = peers.free_port()
        self.child = subprocess.Popen([*lab.prefix, str(BUILD / "bench" / "udp_relay"), f"127.0.0.1:{self.target}"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())
        self.words = ["--relay", self.port, "--target-port", self.target]
        self.pid, self.workers = self.child.pid, [self.child.pid]

    cpu_seconds = harness.Process.cpu_seconds

    def stop(self):
        self.child.stdin.close()
        self.child.wait(30)


def datagrams(lab, hop, *flags):
    """One run of udp_bench through a hop, with what each received datagram cost it in microseconds of CPU time."""
    words = hop.words if isinstance(hop, Relay) else ["-k", "--via", hop.url]

    def once():
        before = hop.cpu_seconds()
        _, out = peers.measured([BUILD / "bench" / "udp_bench", *map(str, words), *map(str, flags)], lab.prefix)
        figures = json.loads(out.strip().splitlines()[-1])
        return {**figures, "hop": (hop.cpu_seconds() - before) * 1e6 / max(figures["received"], 1), "kpps": figures["datagrams_per_s"] / 1e3,
                "lost": figures["loss"] * 100}
    return once


def paced(lab, arguments):
    """What a datagram costs a hop where no two come together."""
    hops = {**gateways(lab, arguments, "--masque", "udp", "--allow", "127.0.0.0/8"), "bare relay": Relay(lab), "Envoy": peers.envoy_hop(lab)}
    fixed = ["--rate", RATE, "--seconds", SECONDS]
    ways = {"up": [], "down": ["--direction", "down"], f"up, {TUNNELS} connections": ["--connections", TUNNELS]}
    results = interleave(arguments.repeat, {f"{way}, {name}": datagrams(lab, hop, *fixed, *flags) for way, flags in ways.items() for name, hop in hops.items()})
    show(results, [("hop, CPU us each", "hop", 2), ("lost %", "lost", 2)], f"{RATE} a second")
    hops["bare relay"].stop()
    goals = []
    for way, limit in zip(ways, (0.6, 0.55, 0.5)):
        if "before" in hops:
            goals.append(goal(f"{way}, of the program's before", ratio(results[f"{way}, ours"], results[f"{way}, before"], "hop"), limit))
    return results, goals


def downlink(lab, arguments):
    """The highest rate down of many tunnels, each on a connection of its own, and what is lost at 100,000 a second."""
    hops = gateways(lab, arguments, "--masque", "udp", "--allow", "127.0.0.0/8")
    many = ["--direction", "down", "--connections", TUNNELS, "--seconds", "0.5"]
    results = interleave(arguments.repeat, {f"{size} bytes, {name}": datagrams(lab, hop, *many, "--size", size) for size in (1200, 200)
                                            for name, hop in hops.items()})
    show(results, [("kpps under 1% loss", "kpps", 0)], f"{TUNNELS} tunnels, down")
    fixed = interleave(arguments.repeat, {f"{size} bytes, {name}": datagrams(lab, hop, *many, "--size", size, "--rate", 100_000) for size in (1200, 200)
                                          for name, hop in hops.items()})
    show(fixed, [("lost %", "lost", 2), ("hop, CPU us each", "hop", 2)], "100,000 a second")
    goals = [goal(f"lost at 100,000 a second, {size} bytes, %", median(fixed[f"{size} bytes, ours"], "lost"), 0.01) for size in (1200, 200)]
    for size, limit in ((1200, 1.5), (200, 4)):
        if "before" in hops:
            goals.append(goal(f"highest rate, {size} bytes, of the program's before",
                              ratio(results[f"{size} bytes, ours"], results[f"{size} bytes, before"], "kpps"), limit, at_most=False))
    return {**results, **{f"{name}, at 100,000": runs for name, runs in fixed.items()}}, goals


def flood(lab, arguments):
    """What a tunnel that is flooded adds to the round trips of another one of its connection."""
    hops = gateways(lab, arguments, "--masque", "udp", "--allow", "127.0.0.0/8")
    results = interleave(arguments.repeat, {f"{what}, {name}": datagrams(lab, hop, "--direction", "ping", "--seconds", SECONDS, *flags)
                                            for what, flags in {"idle": [], "flooded": ["--flood"]}.items() for name, hop in hops.items()})
    show(results, [("p50 us", "p50_us", 0), ("p99 us", "p99_us", 0)], "round trips")
    added = (median(results["flooded, ours"], "p50_us") - median(results["idle, ours"], "p50_us")) / 1e3
    return results, [goal("added by a flood beside it, ms", added, 20)]


def latency(lab, arguments):
    """A file of 1 KiB, one request at a time, directly and through an idle hop."""
    site = lab.folder / "site-latency"
    site.mkdir()
    harness.make_file(site / "1k", 1024)
    origin = lab.gateway("--files", site, "--workers", "1")
    hops = gateways(lab, arguments, "--masque", "udp", "--allow", "127.0.0.0/8")

    def case(*flags):
        def once():
            figures = json.loads(peers.measured([SALLYPORT, "bench", "-k", "--json", "--http", "h3", "-n", "5000", *flags, f"{origin.url}/1k"], lab.prefix)[1])
            return {"p50": figures["latency"]["p50_ms"] * 1e3, "p99": figures["latency"]["p99_ms"] * 1e3}
        return once

    results = interleave(arguments.repeat, {"direct": case(), **{f"a hop, {name}": case("--via", hop.url) for name, hop in hops.items()}})
    show(results, [("p50 us", "p50", 0), ("p99 us", "p99", 0)], "1 KiB")
    added = {name: [{"added": run["p50"] - direct["p50"]} for run, direct in zip(results[f"a hop, {name}"], results["direct"])] for name in hops}
    print("  added by the hop, us: " + ", ".join(f"{name} {median(runs, 'added'):.0f}" for name, runs in added.items()))
    return results, [goal("latency that an idle hop adds, of the program's before", ratio(added["ours"], added["before"], "added"), 0.5)] if "before" in added else []


def connect(lab, arguments):
    """Bulk through CONNECT, over HTTP/2 and HTTP/1.1."""
    site = lab.folder / "site-connect"
    site.mkdir()
    size = 512 << 20
    harness.make_file(site / "bulk", size)
    origin = lab.gateway("--files", site, "--workers", "1")
    hops = {**gateways(lab, arguments, "--masque", "tcp", "--allow", "127.0.0.0/8"), "Envoy": peers.envoy_hop(lab, ("CONNECT",))}

    def case(hop, version):
        def once():
            before = hop.cpu_seconds()
            client, _ = peers.measured([SALLYPORT, "get", "-q", "-k", "--no-cache", "--mode", "tcp", "--via-http", version, "--via", hop.url, "-o", "/dev/null",
                                        f"{origin.url}/bulk"], lab.prefix)
            return {"hop": (hop.cpu_seconds() - before) * GIB / size, "client": client * GIB / size}
        return once

    results = interleave(arguments.repeat, {f"{version}, {name}": case(hop, version) for version in ("h2", "h1") for name, hop in hops.items()})
    show(results, [("hop CPU-s/GiB", "hop", 2), ("client CPU-s/GiB", "client", 2)], "CONNECT")
    return results, [goal(f"CONNECT over {version}, CPU-s/GiB of Envoy's", ratio(results[f"{version}, ours"], results[f"{version}, Envoy"], "hop"), 0.8)
                     for version in ("h2", "h1")]

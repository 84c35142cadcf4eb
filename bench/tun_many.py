"""What scripts/bench tun measures of ours alone: many hops, many devices, both modes, many clients."""

import json
import statistics

import harness
import tun
import tun_peers
from figures import goal, interleave, median, ratio, show
from harness import GIB

CLIENTS = 64
DEVICES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MOST_HOPS = 4


def pool_number(index):
    """Pools of gateways in these parts: apart from those that tunnels beside peers have."""
    return 10 + index


def hops(network, _, arguments):
    gateways = [tun_peers.gateway(network, pool_number(i)) for i in range(MOST_HOPS)]
    tunnels = [tun_peers.sallyport(network, gateways[:n]) for n in range(1, MOST_HOPS + 1)]
    results = interleave(arguments.repeat, {f"{len(t.gateways)} hop{'s' * (len(t.gateways) > 1)}": tun.tcp(network, t) for t in tunnels}, warm=False)
    show(results, tun.TCP_COLUMNS, "hops")
    for tunnel in tunnels:
        tunnel.stop()
    total = [[{"all": run["client"] + run["gateway"]} for run in runs] for runs in results.values()]
    first = median(total[0], "all")
    added = max(median(more, "all") - median(less, "all") for less, more in zip(total, total[1:]))
    return results, [goal("CPU-s/GiB that a further hop adds, of what the first cost", added / first, 1.0)]


def devices(network, _, arguments):
    if not tun_peers.can("--devices"):
        raise harness.Missing("skipped, as `sallyport tun` has no --devices")
    gateway = tun_peers.gateway(network, pool_number(10))
    tunnels = {}
    for count in DEVICES:
        number, target = network.origin()
        made = tun_peers.sallyport(network, [gateway], "--devices", str(count), origin=(number, target))
        names = [link["ifname"] for link in json.loads(harness.run(*network.near.prefix, "ip", "-j", "link")) if
                 link["ifname"].startswith(f"sp{number}")]
        if len(names) != count:
            raise harness.Failure(f"{len(names)} of {count} devices are there")
        made.devices = names
        tunnels[f"{count} device{'s' * (count > 1)}"] = made
    # One stream through each.
    results = interleave(arguments.repeat, {name: tun.tcp(network, t, devices=t.devices) for name, t in tunnels.items()}, warm=False)
    show(results, tun.TCP_COLUMNS, "devices")
    for tunnel in tunnels.values():
        tunnel.client.stop()
    gateway.stop()
    names = list(results)
    least = min(names, key=lambda name: median(results[name], "mbps"))
    return results, [goal(f"TCP with {least}, of one device's", ratio(results[least], results[names[0]], "mbps"), 0.5, at_most=False)]


def modes(network, _, arguments):
    if not tun_peers.can(r"--mode \S*\budp\b"):
        raise harness.Missing("skipped, as `sallyport tun` has no --mode udp")
    gateway = tun_peers.gateway(network, pool_number(11))
    tunnels = {mode: tun_peers.sallyport(network, [gateway], "--mode", mode) for mode in ("ip", "udp")}
    # The second mode carries UDP alone.
    results = interleave(arguments.repeat, {f"--mode {mode}": tun.udp(network, tunnel) for mode, tunnel in tunnels.items()}, warm=False)
    show(results, [("datagrams/s", "datagrams_per_s", 0), ("Mbit/s", "mbps", 0), ("client CPU-s/GiB sent", "client", 2),
                   ("gateway CPU-s/GiB sent", "gateway", 2)], "UDP, 1,200 bytes")
    for tunnel in tunnels.values():
        tunnel.client.stop()
    gateway.stop()
    return results, []


def get_modes(network, _, arguments):
    """HTTP/3 nested in CONNECT-IP without a device, beside CONNECT-UDP."""
    if not tun_peers.can(r"--mode \S*\bip\b", "get"):
        raise harness.Missing("skipped, as `sallyport get` has no --mode ip")
    _, address = network.origin()
    site = network.far.folder / "site"
    site.mkdir()
    harness.make_file(site / "file.bin", int(arguments.size * GIB / 4))
    certificate = network.far.certificate("localhost", "127.0.0.1", tun_peers.FAR)
    origin = network.far.gateway("--files", site, "--workers", "1", listen=f"{address}:0", name="origin", certificate=certificate)
    gateway = tun_peers.gateway(network, pool_number(12))

    def through(mode):
        def once():
            done = harness.run(*network.near.prefix, harness.SALLYPORT, "get", "--json", "--quiet", "--no-cache", "-k", "--http", "h3", "--via", gateway.url,
                               "--mode", mode, "-o", "/dev/null", "--resolve", f"localhost:{origin.port}:{address}",
                               f"https://localhost:{origin.port}/file.bin")
            figures = json.loads(done)
            return {"mbps": figures["transfers"][0]["goodput_mbps"], "client": figures["process"]["cpu_s_per_gib"]}
        return once

    results = interleave(arguments.repeat, {f"--mode {mode}": through(mode) for mode in ("udp", "ip")}, warm=False)
    show(results, [("Mbit/s", "mbps", 0), ("get CPU-s/GiB", "client", 2)], "get")
    gateway.stop()
    origin.stop()
    return results, [
        goal("get --mode ip, goodput of --mode udp's", ratio(results["--mode ip"], results["--mode udp"], "mbps"), 0.8, at_most=False)]


def clients(network, _, arguments):
    gateway = tun_peers.gateway(network, pool_number(13))
    tunnels = [tun_peers.sallyport(network, [gateway]) for _ in range(CLIENTS)]

    def all_at_once():
        # Windows grow, and the clients find their share, before anything counts.
        words = ["--seconds", 4, "--warm-up", 3, *(tunnel.target for tunnel in tunnels)]
        before = gateway.cpu_seconds()
        runs = [tun.traffic(network, *words), tun.traffic(network, "--down", *words)]
        used = gateway.cpu_seconds() - before
        unfair = max(max(abs(each - statistics.mean(run["each"])) for each in run["each"]) / statistics.mean(run["each"]) for run in runs)
        return {"mbps": statistics.mean(run["mbps"] for run in runs), "unfair": 100 * unfair, "up": runs[0]["mbps"], "down": runs[1]["mbps"],
                "least": min(min(run["each"]) for run in runs), "most": max(max(run["each"]) for run in runs),
                "gateway": used * GIB / sum(run["bytes"] for run in runs)}

    results = interleave(arguments.repeat, {"one client": tun.tcp(network, tunnels[0]), f"{CLIENTS} clients": all_at_once}, warm=False)
    show(results, [("Mbit/s", "mbps", 0), ("up", "up", 0), ("down", "down", 0), ("gateway CPU-s/GiB", "gateway", 2)], "clients")
    many = results[f"{CLIENTS} clients"]
    show({f"{CLIENTS} clients": many}, [("least, Mbit/s", "least", 1), ("most", "most", 1), ("furthest from the mean, %", "unfair", 1)], "fairness")
    for tunnel in tunnels:
        tunnel.client.stop()
    gateway.stop()
    return results, [
        goal(f"a client's rate, furthest from the mean of {CLIENTS}, %", median(many, "unfair"), 20),
        goal(f"rate of {CLIENTS} clients, of one's", ratio(many, results["one client"], "mbps"), 0.9, at_most=False)]

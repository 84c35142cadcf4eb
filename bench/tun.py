"""`sallyport tun` through a gateway beside other tunnels in user space, between two namespaces that a veth with MTU 1500 joins."""

import json
import re
import statistics

import harness
import memory
import peers
import tun_many
import tun_peers
from figures import goal, interleave, measure_parts, median, ratio, show
from harness import BUILD, GIB

OURS, ANCHOR = "sallyport", "wireguard-go"
IP_SETTLE = 12  # seconds: a tunnel looks at the MTU of its path 10 s after it was opened
TCP_COLUMNS = [("Mbit/s", "mbps", 0), ("up", "up", 0), ("down", "down", 0), ("client CPU-s/GiB", "client", 2), ("gateways CPU-s/GiB", "gateway", 2),
               ("client MiB", "rss", 0)]


def traffic(network, *flags):
    command = [BUILD / "bench" / "tun_traffic", "--near", network.near.namespace.name, "--far", network.far.namespace.name, *flags]
    return json.loads(harness.run(*command))


def measured(tunnel, work):
    """What `work` returns, a list of figures, and the CPU time of the tunnel's client and gateways for each GiB of it."""
    before = [p.cpu_seconds() for p in (tunnel.client, *tunnel.gateways)]
    figures = work()
    used = [p.cpu_seconds() - b for p, b in zip((tunnel.client, *tunnel.gateways), before)]
    gib = sum(each["bytes"] for each in figures) / GIB
    return figures, {"client": used[0] / gib, "gateway": sum(used[1:]) / gib, "rss": tunnel.client.memory_kib() / 1024}


def tcp(network, tunnel, streams=1, seconds=1.5, devices=()):
    """Half of the time in each direction."""
    words = ["--streams", streams, "--seconds", seconds, *(word for device in devices for word in ("--device", device)), tunnel.target]

    def once():
        (up, down), used = measured(tunnel, lambda: [traffic(network, *words), traffic(network, "--down", *words)])
        return {"mbps": (up["mbps"] + down["mbps"]) / 2, "up": up["mbps"], "down": down["mbps"], **used}
    return once


def udp(network, tunnel):
    def once():
        (figures,), used = measured(tunnel, lambda: [traffic(network, "--udp", "--seconds", 0.4, tunnel.target)])
        return {**figures, **used}
    return once


def ping(network, address):
    """The median round trip, in milliseconds, of a hundred."""
    def once():
        out = harness.run(*network.near.prefix, peers.tool("ping"), "-n", "-c", "100", "-i", "0.01", address)
        return {"ms": statistics.median(float(each) for each in re.findall(r"time=([\d.]+) ms", out))}
    return once


def best(results, key):
    """The peer with the highest median."""
    return max((name for name in results if name != OURS and results[name]), key=lambda name: median(results[name], key), default=None)


def over_best(what, results, key, limit):
    name = best(results, key)
    return [goal(f"{what}, times {name}'s", ratio(results[OURS], results[name], key), limit, at_most=False)] if name else []


def with_and_without_offloads(network, tunnels, arguments):
    results = interleave(arguments.repeat, {name: tcp(network, tunnel) for name, tunnel in tunnels.items()})
    show(results, TCP_COLUMNS, "TCP, one stream")
    eight = interleave(arguments.repeat, {name: tcp(network, tunnel, 8) for name, tunnel in tunnels.items()}, warm=False)
    show(eight, TCP_COLUMNS, "TCP, eight streams")
    network.set_offloads(False)
    try:
        off = interleave(arguments.repeat, {name: tcp(network, tunnel) for name, tunnel in tunnels.items()}, warm=False)
    finally:
        network.set_offloads(True)
    show(off, TCP_COLUMNS, "the veth's offloads off")
    goals = []
    if ANCHOR in tunnels:
        goals += [goal(f"TCP, times {ANCHOR}'s", ratio(results[OURS], results[ANCHOR], "mbps"), 2.0, at_most=False),
                  goal(f"client's CPU, of {ANCHOR}'s", ratio(results[OURS], results[ANCHOR], "client"), 0.5),
                  goal(f"gateway's CPU, of {ANCHOR}'s", ratio(results[OURS], results[ANCHOR], "gateway"), 0.5)]
    goals += over_best("TCP", results, "mbps", 1.0)
    goals += over_best("TCP with the offloads off", off, "mbps", 1.5)
    goals += [goal("TCP, eight streams' rate of one's", ratio(eight[OURS], results[OURS], "mbps"), 1.0, at_most=False),
              goal("memory of the client at full rate, MiB", max(run["rss"] for run in results[OURS] + eight[OURS]), 64)]
    return {"one stream": results, "eight streams": eight, "offloads off": off}, goals


def single_datagrams(network, tunnels, arguments):
    results = interleave(arguments.repeat, {name: udp(network, tunnel) for name, tunnel in tunnels.items()}, warm=False)
    show(results, [("datagrams/s", "datagrams_per_s", 0), ("Mbit/s", "mbps", 0), ("client CPU-s/GiB sent", "client", 2),
                   ("gateway CPU-s/GiB sent", "gateway", 2)], "UDP, 1,200 bytes")
    return results, over_best("UDP", results, "mbps", 1.5)


def round_trips(network, tunnels, arguments):
    cases = {"direct": ping(network, tun_peers.FAR), **{name: ping(network, tunnel.target) for name, tunnel in tunnels.items()}}
    results = interleave(arguments.repeat, cases)
    added = {name: [{"added": run["ms"] - direct["ms"]} for run, direct in zip(runs, results["direct"])]
             for name, runs in results.items() if name != "direct"}
    show({name: [{**run, **more} for run, more in zip(runs, added.get(name, [{}] * len(runs)))] for name, runs in results.items()},
         [("ms", "ms", 3), ("added", "added", 3)], "ping")
    least = min((name for name in added if name != OURS), key=lambda name: median(added[name], "added"), default=None)
    goals = [goal(f"ping, added, of what {least} adds", ratio(added[OURS], added[least], "added"), 1.0)] if least else []
    return results, goals


def idle_memory(network, _, arguments):
    """What an idle client costs the gateway, which is a fresh one each time."""
    def fresh():
        return network.far.gateway("--masque", "ip", "--ip-pool", "10.90.0.0/16", "--workers", "1", "--max-tunnels", "100000", "--idle-timeout", "300")

    results = interleave(max(2, arguments.repeat // 2), {"CONNECT-IP client": memory.grown(network.far, fresh, 500, "--ip-tunnels", settle=IP_SETTLE)}, warm=False)
    show(results, [("KiB", "kib", 1)], "idle")
    return results, [goal("idle CONNECT-IP client, KiB of the gateway's", median(results["CONNECT-IP client"], "kib"), 40)]


# Those of ours alone come last: a hundred clients in a namespace slow all others' routing.
PARTS = {"tcp": with_and_without_offloads, "udp": single_datagrams, "ping": round_trips, "memory": idle_memory, "hops": tun_many.hops,
         "devices": tun_many.devices, "modes": tun_many.modes, "get": tun_many.get_modes, "clients": tun_many.clients}
WITH_PEERS = {"tcp", "udp", "ping"}


def measure(lab, arguments):
    with tun_peers.Network(lab) as network:
        tunnels = {}
        if not arguments.parts or WITH_PEERS & set(arguments.parts):
            tunnels = {OURS: tun_peers.sallyport(network, [tun_peers.gateway(network, 1)]), **tun_peers.all_peers(network)}
        return measure_parts("tun", PARTS, arguments.parts, lambda part: part(network, tunnels, arguments))

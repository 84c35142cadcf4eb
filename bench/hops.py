"""One large file through hops: ours 0 to 4, and Envoy as one and two hops with the same client, origin and size of file."""

import harness
import peers
from figures import goal, interleave, median, ratio, show
from harness import GIB


def measure(lab, arguments):
    size = int(arguments.size * GIB)
    small = size // 4  # Envoy takes its time
    site = lab.folder / "site"
    site.mkdir()
    harness.make_file(site / "file.bin", size)
    harness.make_file(site / "small.bin", small)
    origin = peers.gtlsserver(lab, site)
    ours = [lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1", name=f"hop{i + 1}") for i in range(4)]
    envoys = [peers.envoy_hop(lab) for _ in range(2)]

    def through(hops, name, length):
        via = [word for hop in hops for word in ("--via", hop.url)]

        def once():
            before = [p.cpu_seconds() for p in [origin, *hops]]
            figures = lab.get_json("--http", "h3", "-o", "/dev/null", *via, f"{origin.url}/{name}")
            used = [(p.cpu_seconds() - b) * GIB / length for p, b in zip([origin, *hops], before)]
            return {"mbps": figures["transfers"][0]["goodput_mbps"], "client": figures["process"]["cpu_s_per_gib"], "origin": used[0],
                    "hops": sum(used[1:]), "hop1": used[1] if hops else 0.0,
                    "rss": max([h.memory_kib() for h in hops], default=0) / 1024, "client_rss": figures["process"]["max_resident_kib"] / 1024}
        return once

    cases = {f"{n} hops" if n != 1 else "1 hop": through(ours[:n], "file.bin", size) for n in range(5)}
    # Envoy beside ours with the same file: handshakes, path MTU search and slow start weigh more in a small one.
    cases["1 hop, a quarter"] = through(ours[:1], "small.bin", small)
    cases["1 hop Envoy, a quarter"] = through(envoys[:1], "small.bin", small)
    cases["2 hops, a quarter"] = through(ours[:2], "small.bin", small)
    cases["2 hops Envoy, a quarter"] = through(envoys, "small.bin", small)
    results = interleave(arguments.repeat, cases)
    show(results, [("Mbit/s", "mbps", 0), ("get CPU-s/GiB", "client", 2), ("origin CPU-s/GiB", "origin", 2), ("all hops CPU-s/GiB", "hops", 2),
                   ("nearest hop", "hop1", 2), ("hop MiB", "rss", 0), ("get MiB", "client_rss", 0)])
    one, ours_small, envoy_small = results["1 hop"], results["1 hop, a quarter"], results["1 hop Envoy, a quarter"]
    goals = [
        goal("hop, CPU of gtlsserver's beside it", ratio(one, one, "hop1", "origin"), 1.0),
        goal("hop, CPU of Envoy's", ratio(ours_small, envoy_small, "hop1"), 1 / 12),
        goal("goodput through 1 hop, times Envoy's", ratio(ours_small, envoy_small, "mbps"), 4.0, at_most=False),
        goal("memory of the hop, MiB", median(one, "rss"), 64),
        goal("memory of the client, MiB", median(one, "client_rss"), 64),
    ]
    return {"runs": results, "goals": goals}

"""Raw UDP of 1,200 bytes through one hop, the highest rate under 1% loss: ours and Envoy."""

import json

import peers
from figures import goal, interleave, ratio, show
from harness import BUILD, GIB


def measure(lab, arguments):
    ours = lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1")
    envoy = peers.envoy_hop(lab)

    def through(hop):
        def once():
            before = hop.cpu_seconds()
            client, words = peers.measured([BUILD / "bench" / "udp_bench", "-k", "--via", hop.url, "--seconds", "0.5", "--burst", "64"], lab.prefix)
            figures = json.loads(words.strip().splitlines()[-1])
            # Of all that was sent in the search, what was lost included.
            gib = figures["bytes_sent"] / GIB
            return {**figures, "hop": (hop.cpu_seconds() - before) / gib, "client": client / gib}
        return once

    results = interleave(arguments.repeat, {"sallyport": through(ours), "Envoy": through(envoy)})
    show(results, [("datagrams/s", "datagrams_per_s", 0), ("Mbit/s", "mbps", 0), ("hop CPU-s/GiB sent", "hop", 2), ("client CPU-s/GiB sent", "client", 2)],
         "hop")
    return {"runs": results, "goals": [goal("highest rate, times Envoy's", ratio(results["sallyport"], results["Envoy"], "mbps"), 5.0, at_most=False)]}

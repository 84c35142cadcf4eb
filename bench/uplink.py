"""Raw UDP of 1,200 bytes through one hop, the highest rate under 1% loss: ours and Envoy."""

import json

import peers
from figures import goal, interleave, ratio, show
from harness import ROOT


def measure(lab, arguments):
    ours = lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--workers", "1")
    envoy = peers.envoy_hop(lab)

    def through(hop):
        def once():
            command = [ROOT / "build" / "bench" / "udp_uplink", "-k", "--via", hop.url, "--seconds", "0.5"]
            return json.loads(peers.finish(command, lab.prefix)[1].strip().splitlines()[-1])
        return once

    results = interleave(max(2, arguments.repeat // 2), {"sallyport": through(ours), "Envoy": through(envoy)})
    show(results, [("datagrams/s", "datagrams_per_s", 0), ("Mbit/s", "mbps", 0)], "hop")
    return {"runs": results, "goals": [goal("highest rate, times Envoy's", ratio(results, "sallyport", "Envoy", "mbps"), 5.0, at_most=False)]}

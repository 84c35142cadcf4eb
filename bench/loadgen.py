"""`sallyport bench` beside the load generators of others on the same server: h2load over HTTP/2, gtlsclient over HTTP/3."""

import json
import re
import time

import harness
import peers
from figures import interleave, ratio, show
from harness import SALLYPORT

REQUESTS = 100_000
ONE_CONNECTION = 20_000  # gtlsclient has one connection


def measure(lab, arguments):
    site = lab.folder / "site"
    site.mkdir()
    harness.make_file(site / "1k", 1024)
    server = lab.gateway("--files", site, "--workers", "1")
    url = f"{server.url}/1k"

    def case(command, count, figures):
        """`figures` reads (requests a second, mean latency in ms) from the tool's output, or from how long it took."""
        def once():
            before, began = server.cpu_seconds(), time.monotonic()
            client, out = peers.measured(command, lab.prefix)
            rate, mean = figures(out, time.monotonic() - began)
            return {"rate": rate, **({"mean": mean} if mean is not None else {}), "client": client * 1e5 / count,
                    "server": (server.cpu_seconds() - before) * 1e5 / count}
        return once

    def ours(out, _):
        figures = json.loads(out)
        return figures["requests_per_s"], figures["latency"]["mean_ms"]

    def h2load(out, _):
        mean, unit = re.search(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms|s)", out).groups()
        return float(re.search(r"finished in .*, ([\d.]+) req/s", out).group(1)), float(mean) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]

    def bench(http, count, connections, streams):
        return [SALLYPORT, "bench", "-k", "--json", "--http", http, "-n", count, "-c", connections, "-m", streams, url]

    results = interleave(arguments.repeat, {
        "h2, bench": case(bench("h2", REQUESTS, 4, 16), REQUESTS, ours),
        "h2, h2load": case([peers.tool("h2load"), "-n", REQUESTS, "-c", 4, "-m", 16, url], REQUESTS, h2load),
        "h3, bench": case(bench("h3", ONE_CONNECTION, 1, 100), ONE_CONNECTION, ours),
        "h3, gtlsclient": case(peers.gtlsclient_command(url, streams=ONE_CONNECTION), ONE_CONNECTION, lambda _, took: (ONE_CONNECTION / took, None)),
    })
    show(results, [("requests/s", "rate", 0), ("mean ms", "mean", 3), ("client CPU-s/100k", "client", 3), ("server CPU-s/100k", "server", 3)])
    ratios = {f"{what} over {http}": ratio(results[f"{http}, bench"], results[f"{http}, {other}"], key)
              for http, other in (("h2", "h2load"), ("h3", "gtlsclient")) for what, key in (("requests/s", "rate"), ("client CPU", "client"))}
    for name, value in ratios.items():
        print(f"  bench's part of theirs, {name}: {value:.2f}")
    return {"runs": results, "ratios": ratios, "goals": []}

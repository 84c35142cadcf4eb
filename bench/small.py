"""Small requests and handshakes: ours beside gtlsserver over HTTP/3 and Debian's nginx over HTTP/2."""

import harness
import peers
from figures import goal, interleave, ratio, show
from harness import GIB
from servers import bench, h2load

REQUESTS = 200_000
HANDSHAKES = 2_000
BULK, BULK_SIZE = 40, 64 << 20


def measure(lab, arguments):
    site = lab.folder / "site"
    site.mkdir()
    harness.make_file(site / "1k", 1024)
    harness.make_file(site / "bulk", BULK_SIZE)
    servers = {"ours": lab.gateway("--files", site, "--workers", "1"), "gtlsserver": peers.gtlsserver(lab, site), "nginx": peers.nginx(lab, site)}

    def small(name, http):
        return bench(lab, servers[name], REQUESTS, 1e5, "--http", http, "-c", 16, "-m", 16)

    def handshakes(name, http):
        return bench(lab, servers[name], HANDSHAKES, 1e3, "--http", http, "-c", 8, "--new-connections")

    def load(name, path, count, connections, streams, per):
        return h2load(lab, servers[name], count, connections, streams, per, "-w", 24, "-W", 24, path=path)

    results = interleave(arguments.repeat, {
        **{f"h3 1 KiB, {name}": small(name, "h3") for name in ("ours", "gtlsserver")},
        **{f"h3 handshake, {name}": handshakes(name, "h3") for name in ("ours", "gtlsserver")},
        **{f"h2 1 KiB, {name}": load(name, "1k", REQUESTS, 16, 16, 1e5) for name in ("ours", "nginx")},
        **{f"h2 handshake, {name}": handshakes(name, "h2") for name in ("ours", "nginx")},
        **{f"h2 bulk, {name}": load(name, "bulk", BULK, 1, 1, GIB / BULK_SIZE) for name in ("ours", "nginx")},
    })
    show(results, [("server CPU", "server", 3), ("client CPU", "client", 3), ("a second", "rate", 0), ("p99 ms", "p99", 1)])
    print("  CPU: seconds for 100,000 requests; milliseconds for a handshake and its request; seconds for a GiB of bulk")

    def against(what, other):
        return ratio(results[f"{what}, ours"], results[f"{what}, {other}"], "server")

    return {"runs": results, "goals": [
        goal("1 KiB over HTTP/3, CPU of gtlsserver's", against("h3 1 KiB", "gtlsserver"), 1.0),
        goal("handshake and a request over HTTP/3, CPU of gtlsserver's", against("h3 handshake", "gtlsserver"), 0.9),
        goal("1 KiB over HTTP/2, CPU of nginx's", against("h2 1 KiB", "nginx"), 1.0),
        goal("handshake and a request over HTTP/2, CPU of nginx's", against("h2 handshake", "nginx"), 1.0),
        goal("bulk over HTTP/2, CPU of nginx's", against("h2 bulk", "nginx"), 1.0),
    ]}

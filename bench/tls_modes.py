"""What TLS costs a gateway of ours: ended there (a backend without TLS), or bridged to a backend over HTTP/1.1, HTTP/2 or HTTP/3."""

import harness
import ingress_peers
import peers
from figures import interleave, measure_parts, median, show
from harness import GIB
from ingress_peers import BULK, IDLE, KILO, on, pinned
from servers import bench

FRONTS = {"h3": (16, 16), "h2": (16, 16), "h1": (64, 1)}  # connections, requests at once on each
BULK_SIZE = 64 << 20
TERMINATED = "http"
RATE = 1000  # requests a second, far from what any of them can do


class Scene:
    """A gateway for each backend, all on one processor; backends and load on the other."""

    def __init__(self, lab, arguments):
        self.lab, self.arguments = lab, arguments
        self.load, self.proxy = ingress_peers.processors()
        self.site = ingress_peers.site(lab, BULK_SIZE)
        self.gateways = self.in_front_of({
            TERMINATED: ("http", self.nginx()),
            "https (h1)": ("https", self.nginx("ssl")),
            "https (h2)": ("https", self.nginx("ssl http2")),
            "h3": ("h3", self.second_gateway()),
        })

    def nginx(self, listen="", more=""):
        tls = peers.nginx_tls(self.lab) if listen else ""
        with pinned(self.load):
            return ingress_peers.backend(self.lab, self.site, listen, f"{tls} {more}")

    def second_gateway(self):
        with pinned(self.load):
            return self.lab.gateway("--files", self.site, "--workers", "1", "--idle-timeout", IDLE, "--no-tcp", name="backend")

    def in_front_of(self, backends):
        """Name -> gateway; `backends`: name -> scheme and process."""
        cert, _ = self.lab.certificate()
        with pinned(self.proxy):
            return {name: self.lab.gateway("--route", f"*={scheme}://127.0.0.1:{server.port}", *([] if scheme == "http" else ["--backend-ca", cert]),
                                           "--workers", "1", "--idle-timeout", IDLE) for name, (scheme, server) in backends.items()}

    def rows(self, what, per, *flags, count, shaped=True, path=KILO, gateways=None):
        """Figures of every backend behind every version in front; `of_http`: CPU time in parts of what the backend without TLS takes in the same round."""
        gateways = gateways or self.gateways
        shapes = {http: ("-c", shape[0], "-m", shape[1]) if shaped else () for http, shape in FRONTS.items()}
        results = interleave(self.arguments.repeat, {
            f"{http} -> {name}, {what}": on(self.load, bench(self.lab, server, count, per, "--http", http, *shapes[http], *flags, path=path))
            for http in FRONTS for name, server in gateways.items()})
        for http in FRONTS:
            base = results[f"{http} -> {TERMINATED}, {what}"]
            for name in gateways:
                for run, least in zip(results[f"{http} -> {name}, {what}"], base):
                    run["of_http"] = run["server"] / least["server"] if least["server"] else 0.0
        return results


def requests(scene):
    """1 KiB requests, as many as there can be."""
    results = scene.rows("1 KiB", 1e5, count=scene.arguments.requests)
    show(results, [("CPU-s/100k", "server", 3), ("of http's", "of_http", 2), ("a second", "rate", 0), ("p50 us", "p50", 0), ("p99 ms", "p99", 2)], "front -> backend")
    return results, []


def latency(scene):
    """1 KiB requests when they are due."""
    results = scene.rows(f"{RATE:,}/s", 1e5, "--rate", RATE, "--warm-up", 0.5, count=max(1, scene.arguments.requests // 20))
    show(results, [("p50 us", "p50", 0), ("p99 ms", "p99", 2)], "front -> backend")
    return results, []


def bulk(scene):
    """A large file over one connection."""
    results = scene.rows("bulk", GIB / BULK_SIZE, count=max(1, round(scene.arguments.size * GIB / BULK_SIZE)), shaped=False, path=BULK)
    results = {name: [{**run, "mbps": run["rate"] * BULK_SIZE * 8e-6} for run in runs] for name, runs in results.items()}
    show(results, [("CPU-s/GiB", "server", 2), ("of http's", "of_http", 2), ("Mbit/s", "mbps", 0)], "front -> backend")
    return results, []


def handshakes(scene):
    """A client's handshake and its request; the backend's connections are kept."""
    results = scene.rows("handshake", 1e3, "-c", 8, "--new-connections", count=max(8, scene.arguments.requests // 50), shaped=False)
    show(results, [("CPU ms", "server", 3), ("of http's", "of_http", 2), ("p50 us", "p50", 0), ("p99 ms", "p99", 2)], "front -> backend")
    return results, []


def backend_handshakes(scene):
    """A connection to the backend for each request, one at a time; the client's are kept. Only nginx ends connections so."""
    gateways = scene.in_front_of({TERMINATED: ("http", scene.nginx(more="keepalive_requests 1;")),
                                  "https (h1)": ("https", scene.nginx("ssl", "keepalive_requests 1;")),
                                  "https (h2)": ("https", scene.nginx("ssl http2", "keepalive_requests 1;"))})
    results = scene.rows("new backend connection", 1e3, "-c", 1, "-m", 1, count=max(8, scene.arguments.requests // 50), shaped=False, gateways=gateways)
    show(results, [("CPU ms", "server", 3), ("of http's", "of_http", 2), ("p50 us", "p50", 0), ("p99 ms", "p99", 2)], "front -> backend")
    return results, []


PARTS = {"requests": requests, "latency": latency, "bulk": bulk, "handshakes": handshakes, "backend-handshakes": backend_handshakes}


def summary(runs):
    """One row for each pair, of the medians."""
    columns = [("requests", "1 KiB", "server", "CPU-s/100k", 3), ("latency", f"{RATE:,}/s", "p50", "p50 us", 0), ("latency", f"{RATE:,}/s", "p99", "p99 ms", 2),
               ("bulk", "bulk", "server", "CPU-s/GiB", 2), ("handshakes", "handshake", "server", "handshake ms", 3),
               ("backend-handshakes", "new backend connection", "server", "backend's ms", 3)]
    columns = [column for column in columns if column[0] in runs]
    pairs = dict.fromkeys(name.rsplit(", ", 1)[0] for part in runs.values() for name in part)
    rows = [[pair, *(f"{median(runs[part][f'{pair}, {what}'], key):.{digits}f}" if f"{pair}, {what}" in runs[part] else "-"
                     for part, what, key, _, digits in columns)] for pair in pairs]
    print(harness.table(rows, ["front -> backend", *(title for *_, title, _ in columns)]), flush=True)


def measure(lab, arguments):
    scene = Scene(lab, arguments)
    results = measure_parts("tls-modes", PARTS, arguments.parts, lambda part: part(scene))
    summary(results["runs"])
    return results

"""A reverse proxy of ours beside those of others, each with one worker on a processor of its own: small requests, bulk, handshakes, memory, routes."""

import json

import debian
import harness
import ingress_peers
import memory
import peers
from figures import goal, interleave, measure_parts, median, ratio, show, unjudged
from harness import GIB, SALLYPORT
from ingress_peers import BULK, KILO, MAKERS, OURS, on, pinned, speaks
from servers import bench, h2load

VERSIONS = ("h3", "h2", "h1")
SHAPES = {"h3": (16, 16), "h2": (16, 16), "h1": (64, 1)}  # connections, requests at once on each
BULK_SIZE = 64 << 20
FEW, MANY = 10, 10_000
COLUMNS = [("CPU-s/100k", "server", 3), ("a second", "rate", 0), ("p50 us", "p50", 0), ("p99 ms", "p99", 2), ("client CPU-s/100k", "client", 3)]


class Scene:
    """All proxies that could be had, on one processor and idle but for the one that is measured, and one backend, on the other."""

    def __init__(self, lab, arguments):
        self.lab, self.arguments = lab, arguments
        self.load, self.proxy = ingress_peers.processors()
        lab.certificate("localhost", "127.0.0.1", "::1", "*.routes.test")
        self.site = ingress_peers.site(lab, BULK_SIZE)
        with pinned(self.load):
            self.backend = ingress_peers.backend(lab, self.site)
        # `missing`: what could not be measured, and why.
        self.missing, self.proxies, self.versions = {}, {}, {}
        for name in MAKERS:
            try:
                self.proxies[name] = self.start(name)
            except harness.Failure as why:
                self.leave_out(name, str(why))
                continue
            self.versions[name] = [http for http in VERSIONS if speaks(name, http) and self.answers(name, http)]
        if self.versions.get(OURS) != list(VERSIONS):
            raise harness.Failure("there is nothing to measure without a gateway of ours that answers over all versions")
        self.programs = {name: ingress_peers.version(name) for name in self.proxies}
        print("  measured: " + ", ".join(f"{name} {number}" for name, number in self.programs.items()) + "\n", flush=True)

    def leave_out(self, what, why):
        self.missing[what] = why
        print(f"  without {what}: {why}", flush=True)

    def start(self, name):
        with pinned(self.proxy):
            return MAKERS[name](self.lab, self.backend.port)

    def answers(self, name, http):
        """Whether a request over this version is answered, in a way that a client can take."""
        done = harness.finish([*self.lab.prefix, SALLYPORT, "bench", "-k", "--json", "--http", http, "-n", "1", f"{self.proxies[name].url}/{KILO}"])
        if done.returncode != 0:
            errors = json.loads(done.stdout)["errors"] if done.stdout.startswith("{") else [done.stderr.strip()]
            self.leave_out(f"{name} over {http}", f"a first request ended with: {', '.join(errors)}")
        return done.returncode == 0

    def over(self, http):
        """(name, process) of each proxy that speaks this version."""
        return [(name, server) for name, server in self.proxies.items() if http in self.versions[name]]

    def asked(self, count, per, *flags, http, **options):
        """Case name -> the case, for each proxy that speaks this version."""
        return {name: on(self.load, bench(self.lab, server, count, per, "--http", http, *flags, **options))
                for name, server in self.over(http)}

    def against(self, text, results, what, other, key, limit):
        """A goal that is a ratio to another proxy's figure in the same round."""
        mine, theirs = (results.get(f"{what}, {name}") for name in (OURS, other))
        if not theirs:
            return unjudged(text, f"{other} could not be measured")
        return goal(text, ratio(mine, theirs, key), limit)


def cases_of(by_version):
    return {f"{what}, {name}": case for what, cases in by_version.items() for name, case in cases.items()}


def small(scene):
    """1 KiB requests."""
    count = scene.arguments.requests
    results = interleave(scene.arguments.repeat, cases_of({
        f"{http} 1 KiB": scene.asked(count, 1e5, "-c", connections, "-m", streams, http=http) for http, (connections, streams) in SHAPES.items()}))
    show(results, COLUMNS)
    return results, [
        scene.against("1 KiB over HTTP/3, CPU of nginx's", results, "h3 1 KiB", "nginx", "server", 0.6),
        scene.against("1 KiB over HTTP/2, CPU of nghttpx's", results, "h2 1 KiB", "nghttpx", "server", 0.7),
        scene.against("1 KiB over HTTP/1.1, CPU of HAProxy's", results, "h1 1 KiB", "HAProxy", "server", 1.0),
        scene.against("1 KiB over HTTP/3, p99 of nginx's", results, "h3 1 KiB", "nginx", "p99", 1.0)]


def bulk(scene):
    """A large file, again and again over one connection."""
    count = max(1, round(scene.arguments.size * GIB / BULK_SIZE))
    results = interleave(scene.arguments.repeat, cases_of({
        f"{http} bulk": scene.asked(count, GIB / BULK_SIZE, http=http, path=BULK) for http in ("h3", "h2")}))
    results = {name: [{**run, "mbps": run["rate"] * BULK_SIZE * 8e-6} for run in runs] for name, runs in results.items()}
    show(results, [("CPU-s/GiB", "server", 2), ("Mbit/s", "mbps", 0), ("client CPU-s/GiB", "client", 2)])
    return results, [scene.against("bulk over HTTP/3, CPU of HAProxy's", results, "h3 bulk", "HAProxy", "server", 0.45)]


def handshakes(scene):
    """A connection of its own for each request, with a full handshake."""
    count = max(8, scene.arguments.requests // 50)
    results = interleave(scene.arguments.repeat, cases_of({
        f"{http} handshake": scene.asked(count, 1e3, "-c", 8, "--new-connections", http=http) for http in VERSIONS}))
    show(results, [("CPU ms", "server", 3), ("a second", "rate", 0), ("p50 us", "p50", 0), ("p99 ms", "p99", 2), ("client CPU ms", "client", 3)])
    return results, [scene.against("handshake and a request over HTTP/3, CPU of nghttpx's", results, "h3 handshake", "nghttpx", "server", 0.55)]


def idle(scene):
    """Memory of idle HTTP/3 connections, on a fresh proxy each time."""
    count = max(8, min(memory.CONNECTIONS, scene.arguments.requests // 100))
    results = interleave(max(2, scene.arguments.repeat // 2), {
        name: on(scene.load, memory.grown(scene.lab, lambda name=name: scene.start(name), count, "--connections"))
        for name, _ in scene.over("h3")}, warm=False)
    show(results, [("KiB", "kib", 1)], "idle HTTP/3 connection")
    return results, [goal("idle HTTP/3 connection, KiB", median(results[OURS], "kib"), 18)]


def routes(scene):
    """Many routes beside few, of ours: requests for ten of them in turn."""
    step = MANY // FEW

    def by_host(number):
        return f"h{number}.routes.test", ""

    def by_path(number):
        return "*", f"/p{number}"

    def case(made, numbers):
        to = f"http://127.0.0.1:{scene.backend.port}"
        with pinned(scene.proxy):
            server = scene.lab.gateway(*(word for number in numbers for word in ("--route", f"{''.join(made(number))}={to}")), "--workers", "1")
        asked = [made(number) for number in range(0, MANY, step)]
        server.url, *others = (f"https://{host.replace('*', '127.0.0.1')}:{server.port}{path}" for host, path in asked)
        return on(scene.load, bench(scene.lab, server, scene.arguments.requests, 1e5, "--resolve", f"*:{server.port}:127.0.0.1", "--http", "h3", "-c", 16, "-m", 16,
                                    *(f"{url}/{KILO}" for url in others)))

    few, many = range(0, MANY, step), range(MANY)
    results = interleave(scene.arguments.repeat, {f"{count:,} {what}": case(made, numbers)
                                                  for what, made in (("hosts", by_host), ("paths", by_path)) for count, numbers in ((FEW, few), (MANY, many))})
    show(results, COLUMNS, "routes")
    return results, [goal(f"CPU a request with {MANY:,} {what}, of that with {FEW}", ratio(results[f"{MANY:,} {what}"], results[f"{FEW} {what}"], "server"), 1.1)
                     for what in ("hosts", "paths")]


def others_load(scene):
    """1 KiB again, by h2load: does it see the same?"""
    try:
        program = debian.nghttp2_with_http3(ingress_peers.SUITE, "h2load")
        versions = VERSIONS
    except harness.Failure as why:
        program, versions = [peers.tool("h2load")], ("h2", "h1")
        print(f"  h2load without HTTP/3: {why}", flush=True)
    flags = {"h3": ["--h3"], "h2": [], "h1": ["--h1"]}
    results = interleave(scene.arguments.repeat, {
        f"{http} 1 KiB by h2load, {name}": on(scene.load, h2load(scene.lab, server, scene.arguments.requests, *SHAPES[http], 1e5, *flags[http], program=program))
        for http in versions for name, server in scene.over(http)})
    show(results, [("CPU-s/100k", "server", 3), ("a second", "rate", 0), ("client CPU-s/100k", "client", 3)])
    return results, []


PARTS = {"small": small, "bulk": bulk, "handshakes": handshakes, "idle": idle, "routes": routes, "h2load": others_load}


def measure(lab, arguments):
    scene = Scene(lab, arguments)
    results = measure_parts("ingress", PARTS, arguments.parts, lambda part: part(scene))
    for name, why in scene.missing.items():
        print(f"  MISSING  {name}: {why}", flush=True)
    return {**results, "missing": scene.missing, "programs": scene.programs}

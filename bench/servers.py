"""What the sections that measure servers share: gateways of this program and, with --before, of an earlier build; load by `bench` and by h2load, with the
CPU time of both sides."""

import json
import re

import harness
import peers
from harness import SALLYPORT


def makers(lab, arguments, *flags):
    """Name -> a function that starts a gateway, with one worker, as the peers have."""
    made = {"ours": lambda: lab.gateway(*flags, "--workers", "1")}
    if arguments.before:
        made["before"] = lambda: lab.gateway(*flags, "--workers", "1", program=arguments.before)
    return made


def gateways(lab, arguments, *flags):
    """Name -> process."""
    return {name: make() for name, make in makers(lab, arguments, *flags).items()}


def loaded(lab, server, command, count, per, expect):
    """A case: CPU of server and client for each `per` of `count`; `expect` looks at the client's output and returns more figures."""
    def once():
        before = server.cpu_seconds()
        client, out = peers.measured(command, lab.prefix)
        return {"server": (server.cpu_seconds() - before) * per / count, "client": client * per / count, **expect(out)}
    return once


def bench(lab, server, count, per, *flags, path="1k"):
    def expect(out):
        figures = json.loads(out)
        if figures["requests"] != count or figures["errors"]:
            raise harness.Failure(f"bench got {figures['requests']} of {count} answers from {server.url}: {figures['errors']}")
        return {"rate": count / figures["seconds"], "p50": figures["latency"]["p50_ms"] * 1e3, "p99": figures["latency"]["p99_ms"]}
    return loaded(lab, server, [SALLYPORT, "bench", "-k", "--json", "-n", count, *flags, f"{server.url}/{path}"], count, per, expect)


def h2load(lab, server, count, connections, streams, per, *flags, path="1k", program=None):
    """`program`: the command of another h2load than Debian's own."""
    def expect(out):
        done = int(re.search(r"(\d+) succeeded", out).group(1))
        if done != count:
            raise harness.Failure(f"h2load got {done} of {count} answers from {server.url}")
        return {"rate": float(re.search(r"finished in .*, ([\d.]+) req/s", out).group(1))}
    return loaded(lab, server, [*(program or [peers.tool("h2load")]), "-n", count, "-c", connections, "-m", streams, *flags, f"{server.url}/{path}"], count, per, expect)

"""Measures Sallyport beside its peers: see scripts/bench --help. Every figure is a median of interleaved repetitions, with its spread;
what counts are ratios of one run, since a shared machine's speed swings."""

import argparse
import json
import os
import resource
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "bench")]

import harness  # noqa: E402
import peers  # noqa: E402
from harness import Lab, Namespace  # noqa: E402

import bulk, hops, ingress, latency, loadgen, many, memory, small, tls_modes, tun, uplink  # noqa: E401, E402

SECTIONS = {"bulk": bulk, "hops": hops, "latency": latency, "uplink": uplink, "small": small, "memory": memory, "loadgen": loadgen,
            "many": many, "tun": tun, "ingress": ingress, "tls-modes": tls_modes}
WITH_PARTS = {name: section.PARTS for name, section in SECTIONS.items() if hasattr(section, "PARTS")}
CPUS = 2  # for all processes together


def two_cpus():
    """All that is measured shares two processors, on a larger machine too."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CPUS])
    # A thousand connections a process, and as many again.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def write_json(target, results):
    """After each section, so that a later one that breaks takes nothing along."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(results, indent=1) + "\n")
    except OSError as error:
        raise harness.Failure(f"the figures could not be written to '{target}': {error.strerror}") from None


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures Sallyport beside its peers, in a namespace with MTU 1500.",
                                     epilog="sections: " + "; ".join(f"{n}: {m.__doc__.splitlines()[0]}" for n, m in SECTIONS.items()))
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="which to measure (default: all)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, interleaved (default: 5)")
    parser.add_argument("--size", type=float, default=1.0, metavar="GIB", help="size of the bulk file (default: 1)")
    parser.add_argument("--json", type=Path, default=harness.BUILD / "bench.json", metavar="FILE",
                        help="where the figures go (default: build/bench.json)")
    parser.add_argument("--parts", type=lambda words: words.split(","), metavar="PART,PART",
                        help="only these: " + "; ".join(f"of {name} {', '.join(parts)}" for name, parts in WITH_PARTS.items()) + " (default: all)")
    parser.add_argument("--requests", type=int, default=100_000, metavar="N",
                        help="requests of a repetition in ingress and tls-modes; handshakes are a fiftieth of it (default: 100000)")
    parser.add_argument("--before", type=Path, metavar="PROGRAM", help="an earlier build of sallyport, which many measures beside this one")
    arguments = parser.parse_args()
    if arguments.repeat < 1 or arguments.requests < 1 or not 0 < arguments.size <= 64:
        parser.error("--repeat and --requests want 1 or more, --size more than 0 and at most 64")
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if os.geteuid() != 0:
        raise harness.Failure("a namespace with MTU 1500 needs root; run this as root")
    two_cpus()
    results, broken = {}, []
    for name in arguments.sections or SECTIONS:
        print(f"\n## {name}: {SECTIONS[name].__doc__.splitlines()[0]}\n", flush=True)
        try:
            with Lab(namespace=Namespace()) as lab:
                results[name] = SECTIONS[name].measure(lab, arguments)
        except harness.Failure as failure:
            broken.append(name)
            results[name] = {"failure": str(failure)}
            print(f"  FAILED  {failure}", flush=True)
        write_json(arguments.json, results)
    missed = [f"{name}: {goal['goal']}" for name, result in results.items() for goal in result.get("goals", []) if not goal["met"]]
    print(f"\nFigures as JSON: {arguments.json}")
    print("Goals missed: " + ("; ".join(missed) or "none"))
    for sentence in peers.unreached.values():
        print(sentence)
    if broken:
        raise harness.Failure(f"these sections broke off, for the reasons above: {', '.join(broken)}")
    return 0


if __name__ == "__main__":
    harness.main(main, "scripts/bench")

"""Measures Sallyport beside its peers: see scripts/bench --help. Every figure is a median of interleaved repetitions, with its spread;
what counts are ratios of one run, since a shared machine's speed swings."""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "bench")]

import harness  # noqa: E402
from harness import Lab, Namespace  # noqa: E402

import bulk, hops, memory, small, uplink  # noqa: E401, E402

SECTIONS = {"bulk": bulk, "hops": hops, "uplink": uplink, "small": small, "memory": memory}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures Sallyport beside its peers, in a namespace with MTU 1500.",
                                     epilog="sections: " + "; ".join(f"{n}: {m.__doc__.splitlines()[0]}" for n, m in SECTIONS.items()))
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="which to measure (default: all)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, interleaved (default: 5)")
    parser.add_argument("--size", type=float, default=1.0, metavar="GIB", help="size of the bulk file (default: 1)")
    parser.add_argument("--json", default="build/bench.json", metavar="FILE", help="where the figures go (default: build/bench.json)")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if os.geteuid() != 0:
        raise harness.Failure("a namespace with MTU 1500 needs root; run this as root")
    results = {}
    for name in arguments.sections or SECTIONS:
        print(f"\n## {name}: {SECTIONS[name].__doc__.splitlines()[0]}\n", flush=True)
        with Lab(namespace=Namespace()) as lab:
            results[name] = SECTIONS[name].measure(lab, arguments)
    target = ROOT / arguments.json
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nFigures as JSON: {target}")
    return 0


if __name__ == "__main__":
    harness.main(main)

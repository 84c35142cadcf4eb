"""Which lines of src/ the unit tests and the simulations run: used by scripts/test coverage. Reads what a build of the coverage preset wrote
when its tests ran, by gcov, which comes with the compiler."""

import collections
import concurrent.futures
import gzip
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "coverage"
# What these layers owe, in percent of their lines.
OWED = {"gateway": 85, "config": 85, "files": 85, "dial": 85}


def forget():
    """What earlier runs left."""
    for old in BUILD.rglob("*.gcda"):
        old.unlink()


def lines_of(data):
    """{file: {line: times}} of one object file's counts."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", data], capture_output=True, cwd=data.parent, check=False)
    found = collections.defaultdict(dict)
    if done.returncode != 0 or not done.stdout:
        print(f"gcov: {data.name}: {done.stderr.decode(errors='replace').strip()}")
        return found
    content = gzip.decompress(done.stdout) if done.stdout[:2] == b"\x1f\x8b" else done.stdout
    for line in content.decode().splitlines():
        document = json.loads(line)
        for file in document["files"]:
            path = Path(data.parent, document["current_working_directory"], file["file"]).resolve()
            if ROOT / "src" not in path.parents or path.stem.endswith(("_test", "_for_test")):
                continue
            counts = found[path.relative_to(ROOT / "src")]
            for each in file["lines"]:
                counts[each["line_number"]] = counts.get(each["line_number"], 0) + each["count"]
    return found


def collect():
    """{file: (lines run, lines)}."""
    all_counts = collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lines_of, sorted(BUILD.rglob("*.gcda"))):
            for path, counts in found.items():
                all_counts[path].update(counts)
    return {path: (sum(count > 0 for count in counts.values()), len(counts)) for path, counts in all_counts.items()}


def share(run, of):
    return 100 * run / max(of, 1)


def report(files):
    """The layers' shares, printed, and what falls short, as sentences."""
    layers = collections.defaultdict(lambda: [0, 0])
    for path, (run, of) in files.items():
        if len(path.parts) > 1:
            layers[path.parts[0]][0] += run
            layers[path.parts[0]][1] += of
    print(f"\n{'layer':<10} {'lines':>7} {'run':>7}")
    for layer, (run, of) in sorted(layers.items()):
        print(f"{layer:<10} {of:>7} {share(run, of):>6.1f}%")
    print(f"\nthe least covered files of {', '.join(OWED)}:")
    owed = [(share(*counts), path, counts) for path, counts in files.items() if path.parts[0] in OWED]
    for percent, path, (run, of) in sorted(owed)[:15]:
        print(f"  {str(path):<40} {of:>5} {percent:>6.1f}%")
    return [f"{layer}: {share(*layers[layer]):.1f}% of its lines are run by unit and simulated tests, {least}% are owed"
            for layer, least in OWED.items() if share(*layers[layer]) < least]

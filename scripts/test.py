"""Runs the tests and adds up what passed, failed and was skipped: see scripts/test --help."""

import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

import coverage
from test_file import Result

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["lint", "unit", "sim", "e2e", "interop", "sanitize", "tsan", "fuzz"]
# Only where it is asked for: it says what tests miss, and slows all down.
ON_DEMAND = ["coverage"]
EVERY_DAY = ["unit", "sim", "e2e", "interop"]
HELP = """parts:
  lint       layers, format and length of files, clang-tidy on what changed
  unit       the unit tests of every layer
  sim        whole chains on the simulated network
  e2e        the built program, as its users run it
  interop    other people's clients and servers, both ways
  sanitize   unit, sim and e2e again, with AddressSanitizer and UBSan
  tsan       the unit tests of the layers that have threads, and the gateway as a process, with ThreadSanitizer
  fuzz       every parser of bytes from outside, for a short while
  coverage   unit and sim again, and which lines of each layer they ran; not among those of --ci
Without a part: """ + ", ".join(EVERY_DAY) + "."
# What scripts/setup is asked for besides what building needs.
PACKAGES = {"interop": "--test", "lint": "--lint", "fuzz": "--lint"}
# A test program that takes longer hangs.
PATIENCE = 1800
# A file of Python tests that takes longer hangs in spite of the alarms of its tests.
PATIENCE_PYTHON = 3600
# What a machine may lack that no setup can give it; with --ci any other skip is a failure.
OF_THE_MACHINE = ("this processor has no", "the sanitizers' own")
# The layers that start threads of their own, or whose objects are handed between threads.
THREADED = ("base_test", "net_test", "trace_test", "tls_test", "files_test", "gateway_test")
SANITIZERS = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
TSAN = {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}


class Tally:
    def __init__(self, strict):
        self.strict = strict
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.failures, self.skips = [], []
        self.unreached = {}  # of scripts/peers.py: registries, with a sentence on each

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def skip(self, name, why):
        if self.strict and not why.startswith(OF_THE_MACHINE):
            self.fail(f"{name}: {why}")
            return
        self.skipped += 1
        self.skips.append(f"{name}: {why}")


def say(text):
    print(f"\n== {text}", flush=True)


def call(*command, env=None):
    try:
        return subprocess.run([str(c) for c in command], cwd=ROOT, env={**os.environ, **(env or {})}, timeout=PATIENCE).returncode
    except subprocess.TimeoutExpired:
        print(f"'{command[0]}' was stopped after {PATIENCE} s", flush=True)
        return 124


def gtest(tally, program, env=None):
    """Runs a GoogleTest program; its own counts are added, and a crash counts as a failure of its name."""
    label = str(program.relative_to(ROOT))
    say(label)
    # GoogleTest of Debian 12 says why a test was skipped in its XML report alone.
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        status = call(program, f"--gtest_output=xml:{report.name}", "--gtest_brief=1", env=env)
        try:
            results = xml.etree.ElementTree.parse(report.name).getroot()
        except xml.etree.ElementTree.ParseError:
            tally.fail(f"{label}: ended with status {status} before its report")
            return
    failed = False
    for case in results.iter("testcase"):
        name = f"{label}: {case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            failed = True
            tally.fail(name)
        elif skipped is not None:
            words = skipped.get("message", "").strip().splitlines()
            tally.skip(name, words[-1] if words else "for no reason given")
        elif case.get("result") == "completed":
            tally.passed += 1
    if status != 0 and not failed:
        tally.fail(f"{label}: ended with status {status}")


def python_file(path, environment, live):
    """(output, result) of a file of Python tests; the result is None where it ended before it had any. `live`: it prints for itself."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "result.json"
        try:
            output = subprocess.run([sys.executable, ROOT / "scripts" / "test_file.py", path, told], env=environment, text=True, errors="replace",
                                    stdout=None if live else subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_PYTHON).stdout
        except subprocess.TimeoutExpired:
            output = f"it was stopped after {PATIENCE_PYTHON} s"
        return output, Result(**json.loads(told.read_text())) if told.exists() else None


def python_tests(tally, folder, program, env=None, files="*_test.py", jobs=1):
    """Runs the unittest files of a folder, or some of them, `jobs` at a time, against this sallyport; a skip is said aloud."""
    def one(path):
        known = {"SALLYPORT": str(program), "SALLYPORT_UNREACHED": json.dumps(tally.unreached), "PYTHONUNBUFFERED": "1"}
        if jobs == 1:
            say(f"{folder.name}/{path.name}")
        return path, *python_file(path, {**os.environ, **known, **(env or {})}, jobs == 1)

    # Those that take long first, so that no processor is idle at the end; their size tells them well enough.
    paths = sorted(folder.glob(files), key=lambda path: (-path.stat().st_size if jobs > 1 else 0, path))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(one, path) for path in paths]):
            path, output, result = done.result()
            if output:
                say(f"{folder.name}/{path.name}")
                print(output, flush=True)
            if result is None:
                tally.fail(f"{path.name}: ended before its tests had")
                continue
            tally.passed += result.passed
            tally.unreached |= result.unreached
            for name in result.failed:
                tally.fail(f"{path.name}: {name}")
            for test, why in result.skipped:
                tally.skip(f"{path.name}: {test}", why)


def build(preset, tally, *targets):
    say(f"the {preset} build")
    if call("scripts/build", "--no-setup", "--preset", preset, *targets) != 0:
        tally.fail(f"the {preset} build")
        return False
    return True


def git(*arguments):
    """What git says, or nothing where it cannot."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def changed_since():
    """The commit that a clean checkout's changes are counted from: where its branch left main; on main itself the one before, which
    with merges is main as it was. Nothing where there is no such commit, as in a clone of depth 1."""
    head = git("rev-parse", "HEAD")
    for main in ("origin/main", "main"):
        base = git("merge-base", "HEAD", main)
        if base and base != head:
            return base
    return git("rev-parse", "--verify", "--quiet", "HEAD~1^{commit}")


def lint(tally, arguments):
    say("lint")
    base = arguments.base or (changed_since() if arguments.ci else "HEAD")
    tidy = ["--tidy", "--base", base] if base else ["--tidy-all"]
    for rule in (["--layers", "--format"], tidy):
        if call("scripts/lint", *rule) == 0:
            tally.passed += 1
        else:
            tally.fail("scripts/lint " + " ".join(rule))


def unit(tally, folder, env=None):
    for program in sorted((ROOT / folder).glob("*_test")):
        gtest(tally, program, env)


def sim(tally, folder, seeds, env=None):
    gtest(tally, ROOT / folder / "tests" / "sim" / "sim_test", {**(env or {}), "SALLYPORT_SIM_SEEDS": str(seeds)})


def fuzz_one(program, seconds):
    """(status, output) of one fuzz target; what it finds new is thrown away, what crashes it is kept in build/."""
    corpus = ROOT / "fuzz" / "corpus" / program.name.removesuffix("_fuzz")
    with tempfile.TemporaryDirectory() as found:
        try:
            done = subprocess.run([program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                                   f"-artifact_prefix={ROOT}/build/{program.name}-", "-verbosity=0", found, corpus],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds + 300,
                                  env={**os.environ, **SANITIZERS})
        except subprocess.TimeoutExpired:
            return 124, "it did not end when its time was over"
    return done.returncode, done.stdout


def fuzz(tally, seconds):
    programs = sorted((ROOT / "build" / "fuzz" / "fuzz").glob("*_fuzz"))
    say(f"{len(programs)} fuzz targets, {seconds} s each")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, (status, output) in zip(programs, pool.map(lambda p: fuzz_one(p, seconds), programs)):
            if status == 0:
                runs = [line.split()[-1] for line in output.splitlines() if line.startswith("stat::number_of_executed_units")]
                print(f"{program.name}: {runs[0] if runs else 'no'} runs", flush=True)
                tally.passed += 1
            else:
                print(f"{program.name}: status {status}\n{output[-8000:]}", flush=True)
                tally.fail(program.name)


def cover(tally, seeds):
    coverage.forget()
    unit(tally, "build/coverage")
    sim(tally, "build/coverage", max(1, seeds // 10))
    say("lines that were run")
    for shortfall in coverage.report(coverage.collect()):
        tally.fail(shortfall)


def run_part(part, tally, arguments):
    seeds = arguments.seeds or (1000 if arguments.ci else 100)
    if part == "lint":
        lint(tally, arguments)
    elif part == "sanitize":
        if build("asan", tally):
            unit(tally, "build/asan", SANITIZERS)
            sim(tally, "build/asan", max(1, seeds // 10), SANITIZERS)
            python_tests(tally, ROOT / "tests" / "e2e", ROOT / "build" / "asan" / "sallyport", SANITIZERS, jobs=arguments.jobs)
    elif part == "tsan":
        if build("tsan", tally, *THREADED, "sallyport"):
            for name in THREADED:
                gtest(tally, ROOT / "build" / "tsan" / name, TSAN)
            python_tests(tally, ROOT / "tests" / "e2e", ROOT / "build" / "tsan" / "sallyport", TSAN, "gateway_test.py")
    elif part == "fuzz":
        if build("fuzz", tally):
            fuzz(tally, arguments.fuzz_seconds)
    elif part == "coverage":
        if build("coverage", tally):
            cover(tally, seeds)
    elif build("release", tally):
        if part == "unit":
            unit(tally, "build")
        elif part == "sim":
            sim(tally, "build", seeds)
        else:
            # What interop tests fetch, build and keep is the same for all of them.
            python_tests(tally, ROOT / "tests" / part, ROOT / "build" / "sallyport", jobs=arguments.jobs if part == "e2e" else 1)


def options():
    parser = argparse.ArgumentParser(prog="scripts/test", epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to run")
    parser.add_argument("--ci", action="store_true", help="every part, more seeds, and a test that is skipped fails, unless the machine itself cannot run it")
    parser.add_argument("--seeds", type=int, help="how many seeds the simulations run (default: 100; with --ci 1000)")
    parser.add_argument("--fuzz-seconds", type=int, default=20, help="how long each fuzz target runs (default: 20)")
    parser.add_argument("--jobs", type=int, default=min(2 * os.cpu_count(), 8), help="how many files of e2e run at a time (default: two for each processor, at most 8)")
    parser.add_argument("--base", metavar="REV", help="lint what changed since this revision (default: HEAD; with --ci where the branch left main)")
    parser.add_argument("--no-setup", action="store_true", help="do not install missing packages")
    chosen = parser.parse_args()
    for part in chosen.parts:
        if part not in PARTS + ON_DEMAND:
            parser.error(f"there is no part '{part}'; there are {', '.join(PARTS + ON_DEMAND)}")
    if chosen.jobs < 1:
        parser.error("--jobs is at least 1")
    chosen.parts = chosen.parts or (PARTS if chosen.ci else EVERY_DAY)
    return chosen


def main():
    arguments = options()
    # A shell has its background jobs ignore SIGINT, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not arguments.no_setup:
        wanted = sorted({PACKAGES[part] for part in arguments.parts if part in PACKAGES})
        if call("scripts/setup", "--quiet", *wanted) != 0:
            others = [part for part in arguments.parts if part not in PACKAGES]
            if wanted and others:
                print(f"scripts/test: fewer packages do for: scripts/test {' '.join(others)}", file=sys.stderr)
            return 1
    if "interop" in arguments.parts:  # where what the other parts record is looked at
        os.environ["SALLYPORT_QLOGS"] = str(ROOT / "build" / "lab" / "qlogs")
        shutil.rmtree(os.environ["SALLYPORT_QLOGS"], ignore_errors=True)
        os.makedirs(os.environ["SALLYPORT_QLOGS"])
    started, tally, times = time.monotonic(), Tally(strict=arguments.ci), []
    for part in arguments.parts:
        began = time.monotonic()
        run_part(part, tally, arguments)
        times.append(f"{part} {time.monotonic() - began:.0f} s")

    say(f"done in {time.monotonic() - started:.0f} s ({', '.join(times)})")
    for name in tally.failures:
        print(f"FAILED   {name}")
    for name in tally.skips:
        print(f"SKIPPED  {name}")
    for note in tally.unreached.values():
        print(f"NOTE     {note}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

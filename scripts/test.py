"""Runs the tests and adds up what passed, failed and was skipped: see scripts/test --help."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["lint", "unit", "sim", "e2e", "interop", "sanitize", "fuzz"]
EVERY_DAY = ["unit", "sim", "e2e", "interop"]
HELP = """parts:
  lint       layers, format and length of files
  unit       the unit tests of every layer
  sim        whole chains on the simulated network
  e2e        the built program, as its users run it
  interop    other people's clients and servers, both ways
  sanitize   unit and sim again, with AddressSanitizer and UBSan
  fuzz       every parser of bytes from outside, for a short while
Without a part: """ + ", ".join(EVERY_DAY) + "."


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.failures, self.skips = [], []

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def skip(self, name, why):
        self.skipped += 1
        self.skips.append(f"{name}: {why}")


def say(text):
    print(f"\n== {text}", flush=True)


def call(*command, env=None):
    return subprocess.run([str(c) for c in command], cwd=ROOT, env={**os.environ, **(env or {})}).returncode


def gtest(tally, program, label, env=None, arguments=()):
    """Runs a GoogleTest program; its own counts are added, and a crash counts as a failure of its name."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        status = call(program, f"--gtest_output=json:{report.name}", "--gtest_brief=1", *arguments, env=env)
        try:
            results = json.loads(Path(report.name).read_text())
        except ValueError:
            tally.fail(f"{label}: ended with status {status} before its report")
            return
    for suite in results["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{label}: {suite['name']}.{case['name']}"
            if case.get("failures"):
                tally.fail(name)
            elif case["result"] == "SKIPPED":
                tally.skip(name, (case.get("skipped") or [{}])[0].get("message", "").strip().splitlines()[-1:] or "skipped")
            elif case["result"] == "COMPLETED":
                tally.passed += 1
    if status != 0 and not results["failures"]:
        tally.fail(f"{label}: ended with status {status}")


def python_tests(tally, folder):
    """Runs the unittest files of a folder; a skip is said aloud."""
    sys.path[:0] = [str(ROOT / "scripts"), str(folder)]
    for path in sorted(folder.glob("*_test.py")):
        say(f"{folder.name}/{path.name}")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        suite = unittest.defaultTestLoader.loadTestsFromModule(module)
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
        broken = [str(test) for test, _ in result.failures + result.errors]
        for name in broken:
            tally.fail(f"{path.name}: {name}")
        for test, why in result.skipped:
            tally.skip(f"{path.name}: {test}", why)
        tally.passed += max(0, result.testsRun - len(broken) - len(result.skipped))


def build(preset, tally, *targets):
    if call("scripts/build", "--preset", preset, *targets) != 0:
        tally.fail(f"the {preset} build")
        return False
    return True


def unit(tally, folder="build", env=None):
    for program in sorted((ROOT / folder).glob("*_test")):
        say(f"{folder}/{program.name}")
        gtest(tally, program, program.name, env)


def sim(tally, folder="build", seeds=None, env=None):
    program = ROOT / folder / "tests" / "sim" / "sim_test"
    say(f"{folder}/sim_test")
    gtest(tally, program, "sim_test", {**(env or {}), **({"SALLYPORT_SIM_SEEDS": str(seeds)} if seeds else {})})


def fuzz(tally, seconds):
    if not build("fuzz", tally):
        return
    for program in sorted((ROOT / "build" / "fuzz" / "fuzz").glob("*_fuzz")):
        corpus = ROOT / "fuzz" / "corpus" / program.name.removesuffix("_fuzz")
        say(f"{program.name}, {seconds} s")
        with tempfile.TemporaryDirectory() as found:
            status = call(program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=0",
                          f"-artifact_prefix={ROOT}/build/", "-verbosity=0", found, *([corpus] if corpus.is_dir() else []))
        if status == 0:
            tally.passed += 1
        else:
            tally.fail(program.name)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help="what to run")
    parser.add_argument("--ci", action="store_true", help="every part, more seeds, and nothing skipped that this machine could run")
    parser.add_argument("--seeds", type=int, help="how many seeds the simulations run")
    parser.add_argument("--fuzz-seconds", type=int, default=20, help="how long each fuzz target runs (default: 20)")
    parser.add_argument("--no-setup", action="store_true", help="do not install missing packages")
    arguments = parser.parse_args()
    parts = arguments.parts or (PARTS if arguments.ci else EVERY_DAY)
    seeds = arguments.seeds or (1000 if arguments.ci else None)
    started, tally = time.monotonic(), Tally()

    if not arguments.no_setup:
        wanted = ["--test"] + (["--lint"] if {"lint", "fuzz"} & set(parts) else [])
        if call("scripts/setup", "--quiet", *wanted) != 0:
            return 1
    times = []
    for part in parts:
        began = time.monotonic()
        if part == "lint":
            say("lint")
            if call("scripts/lint", "--layers", "--format") == 0:
                tally.passed += 1
            else:
                tally.fail("lint")
        elif part in ("unit", "sim", "e2e", "interop"):
            if not build("release", tally):
                break
            if part == "unit":
                unit(tally)
            elif part == "sim":
                sim(tally, seeds=seeds)
            else:
                python_tests(tally, ROOT / "tests" / part)
        elif part == "sanitize":
            environment = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
            if build("asan", tally):
                unit(tally, "build/asan", environment)
                sim(tally, "build/asan", seeds=(seeds or 100) // 10, env=environment)
        elif part == "fuzz":
            fuzz(tally, arguments.fuzz_seconds)
        times.append(f"{part} {time.monotonic() - began:.0f} s")

    say(f"done in {time.monotonic() - started:.0f} s ({', '.join(times)})")
    for name in tally.failures:
        print(f"FAILED   {name}")
    for name in tally.skips:
        print(f"SKIPPED  {name}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

"""Round trips until the first byte of an answer, through 0 to 4 hops at 50 ms a leg, simulated: what the RFCs force, and what it took."""

import json

import harness
from figures import goal
from harness import BUILD, ROOT

TEST = ROOT / "tests" / "sim" / "time_to_first_byte_test.cpp"


def explanation():
    """What each round trip is for, as the head of the test has it."""
    lines = [line for line in TEST.read_text().split("#include", 1)[0].splitlines() if line.startswith("//")]
    return "\n".join("  " + line.removeprefix("//").removeprefix(" ") for line in lines)


def measure(lab, arguments):
    report = lab.folder / "first-byte.json"
    harness.run(BUILD / "tests" / "sim" / "sim_test", "--gtest_filter=*TimeToFirstByte*", f"--gtest_output=json:{report}", "--gtest_brief=1")
    cases = [case for suite in json.loads(report.read_text())["testsuites"] for case in suite["testsuite"]]
    runs = [{"hops": int(case["hops"]), "start": case["start"], "legs": float(case["legs"]), "forced": int(case["forced"])} for case in cases]
    runs.sort(key=lambda run: (run["start"], run["hops"]))
    print(harness.table([[f"{run['hops']} hop{'s' * (run['hops'] != 1)}, {run['start']}", run["forced"], f"{run['legs']:.2f}", f"{run['legs'] * 50:.0f}"] for run in runs],
                        ["path", "legs' round trips forced", "taken", "ms"]))
    print(explanation())
    return {"runs": runs, "goals": [
        goal(f"first byte through 2 hops, {run['start']}, legs' round trips beyond those forced", run["legs"] - run["forced"], 0.5)
        for run in runs if run["hops"] == 2]}

"""Repetitions, medians and goals, as all sections of the benchmark use them."""

import statistics
import sys

import harness


def interleave(repeat, cases, warm=True):
    """Calls each case once a round, so that a machine that slows down slows all alike; first, with `warm`, a round that does not count.
    `cases`: name -> function that returns a dict of figures. Returns name -> list of dicts."""
    results = {name: [] for name in cases}
    for round_number in range(0 if warm else 1, repeat + 1):
        for name, case in cases.items():
            print(f"\r  round {round_number}/{repeat} {name:<40}", end="", file=sys.stderr, flush=True)
            figures = case()
            if round_number > 0:
                results[name].append(figures)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)
    return results


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def spread(runs, key, digits=2):
    """"median (least-most)"."""
    values = [run[key] for run in runs]
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def show(results, columns, first="case"):
    """`columns`: (title, key, digits)."""
    rows = [[name, *(spread(runs, key, digits) if runs and key in runs[0] else "-" for _, key, digits in columns)]
            for name, runs in results.items()]
    print(harness.table(rows, [first, *(title for title, _, _ in columns)]), flush=True)


def goal(text, value, limit, at_most=True):
    """Prints whether a goal is met, and returns it for the JSON."""
    met = value <= limit if at_most else value >= limit
    print(f"  {'met   ' if met else 'MISSED'}  {text}: {value:.2f}, goal {'<=' if at_most else '>='} {limit:.2f}", flush=True)
    return {"goal": text, "value": value, "limit": limit, "at_most": at_most, "met": met}


def unjudged(text, why):
    """Says of a goal that it could not be judged, and returns that for the JSON: such a goal is not met."""
    print(f"  MISSED  {text}: not judged, as {why}", flush=True)
    return {"goal": f"{text} (not judged, as {why})", "value": None, "limit": None, "at_most": True, "met": False}


def ratio(runs, others, key, other_key=None):
    """Median over the rounds of one case's figure divided by the other's in the same round."""
    pairs = [(a[key], b[other_key or key]) for a, b in zip(runs, others)]
    return statistics.median(a / b for a, b in pairs if b)


def measure_parts(section, parts, wanted, measure):
    """Measures of `parts` those that are wanted; None: all. `measure` takes one and returns its results and goals; one that
    lacks something of others is left out, aloud."""
    unknown = set(wanted or ()) - set(parts)
    if unknown:
        raise harness.Failure(f"{section} has no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    runs, goals = {}, []
    for name, part in parts.items():
        if wanted and name not in wanted:
            continue
        try:
            runs[name], more = measure(part)
        except harness.Missing as why:
            print(f"  {name}: {why}", flush=True)
            continue
        goals += more
        print(flush=True)
    return {"runs": runs, "goals": goals}

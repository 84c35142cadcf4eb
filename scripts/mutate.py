"""Mutation testing of src/: see scripts/mutate. A mutant is one line with one operator changed; it is killed when the unit tests of its layer,
or the simulations, fail with it, and survives when they pass."""

import argparse
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import harness
from harness import BUILD, ROOT, Failure

# The mutants are built in copies of the checkout, one for each job, which stay, so that the next run builds little.
TREES = BUILD / "mutate"
COPIED = ["CMakeLists.txt", "CMakePresets.json", "cmake", "src", "tests/sim", "bench"]
# Mutants that change nothing a test could see, one a line: FILE<tab>the line as it stands<tab>the line as mutated<tab>why.
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.tsv"
LAYERS = ["base", "net", "trace", "tls", "quic", "http", "masque", "dial", "config", "files", "ingress", "admin", "inspect", "gateway",
          "client", "cli"]
# Layers that whole chains on the simulated network run through.
SIMULATED = {"quic", "http", "masque", "dial", "files", "gateway", "client"}
# A test program that takes this many times what it takes without a mutant loops for ever. And what it is given at least, in seconds.
PATIENCE, LEAST_PATIENCE = 5, 60

# What is looked for, what stands in its place.
OPERATORS = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" < ", " > "), (r" > ", " < "),
    (r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "),
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " / "), (r" / ", " * "), (r" % ", " * "),
    (r" \+= ", " -= "), (r" -= ", " += "), (r"\+\+(?=\w)", "--"), (r"--(?=\w)", "++"), (r" \|= ", " &= "), (r" & ", " | "),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"(?<=[(\s])!(?=[\w(])", ""),
    (r"\bif \((?!auto|const|!)(?=[^;]*\)[^;]*$)", "if (!("),
    (r"(?<![\w.'\"])(\d+)(?![\w.'\"])", lambda found: str(int(found.group(1)) + 1)),
    (r"\bstd::min\b", "std::max"), (r"\bstd::max\b", "std::min"),
    (r"\b(break|continue);", ";"),
]
# A call, or an assignment, that stands alone on its line, and so can go.
STATEMENT = re.compile(r"^(\s+)(?!return\b|co_|throw\b|delete\b|case\b|using\b|const\b|auto\b|static\b|else\b|if\b|for\b|while\b|[A-Z]\w*(<.*>)? \w+[({;]|std::\w+(<.*>)? \w)"
                       r"[\w:*>.\-\[\]]+(\(.*\)| (=|\|=|\+=|-=) [^;]+);$")
NOT_CODE = re.compile(r"^\s*(//|#|assert\(|static_assert|namespace|using |template|}|$)|log_(debug|info|warn|error)\(")


def show(text=""):
    print(text, flush=True)


def options():
    parser = argparse.ArgumentParser(prog="scripts/mutate", description="Changes a line of src/ at random, builds, runs the tests of its layer and the "
                                     "simulations, and prints the changes that no test noticed.")
    parser.add_argument("--count", type=int, default=20, help="mutants to try (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same mutants of the same code (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tried at the same time, each in a build of its own (default: 1)")
    parser.add_argument("--layer", action="append", choices=LAYERS, help="only in this layer; repeat it for more")
    parser.add_argument("--file", action="append", metavar="PATH", help="only in this file; repeat it for more")
    chosen = parser.parse_args()
    if chosen.count < 1:
        parser.error("--count wants 1 or more")
    if chosen.jobs < 1:
        parser.error("--jobs wants 1 or more")
    return chosen


def masked(line):
    """The line with what stands in quotes, and behind //, blanked, so that nothing there is changed; as long as the line."""
    line = re.sub(r'"(\\.|[^"\\])*"|(?<!\d)\'(\\.|[^\'\\])\'', lambda found: "\x00" * len(found.group(0)), line)
    comment = line.find("//")
    return line if comment < 0 else line[:comment] + "\x00" * (len(line) - comment)


def mutants_of(line):
    """All lines that one change makes of this one."""
    if NOT_CODE.search(line):
        return []
    code, made = masked(line), []
    for pattern, replacement in OPERATORS:
        for found in re.finditer(pattern, code):
            put = replacement(found) if callable(replacement) else replacement
            mutant = line[:found.start()] + put + line[found.end():]
            if put == "if (!(":  # the condition's own end is found by counting
                mutant = closed(line, found.end(), mutant)
            if mutant:
                made.append(mutant)
    if STATEMENT.match(code):
        made.append(STATEMENT.sub(r"\1;", code))
    return made


def closed(line, start, mutant):
    depth = 1
    for at in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[at], 0)
        if depth == 0:
            at += len(mutant) - len(line)
            return mutant[:at] + ")" + mutant[at:]
    return None


class Mutant:
    def __init__(self, path, number, line, changed):
        self.path, self.number, self.line, self.changed = path, number, line, changed
        self.layer = path.parts[1]

    def __str__(self):
        return f"{self.path}:{self.number}\n  - {self.line.strip()}\n  + {self.changed.strip() or '(nothing)'}"

    def key(self):
        return (str(self.path), self.line.strip(), self.changed.strip())


def equivalent():
    if not EQUIVALENT.exists():
        return set()
    rows = [line.split("\t") for line in EQUIVALENT.read_text().splitlines() if line and not line.startswith("#")]
    return {tuple(row[:3]) for row in rows}


def sources(chosen):
    files = [Path(f) for f in harness.run("git", "-C", ROOT, "ls-files", "src/*.cpp").split()]
    files = [f for f in files if not f.name.endswith("_test.cpp") and len(f.parts) == 3 and "for_test" not in f.name]
    if chosen.layer:
        files = [f for f in files if f.parts[1] in chosen.layer]
    if chosen.file:
        files = [f for f in files if str(f) in chosen.file]
    if not files:
        raise Failure("there is no such file under src/")
    return files


def all_mutants(files):
    """Each as likely as the next: of every line that can be changed, not of every file."""
    return [Mutant(f, number, line, changed) for f in files
            for number, line in enumerate((ROOT / f).read_text().splitlines(), 1) for changed in mutants_of(line)]


class Tree:
    """A copy of the checkout with a build of its own."""

    def __init__(self, number):
        self.root = TREES / str(number)

    def copy(self):
        """What differs only, so that the build takes what it has."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            source, target = ROOT / name, self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                files = [source]
            else:
                files = [f for f in source.rglob("*") if f.is_file()]
                for stale in [f for f in target.rglob("*") if f.is_file() and not (source / f.relative_to(target)).exists()]:
                    stale.unlink()
            for f in files:
                copy = self.root / f.relative_to(ROOT)
                if not copy.exists() or copy.read_bytes() != f.read_bytes():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(f, copy)

    def configure(self):
        harness.run("cmake", "-S", self.root, "-B", self.root / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                    "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1")

    def build(self, *targets):
        """Whether it compiles."""
        done = subprocess.run(["cmake", "--build", self.root / "build", "--target", *targets], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        return done.returncode == 0

    def passes(self, target, patience):
        """Whether the tests pass, within `patience` seconds, in a folder and a session of their own."""
        program = next(p for p in (self.root / "build" / target, self.root / "build" / "tests" / "sim" / target) if p.exists())
        child = subprocess.Popen([program, "--gtest_brief=1", "--gtest_fail_fast"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.root)
        try:
            return child.wait(patience) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def killed(self, mutant, patience):
        """By which test program; an empty word for a survivor, None for what does not compile."""
        copy = self.root / mutant.path
        whole = copy.read_text()
        lines = whole.splitlines()
        lines[mutant.number - 1] = mutant.changed
        copy.write_text("\n".join(lines) + "\n")
        try:
            for target in targets_of(mutant.layer):
                if not self.build(target):
                    return None
                if not self.passes(target, patience[target]):
                    return target
            return ""
        finally:
            copy.write_text(whole)


def targets_of(layer):
    return [f"{layer}_test", *(["sim_test"] if layer in SIMULATED else [])]


def unchanged(tree, targets):
    """How long each test program may take, in seconds; a Failure where one does not pass without a mutant."""
    patience = {}
    for target in targets:
        began = time.monotonic()
        if not tree.passes(target, harness.PATIENCE):
            raise Failure(f"{target} does not pass as the code is")
        patience[target] = max(LEAST_PATIENCE, PATIENCE * (time.monotonic() - began))
    return patience


class Trial:
    """Takes mutant after mutant until `count` of those that compile were tried, in as many threads as there are trees."""

    def __init__(self, mutants, count, patience):
        self.mutants, self.count, self.patience = iter(mutants), count, patience
        self.lock = threading.Lock()
        self.begun = self.tried = 0
        self.survivors = []

    def run(self, trees):
        failures = queue.SimpleQueue()
        threads = [threading.Thread(target=self.work, args=(tree, failures)) for tree in trees]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:  # an interruption: what is built or run now ends with it, and nothing more is begun
            with self.lock:
                self.count = self.begun = 0
                self.mutants = iter(())
            raise
        if not failures.empty():
            raise failures.get()

    def work(self, tree, failures):
        try:
            while mutant := self.next():
                self.note(mutant, tree.killed(mutant, self.patience))
        except Exception as failure:  # told by run(), whose thread can end the program
            failures.put(failure)

    def next(self):
        with self.lock:
            if self.begun == self.count:
                return None
            self.begun += 1
            return next(self.mutants, None)

    def note(self, mutant, by):
        with self.lock:
            if by is None:
                self.begun -= 1
                return
            self.tried += 1
            show(f"[{self.tried}] {'killed by ' + by if by else 'SURVIVED'}: {mutant}")
            if not by:
                self.survivors.append(mutant)


def main():
    chosen = options()
    mutants = all_mutants(sources(chosen))
    known = equivalent()
    random.Random(chosen.seed).shuffle(mutants)
    mutants = [m for m in mutants if m.key() not in known]
    targets = sorted({t for m in mutants for t in targets_of(m.layer)})
    show(f"{len(mutants)} mutants can be made; trying {min(chosen.count, len(mutants))}. First the tests without one ...")
    trees = [Tree(number) for number in range(1, chosen.jobs + 1)]
    for tree in trees:
        tree.copy()
        tree.configure()
        if not tree.build(*targets):
            raise Failure("the code does not build as it is; scripts/build says why")
    trial = Trial(mutants, chosen.count, unchanged(trees[0], targets))
    trial.run(trees)
    tried, alive = trial.tried, len(trial.survivors)
    show(f"\n{tried} mutants, {tried - alive} killed ({100 * (tried - alive) / max(tried, 1):.0f}%); survivors:")
    for mutant in trial.survivors:
        show(mutant)
    return 0


if __name__ == "__main__":
    harness.main(main, "scripts/mutate")

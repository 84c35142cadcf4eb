"""Runs one unittest file of tests/e2e or tests/interop, in a process of its own: what scripts/test starts, several at a time. Its arguments are
the file, and where to write what came of it, as JSON: see Result."""

import dataclasses
import importlib.util
import json
import signal
import sys
import unittest
from pathlib import Path

# What one Python test, or what its class sets up, may take at most.
PATIENCE = 600


@dataclasses.dataclass
class Result:
    passed: int
    failed: list  # names
    skipped: list  # [name, why]
    unreached: dict  # of scripts/peers.py


class Counting(unittest.TextTestResult):
    """Counts what passed; a test with several broken parts is one that failed. One that hangs fails by an alarm."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.passed = 0
        signal.signal(signal.SIGALRM, self.alarm)
        signal.alarm(PATIENCE)

    @staticmethod
    def alarm(*_):
        raise TimeoutError(f"not done within {PATIENCE} s")

    def startTest(self, test):
        signal.alarm(PATIENCE)
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        signal.alarm(PATIENCE)

    def stopTestRun(self):
        super().stopTestRun()
        signal.alarm(0)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def run(path):
    sys.path[:0] = [str(path.parent)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Counting).run(suite)
    failed = sorted({str(getattr(test, "test_case", test)) for test, _ in result.failures + result.errors})
    unreached = sys.modules["peers"].unreached if "peers" in sys.modules else {}
    return Result(result.passed, failed, [[str(test), why] for test, why in result.skipped], unreached)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(dataclasses.asdict(run(Path(sys.argv[1])))))

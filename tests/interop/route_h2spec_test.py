"""h2spec (the Go program in h2specgo/) against a route: all of its tests of HTTP/2 servers, strict ones too, with nginx behind the gateway over
HTTP/1.1 and HTTP/2."""

import unittest
import xml.etree.ElementTree

import harness
import peers
from routes import NginxCase

TESTS = 146
_CLOSED = "RFC 9113, section 5.1: an endpoint MAY treat frames on a closed stream as an error, where RFC 7540 had a MUST; they are ignored"
# What may fail, as it is no defect: (section, description) -> why.
NO_DEFECTS = {
    ("http2/5.1", "closed: Sends a DATA frame after sending RST_STREAM frame"): _CLOSED,
    ("http2/5.1", "closed: Sends a HEADERS frame after sending RST_STREAM frame"): _CLOSED,
    ("http2/5.1", "closed: Sends a DATA frame"): _CLOSED,
    ("http2/5.1", "closed: Sends a HEADERS frame"): _CLOSED,
    ("http2/5.3.1", "Sends PRIORITY frame that depend on itself"):
        "RFC 9113, section 5.3.2: priority signals of RFC 7540 are deprecated, and SETTINGS_NO_RFC7540_PRIORITIES says that we read none",
}


class H2spec(NginxCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = peers.go_program("h2specgo")

    def test_all_of_it(self):
        # Most of it is waiting: both at once.
        backends = ("h1", "h2c")
        reports = {back: self.lab.folder / f"h2spec-{back}.xml" for back in backends}
        programs = [self.lab.start([self.program, "-port", self.gateway.port, "-path", f"/{back}/small.txt", "-junit-report", reports[back]], "h2spec")
                    for back in backends]
        for back, program in zip(backends, programs):
            self.assertEqual(program.child.wait(harness.PATIENCE), 0, program.last_words())
            suites = xml.etree.ElementTree.parse(reports[back]).getroot()
            results = {(case.get("package"), case.get("classname")): case for case in suites.iter("testcase")}
            self.assertEqual(sum(1 for _ in suites.iter("testcase")), TESTS)
            failed = {name: case for name, case in results.items() if case.find("failure") is not None or case.find("error") is not None}
            self.assertEqual({name: "".join(case.itertext()) for name, case in failed.items() if name not in NO_DEFECTS}, {}, back)
            self.assertEqual([case for case in suites.iter("testcase") if case.find("skipped") is not None], [])
            # What it asked for came from behind the route, and the gateway is as it was.
            served = self.recorded(self.gateway, lambda line, back=back: line.get("path") == f"/{back}/small.txt" and line.get("status") == 200, "answers")
            self.assertGreater(len(served), 20)
            self.assertEqual(self.asks(self.url(back, "small.txt"), "--http2").body, b"hello\n")
        self.assertTrue(self.gateway.alive())


if __name__ == "__main__":
    unittest.main()

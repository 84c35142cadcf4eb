"""The commands of README.md, run as they stand there, and the flags that the pages in docs/ name."""

import json
import re
import subprocess
import unittest

import harness
from harness import ROOT, SALLYPORT, Lab
from tls_server import Handler, TlsServer


def commands(page):
    """The command lines of our program in a page: its indented lines, those joined by && apart."""
    lines = [line.strip() for line in page.read_text().splitlines() if line.startswith("    sallyport ")]
    return [command.removesuffix("&").strip() for line in lines for command in line.split("&&")]


def blocks(page):
    """The indented blocks of a page, each as its lines; a blank line alone ends none."""
    return [block.split("\n") for block in re.findall(r"^    .*(?:\n+    .*)*", page.read_text(), re.MULTILINE)]


class Readme(unittest.TestCase):
    """Ports and names of the README are not to be had on a test machine, and its certificates are nobody's: those are put in their place,
    everything else is taken by the word."""

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.folder = self.lab.folder
        (self.folder / "site").mkdir()
        (self.folder / "site" / "file").write_text("hello\n")
        self.places = {}  # what the README calls it -> where it is

    def run_once(self, command, *more):
        # By a shell, for it has a pattern to expand.
        line = " ".join([str(SALLYPORT), *command.split(" ")[1:], *map(str, more)])
        for name, place in self.places.items():
            line = line.replace(name, place)
        done = subprocess.run(["bash", "-euc", line], cwd=self.folder, capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        return done.stdout

    def serve(self, command, *more):
        """Starts a gateway of the README; its port."""
        ready = self.folder / f"ready-{len(self.lab.processes)}"
        words = re.sub(r"--listen (localhost)?:\d+", "--listen 127.0.0.1:0", command).split(" ")[1:]
        process = self.lab.start(["env", "-C", self.folder, SALLYPORT, *words, "--ready-file", ready, *more], "gateway")
        return harness.wait_for_ready(process, ready).rsplit(":", 1)[1]

    def test_every_command(self):
        todo = commands(ROOT / "README.md")

        def take(beginning):
            found = [command for command in todo if command.startswith(beginning)]
            self.assertEqual(len(found), 1, beginning)
            todo.remove(found[0])
            return found[0]

        site = self.serve(take("sallyport gateway --listen :8443"))
        self.assertIn("BEGIN CERTIFICATE", (self.folder / "site.pem").read_text())
        self.places = {"localhost:8443": f"localhost:{site}", "-t 10": "-t 3"}
        self.assertEqual(self.run_once(take("sallyport get --ca site.pem https"), "--no-cache"), "hello\n")
        self.assertIn("client", self.run_once(take("sallyport trace")))
        self.assertIn("no errors", self.run_once(take("sallyport bench")))

        self.assertIn("https://localhost:8443/", self.run_once(take("sallyport cert spki")))
        self.assertIn("cert.pem", self.run_once(take("sallyport cert self-signed")))
        # The site behind it is any server: here it is the first gateway.
        front = take("sallyport gateway --listen :8445").replace("http://127.0.0.1:8080", f"https://localhost:{site}")
        self.places["localhost:8445"] = f"localhost:{self.serve(front, '--backend-ca', 'site.pem')}"
        self.assertEqual(self.run_once(take("sallyport get --ca front.pem"), "--no-cache"), "hello\n")
        tokens = [line.strip() for line in (ROOT / "README.md").read_text().splitlines() if "> tokens" in line]
        self.assertEqual(len(tokens), 1)
        subprocess.run(["bash", "-euc", tokens[0]], cwd=self.folder, check=True)
        self.assertEqual((self.folder / "tokens").stat().st_mode & 0o777, 0o600)
        hop = self.serve(take("sallyport gateway --listen localhost:8444"))
        self.places["localhost:8444"] = f"localhost:{hop}"
        self.assertIn("hop 1", self.run_once(take("sallyport get --ca site.pem --ca hop.pem"), "--no-cache"))
        self.assertEqual((self.folder / "file").read_text(), "hello\n")
        self.assertEqual(todo, [])


def names_in(figures):
    """Of all objects in it, but for response headers, whose names are the server's."""
    if isinstance(figures, list):
        return set().union(*map(names_in, figures))
    if not isinstance(figures, dict):
        return set()
    return set(figures).union(*(names_in(value) for name, value in figures.items() if name != "headers"))


class BreaksOff(Handler):
    """Its body never comes whole, and could be gone on with."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "10")
        self.send_header("etag", '"1"')
        self.end_headers()
        self.wfile.write(b"hello")
        self.close_connection = True


class Pages(unittest.TestCase):
    def test_a_gateway_in_the_foreground_is_the_last_of_its_block(self):
        """Whatever followed it would wait for its end."""
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            for block in blocks(page):
                for line in block[:-1]:
                    with self.subTest(page=page.name, line=line):
                        self.assertTrue(not line.startswith("    sallyport gateway") or line.endswith("&"))

    def test_json_fields_are_explained(self):
        with Lab() as lab:
            (lab.folder / "file").write_text("hello\n")
            origin = lab.gateway("--files", lab.folder)
            hop = lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8")
            fields = names_in(lab.get_json("-o", "/dev/null", "--http", "h3", "--via", hop.url, "--qlog", lab.folder / "qlog", f"{origin.url}/file"))
            server = TlsServer(lab, BreaksOff)
            self.addCleanup(server.close)
            fields |= names_in(lab.get_json("-o", lab.folder / "got", "--http", "h1", "--retry", "1", "--retry-delay", "0", server.url, expect=1))
        page = (ROOT / "docs" / "get.md").read_text()
        section = page[page.index("### Fields of --json"):page.index("`--qlog DIR` and `--keylog FILE` record")]
        explained = set()
        for row in re.findall(r"^\| (`.*)", section, re.MULTILINE):
            names, words = row.split("|", 1)
            explained |= set(re.findall(r"`(\w+)`", row if names.strip() in ("`process`", "`tunnel`", "`overhead`") else names))
        self.assertEqual(fields, explained)

    def test_json_fields_of_bench_are_explained(self):
        with Lab() as lab:
            (lab.folder / "file").write_text("hello\n")
            origin = lab.gateway("--files", lab.folder)
            figures = json.loads(harness.run(SALLYPORT, "bench", "--json", "--ca", lab.certificate()[0], "-n", "1", f"{origin.url}/file"))
        page = (ROOT / "docs" / "bench.md").read_text()
        rows = re.findall(r"^\| (`.*)", page[page.index("## Fields of --json"):], re.MULTILINE)
        explained = set(re.findall(r"`(\w+)`", " ".join(row if row.startswith("`latency`") else row.split("|", 1)[0] for row in rows))) - {"null"}
        self.assertEqual(names_in(figures), explained)

    def test_the_threat_model_names_tests_that_exist(self):
        """In the last column of its tables: unit and simulated tests, Python's, and fuzz targets."""
        known = {path.stem for path in (ROOT / "fuzz").glob("*_fuzz.cpp")}
        for path in [*(ROOT / "src").rglob("*_test.cpp"), *(ROOT / "tests" / "sim").glob("*_test.cpp")]:
            known |= {f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", path.read_text(), re.MULTILINE)}
        for path in (ROOT / "tests").glob("*/*_test.py"):
            for suite, methods in re.findall(r"^class (\w+).*?:\n(.*?)(?=^\S|\Z)", path.read_text(), re.MULTILINE | re.DOTALL):
                known |= {f"{path.stem}.{suite}.{name}" for name in re.findall(r"^    def (test_\w+)", methods, re.MULTILINE)}
        tables, _ = (ROOT / "docs" / "threat-model.md").read_text().split("## For what is still to be built")
        rows = [line.split(" | ") for line in tables.splitlines() if line.startswith("| `") and line.count(" | ") == 3]
        named = {name.partition("/")[0] for row in rows for name in re.findall(r"`([^`]+)`", row[3])}
        self.assertGreater(len(rows), 100)
        self.assertEqual(named - known, set())
        identifiers = [row[0] for row in rows]
        self.assertEqual(len(identifiers), len(set(identifiers)))

    def test_citations_of_the_threat_model_name_its_rows(self):
        """As docs/threat-model.md, "Rapid Reset" and "frame flood", perhaps over several lines of a comment. Numbers of rows would go stale."""
        page = (ROOT / "docs" / "threat-model.md").read_text()
        known = set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))
        cited = {}
        for folder in ("src", "tests", "fuzz", "bench", "docs", "scripts"):
            for path in (ROOT / folder).rglob("*"):
                if path.suffix not in (".cpp", ".h", ".py", ".md"):
                    continue
                text = re.sub(r"\n\s*(?:///?|#|\*)?\s*", " ", path.read_text())
                for names in re.findall(r'docs/threat-model\.md, ("[^"]+"(?:(?:,| and) "[^"]+")*)', text):
                    cited.update(dict.fromkeys(re.findall(r'"([^"]+)"', names), path.name))
                with self.subTest(path=path.name):
                    self.assertNotRegex(text, r"(?i)\bbad inputs? \d|\(rows? \d")
        self.assertGreater(len(cited), 25)
        self.assertEqual({name: path for name, path in cited.items() if name not in known}, {})

    def test_flags_exist(self):
        """Of every command line in docs/ and the README, and every flag in the text of a command's own page."""
        known = {}
        for command in ("gateway", "get", "tun", "bench", "trace summary", "cert self-signed", "cert spki"):
            done = subprocess.run([str(SALLYPORT), *command.split(), "--help"], capture_output=True, text=True, timeout=harness.PATIENCE)
            known[command] = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout))
            self.assertIn("--help", known[command])
        pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        for page in pages:
            for line in commands(page):
                command = max((c for c in known if line.startswith(f"sallyport {c}")), key=len, default=None)
                if command is None:
                    continue
                with self.subTest(page=page.name, line=line):
                    self.assertLessEqual(set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", line)), known[command])
        # get's flags are bench's too, and pages name those of both sides.
        everything = set().union(*known.values())
        for page in pages[1:]:
            if page.stem not in ("get", "gateway", "bench", "tun"):
                continue
            with self.subTest(page=page.name):
                named = set(re.findall(r"`(--[a-z][\w-]*)", page.read_text()))
                self.assertLessEqual(named, everything)


if __name__ == "__main__":
    unittest.main()

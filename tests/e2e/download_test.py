"""What `sallyport get` makes of crooked answers, of odd places for its bytes, and of its own end: it never says that it has what it has not."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import unittest
from pathlib import Path

import harness
from harness import SALLYPORT, Lab
from tls_server import Handler, TlsServer

KEPT = 100_000


class Crooked(TlsServer):
    """HTTP/1.1 over TLS, of one resource. .crook, asked with the handler, the first and the last byte that a Range asks for (None: all of it),
    returns status, fields and body, or None to have it answered well."""

    def __init__(self, lab, content):
        crooked = self

        class Crook(Handler):
            def do_GET(self):
                first, last = self.asked_range(len(content))
                with crooked.lock:
                    crooked.asked.append(self.headers.get("range"))
                    answer = crooked.crook(self, first, last)
                status, fields, body = answer or crooked.well(first, last)
                self.send_response(status)
                for name, value in {"etag": '"1"', **fields, "content-length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

        self.content, self.asked, self.lock = content, [], threading.Lock()
        self.crook = lambda *_: None
        super().__init__(lab, Crook)
        self.url += "/file"

    def well(self, first, last):
        if first is None:
            return 200, {}, self.content
        return 206, {"content-range": f"bytes {first}-{last}/{len(self.content)}"}, self.content[first:last + 1]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.ca = cls.lab.certificate()[0]
        cls.site = cls.lab.folder / "site"
        cls.site.mkdir()
        (cls.site / "small.txt").write_text("hello\n")
        (cls.site / "-").write_text("a dash\n")
        harness.make_file(cls.site / "large.bin", 64 << 20)
        cls.origin = cls.lab.gateway("--files", cls.site, "--log-level", "debug", name="origin")

    def setUp(self):
        self.folder = self.lab.folder / self.id().rsplit(".", 1)[1]
        self.folder.mkdir()

    def command(self, *arguments):
        return [str(c) for c in (SALLYPORT, "get", "--no-cache", "-q", "--ca", self.ca, *arguments)]

    def get(self, *arguments, status=0, **options):
        done = harness.finish(self.command(*arguments), cwd=self.folder, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return done


class Answers(Case):
    def setUp(self):
        super().setUp()
        self.server = Crooked(self.lab, os.urandom(3_000_000))
        self.addCleanup(self.server.close)
        self.target = self.folder / "file"

    def had_before(self):
        size = len(self.server.content)
        Path(f"{self.target}.part").write_bytes(self.server.content[:KEPT])
        Path(f"{self.target}.part.json").write_text(json.dumps({"url": self.server.url, "validator": '"1"', "size": size, "done": [[0, KEPT]]}))

    def fetch(self, *arguments, status=0):
        self.server.asked.clear()
        done = self.get("--http", "h1", "-o", self.target, *arguments, self.server.url, status=status)
        if status == 0:
            self.assertEqual(self.target.read_bytes(), self.server.content)
            self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["file"])
        else:
            self.assertFalse(self.target.exists())
        return done

    def test_what_is_not_the_rest_is_started_over(self):
        size, content = len(self.server.content), self.server.content
        for what, answer in (("a slice that is called the whole", lambda first, last: (200, {"content-range": f"bytes {first}-{last}/{size}"}, content[first:])),
                             ("begins earlier", lambda first, last: (206, {"content-range": f"bytes 0-{last}/{size}"}, content)),
                             ("no Content-Range", lambda first, last: (206, {}, content[first:])),
                             ("another unit", lambda first, last: (206, {"content-range": f"lines {first}-{last}/{size}"}, content[first:]))):
            with self.subTest(what=what):
                self.server.crook = lambda _handler, first, last, answer=answer: None if first is None else answer(first, last)
                self.had_before()
                self.fetch("--resume")
                self.assertEqual(self.server.asked, [f"bytes={KEPT}-{size - 1}", None])
                self.target.unlink()

    def test_what_is_downloaded_again_is_said(self):
        def said(*flags):
            done = harness.finish([word for word in self.command("--http", "h1", "-o", "file", *flags, self.server.url) if word != "-q"], cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.target.read_bytes(), self.server.content)
            return done.stderr

        self.server.crook = lambda *_: None
        self.assertEqual(said("--resume"), "", "the first of many runs")
        self.assertEqual(said(), "")
        self.assertEqual(said("-C", "-"), "sallyport: there is no 'file.part' to go on with; 'file' is downloaded again\n")
        self.had_before()
        Path(f"{self.target}.part.json").unlink()
        self.assertIn("cannot go on with 'file.part': no 'file.part.json' tells", said("--resume"))
        self.had_before()
        state = Path(f"{self.target}.part.json")
        state.write_text(state.read_text().replace(r'\"1\"', r'\"0\"'))
        self.assertEqual(said("--resume"), "sallyport: cannot go on with 'file.part': the server has another version by now; it is downloaded from the start\n")
        self.had_before()
        self.assertEqual(said("--resume"), f"sallyport: going on with 'file.part': {KEPT} of {len(self.server.content)} bytes are kept\n")
        self.had_before()
        Path(f"{self.target}.part").write_bytes(self.server.content[:KEPT + 200_000])
        self.assertIn(f"{KEPT} of {len(self.server.content)} bytes are kept, and 200000 more that it has are asked for again", said("--resume"))

    def test_what_is_the_rest_in_other_words_is_taken(self):
        size, content = len(self.server.content), self.server.content
        for said in ("Bytes {}-{}/{}", "bytes {}-{}/*"):
            with self.subTest(said=said):
                self.server.crook = lambda _handler, first, last, said=said: (206, {"content-range": said.format(first, last, size)}, content[first:])
                self.had_before()
                self.fetch("--resume")
                self.assertEqual(len(self.server.asked), 1)
                self.target.unlink()

    def test_a_slice_for_the_whole_is_an_error(self):
        size, content = len(self.server.content), self.server.content
        for status in (200, 206):
            with self.subTest(status=status):
                self.server.crook = lambda *_, status=status: (status, {"content-range": f"bytes 0-999/{size}"}, content[:1000])
                words = self.fetch(status=1).stderr
                self.assertIn("answered with a part", words)
                self.had_before()
                self.assertIn(f"{KEPT} bytes are kept", self.fetch("--resume", status=1).stderr)

    def test_parts_of_servers_that_do_not_agree(self):
        for what, crook in (("each node has its own ETag", lambda first, count: {"etag": f'"node {count}"'}),
                            ("one part is of another version", lambda first, count: {"etag": '"2"'} if count == 3 else {})):
            with self.subTest(what=what):
                def answer(_handler, first, last, crook=crook):
                    status, fields, body = self.server.well(first, last)
                    return status, {**fields, **crook(first, len(self.server.asked))}, body
                self.server.crook = answer
                self.fetch("-n", "4")
                self.assertIsNone(self.server.asked[-1])
                self.target.unlink()

    def test_one_part_is_answered_with_the_whole(self):
        self.server.crook = lambda _handler, first, _last: self.server.well(None, None) if first and len(self.server.asked) == 3 else None
        self.fetch("-n", "4")

    def test_one_part_is_refused_for_the_moment(self):
        self.server.crook = lambda *_: (503, {"retry-after": "1"}, b"busy\n") if len(self.server.asked) == 3 else None
        self.fetch("-n", "4")
        self.assertNotIn(None, self.server.asked)

    def test_a_part_that_stays_refused_fails_and_is_kept(self):
        self.server.crook = lambda handler, first, _last: (503, {"retry-after": "0"}, b"busy\n") if first else None
        words = self.fetch("-n", "2", status=1).stderr
        self.assertIn("503", words)
        self.assertIn("--resume", words)


class Places(Case):
    def test_two_processes_do_not_share_a_part(self):
        server = Crooked(self.lab, os.urandom(1_000_000))
        self.addCleanup(server.close)
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        seen = threading.Event()

        def slowly(handler, *_):
            handler.send_response(200)
            handler.send_header("content-length", str(len(server.content)))
            handler.end_headers()
            handler.wfile.write(server.content[:500_000])
            seen.set()
            go_on.wait(harness.PATIENCE)
            handler.wfile.write(server.content[500_000:])
            handler.close_connection = True
            raise ConnectionError  # all is said

        server.crook = slowly
        first = subprocess.Popen(self.command("--http", "h1", "-o", "f", server.url), cwd=self.folder)
        self.addCleanup(first.kill)
        self.assertTrue(seen.wait(harness.PATIENCE))
        harness.wait_until(lambda: (self.folder / "f.part").exists(), "a part is there")
        for name in ("f", self.folder / "f"):
            self.assertIn("another download writes to", self.get("-o", name, f"{self.origin.url}/small.txt", status=1).stderr)
        go_on.set()
        self.assertEqual(first.wait(harness.PATIENCE), 0)
        self.assertEqual((self.folder / "f").read_bytes(), server.content)

    def test_two_urls_for_one_file(self):
        for flags in (("-O", "{}/f", "{}/f.part"), ("-o", "x", "-o", "./x", "{}/a", "{}/b"), ("-O", "{}/f.part.json", "{}/f")):
            self.get("-n", "2", *(flag.format(self.origin.url) for flag in flags), status=2)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_open_descriptors_are_written_to(self):
        url = f"{self.origin.url}/small.txt"
        # Not /dev/stdout itself: a program that is wrong about it would replace it, for the whole machine.
        (self.folder / "stdout").symlink_to("/proc/self/fd/1")
        for name in ("stdout", "/dev/fd/1", "/proc/self/fd/1"):
            with self.subTest(name=name):
                out = self.folder / "out"
                out.write_text("before\n")
                with open(out, "a") as stdout:
                    self.get("-o", name, url, stdout=stdout, capture_output=False, stderr=subprocess.PIPE)
                self.assertEqual(out.read_text(), "before\nhello\n")
                self.assertTrue((self.folder / "stdout").is_symlink())
        read, write = os.pipe()
        self.get("-o", f"/dev/fd/{write}", url, pass_fds=(write,))
        self.assertEqual(os.read(read, 100), b"hello\n")
        os.close(read)
        os.close(write)
        self.assertIn("not open", self.get("-o", "/dev/fd/77", url, status=1).stderr)

    def test_links_and_modes_stay(self):
        target, link = self.folder / "target", self.folder / "link"
        target.write_text("old")
        target.chmod(0o600)
        link.symlink_to("target")
        self.get("-o", link, f"{self.origin.url}/small.txt")
        self.assertTrue(link.is_symlink())
        self.assertEqual((target.read_text(), stat.S_IMODE(target.stat().st_mode)), ("hello\n", 0o600))
        (self.folder / "target.part").symlink_to("/etc/hostname")
        self.assertIn("symbolic link", self.get("-o", target, f"{self.origin.url}/small.txt", status=1).stderr)

    def test_a_fifo(self):
        os.mkfifo(self.folder / "fifo")
        child = subprocess.Popen(self.command("-o", "fifo", f"{self.origin.url}/small.txt"), cwd=self.folder)
        self.addCleanup(child.kill)
        self.assertEqual((self.folder / "fifo").read_text(), "hello\n")
        self.assertEqual(child.wait(harness.PATIENCE), 0)
        self.assertTrue((self.folder / "fifo").is_fifo())

    def test_names(self):
        for length in (245, 246, 255):
            name = "n" * length
            (self.site / name).write_text("long\n")
            self.get("-O", f"{self.origin.url}/{name}")
            self.assertEqual((self.folder / name).read_text(), "long\n")
        self.assertIn("-o: ", self.get("-o", "n" * 256, f"{self.origin.url}/small.txt", status=1).stderr)
        self.get("-o", "", f"{self.origin.url}/small.txt", status=2)
        self.assertEqual(self.get("-O", f"{self.origin.url}/-").stdout, "")
        self.assertEqual((self.folder / "-").read_text(), "a dash\n")


class Ends(Case):
    @staticmethod
    def kill_group(group):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)

    def test_a_loop_of_the_shell_ends_with_it(self):
        for what in (" ".join(self.command("-o", "f", "--limit-rate", "100k", f"{self.origin.url}/large.bin")),
                     f"{SALLYPORT} bench -q --json --ca {self.ca} -t 3600 {self.origin.url}/small.txt"):
            with self.subTest(what=what):
                before = self.origin.log_path.read_text().count("handshake complete")
                child = subprocess.Popen(["bash", "-c", f"for i in 1 2 3; do {what}; echo again; done"], cwd=self.folder, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, start_new_session=True)
                self.addCleanup(self.kill_group, child.pid)
                harness.wait_until(lambda before=before: self.origin.log_path.read_text().count("handshake complete") > before, "it runs")
                os.killpg(child.pid, signal.SIGINT)
                out, words = child.communicate(timeout=harness.PATIENCE)
                self.assertEqual(child.returncode, -signal.SIGINT, words)
                self.assertNotIn("again", out)
                if what.startswith(f"{SALLYPORT} bench"):
                    self.assertGreater(json.loads(out)["seconds"], 0)

    def test_what_cannot_be_written_is_an_error(self):
        url = f"{self.origin.url}/small.txt"
        (self.folder / "qlog").mkdir()
        self.get("--qlog", self.folder / "qlog", "--http", "h3", "-o", "/dev/null", url)
        log = next((self.folder / "qlog").iterdir())
        commands = {"help": ["--help"], "version": ["--version"], "help of a command": ["get", "--help"], "body": self.command(url)[1:],
                    "figures": self.command("--json", "-o", "/dev/null", url)[1:],
                    "bench": ["bench", "-q", "--ca", self.ca, "-n", "1", url], "trace": ["trace", "summary", log],
                    "cert": ["cert", "spki", self.ca]}
        for what, arguments in commands.items():
            for to in (">/dev/full", ">&-"):
                with self.subTest(what=what, to=to):
                    done = harness.finish(["sh", "-c", f'"$@" {to}', "sh", SALLYPORT, *arguments], cwd=self.folder)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn("standard output", done.stderr)

    def test_a_reader_that_has_enough_ends_it_without_a_word(self):
        for http in ("h3", "h2", "h1"):
            with self.subTest(http=http):
                def closed():
                    return len(re.findall(r"closed: the peer closed the connection|closed: ", self.origin.log_path.read_text()))
                before = closed()
                child = subprocess.Popen(self.command("--http", http, f"{self.origin.url}/large.bin"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                child.stdout.read(10)
                child.stdout.close()
                self.assertEqual(child.stderr.read(), b"")
                child.stderr.close()
                self.assertEqual(child.wait(harness.PATIENCE), -signal.SIGPIPE)
                # Long before its idle timeout, which is a minute.
                harness.wait_until(lambda before=before, closed=closed: closed() > before, "the connection was closed")
        log = self.origin.log_path.read_text()
        self.assertRegex(log, r"closed: the peer closed the connection")
        self.assertNotIn("idle timeout", log)

    def test_where_sigpipe_is_ignored_it_is_an_error(self):
        child = subprocess.Popen(["sh", "-c", 'trap "" PIPE; exec "$@"', "sh", *self.command(f"{self.origin.url}/large.bin")], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        child.stdout.read(10)
        child.stdout.close()
        self.assertIn(b"Broken pipe", child.stderr.read())
        child.stderr.close()
        self.assertEqual(child.wait(harness.PATIENCE), 1)


class Modes(Case):
    def via(self, *masque, **options):
        return self.lab.gateway("--masque", *masque, "--allow", "127.0.0.0/8", "--log-level", "debug", **options)

    def test_connect_in_place_of_connect_udp_is_said(self):
        hop = self.via("tcp", name="tcp-only")
        url = f"{self.origin.url}/small.txt"
        command = [c for c in self.command("--via", hop.url, url) if c != "-q"]
        done = harness.finish(command)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertRegex(done.stderr, r"hop 1 .*501.*CONNECT was used instead")
        self.assertIn("501", self.get("--via", hop.url, "--mode", "udp", url, status=1).stderr)
        self.assertEqual(self.get("--via", hop.url, "--mode", "tcp", url).stderr, "")

    def test_connect_where_a_hop_is_too_narrow_is_said(self):
        hop = self.via("udp,tcp", name="narrow")
        flags = ("--max-udp-payload", "1200", "--via", hop.url)
        url = f"{self.origin.url}/small.txt"
        done = harness.finish([word for word in self.command(*flags, url) if word != "-q"])
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertRegex(done.stderr, r"\Asallyport: .*the path inside hop 1 \(127\.0\.0\.1:\d+\) carries datagrams of \d+ bytes only.*CONNECT was used instead.*\n\Z")
        self.assertEqual(self.get(*flags, url).stderr, "")
        self.assertIn("the path inside hop 1", self.get(*flags, "--http", "h3", "--timeout", "10", url, status=1).stderr)

    def test_a_wrong_template(self):
        hop = self.via("udp", name="udp-only")
        words = self.get("--via", f"{hop.url}/elsewhere/{{target_host}}/{{target_port}}/", f"{self.origin.url}/small.txt", status=1).stderr
        self.assertRegex(words, r"hop 1 .*404")

    def test_a_silent_origin_behind_a_hop_without_connect(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            hop = self.via("udp", name="udp-only-2")
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
            words = self.get("--timeout", "4", "--via", hop.url, url, status=1).stderr
            self.assertRegex(words, r"origin 127.0.0.1:\d+: no answer within 4 s")

    def test_a_server_without_tls(self):
        with socket.create_server(("127.0.0.1", 0)) as plain:
            def serve():
                while True:
                    try:
                        near, _ = plain.accept()
                    except OSError:
                        return
                    with near:
                        near.recv(100)
                        near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            threading.Thread(target=serve, daemon=True).start()
            hop = self.via("udp,tcp", name="both")
            for via in ((), ("--via", hop.url)):
                with self.subTest(via=via):
                    words = self.get("--timeout", "5", *via, f"https://127.0.0.1:{plain.getsockname()[1]}/", status=1).stderr
                    self.assertIn("TLS", words)
                    self.assertNotIn("UDP", words)

    def test_flags_that_change_nothing_are_named(self):
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.ca, f"{self.origin.url}/small.txt"]
        for flags, words in ((("--mode", "tcp"), "--mode tcp"), (("--via-http", "h2"), "--via-http h2"), (("-k",), "--ca changes nothing"),
                             (("--cache", "x"), "--cache changes nothing"), (("--early-data",), "--early-data")):
            with self.subTest(flags=flags):
                done = harness.finish([*command, *flags])
                self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))
                self.assertIn(words, done.stderr)

    def test_json_has_no_exponents(self):
        for command in ([*self.command("--json", "-o", "/dev/null")], [SALLYPORT, "bench", "-q", "--json", "-n", "2", "--ca", self.ca]):
            text = harness.run(*command, f"{self.origin.url}/small.txt")
            self.assertGreater(len(json.loads(text)), 2)
            self.assertNotRegex(re.sub(r'"[^"]*"', "", text), r"\d[eE]")


if __name__ == "__main__":
    unittest.main()

"""What `sallyport get` asks for and shows, as a process: URLs as people write them, heads, fields, content, limits, tries, and what a terminal
and the environment change."""

import json
import os
import pty
import socket
import subprocess
import threading
import time
import unittest
import urllib.parse

from harness import PATIENCE, SALLYPORT, Lab
from tls_server import Handler, TlsServer

VERSIONS = {"h3": "HTTP/3", "h2": "HTTP/2", "h1": "HTTP/1.1"}


class Echo(TlsServer):
    """HTTP/1.1 over TLS that answers with what it was asked, as JSON. /status/N answers so, /to?URL redirects there (308), /flaky is
    unavailable the first time, /hang never answers."""

    def __init__(self, lab, host="127.0.0.1"):
        echo = self
        echo.asked = []

        class Echoing(Handler):
            def body(self):
                if self.headers.get("transfer-encoding") == "chunked":
                    whole = b""
                    while size := int(self.rfile.readline(), 16):
                        whole += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return whole
                return self.rfile.read(int(self.headers.get("content-length", 0)))

            def answer(self):
                said = {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                        "body": self.body().decode("latin-1")}
                echo.asked.append(said)
                path = urllib.parse.urlsplit(self.path).path
                if path == "/hang":
                    echo.over.wait(30)
                    self.close_connection = True
                    return
                status = 200
                if path.startswith("/status/"):
                    status = int(path.removeprefix("/status/"))
                if path == "/flaky" and sum(one["path"] == self.path for one in echo.asked) == 1:
                    status = 503
                if path == "/to":
                    status = 308
                self.send_response(status)
                if path == "/to":
                    self.wfile_headers("location", self.path.partition("?")[2])
                text = json.dumps(said).encode()
                self.send_header("x-echo", "yes")
                self.send_header("set-cookie", "session=topsecret")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            def wfile_headers(self, name, value):
                # As it comes: urllib would encode it.
                self._headers_buffer.append(f"{name}: {urllib.parse.unquote(value)}\r\n".encode())

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        self.over = threading.Event()
        super().__init__(lab, Echoing, host)

    def close(self):
        self.over.set()
        super().close()


class RequestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.cert = cls.lab.certificate("localhost", "127.0.0.1", "::1", "name.test", "hop.test", "bücher.test".encode("idna").decode())[0]
        cls.site = cls.lab.folder / "site"
        cls.site.mkdir()
        (cls.site / "small.txt").write_text("hello\n")
        (cls.site / "a [1] é%.txt").write_text("odd\n")
        (cls.site / "binary").write_bytes(b"\x00\x01")
        cls.origin = cls.lab.gateway("--files", cls.site, name="origin")
        cls.hops = [cls.lab.gateway("--masque", "udp,tcp", "--allow", "127.0.0.0/8", name=f"hop{i}") for i in range(2)]

    def echo(self, host="127.0.0.1"):
        echo = Echo(self.lab, host)
        self.addCleanup(echo.close)
        return echo

    def run_get(self, *arguments, status=0, env=None, stdin=subprocess.DEVNULL, quiet=True, **more):
        command = [SALLYPORT, "get", "--no-cache", *(["-q"] if quiet else []), "--ca", self.cert, *arguments]
        if "input" in more:
            stdin = None
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **(env or {})}, stdin=stdin, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def asked(self, *arguments, **more):
        """What the Echo was asked."""
        return json.loads(self.run_get("--http", "h1", *arguments, **more).stdout)


class Urls(RequestCase):
    def test_what_people_write_is_encoded(self):
        for http in VERSIONS:
            for path in ("a [1] é%.txt", "x/../a [1] é%.txt", "a%20%5B1%5D%20%C3%A9%25.txt", "%2e%2e/a [1] é%25.txt"):
                with self.subTest(http=http, path=path):
                    self.assertEqual(self.run_get("--http", http, f"{self.origin.url}/{path}").stdout, "odd\n")

    def test_is_sent_in_one_form(self):
        echo = self.echo()
        for written, path in (("/a b?c d", "/a%20b?c%20d"), ("/[]{}^|", "/%5B%5D%7B%7D%5E%7C"), ("/100%", "/100%25"), ("?q", "/?q"),
                              ("/x/../t#f", "/t"), ("/?u=https://x/", "/?u=https://x/")):
            with self.subTest(written=written):
                self.assertEqual(self.asked(echo.url.replace("https", "HTTPS") + written)["path"], path)
        self.assertEqual(self.asked(f"127.0.0.1:{echo.port}/?u=https://x/")["path"], "/?u=https://x/")

    def test_a_location_is_encoded_too(self):
        echo = self.echo()
        for location in ("/é x[1]", "é x[1]", f"HTTPS://LOCALHOST:{echo.port}/a/../é x[1]#f"):
            with self.subTest(location=location):
                said = self.asked("-L", f"{echo.url}/to?{urllib.parse.quote(location)}")
                self.assertEqual(said["path"], "/%C3%A9%20x%5B1%5D")

    def test_the_dot_at_the_end_is_for_the_resolver(self):
        echo = self.echo()
        said = self.asked(f"https://localhost.:{echo.port}/")
        self.assertEqual(said["headers"]["host"], f"localhost.:{echo.port}")
        self.assertEqual(echo.names, ["localhost"])
        for http in VERSIONS:
            self.run_get("--http", http, f"https://LOCALHOST.:{self.origin.port}/small.txt")

    def test_a_name_in_another_script(self):
        echo = self.echo()
        for name in ("bücher.test", "BÜCHER.TEST", "b%C3%BCcher.test", "xn--bcher-kva.test"):
            with self.subTest(name=name):
                said = self.asked("--resolve", f"bücher.test:{echo.port}:127.0.0.1", f"https://{name}:{echo.port}/")
                self.assertEqual(said["headers"]["host"], f"xn--bcher-kva.test:{echo.port}")
        self.assertEqual(set(echo.names), {"xn--bcher-kva.test"})

    def test_a_zone_is_for_this_machine(self):
        try:
            echo = self.echo("::1")
        except OSError:
            self.skipTest("this machine has no IPv6 loopback")
        said = self.asked(f"https://[::1%25lo]:{echo.port}/")
        self.assertEqual(said["headers"]["host"], f"[::1]:{echo.port}")
        words = self.run_get("--via", self.hops[0].url, f"https://[::1%25lo]:{echo.port}/", status=1).stderr
        self.assertIn("zone", words)

    def test_an_empty_port_is_the_default_one(self):
        words = self.run_get("--http", "h1", "--timeout", "2", "https://127.0.0.1:/", status=1).stderr
        self.assertIn("127.0.0.1:443", words)


class Heads(RequestCase):
    def test_before_the_body(self):
        for http, name in VERSIONS.items():
            with self.subTest(http=http):
                head, body = self.run_get("--http", http, "-i", f"{self.origin.url}/small.txt").stdout.split("\n\n")
                self.assertEqual(head.splitlines()[0], f"{name} 200 ")
                self.assertIn("content-length: 6", head.splitlines())
                self.assertEqual(body, "hello\n")

    def test_alone(self):
        for http, name in VERSIONS.items():
            with self.subTest(http=http):
                done = self.run_get("--http", http, "-I", f"{self.origin.url}/small.txt")
                self.assertTrue(done.stdout.startswith(f"{name} 200 \n"), done.stdout)
                self.assertTrue(done.stdout.endswith("\n\n"), done.stdout)
                self.assertIn("content-length: 6\n", done.stdout)
        self.assertTrue(self.run_get("--http", "h3", "-I", f"{self.origin.url}/none", status=1).stdout.startswith("HTTP/3 404 \n"))
        target = self.lab.folder / "head"
        self.run_get("-I", "-o", target, f"{self.origin.url}/small.txt")
        self.assertIn(b"content-length: 6\r\n", target.read_bytes())
        self.run_get("-I", "-o", self.lab.folder / "none", f"{self.origin.url}/none", status=1)
        self.assertEqual([path.name for path in self.lab.folder.glob("none*")], [])

    def test_what_is_said_without_secrets(self):
        for flags, hops in (((), 0), (("--via", self.hops[0].url, "--via", self.hops[1].url), 2)):
            for http, name in VERSIONS.items() if not hops else (("h3", "HTTP/3"),):
                with self.subTest(http=http, hops=hops):
                    words = self.run_get("--http", http, *flags, "-v", "-H", "Authorization: Bearer topsecret", "-H", "Cookie: topsecret", "-H", "X-A: 1",
                                         f"{self.origin.url}/small.txt").stderr
                    for line in (f"> GET /small.txt {name}", f"> host: 127.0.0.1:{self.origin.port}", "> x-a: 1", "> authorization: (hidden)",
                                 "> cookie: (hidden)", f"< {name} 200", "< content-length: 6"):
                        self.assertIn(line, words.splitlines())
                    self.assertEqual(sum(line.startswith("* hop ") for line in words.splitlines()), hops)
                    self.assertRegex(words, rf"\* origin 127\.0\.0\.1:{self.origin.port}: {name}, .*, TLSv1\.3 / TLS_\w+\n")
                    self.assertNotIn("topsecret", words)

    def test_in_json_without_secrets(self):
        echo = self.echo()
        done = self.run_get("--http", "h1", "--json", "-o", "/dev/null", f"{echo.url}/")
        headers = json.loads(done.stdout)["transfers"][0]["headers"]
        self.assertEqual(headers["x-echo"], ["yes"])
        self.assertEqual(headers["set-cookie"], ["(hidden)"])
        self.assertIn("set-cookie: session=topsecret", self.run_get("-i", "--http", "h1", f"{echo.url}/").stdout, "-i shows it as it is")

    def test_secrets_are_not_in_qlog(self):
        folder = self.lab.folder / "qlog"
        self.run_get("--http", "h3", "--qlog", folder, "-H", "Authorization: Bearer topsecret", "-H", "X-A: visible", f"{self.origin.url}/small.txt")
        text = "".join(path.read_text() for path in folder.iterdir())
        self.assertIn("visible", text)
        self.assertNotIn("topsecret", text)


class Asking(RequestCase):
    def test_fields(self):
        echo = self.echo()
        secret = self.lab.folder / "fields"
        secret.write_text("Authorization: Bearer t\n")
        headers = self.asked("-H", "X-A: 1", "-H", "Accept: text/a", "-H", "User-Agent:", "-H", "Host: other.test", "-H", f"@{secret}", f"{echo.url}/")["headers"]
        self.assertEqual({name: headers.get(name) for name in ("x-a", "accept", "host", "authorization", "user-agent")},
                         {"x-a": "1", "accept": "text/a", "host": "other.test", "authorization": "Bearer t", "user-agent": None})

    def test_fields_go_with_every_part_and_resumption(self):
        words = self.run_get("-n", "2", "-v", "-H", "X-A: 1", "-o", self.lab.folder / "parts", f"{self.origin.url}/small.txt").stderr
        self.assertEqual(words.count("> x-a: 1"), words.count("> GET "))

    def test_another_origin_gets_no_credentials(self):
        first, second = self.echo(), self.echo()
        flags = ("-L", "-H", "Authorization: Bearer t", "-H", "Cookie: c", "-H", "X-A: 1")
        headers = self.asked(*flags, f"{first.url}/to?{second.url}/x")["headers"]
        self.assertEqual((headers.get("authorization"), headers.get("cookie"), headers.get("x-a")), (None, None, "1"))
        self.assertEqual(first.asked[0]["headers"]["authorization"], "Bearer t")
        headers = self.asked(*flags, f"{first.url}/to?/x")["headers"]
        self.assertEqual((headers.get("authorization"), headers.get("cookie")), ("Bearer t", "c"))

    def test_content(self):
        echo = self.echo()
        said = self.asked("-d", "a=1", "-d", "b=é", f"{echo.url}/form")
        self.assertEqual((said["method"], said["body"], said["headers"]["content-type"]), ("POST", "a=1&b=é".encode().decode("latin-1"), "application/x-www-form-urlencoded"))
        large = self.lab.folder / "large file"
        large.write_bytes(bytes(range(256)) * 8192)
        said = self.asked("-T", large, f"{echo.url}/dir/")
        self.assertEqual((said["method"], said["path"], said["body"]), ("PUT", "/dir/large%20file", large.read_bytes().decode("latin-1")))
        said = self.asked("-T", "-", f"{echo.url}/x", input="from a pipe")
        self.assertEqual((said["body"], said["headers"].get("transfer-encoding")), ("from a pipe", "chunked"))
        self.assertEqual(self.asked("-X", "DELETE", f"{echo.url}/x")["method"], "DELETE")
        self.assertEqual(self.asked("--mode", "tcp", "--via", self.hops[0].url, "-d", "x", f"{echo.url}/")["body"], "x")

    def test_a_slow_pipe_is_waited_for(self):
        echo = self.echo()
        command = [SALLYPORT, "get", "--no-cache", "-q", "--ca", self.cert, "--http", "h1", "--stall-timeout", "3", "-T", "-", f"{echo.url}/x"]
        child = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdin.write(b"one")
        child.stdin.flush()
        time.sleep(5)  # well over the stall timeout, which has to be enough for the answer of a slow machine
        body, words = child.communicate(b"two", timeout=PATIENCE)
        self.assertEqual((child.returncode, words), (0, b""))
        self.assertEqual(json.loads(body)["body"], "onetwo")

    def test_what_does_not_go_together_is_one_sentence(self):
        for words, arguments in ((("-H 'content-length'",), ("-H", "Content-Length: 1")), (("-H 'transfer-encoding'",), ("-H", "Transfer-Encoding: chunked")),
                                 (("-H 'connection'",), ("-H", "Connection: close")), (("line's end",), ("-H", "X: a\r\nY: b")),
                                 (("-n", "-i"), ("-n", "2", "-i")), (("--resume", "-d"), ("-C", "-d", "x")), (("-I",), ("-I", "-d", "x")),
                                 (("--resolve",), ("--resolve", "nonsense")), (("--ipv4",), ("-4", "-6")), (("--limit-rate",), ("--limit-rate", "x"))):
            with self.subTest(arguments=arguments):
                said = self.run_get(*arguments, f"{self.origin.url}/small.txt", status=2).stderr
                self.assertEqual(len(said.splitlines()), 1, said)
                for word in words:
                    self.assertIn(word, said)

    def test_statuses(self):
        echo = self.echo()
        target = self.lab.folder / "page"
        self.assertIn("404", self.run_get("-o", target, "--http", "h1", f"{echo.url}/status/404", status=1).stderr)
        self.assertFalse(target.exists())
        self.assertIn("404", self.run_get("-o", target, "--http", "h1", "--fail-with-body", f"{echo.url}/status/404", status=1).stderr)
        self.assertEqual(json.loads(target.read_text())["path"], "/status/404")
        self.assertEqual(self.asked("--no-fail", f"{echo.url}/status/404")["path"], "/status/404")
        self.run_get("-f", "--http", "h1", f"{echo.url}/status/404", status=1)

    def test_tries_again(self):
        echo = self.echo()
        done = self.run_get("--http", "h1", "--retry", "2", "--retry-delay", "0", "-o", "/dev/null", "--json", f"{echo.url}/flaky", quiet=False)
        self.assertEqual(json.loads(done.stdout)["transfers"][0]["retries"], 1)
        self.assertIn("try 1 of 2", done.stderr)
        self.run_get("--http", "h1", "--retry", "2", "--retry-delay", "0", f"{echo.url}/status/503", status=1)
        self.assertEqual(sum(one["path"] == "/status/503" for one in echo.asked), 3)

    def test_tries_again_where_nobody_listened_yet(self):
        """Also through a hop that comes up late."""
        with socket.socket() as place:
            place.bind(("127.0.0.1", 0))
            port = place.getsockname()[1]
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.cert, "--http", "h3", "--timeout", "1", "--retry", "100", "--retry-delay", "0.1",
                   "--via", f"https://127.0.0.1:{port}", f"{self.origin.url}/small.txt"]
        child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("hop 1", child.stderr.readline())
        self.lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", listen=f"127.0.0.1:{port}", name="late")
        body, _ = child.communicate(timeout=PATIENCE)
        self.assertEqual((child.returncode, body), (0, "hello\n"))

    def test_a_time_for_all_of_it(self):
        echo = self.echo()
        self.assertIn("--max-time", self.run_get("--http", "h1", "-m", "0.5", f"{echo.url}/hang", status=1).stderr)

    def test_a_rate(self):
        (self.site / "rate").write_bytes(bytes(3 << 20))
        for http in VERSIONS:
            with self.subTest(http=http):
                figures = json.loads(self.run_get("--http", http, "--limit-rate", "1M", "--json", "-o", "/dev/null", f"{self.origin.url}/rate").stdout)
                self.assertGreater(figures["transfers"][0]["duration_ms"], 1000)


class Addresses(RequestCase):
    def test_given_ones_are_used(self):
        for http in VERSIONS:
            with self.subTest(http=http):
                figures = json.loads(self.run_get("--http", http, "-k", "--json", "-o", "/dev/null", "--resolve", f"name.test:{self.origin.port}:127.0.0.1",
                                                  f"https://name.test:{self.origin.port}/small.txt").stdout)
                self.assertEqual(figures["links"][-1]["address"], f"127.0.0.1:{self.origin.port}")

    def test_of_a_link_inside_a_hop_are_what_the_hop_says(self):
        for flags in (("--http", "h3"), ("--mode", "tcp")):
            with self.subTest(flags=flags):
                figures = json.loads(self.run_get(*flags, "--json", "-o", "/dev/null", "--via", self.hops[0].url,
                                                  "--resolve", f"localhost:{self.origin.port}:127.0.0.1",
                                                  f"https://localhost:{self.origin.port}/small.txt").stdout)
                self.assertEqual(figures["links"][-1]["address"], f"127.0.0.1:{self.origin.port}")

    def test_given_ones_are_asked_of_a_hop(self):
        for flags in (("--http", "h3"), ("--mode", "tcp")):
            with self.subTest(flags=flags):
                self.run_get("-k", *flags, "--via", f"https://hop.test:{self.hops[0].port}", "--via", f"https://hop.test:{self.hops[1].port}",
                             "--resolve", f"hop.test:{self.hops[0].port}:127.0.0.1", "--resolve", f"hop.test:{self.hops[1].port}:127.0.0.1",
                             "--resolve", f"*:{self.origin.port}:127.0.0.1", f"https://name.test:{self.origin.port}/small.txt")

    def test_one_family(self):
        for http in VERSIONS:
            self.run_get("--http", http, "-4", f"https://localhost:{self.origin.port}/small.txt")
        words = self.run_get("-6", "--http", "h3", f"https://127.0.0.1:{self.origin.port}/", status=1).stderr
        self.assertIn("-6", words)


class Surroundings(RequestCase):
    def on_a_terminal(self, *arguments):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command = [SALLYPORT, "get", "--no-cache", "--ca", self.cert, *arguments]
        done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, timeout=PATIENCE)
        os.close(theirs)
        seen = b""
        try:
            while more := os.read(ours, 4096):
                seen += more
        except OSError:  # the other end is closed
            pass
        return done.returncode, seen

    def test_a_terminal_gets_nothing_binary(self):
        status, seen = self.on_a_terminal(f"{self.origin.url}/binary")
        self.assertEqual(status, 1)
        self.assertIn(b"-o FILE", seen)
        self.assertNotIn(b"\x00", seen)
        self.assertEqual(self.on_a_terminal("-o", "-", f"{self.origin.url}/binary"), (0, b"\x00\x01"))
        self.assertEqual(self.on_a_terminal(f"{self.origin.url}/small.txt"), (0, b"hello\r\n"))

    def test_a_proxy_in_the_environment_is_spoken_of(self):
        clean = {name: "" for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")}
        url = f"{self.origin.url}/small.txt"
        words = self.run_get(url, env={**clean, "https_proxy": "http://proxy.test:1"}, quiet=False).stderr
        self.assertEqual(len(words.splitlines()), 1)
        self.assertIn("--via", words)
        for env in (clean, {**clean, "https_proxy": "http://proxy.test:1", "no_proxy": "127.0.0.1"}):
            self.assertEqual(self.run_get(url, env=env, quiet=False).stderr, "")
        self.assertEqual(self.run_get("--via", self.hops[0].url, url, env={**clean, "https_proxy": "x"}, quiet=False).stderr, "")


if __name__ == "__main__":
    unittest.main()

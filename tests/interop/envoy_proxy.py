"""Envoy's configuration as a reverse proxy, for route_proxies_test.py: one listener of a kind, all of whose requests go to one upstream."""

_TYPE = "type.googleapis.com/envoy.extensions"
# What a listener takes, and an upstream is spoken to by: "http": HTTP/1.1 (a listener: HTTP/2 too) in the clear; "h2c"; "https": by ALPN; "h3".
_UPSTREAM = {"http": {"http_protocol_options": {}}, "h2c": {"http2_protocol_options": {}}, "https": {"http2_protocol_options": {}},
             "h3": {"http3_protocol_options": {}}}


def _listener(kind, port, cert, key):
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "front",
        "codec_type": "HTTP3" if kind == "h3" else "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "behind", "timeout": "0s"}}]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"}}],
        # Else it leaves trailers out over HTTP/1.1.
        "http_protocol_options": {"enable_trailers": True},
    }
    if kind == "h3":
        manager["http3_protocol_options"] = {}
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    tls = {"common_tls_context": {"alpn_protocols": ["h3"] if kind == "h3" else ["h2", "http/1.1"],
                                  "tls_certificates": [{"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}]}}
    if kind == "h3":
        chain["transport_socket"] = {"name": "quic", "typed_config": {
            "@type": f"{_TYPE}.transport_sockets.quic.v3.QuicDownstreamTransport", "downstream_tls_context": tls}}
    elif kind == "https":
        chain["transport_socket"] = {"name": "tls", "typed_config": {"@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext", **tls}}
    made = {"name": kind, "address": {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": "UDP" if kind == "h3" else "TCP"}},
            "filter_chains": [chain]}
    if kind == "h3":
        made["udp_listener_config"] = {"quic_options": {}, "downstream_socket_config": {"prefer_gro": True}}
    return made


def _cluster(kind, port, ca):
    protocol = dict(_UPSTREAM[kind])
    if kind == "http":
        protocol = {"http_protocol_options": {"enable_trailers": True}}
    made = {"name": "behind", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": "behind", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": protocol}}}
    tls = {"sni": "localhost", "common_tls_context": {"alpn_protocols": ["h3"] if kind == "h3" else ["h2"],
                                                      "validation_context": {"trusted_ca": {"filename": str(ca)}}}}
    if kind == "h3":
        made["transport_socket"] = {"name": "envoy.transport_sockets.quic", "typed_config": {
            "@type": f"{_TYPE}.transport_sockets.quic.v3.QuicUpstreamTransport", "upstream_tls_context": tls}}
    elif kind == "https":
        made["transport_socket"] = {"name": "tls", "typed_config": {"@type": f"{_TYPE}.transport_sockets.tls.v3.UpstreamTlsContext", **tls}}
    return made


def configuration(front, port, back, back_port, cert, key, ca):
    """`front`, `back`: kinds."""
    # One over TCP beside that of HTTP/3: who waits for a port waits for it.
    listeners = [_listener(front, port, cert, key)] + ([_listener("https", port, cert, key)] if front == "h3" else [])
    return {"static_resources": {"listeners": listeners, "clusters": [_cluster(back, back_port, ca)]}}

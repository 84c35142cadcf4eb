"""One request by libcurl with HTTP/3, as PyPI's curl_cffi brings it, for curl_test.py; runs in the venv of scripts/peers.py and
prints one JSON object. A proxy is spoken to over HTTP/2 (CURLPROXY_HTTPS2)."""

import argparse
import hashlib
import json
import sys

from curl_cffi import CurlHttpVersion, CurlOpt, requests

VERSIONS = {"h3": CurlHttpVersion.V3ONLY, "h2": CurlHttpVersion.V2TLS, "h1": CurlHttpVersion.V1_1}
NAMES = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 30: "HTTP/3"}
CURLPROXY_HTTPS2 = 3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--http", choices=VERSIONS, default="h3")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--proxy")
    parser.add_argument("--times", type=int, default=1, help="this many requests over one connection")
    arguments = parser.parse_args()

    options = {}
    if arguments.proxy:
        options = {CurlOpt.PROXY: arguments.proxy.encode(), CurlOpt.PROXYTYPE: CURLPROXY_HTTPS2, CurlOpt.PROXY_CAINFO: arguments.ca.encode(),
                   CurlOpt.HTTPPROXYTUNNEL: 1}
    headers = dict(field.split(": ", 1) for field in arguments.header)
    with requests.Session(verify=arguments.ca, curl_options=options, trust_env=False, timeout=200) as session:
        for _ in range(arguments.times):
            answer = session.request(arguments.method, arguments.url, headers=headers, http_version=VERSIONS[arguments.http])
    json.dump({"status": answer.status_code, "version": NAMES.get(answer.http_version, str(answer.http_version)),
               "sha256": hashlib.sha256(answer.content).hexdigest(), "length": len(answer.content),
               "headers": {name.lower(): value for name, value in answer.headers.items()}}, sys.stdout)


if __name__ == "__main__":
    main()

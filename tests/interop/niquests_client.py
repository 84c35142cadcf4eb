"""Requests by PyPI's niquests, whose HTTP/3 is qh3, all at once over one session, for niquests_test.py; runs in the venv of scripts/peers.py and
prints one JSON object for each, as a list."""

import argparse
import hashlib
import json
import sys
from urllib.parse import urlsplit

import niquests

VERSIONS = ("h1", "h2", "h3")
NAMES = {11: "HTTP/1.1", 20: "HTTP/2", 30: "HTTP/3"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--http", choices=VERSIONS, help="this version only; else whatever the session finds, beginning over TCP")
    parser.add_argument("--in-turn", action="store_true", help="each when the one before has its answer")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--upload", type=int, metavar="BYTES", help="send a body of this size")
    arguments = parser.parse_args()

    refused = {f"disable_http{version[1]}": True for version in VERSIONS if arguments.http and version != arguments.http}
    headers = dict(field.split(": ", 1) for field in arguments.header)
    body = None if arguments.upload is None else b"x" * arguments.upload
    # It would ask an OCSP responder or fetch a revocation list where the certificate names one.
    with niquests.Session(multiplexed=not arguments.in_turn, revocation_configuration=None, timeout=200, **refused) as session:
        session.trust_env = False
        session.verify = arguments.ca
        if arguments.http == "h3":
            for url in map(urlsplit, arguments.urls):
                session.quic_cache_layer.add_domain(url.hostname, url.port)
        answers = [session.request(arguments.method, url, headers=headers, data=body) for url in arguments.urls]
        session.gather()
        told = [{"status": answer.status_code, "version": NAMES.get(answer.http_version, str(answer.http_version)),
                 "sha256": hashlib.sha256(answer.content).hexdigest(), "length": len(answer.content),
                 "headers": {name.lower(): value for name, value in answer.headers.items()}} for answer in answers]
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

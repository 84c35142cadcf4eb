"""An HTTP/3 client on aioquic for aioquic_test.py; runs in the venv of scripts/peers.py and prints one JSON object.

  get URL...                      downloads over one connection, all at once
  connect-udp PROXY TARGET        sends datagrams through a MASQUE proxy to a UDP echo and waits for them
  meet URL                        a handshake, and whatever ends it"""

import argparse
import asyncio
import hashlib
import json
import sys
from urllib.parse import urlsplit

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer, BufferReadError, encode_uint_var
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DatagramReceived, DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamReset
from aioquic.quic.logger import QuicFileLogger
from aioquic.tls import Context, Epoch

VERSIONS = {"v1": 0x00000001, "v2": 0x6B3343CF}
DATAGRAM_CAPSULE = 0x00
CONTEXT_OF_UDP = b"\x00"


class Answer:
    """What came on one request stream."""

    def __init__(self):
        self.interim, self.headers, self.trailers = [], {}, {}
        self.body = bytearray()
        self.length = 0
        self.digest = hashlib.sha256()
        self.datagrams = []
        self.capsules = []
        self.keep_body = False
        self.answered, self.ended = asyncio.Event(), asyncio.Event()
        self.changed = asyncio.Event()
        self.reset = None

    def status(self):
        return int(self.headers.get(":status", 0))

    def take_capsules(self):
        """Moves whole capsules from the body to .capsules."""
        while True:
            buffer = Buffer(data=bytes(self.body))
            try:
                kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
                value = buffer.pull_bytes(length)
            except BufferReadError:
                return
            del self.body[:buffer.tell()]
            self.capsules.append((kind, value))


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, datagrams=False, **named):
        super().__init__(*arguments, **named)
        # This switch is what makes aioquic offer HTTP datagrams.
        self.http = H3Connection(self._quic, enable_webtransport=datagrams)
        self.answers = {}
        self.facts = {}
        self.handshake = asyncio.Event()
        self.met = asyncio.Event()

    def request(self, headers, end=True):
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.http.send_headers(stream, headers, end_stream=end)
        return stream, self.answers[stream]

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            self.facts.update(alpn=event.alpn_protocol, early_data_accepted=event.early_data_accepted, resumed=event.session_resumed)
            self.handshake.set()
            self.met.set()
        elif isinstance(event, ConnectionTerminated):
            self.facts.update(closed=f"{event.error_code:#x} {event.reason_phrase}".strip())
            self.met.set()
            for answer in self.answers.values():
                answer.answered.set()
                answer.ended.set()
                answer.changed.set()
        elif isinstance(event, StreamReset) and event.stream_id in self.answers:
            answer = self.answers[event.stream_id]
            answer.reset = event.error_code
            answer.answered.set()
            answer.ended.set()
        for item in self.http.handle_event(event):
            self.http_event_received(item)

    def http_event_received(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if answer is None:
            return
        if isinstance(event, HeadersReceived):
            fields = {name.decode(): value.decode() for name, value in event.headers}
            if fields.get(":status", "")[:1] == "1":
                answer.interim.append(fields)
            elif answer.headers:
                answer.trailers = fields
            else:
                answer.headers = fields
                answer.answered.set()
        elif isinstance(event, DataReceived):
            answer.length += len(event.data)
            answer.digest.update(event.data)
            if answer.keep_body:
                answer.body += event.data
                answer.take_capsules()
        elif isinstance(event, DatagramReceived):
            answer.datagrams.append(event.data)
        if getattr(event, "stream_ended", False):
            answer.ended.set()
        answer.changed.set()


async def get(arguments, client):
    answers = []
    for address in arguments.words:
        url = urlsplit(address)
        headers = [(b":method", arguments.method.encode()), (b":scheme", b"https"), (b":authority", url.netloc.encode()),
                   (b":path", url.path.encode())]
        headers += [tuple(part.strip().encode() for part in field.split(":", 1)) for field in arguments.header]
        answers.append(client.request(headers)[1])
    client.transmit()
    if arguments.key_update:
        await answers[0].answered.wait()
        client.request_key_update()
    for answer in answers:
        await answer.ended.wait()
    return {"answers": [{"status": a.status(), "headers": a.headers, "trailers": a.trailers, "length": a.length,
                         "sha256": a.digest.hexdigest(), "reset": a.reset} for a in answers]}


async def connect_udp(arguments, client, proxy):
    host, port = arguments.words[1].rsplit(":", 1)
    path = f"/.well-known/masque/udp/{host}/{port}/"
    stream, answer = client.request([(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), (b":scheme", b"https"),
                                     (b":authority", proxy.netloc.encode()), (b":path", path.encode()), (b"capsule-protocol", b"?1")], end=False)
    answer.keep_body = True
    payloads = [(bytes([i & 0xFF, i >> 8]) + b"x" * arguments.size)[: arguments.size] for i in range(arguments.count)]
    strange = [encode_uint_var(context) + b"no context of ours" for context in (2, 77)] if arguments.strange_contexts else []

    def send(data):
        if arguments.capsules:
            client.http.send_data(stream, encode_uint_var(DATAGRAM_CAPSULE) + encode_uint_var(len(data)) + data, end_stream=False)
        else:
            client.http.send_datagram(stream, data)

    def send_all():
        for data in [*strange, *(CONTEXT_OF_UDP + payload for payload in payloads)]:
            send(data)
        if arguments.capsules:
            # A capsule of an unknown type must be skipped (RFC 9297, section 3.2).
            client.http.send_data(stream, encode_uint_var(0x2A2A) + encode_uint_var(6) + b"grease", end_stream=False)
        client.transmit()

    def came():
        capsules = [value for kind, value in answer.capsules if kind == DATAGRAM_CAPSULE]
        return [data[1:] for data in answer.datagrams + capsules if data[:1] == CONTEXT_OF_UDP]

    if arguments.early:
        send_all()
    client.transmit()
    await answer.answered.wait()
    if answer.status() == 200 and not arguments.early:
        send_all()
    while answer.status() == 200 and len(came()) < arguments.count and not answer.ended.is_set():
        answer.changed.clear()
        await asyncio.wait_for(answer.changed.wait(), 60)
    return {"status": answer.status(), "headers": answer.headers, "whole": sorted(came()) == sorted(payloads),
            "as_datagrams": len(answer.datagrams), "as_capsules": len(answer.capsules)}


def leave_out_transport_parameters():
    """Every ClientHello from now on lacks the extension that RFC 9001, section 8.2, demands."""
    send_hello = Context._client_send_hello

    def send_without(context, buffers):
        context.handshake_extensions = []
        send_hello(context, buffers)

    Context._client_send_hello = send_without


async def meet(configuration, url):
    async with connect(url.hostname, url.port or 443, configuration=configuration, create_protocol=Client, wait_connected=False) as client:
        client.transmit()
        await client.met.wait()
        return dict(client.facts)


async def work(arguments):
    proxy = urlsplit(arguments.words[0])
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, cafile=arguments.ca)
    if arguments.cert:
        configuration.load_cert_chain(arguments.cert, arguments.key)
    if not arguments.no_datagrams:
        configuration.max_datagram_frame_size = 65536
    if arguments.qlog:
        configuration.quic_logger = QuicFileLogger(arguments.qlog)
    if arguments.version:
        configuration.supported_versions = [VERSIONS[arguments.version]]
    if arguments.mode == "meet":
        if arguments.no_transport_parameters:
            leave_out_transport_parameters()
        return await meet(configuration, proxy)
    tickets = []

    async def once():
        def make(*positional, **named):
            return Client(*positional, datagrams=not arguments.no_datagrams, **named)

        early = configuration.session_ticket is not None
        async with connect(proxy.hostname, proxy.port or 443, configuration=configuration, create_protocol=make,
                           session_ticket_handler=tickets.append, wait_connected=not early) as client:
            result = await (get(arguments, client) if arguments.mode == "get" else connect_udp(arguments, client, proxy))
            await client.handshake.wait()
            result.update(client.facts, version=f"{client._quic._version:#010x}", settings=client.http.received_settings,
                          key_phase=client._quic._cryptos[Epoch.ONE_RTT].key_phase)
        return result

    result = await once()
    if arguments.again:
        configuration.session_ticket = tickets[-1]
        result = {"first": result, "second": await once()}
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["get", "connect-udp", "meet"])
    parser.add_argument("words", nargs="+")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--cert", help="for a server that asks for one; with --key")
    parser.add_argument("--key")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--version", choices=VERSIONS)
    parser.add_argument("--key-update", action="store_true")
    parser.add_argument("--again", action="store_true", help="a second connection with the first one's ticket, its request as 0-RTT")
    parser.add_argument("--qlog")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--early", action="store_true", help="datagrams go out behind the request, before its answer")
    parser.add_argument("--capsules", action="store_true", help="as DATAGRAM capsules on the stream")
    parser.add_argument("--no-datagrams", action="store_true", help="offer no HTTP datagrams at all")
    parser.add_argument("--strange-contexts", action="store_true", help="first some of contexts that nobody registered")
    parser.add_argument("--no-transport-parameters", action="store_true", help="meet: leave the TLS extension out")
    json.dump(asyncio.run(asyncio.wait_for(work(parser.parse_args()), 200)), sys.stdout)


if __name__ == "__main__":
    main()

"""An HTTP/3 file server on aioquic for aioquic_test.py; runs in the venv of scripts/peers.py until it is told to end."""

import argparse
import asyncio
import signal
from pathlib import Path

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.logger import QuicFileLogger
from aioquic.tls import SessionTicket


class Server(QuicConnectionProtocol):
    folder = None
    trailers = False
    informational = False

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.http = H3Connection(self._quic)
        self.uploads = {}  # stream -> what came so far of what is sent back

    def quic_event_received(self, event):
        for item in self.http.handle_event(event):
            if isinstance(item, HeadersReceived):
                headers = dict(item.headers)
                if headers[b":method"] in (b"POST", b"PUT"):
                    self.uploads[item.stream_id] = b""
                else:
                    self.answer(item.stream_id, headers)
            elif isinstance(item, DataReceived) and item.stream_id in self.uploads:
                self.uploads[item.stream_id] += item.data
            if getattr(item, "stream_ended", False) and (body := self.uploads.pop(item.stream_id, None)) is not None:
                self.http.send_headers(item.stream_id, [(b":status", b"200")])
                self.http.send_data(item.stream_id, body, end_stream=True)

    def answer(self, stream, headers):
        path = self.folder / headers[b":path"].decode().split("?")[0].lstrip("/")
        if not path.is_file():
            self.http.send_headers(stream, [(b":status", b"404"), (b"content-length", b"0")], end_stream=True)
            return
        body = path.read_bytes()
        if self.informational:
            self.http.send_headers(stream, [(b":status", b"103"), (b"link", b"</style.css>; rel=preload")])
        # With trailers the length is left to the end of the stream, as programs that stream do.
        length = [] if self.trailers else [(b"content-length", str(len(body)).encode())]
        self.http.send_headers(stream, [(b":status", b"200"), *length])
        self.http.send_data(stream, body, end_stream=not self.trailers)
        if self.trailers:
            self.http.send_headers(stream, [(b"x-checked", b"yes")], end_stream=True)


class Tickets:
    """A ticket may be used once."""

    def __init__(self):
        self.known: dict[bytes, SessionTicket] = {}

    def add(self, ticket):
        self.known[ticket.ticket] = ticket

    def pop(self, label):
        return self.known.pop(label, None)


async def work(arguments):
    Server.folder, Server.trailers, Server.informational = Path(arguments.folder), arguments.trailers, arguments.informational
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN, max_datagram_frame_size=65536)
    configuration.load_cert_chain(arguments.cert, arguments.key)
    if arguments.qlog:
        configuration.quic_logger = QuicFileLogger(arguments.qlog)
    tickets = Tickets()
    server = await serve("127.0.0.1", arguments.port, configuration=configuration, create_protocol=Server, retry=arguments.retry,
                         session_ticket_fetcher=tickets.pop, session_ticket_handler=tickets.add)
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    await done.wait()
    server.close()
    # A connection's qlog is written when it has ceased to drain.
    for _ in range(1200):
        if not arguments.qlog or any(Path(arguments.qlog).iterdir()):
            break
        await asyncio.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--retry", action="store_true")
    parser.add_argument("--trailers", action="store_true")
    parser.add_argument("--informational", action="store_true", help="a 103 before each answer")
    parser.add_argument("--qlog")
    asyncio.run(work(parser.parse_args()))


if __name__ == "__main__":
    main()

"""The streams on which websocket_client.py has its WebSockets: an extended CONNECT over HTTP/2 (RFC 8441, on PyPI's h2) and over HTTP/3 (RFC 9220,
on aioquic)."""

import asyncio
import contextlib
import ssl

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events as quic
from aioquic.quic.configuration import QuicConfiguration
from h2 import events as http2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes

H3_REQUEST_CANCELLED = 0x10C


class Pipe:
    """What comes on one stream. `ended`: None, "end" or the reset's error code."""

    def __init__(self):
        self.status, self.headers, self.ended = None, {}, None
        self.data = bytearray()
        self.changed = asyncio.Event()

    def came(self, *, headers=None, data=b"", ended=None):
        if headers is not None:
            self.headers = {name.decode(): value.decode() for name, value in headers}
            self.status = int(self.headers.pop(":status"))
        self.data += data
        if self.ended is None:
            self.ended = ended
        self.changed.set()

    async def wait(self, holds):
        while not holds() and self.ended is None:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 60)

    async def read(self):
        """What came since; nothing once the stream has ended."""
        await self.wait(lambda: self.data)
        data = bytes(self.data)
        self.data.clear()
        return data


def request(url, fields):
    return [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https"), (b":authority", url.netloc.encode()),
            (b":path", url.path.encode()), (b"sec-websocket-version", b"13"), *fields]


class Http2Pipe(Pipe):
    async def open(self, url, ca, fields):
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
        self.http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.http.initiate_connection()
        self.settled = asyncio.Event()
        self.room = asyncio.Event()
        self.flush()
        self.task = asyncio.create_task(self.receive())
        await asyncio.wait_for(self.settled.wait(), 60)
        self.extended = self.http.remote_settings.enable_connect_protocol
        self.stream = self.http.get_next_available_stream_id()
        self.http.send_headers(self.stream, request(url, fields))
        self.flush()
        await self.wait(lambda: self.status)

    def flush(self):
        self.writer.write(self.http.data_to_send())

    async def receive(self):
        while data := await self.reader.read(65536):
            for event in self.http.receive_data(data):
                if isinstance(event, http2.RemoteSettingsChanged):
                    self.settled.set()
                elif isinstance(event, http2.ResponseReceived):
                    self.came(headers=event.headers)
                elif isinstance(event, http2.DataReceived):
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.came(data=event.data)
                elif isinstance(event, http2.StreamEnded):
                    self.came(ended="end")
                elif isinstance(event, http2.StreamReset):
                    self.came(ended=int(event.error_code))
            self.room.set()
            self.flush()
        self.came(ended="connection")

    async def write(self, data):
        while data:
            size = min(self.http.local_flow_control_window(self.stream), self.http.max_outbound_frame_size, len(data))
            if size > 0:
                self.http.send_data(self.stream, data[:size])
                data = data[size:]
                self.flush()
                continue
            self.room.clear()
            await asyncio.wait_for(self.room.wait(), 60)

    def end(self):
        self.http.end_stream(self.stream)
        self.flush()

    def reset(self):
        self.http.reset_stream(self.stream, ErrorCodes.CANCEL)
        self.flush()

    async def close(self):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class _Http3(QuicConnectionProtocol):
    pipe = None

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.http = H3Connection(self._quic)
        self.settled = asyncio.Event()

    def quic_event_received(self, event):
        if isinstance(event, quic.StreamReset):
            self.pipe.came(ended=event.error_code)
        elif isinstance(event, quic.ConnectionTerminated):
            self.pipe.came(ended="connection")
        for item in self.http.handle_event(event):
            if isinstance(item, HeadersReceived):
                self.pipe.came(headers=item.headers, ended="end" if item.stream_ended else None)
            elif isinstance(item, DataReceived):
                self.pipe.came(data=item.data, ended="end" if item.stream_ended else None)
        if self.http.received_settings is not None:
            self.settled.set()


class Http3Pipe(Pipe):
    async def open(self, url, ca, fields):
        configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, cafile=ca)
        self.around = connect(url.hostname, url.port, configuration=configuration, create_protocol=_Http3)
        self.client = await self.around.__aenter__()
        self.client.pipe = self
        await asyncio.wait_for(self.client.settled.wait(), 60)
        self.extended = self.client.http.received_settings.get(8)
        self.stream = self.client._quic.get_next_available_stream_id()
        self.client.http.send_headers(self.stream, request(url, fields))
        self.client.transmit()
        await self.wait(lambda: self.status)

    async def write(self, data):
        self.client.http.send_data(self.stream, data, end_stream=False)
        self.client.transmit()

    def end(self):
        self.client.http.send_data(self.stream, b"", end_stream=True)
        self.client.transmit()

    def reset(self):
        self.client._quic.reset_stream(self.stream, H3_REQUEST_CANCELLED)
        self.client._quic.stop_stream(self.stream, H3_REQUEST_CANCELLED)
        self.client.transmit()

    async def close(self):
        self.client.close()
        await self.around.__aexit__(None, None, None)

"""A WebSocket client for route_websocket_test.py: PyPI's websockets over HTTP/1.1, and its frames on a stream of HTTP/2 or HTTP/3
(websocket_pipes.py). Runs in the venv of scripts/peers.py and prints what came by each URL as a JSON list."""

import argparse
import asyncio
import hashlib
import json
import ssl
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from websocket_pipes import Http2Pipe, Http3Pipe

SUBPROTOCOL = "echo.example"
MIB = 1 << 20


class Closed(Exception):
    """`code`: of the Close frame that came; None when none did."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Refused(Exception):
    pass


class Http1:
    """A whole client of somebody else's."""

    async def open(self, url, ca):
        try:
            self.connection = await connect(f"wss://{url.netloc}{url.path}", ssl=ssl.create_default_context(cafile=ca), max_size=None,
                                            subprotocols=[SUBPROTOCOL], ping_interval=None, proxy=None)
        except InvalidStatus as refusal:
            raise Refused(refusal.response.status_code, dict(refusal.response.headers.raw_items())) from None
        response = self.connection.response
        return {"status": response.status_code, "headers": {name.lower(): value for name, value in response.headers.raw_items()}}

    async def send(self, parts):
        await self.connection.send(parts if len(parts) > 1 else parts[0])

    async def receive(self):
        try:
            return [part async for part in self.connection.recv_streaming()]
        except ConnectionClosed as closed:
            raise Closed(*((closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, ""))) from None

    async def ping(self, payload):
        await asyncio.wait_for(await self.connection.ping(payload), 60)

    async def close(self, code, reason):
        await self.connection.close(code, reason)
        received = self.connection.protocol.close_rcvd
        return received and [received.code, received.reason]

    async def vanish(self):
        self.connection.transport.abort()

    async def leave(self):
        self.connection.transport.abort()


class OnStream:
    """The same on an extended CONNECT."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.protocol = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
        self.frames, self.pongs = [], []

    async def open(self, url, ca):
        await self.pipe.open(url, ca, [(b"sec-websocket-protocol", SUBPROTOCOL.encode())])
        if self.pipe.status != 200:
            await self.pipe.wait(lambda: False)
            raise Refused(self.pipe.status, self.pipe.headers)
        return {"status": self.pipe.status, "headers": self.pipe.headers, "extended": self.pipe.extended}

    async def flush(self):
        for data in self.protocol.data_to_send():
            await (self.pipe.write(data) if data else asyncio.sleep(0))

    async def send(self, parts):
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            content = part.encode() if isinstance(part, str) else part
            if number > 0:
                self.protocol.send_continuation(content, last)
            elif isinstance(part, str):
                self.protocol.send_text(content, last)
            else:
                self.protocol.send_binary(content, last)
            await self.flush()

    async def more(self):
        """Takes what comes; Closed at a Close frame, or where the stream ended without one."""
        data = await self.pipe.read()
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        await self.flush()
        for event in self.protocol.events_received():
            if isinstance(event, Frame):
                (self.pongs if event.opcode is Opcode.PONG else self.frames).append(event)
        return bool(data)

    async def receive(self):
        parts = []
        while True:
            while self.frames:
                frame = self.frames.pop(0)
                if frame.opcode is Opcode.CLOSE:
                    raise Closed(self.protocol.close_rcvd.code, self.protocol.close_rcvd.reason)
                is_text = frame.opcode is Opcode.TEXT or (parts and isinstance(parts[0], str))
                parts.append(bytes(frame.data).decode() if is_text else bytes(frame.data))
                if frame.fin:
                    return parts
            if not await self.more():
                raise Closed(None, "")

    async def ping(self, payload):
        self.protocol.send_ping(payload)
        await self.flush()
        while not any(bytes(pong.data) == payload for pong in self.pongs):
            await self.more()

    async def close(self, code, reason, end=True):
        self.protocol.send_close(code, reason)
        await self.flush()
        try:
            while True:
                await self.receive()
        except Closed as closed:
            if end:
                self.pipe.end()
            await self.pipe.wait(lambda: False)
            return [closed.code, closed.reason]

    async def vanish(self):
        self.pipe.reset()

    async def leave(self):
        await self.pipe.close()


async def echo(socket, size):
    """Of each message, whether it came back, and whether it did in as many fragments."""
    messages = {"text": ["h\u00e9llo \u4e2d"], "binary": [bytes(range(256))], "empty": [b""], "fragments": ["one ", "t\u0175o ", "three"],
                "large_text": ["x" * size], "large_binary": [hashlib.sha256(bytes([i])).digest() * (size // 512) for i in range(16)]}
    came = {}
    for name, parts in messages.items():
        await socket.send(parts)
        got = await socket.receive()
        joined = got[0][:0].join(got)
        # An end without content may be a fragment of its own.
        came[name] = [joined == parts[0][:0].join(parts), (len(got) > 1) == (len(parts) > 1)]
    return came


async def work(arguments, url):
    socket = Http1() if arguments.http == "h1" else OnStream({"h2": Http2Pipe, "h3": Http3Pipe}[arguments.http]())
    try:
        result = await socket.open(url, arguments.ca)
    except Refused as refused:
        return {"refused": refused.args[0], "headers": {name.lower(): value for name, value in refused.args[1].items()}}
    if arguments.act == "echo":
        result["came"] = await echo(socket, arguments.size)
        await socket.ping(b"are you there")
        result["close"] = await socket.close(3001, "that is all")
    elif arguments.act == "linger":
        result["close"] = await socket.close(3001, "that is all", end=False)
        await asyncio.Event().wait()
    elif arguments.act == "vanish":
        await socket.send(["before"])
        result["came"] = await socket.receive()
        await socket.vanish()
    else:  # what the server does, until it closes
        if arguments.act == "poke":
            await socket.send(["now"])
        result["came"] = []
        try:
            while True:
                message = b"".join(await socket.receive())
                result["came"].append([len(message), message == message[:1] * len(message) and message[0]])
        except Closed as closed:
            result["close"] = closed.code and [closed.code, closed.reason]
    if isinstance(socket, OnStream) and arguments.act != "vanish":
        await socket.pipe.wait(lambda: False)
        result["stream"] = socket.pipe.ended
    await socket.leave()
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["echo", "watch", "poke", "vanish", "linger"])
    # "linger": closes, and does not end its side of the stream.
    parser.add_argument("urls", nargs="+", help="one after the other, each over a connection of its own")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--http", choices=["h1", "h2", "h3"], required=True)
    parser.add_argument("--size", type=int, default=MIB)
    arguments = parser.parse_args()
    print(json.dumps([asyncio.run(asyncio.wait_for(work(arguments, urlsplit(url)), 100)) for url in arguments.urls]))


if __name__ == "__main__":
    main()

"""A WebSocket server on PyPI's websockets (HTTP/1.1) for route_websocket_test.py; runs in the venv of scripts/peers.py. What it does is in the
path; for each connection that ended, and each request that it refused, it prints what it saw as one JSON object.

  /echo                 every message comes back, as it was fragmented
  /push/COUNT/SIZE      sends messages, then closes
  /close/CODE/REASON    closes when a message has come
  /abort                drops its connection when a message has come
  /forbidden            403"""

import argparse
import asyncio
import http
import json
import ssl
from urllib.parse import unquote

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def tell(value):
    print(json.dumps(value), flush=True)


def request_of(connection):
    return {"path": connection.request.path, "headers": {name.lower(): value for name, value in connection.request.headers.raw_items()}}


def refuse(connection, request):
    connection.request = request
    if request.path != "/forbidden":
        return None
    tell({**request_of(connection), "refused": True})
    return connection.respond(http.HTTPStatus.FORBIDDEN, "not for you\n")


async def act(connection, seen):
    words = connection.request.path.split("?")[0].strip("/").split("/")
    if words[0] == "push":
        for i in range(int(words[1])):
            await connection.send(bytes([i]) * int(words[2]))
        await connection.close(1000, "all of it")
    elif words[0] == "close":
        await connection.recv()
        await connection.close(int(words[1]), unquote(words[2]))
    elif words[0] == "abort":
        await connection.recv()
        connection.transport.abort()
    while True:
        parts = [part async for part in connection.recv_streaming()]
        seen.append(["text" if isinstance(parts[0], str) else "binary", len(parts), sum(map(len, parts))])
        await connection.send(parts if len(parts) > 1 else parts[0])


async def handle(connection):
    seen = []
    try:
        await act(connection, seen)
    except ConnectionClosed as closed:
        received = closed.rcvd
        tell({**request_of(connection), "messages": seen, "close": received and [received.code, received.reason]})


async def work(arguments):
    secured = None
    if arguments.cert:
        secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secured.load_cert_chain(arguments.cert, arguments.key)
    async with serve(handle, "127.0.0.1", arguments.port, ssl=secured, max_size=None, process_request=refuse, subprotocols=["echo.example"],
                     ping_interval=None) as server:
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    asyncio.run(work(parser.parse_args()))


if __name__ == "__main__":
    main()

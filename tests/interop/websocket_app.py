"""A WebSocket echo as an ASGI application, for hypercorn, which has WebSocket over HTTP/2 (RFC 8441): route_websocket_test.py's backend of HTTP/2.
Prints what it saw of each connection that ended."""

import json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] != "websocket":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"no WebSocket"})
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
    messages = []
    while (event := await receive())["type"] == "websocket.receive":
        content = event.get("text") if event.get("text") is not None else event["bytes"]
        kind = "text" if isinstance(content, str) else "binary"
        messages.append([kind, len(content)])
        if scope["path"].startswith("/close/"):
            await send({"type": "websocket.close", "code": int(scope["path"].split("/")[2]), "reason": scope["path"].split("/")[3]})
            continue
        await send({"type": "websocket.send", "text" if kind == "text" else "bytes": content})
    print(json.dumps({"path": scope["path"], "version": scope["http_version"], "messages": messages, "code": event.get("code"),
                      "headers": {name.decode(): value.decode() for name, value in scope["headers"]}}), flush=True)

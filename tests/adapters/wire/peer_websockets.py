"""The peer of test_peer_websockets: python3-websockets as an echo server or as a client.

  peer_websockets.py server [CERT KEY]     prints the port, serves until it is killed
  peer_websockets.py client PORT [CA]      tests an echo server, prints "ok N"
"""
import asyncio
import ssl
import sys

import websockets

SIZES = [0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537, 300000]
FRAGMENTS = ["\u03ba\u1f79", "\u03c3\u03bc", "", "\u03b5", "x" * 70000]


async def serve(ws):
    """Echo, but for a few commands."""
    try:
        async for message in ws:
            if message == "fragments":
                await ws.send(FRAGMENTS)
            elif message == "ping":
                pong = await ws.ping("from python")
                await pong
                await ws.send("pong came")
            elif isinstance(message, str) and message.startswith("close "):
                await ws.close(int(message[6:]), "as asked")
            elif message == "vanish":
                ws.transport.abort()
            else:
                await ws.send(message)
    except websockets.ConnectionClosed:
        pass


async def server(cert):
    context = None
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert)
    async with websockets.serve(
        serve, "127.0.0.1", 0, compression=None, max_size=None, ssl=context
    ) as listener:
        print(listener.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def client(port, ca):
    context = ssl.create_default_context(cafile=ca) if ca else None
    url = f"{'wss' if ca else 'ws'}://localhost:{port}/echo"
    checks = 0

    def check(condition, what):
        nonlocal checks
        if not condition:
            sys.exit(f"failed: {what}")
        checks += 1

    options = dict(compression=None, max_size=None, ssl=context, host="127.0.0.1")
    async with websockets.connect(url, **options) as ws:
        for size in SIZES:
            for message in ("\u20ac" * (size // 3) + "a" * (size % 3), bytes(size)):
                await ws.send(message)
                check(await ws.recv() == message, f"echo of {size}")
        await ws.send(FRAGMENTS)
        check(await ws.recv() == "".join(FRAGMENTS), "fragments")
        await ws.send([b"\x00\xff", b"", b"\xc3"])
        check(await ws.recv() == b"\x00\xff\xc3", "binary fragments")
        pong = await ws.ping(b"\x00\xff" * 62)
        await asyncio.wait_for(pong, 5)
        check(True, "pong")
        await asyncio.gather(*(ws.send(str(i)) for i in range(200)))
        check([await ws.recv() for _ in range(200)] == [str(i) for i in range(200)], "burst")
        await ws.close(4321, "done")
        check(ws.close_code == 4321 and ws.close_reason == "", "close code comes back")
    print("ok", checks, flush=True)


if sys.argv[1] == "server":
    asyncio.run(server(sys.argv[2:4]))
else:
    asyncio.run(client(int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))

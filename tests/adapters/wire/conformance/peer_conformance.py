"""An echo server of python3-websockets for test_conformance_peers: prints its port, serves until it is killed."""
import asyncio

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def echo(ws):
    try:
        async for message in ws:
            await ws.send(message)
    except websockets.ConnectionClosed:
        pass


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None, close_timeout=1,
                                extensions=[ServerPerMessageDeflateFactory()]) as listener:
        print(listener.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())

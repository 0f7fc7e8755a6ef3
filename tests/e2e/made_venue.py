"""A websocket venue made in a test, where the simulator is none: one thread, one port."""
import asyncio
import threading

import websockets


class Venue:
    """One server on a port of its own; said(socket, text) is the venue."""

    def __enter__(self):
        ready = threading.Event()

        async def serve():
            self.stop = asyncio.Event()
            async with websockets.serve(self.client, "127.0.0.1", 0) as server:
                self.port = server.sockets[0].getsockname()[1]
                ready.set()
                await self.stop.wait()

        def thread():
            self.loop = asyncio.new_event_loop()
            self.loop.run_until_complete(serve())

        self.thread = threading.Thread(target=thread)
        self.thread.start()
        ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(10)

    async def client(self, socket, _path=None):
        try:
            async for text in socket:
                await self.said(socket, text)
        except websockets.ConnectionClosed:
            pass  # the engine has gone

"""Gate's obu books: snapshots in band, so a gap is mended by a new subscription, and REST is never asked."""
import json
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, main, run, shm_name  # noqa: E402
from made_venue import Venue  # noqa: E402


class Gate(Venue):
    def __init__(self):
        self.asked = []

    async def send(self, socket, channel, event, result, **more):
        now_ms = int(time.time() * 1000)
        await socket.send(json.dumps({"time": now_ms // 1000, "time_ms": now_ms, "channel": channel, "event": event,
                                      "result": result, **more}))

    async def said(self, socket, text):
        message = json.loads(text)
        if message["channel"].endswith(".ping"):
            return await self.send(socket, message["channel"].replace("ping", "pong"), "", None)
        channel, event, (name, *rest) = message["channel"], message["event"], message["payload"]
        assert not rest, rest
        self.asked.append((channel, event, name))
        await self.send(socket, channel, event, {"status": "success"}, id=message["id"])
        if event != "subscribe":
            return
        again = self.asked.count((channel, event, name)) > 1

        async def book(first, last, full=False):
            level = {"t": int(time.time() * 1000), "s": name, "u": last, "b": [["100", "1"]], "a": [["101", "1"]]}
            await self.send(socket, channel, "update", {**level, **({"full": True} if full else {"U": first})})

        await book(0, 30 if again else 10, full=True)
        await book(31 if again else 11, 32 if again else 12)
        if not again:
            await book(20, 21)  # 13 .. 19 are missing


class Obu(unittest.TestCase):
    def test_gap_is_mended_on_the_socket(self):
        for depth in ("50", "400"):
            with self.subTest(depth), tempfile.TemporaryDirectory() as cache, Gate() as gate:
                args = ["run", ROOT / "configs" / "gate.yaml", "--for", "4s", "--json"]
                for item in (f"feeds.0.url=ws://127.0.0.1:{gate.port}", "feeds.0.rest=http://127.0.0.1:1",
                             "http.listen=off", f"sinks.0.path={shm_name()}", f"engine.cache_dir={cache}",
                             "engine.idle=sleep", "feeds.0.channels=[book]", "feeds.0.instruments=[BTC_USDT]",
                             f"feeds.0.book_depth={depth}"):
                    args += ["--set", item]
                summary = json.loads(run(*args)[0])
                stream = ("spot.obu", f"ob.BTC_USDT.{depth}")
                self.assertEqual([(c, n) for c, _, n in gate.asked], [stream] * 3)
                self.assertEqual([event for _, event, _ in gate.asked], ["subscribe", "unsubscribe", "subscribe"])
                self.assertEqual(summary["gaps"], 1)
                self.assertEqual(summary["events"]["book"], 10)
                self.assertEqual(summary["ledger"]["residual"], 0)


if __name__ == "__main__":
    main()

"""Streams from the outside: acknowledgements that lie, a thousand requests at the venue's pace, changes at run time."""
import asyncio
import collections
import json
import pathlib
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Exchange, LiveEngine, main, replay, run, side_by_side, wait_until

SYMBOLS = {"binance-spot": ("BTCUSDT", "ETHUSDT", "SOLUSDT"), "coinbase": ("BTC-USD", "ETH-USD", "SOL-USD"),
           "coinbase-exchange": ("BTC-USD", "ETH-USD", "SOL-USD"), "kraken": ("BTC/USD", "ETH/USD", "SOL/USD")}


class Engine(LiveEngine):
    """`tickfuse run` with metrics, a control socket and a capture."""

    def __init__(self, exchange, venue, symbols, *sets):
        self.folder = tempfile.TemporaryDirectory(prefix="tf-streams-")
        self.socket = f"{self.folder.name}/control/socket"
        self.capture = f"{self.folder.name}/capture"
        self.venue, self.symbols, self.sets = venue, symbols, sets
        super().__init__(exchange, *self.feed(), f"control.path={self.socket}", f"capture.path={self.capture}")
        wait_until(lambda: pathlib.Path(self.socket).exists(), what="the control socket")

    def feed(self):
        return [f"feeds.0.venue={self.venue}", f"feeds.0.instruments=[{','.join(self.symbols)}]", *self.sets]

    def ask(self, *words, expect=0):
        out, err = run("control", self.socket, *words, "--json", expect=expect)
        return json.loads(out.splitlines()[-1]) if out else err

    def streams(self, *words):
        """{(symbol, channel): row}"""
        return {(row["instrument"].split(".")[0], row["channel"]): row for row in self.ask("streams", *words)}

    def states(self):
        return {key: row["state"] for key, row in self.streams().items()}

    def all_live(self, cnt):
        states = self.states()
        return len(states) == cnt and all(s in ("live", "carried") for s in states.values()) and states

    def health(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5).status, ""
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())["reason"]

    def finish_and_replay(self, test):
        """The ledger is in balance, and the capture replays to the same events and decisions."""
        got, err = self.finish()
        test.assertEqual(got["ledger"]["residual"], 0)
        sets = [*self.feed(), "http.listen=off"]
        again, _ = replay(self.capture, sets=sets, config="configs/demo.yaml")
        for key in ("messages", "events", "instruments", "events_hash", "decisions_hash", "decisions"):
            test.assertEqual(again[key], got[key], key)
        return got


class Acknowledgements(unittest.TestCase):
    """F23. The synthetic exchange lies about what it subscribed to; every stream is told apart."""

    def check(self, venue, fault, do, *sets):
        with Exchange("--venue", venue, "--faults", fault, "--seed", "3") as exchange, \
                Engine(exchange, venue, SYMBOLS[venue], *sets) as engine:
            do(engine)
            got, _ = engine.finish()
            self.assertEqual(got["ledger"]["residual"], 0)

    def test_data_without_an_acknowledgement_or_before_it_is_live(self):
        def one(venue, fault):
            self.check(venue, fault, lambda e: wait_until(lambda: e.all_live(9), what=f"{venue} {fault}"))

        side_by_side(self, [(v, f) for v in SYMBOLS for f in ("ack_missing=1", "ack_late=700ms")], one)

    def test_refused_streams_are_asked_for_again_until_they_come(self):
        def one(venue):
            def do(engine):
                wait_until(lambda: engine.all_live(9), what="all streams behind refusals")
                self.assertGreater(engine.count("tickfuse_feed_stream_answers_total", "no"), 0)
                self.assertEqual(engine.count("tickfuse_feed_streams_refused_for_good_total"), 0)

            self.check(venue, "ack_error=1/2x5", do)

        side_by_side(self, [(v,) for v in ("binance-spot", "kraken")], one)

    def test_streams_that_are_always_refused_are_given_up_named_and_counted(self):
        def do(engine):
            wait_until(lambda: engine.count("tickfuse_feed_streams_refused_for_good_total") == 9, what="nine refusals")
            row = engine.streams()["BTC/USD", "book"]
            self.assertEqual((row["state"], row["tries"]), ("refused", 3))
            self.assertTrue(row["refusal"])
            self.assertEqual(engine.health()[0], 503)

        self.check("kraken", "ack_error=1", do)

    def test_answers_for_other_instruments_do_no_harm(self):
        def one(venue):
            self.check(venue, "ack_other=0.7", lambda e: wait_until(lambda: e.all_live(9), what="all streams"))

        side_by_side(self, [(v,) for v in SYMBOLS], one)

    def test_streams_that_the_venue_overlooks_or_that_stay_silent_are_asked_for_again(self):
        def one(venue, fault):
            def do(engine):
                wait_until(lambda: engine.count("tickfuse_feed_stream_silences_total", "asked") > 0, what="a silence")
                wait_until(lambda: engine.all_live(9), 60, what=f"all streams of {venue} behind {fault}")

            self.check(venue, fault, do)

        side_by_side(self, [("binance-spot", "ack_partial=0.3"), ("kraken", "ack_partial=0.3")], one)

    def test_a_thousand_streams_of_which_some_are_overlooked_all_come(self):
        symbols = [f"S{i}/USD" for i in range(512)]
        with Exchange("--venue", "kraken", "--symbols", ",".join(symbols), "--rate", "8000",
                      "--faults", "ack_partial=0.02") as exchange, \
                Engine(exchange, "kraken", symbols, "feeds.0.channels=[trade,quote]",
                       "engine.instruments_max=512", "engine.book_levels_max=16") as engine:
            wait_until(lambda: engine.count("tickfuse_feed_streams", "live") == 1024, 90, what="1,024 live streams")
            self.assertGreater(engine.count("tickfuse_feed_stream_silences_total", "asked"), 0)
            self.assertEqual(engine.count("tickfuse_feed_stream_silences_total", "given_up"), 0)
            self.assertEqual(len(engine.streams("main")), 1024)
            got, _ = engine.finish()
            self.assertEqual(got["ledger"]["residual"], 0)


class Recorder:
    """A venue that speaks just enough of Bybit to acknowledge, and notes when each text came."""

    def __init__(self):
        self.times = collections.defaultdict(list)  # by connection
        self.topics = collections.Counter()
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.serve, daemon=True).start()
        self.ready.wait(10)

    def serve(self):
        import websockets

        async def client(ws, *_):
            try:
                async for text in ws:
                    self.times[id(ws)].append(time.monotonic())
                    request = json.loads(text)
                    self.topics.update(request.get("args", []))
                    await ws.send(json.dumps({"success": True, "ret_msg": "", "conn_id": "x", "op": request["op"],
                                              "req_id": request.get("req_id", "")}))
            except websockets.exceptions.ConnectionClosed:
                pass

        async def begin():
            self.server = await websockets.serve(client, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
            self.ready.set()

        self.loop.run_until_complete(begin())
        self.loop.run_forever()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


class Pace(unittest.TestCase):
    def test_a_storm_of_a_thousand_streams_keeps_to_the_venues_rate(self):
        try:
            import websockets  # noqa: F401
        except ImportError:
            self.skipTest("python3-websockets is not installed")
        venue = Recorder()
        venue.sets = [f"feeds.0.url=ws://127.0.0.1:{venue.port}"]
        venue.ca = []
        symbols = [f"S{i}USDT" for i in range(500)]
        try:
            with Engine(venue, "bybit", symbols, "feeds.0.channels=[trade,quote]", "engine.instruments_max=512",
                        "engine.book_levels_max=16") as engine:
                wait_until(lambda: len(venue.topics) == 1000, 60, what="a thousand topics")
                wait_until(lambda: engine.count("tickfuse_feed_streams", "acknowledged") == 1000, what="their answers")
                self.assertEqual(set(venue.topics.values()), {1})
                for times in venue.times.values():
                    # sent 250 ms apart; this end may see them late, and so the next one early
                    most = max(sum(t <= u < t + 2 for u in times) for t in times)
                    self.assertLessEqual(most, 12, "texts in 2 s of a connection that takes 5 a second")
                    self.assertGreater(len(times), 30)
                got, _ = engine.finish()
                self.assertEqual(got["ledger"]["residual"], 0)
        finally:
            venue.stop()


class RunTime(unittest.TestCase):
    def test_instruments_come_and_go_without_reconnecting_and_the_capture_replays(self):
        def one(venue):
            first, second, third = SYMBOLS[venue]
            with Exchange("--venue", venue) as exchange, Engine(exchange, venue, [first]) as engine:
                wait_until(lambda: engine.all_live(3), what="the first instrument")
                answer = engine.ask("subscribe", "main", second)
                self.assertEqual(answer["instrument"].split(".")[0], second)
                self.assertEqual(answer["channels"], ["trade", "quote", "book"])
                wait_until(lambda: engine.all_live(6), what="the second instrument")
                self.assertEqual(engine.ask("subscribe", "main", second)["channels"], [])
                self.assertEqual(engine.ask("unsubscribe", "main", first, "--channels", "trade,book")["channels"],
                                 ["trade", "book"])
                wait_until(lambda: (first, "book") not in engine.streams(), what="the end of the first one's book")
                engine.ask("subscribe", "main", third, "--channels", "trade")
                wait_until(lambda: engine.states().get((third, "trade")) == "live", what="the third one's trades")
                self.assertNotIn((third, "book"), engine.streams())
                engine.ask("subscribe", "main", first)
                wait_until(lambda: engine.all_live(7), what="the first one again")
                wait_until(lambda: engine.health()[0] == 200, what="health")
                self.assertEqual(engine.count("tickfuse_feed_connects_total"), 1)
                got = engine.finish_and_replay(self)
                self.assertEqual(got["instruments"], 3)
                self.assertEqual(got["rejected"], {})

        side_by_side(self, [(v,) for v in SYMBOLS], one)

    def test_a_reconnect_asks_for_what_is_wanted_then(self):
        with Exchange("--venue", "binance-spot", "--faults", "close=6s") as exchange, \
                Engine(exchange, "binance-spot", ["BTCUSDT", "ETHUSDT"]) as engine:
            wait_until(lambda: engine.all_live(6), what="two instruments")
            engine.ask("unsubscribe", "main", "BTCUSDT")
            engine.ask("subscribe", "main", "SOLUSDT")
            wait_until(lambda: engine.count("tickfuse_feed_disconnects_total") >= 1, what="the cut")
            states = wait_until(lambda: engine.all_live(6), what="what is wanted now")
            self.assertEqual({symbol for symbol, _ in states}, {"ETHUSDT", "SOLUSDT"})
            engine.finish_and_replay(self)

    def test_room_ends_where_the_config_says_and_the_others_go_on(self):
        with Exchange("--venue", "kraken") as exchange, \
                Engine(exchange, "kraken", ["BTC/USD"], "feeds.0.instruments_max=2") as engine:
            wait_until(lambda: engine.all_live(3), what="the first instrument")
            engine.ask("subscribe", "main", "ETH/USD")
            wait_until(lambda: engine.all_live(6), what="the second")
            answer = engine.ask("subscribe", "main", "SOL/USD", expect=1)
            self.assertEqual(answer["code"], "E_FEED_LIMIT")
            self.assertRegex(answer["error"], "no room for instrument \"SOL/USD\"")
            self.assertTrue(engine.all_live(6))
            got = engine.finish_and_replay(self)
            self.assertEqual(got["instruments"], 2)

    def test_wrong_requests_are_refused_with_a_reason_and_change_nothing(self):
        with Exchange("--venue", "kraken") as exchange, Engine(exchange, "kraken", ["BTC/USD"]) as engine:
            wait_until(lambda: engine.all_live(3), what="the first instrument")
            for words, code, what in (
                    (("subscribe", "mian", "ETH/USD"), 2, "did you mean main"),
                    (("subscribe", "main", "ETH USD"), 1, "found ' ' at character 4; symbols of kraken have letters, digits and /"),
                    (("subscribe", "main", "X" * 40), 2, "at most 39"),
                    (("subscribe", "main", "ETH/USD", "--channels", "trades"), 2, "known: trade,quote,book,ticker"),
                    (("subscribe", "main", "ETH/USD", "--channels", "ticker"), 1, "decodes trade, quote, book"),
                    (("unsubscribe", "main", "ETH/USD"), 1, "is not subscribed"),
                    (("streams", "nowhere"), 2, "no feed is called nowhere")):
                answer = engine.ask(*words, expect=code)
                self.assertIn(what, answer["error"] if isinstance(answer, dict) else answer, words)
            _, err = run("control", engine.socket, "subscribe", "main", expect=2)
            self.assertIn("at least one SYMBOL", err)
            self.assertTrue(engine.all_live(3))
            engine.finish_and_replay(self)

    def test_a_symbol_that_the_venue_does_not_know_is_named_until_it_is_unwanted(self):
        with Exchange("--venue", "kraken") as exchange, Engine(exchange, "kraken", ["BTC/USD"]) as engine:
            wait_until(lambda: engine.all_live(3) and engine.health()[0] == 200, what="health")
            engine.ask("subscribe", "main", "NO/PE", "--channels", "trade")
            wait_until(lambda: engine.states().get(("NO/PE", "trade")) == "refused", what="the refusal")
            status, reason = wait_until(lambda: (h := engine.health())[0] == 503 and h, what="ill health")
            self.assertEqual(reason, "feed main: trade of NO/PE.KRAKEN is refused")
            self.assertIn("not supported", engine.streams()["NO/PE", "trade"]["refusal"])
            out, _ = run("control", engine.socket, "streams")
            self.assertRegex(out, r"NO/PE\.KRAKEN +trade +refused .* Currency pair not supported NO/PE")
            engine.ask("unsubscribe", "main", "NO/PE")
            wait_until(lambda: engine.health()[0] == 200, what="health again")
            engine.finish_and_replay(self)


if __name__ == "__main__":
    main()

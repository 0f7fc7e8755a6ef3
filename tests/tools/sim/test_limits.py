"""What a venue allows its clients, at the limit and one beyond; seen by an independent client."""
import asyncio
import json
import pathlib
import sys
import time
import unittest
import urllib.error
import urllib.request

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from sim_client import Exchange, parse, run, talk

LIST = {"method": "LIST_SUBSCRIPTIONS", "id": 7}
PRODUCT = {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "ticker"}


class Requests(unittest.TestCase):
    def test_five_messages_a_second_are_answered_and_the_sixth_closes(self):
        with Exchange("--rate", "1") as exchange:
            got, end = talk(exchange, "/ws", *([LIST] * 5), seconds=0.6)
            self.assertEqual((len(got), type(end)), (5, asyncio.TimeoutError))
            got, end = talk(exchange, "/ws", *([LIST] * 6), seconds=2)
            self.assertEqual((len(got), end.rcvd.code, end.rcvd.reason), (5, 1008, "Too many requests"))
            self.assertEqual(exchange.summary()["limit_messages"], 1)

    def test_ninth_message_of_a_second_is_refused_in_the_venue_s_words_and_the_connection_lives(self):
        with Exchange("--venue", "coinbase", "--rate", "1") as exchange:
            got, end = talk(exchange, "/", *([PRODUCT] * 9), seconds=0.8)
            errors = [m for m in map(parse, got) if m.get("type") == "error"]
            self.assertEqual([e["message"] for e in errors], ["rate limit exceeded"])
            self.assertIsInstance(end, asyncio.TimeoutError)

    def test_1024_streams_a_connection_and_no_more(self):
        names = [f"S{i}" for i in range(513)]
        with Exchange("--symbols", ",".join(names), "--rate", "1") as exchange:
            ask = lambda cnt: {"method": "SUBSCRIBE", "id": 1, "params":  # noqa: E731
                               [f"s{i // 2}@{('trade', 'bookTicker')[i % 2]}" for i in range(cnt)]}
            got, end = talk(exchange, "/ws", ask(1024), LIST, seconds=1)
            self.assertEqual(len(parse(next(t for t in got if '"s0@trade"' in t))["result"]), 1024)
            self.assertIsInstance(end, asyncio.TimeoutError)
            _, end = talk(exchange, "/ws", ask(1025), seconds=2)
            self.assertEqual(end.rcvd.reason, "Too many streams")


class Time(unittest.TestCase):
    def test_client_that_subscribes_to_nothing_is_closed(self):
        with Exchange("--venue", "coinbase", "--rate", "1", "--hurry", "10") as exchange:
            start = time.monotonic()
            _, end = talk(exchange, "/", seconds=5)
            self.assertEqual((end.rcvd.code, end.rcvd.reason), (1008, "no subscription"))
            self.assertTrue(0.45 < time.monotonic() - start < 2.5)
            _, end = talk(exchange, "/", PRODUCT, seconds=1.5)
            self.assertIsInstance(end, asyncio.TimeoutError)

    def test_client_that_answers_pings_lives_and_one_that_does_not_is_closed(self):
        with Exchange("--rate", "1", "--hurry", "20") as exchange:  # a ping each second, 3 s to answer: far from five messages a second
            _, end = talk(exchange, "/ws", seconds=4.5)
            self.assertIsInstance(end, asyncio.TimeoutError)
            closed = asyncio.run(self.deaf(exchange))
            self.assertEqual((closed.rcvd.code, closed.rcvd.reason), (1008, "Pong timeout"))

    @staticmethod
    async def deaf(exchange):
        class Deaf(websockets.WebSocketClientProtocol):
            async def pong(self, data=b""):
                pass

        async with websockets.connect(exchange.url + "/ws", create_protocol=Deaf) as socket:
            try:
                await asyncio.wait_for(socket.recv(), 30)
            except websockets.ConnectionClosed as closed:
                return closed
        return None


class Many(unittest.TestCase):
    def test_1200_instruments_send_each_and_in_turn(self):
        names = [f"S{i}" for i in range(1200)]
        with Exchange("--symbols", ",".join(names), "--rate", "20000", "--levels", "20") as exchange:
            request = {"method": "SUBSCRIBE", "id": 1, "params": [f"s{i}@depth" for i in range(1000)]}
            got, _ = talk(exchange, "/ws", request, seconds=2.5)
            rows = [json.loads(t) for t in got]
            seen = {}
            for m in rows:
                if "U" in m:
                    self.assertEqual(m["U"], seen.get(m["s"], m["U"] - 1) + 1)
                    seen[m["s"]] = m["u"]
            self.assertEqual(len(seen), 1000)
            exchange.summary()


class Rest(unittest.TestCase):
    def test_post_is_refused_where_the_venue_has_none_and_its_body_is_read(self):
        with Exchange("--rate", "1") as exchange:
            request = urllib.request.Request(exchange.rest + "/api/v3/exchangeInfo", data=b"x" * 30000, method="POST")
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=5)
            self.assertEqual(refused.exception.code, 405)


class Usage(unittest.TestCase):
    def test_hurry_has_bounds(self):
        for hurry in ("0", "1001"):
            _, err = run("sim", "--hurry", hurry, "--for", "10ms", expect=2)
            self.assertIn("--hurry 1 to 1000", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)

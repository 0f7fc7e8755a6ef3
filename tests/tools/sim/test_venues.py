"""The simulator against clients that know only the venues' rules: subscriptions, books kept from messages alone,
sequences, checksums, refusals, REST."""
import json
import pathlib
import re
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from sim_client import (BinanceBook, CoinbaseBook, CoinbaseExchangeBook, Exchange, KrakenBook, KucoinBook, get, not_crossed,
                        parse, talk)

RATE = ("--rate", "3000")
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


class Binance(unittest.TestCase):
    CASES = {"binance-spot": ("btcusdt", "/api/v3/", r"\d+\.\d{8}", r"\d+\.\d{8}"),
             "binance-usdm": ("btcusdt", "/fapi/v1/", r"\d+\.\d\d", r"\d+\.\d{3}"),
             "binance-coinm": ("btcusd_perp", "/dapi/v1/", r"\d+\.\d", r"\d+")}

    def test_book_from_a_snapshot_and_deltas_follows_the_venue_s_chain(self):
        for venue, (symbol, path, price, qty) in self.CASES.items():
            with self.subTest(venue), Exchange("--venue", venue, *RATE) as exchange:
                book, quotes, trades = [], [], []
                futures = venue != "binance-spot"

                def on_message(text):
                    m = parse(text).get("data")
                    if not m:
                        return
                    if m.get("e") == "depthUpdate":
                        if not book:
                            book.append(BinanceBook(get(exchange, f"{path}depth?symbol={symbol.upper()}&limit=1000"),
                                                    futures))
                        book[0].apply(m)
                    (trades if m.get("e") == "trade" else quotes if "B" in m else []).append(m)

                names = [f"{symbol}@{name}" for name in ("trade", "bookTicker", "depth@100ms")]
                got, _ = talk(exchange, "/stream", {"method": "SUBSCRIBE", "params": names, "id": 7}, on_message=on_message)
                self.assertIn('{"result":null,"id":7}', got)
                self.assertGreater(book[0].applied, 5)
                self.assertGreater(min(len(trades), len(quotes)), 10)
                for m in trades:
                    self.assertRegex(m["p"], f"^{price}$")
                    self.assertRegex(m["q"], f"^{qty}$")
                    self.assertIn(m["m"], (True, False))
                ids = [int(m["t"]) for m in trades]
                self.assertEqual(ids, list(range(ids[0], ids[0] + len(ids))))
                self.assertEqual("ps" in quotes[0], venue == "binance-coinm")

    def test_raw_streams_of_the_url_come_without_wrapper_and_unknown_ones_stay_silent(self):
        with Exchange(*RATE) as exchange:
            got, _ = talk(exchange, "/ws/btcusdt@trade/nosuch@trade", seconds=1)
            self.assertGreater(len(got), 5)
            self.assertTrue(all(parse(text)["s"] == "BTCUSDT" for text in got))

    def test_unknown_method_and_broken_json_get_the_venue_s_error(self):
        with Exchange() as exchange:
            got, _ = talk(exchange, "/ws", {"method": "DANCE", "id": 3}, "{nonsense", {"method": "LIST_SUBSCRIPTIONS", "id": 4},
                          seconds=1)
            self.assertEqual([parse(t).get("code") for t in got], ["2", "3", None])
            self.assertEqual(parse(got[2])["result"], [])

    def test_exchange_info_has_tick_and_lot_sizes(self):
        for venue, tick, lot in (("binance-spot", "0.01000000", "0.00001000"), ("binance-usdm", "0.01", "0.001"),
                                 ("binance-coinm", "0.1", "1")):
            with self.subTest(venue), Exchange("--venue", venue) as exchange:
                rows = get(exchange, self.CASES[venue][1] + "exchangeInfo")["symbols"]
                self.assertEqual(len(rows), 3)
                filters = {f["filterType"]: f for f in rows[0]["filters"]}
                self.assertEqual(filters["PRICE_FILTER"]["tickSize"], tick)
                self.assertEqual(filters["LOT_SIZE"]["stepSize"], lot)
                self.assertEqual(rows[0].get("contractSize"), 100 if venue == "binance-coinm" else None)


class Coinbase(unittest.TestCase):
    def test_one_sequence_over_everything_and_a_book_per_product(self):
        with Exchange("--venue", "coinbase", "--tls", *RATE) as exchange:
            books = {"BTC-USD": CoinbaseBook(), "ETH-USD": CoinbaseBook()}
            seen, sequence = [], []

            def on_message(text):
                m = parse(text)
                sequence.append(int(m["sequence_num"]))
                seen.append(m["channel"])
                for event in m["events"]:
                    if m["channel"] == "l2_data":
                        books[event["product_id"]].apply(event)
                    for row in event.get("trades", ()):
                        self.assertIn(row["side"], ("BUY", "SELL"))
                        self.assertRegex(row["time"], f"^{TIME}$")

            products = {"type": "subscribe", "product_ids": list(books)}
            talk(exchange, "/", {"type": "subscribe", "channel": "heartbeats"}, products | {"channel": "level2"},
                 products | {"channel": "market_trades"}, products | {"channel": "ticker"}, on_message=on_message)
            self.assertEqual(sequence, list(range(len(sequence))))
            self.assertEqual(set(seen), {"subscriptions", "heartbeats", "l2_data", "market_trades", "ticker"})
            self.assertTrue(all(b.snapshots == 1 and b.applied > 5 for b in books.values()))

    def test_unknown_product_and_channel_are_refused_whole(self):
        with Exchange("--venue", "coinbase") as exchange:
            got, _ = talk(exchange, "/", {"type": "subscribe", "product_ids": ["BTC-USD", "NO-SUCH"], "channel": "ticker"},
                          {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level9"}, "[]", seconds=1)
            self.assertEqual([parse(t)["type"] for t in got], ["error"] * 3)
            self.assertIn("NO-SUCH", got[0])

    def test_snapshot_of_many_megabytes(self):
        with Exchange("--venue", "coinbase", "--levels", "10000") as exchange:
            got, _ = talk(exchange, "/", {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"}, messages_max=1)
            self.assertGreater(len(got[0]), 2_000_000)
            self.assertGreaterEqual(len(parse(got[0])["events"][0]["updates"]), 19_000)

    def test_products_have_increments(self):
        with Exchange("--venue", "coinbase") as exchange:
            rows = get(exchange, "/api/v3/brokerage/market/products")["products"]
            self.assertEqual([r["product_id"] for r in rows], ["BTC-USD", "ETH-USD", "SOL-USD"])
            self.assertEqual((rows[0]["price_increment"], rows[0]["base_increment"]), ("0.01", "0.00000001"))


class CoinbaseExchange(unittest.TestCase):
    def test_acknowledgement_snapshot_updates_matches_and_heartbeats(self):
        with Exchange("--venue", "coinbase-exchange", *RATE) as exchange:
            book, kinds, pairs = CoinbaseExchangeBook(), [], []

            def on_message(text):
                m = parse(text)
                kinds.append(m["type"])
                if m["type"] in ("snapshot", "l2update"):
                    book.apply(m)
                if m["type"] == "match":
                    self.assertRegex(m["maker_order_id"], f"^{UUID}$")
                if m["type"] in ("match", "ticker"):
                    pairs.append((m["type"], m["trade_id"], m["side"]))

            talk(exchange, "/", {"type": "subscribe", "product_ids": ["ETH-USD"],
                                 "channels": ["level2_batch", "matches", {"name": "ticker", "product_ids": ["ETH-USD"]},
                                              "heartbeat"]}, seconds=2.5, on_message=on_message)
            self.assertEqual(kinds[0], "subscriptions")
            self.assertEqual(set(kinds) - {"last_match"},
                             {"subscriptions", "snapshot", "l2update", "match", "ticker", "heartbeat"})
            self.assertGreater(book.applied, 10)
            maker = {i: side for kind, i, side in pairs if kind == "match"}
            taker = {i: side for kind, i, side in pairs if kind == "ticker"}
            both = maker.keys() & taker.keys()
            self.assertTrue(both and all(maker[i] != taker[i] for i in both))

    def test_refusal_names_the_product(self):
        with Exchange("--venue", "coinbase-exchange") as exchange:
            got, _ = talk(exchange, "/", {"type": "subscribe", "product_ids": ["NO-SUCH"], "channels": ["matches"]},
                          {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["dance"]}, seconds=1)
            self.assertEqual([parse(t)["reason"] for t in got],
                             ["NO-SUCH is not a valid product", "dance is not a valid channel"])
            self.assertEqual(get(exchange, "/products/BTC-USD")["quote_increment"], "0.01")


class Kraken(unittest.TestCase):
    def subscribe(self, depth, *symbols):
        return {"method": "subscribe", "params": {"channel": "book", "symbol": list(symbols), "depth": depth}, "req_id": depth}

    def test_every_message_s_checksum_holds_at_every_depth(self):
        with Exchange("--venue", "kraken", "--levels", "1500", *RATE) as exchange:
            for depth in (10, 25, 100, 500, 1000):
                with self.subTest(depth):
                    book = KrakenBook(depth)

                    def on_message(text):
                        m = parse(text)
                        if m.get("channel") == "book":
                            for data in m["data"]:
                                book.apply(m["type"], data)

                    got, _ = talk(exchange, "/v2", self.subscribe(depth, "BTC/USD"), on_message=on_message, seconds=1.5)
                    self.assertEqual((len(book.bids), len(book.asks)), (depth, depth))
                    self.assertGreater(book.applied, 10)
                    self.assertRegex(got[2], r'"price":\d+\.\d,"qty":\d+\.\d{8}\}')

    def test_levels_pushed_out_are_not_deleted(self):
        with Exchange("--venue", "kraken", *RATE) as exchange:
            got, _ = talk(exchange, "/v2", self.subscribe(10, "BTC/USD"))
            book, kept = KrakenBook(10**6), KrakenBook(10)  # one does not cut off
            wrong = 0
            for m in map(parse, got):
                for data in m["data"] if m.get("channel") == "book" else ():
                    kept.apply(m["type"], data)
                    try:
                        book.apply(m["type"], data)
                    except Exception:  # noqa: BLE001: any difference will do
                        wrong += 1
            self.assertGreater(wrong, 0)

    def test_greeting_acknowledgements_per_symbol_ping_and_heartbeats(self):
        with Exchange("--venue", "kraken", *RATE) as exchange:
            got, _ = talk(exchange, "/v2", self.subscribe(25, "BTC/USD", "ETH/USD"), {"method": "ping", "req_id": 101},
                          {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}},
                          {"method": "subscribe", "params": {"channel": "ticker", "symbol": ["BTC/USD"]}},
                          {"method": "subscribe", "params": {"channel": "instrument"}}, seconds=2.5)
            rows = [parse(t) for t in got]
            self.assertEqual((rows[0]["channel"], rows[0]["data"][0]["system"]), ("status", "online"))
            acks = [r for r in rows if r.get("success") is True and r["result"]["channel"] == "book"]
            self.assertEqual([(r["result"]["symbol"], r["result"]["depth"], r["req_id"]) for r in acks],
                             [("BTC/USD", "25", "25"), ("ETH/USD", "25", "25")])
            self.assertEqual([r["req_id"] for r in rows if r.get("method") == "pong"], ["101"])
            beats = sum(r.get("channel") == "heartbeat" for r in rows)
            self.assertIn(beats, (2, 3))
            trades = [d for r in rows if r.get("channel") == "trade" for d in r["data"]]
            self.assertTrue(trades and {d["side"] for d in trades} == {"buy", "sell"})
            pair = next(r for r in rows if r.get("channel") == "instrument")["data"]["pairs"][0]
            self.assertEqual((pair["price_precision"], pair["qty_increment"]), ("1", "1e-08"))

    def test_refusals(self):
        with Exchange("--venue", "kraken") as exchange:
            got, _ = talk(exchange, "/v2", self.subscribe(11, "BTC/USD"), self.subscribe(10, "NO/PE"),
                          self.subscribe(10, "BTC/USD"), self.subscribe(25, "BTC/USD"),
                          {"method": "unsubscribe", "params": {"channel": "book", "symbol": ["ETH/USD"], "depth": 10}},
                          {"method": "dance"}, "{", seconds=1)
            errors = [parse(t)["error"] for t in got if '"error"' in t]
            self.assertEqual(errors, ["Subscription depth not supported", "Currency pair not supported NO/PE",
                                      "Already subscribed to one or more requested channels BTC/USD",
                                      "Subscription Not Found ETH/USD", "Unsupported method", "Malformed request"])

    def test_resubscribing_gives_a_new_snapshot_in_band(self):
        with Exchange("--venue", "kraken", *RATE) as exchange:
            book = KrakenBook(10)
            again = [{"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}},
                     self.subscribe(10, "BTC/USD")]

            def on_message(text):
                m = parse(text)
                for data in m["data"] if m.get("channel") == "book" else ():
                    book.apply(m["type"], data)
                return again if book.applied == 5 and m.get("channel") == "book" else None

            talk(exchange, "/v2", self.subscribe(10, "BTC/USD"), on_message=on_message)
            self.assertEqual(book.snapshots, 2)


class Kucoin(unittest.TestCase):
    CASES = {"kucoin": ("BTC-USDT", "/market/", ("level2", "match", "ticker", "snapshot"),
                        "/api/v1/market/orderbook/level2_100?symbol="),
             "kucoin-futures": ("XBTUSDTM", "/contractMarket/", ("level2", "execution", "tickerV2", "snapshot"),
                                "/api/v1/level2/snapshot?symbol=")}

    def path(self, exchange):
        with urllib.request.urlopen(exchange.rest + "/api/v1/bullet-public", data=b"", timeout=10) as answer:
            data = json.loads(answer.read())["data"]
        self.assertEqual(data["instanceServers"][0]["endpoint"], exchange.url + "/")
        return f"/?token={data['token']}&connectId=1"

    @staticmethod
    def ask(topic, number):
        return {"id": str(number), "type": "subscribe", "topic": topic, "privateChannel": False, "response": True}

    def test_book_from_a_snapshot_and_deltas_follows_the_venue_s_chain(self):
        for venue, (symbol, prefix, names, target) in self.CASES.items():
            with self.subTest(venue), Exchange("--venue", venue, *RATE) as exchange:
                book, seen, controls, later = [], {}, [], []

                def snapshot():
                    return KucoinBook(get(exchange, target + symbol)["data"])

                def on_message(text):
                    m = json.loads(text)
                    if m["type"] != "message":
                        controls.append((m["type"], m.get("id")))
                        return
                    name = m["topic"].removeprefix(prefix).partition(":")[0]
                    seen.setdefault(name, []).append(m["data"])
                    if name == "level2":
                        if not book:
                            book.append(snapshot())
                        book[0].apply(m["data"])
                        if venue == "kucoin-futures" and book[0].applied % 100 == 1:  # of which messages wait unread
                            later.append(snapshot())
                        while later and later[0].last <= book[0].last:
                            whole = later.pop(0)
                            self.assertEqual((whole.last, whole.bids, whole.asks), (book[0].last, book[0].bids, book[0].asks))
                            seen["whole"] = seen.get("whole", 0) + 1

                asks = [self.ask(f"{prefix}{name}:{symbol}", i) for i, name in enumerate(names)]
                talk(exchange, self.path(exchange), *asks, {"id": "9", "type": "ping"}, on_message=on_message)
                self.assertEqual(controls[0][0], "welcome")
                self.assertEqual(controls[1:], [("ack", str(i)) for i in range(4)] + [("pong", "9")])
                self.assertGreater(seen.pop("whole", 0), 3 if venue == "kucoin-futures" else -1)
                self.assertEqual(set(seen), set(names))
                self.assertGreater(book[0].applied, 20)
                not_crossed(book[0])
                self.assertLessEqual({m["side"] for m in seen[names[1]]}, {"buy", "sell"})

    def test_futures_have_numbers_mark_price_and_funding(self):
        with Exchange("--venue", "kucoin-futures", *RATE) as exchange:
            got, _ = talk(exchange, self.path(exchange), self.ask("/contract/instrument:ETHUSDTM", 1),
                          self.ask("/contractMarket/execution:ETHUSDTM", 2))
            rows = [json.loads(t) for t in got]
            by_subject = {m["subject"]: m["data"] for m in rows if m["type"] == "message"}
            self.assertEqual(set(by_subject), {"mark.index.price", "funding.rate", "match"})
            self.assertGreater(by_subject["mark.index.price"]["markPrice"], 0)
            self.assertIsInstance(by_subject["funding.rate"]["fundingRate"], float)
            self.assertIsInstance(by_subject["match"]["size"], int)
            row = get(exchange, "/api/v1/contracts/active")["data"][1]
            self.assertEqual((row["symbol"], row["tickSize"], row["lotSize"]), ("ETHUSDTM", 0.01, 1))

    def test_refusals_and_silence(self):
        for venue, (symbol, prefix, names, target) in self.CASES.items():
            with self.subTest(venue), Exchange("--venue", venue, *RATE) as exchange:
                got, _ = talk(exchange, self.path(exchange), self.ask(prefix + "dance:" + symbol, 1), {"id": "2", "type": "dance"},
                              self.ask(f"{prefix}{names[1]}:NOSUCH", 3), seconds=1)
                rows = [json.loads(t) for t in got[1:]]
                self.assertEqual([(m["type"], m.get("code"), m["id"]) for m in rows],
                                 [("error", 404, "1"), ("error", 400, "2"), ("ack", None, "3")])  # and nothing behind it
                with self.assertRaises(urllib.error.HTTPError):
                    get(exchange, target + "NOSUCH")
                with self.assertRaises(websockets.InvalidStatusCode):
                    talk(exchange, "/?token=another")


class Playback(unittest.TestCase):
    def test_a_recorded_session_plays_again_with_the_same_payloads(self):
        cases = {"coinbase": ("/", {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"}, "l2_data"),
                 "coinbase-exchange": ("/", {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2"]}, "l2update"),
                 "kraken": ("/v2", self.kraken(), '"book"')}
        for venue, (path, request, mark) in cases.items():
            with self.subTest(venue):
                self.play_again(venue, path, request, mark)

    @staticmethod
    def kraken():
        return {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}}

    def play_again(self, venue, path, request, mark):
        with Exchange("--venue", venue, *RATE) as exchange:
            recorded, _ = talk(exchange, path, request, seconds=1.5)
        plain = lambda text: re.sub(r'"sequence_num":\d+', "", text)  # noqa: E731
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            for i, text in enumerate(recorded):
                file.write(f"{10**18 + i * 10**7} {text}\n")
            file.flush()
            try:
                exchange = Exchange("--venue", venue, "--input", file.name, "--speed", "4")
            except AssertionError as failed:
                if "E_BOOT" in str(failed):
                    self.skipTest(f"{venue} has no decoder")
                raise
            with exchange:
                played, _ = talk(exchange, path, request, seconds=4)
        want = [plain(t) for t in recorded if mark in t and "subscri" not in t]
        self.assertEqual([plain(t) for t in played if mark in t and "subscri" not in t], want)


if __name__ == "__main__":
    unittest.main(verbosity=2)

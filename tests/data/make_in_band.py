#!/usr/bin/python3
"""Writes coinbase_made.txt, coinbase_exchange_made.txt and kraken_made.txt beside itself: small recordings in
the venues' forms with everything in them that the large ones lack - gaps, repeats, restarts, levels that fall
out of a depth, wrong checksums, odd layouts and numbers, refusals. Same bytes on every run; the expectations
are tests/oracle/in_band_decoder.py's."""
import json
import os
import random
import time
import zlib
from decimal import Decimal

T0 = 1786309548_000_000_000


class Raw(str):
    """A number as it is to be written."""


def dump(value, spaced=False):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        comma, colon = (" , ", " : ") if spaced else (",", ":")
        return "{" + comma.join(json.dumps(k) + colon + dump(v, spaced) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + (" ," if spaced else ",").join(dump(v, spaced) for v in value) + "]"
    return json.dumps(value)


class Made:
    def __init__(self, seed):
        self.rng, self.ns, self.lines = random.Random(seed), T0, []

    def raw(self, text):
        self.ns += self.rng.randint(100_000, 40_000_000)
        self.lines.append("%d %s" % (self.ns, text))

    def send(self, data, layout=0):
        if layout == 1:
            return self.raw(dump(data, spaced=True) + "  ")
        if layout == 2:  # another order of keys
            keys = list(data)
            self.rng.shuffle(keys)
            return self.raw(dump({k: data[k] for k in keys}))
        if layout == 3:  # escapes in keys and strings
            return self.raw(dump(data).replace('"channel"', '"ch\\u0061nnel"').replace("BTC", "BT\\u0043")
                            .replace('"price"', '"pri\\u0063e"').replace('"type"', '"typ\\u0065"'))
        if layout == 4:  # fields that nobody knows yet, and a repeated key
            text = dump(dict(data, news={"a": [1, {"b": None}], "t": "\"}"}, more=[[]], neg=Raw("-1.5e-3")))
            first = next(iter(data))
            return self.raw(text[:-1] + ',"%s":0}' % first)
        self.raw(dump(data))

    def time(self, digits=6, back_ns=1_000_000):
        ns = self.ns - back_ns
        s, part = divmod(ns, 10**9)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(s))
        return text + "." + ("%09d" % part)[:digits] + "Z"

    def write(self, name):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "w", encoding="ascii") as f:
            f.write("\n".join(self.lines) + "\n")


def coinbase():
    m = Made(11)
    state = {"seq": -1, "id": 1000}

    def send(channel, events, layout=0, step=1, **more):
        state["seq"] += step
        m.send(dict({"channel": channel, "timestamp": m.time(9), "sequence_num": state["seq"], "events": events},
                    **more), layout)

    def level(side=None, price=None, qty=None):
        return {"side": side or m.rng.choice(["bid", "offer"]), "event_time": m.time(m.rng.choice([6, 9])),
                "price_level": price or "%.*f" % (m.rng.choice([0, 1, 2]), 65000 + m.rng.randint(-200, 200) / 2),
                "new_quantity": qty or m.rng.choice(["0", "0.5", "1", "0.00000001", "12.25"])}

    def book(product="BTC-USD", kind="update", cnt=3, layout=0, step=1, **bad):
        updates = [level() for _ in range(cnt)]
        if bad:
            updates[-1].update(bad)
        send("l2_data", [{"type": kind, "product_id": product, "updates": updates}], layout, step)

    def trades(cnt=1, kind="update", product="BTC-USD", step=1, **bad):
        ids = []
        for _ in range(cnt):
            state["id"] += step
            ids.append(state["id"])
        rows = [dict({"product_id": product, "trade_id": str(i), "price": "65083.67", "size": "0.01034361",
                      "time": m.time(), "side": m.rng.choice(["BUY", "SELL"])}, **bad) for i in reversed(ids)]
        send("market_trades", [{"type": kind, "trades": rows}])

    book()  # before any snapshot
    trades(100, "snapshot")
    send("subscriptions", [{"subscriptions": {"level2": ["BTC-USD"]}}])
    book(kind="snapshot", cnt=60)
    book("ETH-USD", kind="snapshot", cnt=20)
    book("EMPTY-USD", kind="snapshot", cnt=0)
    for i in range(40):
        book(m.rng.choice(["BTC-USD", "ETH-USD", "EMPTY-USD"]), layout=m.rng.choice([0, 0, 1, 2, 3, 4]),
             cnt=m.rng.randint(0, 6))
        if i % 5 == 0:
            trades(m.rng.randint(1, 4))
        if i % 9 == 0:
            send("heartbeats", [{"current_time": "2026-08-09 21:05:48.85 +0000 UTC m=+41691.26",
                                 "heartbeat_counter": i}])
            send("ticker", [{"type": "update", "tickers": [
                {"type": "ticker", "product_id": "BTC-USD", "price": "65086.18", "volume_24_h": "2867.54532609"},
                {"type": "ticker", "product_id": "ETH-USD", "price": "1919.41", "volume_24_h": "19975.9"}]}])
    send("l2_data", [{"type": "update", "product_id": "BTC-USD", "updates": [level(), level()]},
                     {"type": "update", "product_id": "ETH-USD", "updates": [level()]},
                     {"type": "update", "product_id": "BTC-USD", "updates": [level()]}])
    send("market_trades", [{"type": "update", "trades": [
        {"product_id": p, "trade_id": str(i), "price": "1", "size": "2", "time": m.time(), "side": "BUY"}
        for p, i in (("ETH-USD", 505), ("BTC-USD", state["id"] + 2), ("ETH-USD", 504), ("BTC-USD", state["id"] + 1))]}])
    state["id"] += 2
    trades(step=3)  # two are missing
    state["id"] -= 1
    trades()  # seen
    state["seq"] -= 1
    book()  # the same number again
    book(step=5)  # a gap: every book
    book("ETH-USD")
    book(kind="snapshot", cnt=5)
    book()
    m.raw("#connect")
    m.raw("#connect")
    state["seq"] = -1
    trades(5, "snapshot", step=-1)  # all seen
    state["id"] += 10
    book()
    book(kind="snapshot", cnt=4)
    book("ETH-USD", kind="snapshot", cnt=4)
    state["seq"] = 10**6
    book()
    state["seq"] = -1
    book()  # another connection in one recording
    book(kind="snapshot", cnt=3)
    send("candles", [{"type": "update", "candles": [{"start": "1", "product_id": "BTC-USD"}]}])
    send("status", [])
    send("futures_balance_summary", [])
    send("l3_data", [])
    # refusals: the book is lost and asked for again
    book(price_level="x1")
    book(kind="snapshot", cnt=3)
    book(new_quantity="-1")
    book(kind="snapshot", cnt=3)
    book(side="ask")
    book(kind="snapshot", cnt=3)
    book(event_time=5)
    book(kind="snapshot", cnt=3)
    book(kind="delta")
    book(kind="snapshot", cnt=3)
    book(event_time="yesterday")
    book(event_time="2027-08-09T21:05:48.170326Z")
    send("l2_data", [{"type": "update", "updates": [level()]}])
    book("BTC USD")
    trades(side="buy")
    trades(trade_id="5.5")
    trades(price=None)
    send("market_trades", [{"type": "update", "trades": [1]}])
    send("ticker", [{"type": "update", "tickers": [{"product_id": "BTC-USD", "price": "1"}]}])
    send("ticker", [{"type": "update", "trades": []}])
    m.send({"type": "error", "message": "rate limit"})
    m.send({"type": "hello"})
    m.send({"channel": 5})
    m.send({"channel": "ticker", "sequence_num": "x", "events": []})
    for text in ("[]", "1", "{", '{"channel":"l2_data"', "null"):
        m.raw(text)
    m.write("coinbase_made.txt")


def exchange():
    m = Made(12)
    state = {"id": 500}

    def price():
        return "%.4f" % (14 + m.rng.randint(-300, 300) / 1000)

    def snapshot(product, cnt, **more):
        m.send(dict({"type": "snapshot", "product_id": product, "asks": [[price(), "1.5"] for _ in range(cnt)],
                     "bids": [[price(), "20"] for _ in range(cnt)]}, **more), m.rng.choice([0, 0, 2]))

    def update(product="BAND-GBP", cnt=1, layout=0, changes=None, **more):
        changes = changes if changes is not None else [
            [m.rng.choice(["buy", "sell"]), price(), m.rng.choice(["0", "0.00", "12.77", "100"])] for _ in range(cnt)]
        m.send(dict({"type": "l2update", "product_id": product, "changes": changes, "time": m.time()}, **more), layout)

    def match(kind="match", product="BAND-GBP", step=1, **more):
        state["id"] += step
        m.send(dict({"type": kind, "trade_id": state["id"], "maker_order_id": "27fff20b", "taker_order_id": "1da6",
                     "side": m.rng.choice(["buy", "sell"]), "size": "0.04", "price": "14.7775",
                     "product_id": product, "sequence": 333938798, "time": m.time()}, **more))

    m.send({"type": "subscriptions", "channels": [{"name": "level2", "product_ids": ["BAND-GBP"]}]})
    update()
    snapshot("BAND-GBP", 30)
    snapshot("SKL-GBP", 0)
    match("last_match")
    for i in range(60):
        update(m.rng.choice(["BAND-GBP", "SKL-GBP"]), m.rng.randint(0, 3), m.rng.choice([0, 0, 1, 2, 4]))
        if i % 7 == 0:
            match()
            m.send({"type": "heartbeat", "sequence": i, "last_trade_id": state["id"], "product_id": "BAND-GBP",
                    "time": m.time()})
            m.send({"type": "ticker", "sequence": i, "product_id": "BAND-GBP", "price": "14.7775",
                    "volume_24h": "94381.28000000", "side": "buy", "time": m.time(), "trade_id": 1})
    match(step=4)
    match(step=0)
    match("last_match", step=-1)
    state["id"] += 1
    update(changes=[["buy", "14.1", "1", "more"], ["sell", "1e1", "2.5e0"]])
    update(changes=[["buy", Raw("14.25"), Raw("3")]])
    update(changes=[["\\u0062uy", "14.1", "1"]])
    m.raw("#connect")
    update()
    match("last_match", step=5)
    snapshot("BAND-GBP", 3)
    update()
    for bad in ([["hold", "1", "2"]], [["buy", "1"]], ["buy"], [["buy", "x", "1"]], [["sell", "1", "-1"]], 5):
        update(changes=bad)
        snapshot("BAND-GBP", 3)
    update(time="then")
    update(time=12)
    snapshot("BAND-GBP", 2)
    snapshot("BAND-GBP", 1, asks=[["1", "x"]])
    snapshot("BAND-GBP", 1, bids={})
    snapshot("BAND-GBP", 2, time=m.time())
    m.send({"type": "l2update", "changes": [], "time": m.time()})
    match(side="up")
    match(trade_id="5")
    match(price="-1")
    match(time="2027-08-09T21:05:48.170326Z")
    for kind in ("received", "open", "done", "change", "activate", "status", "auction"):
        m.send({"type": kind, "order_id": "x"})
    m.send({"type": "error", "message": "Failed to subscribe", "reason": "no such product"})
    m.send({"type": "ticker", "product_id": "BAND-GBP", "price": "1", "volume_24h": "2"})
    m.send({"type": "ticker", "product_id": "BAND-GBP", "price": "1"})
    m.send({"type": "rfq_match"})
    m.send({"type": 5})
    for text in ("[]", "{}", "{", "x"):
        m.raw(text)
    m.write("coinbase_exchange_made.txt")


class Venue:
    """Kraken's side of one book: what it holds, and the checksum over it."""

    def __init__(self, rng, depth):
        self.rng, self.depth, self.sides = rng, depth, ({}, {})

    def window(self, side):
        return sorted(self.sides[side], key=Decimal, reverse=side == 0)[:self.depth]

    def checksum(self):
        text = ""
        for side in (1, 0):
            for price in self.window(side)[:10]:
                text += price.replace(".", "").lstrip("0") + self.sides[side][price].replace(".", "").lstrip("0")
        return zlib.crc32(text.encode())

    def price(self, side):
        return "%.4f" % (0.0279 + (1 if side else -1) * self.rng.randint(1, 40) / 10000 + 0.01)

    def fill(self, cnt):
        for side in (0, 1):
            while len(self.sides[side]) < cnt:
                self.sides[side][self.price(side)] = "%.8f" % (self.rng.randint(1, 10**6) / 997)

    def change(self, cnt):
        """Changes of the window, as the venue would send them."""
        before = [{p: self.sides[s][p] for p in self.window(s)} for s in (0, 1)]
        for _ in range(cnt):
            side = self.rng.randint(0, 1)
            if self.rng.random() < 0.5 and len(self.sides[side]) > 3:
                del self.sides[side][self.rng.choice(sorted(self.sides[side]))]
            else:
                self.sides[side][self.price(side)] = "%.8f" % (self.rng.randint(1, 10**6) / 997)
        out = ([], [])
        for side in (0, 1):
            after = {p: self.sides[side][p] for p in self.window(side)}
            for price in before[side]:
                if price not in self.sides[side]:
                    out[side].append({"price": Raw(price), "qty": Raw("0.00000000")})
            for price, qty in after.items():
                if before[side].get(price) != qty:
                    out[side].append({"price": Raw(price), "qty": Raw(qty)})
        self.rng.shuffle(out[0])
        self.rng.shuffle(out[1])
        return out


def kraken():
    m = Made(13)
    state = {"id": 7000}
    books = {"MINA/GBP": Venue(m.rng, 10), "BTC/USD": Venue(m.rng, 25), "THIN/USD": Venue(m.rng, 10)}

    def book(symbol, kind, sides, layout, more):
        m.send({"channel": "book", "type": kind, "data": [dict(
            {"symbol": symbol, "bids": sides[0], "asks": sides[1], "checksum": books[symbol].checksum(),
             "timestamp": m.time()}, **more)]}, layout)

    def snapshot(symbol, **more):
        sides = [[{"price": Raw(p), "qty": Raw(books[symbol].sides[s][p])} for p in books[symbol].window(s)]
                 for s in (0, 1)]
        book(symbol, "snapshot", sides, 0, more)

    def update(symbol, cnt=2, layout=0, **more):
        book(symbol, "update", books[symbol].change(cnt), layout, more)

    def trades(cnt=1, kind="update", step=1, **more):
        rows = []
        for _ in range(cnt):
            state["id"] += step
            rows.append(dict({"symbol": "BTC/USD", "side": m.rng.choice(["buy", "sell"]), "price": Raw("65083.10"),
                              "qty": Raw("0.25000000"), "ord_type": "limit", "trade_id": state["id"],
                              "timestamp": m.time()}, **more))
        m.send({"channel": "trade", "type": kind, "data": rows})

    m.raw('{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2",'
          '"connection_id":3007355780899554854}]}')
    for symbol, depth in (("MINA/GBP", 10), ("BTC/USD", 25)):
        m.send({"method": "subscribe", "result": {"channel": "book", "depth": depth, "snapshot": True,
                                                  "symbol": symbol}, "success": True, "time_in": "x"})
    m.send({"error": "Subscription depth not supported", "method": "subscribe", "success": False})
    update("MINA/GBP")  # before the snapshot
    for symbol in books:
        books[symbol].fill({"MINA/GBP": 10, "BTC/USD": 30, "THIN/USD": 4}[symbol])
        snapshot(symbol)
    for i in range(150):
        update(m.rng.choice(list(books)), m.rng.randint(1, 4), m.rng.choice([0, 0, 0, 1, 2, 3, 4]))
        if i % 10 == 0:
            trades(m.rng.randint(1, 3))
            m.send({"channel": "heartbeat"})
            m.send({"channel": "ticker", "type": "update", "data": [
                {"symbol": "BTC/USD", "bid": Raw("65083.1"), "bid_qty": Raw("0.50000000"), "ask": Raw("65083.20"),
                 "ask_qty": Raw("1e-08"), "last": Raw("65083.2"), "volume": Raw("2867.5"), "timestamp": m.time()}]})
    pair = [books["MINA/GBP"].change(2), books["BTC/USD"].change(2)]
    m.send({"channel": "book", "type": "update", "data": [
        {"asks": pair[0][1], "symbol": "MINA/GBP", "bids": pair[0][0], "checksum": books["MINA/GBP"].checksum()},
        {"symbol": "BTC/USD", "asks": pair[1][1], "bids": pair[1][0], "checksum": books["BTC/USD"].checksum()}]})
    trades(50, "snapshot", step=0)
    trades(step=4)
    trades(step=0)
    # wrong checksums: one, then three within a minute
    update("MINA/GBP", checksum=5)
    update("MINA/GBP")
    snapshot("MINA/GBP")
    update("MINA/GBP")
    for _ in range(2):
        update("MINA/GBP", checksum=5)
        snapshot("MINA/GBP")
    update("MINA/GBP", checksum=5)
    update("BTC/USD")
    m.raw("#connect")
    update("BTC/USD")
    snapshot("BTC/USD")
    snapshot("MINA/GBP")
    books["THIN/USD"].sides = ({}, {})
    snapshot("THIN/USD")
    update("THIN/USD")
    update("MINA/GBP", checksum=7)
    snapshot("MINA/GBP")
    for bad in ({"checksum": "x"}, {"checksum": 2**32}, {"bids": 5}, {"bids": [5]}, {"asks": [{"price": 1}]},
                {"asks": [{"price": "x", "qty": "1"}]}, {"asks": [{"price": Raw("-1"), "qty": 1}]},
                {"timestamp": 5}):
        update("MINA/GBP", **bad)
        snapshot("MINA/GBP")
    update("MINA/GBP", timestamp="now")
    update("MINA/GBP", timestamp="2027-08-09T21:05:48.170326Z")
    m.send({"channel": "book", "type": "delta", "data": []})
    m.send({"channel": "book", "type": "update", "data": {}})
    m.send({"channel": "book", "type": "update", "data": [{"bids": []}]})
    trades(side="b")
    trades(trade_id="5")
    trades(price="-1")
    trades(timestamp=None)
    m.send({"channel": "trade", "data": []})
    m.send({"channel": "ticker", "type": "update", "data": [{"symbol": "BTC/USD", "bid": 1}]})
    m.send({"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": []}})
    m.send({"channel": "ohlc", "type": "update", "data": []})
    m.send({"channel": "level3", "type": "update", "data": []})
    m.send({"channel": "news", "type": "update", "data": []})
    m.send({"method": "pong", "req_id": 1})
    m.send({"event": "subscriptionStatus", "status": "error", "errorMessage": "Currency pair not supported"})
    m.send({"error": "Malformed request"})
    # v1
    m.raw('[320,{"as":[["39090.60000","0.00007039","1622714245.847093"]],"bs":[["39071.40000","7.93106570",'
          '"1622714255.963942"]]},"book-10","XBT/USD"]')
    for i in range(12):
        m.raw('[320,{"a":[["%d.60000","0.5","1622714256.%d"]]},{"b":[["390%02d.3","1","1622714257.5"]]},"book-10",'
              '"XBT/USD"]' % (39100 + i * 7, i, i))
    m.raw('[320,{"b":[["39071.40000","7.26106570","1622714256.068601"]],"c":"1"},"book-10","XBT/USD"]')
    m.raw('[6304,{"as":[],"bs":[]},"book-25","PERP/EUR"]')
    m.raw('[321,[["57126.70000","0.02063928","1616333924.737428","b","m",""],["57126.8","1","1616333924.8","s","l",'
          '""]],"trade","XBT/USD"]')
    m.raw('[341,["31760.00000","31760.10000","1654031976.197239","0.02167307","6.46761464"],"spread","XBT/USD"]')
    m.raw('[340,{"a":["29938.60000",12,"12.4"],"c":["29938.60000","0.1"],"v":["735.06","5243.60"]},"ticker","XBT/USD"]')
    m.raw('[343,["1675209613.118218"],"ohlc-1","XBT/USD"]')
    for text in ('[320,{"b":[["x","1","1.5"]]},"book-10","XBT/USD"]', '[320,{"b":[["1","1",5]]},"book-10","XBT/USD"]',
                 '[320,"a","book-10","XBT/USD"]', '[1,2]', '[1,{},"own","XBT/USD"]', '[1,{},"book-10",5]', '{"a":1}',
                 '{"feed":"book","product_id":"PI_XBTUSD"}', "{", "7"):
        m.raw(text)
    m.write("kraken_made.txt")


coinbase()
exchange()
kraken()

#!/usr/bin/python3
"""KuCoin, classic spot and futures and the obu channel of 2026, decoded independently: usage as
in_band_decoder.py, VENUE kucoin or kucoin-futures."""
import decimal
import sys

import in_band_decoder
from bridge_decoder import Chained, Reject, exact, whole

QUIET = {"/market/candles", "/contractMarket/candle", "/spotMarket/level2Depth5", "/contractMarket/level2Depth5",
         "/spotMarket/level3", "/contractMarket/level3v2", "/contractMarket/limitCandle"}


def number_of(text):
    """Of a trade's id: digits as their number's low 64 bits; any other text as FNV-1a (64 bit)."""
    if text.isdigit():
        return int(text) % 2**64
    h = 0xcbf29ce484222325
    for c in text.encode():
        h = (h ^ c) * 0x100000001b3 % 2**64
    return h


class Kucoin(Chained):
    PRODUCTS = ("/api/v1/symbols", "/api/v2/symbols")
    BOOKS = ("/api/v3/market/orderbook/level2", "/api/v1/market/orderbook/level2_100")

    def rest(self, text, target):
        if target.startswith(self.PRODUCTS) or "/bullet-public" in target:
            return "control"
        if not target.startswith(self.BOOKS):
            return "rest"
        query = dict(p.split("=", 1) for p in target.partition("?")[2].split("&"))
        data = self.parse(text)["data"]
        ts, flags = self.clock(data)
        return self.snapshot(query["symbol"], ts, self.recv, flags, self.rows_of(data, ("bids", "asks")),
                             whole(data["sequence"]))

    def clock(self, data):
        """time, ts or timestamp, in ms or ns by its size."""
        for key in ("time", "ts", "timestamp"):
            if key in data:
                return self.time_of(data[key], 1 if int(data[key]) >= 10**17 else 10**6, self.recv)
        return 0, 0

    def message(self, recv, text):
        root = self.parse(text.decode() if isinstance(text, bytes) else text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "T" in root:
            return self.obu(root)
        if root.get("type") in ("welcome", "ack", "pong", "error") or "result" in root or "sessionId" in root:
            return "control"
        if root.get("type") != "message":
            raise Reject("unknown")
        topic, _, symbol = root["topic"].partition(":")
        if topic in QUIET:
            return topic
        data = root["data"]
        ts, flags = self.clock(data)
        if topic in ("/market/match", "/contractMarket/execution"):
            number = number_of(data["tradeId"])
            if not self.is_seen(symbol, number):
                self.trade(symbol, ts, recv, flags, exact(data["price"]), exact(data["size"]), number,
                           data["side"] == "sell")
            return "data"
        if topic == "/market/ticker":
            return self.quote(root["subject"] if symbol == "all" else symbol, ts, recv, flags,
                              *(exact(data[k]) for k in ("bestBid", "bestBidSize", "bestAsk", "bestAskSize")))
        if topic == "/contractMarket/tickerV2":
            return self.quote(symbol, ts, recv, flags, *(exact(data[k]) for k in (
                "bestBidPrice", "bestBidSize", "bestAskPrice", "bestAskSize")))
        if topic == "/market/level2":
            levels = [l for l in self.rows_of(data["changes"], ("bids", "asks")) if l[1][0] != 0]
            return self.delta(symbol, ts, recv, flags, levels, whole(data["sequenceStart"]), whole(data["sequenceEnd"]))
        if topic == "/contractMarket/level2":
            price, side, size = data["change"].split(",")
            levels = [(1 if side == "sell" else 0, exact(price), exact(size))] if exact(price)[0] else []
            return self.delta(symbol, ts, recv, flags, levels, whole(data["sequence"]), whole(data["sequence"]))
        if topic == "/market/snapshot":
            inner = data["data"]
            ts, flags = self.time_of(inner["datetime"], 10**6, recv)
            return self.put_ticker(symbol, ts, flags, inner["lastTradedPrice"], inner["vol"])
        if topic == "/contractMarket/snapshot":
            return self.put_ticker(symbol, ts, flags, data["lastPrice"], data["volume"])
        if topic == "/contract/instrument" and root.get("subject") in ("mark.index.price", "funding.rate"):
            return self.put_ticker(symbol, ts, flags, mark=data.get("markPrice"), funding=data.get("fundingRate"))
        if topic == "/contract/instrument":
            return topic
        raise Reject("unknown")

    def obu(self, root):
        if not root["T"].startswith("obu."):
            raise Reject("unknown")
        data = root["d"]
        ts, flags = self.time_of(data["M"], 1, self.recv)
        levels = self.rows_of(data, ("b", "a"))
        if root["t"] == "snapshot":
            return self.stands(data["s"], ts, self.recv, flags, levels, whole(data["C"]))
        return self.delta(data["s"], ts, self.recv, flags, levels, whole(data["O"]), whole(data["C"]))


class KucoinFutures(Kucoin):
    PRODUCTS = ("/api/v1/contracts/active",)
    BOOKS = ("/api/v1/level2/snapshot",)


in_band_decoder.VENUES.update({"kucoin": Kucoin, "kucoin-futures": KucoinFutures})

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(in_band_decoder.main(sys.argv))

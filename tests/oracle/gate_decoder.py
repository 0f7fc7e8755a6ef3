#!/usr/bin/python3
"""Gate v4, spot and futures, decoded independently: usage as in_band_decoder.py, VENUE gate or gate-futures."""
import decimal
import sys

import in_band_decoder
from bridge_decoder import Chained, Reject, exact, magnitude, whole

QUIET = "order_book candlesticks public_liquidates contract_stats".split()


class Gate(Chained):
    PREFIX, PAIR, SIZE = "spot.", "currency_pair", "amount"
    PRODUCTS = "/api/v4/spot/currency_pairs"
    BOOKS = "/api/v4/spot/order_book"

    def rest(self, text, target):
        if target.startswith(self.PRODUCTS):
            return "control"
        if not target.startswith(self.BOOKS):
            return "rest"
        query = dict(p.split("=", 1) for p in target.partition("?")[2].split("&"))
        root = self.parse(text)
        ts, flags = self.updated(root)
        levels = self.rows_of(root, ("bids", "asks"), ("p", "s"))
        return self.snapshot(query[self.PAIR], ts, self.recv, flags, levels, whole(root["id"]))

    def updated(self, root):
        return self.time_of(root.get("update"), 10**6, self.recv)

    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict) or not isinstance(root.get("channel"), str):
            raise Reject("unknown")
        if not root["channel"].startswith(self.PREFIX):
            raise Reject("unknown")
        name, event = root["channel"][len(self.PREFIX):], root.get("event")
        if name in ("pong", "system") or event in ("subscribe", "unsubscribe"):
            return "control"
        if name in QUIET:
            return root["channel"]
        if event not in ("update", "all") or name not in ("trades", "book_ticker", "order_book_update", "obu", "tickers"):
            raise Reject("unknown")
        result = root["result"]
        items = result if isinstance(result, list) else [result]
        if name == "trades":
            return self.trades(root, items)
        if name == "tickers":
            return self.tickers(root, items)
        ts, flags = self.time_of(result.get("t"), 10**6, recv)
        if name == "book_ticker":
            return self.quote(result["s"], ts, recv, flags, *(exact(result[k]) for k in "bBaA"))
        levels = self.rows_of(result, ("b", "a"), ("p", "s"))
        if name == "order_book_update":
            return self.delta(result["s"], ts, recv, flags, levels, whole(result["U"]), whole(result["u"]))
        symbol = result["s"].split(".")[1]
        if result.get("full") is True:
            return self.stands(symbol, ts, recv, flags, levels, whole(result["u"]))
        return self.delta(symbol, ts, recv, flags, levels, whole(result["U"]), whole(result["u"]))

    def trades(self, root, items):
        trades = []
        for item in items:
            if "create_time_ms" in item:
                ts, flags = self.time_of(item["create_time_ms"], 10**6, self.recv)
            else:
                ts, flags = self.sent(root)
            *size, sold = magnitude(item[self.SIZE])
            if "side" in item:
                sold = item["side"] == "sell"
            number = whole(item["id"])
            trades.append((item[self.PAIR], ts, flags, exact(item["price"]), tuple(size), number, sold, number))
        return self.put_trades(trades)

    def sent(self, root):
        if "time_ms" in root:
            return self.time_of(root["time_ms"], 10**6, self.recv)
        return self.time_of(root["time"], 10**9, self.recv)

    def tickers(self, root, items):
        ts, flags = self.sent(root)
        for item in items:
            self.put_ticker(item[self.PAIR], ts, flags, item["last"],
                            item.get("base_volume", item.get("volume_24h_base")), item.get("mark_price"),
                            item.get("funding_rate"))
        return "data"


class GateFutures(Gate):
    PREFIX, PAIR, SIZE = "futures.", "contract", "size"
    PRODUCTS = "/api/v4/futures/usdt/contracts"
    BOOKS = "/api/v4/futures/usdt/order_book"

    def updated(self, root):
        return self.time_of(root.get("update"), 10**9, self.recv)


in_band_decoder.VENUES.update({"gate": Gate, "gate-futures": GateFutures})

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(in_band_decoder.main(sys.argv))

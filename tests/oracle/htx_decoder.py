#!/usr/bin/python3
"""HTX, spot and linear swaps, decoded independently: usage as in_band_decoder.py, VENUE htx or htx-swap. A frame
that is binary is one gzip member."""
import decimal
import gzip
import sys
import zlib

import in_band_decoder
from bridge_decoder import Chained, Reject, exact, whole


class Htx(Chained):
    PRODUCTS = "/v1/common/symbols"

    def ask(self, symbol):
        """Of the venue, on the socket, at once: nothing for the session to do."""

    def message(self, recv, text):
        if isinstance(text, bytes):
            try:
                text = gzip.decompress(text).decode()
            except (OSError, EOFError, zlib.error):
                raise Reject("encoding")
        root = self.parse(text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "ping" in root or "op" in root and root["op"] in ("ping", "pong", "sub", "close", "error"):
            return "control"
        if root.get("op") == "notify":
            return self.notify(root)
        if "subbed" in root or "unsubbed" in root or root.get("status") == "error":
            return "control"
        topic = root.get("ch", root.get("rep"))
        if topic is None:
            raise Reject("unknown")
        _, symbol, kind = topic.split(".", 2)
        tick = root.get("tick", root.get("data"))
        if kind == "trade.detail":
            return self.trades(symbol, tick["data"])
        if kind == "bbo":
            return self.bbo(symbol, tick)
        if kind == "detail":
            ts, flags = self.time_of(root["ts"], 10**6, recv)
            return self.put_ticker(symbol, ts, flags, tick["close"], tick["amount"])
        if kind.startswith("kline."):
            return "kline"
        ts, flags = self.time_of(tick.get("ts", root["ts"]), 10**6, recv)
        levels = self.rows_of(tick, ("bids", "asks"))
        if kind.startswith("depth.step"):
            return self.whole_book(symbol, ts, flags, levels)
        if kind.startswith("mbp.") and not kind.startswith("mbp.refresh"):
            if "rep" in root:
                return self.snapshot(symbol, ts, recv, flags, levels, whole(tick["seqNum"]))
            return self.delta(symbol, ts, recv, flags, levels, whole(tick["prevSeqNum"]) + 1, whole(tick["seqNum"]))
        if kind.startswith("depth.size_"):
            version = whole(tick["version"])
            if tick["event"] == "snapshot":
                return self.stands(symbol, ts, recv, flags, levels, version)
            return self.delta(symbol, ts, recv, flags, levels, version, version)
        raise Reject("unknown")

    def trades(self, symbol, items):
        trades = []
        for item in items:
            ts, flags = self.time_of(item["ts"], 10**6, self.recv)
            number = int(item.get("tradeId", item["id"])) % 2**64
            trades.append((symbol, ts, flags, exact(item["price"]), exact(item["amount"]), number,
                           item["direction"] == "sell", number))
        return self.put_trades(trades, numbered="tradeId" in items[0])

    def bbo(self, symbol, tick):
        ts, flags = self.time_of(tick.get("quoteTime", tick.get("ts")), 10**6, self.recv)
        if isinstance(tick["bid"], list):
            numbers = tick["bid"] + tick["ask"]
        else:
            numbers = [tick[k] for k in ("bid", "bidSize", "ask", "askSize")]
        return self.quote(symbol, ts, self.recv, flags, *map(exact, numbers))

    def notify(self, root):
        if not root["topic"].endswith(".funding_rate"):
            raise Reject("unknown")
        ts, flags = self.time_of(root["ts"], 10**6, self.recv)
        for item in root["data"]:
            self.put_ticker(item["contract_code"], ts, flags, funding=item["funding_rate"])
        return "data"


class HtxSwap(Htx):
    def ask(self, symbol):
        Chained.ask(self, symbol)

    PRODUCTS = "/linear-swap-api/v1/swap_contract_info"


in_band_decoder.VENUES.update({"htx": Htx, "htx-swap": HtxSwap})

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(in_band_decoder.main(sys.argv))

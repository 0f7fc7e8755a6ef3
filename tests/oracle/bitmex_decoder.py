#!/usr/bin/python3
"""An independent decoder of BitMEX recordings: tables, and levels by id. Usage and output as
in_band_decoder.py; VENUE is bitmex."""
import decimal
import re
import sys

import in_band_decoder as base
from deribit_decoder import maybe, maybe_signed, merged_ticker, number
from in_band_decoder import BACKFILL, BAD_TS, GAP, OK, Number, Reject, text_in

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
IDS_KEPT = 64




def number_of(name):
    """A UUID's low 64 bits, those of a number; of another text its FNV-1a."""
    if not isinstance(name, str):
        raise Reject("number")
    if name.isdigit():
        return int(name) % 2**64
    if UUID.match(name):
        return int(name.replace("-", "")[16:], 16)
    value = 0xcbf29ce484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value


class Bitmex(base.Decoder):
    PRODUCTS = "/api/v1/instrument"
    BOOKS = ("orderBookL2", "orderBookL2_25")
    IGNORED = """announcement chat connected funding insurance liquidation orderBook10 publicNotifications quoteBin1m
    quoteBin5m quoteBin1h quoteBin1d settlement tradeBin1m tradeBin5m tradeBin1h tradeBin1d""".split()

    def connect(self, recv):
        super().connect(recv)
        for row in self.rows.values():
            row.by_id, row.ticker = {}, (None,) * 4

    def row(self, symbol):
        row = super().row(symbol)
        if not hasattr(row, "by_id"):
            row.by_id, row.recent = {}, []
        return row

    def message(self, recv, text):
        if text == "pong":
            return "control"
        root = self.parse(text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "table" not in root:
            if any(key in root for key in ("info", "success", "error")):
                return "control"
            raise Reject("unknown")
        table = text_in(root, "table")
        if table in self.IGNORED:
            return table
        if table not in self.BOOKS + ("trade", "quote", "instrument"):
            raise Reject("unknown")
        rows, action = root.get("data"), root.get("action")
        if action not in ("partial", "insert", "update", "delete"):
            raise Reject("schema")
        if table in ("trade", "quote") and action not in ("partial", "insert"):
            raise Reject("schema")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Reject("schema")
        if table in self.BOOKS:
            try:
                return self.books(rows, action, recv)
            except Reject as reject:
                if str(reject) != "instrument":
                    self.lose_named(rows, recv)
                raise
        if table == "trade":
            return self.trades(rows, action, recv)
        if table == "quote":
            return self.quotes(rows, recv)
        return self.tickers(rows, recv) if action != "delete" else "instrument"

    def time(self, item, recv):
        if item.get("timestamp") is None:
            return 0, 0
        if not isinstance(item["timestamp"], str) or isinstance(item["timestamp"], Number):
            return 0, BAD_TS
        return self.stamp(item["timestamp"], recv)

    # ---- trades, quotes, tickers ----

    def trades(self, rows, action, recv):
        trades = []
        for item in rows:
            if "side" not in item or "trdMatchID" not in item:  # a settlement: nobody took
                continue
            price, qty = number(item, "price"), number(item, "size")
            side = text_in(item, "side").lower()
            if side not in ("buy", "sell"):
                raise Reject("schema")
            name = item["trdMatchID"]
            if name is None:
                raise Reject("schema")
            ts, flags = self.time(item, recv)
            trades.append((text_in(item, "symbol"), ts, recv, flags | (BACKFILL if action == "partial" else 0), price,
                           qty, number_of(name), side == "sell"))
        if rows and not trades:
            return "settlement"
        for trade in trades:
            self.row(trade[0])
        order = list(enumerate(trades))
        if trades and trades[0][6] > trades[-1][6]:  # these ids have no order, so neither way is wrong
            order.reverse()
        news = set()
        for i, trade in order:
            recent = self.rows[trade[0]].recent
            if trade[6] in recent:
                self.counts["duplicates"] += 1
                continue
            recent.append(trade[6])
            del recent[:-IDS_KEPT]
            news.add(i)
        for i, trade in enumerate(trades):
            if i in news:
                self.trade(*trade)
        return "data"

    def quotes(self, rows, recv):
        quotes = []
        for item in rows:
            if "bidSize" not in item and "askSize" not in item:
                continue
            numbers = [maybe(item, key) or (0, 0) for key in ("bidPrice", "askPrice", "bidSize", "askSize")]
            quotes.append((*self.time(item, recv), text_in(item, "symbol"), numbers))
        for ts, flags, symbol, (bid, ask, bid_qty, ask_qty) in quotes:
            self.row(symbol)
            bid, ask = base.one_exponent(bid, ask)
            bid_qty, ask_qty = base.one_exponent(bid_qty, ask_qty)
            self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % tuple(
                base.text_of(*n) for n in (bid, bid_qty, ask, ask_qty)))
        return "data"

    def tickers(self, rows, recv):
        done = []
        for item in rows:
            if not any(key in item for key in ("lastPrice", "markPrice", "fundingRate", "volume24h")):
                continue
            last, mark, volume = (maybe(item, key) for key in ("lastPrice", "markPrice", "volume24h"))
            done.append((*self.time(item, recv), text_in(item, "symbol"), last, volume, mark,
                         maybe_signed(item, "fundingRate")))
        for ts, flags, symbol, *told in done:
            self.ticker(symbol, ts, recv, flags, *merged_ticker(self.row(symbol), *told))
        return "data"

    # ---- books ----

    def lose(self, symbol, recv, ts=0):
        row = self.row(symbol)
        self.status(symbol, ts, recv, GAP)
        row.by_id = {}
        self.counts["resyncs"] += 1
        if [self.messages, "resync", symbol] not in self.out:
            self.ask(symbol)

    def lose_named(self, rows, recv):
        named = [row["symbol"] for row in rows
                 if isinstance(row.get("symbol"), str) and not isinstance(row["symbol"], Number)]
        for symbol in dict.fromkeys(named):
            try:
                self.lose(symbol, recv)
            except Reject:
                pass  # no instrument's name

    def books(self, rows, action, recv):
        groups = []
        for item in rows:
            if "id" not in item:
                raise Reject("schema")
            side = {"buy": 0, "sell": 1}.get(text_in(item, "side").lower())
            if side is None or item["id"] is None:
                raise Reject("schema")
            number_ = item["id"]
            if not isinstance(number_, str) or not number_.isdigit():
                raise Reject("number")
            ts, flags = self.time(item, recv)
            price, qty = maybe(item, "price"), maybe(item, "size")
            symbol = text_in(item, "symbol")
            if price is None and action in ("partial", "insert") or qty is None and action != "delete":
                raise Reject("schema")
            if action == "delete":
                qty = (0, 0)
            if not groups or groups[-1][0] != symbol:
                groups.append((symbol, []))
            groups[-1][1].append((int(number_) % 2**64, side, price, qty, ts, flags))
        for symbol, _ in groups:
            self.row(symbol)
        for symbol, levels in groups:
            self.book(symbol, levels, action, recv)
        return "data"

    def book(self, symbol, items, action, recv):
        row = self.row(symbol)
        if action == "partial":
            row.by_id = {}
        elif row.state != OK:
            return  # there is no price for what comes before the partial
        levels = []
        for number_, side, price, qty, ts, flags in items:
            held = row.by_id.get(number_)
            if action in ("partial", "insert"):
                if held is not None:
                    return self.broken(symbol, recv)
                row.by_id[number_] = (side, price)
            else:
                if held is None or held[0] != side:
                    return self.broken(symbol, recv)
                price = held[1]
                if action == "delete":
                    del row.by_id[number_]
            levels.append((side, price, qty, ts, flags))
        row.ordinal += 1
        self.levels(symbol, recv, levels, row.ordinal, action == "partial", levels[0][3] if levels else 0)
        self.apply(row, levels, action == "partial")

    def broken(self, symbol, recv):
        self.counts["gaps"] += 1
        self.lose(symbol, recv)


base.VENUES = {"bitmex": Bitmex}

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(base.main(sys.argv))

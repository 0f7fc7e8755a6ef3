#!/usr/bin/python3
"""An independent decoder of BitMEX recordings: tables, and levels by id. Usage and output as
in_band_decoder.py; VENUE is bitmex."""
import decimal
import re
import sys

import in_band_decoder as base
from in_band_decoder import BACKFILL, GAP, OK, Number, Reject, exact, text_in, unsigned

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
IDS_KEPT = 64


def number(item, key):
    if not isinstance(item.get(key), Number):
        raise Reject("schema")
    return exact(item[key])


class Bitmex(base.Decoder):
    PRODUCTS = "/api/v1/instrument"
    BOOKS = ("orderBookL2", "orderBookL2_25")
    IGNORED = """announcement chat connected funding insurance liquidation orderBook10 publicNotifications quoteBin1m
    quoteBin5m quoteBin1h quoteBin1d settlement tradeBin1m tradeBin5m tradeBin1h tradeBin1d""".split()

    def connect(self, recv):
        super().connect(recv)
        for row in self.rows.values():
            row.by_id = {}

    def row(self, symbol):
        row = super().row(symbol)
        if not hasattr(row, "by_id"):
            row.by_id, row.recent, row.known = {}, [], {}
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
        rows = root.get("data")
        try:
            action = text_in(root, "action")
            if action not in ("partial", "insert", "update", "delete"):
                raise Reject("schema")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise Reject("schema")
            if table in self.BOOKS:
                return self.books(rows, action, recv)
        except Reject:
            if table in self.BOOKS and isinstance(rows, list):
                self.lose_named(rows, recv)
            raise
        if table == "trade":
            return self.trades(rows, action, recv)
        if table == "quote":
            return self.quotes(rows, action, recv)
        return self.tickers(rows, action, recv)

    # ---- trades, quotes, tickers ----

    def trades(self, rows, action, recv):
        if action not in ("partial", "insert"):
            raise Reject("schema")
        trades = []
        for item in rows:
            if "side" not in item:  # a settlement: nobody took
                continue
            price, qty, side = number(item, "price"), number(item, "size"), text_in(item, "side")
            if side not in ("Buy", "Sell"):
                raise Reject("schema")
            uuid = text_in(item, "trdMatchID")
            if not UUID.match(uuid):
                raise Reject("number")
            ts, flags = self.stamp(text_in(item, "timestamp"), recv)
            trades.append((text_in(item, "symbol"), ts, recv, flags | (BACKFILL if action == "partial" else 0), price,
                           qty, int(uuid.replace("-", "")[16:], 16), side == "Sell"))
        if rows and not trades:
            return "settlement"
        for trade in trades:
            self.row(trade[0])
        for trade in trades:
            recent = self.rows[trade[0]].recent
            if trade[6] in recent:
                self.counts["duplicates"] += 1
                continue
            recent.append(trade[6])
            del recent[:-IDS_KEPT]
            self.trade(*trade)
        return "data"

    def quotes(self, rows, action, recv):
        if action not in ("partial", "insert"):
            raise Reject("schema")
        quotes = []
        for item in rows:
            keys = ("bidPrice", "bidSize", "askPrice", "askSize")
            symbol = text_in(item, "symbol")
            ts, flags = self.stamp(text_in(item, "timestamp"), recv)
            if any(item.get(key) is None for key in keys):  # a side without orders
                continue
            quotes.append((symbol, ts, flags, [number(item, key) for key in keys]))
        for symbol, ts, flags, (bid, bid_qty, ask, ask_qty) in quotes:
            self.row(symbol)
            bid, ask = base.one_exponent(bid, ask)
            bid_qty, ask_qty = base.one_exponent(bid_qty, ask_qty)
            self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % tuple(
                base.text_of(*n) for n in (bid, bid_qty, ask, ask_qty)))
        return "data"

    def tickers(self, rows, action, recv):
        done = []
        for item in rows:
            symbol, news = text_in(item, "symbol"), {}
            for key in ("lastPrice", "markPrice", "fundingRate", "volume24h"):
                value = item.get(key)
                if value is None:
                    continue
                if not isinstance(value, Number):
                    raise Reject("schema")
                minus = key == "fundingRate" and value.startswith("-")
                mantissa, exponent = exact(value[1:] if minus else value)
                news[key] = (-mantissa if minus else mantissa, exponent)
            ts, flags = self.stamp(text_in(item, "timestamp"), recv) if "timestamp" in item else (0, 0)
            done.append((symbol, news, ts, flags))
        for symbol, news, ts, flags in done if action != "delete" else []:
            known = self.row(symbol).known
            known.update(news)
            if news:
                self.ticker(symbol, ts, recv, flags, known.get("lastPrice"), known.get("volume24h"),
                            known.get("markPrice"), known.get("fundingRate"))
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
        named = [row["symbol"] for row in rows if isinstance(row, dict) and isinstance(row.get("symbol"), str)]
        for symbol in dict.fromkeys(named):
            if symbol in self.rows:
                self.lose(symbol, recv)

    def books(self, rows, action, recv):
        groups = []
        for item in rows:
            symbol, number_ = text_in(item, "symbol"), item.get("id")
            if not isinstance(number_, Number):
                raise Reject("schema")
            side = {"Buy": 0, "Sell": 1}.get(text_in(item, "side"))
            if side is None:
                raise Reject("schema")
            price = number(item, "price") if "price" in item else None
            if price is None and action in ("partial", "insert"):
                raise Reject("schema")
            qty = number(item, "size") if action != "delete" else (0, 0)
            ts, flags = self.stamp(text_in(item, "timestamp"), recv) if "timestamp" in item else (0, 0)
            if not groups or groups[-1][0] != symbol:
                groups.append((symbol, []))
            groups[-1][1].append((unsigned(number_), side, price, qty, ts, flags))
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

#!/usr/bin/python3
"""Independent decoders of venues that send their snapshots in band: Python's json and decimal modules,
zlib's crc32 and the venues' documented rules, none of tickfuse's code.

  in_band_decoder.py events  VENUE FILE            every event, one a line
  in_band_decoder.py compare VENUE FILE DUMP_FEED  runs `DUMP_FEED VENUE FILE` and compares every line,
                                                   the counts, and the books rebuilt from its events

VENUE is coinbase, coinbase-exchange or kraken. FILE is `<recv_ns> <json>` lines (or `<recv_ns> #connect`),
or one of cryptofeed's recordings (recording.py reads it). compare exits 77 when the file is absent.
"""
import calendar
import decimal
import gzip
import json
import os
import re
import subprocess
import sys
import zlib

from binance_decoder import (BACKFILL, BAD_BOOK, BAD_TS, GAP, LAST, OK, SELL, SNAPSHOT, SYNCING, EventBook,
                             Number, Reject, exact, one_exponent, parse, text_of, ticker_text, unsigned)
from trade_ids import TradeIds

DERIVED = 0x40
NONE = 5
HOUR_NS = 3600 * 10**9
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)\Z",
                  re.ASCII)


def time_ns(text):
    """RFC 3339 to ns, None where it is none."""
    m = TIME.match(text)
    if not m:
        return None
    year, month, day, hour, minute, second = map(int, m.groups()[:6])
    if not (1970 <= year <= 2553 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]
            and hour < 24 and minute < 60 and second <= 60):
        return None
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    zone = m.group(8)
    if zone not in "Zz":
        if int(zone[1:3]) > 23 or int(zone[4:]) > 59:
            return None
        east = (int(zone[1:3]) * 3600 + int(zone[4:]) * 60) * (-1 if zone[0] == "-" else 1)
        seconds -= east
    if seconds < 0:
        return None
    return seconds * 10**9 + int((m.group(7) or "0").ljust(9, "0"))


def text_in(data, key):
    value = data.get(key)
    if not isinstance(value, str) or isinstance(value, Number):
        raise Reject("schema")
    return value


def number_in(data, key):
    if key not in data:
        raise Reject("schema")
    return exact(data[key])


class Row:
    def __init__(self):
        self.state, self.announced, self.ordinal = NONE, False, 0
        self.sides = ({}, {})  # price -> (qty text, price text)
        self.ids, self.fresh = TradeIds(), True
        self.depth, self.mismatches = None, []


class Decoder:
    counted = {"T": "trade", "Q": "quote", "B": "book", "K": "ticker", "S": "status"}

    def __init__(self):
        self.rows, self.out, self.messages = {}, [], 0
        self.counts = dict.fromkeys("messages data control trade quote book ticker status derived".split(), 0)
        self.counts.update(rejected={}, ignored={}, gaps=0, duplicates=0, bridged_out=0, resyncs=0, checksums=0,
                           mismatches=0)
        self.touched = set()
        self.reconnects = 0

    # ---- events ----

    def row(self, symbol):
        raw = symbol.encode("utf-8", "surrogatepass")
        if not 1 <= len(raw) < 40 or any(c <= 0x20 or c in (0x7f, 0x22, 0x5c) for c in raw):
            raise Reject("instrument")
        return self.rows.setdefault(symbol, Row())

    def emit(self, kind, symbol, ts, recv, flags, text):
        if flags & DERIVED:
            self.counts["derived"] += 1
        else:
            self.counts[self.counted[kind]] += 1
        self.out.append([self.messages, kind, symbol, ts, recv, flags, text])

    def status(self, symbol, ts, recv, state, apply_from=0, gap=(0, 0)):
        row = self.rows[symbol]
        row.state, row.announced = state, True
        self.emit("S", symbol, ts, recv, 0, "state=%d from=%d gap=%d..%d" % (state, apply_from, *gap))

    def level(self, symbol, ts, recv, flags, side, price, qty, seq, i, cnt):
        self.emit("B", symbol, ts, recv, flags | (SELL if side else 0), "%s p=%s q=%s u=%d i=%d/%d" % (
            ("bid", "ask")[side], text_of(*price), text_of(*qty), seq, i, cnt))

    def levels(self, symbol, recv, levels, seq, snapshot, ts=0, evicted=()):
        """levels: (side, price, qty, ts or None for the message's, flags)."""
        row = self.rows[symbol]
        common = 0
        if snapshot:
            common = SNAPSHOT
        elif row.state != OK:
            common = BAD_BOOK if row.state == GAP else 0
            if not row.announced:
                self.status(symbol, ts, recv, GAP if row.state == GAP else SYNCING)
        cnt = len(levels) + len(evicted)
        for i, (side, price, qty, at, flags) in enumerate(levels):
            self.level(symbol, at, recv, common | flags, side, price, qty, seq, i, cnt)
        for i, (side, price, qty_exp) in enumerate(evicted):
            self.level(symbol, ts, recv, common | DERIVED, side, price, (0, qty_exp), seq, len(levels) + i, cnt)
        if snapshot:
            if not levels:
                self.level(symbol, ts, recv, SNAPSHOT | DERIVED, 0, (0, 0), (0, 0), seq, 0, 1)
            self.status(symbol, ts, recv, OK, apply_from=seq)
        self.touched.add(symbol)

    def apply(self, row, levels, snapshot):
        if snapshot:
            row.sides = ({}, {})
        for side, price, qty in ((l[0], l[1], l[2]) for l in levels):
            key = decimal.Decimal(price[0]).scaleb(price[1])
            if qty[0] == 0:
                row.sides[side].pop(key, None)
            else:
                row.sides[side][key] = (price, qty)

    def is_news(self, symbol, number):
        """Whether a trade's id was not seen yet; counts the jump."""
        row = self.rows[symbol]
        news = row.ids.is_news(number)
        if not news:
            self.counts["duplicates"] += 1
        elif row.ids.jumped:
            self.counts["gaps"] += not row.fresh
        if row.ids.last == number:
            row.fresh = False
        return news

    def trade(self, symbol, ts, recv, flags, price, qty, number, sell):
        self.emit("T", symbol, ts, recv, flags | (SELL if sell else 0), "p=%s q=%s id=%d %s" % (
            text_of(*price), text_of(*qty), number, "SELL" if sell else "BUY"))

    def ticker(self, symbol, ts, recv, flags, last=None, volume=None, mark=None, funding=None):
        self.emit("K", symbol, ts, recv, flags, ticker_text(last, volume, mark, funding))

    def stamp(self, text, recv):
        ns = time_ns(text)
        if ns is None or ns == 0:
            return 0, BAD_TS
        return ns, BAD_TS if ns > recv + HOUR_NS else 0

    # ---- frames ----

    def lines(self):
        out, self.out = sorted(self.out, key=lambda event: event[1] == "resync"), []
        last = {}
        for i, event in enumerate(out):
            if event[1] in self.counted:
                last[event[0], event[2]] = i
        for i, event in enumerate(out):
            if event[1] not in self.counted:
                yield "%d %s %s" % (event[0], event[1], event[2])
                continue
            if last[event[0], event[2]] == i:
                event[5] |= LAST
            yield "%d %s %s te=%d tr=%d f=%02x %s" % tuple(event)

    def frame(self, recv, text, target=None):
        self.messages += 1
        self.counts["messages"] += 1
        self.touched = set()
        try:
            verdict = self.rest(text, target) if target is not None else self.message(recv, text)
        except Reject as reject:
            why = str(reject)
            self.counts["rejected"][why] = self.counts["rejected"].get(why, 0) + 1
            return
        if verdict in ("data", "control"):
            self.counts[verdict] += 1
        else:
            self.counts["ignored"][verdict] = self.counts["ignored"].get(verdict, 0) + 1

    PRODUCTS = None

    def rest(self, text, target):
        """The venue's products are control; nothing is published of them."""
        return "control" if self.PRODUCTS and target.startswith(self.PRODUCTS) else "rest"

    def parse(self, text):
        try:
            return parse(text)
        except (ValueError, RecursionError):
            raise Reject("syntax")

    def connect(self, recv):
        for symbol, row in self.rows.items():
            row.fresh, row.ordinal = True, 0
            announced = row.state == SYNCING and row.announced
            row.state, row.announced = SYNCING, announced
            if not announced:
                self.status(symbol, 0, recv, SYNCING)
                self.out[-1][5] |= LAST

    def ask(self, symbol):
        self.out.append([self.messages, "resync", symbol])

    def summary(self):
        return dict(self.counts, instruments=len(self.rows))


class Coinbase(Decoder):
    PRODUCTS = "/api/v3/brokerage/market/products"
    IGNORED = "candles status ticker_batch user futures_balance_summary".split()

    def __init__(self):
        super().__init__()
        self.sequence = None

    def connect(self, recv):
        super().connect(recv)
        self.sequence = None

    def broken(self, recv, state, gap):
        for symbol, row in self.rows.items():
            if row.state != NONE:
                self.status(symbol, 0, recv, state, gap=gap)

    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "channel" not in root:
            if root.get("type") != "error":
                raise Reject("unknown")
            return "control"
        if "sequence_num" in root:
            number = root["sequence_num"]
            if not isinstance(number, Number):
                raise Reject("schema")
            number, last = unsigned(number), self.sequence
            if last is not None and number <= last:
                if last == 0 or (number != 0 and last - number < 1000):
                    self.counts["duplicates"] += 1
                    return "data"
                self.sequence = number
                for row in self.rows.values():
                    row.fresh = True
                self.broken(recv, SYNCING, (0, 0))
            else:
                self.sequence = number
                if last is not None and number != last + 1:
                    self.counts["gaps"] += 1
                    self.reconnects += 1
                    self.broken(recv, GAP, (last + 1, number - 1))
        channel = text_in(root, "channel")
        if channel == "l2_data":
            return self.l2(root, recv)
        if channel == "market_trades":
            return self.trades(root, recv)
        if channel == "ticker":
            return self.tickers(root, recv)
        if channel in ("heartbeats", "subscriptions"):
            return "control"
        if channel in self.IGNORED:
            return channel
        raise Reject("unknown")

    def groups(self, root, key):
        for group in root.get("events", []):
            kind = text_in(group, "type")
            if kind not in ("snapshot", "update") or not isinstance(group.get(key), list):
                raise Reject("schema")
            yield group, kind == "snapshot"

    def l2(self, root, recv):
        try:
            return self.l2_good(root, recv)
        except Reject as reject:
            if str(reject) != "instrument":
                self.lost(root, recv)
            raise

    def lost(self, root, recv):
        """The books that a refused message names, or all."""
        named = [g["product_id"] for g in root.get("events", []) if isinstance(g.get("product_id"), str)
                 and not isinstance(g["product_id"], Number)]
        for symbol in named or [s for s, row in self.rows.items() if row.state != NONE]:
            if symbol in self.rows:
                self.status(symbol, 0, recv, GAP)
                self.counts["resyncs"] += 1
        self.out += [[self.messages, "resync", s] for s in dict.fromkeys(named or self.rows)
                     if s in self.rows and self.rows[s].state == GAP]

    def l2_good(self, root, recv):
        done = []
        for group, snapshot in self.groups(root, "updates"):
            levels = []
            for item in group["updates"]:
                price, qty = number_in(item, "price_level"), number_in(item, "new_quantity")
                side = {"bid": 0, "offer": 1}.get(text_in(item, "side"))
                if side is None:
                    raise Reject("schema")
                ts, flags = self.stamp(text_in(item, "event_time"), recv)
                levels.append((side, price, qty, ts, flags))
            done.append((text_in(group, "product_id"), levels, snapshot))
        for symbol, levels, snapshot in done:
            row = self.row(symbol)
            self.levels(symbol, recv, levels, self.sequence or 0, snapshot, levels[0][3] if levels else 0)
            if snapshot or row.state == OK:
                self.apply(row, levels, snapshot)
        return "data"

    def trades(self, root, recv):
        trades = []
        for group, snapshot in self.groups(root, "trades"):
            first = len(trades)
            for item in group["trades"]:
                price, qty = number_in(item, "price"), number_in(item, "size")
                number = number_in(item, "trade_id")
                symbol, side = text_in(item, "product_id"), text_in(item, "side")
                if side not in ("BUY", "SELL"):
                    raise Reject("schema")
                if number[1] != 0:
                    raise Reject("number")
                ts, flags = self.stamp(text_in(item, "time"), recv)
                trades.append((symbol, ts, recv, flags | (BACKFILL if snapshot else 0), price, qty, number[0],
                               side == "BUY"))
            if not snapshot and len(trades) > first and trades[first][6] > trades[-1][6]:
                trades[first:] = reversed(trades[first:])
        for trade in trades:
            self.row(trade[0])
        news = set()
        if trades:
            order = list(enumerate(trades))
            if trades[0][6] > trades[-1][6]:
                order.reverse()
            news = {i for i, trade in order if self.is_news(trade[0], trade[6])}
        for i, trade in enumerate(trades):
            if i in news:
                self.trade(*trade)
        return "data"

    def tickers(self, root, recv):
        tickers = []
        for group, _ in self.groups(root, "tickers"):
            for item in group["tickers"]:
                tickers.append((text_in(item, "product_id"), number_in(item, "price"), number_in(item, "volume_24_h")))
        ts, flags = self.stamp(text_in(root, "timestamp"), recv)
        for symbol, last, volume in tickers:
            self.row(symbol)
            self.ticker(symbol, ts, recv, flags, last, volume)
        return "data"


class CoinbaseExchange(Decoder):
    PRODUCTS = "/products"
    IGNORED = "received open done change activate status auction".split()

    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict) or "type" not in root:
            raise Reject("unknown")
        kind = text_in(root, "type")
        if kind in ("l2update", "snapshot"):
            try:
                return self.depth(root, recv, kind == "snapshot")
            except Reject as reject:
                symbol = root.get("product_id")
                if str(reject) != "instrument" and isinstance(symbol, str) and not isinstance(symbol, Number):
                    self.row(symbol)
                    self.status(symbol, 0, recv, GAP)
                    self.counts["resyncs"] += 1
                    self.ask(symbol)
                raise
        if kind in ("match", "last_match"):
            return self.match(root, recv, kind == "last_match")
        if kind == "ticker":
            last, volume = number_in(root, "price"), number_in(root, "volume_24h")
            ts, flags = self.stamp(text_in(root, "time"), recv) if "time" in root else (0, 0)
            symbol = text_in(root, "product_id")
            self.row(symbol)
            self.ticker(symbol, ts, recv, flags, last, volume)
            return "data"
        if kind in ("heartbeat", "subscriptions", "error"):
            return "control"
        if kind in self.IGNORED:
            return kind
        raise Reject("unknown")

    def depth(self, root, recv, snapshot):
        levels = []
        if snapshot:
            rows = [(0, r) for r in self.need_list(root, "bids")] + [(1, r) for r in self.need_list(root, "asks")]
        else:
            rows = []
            for change in self.need_list(root, "changes"):
                if not isinstance(change, list) or len(change) < 3 or change[0] not in ("buy", "sell"):
                    raise Reject("schema")
                rows.append((1 if change[0] == "sell" else 0, change[1:]))
        for side, row in rows:
            if not isinstance(row, list) or len(row) < 2:
                raise Reject("schema")
            levels.append([side, exact(row[0]), exact(row[1])])
        if not snapshot or "time" in root:
            ts, flags = self.stamp(text_in(root, "time"), recv)
        else:
            ts, flags = 0, 0
        symbol = text_in(root, "product_id")
        row = self.row(symbol)
        row.ordinal += 1
        levels = [(side, price, qty, ts, flags) for side, price, qty in levels]
        self.levels(symbol, recv, levels, row.ordinal, snapshot, ts)
        if snapshot or row.state == OK:
            self.apply(row, levels, snapshot)
        return "data"

    def need_list(self, root, key):
        if not isinstance(root.get(key), list):
            raise Reject("schema")
        return root[key]

    def match(self, root, recv, last):
        price, qty = number_in(root, "price"), number_in(root, "size")
        side = text_in(root, "side")
        ts, flags = self.stamp(text_in(root, "time"), recv)
        if side not in ("buy", "sell") or "trade_id" not in root:
            raise Reject("schema")
        number = unsigned(root["trade_id"])
        symbol = text_in(root, "product_id")
        self.row(symbol)
        if self.is_news(symbol, number):
            self.trade(symbol, ts, recv, flags | (BACKFILL if last else 0), price, qty, number, side == "buy")
        return "data"


class Kraken(Decoder):
    """v2 objects, and v1 arrays."""
    IGNORED = "ohlc level3 executions balances".split()
    DEPTHS = (10, 25, 100, 500, 1000)

    def message(self, recv, text):
        root = self.parse(text)
        if isinstance(root, list):
            return self.array(root, recv)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "channel" not in root:
            if "method" in root:
                result = root.get("result")
                if root.get("success") is not False and isinstance(result, dict) and \
                        result.get("channel") == "book" and "depth" in result and "symbol" in result:
                    row = self.row(result["symbol"])
                    row.depth = min(int(result["depth"]), 1000)
                return "control"
            if "event" in root or "error" in root:
                return "control"
            raise Reject("unknown")
        channel = text_in(root, "channel")
        if channel in ("heartbeat", "status", "instrument"):
            return "control"
        if channel in self.IGNORED:
            return channel
        if channel not in ("book", "trade", "ticker"):
            raise Reject("unknown")
        data = root.get("data")
        if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
            raise Reject("schema")
        if channel == "book":
            return self.books(root, data, recv)
        snapshot = self.kind(root)
        return self.trades(data, recv, snapshot) if channel == "trade" else self.quotes(data, recv)

    def kind(self, root):
        kind = text_in(root, "type")
        if kind not in ("snapshot", "update"):
            raise Reject("schema")
        return kind == "snapshot"

    def books(self, root, data, recv):
        try:
            done = []
            for item in data:
                ts, flags = self.stamp(text_in(item, "timestamp"), recv) if "timestamp" in item else (0, 0)
                levels = []
                for side, key in enumerate(("bids", "asks")):
                    rows = item.get(key, [])
                    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
                        raise Reject("schema")
                    levels += [(side, number_in(r, "price"), number_in(r, "qty"), ts, flags) for r in rows]
                checksum = None
                if "checksum" in item:
                    checksum = unsigned(item["checksum"])
                    if checksum >= 2**32:
                        raise Reject("number")
                done.append((item, levels, checksum, ts))
            snapshot = self.kind(root)
            named = [(text_in(item, "symbol"), levels, checksum, ts) for item, levels, checksum, ts in done]
        except Reject:
            for item in data:
                symbol = item.get("symbol")
                if isinstance(symbol, str) and symbol in self.rows and ("bids" in item or "asks" in item):
                    self.lose(symbol, recv)
            raise
        for symbol, _, _, _ in named:
            self.row(symbol)
        for symbol, levels, checksum, ts in named:
            self.book(symbol, recv, levels, snapshot, checksum, ts, None)
        return "data"

    def lose(self, symbol, recv, ts=0):
        self.status(symbol, ts, recv, GAP)
        self.counts["resyncs"] += 1
        if [self.messages, "resync", symbol] not in self.out:
            self.ask(symbol)

    def book(self, symbol, recv, levels, snapshot, checksum, ts, depth):
        row = self.row(symbol)
        row.ordinal += 1
        if depth is not None:
            row.depth = min(depth, 1000)
        kept = snapshot or row.state == OK
        if snapshot and row.depth is None:
            most = max(sum(1 for l in levels if l[0] == s) for s in (0, 1))
            guessed = next((d for d in self.DEPTHS if d >= most), 1000)
        if snapshot and row.depth is None:
            row.guess = guessed
        limit = row.depth if row.depth is not None else getattr(row, "guess", 1000)
        evicted = []
        if kept:
            self.apply(row, levels, snapshot)
            for side in (0, 1):
                prices = sorted(row.sides[side], reverse=side == 1)  # worst first
                for price in prices[:max(0, len(prices) - limit)]:
                    text = row.sides[side].pop(price)
                    evicted.append((side, text[0], text[1][1]))
        self.levels(symbol, recv, levels, row.ordinal, snapshot, ts, evicted)
        if not kept or checksum is None or getattr(row, "off", False):
            return
        self.counts["checksums"] += 1
        if self.checksum(row) != checksum:
            self.counts["mismatches"] += 1
            if not row.mismatches or recv - row.mismatches[0] > 60 * 10**9:
                row.mismatches = []
            row.mismatches.append(recv)
            row.off = len(row.mismatches) >= 3
            self.lose(symbol, recv, ts)

    def connect(self, recv):
        super().connect(recv)
        for row in self.rows.values():
            row.off, row.mismatches = False, []

    def checksum(self, row):
        tokens = []
        for side in (1, 0):
            for price in sorted(row.sides[side], reverse=side == 0)[:10]:
                for number in row.sides[side][price]:
                    tokens.append(text_of(*number).replace(".", "").lstrip("0"))
        return zlib.crc32("".join(tokens).encode())

    def trades(self, data, recv, snapshot):
        trades = []
        for item in data:
            price, qty = number_in(item, "price"), number_in(item, "qty")
            side, symbol = text_in(item, "side"), text_in(item, "symbol")
            if side not in ("buy", "sell") or "trade_id" not in item:
                raise Reject("schema")
            number = unsigned(item["trade_id"])
            ts, flags = self.stamp(text_in(item, "timestamp"), recv)
            trades.append((symbol, ts, recv, flags | (BACKFILL if snapshot else 0), price, qty, number, side == "sell"))
        for trade in trades:
            self.row(trade[0])
        order = list(enumerate(trades))
        if trades and trades[0][6] > trades[-1][6]:
            order.reverse()
        news = {i for i, trade in order if self.is_news(trade[0], trade[6])}
        for i, trade in enumerate(trades):
            if i in news:
                self.trade(*trade)
        return "data"

    def quotes(self, data, recv):
        quotes = []
        for item in data:
            numbers = [number_in(item, k) for k in ("bid", "bid_qty", "ask", "ask_qty", "last", "volume")]
            ts, flags = self.stamp(text_in(item, "timestamp"), recv) if "timestamp" in item else (0, 0)
            quotes.append((text_in(item, "symbol"), ts, flags, numbers))
        for symbol, ts, flags, (*numbers, last, volume) in quotes:
            self.row(symbol)
            self.quote(symbol, ts, recv, flags, *numbers)
            self.ticker(symbol, ts, recv, flags, last, volume)
        return "data"

    def quote(self, symbol, ts, recv, flags, bid, bid_qty, ask, ask_qty):
        bid, ask = one_exponent(bid, ask)
        bid_qty, ask_qty = one_exponent(bid_qty, ask_qty)
        self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % (
            text_of(*bid), text_of(*bid_qty), text_of(*ask), text_of(*ask_qty)))

    # ---- v1 ----

    def seconds(self, text, recv):
        if not isinstance(text, str) or isinstance(text, Number):
            raise Reject("schema")
        if not re.match(r"[0-9]+(\.[0-9]{1,9})?\Z", text):
            return 0, BAD_TS
        ns = int(decimal.Decimal(text) * 10**9)
        return ns, BAD_TS if ns == 0 or ns > recv + HOUR_NS else 0

    def array(self, root, recv):
        if len(root) < 4:
            raise Reject("unknown")
        if not all(isinstance(x, str) and not isinstance(x, Number) for x in root[-2:]):
            raise Reject("schema")
        name, symbol = root[-2:]
        if name.startswith("ohlc"):
            return "ohlc"
        if name.startswith("book"):
            return self.v1_book(root, recv, name, symbol)
        if name == "trade":
            trades = []
            for t in root[1]:
                ts, flags = self.seconds(t[2], recv)
                trades.append((symbol, ts, recv, flags, exact(t[0]), exact(t[1]), 0, t[3] == "s"))
            self.row(symbol)
            for trade in trades:
                self.trade(*trade)
            return "data"
        if name == "spread":
            ts, flags = self.seconds(root[1][2], recv)
            bid, ask, _, bid_qty, ask_qty = root[1]
            self.row(symbol)
            self.quote(symbol, ts, recv, flags, exact(bid), exact(bid_qty), exact(ask), exact(ask_qty))
            return "data"
        if name == "ticker":
            self.row(symbol)
            self.ticker(symbol, 0, recv, 0, exact(root[1]["c"][0]), exact(root[1]["v"][1]))
            return "data"
        raise Reject("unknown")

    def v1_book(self, root, recv, name, symbol):
        self.row(symbol)
        try:
            parts = {}
            for part in root[1:-2]:
                if not isinstance(part, dict):
                    raise Reject("schema")
                for key, value in part.items():
                    parts.setdefault(key, value)
            snapshot = "as" in parts or "bs" in parts
            levels = []
            for side, key in enumerate(("bs", "as") if snapshot else ("b", "a")):
                for level in parts.get(key, []):
                    ts, flags = self.seconds(level[2], recv)
                    levels.append((side, exact(level[0]), exact(level[1]), ts, flags))
            checksum = exact(parts["c"])[0] if "c" in parts else None
        except Reject:
            self.lose(symbol, recv)
            raise
        ts = levels[-1][3] if levels else 0
        depth = int(name[5:]) if name[5:].isdigit() else None
        self.book(symbol, recv, levels, snapshot, checksum, ts, depth)
        return "data"


VENUES = {"coinbase": Coinbase, "coinbase-exchange": CoinbaseExchange, "kraken": Kraken}


# ---- running ----


def records(path):
    with open(path, "rb") as file:
        head = file.read(4)
    if head == b"\x28\xb5\x2f\xfd":
        here = os.path.dirname(os.path.abspath(__file__))
        sys.path.insert(0, here)
        import recording
        lines = recording.lines_of(path)
        if lines[0][:1] == b"{":
            rows = [r for r in map(recording.of_jsonl, lines) if r]
            rows.sort(key=lambda r: r[0])
        else:
            rows = [r for r in map(recording.of_raw, lines) if r]
        for recv, kind, message, target in rows:
            text = message if kind == recording.BINARY else message.decode("utf-8")
            yield recv, text, target if kind == recording.HTTP else None
        return
    opener = gzip.open if head[:2] == b"\x1f\x8b" else open
    with opener(path, "rt", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            recv, _, text = line.rstrip("\n").partition(" ")
            target = None
            if text.startswith("@"):
                target, _, text = text[1:].partition(" ")
            yield int(recv), text, target


def decode(venue, path):
    decoder = VENUES[venue]()
    for recv, text, target in records(path):
        if text == "#connect":
            decoder.touched = set()
            decoder.connect(recv)
        else:
            decoder.frame(recv, text, target)
        yield decoder
    yield decoder


def same_book(mine, theirs):
    return tuple({k: decimal.Decimal(v[1][0]).scaleb(v[1][1]) for k, v in side.items()} for side in mine.sides) \
        == theirs.sides


def compare(venue, path, dump):
    if not os.path.exists(path):
        print("skipped: %s is not here" % path)
        return 77
    process = subprocess.Popen([dump, venue, path], stdout=subprocess.PIPE, text=True, encoding="utf-8",
                               errors="surrogateescape")
    books, cnt, checks, decoder = {}, 0, 0, None
    for decoder in decode(venue, path):
        for line in decoder.lines():
            cnt += 1
            ours = process.stdout.readline().rstrip("\n")
            if ours != line:
                print("event %d differs\n  oracle   %s\n  tickfuse %s" % (cnt, line, ours))
                return 1
            part = ours.split(" ")
            if part[1] in "BS":
                fields = dict(p.split("=", 1) for p in part if "=" in p)
                if "trading" not in fields:  # it is not of the book
                    books.setdefault(part[2], EventBook()).event(part[1], int(fields["f"], 16), fields)
        for symbol in decoder.touched:
            checks += 1
            mine, theirs = decoder.rows[symbol], books[symbol]
            if (mine.state == OK) != (theirs.state == OK):
                print("message %d: the book of %s: states %d, %d" % (
                    decoder.messages, symbol, mine.state, theirs.state))
                return 1
            if mine.state == OK and checks % 23 == 0 and not same_book(mine, theirs):
                print("message %d: the book of %s differs" % (decoder.messages, symbol))
                return 1
    for symbol, theirs in books.items():
        if decoder.rows[symbol].state == OK and not same_book(decoder.rows[symbol], theirs):
            print("at the end the book of %s differs" % symbol)
            return 1
    ours = json.loads(process.stdout.readline()[2:])
    if process.wait() != 0 or ours != decoder.summary():
        print("counts differ\n  oracle   %s\n  tickfuse %s" % (decoder.summary(), ours))
        return 1
    print("%d events equal, %d book states equal: %s" % (cnt, checks, json.dumps(ours)))
    return 0


def main(argv):
    if len(argv) == 5 and argv[1] == "compare":
        return compare(*argv[2:])
    if len(argv) == 4 and argv[1] == "events":
        for decoder in decode(argv[2], argv[3]):
            for line in decoder.lines():
                print(line)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(main(sys.argv))

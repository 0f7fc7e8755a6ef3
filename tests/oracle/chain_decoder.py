#!/usr/bin/python3
"""Independent decoders of OKX, Bitget, Bybit and Crypto.com, whose book messages come in band and say what
they follow. The same uses as in_band_decoder.py, on its base: Python's json and decimal modules, zlib's crc32
and the venues' documented rules, none of tickfuse's code.

VENUE is okx, bitget, bybit or cryptocom. A recording may hold several connections: where a venue has one
address a product, the address tells BTCUSDT of one from BTCUSDT of the other.
"""
import json
import re
import sys
import zlib
from urllib.parse import urlsplit

import in_band_decoder as base
from binance_decoder import BACKFILL, BAD_TS, GAP, OK, SELL, SYNCING, Number, Reject, exact, one_exponent, text_of, unsigned
from in_band_decoder import HOUR_NS, Decoder, number_in, text_in

FUNDING_DIGITS = 12


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def list_in(data, key):
    if not isinstance(data.get(key), list):
        raise Reject("schema")
    return data[key]


def objects_in(data, key):
    rows = list_in(data, key)
    if not all(isinstance(row, dict) for row in rows):
        raise Reject("schema")
    return rows


def pairs_of(rows, side):
    """[[price, qty, ..], ..] as (side, price, qty)."""
    out = []
    for row in rows:
        if not isinstance(row, list) or len(row) < 2:
            raise Reject("schema")
        out.append((side, exact(row[0]), exact(row[1])))
    return out


def id_of(value):
    """A trade's id: its low 64 bits; a UUID is a number of 128 bits."""
    if not isinstance(value, str):
        raise Reject("schema")
    if re.match(r"[0-9]+\Z", value):
        return int(value) % 2**64
    if re.match(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", value):
        return int(value.replace("-", ""), 16) % 2**64
    raise Reject("number")


def signed(value):
    """(mantissa, exponent) of a number that may be below 0."""
    if not isinstance(value, str):
        raise Reject("schema")
    if value.startswith("-"):
        mantissa, exponent = exact(value[1:])
        return -mantissa, exponent
    return exact(value)


def rate_of(value):
    """At 12 digits behind the point, what is behind them cut."""
    mantissa, exponent = signed(value)
    shift = FUNDING_DIGITS + exponent
    size = abs(mantissa) * 10**shift if shift >= 0 else abs(mantissa) // 10**-shift
    return size if mantissa >= 0 else -size


class Ticker:
    """What a venue said last of an instrument, for venues that send only what changed."""

    def __init__(self):
        self.last = self.volume = self.mark = self.rate = None


class Chained(Decoder):
    """REST: what starts with one of these is the venue's list of instruments."""
    PRODUCTS = ()
    SIDES = {"buy": False, "sell": True}

    def __init__(self):
        super().__init__()
        self.checked, self.wanted, self.loose = {}, [], {}
        self.path = None  # of the connection that a frame came by
        self.chains, self.tickers, self.seen, self.greeted = {}, {}, {}, set()

    def connect(self, recv):
        super().connect(recv)
        self.chains.clear()
        self.loose.clear()
        self.tickers.clear()
        self.greeted.clear()
        for row in self.rows.values():
            row.off, row.mismatches = False, []

    def millis(self, value, recv):
        """ms as a number or a string of digits; with a fraction too."""
        if not isinstance(value, str):
            raise Reject("schema")
        if not re.match(r"[0-9]{1,19}\Z", value):
            return 0, BAD_TS
        ns = int(value) * 10**6
        if ns == 0 or ns >= 2**64:
            return 0, BAD_TS
        return ns, BAD_TS if ns > recv + HOUR_NS else 0

    def lose(self, symbol, recv, ts=0, gap=(0, 0)):
        self.status(symbol, ts, recv, GAP, gap=gap)
        self.counts["resyncs"] += 1
        self.wanted.append(symbol)

    def frame(self, recv, text, target=None):
        super().frame(recv, text, target)
        for symbol in dict.fromkeys(self.wanted):
            self.ask(symbol)
        self.wanted = []

    def book(self, symbol, recv, levels, snapshot, ts, flags, seq=None, prev=None, restart=False):
        """prev: what the message says that it follows; seq without it: one more than the last. Neither: nothing
        is numbered. restart: of a snapshot, that the venue counts anew. False: it was seen before."""
        row = self.row(symbol)
        levels = [(side, price, qty, ts, flags) for side, price, qty in levels]
        if seq is None:
            row.ordinal += 1
        last = self.chains.get(symbol)
        if seq is not None and row.state == OK and last is not None:
            starts_over = not snapshot and prev is not None and prev > seq or last - seq >= 10**8
            if seq <= last and not starts_over and not restart:
                self.counts["duplicates"] += bool(levels)
                return False
            if not snapshot and (starts_over or (prev != last if prev is not None else seq != last + 1)):
                self.counts["gaps"] += 1
                gap = (last + 1, prev if prev is not None else seq - 1) if seq > last else (0, 0)
                self.lose(symbol, recv, ts, gap)
        loose = self.loose.get(symbol, 0)
        if seq is not None and snapshot and row.state != OK and loose > seq and (restart or loose - seq >= 10**8):
            self.status(symbol, ts, recv, SYNCING)  # what waits for the snapshot is of the count before
        if seq is not None and (snapshot or row.state == OK):
            self.chains[symbol] = seq
            self.loose[symbol] = 0
        elif seq is not None:
            self.loose[symbol] = max(loose, seq)
        if snapshot or row.state == OK:
            self.apply(row, levels, snapshot)
        self.levels(symbol, recv, levels, row.ordinal if seq is None else seq, snapshot, ts)
        return True

    def check(self, symbol, recv, ts, snapshot, text):
        """text: False, of a message that was seen before; 0: there is none. Compared is a book whose snapshot
        had a checksum."""
        if text is False:
            return
        checksum = signed(text)[0]
        if snapshot:
            self.checked[symbol] = checksum != 0
        if checksum and self.checked.get(symbol):
            self.compare(symbol, recv, ts, checksum)

    def compare(self, symbol, recv, ts, checksum):
        row = self.rows[symbol]
        if row.state != OK or getattr(row, "off", False):
            return
        self.counts["checksums"] += 1
        if self.checksum(row) == checksum:
            return
        self.counts["mismatches"] += 1
        if not row.mismatches or recv - row.mismatches[0] > 60 * 10**9:
            row.mismatches = []
        row.mismatches.append(recv)
        row.off = len(row.mismatches) >= 3
        self.lose(symbol, recv, ts)

    def checksum(self, row):
        """25 levels, bid and ask in turn, price:quantity."""
        sides = [sorted(row.sides[0], reverse=True), sorted(row.sides[1])]
        tokens = []
        for i in range(25):
            for side in (0, 1):
                if i < len(sides[side]):
                    tokens += [text_of(*number) for number in row.sides[side][sides[side][i]]]
        crc = zlib.crc32(":".join(tokens).encode())
        return crc - 2**32 if crc >= 2**31 else crc

    NEWEST_FIRST = False

    def put_trades(self, trades, recv):
        """trades: (symbol, ts, flags, price, qty, id, sells). Published oldest first, each id once; id 0: none."""
        if self.NEWEST_FIRST:
            trades.reverse()
        for symbol, ts, flags, price, qty, number, sells in trades:
            self.row(symbol)
            seen = self.seen.setdefault(symbol, set())
            if number in seen:
                self.counts["duplicates"] += 1
                continue
            if number:
                seen.add(number)
            self.trade(symbol, ts, recv, flags, price, qty, number, sells)

    def side_of(self, text):
        if text not in self.SIDES:
            raise Reject("schema")
        return self.SIDES[text]

    def quote(self, symbol, ts, recv, flags, bid, bid_qty, ask, ask_qty):
        self.row(symbol)
        bid, ask = one_exponent(bid, ask)
        bid_qty, ask_qty = one_exponent(bid_qty, ask_qty)
        self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % (
            text_of(*bid), text_of(*bid_qty), text_of(*ask), text_of(*ask_qty)))

    def best(self, symbol, ts, recv, flags, levels):
        """A quote of a book that has one level a side; a side without one is 0 of 0. Nobody: nothing."""
        if not levels:
            self.row(symbol)
            return
        sides = [next(((p, q) for s, p, q in levels if s == side), ((0, 0), (0, 0))) for side in (0, 1)]
        self.quote(symbol, ts, recv, flags, *sides[0], *sides[1])

    def put_ticker(self, symbol, ts, recv, flags):
        """What was not said, now or before, is 0. Both prices stand at one exponent, and keep it."""
        t = self.tickers[symbol]
        if t.last and t.mark:
            t.last, t.mark = one_exponent(t.last, t.mark)
        mark = t.mark or (0, 0)
        last = t.last or (0, mark[1])
        rate = "-"
        if t.rate is not None:
            rate = ("-" if t.rate < 0 else "") + text_of(abs(t.rate), -FUNDING_DIGITS)
        text = "c=%s v=%s m=%s r=%s" % (
            text_of(*last), text_of(*(t.volume or (0, 0))), text_of(mark[0], last[1]), rate)
        self.row(symbol)
        self.emit("K", symbol, ts, recv, flags, text)

    def rest(self, text, target):
        if target.startswith(self.PRODUCTS):
            self.parse(text)
            return "control"
        return "rest"


class Okx(Chained):
    PRODUCTS = ("/api/v5/public/instruments",)
    BOOKS = "books books5 books50-l2-tbt books-l2-tbt".split()
    TICKERS = {"tickers": (("last", "last"), ("volume", "vol24h")), "mark-price": (("mark", "markPx"),),
               "funding-rate": (("rate", "fundingRate"),)}
    EVENTS = "subscribe unsubscribe error notice channel-conn-count channel-conn-count-error login".split()

    def message(self, recv, text):
        if text == "pong":
            return "control"
        root = self.parse(text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "event" in root:
            if text_in(root, "event") not in self.EVENTS:
                raise Reject("unknown")
            return "control"
        if not isinstance(root.get("arg"), dict) or not is_text(root["arg"].get("channel")):
            raise Reject("unknown")
        channel = text_in(root["arg"], "channel")
        return self.channel(channel, root["arg"], root, recv)

    def channel(self, channel, arg, root, recv):
        symbol = text_in(arg, "instId") if "instId" in arg else None
        if channel in self.BOOKS:
            return self.books(symbol, root, recv, channel != "books5")
        if channel == "bbo-tbt":
            for item in objects_in(root, "data"):
                ts, flags = self.millis(item.get("ts"), recv)
                levels = pairs_of(list_in(item, "bids"), 0) + pairs_of(list_in(item, "asks"), 1)
                self.best(symbol, ts, recv, flags, levels)
            return "data"
        if channel in ("trades", "trades-all"):
            return self.trades(root, recv)
        if channel in self.TICKERS:
            for item in objects_in(root, "data"):
                name = text_in(item, "instId")
                ts, flags = self.millis(item["ts"], recv) if "ts" in item else (0, 0)
                self.merge(name, item, self.TICKERS[channel])
                self.put_ticker(name, ts, recv, flags)
            return "data"
        return channel[:23]

    def merge(self, symbol, item, keys):
        t = self.tickers.setdefault(symbol, Ticker())
        for field, key in keys:
            value = item.get(key)
            if not isinstance(value, str) or value == "":
                continue
            number = rate_of(value) if field == "rate" else exact(value)
            if field == "rate" or number[0] or getattr(t, field) is None and field == "volume":
                setattr(t, field, number)

    def trades(self, root, recv):
        trades = []
        for item in objects_in(root, "data"):
            ts, flags = self.millis(item.get("ts"), recv)
            trades.append((text_in(item, "instId"), ts, flags, number_in(item, "px"), number_in(item, "sz"),
                           id_of(item.get("tradeId")), self.side_of(text_in(item, "side"))))
        self.put_trades(trades, recv)
        return "data"

    def books(self, symbol, root, recv, is_chained):
        snapshot = True
        if is_chained:
            action = text_in(root, "action")
            if action not in ("snapshot", "update"):
                raise Reject("schema")
            snapshot = action == "snapshot"
        for item in objects_in(root, "data"):
            levels = pairs_of(list_in(item, "bids"), 0) + pairs_of(list_in(item, "asks"), 1)
            ts, flags = self.millis(item.get("ts"), recv)
            seq = unsigned(item["seqId"]) if "seqId" in item else None
            prev = None if snapshot or seq is None else unsigned(item["prevSeqId"])
            is_new = self.book(symbol, recv, levels, snapshot, ts, flags, seq, prev)
            self.check(symbol, recv, ts, snapshot, is_new and item.get("checksum", "0"))
        return "data"


class Bitget(Okx):
    """v2; v1 in recordings. sp and SPOT are spot, all else futures."""
    NEWEST_FIRST = True
    PRODUCTS = ("/api/spot/v1/public/products", "/api/mix/v1/market/contracts", "/api/v2/spot/public/symbols",
                "/api/v2/mix/market/contracts")
    EVENTS = "subscribe unsubscribe error login".split()
    TICKER = (("last", ("lastPr", "last")), ("volume", ("baseVolume",)), ("mark", ("markPrice",)),
              ("rate", ("fundingRate", "capitalRate")))

    def channel(self, channel, arg, root, recv):
        symbol = text_in(arg, "instId")
        if text_in(arg, "instType").lower() not in ("sp", "spot"):
            symbol += "-FUTURES"
        if channel == "books":
            return self.bitget_books(symbol, root, recv, False)
        if channel in ("books5", "books15"):
            return self.bitget_books(symbol, root, recv, True)
        if channel == "books1":
            for item in objects_in(root, "data"):
                ts, flags = self.millis(item.get("ts"), recv)
                self.best(symbol, ts, recv, flags,
                          pairs_of(list_in(item, "bids"), 0) + pairs_of(list_in(item, "asks"), 1))
            return "data"
        if channel == "trade":
            return self.bitget_trades(symbol, root, recv)
        if channel == "ticker":
            for item in objects_in(root, "data"):
                stamp = next((item[k] for k in ("ts", "systemTime") if k in item), None)
                ts, flags = self.millis(stamp, recv) if stamp is not None else (0, 0)
                self.merge(symbol, item, [(f, k) for f, keys in self.TICKER for k in keys])
                self.put_ticker(symbol, ts, recv, flags)
            return "data"
        return channel[:23]

    def action(self, root):
        action = text_in(root, "action")
        if action not in ("snapshot", "update"):
            raise Reject("schema")
        return action == "snapshot"

    def bitget_books(self, symbol, root, recv, whole):
        snapshot = self.action(root) or whole
        for item in objects_in(root, "data"):
            levels = pairs_of(list_in(item, "bids"), 0) + pairs_of(list_in(item, "asks"), 1)
            ts, flags = self.millis(item.get("ts"), recv)
            seq = unsigned(item["seq"]) if "seq" in item else None
            prev = None if snapshot or seq is None or "pseq" not in item else unsigned(item["pseq"])
            is_new = self.book(symbol, recv, levels, snapshot, ts, flags, seq, prev)
            self.check(symbol, recv, ts, snapshot, is_new and item.get("checksum", "0") if seq is None else "0")
        return "data"

    def bitget_trades(self, symbol, root, recv):
        replay = BACKFILL if self.action(root) else 0
        trades = []
        for item in list_in(root, "data"):
            if isinstance(item, list):  # v1: no id
                ts, flags = self.millis(item[0], recv)
                trades.append((symbol, ts, flags | replay, exact(item[1]), exact(item[2]), 0, self.side_of(item[3])))
            else:
                ts, flags = self.millis(item.get("ts"), recv)
                trades.append((symbol, ts, flags | replay, number_in(item, "price"), number_in(item, "size"),
                               id_of(item.get("tradeId")), self.side_of(text_in(item, "side"))))
        self.put_trades(trades, recv)
        return "data"


class Bybit(Chained):
    PRODUCTS = ("/v5/market/instruments-info",)
    SIDES = {"Buy": False, "Sell": True}
    IGNORED = "kline liquidation allLiquidation kline_lt tickers_lt lt priceLimit adlAlert insurance".split()
    TICKER = (("last", "lastPrice"), ("volume", "volume24h"), ("mark", "markPrice"), ("rate", "fundingRate"))

    def name(self, symbol):
        family = (self.path or "").rsplit("/", 1)[-1]
        return symbol + "-" + family.upper() if family in ("linear", "inverse", "option") else symbol

    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "topic" not in root:
            if "op" in root or "success" in root:
                return "control"
            raise Reject("unknown")
        topic = text_in(root, "topic").split(".")
        if topic[0] in self.IGNORED:
            return topic[0]
        if topic[0] == "orderbook":
            return self.orderbook(root, recv, topic)
        if topic[0] == "publicTrade":
            trades = []
            for item in objects_in(root, "data"):
                ts, flags = self.millis(item.get("T"), recv)
                trades.append((self.name(text_in(item, "s")), ts, flags, number_in(item, "p"), number_in(item, "v"),
                               id_of(item.get("i")), self.side_of(text_in(item, "S"))))
            self.put_trades(trades, recv)
            return "data"
        if topic[0] == "tickers":
            item = root.get("data")
            if not isinstance(item, dict):
                raise Reject("schema")
            symbol = self.name(text_in(item, "symbol"))
            ts, flags = self.millis(root.get("ts"), recv)
            if text_in(root, "type") == "snapshot":
                self.tickers.pop(symbol, None)
            Okx.merge(self, symbol, item, self.TICKER)
            self.put_ticker(symbol, ts, recv, flags)
            return "data"
        raise Reject("unknown")

    def orderbook(self, root, recv, topic):
        kind = text_in(root, "type")
        if kind not in ("snapshot", "delta"):
            raise Reject("schema")
        data = root.get("data")
        if not isinstance(data, dict):
            raise Reject("schema")
        symbol = self.name(text_in(data, "s"))
        levels = pairs_of(list_in(data, "b"), 0) + pairs_of(list_in(data, "a"), 1)
        ts, flags = self.millis(root["cts"] if "cts" in root else root.get("ts"), recv)
        if topic[1] == "1":
            self.best(symbol, ts, recv, flags, levels)
            return "data"
        seq = unsigned(data.get("u"))
        self.book(symbol, recv, levels, kind == "snapshot" or seq == 1, ts, flags, seq, restart=seq == 1)
        return "data"


class Cryptocom(Chained):
    PRODUCTS = ("/v2/public/get-instruments", "/exchange/v1/public/get-instruments")
    SIDES = {"BUY": False, "SELL": True, "buy": False, "sell": True}
    NEWEST_FIRST = True

    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict) or "method" not in root:
            raise Reject("unknown")
        method, result = text_in(root, "method"), root.get("result")
        if method == "subscribe" and isinstance(result, dict):
            return self.result(result, recv)
        if method in ("subscribe", "unsubscribe", "public/heartbeat"):
            return "control"
        raise Reject("unknown")

    def result(self, result, recv):
        channel = text_in(result, "channel")
        if channel not in ("book", "book.update", "trade", "ticker", "mark", "funding"):
            return channel[:23]
        symbol, data = text_in(result, "instrument_name"), objects_in(result, "data")
        if channel == "trade":
            return self.trades(symbol, data, recv)
        for item in data:
            ts, flags = self.millis(item.get("t"), recv)
            if channel == "ticker":
                self.ticker_of(symbol, item, ts, recv, flags)
                continue
            if channel in ("mark", "funding"):
                t = self.tickers.setdefault(symbol, Ticker())
                if channel == "mark":
                    t.mark = number_in(item, "v")
                else:
                    t.rate = rate_of(item.get("v"))
                self.put_ticker(symbol, ts, recv, flags)
                continue
            sides = item["update"] if channel == "book.update" else item
            levels = pairs_of(list_in(sides, "bids"), 0) + pairs_of(list_in(sides, "asks"), 1)
            seq = unsigned(item["u"]) if "u" in item else None
            prev = unsigned(item["pu"]) if channel == "book.update" else None
            self.book(symbol, recv, levels, channel == "book", ts, flags, seq, prev)
        return "data"

    def trades(self, symbol, data, recv):
        replay = 0 if symbol in self.greeted else BACKFILL
        self.greeted.add(symbol)
        trades = []
        for item in data:
            ts, flags = self.millis(item.get("t"), recv)
            trades.append((symbol, ts, flags | replay, number_in(item, "p"), number_in(item, "q"),
                           id_of(item.get("d")), self.side_of(text_in(item, "s"))))
        self.put_trades(trades, recv)
        return "data"

    def ticker_of(self, symbol, item, ts, recv, flags):
        def taken(key):
            return exact(item[key]) if isinstance(item.get(key), str) and item[key] != "" else (0, 0)
        if "bs" in item and "ks" in item:
            self.quote(symbol, ts, recv, flags, *map(taken, ("b", "bs", "k", "ks")))
        Okx.merge(self, symbol, item, (("last", "a"), ("volume", "v")))
        self.put_ticker(symbol, ts, recv, flags)


def connections(path):
    """Of a recording in JSON lines: (receive time, path of the connection's address), as recorded."""
    import recording
    out, at = [], {}
    for line in recording.lines_of(path):
        row = json.loads(line)
        if row["t"] == "connect":
            at[row["conn"]] = urlsplit(row["addr"]).path
        record = recording.of_jsonl(line)
        if record:
            out.append((record[0], at.get(row["conn"])))
    out.sort(key=lambda row: row[0])
    return [where for _, where in out]


def decode(venue, path):
    decoder = base.VENUES[venue]()
    paths = connections(path) if path.endswith(".zst") else None
    for i, (recv, text, target) in enumerate(base.records(path)):
        if paths:
            decoder.path = paths[i]
        if text == "#connect":
            decoder.touched = set()
            decoder.connect(recv)
        else:
            decoder.frame(recv, text, target)
        yield decoder
    yield decoder


base.VENUES.update(okx=Okx, bitget=Bitget, bybit=Bybit, cryptocom=Cryptocom)
base.decode = decode

if __name__ == "__main__":
    base.decimal.getcontext().prec = 200
    sys.exit(base.main(sys.argv))

#!/usr/bin/python3
"""An independent decoder of Bitfinex v2 recordings: arrays by position, channels by number. Usage and
output as in_band_decoder.py; VENUE is bitfinex."""
import re
import sys
import zlib
from decimal import Decimal, getcontext

import in_band_decoder as base
from deribit_decoder import merged_ticker
from in_band_decoder import BACKFILL, BAD_TS, GAP, HOUR_NS, NONE, OK, SYNCING, Number, Reject, exact, unsigned

TIMESTAMP, SEQ_ALL, BULK_UPDATES = 32768, 65536, 536870912
TICKER_BID, TICKER_LAST, TICKER_VOLUME = 0, 6, 7
CHECKSUM_LEVELS = 25
CHECKSUM_DEPTH_MIN = 25
IDS_KEPT = 64
RESTART = 10**8
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")


def signed(value):
    """(mantissa, exponent, is negative) of a JSON number."""
    if not isinstance(value, Number):
        raise Reject("schema")
    negative = value.startswith("-")
    return (*exact(value[1:] if negative else value), negative)


def positive(value):
    if not isinstance(value, Number):
        raise Reject("schema")
    return exact(value)


def javascript(mantissa, exponent):
    """A number as Number.prototype.toString prints it (ECMA-262, 6.1.6.1.20)."""
    digits = str(mantissa).rstrip("0")
    if not digits:
        return "0"
    n = len(str(mantissa)) + exponent  # the point stands behind so many digits
    k = len(digits)
    if k <= n <= 21:
        return digits + "0" * (n - k)
    if 0 < n <= 21:
        return digits[:n] + "." + digits[n:]
    if -6 < n <= 0:
        return "0." + "0" * -n + digits
    return digits[:1] + ("." + digits[1:] if k > 1 else "") + "e%+d" % (n - 1)


class Channel:
    def __init__(self, kind, symbol, depth):
        self.kind, self.symbol, self.depth = kind, symbol, depth
        self.best = [None, None]  # of a book of one level: (price, qty)
        self.has_snapshot = False


OPEN, HALTED, CHANGED = 1, 2, 4
PRICED = re.compile(r"(?:^| )(?:p|b|c)=(\S+)")


class Bitfinex(base.Decoder):
    def __init__(self):
        super().__init__()
        self.ticks, self.trading = {}, {}
        self.start()

    # ---- what the venue says of its pairs ----

    def frame(self, recv, text, target=None):
        begin = len(self.out)
        self.recv = recv
        super().frame(recv, text, target)
        self.see_tick([event for event in self.out[begin:] if event[1] in self.counted][:3])

    def listing(self, symbol, trading):
        tick = base.text_of(1, self.ticks[symbol]) if symbol in self.ticks else "0"
        lot = base.text_of(1, -8) if symbol in self.ticks else "0"
        self.emit("S", symbol, 0, self.recv, 0, "trading=%d tick=%s lot=%s" % (trading, tick, lot))

    def platform(self, is_open):
        for symbol in self.rows:
            was, now = self.trading.get(symbol, OPEN), OPEN if is_open else HALTED
            self.trading[symbol] = now
            if was != now:
                self.listing(symbol, now)

    def see_tick(self, events):
        """A price has five digits and no more than eight behind the point. The first price of a pair tells its tick;
        tickers and snapshots tell of another one."""
        for _, kind, symbol, _, _, flags, text in events:
            if kind == "B" and not flags & base.SNAPSHOT:
                return
            price = PRICED.search(text) if kind in "TQBK" else None
            if not price or Decimal(price.group(1)) <= 0:
                continue
            if symbol in self.ticks and kind in "TQ":
                return
            tick = max(Decimal(price.group(1)).adjusted() - 4, -8)
            was = self.ticks.get(symbol, tick)
            self.ticks[symbol] = tick
            if was != tick:
                self.listing(symbol, CHANGED)
            return

    def start(self):
        self.channels, self.flags, self.sequence = {}, 0, None

    def connect(self, recv):
        super().connect(recv)
        self.start()
        for row in self.rows.values():
            row.off, row.mismatches, row.ticker = False, [], (None,) * 4

    # ---- events of the connection ----

    def message(self, recv, text):
        root = self.parse(text)
        if isinstance(root, dict):
            return self.event(root)
        if not isinstance(root, list):
            raise Reject("unknown")
        return self.array(root, recv)

    def event(self, root):
        name = root.get("event")
        if not isinstance(name, str) or isinstance(name, Number):
            raise Reject("unknown")
        if name not in ("info", "conf", "subscribed", "unsubscribed", "error", "pong", "auth"):
            raise Reject("unknown")
        if name == "info":
            code, platform = root.get("code"), root.get("platform")
            status = platform.get("status") if isinstance(platform, dict) else None
            if code in ("20060", "20061") or status is not None:
                self.platform(code == "20061" or (code is None and status != "0"))
        if name == "conf" and root.get("status") == "OK" and "flags" in root:
            self.flags = unsigned(root["flags"])
        if name == "subscribed":
            channel = self.channels[unsigned(root["chanId"])] = self.channel_of(root)
            if channel.kind != "other":
                self.row(channel.symbol)
        if name == "unsubscribed":
            self.channels.pop(unsigned(root["chanId"]), None)
        return "control"

    def channel_of(self, root):
        kind, symbol, depth = root["channel"], root.get("symbol", ""), 0
        if not symbol.startswith("t"):  # of the funding market, or none
            return Channel("other", kind, 0)
        if kind == "book":
            if root["prec"] == "R0":
                return Channel("other", "raw_book", 0)
            depth = int(root["len"])
            kind = "quote" if depth == 1 else "book"
        if kind not in ("book", "quote", "trades", "ticker"):
            return Channel("other", kind, 0)
        return Channel(kind, symbol[1:], depth)

    # ---- arrays ----

    def broken(self, recv, state, gap):
        for symbol, row in self.rows.items():
            if row.state != NONE:
                self.status(symbol, 0, recv, state, gap=gap)

    def is_repeat(self, number, recv):
        last, self.sequence = self.sequence, number
        if last is None or number == last + 1:
            return False
        if number > last:
            self.counts["gaps"] += 1
            self.reconnects += 1
            self.broken(recv, GAP, (last + 1, number - 1))
            return False
        if last - number >= 1000:
            for row in self.rows.values():
                row.fresh = True
            self.broken(recv, SYNCING, (0, 0))
            return False
        self.counts["duplicates"] += 1
        self.sequence = last
        return True

    def array(self, root, recv):
        trailer = [bit for bit in (SEQ_ALL, TIMESTAMP) if self.flags & bit]
        if len(root) < 2 + len(trailer) or not isinstance(root[0], Number):
            raise Reject("schema")
        payload = root[1:len(root) - len(trailer)]
        trailer = {bit: unsigned(value) for bit, value in zip(trailer, root[len(root) - len(trailer):])}
        number = unsigned(root[0])
        if SEQ_ALL in trailer and self.is_repeat(trailer[SEQ_ALL], recv):
            return "data"
        ts, flags = self.milliseconds(trailer[TIMESTAMP], recv) if TIMESTAMP in trailer else (0, 0)
        if payload[0] == "hb" and not isinstance(payload[0], Number):
            return "control"
        channel = self.channels.get(number)
        if channel is None:
            raise Reject("instrument")
        if channel.kind == "other":
            return channel.symbol
        if channel.kind == "trades":
            return self.trades(channel, payload, recv)
        if channel.kind == "ticker":
            return self.tick(channel, payload, recv, ts, flags)
        if payload[0] == "cs" and not isinstance(payload[0], Number):
            return self.checksum(channel, payload, recv, ts)
        try:
            levels, snapshot = self.read_levels(channel, payload)
        except Reject:
            if channel.kind == "book":
                self.lose(channel.symbol, recv)
            raise
        if channel.kind == "quote":
            return self.best(channel, levels, snapshot, recv, ts, flags)
        return self.book(channel, levels, snapshot, recv, ts, flags)

    def milliseconds(self, ms, recv):
        ns = ms * 10**6
        if ns >= 2**64:
            return 0, BAD_TS
        return ns, BAD_TS if ns == 0 or ns > recv + HOUR_NS else 0

    def trades(self, channel, payload, recv):
        if isinstance(payload[0], list):
            rows, backfill = payload[0], BACKFILL
        elif payload[0] == "te" and len(payload) > 1:
            rows, backfill = [payload[1]], 0
        elif payload[0] in ("tu", "fte", "ftu"):
            return payload[0]
        else:
            raise Reject("schema")
        trades = []
        for row in rows:
            if not isinstance(row, list) or len(row) < 4:
                raise Reject("schema")
            number = unsigned(row[0])
            ts, flags = self.milliseconds(unsigned(row[1]), recv)
            qty, price = signed(row[2]), positive(row[3])
            trades.append((channel.symbol, ts, recv, flags | backfill, price, qty[:2], number, qty[2]))
        self.row(channel.symbol)
        order = list(enumerate(trades))
        if trades and trades[0][6] > trades[-1][6]:
            order.reverse()
        news = set()
        for i, trade in order:
            if self.is_later(self.rows[channel.symbol], trade[6]):
                news.add(i)
            else:
                self.counts["duplicates"] += 1
        for i, trade in enumerate(trades):
            if i in news:
                self.trade(*trade)
        return "data"

    def is_later(self, row, number):
        """Ids ascend, with jumps: they are the whole venue's. One below the last is news while it is above the
        oldest of the 64 that are remembered, and not among them."""
        if not hasattr(row, "recent"):
            row.recent, row.highest = [0] * IDS_KEPT, None
        if row.highest is None or number > row.highest:
            row.highest = number
        elif row.highest - number >= RESTART:
            row.recent, row.highest = [0] * IDS_KEPT, number
        elif number in row.recent or number < min(row.recent):
            return False
        row.recent = row.recent[1:] + [number]
        return True

    def tick(self, channel, payload, recv, ts, flags):
        row = payload[0]
        if not isinstance(row, list) or len(row) <= TICKER_VOLUME:
            raise Reject("schema")
        last, volume = positive(row[TICKER_LAST]), positive(row[TICKER_VOLUME])
        self.row(channel.symbol)
        told = merged_ticker(self.rows[channel.symbol], last, volume, None, None)
        self.ticker(channel.symbol, ts, recv, flags, *told)
        return "data"

    def read_levels(self, channel, payload):
        body = payload[0]
        if not isinstance(body, list):
            raise Reject("schema")
        nested = not body or isinstance(body[0], list)
        levels = []
        for row in body if nested else [body]:
            if not isinstance(row, list) or len(row) < 3:
                raise Reject("schema")
            price, count = positive(row[0]), unsigned(row[1])
            mantissa, exponent, negative = signed(row[2])
            levels.append((1 if negative else 0, price, (mantissa if count else 0, exponent)))
        snapshot = nested and not (self.flags & BULK_UPDATES and channel.has_snapshot)
        channel.has_snapshot = channel.has_snapshot or snapshot
        return levels, snapshot

    def book(self, channel, levels, snapshot, recv, ts, flags):
        row = self.row(channel.symbol)
        row.ordinal += 1
        levels = [(side, price, qty, ts, flags) for side, price, qty in levels]
        self.levels(channel.symbol, recv, levels, row.ordinal, snapshot, ts)
        if snapshot or row.state == OK:
            self.apply(row, levels, snapshot)
        return "data"

    def best(self, channel, levels, snapshot, recv, ts, flags):
        self.row(channel.symbol)
        if snapshot:
            channel.best = [None, None]
        for side, price, qty in levels:
            held = channel.best[side]
            if qty[0]:
                channel.best[side] = (price, qty)
            elif held and Decimal(held[0][0]).scaleb(held[0][1]) == Decimal(price[0]).scaleb(price[1]):
                channel.best[side] = None
        if all(channel.best):
            (bid, bid_qty), (ask, ask_qty) = channel.best
            bid, ask = base.one_exponent(bid, ask)
            bid_qty, ask_qty = base.one_exponent(bid_qty, ask_qty)
            self.emit("Q", channel.symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % tuple(
                base.text_of(*n) for n in (bid, bid_qty, ask, ask_qty)))
        return "data"

    def lose(self, symbol, recv, ts=0):
        self.row(symbol)
        self.status(symbol, ts, recv, GAP)
        self.counts["resyncs"] += 1
        self.ask(symbol)

    def checksum(self, channel, payload, recv, ts):
        if len(payload) < 2 or not isinstance(payload[1], Number):
            raise Reject("schema")
        if not INTEGER.match(payload[1]) or not -2**31 <= int(payload[1]) < 2**31:
            raise Reject("number")
        if channel.kind != "book":
            return "control"
        row = self.row(channel.symbol)
        if row.state != OK or getattr(row, "off", False) or channel.depth < CHECKSUM_DEPTH_MIN:
            return "control"
        self.counts["checksums"] += 1
        best = [sorted(row.sides[side], reverse=side == 0)[:CHECKSUM_LEVELS] for side in (0, 1)]
        tokens = []
        for i in range(CHECKSUM_LEVELS):
            for side in (0, 1):
                if i < len(best[side]):
                    price, qty = row.sides[side][best[side][i]]
                    tokens += [javascript(*price), ("-" if side else "") + javascript(*qty)]
        ours = zlib.crc32(":".join(tokens).encode())
        if ours - (2**32 if ours >= 2**31 else 0) != int(payload[1]):
            self.counts["mismatches"] += 1
            if not row.mismatches or recv - row.mismatches[0] > 60 * 10**9:
                row.mismatches = []
            row.mismatches.append(recv)
            row.off = len(row.mismatches) >= 3
            self.lose(channel.symbol, recv, ts)
        return "control"


base.VENUES = {"bitfinex": Bitfinex}

if __name__ == "__main__":
    getcontext().prec = 200
    sys.exit(base.main(sys.argv))

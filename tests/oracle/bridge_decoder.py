"""What the independent decoders of Gate, KuCoin and HTX share: deltas that say which ids they cover, a
snapshot that may come over REST at any time, and the bridge between the two, by the venues' pages.
Knows nothing of tickfuse's code."""
import decimal

from binance_decoder import (BACKFILL, BAD_BOOK, BAD_TS, GAP, OK, SNAPSHOT, SYNCING, Number, Reject, exact, one_exponent,
                             text_of, ticker_text)
from in_band_decoder import DERIVED, HOUR_NS, Decoder, Row

RESTART = 10**8


class Chain:
    def __init__(self):
        self.base, self.last, self.pending = None, None, []
        self.armed = self.asked = False


class ChainedRow(Row):
    def __init__(self):
        super().__init__()
        self.chain, self.seen = Chain(), []
        self.ticker = (None,) * 4


def whole(value):
    """An unsigned integer below 2^64, as a number or a string."""
    if not isinstance(value, str):
        raise Reject("schema")
    if not value.isascii() or not value.isdigit() or int(value) >= 2**64:
        raise Reject("number")
    return int(value)


def magnitude(value):
    """(mantissa, exponent, is negative)"""
    if isinstance(value, str) and value.startswith("-"):
        return (*exact(value[1:]), True)
    return (*exact(value), False)


class Chained(Decoder):
    def row(self, symbol):
        super().row(symbol)
        if not isinstance(self.rows[symbol], ChainedRow):
            self.rows[symbol] = ChainedRow()
        return self.rows[symbol]

    def connect(self, recv):
        """What was known of a book is forgotten, but for a snapshot that no delta has followed yet."""
        for symbol, row in self.rows.items():
            row.fresh, row.ordinal, row.ticker = True, 0, (None,) * 4
            if row.chain.armed and row.chain.last is None:
                continue
            announced = row.state == SYNCING and row.announced and not row.chain.pending
            asked, row.chain = row.chain.asked, Chain()
            row.chain.asked = asked
            if not announced:
                self.status(symbol, 0, recv, SYNCING)
            row.state, row.announced = SYNCING, True

    def time_of(self, value, unit, recv):
        """ns and flags of a number, or a string that holds one, in units of so many ns."""
        if value is None:
            return 0, 0
        mantissa, exponent = exact(value)
        ns = int(decimal.Decimal(mantissa).scaleb(exponent) * unit)
        if ns >= 2**64:
            return 0, BAD_TS
        return ns, BAD_TS if ns == 0 or ns > recv + HOUR_NS else 0

    def rows_of(self, data, keys, names=None):
        """[(side, price, qty)], bids first; levels are lists or objects with those names."""
        out = []
        for side, key in enumerate(keys):
            rows = data.get(key)
            for row in rows if rows is not None else []:
                pair = row[:2] if isinstance(row, list) else [row[n] for n in names]
                out.append((side, exact(pair[0]), exact(pair[1])))
        return out

    def put(self, symbol, ts, recv, flags, levels, seq):
        for i, (side, price, qty) in enumerate(levels):
            self.level(symbol, ts, recv, flags, side, price, qty, seq, i, len(levels))
        self.touched.add(symbol)

    def state_event(self, symbol, ts, recv, flags, state, **more):
        self.status(symbol, ts, recv, state, **more)
        self.out[-1][5] |= flags

    def ask_once_more(self, symbol):
        chain = self.rows[symbol].chain
        self.counts["resyncs"] += chain.asked
        chain.asked = True
        self.ask(symbol)

    def keep(self, row, levels, snapshot=False):
        self.apply(row, [(s, p, q) for s, p, q in levels], snapshot)

    def delta(self, symbol, ts, recv, flags, levels, first, last):
        if first > last:
            raise Reject("schema")
        row = self.row(symbol)
        chain, gap, wanted = row.chain, None, False
        if chain.last is not None:
            if last <= chain.last:
                if chain.last - last <= RESTART:
                    self.counts["duplicates"] += 1
                    return "data"
                gap = (chain.last + 1, chain.last)
            elif first > chain.last + 1:
                gap = (chain.last + 1, first - 1)
        if gap is None and chain.armed and last > chain.base:
            if first <= chain.base + 1:
                chain.armed = False
            else:
                gap = (chain.base + 1, first - 1)
        chain.last = last
        if gap is not None:
            self.counts["gaps"] += 1
            chain.pending, chain.armed, wanted = [], False, True
            self.state_event(symbol, ts, recv, flags, GAP, gap=gap)
        elif row.state not in (OK, GAP) and not chain.pending:
            if not row.announced:
                self.state_event(symbol, ts, recv, flags, SYNCING)
            row.state, wanted = SYNCING, True
        if row.state != OK:
            chain.pending.append((first, last, levels))
        elif chain.armed:
            self.counts["bridged_out"] += len(levels)
        else:
            self.keep(row, levels)
        self.put(symbol, ts, recv, flags | (BAD_BOOK if row.state == GAP else 0), levels, last)
        if wanted:
            self.ask_once_more(symbol)
        return "data"

    def snapshot(self, symbol, ts, recv, flags, levels, seq):
        """One that was asked for."""
        row = self.row(symbol)
        chain = row.chain
        if not levels:
            return "data"
        if row.state == OK:
            if seq <= (chain.base if chain.armed else max(chain.base, chain.last)):
                self.counts["duplicates"] += 1
                return "data"
            kept = []
        else:
            kept = [d for d in chain.pending if d[1] > seq]
            if kept and kept[0][0] > seq + 1:
                self.counts["bridged_out"] += len(levels)
                self.put(symbol, ts, recv, flags | SNAPSHOT | BAD_BOOK, levels, seq)
                self.ask_once_more(symbol)
                return "data"
            self.counts["bridged_out"] += sum(len(d[2]) for d in chain.pending if d[1] <= seq)
        self.keep(row, levels, True)
        for d in kept:
            self.keep(row, d[2])
        chain.base, chain.pending, chain.armed = seq, [], not kept
        self.put(symbol, ts, recv, flags | SNAPSHOT, levels, seq)
        self.state_event(symbol, ts, recv, flags, OK, apply_from=kept[0][1] if kept else seq + 1)
        return "data"

    def stands(self, symbol, ts, recv, flags, levels, seq):
        """A snapshot in the order of the deltas."""
        row = self.row(symbol)
        row.chain.base = row.chain.last = seq
        row.chain.pending, row.chain.armed = [], False
        self.keep(row, levels, True)
        self.put(symbol, ts, recv, flags | SNAPSHOT, levels, seq)
        if not levels:
            self.level(symbol, ts, recv, flags | SNAPSHOT | DERIVED, 0, (0, 0), (0, 0), seq, 0, 1)
        self.state_event(symbol, ts, recv, flags, OK, apply_from=seq)
        return "data"

    def whole_book(self, symbol, ts, flags, levels):
        """A book that is whole each time and numbered by nobody: our ordinal."""
        row = self.row(symbol)
        row.ordinal += 1
        self.levels(symbol, self.recv, [(*level, ts, flags) for level in levels], row.ordinal, True, ts)
        self.apply(row, levels, True)
        return "data"

    def is_seen(self, symbol, number):
        """Ids without an order: the last 64 are remembered."""
        seen = self.row(symbol).seen
        if number in seen[-64:]:
            self.counts["duplicates"] += 1
            return True
        seen.append(number)
        return False

    def put_trades(self, trades, numbered=False):
        """[(symbol, ts, flags, price, qty, id, sold, order)], order: what tells repeats; a batch that comes newest
        first goes out oldest first. numbered: the orders are consecutive, so that a jump is a gap."""
        if trades and trades[0][7] > trades[-1][7]:
            trades.reverse()
        news = []
        for trade in trades:
            row = self.row(trade[0])
            row.fresh = row.fresh or not numbered
            if self.is_news(trade[0], trade[7]):
                news.append(trade)
        for symbol, ts, flags, price, qty, number, sold, _ in news:
            self.trade(symbol, ts, self.recv, flags, price, qty, number, sold)
        return "data"

    def put_ticker(self, symbol, ts, flags, last=None, volume=None, mark=None, funding=None):
        """Texts, or None for what was not sent: that is as it was."""
        row = self.row(symbol)
        last, volume, mark = (exact(v) if v else None for v in (last, volume, mark))
        was_last, was_volume, was_mark, was_funding = row.ticker
        last = last if last and last[0] else was_last
        mark = mark if mark and mark[0] else was_mark
        volume = volume if volume and volume[0] else was_volume
        funding = magnitude(funding) if funding else was_funding
        if last and mark:
            last, mark = one_exponent(last, mark)
        row.ticker = last, volume, mark, funding
        sent = funding and (-funding[0] if funding[2] else funding[0], funding[1])
        self.emit("K", symbol, ts, self.recv, flags, ticker_text(last, volume, mark, sent))
        return "data"

    def frame(self, recv, text, target=None):
        self.recv = recv
        super().frame(recv, text, target)

    def quote(self, symbol, ts, recv, flags, bid, bid_qty, ask, ask_qty):
        bid, ask = one_exponent(bid, ask)
        bid_qty, ask_qty = one_exponent(bid_qty, ask_qty)
        self.row(symbol)
        self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % (
            text_of(*bid), text_of(*bid_qty), text_of(*ask), text_of(*ask_qty)))
        return "data"


__all__ = ["BACKFILL", "BAD_TS", "Chained", "Number", "Reject", "exact", "magnitude", "whole"]

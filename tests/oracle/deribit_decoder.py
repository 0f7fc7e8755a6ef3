#!/usr/bin/python3
"""An independent decoder of Deribit recordings: JSON-RPC, books whose messages point to their
predecessor. Usage and output as in_band_decoder.py; VENUE is deribit."""
import decimal
import sys

import in_band_decoder as base
from in_band_decoder import BAD_TS, GAP, HOUR_NS, OK, Number, Reject, exact, text_in, unsigned

RESTART = 10**8  # a change_id so far back is the venue starting over


def number(item, key):
    if not isinstance(item.get(key), str):
        raise Reject("schema")
    return exact(item[key])


def maybe(item, key):
    """None where it is null or not there."""
    return None if item.get(key) is None else number(item, key)


def maybe_signed(item, key):
    value = item.get(key)
    if not isinstance(value, Number):
        return None
    mantissa, exponent = exact(value[value.startswith("-"):])
    return -mantissa if value.startswith("-") else mantissa, exponent


def merged_ticker(row, last, volume, mark, funding):
    """What a ticker does not say, or says to be 0, is as it was; prices stand at one exponent."""
    was = getattr(row, "ticker", (None,) * 4)
    last, volume, mark = (new if new and new[0] else old for new, old in zip((last, volume, mark), was))
    if last and mark:
        last, mark = base.one_exponent(last, mark)
    row.ticker = last, volume, mark, was[3] if funding is None else funding
    return row.ticker


class Deribit(base.Decoder):
    PRODUCTS = "/api/v2/public/get_instrument"
    IGNORED = """announcements block_rfq block_trade_confirmations chart deribit_price_index deribit_price_ranking
    deribit_price_statistics deribit_volatility_index estimated_expiration_price incremental_ticker instrument
    markprice perpetual platform_state rfq""".split()

    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict):
            raise Reject("unknown")
        if "method" not in root:
            if "result" in root or "error" in root:
                return "control"
            raise Reject("unknown")
        method = text_in(root, "method")
        if method == "heartbeat":
            return "control"
        if method != "subscription":
            raise Reject("unknown")
        params = root.get("params")
        if not isinstance(params, dict):
            raise Reject("schema")
        name, data = text_in(params, "channel").split(".")[0], params.get("data")
        if name in self.IGNORED:
            return name
        if name == "trades":
            data = [data] if isinstance(data, dict) else data
            if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
                raise Reject("schema")
            return self.trades([item for item in data if "trade_seq" in item], recv)
        if name not in ("book", "quote", "ticker"):
            raise Reject("unknown")
        if not isinstance(data, dict):
            raise Reject("schema")
        if name == "book":
            return self.book(data, recv)
        return self.quote(data, recv) if name == "quote" else self.tick(data, recv)

    def time(self, item, recv):
        value = item.get("timestamp")
        if value is None:
            return 0, 0
        if not isinstance(value, Number) or not value.isdigit():
            return 0, BAD_TS
        ns = int(value) * 10**6
        if ns == 0 or int(value) >= 2**63 or ns >= 2**64:
            return 0, BAD_TS
        return ns, BAD_TS if ns > recv + HOUR_NS else 0

    def trades(self, data, recv):
        trades = []
        for item in data:
            price, qty, side = number(item, "price"), number(item, "amount"), text_in(item, "direction").lower()
            if side not in ("buy", "sell"):
                raise Reject("schema")
            count = unsigned(item["trade_seq"])
            ts, flags = self.time(item, recv)
            trades.append((text_in(item, "instrument_name"), ts, recv, flags, price, qty, count, side == "sell"))
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

    def quote(self, data, recv):
        keys = ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")
        if "best_bid_price" not in data or "best_ask_price" not in data:
            return "data"
        symbol = text_in(data, "instrument_name")
        ts, flags = self.time(data, recv)
        bid, bid_qty, ask, ask_qty = (maybe(data, key) or (0, 0) for key in keys)  # a side with nobody
        self.row(symbol)
        bid, ask = base.one_exponent(bid, ask)
        bid_qty, ask_qty = base.one_exponent(bid_qty, ask_qty)
        self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % tuple(
            base.text_of(*n) for n in (bid, bid_qty, ask, ask_qty)))
        return "data"

    def tick(self, data, recv):
        symbol = text_in(data, "instrument_name")
        ts, flags = self.time(data, recv)
        last, mark = maybe(data, "last_price"), maybe(data, "mark_price")
        stats = data.get("stats")
        volume = maybe(stats, "volume") if isinstance(stats, dict) else None
        told = merged_ticker(self.row(symbol), last, volume, mark, maybe_signed(data, "current_funding"))
        self.ticker(symbol, ts, recv, flags, *told)
        return "data"

    # ---- books ----

    def lose(self, symbol, recv, ts=0, gap=(0, 0)):
        self.row(symbol)
        self.status(symbol, ts, recv, GAP, gap=gap)
        self.counts["resyncs"] += 1
        if [self.messages, "resync", symbol] not in self.out:
            self.ask(symbol)

    def read(self, data, recv):
        levels = []
        for side, key in enumerate(("bids", "asks")):
            if not isinstance(data.get(key), list):
                raise Reject("schema")
            for row in data[key]:
                if not isinstance(row, list):
                    raise Reject("schema")
                word = bool(row) and isinstance(row[0], str) and not isinstance(row[0], Number)
                row = row[word:]  # what was done to the level says no more than its amount
                if len(row) < 2 or not all(isinstance(n, str) for n in row[:2]):
                    raise Reject("schema")
                levels.append((side, exact(row[0]), exact(row[1])))
        symbol = text_in(data, "instrument_name")
        ts, flags = self.time(data, recv)
        if data.get("change_id") is not None and not isinstance(data["change_id"], Number):
            raise Reject("number")
        return symbol, ts, [level + (ts, flags) for level in levels]

    def book(self, data, recv):
        kind = data.get("type")  # without one it is the window as it is
        snapshot = kind in (None, "snapshot")
        if kind not in (None, "snapshot", "change"):
            raise Reject("schema")
        try:
            symbol, ts, levels = self.read(data, recv)
            if "change_id" not in data:
                raise Reject("schema")
            number_ = unsigned(data["change_id"])
        except Reject:
            symbol = data.get("instrument_name")
            if isinstance(symbol, str) and not isinstance(symbol, Number):
                self.lose(symbol, recv)
            raise
        row = self.row(symbol)
        last = getattr(row, "change_id", None) if row.state == OK else None
        if last is not None and number_ <= last:
            if last - number_ < RESTART:
                self.counts["duplicates"] += bool(levels)
                return "data"
            if not snapshot:
                self.counts["gaps"] += 1
                self.lose(symbol, recv, ts)
        elif last is not None and not snapshot:
            prev = data.get("prev_change_id")
            prev = unsigned(prev) if isinstance(prev, Number) else None
            if prev != last:
                self.counts["gaps"] += 1
                self.lose(symbol, recv, ts, (last + 1, number_ - 1 if prev is None else prev))
        if snapshot or row.state == OK:
            row.change_id = number_
        self.levels(symbol, recv, levels, number_, snapshot, ts)
        if snapshot or row.state == OK:
            self.apply(row, levels, snapshot)
        return "data"

    def connect(self, recv):
        super().connect(recv)
        for row in self.rows.values():
            row.change_id, row.ticker = None, (None,) * 4


base.VENUES = {"deribit": Deribit}

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(base.main(sys.argv))

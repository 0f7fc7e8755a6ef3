#!/usr/bin/python3
"""An independent decoder of Deribit recordings: JSON-RPC, books whose messages point to their
predecessor. Usage and output as in_band_decoder.py; VENUE is deribit."""
import decimal
import sys

import in_band_decoder as base
from in_band_decoder import BAD_TS, GAP, HOUR_NS, NONE, OK, Number, Reject, exact, text_in, unsigned


def number(item, key):
    if not isinstance(item.get(key), Number):
        raise Reject("schema")
    return exact(item[key])


def maybe(item, key, signed=False):
    """None where it is null or not there."""
    value = item.get(key)
    if value is None:
        return None
    if not isinstance(value, Number):
        raise Reject("schema")
    minus = signed and value.startswith("-")
    mantissa, exponent = exact(value[1:] if minus else value)
    return (-mantissa if minus else mantissa), exponent


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
            if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
                raise Reject("schema")
            return self.trades(data, recv)
        if name not in ("book", "quote", "ticker"):
            raise Reject("unknown")
        if not isinstance(data, dict):
            raise Reject("schema")
        if name == "book":
            return self.book(data, recv)
        return self.quote(data, recv) if name == "quote" else self.tick(data, recv)

    def time(self, item, recv):
        if not isinstance(item.get("timestamp"), Number):
            raise Reject("schema")
        ns = unsigned(item["timestamp"]) * 10**6
        if ns >= 2**64:
            return 0, BAD_TS
        return ns, BAD_TS if ns == 0 or ns > recv + HOUR_NS else 0

    def trades(self, data, recv):
        trades = []
        for item in data:
            price, qty, side = number(item, "price"), number(item, "amount"), text_in(item, "direction")
            if side not in ("buy", "sell") or "trade_seq" not in item:
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
        symbol = text_in(data, "instrument_name")
        ts, flags = self.time(data, recv)
        numbers = [maybe(data, key) for key in keys]
        self.row(symbol)
        if None in numbers:
            return "data"
        bid, bid_qty, ask, ask_qty = numbers
        bid, ask = base.one_exponent(bid, ask)
        bid_qty, ask_qty = base.one_exponent(bid_qty, ask_qty)
        self.emit("Q", symbol, ts, recv, flags, "b=%s B=%s a=%s A=%s" % tuple(
            base.text_of(*n) for n in (bid, bid_qty, ask, ask_qty)))
        return "data"

    def tick(self, data, recv):
        symbol = text_in(data, "instrument_name")
        ts, flags = self.time(data, recv)
        last, mark = maybe(data, "last_price"), maybe(data, "mark_price")
        funding = maybe(data, "current_funding", signed=True)
        stats = data.get("stats")
        volume = maybe(stats, "volume") if isinstance(stats, dict) else None
        self.row(symbol)
        self.ticker(symbol, ts, recv, flags, last, volume, mark, funding)
        return "data"

    # ---- books ----

    def lose(self, symbol, recv, ts=0, gap=(0, 0)):
        self.row(symbol)
        self.status(symbol, ts, recv, GAP, gap=gap)
        self.counts["resyncs"] += 1
        if [self.messages, "resync", symbol] not in self.out:
            self.ask(symbol)

    def read(self, data, recv):
        ts, flags = self.time(data, recv)
        grouped = "type" not in data  # the window as it is, without what was done to it
        if not grouped and text_in(data, "type") not in ("snapshot", "change"):
            raise Reject("schema")
        levels = []
        for side, key in enumerate(("bids", "asks")):
            if not isinstance(data.get(key), list):
                raise Reject("schema")
            for row in data[key]:
                if not isinstance(row, list) or len(row) < (2 if grouped else 3):
                    raise Reject("schema")
                if not grouped:
                    if row[0] not in ("new", "change", "delete") or isinstance(row[0], Number):
                        raise Reject("schema")
                    row = row[1:]
                if not isinstance(row[0], Number) or not isinstance(row[1], Number):
                    raise Reject("schema")
                levels.append((side, exact(row[0]), exact(row[1]), ts, flags))
        if not isinstance(data.get("change_id"), Number):
            raise Reject("schema")
        return ts, levels, grouped or data["type"] == "snapshot", unsigned(data["change_id"])

    def book(self, data, recv):
        symbol = data.get("instrument_name")
        try:
            ts, levels, snapshot, number_ = self.read(data, recv)
            prev = None
            if not snapshot:
                if not isinstance(data.get("prev_change_id"), Number):
                    raise Reject("schema")
                prev = unsigned(data["prev_change_id"])
        except Reject:
            if isinstance(symbol, str) and not isinstance(symbol, Number) and symbol in self.rows:
                self.lose(symbol, recv)
            raise
        row = self.row(text_in(data, "instrument_name"))
        last = getattr(row, "change_id", None) if row.state != NONE else None
        if not snapshot and last is not None:
            if number_ <= last:
                self.counts["duplicates"] += 1
                return "data"
            if prev != last:
                self.counts["gaps"] += 1
                self.lose(symbol, recv, ts, (last + 1, prev))
        row.change_id = number_
        self.levels(symbol, recv, levels, number_, snapshot, ts)
        if snapshot or row.state == OK:
            self.apply(row, levels, snapshot)
        return "data"

    def connect(self, recv):
        super().connect(recv)
        for row in self.rows.values():
            row.change_id = None


base.VENUES = {"deribit": Deribit}

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(base.main(sys.argv))

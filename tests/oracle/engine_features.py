"""The feature rows of configs/replay-binance.yaml, from events alone: plain Python, none of tickfuse's code.

Market follows one instrument: best bid and offer, book, trades, one-second bars. Rows gives the features at each
tick (the last event of a message), by their definitions: what is one rounded operation after another is done in that
order, so that the double is the same bit for bit; windows are cut out and summed exactly (math.fsum, integers).
TOLERANCE says for each feature how far the engine's may be: 0 is bit for bit.
"""
import collections
import decimal
import math

NAN = float("nan")
SECOND = 10**9
SCALE = 2**120
NONE, SYNCING, GAP, STALE, CROSSED, OK = 5, 1, 2, 3, 4, 0
OUTRUN, SELL, BACKFILL, BAD_TS, SNAPSHOT, LAST = 0x80, 0x20, 0x10, 8, 2, 1

FEATURES = ["spread_bps", "imbalance(5)", "ofi(1s)", "trade_imbalance(1s)", "zscore(mid,500)", "realized_vol(mid,100)",
            "ret(mid,50)", "rsi(s1.close,14)", "(microprice-mid)/spread", "(ema(mid,20)-mid)/spread",
            "(vwap(10s)-mid)/spread", "trade_count(1s)", "mid", "spread", "microprice"]
# Absolute and relative. The vwap is a quotient of sums: one unit in the last place of a price of 6e4 (7e-12) over a
# spread of 0.01.
TOLERANCE = dict.fromkeys(FEATURES, 0.0)
TOLERANCE.update({"ofi(1s)": 1e-12, "trade_imbalance(1s)": 1e-12, "zscore(mid,500)": 1e-12, "realized_vol(mid,100)": 1e-12,
                  "rsi(s1.close,14)": 1e-12, "(vwap(10s)-mid)/spread": 4e-9})


def finite(x):
    return x if math.isfinite(x) else NAN


def divide(a, b):
    return finite(a / b) if b else NAN


class Side:
    """Price levels of one side, as integers of 1e-12."""

    def __init__(self, ask):
        self.ask, self.levels, self.best = ask, {}, []

    def put(self, price, qty):
        if qty:
            self.levels[price] = qty
        else:
            self.levels.pop(price, None)

    def top(self, n):
        return sorted(self.levels, reverse=not self.ask)[:n]


class Book:
    """By the events: levels, and STATUS that says from which sequence on they count."""

    def __init__(self):
        self.state, self.collecting, self.pending, self.apply_from = NONE, True, [], 0
        self.sides = (Side(False), Side(True))
        self.digits = 0  # of the finest price ever told
        self.cache = None

    def level(self, flags, price, qty, seq, is_first):
        self.cache = None
        if self.state == NONE:
            self.state = SYNCING
        ask = bool(flags & SELL)
        if flags & SNAPSHOT:
            if is_first:
                for side in self.sides:
                    side.levels = {}
            self.sides[ask].put(price, qty)
        elif self.collecting:
            self.pending.append((seq, ask, price, qty))
        elif seq >= self.apply_from:
            self.sides[ask].put(price, qty)

    def status(self, state, apply_from):
        self.cache = None
        if state == STALE or (self.state == STALE and state in (OK, NONE) and apply_from == 0):
            self.state = state  # a silence and its end: no level is touched
            return
        self.state = state
        if state == OK:
            for seq, ask, price, qty in self.pending:
                if seq >= apply_from:
                    self.sides[ask].put(price, qty)
            self.collecting, self.apply_from = False, apply_from
        else:
            self.collecting = True
        self.pending = []

    def best(self):
        """The five best levels of each side, best first."""
        if self.cache is None:
            self.cache = [[(p, side.levels[p]) for p in side.top(5)] for side in self.sides]
        return self.cache

    def settle(self):
        if self.state in (OK, CROSSED):
            bids, asks = self.best()
            self.state = CROSSED if bids and asks and bids[0][0] > asks[0][0] else OK


class Window:
    """(time, value) of the last so many ns."""

    def __init__(self, span):
        self.span, self.rows = span, collections.deque()

    def add(self, now, *values):
        self.rows.append((now, *values))

    def at(self, now):
        while self.rows and now - self.rows[0][0] >= self.span:
            self.rows.popleft()
        return self.rows


class Market:
    def __init__(self):
        self.now = 0
        self.bbo = self.bbo_text = self.last_text = None  # (bid, bid_qty, ask, ask_qty)
        self.has_quote = self.bbo_is_books = False
        self.bbo_time = 0
        self.book = Book()
        self.bar = None  # [end, close]
        self.closes = []
        self.flow, self.trades_1s, self.trades_10s = Window(SECOND), Window(SECOND), Window(10 * SECOND)
        self.flow_last = None

    def event(self, kind, ts, recv, flags, fields):
        """fields: numbers as text."""
        self.now = max(self.now, recv)
        if self.bar and self.now >= self.bar[0]:
            self.closes.append(self.bar[1])
            self.bar = None
        if kind == "Q":
            self.has_quote = True
            if not (self.bbo_is_books and self.book.state == OK and self.is_outrun(ts, flags)):
                self.bbo_is_books, self.bbo_time = False, 0 if flags & BAD_TS else ts
                self.set_bbo(fields["b"], fields["B"], fields["a"], fields["A"])
            self.change_of_bbo()
        elif kind == "T":
            self.trade(float(fields["p"]), float(fields["q"]), bool(flags & SELL), bool(flags & BACKFILL))
            self.last_text = fields["p"]
        elif kind == "B":
            self.book.digits = max(self.book.digits, len(fields["p"].partition(".")[2]))
            self.book.level(flags, units(fields["p"]), units(fields["q"]), int(fields["u"]), fields["i"].startswith("0/"))
        elif kind == "S":
            self.book.status(int(fields["state"]), int(fields["from"]))
        if flags & LAST:
            self.book.settle()
            if kind in "BS":
                self.bbo_of_book(kind, ts, flags)
            self.change_of_bbo()

    def set_bbo(self, bid, bid_qty, ask, ask_qty):
        if float(bid) <= 0 or float(ask) <= 0:
            self.bbo = self.bbo_text = None
            return
        self.bbo = (float(bid), float(bid_qty), float(ask), float(ask_qty))
        self.bbo_text = (bid, ask)

    def is_outrun(self, ts, flags):
        """Whether the other channel's best bid and offer, which we have, are fresher than what comes now."""
        if flags & OUTRUN:
            return True
        return ts != 0 and not flags & BAD_TS and 0 < self.bbo_time - ts <= SECOND

    def bbo_of_book(self, kind, ts, flags):
        if self.book.state != OK:
            return
        if self.has_quote and (kind == "S" or (self.bbo and not self.bbo_is_books and self.is_outrun(ts, flags))):
            return
        bids, asks = self.book.best()
        if bids and asks:
            self.bbo_is_books, self.bbo_time = True, 0 if flags & BAD_TS else ts
            self.set_bbo(*(text(x) for x in (*bids[0], *asks[0])))
            cut = self.book.digits - UNIT_DIGITS or None
            self.bbo_text = tuple(t[:cut] for t in self.bbo_text)

    def change_of_bbo(self):
        """Cont, Kukanov, Stoikov (2014), equation (4)."""
        if self.bbo is None:
            return
        blind = not self.has_quote and self.book.state in (GAP, SYNCING)
        if self.flow_last is not None and not blind:
            (b0, bq0, a0, aq0), (b, bq, a, aq) = self.flow_last, self.bbo
            e = 0.0
            if b >= b0:
                e += bq
            if b <= b0:
                e -= bq0
            if a <= a0:
                e -= aq
            if a >= a0:
                e += aq0
            if e:
                self.flow.add(self.now, e)
        self.flow_last = None if blind else self.bbo

    def trade(self, price, qty, is_sell, is_backfill):
        """A trade that is older than the subscription is in no window: when it came is not when it was."""
        for window in () if is_backfill else (self.trades_1s, self.trades_10s):
            window.add(self.now, price * qty, qty, is_sell)
        if self.bar is None:
            self.bar = [self.now - self.now % SECOND + SECOND, price]
        self.bar[1] = price


UNIT_DIGITS = 12


def units(number):
    if "e" in number:
        return int(decimal.Decimal(number).scaleb(UNIT_DIGITS))
    whole, _, part = number.partition(".")
    return int(whole + part.ljust(UNIT_DIGITS, "0"))


def text(n):
    digits = str(n).rjust(UNIT_DIGITS + 1, "0")
    return digits[:-UNIT_DIGITS] + "." + digits[-UNIT_DIGITS:]


class Rows:
    """The series that run from tick to tick, and the row of each."""

    def __init__(self, market):
        self.m = market
        self.mids = collections.deque(maxlen=501)
        self.sum1 = self.sum2 = 0  # of the last 500 mids, exactly, in 2^-120
        self.ema, self.ema_cnt = 0.0, 0
        self.squares = collections.deque(maxlen=100)
        self.gain = self.loss = 0.0
        self.closes_seen = 0
        self.rsi = NAN

    def row(self):
        m = self.m
        if m.bbo is None:
            bid = bid_qty = ask = ask_qty = mid = spread = bps = micro = NAN
        else:
            bid, bid_qty, ask, ask_qty = m.bbo
            mid, spread = (bid + ask) * 0.5, ask - bid
            bps = (ask - bid) / mid * 1e4
            micro = divide(bid * ask_qty + ask * bid_qty, bid_qty + ask_qty)
        ema, z, vol, ret = self.series(mid) if mid == mid else (NAN,) * 4
        flow = math.fsum(v for _, v in m.flow.at(m.now)) if m.bbo else NAN
        short, long = m.trades_1s.at(m.now), m.trades_10s.at(m.now)
        buys = math.fsum(q for _, _, q, is_sell in short if not is_sell)
        sells = math.fsum(q for _, _, q, is_sell in short if is_sell)
        vwap = math.fsum(pq for _, pq, _, _ in long) / math.fsum(q for _, _, q, _ in long) if long else NAN
        return [bps, self.imbalance(), flow, (buys - sells) / (buys + sells) if short else 0.0, z, vol, ret, self.rsi_now(),
                divide(micro - mid, spread), divide(ema - mid, spread), divide(vwap - mid, spread), float(len(short)), mid,
                spread, micro]

    def imbalance(self):
        m = self.m
        if m.book.state == NONE:
            if m.bbo is None:
                return NAN
            bid, ask = m.bbo[1], m.bbo[3]
        else:
            bids, asks = m.book.best()
            if not bids or not asks:
                return NAN
            unit = 10**(UNIT_DIGITS - 8)  # no venue here sends more than 8 digits
            bid, ask = float(sum(q for _, q in bids) // unit), float(sum(q for _, q in asks) // unit)
        return divide(bid - ask, bid + ask)

    def series(self, mid):
        """ema(20), zscore(500), realized_vol(100), ret(50)."""
        if self.ema_cnt < 20:
            self.ema_cnt += 1
            self.ema += mid
            if self.ema_cnt == 20:
                self.ema /= 20.0
        else:
            self.ema = (mid - self.ema) * (2.0 / 21.0) + self.ema
        self.mids.append(mid)
        exact = int(mid * SCALE)  # a mid above 2^-67 has no bit below that
        assert exact == mid * SCALE
        self.sum1, self.sum2 = self.sum1 + exact, self.sum2 + exact * exact
        n = len(self.mids)
        if n == 501:
            old = int(self.mids[0] * SCALE)
            self.sum1, self.sum2 = self.sum1 - old, self.sum2 - old * old
        z = NAN
        if n >= 500:
            variance = 500 * self.sum2 - self.sum1 * self.sum1  # times 500^2
            z = (500 * exact - self.sum1) / math.sqrt(variance) if variance else 0.0
        if n > 1:
            before = self.mids[-2]
            self.squares.append(math.log1p((mid - before) / before) ** 2)
        vol = math.sqrt(math.fsum(self.squares)) if len(self.squares) == 100 else NAN
        ret = (mid - self.mids[-51]) / self.mids[-51] if n > 50 else NAN
        return self.ema if self.ema_cnt == 20 else NAN, z, vol, ret

    def rsi_now(self):
        """Wilder's, over the closes of the bars; only what is new is worked in."""
        closes = self.m.closes
        for i in range(self.closes_seen, len(closes)):
            change = closes[i] - closes[i - 1] if i else 0.0
            up, down = max(change, 0.0), max(-change, 0.0)
            if i <= 14:
                self.gain, self.loss = self.gain + up, self.loss + down
                if i == 14:
                    self.gain, self.loss = self.gain / 14.0, self.loss / 14.0
            else:
                self.gain = (self.gain * 13 + up) / 14
                self.loss = (self.loss * 13 + down) / 14
            if i >= 14:
                total = self.gain + self.loss
                self.rsi = 100.0 * self.gain / total if total else 0.0
        self.closes_seen = len(closes)
        return self.rsi

#!/usr/bin/python3
"""An independent model of the indicators, from their definitions, in exact or 60-digit arithmetic.

Reads a request file and prints one line per `eval`: the values as hexadecimal floats or "nan".

  series NAME hex...             a series of doubles
  event KIND LAST BACKFILL T ... one event of the scripted market (tests/kernels/indicator)
  eval NAME SERIES PARAM...      a series indicator over a series: one value per input
  eval NAME market PARAM...      a market indicator over the events: one value per tick
  list                           the names that this model knows

Nothing is shared with the C code: no running sums, no rings; every window is cut out and computed
from scratch. Standard library only.
"""
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 60
NAN = float("nan")


def as_float(x):
    try:
        return float(x)
    except OverflowError:
        return NAN


def sqrt(x):
    """Square root of a Fraction, correctly rounded for all practical purposes."""
    return float((Decimal(x.numerator) / Decimal(x.denominator)).sqrt())


def windows(x, n):
    """None while fewer than n values are there, then the last n of them."""
    return [None if i + 1 < n else x[i + 1 - n:i + 1] for i in range(len(x))]


class Prefix:
    """Exact sums over any slice, by differences of exact prefix sums."""

    def __init__(self, x, power):
        self.sums = [Fraction(0)]
        for v in x:
            self.sums.append(self.sums[-1] + Fraction(v) ** power)

    def of(self, begin, end):
        return self.sums[end] - self.sums[begin]


def ema(x, n):
    out, mean, step = [], None, Decimal(2) / (n + 1)
    for i, v in enumerate(x):
        if i + 1 < n:
            out.append(NAN)
            continue
        if i + 1 == n:
            mean = sum(map(Decimal, x[:n])) / n
        else:
            mean += (Decimal(v) - mean) * step
        out.append(float(mean))
    return out


def sma(x, n):
    s = Prefix(x, 1)
    return [NAN if i + 1 < n else as_float(s.of(i + 1 - n, i + 1) / n) for i in range(len(x))]


def moments(x, n):
    s1, s2 = Prefix(x, 1), Prefix(x, 2)
    for i in range(len(x)):
        if i + 1 < n:
            yield i, None, None
            continue
        mean = s1.of(i + 1 - n, i + 1) / n
        yield i, mean, s2.of(i + 1 - n, i + 1) / n - mean * mean


def stddev(x, n):
    return [NAN if m is None else sqrt(v) for _, m, v in moments(x, n)]


def zscore(x, n):
    return [NAN if m is None else 0.0 if v == 0 else float(Fraction(x[i]) - m) / sqrt(v)
            for i, m, v in moments(x, n)]


def rsi(x, n):
    out, g, l = [], Decimal(0), Decimal(0)
    for i, v in enumerate(x):
        d = Decimal(v) - Decimal(x[i - 1]) if i else Decimal(0)
        up, down = max(d, Decimal(0)), max(-d, Decimal(0))
        if i <= n:
            g, l = g + up, l + down
            if i == n:
                g, l = g / n, l / n
        else:
            g, l = (g * (n - 1) + up) / n, (l * (n - 1) + down) / n
        out.append(NAN if i < n else float(100 * g / (g + l)) if g + l else 0.0)
    return out


def realized_vol(x, n):
    r = [(Decimal(b) / Decimal(a)).ln() ** 2 for a, b in zip(x, x[1:])]
    return [NAN if i < n else float(sum(r[i - n:i]).sqrt()) for i in range(len(x))]


def ret(x, n):
    return [NAN if i < n or x[i - n] == 0 else as_float(Fraction(x[i]) / Fraction(x[i - n]) - 1)
            for i in range(len(x))]


def delta(x, n):
    return [NAN if i < n else as_float(Fraction(x[i]) - Fraction(x[i - n])) for i in range(len(x))]


def rolling_min(x, n):
    return [NAN if w is None else min(w) for w in windows(x, n)]


def rolling_max(x, n):
    return [NAN if w is None else max(w) for w in windows(x, n)]


SERIES = {"ema": ema, "sma": sma, "stddev": stddev, "zscore": zscore, "rsi": rsi,
          "realized_vol": realized_vol, "ret": ret, "delta": delta, "min": rolling_min,
          "max": rolling_max}


class Market:
    """What a venue said so far: quotes give the best bid and offer, books the levels."""

    def __init__(self):
        self.trade_now = 0  # latest time that a window over trades, or over flow, has seen:
        self.flow_now = 0   # its own samples' and the ticks'; an earlier one counts as that
        self.bbo = None     # (bid, bid_qty, ask, ask_qty) as exact fractions
        self.book = None    # (bid sizes, ask sizes), best first; None: no depth channel
        self.trades = []    # (time, price, qty, side), backfilled ones left out
        self.last = None
        self.flow = []      # (time, e) of each change of the best bid and offer
        self.prev = None

    def apply(self, f):
        kind, backfill, now = f[1], f[3] == "1", int(f[4])
        args = [int(v) for v in f[5:]]
        tick = f[2] == "1"
        if tick or (kind == "T" and not backfill):
            self.trade_now = max(self.trade_now, now)
        if tick or kind == "Q":
            self.flow_now = max(self.flow_now, now)
        if kind == "T":
            price, qty = Fraction(args[0], 100), Fraction(args[1], 1000)
            self.last = price
            if not backfill:
                self.trades.append((self.trade_now, price, qty, args[2]))
        elif kind == "Q":
            self.bbo = (Fraction(args[0], 100), Fraction(args[1], 1000),
                        Fraction(args[2], 100), Fraction(args[3], 1000))
            self.compare()
        elif kind == "V":
            self.book = None
        else:
            bids, asks = args[0], args[1]
            sizes = args[3::2]
            self.book = (sizes[:bids], sizes[bids:bids + asks])

    def compare(self):
        """Cont, Kukanov, Stoikov (2014), equation (4)."""
        if self.prev:
            pb0, qb0, pa0, qa0 = self.prev
            pb, qb, pa, qa = self.bbo
            e = (qb if pb >= pb0 else 0) - (qb0 if pb <= pb0 else 0)
            e += -(qa if pa <= pa0 else 0) + (qa0 if pa >= pa0 else 0)
            self.flow.append((self.flow_now, e))
        self.prev = self.bbo

    def traded(self, window):
        return [s for s in self.trades if self.trade_now - s[0] < window]

    def flowed(self, window):
        return [s for s in self.flow if self.flow_now - s[0] < window]


def need_bbo(f):
    return lambda m, p: NAN if m.bbo is None else f(*m.bbo)


def imbalance(m, p):
    if m.book is None:
        if m.bbo is None:
            return NAN
        bid, ask = m.bbo[1], m.bbo[3]
    else:
        if not m.book[0] or not m.book[1]:
            return NAN
        bid, ask = sum(m.book[0][:int(p[0])]), sum(m.book[1][:int(p[0])])
    return Fraction(bid - ask) / (bid + ask) if bid + ask else NAN


def vwap(m, p):
    t = m.traded(p[0])
    return sum(s[1] * s[2] for s in t) / sum(s[2] for s in t) if t else NAN


def trade_imbalance(m, p):
    t = m.traded(p[0])
    total = sum(s[2] for s in t)
    return sum(s[2] * s[3] for s in t) / total if total else 0


MARKET = {
    "bid": need_bbo(lambda b, bq, a, aq: b),
    "ask": need_bbo(lambda b, bq, a, aq: a),
    "bid_qty": need_bbo(lambda b, bq, a, aq: bq),
    "ask_qty": need_bbo(lambda b, bq, a, aq: aq),
    "mid": need_bbo(lambda b, bq, a, aq: (a + b) / 2),
    "spread": need_bbo(lambda b, bq, a, aq: a - b),
    "spread_bps": need_bbo(lambda b, bq, a, aq: (a - b) / ((a + b) / 2) * 10000),
    "microprice": need_bbo(lambda b, bq, a, aq: (b * aq + a * bq) / (bq + aq) if bq + aq else NAN),
    "imbalance": imbalance,
    "last": lambda m, p: NAN if m.last is None else m.last,
    "vwap": vwap,
    "volume": lambda m, p: sum(s[2] for s in m.traded(p[0])),
    "trade_count": lambda m, p: len(m.traded(p[0])),
    "trade_imbalance": trade_imbalance,
    "ofi": lambda m, p: NAN if m.bbo is None else sum(s[1] for s in m.flowed(p[0])),
}


def run_market(events, name, params):
    m, out = Market(), []
    for f in events:
        m.apply(f)
        if f[2] == "1":
            out.append(float(MARKET[name](m, params)))
    return out


def main():
    series, events = {}, []
    with open(sys.argv[1], encoding="ascii") as file:
        for line in file:
            f = line.split()
            if f[0] == "series":
                series[f[1]] = [float.fromhex(v) for v in f[2:]]
            elif f[0] == "event":
                events.append(f)
            elif f[0] == "list":
                print(" ".join(sorted(list(SERIES) + list(MARKET))))
            elif f[2] == "market":
                out = run_market(events, f[1], [float(v) for v in f[3:]])
                print(" ".join(v.hex() for v in out))
            else:
                out = SERIES[f[1]](series[f[2]], *[int(float(v)) for v in f[3:]])
                print(" ".join(v.hex() for v in out))


main()

#!/usr/bin/python3
"""An independent model of the indicators, from their definitions, in exact or 60-digit arithmetic.

Reads a request file and prints one line per `eval`: the values as hexadecimal floats or "nan".

  series NAME hex...             a series of doubles
  event KIND LAST BACKFILL T ... one event of the scripted market (tests/kernels/indicator)
  eval NAME S,S.. PARAM...       a series indicator over its series: its outputs for each input
  eval NAME market PARAM...      a market indicator over the events: its outputs for each tick
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


def stddev(x, n, factor):
    return [NAN if m is None else sqrt(v) * factor for _, m, v in moments(x, n)]


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


def mom(x, n):
    return [NAN if i < n else as_float(Fraction(x[i]) - Fraction(x[i - n])) for i in range(len(x))]


def rolling_min(x, n):
    return [NAN if w is None else min(w) for w in windows(x, n)]


def rolling_max(x, n):
    return [NAN if w is None else max(w) for w in windows(x, n)]


SERIES = {"ema": ema, "sma": sma, "stddev": stddev, "zscore": zscore, "rsi": rsi,
          "realized_vol": realized_vol, "ret": ret, "mom": mom, "min": rolling_min,
          "max": rolling_max}

# The rest take all their series and parameters, and give a tuple of outputs for each input.

def seeded(x, n, step):
    """mean += (x - mean) * step from the mean of the first n on; None before, and where x is None."""
    out, head, mean = [], [], None
    for v in x:
        if v is not None and mean is not None:
            mean += (v - mean) * step
        elif v is not None:
            head.append(v)
            if len(head) == n:
                mean = sum(head) / n
        out.append(mean if v is not None else None)
    return out


def ema_of(x, n):
    return seeded(x, n, Decimal(2) / (n + 1))


def dec(x):
    return [Decimal(v) for v in x]


def single(values):
    return [(NAN if v is None else float(v),) for v in values]


def dema(xs, n):
    e1 = ema_of(dec(xs[0]), n)
    e2 = ema_of(e1, n)
    return single([None if b is None else 2 * a - b for a, b in zip(e1, e2)])


def tema(xs, n):
    e1 = ema_of(dec(xs[0]), n)
    e2 = ema_of(e1, n)
    e3 = ema_of(e2, n)
    return single([None if c is None else 3 * a - 3 * b + c for a, b, c in zip(e1, e2, e3)])


def ewma_vol(xs, decay):
    x, v, out, d = dec(xs[0]), None, [None], Decimal(decay)
    for a, b in zip(x, x[1:]):
        r2 = (b / a).ln() ** 2
        v = r2 if v is None else d * v + (1 - d) * r2
        out.append(v.sqrt())
    return single(out)


def rolling(x, n):
    """Sums of the last n, by differences of 60-digit prefix sums; None before."""
    sums = [Decimal(0)]
    for v in x:
        sums.append(sums[-1] + v)
    return [None if i + 1 < n else sums[i + 1] - sums[i + 1 - n] for i in range(len(x))]


def weighted(x, n):
    """(sum of x, sum of rank times x) of the last n, ranks from 1 for the oldest."""
    pairs = zip(rolling(x, n), rolling([i * v for i, v in enumerate(x)], n))
    return [None if s is None else (s, w - (i - n) * s) for i, (s, w) in enumerate(pairs)]


def wma(xs, n):
    below = Decimal(n) * (n + 1) / 2
    return single([None if p is None else p[1] / below for p in weighted(dec(xs[0]), n)])


def linearreg_slope(xs, n):
    middle = Decimal(n + 1) / 2
    below = sum((i + 1 - middle) ** 2 for i in range(n))
    return single([None if p is None else (p[1] - middle * p[0]) / below
                   for p in weighted(dec(xs[0]), n)])


def parkinson(xs, n):
    squares = [(a / b).ln() ** 2 for a, b in zip(dec(xs[0]), dec(xs[1]))]
    below = 4 * n * Decimal(2).ln()
    return single([None if w is None else (w / below).sqrt() for w in rolling(squares, n)])


def root(v):
    """Of a variance; below zero, which takes a high or low that is none, it is 0."""
    return max(v, Decimal(0)).sqrt()


def garman_klass(xs, n):
    o, h, l, c = map(dec, xs)
    rows = [(b / d).ln() ** 2 / 2 - (2 * Decimal(2).ln() - 1) * (e / a).ln() ** 2 for a, b, d, e in zip(o, h, l, c)]
    return single([None if w is None else root(w / n) for w in rolling(rows, n)])


def rogers_satchell_rows(xs):
    logs = [[v.ln() for v in dec(x)] for x in xs]
    return [(h - c) * (h - o) + (l - c) * (l - o) for o, h, l, c in zip(*logs)]


def rogers_satchell(xs, n):
    return single([None if w is None else root(w / n) for w in rolling(rogers_satchell_rows(xs), n)])


def sample_variance(rows, n):
    """Two passes over each window; None before."""
    out = []
    for w in windows(rows, n):
        mean = sum(w) / n if w else None
        out.append(None if w is None else sum((v - mean) ** 2 for v in w) / (n - 1))
    return out


def yang_zhang(xs, n):
    o, c = ([v.ln() for v in dec(xs[i])] for i in (0, 3))
    k = Decimal("0.34") / (Decimal("1.34") + Decimal(n + 1) / (n - 1))
    opens = sample_variance([b - a for a, b in zip(c, o[1:])], n)
    moves = sample_variance([b - a for a, b in zip(o[1:], c[1:])], n)
    ranges = rolling(rogers_satchell_rows([x[1:] for x in xs]), n)
    return single([None] + [None if a is None else root(a + k * b + (1 - k) * r / n)
                            for a, b, r in zip(opens, moves, ranges)])


def returns(x):
    return [(b / a).ln() for a, b in zip(dec(x), dec(x)[1:])]


def realized_var(xs, n):
    return single([None] + rolling([r * r for r in returns(xs[0])], n))


PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def bipower(xs, n):
    r = returns(xs[0])
    products = rolling([abs(a * b) for a, b in zip(r, r[1:])], n - 1)
    return single([None, None] + [None if p is None else PI / 2 * p for p in products])


def quantile(xs, n, q):
    out, h = [], Fraction(q) * (n - 1)
    for w in windows(xs[0], n):
        if w is None:
            out.append(None)
            continue
        s, k = sorted(map(Fraction, w)), int(h)
        out.append(s[k] + (h - k) * (s[min(k + 1, n - 1)] - s[k]))
    return single(out)


MULTI = {"dema": dema, "tema": tema, "ewma_vol": ewma_vol, "wma": wma, "linearreg_slope": linearreg_slope,
         "parkinson": parkinson, "quantile": quantile, "garman_klass": garman_klass, "rogers_satchell": rogers_satchell,
         "yang_zhang": yang_zhang, "realized_var": realized_var, "bipower": bipower}


class Market:
    """What a venue said so far: quotes give the best bid and offer, books the levels."""

    def __init__(self):
        self.trade_now = 0  # latest time that a window over trades, or over flow, has seen:
        self.flow_now = 0   # its own samples' and the ticks'; an earlier one counts as that
        self.bbo = None     # (bid, bid_qty, ask, ask_qty) as exact fractions
        self.book = None    # (bid sizes, ask sizes), best first; None: no depth channel
        self.levels = None  # ((price, size) of the bids, of the asks), best first, exact
        self.pairs = []     # (time, last price, price, qty, side) of each trade but the first
        self.trades = []    # (time, price, qty, side), backfilled ones left out
        self.last = None
        self.mark = self.funding = None
        self.flow = []      # (time, e) of each change of the best bid and offer
        self.prev = None
        self.quoted = []    # (time, mid, price, qty, side) of each trade after the first quote
        self.arrivals = []  # (time as it came, time) of each trade
        self.log = []       # (time as it came, kind, tick, backfill, best bid and offer) of events after the first quote
        self.texts = []     # (time as it came, time that a window over texts says, score) of each, made of a ticker
        self.text_now = 0
        self.now = 0        # of the last event
        self.own = {}       # what an indicator that must see every tick keeps

    def apply(self, f):
        kind, backfill, now = f[1], f[3] == "1", int(f[4])
        self.now = now
        args = [int(v) for v in f[5:]]
        tick = f[2] == "1"
        if tick or (kind == "T" and not backfill):
            self.trade_now = max(self.trade_now, now)
        if tick or kind == "Q":
            self.flow_now = max(self.flow_now, now)
        if tick or kind == "K":
            self.text_now = max(self.text_now, now)
        if kind == "T":
            price, qty = Fraction(args[0], 100), Fraction(args[1], 1000)
            self.last = price
            if not backfill:
                if self.trades:
                    self.pairs.append((self.trade_now, self.trades[-1][1], price, qty, args[2]))
                self.trades.append((self.trade_now, price, qty, args[2]))
                self.arrivals.append((now, self.trade_now))
                if self.bbo:
                    self.quoted.append((self.trade_now, (self.bbo[0] + self.bbo[2]) / 2, price, qty, args[2]))
        elif kind == "Q":
            self.bbo = (Fraction(args[0], 100), Fraction(args[1], 1000),
                        Fraction(args[2], 100), Fraction(args[3], 1000))
            self.compare()
        elif kind == "K":
            self.mark, self.funding = Fraction(args[0], 100), Fraction(args[1], 10**8)
            self.texts.append((now, self.text_now, self.funding))
        elif kind == "V":
            self.book = self.levels = None
        else:
            bids, asks = args[0], args[1]
            sizes = args[3::2]
            self.book = (sizes[:bids], sizes[bids:bids + asks])
            levels = [(Fraction(p, 100), Fraction(q, 1000)) for p, q in zip(args[2::2], sizes)]
            self.levels = (levels[:bids], levels[bids:bids + asks])
        if self.bbo:
            self.log.append((now, kind, tick, backfill, self.bbo))

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

    def paired(self, window):
        return [s for s in self.pairs if self.trade_now - s[0] < window]

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


def kyle_lambda(m, p):
    t = m.paired(p[0])
    below = sum((q * side) ** 2 for _, _, _, q, side in t)
    return sum((b - a) * q * side for _, a, b, q, side in t) / below if below else NAN


def amihud(m, p):
    t = m.paired(p[0])
    return sum(abs(b / a - 1) / (b * q) for _, a, b, q, _ in t) / len(t) if t else NAN


def depth(m, p):
    if m.levels is None or not m.levels[0] or not m.levels[1]:
        return NAN, NAN
    mid = (m.levels[0][0][0] + m.levels[1][0][0]) / 2
    reach = mid * Fraction(p[0]) / 10000
    return tuple(sum(q for price, q in side if abs(price - mid) <= reach) for side in m.levels)


def effective_spread(m, p):
    t = [s for s in m.quoted if m.trade_now - s[0] < p[0]]
    below = sum(q for _, _, _, q, _ in t)
    return sum(2 * side * (price - mid) / mid * q for _, mid, price, q, side in t) / below * 10000 if t else NAN


def realised_spread(m, p):
    """Trades gathered as the header says; each group against the mid of the first tick at which it is old enough."""
    own = m.own.setdefault("realised_spread", {"seen": 0, "now": 0, "groups": [], "flow": []})
    quantum = -(-int(p[1]) // (int(p[2]) // 2))
    for (came, _), (_, price, qty, side) in list(zip(m.arrivals, m.trades))[own["seen"]:]:
        own["now"] = max(own["now"], came)
        if not own["groups"] or own["now"] - own["groups"][-1][0] >= quantum:
            own["groups"].append((own["now"], []))
        own["groups"][-1][1].append((price, qty, side))
    own["seen"], own["now"] = len(m.trades), max(own["now"], m.now)
    while m.bbo and own["groups"] and own["now"] - own["groups"][0][0] >= p[1]:
        mid = (m.bbo[0] + m.bbo[2]) / 2
        for price, qty, side in own["groups"].pop(0)[1]:
            own["flow"].append((own["now"], 20000 * side * (price - mid) / mid * qty, qty))
    flow = inside(own, p[0])
    return sum(r for _, r, _ in flow) / sum(q for _, _, q in flow) if flow else NAN


def roll(m, p):
    d = [(t, b - a) for t, a, b, _, _ in m.pairs]
    products = [y * x for (_, x), (t, y) in zip(d, d[1:]) if m.trade_now - t < p[0]]
    c = sum(products) / len(products) if products else 0
    return 2 * sqrt(-c) if c < 0 else NAN


def inter_arrival(m, p):
    """Times as they came, never backwards; the window's clock sees ticks as well."""
    came, times = 0, []
    for t, counted in m.arrivals:
        before, came = came, max(came, t)
        times.append((counted, came - before))
    inside = [d for counted, d in times[1:] if m.trade_now - counted < p[0]]
    return Fraction(sum(inside), len(inside) * 10**9) if inside else NAN


def hawkes(m, p):
    """The recursion in 60 digits."""
    mu, alpha, beta = map(Decimal, p)
    own = m.own.setdefault("hawkes", {"seen": 0, "now": None, "sums": [Decimal(0), Decimal(0)]})

    def decayed(now):
        dt = 0 if own["now"] is None else max(0, now - own["now"])
        return [v * (-beta * dt / 10**9).exp() for v in own["sums"]]

    for (t, _), (_, _, _, side) in list(zip(m.arrivals, m.trades))[own["seen"]:]:
        own["sums"] = decayed(t)
        own["sums"][side < 0] += alpha
        own["now"] = max(t, own["now"] or 0)
        own["seen"] += 1
    buy, sell = (v + mu / 2 for v in decayed(m.now))
    return buy + sell, buy, sell


def of_text(value):
    return lambda m, p: value(m) if m.texts else NAN


def text_score_ema(m, p):
    """The recursion in 60 digits."""
    if not m.texts:
        return NAN
    own = m.own.setdefault("text", {"seen": 0, "now": 0, "sums": [Decimal(0), Decimal(0)]})
    for t, _, score in m.texts[own["seen"]:]:
        now = max(t, own["now"])
        factor = Decimal(2) ** (-(now - own["now"]) / Decimal(p[0]))
        value = Decimal(score.numerator) / score.denominator
        own["sums"] = [v * factor + more for v, more in zip(own["sums"], (value, 1))]
        own["now"] = now
        own["seen"] += 1
    return own["sums"][0] / own["sums"][1]


def vpin(m, p):
    """Volume laid end to end and cut at multiples of the bucket."""
    size, n = Fraction(p[0]), int(p[1])
    own = m.own.setdefault("vpin", {"seen": 0, "at": Fraction(0), "signed": {}})
    for _, _, qty, side in m.trades[own["seen"]:]:
        begin, own["at"] = own["at"], own["at"] + qty
        for k in range(int(begin / size), int(own["at"] / size) + 1):
            inside = min(own["at"], (k + 1) * size) - max(begin, k * size)
            own["signed"][k] = own["signed"].get(k, 0) + inside * side
    own["seen"] = len(m.trades)
    full = int(own["at"] / size)
    return sum(abs(own["signed"][k]) for k in range(full - n, full)) / (n * size) if full >= n else NAN


def new_rows(m, name, kinds):
    """The events since the last call that are of a kind or a tick, their times running forward; and what is kept."""
    own, rows = m.own.setdefault(name, {"seen": 0, "now": 0, "last": None, "flow": []}), []
    for now, kind, tick, backfill, bbo in m.log[own["seen"]:]:
        if kind in kinds or tick:
            own["now"] = max(own["now"], now)
            rows.append((own["now"], kind, backfill, bbo))
    own["seen"] = len(m.log)
    return own, rows


def inside(own, window):
    out = []
    for row in reversed(own["flow"]):
        if own["now"] - row[0] >= window:
            break
        out.append(row)
    return out


def quote_trade_ratio(m, p):
    own, rows = new_rows(m, "quote_trade_ratio", "QT")
    for now, kind, backfill, _ in rows:
        if kind == "Q" or (kind == "T" and not backfill):
            own["flow"].append((now, kind))
    kinds = [kind for _, kind in inside(own, p[0])]
    return Fraction(kinds.count("Q"), kinds.count("T")) if "T" in kinds else NAN


def queue_half_life(m, p):
    own, rows = new_rows(m, "queue_half_life", "Q")
    for now, _, _, bbo in rows:
        if own["last"]:
            before, (pb0, qb0, pa0, qa0) = own["last"]
            pb, qb, pa, qa = bbo
            left = qb0 if pb < pb0 else max(qb0 - qb, 0) if pb == pb0 else 0
            left += qa0 if pa > pa0 else max(qa0 - qa, 0) if pa == pa0 else 0
            own["flow"].append((now, left, (qb0 + qa0) * (now - before)))
        own["last"] = now, bbo
    flow = inside(own, p[0])
    left = sum(row[1] for row in flow)
    return Decimal(2).ln() * as_decimal(sum(row[2] for row in flow) / left / 10**9) if left else NAN


def as_decimal(x):
    return Decimal(x.numerator) / Decimal(x.denominator)


def sides_whole(m):
    return m.levels is not None and m.levels[0] and m.levels[1]


def imbalance_bps(m, p):
    bid, ask = depth(m, p)
    return NAN if bid != bid or bid + ask == 0 else (bid - ask) / (bid + ask)


def impact(m, p):
    if not sides_whole(m):
        return NAN, NAN
    mid, out = (m.levels[0][0][0] + m.levels[1][0][0]) / 2, []
    for side in (1, 0):
        left, paid = Fraction(p[0]), 0
        for price, size in m.levels[side]:
            taken = min(left, size)
            left, paid = left - taken, paid + taken * price
        if left:
            return NAN, NAN
        out.append(abs(paid / Fraction(p[0]) - mid) / mid * 10000)
    return tuple(out)


def depth_slope(m, p):
    if not sides_whole(m):
        return NAN, NAN
    mid, out = (m.levels[0][0][0] + m.levels[1][0][0]) / 2, []
    for side in m.levels:
        best = side[:int(p[0])]
        d = [abs(price - mid) / mid * 10000 for price, _ in best]
        sizes = [sum(q for _, q in best[:i + 1]) for i in range(len(best))]
        if not any(d):
            return NAN, NAN
        out.append(sum(x * y for x, y in zip(d, sizes)) / sum(x * x for x in d))
    return tuple(out)


def mlofi(m, p):
    """Called at each tick. An own clock: a tick without that many levels is not seen."""
    level = int(p[1]) - 1
    if m.levels is None or min(map(len, m.levels)) <= level:
        return NAN
    own = m.own.setdefault("mlofi", {"now": 0, "prev": None, "flow": []})
    own["now"] = max(own["now"], m.now)
    (pb, qb), (pa, qa) = (side[level] for side in m.levels)
    if own["prev"]:
        pb0, qb0, pa0, qa0 = own["prev"]
        w = qb if pb > pb0 else qb - qb0 if pb == pb0 else -qb0
        v = -qa0 if pa > pa0 else qa - qa0 if pa == pa0 else qa
        own["flow"].append((own["now"], w - v))
    own["prev"] = pb, qb, pa, qa
    return sum(e for t, e in own["flow"] if own["now"] - t < p[0])


def weighted_mid(m, p):
    if m.levels is None or not m.levels[0] or not m.levels[1]:
        return NAN
    sides = [side[:int(p[0])] for side in m.levels]
    b, a = (sum(q for _, q in side) for side in sides)
    pb, pa = (sum(price * q for price, q in side) / size for side, size in zip(sides, (b, a)))
    return (pb * a + pa * b) / (a + b)


def basis(m, p):
    price = m.last if m.mark is None else m.mark
    if m.bbo is None or price is None:
        return NAN
    mid = (m.bbo[0] + m.bbo[2]) / 2
    return (price - mid) / mid * 10000


MARKET = {
    "basis": basis,
    "mark": lambda m, p: NAN if m.mark is None else m.mark,
    "funding_rate": lambda m, p: NAN if m.funding is None else m.funding,
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
    "cvd": lambda m, p: sum(s[2] * s[3] for s in m.trades),
    "kyle_lambda": kyle_lambda,
    "amihud": amihud,
    "depth": depth,
    "depth_slope": depth_slope,
    "imbalance_bps": imbalance_bps,
    "impact": impact,
    "mlofi": mlofi,
    "effective_spread": effective_spread,
    "hawkes": hawkes,
    "inter_arrival": inter_arrival,
    "quote_trade_ratio": quote_trade_ratio,
    "queue_half_life": queue_half_life,
    "realised_spread": realised_spread,
    "roll": roll,
    "vpin": vpin,
    "text_age": of_text(lambda m: Fraction(max(0, m.now - m.texts[-1][0]), 10**9)),
    "text_confidence": of_text(lambda m: m.mark),
    "text_count": lambda m, p: sum(m.text_now - t < p[0] for _, t, _ in m.texts),
    "text_label": of_text(lambda m: m.mark * 100 % 5),
    "text_novelty": of_text(lambda m: m.mark - m.funding),
    "text_score": of_text(lambda m: m.funding),
    "text_score_ema": text_score_ema,
    "trade_intensity": lambda m, p: Fraction(len(m.traded(p[0])) * 10**9) / Fraction(p[0]),
    "weighted_mid": weighted_mid,
    "ofi": lambda m, p: NAN if m.bbo is None else sum(s[1] for s in m.flowed(p[0])),
}


def run_market(events, name, params):
    m, out = Market(), []
    for f in events:
        m.apply(f)
        if f[2] == "1":
            row = MARKET[name](m, params)
            out.extend(map(float, row if isinstance(row, tuple) else (row,)))
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
                print(" ".join(sorted(list(SERIES) + list(MULTI) + list(MARKET))))
            elif f[2] == "market":
                out = run_market(events, f[1], [float(v) for v in f[3:]])
                print(" ".join(v.hex() for v in out))
            elif f[1] in MULTI:
                params = [int(float(v)) if float(v).is_integer() else float(v) for v in f[3:]]
                rows = MULTI[f[1]]([series[name] for name in f[2].split(",")], *params)
                print(" ".join(v.hex() for row in rows for v in row))
            else:
                out = SERIES[f[1]](series[f[2]], *[int(float(v)) for v in f[3:]])
                print(" ".join(v.hex() for v in out))


main()

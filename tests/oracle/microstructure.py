#!/usr/bin/python3
"""The microstructure features on a recording, from events alone: plain Python from the definitions, none of tickfuse's
code. Windows are cut out and summed, prices and quantities are integers of 1e-12, so nothing cancels.

  microstructure.py TICKFUSE VENUE FILE [SECONDS]
  microstructure.py TICKFUSE VENUE made SEED     a made-up recording (engine_made.py)

Each row of `tickfuse features eval` is compared: empty where the model has no value, else within 1e-9 of the value, or of
the floor that FEATURES names beside it. Exit 77: no recording.
"""
import collections
import csv
import math
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from engine_features import BACKFILL, GAP, LAST, NAN, NONE, SECOND, SELL, SYNCING, Market, units
from engine_model import ROOT, Mismatch, messages, number, run

BAR = "s1.open,s1.high,s1.low,s1.close"
FEATURES = {  # and what a difference is relative to where the value is smaller
    "effective_spread(1s)": 1, "realised_spread(1s,500ms)": 1, "roll(1s)": 1, "kyle_lambda(1s)": 1, "amihud(1s)": 1e-9,
    "vpin(0.5,20)": 1e-3, "vpin(0.5,20,bvc,10)": 1e-3, "trade_intensity(1s)": 1, "inter_arrival(1s)": 1e-3, "hawkes(0.1,1,2)": 1e-3,
    "quote_trade_ratio(1s)": 1, "queue_half_life(1s)": 1e-6, "mlofi(1s,3)": 1, "imbalance_bps(0.1)": 1, "impact(1).buy": 1,
    "impact(1).sell": 1, "depth_slope(10).bid": 1, "depth_slope(10).ask": 1, f"garman_klass({BAR},5)": 1e-6,
    f"rogers_satchell({BAR},5)": 1e-6, f"yang_zhang({BAR},5)": 1e-6, "realized_var(mid,100)": 1e-12,
    "bipower(mid,100)": 1e-12}
BULK = 10  # bars a bucket
TOLERANCE, DELAY, QUANTUM, BUCKET, BUCKETS, N = 1e-9, SECOND // 2, -(-(SECOND // 2) // 2048), 10**12 // 2, 20, 100
CONFIG = """engine: {{profile: standard}}
feeds:
  - {{name: main, venue: {venue}, channels: all, instruments: ["*"]}}
bars: {{s1: 1s}}
features:
{features}
"""


class Span(collections.deque):
    """(time, ...) of the last second."""

    def at(self, now):
        while self and now - self[0][0] >= SECOND:
            self.popleft()
        return self


def ratio(rows, above, below):
    total = sum(r[below] for r in rows)
    return math.fsum(r[above] for r in rows) / total if total else NAN


def sample_variance(x):
    mean = math.fsum(x) / len(x)
    return math.fsum((v - mean) ** 2 for v in x) / (len(x) - 1)


def log(a, b):
    """ln(a / b) of neighbouring prices, whose logarithms would cancel."""
    return math.log1p((a - b) / b)


class Watch(Market):
    def __init__(self):
        super().__init__()
        self.bars, self.last_trade, self.last_change, self.arrived = [], None, None, None
        self.effective, self.realised, self.pairs, self.changes = Span(), Span(), Span(), Span()
        self.counts, self.quotes, self.queues, self.level_flow = Span(), Span(), Span(), Span()
        self.waiting, self.intensity = collections.deque(), [NAN, 0.0, 0.0]
        self.volume, self.signed = 0, {}
        self.bar_price, self.squares, self.bulk = None, 0.0, []  # bulk: of each bar, bought less sold, -1 to 1
        self.seen = self.queue_last = self.level_last = None
        self.book_rows, self.mids, self.returns = (NAN,) * 5, [], []

    # ---- trades

    def trade(self, price, qty, is_sell, is_backfill):
        if self.bar is None:
            self.bars.append([price] * 4)
        bar = self.bars[-1]
        self.bars[-1] = [bar[0], max(bar[1], price), min(bar[2], price), price]
        super().trade(price, qty, is_sell, is_backfill)

    def exact_trade(self, p, q, side):
        now, qty = self.now, q / 1e12
        self.counts.append((now,))
        if self.bbo:
            twice = sum(self.exact_bbo())
            self.effective.append((now, 2e4 * side * (2 * p - twice) / twice * qty, qty))
        if not self.waiting or now - self.waiting[-1][0] >= QUANTUM:
            self.waiting.append((now, []))
        self.waiting[-1][1].append((p, side, qty))
        if self.last_trade is not None:
            change = p - self.last_trade
            self.pairs.append((now, change / 1e12 * qty * side, qty * qty,
                               abs(change) / self.last_trade / (p / 1e12 * qty) if qty else 0, 1 if qty else 0,
                               (now - self.arrived) / SECOND, 1))
            if self.last_change is not None:
                self.changes.append((now, change * self.last_change))
            self.last_change = change
        self.last_trade, self.arrived = p, now
        buy, sell = self.decayed()
        self.intensity = [now, buy + (side > 0), sell + (side < 0)]
        begin, self.volume = self.volume, self.volume + q
        for k in range(begin // BUCKET, self.volume // BUCKET + 1):
            inside = min(self.volume, (k + 1) * BUCKET) - max(begin, k * BUCKET)
            self.signed[k] = self.signed.get(k, 0) + inside * side
        for k in range(begin * BULK // BUCKET, self.volume * BULK // BUCKET):
            self.bulk_bar(p / 1e12)

    def bulk_bar(self, price):
        """Bulk volume classification of a bar that ends at price."""
        change = None if self.bar_price is None else price - self.bar_price
        self.bar_price = price
        if change is None:
            self.bulk.append(0.0)
            return
        count = min(len(self.bulk), BUCKETS * BULK)
        self.squares += (change * change - self.squares) / count
        self.bulk.append(math.erf(change / math.sqrt(2 * self.squares)) if self.squares else 0.0)

    def bulk_vpin(self):
        full = len(self.bulk) // BULK
        if full < BUCKETS:
            return NAN
        buckets = (self.bulk[k * BULK:(k + 1) * BULK] for k in range(full - BUCKETS, full))
        return sum(abs(math.fsum(bars)) for bars in buckets) / (BUCKETS * BULK)

    def decayed(self):
        at, buy, sell = self.intensity
        factor = math.exp(-2 * (self.now - at) / SECOND) if at == at else 0.0
        return buy * factor, sell * factor

    def exact_bbo(self):
        return units(self.bbo_text[0]), units(self.bbo_text[1])

    # ---- quotes

    def event(self, kind, ts, recv, flags, fields):
        super().event(kind, ts, recv, flags, fields)
        if kind == "T" and not flags & BACKFILL:
            self.exact_trade(units(fields["p"]), units(fields["q"]), -1 if flags & SELL else 1)
            if self.bbo:
                self.quotes.append((self.now, 0, 1))
        if kind == "Q" and self.bbo:
            self.quotes.append((self.now, 1, 0))
            self.seen = self.bbo
            self.queue()
        if kind in "BS":
            self.book_rows = None
        if flags & LAST:
            self.tick()

    def tick(self):
        if self.bbo:
            if self.bbo != self.seen:
                self.quotes.append((self.now, 1, 0))
                self.seen = self.bbo
            self.queue()
            while self.waiting and self.now - self.waiting[0][0] >= DELAY:
                twice = sum(self.exact_bbo())
                for p, side, qty in self.waiting.popleft()[1]:
                    self.realised.append((self.now, 2e4 * side * (2 * p - twice) / twice * qty, qty))
            mid = (self.bbo[0] + self.bbo[2]) * 0.5
            if self.mids:
                self.returns.append(math.log1p((mid - self.mids[-1]) / self.mids[-1]))
            self.mids.append(mid)
        if self.book_rows is None:
            self.book_rows = self.of_book()

    def queue(self):
        if not self.has_quote and self.book.state in (GAP, SYNCING):
            self.queue_last = None
            return
        if self.queue_last:
            before, (pb0, qb0, pa0, qa0) = self.queue_last
            pb, qb, pa, qa = self.bbo
            left = (qb0 if pb < pb0 else max(qb0 - qb, 0.0) if pb == pb0 else 0.0)
            left += (qa0 if pa > pa0 else max(qa0 - qa, 0.0) if pa == pa0 else 0.0)
            self.queues.append((self.now, (qb0 + qa0) * (self.now - before) / SECOND, left))
        self.queue_last = self.now, self.bbo

    # ---- the book

    def of_book(self):
        sides = [[(p, side.levels[p]) for p in side.top(10**6)] for side in self.book.sides]
        self.level(sides)
        if self.book.state == NONE or not sides[0] or not sides[1]:
            return (NAN,) * 5
        twice = sides[0][0][0] + sides[1][0][0]
        near = [sum(q for p, q in side if abs(2 * p - twice) * 100000 <= twice) for side in sides]
        costs, slopes = [], []
        for side, sign in ((sides[1], 1), (sides[0], -1)):
            left, paid = 10**12, 0
            for p, q in side:
                taken = min(q, left)
                left, paid = left - taken, paid + taken * sign * (2 * p - twice)
            costs.append(NAN if left else paid / twice / 10**12 * 1e4)
        for side in sides:
            total, above, below = 0, 0.0, 0.0
            for p, q in side[:10]:
                total, d = total + q, abs(2 * p - twice) / twice * 1e4
                above, below = above + d * (total / 1e12), below + d * d
            slopes.append(above / below if below else NAN)
        return ((near[0] - near[1]) / sum(near) if sum(near) else NAN, *costs, *slopes)

    def level(self, sides):
        if self.book.state == NONE or min(map(len, sides)) < 3:
            self.has_level = False
            return
        self.has_level, ((pb, qb), (pa, qa)) = True, (side[2] for side in sides)
        broken = self.book.state in (GAP, SYNCING)
        if self.level_last and not broken:
            pb0, qb0, pa0, qa0 = self.level_last
            bid = qb if pb > pb0 else qb - qb0 if pb == pb0 else -qb0
            ask = -qa0 if pa > pa0 else qa - qa0 if pa == pa0 else qa
            self.level_flow.append((self.now, bid - ask))
        self.level_last = None if broken else (pb, qb, pa, qa)

    # ---- the row

    def row(self):
        now = self.now
        pairs, quotes = self.pairs.at(now), self.quotes.at(now)
        products = [r[1] for r in self.changes.at(now)]
        bounce = -sum(products)
        full = self.volume // BUCKET
        vpin = sum(abs(self.signed[k]) for k in range(full - BUCKETS, full)) / (BUCKETS * BUCKET) if full >= BUCKETS else NAN
        queues = self.queues.at(now)
        flow = sum(r[1] for r in self.level_flow.at(now)) / 1e12 if getattr(self, "has_level", False) else NAN
        return [ratio(self.effective.at(now), 1, 2), ratio(self.realised.at(now), 1, 2), 2 * math.sqrt(bounce / len(products)) / 1e12 if bounce > 0 else NAN,
                ratio(pairs, 1, 2), ratio(pairs, 3, 4), vpin, self.bulk_vpin(), float(len(self.counts.at(now))), ratio(pairs, 5, 6),
                0.1 + sum(self.decayed()), ratio(quotes, 1, 2) if self.bbo else NAN,
                math.log(2) * ratio(queues, 1, 2) if self.bbo else NAN, flow, *self.book_rows, *self.of_bars(), *self.varied()]

    def of_bars(self):
        bars = self.bars[:len(self.closes)][-6:]
        gk = rs = yz = NAN
        if len(bars) >= 5:
            last = bars[-5:]
            gk = sum(log(h, l) ** 2 / 2 - (2 * math.log(2) - 1) * log(c, o) ** 2 for o, h, l, c in last) / 5
            rs = sum(log(h, c) * log(h, o) + log(l, c) * log(l, o) for o, h, l, c in last) / 5
        if len(bars) == 6:
            k = 0.34 / (1.34 + 6 / 4)
            jumps, moves = [log(b[0], a[3]) for a, b in zip(bars, last)], [log(b[3], b[0]) for b in last]
            yz = math.sqrt(sample_variance(jumps) + k * sample_variance(moves) + (1 - k) * rs)
        return math.sqrt(gk) if gk == gk else NAN, math.sqrt(max(rs, 0)) if rs == rs else NAN, yz

    def varied(self):
        if not self.bbo or len(self.returns) < N:
            return NAN, NAN
        r = self.returns = self.returns[-N:]
        return math.fsum(v * v for v in r), math.pi / 2 * math.fsum(abs(a * b) for a, b in zip(r, r[1:]))


def evaluated(tickfuse, venue, path, tmp):
    config, out = os.path.join(tmp, "c.yaml"), os.path.join(tmp, "rows.csv")
    with open(config, "w", encoding="ascii") as file:
        file.write(CONFIG.format(venue=venue, features="\n".join(f"  - {name}" for name in FEATURES)))
    done = subprocess.run([tickfuse, "features", "eval", config, "--input", f"{venue}:{path}", "--out", out],
                          capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise Mismatch(f"features eval: exit {done.returncode}: {done.stderr[-800:]}")
    with open(out, newline="", encoding="ascii") as file:
        return {int(r["ingest_seq"]): list(r.values())[-len(FEATURES):] for r in csv.DictReader(file)}


def compare(seq, ours, theirs, found):
    for (name, floor), want, cell in zip(FEATURES.items(), ours, theirs):
        have = number(cell)
        if math.isnan(want) and math.isnan(have):
            continue
        off = abs(want - have) / max(abs(want), floor)
        if not off <= TOLERANCE:
            raise Mismatch(f"ingest_seq {seq}: {name} is {have!r}, the model says {want!r}")
        cnt, worst = found.get(name, (0, 0.0))
        found[name] = cnt + 1, max(worst, off)


def check(tickfuse, venue, path):
    watches, seq, rows, found = {}, 0, 0, {}
    with tempfile.TemporaryDirectory() as tmp:
        theirs = evaluated(tickfuse, venue, path, tmp)
    for decoder in messages(venue, path):
        for line in decoder.lines():
            words = line.split(" ")
            if len(words) < 6:
                continue  # what the feed asks of the session: no event
            seq += 1
            watch = watches.setdefault(words[2], None) or Watch()
            watches[words[2]] = watch
            flags = int(words[5][2:], 16)
            watch.event(words[1], int(words[3][3:]), int(words[4][3:]), flags, dict(w.split("=", 1) for w in words[6:] if "=" in w))
            if flags & LAST:
                rows += 1
                compare(seq, watch.row(), theirs[seq], found)
    print(f"{venue}: {rows} rows equal; values and largest difference: " +
          ", ".join(f"{name} {cnt} {worst:.1e}" for name, (cnt, worst) in found.items()))
    missing = [name for name in FEATURES if name not in found]
    if missing:
        raise Mismatch(f"no value at all of {', '.join(missing)}")
    return 0


if __name__ == "__main__":
    sys.exit(run(check, __doc__, sys.argv))

#!/usr/bin/python3
"""Features over several instruments on recordings of the same minutes, from events alone: plain Python from the definitions
in the headers of kernels/indicator, none of tickfuse's code. Books and best prices are engine_features.py's.

  cross.py TICKFUSE SECONDS VENUE:FILE VENUE:FILE...
  cross.py TICKFUSE made SEED                         made-up recordings of two venues (engine_made.py)

The first instrument that appears of the second input is the peer `perp`, that of the first is `spot`. Every row of
`tickfuse features eval` is compared, of lead_lag, whose pairs are counted one by one here, every 23rd: empty where there is no
value, else within 1e-9 of the greater of the value and 1 (lead_lag: 1e-7). Exit 77: no recording.
"""
import bisect
import csv
import gzip
import heapq
import math
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from engine_features import GAP, LAST, NONE, OK, SECOND, SYNCING, Market
from engine_made import Made
from engine_model import Mismatch, head_of, messages, number

MS = SECOND // 1000
STEP, PAIRS, WINDOW, LAGS = 100 * MS, 50, 5 * SECOND, (0, 40, -40)
PERP_AGE, SPOT_AGE, ALL_AGE = 200 * MS, 10 * SECOND, 500 * MS
SAMPLED = 23  # rows of lead_lag that are looked at


def features():
    out = ["mid@perp", "(mid@perp) / mid - 1", "ema(mid,20)@spot", "peer_age@perp", "peer_age(2)@all"]
    out += [f"cbbo.{field}@all" for field in ("bid", "ask", "bid_peer", "ask_peer")]
    out += [f"pair_beta(100ms,{PAIRS})@perp", f"pair_corr(100ms,{PAIRS})@perp"]
    return out + [f"lead_lag({lag},5s)@perp" for lag in LAGS]


def config(names):
    return f"""peers:
  - {{name: spot, instruments: ["{names[0]}"], max_age: 10s}}
  - {{name: perp, instruments: ["{names[1]}"], max_age: 200ms}}
  - {{name: all, instruments: {list(names)}, max_age: 500ms}}
features:
""" + "".join(f'  - "{name}"\n' for name in features())


class Instrument:
    def __init__(self, name):
        self.name, self.market, self.ema, self.ticks = name, Market(), math.nan, 0
        self.values = {}  # of features that others read, as of the last tick

    def is_fit(self):
        return self.ticks > 0 and self.market.book.state in (OK, NONE)

    def is_good(self, now, max_age):
        return self.is_fit() and now - self.market.now <= max_age

    def mid(self):
        bbo = self.market.bbo
        return (bbo[0] + bbo[2]) * 0.5 if bbo else math.nan

    def pair_mid(self):
        """None where its logarithm would mean nothing."""
        m = self.market
        blind = not m.has_quote and m.book.state in (GAP, SYNCING)
        return self.mid() if m.bbo and not blind else None

    def tick(self):
        self.ticks += 1
        mid = self.mid()
        if mid == mid:
            self.ema = mid if self.ema != self.ema else self.ema + (mid - self.ema) * (2 / 21)
            self.inputs = getattr(self, "inputs", 0) + 1
        warm = getattr(self, "inputs", 0) >= 20 and mid == mid
        self.values = {"mid": mid, "ema": self.ema if warm else math.nan}


class Grid:
    """Pairs of returns from point to point of what was heard of both."""

    def __init__(self):
        self.own, self.peer, self.pairs, self.next, self.top = ([], []), ([], [], []), [], None, 0

    def hear(self, is_peer, now, mid, good_until):
        self.top = now = max(self.top, now)
        if self.next is None:
            self.next = -(-now // STEP) * STEP
        while self.next < now:
            before, after = self.at(self.next - STEP), self.at(self.next)
            if before and after:
                self.pairs.append((math.log(after[1] / before[1]), math.log(after[0] / before[0])))
            self.next += STEP
        if is_peer:
            for row, value in zip(self.peer, (now, mid, good_until)):
                row.append(value)
        else:
            for row, value in zip(self.own, (now, mid)):
                row.append(value)

    def at(self, point):
        """(own, peer) at a point, by the last tick at or before it; None where one is unknown."""
        i, k = bisect.bisect_right(self.own[0], point) - 1, bisect.bisect_right(self.peer[0], point) - 1
        if i < 0 or k < 0 or self.own[1][i] is None or self.peer[1][k] is None or self.peer[2][k] < point:
            return None
        return self.own[1][i], self.peer[1][k]

    def answers(self):
        if len(self.pairs) < PAIRS:
            return math.nan, math.nan
        x, y = zip(*self.pairs[-PAIRS:])
        mean_x, mean_y = math.fsum(x) / PAIRS, math.fsum(y) / PAIRS
        xx = math.fsum((a - mean_x) ** 2 for a in x)
        yy = math.fsum((b - mean_y) ** 2 for b in y)
        xy = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
        return xy / xx if xx > 1e-24 else math.nan, xy / math.sqrt(xx * yy) if min(xx, yy) > 1e-24 else math.nan


class Lags:
    """Hayashi and Yoshida's sum over overlapping intervals, pair by pair."""

    def __init__(self, lag):
        self.lag, self.moved = abs(lag) * MS, 1 if lag > 0 else 0 if lag < 0 else None
        self.waiting, self.samples, self.last, self.order, self.top = [], ([], []), [None, None], 0, 0

    def hear(self, is_peer, now, mid):
        self.top = max(self.top, now)
        while self.waiting and self.top - self.waiting[0][0] >= self.lag:
            self.put(self.moved, self.waiting.pop(0)[1])
        if mid == self.last[is_peer]:
            return
        self.last[is_peer] = mid
        if self.moved == is_peer:
            self.waiting.append((self.top, mid))
        else:
            self.put(is_peer, mid)

    def put(self, which, mid):
        self.order += 1
        self.samples[which].append((self.order, self.top, mid))

    def increments(self, which, now):
        """(begin, end, when, increment); those whose pairs may still be in the window."""
        rows, out = self.samples[which], []
        for k in range(len(rows) - 1, 0, -1):
            (begin, _, a), (end, when, b) = rows[k - 1], rows[k]
            if a is not None and b is not None:
                out.append((begin, end, when, math.log(b / a)))
            if now - when >= WINDOW and out and out[-1][1] < self.oldest(1 - which, now):
                break
        return out

    def oldest(self, which, now):
        """Where the first interval that ends in the window begins."""
        rows = self.samples[which]
        k = bisect.bisect_right(rows, now - WINDOW, key=lambda row: row[1])
        return rows[k - 1][0] if k > 0 else 0

    def answer(self):
        now = self.top
        own, peer = self.increments(0, now), self.increments(1, now)
        inside = lambda when: now - when < WINDOW
        total = math.fsum(dx * dy for a0, a1, at, dx in own for b0, b1, bt, dy in peer
                          if a0 < b1 and b0 < a1 and inside(max(at, bt)))
        xx = math.fsum(dx * dx for _, _, at, dx in own if inside(at))
        yy = math.fsum(dy * dy for _, _, bt, dy in peer if inside(bt))
        return total / math.sqrt(xx * yy) if min(xx, yy) > 1e-24 else math.nan


class Oracle:
    def __init__(self, names):
        self.names, self.known = names, {}
        self.grids, self.lags = {}, {}  # by reader

    def peer(self, i):
        return self.known.get(self.names[i])

    def hear(self, reader, of, is_peer):
        """A tick of one of a pair, where both have ticked."""
        perp = self.peer(1)
        if perp is None or perp.ticks == 0 or reader.ticks == 0:
            return
        both = [is_peer] if reader is not perp else [0, 1]
        for side in both:
            fit = of.is_fit() or not side
            mid = of.pair_mid() if fit else None
            if reader.name not in self.grids:
                self.grids[reader.name], self.lags[reader.name] = Grid(), [Lags(lag) for lag in LAGS]
            self.grids[reader.name].hear(side, of.market.now, mid, of.market.now + PERP_AGE if fit else 0)
            if reader is not perp:
                for lags in self.lags[reader.name]:
                    lags.hear(side, of.market.now, mid)

    def tick(self, instrument, is_sampled):
        """The instrument has ticked: its row."""
        instrument.tick()
        self.hear(instrument, instrument, 0)
        row = self.row(instrument, is_sampled)
        if instrument is self.peer(1):
            for reader in self.known.values():
                if reader is not instrument:
                    self.hear(reader, instrument, 1)
        return row

    def row(self, own, is_sampled):
        now, nan = own.market.now, math.nan
        spot, perp = self.peer(0), self.peer(1)
        is_good = perp is not None and perp.is_good(now, PERP_AGE)
        mid = perp.values["mid"] if is_good else nan
        out = [mid, mid / own.mid() - 1,
               spot.values["ema"] if spot is not None and spot.is_good(now, SPOT_AGE) else nan]
        for peer in (perp, self.peer(1)):
            out.append(max(0, now - peer.market.now) / SECOND if peer is not None and peer.ticks else nan)
        whole = [(i + 1, p.market.bbo) for i, p in enumerate(map(self.peer, range(len(self.names))))
                 if p is not None and p.is_good(now, ALL_AGE) and p.market.bbo and p.market.bbo[0] <= p.market.bbo[2]]
        if whole:
            bid, ask = max(b[0] for _, b in whole), min(b[2] for _, b in whole)
            out += [bid, ask, next(i for i, b in whole if b[0] == bid), next(i for i, b in whole if b[2] == ask)]
        else:
            out += [nan] * 4
        out += self.grids[own.name].answers() if is_good and own.name in self.grids else (nan, nan)
        for k in range(len(LAGS)):
            if not is_sampled or own is perp:
                out.append(None)
            else:
                out.append(self.lags[own.name][k].answer() if is_good and own.name in self.lags else nan)
        return out


def events(venue, path):
    """(receive time, [(kind, ts, recv, flags, fields, instrument)]) of each message."""
    for decoder in messages(venue, path):
        rows = []
        for line in decoder.lines():
            words = line.split(" ")
            if len(words) < 6:
                continue  # what the feed asks of the session: no event
            fields = dict(w.split("=", 1) for w in words[6:] if "=" in w)
            rows.append((words[1], int(words[3][3:]), int(words[4][3:]), int(words[5][2:], 16), fields,
                         f"{words[2]}.{venue.upper()}"))
        if rows:
            yield rows[0][2], rows


def evaluated(tickfuse, names, inputs, tmp):
    out, path = os.path.join(tmp, "rows.csv"), os.path.join(tmp, "cross.yaml")
    with open(path, "w") as file:
        file.write(config(names))
    command = [tickfuse, "features", "eval", path, "--out", out]
    for venue, name in inputs:
        command += ["--input", f"{venue}:{name}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Mismatch(f"features eval: exit {done.returncode}: {done.stderr[-500:]}")
    with open(out, newline="") as file:
        return {(int(r["ingest_seq"]), r["instrument"]): r for r in csv.DictReader(file)}


def compare(key, want, row, found):
    for name, ours in zip(features(), want):
        if ours is None:
            continue
        theirs = number(row[name.replace(" ", "")])
        if math.isnan(ours) != math.isnan(theirs):
            raise Mismatch(f"{key}: {name} is {theirs}, the model says {ours}")
        if math.isnan(ours):
            continue
        off = abs(ours - theirs) / max(1, abs(ours))
        cnt, worst = found.get(name, (0, 0.0))
        found[name] = cnt + 1, max(worst, off)
        if off > (1e-7 if name.startswith("lead_lag") else 1e-9):
            raise Mismatch(f"{key}: {name} is {theirs!r}, the model says {ours!r}")


def first_name(venue, path):
    return next(rows[0][5] for _, rows in events(venue, path))


def check(tickfuse, inputs):
    names = [first_name(*source) for source in inputs]
    with tempfile.TemporaryDirectory() as tmp:
        theirs = evaluated(tickfuse, names, inputs, tmp)
    oracle, seq, rows, found = Oracle(names), 0, 0, {}
    for _, message in heapq.merge(*(events(*source) for source in inputs), key=lambda item: item[0]):
        for kind, ts, recv, flags, fields, name in message:
            seq += 1
            instrument = oracle.known.setdefault(name, None) or Instrument(name)
            oracle.known[name] = instrument
            instrument.market.event(kind, ts, recv, flags, fields)
            if flags & LAST:
                rows += 1
                compare((seq, name), oracle.tick(instrument, rows % SAMPLED == 0), theirs[(seq, name)], found)
    if rows != len(theirs):
        raise Mismatch(f"{len(theirs)} rows, the model has {rows}")
    print(f"{' '.join(names)}: {rows} rows equal; values and largest difference: " +
          ", ".join(f"{name} {cnt} {worst:.1e}" for name, (cnt, worst) in found.items()))
    missing = [name for name in features() if name not in found]
    if missing:
        raise Mismatch(f"no value at all of {', '.join(missing)}")
    return 0


def main(argv):
    if len(argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as tmp:
        inputs = []
        if argv[2] == "made":
            for k, venue in enumerate(("binance-spot", "binance-usdm")):
                inputs.append((venue, os.path.join(tmp, f"{venue}.gz")))
                with gzip.open(inputs[-1][1], "wt") as out:
                    out.writelines(f"{line}\n" for line in Made(venue, int(argv[3]) + k).lines() if line)
        else:
            for k, source in enumerate(argv[3:]):
                venue, path = source.split(":", 1)
                if not os.path.exists(path):
                    print(f"skipped: {path} is not here")
                    return 77
                inputs.append((venue, os.path.join(tmp, f"{k}.gz")))
                head_of(path, float(argv[2]), inputs[-1][1])
        try:
            return check(argv[1], inputs)
        except Mismatch as mismatch:
            print(mismatch)
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))

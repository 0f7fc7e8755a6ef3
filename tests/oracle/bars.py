#!/usr/bin/python3
"""Bars of every kind on a recording, from events alone: plain Python from the rules of docs/adr/0024 and from Lopez de
Prado's definitions, none of tickfuse's code. A bar is the list of its trades until it closes.

  bars.py TICKFUSE VENUE FILE [SECONDS]
  bars.py TICKFUSE VENUE made SEED     a made-up recording (engine_made.py)

At each tick each field of each bar, the last closed one and (peek) the open one, is compared with `tickfuse features
eval`: equal to the last bit. Sums are one rounded addition after another, in the order of the trades, so that the double
is the same. Exit 77: no recording.
"""
import csv
import datetime
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from engine_features import BACKFILL, BAD_TS, LAST, NAN, SECOND, SELL
from engine_model import ROOT, Mismatch, messages, number, run

FIELDS = ("open", "high", "low", "close", "volume", "notional", "buy_volume", "trade_cnt")
MS, MINUTE, DAY, FOREVER = 10**6, 60 * SECOND, 86400 * SECOND, 1 << 63
AFTER_A_MINUTE = {"late", "d", "never"}  # bars whose session begins with the recording's second minute, or not at all
EPOCH = datetime.datetime(1970, 1, 1)


class Session:
    """Half-open, by the calendar of a clock that is `offset` minutes ahead of UTC."""

    def __init__(self, first_minute, length, offset, days):
        self.offset, self.length, self.days = offset, length, days
        self.open = (first_minute + offset) % 1440

    def text(self):
        clock = lambda m: f"{m // 60:02}:{m % 60:02}"
        sign = "-" if self.offset < 0 else "+"
        end = (self.open + self.length) % 1440
        days = ", ".join(("mon", "tue", "wed", "thu", "fri", "sat", "sun")[d] for d in self.days)
        return f"{{hours: {clock(self.open)}-{clock(end)}, offset: {sign}{clock(abs(self.offset))}, days: [{days}]}}"

    def at(self, ns):
        """(begin, end) of the session that holds ns, or None."""
        local = EPOCH + datetime.timedelta(minutes=self.offset, microseconds=ns // 1000)
        for back in (0, 1):
            opening = datetime.datetime.combine(local.date() - datetime.timedelta(days=back), datetime.time()) + \
                datetime.timedelta(minutes=self.open)
            if opening <= local < opening + datetime.timedelta(minutes=self.length):
                if opening.weekday() not in self.days:
                    return None
                begin = (opening - EPOCH - datetime.timedelta(minutes=self.offset)) // datetime.timedelta(microseconds=1) * 1000
                return begin, begin + self.length * MINUTE
        return None


class Bar:
    def __init__(self, begin, end, price):
        self.begin, self.end, self.price, self.trades = begin, end, price, []

    def fields(self):
        t = self.trades
        if not t:
            return [self.price] * 4 + [0.0] * 4
        volume = notional = buys = 0.0
        for price, qty, side in t:
            volume += qty
            notional += price * qty
            buys += qty if side > 0 else 0.0
        prices = [p for p, _, _ in t]
        return [prices[0], max(prices), min(prices), prices[-1], volume, notional, buys, float(len(t))]


class Bars:
    """What every kind has in common: a clock, a session, the last closed bar and those that are open, oldest first."""

    def __init__(self, clock="recv", session=None):
        self.clock, self.session, self.now = clock, session, 0
        self.closed, self.closed_end, self.open, self.late, self.outside = [NAN] * 8, 0, [], 0, 0

    def options(self):
        return ([f"clock: {self.clock}"] if self.clock != "recv" else []) + \
            ([f"session: {self.session.text()}"] if self.session else [])

    def config(self):
        more = self.options()
        return f"{{size: {self.size}, {', '.join(more)}}}" if more else self.size

    def whole(self, ns):
        return self.session.at(ns) if self.session else (0, FOREVER)

    def close(self, end):
        bar = self.open.pop(0)
        self.closed, self.closed_end = bar.fields(), end

    def event(self, recv, ts, trade):
        told = recv if self.clock == "recv" else ts
        self.now = max(self.now, told)
        self.on_time()
        if not trade:
            return
        at = self.now if self.clock == "recv" else ts or self.now
        if at == 0:
            self.late += 1
        elif not self.whole(at):
            self.outside += 1
        else:
            self.on_trade(at, trade)

    def peek(self):
        return self.open[-1].fields() if self.open else [NAN] * 8


class Timed(Bars):
    def __init__(self, size, span, late=0, flat=False, **common):
        super().__init__(**common)
        self.size, self.span, self.late_max, self.flat = size, span, late, flat

    def options(self):
        return super().options() + ([f"late_max: {self.late_max // MS}ms"] if self.late_max else []) + \
            (["gaps: flat"] if self.flat else [])

    def slot(self, ns):
        begin, end = self.whole(ns)
        begin += (ns - begin) // self.span * self.span
        return begin, min(begin + self.span, end)

    def slot_after(self, end):
        while not self.whole(end):
            end += MINUTE - end % MINUTE
        return self.slot(end)

    def due(self, bar):
        return min(bar.end + self.late_max, self.slot_after(bar.end)[1]) if self.late_max else bar.end

    def on_time(self):
        while self.open and self.now >= self.due(self.open[0]):
            end, price = self.open[0].end, self.open[0].fields()[3]
            self.close(end)
            if self.flat and not self.open:
                self.open.append(Bar(*self.slot_after(end), price))

    def on_trade(self, at, trade):
        if at < (self.open[0].begin if self.open else self.closed_end):
            self.late += 1
            return
        begin, end = self.slot(at)
        if not self.open or self.open[-1].begin < begin:
            self.open.append(Bar(begin, end, NAN))
        [bar for bar in self.open if bar.begin == begin][0].trades.append(trade)


class Counted(Bars):
    """Of a threshold. full(trades): whether these are a bar."""

    def __init__(self, size, full, **common):
        super().__init__(**common)
        self.size, self.full, self.newest = size, full, 0

    def on_time(self):
        while self.open and self.now >= self.open[0].end:
            self.close(self.open[0].end)

    def on_trade(self, at, trade):
        if at < self.closed_end:
            self.late += 1
            return
        if not self.open:
            self.open, self.newest = [Bar(at, self.whole(at)[1], NAN)], at
        self.newest = max(self.newest, at)
        trades = self.open[0].trades
        trades.append(trade)
        if self.full(trades):
            self.close(self.newest)


class Learned(Counted):
    """Imbalances and runs: Lopez de Prado 2018, chapter 2.3.2."""

    WEIGHTS = {"tick": lambda p, q: 1.0, "volume": lambda p, q: q, "notional": lambda p, q: p * q}

    def __init__(self, first, kind, ewma_bars=20, least=None, most=None, **common):
        super().__init__(f"{first} {kind}", self.is_bar, **common)
        weight, self.what = kind.split("_")
        self.x, self.first, self.alpha, self.ewma_bars = self.WEIGHTS[weight], first, 2.0 / (ewma_bars + 1.0), ewma_bars
        self.least, self.most = least or max(2, first // 10), most or 10 * first
        self.means, self.lengths = {}, []

    def options(self):
        return super().options() + [f"ewma_bars: {self.ewma_bars}", f"trades_min: {self.least}", f"trades_max: {self.most}"]

    def sides(self, trades):
        buys = sells = 0.0
        for price, qty, side in trades:
            if side > 0:
                buys += self.x(price, qty)
            else:
                sells += self.x(price, qty)
        return buys, sells

    def reached(self, trades):
        m, (buys, sells) = self.means, self.sides(trades)
        if self.what == "imbalance":
            return abs(buys - sells) >= m["T"] * abs(m["bx"])
        return max(buys, sells) >= m["T"] * max(m["P"] * m.get("x|buy", 0.0), (1.0 - m["P"]) * m.get("x|sell", 0.0))

    def is_bar(self, trades):
        n = len(trades)
        if not self.means:
            done = n == self.first
        else:
            done = n >= self.least and (n >= self.most or self.reached(trades))
        if done:
            self.learn(trades)
        return done

    def learn(self, trades):
        (buys, sells), n = self.sides(trades), float(len(trades))
        bought = float(sum(side > 0 for _, _, side in trades))
        new = {"T": n, "bx": (buys - sells) / n, "P": bought / n}
        if bought:
            new["x|buy"] = buys / bought
        if bought < n:
            new["x|sell"] = sells / (n - bought)
        for name, value in new.items():
            old = self.means.get(name)
            self.means[name] = value if old is None else old + self.alpha * (value - old)
        self.lengths.append(len(trades))


def sets(start, volume):
    """Two configs of eight. start: of the recording; volume: of one of its trades, about."""
    minute = start // MINUTE
    weekday = (EPOCH + datetime.timedelta(minutes=minute)).weekday()
    every = range(7)
    this, nxt = Session(minute % 1440, 1, 330, every), Session((minute + 1) % 1440, 1435, -300, every)
    never = Session(minute % 1440, 30, 0, [(weekday + 3) % 7])
    half = f"{volume * 40:.4f}"
    yield {
        "s1": Timed("1s", SECOND),
        "flat": Timed("50ms", 50 * MS, flat=True),
        "ev": Timed("1s", SECOND, clock="event"),
        "held": Timed("500ms", 500 * MS, late=200 * MS, clock="event", flat=True),
        "cut": Timed("7s", 7 * SECOND, session=this),
        "late": Timed("7s", 7 * SECOND, late=7 * SECOND, clock="event", session=nxt, flat=True),
        "t100": Counted("100 ticks", lambda t: len(t) >= 100),
        "t7": Counted("7 ticks", lambda t: len(t) >= 7, clock="event", session=this),
    }
    yield {
        "v": Counted(f"{half} volume", lambda t: total(t, 0) >= float(half)),
        "d": Counted("250000 notional", lambda t: total(t, 1) >= 250000.0, session=nxt),
        "ti": Learned(30, "tick_imbalance"),
        "vi": Learned(50, "volume_imbalance", ewma_bars=5, clock="event"),
        "di": Learned(20, "notional_imbalance", least=1, most=25),
        "tr": Learned(40, "tick_runs", session=this),
        "vr": Learned(50, "volume_runs", ewma_bars=50),
        "never": Learned(20, "notional_runs", session=never),
    }


def total(trades, is_notional):
    result = 0.0
    for price, qty, _ in trades:
        result += price * qty if is_notional else qty
    return result


def events(venue, path):
    """(symbol, recv, ts, is_last, trade or None)."""
    for decoder in messages(venue, path):
        for line in decoder.lines():
            words = line.split(" ")
            if len(words) < 6:
                continue  # what the feed asks of the session: no event
            flags, trade = int(words[5][2:], 16), None
            if words[1] == "T" and not flags & BACKFILL:
                fields = dict(w.split("=", 1) for w in words[6:] if "=" in w)
                trade = float(fields["p"]), float(fields["q"]), -1 if flags & SELL else 1
            yield words[2], int(words[4][3:]), 0 if flags & BAD_TS else int(words[3][3:]), flags & LAST, trade


def evaluated(tickfuse, venue, path, bars, tmp):
    config, out = os.path.join(tmp, "c.yaml"), os.path.join(tmp, "rows.csv")
    names = [f"{bar}.{field}" for bar in bars for field in FIELDS]
    features = [name for pair in zip(names, (f"peek({name})" for name in names)) for name in pair]
    with open(config, "w", encoding="ascii") as file:
        print(f"feeds:\n  - {{name: main, venue: {venue}, channels: all, instruments: ['*']}}\nbars:", file=file)
        for name, bar in bars.items():
            print(f"  {name}: {bar.config()}", file=file)
        print("features: [" + ", ".join(features) + "]", file=file)
    done = subprocess.run([tickfuse, "features", "eval", config, "--input", f"{venue}:{path}", "--out", out],
                          capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise Mismatch(f"features eval: exit {done.returncode}: {done.stderr[-800:]}")
    done = subprocess.run([tickfuse, "replay", config, "--input", f"{venue}:{path}", "--json"], check=True,
                          capture_output=True, text=True, cwd=ROOT)
    lane = json.loads(done.stdout)["lane"]
    with open(out, newline="", encoding="ascii") as file:
        lines = csv.reader(file)
        next(lines)
        return {int(line[1]): line[3:] for line in lines}, (lane["bars_late_trades"], lane["bars_outside_trades"])


def compare(seq, bars, cells):
    at = 0
    for name, bar in bars.items():
        for field, closed, open_ in zip(FIELDS, bar.closed, bar.peek()):
            for what, want, cell in ((f"{name}.{field}", closed, cells[at]), (f"peek({name}.{field})", open_, cells[at + 1])):
                have = number(cell)
                if have != want and not (math.isnan(have) and math.isnan(want)):
                    raise Mismatch(f"ingest_seq {seq}: {what} is {have!r}, the model says {want!r}")
            at += 2


def check_set(tickfuse, venue, path, which, start, volume):
    spec = lambda: list(sets(start, volume))[which]
    instruments, closes, rows = {}, {}, 0
    with tempfile.TemporaryDirectory() as tmp:
        cells, counted = evaluated(tickfuse, venue, path, spec(), tmp)
    for seq, (symbol, recv, ts, is_last, trade) in enumerate(events(venue, path), 1):
        bars = instruments.get(symbol)
        if bars is None:
            bars = instruments[symbol] = spec()
        for name, bar in bars.items():
            before = bar.closed
            bar.event(recv, ts, trade)
            closes[name] = closes.get(name, 0) + (bar.closed is not before)
        if is_last:
            rows += 1
            compare(seq, bars, cells[seq])
    if rows != len(cells):
        raise Mismatch(f"{len(cells)} rows, the model has {rows}")
    all_bars = [bar for bars in instruments.values() for bar in bars.values()]
    late, outside = sum(bar.late for bar in all_bars), sum(bar.outside for bar in all_bars)
    if counted != (late, outside):
        raise Mismatch(f"late and outside trades are {counted}, the model says {(late, outside)}")
    print(f"{venue}: {rows} rows equal; events that closed: " + ", ".join(f"{name} {cnt}" for name, cnt in closes.items()) +
          f"; late {late}, outside {outside}")
    return {name for name, cnt in closes.items() if cnt == 0}


def belated(lines, seed):
    """Every third trade up to 400 ms older than it says, by its own time."""
    rng = random.Random(seed)
    for line in lines:
        if line and '"e":"trade"' in line and rng.random() < 0.33:
            line = re.sub(r'"T":(\d+)', lambda m: f'"T":{int(m[1]) - rng.randrange(400)}', line)
        yield line


def check(tickfuse, venue, path):
    start, trades, volume = 0, 0, 0.0
    for _, recv, _, _, trade in events(venue, path):
        start = start or recv
        trades += trade is not None
        volume += trade[1] if trade else 0.0
    if trades < 500:
        raise Mismatch(f"{trades} trades: too few to say anything")
    for which in (0, 1):
        silent = check_set(tickfuse, venue, path, which, start, volume / trades)
        if silent - AFTER_A_MINUTE:
            raise Mismatch(f"never closed: {', '.join(sorted(silent))}")
    return 0


if __name__ == "__main__":
    sys.exit(run(check, __doc__, sys.argv, lambda lines: belated(lines, 5)))

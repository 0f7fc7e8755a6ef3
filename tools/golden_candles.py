"""Candles for tests of the patterns: a series in which each of TA-Lib's candlestick patterns fires often, in each of its
ways, and often only just, or only just not.

candles(functions, wanted, seed) grows one series. It takes the pattern and answer that have fired least, looks for a few next
candles that make TA-Lib give this answer, first among changed copies of what has worked before, then among random ones,
moves one price after the other to the last tick at which the answer still holds, at times one tick too far, and
appends them. Prices are whole ticks, so that ties are ties.
"""
import random

import numpy as np

TAIL = 24  # candles kept before new ones: more than any lookback, and a hikkake's memory
LOW, HIGH = 2000, 8000
BATCH = 4000
LENGTHS = {"CDLHIKKAKE": (3, 6), "CDLHIKKAKEMOD": (4, 7)}


def random_candles(rng, cnt, length):
    """(cnt, length, 4): open, high, low, close, relative to the close before the first."""
    def pick(values, weights):
        return rng.choice(values, size=(cnt, length), p=np.array(weights) / sum(weights))

    def size():
        return np.floor(pick([0, 1, 4, 15, 60], [3, 2, 3, 4, 3]) * rng.uniform(0.6, 1.7, (cnt, length))).astype(int)

    keeps = rng.uniform(size=(cnt, length)) < 0.6
    color = pick([-1, 1], [1, 1])
    for k in range(1, length):
        color[:, k] = np.where(keeps[:, k], color[:, k - 1], color[:, k])
    body = size() * color
    gap = size() * pick([-1, 1], [1, 1]) * pick([0, 1], [2, 3])
    # an open is a gap from the last close, or lies in the last body, or at the last open
    first = np.zeros((cnt, length), dtype=int)
    close = np.zeros((cnt, length), dtype=int)
    kind = pick([0, 1, 2], [5, 3, 1])
    last_first, last_close = -size()[:, 0], np.zeros(cnt, dtype=int)
    share = rng.uniform(size=(cnt, length))
    for k in range(length):
        inside = np.floor(last_close + share[:, k] * (last_first - last_close)).astype(int)
        first[:, k] = np.where(kind[:, k] == 0, last_close + gap[:, k], np.where(kind[:, k] == 1, inside, last_first))
        close[:, k] = first[:, k] + body[:, k]
        last_first, last_close = first[:, k], close[:, k]
    high = np.maximum(first, close) + size() * pick([0, 1], [2, 3])
    low = np.minimum(first, close) - size() * pick([0, 1], [2, 3])
    return np.stack([first, high, low, close], axis=2)


def mended(candles):
    """High and low moved out where a change has put a price beyond them."""
    candles[..., 1] = candles.max(axis=-1)
    candles[..., 2] = candles.min(axis=-1)
    return candles


def changed(rng, known, cnt):
    copies = known[rng.integers(len(known), size=cnt)].copy()
    steps = rng.integers(-6, 7, size=copies.shape) * (rng.uniform(size=copies.shape) < 0.25)
    return mended(copies + steps)


def afresh(function, columns, candles, indices):
    """{index: what the pattern says when TA-Lib begins so many candles before}: without what its running sums have gathered."""
    return {i: function(*[column[i - candles:i + 1] for column in columns])[-1] for i in indices if i >= candles}


def jumping(rows):
    """The same candles, in hundredths and every other 300 of them in tens: what a running sum of TA-Lib keeps of the large ones
    decides ties among the small."""
    return rows * np.where(np.arange(len(rows)) // 300 % 2, 10.0, 0.01)[:, None]


class Series:
    def __init__(self, functions, seed):
        self.functions = functions
        self.rng = np.random.default_rng(seed)
        self.dice = random.Random(seed)
        self.rows = [row for row in random_candles(self.rng, 1, 4 * TAIL)[0]]
        base = 5000 - self.rows[-1][3]
        self.rows = [np.clip(row + base, LOW, HIGH) for row in self.rows]
        self.counts = {}
        self.known = {}

    def answers(self, name, blocks):
        """What the pattern says of the last candle of each block of candles after the tail."""
        tail = np.array(self.rows[-TAIL:])
        cnt, length, _ = blocks.shape
        flat = np.concatenate([np.broadcast_to(tail, (cnt, TAIL, 4)), blocks + tail[-1][3]], axis=1)
        flat = flat.reshape(cnt * (TAIL + length), 4).astype(float)
        out = self.functions[name](*[np.ascontiguousarray(flat[:, k]) for k in range(4)])
        return out.reshape(cnt, TAIL + length)[:, -1]

    def hit(self, name, value):
        for attempt in range(40):
            lengths = LENGTHS.get(name, (1, 5))
            length = self.dice.randint(*lengths) if attempt < 20 else lengths[1]
            known = self.known.get((name, value), {})
            if known and attempt < 6:
                length = self.dice.choice(sorted(known))
                blocks = changed(self.rng, np.array(known[length][-60:]), 400)
            else:
                blocks = random_candles(self.rng, BATCH, length)
            close = blocks[:, -1, 3] + self.rows[-1][3]
            good = (self.answers(name, blocks) == value) & (close > LOW) & (close < HIGH)
            if good.any():
                found = np.flatnonzero(good)
                near = sorted(self.rng.choice(found, size=min(3, len(found))), key=lambda i: abs(close[i] - 5000))
                return blocks[near[0]]
        return None

    def tightened(self, name, value, block):
        """Some prices moved until one step more would change the answer; at times that step too."""
        for _ in range(4):
            moved = np.repeat(block[None], 80, axis=0)
            candle, price = self.dice.randrange(len(block)), self.dice.randrange(4)
            moved[:, candle, price] += self.dice.choice((-1, 1)) * np.arange(80)
            same = (self.answers(name, mended(moved)) == value) & (np.abs(moved[:, -1, 3]) < 400)
            if not same[0] or same.all():
                continue
            last = int(np.argmin(same)) - 1
            if self.dice.random() < 0.3:
                return moved[last + 1]
            block = moved[last]
        return block

    def append(self, block):
        base = self.rows[-1][3]
        self.rows += [row + base for row in block]
        columns = np.array(self.rows[-TAIL - len(block):], dtype=float)
        for name, function in self.functions.items():
            out = function(*[np.ascontiguousarray(columns[:, k]) for k in range(4)])
            for value in out[-len(block):]:
                if value:
                    self.counts[name, int(value)] = self.counts.get((name, int(value)), 0) + 1

    def seek(self, name, value):
        block = self.hit(name, value)
        if block is None:
            return False
        known = self.known.setdefault((name, value), {}).setdefault(len(block), [])
        known.append(block)
        self.append(self.tightened(name, value, block))
        return True


def ways(functions, seed):
    """Each pattern with each answer that it gives somewhere; 100 for one that random candles do not show."""
    flat = random_candles(np.random.default_rng(seed), 1, 400000)[0].astype(float)
    found = []
    for name, function in functions.items():
        out = function(*[np.ascontiguousarray(flat[:, k]) for k in range(4)])
        found += [(name, int(v)) for v in np.unique(out) if v] or [(name, 100)]
    return found


def candles(functions, wanted, seed=61):
    """Rows of open, high, low, close, and how often each (name, answer) fires."""
    series = Series(functions, seed)
    todo = ways(functions, seed)
    failed = {}
    while True:
        least = min((way for way in todo if failed.get(way, 0) < 50), key=lambda w: series.counts.get(w, 0), default=None)
        if least is None or series.counts.get(least, 0) >= wanted:
            break
        if not series.seek(*least):
            failed[least] = failed.get(least, 0) + 1
    return np.array(series.rows), {way: series.counts.get(way, 0) for way in todo}

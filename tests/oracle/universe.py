#!/usr/bin/python3
"""Cross-sectional features against numpy, on recordings with several instruments. The engine's own column of the value that
is compared (mid, and an ema of it, which is not there from the start) is taken as it is; who is a member at each row, and all
that cs_ features say of it, is computed here from the definitions in include/tf/cross.h and docs/tasks.md.

  universe.py TICKFUSE VENUE:FILE...
  universe.py TICKFUSE made SEED          made-up recordings of three venues (engine_made.py)

rank, quantile and count to the bit, the others within 1e-9 of the spread. Exit 77: no recording.
"""
import csv
import gzip
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from engine_made import Made

MAX_AGE_NS, LEAVE_MAX, ROWS_COMPARED = 1_500_000_000, 16, 1500
SERIES = ("mid", "ema(mid,20)")
QS = ("0", "0.1", "0.5", "1")
SUMS = ("cs_mean", "cs_demean", "cs_std", "cs_zscore")


def features():
    out = list(SERIES)
    for x in SERIES:
        out += [f"cs_count({x})", f"cs_rank({x})"] + [f"{f}({x})" for f in SUMS] + [f"cs_quantile({x},{q})" for q in QS]
    return out


def config():
    return (f"universe: {{max_age: {MAX_AGE_NS // 1000000}ms, books: all}}\nengine: {{instruments_max: 64}}\nfeatures:\n"
            + "".join(f'  - "{name}"\n' for name in features()))


def expected(x, own):
    """Of one series: own is the instrument's value, x those of all members."""
    if own is None:
        return {}
    x, n = np.sort(np.array(x)), len(x)
    out = {"cs_count": n, "cs_mean": x.mean(), "cs_demean": own - x.mean()}
    for q in QS:
        at = float(q) * (n - 1)
        low = int(at)
        out[f"cs_quantile {q}"] = x[low] if at == low else x[low] + (at - low) * (x[low + 1] - x[low])
        assert np.isclose(out[f"cs_quantile {q}"], np.quantile(x, float(q)), rtol=1e-12, atol=0)
    if n > 1:
        out["cs_rank"] = (np.sum(x < own) + 0.5 * (np.sum(x == own) - 1)) / (n - 1)
        out["cs_std"] = x.std()
        out["cs_zscore"] = 0 if np.all(x == own) else (own - x.mean()) / x.std()
    return out


class Universe:
    def __init__(self):
        self.seen = {}  # instrument: time of its last tick, in the order of these
        self.values = {x: {} for x in SERIES}

    def tick(self, name, now, own):
        self.seen.pop(name, None)
        self.seen[name] = now
        for _ in range(LEAVE_MAX):
            oldest = next(iter(self.seen))
            if now - self.seen[oldest] <= MAX_AGE_NS:
                break
            del self.seen[oldest]
            for values in self.values.values():
                values.pop(oldest, None)
        for x, value in own.items():
            if value is None:
                self.values[x].pop(name, None)
            else:
                self.values[x][name] = value


def compare(rows):
    step = len(rows) // ROWS_COMPARED + 1  # each is a member's tick; some are looked at
    universe, most, left, compared = Universe(), 0, 0, 0
    for number, row in enumerate(rows):
        own = {x: float(row[x]) if row[x] else None for x in SERIES}
        before = len(universe.seen)
        universe.tick(row["instrument"], int(row["ts_recv_ns"]), own)
        left += len(universe.seen) < before
        if number % step:
            continue
        for x in SERIES:
            wanted = expected(list(universe.values[x].values()), own[x])
            most = max(most, int(wanted.get("cs_count", 0)))
            for name in features():
                kind, _, of = name.partition("(")
                if kind[:3] != "cs_" or not of.startswith((x + ")", x + ",")):
                    continue
                key = f"{kind} {name.rsplit(',', 1)[1][:-1]}" if kind == "cs_quantile" else kind
                value, here = wanted.get(key), row[name]
                scale = max(abs(wanted.get("cs_std", 0)), abs(wanted.get("cs_mean", 0)) * 1e-3)
                scale = 1 + (scale / wanted["cs_std"] if wanted.get("cs_std") else 0) if kind == "cs_zscore" else scale
                bound = 1e-9 * scale if kind in SUMS else 0
                if (value is None) != (here == "") or (value is not None and not abs(float(here) - value) <= bound):
                    sys.exit(f"row {number} {row['instrument']}: {name} is {here!r}, by definition {value!r}")
                compared += 1
    return most, left, compared


def made(seed, folder):
    inputs = []
    for i, venue in enumerate(("binance-spot", "binance-usdm", "binance-coinm")):
        path = pathlib.Path(folder) / f"{venue}.gz"
        with gzip.open(path, "wt") as out:
            out.writelines(f"{line}\n" for line in Made(venue, seed + i).lines() if line)
        inputs.append(f"{venue}:{path}")
    return inputs


def main():
    tickfuse, *inputs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        if inputs[0] == "made":
            inputs = made(int(inputs[1]), folder)
        for item in inputs:
            if not os.path.exists(item.split(":", 1)[1]):
                print(f"skipped: no {item.split(':', 1)[1]}")
                sys.exit(77)
        path = pathlib.Path(folder) / "config.yaml"
        path.write_text(config())
        command = [tickfuse, "features", "eval", str(path)]
        for item in inputs:
            command += ["--input", item]
        done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
        if done.returncode != 0:
            sys.exit(f"{command}: exit {done.returncode}\n{done.stderr}")
        most, left, compared = compare(list(csv.DictReader(done.stdout.splitlines())))
    if most < 2:
        sys.exit("no two instruments at once")
    print(f"{compared} values agree; {most} instruments at most, {left} rows at which some had left")


main()

#!/usr/bin/env python3
"""Writes tests/golden: what TA-Lib answers, for tests that then need no TA-Lib.

  make_golden_indicators.py OUT [--trades FILE FILE] [--candles CNT] [--only NAME,..] [--dense]

Wants TA-Lib 0.8.2 and numpy (pip install TA-Lib==0.8.2). The real bars are made of the trades in two Binance
recordings (--trades, spot and perpetual); without them those of OUT/bars.txt.gz are taken again. --candles grows the
bars "candles" anew, in which each answer of each candlestick pattern occurs CNT times, and "jumps" of them (golden_candles.py;
200 were taken). --dense writes
every value instead of a sample: too large to keep, for work on an indicator (TF_GOLDEN=OUT runs the test on it).

bars.txt.gz: "bars NAME CNT", then a line for each column: its name and CNT numbers.
GROUP.txt.gz: "eval NAME BARS SCALE LOOKBACK OUTPUTS PARAM..", then lines "INDEX VALUE.." at some indices
("-" where there is no value), and "x INDEX VALUE.." after one where TA-Lib is off what exact arithmetic gives
(golden_exact.py) by more than 1e-10. Numbers are the shortest that read back as the same double.

A pattern's eval has each index at which it fires, and a sample of the others; over "million" a sample of both. Only
patterns are evaluated over "candles" and "jumps"; exact is what TA-Lib answers when it begins just before.

SCALE says what an error is relative to, beside the value itself: "0" nothing, a number, "in" the largest price so
far among the inputs, "out" the largest output so far. BARS "million" are the 10^6 of million() below.
"""
import argparse
import gzip
import json
import math
import os
import random

import numpy as np
import talib
from talib import abstract

import golden_candles
import golden_exact

CNT = 600
COLUMNS = ("open", "high", "low", "close", "volume", "periods")
OF_PATTERNS = ("candles", "jumps")  # bars for patterns only
RENAMED = {"VWAP": "bar_vwap"}  # vwap is that of trades

# What the errors of a function are relative to (SCALE); "0" for those not named.
SCALES = {
    "100": "ADX ADXR AROON AROONOSC CCI CMO CMOU DX IMI KDJ MFI MINUS_DI PLUS_DI PPO PVO RSI SMI STOCH STOCHF "
           "STOCHRSI TSI ULTOSC WILLR LINEARREG_ANGLE ROC TRIX RVI FOSC CVI PERCENTRANK COPPOCK EFI HT_DCPHASE",
    "1": "BOP CORREL BETA ROCP CMF ER VHF VORTEX HT_SINE ROCR ROCR100 MASSI RVOL",
    "in": "ADD SUB SUM CUMSUM MA MAVP EMA SMA WMA DEMA TEMA TRIMA KAMA MAMA T3 HMA ZLEMA RMA BBANDS ACCBANDS DONCHIAN KC "
          "VWMA SAR SAREXT SUPERTREND MIDPOINT MIDPRICE HT_TRENDLINE AVGPRICE MEDPRICE TYPPRICE WCLPRICE HA LINEARREG "
          "LINEARREG_INTERCEPT LINEARREG_SLOPE TSF APO MACD MACDEXT MACDFIX MOM AC AO DPO ERI QSTICK WAD AVGDEV STDDEV "
          "MINUS_DM PLUS_DM HT_PHASOR ATR TRANGE ADR MIN MAX MINMAX PERCENTILE VWAP",
    "out": "AD ADOSC OBV PVT NVI PVI",
}
SCALE_OF = {name: scale for scale, names in SCALES.items() for name in names.split()}


# ---- bars ----

def read_trades(path):
    trades = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            if '"e":"trade"' in line:
                data = json.loads(line.split(" ", 1)[1])["data"]
                trades.append((float(data["p"]), float(data["q"])))
    return trades


def bars_of_trades(trades, a_bar):
    rows = []
    for at in range(0, CNT * a_bar, a_bar):
        prices = [p for p, _ in trades[at:at + a_bar]]
        volume = round(sum(q for _, q in trades[at:at + a_bar]), 5)
        rows.append((prices[0], max(prices), min(prices), prices[-1], volume))
    return rows


def bars_of_closes(closes, volume, spread):
    """Bars around closes: each opens where the last one closed."""
    rows = []
    for i, close in enumerate(closes):
        first = closes[i - 1] if i else close
        room = spread(i)
        rows.append((first, max(first, close) + room, min(first, close) - room, close, volume(i)))
    return rows


def made_bars():
    rng = random.Random(20240808)
    walk = [100.0]
    for _ in range(CNT - 1):
        walk.append(round(walk[-1] + rng.gauss(0, 0.3), 2))
    some = lambda i: round(rng.uniform(0.1, 20), 3)
    none = lambda i: 0.0
    unit = [math.sin(i * 0.37) * 0.9 + rng.uniform(-0.09, 0.09) for i in range(CNT)]
    return {
        "constant": bars_of_closes([42.1 if i < CNT // 2 else 42.8 for i in range(CNT)], lambda i: 5.0, none),
        "spikes": bars_of_closes([1e6 * rng.uniform(0.5, 1) if i % 97 == 50 else x for i, x in enumerate(walk)], some,
                                 lambda i: 0.01 * (i % 5)),
        "steps": bars_of_closes([(1e5 if i // 120 % 2 else 1.0) + rng.uniform(0, 0.1) for i in range(CNT)], some, none),
        "offset": bars_of_closes([1e9 + rng.gauss(0, 0.01) for _ in range(CNT)], some, lambda i: 0.001 * (i % 3)),
        "ties": bars_of_closes([float(rng.randint(1, 4)) for _ in range(CNT)], lambda i: float(rng.randint(1, 3)),
                               lambda i: float(i % 2)),
        "trend": bars_of_closes([100 + i / 64 for i in range(CNT)], lambda i: 1.0 + i, lambda i: 0.03125),
        "tiny": bars_of_closes([1e-8 * x for x in walk], some, lambda i: 1e-10 * (i % 4)),
        "quiet": bars_of_closes([walk[i // 20] for i in range(CNT)], lambda i: 0.0 if i // 30 % 2 else 2.5, none),
        "unit": bars_of_closes(unit, lambda i: abs(unit[i]), none),
        "wide": bars_of_closes([rng.uniform(-700, 700) for _ in range(CNT)], some, none),
    }


def million():
    """10^6 bars of a walk in whole cents by a linear congruence; the test makes the same."""
    cnt, state, mask = 10**6, 1, (1 << 64) - 1
    rows = np.empty((cnt, 5))
    close = 100000
    for i in range(cnt):
        state = (state * 6364136223846793005 + 1442695040888963407) & mask
        first, close = close, close + (state >> 40) % 201 - 100
        close = min(max(close, 50000), 150000)
        high = max(first, close) + (state >> 24) % 32
        low = min(first, close) - (state >> 16) % 32
        rows[i] = (first, high, low, close, 1 + (state >> 8) % 1000)
    rows[:, :4] /= 100
    return rows


def columns_of(rows):
    rows = np.array(rows, dtype=float)
    periods = 2.0 + (np.arange(len(rows)) * 7) % 29
    return dict(zip(COLUMNS, [np.ascontiguousarray(rows[:, k]) for k in range(5)] + [periods]))


def read_bars(path):
    bars, name = {}, None
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            word, *values = line.split()
            if word == "bars":
                name = values[0]
                bars[name] = {}
            elif word != "#":
                bars[name][word] = np.array([float(v) for v in values])
    return bars


def write_lines(path, lines):
    with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write(("\n".join(lines) + "\n").encode())


def version_line():
    return f"# TA-Lib {talib.__version__}, C library {talib.__ta_version__.decode()}, numpy {np.__version__}"


def write_bars(path, bars):
    lines = [version_line()]
    for name, columns in bars.items():
        lines.append(f"bars {name} {len(columns['close'])}")
        lines += [c + " " + " ".join(text_of(v) for v in columns[c]) for c in COLUMNS if c in columns]
    write_lines(path, lines)


# ---- parameters ----

def kind_of(param, default):
    if param.endswith("matype"):
        return "matype"
    return "real" if isinstance(default, float) else "count"


def param_sets(name, defaults):
    """Several: defaults, the smallest, 2s, longer, other numbers, every average. What TA-Lib refuses is left out later."""
    kinds = {p: kind_of(p, v) for p, v in defaults.items()}
    sets = [dict(defaults)]
    if not defaults:
        return sets

    def with_counts(change):
        return {p: change(k, v) if kinds[p] == "count" else v for k, (p, v) in enumerate(defaults.items())}

    sets += [with_counts(lambda k, v: 1), with_counts(lambda k, v: 2), with_counts(lambda k, v: 3 + k),
             with_counts(lambda k, v: v * 3 + k)]
    if name != "MAVP":
        sets.append(with_counts(lambda k, v: 150 - 7 * k))
    for factor in (0.5, 1.75):
        sets.append({p: v * factor if kinds[p] == "real" else v for p, v in defaults.items()})
    for kind in range(14):
        # mama of prices only: of an oscillator that stands still and then jumps the phase is 0 / 0, which is chance;
        # so is the way of kama where rsi has stopped for its rounding
        if kind == 7 and name not in ("MA", "MAVP", "BBANDS") or kind == 6 and name == "STOCHRSI":
            continue
        if "matype" in kinds.values() and kind != 11:
            sets.append({p: kind if kinds[p] == "matype" else v for p, v in defaults.items()})
    if name == "SAREXT":
        sets += [dict(defaults, startvalue=-90.0, offsetonreverse=0.01, accelerationshort=0.04),
                 dict(defaults, startvalue=90.0, accelerationinitlong=0.3, accelerationmaxlong=0.25)]
    if name == "PERCENTILE":
        sets += [dict(defaults, percentile=p) for p in (0.0, 1.0, 99.5, 100.0)]
    unique = []
    for one in sets:
        if one not in unique:
            unique.append(one)
    return unique


# ---- values ----

def text_of(value):
    value = float(value)
    return "-" if not math.isfinite(value) else str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def sample_of(cnt, lookback, dense, seed):
    if dense:
        return list(range(cnt))
    rng = random.Random(seed)
    wanted = set(range(lookback - 1, lookback + 4)) | {cnt - 2, cnt - 1}
    wanted |= {rng.randrange(min(lookback, cnt - 1), cnt) for _ in range(20)}
    return sorted(i for i in wanted if 0 <= i < cnt)


def pattern_values(name, params, columns, output, lookback, bars_name, seed):
    """Of a pattern: where it fires or would, begun afresh as late as it can be, and what it says then."""
    function = lambda *inputs: getattr(talib, name)(*inputs, **params)
    needed = lookback + 20 if "HIKKAKE" in name else lookback  # one remembers
    fires = [i for i in range(lookback, len(output)) if output[i] != 0]
    if bars_name == "million":
        fires = random.Random(seed).sample(fires, min(200, len(fires)))
        return fires, golden_candles.afresh(function, columns, needed, fires)
    exact = golden_candles.afresh(function, columns, needed, range(lookback, len(output)))
    return fires + [i for i, value in exact.items() if value != output[i]], exact


def is_off(got, want, scale):
    if not math.isfinite(got) or not math.isfinite(want):
        return math.isfinite(got) != math.isfinite(want)
    return abs(got - want) > 1e-10 * max(abs(want), scale)


def largest_so_far(arrays):
    finite = [np.where(np.isfinite(a), np.abs(a), 0) for a in arrays]
    return np.maximum.accumulate(np.maximum.reduce(finite))


def eval_lines(name, bars_name, columns, params, dense):
    function = abstract.Function(name)
    function.set_parameters(params)
    inputs = []
    for value in function.info["input_names"].values():
        inputs += [value] if isinstance(value, str) else value
    try:
        outputs = function(columns)
    except Exception:  # TA-Lib refuses these parameters
        return []
    outputs = [np.asarray(o, dtype=float) for o in (outputs if isinstance(outputs, list) else [outputs])]
    lookback, cnt = function.lookback, len(columns["close"])
    if name.endswith("INDEX"):  # 0 where others have NaN
        for o in outputs:
            o[:lookback] = np.nan
    if lookback >= cnt:
        return []
    scale = SCALE_OF.get(name, "0")
    prices = [columns[c] for c in inputs if c not in ("volume", "periods")] or [columns["volume"]]
    scales = (largest_so_far(prices) if scale == "in" else largest_so_far(outputs) if scale == "out"
              else np.full(cnt, float(scale)))
    ours = RENAMED.get(name, name).lower()
    numbers = " ".join(text_of(v) for v in params.values())
    lines = [f"eval {ours} {bars_name} {scale} {lookback} {len(outputs)} {numbers}".rstrip()]
    seed = f"{name} {bars_name} {numbers}"
    sample = sample_of(cnt, lookback, dense and bars_name != "million", seed)
    if name.startswith("CDL"):
        fires, exact = pattern_values(name, params, [columns[c] for c in inputs], outputs[0], lookback, bars_name, seed)
        sample = sorted(set(sample) | set(fires))
        exact = {i: [exact[i]] if i in exact else [outputs[0][i]] for i in sample}
    else:
        exact = golden_exact.values(name, [columns[c] for c in inputs], list(params.values()), lookback, sample)
    for i in sample:
        got = [o[i] if i >= lookback else math.nan for o in outputs]
        lines.append(f"{i} " + " ".join(text_of(v) for v in got))
        if exact and i >= lookback and any(is_off(g, e, scales[i]) for g, e in zip(got, exact[i])):
            lines.append(f"x {i} " + " ".join(text_of(v) for v in exact[i]))
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--trades", nargs=2)
    parser.add_argument("--candles", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--dense", action="store_true")
    args = parser.parse_args()
    bars_path = os.path.join(args.out, "bars.txt.gz")
    if args.trades:
        bars = {name: columns_of(bars_of_trades(read_trades(path), a_bar))
                for name, path, a_bar in (("btc_spot", args.trades[0], 16), ("btc_perp", args.trades[1], 35))}
        bars |= {name: columns_of(rows) for name, rows in made_bars().items()}
        kept = read_bars(bars_path) if os.path.exists(bars_path) else {}
        write_bars(bars_path, bars | {n: c for n, c in kept.items() if n in OF_PATTERNS})
    if args.candles:
        patterns = {name: getattr(talib, name) for name in talib.get_function_groups()["Pattern Recognition"]}
        rows, fires = golden_candles.candles(patterns, args.candles)
        for (name, answer), cnt in sorted(fires.items()):
            print(f"{name} {answer}: {cnt} of {len(rows)}")
        grown = {"candles": dict(zip(COLUMNS, rows.T)), "jumps": dict(zip(COLUMNS, golden_candles.jumping(rows[:6000]).T))}
        write_bars(bars_path, read_bars(bars_path) | grown)
    bars = read_bars(bars_path)
    long_bars = columns_of(million())
    only = [word for word in args.only.upper().split(",") if word]
    for group, names in talib.get_function_groups().items():
        lines = [version_line()]
        for name in sorted(names):
            if only and name not in only:
                continue
            defaults = abstract.Function(name).parameters
            for params in param_sets(name, defaults):
                for bars_name, columns in bars.items():
                    if bars_name in OF_PATTERNS and not name.startswith("CDL"):
                        continue
                    lines += eval_lines(name, bars_name, columns, params, args.dense)
            lines += eval_lines(name, "million", long_bars, dict(defaults), args.dense)
        if len(lines) > 1:
            path = os.path.join(args.out, group.lower().split()[0] + "_" + group.lower().split()[1] + ".txt.gz")
            write_lines(path, lines)
            print(f"{path}: {len(lines)} lines, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What 20 common indicators cost a bar beside TA-Lib and talipp, in one run:

    PYTHON_WITH_PEERS bench/peers/peer_indicators.py build/rel/bench/bench_indicator [--json]

TA-Lib is called once a bar from Python on the window that the value needs (its lookback and some, 200 bars for what
has an unbounded memory), and once over the whole series; talipp takes one bar at a time, as it is made to. Ours is
bench_indicator's own row: one of 8 states in turn, C; the batch loop is its peer there (bench/batch_loops.h). Each figure is the least of several runs, in ns a bar."""
import json
import subprocess
import sys
import time
from importlib import metadata

import numpy as np
import talib
import talipp.indicators as talipp
from talipp.ohlcv import OHLCV

N, LEN, TAIL, RUNS = 20, 4000, 200, 5
rng = np.random.default_rng(1)
close = 61837.63 + np.cumsum(rng.uniform(-0.5, 0.5, LEN))
opened = np.concatenate(([close[0]], close[:-1]))
high = np.maximum(opened, close) + rng.uniform(0, 1, LEN)
low, volume = np.minimum(opened, close) - rng.uniform(0, 1, LEN), rng.uniform(1, 5, LEN)
C, HLC, HLCV = (close,), (high, low, close), (high, low, close, volume)
O, OBV_IN = (opened, high, low, close), (close, volume)
# our name, TA-Lib's function, its series and parameters; talipp's class, its parameters, whether it takes bars (OHLCV)
ROWS = [
    ("ad", talib.AD, HLCV, (), talipp.AccuDist, (), True),
    ("adosc", talib.ADOSC, HLCV, (3, 10), talipp.ChaikinOsc, (3, 10), True),
    ("atr", talib.ATR, HLC, (N,), talipp.ATR, (N,), True),
    ("bbands", talib.BBANDS, C, (N, 2.0, 2.0), talipp.BB, (N, 2.0), False),
    ("bop", talib.BOP, O, (), talipp.BOP, (), True),
    ("cci", talib.CCI, HLC, (N,), talipp.CCI, (N,), True),
    ("dema", talib.DEMA, C, (N,), talipp.DEMA, (N,), False),
    ("ema", talib.EMA, C, (N,), talipp.EMA, (N,), False),
    ("macd", talib.MACD, C, (12, 26, 9), talipp.MACD, (12, 26, 9), False),
    ("natr", talib.NATR, HLC, (N,), talipp.NATR, (N,), True),
    ("obv", talib.OBV, OBV_IN, (), talipp.OBV, (), True),
    ("rocp", talib.ROCP, C, (N,), talipp.ROC, (N,), False),
    ("rsi", talib.RSI, C, (N,), talipp.RSI, (N,), False),
    ("sma", talib.SMA, C, (N,), talipp.SMA, (N,), False),
    ("stddev", talib.STDDEV, C, (N,), talipp.StdDev, (N,), False),
    ("t3", talib.T3, C, (5, 0.7), talipp.T3, (5, 0.7), False),
    ("tema", talib.TEMA, C, (N,), talipp.TEMA, (N,), False),
    ("trix", talib.TRIX, C, (N,), talipp.TRIX, (N,), False),
    ("willr", talib.WILLR, HLC, (N,), talipp.Williams, (N,), True),
    ("wma", talib.WMA, C, (N,), talipp.WMA, (N,), False),
]


def least(run, bars):
    best = float("inf")
    for _ in range(RUNS):
        begin = time.perf_counter_ns()
        run()
        best = min(best, time.perf_counter_ns() - begin)
    return best / bars


def ta_per_bar(function, series, params):
    windows = [tuple(s[i - TAIL:i] for s in series) for i in range(TAIL, TAIL + 500)]

    def run():
        for window in windows:
            function(*window, *params)
    return least(run, len(windows))


def talipp_per_bar(kind, params, is_ohlcv):
    values = [OHLCV(*bar) for bar in zip(opened, high, low, close, volume)] if is_ohlcv else close.tolist()

    def run():
        indicator = kind(*params)
        for value in values[:1000]:
            indicator.add(value)
    return least(run, 1000)


def main():
    rows = json.loads(subprocess.run([sys.argv[1], "--json"], capture_output=True, text=True, check=True).stdout)
    ours = {r["name"].removeprefix("indicator_"): r for r in rows}
    missing = [row[0] for row in ROWS if row[0] not in ours]
    if missing:
        sys.exit(f"{sys.argv[1]} has no row of {', '.join(missing)}")
    found = []
    for name, function, series, params, kind, kind_params, is_ohlcv in ROWS:
        found.append({"name": name, "ours_ns": ours[name]["ours"], "loop_ns": ours[name]["peer_value"],
                      "talib_batch_ns": least(lambda: function(*series, *params), LEN),
                      "talib_per_bar_ns": ta_per_bar(function, series, params),
                      "talipp_ns": talipp_per_bar(kind, kind_params, is_ohlcv)})
    if "--json" in sys.argv:
        print(json.dumps(found, indent=1))
        return
    print(f"ns a bar; TA-Lib {talib.__version__}, talipp {metadata.version('talipp')}; how many times ours")
    print(f"{'':8}{'ours':>8}{'batch loop':>12}{'TA-Lib batch':>14}{'TA-Lib per bar':>20}{'talipp':>20}")
    for r in found:
        one = r["ours_ns"]
        print(f"{r['name']:8}{one:8.1f}{r['loop_ns']:12.2f}{r['talib_batch_ns']:14.2f}{r['talib_per_bar_ns']:13.0f}"
              f" {r['talib_per_bar_ns'] / one:5.0f}x{r['talipp_ns']:13.0f} {r['talipp_ns'] / one:5.0f}x")


if __name__ == "__main__":
    main()

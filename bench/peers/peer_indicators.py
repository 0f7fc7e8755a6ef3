#!/usr/bin/env python3
"""What 20 common indicators cost a bar beside TA-Lib and talipp, in one run:

    PYTHON_WITH_PEERS bench/peers/peer_indicators.py build/rel/bench/bench_indicator [--json]

TA-Lib is called once a bar from Python on the window that the value needs (its lookback and some, 200 bars for what
has an unbounded memory), and once over the whole series; talipp takes one bar at a time, as it is made to. Ours is
bench_indicator's own row: one of 8 states in turn, C. Each figure is the least of several runs, in ns a bar."""
import json
import subprocess
import sys
import time

import numpy as np
import talib
import talipp.indicators as talipp
from talipp.ohlcv import OHLCV

N, LEN, TAIL, RUNS = 20, 4000, 200, 5
rng = np.random.default_rng(1)
close = 61837.63 + np.cumsum(rng.uniform(-0.5, 0.5, LEN))
high, low, volume = close + rng.uniform(0, 1, LEN), close - rng.uniform(0, 1, LEN), rng.uniform(1, 5, LEN)
C, HLC, HLCV, CV = (close,), (high, low, close), (high, low, close, volume), (close, volume)
# our name, TA-Lib's function and its series and parameters, talipp's class and its parameters (OHLCV: of bars)
ROWS = [
    ("ema", talib.EMA, C, (N,), talipp.EMA, (N,), False), ("dema", talib.DEMA, C, (N,), talipp.DEMA, (N,), False),
    ("tema", talib.TEMA, C, (N,), talipp.TEMA, (N,), False), ("sma", talib.SMA, C, (N,), talipp.SMA, (N,), False),
    ("wma", talib.WMA, C, (N,), talipp.WMA, (N,), False), ("rsi", talib.RSI, C, (N,), talipp.RSI, (N,), False),
    ("macd", talib.MACD, C, (12, 26, 9), talipp.MACD, (12, 26, 9), False),
    ("bollinger", talib.BBANDS, C, (N, 2.0, 2.0), talipp.BB, (N, 2.0), False),
    ("stddev", talib.STDDEV, C, (N,), talipp.StdDev, (N,), False), ("max", talib.MAX, C, (N,), None, (), False),
    ("min", talib.MIN, C, (N,), None, (), False), ("delta", talib.MOM, C, (N,), None, (), False),
    ("ret", talib.ROCP, C, (N,), talipp.ROC, (N,), False), ("linreg_slope", talib.LINEARREG_SLOPE, C, (N,), None, (), False),
    ("kama", talib.KAMA, C, (N,), talipp.KAMA, (N, 2, 30), False), ("trima", talib.TRIMA, C, (N,), None, (), False),
    ("cmo", talib.CMO, C, (N,), None, (), False), ("trix", talib.TRIX, C, (N,), talipp.TRIX, (N,), False),
    ("apo", talib.APO, C, (12, 26), None, (), False), ("t3", talib.T3, C, (5, 0.7), talipp.T3, (5, 0.7), False),
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
    values = [OHLCV(*bar) for bar in zip(close, high, low, close, volume)] if is_ohlcv else close.tolist()

    def run():
        indicator = kind(*params)
        for value in values[:1000]:
            indicator.add(value)
    return least(run, 1000)


def main():
    rows = json.loads(subprocess.run([sys.argv[1], "--json"], capture_output=True, text=True, check=True).stdout)
    ours = {r["name"].removeprefix("indicator_"): r["ours"] for r in rows}
    found = []
    for name, function, series, params, kind, kind_params, is_ohlcv in ROWS:
        if name not in ours:
            continue
        found.append({"name": name, "ours_ns": ours[name], "talib_per_bar_ns": ta_per_bar(function, series, params),
                      "talib_batch_ns": least(lambda: function(*series, *params), LEN),
                      "talipp_ns": talipp_per_bar(kind, kind_params, is_ohlcv) if kind else None})
    if "--json" in sys.argv:
        print(json.dumps(found, indent=1))
        return
    print(f"TA-Lib {talib.__version__}, ns a bar")
    print(f"{'':14}{'ours':>8}{'TA-Lib per bar':>18}{'TA-Lib batch':>15}{'talipp':>12}")
    for r in found:
        talipp_ns = f"{r['talipp_ns']:.0f}" if r["talipp_ns"] else "-"
        print(f"{r['name']:14}{r['ours_ns']:8.1f}{r['talib_per_bar_ns']:11.0f} {r['talib_per_bar_ns'] / r['ours_ns']:5.0f}x"
              f"{r['talib_batch_ns']:15.2f}{talipp_ns:>12}")
    print("left out, as this build has none of that name:", ", ".join(r[0] for r in ROWS if r[0] not in ours) or "none")


if __name__ == "__main__":
    main()

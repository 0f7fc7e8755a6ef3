"""hftbacktest over a Binance USD-M recording: a numba strategy that is woken for every message and does
nothing but count; both its books (the exchange's and the local one) are kept.

  peer_hftbacktest.py prepare RECORDING NPZ   recording -> hftbacktest's own .npz, with its own converter
  peer_hftbacktest.py run NPZ                 per market depth: one warm pass, one timed; prints JSON
"""

import contextlib
import json
import sys
import time

import hftbacktest
import numpy as np
from hftbacktest import (BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest, DEPTH_EVENT,
                         DEPTH_SNAPSHOT_EVENT, LOCAL_EVENT, TRADE_EVENT)
from hftbacktest.data.utils import binancefutures
from numba import njit

BEST_BID_EVENT = 103  # the converter's numbers for a bookTicker's two halves
BUFFER_ROWS = 2_000_000
FOREVER_NS = 10**17
FEED, END_OF_DATA = 2, 1  # what wait_next_feed returns


def prepare(recording, npz):
    """Converts twice and times the second: the first also compiles the converter's numba functions."""
    with contextlib.redirect_stdout(sys.stderr):
        for _ in range(2):
            started = time.perf_counter()
            binancefutures.convert(recording, npz, opt="t", buffer_size=BUFFER_ROWS)
            convert_s = time.perf_counter() - started
    print(json.dumps({"convert_s": convert_s}))


@njit
def count_messages(backtest):
    cnt = 0
    while True:
        result = backtest.wait_next_feed(False, FOREVER_NS)
        if result != FEED:
            return cnt, result
        cnt += 1


def asset(data, price_max):
    """Order simulation as light as it comes; every recorded price is inside the vector's range."""
    return (BacktestAsset().data([data]).linear_asset(1.0).constant_order_latency(0, 0)
            .risk_adverse_queue_model().no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
            .tick_size(0.1).lot_size(0.001).roi_lb(0.0).roi_ub(price_max + 1000.0)
            .last_trades_capacity(len(data)))


def run(npz):
    started = time.perf_counter()
    data = np.load(npz)["data"]
    load_s = time.perf_counter() - started
    local = data[data["ev"] & LOCAL_EVENT != 0]
    kind = local["ev"] & 0xFF
    messages = len(np.unique(local["local_ts"]))  # rows of one message share their receive time
    events = {"book": int(np.isin(kind, (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT)).sum()),
              "trade": int((kind == TRADE_EVENT).sum()), "quote": int((kind == BEST_BID_EVENT).sum())}
    variants = {}
    for name, make in (("ROIVectorMarketDepth", ROIVectorMarketDepthBacktest),
                       ("HashMapMarketDepth", HashMapMarketDepthBacktest)):
        for _ in range(2):  # the first compiles the strategy and faults the data in
            backtest = make([asset(data, data["px"].max())])
            wall, cpu = time.perf_counter(), time.process_time()
            woken, result = count_messages(backtest)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            depth = backtest.depth(0)
            best = (round(depth.best_bid, 1), round(depth.best_ask, 1))
            trades = len(backtest.last_trades(0))
            backtest.close()
        # The last message ends the data and so does not wake the strategy.
        if (woken + 1, result, trades) != (messages, END_OF_DATA, events["trade"]):
            sys.exit(f"hftbacktest {name}: woken {woken} times for {messages} messages, ended with {result}, "
                     f"{trades} trades of {events['trade']}")
        variants[name] = {"wall_s": wall, "cpu_s": cpu, "best": best}
    print(json.dumps({"version": hftbacktest.__version__, "events": events, "ticks": messages,
                      "rows": len(local), "rows_stored": len(data), "load_s": load_s, "variants": variants}))


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](*sys.argv[2:])

"""The shapes of kernels/model/shapes.c, a time of each tick, and rows as bench_gpu prints them: for the peers on a card."""
import argparse
import json
import time

SHAPES = {"lstm_a": (50, 100, 2, 100), "lstm_b": (100, 250, 3, 200), "lstm_c": (100, 500, 4, 1000)}  # window, inputs, layers, units
QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999), ("max", 1.0))


def arguments(text):
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--ticks", type=int, default=20000)
    parser.add_argument("--warm", type=int, default=200)
    parser.add_argument("--models", default=",".join(SHAPES))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the script")
    return parser.parse_args()


def rows_of(peer, model, tick, ticks, warm):
    """tick(): one answer, from the window in the host's memory to the result there."""
    took = []
    for n in range(warm + ticks):
        begun = time.perf_counter_ns()
        tick()
        if n >= warm:
            took.append(time.perf_counter_ns() - begun)
    took.sort()
    return [{"name": f"{peer}_{model}_round_trip_{name}", "ours": took[min(len(took) - 1, int(q * len(took)))], "unit": "ns"}
            for name, q in QUANTILES]


def show(rows):
    print(json.dumps(rows))

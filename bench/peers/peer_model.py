"""B8: what a new row costs, ours beside other runtimes, the same weights and rows, in turns.
Usage: peer_model.py TICKFUSE FOLDER [--json] [--markdown] [--rounds N] [--seconds S] [--models a,b] [--peers a,b]

FOLDER is what tools/make_bench_models.py wrote. The others recompute the whole window, having no other way; ours is
`model bench FILE`: the timed path, after its own deferred work. Before each single run 512 KiB of other data are
written, on both sides. A peer's ratio is taken of its time less what the same call costs around an empty model, so
that Python is not counted against it. A peer that is not installed or cannot run a model is named on stderr and has no rows;
so is a precision that a model does not load in. Errors are against the answers in double that stand in the folder."""
import argparse
import gc
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import peer_runtimes

PRECISIONS = ("fp32", "bf16", "fp16", "int8")
BUDGET_P99_NS = {("lstm_a", "bf16"): 1500, ("lstm_a", "int8"): 1000, ("lstm_b", "bf16"): 8000, ("lstm_b", "int8"): 8000,
                 ("mlp", "fp32"): 4000, ("mlp", "bf16"): 4000, ("mlp", "int8"): 4000}
BUDGET_RATE = {"lstm_a": 35000, "lstm_b": 3000}
RATIO = {"lstm_a": 20.0, "lstm_b": 20.0, "lstm_c": 20.0, "mlp": 20.0}  # of B8, against ONNX Runtime; of the others 1
ERROR_MAX = 0.5  # of the bench: a precision is shown with its error, not refused
OTHER = np.zeros(512 << 10, np.uint8)
RUNS_MIN = 20


def tell(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def quantiles(times):
    """p50, p99, p99.9; None where there are too few to say."""
    return [float(np.percentile(times, q)) if len(times) * (100 - q) / 100 >= 1 or q == 50 else None for q in (50, 99, 99.9)]


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


class Case:
    """A model's file, rows and answers."""

    def __init__(self, folder, name):
        kept = np.load(folder / f"{name}.npz")
        self.name, self.source, self.x, self.y = name, folder / f"{name}.onnx", kept["x"], kept["y"].reshape(len(kept["y"]), -1)
        self.window, self.columns = int(kept["window"]), int(kept["columns"])
        self.onnx_dims = (1, self.columns) if self.window == 1 else (1, self.window, self.columns)


class Ours:
    """A model at a precision, by the command line."""

    def __init__(self, binary, path, case, precision, folder):
        self.command, self.path, self.precision = [binary, "model"], path, precision
        np.save(folder / "x.npy", case.x.reshape(len(case.x), -1) if case.window == 1 else case.x)
        self.call("run", path, "--input", folder / "x.npy", "--out", folder / "y.npy", "--precision", precision, "--error-max", ERROR_MAX)
        self.error = float(np.abs(np.load(folder / "y.npy") - case.y).max())
        self.rounds = []

    def call(self, *arguments):
        done = subprocess.run([*self.command, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise peer_runtimes.Missing((done.stderr.strip() or "no answer").splitlines()[0])
        return done.stdout

    def round(self, seconds):
        self.rounds.append(json.loads(self.call("bench", self.path, "--precision", self.precision, "--seconds", 3 * seconds,
                                                "--error-max", ERROR_MAX, "--json")))

    def told(self, key):
        return median([r.get(key) for r in self.rounds])


class Peer:
    def __init__(self, key, folder, case):
        self.runtime, self.key, self.rounds = peer_runtimes.PEERS[key](folder, case.name, case), key, []
        self.run, self.nothing = self.runtime.bound(case.x[0]), self.runtime.empty()
        self.error = max(float(np.abs(self.runtime.run(x) - y).max()) for x, y in zip(case.x, case.y))

    def time(self, run, seconds):
        times, end, now = [], time.perf_counter() + seconds, time.perf_counter_ns
        while len(times) < RUNS_MIN or time.perf_counter() < end:
            np.add(OTHER, 1, out=OTHER)
            begin = now()
            run()
            times.append(now() - begin)
        return times

    def round(self, seconds):
        self.rounds.append((quantiles(self.time(self.run, seconds)), statistics.median(self.time(self.nothing, seconds / 10))))

    def ns(self, i):
        return median([times[i] for times, _ in self.rounds])

    def empty_ns(self):
        return median([empty for _, empty in self.rounds])


def started(make, what):
    """None, and a word of why, where it cannot be."""
    try:
        return make()
    except Exception as error:  # whatever a peer's own machinery raises: it is left out, and named
        tell(f"{what}: left out: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}")
        return None


def measure(args, folder, name, work):
    case, path = Case(folder, name), work / f"{name}.safetensors"
    tell(f"{name}: making ready")
    features = ",".join(f"f{i}" for i in range(case.columns))
    subprocess.run([args.binary, "model", "import", case.source, "--features", features, "--out", path], check=True, capture_output=True)
    ours = [started(lambda p=p: Ours(args.binary, path, case, p, work), f"{name} in {p}") for p in PRECISIONS]
    peers = [started(lambda k=k: Peer(k, folder, case), f"{name}, {k}") for k in args.peers.split(",") if k]
    ours, peers = [o for o in ours if o], [p for p in peers if p]
    gc.disable()
    for i in range(args.rounds):
        tell(f"{name}: round {i + 1} of {args.rounds}, load {os.getloadavg()[0]:.1f}")
        for side in (*ours, *peers):
            side.round(args.seconds)
    gc.enable()
    return case, ours, peers


def our_row(case, one, peers):
    p99, rate = one.told("p99_ns"), one.told("ticks_per_second")
    row = {"name": f"model_{case.name}_{one.precision}", "unit": "ns", **{k: one.told(k) for k in ("p50_ns", "p99_ns", "p99_9_ns")},
           "best_p50_ns": min(r["p50_ns"] for r in one.rounds), "ticks_per_second": round(rate), "error_max": one.error,
           "load_ms": (one.told("load_ns") or 0) / 1e6, "deferred_p50_ns": one.told("deferred_p50_ns"),
           "busy_p99_over_p50": median([r["busy_p99_ns"] / r["busy_p50_ns"] for r in one.rounds if "busy_p50_ns" in r]),
           "ratios": {p.runtime.label: round((p.ns(0) - p.empty_ns()) / one.told("p50_ns"), 2) for p in peers}}
    budget, rate_min, ratio = BUDGET_P99_NS.get((case.name, one.precision)), BUDGET_RATE.get(case.name), RATIO.get(case.name, 1.0)
    stock = next((p for p in peers if p.key == "onnxruntime"), None)
    row["misses"] = [what for what, missed in ((f"p99 {budget} ns", budget and p99 > budget), (f"{rate_min} ticks/s", rate_min and rate < rate_min),
                                               (f"{ratio:g}x", stock and row["ratios"][stock.runtime.label] < ratio)) if missed]
    row["ok"] = not row["misses"]
    return row


def peer_row(case, peer):
    return {"name": f"model_{case.name}", "peer": peer.runtime.label, "unit": "ns", "p50_ns": round(peer.ns(0)), "p99_ns": peer.ns(1),
            "p99_9_ns": peer.ns(2), "empty_call_ns": round(peer.empty_ns()), "error_max": peer.error, "load_ms": peer.runtime.load_ms}


def us(value):
    return "" if value is None else f"{value / 1e3:.2f}" if value < 1e4 else f"{value / 1e3:.0f}" if value < 1e6 else f"{value / 1e3:,.0f}"


def print_table(rows, markdown):
    head = ["model", "who", "p50 us", "p99", "p99.9", "ticks/s", "error", "load ms", "times a peer's p50"]
    lines = []
    for row in rows:
        mine = "peer" not in row
        lines.append([row["name"][6:] if not mine else row["name"][6:].rsplit("_", 1)[0], row["name"].rsplit("_", 1)[1] if mine else row["peer"],
                      us(row["p50_ns"]), us(row["p99_ns"]), us(row["p99_9_ns"]), str(row["ticks_per_second"]) if mine else "",
                      f"{row['error_max']:.1e}", f"{row['load_ms']:.1f}",
                      "; ".join(f"{k} {v}x" for k, v in row["ratios"].items()) + ("" if row["ok"] else " MISSED " + ", ".join(row["misses"]))
                      if mine else f"empty call {us(row['empty_call_ns'])} us"])
    if markdown:
        print("\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines)))
        return
    widths = [max(len(cells[i]) for cells in (head, *lines)) for i in range(len(head))]
    print("\n".join("  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip() for cells in (head, *lines)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--models", default="lstm_a,lstm_b,lstm_c,mlp,tcn,patchtst,tft,gbt")
    parser.add_argument("--peers", default=",".join(peer_runtimes.PEERS))
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for name in args.models.split(","):
            case, ours, peers = measure(args, args.folder, name, pathlib.Path(work))
            rows += [our_row(case, o, peers) for o in ours] + [peer_row(case, p) for p in peers]
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows, args.markdown)


main()

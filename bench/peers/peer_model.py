"""What a new row costs: ONNX Runtime over the whole window, tickfuse's timed path, the same weights, in turns.
Usage: peer_model.py TICKFUSE [--json] [--rounds N] [--shapes a,b]

ONNX Runtime has one thread and the CPU provider, its graph optimised as far as it goes, its input bound once. Ours is
`model bench FILE` (after its own deferred work and 512 KiB of other data; ONNX Runtime has the caches to itself).
Both are checked to give the same answers first."""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SHAPES = {"lstm_a": (50, 100, 2, 100), "lstm_b": (100, 250, 3, 200), "lstm_c": (100, 500, 4, 1000)}
MLP = (256, 384, 384, 128)
BUDGET_P99_NS = {("lstm_a", "bf16"): 1500, ("lstm_a", "int8"): 1000, ("lstm_b", "int8"): 8000, ("mlp", "int8"): 4000}
BUDGET_RATE = {"lstm_a": 35000, "lstm_b": 3000}
RATIO = 20.0


def build(shape):
    random = np.random.default_rng(1)
    nodes, tensors = [], []

    def constant(name, values):
        tensors.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def uniform(units, *dims):
        return random.uniform(-1, 1, dims).astype(np.float32) / np.float32(np.sqrt(units))

    if shape == "mlp":
        dims, value = [1, MLP[0]], "x"
        for i, (n, m) in enumerate(zip(MLP, MLP[1:])):
            w = uniform(n, m, n) * np.float32(np.sqrt(6 if i < 2 else 3))
            nodes.append(helper.make_node("Gemm", [value, constant(f"w{i}", w), constant(f"b{i}", uniform(n, m))],
                                          [f"g{i}"], transB=1))
            nodes.append(helper.make_node("Relu" if i < 2 else "Tanh", [f"g{i}"], [f"a{i}"]))
            value = f"a{i}"
        # models have 1 or 3 outputs: the last layer's first one is taken by a matrix
        first = np.zeros((MLP[-1], 1), np.float32)
        first[0] = 1
        nodes.append(helper.make_node("MatMul", [value, constant("first", first)], ["y"]))
    else:
        rows, width, layers, units = SHAPES[shape]
        dims, value = [rows, 1, width], "x"
        for i in range(layers):
            names = [constant(f"W{i}", uniform(units, 1, 4 * units, width)), constant(f"R{i}", uniform(units, 1, 4 * units, units)),
                     constant(f"B{i}", uniform(units, 1, 8 * units) / 2)]
            nodes.append(helper.make_node("LSTM", [value, *names], [f"y{i}", f"h{i}"], hidden_size=units))
            if i + 1 < layers:
                nodes.append(helper.make_node("Squeeze", [f"y{i}", constant(f"one{i}", np.array([1]))], [f"s{i}"]))
            value, width = f"s{i}", units
        nodes.append(helper.make_node("Squeeze", [f"h{layers - 1}", constant("zero", np.array([0]))], ["h"]))
        nodes.append(helper.make_node("Gemm", ["h", constant("w", uniform(units, 1, units)), constant("b", uniform(units, 1))],
                                      ["y"], transB=1))
    graph = helper.make_graph(nodes, shape, [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    return model, dims


def tickfuse(binary, *arguments):
    return subprocess.run([binary, "model", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


class Peer:
    def __init__(self, path, dims, taken="x", given="y"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.binding, self.input = self.session.io_binding(), np.zeros(dims, np.float32)
        self.binding.bind_cpu_input(taken, self.input)
        self.binding.bind_output(given)

    def time_ns(self, seconds):
        times, end = [], time.perf_counter() + seconds
        run = self.session.run_with_iobinding
        while time.perf_counter() < end or len(times) < 50:
            begin = time.perf_counter_ns()
            run(self.binding)
            times.append(time.perf_counter_ns() - begin)
        return np.percentile(times, 50), np.percentile(times, 99)


def check_answers(binary, path, dims, folder, peer):
    x = np.random.default_rng(2).uniform(-1, 1, (4, *dims)).astype(np.float32)
    np.save(folder / "x.npy", x.reshape(4, -1) if len(dims) == 2 else x.reshape(4, dims[0], dims[2]))
    tickfuse(binary, "run", path, "--input", folder / "x.npy", "--out", folder / "y.npy")
    want = [peer.session.run(None, {"x": one})[0].ravel() for one in x]
    off = np.abs(np.load(folder / "y.npy") - np.array(want)).max()
    if not off < 1e-5:
        raise SystemExit(f"{path.name}: ONNX Runtime answers otherwise, by {off}")


def measure(binary, shape, rounds, seconds, folder):
    model, dims = build(shape)
    source, path = folder / f"{shape}.onnx", folder / f"{shape}.safetensors"
    source.write_bytes(model.SerializeToString())
    features = ",".join(f"f{i}" for i in range(dims[-1]))
    tickfuse(binary, "import", source, "--features", features, "--out", path)
    peer = Peer(source, dims)
    check_answers(binary, path, dims, folder, peer)
    ours, peers = {p: [] for p in ("fp32", "bf16", "int8")}, []
    for _ in range(rounds):
        peers.append(peer.time_ns(seconds))
        for precision in ours:
            ours[precision].append(json.loads(tickfuse(binary, "bench", path, "--precision", precision, "--seconds",
                                                       3 * seconds, "--error-max", 1, "--json")))
    rows = []
    for precision, told in ours.items():
        for i, key in enumerate(("p50_ns", "p99_ns")):
            value, other = statistics.median(t[key] for t in told), statistics.median(p[i] for p in peers)
            budget = BUDGET_P99_NS.get((shape, precision)) if key == "p99_ns" else None
            rows.append({"name": f"model_{shape}_{precision}_{key}", "ours": value, "best": min(t[key] for t in told), "unit": "ns",
                         "peer": f"onnxruntime {onnxruntime.__version__}", "peer_value": round(other),
                         "ratio": round(other / value, 2), "budget": budget,
                         "ok": other / value >= RATIO and (budget is None or value <= budget)})
        rate = statistics.median(t["ticks_per_second"] for t in told)
        rows.append({"name": f"model_{shape}_{precision}_ticks_per_second", "ours": round(rate), "unit": "1/s",
                     "best": round(max(t["ticks_per_second"] for t in told)), "peer": "onnxruntime",
                     "peer_value": round(1e9 / statistics.median(p[0] for p in peers)),
                     "ratio": round(rate * statistics.median(p[0] for p in peers) / 1e9, 2),
                     "budget": BUDGET_RATE.get(shape), "ok": rate >= BUDGET_RATE.get(shape, 0)})
    return rows


def trees(count=1000, depth=6, width=32):
    """A gradient-boosted ensemble of complete trees, random splits and leaves."""
    random, nodes, leaves = np.random.default_rng(1), {}, {}

    def add(lists, **values):
        for key, value in values.items():
            lists.setdefault(key, []).append(value)

    for tree in range(count):
        for i in range(2 ** (depth + 1) - 1):
            leaf = i >= 2 ** depth - 1
            add(nodes, nodes_treeids=tree, nodes_nodeids=i, nodes_featureids=0 if leaf else int(random.integers(width)),
                nodes_values=0.0 if leaf else float(np.float32(random.normal())), nodes_modes="LEAF" if leaf else "BRANCH_LEQ",
                nodes_truenodeids=0 if leaf else 2 * i + 1, nodes_falsenodeids=0 if leaf else 2 * i + 2)
            if leaf:
                add(leaves, target_treeids=tree, target_nodeids=i, target_ids=0, target_weights=float(np.float32(random.normal() / 100)))
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, **nodes, **leaves)
    graph = helper.make_graph([node], "gbt", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, width])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 15)])
    model.ir_version = 8
    return model


GOLDEN = pathlib.Path(__file__).parents[2] / "tests/golden/models"
FAMILIES = {"tcn": "tcn", "patchtst": "patchtst_dynamo", "tft": "tft", "deeplob": "deeplob", "transformer": "transformer", "gbt_1000": None}


def measure_family(binary, name, rounds, seconds, folder):
    """The small instances of tests/golden/models, and 1,000 trees of depth 6: fp32, both recompute the window."""
    source, path = folder / f"{name}.onnx", folder / f"{name}.safetensors"
    model = trees() if FAMILIES[name] is None else onnx.load(GOLDEN / f"{FAMILIES[name]}.onnx")
    taken = model.graph.input[0]
    dims = [d.dim_value or 1 for d in taken.type.tensor_type.shape.dim]
    source.write_bytes(model.SerializeToString())
    tickfuse(binary, "import", source, "--features", ",".join(f"f{i}" for i in range(dims[-1])), "--out", path)
    peer = Peer(source, dims, taken.name, model.graph.output[0].name)
    x = np.random.default_rng(2).uniform(-1, 1, (4, *dims)).astype(np.float32)
    np.save(folder / "x.npy", x.reshape(4, *dims[-2:]) if len(dims) > 2 else x.reshape(4, -1))
    tickfuse(binary, "run", path, "--input", folder / "x.npy", "--out", folder / "y.npy")
    want = [peer.session.run(None, {taken.name: one})[0].ravel() for one in x]
    if not np.abs(np.load(folder / "y.npy") - np.array(want)).max() < 1e-5:
        raise SystemExit(f"{name}: ONNX Runtime answers otherwise")
    ours, peers = [], []
    for _ in range(rounds):
        peers.append(peer.time_ns(seconds))
        ours.append(json.loads(tickfuse(binary, "bench", path, "--seconds", 3 * seconds, "--json")))
    rows = []
    for i, key in enumerate(("p50_ns", "p99_ns")):
        value, other = statistics.median(o[key] for o in ours), statistics.median(p[i] for p in peers)
        rows.append({"name": f"model_{name}_fp32_{key}", "ours": value, "best": min(o[key] for o in ours), "unit": "ns",
                     "peer": f"onnxruntime {onnxruntime.__version__}", "peer_value": round(other), "ratio": round(other / value, 2),
                     "budget": None, "ok": bool(other >= value), "error_max": max(o["error_max"] for o in ours)})
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--shapes", default="lstm_a,lstm_b,mlp," + ",".join(FAMILIES))
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for shape in args.shapes.split(","):
            how = measure_family if shape in FAMILIES else measure
            rows += how(args.binary, shape, args.rounds, args.seconds, pathlib.Path(name))
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['name']:40} {row['ours']:>10} (best {row['best']}) {row['unit']}  {row['peer']} {row['peer_value']}  "
              f"{row['ratio']}x  {'' if row['budget'] is None else 'budget ' + str(row['budget'])} {'ok' if row['ok'] else 'MISSED'}")


main()

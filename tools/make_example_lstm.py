#!/usr/bin/python3
"""Writes models/example-lstm.onnx: a small recurrent model, for examples and tests of models over a window.

Nobody trained it, and no claim is made that it earns anything: its weights are random but for the input gates of a
few units, which follow order flow, so that the score moves with the market. It is written as PyTorch's exporter
writes nn.LSTM(batch_first=True), out[:, -1], nn.Linear, tanh.

Shape: 20 rows of 8 features, 16 units, 1 score. The inputs are scaled inside the graph.

Usage: /usr/bin/python3 tools/make_example_lstm.py [OUT.onnx [UNITS]]
Then:  tickfuse model import models/example-lstm.onnx --features-file models/example-lstm.features \\
         --out models/example-lstm.safetensors
"""
import pathlib
import sys

try:
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; it needs Debian's python3-onnx and python3-numpy (/usr/bin/python3)")
    sys.exit(77)

# expression, scale
FEATURES = [("spread_bps", 0.5), ("imbalance(5)", 1.0), ("ofi(1s)", 0.1), ("trade_imbalance(1s)", 1.0),
            ("zscore(mid,50)", 0.5), ("ret(mid,10)", 4e3), ("(microprice-mid)/spread", 2.0), ("trade_count(1s)", 0.05)]
FLOW = (1, 2, 3, 6)
WINDOW, SEED = 20, 20261121
UNITS = int(sys.argv[2]) if len(sys.argv) > 2 else 16


def weights():
    random, n = np.random.default_rng(SEED), len(FEATURES)
    w = random.normal(0, 0.25, (4 * UNITS, n))
    r = random.normal(0, 0.2, (4 * UNITS, UNITS))
    b = np.zeros(8 * UNITS)
    b[2 * UNITS:3 * UNITS] = 1.0  # the forget gates begin open
    w[3 * UNITS:3 * UNITS + 4, FLOW] += 0.8
    head = random.normal(0, 0.15, (1, UNITS))
    head[0, :4] += 0.6
    return [np.asarray(a, np.float32) for a in (w[None], r[None], b[None], head, np.zeros(1))]


def model():
    w, r, b, head, head_bias = weights()
    scale = np.array([s for _, s in FEATURES], np.float32)
    state = np.zeros((1, 1, UNITS), np.float32)
    tensors = [numpy_helper.from_array(a, name) for name, a in (
        ("scale", scale), ("W", w), ("R", r), ("B", b), ("h0", state), ("c0", state), ("fc.weight", head),
        ("fc.bias", head_bias), ("axis", np.array([1])), ("last", np.array(-1)))]
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"], name="scale"),
        helper.make_node("Transpose", ["scaled"], ["rows"], name="rows", perm=[1, 0, 2]),
        helper.make_node("LSTM", ["rows", "W", "R", "B", "", "h0", "c0"], ["y", "y_h", "y_c"], name="lstm", hidden_size=UNITS),
        helper.make_node("Squeeze", ["y", "axis"], ["out"], name="squeeze"),
        helper.make_node("Transpose", ["out"], ["out_b"], name="batch", perm=[1, 0, 2]),
        helper.make_node("Gather", ["out_b", "last"], ["h"], name="last", axis=1),
        helper.make_node("Gemm", ["h", "fc.weight", "fc.bias"], ["z"], name="fc", transB=1),
        helper.make_node("Tanh", ["z"], ["score"], name="tanh")]
    graph = helper.make_graph(nodes, "example-lstm",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WINDOW, len(FEATURES)])],
                              [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 1])], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tickfuse")
    made.ir_version = 7
    checker.check_model(made)
    return made


out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[1] / "models/example-lstm.onnx")
out.write_bytes(model().SerializeToString())
out.with_suffix(".features").write_text("# The row of example-lstm, in order.\n" + "".join(f"{f}\n" for f, _ in FEATURES))

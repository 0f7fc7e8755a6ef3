#!/usr/bin/python3
"""Writes models/example-mlp.onnx: the small model that the default config runs.

It is an example, made to show the whole pipe (features, import, plan, score, decision), not an
edge: nobody trained it, and no claim is made that it earns anything. Its weights are set by hand
to a first approximation of two well-known short-term effects, order flow and mean reversion, with
a little random structure on top so that every weight takes part:

  flow        book imbalance, order flow imbalance, trade imbalance and the micro-price's distance
              from mid push the score up;
  reversion   a mid above its moving averages, its VWAP and its recent mean pulls the score down;
  restraint   wide spreads and high volatility pull the score towards 0.

Shape 12-32-16-1, relu, relu, tanh; the score is between -1 and 1. The inputs are shifted, scaled
and clipped to -3 .. 3 inside the graph, so the engine feeds it raw features.

Usage: /usr/bin/python3 tools/make_example_model.py [OUT.onnx]
Then:  tickfuse model import models/example-mlp.onnx --features-file models/example-mlp.features \\
         --out models/example-mlp.safetensors
"""
import pathlib
import sys

try:
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; it needs Debian's python3-onnx and python3-numpy (/usr/bin/python3)")
    sys.exit(77)

# expression, shift, scale: the network sees (x - shift) * scale
FEATURES = [
    ("spread_bps", 1.0, 0.5),
    ("imbalance(5)", 0.0, 1.0),
    ("ofi(1s)", 0.0, 0.1),
    ("trade_imbalance(1s)", 0.0, 1.0),
    ("zscore(mid,500)", 0.0, 0.5),
    ("realized_vol(mid,100)", 0.0, 1e4),
    ("ret(mid,50)", 0.0, 2e3),
    ("rsi(s1.close,14)", 50.0, 1.0 / 25.0),
    ("(microprice-mid)/spread", 0.0, 2.0),
    ("(ema(mid,20)-mid)/spread", 0.0, 1.0 / 3.0),
    ("(vwap(10s)-mid)/spread", 0.0, 1.0 / 5.0),
    ("trade_count(1s)", 20.0, 0.1),
]
FLOW = {"imbalance(5)": 0.9, "ofi(1s)": 0.7, "trade_imbalance(1s)": 0.6,
        "(microprice-mid)/spread": 0.8}
REVERSION = {"zscore(mid,500)": -0.35, "ret(mid,50)": -0.25, "rsi(s1.close,14)": -0.2,
             "(ema(mid,20)-mid)/spread": 0.3, "(vwap(10s)-mid)/spread": 0.25}
RESTRAINT = {"spread_bps": 0.5, "realized_vol(mid,100)": 0.3, "trade_count(1s)": 0.1}
HIDDEN = (32, 16)
SEED = 20240607


def row(weights):
    return np.array([weights.get(name, 0.0) for name, _, _ in FEATURES])


def layers():
    """Weights [outputs, inputs] and biases. relu keeps one sign, so each signal has two units."""
    random = np.random.RandomState(SEED)
    w1 = random.normal(0.0, 0.15, (HIDDEN[0], len(FEATURES)))
    b1 = random.normal(0.0, 0.05, HIDDEN[0])
    w1[0], w1[1] = row(FLOW), -row(FLOW)
    w1[2], w1[3] = row(REVERSION), -row(REVERSION)
    w1[4] = row(RESTRAINT)
    b1[:5] = 0.0
    w2 = random.normal(0.0, 0.08, HIDDEN[::-1])
    b2 = random.normal(0.0, 0.02, HIDDEN[1])
    w2[0, :5] = 0.6, -0.6, 0.5, -0.5, -0.35  # up: flow and reversion agree, less restraint
    w2[1, :5] = -0.6, 0.6, -0.5, 0.5, -0.35  # down
    b2[:2] = 0.0
    w3 = random.normal(0.0, 0.05, (1, HIDDEN[1]))
    w3[0, 0], w3[0, 1] = 0.9, -0.9
    b3 = np.zeros(1)
    return [(w1, b1), (w2, b2), (w3, b3)]


def build():
    tensors, nodes = [], []

    def constant(name, values):
        tensors.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    value = node("Sub", ["features", constant("shift", [f[1] for f in FEATURES])], "shifted")
    value = node("Mul", [value, constant("scale", [f[2] for f in FEATURES])], "scaled")
    value = node("Clip", [value, constant("low", -3.0), constant("high", 3.0)], "clipped")
    for i, (weight, bias) in enumerate(layers()):
        inputs = [value, constant(f"w{i + 1}", weight), constant(f"b{i + 1}", bias)]
        value = node("Gemm", inputs, f"dense{i + 1}", transB=1)
        value = node("Relu" if i < 2 else "Tanh", [value], f"relu{i + 1}" if i < 2 else "score")
    shape = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
    graph = helper.make_graph(nodes, "example_mlp", [shape("features", len(FEATURES))],
                              [shape("score", 1)], tensors)
    model = helper.make_model(graph, producer_name="tickfuse make_example_model",
                              opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    helper.set_model_props(model, {
        "note": "an example to show the pipe, not an edge: set by hand, trained on nothing",
        "seed": str(SEED)})
    checker.check_model(model)
    return model


def main():
    here = pathlib.Path(__file__).resolve().parent.parent / "models"
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "example-mlp.onnx"
    out.write_bytes(build().SerializeToString(deterministic=True))
    out.with_suffix(".features").write_text(
        "# The row of example-mlp, in order.\n" + "".join(f"{f[0]}\n" for f in FEATURES))
    print(f"{out}: written, with {out.with_suffix('.features').name}")


if __name__ == "__main__":
    main()

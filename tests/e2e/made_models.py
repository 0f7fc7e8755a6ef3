"""Small models made where a test runs: one affine layer each, whose answers plain Python can give too."""
import collections
import json
import subprocess

from harness import TICKFUSE, replay, run, shm_name

try:
    import numpy
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    import sys
    print(f"skipped: {missing}; it needs Debian's python3-onnx and python3-numpy (/usr/bin/python3)")
    sys.exit(77)


def make_affine(folder, name, features, weights, bias):
    """outputs = row (as many as features) . weights (features, outputs) + bias."""
    onnx, out = folder / f"{name}.onnx", folder / f"{name}.safetensors"
    w, b = (numpy_helper.from_array(numpy.array(v, dtype=numpy.float32), n) for v, n in ((weights, "w"), (bias, "b")))
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], name,
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(weights)])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", len(bias)])], [w, b])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.write_bytes(model.SerializeToString())
    run("model", "import", onnx, "--features", ",".join(features), "--out", out)
    return out


def make_window(folder, name, features, window, outputs, rng, kind="lstm", units=12):
    """Random weights over a window of rows: an LSTM or GRU layer whose last row goes on, or all rows flattened ("flat"); then outputs = h . w."""
    onnx, out, width = folder / f"{name}.onnx", folder / f"{name}.safetensors", len(features)
    gates = {"lstm": 4, "gru": 3, "flat": 0}[kind]
    tensors, nodes, ends = [], [], "x"

    def weight(label, *shape):
        tensors.append(numpy_helper.from_array(rng.normal(0, 0.4, shape).astype(numpy.float32), label))
        return label

    def number(label, value):
        tensors.append(numpy_helper.from_array(numpy.array(value), label))
        return label

    if gates:
        nodes = [helper.make_node("Transpose", ["x"], ["rows"], perm=[1, 0, 2]),
                 helper.make_node(kind.upper(), ["rows", weight("W", 1, gates * units, width), weight("R", 1, gates * units, units),
                                                 weight("B", 1, 2 * gates * units)], ["y"], hidden_size=units,
                                  **({"linear_before_reset": 1} if kind == "gru" else {})),
                 helper.make_node("Squeeze", ["y", number("axis", [1])], ["out"]),
                 helper.make_node("Transpose", ["out"], ["batch"], perm=[1, 0, 2]),
                 helper.make_node("Gather", ["batch", number("last", -1)], ["h"], axis=1)]
        ends, width = "h", units
    else:
        nodes = [helper.make_node("Flatten", ["x"], ["h"])]
        ends, width = "h", window * width
    nodes.append(helper.make_node("Gemm", [ends, weight("w", width, outputs), weight("b", outputs)], ["z"]))
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, window, len(features)])],
                              [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, outputs])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.write_bytes(model.SerializeToString())
    run("model", "import", onnx, "--features", ",".join(features), "--out", out)
    return out


def affine(row, weights, bias):
    return (numpy.array(row, dtype=numpy.float32) @ numpy.array(weights, dtype=numpy.float32)
            + numpy.array(bias, dtype=numpy.float32))


def write_config(folder, features, models, strategies, engine="{instruments_max: 8}", peers=()):
    path = folder / "made.yaml"
    def block(key, items):
        return f"{key}:\n" + "".join(f"  - {item}\n" for item in items) if items else ""

    path.write_text(f"engine: {engine}\n" + block("peers", peers) + block("features", list(map(json.dumps, features))) + block("models", models)
                    + block("strategies", strategies) + block("sinks", [f"{{type: shm, path: {shm_name()}}}"]))
    return str(path)


def decisions_of(folder, source, config, sets=()):
    """({(ingest_seq, nth of the tick): decision}, the summary), checked for what has to add up."""
    journal = folder / "d.journal"
    journal.unlink(missing_ok=True)
    summary = replay(source, config=config, sets=sets, args=["--decisions", journal])[0]
    assert summary["ledger"]["residual"] == 0, summary["ledger"]
    inference = summary["inference"]
    assert inference["requested"] == inference["done"] + sum(v for k, v in inference.items() if k.startswith("skipped_"))
    for name, m in summary["models"].items():
        assert m["requested"] == m["done"] + sum(m["skipped"].values()), (name, m)
    lines = subprocess.run([TICKFUSE, "tail", journal, "--json"], capture_output=True, text=True, timeout=60, check=True)
    rows = [json.loads(line) for line in lines.stdout.splitlines()]
    nth = collections.Counter()
    found = {}
    for d in rows:
        found[d["ingest_seq"], nth[d["ingest_seq"]]] = d
        nth[d["ingest_seq"]] += 1
    return found, summary


def rows_of(folder, source, config):
    """(ingest_seq, instrument, the feature row or None where a feature has no value) of each tick."""
    csv = folder / "rows.csv"
    run("features", "eval", config, "--input", source, "--out", csv)
    for line in csv.read_text().splitlines()[1:]:
        _, seq, instrument, *cells = line.split(",")
        yield int(seq), instrument, [float(c) for c in cells] if all(cells) else None

#!/usr/bin/python3
"""Products below fp32 as `model import --precision P [--calibrate ROWS]` makes them, against plain numpy on what the file holds: integers and scales,
halves, bfloat16. int8 and fp16 must be the same bits, since their sums have one order; bf16 is summed in pairs, and compared within its rounding of
float. Then what calibration refuses. Usage: oracle_precision.py PATH_OF_MODEL_COMMAND"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; Debian's python3-onnx and python3-numpy are needed")
    sys.exit(77)

BINARY = sys.argv[1]
F = np.float32
failures = []


def command(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)


def expect(what, good, said=""):
    if not good:
        failures.append(f"{what}: {said}")


def save_onnx(path, nodes, tensors, window, width, outputs):
    shape = ["batch", window, width] if window > 1 else ["batch", width]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outputs])],
                              [numpy_helper.from_array(v, k) for k, v in tensors.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())


def perceptron(path, random):
    """A chain over one row."""
    tensors = {"w0": random.normal(0, 0.4, (23, 11)), "b0": random.normal(0, 1, 23), "w1": random.normal(0, 0.3, (2, 23)),
               "b1": random.normal(0, 1, 2)}
    nodes = [helper.make_node("Gemm", ["x", "w0", "b0"], ["a"], transB=1), helper.make_node("Relu", ["a"], ["r"]),
             helper.make_node("Gemm", ["r", "w1", "b1"], ["y"], transB=1)]
    save_onnx(path, nodes, {k: v.astype(F) for k, v in tensors.items()}, 1, 11, 2)
    return 1, 11


def convolutions(path, random):
    """A net: two causal convolutions, the second dilated and grouped, and a product over all of it."""
    tensors = {"c0": random.normal(0, 0.3, (12, 7, 3)), "d0": random.normal(0, 1, 12), "c1": random.normal(0, 0.4, (10, 6, 2)),
               "d1": random.normal(0, 1, 10), "w": random.normal(0, 0.1, (90, 5)), "b": random.normal(0, 1, 5)}
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
             helper.make_node("Conv", ["t", "c0", "d0"], ["a"], pads=[2, 0]), helper.make_node("Relu", ["a"], ["r"]),
             helper.make_node("Conv", ["r", "c1", "d1"], ["q"], pads=[3, 0], dilations=[3], group=2), helper.make_node("Relu", ["q"], ["s"]),
             helper.make_node("Flatten", ["s"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["m"]),
             helper.make_node("Add", ["m", "b"], ["y"])]
    save_onnx(path, nodes, {k: v.astype(F) for k, v in tensors.items()}, 9, 7, 5)
    return 9, 7


# ---- what a file holds ----

def read_file(path, more=None):
    """Tensors, the nodes of the graph, the metadata."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    meta = header.pop("__metadata__")
    kinds = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "BF16": np.uint16, **(more or {})}
    tensors = {}
    for name, t in header.items():
        begin, end = (8 + length + at for at in t["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], kinds[t["dtype"]]).reshape(t["shape"])
    return tensors, json.loads(meta["graph"])["nodes"], meta


# ---- products in numpy ----

def to_bf16(x):
    bits = np.ascontiguousarray(x, F).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(F)


def in_order(rows, weights):
    """Sums over k in its order, in float."""
    out = np.zeros((rows.shape[0], weights.shape[0]), F)
    for k in range(rows.shape[1]):
        out = out + rows[:, k:k + 1] * weights[None, :, k]
    return out


def product(precision, rows, weights, scales, limit):
    """rows [m, k] times weights [n, k] as the file has them; limit: the calibrated range, or None."""
    rows = rows.astype(F)
    if precision == "fp16":
        return in_order(rows, weights.astype(F))
    if precision == "bf16":
        wide = (weights.astype(np.uint32) << 16).view(F)
        return in_order(to_bf16(rows), wide)
    greatest = np.abs(rows).max(axis=1, keepdims=True) if limit is None else np.full((rows.shape[0], 1), limit, F)
    inverse = np.where(greatest > 0, F(127) / np.where(greatest > 0, greatest, F(1)), F(0))
    q = np.rint(np.clip(rows * inverse, F(-127), F(127))).astype(np.int64)
    exact = q @ weights.astype(np.int64).T
    return exact.astype(F) * ((greatest * (F(1) / F(127))) * scales[None, :])


class File:
    def __init__(self, path, precision):
        self.tensors, self.nodes, self.meta = read_file(path)
        self.precision = precision

    def ranges(self, name):
        node = next(n for n in self.nodes if name in (n.get("weight"), *map(str, n.get("in", []))))
        return F(node["ranges"][0]) if "ranges" in node else None

    def product(self, rows, name, turned=False, part=slice(None)):
        weights = self.tensors[name]
        weights = weights.T if turned else weights.reshape(weights.shape[0], -1)
        scales = self.tensors[name + ".scale"] if self.precision == "int8" else None
        return product(self.precision, rows, weights[part], scales[part] if scales is not None else None, self.ranges(name))


def run_perceptron(f, window):
    a = f.product(window, "0.gemm.weight") + f.tensors["0.gemm.bias"]
    return f.product(np.maximum(a, F(0)), "2.gemm.weight") + f.tensors["2.gemm.bias"]


def patches(x, taps, dilation):
    """x [channels, t] to rows [t, channels * taps] of a causal convolution."""
    padded = np.concatenate([np.zeros((x.shape[0], (taps - 1) * dilation), F), x], axis=1)
    views = [padded[:, k * dilation:k * dilation + x.shape[1]] for k in range(taps)]
    return np.stack(views, axis=1).reshape(-1, x.shape[1]).T


def run_convolutions(f, window):
    names = [n for n in f.tensors if ".conv.1" in n and "scale" not in n] + [n for n in f.tensors if ".matmul.1" in n and "scale" not in n]
    biases = [next(v for k, v in f.tensors.items() if k.startswith(n.split(".")[0] + ".conv.2")) for n in names[:2]]
    a = np.maximum(f.product(patches(window.T, 3, 1), names[0]).T + biases[0][:, None], F(0))
    halves = [f.product(patches(a[6 * g:6 * g + 6], 2, 3), names[1], part=slice(5 * g, 5 * g + 5)).T for g in range(2)]
    s = np.maximum(np.concatenate(halves) + biases[1][:, None], F(0))
    bias = next(v for k, v in f.tensors.items() if ".add." in k)
    return f.product(s.reshape(1, -1), names[2], turned=True)[0] + bias


def agree(folder, make, evaluate, random):
    onnx = folder / f"{make.__name__}.onnx"
    window, width = make(onnx, random)
    features = ",".join(f"f{i}" for i in range(width))
    rows = random.normal(0, 1.5, (400, width)).astype(F)
    x = rows[:40] if window == 1 else np.stack([rows[i:i + window] for i in range(40)])
    x[3] *= 20  # beyond what was calibrated
    np.save(folder / "rows.npy", rows[40:])
    np.save(folder / "x.npy", x)
    sizes = {}
    for precision, options in (("fp32", ()), ("fp16", ()), ("bf16", ()), ("int8", ()), ("int8", ("--calibrate", folder / "rows.npy")),
                               ("int8", ("--calibrate", folder / "rows.npy", "--percentile", "100")),
                               ("int8", ("--calibrate", folder / "rows.npy", "--percentile", "99"))):
        target, what = folder / "m.safetensors", f"{make.__name__} {precision} {options[2:]}"
        done = command("import", onnx, "--features", features, "--out", target, "--precision", precision, "--error-max", 100, *options)
        expect(f"{what}: import", done.returncode == 0, done.stderr)
        if done.returncode:
            continue
        sizes.setdefault(precision, target.stat().st_size)
        if precision == "fp32":
            continue
        f = File(target, precision)
        expect(what, f.meta["precision"] == precision and ("calibration" in f.meta) == bool(options), f.meta)
        expect(f"{what}: ranges", any("ranges" in n for n in f.nodes) or "--percentile" not in options)
        want = evaluate(f, x) if window == 1 else np.stack([evaluate(f, w) for w in x])
        for isa in ("scalar", "avx2", "avx512"):
            done = command("run", target, "--input", folder / "x.npy", "--out", folder / "y.npy", "--isa", isa, "--error-max", 100)
            if "this CPU has no" in done.stderr:
                continue
            expect(f"{what} on {isa}", done.returncode == 0, done.stderr)
            got = np.load(folder / "y.npy")
            if precision == "bf16":
                error = np.abs(got - want).max() / np.abs(want).max()
                expect(f"{what} on {isa}", error < 1e-5, f"{error} apart")
            else:
                expect(f"{what} on {isa}", got.tobytes() == want.astype(F).tobytes(), f"{np.abs(got - want).max()} apart")
    expect("a file of fewer bits is smaller", sizes["int8"] < sizes["fp16"] == sizes["bf16"] < sizes["fp32"], sizes)


# ---- calibration ----

def structured(path, rows, instruments, names):
    """As `features eval --out X.npy` writes it."""
    kind = [("ts_recv_ns", "<u8"), ("ingest_seq", "<u8"), ("instrument", "S32")] + [(n, "<f8") for n in names]
    table = np.zeros(len(rows), kind)
    table["instrument"] = instruments
    for i, name in enumerate(names):
        table[name] = rows[:, i]
    np.save(path, table)


def calibration(folder, random):
    onnx, target, file = folder / "c.onnx", folder / "c.safetensors", folder / "c.npy"
    window, width = convolutions(onnx, random)
    names = [f"f{i}" for i in range(width)]
    rows = random.normal(0, 1.5, (50, width))

    def imported(*options):
        return command("import", onnx, "--features", ",".join(names), "--out", target, "--precision", "int8", "--json", *options)

    def refused(code, says, *options):
        done = imported(*options)
        expect(f"{options}", done.returncode == code and says in done.stderr and not target.exists(), done.stderr or done.stdout)

    np.save(file, rows[:, :-1])
    refused(3, f"rows of {width - 1} values", "--calibrate", file)
    np.save(file, rows[:window - 1])
    refused(3, f"takes windows of {window}", "--calibrate", file)
    np.save(file, rows[None, :window - 1])
    refused(3, f"windows of {window - 1} rows", "--calibrate", file)
    for value, says in ((np.nan, "row 17: f3 is NaN"), (-np.inf, "row 17: f3 is infinite")):
        bad = rows.copy()
        bad[17, 3] = value
        np.save(file, bad)
        refused(3, says, "--calibrate", file)
        structured(file, bad, ["A"] * 50, names)
        refused(3, says, "--calibrate", file)
    structured(file, rows, ["A"] * 50, [*names[:-1], "other"])
    refused(3, f'no column "{names[-1]}"', "--calibrate", file)
    np.save(file, rows)
    refused(3, "calibration window", "--calibrate", file, "--error-max", "1e-6")
    refused(1, "E_FILE_OPEN", "--calibrate", folder / "none.npy")
    refused(2, "--config CONFIG is wanted", "--calibrate", "binance-spot:x")
    refused(2, "which is missing", "--percentile", "99")
    refused(2, "which is missing", "--config", "x.yaml")
    refused(2, "holds rows", "--calibrate", file, "--config", "x.yaml")
    for option, values in (("--prune", ("0", "0.96", "x")), ("--cluster", ("1", "257", "2.5"))):
        refused(2, "which is missing", option, "0.5" if option == "--prune" else "16")
        for value in values:
            refused(2, f"{option} {value} is not", "--calibrate", file, option, value)
    refused(3, "units are pruned of chains alone", "--calibrate", file, "--prune", "0.5")
    refused(3, "calibration window", "--calibrate", file, "--cluster", "2", "--error-max", "0.01")
    for percentile in ("49.9", "100.1", "nan", ""):
        refused(2, "--percentile", "--calibrate", file, "--percentile", percentile)

    # instruments in turn: windows are of one alone, columns are found by name
    structured(file, rows[:, ::-1], ["A", "B"] * 25, names[::-1])
    done = imported("--calibrate", file)
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    expect("windows of two instruments", told.get("windows") == 2 * (25 - window + 1), done.stderr or told)
    expect("errors by output", len(told.get("outputs", [])) == 5 and all(
        0 <= o["mean"] <= o["p99"] <= o["max"] <= 0.15 * 50 and 0 <= o["sign_flips"] <= 1 for o in told["outputs"]), told)
    told = json.loads(command("inspect", target, "--json").stdout)
    expect("inspect tells the calibration", told["calibration"]["windows"] == 2 * (25 - window + 1) and told["precision"] == "int8", told)

    # the errors that are told are those of the model that was written
    np.save(file, rows)
    told = json.loads(imported("--calibrate", file).stdout)
    windows = np.stack([rows[i:i + window] for i in range(len(rows) - window + 1)])
    np.save(folder / "x.npy", windows)
    answers = []
    for options in (("--precision", "int8"), ()):
        if not options:
            command("import", onnx, "--features", ",".join(names), "--out", target)
        command("run", target, "--input", folder / "x.npy", "--out", folder / "y.npy", *options)
        answers.append(np.load(folder / "y.npy").astype(np.float64))
    error = np.abs(answers[0] - answers[1])
    for o, output in enumerate(told["outputs"]):
        flips = ((answers[0][:, o] < 0) != (answers[1][:, o] < 0)).mean()
        expect(f"output {o}", np.allclose([output["max"], output["mean"], output["sign_flips"]],
                                          [error[:, o].max(), error[:, o].mean(), flips], rtol=1e-4), output)
    relative = (error / np.maximum(1, np.abs(answers[1]))).max()
    expect("the greatest error", np.isclose(told["calibration_error_max"], relative, rtol=1e-4), (told["calibration_error_max"], relative))


def smaller(folder, random):
    """Units and values: the file holds less, and `run` gives what numpy makes of it."""
    onnx, target, file = folder / "p.onnx", folder / "p.safetensors", folder / "p.npy"
    _, width = perceptron(onnx, random)
    rows = random.normal(0, 1.5, (200, width)).astype(F)
    np.save(file, rows)
    done = command("import", onnx, "--features", ",".join(f"f{i}" for i in range(width)), "--out", target, "--json", "--calibrate", file,
                   "--prune", "0.3", "--cluster", "16", "--error-max", "100")
    expect("prune and cluster", done.returncode == 0, done.stderr)
    told = json.loads(done.stdout)
    expect("steps", [s["step"] for s in told["steps"]] == ["fp32", "17 of 23 units", "16 values"] and
           told["params"] == 17 * 11 + 17 + 2 * 17 + 2 and told["steps"][1]["weight_bytes"] < told["steps"][0]["weight_bytes"], told["steps"])
    tensors = read_file(target, {"U8": np.uint8})[0]
    wide = {n: tensors[n + ".codebook"][tensors[n]] for n in ("0.gemm.weight", "2.gemm.weight")}
    expect("values", all(len(tensors[n + ".codebook"]) <= 16 for n in wide), tensors)
    hidden = np.maximum(rows.astype(float) @ wide["0.gemm.weight"].T + tensors["0.gemm.bias"], 0)
    want = hidden @ wide["2.gemm.weight"].T + tensors["2.gemm.bias"]
    done = command("run", target, "--input", file, "--out", folder / "y.npy")
    expect("run of fewer values", done.returncode == 0 and np.abs(np.load(folder / "y.npy") - want).max() < 1e-5, done.stderr)


def main():
    random = np.random.default_rng(20261122)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        agree(folder, perceptron, run_perceptron, random)
        agree(folder, convolutions, run_convolutions, random)
        calibration(folder, random)
        smaller(folder, random)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


main()

#!/usr/bin/python3
"""Models over windows as exporters write them (PyTorch's both, with their detours for a zero state; plain ones),
made by python3-onnx and evaluated here in plain numpy (float64): `model import` and `model run` must agree, in each
precision within its bound, on instruction sets by turns. Then what must be refused, and why.
Usage: oracle_sequence.py PATH_OF_MODEL_COMMAND [SEED]"""
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; Debian's python3-onnx and python3-numpy are needed")
    sys.exit(77)

ERROR_MAX = {"fp32": 1e-6, "bf16": 0.03, "fp16": 0.004, "int8": 0.06}
WINDOWS = 4
GATES = {"LSTM": 4, "GRU": 3}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm(x, w, r, b):
    """x [rows, n] -> h of each row; gates i o f c (ONNX)."""
    units = r.shape[1]
    h, c, out = np.zeros(units), np.zeros(units), []
    for row in x:
        i, o, f, g = np.split(w @ row + r @ h + b[:4 * units] + b[4 * units:], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def gru(x, w, r, b):
    """gates z r h, linear_before_reset = 1."""
    units = r.shape[1]
    h, out = np.zeros(units), []
    for row in x:
        of_x, of_h = np.split(w @ row + b[:3 * units], 3), np.split(r @ h + b[3 * units:], 3)
        z, reset = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
        n = np.tanh(of_x[2] + reset * of_h[2])
        h = (1 - z) * n + z * h
        out.append(h)
    return np.array(out)


class Net:
    """A graph under construction, and the function that it is."""

    def __init__(self, random, window, width, opset=13, batch_first=True, batch="n", open_window=False):
        self.random, self.window, self.width, self.opset = random, window, width, opset
        self.input_width, self.batch_first = width, batch_first
        self.dims = [batch, "t" if open_window else window] if batch_first else ["t" if open_window else window, batch]
        self.nodes, self.tensors, self.steps, self.value, self.hidden = [], [], [], "x", []
        self.attributes = {}

    def name(self):
        return f"v{len(self.nodes) + len(self.tensors)}"

    def constant(self, values, dtype=np.float32):
        name = self.name()
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, op, inputs, outputs=1, **attributes):
        names = [f"n{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"node{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def normal(self, *shape):
        return self.random.normal(0.0, 0.5 / np.sqrt(shape[-1]), shape).astype(np.float32)

    def scale(self):
        mean, factor = self.normal(self.width), 1 + self.normal(self.width) / 4
        self.value = self.node("Sub", [self.value, self.constant(mean)])
        self.value = self.node("Mul", [self.value, self.constant(factor.reshape(1, 1, -1))])
        self.steps.append(lambda x: (x - mean.astype(float)) * factor.astype(float))

    def transpose(self, *perm):
        self.value = self.node("Transpose", [self.value], perm=list(perm))

    def zero_state(self, how, units):
        if how is None:
            return ""
        if how == "constant":
            return self.constant(np.zeros((1, 1, units)))
        shape = self.node("Shape", [self.value])
        batch = self.node("Gather", [shape, self.constant(1, np.int64)], axis=0)
        batch = self.node("Unsqueeze", [batch, self.constant([0], np.int64)])
        size = self.node("Concat", [self.constant([1], np.int64), batch, self.constant([units], np.int64)], axis=0)
        if how == "expand":
            return self.node("Expand", [self.constant(np.zeros((1, 1, units))), size])
        zeros = self.node("ConstantOfShape", [size], value=helper.make_tensor("z", TensorProto.FLOAT, [1], [0.0]))
        return self.node("Slice", [zeros, self.constant([0], np.int64), self.constant([1], np.int64),
                                   self.constant([0], np.int64)])

    def recurrent(self, op, units, state=None, bias=True, layout=None, **attributes):
        gates = GATES[op] * units
        w, r = self.normal(gates, self.width), self.normal(gates, units)
        b = self.normal(2 * gates) if bias else np.zeros(2 * gates, np.float32)
        inputs = [self.value, self.constant(w[None]), self.constant(r[None]), self.constant(b[None]) if bias else ""]
        if state:
            inputs += ["", self.zero_state(state, units)]
            if op == "LSTM":
                inputs.append(self.zero_state(state, units))
        while inputs[-1] == "":
            inputs.pop()
        if op == "GRU":
            attributes.setdefault("linear_before_reset", 1)
        if layout is not None:
            attributes["layout"] = layout
        y, y_h = self.node(op, inputs, 2, hidden_size=units, **attributes)
        self.hidden.append(y_h)
        self.value, self.width = y, units
        apply = lstm if op == "LSTM" else gru
        self.steps.append(lambda x: apply(x, w.astype(float), r.astype(float), b.astype(float)))

    def squeeze(self, axis=1):
        self.value = self.node("Squeeze", [self.value, self.constant([axis], np.int64)])

    def merge_by_reshape(self, zeros=False):
        self.transpose(0, 2, 1, 3)
        shape = [0, 0, -1] if zeros else [self.window, -1, self.width]
        self.value = self.node("Reshape", [self.value, self.constant(shape, np.int64)])

    def take(self, how):
        if how == "gather":  # out[:, -1] after batch_first
            self.transpose(1, 0, 2)
            self.value = self.node("Gather", [self.value, self.constant(-1, np.int64)], axis=1)
        elif how == "gather_number":
            self.value = self.node("Gather", [self.value, self.constant(self.window - 1, np.int64)], axis=0)
        elif how == "slice":
            self.value = self.node("Slice", [self.value, self.constant([-1], np.int64),
                                             self.constant([2**63 - 1], np.int64), self.constant([0], np.int64)])
            self.squeeze(0)
        elif how == "hidden":
            self.value = self.node("Squeeze", [self.hidden[-1], self.constant([0], np.int64)])
        elif how == "h_n":
            stack = self.node("Concat", self.hidden, axis=0) if len(self.hidden) > 1 else self.hidden[0]
            self.value = self.node("Gather", [stack, self.constant(-1, np.int64)], axis=0)
        self.steps.append(lambda x: x[-1:])

    def flatten(self, how):
        if how == "flatten":
            self.value = self.node("Flatten", [self.value], axis=1)
        else:
            self.value = self.node("Reshape", [self.value, self.constant([-1, self.window * self.width], np.int64)])
        self.width *= self.window
        self.steps.append(lambda x: x.reshape(1, -1))

    def dense(self, outputs, act="Tanh"):
        w, b = self.normal(outputs, self.width), self.normal(outputs)
        self.value = self.node("Gemm", [self.value, self.constant(w), self.constant(b)], transB=1)
        self.value = self.node(act, [self.value])
        apply = {"Tanh": np.tanh, "Relu": lambda x: np.maximum(x, 0)}[act]
        self.steps.append(lambda x: apply(x @ w.astype(float).T + b.astype(float)))
        self.width = outputs

    def matmul_rows(self, outputs):
        w = self.normal(self.width, outputs)
        self.value = self.node("MatMul", [self.value, self.constant(w)])
        self.steps.append(lambda x: x @ w.astype(float))
        self.width = outputs

    def save(self, path):
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.dims + [self.input_width])],
            [helper.make_tensor_value_info(self.value, TensorProto.FLOAT, ["m", self.width])], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 7
        path.write_bytes(model.SerializeToString())
        return model

    def answer(self, window):
        value = window.astype(float)
        for step in self.steps:
            value = step(value)
        return value.ravel()


def plain(random, op, layers, units, window, width, take, state, merge="squeeze", scaled=False, batch_first=True):
    net = Net(random, window, width, batch_first=batch_first)
    if scaled:
        net.scale()
    if batch_first:
        net.transpose(1, 0, 2)
    for layer in range(layers):
        net.recurrent(op, units, state, bias=layer != 1)
        if layer + 1 < layers or take in ("gather", "gather_number", "slice"):
            net.squeeze() if merge == "squeeze" else net.merge_by_reshape(merge == "zeros")
    net.take(take)
    net.dense(1 if layers != 2 else 3)
    return net


def good_nets(random):
    yield "torch, out[:, -1]", plain(random, "LSTM", 2, 5, 7, 6, "gather", "expand")
    yield "torch, h_n[-1]", plain(random, "LSTM", 3, 9, 5, 4, "h_n", "expand", scaled=True)
    yield "torch, dynamic batch", plain(random, "LSTM", 2, 8, 6, 3, "gather", "zeros", merge="zeros")
    yield "torch, dynamo", plain(random, "LSTM", 2, 17, 4, 33, "h_n", "constant", merge="reshape")
    yield "rows first", plain(random, "LSTM", 1, 16, 9, 16, "gather_number", None, batch_first=False)
    yield "slice", plain(random, "GRU", 2, 7, 4, 5, "slice", "constant", batch_first=False)
    yield "gru, h_n", plain(random, "GRU", 2, 20, 12, 10, "h_n", "expand", scaled=True)
    yield "y_h alone", plain(random, "GRU", 1, 12, 3, 3, "hidden", None)
    net = Net(random, 6, 5, opset=14)
    net.recurrent("LSTM", 10, layout=1)
    net.squeeze(2)
    net.value = net.node("Gather", [net.value, net.constant(-1, np.int64)], axis=1)
    net.steps.append(lambda x: x[-1:])
    net.dense(1)
    yield "layout 1", net
    net = Net(random, 6, 5)
    net.matmul_rows(9)
    net.transpose(1, 0, 2)
    net.recurrent("LSTM", 4)
    net.take("hidden")
    net.dense(8, "Relu")
    net.dense(1)
    yield "a layer a row, a head of two", net
    for how in ("flatten", "reshape"):
        net = Net(random, 8, 5)
        net.scale()
        net.flatten(how)
        net.dense(20, "Relu")
        net.dense(1)
        yield f"perceptron, {how}", net
    yield "open window", plain_open(random)


def plain_open(random):
    net = Net(random, 6, 4, open_window=True)
    net.transpose(1, 0, 2)
    net.recurrent("LSTM", 5)
    net.take("hidden")
    net.dense(1)
    return net


def bad_nets(random):
    def one(change=None, attributes=None, **more):
        net = Net(random, 5, 4)
        net.transpose(1, 0, 2)
        net.recurrent(more.pop("op", "LSTM"), 6, **(attributes or {}))
        if change:
            change(net)
        net.take("hidden")
        net.dense(1)
        return net

    yield "W [2, 24, 4]", one(attributes={"direction": "bidirectional"})
    yield "activations are not", one(attributes={"activations": ["Sigmoid", "Relu", "Tanh"]})
    yield "clip", one(attributes={"clip": 1.0})
    yield "hidden_size 7", one(lambda net: net.nodes[-1].attribute[0].__setattr__("i", 7))
    yield "are wanted", one(lambda net: net.nodes[-1].input.__setitem__(1, net.constant(net.normal(1, 24, 5))))

    def lengths(net):
        net.nodes[-1].input.append(net.constant([4], np.int64))
    yield "sequence_lens", one(lengths)

    net = Net(random, 5, 4)
    net.transpose(1, 0, 2)
    net.recurrent("LSTM", 1)
    net.squeeze()
    yield "[1, n] is wanted", net
    net = Net(random, 5, 4)
    net.transpose(1, 0, 2)
    net.flatten("flatten")
    net.dense(1)
    yield "[5,4] times [20,1]", net
    yield "say --window N", plain_open(random)


def command(binary, *arguments):
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)


def check_good(binary, folder, text, net, random):
    failures = []
    model = net.save(folder / "m.onnx")
    checker.check_model(model)
    window = ("--window", net.window) if "t" in net.dims else ()
    features = ",".join(f"f{i}" for i in range(net.input_width))
    done = command(binary, "import", folder / "m.onnx", "--features", features, "--out", folder / "m.safetensors", *window)
    if done.returncode != 0:
        return [f"{text}: import: {done.stderr}"]
    x = random.normal(0, 1, (WINDOWS, net.window, net.input_width)).astype(np.float32)
    want = np.array([net.answer(w) for w in x])
    np.save(folder / "x.npy", x)
    np.save(folder / "rows.npy", x.reshape(-1, net.input_width))
    for number, (precision, bound) in enumerate(ERROR_MAX.items()):
        for isa in (("scalar", "avx2", "avx512")[(net.window + number) % 3], "avx512"):
            done = command(binary, "run", folder / "m.safetensors", "--input", folder / "x.npy", "--out", folder / "y.npy",
                           "--precision", precision, "--isa", isa)
            if "this CPU has no" in done.stderr:
                continue
            if done.returncode != 0:
                failures.append(f"{text}: run: {done.stderr}")
                continue
            error = np.abs(np.load(folder / "y.npy") - want).max()
            if not error <= bound:
                failures.append(f"{text}, {precision}, {isa}: off by {error:.2g}")
    done = command(binary, "run", folder / "m.safetensors", "--input", folder / "rows.npy", "--out", folder / "all.npy")
    every = np.load(folder / "all.npy")
    if done.returncode or not np.abs(every[::net.window] - want).max() <= 1e-6 or len(every) != (WINDOWS - 1) * net.window + 1:
        failures.append(f"{text}: rows that follow one another: {done.stderr}")
    if net.window % 2:
        return failures
    precision = list(ERROR_MAX)[net.window // 2 % len(ERROR_MAX)]
    done = command(binary, "verify", folder / "m.safetensors", "--precision", precision)
    if done.returncode != 0:
        failures.append(f"{text}: verify {precision}: {done.stderr}")
    return failures


def check_bad(binary, folder, says, net):
    net.save(folder / "m.onnx")
    features = ",".join(f"f{i}" for i in range(net.input_width))
    done = command(binary, "import", folder / "m.onnx", "--features", features, "--out", folder / "bad.safetensors")
    if done.returncode == 3 and says in done.stderr and not (folder / "bad.safetensors").exists():
        return []
    return [f"exit {done.returncode}, does not say '{says}': {done.stderr}"]


def main():
    binary, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 11
    random, failures, count = np.random.default_rng(seed), [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for text, net in good_nets(random):
            failures += check_good(binary, folder, text, net, random)
            count += 1
        for says, net in bad_nets(random):
            failures += check_bad(binary, folder, says, net)
            count += 1
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{count} graphs, {len(failures)} failures, seed {seed}")
    sys.exit(1 if failures else 0)


main()

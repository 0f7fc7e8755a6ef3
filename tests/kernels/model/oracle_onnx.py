#!/usr/bin/python3
"""Small ONNX graphs, each supported op and flag among them, made by python3-onnx and evaluated here
in plain numpy (float64); `model import` and `model run` must agree within 1e-6 of the output's
magnitude. Usage: oracle_onnx.py PATH_OF_MODEL_COMMAND [SEED]"""
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

ERROR_MAX = 1e-6
ROWS = 25


def wide(values):
    return np.asarray(values, dtype=np.float64)


class Net:
    """A chain under construction: nodes and tensors for ONNX, functions for numpy."""

    def __init__(self, random, width, opset=13, as_nodes=False):
        self.random, self.width, self.opset, self.as_nodes = random, width, opset, as_nodes
        self.input_width = width
        self.nodes, self.tensors, self.steps, self.value, self.text = [], [], [], "x", []
        self.column = False

    def constant(self, values, dtype=np.float32, raw=True):
        name = f"c{len(self.tensors) + len(self.nodes)}"
        array = np.asarray(values, dtype=dtype)
        if raw:
            tensor = numpy_helper.from_array(array, name)
        else:
            kind = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE,
                    np.int64: TensorProto.INT64}[dtype]
            tensor = helper.make_tensor(name, kind, array.shape, array.ravel().tolist())
        if self.as_nodes:
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.tensors.append(tensor)
        return name

    def step(self, op, inputs, apply, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"n{len(self.nodes)}", **attributes))
        self.value = out
        self.steps.append(apply)
        self.text.append(op)

    def normal(self, *shape):
        return self.random.normal(0.0, 1.0 / np.sqrt(max(shape[-1:] + (1,))), shape).astype(np.float32)

    def gemm(self, outputs, trans_b=0, alpha=None, beta=None, bias="row", raw=True):
        w = self.normal(outputs, self.width)  # [out, in]
        attributes = {}
        if trans_b:
            attributes["transB"] = 1
        if alpha is not None:
            attributes["alpha"] = float(alpha)
        if beta is not None:
            attributes["beta"] = float(beta)
        a, b = np.float64(np.float32(1 if alpha is None else alpha)), np.float64(np.float32(1 if beta is None else beta))
        shapes = {"row": (outputs,), "matrix": (1, outputs), "one": (1,), "scalar": (), None: None}
        c = None if bias is None else self.normal(*shapes[bias]) if bias != "scalar" else np.float32(0.3)
        inputs = [self.value, self.constant(w if trans_b else w.T.copy(), raw=raw)]
        if c is not None:
            inputs.append(self.constant(c, raw=raw))
        shift = 0.0 if c is None else b * wide(c)
        self.step("Gemm", inputs, lambda x: a * (x @ wide(w).T) + shift, **attributes)
        self.width = outputs

    def gemm_from_left(self, outputs, trans_a=0, trans_b=0, bias=True):
        """Y = A' X (+ C): columns out; transB turns rows into columns on the way in."""
        w = self.normal(outputs, self.width)
        c = self.normal(outputs, 1)
        inputs = [self.constant(w.T.copy() if trans_a else w), self.value]
        if bias:
            inputs.append(self.constant(c))
        assert trans_b != self.column
        self.step("Gemm", inputs,
                  lambda x: x @ wide(w).T + (wide(c).T if bias else 0.0),
                  transA=trans_a, transB=trans_b)
        self.width, self.column = outputs, True

    def gemm_to_rows(self, outputs, trans_b=0):
        """Y = X' B with X in columns: transA = 1, rows out."""
        w = self.normal(outputs, self.width)
        assert self.column
        self.step("Gemm", [self.value, self.constant(w if trans_b else w.T.copy())],
                  lambda x: x @ wide(w).T, transA=1, transB=trans_b)
        self.width, self.column = outputs, False

    def matmul(self, outputs, left=False):
        w = self.normal(outputs, self.width)
        inputs = [self.constant(w), self.value] if left else [self.value, self.constant(w.T.copy())]
        self.step("MatMul", inputs, lambda x: x @ wide(w).T)
        self.width = outputs

    def binary(self, op, shape="row", swapped=False, dtype=np.float32):
        shapes = {"row": (self.width,), "matrix": (1, self.width), "one": (1,), "scalar": (),
                  "column": (self.width, 1)}
        c = np.asarray(self.random.uniform(0.5, 2.0, shapes[shape]) *
                       self.random.choice([-1.0, 1.0], shapes[shape])).astype(dtype)
        exact = wide(np.float32(c)).reshape(-1) if shape == "column" else wide(np.float32(c))
        apply = {"Add": lambda x: x + exact, "Mul": lambda x: x * exact,
                 "Sub": (lambda x: exact - x) if swapped else (lambda x: x - exact),
                 "Div": lambda x: x / exact}[op]
        inputs = [self.value, self.constant(c, dtype=dtype)]
        self.step(op, inputs[::-1] if swapped else inputs, apply)

    def unary(self, op, **attributes):
        alpha = np.float64(np.float32(attributes.get("alpha", 0.01)))

        def softmax(x):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)
        apply = {"Relu": lambda x: np.maximum(x, 0.0), "Tanh": np.tanh, "Softmax": softmax,
                 "LeakyRelu": lambda x: np.where(x < 0.0, alpha * x, x),
                 "Sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
                 "Identity": lambda x: x, "Flatten": lambda x: x, "Cast": lambda x: x}[op]
        self.step(op, [self.value], apply, **attributes)

    def clip(self, low=None, high=None):
        bounds = [np.float64(np.float32(b)) if b is not None else s
                  for b, s in ((low, -np.inf), (high, np.inf))]
        apply = lambda x: np.clip(x, *bounds)
        if self.opset < 11:
            given = {k: float(v) for k, v in (("min", low), ("max", high)) if v is not None}
            self.step("Clip", [self.value], apply, **given)
            return
        names = [self.constant(np.float32(b)) if b is not None else "" for b in (low, high)]
        while names and names[-1] == "":
            names.pop()
        self.step("Clip", [self.value] + names, apply)

    def reshape(self, shape):
        self.step("Reshape", [self.value, self.constant(shape, dtype=np.int64)], lambda x: x)

    def model(self, fixed_batch=None):
        batch = "n" if fixed_batch is None else fixed_batch
        shape = [batch, self.input_width]
        value = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        out = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, [None, None])
        graph = helper.make_graph(self.nodes, "g", [value], [out], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        checker.check_model(model)
        return model

    def expected(self, x):
        for apply in self.steps:
            x = apply(x)
        return x


def check(command, folder, label, net, isas):
    folder = pathlib.Path(folder)
    (folder / "m.onnx").write_bytes(net.model().SerializeToString())
    names = ",".join(f"f{i}" for i in range(net.input_width))
    run = lambda *arguments: subprocess.run([command, *arguments], capture_output=True, text=True)
    done = run("import", str(folder / "m.onnx"), "--features", names, "--out", str(folder / "m.st"))
    if done.returncode != 0:
        sys.exit(f"{label} ({' '.join(net.text)}): import: {done.stderr}")
    x = net.random.normal(0.0, 1.0, (ROWS, net.input_width)).astype(np.float32)
    want = net.expected(wide(x))
    double = bool(net.random.randint(2))  # float64 files are read too
    np.save(folder / "x.npy", wide(x) if double else x)
    bits, worst = None, 0.0
    for isa in isas:
        done = run("run", str(folder / "m.st"), "--input", str(folder / "x.npy"), "--out",
                   str(folder / "y.npy"), *(() if isa == "best" else ("--isa", isa)))
        if done.returncode == 2 and "has no" in done.stderr:
            continue  # not on this CPU
        if done.returncode != 0:
            sys.exit(f"{label}: run on {isa}: {done.stderr}")
        got = np.load(folder / "y.npy")
        if got.dtype != np.float32 or got.shape != want.shape:
            sys.exit(f"{label}: {got.dtype} {got.shape}, not float32 {want.shape}")
        error = np.max(np.abs(got - want) / np.maximum(1.0, np.abs(want)))
        if not error <= ERROR_MAX:
            sys.exit(f"{label} ({' '.join(net.text)}) on {isa}: off by {error:.3g}")
        if bits is not None and got.tobytes() != bits:
            sys.exit(f"{label}: {isa} gives other bits")
        bits = got.tobytes()
        worst = max(worst, error)
    return worst


def cases(random):
    def net(width=7, **more):
        return Net(random, width, **more)

    for trans_b in (0, 1):
        for alpha, beta in ((None, None), (0.5, None), (None, -2.0), (1.25, 0.75), (1.0, 0.0)):
            for bias in ("row", "matrix", "one", "scalar", None):
                n = net()
                n.gemm(3, trans_b, alpha, beta, bias, raw=bool(trans_b))
                yield f"Gemm transB={trans_b} alpha={alpha} beta={beta} C={bias}", n
    for trans_a in (0, 1):
        n = net()
        n.gemm_from_left(5, trans_a, trans_b=1)
        n.unary("Relu")
        n.binary("Mul", "column")
        n.binary("Sub", "column", swapped=True)
        n.binary("Add", "scalar")
        n.gemm_to_rows(3, trans_b=trans_a)
        yield f"Gemm from the left transA={trans_a}, back with transA=1", n
    n = net()
    n.gemm_from_left(4, trans_b=1)
    n.matmul(6, left=True)
    n.unary("Tanh")
    n.gemm_from_left(3, trans_b=0, bias=False)
    n.unary("Softmax", axis=0)
    n.gemm_to_rows(1)
    yield "columns through MatMul and Softmax", n
    for op in ("Relu", "LeakyRelu", "Tanh", "Sigmoid", "Identity", "Softmax"):
        for width in (1, 3):
            n = net(3)
            n.matmul(width)
            n.unary(op)
            yield f"{op} {width} wide", n
    n = net(3)
    n.unary("LeakyRelu", alpha=0.2)
    yield "LeakyRelu alpha", n
    for axis, opset in ((1, 13), (-1, 13), (1, 11), (None, 9), (None, 17)):
        n = net(3, opset=opset)
        n.unary("Softmax", **({} if axis is None else {"axis": axis}))
        yield f"Softmax axis={axis} opset={opset}", n
    for op in ("Add", "Sub", "Mul", "Div"):
        for shape in ("row", "matrix", "one", "scalar"):
            for swapped in (False, True):
                if op == "Div" and swapped:
                    continue
                n = net(3, as_nodes=swapped)
                n.binary(op, shape, swapped, dtype=np.float64 if shape == "one" else np.float32)
                yield f"{op} {shape} swapped={swapped}", n
                n = net(6)
                n.binary(op, shape, swapped)
                n.gemm(5)
                n.binary(op, shape, swapped)
                n.unary("Tanh")
                n.matmul(1)
                n.binary(op, shape, swapped)
                yield f"{op} {shape} swapped={swapped} around Gemm", n
    for opset in (7, 10, 11, 13):
        for low, high in ((-0.5, 0.5), (None, 0.3), (-0.3, None), (None, None)):
            n = net(3, opset=opset)
            n.clip(low, high)
            yield f"Clip {low} {high} opset={opset}", n
    for shape in ((-1, 3), (0, 3), (0, -1), (-1, 0)):
        n = net(5)
        n.gemm(3)
        n.reshape(shape)
        n.unary("Flatten")
        n.unary("Flatten", axis=1)
        n.unary("Cast", to=TensorProto.FLOAT)
        n.unary("Sigmoid")
        yield f"Reshape {shape}, Flatten, Cast", n
    n = Net(random, 300)
    n.gemm(200)
    n.unary("Relu")
    n.gemm(1)
    yield "a wide one", n
    n = Net(random, 1)
    n.gemm(1)
    yield "one to one", n
    for i in range(25):  # chains of chance
        n = net(int(random.randint(1, 40)), opset=int(random.choice([9, 11, 13, 15, 17])),
                as_nodes=bool(random.randint(2)))
        for _ in range(random.randint(1, 8)):
            pick = random.randint(6)
            if pick == 0:
                n.gemm(int(random.randint(1, 40)), int(random.randint(2)))
            elif pick == 1:
                n.matmul(int(random.randint(1, 40)))
            elif pick == 2:
                n.binary(str(random.choice(["Add", "Sub", "Mul", "Div"])), "row")
            elif pick == 3:
                n.clip(-1.5, 1.5)
            else:
                n.unary(str(random.choice(["Relu", "LeakyRelu", "Tanh", "Sigmoid", "Softmax",
                                           "Identity"])))
        n.gemm(int(random.choice([1, 3])))
        n.unary("Tanh")
        yield f"chain {i}", n


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    random = np.random.RandomState(seed)
    worst, count = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for label, net in cases(random):
            # a process each takes its time under sanitizers; test_op.c compares them all
            isas = ("scalar", "avx2", "avx512") if count % 6 == 0 else (("best", "scalar")[count % 2],)
            worst = max(worst, check(sys.argv[1], folder, label, net, isas))
            count += 1
    print(f"{count} graphs, seed {seed}: greatest relative error {worst:.2g}, {ERROR_MAX:g} allowed")


if __name__ == "__main__":
    main()

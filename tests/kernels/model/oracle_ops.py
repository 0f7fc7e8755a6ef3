#!/usr/bin/python3
"""Single ONNX operations of nets, made by python3-onnx and evaluated here in plain numpy (float64): `model import` and `model run` must agree
within 3e-6 of the greater of 1 and the value; types of weights, data in files beside the model, and which output. Usage:
oracle_ops.py PATH_OF_MODEL_COMMAND"""
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import TensorProto, external_data_helper, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; Debian's python3-onnx and python3-numpy are needed")
    sys.exit(77)

ERROR_MAX = 3e-6
CASES = 6
random = np.random.RandomState(3)


def wide(x):
    return np.asarray(x, dtype=np.float64)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class Case:
    """Nodes over x [1, rows, columns]; want(x [rows, columns]) is the answer to one window."""

    def __init__(self, name, rows, columns, opset=17):
        self.name, self.rows, self.columns, self.opset = name, rows, columns, opset
        self.nodes, self.tensors, self.outputs, self.want = [], [], [("y", TensorProto.FLOAT)], None
        self.arguments, self.refused = [], None

    def constant(self, values, dtype=np.float32):
        return self.tensor(numpy_helper.from_array(np.ascontiguousarray(values, dtype), f"c{len(self.tensors)}"))

    def tensor(self, tensor):
        self.tensors.append(tensor)
        return tensor.name

    def node(self, op, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"n{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def end(self, value, want, name="y", kind="ReduceSum"):
        """The answer: value, flat, as one row; where it is wide, times fixed weights."""
        self.want = want
        self.nodes.append(helper.make_node("Reshape", [value, self.constant([1, -1], np.int64)], [name], name=f"end_{name}"))
        return self

    def model(self):
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, self.rows, self.columns])],
            [helper.make_tensor_value_info(name, kind, None) for name, kind in self.outputs], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        return model


def command(binary, *arguments):
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)


def check(binary, case, folder, save=None):
    source = folder / "m.onnx"
    if save:
        save(case.model(), source)
    else:
        source.write_bytes(case.model().SerializeToString())
    names = ",".join(f"f{i}" for i in range(case.columns))
    done = command(binary, "import", source, "--features", names, "--out", folder / "m.st", *case.arguments)
    if case.refused:
        if done.returncode == 3 and case.refused in done.stderr:
            return None
        return f"'{case.refused}' was to be said, not {done.returncode}, {done.stderr}"
    if done.returncode:
        return done.stderr
    x = random.normal(0, 1, (CASES, case.rows, case.columns)).astype(np.float32)
    np.save(folder / "x.npy", x if case.rows > 1 else x[:, 0])
    done = command(binary, "run", folder / "m.st", "--input", folder / "x.npy", "--out", folder / "y.npy")
    if done.returncode:
        return done.stderr
    got = np.load(folder / "y.npy")
    want = np.stack([np.asarray(case.want(wide(row))).reshape(-1) for row in x])
    if got.shape != want.shape:
        return f"{got.shape}, not {want.shape}"
    error = (np.abs(got - want) / np.maximum(1.0, np.abs(want))).max()
    return None if error <= ERROR_MAX else f"off by {error:.2g}"


def einsums():
    for equation, shapes in (("bij,jk->bik", [(5, 4)]), ("bij,kj->bik", [(3, 5)]), ("bij,bkj->bik", ["x"]), ("bij,bik->bjk", ["x"]),
                             ("bij->bji", []), ("bij->b", []), ("bij->bj", []), ("bij,j->i", [(5,)]), ("bij,i,j->b", [(4,), (5,)]),
                             ("bij,jk,kl->bil", [(5, 3), (3, 2)]), ("bij,bij->bij", ["x"]), ("bij,jkl->blik", [(5, 2, 3)]),
                             (" b i j , j k ", [(5, 2)]), ("bij,kij->bk", [(3, 4, 5)]), ("bij,k->bk", [(2,)])):
        c = Case(f"Einsum {equation}", 4, 5)
        parts = [s if s == "x" else random.normal(0, 1, s).astype(np.float32) for s in shapes]
        names = ["x" if isinstance(p, str) else c.constant(p) for p in parts]
        # older numpy wants "->" and no blanks to be sure of the order
        yield c.end(c.node("Einsum", ["x", *names], equation=equation), lambda x, e=equation, parts=parts: np.einsum(
            e.replace(" ", ""), x[None], *[x[None] if isinstance(p, str) else wide(p) for p in parts]))
    for equation, says in (("b...j,jk->b...k", "'.'"), ("bij,jj->bi", "no diagonals"), ("bij,bik,bi->", "terms for 2"), ("bij,jk->bz", "axis z"),
                           ("bi,jk->bk", "names 2 axes"), ("bij,ik->bjk", "axis i of 4 and of 5")):
        c = Case(f"Einsum {equation}", 4, 5)
        c.end(c.node("Einsum", ["x", c.constant(np.ones((5, 5)))], equation=equation), None)
        c.refused = says
        yield c


def places():
    at = np.array([[0, 4, -1], [2, 2, 0], [1, 0, 3], [-5, 1, 2]], np.int64)
    c = Case("GatherElements", 4, 5)
    yield c.end(c.node("GatherElements", ["x", c.constant(at[None], np.int64)], axis=2), lambda x: np.take_along_axis(x, at % 5, 1))
    c = Case("GatherElements of rows", 4, 5)
    down = np.array([[3, 0, -2, 1, 1]], np.int64)
    yield c.end(c.node("GatherElements", ["x", c.constant(down[None], np.int64)], axis=1), lambda x: np.take_along_axis(x, down % 4, 0))
    c = Case("GatherND", 4, 5)
    yield c.end(c.node("GatherND", ["x", c.constant([[0, 3], [0, -1]], np.int64)]), lambda x: x[[3, 3]])
    c = Case("GatherND of values", 4, 5)
    yield c.end(c.node("GatherND", ["x", c.constant([[0, 3, 1], [0, -1, 4]], np.int64)]), lambda x: np.array([x[3, 1], x[3, 4]]))
    c = Case("ScatterElements of constants", 4, 5)
    new = random.normal(0, 1, (1, 4, 2)).astype(np.float32)
    where = np.array([[[0, 3], [1, -1], [2, 0], [4, 1]]], np.int64)

    def scattered(x):
        x = x.copy()
        np.put_along_axis(x, where[0] % 5, wide(new[0]), 1)
        return x
    yield c.end(c.node("ScatterElements", ["x", c.constant(where, np.int64), c.constant(new)], axis=-1), scattered)
    c = Case("ScatterND of what is computed, over constants", 4, 5)
    base = random.normal(0, 1, (3, 5)).astype(np.float32)
    row = c.node("Slice", ["x", c.constant([3], np.int64), c.constant([4], np.int64), c.constant([1], np.int64)])
    flat = c.node("Reshape", [row, c.constant([1, 5], np.int64)])

    def over(x):
        y = wide(base).copy()
        y[1] = x[3]
        return y
    yield c.end(c.node("ScatterND", [c.constant(base), c.constant([[1]], np.int64), flat]), over)
    for op, inputs, says, attributes in (
            ("ScatterND", [[[0, 4]], np.zeros((1, 5))], "place 4 of an axis of 4", {}),
            ("ScatterND", [[[0, 1]], np.zeros((2, 5))], "[2,5] values for places of [1,5]", {}),
            ("ScatterND", [[[0, 1]], np.zeros((1, 5))], "reduction add; none", {"reduction": "add"}),
            ("GatherND", [[[0, 1]]], "batch_dims 1; 0 is supported", {"batch_dims": 1})):
        c = Case(f"{op}: {says}", 4, 5)
        names = [c.constant(inputs[0], np.int64)] + [c.constant(i) for i in inputs[1:]]
        c.end(c.node(op, ["x", *names], **attributes), None)
        c.refused = says
        yield c
    c = Case("GatherElements at computed places", 4, 5)
    c.end(c.node("GatherElements", ["x", c.node("Cast", ["x"], to=TensorProto.INT64)], axis=1), None)
    c.refused = "is computed from the features; places must be known at import"
    yield c


def sums():
    for exclusive in (0, 1):
        for reverse in (0, 1):
            for axis in (1, -1):
                def want(x, exclusive=exclusive, reverse=reverse, axis=axis):
                    n = x.shape[0 if axis == 1 else 1]
                    take = np.tri(n, k=-exclusive).T
                    take = take.T if reverse else take
                    return take.T @ x if axis == 1 else x @ take
                c = Case(f"CumSum axis {axis}, exclusive {exclusive}, reverse {reverse}", 4, 5)
                yield c.end(c.node("CumSum", ["x", c.constant(axis, np.int64)], exclusive=exclusive, reverse=reverse), want)


def pools():
    for op in ("MaxPool", "AveragePool"):
        for kernel, stride, pads, include in ((3, 2, (0, 0), 0), (3, 2, (1, 1), 0), (3, 2, (1, 1), 1), (2, 3, (1, 0), 1), (4, 3, (0, 2), 0), (3, 3, (1, 1), 1)):
            if op == "MaxPool" and include:
                continue

            def want(x, op=op, kernel=kernel, stride=stride, pads=pads, include=include):
                size, out = x.shape[1], []
                for begin in range(-pads[0], size, stride):  # a window begins before the padding behind
                    if begin + kernel > size + pads[1] and begin - stride + kernel >= size + pads[1]:
                        break  # the one before was whole, or the last
                    at = range(begin, begin + kernel)
                    inside = [x[:, i] for i in at if 0 <= i < size]
                    if op == "MaxPool":
                        out.append(np.max(inside, axis=0))
                    else:
                        cnt = sum(-pads[0] <= i < size + pads[1] for i in at) if include else len(inside)
                        out.append(np.sum(inside, axis=0) / cnt)
                return np.stack(out, 1)
            c = Case(f"{op} {kernel} by {stride}, pads {pads}, ceil_mode 1, count_include_pad {include}", 3, 8)
            more = {"count_include_pad": 1} if include else {}
            yield c.end(c.node(op, ["x"], kernel_shape=[kernel], strides=[stride], pads=list(pads), ceil_mode=1, **more), want)


def recurrent():
    rows, inputs, units = 7, 5, 6
    normal = lambda *shape: random.normal(0, 0.4, shape).astype(np.float32)
    for reset in (0, 1):
        for direction in ("forward", "bidirectional"):
            d = 2 if direction == "bidirectional" else 1
            w, r, b = normal(d, 3 * units, inputs), normal(d, 3 * units, units), normal(d, 6 * units)

            def want(x, reset=reset, d=d, w=wide(w), r=wide(r), b=wide(b)):
                out = np.zeros((rows, d, units))
                for k in range(d):
                    h, (wz, wr, wh), (rz, rr, rh) = np.zeros(units), np.split(w[k], 3), np.split(r[k], 3)
                    bz, br, bh, cz, cr, ch = np.split(b[k], 6)
                    for i in (range(rows - 1, -1, -1) if k else range(rows)):
                        z, reset_gate = sigmoid(wz @ x[i] + rz @ h + bz + cz), sigmoid(wr @ x[i] + rr @ h + br + cr)
                        inner = reset_gate * (rh @ h + ch) if reset else rh @ (reset_gate * h) + ch
                        h = (1 - z) * np.tanh(wh @ x[i] + bh + inner) + z * h
                        out[i, k] = h
                return out
            c = Case(f"GRU {direction}, linear_before_reset {reset}", rows, inputs)
            turned = c.node("Transpose", ["x"], perm=[1, 0, 2])
            y, _ = c.node("GRU", [turned, c.constant(w), c.constant(r), c.constant(b)], outputs=2, hidden_size=units,
                          linear_before_reset=reset, direction=direction)
            yield c.end(y, want)
    for direction in ("forward", "reverse", "bidirectional"):
        d = 2 if direction == "bidirectional" else 1
        w, r, b = normal(d, 4 * units, inputs), normal(d, 4 * units, units), normal(d, 8 * units)

        def states(x, direction=direction, d=d, w=wide(w), r=wide(r), b=wide(b)):
            hs, cs = [], []
            for k in range(d):
                h = c = np.zeros(units)
                back = direction == "reverse" or k
                for i in (range(rows - 1, -1, -1) if back else range(rows)):
                    i_, o, f, g = np.split(w[k] @ x[i] + r[k] @ h + b[k][:4 * units] + b[k][4 * units:], 4)
                    c = sigmoid(f) * c + sigmoid(i_) * np.tanh(g)
                    h = sigmoid(o) * np.tanh(c)
                hs.append(h), cs.append(c)
            return np.concatenate([np.stack(cs), np.stack(hs)], 0)
        c = Case(f"LSTM {direction}, its last c and h", rows, inputs)
        turned = c.node("Transpose", ["x"], perm=[1, 0, 2])
        _, h, last = c.node("LSTM", [turned, c.constant(w), c.constant(r), c.constant(b)], outputs=3, hidden_size=units, direction=direction)
        yield c.end(c.node("Concat", [last, h], axis=0), states)


def branches():
    for chosen in (True, False):
        c = Case(f"If {chosen}", 3, 4)
        made = []
        for op in ("Add", "Mul"):
            inner = numpy_helper.from_array(np.float32(2.5), "k")
            node = helper.make_node(op, ["x", "k"], ["inner"])
            made.append(helper.make_graph([node], op, [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)], [inner]))
        test = c.node("Equal", [c.node("Gather", [c.node("Shape", ["x"]), c.constant(1, np.int64)]), c.constant(3 if chosen else 9, np.int64)])
        y = c.node("If", [test], then_branch=made[0], else_branch=made[1])
        again = c.node("If", [test], then_branch=made[0], else_branch=made[1])
        yield c.end(c.node("Sub", [c.node("Mul", [y, y]), again]), lambda x, t=chosen: (x + 2.5) ** 2 - (x + 2.5) if t else (x * 2.5) ** 2 - x * 2.5)
    c = Case("If by the features", 3, 4)
    test = c.node("Greater", [c.node("ReduceSum", ["x"], keepdims=0), c.constant(0.0)])
    c.end(c.node("If", [test], then_branch=made[0], else_branch=made[1]), None)
    c.refused = "its condition is computed from the features"
    yield c


def weights():
    base = random.normal(0, 1, (5, 3)).astype(np.float32)
    half = base.astype(np.float16)
    brain = base.view(np.uint32) >> 16
    c = Case("FLOAT16 weights", 4, 5)
    yield c.end(c.node("MatMul", ["x", c.node("Cast", [c.constant(half, np.float16)], to=TensorProto.FLOAT)]), lambda x: x @ wide(half))
    c = Case("FLOAT16 weights in a list, computed with as they are", 4, 5)
    bits = helper.make_tensor("w", TensorProto.FLOAT16, (5, 3), half.view(np.uint16).astype(np.int32).ravel(), raw=False)
    bits.ClearField("int32_data")
    bits.int32_data.extend(int(v) for v in half.view(np.uint16).ravel())
    narrow = c.node("MatMul", [c.node("Cast", ["x"], to=TensorProto.FLOAT16), c.tensor(bits)])
    yield c.end(c.node("Cast", [narrow], to=TensorProto.FLOAT), lambda x: x @ wide(half))
    c = Case("BFLOAT16 weights", 4, 5)
    tensor = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=[5, 3], raw_data=brain.astype("<u2").tobytes())
    exact = wide((brain << 16).astype(np.uint32).view(np.float32))
    yield c.end(c.node("MatMul", ["x", c.tensor(tensor)]), lambda x: x @ exact)
    c = Case("FLOAT16 denormals are floats", 1, 2)
    tiny = np.array([6e-8, 3e-5], np.float16)
    yield c.end(c.node("Div", ["x", c.constant(tiny, np.float16)]), lambda x: x / wide(tiny))
    c = Case("DOUBLE weights", 4, 5)
    yield c.end(c.node("MatMul", ["x", c.constant(wide(base), np.float64)]), lambda x: x @ wide(base))
    for name, dtype, value, says in (("DOUBLE", np.float64, 1e300, 'tensor "c0": element 4 is 1e+300: no finite float'),
                                     ("FLOAT16 NaN", np.float16, np.nan, 'tensor "c0": element 4 is nan'),
                                     ("FLOAT16", np.float16, np.inf, "element 4 is inf")):
        c = Case(f"{name} out of range", 4, 5)
        bad = base.astype(dtype)
        bad[1, 1] = value
        c.end(c.node("MatMul", ["x", c.constant(bad, dtype)]), None)
        c.refused = says
        yield c


def outputs():
    for name, asked, want in (("a", ["--output", "a"], lambda x: x + 1.0), ("b", ["--output", "b"], lambda x: x * 2.0)):
        c = Case(f"output {name} of three", 1, 4)
        c.end(c.node("Add", ["x", c.constant(1.0)]), want, "a")
        c.end(c.node("Mul", ["x", c.constant(2.0)]), want, "b")
        c.nodes.append(helper.make_node("ArgMax", ["x"], ["label"], axis=1))
        c.outputs, c.arguments = [("a", TensorProto.FLOAT), ("b", TensorProto.FLOAT), ("label", TensorProto.INT64)], asked
        yield c
    for asked, says in (([], '2 outputs of floats, one is wanted: say --output with one of "a", "b"'), (["--output", "c"], 'no output "c"'),
                        (["--output", "label"], 'output "label" holds labels')):
        c = Case(f"outputs {asked}", 1, 4)
        c.end(c.node("Add", ["x", c.constant(1.0)]), None, "a")
        c.end(c.node("Mul", ["x", c.constant(2.0)]), None, "b")
        c.nodes.append(helper.make_node("ArgMax", ["x"], ["label"], axis=1))
        c.outputs, c.arguments, c.refused = [("a", TensorProto.FLOAT), ("b", TensorProto.FLOAT), ("label", TensorProto.INT64)], asked, says
        yield c
    for op, says in (("ArgMax", "no labels are computed: take the scores before it"), ("Attention", "export with opset_version=18"),
                     ("Loop", "export it unrolled"), ("Softmx", "did you mean Softmax?"), ("DFT", "make the spectrum a feature")):
        c = Case(f"{op} is refused", 1, 4)
        c.end(c.node(op, ["x"]), None)
        c.refused = f"({op}): is not supported"
        yield c
        c = Case(f"{op} is refused with advice", 1, 4)
        c.end(c.node(op, ["x"]), None)
        c.refused = says
        yield c


def in_another_file(change=None):
    """Writes the model with its tensors in m.data; change(entries by key) spoils where the first one lies."""
    def save(model, path):
        external_data_helper.convert_model_to_external_data(model, all_tensors_to_one_file=True, location="m.data", size_threshold=0)
        for tensor in external_data_helper._get_all_tensors(model):
            if external_data_helper.uses_external_data(tensor):
                external_data_helper.save_external_data(tensor, str(path.parent))
                tensor.ClearField("raw_data")
        if change:
            tensor = model.graph.initializer[0]
            entries = {e.key: e.value for e in tensor.external_data}
            change(entries, path.parent)
            del tensor.external_data[:]
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)
        path.write_bytes(model.SerializeToString())
    return save


def external(binary, folder):
    base = random.normal(0, 1, (5, 3)).astype(np.float32)

    def case(refused=None):
        c = Case("data in another file", 4, 5)
        c.end(c.node("Add", [c.node("MatMul", ["x", c.constant(base)]), c.constant(base[0])]), lambda x: x @ wide(base) + wide(base[0]))
        c.refused = refused
        return c

    def put(**entries):
        return lambda at, _: at.update(entries)

    def link(at, where):
        (where / "linked").unlink(missing_ok=True)
        (where / "linked").symlink_to("m.data")
        at["location"] = "linked"

    def linked_folder(at, where):
        (where / "away").unlink(missing_ok=True)
        (where / "away").symlink_to(".")
        at["location"] = "away/m.data"

    def sub(at, where):
        (where / "part").mkdir(exist_ok=True)
        (where / "part/w.data").write_bytes((where / "m.data").read_bytes())
        at["location"] = "part/w.data"
    yield "as it is written", check(binary, case(), folder, in_another_file())
    yield "in a folder below", check(binary, case(), folder, in_another_file(sub))
    for name, change, says in (
            ("up", put(location="../m.data"), 'without ".."'), ("down and up", put(location="part/../m.data"), 'without ".."'),
            ("from the root", put(location="/etc/passwd"), "a path below"), ("no name", put(location=""), "no name"),
            ("not there", put(location="missing.data"), "No such file"), ("a link", link, "a symbolic link"),
            ("a linked folder", linked_folder, "away/m.data: "), ("a folder", put(location="."), "no regular file"),
            ("offset past the end", put(offset="4096"), "60 bytes at offset 4096"),
            ("offset that overflows", put(offset="18446744073709551610"), "at offset 18446744073709551610"),
            ("offset of 2^64", put(offset="18446744073709551616"), "is no number"), ("negative", put(offset="-4"), "is no number"),
            ("length", put(length="56"), "56 bytes in m.data, its dimensions say 60"), ("words", put(length="all"), "is no number")):
        c = case(says)
        done = check(binary, c, folder, in_another_file(change))
        if done and says in done and "not 1," in done:  # a file that is not there: failed, not bad data
            done = None
        yield name, done


def main():
    binary, bad, count = sys.argv[1], 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for family in (einsums, places, sums, pools, recurrent, branches, weights, outputs):
            for case in family():
                failure = check(binary, case, folder)
                count += 1
                if failure:
                    print(f"{case.name}: {failure.strip()[:600]}")
                bad += bool(failure)
        for label, failure in external(binary, folder):
            count += 1
            if failure:
                print(f"data in another file, {label}: {failure.strip()[:300]}")
            bad += bool(failure)
    print(f"{count} cases, {bad} bad")
    sys.exit(1 if bad else 0)


main()

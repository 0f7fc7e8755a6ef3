"""Peers of peer_model.py: what runs a model from the folder of tools/make_bench_models.py, one class a runtime. Each makes
itself ready in its constructor, once; raises Missing, saying what, where it cannot. run(row) answers; bound() makes what is timed, with
its input in place; empty() is the same call around nothing, what Python and the runtime's door cost."""
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np


class Missing(Exception):
    pass


def module_of(name):
    try:
        return __import__(name)
    except ImportError as error:
        raise Missing(str(error)) from None


class OnnxRuntime:
    """One thread, the CPU provider, its graph optimised as far as it goes, input and output bound once."""

    def __init__(self, folder, name, case):
        self.library = module_of("onnxruntime")
        self.label = f"onnxruntime {self.library.__version__}"
        self.dims = case.onnx_dims
        begin = time.perf_counter()
        self.session = self.open(str(self.source(folder, name)))
        self.run(case.x[0])
        self.load_ms = 1e3 * (time.perf_counter() - begin)

    def source(self, folder, name):
        return folder / f"{name}.onnx"

    def open(self, source):
        options = self.library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = self.library.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        return self.library.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def run(self, row):
        return self.session.run(None, {self.session.get_inputs()[0].name: row.reshape(self.dims)})[0].ravel()

    def bind(self, session, row):
        binding = session.io_binding()
        self.kept = getattr(self, "kept", []) + [row]  # the binding does not hold it
        binding.bind_cpu_input(session.get_inputs()[0].name, row)
        binding.bind_output(session.get_outputs()[0].name)
        run = session.run_with_iobinding
        return lambda: run(binding)

    def bound(self, row):
        return self.bind(self.session, row.reshape(self.dims).copy())

    def empty(self):
        onnx = module_of("onnx")
        value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "empty", [value("x")], [value("y")])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
        model.ir_version = 7
        return self.bind(self.open(model.SerializeToString()), np.zeros(1, np.float32))


class OnnxRuntimeInt8(OnnxRuntime):
    """Its own dynamic quantisation of the weights."""

    def __init__(self, folder, name, case):
        super().__init__(folder, name, case)
        self.label += " int8"

    def source(self, folder, name):
        target = folder / f"{name}.ort_int8.onnx"
        if not target.exists():
            module_of("onnxruntime")
            from onnxruntime.quantization import QuantType, quantize_dynamic
            quantize_dynamic(folder / f"{name}.onnx", target, weight_type=QuantType.QInt8, per_channel=True)
        import onnx
        if not any("Integer" in n.op_type or "Quant" in n.op_type for n in onnx.load(target).graph.node):
            raise Missing("nothing in this model is quantised")
        return target


class Torch:
    """One thread, inference mode. A way each: eager, a frozen trace, compiled by inductor."""

    def __init__(self, folder, name, case, way):
        if name == "gbt":
            raise Missing("trees are no PyTorch module")
        self.library = module_of("torch")
        self.library.set_num_threads(1)
        self.way, self.label = way, f"torch {self.library.__version__.split('+')[0]} {way}"
        sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))
        self.dims = case.onnx_dims
        made = __import__("make_bench_models").module(name)
        begin = time.perf_counter()
        with self.library.inference_mode():
            self.module = self.ready(made, self.library.from_numpy(case.x[0].reshape(self.dims)))
        self.run(case.x[0])
        self.load_ms = 1e3 * (time.perf_counter() - begin)

    def ready(self, module, x):
        torch = self.library
        if self.way == "traced":
            return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, x)))
        return torch.compile(module, fullgraph=True, options={"freezing": True}) if self.way == "compiled" else module

    def run(self, row):
        with self.library.inference_mode():
            return self.module(self.library.from_numpy(row.reshape(self.dims))).numpy().ravel()

    def bind(self, module, x):
        guard = self.library.inference_mode()
        guard.__enter__()  # for good: nothing else of torch is called
        return lambda: module(x)

    def bound(self, row):
        return self.bind(self.module, self.library.from_numpy(row.reshape(self.dims).copy()))

    def empty(self):
        x = self.library.zeros(1)
        with self.library.inference_mode():
            return self.bind(self.ready(self.library.nn.Identity() if self.way == "eager" else Twice(self.library), x), x)


def Twice(torch):
    """The least that a trace keeps."""
    class Module(torch.nn.Module):
        def forward(self, x):
            return x + x
    return Module().eval()


class LightGbm:
    """Its C interface for single rows, with everything that can be prepared prepared."""

    def __init__(self, folder, name, case):
        if name != "gbt":
            raise Missing("no trees")
        library = module_of("lightgbm")
        self.label = f"lightgbm {library.__version__} C"
        self.c, self.booster, self.config = library.basic._LIB, ctypes.c_void_p(), ctypes.c_void_p()
        begin, trees = time.perf_counter(), ctypes.c_int()
        self.check(self.c.LGBM_BoosterCreateFromModelfile(str(folder / "gbt.txt").encode(), ctypes.byref(trees), ctypes.byref(self.booster)))
        self.check(self.c.LGBM_BoosterPredictForMatSingleRowFastInit(
            self.booster, 0, 0, -1, 0, ctypes.c_int(case.x.shape[-1]), b"num_threads=1", ctypes.byref(self.config)))  # float32
        self.run(case.x[0])
        self.load_ms = 1e3 * (time.perf_counter() - begin)

    def check(self, code):
        if code:
            raise Missing("its C interface refuses")

    def bound(self, row):
        self.row, self.out, self.length = np.ascontiguousarray(row.ravel()), np.zeros(1), ctypes.c_int64()
        call = self.c.LGBM_BoosterPredictForMatSingleRowFast
        arguments = (self.config, ctypes.c_void_p(self.row.ctypes.data), ctypes.byref(self.length), ctypes.c_void_p(self.out.ctypes.data))
        return lambda: call(*arguments)

    def run(self, row):
        self.check(self.bound(row)())
        return self.out.copy()

    def empty(self):
        call, target = self.c.LGBM_BoosterGetNumClasses, ctypes.c_int()
        arguments = (self.booster, ctypes.byref(target))
        return lambda: call(*arguments)


class Treelite:
    """Its trees as C (tl2cgen), compiled by the system's compiler at -O3 for this CPU."""

    def __init__(self, folder, name, case):
        if name != "gbt":
            raise Missing("no trees")
        treelite, tl2cgen = module_of("treelite"), module_of("tl2cgen")
        self.label, target = f"treelite {treelite.__version__} C", folder / "gbt.treelite.so"
        if not target.exists():
            with tempfile.TemporaryDirectory() as work:
                model = treelite.frontend.load_lightgbm_model(str(folder / "gbt.txt"))
                tl2cgen.generate_c_code(model, dirpath=work, params={"parallel_comp": 8})
                sources = [str(p) for p in pathlib.Path(work).glob("*.c")]
                subprocess.run([os.environ.get("CC", "gcc"), "-O3", "-march=native", "-shared", "-fPIC", "-o", target, *sources, "-lm"], check=True)
        begin = time.perf_counter()
        self.c = ctypes.CDLL(str(target))
        self.run(case.x[0])
        self.load_ms = 1e3 * (time.perf_counter() - begin)

    def bound(self, row):
        entries = np.zeros(row.size, np.float64)  # union Entry { int missing; double fvalue; int qvalue; }
        entries[:] = row.ravel()
        self.entries, self.out = entries, np.zeros(1, np.float64)
        call, arguments = self.c.predict, (ctypes.c_void_p(entries.ctypes.data), 0, ctypes.c_void_p(self.out.ctypes.data))
        return lambda: call(*arguments)

    def run(self, row):
        self.bound(row)()
        return self.out.copy()

    def empty(self):
        return self.c.get_num_feature


PEERS = {"onnxruntime": OnnxRuntime, "onnxruntime_int8": OnnxRuntimeInt8,
         **{f"torch_{way}": (lambda folder, name, case, way=way: Torch(folder, name, case, way)) for way in ("eager", "traced", "compiled")},
         "lightgbm": LightGbm, "treelite": Treelite}

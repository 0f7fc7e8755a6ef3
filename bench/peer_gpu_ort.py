#!/usr/bin/env python3
"""ONNX Runtime with its CUDA provider, one shape, one row of the batch, its own CUDA graph where the provider can capture it, inputs and outputs
bound: what ./dev gpu compares with; Python's part of the time is in it, once a run. Exit 77 where it or the card is not there."""
import sys

from peer_gpu_shapes import SHAPES, arguments, rows_of, show

try:
    import numpy as np
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}", file=sys.stderr)
    sys.exit(77)


def model_of(window, inputs, layers, units, kind):
    """An LSTM a layer, then a product: [window, 1, inputs] to [1, 1, 1]."""
    draw, weights, nodes, at = np.random.default_rng(1), [], [], "x"

    def weight(name, *shape):
        weights.append(numpy_helper.from_array((draw.standard_normal(shape) * 0.1).astype(kind), name))
        return name

    for n in range(layers):
        names = [weight(f"w{n}", 1, 4 * units, inputs if n == 0 else units), weight(f"r{n}", 1, 4 * units, units), weight(f"b{n}", 1, 8 * units)]
        nodes.append(helper.make_node("LSTM", [at, *names], [f"y{n}", f"h{n}"], hidden_size=units))
        weights.append(numpy_helper.from_array(np.array([window, 1, units], np.int64), f"s{n}"))
        nodes.append(helper.make_node("Reshape", [f"y{n}", f"s{n}"], [f"z{n}"]))
        at = f"z{n}"
    nodes.append(helper.make_node("MatMul", [f"h{layers - 1}", weight("head", units, 1)], ["y"]))
    tensor = TensorProto.FLOAT16 if kind == np.float16 else TensorProto.FLOAT
    graph = helper.make_graph(nodes, "peer", [helper.make_tensor_value_info("x", tensor, [window, 1, inputs])],
                              [helper.make_tensor_value_info("y", tensor, [1, 1, 1])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def session_of(model, on_card):
    if not on_card:
        return ort.InferenceSession(model, providers=["CPUExecutionProvider"]), False
    try:
        options = {"enable_cuda_graph": "1"}
        return ort.InferenceSession(model, providers=[("CUDAExecutionProvider", options)]), True
    except Exception as refused:  # an operator that it would run on the CPU
        print(f"no CUDA graph: {refused}", file=sys.stderr)
        return ort.InferenceSession(model, providers=["CUDAExecutionProvider"]), False


def tick_of(session, host, kind, on_card):
    device = "cuda" if on_card else "cpu"
    x = ort.OrtValue.ortvalue_from_numpy(host, device, 0)
    y = ort.OrtValue.ortvalue_from_shape_and_type([1, 1, 1], kind, device, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", x)
    binding.bind_ortvalue_output("y", y)

    def tick():
        x.update_inplace(host)
        session.run_with_iobinding(binding)
        return y.numpy().item()
    return tick


def main():
    asked, rows = arguments(__doc__), []
    on_card = asked.device == "cuda"
    if on_card and "CUDAExecutionProvider" not in ort.get_available_providers():
        print("skipped: this onnxruntime has no CUDA provider", file=sys.stderr)
        return 77
    kind = np.float16 if on_card else np.float32
    for name in asked.models.split(","):
        window, inputs, layers, units = SHAPES[name]
        session, is_graph = session_of(model_of(window, inputs, layers, units, kind), on_card)
        host = np.random.default_rng(2).standard_normal((window, 1, inputs)).astype(kind)
        peer = "ort_cpu" if not on_card else "ort_cuda_graph" if is_graph else "ort_cuda"
        rows += rows_of(peer, name, tick_of(session, host, kind, on_card), asked.ticks, asked.warm)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

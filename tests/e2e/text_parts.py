"""The example's model of texts (tests/data/text/news.onnx), which classifies and embeds, taken apart: a model for each."""
import onnx
from harness import SMALL, run

TEXT = SMALL / "text"
LABELS = "negative:-1,neutral:0,positive:1"
WIDTH = 32  # of its embedding
CONCAT_MAX = 32  # inputs that the import takes


def write_parts(path, times=1):
    """An ONNX file with the outputs "labels" and "embedding", the latter so many times one behind the other."""
    model = onnx.load(TEXT / "news.onnx")
    graph = model.graph
    joint = graph.node[-1]
    assert joint.op_type == "Concat" and list(joint.output) == ["answer"], "news.onnx ends with another node"
    named = [onnx.helper.make_node("Identity", [joint.input[0]], ["labels"]),
             onnx.helper.make_node("Concat", [joint.input[1]] * min(times, CONCAT_MAX), ["most"], axis=-1),
             onnx.helper.make_node("Concat", ["most"] + [joint.input[1]] * max(times - CONCAT_MAX, 0), ["embedding"], axis=-1)]
    graph.node.remove(joint)
    del graph.output[:]
    graph.node.extend(named)
    graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
                        for name, width in (("labels", 3), ("embedding", WIDTH * times)))
    onnx.save(model, path)


def import_model(out, *more, file=TEXT / "news.onnx", lengths="16,32,64", expect=0):
    return run("model", "import", file, "--vocab", TEXT / "vocab.txt", "--lengths", lengths, "--out", out, *more, expect=expect)


def import_classifier(out, onnx_parts, labels=LABELS, **more):
    return import_model(out, "--output", "labels", "--labels", labels, file=onnx_parts, **more)


def import_embedder(out, onnx_parts, **more):
    return import_model(out, "--output", "embedding", file=onnx_parts, **more)

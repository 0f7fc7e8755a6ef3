"""Models that other runtimes answer: the lane does not wait, answers and misses are events, what stands in is declared, and a
replay of the capture decides the same without any runtime (ADR 0031)."""
import glob
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, main, replay, run, wait_until
from test_control import Engine
from test_live import Exchange

MODELS = ROOT / "models"
ONNX, OURS = MODELS / "example-lstm.onnx", MODELS / "example-lstm.safetensors"
FEATURES = [line.split("#")[0].strip() for line in (MODELS / "example-lstm.features").read_text().splitlines()]
FEATURES = [line for line in FEATURES if line]
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"
ANYWHERE = ["/usr/lib/*/libonnxruntime.so.1", "/usr/lib/libonnxruntime.so.1", "/usr/local/lib/libonnxruntime.so.1",
            f"{ROOT.parent}/*/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*",
            f"{ROOT.parent.parent}/*/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*",
            "/usr/local/lib/python3*/dist-packages/onnxruntime/capi/libonnxruntime.so.1.*",
            f"{pathlib.Path.home()}/.local/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*"]


def find_onnxruntime():
    named = os.environ.get("TF_ONNXRUNTIME")
    found = [named] if named else [path for pattern in ANYWHERE for path in sorted(glob.glob(pattern))]
    return found[0] if found else None


def hash_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:8]


def foreign(backend, name="far", **keys):
    """A model of the config; its features are those of the example."""
    keys = {"window": 20, "inputs": f"[{', '.join(json.dumps(f) for f in FEATURES)}]", **keys}
    return f"{{name: {name}, backend: {backend}, {', '.join(f'{k}: {v}' for k, v in keys.items())}}}"


def sets(*models, strategies="far"):
    """Each model has a strategy of its name, that records each decision."""
    rules = ", ".join(f"{{name: {s}, model: {s}, buy: 'score > 0.05', sell: 'score < -0.05', books: all}}"
                      for s in strategies.split())
    return [f"features=[{', '.join(json.dumps(f) for f in FEATURES)}]", f"models=[{', '.join(models)}]",
            f"strategies=[{rules}]"]


LOCAL = f"{{name: near, file: {OURS}}}"


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-runtimes-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def live(self, config, *more, enough=2000, until=None):
        """Runs until there are so many decisions, or until(engine); returns the summary and the decisions."""
        with Exchange() as exchange, Engine(exchange, self.folder, *config, f"capture.path={self.folder}/capture",
                                            *more) as engine:
            wait_until(lambda: engine.ask("status")["decisions"] > enough, what="decisions")
            if until:
                until(engine)
            engine.ask("drain")
            got = engine.end()
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        return got, engine.decisions()

    def check_replay(self, config, live, decisions):
        """On one thread and on three, with no runtime at all."""
        hidden = os.environ.pop("TF_ONNXRUNTIME", None)
        self.addCleanup(lambda: hidden and os.environ.update(TF_ONNXRUNTIME=hidden))
        config = [re.sub(r"library: [^,}]+", "library: /nowhere/libonnxruntime.so",
                         re.sub(r"[^ ]+\.onnx", "/nowhere/model.onnx", text)) for text in config]
        for lanes in ("engine.lanes=[{stages: all}]", THREE):
            journal = pathlib.Path(self.folder) / "again.journal"
            journal.unlink(missing_ok=True)
            again, _ = replay(f"{self.folder}/capture", config=str(ROOT / "configs" / "demo.yaml"),
                              args=["--decisions", journal], sets=[*config, lanes])
            for key in ("decisions_hash", "events_hash", "decisions"):
                self.assertEqual(again[key], live[key], (lanes, key))
            self.assertEqual(again["ledger"]["residual"], 0)
            out, _ = run("tail", journal, "--json")
            replayed = [json.loads(line) for line in out.splitlines()]
            self.assertEqual([(d["ingest_seq"], d["action"], d["score"], d["path"]) for d in replayed],
                             [(d["ingest_seq"], d["action"], d["score"], d["path"]) for d in decisions])


class OnnxRuntime(Case):
    def setUp(self):
        super().setUp()
        self.library = find_onnxruntime()
        if not self.library:
            self.skipTest("no libonnxruntime.so.1 (TF_ONNXRUNTIME, /usr/lib, pip's site-packages)")

    def model(self, **keys):
        return foreign("onnxruntime", file=ONNX, library=self.library, **keys)

    def check_answers(self, *more):
        config = sets(LOCAL, self.model(), strategies="near far")
        live, decisions = self.live(config, *more, enough=6000)
        runtime = live["models"]["far"]["runtime"]
        self.assertEqual(runtime["asked"], runtime["superseded"] + runtime["expired"] + runtime["answered"] +
                         sum(runtime["missed"].values()) + self.waiting(runtime), runtime)
        self.assertEqual(runtime["breaker"], "closed")
        self.assertGreater(runtime["answered"], 1000)
        ours = {}  # ticks that came with one receive have one time
        for d in decisions:
            if d["model_hash"] == hash_of(OURS):
                ours.setdefault((d["instrument"], d["ts_recv_ns"]), []).append(d["score"])
        theirs = [d for d in decisions if d["path"] == "onnxruntime"]
        self.assertEqual({d["model_hash"] for d in theirs}, {hash_of(ONNX)})
        fresh = [d for d in theirs if (d["instrument"], d["ts_event_ns"]) in ours and d["ts_event_ns"] != d["ts_recv_ns"]]
        self.assertGreater(len(fresh), 500)
        for d in fresh:  # an answer's ts_event is the receive time of the tick that it answers
            self.assertLess(min(abs(d["score"] - s) for s in ours[d["instrument"], d["ts_event_ns"]]), 1e-5, d)
        self.check_replay(config, live, decisions)

    def waiting(self, runtime):
        return runtime["asked"] - runtime["superseded"] - runtime["expired"] - runtime["answered"] - \
            sum(runtime["missed"].values())

    def test_answers_are_those_of_our_own_kernels_and_a_replay_needs_no_runtime(self):
        self.check_answers()


if __name__ == "__main__":
    main()

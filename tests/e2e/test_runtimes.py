"""Models that other runtimes answer: the lane does not wait, answers and misses are events, what stands in is declared, and a
replay of the capture decides the same without any runtime (ADR 0031)."""
import glob
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, main, replay, run, wait_until
from kserve_server import SCRIPTS, Server
from ports import free_port
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
        self.folder = self.whole = folder.name

    def live(self, config, *more, enough=2000, until=None):
        """Runs until there are so many decisions, or until(engine); returns the summary and the decisions."""
        self.folder = tempfile.mkdtemp(dir=self.whole)
        with Exchange() as exchange, Engine(exchange, self.folder, *config, f"capture.path={self.folder}/capture",
                                            *more) as engine:
            wait_until(lambda: engine.ask("status")["decisions"] > enough, what="decisions")
            if until:
                until(engine)
            engine.ask("drain")
            got = engine.end()
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        return got, engine.decisions()

    def check_against_ours(self, decisions, enough):
        """The answer to each tick is our own kernels' on the same tick."""
        ours = {}  # ticks that came with one receive have one time
        for d in decisions:
            if d["model_hash"] == hash_of(OURS):
                ours.setdefault((d["instrument"], d["ts_recv_ns"]), []).append(d["score"])
        theirs = [d for d in decisions if d["path"] in ("onnxruntime", "kserve")]
        fresh = [d for d in theirs if (d["instrument"], d["ts_event_ns"]) in ours and d["ts_event_ns"] != d["ts_recv_ns"]]
        self.assertGreater(len(fresh), enough)
        for d in fresh:  # an answer's ts_event is the receive time of the tick that it answers
            self.assertLess(min(abs(d["score"] - s) for s in ours[d["instrument"], d["ts_event_ns"]]), 1e-5, d)

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
        return foreign("onnxruntime", file=ONNX, library=self.library, **{"deadline": "1s", **keys})

    def check_answers(self, *more):
        config = sets(LOCAL, self.model(), strategies="near far")
        live, decisions = self.live(config, *more, enough=6000)
        runtime = live["models"]["far"]["runtime"]
        self.assertEqual(runtime["asked"], runtime["superseded"] + runtime["expired"] + runtime["answered"] +
                         sum(runtime["missed"].values()) + self.waiting(runtime), runtime)
        self.assertEqual(runtime["breaker"], "closed")
        self.assertGreater(runtime["answered"], 200)
        self.assertEqual({d["model_hash"] for d in decisions if d["path"] == "onnxruntime"}, {hash_of(ONNX)})
        self.check_against_ours(decisions, 100)
        self.check_replay(config, live, decisions)

    def waiting(self, runtime):
        return runtime["asked"] - runtime["superseded"] - runtime["expired"] - runtime["answered"] - \
            sum(runtime["missed"].values())

    def test_answers_are_those_of_our_own_kernels_and_a_replay_needs_no_runtime(self):
        self.check_answers()


class KServe(Case):
    """Against a server of our own that misbehaves on purpose."""

    def server(self, **keys):
        server = Server(len(FEATURES), rows=20, **keys)
        self.addCleanup(server.close)
        return server

    def model(self, server, **keys):
        return foreign("kserve", url=server.url(), **keys)

    def check_scores(self, server, decisions):
        """What the engine took is what the server said, in floats."""
        theirs = [d for d in decisions if d["path"] == "kserve"]
        self.assertGreater(len(theirs), 50)
        self.assertEqual({struct.pack("<f", d["score"]) for d in theirs} - {struct.pack("<f", s) for s in server.answers}, set())
        for d in theirs:
            self.assertGreaterEqual(d["ts_recv_ns"], d["ts_event_ns"])

    def test_answers_as_json_and_as_bytes_over_connections_that_stay(self):
        for binary in (False, True):
            with self.subTest(binary=binary):
                server = self.server(binary=binary)
                config = sets(self.model(server, deadline="5s", max_age="5s"))
                live, decisions = self.live(config)
                runtime = live["models"]["far"]["runtime"]
                self.assertEqual((runtime["missed"], runtime["breaker"]), ({}, "closed"))
                self.assertGreater(runtime["answered"], 200)
                self.check_scores(server, decisions)
                self.assertLessEqual(server.connections, 4)
                self.assertEqual(any("inference-header-content-length" in h for h in server.headers), binary)
                self.check_replay(config, live, decisions)

    def test_each_misbehaviour_has_its_reason_and_the_next_request_is_good(self):
        script = [one for bad in SCRIPTS for one in (bad, "good")]
        for binary in (False, True):
            with self.subTest(binary=binary):
                server = self.server(script=script, binary=binary)
                live, decisions = self.live(
                    sets(self.model(server, in_flight=1, deadline="500ms", breaker_limit=1000000)), enough=0,
                    until=lambda engine: wait_until(lambda: server.requests > 2 * len(script), seconds=120, what="scripts"))
                wanted = {}
                for one, cnt in server.met.items():
                    cause = SCRIPTS[one]
                    wanted[cause] = wanted.get(cause, 0) + cnt
                missed = live["models"]["far"]["runtime"]["missed"]
                off = {c: wanted[c] - missed.get(c, 0) for c in wanted if c}
                self.assertEqual(set(missed) - set(off), set())
                # What was on its way when the engine ended, one for each instrument at most, has no outcome.
                self.assertGreaterEqual(min(off.values()), 0, (off, live["models"]["far"], server.met))
                self.assertLessEqual(sum(off.values()), 4, (off, live["models"]["far"], server.met))
                self.check_scores(server, decisions)

    def test_outputs_that_are_no_numbers_are_refused_by_post_processing(self):
        server = self.server(binary=True, script=["nan_binary", "good"])
        live, _ = self.live(sets(self.model(server, deadline="5s", max_age="5s")), enough=500)
        runtime = live["models"]["far"]["runtime"]
        self.assertGreater(runtime["refused"], 10)
        self.assertEqual(runtime["missed"], {})

    def test_the_breaker_opens_a_local_model_stands_in_and_it_closes_again(self):
        server = self.server(script=["status"])
        config = sets(LOCAL, self.model(server, no_answer="fallback", fallback="near", breaker_limit=3, breaker_wait="300ms",
                                        deadline="2s", max_age="2s"))

        def until(engine):
            state = lambda: engine.ask("status")["models"]["far"]["runtime"]["breaker"]
            wait_until(lambda: state() == "open", what="an open breaker")
            asked = server.requests
            wait_until(lambda: state() == "half_open" or server.requests > asked, what="a trial")
            server.script = ["good"]
            wait_until(lambda: state() == "closed", what="a closed breaker")
            seen = engine.ask("status")["decisions"]
            wait_until(lambda: engine.ask("status")["decisions"] > seen + 1000, what="decisions")

        live, decisions = self.live(config, until=until, enough=500)
        runtime = live["models"]["far"]["runtime"]
        self.assertGreaterEqual(runtime["opened"], 1)
        self.assertIn("on purpose", runtime["trouble"])
        paths = {d["path"] for d in decisions}
        self.assertEqual(paths, {"fallback", "kserve"})
        self.assertEqual({d["model_hash"] for d in decisions if d["path"] == "fallback" and d["score"] is not None},
                         {hash_of(OURS)})
        held = [d for d in decisions if d["hold_reason"] == "model"]  # its window is not full at first
        self.assertLess(len(held), 3 * 20)
        self.check_replay(config, live, decisions)

    def test_retry_after_is_kept(self):
        server = self.server(script=["503=1", "good", "good", "good", "good", "good", "good", "good"])
        live, _ = self.live(sets(self.model(server, in_flight=1, deadline="2s", max_age="2s")), enough=0,
                            until=lambda engine: wait_until(lambda: server.met.get("503=1", 0) >= 2, what="two refusals"))
        self.assertGreaterEqual(live["models"]["far"]["runtime"]["opened"], 1)

    def test_a_server_that_is_not_there_yet_holds_and_one_that_comes_answers(self):
        server = self.server()
        port = server.port
        server.close()
        config = sets(self.model(server, breaker_limit=2, breaker_wait="200ms", breaker_wait_max="200ms", deadline="1s"))

        def until(engine):
            server.listen(port)
            wait_until(lambda: engine.ask("status")["models"]["far"]["runtime"]["answered"] > 100, what="answers")

        live, decisions = self.live(config, until=until, enough=500)
        held = [d for d in decisions if d["hold_reason"] == "model"]
        self.assertGreater(len(held), 100)
        self.assertEqual({(d["action"], d["score"], d["path"]) for d in held}, {("HOLD", None, "fallback")})
        self.assertGreater(live["models"]["far"]["runtime"]["missed"]["connect"], 0)
        self.assertGreater(len([d for d in decisions if d["path"] == "kserve"]), 50)
        self.check_replay(config, live, decisions)

    def test_over_tls_with_a_header_from_a_file(self):
        certificate = f"{self.folder}/cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", f"{self.folder}/key.pem", "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        token = pathlib.Path(self.folder) / "token"
        token.write_text("Authorization: Bearer not-for-logs\n")
        token.chmod(0o600)
        server = self.server(certificate=(certificate, f"{self.folder}/key.pem"))
        live, decisions = self.live(sets(self.model(server, ca_file=certificate, header_file=token, deadline="2s", max_age="2s")), enough=500)
        self.check_scores(server, decisions)
        self.assertEqual({h.get("authorization") for h in server.headers}, {"Bearer not-for-logs"})
        self.assertNotIn("not-for-logs", json.dumps(live))
        token.chmod(0o644)
        _, err = run("run", ROOT / "configs" / "demo.yaml", "--for", "1s",
                     *[w for s in sets(self.model(server, header_file=token)) for w in ("--set", s)], expect=1)
        self.assertIn("chmod 600", err)

    def test_a_model_that_is_not_what_was_declared_is_refused_at_the_start(self):
        tensor = lambda name, shape, kind="FP32": {"name": name, "shape": shape, "datatype": kind}
        good_in, good_out = tensor("x", [-1, 20, 8]), tensor("score", [-1, 1])
        cases = [({"inputs": [tensor("x", [-1, 20, 7])], "outputs": [good_out]}, "E_MODEL_SHAPE", "[-1,20,7]"),
                 ({"inputs": [good_in], "outputs": [tensor("score", [-1, 3])]}, "E_MODEL_SHAPE", "declares 1 values"),
                 ({"inputs": [tensor("x", [-1, 20, 8], "INT64")], "outputs": [good_out]}, "E_RUNTIME_MODEL", "INT64"),
                 ({"inputs": [good_in, tensor("y", [-1, 1])], "outputs": [good_out]}, "E_RUNTIME_MODEL", "2 inputs, say which"),
                 ({"inputs": "none", "outputs": [good_out]}, "E_RUNTIME_MODEL", "0 inputs"),
                 ([1], "E_RUNTIME_SERVER", "no JSON object")]
        for metadata, code, text in cases:
            server = self.server(metadata=metadata)
            _, err = run("run", ROOT / "configs" / "demo.yaml", "--for", "1s",
                         *[w for s in sets(self.model(server)) for w in ("--set", s)], expect=1)
            self.assertIn(code, err)
            self.assertIn(text, err)


MLSERVER_MODEL = '''
import numpy, onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Far(MLModel):
    async def load(self):
        self.session = onnxruntime.InferenceSession("{onnx}")
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(numpy.float32)
        y = self.session.run(["score"], {{"x": x}})[0]
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[NumpyCodec.encode_output("score", y)])
'''


class RealServer(Case):
    """MLServer from PyPI, in whatever virtual environment TF_MLSERVER names (its bin/mlserver; it wants onnxruntime beside it)."""

    def setUp(self):
        super().setUp()
        found = os.environ.get("TF_MLSERVER") or next(iter(sorted(glob.glob(f"{ROOT.parent.parent}/*/bin/mlserver"))), None)
        if not found or not pathlib.Path(found).exists():
            self.skipTest("no mlserver (pip install mlserver onnxruntime; TF_MLSERVER=.../bin/mlserver)")
        root = pathlib.Path(self.folder) / "server"
        (root / "far").mkdir(parents=True)
        (root / "far" / "far_model.py").write_text(MLSERVER_MODEL.format(onnx=ONNX))
        self.port, *_ = ports = [free_port() for _ in range(3)]
        (root / "settings.json").write_text(json.dumps(
            dict(zip(("http_port", "grpc_port", "metrics_port"), ports), host="127.0.0.1", parallel_workers=0, debug=False)))
        tensor = lambda name, shape: {"name": name, "datatype": "FP32", "shape": shape}
        (root / "far" / "model-settings.json").write_text(json.dumps(
            {"name": "far", "implementation": "far_model.Far", "inputs": [tensor("x", [-1, 20, 8])],
             "outputs": [tensor("score", [-1, 1])]}))
        server = subprocess.Popen([found, "start", str(root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env={**os.environ, "PYTHONPATH": str(root / "far")})
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.url = f"http://127.0.0.1:{self.port}/v2/models/far"
        wait_until(self.is_ready, seconds=120, what="MLServer")

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.url + "/ready", timeout=1).status == 200
        except OSError:
            return False

    def test_its_answers_are_those_of_our_own_kernels(self):
        config = sets(LOCAL, foreign("kserve", url=self.url, deadline="5s", max_age="5s"), strategies="near far")
        live, decisions = self.live(config, until=lambda engine: wait_until(
            lambda: engine.ask("status")["models"]["far"]["runtime"]["answered"] > 300, seconds=60, what="answers"))
        self.check_against_ours(decisions, 100)
        self.check_replay(config, live, decisions)


if __name__ == "__main__":
    main()

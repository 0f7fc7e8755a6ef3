"""Models that a worker process answers on the tick, with gpu-stub for the card: what it does wrong is met on that very tick by what
the config declares, another worker serves soon after, nothing is lost from any count, and a replay of the capture decides the
same without any worker (ADR 0035; FAULTS F69 to F73)."""
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, TICKFUSE, main, replay, run, wait_until
from test_control import Engine
from test_live import Exchange

MODELS = ROOT / "models"
LSTM, MLP = MODELS / "example-lstm.safetensors", MODELS / "example-mlp.safetensors"
STUB = os.environ.get("GPU_STUB", str(pathlib.Path(TICKFUSE).parent / "gpu-stub"))
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"
ONE = "engine.lanes=[{stages: all}]"
# A loaded machine takes a process off its core for longer than any card takes; what is to be late is told to be.
PATIENT = "2s"


def features_of(name):
    lines = [line.split("#")[0].strip() for line in (MODELS / f"{name}.features").read_text().splitlines()]
    return [line for line in lines if line]


FEATURES = list(dict.fromkeys(features_of("example-lstm") + features_of("example-mlp")))


def hash_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:8]


def model(name, file, **keys):
    return f"{{name: {name}, file: {file}{''.join(f', {k}: {v}' for k, v in keys.items())}}}"


def worker(name="far", file=LSTM, **keys):
    return model(name, file, **{"backend": "stub", "deadline": PATIENT, **keys})


def sets(*models, strategies="far", faults=None, **gpu):
    """Each model has a strategy of its name, that records each decision."""
    rules = ", ".join(f"{{name: {s}, model: {s}, buy: 'score > 0.05', sell: 'score < -0.05', books: all}}"
                      for s in strategies.split())
    gpu = {"stub": STUB, "heart": "10s", **gpu}
    if faults:
        gpu["faults"] = f"'{faults}'"
    return [f"features=[{', '.join(json.dumps(f) for f in FEATURES)}]", f"models=[{', '.join(models)}]",
            f"strategies=[{rules}]", f"gpu={{{', '.join(f'{k}: {v}' for k, v in gpu.items())}}}"]


def status_of(engine, name="far"):
    return engine.ask("status")["models"][name]["worker"]


def serves(engine, after=0, name="far"):
    """After so many ends, one serves again."""
    def look():
        s = status_of(engine, name)
        return s["state"] == "serving" and sum(s["ends"].values()) >= after and s
    return wait_until(look, seconds=120, what=f"a worker that serves after {after} ends")


def busy(engine, more=1500):
    goal = engine.ask("status")["decisions"] + more
    wait_until(lambda: engine.ask("status")["decisions"] > goal, seconds=120, what="decisions")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-workers-")
        self.addCleanup(folder.cleanup)
        self.whole = folder.name

    def live(self, config, *more, until=busy):
        """Runs until(engine) is content; returns the summary and the decisions."""
        self.folder = tempfile.mkdtemp(dir=self.whole)
        with Exchange() as exchange, Engine(exchange, self.folder, *config, f"capture.path={self.folder}/capture",
                                            *more) as engine:
            until(engine)
            engine.ask("drain")
            got = engine.end()
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        return got, engine.decisions()

    def check_worker(self, got, name="far"):
        w = got["models"][name]["worker"]
        m = got["models"][name]
        warming = w["asked"] - w["answered"] - sum(w["missed"].values())
        self.assertGreaterEqual(warming, 0, w)
        self.assertLessEqual(warming, m["skipped"]["warmup"], (w, m))
        return w

    def check_replay(self, config, live, decisions):
        """On one thread and on three, with no worker at all."""
        config = [re.sub(r"stub: [^,}]+", "stub: /nowhere/gpu-stub", text) if text.startswith("gpu=") else text
                  for text in config]
        for lanes in (ONE, THREE):
            journal = pathlib.Path(self.folder) / "again.journal"
            journal.unlink(missing_ok=True)
            again, err = replay(f"{self.folder}/capture", config=str(ROOT / "configs" / "demo.yaml"),
                                args=["--decisions", journal], sets=[*config, lanes])
            out, _ = run("tail", journal, "--json")
            replayed = [json.loads(line) for line in out.splitlines()]
            view = lambda ds: [(d["ingest_seq"], d["decision_seq"], d["action"], d["score"], d["path"], d["hold_reason"]) for d in ds]
            self.assertEqual(view(replayed), view(decisions), lanes)
            for key in ("decisions_hash", "events_hash", "decisions"):
                self.assertEqual(again[key], live[key], (lanes, key))
            self.assertEqual(again["ledger"]["residual"], 0)
            self.assertNotIn("of ticks that this config has not", err)

    def check_near(self, decisions, enough=500):
        """What the worker answered has the bits of the same model run on the lane, on the same tick."""
        near = {(d["ingest_seq"], d["instrument"]): d["score"] for d in decisions if d["path"] == "cpu"}
        far = [d for d in decisions if d["path"] == "gpu"]
        self.assertGreater(len(far), enough)
        self.assertEqual([d for d in far if near[d["ingest_seq"], d["instrument"]] != d["score"]], [])


class Answers(Case):
    def check(self, file, *more, **keys):
        config = sets(model("near", file), worker(file=file, **keys), strategies="near far")

        def until(engine):
            serves(engine)
            busy(engine)

        live, decisions = self.live(config, *more, until=until)
        w = self.check_worker(live)
        self.assertGreater(w["answered"], 500)
        self.assertGreater(w["compared"], 0)
        self.assertEqual((w["wrong"], w["ends"]), (0, {}))
        self.check_near(decisions)
        self.assertEqual({d["model_hash"] for d in decisions if d["path"] == "gpu"}, {hash_of(file)})
        self.check_replay(config, live, decisions)
        return live, decisions

    def test_a_model_of_windows_answers_on_the_tick_and_a_replay_needs_no_worker(self):
        self.check(LSTM)

    def test_a_model_of_rows_with_the_lane_on_a_thread_of_its_own(self):
        self.check(MLP, THREE)


if __name__ == "__main__":
    main()

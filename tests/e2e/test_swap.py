"""A model swapped while the engine runs: answers change at one event, windows are whole at once, a replay of the capture
decides the same, and what is not fit to serve is refused while the old version goes on (FAULTS F73)."""
import hashlib
import json
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, TICKFUSE, main, replay, run, shm_name, wait_until
from test_control import Engine
from test_live import Exchange
from test_serving import make_model

try:
    import numpy
    import onnx
    from onnx import numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; it needs Debian's python3-onnx and python3-numpy (/usr/bin/python3)")
    sys.exit(77)

LSTM = ROOT / "models" / "example-lstm.onnx"
FEATURES = [line.split("#")[0].strip() for line in (ROOT / "models" / "example-lstm.features").read_text().splitlines()]
FEATURES = [line for line in FEATURES if line]
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"


class Registry:
    """DIR/lstm with versions 1, 2, 3: the example, its weights scaled a little more each time."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder) / "models"
        (self.dir / "lstm").mkdir(parents=True)
        for version in (1, 2, 3):
            self.add(version, 1 + 0.05 * (version - 1))

    def path(self, version):
        return self.dir / "lstm" / f"{version}.safetensors"

    def add(self, version, scale):
        model = onnx.load(LSTM)
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype == numpy.float32:
                tensor.CopyFrom(numpy_helper.from_array(values * numpy.float32(scale), tensor.name))
        changed = self.dir / "changed.onnx"
        changed.write_bytes(model.SerializeToString())
        run("model", "import", changed, "--features-file", ROOT / "models" / "example-lstm.features", "--out",
            self.dir / "made.safetensors")
        (self.dir / "made.safetensors").rename(self.path(version))

    def sha256(self, version):
        return hashlib.sha256(self.path(version).read_bytes()).hexdigest()

    def sets(self, version=1, **keys):
        more = "".join(f", {k}: {v}" for k, v in keys.items())
        return [f"features=[{', '.join(json.dumps(f) for f in FEATURES)}]",
                f"models=[{{name: lstm, registry: {self.dir}, version: {version}{more}}}]",
                "strategies=[{name: flow, model: lstm, buy: 'score > 0.05', sell: 'score < -0.05', books: all}]"]


class Swapping:
    """An engine with a registry of three versions."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-swap-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.registry = Registry(self.folder)

    def engine(self, exchange, *sets, version=1, **keys):
        return Engine(exchange, self.folder, *self.registry.sets(version, **keys), f"capture.path={self.folder}/capture", *sets)

    def busy(self, engine, more=2000):
        goal = engine.ask("status")["decisions"] + more
        wait_until(lambda: engine.ask("status")["decisions"] > goal, what="decisions")

    def model(self, engine, *words, expect=0):
        rows = engine.ask("model", *words, expect=expect)["models"]
        return next(r for r in rows if r["name"] == "lstm")

    def replayed(self, *sets, version=1, **keys):
        journal = pathlib.Path(self.folder) / "again.journal"
        journal.unlink(missing_ok=True)
        got = replay(f"{self.folder}/capture", config=str(ROOT / "configs" / "demo.yaml"), args=["--decisions", journal],
                     sets=[*self.registry.sets(version, **keys), *sets])[0]
        out, _ = run("tail", journal, "--json")
        return got, [json.loads(line) for line in out.splitlines()]


class Worker(Swapping, unittest.TestCase):
    """A worker follows a swap by its second slot: from the event on the CPU answers by the new version, until the same process has
    proved it. The capture's replay decides the same without a worker."""

    STUB = {"backend": "stub", "deadline": "2s"}
    CARD = {"backend": "gpu", "deadline": "2s"}

    def gpu(self, **keys):
        keys = {"stub": pathlib.Path(TICKFUSE).parent / "gpu-stub", "heart": "10s", "compare_every": 16, **keys}
        return f"gpu={{{', '.join(f'{k}: {v}' for k, v in keys.items())}}}"

    def worker(self, engine):
        return engine.ask("status")["models"]["lstm"]["worker"]

    def answers(self, engine, at_least):
        goal = self.worker(engine)["answered"] + at_least
        wait_until(lambda: self.worker(engine)["answered"] > goal, seconds=120, what="a worker's answers")

    def swap(self, engine, version):
        self.assertEqual(self.model(engine, "swap", "lstm", version)["version"], version)

    def check(self, until, gpu, order, far, maybe=(), keys=STUB):
        """order: of the versions that served. far: those that the worker answered by; maybe: it had no need to."""
        with Exchange() as exchange, self.engine(exchange, gpu, **keys) as engine:
            self.answers(engine, 100)
            until(engine)
            engine.ask("drain")
            live = engine.end()
        decisions = engine.decisions()
        self.assertEqual(live["ledger"]["residual"], 0)
        worker = live["models"]["lstm"]["worker"]
        self.assertEqual((worker["wrong"], worker["unmatched"]), (0, 0), worker)
        hashes = {v: self.registry.sha256(v)[:8] for v in (1, 2, 3)}
        runs = [h for h, before in zip((d["model_hash"] for d in decisions), [None, *(d["model_hash"] for d in decisions)])
                if h != before]
        self.assertEqual(runs, [hashes[v] for v in order])
        answered = {d["model_hash"] for d in decisions if d["path"] == "gpu"}
        self.assertEqual(answered - {hashes[v] for v in maybe}, {hashes[v] for v in far})
        nowhere = re.sub(r"(stub|worker): [^,}]+", r"\1: /nowhere/none", gpu)
        for lanes in ("engine.lanes=[{stages: all}]", THREE):
            again, replayed = self.replayed(lanes, nowhere, **keys)
            for key in ("decisions_hash", "events_hash", "decisions"):
                self.assertEqual(again[key], live[key], (lanes, key))
            self.assertEqual([d["path"] for d in replayed], [d["path"] for d in decisions])
        return worker

    def test_the_same_process_takes_each_version_up(self):
        def until(engine):
            for version in (2, 3):
                self.swap(engine, version)
                self.answers(engine, 300)
            self.model(engine, "swap", "lstm", "1", expect=1)  # older: refused, and the third goes on
            self.answers(engine, 100)

        worker = self.check(until, self.gpu(), order=(1, 2, 3), far=(1, 2, 3))
        self.assertEqual((worker["starts"], worker["swaps"], worker["ends"]), (1, 2, {}), worker)
        self.assertGreater(worker["compared"], 0)

    def test_a_version_that_it_cannot_prove_is_the_cpus_and_the_next_one_its_own(self):
        def until(engine):
            self.swap(engine, 2)
            self.busy(engine, 1000)
            self.assertEqual(self.worker(engine)["state"], "serving")
            self.swap(engine, 3)
            self.answers(engine, 100)

        worker = self.check(until, self.gpu(faults="next_known=1/1x1"), order=(1, 2, 3), far=(1, 3))
        self.assertEqual((worker["starts"], worker["swaps"], worker["ends"]), (1, 1, {}), worker)

    def test_one_that_dies_while_it_loads_is_followed_by_one_of_the_new_version(self):
        def until(engine):
            self.swap(engine, 2)
            self.answers(engine, 100)

        worker = self.check(until, self.gpu(faults="next_die=1/1"), order=(1, 2), far=(1, 2))
        self.assertEqual((worker["starts"], worker["swaps"], worker["ends"]), (2, 1, {"signal": 1}), worker)

    def test_other_shapes_get_a_process_of_their_own(self):
        def until(engine):
            self.swap(engine, 2)
            self.answers(engine, 100)

        worker = self.check(until, self.gpu(faults="next_shape=1/1"), order=(1, 2), far=(1, 2))
        self.assertEqual((worker["starts"], worker["swaps"], worker["ends"]), (1, 0, {}), worker)

    def test_swaps_to_and_fro_while_it_is_loading(self):
        def until(engine):
            self.swap(engine, 2)  # it takes a second to load
            self.swap(engine, 3)
            self.answers(engine, 100)

        worker = self.check(until, self.gpu(faults="next_slow=1s"), order=(1, 2, 3), far=(1, 3), maybe=(2,))
        self.assertEqual((worker["starts"], worker["ends"]), (1, {}), worker)

    def test_one_that_goes_back_while_it_is_loading_is_not_answered_by_the_other(self):
        def until(engine):
            self.swap(engine, 2)
            self.model(engine, "rollback", "lstm")
            self.answers(engine, 500)

        worker = self.check(until, self.gpu(faults="next_slow=1s", compare_every=1), order=(1, 2, 1), far=(1,), maybe=(2,))
        self.assertEqual((worker["starts"], worker["swaps"], worker["ends"]), (1, 2, {}), worker)
        self.assertGreater(worker["compared"], 100)

    @unittest.skipUnless((pathlib.Path(TICKFUSE).parent / "tickfuse-gpu-on-cpu").exists(), "tickfuse-gpu-on-cpu is not built")
    def test_the_cards_own_program_takes_it_up_in_its_second_slot(self):
        def until(engine):
            self.swap(engine, 2)
            self.answers(engine, 100)

        card = pathlib.Path(TICKFUSE).parent / "tickfuse-gpu-on-cpu"
        worker = self.check(until, self.gpu(worker=card), order=(1, 2), far=(1, 2), keys=self.CARD)
        self.assertEqual((worker["starts"], worker["swaps"], worker["ends"]), (1, 1, {}), worker)


class Swap(Swapping, unittest.TestCase):
    def check_swaps(self, *sets):
        with Exchange() as exchange, self.engine(exchange, *sets) as engine:
            self.busy(engine)
            self.assertEqual(self.model(engine, "list")["version"], 1)
            self.assertEqual(self.model(engine, "load", "lstm", "2")["beside"], 2)
            self.busy(engine)
            row = self.model(engine, "swap", "lstm", "2")
            self.assertEqual((row["version"], row["previous"], row["state"], row["sha256"]),
                             (2, 1, "idle", self.registry.sha256(2)))
            self.busy(engine)
            self.assertEqual(self.model(engine, "swap", "lstm")["version"], 3)  # the newest
            self.busy(engine)
            row = self.model(engine, "rollback", "lstm")
            self.assertEqual((row["version"], row["previous"], row["swaps"], row["refused"]), (2, 3, 3, 0))
            self.busy(engine)
            engine.ask("drain")
            live = engine.end()
        decisions = engine.decisions()
        self.assertEqual(live["ledger"]["residual"], 0)
        self.assertEqual(live["events"]["control"], 3)
        runs = []
        for d in decisions:
            if not runs or runs[-1][0] != d["model_hash"]:
                runs.append((d["model_hash"], d["ingest_seq"]))
        self.assertEqual([h for h, _ in runs], [self.registry.sha256(v)[:8] for v in (1, 2, 3, 2)])
        for lanes in ("engine.lanes=[{stages: all}]", THREE):
            again, _ = self.replayed(lanes)
            for key in ("decisions_hash", "events_hash", "decisions"):
                self.assertEqual(again[key], live[key], (lanes, key))
        # The windows of a version that came later are those of one that was there all along.
        _, always = self.replayed(version=2)
        scores = {(d["ingest_seq"], d["instrument"]): d["score"] for d in always}
        second = [d for d in decisions if runs[1][1] <= d["ingest_seq"] < runs[2][1]]
        self.assertGreater(len(second), 1000)
        for d in second:
            self.assertEqual(d["score"], scores[d["ingest_seq"], d["instrument"]], d)

    def test_answers_change_at_one_event_and_replay_decides_the_same(self):
        self.check_swaps()

    def test_the_same_with_the_lane_on_a_thread_of_its_own(self):
        self.check_swaps(THREE)

    def test_what_is_not_fit_is_refused_and_the_old_version_serves(self):
        wide = make_model(pathlib.Path(self.folder), "other")  # other features, other outputs
        reg = self.registry
        shutil.copy(wide, reg.path(4))
        reg.path(5).write_bytes(reg.path(3).read_bytes()[:-1])
        spoiled = bytearray(reg.path(3).read_bytes())
        spoiled[-2] ^= 0x7f  # a weight is another, or no number
        reg.path(6).write_bytes(spoiled)
        shutil.copy(reg.path(3), reg.path(7))
        reg.path(7).with_suffix(".sha256").write_text("0" * 64 + "  7.safetensors\n")
        shutil.copy(reg.path(3), reg.path(8))
        with Exchange() as exchange, self.engine(exchange, version=2) as engine:
            self.busy(engine, 500)
            cases = [(("swap", "lstm", "1"), "E_MODEL_VERSION", "not newer than 2"),
                     (("swap", "lstm", "2"), "E_MODEL_VERSION", "not newer than 2"),
                     (("swap", "lstm", "99"), "E_MODEL_VERSION", "there are 8, 1 to 8"),
                     (("swap", "lstm", "4"), "E_MODEL_SCHEMA", "it reads 2 features"),
                     (("swap", "lstm", "5"), None, "5.safetensors"),
                     (("swap", "lstm", "6"), None, "6.safetensors"),
                     (("swap", "lstm", "7"), "E_MODEL_PIN", "7.sha256 says 0000"),
                     (("swap", "lstm", "8", "--sha256", "f" * 64), "E_MODEL_PIN", "the pin says ffff")]
            for count, (words, code, text) in enumerate(cases, 1):
                row = self.model(engine, *words, expect=1)
                self.assertEqual((row["version"], row["refused"], row["state"]), (2, count, "idle"), words)
                if code:
                    self.assertEqual(row["refusal"], code, row)
                self.assertIn(text, row["refusal_text"])
            self.busy(engine, 500)
            self.assertIn("no version served before", engine.ask("model", "rollback", "lstm", expect=2)["error"])
            self.assertIn("is called", engine.ask("model", "swap", "lstn", expect=2)["error"])
            row = self.model(engine, "swap", "lstm", "8", "--sha256", reg.sha256(8))
            self.assertEqual(row["version"], 8)
            self.assertNotIn("refusal", row)
            engine.ask("drain")
            live = engine.end()
        self.assertEqual(live["ledger"]["residual"], 0)
        self.assertEqual(live["events"]["control"], 1)

    def test_shadow_is_judged_before_it_may_serve(self):
        with Exchange() as exchange, self.engine(exchange, shadow_min=400, divergence_max=1) as engine:
            self.busy(engine, 500)
            row = self.model(engine, "swap", "lstm", "2", expect=1)
            self.assertEqual((row["version"], row["beside"], row["refusal"]), (1, 2, "E_MODEL_DIVERGED"))
            self.assertIn("400 are wanted", row["refusal_text"])
            two = wait_until(lambda: (s := self.model(engine, "list")["shadow"])["answers"] > 1000 and s, what="shadow answers")
            self.assertIn("millionths off on average, 1 are allowed", self.model(engine, "swap", "lstm", "2", expect=1)["refusal_text"])
            self.registry.add(4, 3)  # on whichever ticks: many times further off than version 2
            self.model(engine, "load", "lstm", "4")
            four = wait_until(lambda: (s := self.model(engine, "list")["shadow"])["answers"] > 1000 and s, what="shadow answers")
            self.assertTrue(0 < two["divergence_mean"] < four["divergence_mean"] <= four["divergence_max"], (two, four))
            self.assertEqual(self.model(engine, "drop", "lstm")["beside"], None)
            engine.ask("drain")
            live = engine.end()
        self.assertEqual(live["events"]["control"], 0)
        self.assertEqual({d["model_hash"] for d in engine.decisions()}, {self.registry.sha256(1)[:8]})

    def test_version_whose_answers_are_refused_gives_way_by_itself(self):
        folder = pathlib.Path(self.folder)
        (self.registry.dir / "ahead").mkdir()
        for version, bias in ((1, 0.0), (2, 1000.0)):
            shutil.move(make_model(folder, "ahead", [[0.1], [0.5]], [bias]), self.registry.dir / "ahead" / f"{version}.safetensors")
        sets = ["features=[spread_bps, 'imbalance(5)']",
                f"models=[{{name: ahead, registry: {self.registry.dir}, version: 1, valid: -100..100, rollback_refused: 20}}]",
                "strategies=[{name: flow, model: ahead, buy: 'score > 0.05', books: all}]"]
        with Exchange() as exchange, Engine(exchange, self.folder, *sets, f"capture.path={folder}/capture") as engine:
            self.busy(engine, 500)
            engine.ask("model", "swap", "ahead", "2")
            row = wait_until(lambda: (r := engine.ask("model", "list")["models"][0])["rollbacks"] == 1 and
                             r["state"] == "idle" and r, what="the rollback")
            self.assertEqual((row["version"], row["previous"], row["swaps"]), (1, 2, 2))
            self.busy(engine, 500)
            engine.ask("drain")
            live = engine.end()
        self.assertEqual(live["ledger"]["residual"], 0)
        self.assertEqual(live["events"]["control"], 2)
        self.assertGreaterEqual(live["models"]["ahead"]["skipped"]["out_of_range"], 20)
        again = replay(f"{folder}/capture", config=str(ROOT / "configs" / "demo.yaml"), sets=sets)[0]
        for key in ("decisions_hash", "events_hash", "decisions", "inference"):
            self.assertEqual(again[key], live[key], key)

    def test_replay_without_the_version_fails_and_says_so(self):
        with Exchange() as exchange, self.engine(exchange) as engine:
            self.busy(engine, 500)
            self.model(engine, "swap", "lstm", "2")
            self.busy(engine, 500)
            engine.ask("drain")
            engine.end()
        self.registry.path(2).unlink()
        sets = [a for s in self.registry.sets() for a in ("--set", s)]
        _, err = run("replay", ROOT / "configs" / "demo.yaml", "--input", f"{self.folder}/capture", "--set",
                     f"sinks.0.path={shm_name()}", *sets, expect=1)
        self.assertIn("the recording swaps to a model that is not to be had", err)
        self.assertIn("2.safetensors", err)
        shutil.copy(self.registry.path(3), self.registry.path(2))
        _, err = run("replay", ROOT / "configs" / "demo.yaml", "--input", f"{self.folder}/capture", "--set",
                     f"sinks.0.path={shm_name()}", *sets, expect=1)
        self.assertIn("is not the file that it was", err)


if __name__ == "__main__":
    main()

"""Models that a worker process answers on the tick, with gpu-stub for the card: what it does wrong is met on that very tick by what
the config declares, another worker serves soon after, nothing is lost from any count, and a replay of the capture decides the
same without any worker (ADR 0035; FAULTS F69 to F73)."""
import hashlib
import json
import os
import pathlib
import re
import signal
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, TICKFUSE, main, replay, run, wait_until
from ports import free_port
from test_control import Engine
from test_live import Exchange

MODELS = ROOT / "models"
LSTM, MLP = MODELS / "example-lstm.safetensors", MODELS / "example-mlp.safetensors"
FOREST = ROOT / "tests" / "golden" / "models" / "lightgbm.onnx"
STUB = os.environ.get("GPU_STUB", str(pathlib.Path(TICKFUSE).parent / "gpu-stub"))
CARD = str(pathlib.Path(TICKFUSE).parent / "tickfuse-gpu-on-cpu")
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"
ONE = "engine.lanes=[{stages: all}]"
# A loaded machine takes a process off its core for longer than any card takes; what is to be late is told to be.
PATIENT = "2s"


def features_of(name):
    lines = [line.split("#")[0].strip() for line in (MODELS / f"{name}.features").read_text().splitlines()]
    return [line for line in lines if line]


FEATURES = list(dict.fromkeys(features_of("example-lstm") + features_of("example-mlp")))


def forest_in(folder):
    """A model that no kernel stays for; on fibers of this CPU its graphs are the quickest that there is."""
    path = pathlib.Path(folder) / "forest.safetensors"
    run("model", "import", FOREST, "--features", ",".join(FEATURES[i] for i in (0, 2, 3, 5, 6, 7, 10, 11)), "--out", path)
    return path


def hash_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:8]


def model(name, file, **keys):
    return f"{{name: {name}, file: {file}{''.join(f', {k}: {v}' for k, v in keys.items())}}}"


def worker(name="far", file=LSTM, **keys):
    return model(name, file, **{"backend": "stub", "deadline": PATIENT, **keys})


def sets(*models, strategies="far", faults=None, features=FEATURES, **gpu):
    """Each model has a strategy of its name, that records each decision."""
    rules = ", ".join(f"{{name: {s}, model: {s}, buy: 'score > 0.05', sell: 'score < -0.05', books: all}}"
                      for s in strategies.split())
    gpu = {"stub": STUB, "heart": "10s", **gpu}
    if faults:
        gpu["faults"] = f"'{faults}'"
    return [f"features=[{', '.join(json.dumps(f) for f in features)}]", f"models=[{', '.join(models)}]",
            f"strategies=[{rules}]", f"gpu={{{', '.join(f'{k}: {v}' for k, v in gpu.items())}}}"]


def status_of(engine, name="far"):
    return engine.ask("status")["models"][name]["worker"]


def serves(engine, after=0, name="far", seconds=120):
    """After so many ends, one serves again."""
    def look():
        s = status_of(engine, name)
        return s["state"] == "serving" and sum(s["ends"].values()) >= after and s
    return wait_until(look, seconds=seconds, what=f"a worker that serves after {after} ends")


def busy(engine, more=1500):
    goal = engine.ask("status")["decisions"] + more
    wait_until(lambda: engine.ask("status")["decisions"] > goal, seconds=120, what="decisions")


def pid_of_worker(engine):
    """The youngest child of the engine that is the card's program."""
    pids = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            name = (stat.parent / "cmdline").read_bytes().split(b"\0")[0].decode()
        except (OSError, UnicodeDecodeError):
            continue
        if int(fields[1]) == engine.process.pid and fields[0] != "Z" and name == CARD:
            pids.append(int(stat.parent.name))
    return max(pids)


class Case:
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-workers-")
        self.addCleanup(folder.cleanup)
        self.whole = folder.name

    def live(self, config, *more, until=busy, seconds="60s", market=()):
        """Runs until(engine) is content; returns the summary and the decisions. market: the simulator's own arguments."""
        self.folder = tempfile.mkdtemp(dir=self.whole)
        with Exchange(*market) as exchange, Engine(exchange, self.folder, *config, f"capture.path={self.folder}/capture",
                                            *more, seconds=seconds) as engine:
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


class Answers(Case, unittest.TestCase):
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


class Batches(Case, unittest.TestCase):
    """Ticks that are answered together are asked of a worker in one request."""

    def check(self, file, *more, faults=None, **keys):
        config = sets(model("near", file), worker(file=file, **keys), strategies="near far", faults=faults,
                      restart_max=15)
        batch = ["engine.batch_max=16", "engine.max_queue_delay=2ms"]

        def until(engine):
            serves(engine)
            busy(engine, 2500)

        live, decisions = self.live(config, *batch, *more, until=until)
        self.check_worker(live)
        self.assertGreater(sum(cnt for size, cnt in live["batches"]["sizes"].items() if size != "1"), 0, live["batches"])
        self.check_near(decisions)
        self.check_replay(config, live, decisions)

    def test_rows_and_windows_together_are_the_bits_of_one_by_one(self):
        self.check(LSTM)
        self.check(MLP, THREE)

    def test_a_worker_that_dies_within_a_batch(self):
        self.check(LSTM, faults="die=1/900x1", deadline="300ms")


class Auto(Case, unittest.TestCase):
    """backend auto: whoever was measured to be sooner answers, and what decided is told."""

    def check(self, deadline=PATIENT, worker_program=STUB, **keys):
        config = sets(model("near", LSTM, backend="cpu"), worker(backend="auto", deadline=deadline, **keys),
                      strategies="near far", worker=worker_program, start="60s")
        shown = {}

        def until(engine):
            busy(engine)
            shown.update(engine.ask("status").get("models", {}))

        live, decisions = self.live(config, until=until)
        self.check_replay(config, live, decisions)
        paths = {d["path"] for d in decisions}
        return live["models"]["far"].get("worker"), shown.get("far", {}).get("worker"), paths, decisions

    def test_the_sooner_one_answers(self):
        w, shown, paths, decisions = self.check()
        placed = w["placed"]
        self.assertEqual(shown["placed"], placed)
        self.assertGreater(placed["cpu_ns"], 0)
        self.assertGreater(placed["worker_ns"], 0, placed)
        is_sooner = placed["worker_ns"] + placed["worker_ns"] // 4 < placed["cpu_ns"]
        self.assertEqual(placed["on"], "worker" if is_sooner else "cpu", placed)
        self.assertEqual("gpu" in paths, is_sooner)

    def started(self, cpu, worker_takes, **gpu):
        """A start with figures that are told: where the model is, what status says of it, and the paths of its decisions."""
        config = sets(worker(backend="auto", place_cpu=cpu, place_worker=worker_takes), worker=STUB, start="60s", **gpu)
        shown = {}

        def until(engine):
            shown.update(engine.ask("status")["models"]["far"]["worker"])
            if shown["placed"]["on"] == "worker":
                wait_until(lambda: status_of(engine)["answered"] > 50, seconds=120, what="answers of the worker")
            busy(engine, 100)

        live, decisions = self.live(config, until=until)
        self.assertEqual(live["models"]["far"]["worker"]["placed"], shown["placed"])
        return shown["placed"], {d["path"] for d in decisions}

    def test_a_model_too_slow_for_the_cpu_is_the_workers(self):
        placed, paths = self.started("400us", "100us")
        self.assertEqual((placed["on"], placed["was"], placed["measured"]), ("worker", "cpu", False))
        self.assertIn("gpu", paths)

    def test_it_stays_where_it_was_until_the_other_is_sooner_by_a_quarter(self):
        kept = pathlib.Path(self.whole) / "placements.json"
        steps = (("100us", "80us", "cpu", "cpu"), ("100us", "79us", "cpu", "worker"),
                 ("100us", "125us", "worker", "worker"), ("100us", "126us", "worker", "cpu"))
        for cpu, takes, was, on in steps:
            placed, paths = self.started(cpu, takes, placements=kept)
            self.assertEqual((placed["was"], placed["on"]), (was, on), placed)
            self.assertEqual("gpu" in paths, on == "worker")
            row = json.loads(kept.read_text())["far"]
            self.assertEqual((row["on"], row["model"]), (on, hash_of(LSTM)))

    def test_a_file_of_placements_that_is_none_is_as_if_there_were_none(self):
        kept = pathlib.Path(self.whole) / "placements.json"
        kept.write_text('{"far": {"on": "worker", "model": ')
        placed, _ = self.started("100us", "101us", placements=kept)
        self.assertEqual((placed["was"], placed["on"]), ("cpu", "cpu"))
        self.assertEqual(json.loads(kept.read_text())["far"]["on"], "cpu")

    def test_where_the_cpu_is_slow(self):
        """Scalar code here, the best that there is in the worker; whoever is chosen, the answers are the same bits."""
        w, _, paths, decisions = self.check(isa="scalar")
        if w["placed"]["on"] == "worker":
            self.assertGreater(w["answered"], 0, w)
            self.check_near(decisions, enough=10)

    def test_a_worker_that_cannot_keep_the_deadline_is_not_chosen(self):
        w, _, paths, _ = self.check(deadline="1us")
        self.assertEqual((w["placed"]["on"], paths), ("cpu", {"cpu"}), w)

    def test_without_a_program_it_is_the_cpu(self):
        w, _, paths, _ = self.check(worker_program="/nowhere/tickfuse-gpu")
        self.assertEqual((w, paths), (None, {"cpu"}))

    def test_with_one_that_never_serves_it_is_the_cpu_and_says_why(self):
        w, _, paths, _ = self.check(worker_program="/bin/false")
        self.assertEqual((w["placed"]["on"], paths), ("cpu", {"cpu"}))
        self.assertIn("no worker serves: exit status 1", w["placed"]["why"])


class Doctor(unittest.TestCase):
    """tickfuse doctor CONFIG: where each model would be, and why, without a run."""

    def doctor(self, *models, expect=0, strategies="far", **gpu):
        words = ["doctor", ROOT / "configs" / "demo.yaml", "--no-measure"]
        for item in sets(*models, strategies=strategies, start="60s", **gpu):
            words += ["--set", item]
        text, _ = run(*words, expect=expect)
        out, _ = run(*words, "--json", expect=expect)
        return text, {row["name"]: row for row in json.loads(out)["models"]}

    def test_figures_of_the_config_decide(self):
        text, rows = self.doctor(worker(backend="auto", place_cpu="90us", place_worker="30us", budget="50us"), worker=STUB)
        far = rows["far"]
        self.assertEqual((far["on"], far["may"], far["measured"], far["program"]), ("worker", "measured", False, STUB))
        self.assertEqual((far["cpu_ns"], far["worker_ns"], far["budget_ns"]), (90000, 30000, 50000))
        self.assertIn("the CPU takes 90.0 us, more than the budget of 50.0 us", text)
        self.assertIn("CPU 90.0 us of a budget of 50.0 us: beyond it", text)
        self.assertIn("device 0", text)

    def test_what_is_not_told_is_measured(self):
        _, rows = self.doctor(worker(backend="auto"), model("near", MLP, backend="cpu"), strategies="far near", worker=STUB)
        self.assertTrue(rows["far"]["measured"] and rows["far"]["serves"])
        for key in ("cpu_ns", "worker_ns", "worker_p99_ns"):
            self.assertGreater(rows["far"][key], 0)
        self.assertGreater(rows["near"]["cpu_ns"], 0)
        self.assertEqual((rows["near"]["on"], rows["near"]["worker_ns"], rows["near"]["why"]),
                         ("cpu", 0, "the config says backend: cpu"))

    def test_a_worker_that_is_said_and_does_not_serve_is_told(self):
        text, rows = self.doctor(worker(backend="stub"), faults="exit=3", restart_max=1)
        self.assertEqual((rows["far"]["on"], rows["far"]["serves"], rows["far"]["trouble"]), ("worker", False, "exit status 3"))
        self.assertIn("no worker serves here: exit status 3", text)

    def test_it_begins_where_the_last_start_ended(self):
        with tempfile.TemporaryDirectory() as folder:
            kept = pathlib.Path(folder) / "p.json"
            kept.write_text(json.dumps({"far": {"on": "worker", "model": hash_of(LSTM)}}))
            _, rows = self.doctor(worker(backend="auto", place_cpu="100us", place_worker="100us"), worker=STUB, placements=kept)
            self.assertEqual((rows["far"]["was"], rows["far"]["on"]), ("worker", "worker"))
            self.assertEqual(json.loads(kept.read_text()), {"far": {"on": "worker", "model": hash_of(LSTM)}})

    def test_a_model_that_is_not_there_is_not_measured(self):
        text, rows = self.doctor(worker(file="/nowhere/x.safetensors", backend="auto"), worker=STUB)
        self.assertEqual(rows["far"]["on"], "measured")
        self.assertIn("/nowhere/x.safetensors cannot be read here", text)

    def test_a_config_that_is_wrong_is_bad_usage(self):
        _, err = run("doctor", ROOT / "configs" / "demo.yaml", "--no-measure", "--set", "models.0.backend=gpux", expect=2)
        self.assertIn('did you mean "gpu"', err)
        _, err = run("doctor", "--set", "a=b", expect=2)
        self.assertIn("name one", err)


class Misbehaviour(Case, unittest.TestCase):
    """Each fault is met on its tick by the CPU's answer, has its cause, and another worker serves where one was over."""

    def check(self, faults, *more, ends=None, missed=None, ends_min=1, file=LSTM, gpu=None, **keys):
        config = sets(model("near", file), worker(file=file, **keys), strategies="near far", faults=faults,
                      **{"restart_max": 15, **(gpu or {})})

        def until(engine):
            serves(engine)
            if ends:
                serves(engine, after=ends_min)
            else:
                wait_until(lambda: status_of(engine)["missed"] >= 3, seconds=120, what="misses")
            busy(engine, 800)

        live, decisions = self.live(config, *more, until=until)
        w = self.check_worker(live)
        if missed:
            self.assertGreater(w["missed"].get(missed, 0), 0, w)
        if ends:
            self.assertGreaterEqual(w["ends"].get(ends, 0), 1, w)
            self.assertGreater(w["back_ns"], 0)
            self.assertIn(w["starts"] - sum(w["ends"].values()), (0, 1))
        self.check_near(decisions, enough=10)
        self.check_stand_in(decisions)
        self.check_replay(config, live, decisions)
        return w, decisions

    def check_stand_in(self, decisions):
        """Of each tick there are both decisions, and what stood in is the same model's answer here, bit for bit."""
        ticks = {}
        for d in decisions:
            ticks.setdefault((d["ingest_seq"], d["instrument"]), []).append(d)
        self.assertEqual({len(ds) for ds in ticks.values()}, {2})
        stood_in = [ds for ds in ticks.values() if any(d["path"] == "fallback" for d in ds)]
        self.assertGreater(len(stood_in), 0)
        self.assertEqual([ds for ds in stood_in if ds[0]["score"] != ds[1]["score"]], [])

    def test_late_answers(self):
        self.check("late=1/200x3,late_by=900ms", deadline="300ms", missed="late")

    def test_answers_that_never_come(self):
        self.check("silent=1/200x3", deadline="300ms", missed="late")

    def test_a_worker_that_hangs_is_replaced(self):
        w, _ = self.check("hang=1/400x1", deadline="100ms", miss_limit=3, missed="late", ends="suspect")
        self.assertGreater(w["rows_again"], 0)

    def test_a_worker_whose_heart_stops_is_replaced(self):
        self.check("freeze=1/400x1", deadline="100ms", miss_limit=1000000, gpu={"heart": "1s"}, missed="late", ends="heart")

    def test_a_worker_that_dies_is_replaced(self):
        self.check("die=1/400x1", deadline="300ms", missed="late", ends="signal")

    def test_the_same_with_the_lane_on_a_thread_of_its_own(self):
        self.check("die=1/400x1", THREE, deadline="300ms", missed="late", ends="signal", file=MLP)

    def test_it_is_suspect_until_the_next_one_has_passed(self):
        """The next one takes its time; meanwhile each tick is the CPU's."""
        config = sets(model("near", LSTM), worker(deadline="300ms"), strategies="near far", faults="die=1/400x1,slow_start=4s",
                      restart_max=15, start="60s")

        def until(engine):
            wait_until(lambda: status_of(engine)["state"] == "starting", seconds=120, what="starting")
            wait_until(lambda: status_of(engine)["state"] == "suspect", seconds=120, what="suspect")
            self.assertEqual(status_of(engine)["ends"], {"signal": 1})
            serves(engine, after=1)
            busy(engine, 300)

        live, decisions = self.live(config, until=until)
        w = self.check_worker(live)
        self.assertGreater(w["missed"]["absent"], 0, w)
        self.check_near(decisions, enough=10)
        self.check_stand_in(decisions)
        self.check_replay(config, live, decisions)

    def check_compared(self, faults):
        """Answers that are off: found among those that are compared; the decisions that may be of them are told, by status, summary,
        metrics and log, and none that is of them is outside. The next worker is a good one."""
        program, flag = pathlib.Path(self.whole) / "worker", pathlib.Path(self.whole) / "was-started"
        program.write_text(f'#!/bin/sh\nif mkdir {flag} 2>/dev/null; then set -- "$@" --faults {faults}; fi\nexec {STUB} "$@"\n')
        program.chmod(0o700)
        config = sets(model("near", LSTM), worker(), strategies="near far", stub=program, compare_every=16, restart_max=15)
        told = {}

        def until(engine):
            serves(engine)
            wait_until(lambda: status_of(engine)["wrong"] == 1, seconds=120, what="a wrong answer that is found")
            serves(engine, after=1)
            busy(engine, 600)
            told["status"] = status_of(engine)["wrong_decisions"]

        live, decisions = self.live(config, until=until)
        w = self.check_worker(live)
        self.assertEqual((w["ends"], w["wrong"], w["starts"]), ({"suspect": 1}, 1, 2), w)
        first, last = w["wrong_decisions"]
        self.assertEqual(told["status"], [first, last])
        near = {(d["ingest_seq"], d["instrument"]): d["score"] for d in decisions if d["path"] == "cpu"}
        far = [d for d in decisions if d["path"] == "gpu"]
        off = [d["decision_seq"] for d in far if near[d["ingest_seq"], d["instrument"]] != d["score"]]
        self.assertGreater(len(off), 0)
        self.assertTrue(first <= min(off) and max(off) <= last, (first, last, min(off), max(off)))
        self.assertGreater(len([d for d in far if d["decision_seq"] > last]), 10)
        self.check_replay(config, live, decisions)

    def test_answers_that_are_off_by_a_tenth_are_found(self):
        self.check_compared("wrong=1/1")

    def test_answers_with_a_flipped_bit_are_found(self):
        self.check_compared("bit=1/2")

    def test_answers_that_are_no_numbers_reach_no_decision(self):
        w, decisions = self.check("nan=1/400x1", missed="wrong", ends="suspect")
        self.assertEqual([d for d in decisions if d["score"] is None and d["path"] in ("gpu", "fallback")], [])


class StandIn(Case, unittest.TestCase):
    """What no_answer declares answers where there is no worker at all."""

    def check(self, *more, keys, models=(), strategies="far", gpu=None, faults="exit=3", state="given_up", until=None):
        config = sets(*models, worker(**keys), strategies=strategies, faults=faults, **{"restart_max": 1, **(gpu or {})})

        def wait(engine):
            wait_until(lambda: status_of(engine)["state"] == state, seconds=120, what=state)
            busy(engine, 600)

        live, decisions = self.live(config, *more, until=until or wait)
        w = self.check_worker(live)
        self.check_replay(config, live, decisions)
        return live, w, decisions

    def test_a_worker_that_ends_at_its_start_is_given_up_and_the_cpu_answers(self):
        _, w, decisions = self.check(keys={})
        self.assertEqual((w["answered"], w["ends"]), (0, {"exit": 2}))
        self.assertEqual(w["trouble"], "exit status 3")
        self.assertEqual({d["path"] for d in decisions}, {"fallback"})

    def test_one_that_is_given_up_is_brought_back_by_an_operator(self):
        """The program is broken, given up, mended, and told to come back."""
        program = pathlib.Path(self.whole) / "worker"
        broken, whole = "#!/bin/sh\nexit 3\n", f'#!/bin/sh\nexec {STUB} "$@"\n'

        def put(text):
            made = program.with_suffix(".made")
            made.write_text(text)
            made.chmod(0o700)
            made.rename(program)

        def until(engine):
            wait_until(lambda: status_of(engine)["state"] == "given_up", seconds=120, what="given_up")
            busy(engine, 100)
            engine.ask("worker", "restart", "near", expect=2)  # the CPU's
            put(whole)
            engine.ask("worker", "restart", "far")
            serves(engine)
            busy(engine, 300)
            engine.ask("worker", "restart", "far")  # one that runs, too
            serves(engine, after=3)
            busy(engine, 300)
            rows = engine.ask("worker", "list")["workers"]
            self.assertEqual([(r["name"], r["state"], r["revived"]) for r in rows], [("far", "serving", {"asked": 2})])

        put(broken)
        _, w, decisions = self.check(keys={}, models=[model("near", LSTM)], faults=None, gpu={"stub": program, "refill": "off"},
                                     until=until)
        self.assertEqual((w["ends"], w["revived"], w["starts"]), ({"exit": 2, "asked": 1}, {"asked": 2}, 4))
        self.assertEqual({d["path"] for d in decisions}, {"gpu", "fallback"})

    def test_one_that_is_given_up_comes_back_with_time(self):
        def until(engine):
            wait_until(lambda: status_of(engine)["revived"].get("refilled", 0) >= 2, seconds=120, what="two refills")
            busy(engine, 100)

        _, w, _ = self.check(keys={}, gpu={"refill": "300ms"}, until=until)
        self.assertGreaterEqual(w["ends"]["exit"], 4, w)
        self.assertNotIn("asked", w["revived"])

    def test_one_that_misses_its_known_answers_never_serves(self):
        _, w, _ = self.check(keys={}, faults="known=1/1")
        self.assertEqual((w["answered"], w["ends"]), (0, {"failed": 2}))
        self.assertIn("known answer", w["trouble"])

    def test_one_that_does_not_start_in_time_is_ended(self):
        _, w, _ = self.check(keys={}, faults="slow_start=60m", gpu={"start": "200ms"})
        self.assertEqual((w["answered"], w["ends"]), (0, {"start": 2}))

    def test_hold_says_why(self):
        live, _, decisions = self.check(keys={"no_answer": "hold"})
        self.assertEqual({(d["action"], d["hold_reason"]) for d in decisions}, {("HOLD", "model")})
        self.assertEqual(live["models"]["far"]["skipped"]["absent"], len(decisions))

    def test_another_model_stands_in(self):
        _, _, decisions = self.check(keys={"file": MLP, "fallback": "near"}, models=[model("near", LSTM)])
        self.assertEqual({(d["path"], d["model_hash"]) for d in decisions}, {("fallback", hash_of(LSTM))})

    def test_the_last_answer_stands_in(self):
        def until(engine):
            serves(engine)
            wait_until(lambda: status_of(engine)["state"] == "given_up", seconds=120, what="its end")
            busy(engine, 600)

        _, w, decisions = self.check(keys={"no_answer": "last"}, faults="die=1/300x1", gpu={"restart_max": 1}, until=until)
        last = {}
        for d in decisions:
            if d["path"] == "gpu":
                last[d["instrument"]] = d["score"]
            elif d["hold_reason"] != "model":
                self.assertEqual((d["path"], d["score"]), ("fallback", last[d["instrument"]]))
        self.assertIn("fallback", {d["path"] for d in decisions})

    def test_a_program_that_is_not_there_is_said_before_the_start(self):
        with Exchange() as exchange:
            folder = tempfile.mkdtemp(dir=self.whole)
            for backend, where, remedy in (("stub", "gpu.stub", "gpu-stub"), ("gpu", "gpu.worker", "./dev gpu")):
                config = sets(worker(backend=backend), stub="/nowhere/gpu-stub", worker="/nowhere/tickfuse-gpu")
                words = ["run", ROOT / "configs" / "demo.yaml", "--for", "1s"]
                for item in (*exchange.sets, *config, "http.listen=off", f"sinks.0.path=test-{os.getpid()}-none"):
                    words += ["--set", item]
                _, err = run(*words, expect=1)
                for word in ("E_RUNTIME_MISSING", "models[0].backend", "is no program", where, remedy):
                    self.assertIn(word, err)


@unittest.skipUnless(os.path.exists(CARD), f"{CARD} is not built")
class Card(Case, unittest.TestCase):
    """The card's own worker program, its kernels' sources run by this CPU: the engine starts it as it does on a card."""

    def check(self, file, **keys):
        config = sets(model("near", file), worker(file=file, backend="gpu", **keys), strategies="near far", worker=CARD,
                      compare_every=16)

        def until(engine):
            serves(engine)
            wait_until(lambda: status_of(engine)["answered"] > 200, seconds=120, what="answers")
            wait_until(lambda: status_of(engine)["compared"] > 3, seconds=120, what="answers that are compared")

        live, decisions = self.live(config, until=until)
        w = self.check_worker(live)
        self.assertEqual(w["wrong"], 0, w)
        near = {(d["ingest_seq"], d["instrument"]): d["score"] for d in decisions if d["path"] == "cpu"}
        far = [d for d in decisions if d["path"] == "gpu"]
        self.assertGreater(len(far), 200)
        off = max(abs(d["score"] - near[d["ingest_seq"], d["instrument"]]) for d in far)
        self.assertLess(off, 2e-5)  # twice what fp32 is allowed; other kernels, so not the same bits
        self.check_replay(config, live, decisions)

    def test_its_answers_are_the_cpus_within_the_bound_and_a_replay_has_its_bits(self):
        self.check(LSTM)

    def test_a_forest_that_no_kernel_stays_for_is_answered_by_graphs(self):
        self.check(forest_in(self.whole), deadline="50ms", miss_limit=1000000)


def children(engine):
    """Of all its threads: the one that supervises has them."""
    tasks = pathlib.Path(f"/proc/{engine.process.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def words_of(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


@unittest.skipUnless(os.path.exists(CARD), f"{CARD} is not built")
class Devices(Case, unittest.TestCase):
    """Two devices, each model's worker on one: as the config says, or in turn. What befalls one worker the other does not notice. They are fibers
    of a CPU that others want too: a deadline that a backlog can be worked off with, and nobody is taken for hung."""
    keys = {"backend": "gpu", "deadline": "50ms", "miss_limit": 1000000}

    def setUp(self):
        super().setUp()
        os.environ["TICKFUSE_GPU_FAULTS"] = "devices=2"
        self.addCleanup(os.environ.pop, "TICKFUSE_GPU_FAULTS")
        self.port = free_port()

    def config(self, one, other, **gpu):
        forest = forest_in(self.whole)
        return sets(worker("one", forest, **self.keys, **one), worker("other", forest, **self.keys, **other),
                    strategies="one other", worker=CARD, **{"heart": "60s", "start": "10m", **gpu})

    def shown_index(self, model):
        """Of the metrics."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60).read().decode()
        found = re.findall(rf'^tickfuse_model_device_index{{[^}}]*"{model}"[^}}]*}} (\d+)$', text, re.M)
        self.assertEqual(len(found), 1, text)
        return int(found[0])

    def check_devices(self, config, expected, more=None):
        def until(engine):
            for name, (index, device) in expected.items():
                shown = serves(engine, name=name, seconds=300)["device"]
                self.assertEqual(shown["index"], index, (name, shown))
                self.assertTrue(shown["name"].endswith(f", device {device}"), shown)
                self.assertEqual(self.shown_index(name), index)
            for name in expected:
                wait_until(lambda: status_of(engine, name)["answered"] > 10, seconds=300, what=f"answers of {name}")
            if more:
                more(engine)

        live, decisions = self.live(config, f"http.listen=127.0.0.1:{self.port}", until=until)
        for name in expected:
            self.check_worker(live, name)
        self.check_replay(config, live, decisions)
        return live

    def test_the_config_says_which(self):
        self.check_devices(self.config({"device": 1}, {"device": 0}), {"one": (1, 1), "other": (0, 0)})

    def test_without_a_word_they_take_turns(self):
        self.check_devices(self.config({}, {}), {"one": (0, 0), "other": (1, 1)})

    def test_hidden_ones_are_not_counted(self):
        self.check_devices(self.config({}, {}, visible_devices="'1'"), {"one": (0, 1), "other": (0, 1)})

    def test_one_dies_and_the_other_goes_on(self):
        def kill(engine):
            pids = [pid for pid in children(engine) if b"turn:1" in words_of(pid)]
            self.assertEqual(len(pids), 1)
            before = status_of(engine, "one")["answered"]
            os.kill(pids[0], signal.SIGKILL)
            back = serves(engine, after=1, name="other", seconds=300)
            self.assertEqual(back["ends"], {"signal": 1})
            self.assertEqual(back["device"]["index"], 1)
            wait_until(lambda: status_of(engine, "one")["answered"] > before + 10, seconds=300, what="the other's answers")
            self.assertEqual(status_of(engine, "one")["ends"], {})

        self.check_devices(self.config({}, {}), {"one": (0, 0), "other": (1, 1)}, more=kill)

    def test_one_that_is_not_there_is_said(self):
        live = self.live(self.config({}, {"device": 2}, restart_max=1), until=lambda engine: (
            serves(engine, name="one", seconds=300),
            wait_until(lambda: status_of(engine, "other")["state"] == "given_up", seconds=120, what="its end")))[0]
        w = live["models"]["other"]["worker"]
        self.assertEqual((w["answered"], w["ends"]), (0, {"failed": 2}))
        self.assertIn("device 2 of 2", w["trouble"])


if __name__ == "__main__":
    main()

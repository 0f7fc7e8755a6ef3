"""A lane that is behind its feeds sheds by declared steps: ticks of books and quotes first, each stood for by a later one, trades never,
then models of low priority; and a replay of the capture, at any pace, sheds the same (FAULTS F33, ADR 0042).

The lane has a thread of its own and is called behind once an event is a microsecond old, which the hand-over alone takes."""
import collections
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import main, run, wait_until
from made_models import make_affine
from test_workers import THREE, Case, busy, model

FEATURES = ["mid", "spread", "last"]
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="tf-shed-"))


def setUpModule():
    for name in ("near", "low"):
        make_affine(FOLDER, name, FEATURES, [[1e-6], [1.0], [-1e-6]], [0.1])


def tearDownModule():
    shutil.rmtree(FOLDER)


def config(*engine, priority="low"):
    names = ("near", "low")
    rules = ", ".join(f"{{name: on_{n}, model: {n}, buy: 'score > 0.05', sell: 'score < -0.05', books: all}}" for n in names)
    return [f"features=[{', '.join(json.dumps(f) for f in FEATURES)}]",
            f"models=[{model('near', FOLDER / 'near.safetensors')}, {model('low', FOLDER / 'low.safetensors', priority=priority)}]",
            f"strategies=[{rules}, {{name: plain, buy: 'mid > 1', books: all}}]", *engine]


def shedding(engine):
    """Until it has begun and ended, over and over."""
    wait_until(lambda: engine.ask("status")["shed"]["over"] > 20, seconds=120, what="an end of shedding")
    busy(engine)


class Shed(Case, unittest.TestCase):
    def kinds(self):
        """{ingest_seq: kind} of the capture's events that complete a message."""
        out = pathlib.Path(self.folder) / "events.jsonl"
        run("tape", "convert", *sorted(pathlib.Path(self.folder, "capture").iterdir()), "--out", out)
        events = [json.loads(line) for line in out.read_text().splitlines()]
        return {e["ingest_seq"]: e["kind"] for e in events if "last" in e["flags"]}

    def check(self, *engine, steps):
        keys = config(*engine, priority="low" if "low" in steps else "normal")
        live, decisions = self.live(keys, THREE, until=shedding)
        shed = live["shed"]
        for step in ("books", "low"):
            self.assertEqual(shed[step] > 0, step in steps, (step, shed))
        self.check_replay(keys, live, decisions)
        return live, decisions

    def test_books_and_quotes_are_conflated_and_trades_never(self):
        live, decisions = self.check("engine.conflate_after=1us", steps=["books"])
        self.assertGreater(live["shed"]["ticks_conflated"], 20)
        held = collections.Counter(d["hold_reason"] for d in decisions)
        self.assertEqual(held["shed"], 0, held)
        kinds = self.kinds()
        causes = {d["ingest_seq"] for d in decisions}
        trades = {seq for seq, kind in kinds.items() if kind == "trade" and seq >= min(causes)}
        self.assertEqual(trades - causes, set())
        self.assertGreater(len(trades), 100)
        others = {seq for seq, kind in kinds.items() if kind in ("book", "quote") and seq >= min(causes)}
        self.assertEqual(len(others - causes), live["shed"]["ticks_conflated"])

    def test_low_models_are_not_asked_either_and_their_strategies_hold(self):
        live, decisions = self.check("engine.shed_low_after=1us", steps=["low"])
        held = collections.Counter(d["hold_reason"] for d in decisions)
        self.assertGreater(held["shed"], 100, (held, live["models"]["low"], live["shed"]))
        self.assertEqual(live["models"]["near"]["skipped"]["shed"], 0)
        self.assertEqual(live["models"]["low"]["skipped"]["shed"], held["shed"])

    def test_both_steps_with_batches(self):
        self.check("engine.conflate_after=1us", "engine.shed_low_after=2us", "engine.batch_max=8", steps=["books", "low"])

    def test_a_lane_that_keeps_up_sheds_nothing(self):
        keys = config("engine.conflate_after=1s", priority="normal")
        live, decisions = self.live(keys, THREE)
        self.assertEqual(live["shed"], {"books": 0, "low": 0, "over": 0, "ticks_conflated": 0})
        self.check_replay(keys, live, decisions)


if __name__ == "__main__":
    main()

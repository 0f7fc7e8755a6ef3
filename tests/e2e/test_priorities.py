"""High before low, and low not at all in a burst: who answers, in which order decisions leave, and that a replay sheds the same."""
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import TICKFUSE, main, run
from made_models import decisions_of, make_affine, write_config
from test_batches import FEATURES, recording

COSTS = {"high": 20_000, "normal": 30_000, "low": 40_000}  # ns: the models' budgets
BURST = 700_000


class Priorities(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tf-priorities-"))
        recording(cls.folder / "trades.txt", seed=11)
        cls.source = f"binance-spot:{cls.folder / 'trades.txt'}"
        rng = random.Random(5)
        cls.files = {n: make_affine(cls.folder, n, FEATURES, [[rng.uniform(-1, 1)] for _ in FEATURES], [rng.uniform(-1, 1)]) for n in COSTS}
        cls.files["side"] = make_affine(cls.folder, "side", ["low.0", "last"], [[1.0], [0.5]], [0.0])

    def models(self, **keys):
        """The lowest first: neither list is in the order of answering."""
        return [f"{{name: {n}, file: {self.files[n]}, priority: {n}, budget: {COSTS[n] // 1000}us{keys.get(n, '')}}}" for n in ("low", "normal", "high")]

    def strategies(self, *more):
        own = [f"{{name: on_{n}, model: {n}, buy: 'score > 0', books: all}}" for n in ("low", "normal", "high")]
        return [*own, *more, "{name: plain, buy: 'last > 1', books: all}"]

    def decide(self, engine="", models=None, more=()):
        config = write_config(self.folder, FEATURES, models or self.models(), self.strategies(*more),
                              f"{{instruments_max: 40, burst_budget: {BURST // 1000}us{engine}}}")
        got, summary = decisions_of(self.folder, self.source, config)
        ticks = collections.defaultdict(list)
        for (seq, _), d in got.items():
            ticks[seq].append(d)
        return ticks, summary

    @staticmethod
    def reckon(ticks, is_low=lambda name, instrument: name == "low"):
        """{(ingest_seq, model)} that the rule of the config sheds, from receive times alone."""
        shed, backlog, at = set(), 0, 0
        for seq in sorted(ticks):
            now = ticks[seq][0]["ts_recv_ns"]
            backlog, at = max(0, backlog - max(0, now - at)), max(at, now)
            for name in ("high", "normal", "low"):
                if is_low(name, ticks[seq][0]["instrument"]) and backlog + COSTS[name] > BURST:
                    shed.add((seq, name))
                else:
                    backlog += COSTS[name]
        return shed

    def test_decisions_of_a_tick_leave_by_priority_and_ticks_in_their_order(self):
        ticks, _ = self.decide()
        whole = [t for t in ticks.values() if len(t) == 4]
        self.assertGreater(len(whole), 1000)
        seqs = [d["decision_seq"] for t in ticks.values() for d in t]
        self.assertEqual(seqs, sorted(seqs))
        self.assertEqual(list(ticks), sorted(ticks))
        earlier = 0
        for tick in whole:
            high, plain, normal, low = tick  # strategies 2 and 3 of the first wave, then 1, then 0
            self.assertEqual(plain["model_hash"], "00000000" if isinstance(plain["model_hash"], str) else 0)
            self.assertTrue(high["hops"]["decide_ns"] <= normal["hops"]["decide_ns"] <= low["hops"]["decide_ns"], tick)
            earlier += high["hops"]["emit_ns"] <= low["hops"]["decide_ns"]
        self.assertEqual(earlier, len(whole), "the high one has left before the low one is decided")

    def test_low_ones_are_shed_by_the_rule_and_hold_for_that_reason(self):
        ticks, summary = self.decide()
        shed = self.reckon(ticks)
        self.assertTrue(200 < len(shed) < len(ticks) - 200, len(shed))
        held = {seq for seq, t in ticks.items() if any(d["hold_reason"] == "shed" for d in t)}
        warm = {seq for seq, t in ticks.items() if len(t) == 4}
        self.assertEqual(held, {seq for seq, _ in shed} & warm)
        for seq in held:
            d = next(d for d in ticks[seq] if d["hold_reason"] == "shed")
            self.assertEqual((d["action"], d.get("score")), ("HOLD", None))
        self.assertEqual(summary["models"]["low"]["skipped"]["shed"], len(held))
        self.assertEqual(summary["inference"]["skipped_shed"], len(held))
        self.assertEqual([summary["models"][n]["skipped"]["shed"] for n in ("high", "normal")], [0, 0])

    def test_what_is_shed_is_the_same_whatever_the_batches_and_threads(self):
        _, first = self.decide()
        for engine in (", batch_max: 8", ", batch_max: 64, max_queue_delay: 10us",
                       ", batch_max: 16, lanes: [{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"):
            _, summary = self.decide(engine)
            self.assertEqual(summary["decisions_hash"], first["decisions_hash"], engine)
            self.assertEqual(summary["models"]["low"]["skipped"], first["models"]["low"]["skipped"])

    def test_a_reader_of_a_shed_model_is_shed_and_an_ensemble_goes_on(self):
        models = [*self.models(), f"{{name: side, file: {self.files['side']}, priority: low}}",
                  "{name: both, ensemble: [low, normal, high], quorum: 2, priority: high}"]
        more = ["{name: on_side, model: side, buy: 'score > 0', books: all}", "{name: on_both, model: both, buy: 'score > 0', books: all}"]
        ticks, summary = self.decide(models=models, more=more)
        low = summary["models"]["low"]["skipped"]["shed"]
        self.assertGreater(low, 100)
        self.assertGreaterEqual(summary["models"]["side"]["skipped"]["shed"], low)
        self.assertEqual(summary["models"]["side"]["skipped"]["input"], summary["models"]["low"]["skipped"]["warmup"])
        self.assertEqual(summary["models"]["both"]["members_absent"], low)
        self.assertEqual(summary["models"]["both"]["done"], summary["models"]["high"]["done"])

    def test_on_low_instruments_all_but_high_models_are_low(self):
        ticks, summary = self.decide(", low_instruments: [AKUSDT.BINANCE-SPOT, BLUSDT.BINANCE-SPOT]")
        few = ("AKUSDT", "BLUSDT")
        shed = self.reckon(ticks, lambda name, instrument: name == "low" or (name == "normal" and instrument.split(".")[0] in few))
        warm = {seq for seq, t in ticks.items() if len(t) == 4}
        found = collections.Counter(seq for seq, t in ticks.items() for d in t if d["hold_reason"] == "shed")
        self.assertEqual(found, collections.Counter(seq for seq, _ in shed if seq in warm))
        self.assertGreater(summary["models"]["normal"]["skipped"]["shed"], 20)
        _, all_low = self.decide(", low_instruments: [\"*.BINANCE-SPOT\"]")
        self.assertGreater(all_low["models"]["normal"]["skipped"]["shed"], 20 * summary["models"]["normal"]["skipped"]["shed"] / 10)
        self.assertEqual(all_low["models"]["high"]["skipped"]["shed"], 0)

    def test_what_cannot_be_is_said_with_its_place(self):
        def refusal(models, engine=f"burst_budget: {BURST // 1000}us"):
            _, err = run("check", write_config(self.folder, FEATURES, models, self.strategies(), f"{{{engine}}}"), expect=None)
            self.assertRegex(err, r"made\.yaml(:\d+:\d+)?: ")
            return err
        self.assertIn("models[0].priority: low is what is not asked past engine.burst_budget", refusal(self.models(), "idle: sleep"))
        plain = [m.replace("priority: low", "priority: normal") for m in self.models()]
        self.assertIn("nothing could be shed", refusal(plain))
        free = [f"{{name: {n}, file: {self.files[n]}, priority: {n}}}" for n in COSTS]
        self.assertIn("there is no work that could add up", refusal(free))
        self.assertIn("engine.low_instruments: low is what", refusal(plain, "low_instruments: [A.B]"))
        said = [*self.models(), f"{{name: side, file: {self.files['side']}, inputs: [low.0, last]}}"]
        self.assertIn("models[0].priority: low, but side, which is not, cannot answer without it", refusal(said))
        named = [*self.models(), f"{{name: side, file: {self.files['side']}}}"]  # only the file says so
        self.assertIn("the model low is of low priority, but side, which is not, cannot answer without it", refusal(named))
        self.assertIn("low, but both, which is not", refusal([*self.models(), "{name: both, ensemble: [low, high]}"]))


if __name__ == "__main__":
    main()

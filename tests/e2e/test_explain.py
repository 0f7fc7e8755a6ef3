"""`tickfuse explain`: what it says of a decision is what the journal says, and its rules, worked out again here from
the features that it prints, come to the same result."""
import json
import pathlib
import re
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import REPLAY_CONFIG, SMALL, main, run, shm_name

INPUT = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
STRATEGIES = ('strategies=[{name: flow, buy: "ofi(1s) > 0 and not (spread > 5)", sell: "ofi(1s) < 0 or max(mid, 1) < 2", '
              'flat: "spread_bps > 40", books: [ok, gap, none], cooldown: 10ms, max_rate: 3/s}]')


def evaluate(rule, features):
    """A rule as Python reads it; NaN and what is not ready do not fire."""
    def value(name):
        if features[name] is None:
            raise ArithmeticError
        return features[name]
    names = sorted(features, key=len, reverse=True)
    expression = re.sub(r"\b(?:" + "|".join(map(re.escape, names)) + r")(?!\w)", lambda m: f"value({m[0]!r})", rule["text"])
    try:
        return bool(eval(expression, {"value": value, "max": max, "min": min}))
    except ArithmeticError:
        return False


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tf-explain-")
        cls.addClassCleanup(cls.folder.cleanup)
        journal = f"{cls.folder.name}/j"
        run("replay", REPLAY_CONFIG, "--input", INPUT, "--set", STRATEGIES, "--set", f"sinks.0.path={shm_name()}", "--decisions", journal)
        cls.decisions = [json.loads(line) for line in run("tail", journal, "--json")[0].splitlines()]

    def explain(self, seq, *more, expect=0):
        return run("explain", str(seq), "--config", REPLAY_CONFIG, "--input", INPUT, "--set", STRATEGIES, *more, expect=expect)

    def check(self, want):
        got = json.loads(self.explain(want["decision_seq"], "--json")[0])
        decision, gates = got["decision"], {g["name"]: g["passed"] for g in got["gates"]}
        for key in ("action", "hold_reason", "instrument"):
            self.assertEqual(decision[key], want[key])
        self.assertEqual(got["cause"]["event"]["ingest_seq"], want["ingest_seq"])
        self.assertEqual(got["cause"]["event"]["ts_recv_ns"], want["ts_recv_ns"])
        self.assertEqual(got["cause"]["message"]["bytes"], len(got["cause"]["message"]["text"].encode()))
        self.assertIn(got["cause"]["message"]["text"], (SMALL / "binance_spot_made.txt").read_text())
        features = {f["feature"]: f["value"] for f in got["features"]}
        self.assertEqual([f["ready"] for f in got["features"]], [f["value"] is not None for f in got["features"]])
        fires = {r["name"]: r["fires"] for r in got["rules"]}
        for rule in got["rules"]:
            self.assertEqual(rule["fires"], evaluate(rule, features), rule)
        wanted = "FLAT" if fires["flat"] else "HOLD" if fires["buy"] == fires["sell"] else "BUY" if fires["buy"] else "SELL"
        if not gates["book"]:
            self.assertEqual(decision["hold_reason"], "book")
        elif wanted == "HOLD":
            self.assertEqual(decision["hold_reason"], "conflict" if fires["buy"] else "rule")
        elif not gates["cooldown"]:
            self.assertEqual(decision["hold_reason"], "cooldown")
        elif not gates["rate"]:
            self.assertEqual(decision["hold_reason"], "rate")
        else:
            self.assertEqual(decision["action"], wanted)

    def test_every_kind_of_result_is_explained_by_its_rules_and_gates(self):
        seen = {}
        for d in self.decisions:
            seen.setdefault((d["action"], d["hold_reason"]), []).append(d)
        self.assertGreater(len(seen), 4, seen.keys())
        for same in seen.values():
            for d in {0, len(same) // 2, len(same) - 1}:
                self.check(same[d])

    def test_text_for_people(self):
        out, _ = self.explain(self.decisions[-1]["decision_seq"])
        for word in ("decision ", "cause ", "message ", "book ", "features", "rule       buy", "gate ", "result "):
            self.assertIn(word, out)

    def test_decision_that_the_input_does_not_have(self):
        _, err = self.explain(10 ** 9, expect=1)
        self.assertIn(f"ends with decision {self.decisions[-1]['decision_seq']}", err)
        for wrong in ("0", "-1", "x", "1x", ""):
            self.explain(wrong, expect=2)
        run("explain", "1", "--config", REPLAY_CONFIG, expect=2)


if __name__ == "__main__":
    main()

"""What is done with a model's outputs, from the outside: a forecaster three steps ahead with quantiles, made here, and
decisions compared with what plain Python makes of the same outputs."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, SMALL, TICKFUSE, main, replay, run, shm_name

try:
    import numpy
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}; it needs Debian's python3-onnx and python3-numpy (/usr/bin/python3)")
    sys.exit(77)

MADE = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
FEATURES = ["spread_bps", "imbalance(5)"]
HORIZON = 3
# outputs = weights (2, 9) . row + bias: quantiles that cross where the imbalance is well below 0
WEIGHTS = [[0.01, 0.0, 0.02, 0.0, 0.01, 0.0, 0.03, 0.0, 0.01], [-0.5, 0.1, 0.6, -0.8, 0.1, 0.7, -0.4, 0.0, 0.9]]
BIAS = [-0.1, 0.0, 0.1, -0.2, 0.05, 0.2, -0.3, 0.1, 0.3]


def make_model(folder, name="ahead", weights=WEIGHTS, bias=BIAS):
    onnx = folder / f"{name}.onnx"
    w, b = (numpy_helper.from_array(numpy.array(v, dtype=numpy.float32), n) for v, n in ((weights, "w"), (bias, "b")))
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], name,
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(weights)])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", len(bias)])], [w, b])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.write_bytes(model.SerializeToString())
    out = folder / f"{name}.safetensors"
    run("model", "import", onnx, "--features", ",".join(FEATURES), "--out", out)
    return out


def config(folder, model, model_keys, buy):
    path = folder / "serving.yaml"
    path.write_text(f"""
engine: {{instruments_max: 8}}
features: [{', '.join(json.dumps(f) for f in FEATURES)}]
models:
  - {{name: ahead, file: {model}{''.join(f', {k}: {v}' for k, v in model_keys.items())}}}
strategies:
  - {{name: all, model: ahead, buy: "{buy}", books: all}}
sinks:
  - {{type: shm, path: {shm_name()}}}
""")
    return str(path)


class Serving(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tf-serving-"))
        self.model = make_model(self.folder)

    def decisions(self, model_keys, buy="score > 100"):
        journal = self.folder / "d.journal"
        journal.unlink(missing_ok=True)
        summary = replay(MADE, config=config(self.folder, self.model, model_keys, buy), args=["--decisions", journal])[0]
        self.assertEqual(summary["ledger"]["residual"], 0)
        self.assertEqual(summary["inference"]["requested"], summary["inference"]["done"] +
                         sum(v for k, v in summary["inference"].items() if k.startswith("skipped_")))
        lines = subprocess.run([TICKFUSE, "tail", journal, "--json"], capture_output=True, text=True, timeout=60, check=True)
        return {d["ingest_seq"]: d for d in map(json.loads, lines.stdout.splitlines())}, summary

    def rows(self):
        """The steps' quantiles of each decision, as the model gives them: one replay for each step."""
        steps = [self.decisions({"horizon": HORIZON, "step": s + 1})[0] for s in range(HORIZON)]
        self.assertGreater(len(steps[0]), 100)
        return {seq: [[steps[s][seq][q] for q in ("p10", "score", "p90")] for s in range(HORIZON)] for seq in steps[0]}

    def inputs(self):
        """(ingest_seq, instrument, the model's row or None where a feature has no value) of each tick."""
        csv = self.folder / "rows.csv"
        run("features", "eval", config(self.folder, self.model, {"horizon": HORIZON}, "score > 1"), "--input", MADE, "--out", csv)
        for line in csv.read_text().splitlines()[1:]:
            _, seq, instrument, *cells = line.split(",")
            yield int(seq), instrument, [float(c) for c in cells] if all(cells) else None

    def test_outputs_are_those_of_the_graph(self):
        rows = self.rows()
        inputs = {seq: row for seq, _, row in self.inputs() if row is not None}
        self.assertEqual(set(rows), set(inputs))
        for seq, row in inputs.items():
            want = numpy.array(row) @ numpy.array(WEIGHTS) + numpy.array(BIAS)
            self.assertTrue(numpy.allclose(numpy.array(rows[seq]).ravel(), want, atol=1e-5), (rows[seq], want))

    def test_quantiles_are_sorted_or_refused(self):
        rows = self.rows()
        crossed = {seq for seq, steps in rows.items() if any(s != sorted(s) for s in steps)}
        self.assertTrue(0 < len(crossed) < len(rows), len(crossed))
        sorted_, _ = self.decisions({"horizon": HORIZON, "step": 2, "quantiles": "sort"})
        for seq, steps in rows.items():
            self.assertEqual([sorted_[seq][q] for q in ("p10", "score", "p90")], sorted(steps[1]))
        refused, summary = self.decisions({"horizon": HORIZON, "quantiles": "refuse"})
        self.assertEqual(set(refused), set(rows) - crossed)
        self.assertEqual(summary["inference"]["skipped_output"], len(crossed))
        self.assertEqual(summary["models"]["ahead"]["skipped"]["crossed"], len(crossed))

    def test_clamp_and_valid_range(self):
        rows = self.rows()
        clamped, _ = self.decisions({"horizon": HORIZON, "step": 3, "clamp": "-0.25..0.25"})
        for seq, steps in rows.items():
            for q, value in zip(("p10", "score", "p90"), steps[2]):
                self.assertAlmostEqual(clamped[seq][q], min(0.25, max(-0.25, value)), places=6)
        valid, summary = self.decisions({"horizon": HORIZON, "valid": "-0.75..0.75"})
        beyond = {seq for seq, steps in rows.items() if any(abs(v) > 0.75 for s in steps for v in s)}
        self.assertTrue(0 < len(beyond) < len(rows), len(beyond))
        self.assertEqual(set(valid), set(rows) - beyond)
        self.assertEqual(summary["models"]["ahead"]["skipped"]["out_of_range"], len(beyond))

    def test_alert_is_the_first_step_beyond(self):
        rows, low, high = self.rows(), -0.5, 0.6

        def alert(steps):
            for i, (p10, _, p90) in enumerate(steps, 1):
                if p90 > high or p10 < low:
                    return i if p90 > high else -i
            return 0

        wanted = {seq: alert(steps) for seq, steps in rows.items()}
        self.assertGreater(len(set(wanted.values())), 2, "a test that sees several alerts")
        for number in sorted(set(wanted.values())):
            got, summary = self.decisions({"horizon": HORIZON, "alert": f"{low}..{high}"}, buy=f"alert == {number}")
            self.assertEqual({seq for seq, d in got.items() if d["action"] == "BUY"},
                             {seq for seq, a in wanted.items() if a == number})
            self.assertEqual(summary["models"]["ahead"]["alerts"], sum(a != 0 for a in wanted.values()))

    def test_fleet_is_over_the_newest_answers_of_all_instruments(self):
        plain, _ = self.decisions({"horizon": HORIZON})
        newest, mean, breadth, tops, largest = {}, {}, {}, {}, 0
        for seq, instrument, row in self.inputs():
            if row is None:  # no answer: it has left the fleet
                newest.pop(instrument, None)
                continue
            newest[instrument] = (plain[seq]["score"], plain[seq]["p90"])
            largest = max(largest, len(newest))
            scores = [s for s, _ in newest.values()]
            mean[seq] = sum(scores) / len(scores)
            breadth[seq] = sum(s >= 0 for s in scores) / len(scores)
            tops[seq] = max(p for _, p in newest.values())
        self.assertGreater(largest, 1, "a fleet of several")
        for rule, truth in ((f"fleet_mean > {sorted(mean.values())[len(mean) // 2] + 1e-7}", mean), ("fleet_breadth > 0.75", breadth),
                            (f"fleet_p90_max > {sorted(tops.values())[len(tops) // 2] + 1e-7}", tops)):
            bound = float(rule.split(">")[1])
            got, _ = self.decisions({"horizon": HORIZON}, buy=rule)
            for seq, d in got.items():
                if abs(truth[seq] - bound) > 1e-6:
                    self.assertEqual(d["action"] == "BUY", truth[seq] > bound, (rule, seq))

    def test_outputs_that_do_not_fit_the_horizon_are_refused_with_all_numbers(self):
        for horizon in (1, 2, 4):
            _, err = run("check", config(self.folder, self.model, {"horizon": horizon}, "score > 1"), expect=None)
            self.assertIn(f"has 9 outputs, but {horizon} (scores) or {3 * horizon} (p10, p50, p90)", err)
        run("check", config(self.folder, self.model, {"horizon": 9}, "score > 1"))


if __name__ == "__main__":
    main()

"""Rows for training: formats, gaps, what a row may have seen, and the schema that ties a model to its rows."""
import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import arrow_file
from harness import REPLAY_CONFIG, ROOT, SMALL, main, run

RECORDING = SMALL / "binance_usdm_made.txt"
INPUT = f"binance-usdm:{RECORDING}"
ONNX = ROOT / "models" / "example-mlp.onnx"
GAPPY = "features: [mid, 'sma(mid, 30)', last, 'sma(s1.close, 2)']\nbars: {s1: 1s}\n"


class Rows(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tmp = pathlib.Path(self.folder.name)

    def config(self, text, name="config.yaml"):
        path = self.tmp / name
        path.write_text(text)
        return path

    def eval(self, config, *args, source=INPUT, out="x.npy", expect=0):
        told = run("features", "eval", config, "--input", source, "--out", self.tmp / out, *args, expect=expect)[1]
        return told if expect else np.load(self.tmp / out) if out.endswith("npy") else told

    def schema(self, out="x.npy"):
        return json.loads((self.tmp / f"{out}.schema.json").read_text())


class Formats(Rows):
    def test_arrow_holds_the_bits_of_npy(self):
        expected = self.eval(REPLAY_CONFIG)
        self.eval(REPLAY_CONFIG, out="x.arrow")
        columns, metadata, counts = arrow_file.read(self.tmp / "x.arrow")
        self.assertEqual(list(columns), list(expected.dtype.names))
        self.assertEqual(sum(counts), len(expected))
        for name in expected.dtype.names:
            if name == "instrument":
                self.assertEqual(columns[name], [v.decode() for v in expected[name]])
            else:
                self.assertEqual(columns[name].tobytes(), expected[name].tobytes(), name)
        self.assertEqual(json.loads(metadata["tickfuse.schema"]), self.schema("x.arrow"))

    def test_batches_follow_one_another(self):
        recording, t = self.tmp / "long.txt", 1723075200000
        with recording.open("w") as file:
            for i in range(20000):
                quote = {"e": "bookTicker", "u": 1000 + i, "s": "BTCUSDT", "b": f"{60000 + i % 97}.10", "B": "1.5",
                         "a": f"{60000 + i % 97}.20", "A": "2.5", "T": t + i, "E": t + i}
                message = {"stream": "btcusdt@bookTicker", "data": quote}
                file.write(f"{(t + i) * 1000000} {json.dumps(message, separators=(',', ':'))}\n")
        config, source = self.config("features: [mid, spread]\n"), f"binance-usdm:{recording}"
        expected = self.eval(config, source=source)
        self.eval(config, source=source, out="x.feather")
        columns, _, counts = arrow_file.read(self.tmp / "x.feather")
        self.assertEqual(counts, [8192, 8192, 20000 - 2 * 8192])
        self.assertEqual(columns["mid"].tobytes(), expected["mid"].tobytes())
        self.assertEqual(columns["ingest_seq"].tobytes(), expected["ingest_seq"].tobytes())

    def test_no_rows_are_a_file_too(self):
        self.eval(self.config("features: ['sma(mid, 5000)']\n"), "--nan", "drop", out="x.arrow")
        columns, _, counts = arrow_file.read(self.tmp / "x.arrow")
        self.assertEqual((counts, len(columns["mid" if "mid" in columns else "sma(mid,5000)"])), ([], 0))

    @unittest.skipUnless(importlib.util.find_spec("pyarrow"), "pyarrow is not there")
    def test_pyarrow_reads_it(self):
        from pyarrow import feather
        self.eval(REPLAY_CONFIG, out="x.arrow")
        table = feather.read_table(self.tmp / "x.arrow")
        table.validate(full=True)
        columns, _, _ = arrow_file.read(self.tmp / "x.arrow")
        self.assertEqual(table["mid"].to_numpy().tobytes(), columns["mid"].tobytes())


class Gaps(Rows):
    def test_drop_leaves_out_the_rows_that_keep_has_gaps_in(self):
        config = self.config(GAPPY)
        kept, dropped = self.eval(config), self.eval(config, "--nan", "drop", out="d.npy")
        names = kept.dtype.names[3:]
        whole = ~np.logical_or.reduce([np.isnan(kept[n]) for n in names])
        self.assertTrue(0 < whole.sum() < len(kept))
        self.assertEqual(kept[whole].tobytes(), dropped.tobytes())
        self.assertEqual((self.schema()["nan"], self.schema("d.npy")["nan"]), ("keep", "drop"))
        self.assertNotEqual(self.schema()["hash"], self.schema("d.npy")["hash"])

    def test_fill_has_the_last_value_and_nothing_before_the_first(self):
        config = self.config("features: [mid, 'mid / (trade_count(20ms) * 1)', 'sma(mid, 30)']\n")
        kept, filled = self.eval(config), self.eval(config, "--nan", "fill", out="f.npy")
        gaps = 0
        for name in kept.dtype.names[3:]:
            last = {}
            for instrument, have, got in zip(kept["instrument"], kept[name], filled[name]):
                gaps += bool(np.isnan(have)) and instrument in last
                if not np.isnan(have):
                    last[instrument] = have
                expected = last.get(instrument, np.nan)
                self.assertTrue(got == expected or (np.isnan(got) and np.isnan(expected)), name)
        self.assertGreater(gaps, 0)

    def test_another_policy_is_refused(self):
        self.assertIn("did you mean \"drop\"", self.eval(self.config(GAPPY), "--nan", "dropp", expect=2))


class PointInTime(Rows):
    def test_a_row_is_the_same_whatever_comes_after_it(self):
        config = self.config("features: [mid, 'ema(mid, 5)', 'ofi(1s)', 'max(mid, 20)', 'sma(s1.close, 2)', "
                             "'imbalance(5)', 'zscore(mid, 30)', 'ema(microprice, 7)', 'ema(spread, 4)']\nbars: {s1: 1s}\n")
        whole = self.eval(config)
        lines = RECORDING.read_bytes().splitlines(keepends=True)
        for cut in (len(lines) // 3, len(lines) // 2, len(lines) - 40, len(lines) - 1):
            part = self.tmp / "part.txt"
            part.write_bytes(b"".join(lines[:cut]))
            rows = self.eval(config, source=f"binance-usdm:{part}", out="p.npy")
            self.assertGreater(len(rows), 0)
            self.assertEqual(rows.tobytes(), whole[:len(rows)].tobytes())
            self.assertTrue((rows["ts_recv_ns"] <= int(lines[cut - 1].split()[0])).all())


class Schema(Rows):
    """A model of the example's features, trained on rows of a config, in that config and in others."""

    def setUp(self):
        super().setUp()
        self.features = json.loads(run("model", "inspect", ROOT / "models/example-mlp.safetensors", "--json")[0])["features"]
        self.features[0] = "a: " + self.features[0]
        self.model = self.tmp / "m.safetensors"

    def make_config(self, features=None, bars="s1: 1s", name="config.yaml"):
        listed = json.dumps(features or self.features)
        return self.config(f"features: {listed}\nbars: {{{bars}}}\n"
                           f"models: [{{name: m, file: {self.model}}}]\n"
                           "strategies: [{name: s, model: m, buy: 'score > 0'}]\n", name)

    def trained(self, *args):
        self.eval(self.make_config(), *args)
        run("model", "import", ONNX, "--schema", self.tmp / "x.npy.schema.json", "--out", self.model)

    def refused(self, says, **kwargs):
        err = run("replay", self.make_config(**kwargs), "--input", INPUT, expect=2)[1]
        self.assertIn(says, err)

    def test_its_own_config_runs_it(self):
        self.trained("--nan", "drop")
        run("replay", self.make_config(), "--input", INPUT)
        inspected = json.loads(run("model", "inspect", self.model, "--json")[0])
        self.assertEqual(inspected["schema"], self.schema())

    def test_a_feature_of_another_meaning_is_named(self):
        self.trained()
        changed = list(self.features)
        changed[0] = "a: spread"
        self.refused('feature 1, "a", was trained as spread_bps; in this config it is spread', features=changed)

    def test_a_bar_of_another_span_is_named(self):
        self.trained()
        self.refused('bar "s1" was trained as 1000000000 ns; in this config it is 2000000000 ns', bars="s1: 2s")

    def test_filled_rows_are_not_what_the_engine_has(self):
        self.trained("--nan", "fill")
        self.refused("gaps were filled")

    def test_a_schema_that_was_edited_is_refused(self):
        self.eval(self.make_config())
        path = self.tmp / "x.npy.schema.json"
        path.write_text(path.read_text().replace('"expr":"spread_bps"', '"expr":"spread"'))
        run("model", "import", ONNX, "--schema", path, "--out", self.model)
        self.refused("its schema was changed")

    def test_what_is_no_schema_is_refused_at_import(self):
        for text in ("", "{}", '{"features": 1}', '{"features": [{"expr": "mid"}]}', '{"features": ['):
            path = self.tmp / "bad.json"
            path.write_text(text)
            with self.subTest(text):
                run("model", "import", ONNX, "--schema", path, "--out", self.model, expect=3)


if __name__ == "__main__":
    main()

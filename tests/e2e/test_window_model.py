"""A model over a window, from the outside: the same decisions on every cut of threads, warm-up counted, and what a
config may not say of it."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, ROOT, SMALL, main, replay, run, shm_name

CONFIG = str(ROOT / "configs" / "replay-lstm.yaml")
WINDOW = 20
MADE = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
FEATURES = (ROOT / "models" / "example-lstm.features").read_text().splitlines()[1:]  # behind a comment
ONE = "engine.lanes=[{stages: all}]"
TWO = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]"
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"


class WindowModel(unittest.TestCase):
    def check_threads(self, source):
        for precision in ("fp32", "bf16", "fp16", "int8"):
            with self.subTest(precision):
                sets = [f"models.0.precision={precision}"]
                runs = [replay(source, sets=[*sets, lanes], config=CONFIG)[0] for lanes in (ONE, ONE, TWO, THREE)]
                for key in ("decisions_hash", "events_hash", "decisions"):
                    self.assertEqual(len({r[key] for r in runs}), 1, key)
                self.assertTrue(all(r["ledger"]["residual"] == 0 for r in runs))
                first = runs[0]["inference"]
                self.assertGreaterEqual(first["skipped_warmup"], min(WINDOW - 1, first["requested"]))
        return runs

    def test_decisions_do_not_depend_on_threads(self):
        self.check_threads(MADE)

    def test_real_recording_gives_the_same_decisions_on_any_threads(self):
        path = DATA / "binance-usdm" / "btcusdt_20240808.gz"
        if not path.exists():
            self.skipTest(f"{path} is absent")
        runs = self.check_threads(f"binance-usdm:{path}")
        done = runs[0]
        self.assertGreater(done["inference"]["done"], 0.9 * done["ticks"])
        self.assertGreater(done["latency_ns"]["deferred"]["count"], 0)
        self.assertGreater(done["actions"]["buy"], 0)
        self.assertGreater(done["actions"]["sell"], 0)
        fp32 = replay(f"binance-usdm:{path}", config=CONFIG)[0]
        self.assertNotEqual(fp32["decisions_hash"], done["decisions_hash"], "int8 rounds")

    def test_nets_slide_the_same_on_any_threads(self):
        """A net's window: convolutions keep what earlier ticks computed, a recurrence is deferred."""
        for family, window, columns in (("tcn", 32, 8), ("rnn", 15, 5)):
            with self.subTest(family), tempfile.TemporaryDirectory() as folder:
                file = f"{folder}/{family}.safetensors"
                run("model", "import", ROOT / "tests" / "golden" / "models" / f"{family}.onnx", "--features",
                    ",".join(FEATURES[:columns]), "--out", file)
                sets = [f"models.0.file={file}", f"models.0.window={window}"]
                runs = [replay(MADE, sets=[*sets, lanes], config=CONFIG)[0] for lanes in (ONE, ONE, TWO, THREE)]
                for key in ("decisions_hash", "decisions"):
                    self.assertEqual(len({r[key] for r in runs}), 1, key)
                self.assertTrue(all(r["ledger"]["residual"] == 0 for r in runs))
                self.assertGreater(runs[0]["inference"]["done"], 0)

    def test_window_that_is_not_the_files_is_refused_with_both_numbers(self):
        for window in (1, WINDOW - 1, WINDOW + 1):
            _, err = run("replay", CONFIG, "--input", MADE, "--set", f"models.0.window={window}", "--set",
                         f"sinks.0.path={shm_name()}", expect=2)
            self.assertIn(f"found {window};", err)
            self.assertIn(f"windows of {WINDOW} rows", err)
        replay(MADE, sets=[f"models.0.window={WINDOW}"], config=CONFIG)

    def test_error_bound_that_is_missed_is_refused(self):
        _, err = run("replay", CONFIG, "--input", MADE, "--set", "models.0.precision=int8", "--set",
                     "models.0.error_max=1", "--set", f"sinks.0.path={shm_name()}", expect=None)
        self.assertIn("E_MODEL_CHECK", err)
        self.assertIn("in int8", err)


if __name__ == "__main__":
    main()

"""What ./dev gpu writes, and what it refuses, as far as that can be seen without a card: a probe of the worker's twin, made rows."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORKER = os.environ["WORKER"]
FIGURES = {"round_trip_p50": 1500, "round_trip_p99": 2500, "round_trip_p99_9": 3500, "round_trip_max": 9000}


def rows_of(name, **more):
    return [{"name": f"{name}_{figure}", "ours": value, "unit": "ns"} for figure, value in {**FIGURES, **more}.items()]


class Results(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, rows):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(rows))
        return path

    def run_it(self, *paths):
        done = subprocess.run([sys.executable, ROOT / "tools/gpu_results.py", "--into", self.folder, WORKER, "1000", *paths],
                              capture_output=True, text=True, check=True)
        return done.stdout

    def test_ours_and_peers_are_in_the_file_and_in_the_table(self):
        peer = self.write("aaa", rows_of("torch_graph_lstm_a"))
        ours = self.write("ours", rows_of("gpu_lstm_a", device_p50=700, device_max=800) + [
            {"name": "gpu_wide_inferences_per_second", "ours": 11e6}, {"name": "gpu_wide_round_p99", "ours": 9e5},
            {"name": "gpu_wide_round_max", "ours": 2e6}])
        out = self.run_it(peer, ours)
        self.assertIn("| lstm_a | 1.50 us | 2.50 us | 3.50 us | 9.00 us | 0.70 us | 0.80 us |", out)
        self.assertIn("| torch_graph_lstm_a | 1.50 us | 2.50 us | 3.50 us | 9.00 us |  |  |", out)
        self.assertIn("wide: 11.00 M inferences/s", out)
        self.assertLess(out.index("| lstm_a |"), out.index("| torch_graph"))
        self.run_it(ours)
        table = (self.folder / "GPU.md").read_text()
        self.assertEqual(table.count("| lstm_a |"), 2)  # a row a run
        files = list((self.folder / "results").glob("*.json"))
        self.assertEqual(len(files), 1)
        got = json.loads(files[0].read_text())
        for key in ("date", "commit", "ticks", "host", "cuda", "driver_cuda", "state", "device", "rows"):
            self.assertIn(key, got)
        self.assertIn("cpu", got["host"])
        self.assertEqual(got["ticks"], 1000)

    def test_ticks_that_are_no_number_are_refused_before_anything_is_built(self):
        for ticks in ("0", "many", "-5", "1e7"):
            done = subprocess.run([ROOT / "tools/gpu_run", ticks], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f'"{ticks}" is no number of ticks', done.stderr)

    def test_peers_without_a_card_or_a_library_say_so(self):
        for peer in ("torch", "ort"):
            done = subprocess.run(["/usr/bin/python3", ROOT / f"bench/peer_gpu_{peer}.py"], capture_output=True, text=True, check=False,
                                  env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn("skipped: ", done.stderr)


if __name__ == "__main__":
    unittest.main()

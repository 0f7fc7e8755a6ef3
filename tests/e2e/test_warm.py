"""Warm start and snapshots, from the outside: a run that is cut in two goes on as if it had not been."""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, ROOT, SMALL, main, run

RECORDING = DATA / "binance-usdm" / "btcusdt_20240808.gz"
CONFIG = """
engine: {{lanes: [{lanes}], log_level: notice}}
feeds: [{{name: main, venue: binance-usdm, channels: [trade, quote], instruments: [BTCUSDT]}}]
bars: {{s1: 1s, t100: 100 ticks, v5: 5 volume}}
features: [mid, "zscore(mid, 200)", "ofi(2s)", "vwap(10s)", "rsi(s1.close, 5)", "wma(t100.close, 7)",
           "quantile(v5.close, 9, 0.5)", "macd(mid, 12, 26, 9).macdsignal", "trade_imbalance(1s)", cvd]
strategies:
  - {{name: a, buy: "zscore(mid,200) < -2", buy_until: "zscore(mid,200) > 0", sell: "zscore(mid,200) > 2",
     sell_until: "zscore(mid,200) < 0", cooldown: 300ms, max_rate: 3/10s, books: all}}
  - {{name: b, buy: "ofi(2s) > 3 and rsi(s1.close,5) < 60", sell: "cvd < 0 and mid < quantile(v5.close,9,0.5)",
     max_rate: 5/1s, books: all, emit: actions}}
sinks: [{{type: stdout}}]
"""
ONE, TWO = "{stages: all}", "{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}"


def decisions_of(text):
    """What a decision is, without its place in a run."""
    rows = [json.loads(line) for line in text.splitlines() if line.startswith('{"')]
    keys = ("instrument", "strategy", "action", "hold_reason", "ts_recv_ns", "ref_price", "book_state", "score")
    return [tuple(str(row.get(k)) for k in keys) for row in rows]


class Snapshot(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tmp = pathlib.Path(self.folder.name)
        self.snap = self.tmp / "s.snap"

    def config(self, lanes=ONE, extra=""):
        path = self.tmp / "config.yaml"
        path.write_text(CONFIG.format(lanes=lanes) + extra)
        return path

    def replay(self, *args, lanes=ONE, sets=(), expect=0, source=RECORDING):
        command = ["replay", self.config(lanes), "--input", f"binance-usdm:{source}"]
        for item in sets:
            command += ["--set", item]
        return run(*command, *args, expect=expect)

    def whole(self):
        out, _ = self.replay()
        rows = decisions_of(out)
        self.assertGreater(sum(r[2] == "BUY" for r in rows), 10)
        times = sorted({int(r[4]) for r in rows})
        return rows, times[len(times) // 2] + 1

    def test_second_half_from_the_snapshot_decides_as_the_whole_did(self):
        if not RECORDING.exists():
            self.skipTest(f"{RECORDING} is not there")
        rows, cut = self.whole()
        for lanes in (ONE, TWO):
            keep = [f"engine.snapshot={self.snap}"]
            self.snap.unlink(missing_ok=True)
            first, _ = self.replay("--to", cut, sets=keep, lanes=lanes)
            second, err = self.replay("--from", cut, sets=keep, lanes=lanes)
            self.assertIn("snapshot_loaded", err)
            self.assertEqual(decisions_of(first) + decisions_of(second), rows)
        cold, _ = self.replay("--from", cut)
        self.assertNotEqual(decisions_of(cold), rows[-len(decisions_of(cold)):])  # it is the snapshot that did it

    def test_warm_start_over_the_first_half_warms_features_and_decides_nothing(self):
        if not RECORDING.exists():
            self.skipTest(f"{RECORDING} is not there")
        head = self.tmp / "head.txt"
        import gzip
        with gzip.open(RECORDING, "rt") as source:
            lines = source.readlines()
        head.write_text("".join(lines[:len(lines) // 2]))
        tail = self.tmp / "tail.txt"
        tail.write_text("".join(lines[len(lines) // 2:]))
        sets = [f"engine.warm_start=binance-usdm:{head}"]
        cold = json.loads(self.replay("--json", "--set", "sinks.0={type: 'null'}", source=tail)[0])
        out, err = self.replay("--json", "--set", "sinks.0={type: 'null'}", sets=sets, source=tail)
        warm = json.loads(out)
        self.assertIn("warm_start_done", err)
        for key in ("messages", "ticks", "events", "ledger"):
            self.assertEqual(warm[key], cold[key], key)
        self.assertEqual(warm["ledger"]["residual"], 0)
        self.assertEqual(warm["events_hash"], cold["events_hash"])
        self.assertNotEqual(warm["decisions_hash"], cold["decisions_hash"])

    def small(self, *args, extra="", sets=(), expect=0):
        command = ["replay", self.config(extra=extra), "--input", f"binance-usdm:{SMALL / 'binance_usdm_made.txt'}",
                   "--set", f"engine.snapshot={self.snap}"]
        for item in sets:
            command += ["--set", item]
        return run(*command, *args, expect=expect)

    def test_same_run_writes_the_same_bytes(self):
        self.assertIn("snapshot_missing", self.small()[1])
        first = self.without_epoch()
        self.snap.unlink()
        self.small()
        self.assertEqual(self.without_epoch(), first)

    def without_epoch(self):
        """The snapshot but for what says when the run began, its epoch, and the sums over it (docs/formats.md)."""
        data = bytearray(self.snap.read_bytes())
        for at, size in ((12, 4), (28, 4), (64, 4), (104, 8)):  # two CRCs, the epoch, the digest
            data[at:at + size] = bytes(size)
        return data

    def test_what_does_not_fit_is_refused_with_the_reason_and_the_run_goes_on(self):
        self.small()
        good = self.snap.read_bytes()
        for name, change, want in (("config", None, "taken with other strategies than"),
                                   ("bit", lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:], "checksum"),
                                   ("cut", lambda b: b[:-1], "E_FILE_DAMAGED"),
                                   ("head", lambda b: b[:9], "E_FILE_DAMAGED"),
                                   ("other", lambda b: b"x" * 100, "E_FILE_FORMAT")):
            with self.subTest(name):
                self.snap.write_bytes(change(good) if change else good)
                sets = [] if change else ["strategies.0.cooldown=301ms"]
                err = self.small(sets=sets)[1]
                self.assertIn("snapshot_refused", err)
                self.assertIn(want, err)

    def test_unreadable_recording_of_a_warm_start_is_an_error(self):
        err = self.small(sets=["engine.warm_start=binance-usdm:/nothing/here"], expect=None)[1]
        self.assertIn("warm start", err)

    def test_old_snapshot_is_refused_by_a_live_run(self):
        self.small()
        err = run("run", self.config(), "--for", "300ms", "--set", f"engine.snapshot={self.snap}", "--set",
                  "feeds.0.url=ws://127.0.0.1:9", "--set", "feeds.0.rest=http://127.0.0.1:9", expect=None)[1]
        self.assertIn("snapshot_refused", err)
        self.assertIn("s old; engine.snapshot_age_max is 600 s", err)


if __name__ == "__main__":
    main()

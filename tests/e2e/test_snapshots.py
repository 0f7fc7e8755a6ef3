"""Stop and go on exactly: an engine that is killed over and over leaves the journal of one that was not."""
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, ROOT, SMALL, TICKFUSE, main, run

MADE = SMALL / "binance_usdm_made.txt"
REAL = DATA / "binance-usdm" / "btcusdt_20240808.gz"
KILLS = 30
CONFIG = """
engine: {{log_level: notice, snapshot: {snap}, snapshot_every: 10ms, snapshot_restore: exact, lanes: [{lanes}]}}
feeds: [{{name: main, venue: binance-usdm, channels: [trade, quote, book], instruments: ["*"]}}]
bars: {{s1: 1s, t20: 20 ticks}}
features: [mid, "zscore(mid, 50)", "ofi(2s)", "imbalance(5)", "rsi(s1.close, 5)", "ema(t20.close, 3)"]
strategies:
  - {{name: a, buy: "zscore(mid,50) < -1", buy_until: "zscore(mid,50) > 0", sell: "zscore(mid,50) > 1", cooldown: 300ms,
     max_rate: 3/10s, books: all}}
  - {{name: b, buy: "ofi(2s) > 3", sell: "rsi(s1.close,5) < 40", max_rate: 5/1s, books: all}}
"""
ONE, THREE = "{stages: all}", "{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}"


def first_lines(path):
    """The deterministic halves of a journal's decisions, in order."""
    data = path.read_bytes()
    at, lines = 64, []
    while at + 64 <= len(data):
        kind, cnt = struct.unpack_from("<II", data, at + 4)
        if kind == 1:
            lines += [data[at + 64 + i * 128:at + 64 + i * 128 + 64] for i in range(cnt)]
        at += 64 + cnt * 128
    return lines


class Snapshots(unittest.TestCase):
    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="tf_snapshots_"))
        self.addCleanup(shutil.rmtree, self.tmp)
        self.snap, self.journal = self.tmp / "s.snap", self.tmp / "d.journal"

    def command(self, source, *args, lanes=ONE, snap=None, journal=None):
        path = self.tmp / "config.yaml"
        path.write_text(CONFIG.format(snap=snap or self.snap, lanes=lanes))
        return ["replay", path, "--input", f"binance-usdm:{source}", "--decisions", journal or self.journal, "--json", *args]

    def whole(self, source, lanes=ONE):
        journal = self.tmp / "whole.journal"
        out, _ = run(*self.command(source, lanes=lanes, snap=self.tmp / "whole.snap", journal=journal))
        lines = first_lines(journal)
        self.assertGreater(len(lines), 200)
        return lines, json.loads(out)

    def check_kills(self, source, speed, lanes):
        lines, summary = self.whole(source, lanes)
        rng = random.Random(20261122)
        for at in sorted(rng.uniform(0, 0.95) for _ in range(KILLS)):
            self.kill_at(self.command(source, "--speed", speed, lanes=lanes), int(at * len(lines)))
        out, err = run(*self.command(source, lanes=lanes))
        done = json.loads(out)
        self.assertEqual(first_lines(self.journal), lines)
        self.assertEqual(done["decisions_hash"], summary["decisions_hash"])
        self.assertEqual(done["events_hash"], summary["events_hash"])
        self.assertEqual(done["ledger"]["residual"], 0)
        self.assertIn("snapshot_continued", err)

    def kill_at(self, command, decision_cnt):
        """Runs it until the journal has so many decisions, or it comes to its end; then kill -9."""
        with open(self.tmp / "life.txt", "w", encoding="utf-8") as log:
            process = subprocess.Popen([TICKFUSE, *map(str, command)], stdout=log, stderr=log, cwd=ROOT)
        while process.poll() is None:
            if self.journal.exists() and len(first_lines(self.journal)) >= decision_cnt:
                process.kill()
                process.wait()
            time.sleep(0.005)
        self.assertIn(process.returncode, (0, -9), (self.tmp / "life.txt").read_text())

    def test_thirty_kills_leave_the_journal_of_one_run(self):
        self.check_kills(MADE, "20x", ONE)

    def test_thirty_kills_of_a_real_recording_on_three_threads(self):
        if not REAL.exists():
            self.skipTest(f"{REAL} is not there")
        self.check_kills(REAL, "200x", THREE)

    def test_what_it_goes_on_from_and_where_it_stops_may_be_on_other_threads(self):
        lines, summary = self.whole(MADE)
        self.kill_at(self.command(MADE, "--speed", "20x", lanes=ONE), len(lines) // 2)
        out, _ = run(*self.command(MADE, lanes=THREE))
        self.assertEqual(first_lines(self.journal), lines)
        self.assertEqual(json.loads(out)["decisions_hash"], summary["decisions_hash"])

    def test_from_snapshot_is_the_two_keys(self):
        lines, _ = self.whole(MADE)
        self.kill_at(self.command(MADE, "--speed", "20x"), len(lines) // 2)
        moved = self.tmp / "moved.snap"
        for name in (self.snap, self.snap.with_name("s.snap.1")):
            if name.exists():
                shutil.copy(name, moved)
                break
        run(*self.command(MADE, "--set", "engine.snapshot_restore=learnt", "--from-snapshot", moved))
        self.assertEqual(first_lines(self.journal), lines)

    def test_a_journal_of_other_decisions_is_told_and_ends_the_sink(self):
        run(*self.command(MADE))
        before = self.journal.read_bytes()
        for name in self.tmp.glob("s.snap*"):
            name.unlink()
        _, err = run(*self.command(MADE, "--set", "strategies.0.buy=mid > 0"), expect=1)
        self.assertIn("E_SINK_FENCED", err)
        self.assertIn("is another than the one that this engine makes", err)
        self.assertEqual(first_lines(self.journal), self.lines_of(before))

    def lines_of(self, data):
        path = self.tmp / "before.journal"
        path.write_bytes(data)
        return first_lines(path)

    def test_another_recording_is_refused_and_nothing_is_decided(self):
        run(*self.command(MADE))
        before = first_lines(self.journal)
        other = self.tmp / "other.txt"
        other.write_text("".join(MADE.read_text().splitlines(keepends=True)[:-40]))
        _, err = run(*self.command(other), expect=1)
        self.assertIn("E_BOOT_SNAPSHOT", err)
        self.assertIn("it ends before that", err)
        self.assertEqual(first_lines(self.journal), before)

    def test_a_damaged_snapshot_gives_way_to_the_one_before(self):
        lines, _ = self.whole(MADE)
        self.kill_at(self.command(MADE, "--speed", "20x"), len(lines) // 2)
        for _ in range(2):
            run(*self.command(MADE))  # each leaves its last, and that of the one before
        self.assertTrue(self.snap.with_name("s.snap.1").exists())
        data = bytearray(self.snap.read_bytes())
        data[len(data) // 2] ^= 1
        self.snap.write_bytes(data)
        _, err = run(*self.command(MADE))
        self.assertIn("snapshot_refused", err)
        self.assertIn("snapshot_continued", err)
        self.assertEqual(first_lines(self.journal), lines)

    def test_a_place_that_takes_no_file_is_told_once_a_snapshot_and_the_decisions_stay(self):
        lines, _ = self.whole(MADE)
        _, err = run(*self.command(MADE, "--speed", "20x", snap=self.tmp / "nowhere" / "s.snap"), expect=1)
        self.assertIn("snapshot_not_written", err)
        self.assertIn("E_FILE_WRITE", err)
        self.assertEqual(first_lines(self.journal), lines)


if __name__ == "__main__":
    main()

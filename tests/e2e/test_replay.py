"""Replay, from the outside: counts against an independent decoder, determinism over pace and threads, and
what damaged or wrong input does."""
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, REPLAY_CONFIG, ROOT, SANITIZED, SMALL, main, replay, run, shm_name

ORACLE = ROOT / "tests" / "oracle" / "binance_decoder.py"
RECORDINGS = {
    "binance-spot": DATA / "binance-spot" / "btcusdt_20240808.gz",
    "binance-usdm": DATA / "binance-usdm" / "btcusdt_20240808.gz",
    "binance-coinm": DATA / "binance-coinm" / "btcusd_perp_20240808.gz",
}
ONE = "engine.lanes=[{stages: all}]"
TWO = ["engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]",
       "engine.lanes=[{stages: [acquire, buffer, compute, decide]}, {stages: [emit]}]"]
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"


def oracle(venue, path):
    out = subprocess.run(["/usr/bin/python3", ORACLE, "counts", venue, str(path)], capture_output=True, text=True,
                         check=True).stdout
    return json.loads(out)


def head_of(path, lines, target):
    with gzip.open(path) as source, gzip.open(target, "w") as out:
        for _, line in zip(range(lines), source):
            out.write(line)


class RealRecordings(unittest.TestCase):
    def setUp(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is absent")

    def test_counts_equal_those_of_an_independent_decoder(self):
        for venue, path in RECORDINGS.items():
            with self.subTest(venue):
                want = oracle(venue, path)
                got, _ = replay(f"{venue}:{path}")
                self.assertEqual(got["messages"], want["messages"])
                for kind in ("trade", "quote", "book"):
                    self.assertEqual(got["events"][kind], want[kind], kind)
                self.assertEqual(got["rejected"], {})
                self.assertEqual(got["gaps"], 0)
                self.assertEqual(got["ledger"]["residual"], 0)
                self.assertEqual(got["inference"]["done"], got["decisions"])
                self.assertGreater(got["decisions"], 0.9 * got["ticks"])
                self.assertGreater(got["actions"]["buy"], 0)
                self.assertGreater(got["actions"]["sell"], 0)

    def test_hashes_do_not_depend_on_threads_or_runs(self):
        venue, path = "binance-usdm", RECORDINGS["binance-usdm"]
        runs = [replay(f"{venue}:{path}", sets=[s])[0] for s in (ONE, ONE, *TWO, THREE)]
        if not SANITIZED:
            runs.append(replay(f"{venue}:{path}", sets=[ONE, "engine.idle=sleep", "engine.latency_sample=7"])[0])
        for key in ("decisions_hash", "events_hash", "decisions"):
            self.assertEqual(len({r[key] for r in runs}), 1, key)
        self.assertTrue(all(r["ledger"]["residual"] == 0 for r in runs))

    def test_two_venues_merge_by_receive_time_the_same_on_every_run(self):
        inputs = [f"{v}:{RECORDINGS[v]}" for v in ("binance-spot", "binance-usdm")]
        a, _ = replay(*inputs)
        b, _ = replay(*inputs, sets=[THREE])
        self.assertEqual(a["instruments"], 2)
        self.assertEqual((a["events_hash"], a["decisions_hash"]), (b["events_hash"], b["decisions_hash"]))
        self.assertEqual(a["messages"], 41249 + 93954)

    def test_pace_changes_latency_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = pathlib.Path(tmp) / "head.gz"
            head_of(RECORDINGS["binance-spot"], 3000, path)
            full, _ = replay(f"binance-spot:{path}")
            paced, _ = replay(f"binance-spot:{path}", args=["--speed", "20x"], sets=[THREE])
            self.assertGreater(paced["wall_seconds"], full["wall_seconds"])
            self.assertEqual(full["decisions_hash"], paced["decisions_hash"])
            self.assertEqual(full["events_hash"], paced["events_hash"])

    def test_truncated_recording_is_read_up_to_the_damage_and_exits_3(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = pathlib.Path(tmp) / "cut.gz"
            whole = RECORDINGS["binance-spot"].read_bytes()
            path.write_bytes(whole[: len(whole) // 3])
            got, err = replay(f"binance-spot:{path}", expect=3)
            self.assertGreater(got["messages"], 5000)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertIn("E_FILE_DAMAGED", err)
            self.assertIn("cut.gz", err)


class SmallRecordings(unittest.TestCase):
    """Always run: made by tests/data's own script, or here."""

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.tmp.name)

    def tearDown(self):
        self.tmp.cleanup()

    def write(self, *lines):
        path = self.dir / "r.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        return f"binance-spot:{path}"

    def frames(self, n):
        for i in range(n):
            yield (f'{10**18 + i * 10**6} {{"stream":"btcusdt@bookTicker","data":{{"u":{100 + i},"s":"BTCUSDT",'
                   f'"b":"100.{i % 90:02d}","B":"1.5","a":"101.{i % 90:02d}","A":"2.5"}}}}')

    def test_bad_messages_are_counted_with_reason_and_sample_and_the_stream_goes_on(self):
        lines = list(self.frames(30))
        lines[7:7] = [f'{10**18 + 6 * 10**6} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1e400",'
                      f'"q":"1","T":1,"m":true}}}}',
                      f"{10**18 + 6 * 10**6} this is not JSON",
                      f'{10**18 + 6 * 10**6} {{"stream":"x@y","data":{{"e":"neverHeardOf","E":1}}}}',
                      "no time at all"]
        got, err = replay(self.write(*lines))
        self.assertEqual(got["events"]["quote"], 30)
        self.assertEqual(got["messages"], 34)
        self.assertEqual(got["rejected"], {"number": 1, "syntax": 1, "unknown": 1, "line": 1})
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertIn("this is not JSON", err)

    def test_times_that_cannot_be_meant_are_counted_by_cause_and_move_no_window(self):
        """F35: 0, another unit, an hour ahead, a clock that goes back, long ago."""
        now_ms = 1790000000000

        def trade(i, ts):
            return (f'{now_ms * 10**6 + i * 10**6} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":{ts},"s":"BTCUSDT","t":{100 + i},'
                    f'"p":"100.{i:02d}","q":"1","T":{ts},"m":true}}}}')

        hour = 3600 * 1000
        odd = {5: 0, 9: now_ms // 1000, 12: now_ms * 1000 + 7, 15: now_ms + hour - 300, 18: now_ms - hour, 21: now_ms - 400 * 24 * hour}
        path = self.write(*(trade(i, odd.get(i, now_ms + i)) for i in range(40)))
        got, _ = replay(path)
        self.assertEqual(got["events"]["trade"], 40)
        self.assertEqual(got["rejected"], {})
        self.assertEqual(got["suspect"], {"ts_zero": 1, "ts_said": 1, "ts_unit": 1, "ts_future": 1, "ts_backwards": 1, "ts_past": 1})
        self.assertEqual(got["lane"]["events_late"], 0)
        self.assertEqual(got["ledger"]["residual"], 0)
        sound, _ = replay(self.write(*(trade(i, now_ms + i) for i in range(40))))
        self.assertEqual(got["ticks"], sound["ticks"])
        self.assertEqual((got["decisions"], got["actions"]), (sound["decisions"], sound["actions"]))

    def test_same_id_with_other_contents_is_a_conflict_and_the_first_stands(self):
        """F26."""
        def trade(i, number, price):
            return (f'{10**18 + i * 10**6} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":1000000000000,"s":"BTCUSDT","t":{number},'
                    f'"p":"{price}","q":"1","T":1000000000000,"m":true}}}}')

        first = [trade(i, 100 + i, f"100.{i:02d}") for i in range(20)]
        got, err = replay(self.write(*first, trade(21, 110, "100.10"), trade(22, 111, "100.1100"), trade(23, 112, "999.00")))
        want, _ = replay(self.write(*first))
        self.assertEqual(got["duplicates"], 3)
        self.assertEqual(got["id_conflicts"], 1)
        self.assertEqual(got["events_hash"], want["events_hash"])
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertIn("1 trades came under an id of another trade (id_conflict) and were left out, newest: id 112", err)

    def test_gap_is_counted_and_no_decision_calls_the_book_ok_after_it(self):
        def depth(i, first, last):
            return (f'{10**18 + i} {{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":{first},'
                    f'"u":{last},"b":[["100.00","1.0"]],"a":[["101.00","1.0"]]}}}}')
        lines = [depth(1, 1, 5),
                 f'{10**18 + 2} {{"lastUpdateId":5,"bids":[["99.00","1.0"]],"asks":[["102.00","1.0"]]}}',
                 depth(3, 6, 7), depth(4, 9, 12), depth(5, 13, 14)]
        got, _ = replay(self.write(*lines))
        self.assertEqual(got["gaps"], 1)
        self.assertEqual(got["events"]["book"], 10)
        self.assertEqual(got["ledger"]["residual"], 0)

    def test_empty_file_is_no_recording(self):
        _, err = run("replay", REPLAY_CONFIG, "--input", self.write(), "--set", f"sinks.0.path={shm_name()}", expect=3)
        self.assertIn("r.txt: the file is empty", err)

    def test_journal_holds_the_decisions_that_the_summary_counts(self):
        source = self.write(*self.frames(800))
        journal = self.dir / "d.journal"
        every = 'strategies=[{name: t, buy: "spread > 0.5", books: all}]'
        got, _ = replay(source, sets=[every], args=["--decisions", journal])
        out, _ = run("tail", journal, "--json")
        records = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(records), got["decisions"])
        self.assertEqual([r["decision_seq"] for r in records], list(range(1, len(records) + 1)))
        self.assertGreater(len(records), 0)
        self.assertEqual(records[0]["instrument"], "BTCUSDT.BINANCE-SPOT")

    def test_usage_errors_exit_2_and_name_the_remedy(self):
        source = self.write(*self.frames(3))
        for args, text in (
            (["replay", REPLAY_CONFIG], "--input"),
            (["replay", REPLAY_CONFIG, "--input", "nowhere:x"], "binance-spot"),
            (["replay", REPLAY_CONFIG, "--input", source, "--spead", "1x"], '"--speed"'),
            (["replay", REPLAY_CONFIG, "--input", source, "--speed", "quick"], "max"),
            (["replay", REPLAY_CONFIG, "--input", source, "--set", "engine.idel=spin"], '"idle"'),
            (["replay", REPLAY_CONFIG, "--input", source, "--set", 'features=["emma(mid, 20)"]'], '"ema"'),
            (["replay", REPLAY_CONFIG, "--input", source, "--set", 'strategies.0.buy=score > 0.6 and spred_bps < 2'], "spread_bps"),
            (["replay", REPLAY_CONFIG, "--input", source, "--set", "features=[mid]"], "the model"),
            (["replay", "no/such.yaml", "--input", source], "no/such.yaml"),
            (["replai"], '"replay"'),
        ):
            with self.subTest(args[-1]):
                _, err = run(*args, expect=2)
                self.assertIn(text, err)

    def test_missing_input_exits_1_and_names_it(self):
        _, err = run("replay", REPLAY_CONFIG, "--input", f"binance-spot:{self.dir}/gone.gz", "--set",
                     f"sinks.0.path={shm_name()}", expect=1)
        self.assertIn("gone.gz", err)

    def test_config_error_says_file_line_and_column(self):
        path = self.dir / "c.yaml"
        path.write_text("engine: {profile: standard}\nfeeds:\n  - {name: a, venu: binance-spot}\n")
        _, err = run("check", path, expect=2)
        self.assertIn(f"{path}:3:15", err)
        self.assertIn('"venue"', err)


if __name__ == "__main__":
    main()

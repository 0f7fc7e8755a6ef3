"""features and indicator, from the outside: rows against an independent model, formats against each other,
wrong input with its place."""
import csv
import io
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, REPLAY_CONFIG, ROOT, SMALL, main, replay, run

SMALL_INPUT = f"binance-usdm:{SMALL / 'binance_usdm_made.txt'}"
RECORDING = DATA / "binance-usdm" / "btcusdt_20240808.gz"


def evaluate(*inputs, config=REPLAY_CONFIG, args=(), expect=0):
    command = ["features", "eval", config]
    for item in inputs:
        command += ["--input", item]
    return run(*command, *args, expect=expect)


def rows_of(text):
    lines = list(csv.reader(io.StringIO(text)))
    return lines[0], lines[1:]


class RequireReady(unittest.TestCase):
    """A strategy that would always act, over features of which one takes 50 ticks."""

    def reasons(self, required):
        config = (
            "feeds: [{name: main, venue: binance-usdm, channels: [trade, quote, book], instruments: [BTCUSDT]}]\n"
            "features: [mid, \"sma(mid, 50)\", \"ema(mid, 5)\"]\n"
            "strategies: [{name: a, buy: \"ema(mid, 5) > 0 or mid > 0 or 1 > 0\", "
            f"books: [ok, syncing, gap, stale, crossed, none], require_ready: {required}}}]\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "config.yaml"
            path.write_text(config)
            _, rows = rows_of(evaluate(SMALL_INPUT, config=path)[0])
            journal = pathlib.Path(folder) / "j"
            run("replay", path, "--input", SMALL_INPUT, "--decisions", journal)
            lines = [json.loads(line) for line in run("tail", journal, "--json")[0].splitlines()]
        return rows, [d.get("hold_reason") for d in lines]

    def test_it_holds_until_what_it_requires_has_a_value(self):
        for required, columns in (("all", (3, 4, 5)), ("rules", (3, 5)), ("none", ())):
            rows, reasons = self.reasons(required)
            self.assertEqual(len(rows), len(reasons))
            for row, reason in zip(rows, reasons):
                missing = any(row[c] == "" for c in columns)
                self.assertEqual(reason == "warming", missing, (required, row))
            if required != "none":
                self.assertIn("warming", reasons)
                self.assertIn("none", reasons)


class Groups(unittest.TestCase):
    def test_a_group_lists_its_own_and_all_of_them(self):
        every = json.loads(run("features", "list", "--json")[0])["indicators"]
        groups = {d["group"] for d in every}
        self.assertIn("momentum", groups)
        for group in groups:
            found = json.loads(run("indicator", "list", group, "--json")[0])
            self.assertEqual(found["indicators"], [d for d in every if d["group"] == group])
            self.assertEqual(found["bar_fields"], [])
        text = run("features", "list", "momentum")[0]
        self.assertIn("rsi(", text)
        self.assertNotIn("  ema(", text)

    def test_a_group_that_is_none_names_the_nearest(self):
        self.assertIn('did you mean "momentum"', run("features", "list", "momentun", expect=2)[1])


class Eval(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tmp = pathlib.Path(self.folder.name)

    def config(self, text):
        path = self.tmp / "config.yaml"
        path.write_text(text)
        return path

    def test_there_is_a_row_for_each_tick_of_a_replay(self):
        head, rows = rows_of(evaluate(SMALL_INPUT)[0])
        report, _ = replay(SMALL_INPUT)
        self.assertEqual(len(rows), report["ticks"])
        self.assertEqual(head[:3], ["ts_recv_ns", "ingest_seq", "instrument"])
        self.assertTrue(all(len(r) == len(head) for r in rows))
        causes = [int(r[1]) for r in rows]
        self.assertEqual(causes, sorted(set(causes)))

    def test_npy_and_csv_hold_the_same_bits(self):
        head, rows = rows_of(evaluate(SMALL_INPUT)[0])
        evaluate(SMALL_INPUT, args=["--out", self.tmp / "x.npy"])
        array = np.load(self.tmp / "x.npy")
        self.assertEqual(list(array.dtype.names), head)
        self.assertEqual(len(array), len(rows))
        for i, name in enumerate(head):
            if name == "instrument":
                self.assertEqual([v.decode() for v in array[name]], [r[i] for r in rows])
                continue
            for value, row in zip(array[name], rows):
                self.assertTrue(math.isnan(value) if row[i] == "" else float(row[i]) == value, (name, value, row[i]))

    def test_rows_are_the_same_on_any_threads(self):
        one, _ = evaluate(SMALL_INPUT)
        two, _ = evaluate(SMALL_INPUT, args=["--set", "engine.lanes=[{stages: [acquire]}, "
                                             "{stages: [buffer, compute, decide, emit]}]"])
        self.assertEqual(one, two)

    def test_model_of_the_config_need_not_exist(self):
        config = self.config("features: [mid]\nmodels: [{name: m, file: not-there.safetensors}]\n"
                             "strategies: [{name: s, model: m, buy: 'score > 0'}]\n"
                             "sinks: [{type: shm, path: never-made}]\n")
        head, rows = rows_of(evaluate(SMALL_INPUT, config=config)[0])
        self.assertEqual(head[3:], ["mid"])
        self.assertFalse(pathlib.Path("/dev/shm/tickfuse.never-made").exists())

    def test_wrong_use_says_so(self):
        self.assertIn("--input", run("features", "eval", REPLAY_CONFIG, expect=2)[1])
        config = self.config("features: [mid, 'ema(mad, 3)']\n")
        self.assertIn(f"{config}:1:21: unknown name \"mad\"", evaluate(SMALL_INPUT, config=config, expect=2)[1])
        self.assertIn("lists no features",
                      evaluate(SMALL_INPUT, config=self.config("bars: {s1: 1s}\n"), expect=2)[1])
        self.assertIn("did you mean \"eval\"", run("features", "evl", expect=2)[1])

    def test_rows_of_a_real_recording_agree_with_a_model_of_their_definitions(self):
        if not RECORDING.exists():
            self.skipTest(f"{RECORDING} is not there")
        config = self.config("features: [mid, bid, 'ema(mid,20)', 'wma(mid,50)', 'quantile(mid,31,0.5)', "
                             "'linearreg_slope(mid,40)', 'bbands(mid,20).upperband', 'cvd', 'depth(5).bid']\n")
        out = self.tmp / "x.npy"
        evaluate(f"binance-usdm:{RECORDING}", config=config, args=["--out", out])
        rows = np.load(out)
        self.assertGreater(len(rows), 90000)
        mid = rows["mid"]
        first = int(np.argmax(~np.isnan(mid)))
        mid = mid[first:]
        self.assertFalse(np.isnan(mid).any())
        windows = np.lib.stride_tricks.sliding_window_view
        wma = windows(mid, 50) @ np.arange(1, 51) / (50 * 51 / 2)
        np.testing.assert_allclose(rows["wma(mid,50)"][first + 49:], wma, rtol=1e-12)
        np.testing.assert_array_equal(rows["quantile(mid,31,0.5)"][first + 30:], np.median(windows(mid, 31), axis=1))
        t = np.arange(40) - 19.5
        centred = windows(mid, 40) - windows(mid, 40)[:, :1]
        np.testing.assert_allclose(rows["linearreg_slope(mid,40)"][first + 39:], centred @ t / (t @ t), atol=1e-9)
        band = windows(mid, 20).mean(axis=1) + 2 * windows(mid, 20).std(axis=1)
        np.testing.assert_allclose(rows["bbands(mid,20).upperband"][first + 19:], band, rtol=1e-9)
        depth = rows["depth(5).bid"]
        self.assertTrue((depth[~np.isnan(depth)] > 0).all())
        self.assertGreater(np.count_nonzero(~np.isnan(depth)), 80000)


class Indicator(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name) / "bars.csv"

    def eval(self, expression, text, expect=0, args=()):
        self.path.write_bytes(text.encode())
        return run("indicator", "eval", expression, "--bars", self.path, *args, expect=expect)

    def column(self, expression, text):
        return [r[1] for r in rows_of(self.eval(expression, text)[0])[1]]

    def test_values_are_those_of_the_definition(self):
        closes = [10, 11, 12.5, 12, 13, 9, 9.5]
        text = "ts,close\n" + "".join(f"t{i},{c}\n" for i, c in enumerate(closes))
        found = self.column("sma(close, 3)", text)
        self.assertEqual(found[:2], ["", ""])
        self.assertEqual([float(v) for v in found[2:]], [sum(closes[i - 2:i + 1]) / 3 for i in range(2, 7)])
        self.assertEqual(self.column("close - 1", text), [f"{c - 1:.15g}" for c in closes])

    def test_bare_name_takes_its_defaults_and_every_output_has_a_column(self):
        text = "high,low,close,volume,open,ts\n" + "".join(f"{i + 3},{i + 1},{i + 2},5,1,{i}\n" for i in range(40))
        for name in json.loads(run("features", "list", "--json")[0])["indicators"]:
            if name["kind"] != "series" or "periods" in name["series"]:
                continue
            head, rows = rows_of(self.eval(name["name"], text)[0])
            self.assertEqual(len(head), 1 + len(name["outputs"]), name["name"])
            self.assertEqual(len(rows), 40)
            ready = [i for i, r in enumerate(rows) if r[1] != ""]
            has_value = name["group"] != "transform"  # acos(2) has none
            if name["lookback"] < 40 and has_value:
                self.assertEqual(ready[0], name["lookback"], name["name"])

    def test_json_says_the_same(self):
        text = "ts,close\na,1\nb,2\nc,4\n"
        found = json.loads(self.eval("sma(close,2)", text, args=["--json"])[0])
        self.assertEqual(found, {"columns": ["ts", "sma(close,2)"], "rows": [["a", None], ["b", 1.5], ["c", 3.0]]})

    def test_missing_values_comments_blank_lines_and_crlf_are_taken(self):
        self.assertEqual(self.column("sma(close,2)", "# made\r\nts, close \r\n\r\n1, 2\r\n2,\r\n3,4\r\n"),
                         ["", "", "3"])
        self.assertEqual(rows_of(self.eval("close", "close\n7")[0])[1], [["0", "7"]])

    def test_bad_files_are_refused_at_their_place(self):
        for text, want in (("", "empty: a header"), ("ts,clse\n", "1:4: unknown column \"clse\", did you mean \"close\"?"),
                           ("close,close\n", "1:7: a second column"), ("ts,close\n1,x\n", "2:3: found \"x\""),
                           ("ts,close\n1,2\n1\n", "3: found 1 cells, the header has 2"),
                           ("ts,close\n1,2,3\n", "2:5: found \"3\" beyond"), ("close\ninf\n", "2:1: found \"inf\""),
                           ("close\n0x10\n", "found \"0x10\""), ("close\n1e999\n", "found \"1e999\""),
                           ("ts,close\n7,1\n6,2\n", "3:1: ts \"6\", before the last bar's 7: bars come in order"),
                           ("instrument,close\nA,1\nB,2\n", "3:1: instrument \"B\" after A: a file is of one instrument"),
                           ("trade_cnt,close\n1.5,1\n", "2:1: found \"1.5\", expected a whole number of trades"),
                           ("trade_cnt,close\n-1,1\n", "2:1: found \"-1\", expected a whole number of trades"),
                           ("ts,open\n1,2\n", "no column \"close\", which the expression reads")):
            with self.subTest(text):
                err = self.eval("sma(close,1)", text, expect=3)[1]
                self.assertIn("E_FILE_FORMAT", err)
                self.assertIn(want, err)

    def test_longest_line_is_taken_and_one_byte_more_is_not(self):
        limit = 4096
        for extra, expect in ((-1, 0), (0, 0), (1, 3)):
            line = "1".rjust(limit - 1 + extra) + "\n"
            self.eval("close", "close\n" + line, expect=expect)

    def test_wrong_expressions_say_the_column(self):
        for text, want in (("rsi(clse)", "expr:1:5: unknown name"), ("mid", "expr:1:1"), ("rsi(close,", "expr:1:"),
                           ("", "expr:1:1")):
            self.assertIn(want, self.eval(text, "close\n1\n", expect=2)[1])
        self.assertIn("--bars", run("indicator", "eval", "rsi", expect=2)[1])
        self.assertIn("nothing.csv", run("indicator", "eval", "rsi", "--bars", "nothing.csv", expect=1)[1])


class Bars(unittest.TestCase):
    """features eval --bars: what the features of the same bars see, and a file that indicator eval reads."""

    CONFIG = "bars: {s1: 1s, t5: 5 ticks, f: {size: 200ms, gaps: flat}}\nfeatures: [s1.close, t5.trade_cnt]\n"

    def bars(self, name, expect=0):
        with tempfile.TemporaryDirectory() as tmp:
            config = pathlib.Path(tmp, "c.yaml")
            config.write_text(self.CONFIG, encoding="ascii")
            return evaluate(SMALL_INPUT, config=str(config), args=("--bars", name), expect=expect)

    def test_every_closed_bar_is_a_line_in_order_of_its_end(self):
        for name in ("s1", "t5", "f"):
            head, rows = rows_of(self.bars(name)[0])
            self.assertEqual(head, "ts,end,instrument,open,high,low,close,volume,notional,buy_volume,trade_cnt".split(","))
            self.assertGreater(len(rows), 5)
            ends = {}
            for r in rows:
                begin, end, low, high = int(r[0]), int(r[1]), float(r[5]), float(r[4])
                self.assertLessEqual(ends.get(r[2], 0), begin)
                self.assertTrue(begin <= end and low <= float(r[3]) <= high and low <= float(r[6]) <= high)
                if name == "t5":
                    self.assertEqual(int(r[10]), 5)
                else:
                    self.assertEqual(end - begin, 10**9 if name == "s1" else 2 * 10**8)
                    self.assertEqual(begin % (end - begin), 0)
                    self.assertTrue(name != "f" or ends.get(r[2], begin) == begin)  # no span is missing
                    self.assertTrue(int(r[10]) > 0 or name == "f")
                ends[r[2]] = end

    def test_indicator_eval_reads_the_bars_of_one_instrument(self):
        text = "".join(line for line in self.bars("t5")[0].splitlines(True) if line.startswith("ts,") or "BTCUSDT" in line)
        with tempfile.TemporaryDirectory() as tmp:
            path = pathlib.Path(tmp, "bars.csv")
            path.write_text(text, encoding="ascii")
            head, rows = rows_of(run("indicator", "eval", "sma(notional / volume, 1)", "--bars", str(path))[0])
            want = [[r[0], float(r[8]) / float(r[7])] for r in rows_of(text)[1]]
            self.assertEqual([[r[0], float(r[1])] for r in rows], want)
            self.assertIn("a file is of one instrument",
                          self.refused(path, self.bars("t5")[0]))

    def refused(self, path, text):
        path.write_text(text, encoding="ascii")
        return run("indicator", "eval", "close", "--bars", str(path), expect=3)[1]

    def test_bars_that_are_not_there_are_named(self):
        self.assertIn("did you mean \"s1\"?", self.bars("s2", expect=2)[1])


class List(unittest.TestCase):
    def test_every_indicator_and_bar_field_is_described(self):
        found = json.loads(run("features", "list", "--json")[0])
        text, _ = run("features", "list")
        names = [i["name"] for i in found["indicators"]]
        self.assertGreater(len(names), 40)
        self.assertEqual(names, sorted(names))
        for i in found["indicators"]:
            self.assertTrue(i["help"] and i["origin"] and i["usage"].startswith(i["name"]) and i["outputs"], i)
            self.assertIn(i["help"], text)
            for p in i["params"]:
                self.assertLessEqual(p["min"], p["default"])
                self.assertLessEqual(p["default"], p["max"])
        self.assertEqual(len(found["bar_fields"]), 8)


if __name__ == "__main__":
    main()

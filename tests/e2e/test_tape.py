"""Tapes, from the outside: what replaying one gives against the recording that it was made of, the commands, and
what damaged files do."""
import csv
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, DEMO, SMALL, Exchange, main, replay, run, shm_name

RECORDINGS = {
    "binance-spot": DATA / "binance-spot" / "btcusdt_20240808.gz",
    "binance-usdm": DATA / "binance-usdm" / "btcusdt_20240808.gz",
    "binance-coinm": DATA / "binance-coinm" / "btcusd_perp_20240808.gz",
}
MADE = {"binance-spot": SMALL / "binance_spot_made.txt", "binance-usdm": SMALL / "binance_usdm_made.txt"}
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"
SAME = ("events_hash", "decisions_hash", "decisions", "instruments")


class Tape(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def convert(self, *inputs, name="a.tape", args=()):
        path = self.dir / name
        run("tape", "convert", *inputs, "--out", path, *args)
        return path

    def check_replays_alike(self, recordings):
        for venue, path in recordings.items():
            with self.subTest(venue):
                source = f"{venue}:{path}"
                tape = self.convert(source, name=f"{venue}.tape")
                want, _ = replay(source)
                for sets in ((), (THREE,)):
                    got, _ = replay(tape, sets=sets)
                    for key in SAME:
                        self.assertEqual(got[key], want[key], key)
                    self.assertEqual(got["events"], want["events"])
                    self.assertEqual(got["ledger"]["residual"], 0)
                out, _ = run("tape", "info", tape, "--json")
                self.assertEqual(json.loads(out)["events_hash"], want["events_hash"])
                run("tape", "verify", tape)

    def test_a_tape_replays_like_the_made_recording_it_is_of(self):
        self.check_replays_alike(MADE)

    def test_a_tape_replays_like_the_real_recording_it_is_of(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is absent")
        self.check_replays_alike(RECORDINGS)

    def test_the_real_recordings_take_few_bytes_an_event(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is absent")
        for venue in ("binance-spot", "binance-usdm"):
            tape = self.convert(f"{venue}:{RECORDINGS[venue]}", name=f"{venue}.tape", args=["--kind", "trade,quote"])
            info = json.loads(run("tape", "info", tape, "--json")[0])
            self.assertLessEqual(info["bytes"] / info["events"], 6.0, venue)

    def test_tapes_and_recordings_merge_by_receive_time_in_one_replay(self):
        spot, usdm = (f"{v}:{MADE[v]}" for v in ("binance-spot", "binance-usdm"))
        tape_spot, tape_usdm = self.convert(spot, name="s.tape"), self.convert(usdm, name="u.tape")
        direct, both = self.convert(spot, usdm, name="direct.tape"), self.dir / "both.tape"
        run("tape", "merge", tape_spot, tape_usdm, "--out", both)
        run("tape", "diff", both, direct)
        runs = [replay(*inputs)[0] for inputs in
                ((spot, usdm), (direct,), (tape_spot, tape_usdm), (both,), (tape_spot, usdm), (spot, tape_usdm))]
        for key in ("events", "decisions", "instruments", "ledger"):
            self.assertEqual([r[key] for r in runs], [runs[0][key]] * len(runs), key)
        self.assertEqual(runs[0]["ledger"]["residual"], 0)
        # Instruments are numbered as they are first named, and the hash covers the numbers.
        self.assertEqual(runs[0]["events_hash"], runs[1]["events_hash"])
        self.assertEqual(runs[2]["events_hash"], runs[3]["events_hash"])

    def test_a_tape_of_a_capture_holds_the_live_run(self):
        out = self.dir / "capture"
        with Exchange() as exchange:
            args = ["record", DEMO, "--for", "2s", "--json", "--out", out, "--set", "http.listen=off"]
            for item in exchange.sets:
                args += ["--set", item]
            live = json.loads(run(*args)[0])
        tape = self.convert(out)
        self.assertEqual(json.loads(run("tape", "info", tape, "--json")[0])["events_hash"], live["events_hash"])
        got, _ = replay(tape)
        self.assertEqual(got["events_hash"], live["events_hash"])
        self.assertEqual(got["ledger"]["residual"], 0)

    def test_from_and_to_take_the_same_events_of_a_tape(self):
        source = f"binance-spot:{MADE['binance-spot']}"
        tape = self.convert(source)
        times = [json.loads(line)["ts_recv_ns"] for line in run("tape", "cat", tape)[0].splitlines()]
        low, high = times[len(times) // 3], times[2 * len(times) // 3]
        got, _ = replay(tape, args=["--from", low, "--to", high])
        self.assertEqual(got["events"]["total"], sum(low <= t < high for t in times))
        self.assertEqual(got["ledger"]["residual"], 0)
        part, _ = run("tape", "cat", tape, "--from", low, "--to", high)
        self.assertEqual(len(part.splitlines()), got["events"]["total"])

    def test_cat_prints_the_venues_own_digits(self):
        want = [("61837.63000000", "0.00057000", 4000000001, "sell"), ("61837.7", "12", 4000000002, "buy"),
                ("0.00000001", "5000000.00000000", 2**63 - 1, "sell"), ("100", "0.5", 7, "buy")]
        source = self.dir / "trades.txt"
        source.write_text("".join(
            f'{1723161255000000000 + i} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":1723161255000,"s":"BTCUSDT",'
            f'"t":{id},"p":"{price}","q":"{qty}","T":1723161255000,"m":{"true" if side == "sell" else "false"},"M":true}}}}\n'
            for i, (price, qty, id, side) in enumerate(want)))
        tape = self.convert(f"binance-spot:{source}", f"binance-spot:{MADE['binance-spot']}", args=["--kind", "trade"])
        tape = self.convert(tape, name="b.tape", args=["--to", 1723161255000000000 + len(want)])
        rows = [json.loads(line) for line in run("tape", "cat", tape, "--kind", "trade")[0].splitlines()]
        self.assertEqual([(r["price"], r["qty"], r["id"], r["side"]) for r in rows], want)
        table = list(csv.DictReader(run("tape", "cat", tape, "--format", "csv")[0].splitlines()))
        self.assertEqual([(r["price"], r["qty"], int(r["id"]), r["side"]) for r in table if r["kind"] == "trade"], want)
        whole = [json.loads(line) for line in run("tape", "cat", tape)[0].splitlines()]
        self.assertEqual(len(table), len(whole))
        for row, event in zip(table, whole):
            for key, value in row.items():
                self.assertEqual(value, " ".join(event[key]) if key == "flags" else str(event.get(key, "")), key)

    def test_csv_and_json_lines_are_written_by_the_names_end(self):
        source = f"binance-spot:{MADE['binance-spot']}"
        tape = self.convert(source)
        for name, form in (("a.csv", "csv"), ("a.jsonl", "json")):
            path = self.convert(source, name=name)
            self.assertEqual(path.read_text(), run("tape", "cat", tape, "--format", form)[0])

    def test_parts_of_a_tape_put_together_are_the_tape(self):
        tape = self.convert(f"binance-spot:{MADE['binance-spot']}", f"binance-usdm:{MADE['binance-usdm']}")
        for cut in (["--events", 100], ["--every", "250ms"]):
            prefix = self.dir / f"p{cut[1]}"
            run("tape", "split", tape, "--out", prefix, *cut)
            parts = sorted(self.dir.glob(f"{prefix.name}.*.tape"))
            self.assertGreater(len(parts), 2)
            whole = "".join(run("tape", "cat", part)[0] for part in parts)
            self.assertEqual(whole, run("tape", "cat", tape)[0])
        run("tape", "split", tape, "--out", self.dir / "each", "--instrument", "each")
        one = self.convert(tape, name="one.tape", args=["--instrument", "BTCUSDT.BINANCE-USDM"])
        parts = list(self.dir.glob("each.*.tape"))
        self.assertEqual(len(parts), 6)
        part = next(p for p in parts if "BTCUSDT.BINANCE-USDM" in run("tape", "cat", p, "--count", 1)[0])
        run("tape", "diff", one, part)

    def test_diff_prints_the_first_event_that_differs(self):
        tape = self.convert(f"binance-spot:{MADE['binance-spot']}")
        rows = run("tape", "cat", tape)[0].splitlines()
        later = self.convert(tape, name="b.tape", args=["--from", json.loads(rows[len(rows) // 2])["ts_recv_ns"]])
        out, _ = run("tape", "diff", tape, later, expect=1)
        self.assertIn("0 events are equal", out)
        out, _ = run("tape", "diff", tape, later, "--json", expect=1)
        self.assertEqual(json.loads(out), {"equal": False, "events_equal": 0})

    def test_damage_is_reported_with_its_place_and_the_rest_is_replayed(self):
        tape = self.convert(f"binance-spot:{MADE['binance-spot']}")
        whole = tape.read_bytes()
        cut = self.dir / "cut.tape"
        cut.write_bytes(whole[:-70])
        got, err = replay(cut, expect=3)
        self.assertEqual(got["events_hash"], replay(tape)[0]["events_hash"])
        self.assertIn("cut.tape", err)
        self.assertIn("E_FILE_DAMAGED", err)
        self.assertEqual(got["ledger"]["residual"], 0)
        flipped = self.dir / "flipped.tape"
        place = len(whole) // 2
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        got, err = replay(flipped, expect=3)
        self.assertEqual(got["ledger"]["residual"], 0)
        out, err = run("tape", "verify", flipped, expect=3)
        self.assertIn("fails its checksum", out)
        out, _ = run("tape", "verify", flipped, "--json", expect=3)
        report = json.loads(out)
        self.assertFalse(report["ok"])
        self.assertEqual(report["losses"][0]["bytes"], report["lost_bytes"])

    def test_more_instruments_than_the_config_has_room_for_are_refused_by_name(self):
        tape = self.convert(f"binance-spot:{MADE['binance-spot']}", f"binance-usdm:{MADE['binance-usdm']}")
        _, err = run("replay", "configs/replay-binance.yaml", "--input", tape, "--set", "engine.instruments_max=1",
                     "--set", f"sinks.0.path={shm_name()}", expect=1)
        self.assertIn("E_FEED_LIMIT", err)
        self.assertIn("engine.instruments_max", err)

    def test_usage_errors_exit_2_and_name_the_remedy(self):
        tape = self.convert(f"binance-spot:{MADE['binance-spot']}")
        for args, text in (
            ([], "info|cat"),
            (["inof", tape], '"info"'),
            (["cat"], "an argument is missing"),
            (["cat", tape, "--kind", "trades"], "trade, quote"),
            (["cat", tape, "--from", "yesterday"], "2024-08-08T23:54:15Z"),
            (["cat", tape, "--count", "0"], "above 0"),
            (["cat", tape, "--format", "xml"], "json or csv"),
            (["convert", tape], "--out"),
            (["convert", MADE["binance-spot"], "--out", self.dir / "x.tape"], "names no venue"),
            (["convert", f"nowhere:{MADE['binance-spot']}", "--out", self.dir / "x.tape"], "binance-spot"),
            (["split", tape, "--out", self.dir / "p"], "--every"),
        ):
            with self.subTest(args[:2]):
                _, err = run("tape", *args, expect=2)
                self.assertIn(text, err)
        _, err = run("tape", "convert", tape, "--out", tape, expect=1)
        self.assertIn("exists already", err)
        _, err = run("tape", "info", MADE["binance-spot"], expect=3)
        self.assertIn("is no tickfuse tape", err)

    def test_times_may_be_written_as_dates(self):
        tape = self.convert(f"binance-spot:{MADE['binance-spot']}")
        first = json.loads(run("tape", "cat", tape, "--count", 1)[0])["ts_recv_ns"]
        seconds, rest = divmod(first, 10**9)
        import datetime
        text = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        by_text, _ = run("tape", "cat", tape, "--to", f"{text}.{rest:09d}Z")
        self.assertEqual(by_text, "")
        by_text, _ = run("tape", "cat", tape, "--from", f"{text}.{rest:09d}Z")
        self.assertEqual(by_text, run("tape", "cat", tape)[0])


if __name__ == "__main__":
    main()

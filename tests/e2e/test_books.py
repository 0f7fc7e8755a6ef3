"""Books that say what they are: crossed for too long, silent for too long, and how far a venue's clock is from ours. What
is decided live, a replay of the capture decides again."""
import gzip
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, DEMO, Exchange, main, replay, run

ALL = "strategies=[{name: t, buy: \"trade_count(1s) > 0\", books: all, max_rate: 100000/s}]"
GATED = "strategies=[{name: t, buy: \"trade_count(1s) > 0\", max_rate: 100000/s}]"
SAME = ["events_hash", "decisions_hash", "messages", "events", "gaps", "duplicates", "ticks", "decisions", "actions"]


class Live(unittest.TestCase):
    def run_and_replay(self, venue, faults, *sets, instruments="BTCUSDT", channels="trade, quote, book", strategy=ALL,
                       seconds="6s"):
        """The summary of a live run and its decisions, in order."""
        with tempfile.TemporaryDirectory() as tmp, \
                Exchange("--venue", venue, "--rate", "2000", "--faults", faults, "--symbols", instruments) as sim:
            feed = (f'feeds=[{{name: main, venue: {venue}, url: "{sim.url}", rest: "{sim.rest}", '
                    f'channels: [{channels}], instruments: [{instruments}]}}]')
            args = [part for item in (feed, strategy, "http.listen=off", "engine.decision_ring_slots=65536", *sets)
                    for part in ("--set", item)]
            sink = f"sinks=[{{type: journal, path: {tmp}/live.journal}}]"
            out, _ = run("run", DEMO, "--for", seconds, "--json", "--capture", f"{tmp}/capture", *args, "--set", sink)
            got = json.loads(out)
            again = f"sinks=[{{type: journal, path: {tmp}/again.journal}}]"
            out, _ = run("replay", DEMO, "--json", "--input", f"{tmp}/capture", *args, "--set", again)
            repeated = json.loads(out)
            did = sim.summary()
            got["sockets"] = did["clients"] - did["rest"]
            rows = [json.loads(line) for line in run("tail", f"{tmp}/live.journal", "--json")[0].splitlines()]
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(repeated["ledger"]["residual"], 0)
        for key in SAME:
            self.assertEqual(got[key], repeated[key], key)
        self.assertEqual([row["decision_seq"] for row in rows], list(range(1, len(rows) + 1)))
        return got, rows

    def test_book_that_stays_crossed_is_fetched_anew_without_another_connection(self):
        got, rows = self.run_and_replay("binance-spot", "lost_delete=0.1", "feeds.0.crossed_after=200ms", seconds="8s")
        states = [row["book_state"] for row in rows]
        self.assertTrue({"OK", "CROSSED", "GAP"} <= set(states), set(states))
        self.assertGreaterEqual(got["books_lost"], 1)
        self.assertEqual(got["sockets"], 1)
        self.assertIn("OK", states[len(states) - states[::-1].index("GAP"):])  # it came back in order
        crossed = 0  # receive time of the first decision of a crossed stretch
        for row in rows:
            crossed = (crossed or row["ts_recv_ns"]) if row["book_state"] == "CROSSED" else 0
            self.assertLess(row["ts_recv_ns"] - (crossed or row["ts_recv_ns"]), 3 * 10**9)

    def test_crossed_book_is_never_acted_on_by_a_gated_strategy(self):
        got, rows = self.run_and_replay("binance-usdm", "lost_delete=0.1", "feeds.0.crossed_after=200ms", strategy=GATED)
        self.assertGreater(got["books_lost"], 0)
        for row in rows:
            self.assertEqual(row["hold_reason"] == "book", row["book_state"] != "OK", row)
        self.assertTrue(any(row["action"] == "BUY" for row in rows))

    def test_silent_stream_is_told_stale_though_the_connection_lives(self):
        got, rows = self.run_and_replay("binance-spot", "mute_stream=2s", "feeds.0.stale_after=500ms",
                                        instruments="BTCUSDT,ETHUSDT", channels="quote, book",
                                        strategy=ALL.replace("trade_count(1s) > 0", "spread > 0"))
        self.assertGreaterEqual(got["stale"], 1)
        self.assertEqual(got["sockets"], 1)
        stale = {row["instrument"] for row in rows if row["book_state"] == "STALE"}
        self.assertEqual(len(stale), 1, stale)  # the other one's streams went on
        last = {row["instrument"]: row["book_state"] for row in rows if row["book_state"] != "SYNCING"}  # our own end
        self.assertEqual(sorted(last.values()), ["OK", "STALE"])

    def test_learned_deadline_calls_nobody_stale_who_is_not(self):
        got, rows = self.run_and_replay("binance-spot", "gap=0.01", instruments="BTCUSDT,ETHUSDT,SOLUSDT")
        self.assertEqual(got["stale"], 0)
        self.assertGreater(len(rows), 1000)


class Values(unittest.TestCase):
    def test_trade_at_a_million_million_times_the_last_price_is_flagged_and_is_not_the_last(self):
        prices = ["60000.00", "60000000000000000.00", "60001.00", "0.00001", "60002.00"]
        with tempfile.TemporaryDirectory() as tmp:
            path = pathlib.Path(tmp) / "made.txt"
            path.write_text("".join(
                f'{1723161255 * 10**9 + i} {{"e":"trade","E":1723161255000,"s":"BTCUSDT","t":{i + 1},"p":"{p}",'
                f'"q":"1.00","T":1723161255000,"m":true}}\n' for i, p in enumerate(prices)))
            got, _ = replay(f"binance-spot:{path}", sets=[ALL.replace("trade_count(1s)", "last"), "engine.instruments_max=1"],
                            args=["--decisions", f"{tmp}/d.journal"])
            rows = [json.loads(line) for line in run("tail", f"{tmp}/d.journal", "--json")[0].splitlines()]
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(got["events"]["trade"], 5)
        self.assertEqual([float(row["ref_price"]) for row in rows], [60000, 60000, 60001, 60001, 60002])


class Clock(unittest.TestCase):
    def test_offset_and_delay_of_the_recordings_are_those_of_an_independent_reading(self):
        path = DATA / "binance-usdm" / "btcusdt_20240808.gz"
        if not path.exists():
            self.skipTest(f"{path} is not here")
        kinds = {"bookTicker": "quote", "trade": "trade", "depthUpdate": "book"}
        seen = {}
        with gzip.open(path, "rt") as lines:
            for line in lines:
                recv, _, text = line.partition(" ")
                data = json.loads(text)
                data = data.get("data", data)
                if data.get("e") in kinds:
                    seen.setdefault(kinds[data["e"]], []).append((int(recv), int(recv) - data["T"] * 10**6))
        got, _ = replay(f"binance-usdm:{path}")
        self.assertEqual({row["kind"] for row in got["clocks"]}, set(seen))
        for row in got["clocks"]:
            points = seen[row["kind"]]
            first, offset, minima, delays = points[0][0], None, {}, []
            newest = first
            for recv, diff in points:
                newest = max(newest, recv)
                part = (newest - first) // 10**10
                minima[part] = min(minima.get(part, diff), diff)
                offset = min(value for key, value in minima.items() if key > part - 6)
                delays.append(diff - offset)
            delays.sort()
            self.assertEqual(row["count"], len(points), row)
            self.assertEqual(row["offset_ns"], offset, row)
            self.assertEqual(row["delay_max_ns"], delays[-1], row)
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                exact = delays[min(int(share * len(delays)), len(delays) - 1)]
                self.assertAlmostEqual(row[f"delay_{name}_ns"], exact, delta=exact * 0.04 + 1000, msg=(name, row))


if __name__ == "__main__":
    main()

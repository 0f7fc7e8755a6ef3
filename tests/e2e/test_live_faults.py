"""Each venue with each fault that it can have (FAULTS B and C): the feed is LIVE again, the books are in order again, the
ledger balances, and while a book was broken the decisions said so."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import VENUES, Exchange, LiveEngine, live, main, run, side_by_side, venue_sets, wait_until

NIGHTLY = os.environ.get("TF_NIGHTLY") == "1"
ALL = "strategies=[{name: t, buy: \"spread >= 0\", books: all, max_rate: 100000/s}]"
GATED = "strategies=[{name: t, buy: \"spread >= 0\", max_rate: 100000/s}]"
CONNECTION = ("binance-spot", "kraken", "coinbase")  # one of each way to get a snapshot


class Faults(unittest.TestCase):
    def until_live_again(self, venue, faults, condition, *sets, exchange=(), seconds=60):
        """Runs until condition(engine) holds and the feed is live; (summary, what the exchange did)."""
        with Exchange("--venue", venue, *(("--faults", faults) if faults else ()), *exchange) as sim, \
                LiveEngine(sim, *venue_sets(venue), *sets) as engine:
            wait_until(lambda: condition(engine), seconds, f"{venue} to meet {faults or exchange}")
            wait_until(engine.is_live, seconds, f"{venue} to be live after {faults or exchange}")
            got, _ = engine.finish()
            did = sim.summary()
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(got["instruments"], 3)
        self.assertRegex(got["events_hash"], "^[0-9a-f]{16}$")
        self.assertRegex(got["decisions_hash"], "^[0-9a-f]{16}$")
        return got, did

    def test_gaps_are_seen_and_resynced_by_the_venue_s_own_rule(self):
        def one(venue):
            metric = "resyncs" if venue == "kraken" else "gaps"  # kraken has a checksum and no sequence
            got, did = self.until_live_again(venue, "gap=0.02", lambda e: e.count(f"tickfuse_feed_{metric}_total") >= 3)
            self.assertGreaterEqual(did["gap"], 3)
            self.assertGreaterEqual(got[metric], 3)

        # level2 of coinbase-exchange has neither sequence nor checksum
        side_by_side(self, [(v,) for v in VENUES if v != "coinbase-exchange"], one)

    def test_wrong_checksum_resyncs_that_book(self):
        got, did = self.until_live_again("kraken", "checksum=0.02", lambda e: e.count("tickfuse_feed_resyncs_total") >= 2)
        self.assertGreaterEqual(did["checksum"], 2)

    def test_connections_that_are_cut_or_reset_are_made_again(self):
        def one(venue, fault):
            got, did = self.until_live_again(venue, fault, lambda e: e.count("tickfuse_feed_reconnects_total") >= 2)
            self.assertGreater(did[fault.split("=")[0]], 0)
            self.assertGreater(got["ticks"], 100)

        side_by_side(self, [*((v, "close=1500ms") for v in VENUES), *((v, "reset=1500ms") for v in CONNECTION)], one)

    def test_connection_that_falls_silent_is_left(self):
        # 400 s of silence are healthy at binance-usdm and binance-coinm
        venues = ("kraken", "coinbase", "coinbase-exchange", "binance-spot") if NIGHTLY else ("kraken",)
        side_by_side(self, [(v,) for v in venues], lambda venue: self.until_live_again(
            venue, "mute=2s", lambda e: e.count("tickfuse_feed_reconnects_total") >= 1, seconds=120))

    def test_life_and_shutdown_of_a_connection_lose_nothing_for_long(self):
        def one(venue, faults, *args):
            got, did = self.until_live_again(venue, faults, lambda e: e.count("tickfuse_feed_reconnects_total") >= 2,
                                             exchange=args)
            self.assertGreater(did["lives"] + did.get("shutdown", 0), 0)

        side_by_side(self, [*((v, "", "--life", "2s") for v in CONNECTION), *((v, "shutdown=2s") for v in CONNECTION)], one)

    def test_messages_twice_out_of_order_and_broken(self):
        def one(venue):
            with Exchange("--venue", venue, "--faults", "dup=0.01,reorder=0.005,corrupt=0.01") as sim:
                got, _ = live(sim, *venue_sets(venue), seconds="5s")
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertGreater(got["events"]["trade"], 20)
            self.assertGreater(sum(got["rejected"].values()), 0)

        side_by_side(self, [(v,) for v in VENUES], one)

    def test_sequence_that_starts_again_lower_is_no_gap_of_a_thousand_million(self):
        def one(venue):
            metric = "reconnects" if venue == "coinbase" else "gaps"
            got, did = self.until_live_again(venue, "jumpback=0.02", lambda e: e.count(f"tickfuse_feed_{metric}_total") >= 1)
            self.assertLess(got["gaps"], 1000)
            self.assertGreater(did["jumpback"], 0)

        side_by_side(self, [("binance-spot",), ("binance-usdm",), ("coinbase",)], one)

    def test_acknowledgements_missing_or_refused(self):
        def one(venue, fault, seconds):
            with Exchange("--venue", venue, "--faults", f"{fault}=1") as sim:
                got, _ = live(sim, *venue_sets(venue), seconds=seconds)
            self.assertEqual(got["ledger"]["residual"], 0)
            if fault == "ack_missing":
                self.assertGreater(got["events"]["trade"], 20)
            else:
                self.assertEqual(got["events"]["trade"], 0)

        side_by_side(self, [(v, *how) for v in CONNECTION for how in (("ack_missing", "3s"), ("ack_error", "2s"))], one)

    def test_late_snapshots_and_storms(self):
        def one(venue):
            with Exchange("--venue", venue, "--faults", "late_snapshot=500ms,storm=0.3") as sim:
                got, _ = live(sim, *venue_sets(venue), seconds="6s")
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertEqual(got["gaps"], 0)
            self.assertGreater(got["decisions"], 0)

        side_by_side(self, [(v,) for v in CONNECTION], one)


class Books(unittest.TestCase):
    def decisions(self, venue, faults, strategy):
        with tempfile.TemporaryDirectory() as tmp, Exchange("--venue", venue, "--faults", faults) as sim:
            journal = pathlib.Path(tmp) / "d.journal"
            got, _ = live(sim, *venue_sets(venue), strategy, f"sinks=[{{type: journal, path: {journal}}}]", seconds="6s",
                          sink=False)
            self.assertEqual(got["ledger"]["residual"], 0)
            out, _ = run("tail", journal, "--json")
            return got, [json.loads(line) for line in out.splitlines()]

    def test_a_broken_book_is_never_acted_on_and_never_called_ok(self):
        for venue, faults in (("binance-spot", "gap=0.1"), ("kraken", "checksum=0.1"), ("binance-usdm", "gap=0.1")):
            with self.subTest(venue):
                got, rows = self.decisions(venue, faults, GATED)
                self.assertGreater(got["gaps"] + got["resyncs"], 0)
                for row in rows:
                    self.assertEqual(row["hold_reason"] == "book", row["book_state"] != "OK", row)
                    self.assertFalse(row["action"] != "HOLD" and row["book_state"] != "OK", row)
                self.assertTrue(any(row["action"] == "BUY" for row in rows))

    def test_decisions_on_broken_books_say_in_what_state_they_were(self):
        got, rows = self.decisions("binance-spot", "gap=0.2,late_snapshot=300ms", ALL)
        states = {row["book_state"] for row in rows}
        self.assertTrue({"OK", "GAP"} <= states, states)
        self.assertEqual([row["decision_seq"] for row in rows], list(range(1, len(rows) + 1)))


if __name__ == "__main__":
    main()

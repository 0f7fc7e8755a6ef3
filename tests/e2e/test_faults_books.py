"""Snapshots, checksums and crossed books (FAULTS F29 to F31): what a book is called while it is broken, and how it is whole
again."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from exchange_faults import KINDS, Exchanges, name_of
from harness import main


class Snapshots(Exchanges):  # F29
    def test_a_snapshot_that_comes_late_is_bridged(self):
        def one(venue, seed):
            met = self.meet(venue, "late_snapshot=800ms", first=True, seed=seed)
            self.assertGreaterEqual(met.did.get("late_snapshot", 3), 3)
            self.assertGreater(met.seconds, 0.8)
            self.assertEqual((met.got["gaps"], met.got["resyncs"], met.got["rejected"]), (0, 0, {}))
            if venue.startswith("binance"):  # by REST: what it overtook was kept, and is not applied again
                self.assertGreater(met.got["bridged_out_levels"], 0)

        self.on_each(KINDS, one)

    def test_a_snapshot_that_never_comes_leaves_the_book_out_and_the_trades_in(self):
        def one(venue, seed):
            met = self.meet(venue, "late_snapshot=10m", lambda e: e.count("tickfuse_ticks_total") > 200,
                            whole=False, seed=seed)
            self.assertNotIn("OK", {row["book_state"] for row in met.rows})
            self.assertGreater(len(met.rows), 100)

        self.on_each([v for v in KINDS if v != "coinbase-exchange"], one)  # all of whose streams wait for it


class Checksums(Exchanges):  # F30
    def test_wrong_checksum_resyncs_that_book_alone(self):
        met = self.meet("kraken", "checksum=1/40x1")
        mismatches = met.metrics["tickfuse_feed_checksum_mismatches_total"]
        self.assertEqual((met.did["checksum"], mismatches, met.got["resyncs"]), (1, 1, 1))
        self.assertEqual((met.got["gaps"], met.metrics.get("tickfuse_feed_reconnects_total", 0)), (0, 0))
        self.assertEqual(met.metrics.get("tickfuse_feed_checksums_off_total", 0), 0)
        self.assertEqual(len({name_of(row) for row in met.rows if row["book_state"] == "GAP"}), 1)

    def test_checksums_that_never_fit_stop_being_asked_for(self):
        met = self.meet("kraken", "checksum=1", lambda e: e.count("tickfuse_feed_checksums_off_total") >= 3)
        self.assertEqual(met.metrics["tickfuse_feed_checksums_off_total"], 3)
        self.assertEqual(met.metrics["tickfuse_feed_checksum_mismatches_total"], 9)  # three of each book, then no more
        self.assertGreater(met.got["resyncs"], 0)


class Crossed(Exchanges):  # F31
    def test_a_crossed_book_says_so_and_is_well_again(self):
        def one(venue, seed):
            met = self.meet(venue, "cross=1/5x10", seed=seed)
            self.assertEqual(met.did["cross"], 10)
            states = [row["book_state"] for row in met.rows]
            self.assertIn("CROSSED", states)
            self.assertGreater(states[states.index("CROSSED"):].count("OK"), 100)
            self.assertEqual((met.got["gaps"], met.got["books_lost"]), (0, 0))  # the next message takes it back

        self.on_each(("binance-spot", "binance-usdm", "coinbase"), one)

    def test_a_crossed_book_is_not_acted_on(self):
        met = self.meet("binance-spot", "cross=1/5x10")  # check() asks it of each decision
        crossed = [row for row in met.rows if row["book_state"] == "CROSSED"]
        self.assertEqual({row["hold_reason"] for row in crossed}, {"book"})

    def test_a_book_that_stays_crossed_is_asked_for_again(self):
        met = self.meet("binance-spot", "lost_delete=1/3x600", lambda e: e.count("tickfuse_feed_books_lost_total") >= 1,
                        feed=", crossed_after: 100ms", rate=2000)
        self.assertEqual(met.did["lost_delete"], 600)
        self.assertGreaterEqual(met.got["resyncs"], met.got["books_lost"])
        self.assertEqual(met.metrics.get("tickfuse_feed_reconnects_total", 0), 0)


if __name__ == "__main__":
    main()

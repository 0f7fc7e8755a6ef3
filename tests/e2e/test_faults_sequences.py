"""What comes is not what was sent, in number and order (FAULTS F25 to F28), at each way to tell."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from exchange_faults import NIGHTLY, Exchanges, name_of
from harness import VENUES, main

IDS = ("binance-spot", "binance-usdm", "binance-coinm")


def states_of(rows):
    return {row["book_state"] for row in rows}


class Gaps(Exchanges):  # F25
    def test_three_missing_messages_are_three_gaps_and_three_books_asked_for_again(self):
        def one(venue, seed):
            met = self.meet(venue, "gap=1/20x3", seed=seed)
            self.assertEqual(met.did["gap"], 3)
            self.assertIn("GAP", states_of(met.rows))
            reconnects = met.metrics.get("tickfuse_feed_reconnects_total", 0)
            if venue == "kraken":  # no sequence: its checksum tells
                self.assertTrue(1 <= met.metrics["tickfuse_feed_checksum_mismatches_total"] <= 3)
                self.assertTrue(1 <= met.got["resyncs"] <= 3)
                self.assertEqual((met.got["gaps"], reconnects), (0, 0))
                return
            self.assertTrue(1 <= met.got["gaps"] <= 3, met.got["gaps"])  # one inside another's resync is not told from it
            if venue == "coinbase":  # one sequence for the connection: another one
                self.assertEqual(reconnects, met.got["gaps"])
            else:
                self.assertTrue(met.got["gaps"] <= met.got["resyncs"] <= met.did["rest"])
                self.assertEqual(reconnects, 0)

        # level2 of coinbase-exchange has neither sequence nor checksum
        self.on_each([v for v in VENUES if v != "coinbase-exchange"], one)

    def test_a_book_with_a_gap_is_not_acted_on_and_the_others_are(self):
        def one(venue, seed):
            met = self.meet(venue, "gap=1/60x1,late_snapshot=500ms", seed=seed)  # check() sees to the first half
            self.assertEqual(met.did["gap"], 1)
            broken = [i for i, row in enumerate(met.rows) if row["book_state"] == "GAP"]
            self.assertEqual(len({name_of(met.rows[i]) for i in broken}), 1)
            self.assertEqual({met.rows[i]["hold_reason"] for i in broken}, {"book"})
            meanwhile = {name_of(row) for row in met.rows[broken[0]:broken[-1]] if row["action"] == "BUY"}
            self.assertEqual(len(meanwhile), 2)

        self.on_each(("binance-spot", "binance-usdm"), one)


class Repeats(Exchanges):  # F26
    def test_messages_twice_are_published_once(self):
        def one(venue, seed):
            met = self.meet(venue, "dup=1/10x40", channels="trade, quote, book", taken=True, seed=seed)
            self.assertEqual((met.did["dup"], met.got["duplicates"], met.got["gaps"]), (40, 40, 0))
            self.assertEqual(len(met.rows), met.got["ticks"])

        self.on_each(IDS, one)


class Order(Exchanges):  # F27
    def test_messages_out_of_order(self):
        def one(venue, seed):
            name = VENUES[venue][0]
            met = self.meet(venue, "reorder=1/10x3", channels="book", instruments=[name], args=("--symbols", name), seed=seed)
            self.assertEqual((met.did["reorder"], met.got["lane"]["events_late"]), (3, 0))
            self.assertTrue(1 <= met.got["gaps"] <= 3, met.got["gaps"])
            self.assertGreaterEqual(met.got["resyncs"], met.got["gaps"])
            times = [row["ts_recv_ns"] for row in met.rows]
            self.assertEqual(times, sorted(times))

        self.on_each(("binance-spot", "binance-usdm"), one)

    def test_a_book_without_a_sequence_differs_by_its_checksum(self):
        def one(venue, seed):
            met = self.meet(venue, "reorder=1/10x3", channels="book", instruments=["BTC/USD"], args=("--symbols", "BTC/USD"), seed=seed)
            self.assertEqual(met.did["reorder"], 3)
            self.assertGreater(met.metrics["tickfuse_feed_checksum_mismatches_total"], 0)
            self.assertGreater(met.got["resyncs"], 0)

        self.on_each(("kraken",), one)

    def test_a_message_out_of_the_order_of_a_connection_is_another_connection(self):
        def one(venue, seed):
            met = self.meet(venue, "reorder=1/100x1", seed=seed)
            self.assertEqual(met.did["reorder"], 1)
            self.assertEqual((met.got["gaps"], met.metrics["tickfuse_feed_reconnects_total"]), (1, 1))

        self.on_each(("coinbase",), one)


class Resets(Exchanges):  # F28
    def test_sequence_that_starts_again_lower_is_no_gap_of_a_thousand_million(self):
        def one(venue, seed):
            met = self.meet(venue, "jumpback=1/40x2", seed=seed)
            self.assertEqual(met.did["jumpback"], 2)
            self.assertLessEqual(met.got["gaps"], 6)  # trades, quotes and book of one instrument, twice
            if venue == "coinbase":  # the sequence is the connection's
                self.assertTrue(1 <= met.metrics["tickfuse_feed_reconnects_total"] <= 2)
            else:
                self.assertGreater(met.got["gaps"], 0)
                self.assertTrue(1 <= met.got["resyncs"] <= 2)

        self.on_each(("binance-spot", "binance-usdm", "coinbase") if not NIGHTLY else
                     [v for v in VENUES if v not in ("kraken", "coinbase-exchange")], one)


if __name__ == "__main__":
    main()

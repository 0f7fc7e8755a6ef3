"""Nothing comes, or everything at once (FAULTS F32 and F33)."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from exchange_faults import KINDS, Exchanges, name_of
from harness import main


def stale(engine):
    return engine.count("tickfuse_feed_stale_instruments")


def delays(engine):
    """The longest that a message of a kind came late."""
    return [v for k, v in engine.metrics().items() if k[0] == "tickfuse_feed_delay_max_seconds"] or [0]


class Silence(Exchanges):  # F32
    def test_one_stream_falls_silent_and_the_feed_does_not(self):
        """Its habit is known by then: 64 intervals of books that come each 100 ms at the slowest."""
        def one(venue, seed):
            met = self.meet(venue, "mute_stream=9s", lambda e: stale(e) >= 1, channels="book", whole=False, seed=seed)
            self.assertEqual(met.metrics["tickfuse_feed_stale_instruments"], 1)
            self.assertEqual(met.metrics["tickfuse_feed_stale_total"], 1)
            self.assertEqual(met.metrics["tickfuse_feed_state", "live"], 1)
            self.assertEqual(met.metrics.get("tickfuse_feed_reconnects_total", 0), 0)
            silent = {name_of(row) for row in met.rows if row["book_state"] == "STALE"}
            self.assertEqual(len(silent), 1)
            last = max(i for i, row in enumerate(met.rows) if row["book_state"] == "STALE")
            self.assertEqual({row["hold_reason"] for row in met.rows if row["book_state"] == "STALE"}, {"book"})
            before = {name_of(row) for row in met.rows[max(0, last - 60):last] if row["action"] == "BUY"}
            self.assertEqual(len(before - silent), 2)  # the others were acted on all the while

        self.on_each(KINDS, one)

    def test_heartbeats_alone_are_no_life(self):
        """Every book is stale while the venue's heartbeats go on and nothing else does."""
        def one(venue, seed):
            met = self.meet(venue, "mute_data=9s", lambda e: stale(e) >= 3, whole=False, seed=seed)
            self.assertGreater(met.did["mute_data"], 20)
            self.assertEqual({name_of(row) for row in met.rows if row["book_state"] == "STALE"}, {name_of(row) for row in met.rows})

        self.on_each(("kraken", "coinbase", "coinbase-exchange"), one)


class Floods(Exchanges):  # F33
    def test_a_storm_is_taken_whole(self):
        def one(venue, seed):
            met = self.meet(venue, "storm=1/3x2", rate=100, taken=True, seed=seed)
            self.assertEqual(met.did["storm"], 2)
            self.assertGreater(met.got["messages"], 1000)  # a second of it has 50 x 100
            self.assertEqual((met.got["gaps"], met.got["rejected"], met.did["slow"]), (0, {}, 0))
            self.assertEqual(met.got["ticks"], len(met.rows))

        self.on_each(("binance-spot", "coinbase"), one)

    def test_what_a_stall_kept_back_comes_whole_and_late(self):
        def one(venue, seed):
            met = self.meet(venue, "stall=900ms", lambda e: max(delays(e)) > 0.5, rate=4000, taken=True, seed=seed)
            self.assertGreater(met.did["stall"], 1000)
            self.assertEqual((met.got["gaps"], met.got["rejected"], met.metrics.get("tickfuse_feed_reconnects_total", 0)), (0, {}, 0))

        self.on_each(("binance-spot", "kraken"), one)

    def test_a_stall_of_seconds_is_another_connection(self):
        def one(venue, seed):
            met = self.meet(venue, "stall=4s", lambda e: e.count("tickfuse_feed_reconnects_total") >= 1, seed=seed)
            self.assertGreater(met.did["stall"], 100)
            self.assertEqual((met.got["gaps"], met.got["rejected"]), (0, {}))

        self.on_each(KINDS, one)


if __name__ == "__main__":
    main()

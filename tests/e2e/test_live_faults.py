"""Connections that are cut, reset, silent or at their end, and messages twice, out of order and broken at once: the feed is
LIVE again and the ledger balances. One fault at a time, counted: test_faults_*.py."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import VENUES, Exchange, LiveEngine, live, main, side_by_side, venue_sets, wait_until

NIGHTLY = os.environ.get("TF_NIGHTLY") == "1"
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
            for seed in range(1, 9):  # not every changed byte is refused, and a connection may be lost to its first one
                with Exchange("--venue", venue, "--faults", "dup=0.01,reorder=0.005,corrupt=0.01", "--seed", seed) as sim:
                    got, _ = live(sim, *venue_sets(venue), seconds="5s")
                self.assertEqual(got["ledger"]["residual"], 0)
                if got["events"]["trade"] > 20 and sum(got["rejected"].values()) > 0:
                    return
            self.fail(f"no run of eight had trades and refused messages: {got}")

        side_by_side(self, [(v,) for v in VENUES], one)

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


if __name__ == "__main__":
    main()

"""An exchange that misbehaves (FAULTS F23 to F38), each fault by seed on the venues that can have it: what it sends is
counted under a reason, the feed is LIVE again, the books are in order again, and the ledger balances."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import VENUES, Exchange, LiveEngine, live, main, run, side_by_side, venue_sets, wait_until

NIGHTLY = os.environ.get("TF_NIGHTLY") == "1"
SEEDS = range(1, 6) if NIGHTLY else (1,)
# One of each way to get a snapshot and to tell a gap.
KINDS = tuple(VENUES) if NIGHTLY else ("binance-spot", "kraken", "coinbase")
ALL = "strategies=[{name: t, buy: \"spread >= 0\", books: all, max_rate: 100000/s}]"


class Exchanges(unittest.TestCase):
    def until(self, venue, faults, condition, *sets, args=(), seconds=60, seed=1):
        """Runs until condition(engine, metrics) holds, then to LIVE: (summary, what the exchange did, log)."""
        with Exchange("--venue", venue, "--seed", seed, *(("--faults", faults) if faults else ()), *args) as sim, \
                LiveEngine(sim, *venue_sets(venue), *sets) as engine:
            wait_until(lambda: condition(engine), seconds, f"{venue} to meet {faults}")
            wait_until(engine.is_live, seconds, f"{venue} to be live after {faults}")
            got, log = engine.finish()
            did = sim.summary()
        self.check(got)
        return got, did, log

    def check(self, got, instruments=3):
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        self.assertEqual(got["instruments"], instruments)

    def for_a_while(self, venue, faults, seconds="5s", *sets, args=(), seed=1):
        with Exchange("--venue", venue, "--seed", seed, "--faults", faults, *args) as sim:
            got, log = live(sim, *venue_sets(venue), *sets, seconds=seconds)
            did = sim.summary()
        self.check(got)
        return got, did, log

    def on_each(self, venues, do):
        side_by_side(self, [(v, s) for v in venues for s in SEEDS], do)


def decided(engine):
    return engine.count("tickfuse_inferences_done_total") > 0 and engine.count("tickfuse_ticks_total") > 500


class Acknowledgements(Exchanges):  # F23
    def test_late_behind_the_data(self):
        self.on_each(KINDS, lambda v, s: self.until(v, "ack_late=1500ms", decided, seed=s))

    def test_for_another_stream(self):
        self.on_each(KINDS, lambda v, s: self.until(v, "ack_other=1", decided, seed=s))

    def test_for_some_of_the_streams_only(self):
        def one(venue, seed):
            _, did, _ = self.until(venue, "ack_partial=0.4", decided, seed=seed, seconds=90)
            self.assertGreaterEqual(did["clients"], 1)

        self.on_each(KINDS, one)

    def test_given_and_then_nothing_comes(self):
        self.on_each(("kraken", "coinbase") if not NIGHTLY else KINDS,
                     lambda v, s: self.until(v, "ack_silent=0.3", decided, seed=s, seconds=120))


class Sequences(Exchanges):  # F26, F27, F28
    def test_messages_twice_are_published_once(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "dup=0.05", seed=seed)
            self.assertGreater(did["dup"], 20)
            self.assertGreater(got["duplicates"], 10)
            self.assertEqual(got["gaps"], 0)

        self.on_each(("binance-spot", "binance-usdm", "binance-coinm"), one)

    def test_messages_out_of_order(self):
        def one(venue, seed):
            got, did, _ = self.until(venue, "reorder=0.01", lambda e: decided(e) and e.count("tickfuse_ticks_total") > 3000, seed=seed)
            self.assertGreater(did["reorder"], 10)
            self.assertEqual((got["trades_reordered"], got["trades_held"]), (0, 0))  # nobody asked for it
            if venue != "kraken":  # which has no sequence, and whose books differ only by the checksum of what crossed
                self.assertGreater(got["gaps"] + got["duplicates"], 0)

        self.on_each(("binance-spot", "binance-usdm", "kraken"), one)

    def test_a_message_out_of_the_order_of_a_connection_is_another_connection(self):
        def one(venue, seed):
            got, did, _ = self.until(venue, "reorder=0.0005", lambda e: e.count("tickfuse_feed_gaps_total") >= 1, seed=seed)
            self.assertGreaterEqual(did["reorder"], 1)

        self.on_each(("coinbase",), one)


class Books(Exchanges):
    def states(self, venue, faults, *sets, seed=1, seconds="6s"):
        """The book states that decisions named, and the summary."""
        with tempfile.TemporaryDirectory() as tmp:
            journal = pathlib.Path(tmp) / "d.journal"
            with Exchange("--venue", venue, "--seed", seed, "--faults", faults) as sim:
                got, _ = live(sim, *venue_sets(venue), ALL, f"sinks=[{{type: journal, path: {journal}}}]", *sets,
                              seconds=seconds, sink=False)
                did = sim.summary()
            self.check(got)
            out, _ = run("tail", journal, "--json")
        rows = [json.loads(line) for line in out.splitlines()]
        return {row["book_state"] for row in rows}, got, did, rows

    def test_a_crossed_book_says_so_and_is_well_again(self):  # F31
        def one(venue, seed):
            states, got, did, rows = self.states(venue, "cross=0.05", seed=seed)
            self.assertGreater(did["cross"], 5)
            self.assertIn("CROSSED", states)
            first = next(i for i, row in enumerate(rows) if row["book_state"] == "CROSSED")
            self.assertGreater(sum(row["book_state"] == "OK" for row in rows[first:]), 100)
            self.assertEqual(got["gaps"], 0)

        self.on_each(("binance-spot", "binance-usdm", "coinbase"), one)

    def test_a_snapshot_that_comes_late_is_bridged(self):  # F29
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "late_snapshot=800ms", "6s", seed=seed)
            self.assertEqual(got["gaps"], 0)
            self.assertGreater(got["inference"]["done"], 0)
            self.assertGreaterEqual(did.get("late_snapshot", 1), 1)

        self.on_each(KINDS, one)

    def test_a_snapshot_that_never_comes_leaves_the_book_out_and_the_trades_in(self):
        got, _, _ = self.for_a_while("binance-spot", "late_snapshot=10m", "6s")
        self.assertEqual(got["inference"]["done"], 0)
        self.assertGreater(got["events"]["trade"], 100)

    def test_checksums_that_never_fit_stop_being_asked_for(self):  # F30
        got, did, _ = self.until("kraken", "checksum=1", lambda e: e.count("tickfuse_feed_checksums_off_total") >= 3, seconds=90)
        self.assertGreater(did["checksum"], 5)
        self.assertGreater(got["resyncs"], 0)


class Silence(Exchanges):  # F32
    def until_stale(self, venue, fault, seed, cnt):
        """So many instruments are said to be stale, while what else comes goes on; the ledger balances."""
        with Exchange("--venue", venue, "--seed", seed, "--faults", fault) as sim, LiveEngine(sim, *venue_sets(venue)) as engine:
            wait_until(lambda: engine.count("tickfuse_feed_stale_instruments") >= cnt, 60, f"{venue} to say that {cnt} are silent")
            got, _ = engine.finish()
            did = sim.summary()
        self.check(got)
        self.assertGreater(did[fault.split("=")[0]], 20)

    def test_one_stream_falls_silent_and_the_feed_does_not(self):
        def one(venue, seed):
            got, did, _ = self.until(venue, "mute_stream=1s", lambda e: e.count("tickfuse_ticks_total") > 6000, seed=seed)
            self.assertGreater(did["mute_stream"], 20)

        self.on_each(KINDS, one)

    def test_heartbeats_alone_are_no_life(self):
        """Every book is stale while the venue's heartbeats go on and nothing else does."""
        self.on_each(("kraken", "coinbase", "coinbase-exchange"), lambda v, s: self.until_stale(v, "mute_data=10s", s, 3))


class Floods(Exchanges):  # F33
    def test_a_storm_is_taken_whole(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "storm=0.5", "8s", seed=seed)
            self.assertGreater(did["storm"], 0)
            self.assertEqual(got["gaps"], 0)
            self.assertEqual(got["rejected"], {})

        self.on_each(("binance-spot", "coinbase"), one)

    def test_what_a_stall_kept_back_comes_whole(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "stall=2500ms", "8s", args=("--rate", "20000"), seed=seed)
            self.assertGreater(did["stall"], 100)
            self.assertEqual((got["gaps"], got["rejected"]), (0, {}))

        self.on_each(("binance-spot", "kraken"), one)


class Garbage(Exchanges):  # F34, F35, F36
    def test_each_mutation_is_counted_and_nothing_else_is_lost(self):
        wanted = {"field_missing": {"schema", "unknown", "instrument", "number"}, "field_renamed": {"schema", "unknown", "instrument", "number"},
                  "field_null": {"schema", "unknown", "instrument", "number"}, "field_type": {"schema", "unknown", "number", "instrument"},
                  "type_unknown": {"unknown", "schema"}, "number": {"number", "schema"}, "symbol": {"instrument", "limit", "unknown"}}

        def one(venue, fault, seed):
            got, did, _ = self.until(venue, f"{fault}=0.01", lambda e: e.count("tickfuse_feed_messages_total") > 8000 and decided(e),
                                     seed=seed, seconds=90)
            self.assertGreater(did[fault], 10)
            self.assertTrue(set(got["rejected"]) & wanted[fault], (fault, got["rejected"], got["ignored"]))
            self.assertLessEqual(sum(got["rejected"].values()), 2 * did[fault])

        side_by_side(self, [(v, f, s) for v in (KINDS if NIGHTLY else ("binance-spot",)) for f in wanted for s in SEEDS], one)

    def test_all_mutations_together_at_each_venue(self):
        faults = ("field_missing", "field_renamed", "field_null", "field_type", "type_unknown", "number", "symbol", "time")

        def one(venue, seed):
            got, did, _ = self.until(venue, ",".join(f"{f}=0.002" for f in faults), lambda e: e.count("tickfuse_feed_messages_total") > 6000
                                     and decided(e), seed=seed, seconds=90)
            self.assertGreater(sum(got["rejected"].values()), 10)
            self.assertLessEqual(sum(got["rejected"].values()), 2 * sum(did.get(f, 0) for f in faults))

        self.on_each(KINDS, one)

    def test_a_new_field_is_no_news(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "field_new=0.2", seed=seed)
            self.assertGreater(did["field_new"], 100)
            self.assertEqual((got["rejected"], got["gaps"]), ({}, 0))

        self.on_each(KINDS, one)

    def test_times_that_cannot_be_keep_their_events(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "time=0.2", seed=seed)
            self.assertGreater(did["time"], 100)
            self.assertGreater(sum(n for cause, n in got["suspect"].items() if cause.startswith("ts_")), 20)
            self.assertEqual(got["gaps"], 0)
            self.assertLess(sum(got["rejected"].values()), did["time"])
            self.assertGreater(got["inference"]["done"], 0)

        self.on_each(KINDS, one)

    def test_a_clock_that_jumps_moves_no_window(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "clock_jump=0.5", "6s", seed=seed)
            self.assertGreater(did["clock_jump"], 0)
            self.assertEqual((got["rejected"], got["gaps"], got["lane"]["events_late"]), ({}, 0, 0))

        self.on_each(KINDS, one)


class Listings(Exchanges):  # F37
    def test_a_halt_of_two_seconds_is_no_fault(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "halt=0.5", "8s", seed=seed)
            self.assertGreater(did["halt"], 0)
            self.assertEqual((got["gaps"], got["rejected"]), (0, {}))

        self.on_each(KINDS, one)

    def test_a_halt_that_the_venue_tells_of_holds_every_decision_until_it_is_over(self):
        def one(venue, seed):
            with tempfile.TemporaryDirectory() as tmp:
                journal = pathlib.Path(tmp) / "d.journal"
                with Exchange("--venue", venue, "--seed", seed, "--faults", "halt=0.7") as sim:
                    got, _ = live(sim, *venue_sets(venue), "feeds.0.metadata_refresh=100ms",
                                  f"sinks=[{{type: journal, path: {journal}}}]", seconds="8s", sink=False)
                    did = sim.summary()
                self.check(got)
                out, _ = run("tail", journal, "--json")
            rows = [json.loads(line) for line in out.splitlines()]
            self.assertGreater(did["halt"], 0)
            self.assertGreaterEqual(got["listing_changes"], 2)
            self.assertEqual((got["gaps"], got["rejected"]), (0, {}))
            held = [i for i, row in enumerate(rows) if row["hold_reason"] == "trading"]
            self.assertEqual({rows[i]["action"] for i in held}, {"HOLD"})
            name = rows[held[0]]["instrument"]
            self.assertIn(True, (row["hold_reason"] != "trading" for row in rows[held[0]:] if row["instrument"] == name))
            self.assertIn(True, (row["hold_reason"] != "trading" for row in rows[held[0]:] if row["instrument"] != name))

        self.on_each(("binance-spot", "binance-usdm", "binance-coinm"), one)

    def test_another_tick_size_is_an_event(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "tick_size=2s", "6s", "feeds.0.metadata_refresh=200ms", seed=seed)
            self.assertEqual(did["tick_size"], 1)
            self.assertEqual(got["listing_changes"], 1)
            self.assertEqual((got["gaps"], got["rejected"]), (0, {}))

        self.on_each(("binance-spot", "binance-usdm", "binance-coinm"), one)

    def test_an_instrument_that_is_delisted_leaves_the_others_alone(self):
        def one(venue, seed):
            with Exchange("--venue", venue, "--seed", seed, "--faults", "delist=2s,close=4s") as sim, \
                    LiveEngine(sim, *venue_sets(venue)) as engine:
                wait_until(lambda: engine.count("tickfuse_feed_reconnects_total") >= 1, 60, "a connection without it")
                before = engine.count("tickfuse_ticks_total")
                wait_until(lambda: engine.count("tickfuse_ticks_total") > before + 1000, 60, "the others to go on")
                got, _ = engine.finish()
            self.check(got)

        self.on_each(KINDS, one)

    def test_prices_that_gain_a_digit_are_the_same_prices(self):
        def one(venue, seed):
            got, did, _ = self.for_a_while(venue, "tick_size=2s", "6s", seed=seed)
            self.assertEqual(did["tick_size"], 1)
            self.assertEqual((got["gaps"], got["rejected"], got["lane"]["levels_unscalable"]), (0, {}, 0))

        self.on_each(KINDS, one)


class Bans(Exchanges):  # F38
    def test_418_and_429_are_obeyed_and_the_books_come_in_the_end(self):
        def one(fault, seed):
            got, did, _ = self.until("binance-spot", f"{fault}=0.6", decided, seed=seed, seconds=120)
            self.assertGreater(did[fault], 0)
            self.assertLess(did["rest"], 60)

        side_by_side(self, [(f, s) for f in ("http_418", "http_429") for s in SEEDS], one)


if __name__ == "__main__":
    main()

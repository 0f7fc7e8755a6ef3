"""What an exchange answers, lists and forbids (FAULTS F23, F37, F38)."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from exchange_faults import KINDS, SEEDS, Exchanges, actions, after, name_of, streams
from harness import VENUES, main, side_by_side

OTHERS_IN_A_HALT = 300  # ticks of two instruments: 650 to 920 are due in two seconds, up to some twenty between any two of one instrument


def answers(met, which):
    return met.metrics.get(("tickfuse_feed_stream_answers_total", which), 0)


def asked_again(met):
    return met.metrics.get(("tickfuse_feed_stream_silences_total", "asked"), 0)


class Acknowledgements(Exchanges):  # F23
    def test_late_behind_the_data(self):
        def one(venue, seed):
            met = self.meet(venue, "ack_late=1500ms", lambda e: e.count("tickfuse_feed_stream_answers_total", "yes") >= 3, seed=seed)
            self.assertGreaterEqual(met.did["ack_late"], 3)
            self.assertEqual((asked_again(met), answers(met, "no")), (0, 0))
            self.assertEqual(met.got["resyncs"], 0)

        self.on_each(KINDS, one)

    def test_for_another_stream(self):
        def one(venue, seed):
            met = self.meet(venue, "ack_other=1", instruments=VENUES[venue][:2], seed=seed)
            self.assertGreaterEqual(met.did["ack_other"], 3)
            self.assertEqual((asked_again(met), answers(met, "no"), met.got["resyncs"]), (0, 0, 0))  # data came: that is what counts
            self.assertEqual(met.got["instruments"], 2)

        self.on_each(KINDS, one)

    def test_for_some_of_the_streams_only(self):
        def one(venue, seed):
            met = self.meet(venue, "ack_partial=1/2x2", seed=seed)
            self.assertEqual(met.did["ack_partial"], 2)
            self.assertGreater(asked_again(met), 0)

        self.on_each(KINDS, one)

    def test_given_and_then_nothing_comes(self):
        def one(venue, seed):
            met = self.meet(venue, "ack_silent=1/2x1", seed=seed)
            self.assertEqual((met.did["ack_silent"], asked_again(met)), (1, 1))

        self.on_each([v for v in KINDS if v != "coinbase-exchange"], one)  # whose second stream only beats


class Listings(Exchanges):  # F37
    def test_a_halt_of_two_seconds_is_no_fault(self):
        def one(venue, seed):
            met = self.meet(venue, "halt=1/3x1", after(3), seed=seed)
            self.assertEqual(met.did["halt"], 1)
            pauses = {}  # in ticks of the others, which a machine that stops does not make
            for name in VENUES[venue]:
                ticks = [i for i, row in enumerate(met.rows) if name_of(row) == name and row["action"] == "BUY"]
                pauses[name] = max(b - a for a, b in zip(ticks, ticks[1:])) > OTHERS_IN_A_HALT
            self.assertEqual(sum(pauses.values()), 1, pauses)
            self.assertEqual((met.got["gaps"], met.got["rejected"], met.got["resyncs"]), (0, {}, 0))
            self.assertEqual(met.metrics.get("tickfuse_feed_reconnects_total", 0), 0)

        self.on_each(KINDS, one)

    def test_a_halt_that_the_venue_tells_of_holds_every_decision_until_it_is_over(self):
        """The engine asks every 100 ms what is done with its instruments; the halt takes two seconds."""
        def one(venue, seed):
            met = self.meet(venue, "halt=1/5x1", lambda e: e.count("tickfuse_feed_listing_changes_total") >= 2,
                            feed=", metadata_refresh: 100ms", seed=seed)
            self.assertEqual(met.did["halt"], 1)
            self.assertEqual(met.got["listing_changes"], 2)
            held = [i for i, row in enumerate(met.rows) if row["hold_reason"] == "trading"]
            self.assertEqual(({met.rows[i]["action"] for i in held}, len({name_of(met.rows[i]) for i in held})), ({"HOLD"}, 1))
            behind = [row for row in met.rows[held[-1] + 1:] if name_of(row) == name_of(met.rows[held[-1]])]
            self.assertIn("BUY", {row["action"] for row in behind})
            self.assertEqual((met.got["gaps"], met.got["rejected"]), (0, {}))

        self.on_each(("binance-spot", "binance-usdm", "binance-coinm"), one)

    def test_another_tick_size_is_an_event(self):
        def one(venue, seed):
            met = self.meet(venue, "tick_size=6s", lambda e: e.count("tickfuse_feed_listing_changes_total"),
                            feed=", metadata_refresh: 100ms", seed=seed)
            self.assertEqual((met.did["tick_size"], met.got["listing_changes"]), (1, 1))
            self.assertEqual((met.got["gaps"], met.got["rejected"]), (0, {}))

        self.on_each(("binance-spot", "binance-usdm", "binance-coinm"), one)

    def test_an_instrument_that_is_delisted_leaves_the_others_alone(self):
        """The connection behind the delisting hears of two; where the venue says no to the third, that is counted."""
        def one(venue, seed):
            def settled(engine):
                buys = actions(engine)
                if not engine.count("tickfuse_feed_reconnects_total"):
                    settled.since = buys
                refused = venue != "kraken" or streams(engine, "refused") >= 3
                return refused and buys > settled.since + 200
            settled.since = 0
            met = self.meet(venue, "delist=2s,close=4s", settled, whole=False, seed=seed)
            self.assertGreaterEqual(met.metrics["tickfuse_feed_reconnects_total"], 1)
            last = [name_of(row) for row in met.rows if row["action"] == "BUY"][-100:]
            self.assertEqual(set(last), set(VENUES[venue][:2]))
            if not venue.startswith("binance"):  # which acknowledges what it does not know
                self.assertGreater(answers(met, "no"), 0)

        self.on_each(dict.fromkeys((*KINDS, "coinbase-exchange")), one)  # that one refuses the three together

    def test_prices_that_gain_a_digit_are_the_same_prices(self):
        def one(venue, seed):
            met = self.meet(venue, "tick_size=2s", after(5), seed=seed)
            self.assertEqual(met.did["tick_size"], 1)
            self.assertEqual((met.got["gaps"], met.got["rejected"], met.got["lane"]["levels_unscalable"]), (0, {}, 0))
            self.assertLessEqual(met.got["resyncs"], venue == "kraken")  # its checksum runs over digits that were not sent
            prices = [float(row["ref_price"]) for row in met.rows if name_of(row) == VENUES[venue][2] and row["action"] == "BUY"]
            self.assertGreater(len(prices), 100)
            self.assertLess(max(prices) / min(prices), 1.1)

        self.on_each(KINDS, one)


class Bans(Exchanges):  # F38
    def test_418_and_429_are_obeyed_and_the_books_come_in_the_end(self):
        def one(fault, retry_after, seed):
            met = self.meet("binance-spot", f"{fault}=1x2", first=True, seed=seed)
            self.assertEqual(met.did[fault], 2)
            self.assertGreater(met.seconds, retry_after)  # no book before that
            self.assertLessEqual(met.did["rest"], 8)  # two refused; what is answered: the metadata, three books, and no hammering
            self.assertRegex(met.log, rf"http_status_{fault[-3:]}")

        side_by_side(self, [(f, t, s) for f, t in (("http_418", 2), ("http_429", 1)) for s in SEEDS], one)


if __name__ == "__main__":
    main()

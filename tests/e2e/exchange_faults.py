"""What the tests of an exchange that misbehaves share (FAULTS F23 to F38): an engine whose every tick is a decision, its
decisions kept in a journal, and what must hold whatever went wrong."""
import collections
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import VENUES, Exchange, LiveEngine, run, side_by_side, wait_until

NIGHTLY = os.environ.get("TF_NIGHTLY") == "1"
SEEDS = range(1, 6) if NIGHTLY else (1,)
# One of each way to get a snapshot and to tell a gap.
KINDS = tuple(VENUES) if NIGHTLY else ("binance-spot", "kraken", "coinbase")
LAST_BUYS = 40  # in a row, of all instruments: then an exchange is whole again
CHANNELS = "trade, quote, book, ticker"

UNDER_WAY = 10   # frames in a frozen exchange's own buffers, and its websocket pings

# BUY on every tick whose book is in order, HOLD where it is not: the decision names its state.
CONFIG = """engine: {{profile: basic, decision_ring_slots: 65536}}
feeds:
  - {{name: main, venue: {venue}, url: "{url}", rest: "{rest}", channels: [{channels}], instruments: [{instruments}]{feed}}}
features: [mid, spread]
strategies: [{{name: t, buy: "spread >= 0", max_rate: 100000/s}}]
sinks: [{{type: journal, path: {journal}}}]
"""

Met = collections.namedtuple("Met", "got did log metrics rows seconds")


def streams(engine, state):
    return engine.count("tickfuse_feed_streams", state)


def actions(engine):
    return engine.count("tickfuse_decision_actions_total", "buy")


def reconnects(metrics):
    return metrics.get("tickfuse_feed_reconnects_total", 0)


def after(seconds):
    """True so long after it was asked first."""
    end = []

    def is_past(_):
        end.append(time.monotonic() + seconds)
        return time.monotonic() > end[0]
    return is_past


def name_of(row):
    return row["instrument"].partition(".")[0]


class Exchanges(unittest.TestCase):
    def meet(self, venue, faults, until=None, *, instruments=None, channels=CHANNELS, feed="", args=(), rate=600,
             seed=1, seconds=90, whole=True, first=False, taken=False):
        """The engine on this exchange until its faults are over (those with an end), then until until(engine) holds, and
        last, with whole, until everything is in order again. first: the seconds from the start to the first BUY are kept.
        taken: every message that the exchange sent was decoded."""
        instruments = instruments or VENUES[venue]
        with tempfile.TemporaryDirectory() as tmp:
            path, journal = pathlib.Path(tmp) / "config.yaml", pathlib.Path(tmp) / "d.journal"
            with Exchange("--venue", venue, "--seed", seed, "--rate", rate, *(("--faults", faults) if faults else ()), *args) as sim:
                path.write_text(CONFIG.format(venue=venue, url=sim.url, rest=sim.rest, channels=channels, feed=feed,
                                              instruments=", ".join(instruments), journal=journal))
                start, waited = time.monotonic(), None
                with LiveEngine(sim, config=path) as engine:
                    if first:
                        wait_until(lambda: actions(engine) > 0, seconds, f"{venue} to be acted on with {faults}")
                        waited = time.monotonic() - start
                    if any("x" in item.partition("=")[2] for item in faults.split(",")):
                        sim.faults_over(seconds)
                    if until:
                        wait_until(lambda: until(engine), seconds, f"{venue} to meet {faults}")
                    if whole:
                        self.wait_whole(engine, venue, faults, seconds)
                    if taken:
                        sim.freeze()
                        wait_until(lambda: self.has_read_all(engine), seconds, f"{venue}'s messages to be read")
                    metrics = engine.metrics()
                    got, log = engine.finish()
                did = sim.summary()
            rows = [json.loads(line) for line in run("tail", journal, "--json")[0].splitlines()]
        self.check(got, rows, instruments if whole else ())
        if taken and not reconnects(metrics):  # what was under way on a connection that was left is gone
            self.assertLessEqual(abs(did["frames"] - (got["messages"] - did["rest"])), UNDER_WAY)
        return Met(got, did, log, metrics, rows, waited)

    @staticmethod
    def has_read_all(engine):
        before = engine.count("tickfuse_feed_messages_total")
        time.sleep(0.2)
        return engine.count("tickfuse_feed_messages_total") == before

    def wait_whole(self, engine, venue, faults, seconds):
        """LIVE, no stream asked for or silent, no instrument stale; and no decision is held back because of its book."""
        since = (0, 0)

        def is_whole():
            nonlocal since
            now = engine.count("tickfuse_decision_holds_total", "book"), actions(engine)
            if now[0] != since[0] or not engine.is_live() or engine.count("tickfuse_feed_stale_instruments") or \
                    any(streams(engine, state) for state in ("wanted", "asked", "silent", "refused")):
                since = now
            return now[1] >= since[1] + LAST_BUYS
        wait_until(is_whole, seconds, f"{venue} to be whole after {faults}")

    def check(self, got, rows, instruments):
        """The ledger is at 0; every decision is there; no broken book was acted on; at last each was in order again."""
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        self.assertEqual([row["decision_seq"] for row in rows], list(range(1, len(rows) + 1)))
        for row in rows:
            if row["hold_reason"] != "trading":  # the venue's word comes before the book's state
                self.assertEqual(row["hold_reason"] == "book", row["book_state"] != "OK", row)
            self.assertTrue(row["action"] == "HOLD" or row["book_state"] == "OK", row)
        in_order = {name_of(row) for row in rows[-LAST_BUYS:] if row["book_state"] == "OK"}
        self.assertEqual(set(instruments) - in_order, set())

    def on_each(self, venues, do):
        side_by_side(self, [(v, s) for v in venues for s in SEEDS], do)

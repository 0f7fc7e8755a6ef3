"""A bad line between the engine and its venue (FAULTS F05 to F07), through a proxy: what test_faults_network shows in a
network namespace, where a host allows none."""
import contextlib
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from bad_line import BadLine
from harness import Exchange, LiveEngine, main, venue_sets, wait_until

VENUE = "binance-spot"


class Line(unittest.TestCase):
    @contextlib.contextmanager
    def running(self, *exchange_args, rate=500):
        """(the line, the engine) once LIVE; at the end LIVE again, nothing missing, and the ledger at 0."""
        with Exchange("--venue", VENUE, "--rate", str(rate), *exchange_args) as sim, \
                BadLine(int(sim.url.rsplit(":", 1)[1])) as line, \
                LiveEngine(sim, *venue_sets(VENUE), f"feeds.0.url={line.url}") as engine:
            wait_until(engine.is_live, 30, "the feed to be live")
            yield line, engine
            line.swallows, line.chance, line.bytes_per_s = frozenset(), 0, 0
            wait_until(engine.is_live, 60, "the feed to be live again")
            before = engine.count("tickfuse_feed_messages_total")
            wait_until(lambda: engine.count("tickfuse_feed_messages_total") > before + 200, 30, "messages to flow again")
            self.reconnects = engine.count("tickfuse_feed_reconnects_total")
            got, self.log = engine.finish()
            self.did = sim.summary()
        self.assertEqual((got["ledger"]["residual"], got["rejected"], got["instruments"]), (0, {}, 3))
        self.got = got

    def lossy(self, chance, seconds):
        with self.running() as (line, _):
            line.chance = chance
            time.sleep(seconds)
            self.assertGreater(line.lost, 0)

    def test_a_black_hole_is_seen_within_two_seconds_and_left(self):  # F05
        with self.running() as (line, engine):
            start, line.swallows = time.monotonic(), frozenset(("up", "down"))
            wait_until(lambda: not engine.is_live(), 10, "the silence to be noticed")
            self.assertLess(time.monotonic() - start, 2.5)
            wait_until(lambda: engine.count("tickfuse_feed_disconnects_total") >= 1, 60, "the connection to be left")
            self.assertGreater(line.swallowed, 0)
        self.assertGreaterEqual(self.did["clients"], 2)

    def test_a_venue_that_hears_no_pong_closes_and_is_dialled_again(self):  # F06
        with self.running("--hurry", "20") as (line, engine):
            line.swallows = frozenset(("up",))
            wait_until(lambda: not engine.is_live(), 60, "the line to be left")
        self.assertGreaterEqual(self.did["clients"], 2)

    def test_one_packet_in_a_hundred_lost_is_no_silence(self):  # F07
        self.lossy(0.01, 6)
        self.assertEqual((self.reconnects, self.got["gaps"]), (0, 0))

    def test_one_packet_in_ten_lost_is_no_silence(self):
        self.lossy(0.1, 8)
        self.assertEqual((self.reconnects, self.got["gaps"]), (0, 0))

    def test_three_packets_in_ten_lost_cost_time_and_no_message(self):
        self.lossy(0.3, 8)

    def test_a_line_of_one_megabit_is_late_and_loses_nothing(self):
        with self.running(rate=2000) as (line, _):
            line.bytes_per_s = 125_000
            time.sleep(6)
        self.assertEqual(self.got["gaps"], 0)


if __name__ == "__main__":
    main()

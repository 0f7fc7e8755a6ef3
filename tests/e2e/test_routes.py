"""The ways to a venue: a feed over several connections, endpoints by rank, a proxy, a source address, IPv6, and what
stands in when the venue is down."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DEMO, Exchange, LiveEngine, engine_args, live, main, replay, run, wait_until


class Shards(unittest.TestCase):
    """A feed's streams over as many connections as its bound wants."""

    def test_feed_over_three_connections_is_the_same_feed(self):
        with Exchange() as exchange, tempfile.TemporaryDirectory() as out:
            sets = ["feeds.0.instruments=[BTCUSDT,ETHUSDT,SOLUSDT]", "feeds.0.streams_per_connection=5"]
            got, err = live(exchange, *sets, f"capture.path={out}", seconds="5s")
            self.assertEqual((got["instruments"], got["ledger"]["residual"], got["gaps"]), (3, 0, 0))
            self.assertGreater(got["decisions"], 100)
            summary = exchange.summary()
            self.assertEqual(summary["clients"] - summary["rest"], 3)
            again, _ = replay(out, config=DEMO)
            for key in ("events_hash", "decisions_hash", "messages", "events", "decisions"):
                self.assertEqual(got[key], again[key], key)
            header = next(pathlib.Path(out).glob("*.tfc")).read_bytes()[:4096]
            for name in (b"main/0\0", b"main/1\0", b"main/2\0"):
                self.assertIn(name, header)

    def test_each_connection_has_its_metrics_and_its_health(self):
        with Exchange() as exchange, LiveEngine(exchange, "feeds.0.instruments=[BTCUSDT,ETHUSDT]",
                                                "feeds.0.streams_per_connection=3") as engine:
            wait_until(lambda: engine.count("tickfuse_feed_state", "live") == 2, what="both connections live")
            metrics = engine.metrics()
            for name in ("main/0", "main/1"):
                self.assertGreater(metrics["tickfuse_feed_messages_total", name], 0)
            exchange.stop()
            wait_until(lambda: engine.count("tickfuse_feed_state", "live") == 0, what="both connections down")
            got, err = engine.finish()
            self.assertEqual(got["ledger"]["residual"], 0)

    def test_check_prints_the_plan(self):
        out, _ = run("check", DEMO, "--set", "feeds.0.instruments=[A,B,C,D,E,F,G]", "--set",
                     "feeds.0.streams_per_connection=9")
        lines = [line for line in out.splitlines() if line.startswith("connection ")]
        self.assertEqual([line.split(":")[0] for line in lines],
                         ["connection main/0", "connection main/1", "connection main/2"])
        self.assertIn("3 instruments, A .. C: 9 streams", lines[0])
        self.assertIn("2 instruments, F .. G: 6 streams", lines[2])
        plan = json.loads(run("check", DEMO, "--json")[0])["connections"]
        self.assertEqual([row["name"] for row in plan], ["main"])

    def test_bound_that_holds_no_instrument_is_refused_at_its_place(self):
        _, err = run("check", DEMO, "--set", "feeds.0.streams_per_connection=2", expect=2)
        self.assertIn("feeds[0].streams_per_connection: 2 streams a connection of binance-spot: one symbol has 3", err)

    def test_path_of_the_configs_own_is_asked_for(self):
        with Exchange() as exchange:
            got, _ = live(exchange, "feeds.0.path=/stream?timeUnit=MICROSECOND", seconds="2s")
            self.assertGreater(got["events"]["trade"], 10)
            self.assertEqual(got["ledger"]["residual"], 0)


if __name__ == "__main__":
    main()

"""Live, from the outside: the simulator and the engine as two processes over ws and wss, in each venue's protocol."""
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, VENUES, Exchange, LiveEngine, engine_args, live, main, run, side_by_side, venue_sets, wait_until
from ports import free_port

MESSAGE_CNT = 3000  # what a simulator says in three seconds
LONG_S = 120

class Live(unittest.TestCase):
    def check_good(self, exchange, *sets):
        """However long the machine takes to come that far."""
        with LiveEngine(exchange, *sets) as engine:
            wait_until(lambda: engine.count("tickfuse_feed_messages_total") > MESSAGE_CNT and
                       engine.count("tickfuse_decisions_total") > 50, LONG_S, "messages and decisions")
            got, _ = engine.finish()
        self.assertGreater(got["events"]["trade"], 20)
        self.assertGreater(got["events"]["quote"] + got["events"]["ticker"], 50)
        self.assertGreater(got["events"]["book"], 500)
        self.assertGreater(got["ticks"], 200)
        self.assertEqual(got["instruments"], 3)
        self.assertEqual(got["rejected"], {})
        self.assertEqual(got["gaps"], 0)
        self.assertEqual(got["duplicates"], 0)
        self.assertEqual(got["ledger"]["residual"], 0)
        return got

    def test_each_venue_from_subscription_to_decisions(self):
        def one(venue):
            with Exchange("--venue", venue) as exchange:
                self.check_good(exchange, *venue_sets(venue))

        side_by_side(self, [(v,) for v in VENUES], one)

    def test_each_venue_over_tls_with_certificate_and_host_verified(self):
        def one(venue):
            with Exchange("--venue", venue, "--tls") as exchange:
                self.check_good(exchange, *venue_sets(venue), "engine.io=epoll")

        side_by_side(self, [(v,) for v in VENUES], one)

    def test_snapshots_of_many_megabytes(self):
        with Exchange("--venue", "coinbase", "--levels", "10000") as exchange:
            got = self.check_good(exchange, *venue_sets("coinbase"), "feeds.0.message_bytes_max=16MiB")
            self.assertGreater(got["events"]["book"], 3 * 19000)

    def test_certificate_that_nobody_vouches_for_is_refused_and_says_so(self):
        with Exchange("--tls") as exchange:
            out, err = run(*engine_args(exchange, trust=False, seconds="2s"))
            self.assertEqual(json.loads(out)["messages"], 0)
            self.assertRegex(err, "self-signed|self signed|unable to get local issuer|verify")

    def test_compressed_messages_where_both_sides_ask_for_them(self):
        for both in (True, False):
            with Exchange("--tls", *(["--deflate"] if both else [])) as exchange:
                self.check_good(exchange, "feeds.0.deflate=true")
                _, err, _ = exchange.stop()
                self.assertEqual(int(err.split("deflated=")[1].split()[0]) > 200, both, err)

    def test_compressed_messages_that_are_corrupt_cost_a_connection_and_no_count(self):
        """Many a changed byte still inflates, to other text: runs of other seeds follow until one was no deflate at all."""
        for seed in range(1, 9):
            with Exchange("--deflate", "--faults", "corrupt=0.02", "--seed", seed) as exchange:
                got, err = live(exchange, "feeds.0.deflate=true", seconds="5s")
                self.assertEqual(got["ledger"]["residual"], 0)
            if got["events"]["trade"] > 20 and re.search("inflate_|utf8|protocol|E_WIRE_INFLATE", err):
                return
        self.fail(f"no connection ended of a byte in fifty changed: {err}")

    def test_three_threads_live(self):
        with Exchange() as exchange:
            self.check_good(exchange, "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]")

    def test_exchange_that_is_not_there_is_no_crash(self):
        port = free_port()
        exchange = type("Nobody", (), {"sets": [f"feeds.0.url=ws://127.0.0.1:{port}", f"feeds.0.rest=http://127.0.0.1:{port}"], "ca": []})
        out, err = run(*engine_args(exchange, seconds="2s"))
        self.assertEqual(json.loads(out)["messages"], 0)
        self.assertRegex(err.lower(), "refused")

    def test_recording_played_by_the_exchange_gives_the_recording_s_trades(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is absent")
        path = DATA / "binance-spot" / "btcusdt_20240808.gz"
        with Exchange("--input", path, "--speed", "60") as exchange:
            got, _ = live(exchange, "feeds.0.instruments=[BTCUSDT]", seconds="9s")
            self.assertGreater(got["events"]["trade"], 9000)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertEqual(got["rejected"], {})


if __name__ == "__main__":
    main()

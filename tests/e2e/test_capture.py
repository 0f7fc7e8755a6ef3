"""Live = replay: what an engine decided live, over ws and wss, with faults, a replay of its own capture decides
again, bit for bit. More seeds by TF_SEEDS (nightly)."""
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DEMO, Background, Exchange, main, run, wait_until

SEEDS = int(os.environ.get("TF_SEEDS", "1"))
THREE = "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"
# A model that warms up for seconds, and rules that act from the first ticks on, with both brakes.
STRATEGIES = ("strategies=[{name: fade, model: mlp, buy: 'score > 0.6', sell: 'score < -0.6', cooldown: 250ms}, "
              "{name: lean, buy: 'imbalance(5) > 0.3', sell: 'imbalance(5) < -0.3', cooldown: 20ms, max_rate: 10/s}]")
SAME = ["events_hash", "decisions_hash", "messages", "control", "events", "rejected", "ignored", "gaps", "duplicates",
        "bridged_out_levels", "resyncs", "instruments", "ticks", "inference", "decisions", "actions"]


def first_lines(path):
    """The deterministic halves of a journal's decisions, in order."""
    data = path.read_bytes()
    at, lines = 64, []
    while at < len(data):
        kind, cnt = struct.unpack_from("<II", data, at + 4)
        if kind == 1:
            lines += [data[at + 64 + i * 128:at + 64 + i * 128 + 64] for i in range(cnt)]
        at += 64 + cnt * 128
    return lines


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tf_capture_"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.runs = 0

    def sets_of(self, exchanges, journal):
        """Each exchange is a feed; decisions go to a journal, HOLD included."""
        feeds = ", ".join(f'{{name: f{i}, venue: {venue}, url: "{e.url}", rest: "{e.rest}", '
                          f'{f"ca_file: {e.ca[0]}, " if e.ca else ""}'
                          f'channels: [trade, quote, book], instruments: [BTCUSDT, ETHUSDT]}}'
                          for i, (e, venue) in enumerate(exchanges))
        return [f"feeds=[{feeds}]", STRATEGIES, f"sinks=[{{type: journal, path: {journal}}}]", "http.listen=off",
                "engine.decision_ring_slots=65536"]  # live, a full ring drops: a loaded machine must not make it full

    def live(self, exchanges, *sets, seconds="3s", expect=0):
        self.runs += 1
        capture = self.dir / f"capture{self.runs}"
        journal = self.dir / f"live{self.runs}.journal"
        args = ["run", DEMO, "--for", seconds, "--json", "--capture", capture]
        for item in (*self.sets_of(exchanges, journal), *sets):
            args += ["--set", item]
        out, _ = run(*args, expect=expect)
        return json.loads(out), capture, journal

    def replay(self, exchanges, capture, *sets, args=(), expect=0):
        self.runs += 1
        journal = self.dir / f"replay{self.runs}.journal"
        command = ["replay", DEMO, "--json", "--input", capture]
        for item in (*self.sets_of(exchanges, journal), *sets):
            command += ["--set", item]
        out, err = run(*command, *args, expect=expect)
        return json.loads(out), journal, err

    def assert_same(self, live, again, live_journal=None, again_journal=None):
        for key in SAME:
            self.assertEqual(live[key], again[key], key)
        self.assertEqual(live["ledger"]["residual"], 0)
        self.assertEqual(again["ledger"]["residual"], 0)
        if live_journal:
            want = first_lines(live_journal)
            self.assertEqual(len(want), live["decisions"])
            self.assertEqual(want, first_lines(again_journal))


class LiveIsReplay(Scratch):
    def exchange(self, *args, seed=0, venue="binance-spot"):
        exchange = Exchange("--venue", venue, "--seed", str(seed + 1), *args)
        self.addCleanup(exchange.__exit__)
        exchange.rest = exchange.url.replace("wss:", "https:").replace("ws:", "http:")
        return exchange, venue

    def check(self, *exchange_args, sets=(), venues=("binance-spot",), seconds="3s", proof=lambda live: None):
        for seed in range(SEEDS):
            exchanges = [self.exchange(*exchange_args, seed=seed * 7 + i, venue=v) for i, v in enumerate(venues)]
            live, capture, journal = self.live(exchanges, *sets, seconds=seconds)
            self.assertGreater(live["ticks"], 200)
            self.assertGreater(live["decisions"], 50)
            self.assertEqual(live["capture"]["records_lost"], 0)
            proof(live)
            again, again_journal, err = self.replay(exchanges, capture, *sets)
            self.assert_same(live, again, journal, again_journal)
            self.assertNotIn("not closed in order", err)
            three, three_journal, _ = self.replay(exchanges, capture, *sets, THREE)
            self.assert_same(live, three, journal, three_journal)

    def test_plain_websocket(self):
        self.check("--rate", "5000")

    def test_trades_that_wait_for_those_before_them(self):
        """F27, with a window: what overtook is published in its place, live and in a replay alike."""
        def proof(live):
            self.assertGreater(live["trades_late"], 5)
            self.assertGreater(live["trades_reordered"], 5)

        self.check("--rate", "5000", "--faults", "reorder=0.2", sets=["feeds.0.reorder_window=100ms"], proof=proof)

    def test_trades_whose_window_ends_between_two_messages(self):
        """F27: the lane's timer ends it, and a replay obeys the record of that."""
        def proof(live):
            self.assertGreater(live["gaps"], 0)  # of ids that had not come when a window was over

        self.check("--rate", "2000", "--faults", "reorder=0.3", sets=["feeds.0.reorder_window=1ms"], proof=proof)

    def test_tls_and_epoll(self):
        self.check("--tls", sets=["engine.io=epoll"])

    def test_three_threads_live(self):
        self.check("--rate", "5000", sets=[THREE])

    def test_two_feeds_of_two_venues(self):
        self.check(venues=("binance-spot", "binance-usdm"), proof=lambda live: self.assertEqual(live["instruments"], 4))

    def test_gaps_and_resyncs(self):
        self.check("--faults", "gap=0.05", seconds="5s", proof=lambda live: self.assertGreater(live["resyncs"], 0))

    def test_corrupt_messages(self):
        self.check("--faults", "corrupt=0.02", proof=lambda live: self.assertGreater(sum(live["rejected"].values()), 5))

    def test_connections_that_are_cut(self):
        self.check("--faults", "close=1200ms", seconds="6s")

    def test_everything_at_once(self):
        self.check("--tls", "--faults", "gap=0.02,corrupt=0.01,close=1500ms", sets=[THREE], seconds="6s",
                   venues=("binance-spot", "binance-usdm"))

    def test_an_operator_s_commands(self):
        exchanges = [self.exchange()]
        socket, journal, capture = self.dir / "control" / "socket", self.dir / "live.journal", self.dir / "capture"
        args = ["run", DEMO, "--for", "60s", "--json", "--capture", capture]
        for item in (*self.sets_of(exchanges, journal), f"control.path={socket}"):
            args += ["--set", item]
        with Background(*args) as engine:
            wait_until(socket.exists, what="the control socket")
            def ask(*words):
                return json.loads(run("control", socket, *words, "--json")[0])
            wait_until(lambda: ask("status")["decisions"] > 500, what="decisions")
            ask("position", "BTCUSDT.BINANCE-SPOT", "2.5")
            ask("halt")
            time.sleep(1)
            ask("resume")
            time.sleep(0.5)
            ask("drain")
            live = json.loads(engine.process.communicate(timeout=60)[0])
        self.assertEqual(live["events"]["control"], 3)
        again, again_journal, _ = self.replay(exchanges, capture)
        self.assert_same(live, again, journal, again_journal)


class Record(Scratch):
    def test_recorded_alone_replays_as_if_it_had_been_decided_live(self):
        with Exchange() as exchange:
            out = self.dir / "rec"
            args = ["record", DEMO, "--for", "2s", "--json", "--out", out, "--set", "http.listen=off"]
            for item in exchange.sets:
                args += ["--set", item]
            recorded = json.loads(run(*args)[0])
            self.assertGreater(recorded["capture"]["records"], 500)
            self.assertGreater(recorded["capture"]["ratio"], 2)
            self.assertEqual(recorded["decisions"], 0)
            exchange.rest = exchange.sets[1].split("=", 1)[1]
            got, _, _ = self.replay([(exchange, "binance-spot")], out)
            self.assertEqual(got["events_hash"], recorded["events_hash"])
            self.assertEqual(got["messages"], recorded["messages"])
            self.assertGreater(got["decisions"], 50)
            # A second capture into the same directory would mix the two.
            _, err = run(*args, expect=1)
            self.assertIn("holds a capture already", err)

    def test_what_was_written_before_a_kill_replays(self):
        with Exchange() as exchange:
            out = self.dir / "killed"
            args = ["record", DEMO, "--out", out, "--set", "http.listen=off", "--set", "capture.flush=10ms"]
            for item in exchange.sets:
                args += ["--set", item]
            with Background(*args) as engine:
                wait_until(lambda: sum(f.stat().st_size for f in out.glob("*.tfc")) > 100000, what="some of a capture")
                engine.process.send_signal(signal.SIGKILL)
                engine.process.wait()
            exchange.rest = exchange.sets[1].split("=", 1)[1]
            got, _, err = self.replay([(exchange, "binance-spot")], out)
            self.assertGreater(got["messages"], 100)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertIn("not closed in order", err)

    def test_damaged_capture_exits_3_and_replays_what_comes_before(self):
        with Exchange() as exchange:
            exchange.rest = exchange.sets[1].split("=", 1)[1]
            live, capture, _ = self.live([(exchange, "binance-spot")], "capture.flush=50ms", seconds="2s")
            path = capture / "capture-0001.tfc"
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 4
            path.write_bytes(data)
            got, _, err = self.replay([(exchange, "binance-spot")], capture, expect=3)
            self.assertIn("E_FILE_DAMAGED", err)
            self.assertRegex(err, "capture-0001.tfc: byte [0-9]+")
            self.assertGreater(got["messages"], 0)
            self.assertLess(got["messages"], live["messages"])

    def test_from_and_to_bound_a_replay(self):
        with Exchange() as exchange:
            exchange.rest = exchange.sets[1].split("=", 1)[1]
            feeds = [(exchange, "binance-spot")]
            live, capture, _ = self.live(feeds, "capture.flush=20ms", seconds="3s")
            middle = str(int(time.time_ns() - 1_500_000_000))
            early, _, _ = self.replay(feeds, capture, args=["--to", middle])
            late, _, _ = self.replay(feeds, capture, args=["--from", middle])
            self.assertGreater(early["messages"], 100)
            self.assertGreater(late["messages"], 100)
            self.assertEqual(early["messages"] + late["messages"], live["messages"])

    def test_simulator_plays_a_capture(self):
        with Exchange() as exchange:
            exchange.rest = exchange.sets[1].split("=", 1)[1]
            live, capture, _ = self.live([(exchange, "binance-spot")], seconds="3s")
        with Exchange("--input", capture) as exchange:
            exchange.rest = exchange.sets[1].split("=", 1)[1]
            got, _, _ = self.live([(exchange, "binance-spot")], seconds="4s")
            self.assertGreater(got["events"]["trade"], live["events"]["trade"] // 2)
            self.assertEqual(got["rejected"], {})


if __name__ == "__main__":
    main()

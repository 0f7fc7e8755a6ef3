"""Every sink under every policy that it knows, before a consumer that is quick, slow, stopped, killed, restarted or
lying (destinations.py): the ledger's residual is 0 each time, what arrives is in order and no record arrives twice, a lossless policy
loses nothing, what the sink counts as delivered is what arrived, and a journal beside it has every decision whatever happens."""
import concurrent.futures
import json
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import numpy

import brokers
import destinations
import stopped_consumers
from brokers import wait_until
from destinations import DESTINATIONS, LONG_S, STATES, journalled, sequence
from harness import AT_ONCE, ROOT, SMALL, TICKFUSE, Exchange, LiveEngine, journal_records, run

INPUT = f"binance-spot:{SMALL}/binance_spot_made.txt"
DECISION_CNT = 426
POLICIES = ("overrun", "block", "drop_newest", "drop_oldest", "conflate", "spill", "disconnect")


# ---- the matrix ----

def config_of(folder, destination):
    sink = {"type": destination.type, "policy": destination.policy, **destination.sink()}
    config = {"engine": {"profile": "basic", "lanes": [{"stages": ["acquire", "buffer", "compute", "decide"]},
                                                       {"stages": ["emit"]}]},
              "features": ["mid"],
              "strategies": [{"name": "a", "buy": "mid > 0"}, {"name": "b", "sell": "mid > 0"}],
              "sinks": [sink, {"type": "journal", "name": "truth", "path": destination.truth}]}
    path = f"{folder}/config.yaml"
    pathlib.Path(path).write_text(json.dumps(config))
    return path


def one_cell(make, policy, state):
    """Runs the engine before one destination; returns what was wrong, or None."""
    folder = tempfile.mkdtemp(prefix="tickfuse-sinks-")
    destination = make(folder, policy, state)
    process = None
    try:
        destination.begin()
        command = [TICKFUSE, "replay", config_of(folder, destination), "--json", "--speed", destination.speed(), "--input", INPUT]
        with destination.output() as out, open(f"{folder}/err", "w") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT)
        destination.middle(process)
        code = process.wait(LONG_S)
        err = pathlib.Path(f"{folder}/err").read_text()[-600:]
        text = destination.summary()
        return judge(destination, json.loads(text), code, err) if text else f"exit {code}: {err}"
    except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as why:
        return f"{type(why).__name__}: {why}"
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
        destination.end()
        shutil.rmtree(folder, ignore_errors=True)


def judge(destination, summary, code, err):
    sink, ended = summary["sinks"][0], summary["decisions"]
    if summary["ledger"]["residual"] != 0:
        return f"residual {summary['ledger']}, {sink}"
    if journalled(destination.truth) != list(range(1, ended + 1)):
        return "the journal beside it has not every decision"
    if ended < DECISION_CNT and not destination.may_end_early():
        return f"{ended} decisions, exit {code}: {err}"
    wrong = destination.wrong(sink)
    if wrong:
        return f"{wrong}, {sink}"
    arrived = destination.read()
    if arrived is None:
        return None
    if arrived != sorted(set(arrived)):
        return "out of order, or twice"
    if destination.has_all() and arrived != list(range(1, DECISION_CNT + 1)):
        return f"{len(arrived)} of {DECISION_CNT} arrived, {sink}"
    if destination.is_counted() and sink["acked"] != len(arrived):
        return f"{len(arrived)} arrived, {sink}"
    return None


class Matrix:
    make = None  # a Destination

    def test_every_policy_before_every_consumer(self):
        make = self.make
        if make.needs and not shutil.which(make.needs):
            self.skipTest(f"no {make.needs} here")
        cells = [(policy, state) for policy in make.policies for state in make.states]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            wrong = list(pool.map(lambda cell: one_cell(make, *cell), cells))
        self.assertEqual([], [f"{make.type} {policy} {state}: {why}" for (policy, state), why in zip(cells, wrong) if why])


class Http(Matrix, unittest.TestCase):
    make = destinations.Http


class Journal(Matrix, unittest.TestCase):
    make = destinations.Journal


class Kafka(Matrix, unittest.TestCase):
    make = destinations.KafkaPartition


class Nats(Matrix, unittest.TestCase):
    make = destinations.JetStream


class Null(Matrix, unittest.TestCase):
    make = destinations.Destination


class Redis(Matrix, unittest.TestCase):
    make = destinations.RedisStream


class Shm(Matrix, unittest.TestCase):
    make = destinations.Shm


class Stdout(Matrix, unittest.TestCase):
    make = destinations.Stdout


class Tcp(Matrix, unittest.TestCase):
    make = destinations.Tcp


class Udp(Matrix, unittest.TestCase):
    make = destinations.Udp


class Unix(Matrix, unittest.TestCase):
    make = destinations.Unix


class Websocket(Matrix, unittest.TestCase):
    make = destinations.Websocket


class Complete(unittest.TestCase):
    """No sink, policy or state is missing from the matrix."""

    def test_each_sink_has_its_class(self):
        listed = re.findall(r"^TF_SINK\((\w+)\)", (ROOT / "adapters/sink/sinks.def").read_text(), re.M)
        self.assertEqual([make.type for make in sorted(DESTINATIONS, key=lambda make: make.type)], listed)
        tested = {value.make for value in globals().values() if isinstance(value, type) and issubclass(value, Matrix) and value.make}
        self.assertEqual(tested, set(DESTINATIONS))

    def test_each_state_is_tested_or_its_absence_explained(self):
        for make in DESTINATIONS:
            self.assertEqual(sorted([*make.states, *make.left_out]), sorted(STATES), make.type)

    def test_each_policy_is_the_sinks(self):
        """What a class does not list the engine refuses, by the name of the policy."""
        with tempfile.TemporaryDirectory() as folder:
            for make in DESTINATIONS:
                for policy in POLICIES:
                    sink = {"type": make.type, "policy": policy}
                    path = pathlib.Path(f"{folder}/config.yaml")
                    path.write_text(json.dumps({"strategies": [{"name": "a", "buy": "mid > 0"}], "sinks": [sink]}))
                    _, err = run("replay", path, "--input", INPUT, expect=None)
                    self.assertEqual(policy in make.policies, f"its policy is {policy};" not in err, (make.type, policy, err))


class Restarts(unittest.TestCase):
    """A live engine numbers its decisions behind what an earlier one left, and a replay of its capture does, too."""

    def check(self, folder, exchange, sinks):
        sums, lives = 0, 3
        for life in range(lives):
            config = {"feeds": [{"name": "f", "venue": "binance-spot", "url": exchange.url, "rest": exchange.rest,
                                 "channels": ["trade", "quote"], "instruments": ["BTCUSDT"]}],
                      "features": ["mid"], "strategies": [{"name": "a", "buy": "mid > 0"}],
                      "capture": {"path": f"{folder}/capture{life}"}, "sinks": sinks}
            path = f"{folder}/config.yaml"
            pathlib.Path(path).write_text(json.dumps(config))
            with LiveEngine(None, config=path) as engine:
                wait_until("decisions", lambda: engine.count("tickfuse_decisions_total") > 50)
                live, _ = engine.finish()
            self.assertEqual(0, live["ledger"]["residual"], live["ledger"])
            sums += live["decisions"]
            config["sinks"] = [{"type": "null"}]
            pathlib.Path(path).write_text(json.dumps(config))
            out, _ = run("replay", path, "--json", "--input", f"{folder}/capture{life}")
            again = json.loads(out)
            self.assertEqual(live["decisions_hash"], again["decisions_hash"], f"life {life}")
        return sums

    def test_decisions_of_three_lives_are_one_sequence(self):
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "binance-spot", "--rate", "500") as exchange:
            journal = {"type": "journal", "path": f"{folder}/journal"}
            total = self.check(folder, exchange, [journal])
            self.assertEqual(list(range(1, total + 1)), journalled(f"{folder}/journal"))

    def test_a_broker_has_three_lives_once_each(self):
        if not shutil.which("redis-server"):
            self.skipTest("no redis-server here")
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "binance-spot", "--rate", "500") as exchange:
            with brokers.Redis() as broker:
                for policy, more in (("block", {}), ("spill", {"spool": f"{folder}/spool"})):
                    sink = {"type": "redis", "policy": policy, "url": f"redis://127.0.0.1:{broker.port}",
                            "stream": policy, "drain": "60s", **more}
                    total = self.check(folder, exchange, [sink])
                    seqs = [struct.unpack_from("<Q", entry[2])[0] for entry in broker.read(policy)]
                    self.assertEqual(list(range(1, total + 1)), seqs, policy)
                    for left in pathlib.Path(folder).glob("capture*"):
                        shutil.rmtree(left) if left.is_dir() else left.unlink()


class StandStill(unittest.TestCase):
    """A consumer of each type stands still while a live engine decides: no lane waits for it, and the journal beside it has all."""

    @unittest.skipUnless(all(map(shutil.which, ("nats-server", "redis-server", destinations.KAFKA_MOCK))), "not all servers are here")
    def test_no_lane_waits_and_the_live_consumer_loses_nothing(self):
        got = stopped_consumers.measure(stopped_consumers.TYPES, rate_hz=2000, seconds=12, period_s=1.5, idle="sleep")
        self.assertGreaterEqual(got["periods"], 4)
        self.assertGreater(got["decisions"], 0)
        self.assertEqual((got["lane_dropped"], got["ledger_residual"], got["journal_lost"]), (0, 0, 0), got)
        lost = {name for name, counts in got["sinks"].items() if counts["dropped_full"] or counts["dropped_oldest"] or counts["client_dropped"]}
        self.assertIn("stdout", lost, "its pipe was never full: nothing stood still")
        self.assertNotIn("journal", lost)

    def test_a_consumer_that_does_hold_the_lane_is_told(self):
        got = stopped_consumers.measure(["stdout"], rate_hz=2000, seconds=8, period_s=0.5, idle="sleep", held=True)
        self.assertGreater(got["decided_us"]["stopped_to_running"]["p50"]["from"], 10, got)  # half a period to a few ms
        self.assertEqual((got["ledger_residual"], got["journal_lost"]), (0, 0), got)

    def test_a_fifth_more_is_told_and_none_is_not_made_up(self):
        """Of delays with a long tail that come together, as they do; a period's disturbances are its own."""
        dice = numpy.random.default_rng(7)

        def periods(scale):
            return [(scale * 100 * numpy.repeat(1 + dice.pareto(3, 500), 5)).astype("u4") for _ in range(400)]

        for scale in (1.0, 1.2):
            got = stopped_consumers.ratios(periods(scale), periods(1.0), 300)
            for name, row in got.items():
                self.assertTrue(row["from"] < scale < row["to"], (name, row))
                self.assertEqual(scale > 1, row["from"] > 1.05, (name, row))
                self.assertEqual(row["to"] / row["from"] < 1.05**2, row["seconds_for_5_percent"] < 300, (name, row))

    def test_what_met_another_process_is_left_out_and_nothing_else(self):
        decisions = numpy.zeros(5, stopped_consumers.DECISION)
        decisions["decided_wall"] = 100, 250, 410, 460, 700
        decisions["decided"] = 10, 100, 200, 20, 10  # the second was on its way when the core was taken, the third came meanwhile
        left = stopped_consumers.without(decisions, numpy.array([(200, 300), (500, 600)], "u8"))
        self.assertEqual(left["decided_wall"].tolist(), [100, 460, 700])


@unittest.skipUnless(shutil.which("redis-server"), "no redis-server here")
class LowFirst(unittest.TestCase):
    """What waits for a broker that stands still, by the rule of include/tf/sink.h reckoned from the journal: low ones are turned away from the half of
    the queue on, what else does not fit goes by the policy."""
    SLOTS = 64

    def stands_still(self, policy, **low):
        """(what the stream holds in the end, the sink's account, [(sequence, instrument, strategy)] of all decisions)"""
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "binance-spot", "--rate", "500") as exchange, brokers.Redis() as broker:
            broker.pause()
            path = pathlib.Path(f"{folder}/config.yaml")
            sink = {"type": "redis", "policy": policy, "slots": self.SLOTS, "drain": "60s", "stream": "D",
                    "url": f"redis://127.0.0.1:{broker.port}", **low}
            path.write_text(json.dumps({
                "engine": {"profile": "basic"},
                "feeds": [{"name": "f", "venue": "binance-spot", "url": exchange.url, "rest": exchange.rest, "channels": ["trade"],
                           "instruments": ["BTCUSDT", "ETHUSDT"]}],
                "features": ["last"],
                "strategies": [{"name": name, "buy": "last > 0", "books": "all"} for name in ("high", "low")],
                "sinks": [{"type": "journal", "path": f"{folder}/truth.journal"}, sink]}))
            with LiveEngine(None, config=path) as engine:
                wait_until("decisions", lambda: engine.count("tickfuse_decisions_total") > 6 * self.SLOTS)
                exchange.freeze()
                wait_until("quiet", lambda: engine.count("tickfuse_decisions_total") == (time.sleep(0.3) or engine.count("tickfuse_decisions_total")))
                broker.resume()
                summary, _ = engine.finish()
            records = journal_records(f"{folder}/truth.journal")
            self.assertEqual((summary["ledger"]["residual"], len(records)), (0, summary["decisions"]))
            made = [(seq, *struct.unpack_from("<I", record, 40), record[61]) for seq, record in sorted(records.items())]
            return [sequence(entry[2]) for entry in broker.read("D")], summary["sinks"][1], made

    def check(self, policy, is_low, **low):
        held, sink, made = self.stands_still(policy, **low)
        kept, low_cnt = [], 0
        for decision in made:
            if is_low(*decision) and len(kept) >= self.SLOTS // 2:
                low_cnt += 1
            elif len(kept) < self.SLOTS or policy == "drop_oldest":
                kept = kept[-self.SLOTS + 1:] + [decision[0]]
        if policy == "drop_oldest":  # whoever was overrun goes on where he is not overrun again at once
            kept = kept[-len(held):]
            self.assertGreaterEqual(len(held), self.SLOTS * 7 // 8 - 1)
        self.assertEqual(held, kept)
        self.assertEqual((sink["dropped_low"], sink["dropped_full"] + sink["dropped_oldest"]), (low_cnt, len(made) - low_cnt - len(kept)))
        self.assertGreater(low_cnt, self.SLOTS)

    def test_low_strategies_before_the_newest(self):
        self.check("drop_newest", lambda seq, instrument, strategy: strategy == 1, low_strategies=["low"])

    def test_low_instruments_before_the_oldest(self):
        self.check("drop_oldest", lambda seq, instrument, strategy: instrument == 1, low_instruments=["ETHUSDT.BINANCE-SPOT"])


class Bounds(unittest.TestCase):
    def replay(self, folder, cnt, *more, expect=0):
        sinks = ", ".join(["{type: 'null'}"] * cnt)
        return run("replay", ROOT / "configs" / "replay-binance.yaml", "--json", "--input", INPUT, "--set", f"sinks=[{sinks}]", *more,
                   expect=expect)

    def test_sixteen_sinks_and_the_command_lines_journal_is_one_of_them(self):
        with tempfile.TemporaryDirectory() as folder:
            journal = ("--decisions", f"{folder}/journal")
            for cnt, more in ((16, ()), (15, journal)):
                out, _ = self.replay(folder, cnt, *more)
                got = json.loads(out)
                self.assertEqual((len(got["sinks"]), got["ledger"]["residual"]), (16, 0))
            for cnt, more in ((17, ()), (16, journal)):
                _, err = self.replay(folder, cnt, *more, expect=None)
                self.assertIn("17 sinks", err)
                self.assertIn("at most 16", err)


if __name__ == "__main__":
    unittest.main()

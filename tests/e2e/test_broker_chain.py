"""Events of one engine, through a broker, into others: what they decide is what the first one decided, to the hash, also with the
broker killed in between; partitions divide the work and change nothing of it; the others' captures replay to the same."""
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brokers import Nats, Redis, wait_until
from harness import SMALL, Background, LiveEngine, run
from ports import free_port

INPUT = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
EVENTS, DECISIONS = 1196, 426
KAFKA_MOCK = os.environ.get("KAFKA_MOCK", "build/dev/tests/adapters/sink/kafka_mock")
TELEMETRY = {"ts_decision_ns", "ts_out_ns", "hops", "epoch", "decision_seq", "ingest_seq"}
LONG_S = 120
RULES = """
features: [spread_bps, imbalance(5), mid]
strategies:
  - {name: up, buy: "spread > 0", books: all}
  - {name: down, sell: "spread_bps > 1", books: all}
"""


class Chain:
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tickfuse-chain-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def write(self, name, text):
        path = f"{self.dir}/{name}.yaml"
        pathlib.Path(path).write_text(text + RULES)
        return path

    def first(self, sink):
        """Replays the recording into a sink that carries its events; its report, and its decisions."""
        config = self.write("first", 'feeds: [{name: main, venue: binance-spot, channels: all, instruments: ["*"]}]\n'
                            f"sinks: [{{type: journal, path: {self.dir}/first.journal}}, {{{sink}, carries: events, policy: block, drain: {LONG_S}s}}]")
        out, _ = run("replay", config, "--input", INPUT, "--json")
        report = json.loads(out)
        self.assertEqual((report["events"]["total"], report["decisions"]), (EVENTS, DECISIONS))
        self.assertEqual(report["sinks"][1]["acked"], EVENTS)
        return report, self.decisions("first")

    def decisions(self, name):
        out, _ = run("tail", f"{self.dir}/{name}.journal", "--json")
        return [json.loads(line) for line in out.splitlines()]

    def other(self, name, source):
        config = self.write(name, f'feeds: [{{name: wall, venue: events, channels: all, instruments: ["*"], instruments_max: 64, start: all, times: kept, {source}}}]\n'
                            f"sinks: [{{type: journal, path: {self.dir}/{name}.journal}}]\n"
                            f"capture: {{path: {self.dir}/{name}.capture}}")
        engine = LiveEngine(None, config=config)
        self.addCleanup(engine.__exit__)
        return engine

    def wait_taken(self, engine, many):
        wait_until(f"{many} taken", lambda: engine.count("tickfuse_feed_intake_messages_total", "taken") >= many, LONG_S)

    def ended(self, engine):
        report, err = engine.finish()
        self.assertEqual(report["ledger"]["residual"], 0)
        self.assertEqual([row["residual"] for row in report["intakes"]], [0])
        return report

    def same(self, name, report, first):
        self.assertEqual((report["events_hash"], report["decisions_hash"]), (first["events_hash"], first["decisions_hash"]))
        out, _ = run("replay", f"{self.dir}/{name}.yaml", "--input", f"{self.dir}/{name}.capture", "--json", "--set",
                     f"sinks.0.path={self.dir}/{name}-again.journal")
        again = json.loads(out)
        self.assertEqual((again["events_hash"], again["decisions_hash"]), (first["events_hash"], first["decisions_hash"]))


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class ThroughJetStream(Chain, unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.nats = Nats()
        self.addCleanup(self.nats.__exit__)

    def sink(self, stream="EVENTS", more=""):
        return f'type: nats, url: "nats://127.0.0.1:{self.nats.port}", stream: {stream}, stream_create: true{more}'

    def source(self, stream="EVENTS", more=""):
        return f'from: nats, broker: "nats://127.0.0.1:{self.nats.port}", stream: {stream}{more}'

    def test_a_second_engine_decides_what_the_first_decided_and_so_does_its_capture(self):
        first, _ = self.first(self.sink())
        engine = self.other("second", self.source())
        self.wait_taken(engine, EVENTS)
        self.same("second", self.ended(engine), first)

    def test_lines_of_json_decide_the_same(self):
        first, _ = self.first(self.sink(more=", format: json"))
        engine = self.other("second", self.source())
        self.wait_taken(engine, EVENTS)
        self.same("second", self.ended(engine), first)

    def test_the_broker_is_killed_in_between(self):
        """A copy of the stream grows by parts; between any two of them the server is killed."""
        first, _ = self.first(self.sink())
        messages = self.nats.read("EVENTS")
        self.nats.make("COPY")
        engine = self.other("second", self.source("COPY"))
        parts = [messages[i:i + 300] for i in range(0, EVENTS, 300)]
        for number, part in enumerate(parts):
            self.copy(part)
            self.wait_taken(engine, sum(map(len, parts[:number + 1])))
            self.nats.kill()
            self.nats.start()
        report = self.ended(engine)
        self.same("second", report, first)
        self.assertGreaterEqual(report["intakes"][0]["disconnects"], len(parts) - 1)

    def copy(self, messages):
        client = self.nats.client()
        for subject, headers, body in messages:
            head = b"NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if k == "Content-Type").encode() + b"\r\n"
            subject = "COPY" + subject[len("EVENTS"):]
            client.socket.sendall(b"HPUB %s %sa %d %d\r\n%s%s\r\n" % (subject.encode(), client.inbox, len(head), len(head) + len(body), head, body))
        for _ in messages:
            self.assertIn(b'"seq"', client.message()[1])
        client.close()

    def test_partitions_divide_the_decisions_and_change_none(self):
        """BNBUSDT, ETHUSDT and BTCUSDT are in partitions 0, 2 and 3 of 4; 1 is empty."""
        _, decisions = self.first(self.sink(more=", partitions: 4"))
        engines = {p: self.other(f"part{p}", self.source(more=f", partitions: 4, partition: {p}")) for p in range(4)}
        counts = collections.Counter(int(subject.split(".")[2]) for subject, _, _ in self.nats.read("EVENTS"))
        self.assertEqual(set(counts), {0, 2, 3})
        merged = collections.defaultdict(list)
        for p, engine in engines.items():
            self.wait_taken(engine, counts[p])
            wait_until("it is up", engine.is_live, LONG_S)
            self.assertEqual(self.ended(engine)["events"]["total"], counts[p])
            for d in self.decisions(f"part{p}"):
                merged[d["instrument"]].append(plain(d))
        want = collections.defaultdict(list)
        for d in decisions:
            want[d["instrument"]].append(plain(d))
        self.assertEqual(merged, want)

    def test_tail_prints_what_a_stream_holds_once_and_tells_what_is_gone(self):
        url = f"nats://127.0.0.1:{self.nats.port}"
        _, decisions = self.first(self.sink())
        for stream, form in (("RECORDS", "binary"), ("LINES", "json")):
            config = self.write(stream, 'feeds: [{name: main, venue: binance-spot, channels: all, instruments: ["*"]}]\n'
                                f"sinks: [{{{self.sink(stream)}, format: {form}, policy: block, drain: {LONG_S}s}}]")
            run("replay", config, "--input", INPUT, "--json")
            out, err = run("tail", f"{url}/{stream}", "--oldest", "--json", "--count", DECISIONS)
            self.assertEqual([nameless(json.loads(line)) for line in out.splitlines()], [nameless(d) for d in decisions])
            self.assertEqual(err, "")
        client = self.nats.client()
        client.ask("$JS.API.STREAM.MSG.DELETE.LINES", b'{"seq":7}')
        client.close()
        out, err = run("tail", f"{url}/LINES", "--oldest", "--count", DECISIONS - 1)
        self.assertEqual(len(out.splitlines()), DECISIONS - 1)
        self.assertIn("1 messages are not there any more", err)
        out, err = run("tail", f"{url}/EVENTS", "--oldest", expect=3)
        self.assertIn("message 1, EVENTS.events.BINANCE-SPOT.BTCUSDT: 64 bytes are no record", err)
        out, err = run("tail", f"{url}/EVENTS", "--oldest", "--carries", "events", "--count", EVENTS)
        self.assertEqual([json.loads(line)["ingest_seq"] for line in out.splitlines()], list(range(1, EVENTS + 1)))
        for wrong, code, words in ((url, 2, "no stream behind"), (f"{url}/a.b", 2, "letters, digits"), (f"{url}/NONE", 1, "there is no stream NONE")):
            _, err = run("tail", wrong, expect=code)
            self.assertIn(words, err)

    def test_wrong_keys_are_named_before_the_start(self):
        for source, words in (("from: nats", "feeds[0].broker"), ("from: natss, broker: x", "http kafka nats"),
                              ('from: nats, broker: "http://a:1", stream: D', "nats://HOST:PORT"),
                              ('from: nats, broker: "nats://a:1"', "feeds[0].stream"),
                              ('from: nats, broker: "nats://a:1", stream: "a b"', "letters, digits"),
                              ('from: nats, broker: "nats://a:1", stream: D, partition: 1', "of 0 partitions"),
                              ('from: nats, broker: "nats://a:1", stream: D, partitions: 4, partition: 4', "of 4 partitions"),
                              ('from: nats, broker: "nats://a:1", stream: D, start: newest', "new, all, or a number"),
                              ('from: nats, broker: "nats://a:1", stream: D, start: "18446744073709551616"', "new, all, or a number"),
                              ('from: kafka, broker: "nats://a:1", stream: D', "kafka://HOST:PORT"),
                              ('from: nats, broker: "nats://a:1", stream: D, listen: "127.0.0.1:1"', "a feed of events from nats has no such key"),
                              ('from: http, listen: "127.0.0.1:0", stream: D', "a feed of events from http has no such key")):
            with self.subTest(source):
                config = self.write("wrong", f"feeds: [{{name: wall, venue: events, channels: all, {source}}}]\nsinks: [{{type: 'null'}}]")
                out, err = run("check", config, expect=2)
                self.assertIn(words, out + err)


def plain(decision):
    return {key: value for key, value in decision.items() if key not in TELEMETRY}


def nameless(decision):
    """A record holds the number of its strategy, a line the name."""
    return {key: value for key, value in plain(decision).items() if key != "strategy"}


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class ThroughRedis(Chain, unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.redis = Redis()
        self.addCleanup(self.redis.__exit__)
        self.url = f"redis://127.0.0.1:{self.redis.port}"

    def sink(self, key, more=""):
        return f'type: redis, url: "{self.url}", stream: {key}{more}'

    def test_a_second_engine_decides_what_the_first_decided_and_so_does_its_capture(self):
        first, _ = self.first(self.sink("EVENTS", ", format: json"))
        engine = self.other("second", f'from: redis, broker: "{self.url}", stream: EVENTS')
        self.wait_taken(engine, EVENTS)
        self.same("second", self.ended(engine), first)

    def test_tail_prints_what_a_stream_holds_and_goes_on_where_it_is_told_to(self):
        _, decisions = self.first(self.sink("EVENTS"))
        for key, form in (("RECORDS", "binary"), ("LINES", "json")):
            config = self.write(key, 'feeds: [{name: main, venue: binance-spot, channels: all, instruments: ["*"]}]\n'
                                f"sinks: [{{{self.sink(key)}, format: {form}, policy: block, drain: {LONG_S}s}}]")
            run("replay", config, "--input", INPUT, "--json")
            out, err = run("tail", f"{self.url}/{key}", "--oldest", "--json", "--count", DECISIONS)
            got = [unnamed(json.loads(line)) for line in out.splitlines()]
            self.assertEqual((got, err), ([unnamed(d) for d in decisions], ""))
            out, _ = run("tail", f"{self.url}/{key}", "--resume", 400, "--json", "--count", DECISIONS - 399)
            self.assertEqual([json.loads(line)["decision_seq"] for line in out.splitlines()], list(range(400, DECISIONS + 1)))
        for wrong, code, words in ((self.url, 2, "no stream behind"), ("redis://127.0.0.1:1/NONE", 1, "refused")):
            _, err = run("tail", wrong, expect=code)
            self.assertIn(words, err)

    def test_a_follower_outlives_its_server_and_tells_what_was_trimmed(self):
        self.first(self.sink("EVENTS", ", format: json"))
        with Background("tail", f"{self.url}/EVENTS", "--carries", "events", "--json", "--oldest", "--follow") as tail:
            seqs = [json.loads(tail.line())["ingest_seq"] for _ in range(EVENTS)]
            self.redis.kill()
            self.redis.start()
            client = self.redis.client()
            line = json.dumps({"ingest_seq": EVENTS + 100, "instrument": "A.B", "kind": "quote"})
            for number in range(EVENTS + 1, EVENTS + 101):
                client.ask("XADD", "OTHER", f"{number}-0", "json", line)
            client.ask("XTRIM", "OTHER", "MAXLEN", 1)
            client.ask("RENAME", "OTHER", "EVENTS")  # at once: what was never to be read is gone
            client.close()
            self.assertEqual(json.loads(tail.line())["ingest_seq"], EVENTS + 100)
            tail.process.send_signal(signal.SIGINT)
            _, err = tail.process.communicate(timeout=LONG_S)
        self.assertEqual(seqs, list(range(1, EVENTS + 1)))
        self.assertIn("99 messages are not there any more", err)


def unnamed(decision):
    """A record has numbers for its strategy and its instrument."""
    return {key: value for key, value in nameless(decision).items() if key != "instrument"}


@unittest.skipUnless(os.path.exists(KAFKA_MOCK), "built without librdkafka")
class ThroughKafka(Chain, unittest.TestCase):
    def check(self, form):
        mock = subprocess.Popen([KAFKA_MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(mock.stdout.close)
        self.addCleanup(mock.wait)
        self.addCleanup(mock.stdin.close)
        url = mock.stdout.readline().strip()
        first, _ = self.first(f'type: kafka, url: "{url}", stream: decisions, format: {form}')
        engine = self.other("second", f'from: kafka, broker: "{url}", stream: decisions')
        self.wait_taken(engine, EVENTS)
        report = self.ended(engine)
        self.same("second", report, first)
        self.assertEqual(report["intakes"][0]["position"], EVENTS)

    def test_records_decide_the_same(self):
        self.check("binary")

    def test_lines_of_json_decide_the_same(self):
        self.check("json")


if __name__ == "__main__":
    for skipped in (c for c in (ThroughJetStream, ThroughKafka, ThroughRedis) if c.__name__ in sys.argv[1:] and getattr(c, "__unittest_skip__", False)):
        print(f"skipped: {skipped.__unittest_skip_why__}")
        sys.exit(77)
    unittest.main(verbosity=2)

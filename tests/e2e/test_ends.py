"""What `check` and `doctor` say of a config's ends: the feeds of events and the sinks. Doctor's brokers are real, away, refusing,
silent or lying."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brokers import Nats, Redis, wait_until
from harness import TICKFUSE, LiveEngine, main, run
from hostile_brokers import INFO, LyingServer
from ports import free_port, listener

KAFKA_MOCK = os.environ.get("KAFKA_MOCK", str(pathlib.Path(TICKFUSE).parent / "tests/adapters/sink/kafka_mock"))
NATS_URL = "nats://127.0.0.1:4222"
FROM_NATS = f'from: nats, broker: "{NATS_URL}", stream: E'


class Ends(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tickfuse-ends-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, text):
        path = self.folder / "config.yaml"
        path.write_text(text)
        return path

    def source(self, keys, engine="", more=""):
        return self.write(f"engine: {{idle: sleep{engine}}}\nfeeds: [{{name: wall, venue: events, {keys}}}]\n"
                          f"features: [mid]\nsinks: [{{type: 'null'}}]\n{more}")

    def sink(self, keys):
        return self.write(f"features: [mid]\nsinks: [{{{keys}}}]\n")

    def secret(self, text):
        path = self.folder / f"secret{len(list(self.folder.iterdir()))}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        return path


    def finding(self, config, name, *sets):
        out, _ = run("doctor", config, "--json", "--no-measure", *sets)
        return next(f for f in json.loads(out)["findings"] if f["id"] == name)

    def expect(self, found, grade, says, remedy=None, value=None):
        self.assertEqual(found["grade"], grade, found)
        self.assertIn(says, found["says"])
        self.assertIn(value or "", found["value"])
        if remedy is None:
            self.assertIsNone(found["remedy"], found)
        else:
            self.assertIn(remedy, found["remedy"])


class Check(Ends):
    def said(self, config):
        """The lines of the intake, and what JSON says of it."""
        lines = run("check", config)[0].splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("intake "))
        told = json.loads(run("check", config, "--json")[0])["connections"][0]["intake"]
        return "\n".join(lines[at:at + 3]), told

    def test_a_source_is_told_with_where_what_and_what_a_restart_does(self):
        text, told = self.said(self.source(f"{FROM_NATS}, partitions: 4, partition: 3, instruments: [A.B, '*.C'], ids_kept: 7"))
        self.assertEqual(text, f"intake wall: events of A.B, *.C, from nats: stream E of {NATS_URL}, its messages to E.events.0003.>\n"
                               "  JSON lines or records, at most 1048576 bytes and 65536 events each; the ids of 7 lines are known\n"
                               "  begins with what comes from now on; a restart does so again: what came meanwhile is not read "
                               "(engine.snapshot with snapshot_restore: exact goes on)")
        self.assertEqual(told, {"from": "nats", "reads": f"stream E of {NATS_URL}, its messages to E.events.0003.>",
                                "forms": "JSON lines or records", "message_bytes_max": 1 << 20, "events_max": 65536, "start": "new",
                                "restart": "start"})

    def test_where_each_start_begins_and_goes_on(self):
        exact = f", snapshot: {self.folder}/s.snap, snapshot_restore: exact"
        for start, engine, begins, goes_on, restart in (
                ("all", "", "with the first that is still there", "reads all of it again", "start"),
                ('"41"', "", "behind position 41", "does so again", "start"),
                ("new", exact, "with what comes from now on", "goes on behind what engine.snapshot holds", "position"),
                ("all", f", snapshot: {self.folder}/s.snap", "with the first that is still there", "reads all of it again", "start")):
            text, told = self.said(self.source(f"{FROM_NATS}, start: {start}", engine))
            self.assertIn(f"begins {begins}; a restart {goes_on}", text)
            self.assertEqual((told["start"], told["restart"]), (start.strip('"'), restart))

    def test_a_topic_a_key_and_a_listener(self):
        text, _ = self.said(self.source('from: kafka, broker: "kafkas://a:9092,b:9092/5", stream: t.x'))
        self.assertIn("from kafka: topic t.x of a:9092,b:9092, its partition 5\n", text)
        text, _ = self.said(self.source('from: kafka, broker: "kafka://a:9092", stream: t, partitions: 8, partition: 7'))
        self.assertIn("topic t of a:9092, its partition 7\n", text)
        text, _ = self.said(self.source('from: redis, broker: "redis://a:6379/2", stream: a-b'))
        self.assertIn("from redis: stream a-b of redis://a:6379/2\n", text)
        text, told = self.said(self.source('listen: "[::1]:8091", token_file: none, clients_max: 5, rate_max: 9, message_bytes_max: 64KiB'))
        self.assertIn("from http: POST http://[::1]:8091/v1/events, with a token\n"
                      "  JSON lines or a JSON document, plain or gzip, at most 65536 bytes and 65536 events each; "
                      "at most 5 clients, 9 requests a second of one address\n"
                      "  a restart reads nothing again", text)
        self.assertEqual((told["start"], told["restart"]), (None, "sender"))

    def test_what_is_unknown_or_contradicts_is_refused_with_its_place_and_the_remedy(self):
        kafka, redis, http = 'from: kafka, broker: "kafka://a:9092", stream: t', 'from: redis, broker: "redis://a:1", stream: t', 'listen: "127.0.0.1:0"'
        nats = "a feed of events from nats has no such key; "
        for keys, place, words in (
                (f"{FROM_NATS}, listen: '127.0.0.1:1'", "listen", nats + "allowed: name, venue, channels, instruments,"),
                (f"{FROM_NATS}, clients_max: 3", "clients_max", nats),
                (f"{FROM_NATS}, legs: 2", "legs", nats),
                (f"{FROM_NATS}, url: 'wss://a:1'", "url", nats),
                (f"{FROM_NATS}, reorder_window: 1s", "reorder_window", nats),
                (f"{FROM_NATS}, fallback: [{{tape: a}}]", "fallback[0].tape", nats),
                (f"{kafka}, token_file: x", "token_file", "a feed of events from kafka has no such key"),
                (f"{redis}, partitions: 4", "partitions", "a feed of events from redis has no such key"),
                (f"{redis}, ca_file: x", "ca_file", "a feed of events from redis has no such key"),
                (f"{http}, start: all", "start", "a feed of events from http has no such key"),
                (f"{http}, stream: E", "stream", "a feed of events from http has no such key"),
                (f"{FROM_NATS}, user: u", "user", "no file with its password"),
                (f"{FROM_NATS}, user: u, password_file: x, token_file: y", "password_file", "one of them is wanted"),
                (f"{FROM_NATS}, password_file: x", "password_file", "no user whose it is"),
                (f"{FROM_NATS}, cert_file: x", "cert_file", "belong together"),
                (f"{kafka}, tls_key_file: x", "tls_key_file", "belong together"),
                (f"{kafka}, ca_file: x", "ca_file", 'it is of TLS, and "kafka://a:9092" asks for none'),
                ('from: kafka, broker: "kafka://a:9092/3", stream: t, partitions: 8, partition: 2', "partition", "ends with partition 3"),
                ('from: nats, broker: "nats://u:secret@a:1", stream: E', "broker", "holds an @")):
            with self.subTest(keys):
                out, err = run("check", self.source(keys), expect=2)
                self.assertIn(f"feeds[0].{place}", out + err)
                self.assertIn(words, out + err)
                self.assertRegex(out + err, r"config\.yaml:2:\d+")
        out, err = run("check", self.write("feeds: [{name: m, venue: binance-spot, instruments: [BTCUSDT], strat: all}]\n"), expect=2)
        self.assertNotIn("intake", out)
        out, err = run("check", self.write("feeds: [{name: m, venue: binance-spot, instruments: [BTCUSDT], start: all}]\n"), expect=2)
        self.assertIn("feeds[0].start", err)
        self.assertIn("a feed of binance-spot has no such key", err)


class Doctor(Ends):
    # ---- who cannot be reached ----

    def test_a_broker_that_is_away_is_told_with_the_key_of_its_address(self):
        port = free_port()
        for scheme in ("nats", "kafka", "redis"):
            found = self.finding(self.source(f'from: {scheme}, broker: "{scheme}://127.0.0.1:{port}", stream: E'), "source.wall")
            self.expect(found, "bad", str(port), "feeds[0].broker: is that its address", "not reached")
            found = self.finding(self.sink(f'type: {scheme}, name: out, policy: block, url: "{scheme}://127.0.0.1:{port}", stream: E'), "sink.out")
            self.expect(found, "bad", str(port), "sinks[0].url: is that its address", "not reached")

    def test_all_ends_are_dialed_at_once_and_silence_is_not_waited_for_for_ever(self):
        with listener() as silent:
            port = silent.getsockname()[1]
            feeds = ", ".join(f'{{name: f{i}, venue: events, from: {kind}, broker: "{kind}://127.0.0.1:{port}", stream: E}}'
                              for i, kind in enumerate(("nats", "redis", "kafka") * 3))
            config = self.write(f"feeds: [{feeds}]\nfeatures: [mid]\nsinks: [{{type: http, url: 'https://127.0.0.1:{port}/x'}}]\n")
            out = json.loads(run("doctor", config, "--json", "--no-measure", timeout=60)[0])
        found = {f["id"]: f for f in out["findings"] if f["id"].startswith(("source.", "sink."))}
        self.assertEqual(len(found), 10)
        self.assertEqual({f["grade"] for f in found.values()}, {"bad"})
        self.assertIn("no TLS with it", found["sink.http"]["value"])

    def test_what_a_liar_says_is_a_finding_and_no_more(self):
        hears = memoryview(b"$JS.API.INFO")
        scenes = [[b"\0" * 5000], [b"INFO {\r\n"], [b"HTTP/1.1 400 Bad\r\n\r\n"], [INFO, b"-ERR 'Authorization Violation'\r\n"],
                  [INFO, memoryview(b"PING"), b"PONG\r\n", hears, b"MSG x 1 99999999999\r\n"]]
        with LyingServer("nats", scenes) as liar:
            for _ in scenes:
                found = self.finding(self.source(f'from: nats, broker: "nats://127.0.0.1:{liar.port}", stream: E'), "source.wall")
                self.assertEqual(found["grade"], "bad", found)
        for answer in (b"*1000000\r\n", b":5\r\n", b"$5\r\nabcde\r\n", b"*2\r\n$6\r\nlength\r\n$1\r\nx\r\n", b"-WRONGTYPE not that\r\n", b"\0\0\0"):
            with LyingServer("redis", [[memoryview(b"XINFO"), answer]]) as liar:
                found = self.finding(self.source(f'from: redis, broker: "redis://127.0.0.1:{liar.port}", stream: E'), "source.wall")
                self.assertIn(found["grade"], ("bad", "good"), found)

    def test_a_config_that_is_wrong_is_no_finding(self):
        _, err = run("doctor", self.source("from: nats"), "--no-measure", expect=2)
        self.assertIn("feeds[0].broker", err)

    # ---- listeners ----

    @staticmethod
    def answer_one(server, answer):
        client, _ = server.accept()
        client.recv(1)
        client.sendall(answer)
        client.close()

    def test_an_address_that_somebody_has_is_told(self):
        with listener() as taken:
            port = taken.getsockname()[1]
            self.expect(self.finding(self.source(f'listen: "127.0.0.1:{port}"'), "source.wall"), "warn", "another program has that port", "this engine runs already")
            self.expect(self.finding(self.sink(f'type: tcp, url: "tcp://127.0.0.1:{port}"'), "sink.tcp"), "warn", "another program has that port", "sinks[0]")
        self.expect(self.finding(self.source(f'listen: "127.0.0.1:{free_port()}"'), "source.wall"), "good", "is to be had")

    def test_a_server_of_posts_is_reached_or_not(self):
        self.expect(self.finding(self.sink(f'type: http, url: "http://127.0.0.1:{free_port()}/x"'), "sink.http"), "bad", "refused", "sinks[0].url")
        for answer in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
            with listener() as server:
                threading.Thread(target=self.answer_one, args=(server, answer), daemon=True).start()
                found = self.finding(self.sink(f'type: http, url: "https://127.0.0.1:{server.getsockname()[1]}/x"'), "sink.http")
                self.expect(found, "bad", "TLS", "sinks[0].ca_file", "no TLS with it")
        with listener() as server:
            threading.Thread(target=self.answer_one, args=(server, b""), daemon=True).start()
            found = self.finding(self.sink(f'type: http, url: "http://127.0.0.1:{server.getsockname()[1]}/x"'), "sink.http")
            self.expect(found, "good", "nothing was sent")


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class DoctorOfNats(Ends):
    def nats(self, **kwargs):
        nats = Nats(**kwargs)
        self.addCleanup(nats.__exit__)
        return nats

    def of(self, nats, more="", engine=""):
        return self.source(f'from: nats, broker: "nats://127.0.0.1:{nats.port}", stream: E, instruments: [A.B]{more}', engine)

    def put(self, nats, cnt):
        client = nats.client()
        for i in range(cnt):
            line = json.dumps({"instrument": "A.B", "kind": "quote", "bid_price": f"{i + 1}", "bid_qty": 1, "ask_price": f"{i + 2}", "ask_qty": 1})
            client.ask("E.x", line.encode())
        client.close()

    def test_a_stream_is_told_as_it_stands(self):
        nats = self.nats()
        self.expect(self.finding(self.of(nats), "source.wall"), "warn", "it is waited for", "feeds[0].stream", "no E there")
        nats.make("E")
        self.expect(self.finding(self.of(nats), "source.wall"), "good", "read as its keys say", None, "0 messages")
        self.put(nats, 5)
        self.expect(self.finding(self.of(nats), "source.wall"), "good", "read as its keys say", None, "5 messages, positions 0 .. 5; answers in")

    def test_a_stream_that_forgets_too_soon_is_told(self):
        nats = self.nats()
        nats.make("E", max_age=60 * 10**9)
        found = self.finding(self.of(nats, engine=f", snapshot: {self.folder}/s.snap, snapshot_restore: exact"), "source.wall")
        self.expect(found, "warn", "keeps messages for 60 s", "engine.snapshot_age_max")
        self.expect(self.finding(self.of(nats), "source.wall"), "good", "read as its keys say")
        nats = self.nats()
        nats.make("E", retention="workqueue")
        self.expect(self.finding(self.of(nats), "source.wall"), "bad", "removes what a consumer took", "retention limits")

    def test_what_a_restart_from_its_snapshot_would_read_is_told(self):
        nats = self.nats()
        nats.make("E")
        self.put(nats, 10)
        config = self.of(nats, ", start: all", f", snapshot: {self.folder}/s.snap, snapshot_restore: exact")
        with LiveEngine(None, config=config) as engine:
            wait_until("ten events", lambda: engine.count("tickfuse_feed_intake_messages_total", "taken") == 10)
            report, _ = engine.finish()
        self.assertEqual(report["ledger"]["residual"], 0)
        self.put(nats, 3)
        self.expect(self.finding(config, "source.wall"), "good", "goes on with the 3 messages behind 10")
        client = nats.client()
        client.api("PURGE.E", {"seq": 13})
        self.expect(self.finding(config, "source.wall"), "bad", "2 messages behind its snapshot (10) are removed", "keeps more", "positions 12 .. 13")
        client.api("DELETE.E")
        client.close()
        nats.make("E")
        self.put(nats, 4)
        self.expect(self.finding(config, "source.wall"), "warn", "ends before its snapshot (10)", "the one that the snapshot was taken with")

    def test_an_account_that_is_refused_and_one_that_is_not(self):
        nats = self.nats(conf="authorization { user: u, password: right }", login={"user": "u", "pass": "right"})
        nats.make("E")
        for password, grade, value in (("wrong", "bad", "the account is refused"), ("right", "good", "0 messages")):
            path = self.secret(password)
            found = self.finding(self.of(nats, f", user: u, password_file: {path}"), "source.wall")
            self.assertEqual(found["grade"], grade, found)
            self.assertIn(value, found["value"])
            self.assertNotIn(password, json.dumps(found))
        found = self.finding(self.of(nats, f", user: u, password_file: {self.folder}/none"), "source.wall")
        self.expect(found, "bad", "none", "feeds[0].user, password_file", "the account is refused")

    def test_a_server_without_jetstream_and_one_without_tls(self):
        nats = self.nats(jetstream="")
        self.expect(self.finding(self.of(nats), "source.wall"), "bad", "", "is JetStream on", "no word on the stream")
        config = self.source(f'from: nats, broker: "tls://127.0.0.1:{nats.port}", stream: E')
        self.expect(self.finding(config, "source.wall"), "bad", "", "feeds[0].ca_file", "no TLS with it")

    def test_a_sink_is_told_what_it_would_meet(self):
        nats = self.nats()
        keys = f'type: nats, url: "nats://127.0.0.1:{nats.port}", stream: D, policy: block'
        self.expect(self.finding(self.sink(keys), "sink.nats"), "bad", "the sink waits for it", "sinks[0].stream_create: true", "no D there")
        self.expect(self.finding(self.sink(keys + ", stream_create: true"), "sink.nats"), "good", "makes it with its first record")
        for name, more, grade, says in (("D", {}, "good", "reached as its keys say"), ("D1", {"subjects": ["other.>"]}, "bad", "none of its subjects"),
                                        ("D2", {"subjects": ["x", "D2.decisions.*.*"]}, "good", "reached as its keys say"),
                                        ("D3", {"subjects": ["D3.decisions.*"]}, "bad", "none of its subjects"),
                                        ("D4", {"retention": "interest"}, "bad", "removes what a consumer took")):
            nats.make(name, **more)
            self.expect(self.finding(self.sink(keys.replace("stream: D", f"stream: {name}")), "sink.nats"), grade, says, None if grade == "good" else name
                        if "subjects" in more else "retention limits")


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class DoctorOfRedis(Ends):
    def test_a_key_is_told_as_it_stands(self):
        with Redis(password=None) as redis:
            config = self.source(f'from: redis, broker: "redis://127.0.0.1:{redis.port}", stream: E')
            self.expect(self.finding(config, "source.wall"), "warn", "it is waited for", "feeds[0].stream", "no E there")
            sink = f'type: redis, url: "redis://127.0.0.1:{redis.port}", stream: E, policy: block'
            self.expect(self.finding(self.sink(sink), "sink.redis"), "good", "makes it with its first record")
            client = redis.client()
            for i in range(1, 6):
                client.ask("XADD", "E", f"{i}-0", "json", "{}")
            self.write("")
            config = self.source(f'from: redis, broker: "redis://127.0.0.1:{redis.port}", stream: E')
            self.expect(self.finding(config, "source.wall"), "good", "read as its keys say", None, "5 messages; answers in")
            client.ask("SET", "S", "no stream")
            client.close()
            config = self.source(f'from: redis, broker: "redis://127.0.0.1:{redis.port}", stream: S')
            self.expect(self.finding(config, "source.wall"), "bad", "WRONGTYPE", "feeds[0].stream a stream", "no word on the stream")

    def test_a_password_that_is_wanted_wrong_or_right(self):
        with Redis("--requirepass", "right", password="right") as redis:
            for login, value in (("", "the account is refused"), (f", password_file: {self.secret('wrong')}", "the account is refused"),
                                 (f", password_file: {self.secret('right')}", "no E there")):
                config = self.source(f'from: redis, broker: "redis://127.0.0.1:{redis.port}", stream: E{login}')
                self.assertIn(value, self.finding(config, "source.wall")["value"])


@unittest.skipUnless(os.path.exists(KAFKA_MOCK), "built without librdkafka")
class DoctorOfKafka(Ends):
    def test_a_partition_is_told_as_it_stands(self):
        mock = subprocess.Popen([KAFKA_MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(mock.stdout.close)
        self.addCleanup(mock.wait)
        self.addCleanup(mock.stdin.close)
        url = mock.stdout.readline().strip()
        self.expect(self.finding(self.sink(f'type: kafka, url: "{url}", stream: decisions'), "sink.kafka"), "good", "reached as its keys say", None, "0 messages")
        config = self.source(f'from: kafka, broker: "{url}", stream: decisions')
        self.expect(self.finding(config, "source.wall"), "good", "read as its keys say", None, "0 messages, positions 0 .. 0")
        config = self.source(f'from: kafka, broker: "{url}", stream: decisions, partitions: 100, partition: 99')
        self.expect(self.finding(config, "source.wall"), "bad", "no such partition", "one below")


if __name__ == "__main__":
    main()

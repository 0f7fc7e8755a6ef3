"""Sinks that carry events, quotes or feature rows, filters and partitions, from the outside: what a consumer received is what the
engine published, row by row and hash by hash, with the ledger at 0."""
import collections
import contextlib
import csv
import http.server
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import zlib

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import brokers
from harness import REPLAY_CONFIG, SMALL, TICKFUSE, Exchange, LiveEngine, main, replay, run, wait_until
from ports import free_port

INPUT = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
FEATURE_CNT, MID = 15, 12  # of both configs
STRATEGIES = ['strategies=[{name: up, buy: "spread > 0", books: all}, {name: down, sell: "spread > 0", books: all}]']
EVENT = struct.Struct("<QQQIBBbbQQQQ")
ROW = struct.Struct("<QQQII")
MASK = (1 << 64) - 1
KINDS = ("events", "quotes", "features")
CUTS = {"one thread": "[{cpu: -1, stages: all}]",
        "emit alone": "[{cpu: -1, stages: [acquire, buffer, compute, decide]}, {cpu: -1, stages: [emit]}]",
        "three": "[{cpu: -1, stages: [acquire]}, {cpu: -1, stages: [buffer, compute, decide]}, {cpu: -1, stages: [emit]}]",
        "lane with emit": "[{cpu: -1, stages: [acquire]}, {cpu: -1, stages: [buffer, compute, decide, emit]}]"}
TIGHT = "engine.sink_ring=64KiB"  # 1,024 events: a replay waits where it is full
LONG = 120
KAFKA_MOCK = os.environ.get("KAFKA_MOCK", "build/dev/tests/adapters/sink/kafka_mock")


def multiply(a, b):
    product = a * b
    return (product ^ product >> 64) & MASK


def hash_events(data):
    """engine/core/hash.h over lines of 64 bytes, written anew."""
    hashed = 0x9e3779b97f4a7c15
    keys = (0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3,
            0x1d8e4e27c47d124f, 0xeb44accab455d165, 0x2f9be6cc9e3779b9, 0x94d049bb133111eb)
    for words in struct.iter_unpack("<8Q", data):
        a, b, c, d = (multiply(words[i] ^ keys[i], words[i + 1] ^ keys[i + 1]) for i in (0, 2, 4, 6))
        word = a + (b << 16 | b >> 48) + (c << 32 | c >> 32) + (d << 48 | d >> 16) & MASK
        hashed = multiply(hashed ^ word ^ 0xd6e8feb86659fd93, 0xff51afd7ed558ccd) ^ ((hashed << 1 | hashed >> 63) & MASK)
    return f"{hashed:016x}"


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.server.got[self.path[1:]] += self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    """Takes in what is posted to /KIND."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got = collections.defaultdict(bytes)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def sink(self, name, more=""):
        return f'{{type: http, name: {name}, url: "http://127.0.0.1:{self.server_port}/{name}", drain: {LONG}s, {more}}}'

    def __exit__(self, *args):
        self.shutdown()
        self.thread.join()
        return super().__exit__(*args)


def events_of(data):
    names = "ts_event ts_recv ingest_seq instrument kind flags price_exp qty_exp a b c d".split()
    return [dict(zip(names, words, strict=True)) for words in EVENT.iter_unpack(data)]


def rows_of(data, cnt):
    size = ROW.size + 8 * cnt
    return [(*ROW.unpack_from(data, at), struct.unpack_from(f"<{cnt}d", data, at + ROW.size)) for at in range(0, len(data), size)]


def evaluated(folder):
    """The rows of `features eval`: receive time, ingest_seq, instrument and the values, all as text."""
    path = f"{folder}/rows.csv"
    run("features", "eval", REPLAY_CONFIG, "--input", INPUT, "--out", path, *itertools.chain(*(("--set", s) for s in STRATEGIES)))
    with open(path) as file:
        return list(csv.reader(file))[1:]


def lines_of(out):
    """The lines of the sink, and the report behind them."""
    lines, brace, report = out.partition("\n{\n")
    return [json.loads(line) for line in lines.splitlines()], json.loads(brace + report)


def number(text):
    return float(text) if text else float("nan")


class Carried(unittest.TestCase):
    def replayed(self, *sets):
        with Server() as server:
            sinks = "sinks=[" + ", ".join(server.sink(kind, f"carries: {kind}") for kind in KINDS) + "]"
            got, _ = replay_sinks(sinks, *STRATEGIES, *sets)
            return got, server.got

    def test_what_a_consumer_receives_is_what_was_published_however_the_pipeline_is_cut(self):
        with tempfile.TemporaryDirectory() as folder:
            want = evaluated(folder)
        for name, lanes in CUTS.items():
            with self.subTest(name):
                got, data = self.replayed(f"engine.lanes={lanes}", TIGHT)
                self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
                self.check_events(got, data["events"])
                self.check_rows(want, rows_of(data["features"], FEATURE_CNT))
                self.check_quotes(data["events"], data["quotes"], rows_of(data["features"], FEATURE_CNT))
                for sink in got["sinks"]:
                    self.assertEqual(sink["acked"], sink["taken"], sink)

    def check_events(self, got, data):
        self.assertEqual(len(data), 64 * got["events"]["total"])
        self.assertEqual([e["ingest_seq"] for e in events_of(data)], list(range(1, got["events"]["total"] + 1)))
        self.assertEqual(hash_events(data), got["events_hash"])

    def check_rows(self, want, rows):
        self.assertEqual([r[0] for r in rows], list(range(1, len(rows) + 1)))
        self.assertEqual(len(rows), len(want))
        for (_, ingest_seq, _, _, cnt, values), expected in zip(rows, want, strict=True):
            self.assertEqual(cnt, FEATURE_CNT)
            self.assertEqual(str(ingest_seq), expected[1])
            numpy.testing.assert_array_equal(values, [number(value) for value in expected[3:]])

    def check_quotes(self, events, quotes, rows):
        """At each row the quote that came last makes its mid; and no quote says again what the one before it said."""
        quotes, last, at = events_of(quotes), {}, 0
        self.assertGreater(len(quotes), 10)
        times = {e["ingest_seq"]: e["ts_recv"] for e in events_of(events)}
        for _, ingest_seq, _, instrument, _, values in rows:
            while at < len(quotes) and quotes[at]["ingest_seq"] <= ingest_seq:
                q = quotes[at]
                self.assertEqual((q["kind"], q["ts_recv"]), (1, times[q["ingest_seq"]]))
                said = tuple(q[k] for k in ("a", "b", "c", "d", "flags", "price_exp", "qty_exp"))
                self.assertNotEqual(last.get(q["instrument"], (None,))[0], said)
                last[q["instrument"]] = said, q
                at += 1
            if values[MID] == values[MID]:
                q = last[instrument][1]
                self.assertAlmostEqual((q["a"] + q["c"]) / 2 * 10.0 ** q["price_exp"], values[MID], delta=1e-9 * values[MID])
        self.assertEqual(at, len(quotes))

    def test_lines_of_json_on_standard_output_are_of_the_kind_that_is_asked_for(self):
        for kind, key in (("events", "kind"), ("quotes", "bid_price"), ("features", "values")):
            out, _ = run("replay", REPLAY_CONFIG, "--json", "--input", INPUT, "--set", f"sinks=[{{type: stdout, carries: {kind}}}]",
                         *itertools.chain(*(("--set", s) for s in STRATEGIES)))
            lines, summary = lines_of(out)
            sink, = summary["sinks"]
            self.assertEqual((sink["carries"], sink["taken"], summary["ledger"]["residual"]), (kind, len(lines), 0))
            self.assertTrue(lines and all(key in line for line in lines), kind)

    def test_what_a_format_has_no_room_for_is_refused_with_what_it_has(self):
        for sets, words in ((["sinks=[{type: shm, path: x, carries: events}]"], ("sinks[0].carries", "decisions alone")),
                            (["sinks=[{type: 'null', carries: event}]"], ("did you mean \"events\"",)),
                            (["sinks=[{type: stdout, streem: x}]"], ("stream",)),
                            (["sinks=[{type: stdout, url: \"x\"}]"], ("a stdout sink has no such key", "allowed: type")),
                            (["sinks=[{type: 'null', strategies: [fad]}]"], ("did you mean \"fade\"",)),
                            (["sinks=[{type: 'null', carries: events, actions: [buy]}]"], ("decisions alone have them",)),
                            (["sinks=[{type: 'null', instruments: [BTCUSDT]}]"], ("SYMBOL.VENUE",)),
                            (["sinks=[{type: 'null', partition: 3}]"], ("say with `partitions`",)),
                            (["sinks=[{type: 'null', partitions: 3, partition: 3}]"], ("3 of 3 partitions",)),
                            (["sinks=[{type: 'null', partitions: 3}]"], ("say with `partition` which",))):
            _, err = run("check", REPLAY_CONFIG, *itertools.chain(*(("--set", s) for s in sets)), expect=2)
            for word in words:
                self.assertIn(word, err)


def replay_sinks(*sets):
    out, err = run("replay", REPLAY_CONFIG, "--json", "--input", INPUT, *itertools.chain(*(("--set", s) for s in sets)))
    return json.loads(out), err


class Filtered(unittest.TestCase):
    """What does not pass is neither lost nor pending."""

    def test_of_all_records_those_pass_that_are_asked_for_and_the_rest_is_counted(self):
        filters = {"all": "", "one": "instruments: [ETHUSDT.BINANCE-SPOT]", "venue": 'instruments: ["*.BINANCE-SPOT"]',
                   "none": 'instruments: ["*.KRAKEN"]', "down": "strategies: [down]", "buys": "actions: [buy]",
                   "events": "carries: events, instruments: [BTCUSDT.BINANCE-SPOT]",
                   **{f"part{i}": f"partitions: 2, partition: {i}" for i in range(2)}}
        with Server() as server:
            sinks = "sinks=[" + ", ".join(server.sink(name, more) for name, more in filters.items()) + "]"
            got, _ = replay_sinks(sinks, *STRATEGIES)
            data = {name: server.got[name] for name in filters}
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        records = {name: [data[name][i:i + 128] for i in range(0, len(data[name]), 128)] for name in filters if name != "events"}
        names = self.names(data)
        every = records["all"]
        self.assertEqual(len(every), got["decisions"])
        heads = {r: (names[struct.unpack_from("<I", r, 40)[0]], r[61], r[62]) for r in every}

        def chosen(keep):
            return [r for r in every if keep(*heads[r])]

        self.assertEqual(records["one"], chosen(lambda name, *_: name == "ETHUSDT.BINANCE-SPOT"))
        self.assertEqual((records["venue"], records["none"]), (every, []))
        self.assertEqual(records["down"], chosen(lambda _, strategy, __: strategy == 1))
        self.assertEqual(records["buys"], chosen(lambda _, __, action: action == 1))
        self.assertTrue(records["one"] and records["down"] and records["buys"])
        for i in range(2):
            self.assertEqual(records[f"part{i}"], chosen(lambda name, *_, i=i: zlib.crc32(name.encode()) % 2 == i))
        for sink in got["sinks"]:
            handed = got["events"]["total"] if sink["name"] == "events" else got["decisions"]
            self.assertEqual(sink["filtered"] + sink["taken"], handed, sink)
            self.assertEqual(sink["acked"], sink["taken"], sink)
        self.assertTrue(data["events"])
        self.assertEqual({names[e["instrument"]] for e in events_of(data["events"])}, {"BTCUSDT.BINANCE-SPOT"})

    def names(self, data):
        """{id: name}, from the lines of a second sink."""
        out, _ = run("replay", REPLAY_CONFIG, "--json", "--input", INPUT, "--set", "sinks=[{type: stdout, carries: events}]")
        lines, _ = lines_of(out)
        with Server() as server:
            replay_sinks("sinks=[" + server.sink("events", "carries: events") + "]")
            events = events_of(server.got["events"])
        return {e["instrument"]: line["instrument"] for e, line in zip(events, lines, strict=True)}


class Live(unittest.TestCase):
    def test_a_listener_gives_out_events_quotes_and_rows_without_a_hole(self):
        with tempfile.TemporaryDirectory() as folder, Exchange("--seed", "5") as exchange:
            sinks = ", ".join(f"{{type: unix, name: {k}, path: {folder}/{k}, carries: {k}, slots: 1048576, drain: {LONG}s}}" for k in KINDS)
            with LiveEngine(exchange, f"sinks=[{sinks}]", *STRATEGIES) as engine:
                wait_until(lambda: all(pathlib.Path(f"{folder}/{k}").exists() for k in KINDS), LONG, "the listeners")
                tails = {k: subprocess.Popen([TICKFUSE, "tail", f"unix:{folder}/{k}", "--json", "--oldest", "--carries", k,
                                              "--count", "300"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for k in KINDS}
                said = {k: tail.communicate(timeout=LONG) for k, tail in tails.items()}
                got, _ = engine.finish()
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        lines = {k: [json.loads(line) for line in out.splitlines()] for k, (out, _) in said.items()}
        for kind, (_, err) in said.items():
            self.assertEqual(len(lines[kind]), 300, err)
            self.assertNotIn("lost", err)
        self.assertEqual([e["ingest_seq"] for e in lines["events"]], list(range(1, 301)))
        self.assertEqual([r["row_seq"] for r in lines["features"]], list(range(1, 301)))
        self.assertTrue(all(len(r["values"]) == FEATURE_CNT for r in lines["features"]))
        seqs = [q["ingest_seq"] for q in lines["quotes"]]
        self.assertEqual(seqs, sorted(set(seqs)))


class Sinks(unittest.TestCase):
    """One live engine, every sink that carries kinds: each gives out what was published, record for record."""

    def check(self, kind):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            exchange = stack.enter_context(Exchange("--seed", "5", "--rate", "300"))
            own, urls = self.sinks(stack, folder)
            sinks = ", ".join(f"{{type: {name}, {keys}, carries: {kind}, slots: 1048576, drain: {LONG}s}}" for name, keys in own.items())
            sets = f"sinks=[{sinks}]", f"capture.path={folder}/capture", f"engine.lanes={CUTS['emit alone']}", "engine.sink_ring=64MiB"
            engine = stack.enter_context(LiveEngine(exchange, *sets, *STRATEGIES))
            wait_until(lambda: self.listen(urls) and engine.is_live(), LONG, "the listeners and the feed")
            options = ["--json", "--oldest", "--carries", kind]
            out = {name: stack.enter_context(open(f"{folder}/{name}.lines", "w")) for name in urls}  # a pipe would stop its writer
            tails = {name: subprocess.Popen([TICKFUSE, "tail", url, *options], stdout=out[name], stderr=subprocess.PIPE, text=True)
                     for name, url in urls.items()}
            wait_until(lambda: all(len(lines_in(file.name)) >= 400 for file in out.values()), LONG, "lines of all")
            exchange.freeze()
            # A datagram that the reader had no room for is asked for: while there is somebody to ask.
            wait_until(lambda: len(lines_in(out["udp"].name)) >= engine.count("tickfuse_sink_acked_total", "udp") > 0, LONG, "all datagrams")
            got, _ = engine.finish()
            self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
            said = {name: tail.communicate(timeout=LONG)[1] for name, tail in tails.items()}
            self.assertEqual({name: err for name, err in said.items() if "will not come" in err}, {})
            lines = {name: lines_in(f"{folder}/{name}.lines") for name in urls}
            cnt = {sink["name"]: sink["acked"] for sink in got["sinks"]}
            if "redis" in own:
                lines["redis"] = [json.loads(line) for _, _, line in stack.redis.read("D")]
            if "kafka" in own:
                out, _ = run("tail", f"{stack.kafka.rpartition('/')[0]}/decisions", *options, "--count", cnt["kafka"])
                lines["kafka"] = [json.loads(line) for line in out.splitlines()]
            want = self.published(folder) if kind == "events" else lines["unix"]
            self.assertGreaterEqual(len(want), 400, said["unix"])
            self.assertEqual(cnt, dict.fromkeys(own, len(want)))
            for name in own:
                self.assertEqual(len(lines[name]), len(want), (name, said.get(name)))
                self.assertEqual([plain(line, name) for line in lines[name]], [plain(line, name) for line in want], name)

    def listen(self, urls):
        try:
            for name in ("tcp", "websocket"):
                host, port = urls[name].split("/")[2].split(":")
                socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            return False
        return os.path.exists(urls["unix"][5:])

    def published(self, folder):
        """All events of the capture."""
        run("tape", "convert", f"{folder}/capture", "--out", f"{folder}/all.tft")
        out, _ = run("tape", "cat", f"{folder}/all.tft", "--format", "json")
        return [json.loads(line) for line in out.splitlines()]

    def sinks(self, stack, folder):
        """{type: keys}, and the URLs of those that are read while the engine runs."""
        ports = {name: free_port() for name in ("tcp", "websocket", "udp")}
        urls = {"unix": f"unix:{folder}/out", "tcp": f"tcp://127.0.0.1:{ports['tcp']}", "websocket": f"ws://127.0.0.1:{ports['websocket']}",
                "udp": f"udp://127.0.0.1:{ports['udp']}"}
        own = {name: f"path: {folder}/out" if name == "unix" else f"url: '{url}'" for name, url in urls.items()}
        if shutil.which("redis-server"):
            stack.redis = stack.enter_context(brokers.Redis())
            own["redis"] = f"url: 'redis://127.0.0.1:{stack.redis.port}', stream: D, format: json, policy: spill, spool: {folder}/redis"
        if os.path.exists(KAFKA_MOCK):
            mock = stack.enter_context(subprocess.Popen([KAFKA_MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            stack.kafka = mock.stdout.readline().strip()
            own["kafka"] = f"url: '{stack.kafka}', stream: decisions, policy: spill, spool: {folder}/kafka"
        return own, urls

    def test_events(self):
        self.check("events")

    def test_quotes(self):
        self.check("quotes")

    def test_features(self):
        self.check("features")


def lines_in(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines(True) if line.endswith("\n")]


def plain(line, sink):
    """Datagrams name instruments in turn: not the first ones yet."""
    return {key: value for key, value in line.items() if not (sink == "udp" and key == "instrument")}


@unittest.skipUnless(shutil.which("nats-server"), "no nats-server")
class Recorder(unittest.TestCase):
    """A venue's events into JetStream, by partition, over a restart of the recorder."""

    def recorder(self, nats, exchange, folder, *sets):
        url = f"nats://127.0.0.1:{nats.port}"
        sink = (f'{{type: nats, url: "{url}", stream: EVENTS, carries: events, stream_create: true, partitions: 16, policy: spill, '
                f'spool: {folder}/spool, drain: {LONG}s}}')
        return LiveEngine(exchange, f"sinks=[{sink}]", *sets, *STRATEGIES)

    def record(self, nats, exchange, folder, events):
        with self.recorder(nats, exchange, folder, f"capture.path={folder}/capture-{events}") as engine:
            wait_until(lambda: engine.count("tickfuse_sink_acked_total") >= events, LONG, "acknowledged events")
            got, _ = engine.finish()
        self.assertEqual(got["ledger"]["residual"], 0, got["ledger"])
        return got

    def test_a_recorder_that_is_started_again_goes_on_behind_what_the_stream_holds(self):
        with tempfile.TemporaryDirectory() as folder, brokers.Nats() as nats, Exchange("--seed", "7") as exchange:
            first = self.record(nats, exchange, folder, 500)
            second = self.record(nats, exchange, folder, 501)
            messages = [(subject, record) for subject, _, record in nats.read("EVENTS")]
        cnt = first["events"]["total"] + second["events"]["total"]
        self.assertEqual(len(messages), cnt)
        records = [record for _, record in messages]
        seqs = [e["ingest_seq"] for e in events_of(b"".join(records))]
        first_cnt = first["events"]["total"]
        self.assertEqual(seqs[:first_cnt], list(range(1, first_cnt + 1)))
        self.assertEqual(seqs[first_cnt:], list(range(first_cnt + 1, cnt + 1)))
        self.assertEqual(hash_events(b"".join(records[:first_cnt])), first["events_hash"])
        self.assertEqual(hash_events(b"".join(records[first_cnt:])), second["events_hash"])
        for subject, _ in messages:
            stream, kind, part, venue, symbol = subject.split(".")
            name = f"{symbol}.{venue}"
            want = 0 if name == "NONE.NONE" else zlib.crc32(name.encode()) % 16
            self.assertEqual((stream, kind, part), ("EVENTS", "events", f"{want:04d}"), subject)
        self.assertGreater(len({s.split(".")[2] for s, _ in messages}), 1)

    def test_of_two_recorders_of_one_stream_the_one_that_was_overtaken_is_fenced_off(self):
        acked, errors = "tickfuse_sink_acked_total", "tickfuse_sink_errors_total"
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two, brokers.Nats() as nats, \
                Exchange("--seed", "11") as exchange, self.recorder(nats, exchange, one) as first:
            wait_until(lambda: first.count(acked) >= 300, LONG, "events of the first")
            first.process.send_signal(signal.SIGSTOP)
            with self.recorder(nats, exchange, two) as second:
                wait_until(lambda: second.count(acked) >= 300, LONG, "events of the second")
                first.process.send_signal(signal.SIGCONT)
                wait_until(lambda: first.count(errors) >= 1 and "E_SINK_FENCED" or None, LONG, "the fence")
                at = second.count(acked)
                wait_until(lambda: second.count(acked) >= at + 100, LONG, "more events of the second")
                _, err, code = first.stop()
                got, _ = second.finish()
            messages = [record for _, _, record in nats.read("EVENTS")]
        self.assertIn("E_SINK_FENCED", err)
        self.assertNotEqual(code, 0)
        self.assertEqual(got["ledger"]["residual"], 0)
        seqs = [e["ingest_seq"] for e in events_of(b"".join(messages))]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
        self.assertEqual(hash_events(b"".join(messages[-got["events"]["total"]:])), got["events_hash"])

    def test_the_capture_of_a_recorder_that_went_on_replays_to_the_same_numbers(self):
        with tempfile.TemporaryDirectory() as folder, brokers.Nats() as nats, Exchange("--seed", "9") as exchange:
            self.record(nats, exchange, folder, 300)
            second = self.record(nats, exchange, folder, 301)
            again, _ = replay(f"{folder}/capture-301", sets=STRATEGIES + exchange.sets + ["http.listen=off"], config="configs/demo.yaml")
        for key in ("events", "events_hash", "decisions", "decisions_hash"):
            self.assertEqual(again[key], second[key], key)


if __name__ == "__main__":
    main()

"""tickfuse group: members, leases and engines. A small program stands for the engine, so what is looked at is who runs which partition
when: in each partition's file the epochs never go down, however members die, stand still or lose the store."""
import contextlib
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from brokers import Nats, Redis, wait_until
from harness import ROOT, SMALL, TICKFUSE, Exchange, LiveEngine, run
from ports import free_port
from test_brokers import Pump

PARTITIONS = 6
LONG_S = 120
ENGINE = ROOT / "tests" / "e2e" / "fake_engine.py"
CONFIG = """
feeds: [{{name: main, venue: binance-spot, instruments: [BTCUSDT]}}]
features: [mid]
control: {{path: "{dir}/beats.{{partition}}"}}
group: {{name: spot, partitions: {partitions}, lease: 3s, store: {store}, {where}, program: "{dir}/engine"}}
"""


def get(port, path):
    """(status, text)"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LONG_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


class Group:
    """A directory with a config and an engine, and the members that were started."""

    def __init__(self, store, where=None):
        self.dir = tempfile.mkdtemp(prefix="tickfuse-group-")
        self.members = {}
        engine = pathlib.Path(self.dir, "engine")
        engine.write_text(f"#!/bin/sh\nexec /usr/bin/python3 {ENGINE} \"$@\"\n")
        engine.chmod(0o755)
        self.config = f"{self.dir}/group.yaml"
        where = where or f'dir: "{self.dir}/store"'
        pathlib.Path(self.config).write_text(CONFIG.format(dir=self.dir, partitions=PARTITIONS, store=store, where=where))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.members.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, name, *sets):
        sets = [word for item in (f"group.member={name}", *sets) for word in ("--set", item)]
        self.members[name] = subprocess.Popen([TICKFUSE, "group", self.config, *sets, "--json"],
                                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def kill(self, name):
        process = self.members.pop(name)
        process.kill()
        process.communicate()

    def send(self, name, what):
        self.members[name].send_signal(what)

    def end(self, name):
        """Leaves in order; what it printed."""
        process = self.members.pop(name)
        process.terminate()
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, process.returncode
        return json.loads(out)

    def status(self):
        return json.loads(run("group", self.config, "--status", "--json")[0])

    def held_by(self, name):
        return self.holders().get(name, [])

    def engines(self, name):
        """{partition: process} of those that the member runs."""
        pid, found = self.members[name].pid, {}
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                found[int(words[words.index(b"--partition") + 1])] = int(child)
            except (FileNotFoundError, ValueError):  # it has ended, or not begun yet
                pass
        return found

    def beats(self, partition):
        try:
            lines = pathlib.Path(self.dir, f"beats.{partition:04}").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [tuple(map(int, line.split())) for line in lines]

    def epochs(self):
        return [(self.beats(p) or [(0, 0)])[-1][0] for p in range(PARTITIONS)]

    def holders(self):
        """{member: partitions} of the group's table."""
        held = {}
        for row in self.status()["partitions"]:
            held.setdefault(row["member"], []).append(row["partition"])
        return held

    def check_order(self, case):
        for p in range(PARTITIONS):
            beats = self.beats(p)
            case.assertEqual(beats, sorted(beats, key=lambda beat: beat[0]), f"partition {p} had two engines at a time")
            pids = {}
            for epoch, pid in beats:
                case.assertEqual(pids.setdefault(epoch, pid), pid, f"partition {p}: two engines under epoch {epoch}")


class Members:
    """The same with each store."""

    def shares(self, group, *sizes):
        wait_until("the shares are even", lambda: sorted(len(v) for k, v in group.holders().items() if k) == sorted(sizes))
        self.all_live(group)

    def all_live(self, group):
        wait_until("all live", lambda: group.epochs() == [row["epoch"] for row in group.status()["partitions"]])

    def test_a_member_that_is_killed_leaves_its_partitions_to_the_others(self):
        with self.group() as group:
            group.start("a")
            group.start("b")
            group.start("c")
            self.shares(group, 2, 2, 2)
            lost = group.holders()["b"]
            before = group.epochs()
            group.kill("b")
            wait_until("others have them", lambda: "b" not in group.holders() and all(group.epochs()[p] > before[p] for p in lost))
            self.shares(group, 3, 3)
            group.check_order(self)

    def test_a_member_that_stands_still_is_replaced_and_comes_back(self):
        with self.group() as group:
            group.start("a")
            group.start("b")
            self.shares(group, 3, 3)
            lost, before = group.holders()["a"], group.epochs()
            group.send("a", signal.SIGSTOP)
            wait_until("the other has them", lambda: all(group.epochs()[p] > before[p] for p in lost))
            group.send("a", signal.SIGCONT)
            self.shares(group, 3, 3)
            self.all_live(group)
            self.assertGreaterEqual(group.end("a")["lapses"], 1)
            group.check_order(self)

    def test_a_member_that_leaves_hands_over(self):
        with self.group() as group:
            group.start("a")
            group.start("b")
            self.shares(group, 3, 3)
            group.end("a")
            self.assertEqual([m["name"] for m in group.status()["members"]], ["b"])
            self.shares(group, 6)
            group.check_order(self)

    def test_an_engine_that_dies_is_started_again_under_a_later_epoch(self):
        with self.group() as group:
            group.start("a")
            self.shares(group, 6)
            self.all_live(group)
            epoch, pid = group.beats(3)[-1]
            os.kill(pid, signal.SIGKILL)
            wait_until("it lives again", lambda: group.beats(3)[-1][0] > epoch)
            arguments = pathlib.Path(group.dir, "beats.0003.args").read_text().splitlines()
            self.assertEqual(arguments[arguments.index("--partition") + 1], "3")
            self.assertIn("http.listen=off", arguments)
            self.assertEqual(group.end("a")["ends"], 1)
            group.check_order(self)

    def test_an_engine_that_stands_still_is_killed_and_started_again(self):
        with self.group() as group:
            group.start("a")
            self.shares(group, 6)
            self.all_live(group)
            epoch, pid = group.beats(2)[-1]
            os.kill(pid, signal.SIGSTOP)
            wait_until("it lives again", lambda: group.beats(2)[-1][0] > epoch)
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
            self.assertGreaterEqual(group.end("a")["kills"], 1)
            group.check_order(self)

    def test_how_far_engines_are_is_seen_from_any_machine(self):
        with self.group() as group:
            group.start("a")
            self.shares(group, 6)
            lags = lambda: [(row["events_behind"], row["decisions_behind"]) for row in group.status()["partitions"]]
            wait_until("all have told", lambda: lags() == [(70 + p, 30 + p) for p in range(PARTITIONS)])
            self.assertIn("behind 73 events, 33 decisions", run("group", group.config, "--status")[0])
            group.end("a")
            self.assertEqual(lags(), [(None, None)] * PARTITIONS)

    def test_a_member_shows_over_http_what_it_has(self):
        with self.group() as group:
            port = free_port()
            group.start("a", f"http.listen=127.0.0.1:{port}")
            group.start("b")
            self.shares(group, 3, 3)
            wait_until("it is well", lambda: get(port, "/healthz")[0] == 200)

            def wanted():  # the table may change while one looks
                rows = group.status()["partitions"]
                held = [row["partition"] for row in rows if row["member"] == "a"]
                lines = [f'group_partitions{{group="spot",which="running"}} {len(held)}', 'group_members{group="spot"} 2']
                for p, row in enumerate(rows):
                    lines += [f'partition_held{{partition="{p:04}"}} {int(p in held)}',
                              f'partition_epoch{{partition="{p:04}"}} {row["epoch"] if p in held else 0}',
                              f'partition_behind_events{{partition="{p:04}"}} {70 + p if p in held else 0}']
                return {"tickfuse_" + line for line in lines}

            wait_until("it shows that", lambda: wanted() <= set(get(port, "/metrics")[1].splitlines()), LONG_S)


class Directory(Members, unittest.TestCase):
    def group(self):
        return Group("dir")

    def test_other_partitions_than_the_groups_are_refused(self):
        with self.group() as group:
            group.start("a")
            wait_until("there is a table", lambda: group.status()["members"])
            out, err = run("group", group.config, "--set", "group.partitions=7", expect=2)
            self.assertIn("group.partitions: 7, and the group has 6", err)

    def test_an_engine_by_itself_knows_no_partition(self):
        with self.group() as group:
            out, err = run("run", group.config, expect=2)
            self.assertIn("only tickfuse group knows what {partition} is", err)

    def test_check_says_what_a_group_lacks(self):
        with self.group() as group:
            path = pathlib.Path(group.dir, "checked.yaml")
            def notes(feeds, sinks, more):
                path.write_text(f'feeds: [{feeds}]\nsinks: [{sinks}]\ngroup: {{name: spot, partitions: 4, {more}}}\n')
                return json.loads(run("check", path, "--json")[0])["notes"]
            url = "nats://127.0.0.1:4222"
            wall = f'name: wall, venue: events, from: nats, broker: "{url}", stream: E'
            good = notes(f"{{{wall}, partitions: 4, start: all, times: kept}}",
                         f'{{type: nats, url: "{url}", stream: "D_{{partition}}", policy: block}}', f'lease: 2s, url: "{url}"')
            self.assertEqual(len(good), 1, good)
            self.assertIn("runs 4 engines, a partition each, over all members of spot; one that is not heard of for 2.0 s has lost its own", good[0])
            bad = notes(f"{{{wall}}}, {{name: live, venue: binance-spot, instruments: [BTCUSDT]}}",
                        f'{{type: nats, url: "{url}", stream: D, policy: drop_newest}}, {{type: redis, url: "redis://127.0.0.1:1", stream: "D_{{partition}}", policy: block}}',
                        "store: redis, snapshot_every: off")
            for note, wanted in itertools.zip_longest(bad, [
                    "a Redis, which has to keep what it acknowledged", "group.snapshot_every: off: a successor reads the stream from its beginning",
                    "group.url: it is wanted", "feeds[0].partitions: each engine of the group would read all of the stream; 4 are wanted",
                    "feeds[0].start: ", "feeds[0].times: ", "feeds[1].venue: each engine of the group would read all of it",
                    "sinks[0].type: no value of it has {partition}", "sinks[0].policy: what it drops", "sinks[1].type: redis does not refuse"]):
                self.assertIn(wanted or "no more notes", note or "")

    def test_a_group_wants_a_name_and_a_place(self):
        with self.group() as group:
            config = pathlib.Path(group.config)
            text = config.read_text()
            config.write_text(text.replace("name: spot, ", ""))
            self.assertIn("group.name", run("group", group.config, expect=2)[1])
            config.write_text(text.replace("store: dir", "store: nats"))
            self.assertIn("group.url", run("group", group.config, expect=2)[1])


class Server(Members):
    """The same with a store that may be away."""

    def setUp(self):
        self.server = self.enterContext(self.BROKER())

    def group(self):
        return Group(self.server.type, f'url: "{self.server.scheme}://127.0.0.1:{self.server.port}"')

    @staticmethod
    def stands_still(sizes):
        before = sizes()
        time.sleep(0.3)
        return sizes() == before

    def finding(self, group):
        rows = json.loads(run("doctor", group.config, "--no-measure", "--json")[0])["findings"]
        return next((row["grade"], row["value"]) for row in rows if row["id"] == "group_store")

    def test_its_store_is_looked_at_by_doctor_and_healthz(self):
        with self.group() as group:
            self.assertRegex(" ".join(self.finding(group)), r"^(good|warn) answers in [0-9.]+ ms; no group yet$")
            port = free_port()
            group.start("a", f"http.listen=127.0.0.1:{port}")
            self.shares(group, 6)
            wait_until("it is well", lambda: get(port, "/healthz")[0] == 200)
            self.assertRegex(" ".join(self.finding(group)), r"^(good|warn) answers in [0-9.]+ ms; a group of 6 partitions$")
            self.server.kill()
            wait_until("it has no lease", lambda: "no lease" in get(port, "/healthz")[1])
            self.assertEqual(get(port, "/healthz")[0], 503)
            self.assertEqual(self.finding(group)[0], "bad")

    def away(self, group, lose):
        """Until nobody runs; then all live again."""
        group.start("a")
        group.start("b")
        self.shares(group, 3, 3)
        before = group.epochs()
        lose()
        wait_until("nobody runs", lambda: self.stands_still(lambda: [len(group.beats(p)) for p in range(PARTITIONS)]))
        self.server.start()
        wait_until("all live again", lambda: all(now > then for now, then in zip(group.epochs(), before)))
        group.check_order(self)

    def test_a_server_that_is_away_for_longer_than_a_lease_stops_all_and_they_go_on(self):
        with self.group() as group:
            self.away(group, self.server.kill)

    def test_a_server_that_lost_what_it_had_costs_a_lease(self):
        with self.group() as group:
            self.away(group, self.server.lose)


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class JetStream(Server, unittest.TestCase):
    BROKER = Nats


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class RedisStore(Server, unittest.TestCase):
    BROKER = Redis


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class FencedJetStream(unittest.TestCase):
    """A predecessor that stood still while another took over writes nothing more. broker_pump stands for the engines."""
    ENDLESS = 1 << 40

    def setUp(self):
        self.server = self.enterContext(Nats())
        self.server.make("D")
        self.pumps = []
        self.addCleanup(lambda: [pump.kill() for pump in self.pumps])

    def pump(self, epoch, up_to):
        pump = Pump(self.server, up_to, f"epoch={epoch}", "pause_us=200", "create=1")
        self.pumps.append(pump)
        return pump

    def decisions(self):
        """[(epoch, sequence)] in the stream's order, without what begins an epoch."""
        messages = self.server.read("D")
        return [(int(h["Tf-Epoch"]), struct.unpack_from("<Q", body)[0]) for subject, h, body in messages if subject != "D.epoch"]

    def grow(self, by):
        size = self.server.last("D")
        wait_until("the stream grows", lambda: self.server.last("D") >= size + by)

    def test_who_stood_still_is_fenced_off(self):
        for epoch in range(10, 20, 2):
            old = self.pump(epoch, self.ENDLESS)
            self.grow(random.randrange(2, 300))
            old.process.send_signal(signal.SIGSTOP)
            young = self.pump(epoch + 1, self.ENDLESS)
            self.grow(200)
            old.process.send_signal(signal.SIGCONT)
            old.wait_for("E_SINK_FENCED")
            self.assertEqual(old.process.wait(timeout=60), 1)
            self.assertIn(f"a later epoch than {epoch} has begun on it", old.said())
            self.grow(50)
            counts, said, status = young.stop()
            self.assertEqual((status, counts["pending"]), (0, 0), said)
        got = self.decisions()
        self.assertEqual([seq for _, seq in got], list(range(1, len(got) + 1)), "no gap, no duplicate")
        self.assertEqual([epoch for epoch, _ in got], sorted(epoch for epoch, _ in got), "epochs follow one another")

    def test_an_earlier_epoch_does_not_begin(self):
        self.assertEqual(self.pump(7, 100).wait()[2], 0)
        counts, said, status = self.pump(6, 200).wait()
        self.assertEqual((status, counts["acked"]), (1, 0), said)
        self.assertIn("E_SINK_FENCED", said)
        self.assertEqual(self.pump(7, 150).wait()[2], 0)  # the same one goes on
        self.assertEqual(self.decisions(), [(7, seq) for seq in range(1, 151)])

    def test_two_that_begin_at_once_leave_one(self):
        for epoch in range(10, 30, 2):
            both = [self.pump(epoch + i, self.ENDLESS) for i in range(2)]
            both[0].wait_for("E_SINK_FENCED")
            self.grow(20)
            both[1].stop()
        got = self.decisions()
        self.assertEqual([seq for _, seq in got], list(range(1, len(got) + 1)))
        self.assertEqual([epoch for epoch, _ in got], sorted(epoch for epoch, _ in got))


INPUT = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
FEATURES = 'features: [mid, "ema(mid, 20)", "zscore(mid, 50)"]'
STRATEGIES = 'strategies: [{name: up, buy: "spread > 0", books: all}, {name: down, sell: "zscore(mid, 50) < 0", books: all}]'
SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT,BNBUSDT,XRPUSDT,LINKUSDT,ADAUSDT"  # some in each of six partitions
RECORDER = """
feeds: [{{name: main, venue: binance-spot, instruments: [{symbols}], url: "{venue}", rest: "{rest}"}}]
sinks: [{{type: nats, url: "{url}", stream: EVENTS, stream_create: true, carries: events, partitions: {partitions}, policy: spill, spool: "{dir}/spool", drain: {long}s}}]
"""
WALL = '{{name: wall, venue: events, from: nats, broker: "{url}", stream: EVENTS, {cut}instruments: ["*"], instruments_max: 16, start: all, times: kept}}'
ONE = """
engine: {{decision_ring_slots: 1048576}}
feeds: [{wall}]
{features}
{strategies}
sinks: [{{type: nats, url: "{url}", stream: ONE, stream_create: true, policy: block, slots: 1048576, drain: {long}s}}]
"""  # by itself it would not wait for its sink: it has room for all
WHOLE = """
engine: {{log_level: info}}
feeds: [{wall}]
{features}
{strategies}
sinks: [{{type: nats, url: "{url}", stream: "D_{{partition}}", stream_create: true, policy: block}}]
group: {{name: spot, partitions: {partitions}, lease: 2s, {store}, snapshot_every: 500ms, log_dir: "{dir}"}}
"""


def masked(record):
    """Without the epoch and what clocks said: ts_decision, ts_out, the hops."""
    return record[:64] + bytes(16) + record[80:88] + bytes(4) + record[92:96] + bytes(24) + record[120:]


def fields(record):
    """(decision_seq, ingest_seq, ts_decision_ns, epoch)"""
    return *struct.unpack_from("<QQ", record), *struct.unpack_from("<Q", record, 64), *struct.unpack_from("<I", record, 88)


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class Engines(unittest.TestCase):
    """Three members run engines over a venue's events as they come, while one thing after another is lost: a member, an engine, a member or
    an engine that stands still, the broker. What they decided, in the order of the events that caused it, is to the byte what one engine decides
    over all of the stream, but for the epoch and what clocks said.

    TF_GROUP_SECONDS: things are lost for so long, one every TF_GROUP_PERIOD; without it one of each kind, the next when the last is made
    good. TF_GROUP_RATE: messages of the venue a second."""
    PARTITIONS = 6
    MEMBERS = "abc"
    LOSSES = ("member", "engine", "pause", "still", "broker")
    SECONDS = float(os.environ.get("TF_GROUP_SECONDS", "0"))
    PERIOD = float(os.environ.get("TF_GROUP_PERIOD", "10"))
    RATE = os.environ.get("TF_GROUP_RATE", "200")

    def setUp(self):
        self.server = self.enterContext(Nats())
        self.url = f"nats://127.0.0.1:{self.server.port}"
        self.group = self.enterContext(Group("nats", "url: x"))
        self.failovers = []  # (kind, when, {partition: epoch before})
        self.write("group", WHOLE, wall=self.wall(f"partitions: {self.PARTITIONS}, "), store=self.store())

    def store(self):
        return f'store: nats, url: "{self.url}"'

    def wall(self, cut):
        return WALL.format(url=self.url, cut=cut)

    def write(self, name, text, **more):
        path = f"{self.group.dir}/{name}.yaml"
        pathlib.Path(path).write_text(text.format(url=self.url, dir=self.group.dir, partitions=self.PARTITIONS, features=FEATURES,
                                                  strategies=STRATEGIES, symbols=SYMBOLS, long=LONG_S, **more))
        return path

    def streams(self):
        return [f"D_{p:04}" for p in range(self.PARTITIONS)]

    # ---- the events ----

    def record(self):
        """Begins to write what a venue sends into EVENTS."""
        exchange = self.enterContext(Exchange("--symbols", SYMBOLS, "--rate", self.RATE, "--levels", "20"))
        config = self.write("recorder", RECORDER, venue=exchange.url, rest=exchange.rest)
        recorder = self.enterContext(LiveEngine(None, config=config))
        wait_until("events come", lambda: self.server.last("EVENTS") > 0)
        return recorder

    def residual_is_0(self, report):
        self.assertEqual(report["ledger"]["residual"], 0, report["ledger"])
        for sink in report["sinks"]:
            self.assertEqual(sink["acked"], sink["taken"] + sink["recovered"], sink)

    def one(self):
        """What one engine decides over EVENTS: its report."""
        events = self.server.last("EVENTS")
        engine = self.enterContext(LiveEngine(None, config=self.write("one", ONE, wall=self.wall(""))))
        wait_until("all is read", lambda: engine.count("tickfuse_feed_intake_messages_total", "taken") >= events, LONG_S)
        report, _ = engine.finish()
        self.residual_is_0(report)
        self.assertEqual((report["events"]["total"], report["sinks"][0]["acked"]), (events, report["decisions"]))
        return report

    # ---- losses ----

    def newest(self, partition):
        """(decision_seq, epoch) of its last decision."""
        stream = f"D_{partition:04}"
        found = self.server.newest(stream, f"{stream}.decisions.>")
        return (fields(found[2])[0], fields(found[2])[3]) if found else (0, 0)

    def all_newest(self):
        return [self.newest(p) for p in range(self.PARTITIONS)]

    def wait_for_later_epochs(self, kind, when, before):
        self.failovers.append((kind, when, before))
        wait_until(f"{kind}: others decide", lambda: all(self.newest(p)[1] > epoch for p, epoch in before.items()), LONG_S)

    def lose_member(self, name):
        held = self.group.held_by(name)
        before = {p: self.newest(p)[1] for p in held}
        when = time.time_ns()
        self.group.kill(name)
        self.wait_for_later_epochs("member", when, before)
        self.group.start(name)

    def lose_pause(self, name):
        before = {p: self.newest(p)[1] for p in self.group.held_by(name)}
        when = time.time_ns()
        self.group.send(name, signal.SIGSTOP)
        self.wait_for_later_epochs("pause", when, before)
        self.group.send(name, signal.SIGCONT)

    def lose_engine(self, name, by=signal.SIGKILL, kind="engine"):
        def signalled():
            with contextlib.suppress(ProcessLookupError, IndexError):  # it ended by itself meanwhile, or there is none
                partition, pid = random.choice(list(self.group.engines(name).items()))
                before, when = {partition: self.newest(partition)[1]}, time.time_ns()
                os.kill(pid, by)
                return when, before
            return None

        self.wait_for_later_epochs(kind, *wait_until(f"{name} has an engine", signalled, LONG_S))

    def lose_still(self, name):
        """An engine that stands still while its supervisor does not."""
        self.lose_engine(name, signal.SIGSTOP, "still")

    def lose_broker(self, _):
        before = self.all_newest()
        self.server.kill()
        self.server.start()
        wait_until("broker: all decide", lambda: all(now > then for now, then in zip(self.all_newest(), before)), LONG_S)

    def lose(self):
        begin = time.monotonic()
        for number in itertools.count():
            if number >= len(self.LOSSES) and time.monotonic() - begin >= self.SECONDS:
                return number
            name = self.MEMBERS[number % len(self.MEMBERS)]
            wait_until(f"{name} has partitions", lambda: self.group.engines(name), LONG_S)
            getattr(self, f"lose_{self.LOSSES[number % len(self.LOSSES)]}")(name)
            if self.SECONDS:
                time.sleep(max(0, begin + (number + 1) * self.PERIOD - time.monotonic()))

    # ---- what they decided ----

    def decisions(self, stream):
        """[(instrument's subject, record)]"""
        return [(subject.split(".", 2)[2], body) for subject, body in self.server.read_long(stream) if subject != f"{stream}.epoch"]

    def merged(self, ids):
        """Of all partitions, as one engine numbers: the cause by its event's place in EVENTS, decisions in that order, instruments by ids."""
        places, rows = [[] for _ in range(self.PARTITIONS)], []
        for place, (subject, _) in enumerate(self.server.read_long("EVENTS"), 1):
            places[int(subject.split(".")[2])].append(place)
        self.assertTrue(all(places), "each partition has events")
        for p, stream in enumerate(self.streams()):
            got = self.decisions(stream)
            self.assertEqual([fields(record)[0] for _, record in got], list(range(1, len(got) + 1)), f"{stream}: no gap, no duplicate")
            epochs = [fields(record)[3] for _, record in got]
            self.assertEqual(epochs, sorted(epochs), f"{stream}: epochs follow one another")
            self.took_over(p, got)
            rows += [(places[p][fields(record)[1] - 1], fields(record)[0], ids[name], record) for name, record in got]
        return [struct.pack("<QQ", seq, place) + record[16:40] + struct.pack("<I", number) + record[44:]
                for seq, (place, _, number, record) in enumerate(sorted(rows), 1)]

    def took_over(self, partition, got):
        """Until the first decision of a successor, for each loss of this partition."""
        for kind, when, before in self.failovers:
            if partition in before:
                first = next(fields(record) for _, record in got if fields(record)[3] > before[partition])
                self.times.setdefault(kind, []).append((first[2] - when) / 1e9)

    def same(self, got, want):
        for number, (a, b) in enumerate(zip(got, want), 1):
            self.assertEqual(masked(a), masked(b), f"decision {number}: {fields(a)} and of one engine {fields(b)}")
        self.assertEqual(len(got), len(want))

    def ended_in_order(self):
        """Every engine that ended in order says what its ledger came to."""
        said = [line.split()[2] for p in range(self.PARTITIONS)
                for line in pathlib.Path(self.group.dir, f"{p:04}.log").read_text(errors="replace").splitlines() if line.startswith("ledger ")]
        self.assertGreaterEqual(len(said), self.PARTITIONS)
        self.assertEqual(set(said), {"0"})

    def test_decisions_are_one_engines_whoever_is_lost(self):
        self.times = {}
        recorder = self.record()
        for name in self.MEMBERS:
            self.group.start(name)
        wait_until("all decide", lambda: all(seq for seq, _ in self.all_newest()), LONG_S)
        number = self.lose()
        report, _ = recorder.finish()
        self.residual_is_0(report)
        whole = self.one()["decisions"]
        wait_until("all is decided", lambda: sum(seq for seq, _ in self.all_newest()) >= whole, LONG_S)
        for name in self.MEMBERS:
            self.group.end(name)
        self.ended_in_order()
        one = self.decisions("ONE")
        ids = {name: struct.unpack_from("<I", record, 40)[0] for name, record in one}
        self.same(self.merged(ids), [record for _, record in one])
        print(f"{number} losses, {whole} decisions; seconds until the successor's first decision: " + "; ".join(
            f"{kind} p50 {statistics.median(times):.2f} max {max(times):.2f} ({len(times)})" for kind, times in self.times.items()), file=sys.stderr)


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class EnginesOverRedis(Engines, unittest.TestCase):
    """The table and the snapshots in a Redis, which is lost too, with all that it had."""
    LOSSES = ("member", "store", "pause", "data")

    def store(self):
        self.redis = self.enterContext(Redis())
        return f'store: redis, url: "redis://127.0.0.1:{self.redis.port}"'

    def lose_store(self, _, lose=None):
        before = self.all_newest()
        (lose or self.redis.kill)()
        time.sleep(3)  # longer than a lease: nobody holds anything any more
        self.redis.start()
        wait_until("store: all decide", lambda: all(now[1] > then[1] for now, then in zip(self.all_newest(), before)), LONG_S)

    def lose_data(self, _):
        self.lose_store(None, self.redis.lose)


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class HeldUp(unittest.TestCase):
    """A sink whose broker stands still holds its engine up: nothing is dropped, though no queue has room for what is read meanwhile. Nor is it
    when the engine ends meanwhile: its successor makes again what was not delivered."""
    STRATEGIES = "strategies: [" + ", ".join(f'{{name: s{n}, buy: "spread > 0", books: all}}' for n in range(16)) + "]"

    def setUp(self):
        events, self.decisions = self.enterContext(Nats()), self.enterContext(Nats())
        self.group = self.enterContext(Group("dir"))
        url, where = (f"nats://127.0.0.1:{server.port}" for server in (events, self.decisions))
        path = pathlib.Path(self.group.dir, "one.yaml")
        path.write_text(f"feeds: [{{name: main, venue: binance-spot}}]\n{FEATURES}\n{self.STRATEGIES}\nsinks: [{{type: nats, url: \"{url}\", "
                        "stream: EVENTS, stream_create: true, carries: events, partitions: 2, policy: block}]\n")
        self.whole = json.loads(run("replay", path, "--input", INPUT, "--json")[0])["decisions"]
        config = WHOLE.format(url=where, dir=self.group.dir, partitions=2, features=FEATURES, strategies=self.STRATEGIES,
                              store=f'store: dir, dir: "{self.group.dir}/store"', wall=WALL.format(url=url, cut="partitions: 2, "))
        pathlib.Path(self.group.config).write_text(config.replace("policy: block", "policy: block, slots: 64, drain: 100ms").replace(
            "log_level: info", "log_level: info, decision_ring_slots: 64"))
        self.decisions.make("D_0000")
        self.decisions.make("D_0001")
        self.decisions.pause()
        self.group.start("a")
        wait_until("the queues are full", lambda: all((row["decisions_behind"] or 0) >= 64 for row in self.group.status()["partitions"]), LONG_S)

    def none_is_missing(self):
        streams = ("D_0000", "D_0001")
        wait_until("all is decided", lambda: sum(fields(last[2])[0] for stream in streams
                                                 if (last := self.decisions.newest(stream, f"{stream}.decisions.>"))) >= self.whole, LONG_S)
        self.group.end("a")
        for stream in streams:
            got = [fields(body)[0] for subject, _, body in self.decisions.read(stream) if subject.split(".")[1] == "decisions"]
            self.assertEqual(got, list(range(1, len(got) + 1)), stream)
            self.whole -= len(got)
        self.assertEqual(self.whole, 0)

    def test_a_sink_that_stands_still_costs_no_decision(self):
        time.sleep(3)  # longer than block_max lets another live engine wait
        self.decisions.resume()
        self.none_is_missing()

    def test_an_engine_that_ends_while_its_sink_stands_still_leaves_no_hole(self):
        self.group.end("a")
        self.decisions.resume()
        self.group.start("a")
        self.none_is_missing()


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(77)
    unittest.main(verbosity=2)

"""tickfuse group: members, leases and engines. A small program stands for the engine, so what is looked at is who runs which partition
when: in each partition's file the epochs never go down, however members die, stand still or lose the store."""
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from brokers import Nats, wait_until
from harness import ROOT, TICKFUSE, run
from test_brokers import Pump

PARTITIONS = 6
ENGINE = ROOT / "tests" / "e2e" / "fake_engine.py"
CONFIG = """
feeds: [{{name: main, venue: binance-spot, instruments: [BTCUSDT]}}]
features: [mid]
control: {{path: "{dir}/beats.{{partition}}"}}
group: {{name: spot, partitions: {partitions}, lease: 3s, store: {store}, {where}, program: "{dir}/engine"}}
"""


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

    def start(self, name):
        self.members[name] = subprocess.Popen([TICKFUSE, "group", self.config, "--set", f"group.member={name}", "--json"],
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

    def test_a_group_wants_a_name_and_a_place(self):
        with self.group() as group:
            config = pathlib.Path(group.config)
            text = config.read_text()
            config.write_text(text.replace("name: spot, ", ""))
            self.assertIn("group.name", run("group", group.config, expect=2)[1])
            config.write_text(text.replace("store: dir", "store: nats"))
            self.assertIn("group.url", run("group", group.config, expect=2)[1])


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class JetStream(Members, unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Nats())

    def group(self):
        return Group("nats", f'url: "nats://127.0.0.1:{self.server.port}"')

    @staticmethod
    def stands_still(sizes):
        before = sizes()
        time.sleep(0.3)
        return sizes() == before

    def test_a_server_that_is_away_for_longer_than_a_lease_stops_all_and_they_go_on(self):
        with self.group() as group:
            group.start("a")
            group.start("b")
            self.shares(group, 3, 3)
            before = group.epochs()
            self.server.kill()
            sizes = lambda: [len(group.beats(p)) for p in range(PARTITIONS)]
            wait_until("nobody runs", lambda: self.stands_still(sizes))
            self.server.start()
            wait_until("all live again", lambda: all(now > then for now, then in zip(group.epochs(), before)))
            group.check_order(self)


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


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(77)
    unittest.main(verbosity=2)

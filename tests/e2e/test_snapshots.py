"""Stop and go on exactly: an engine that is killed over and over leaves the journal of one that was not."""
import errno
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import brokers
from harness import DATA, ROOT, SMALL, TICKFUSE, main, run, wait_until

MADE = SMALL / "binance_usdm_made.txt"
REAL = DATA / "binance-usdm" / "btcusdt_20240808.gz"
KILLS = 30
CONFIG = """
engine: {{log_level: notice, snapshot: {snap}, snapshot_every: 10ms, snapshot_restore: exact, lanes: [{lanes}]}}
feeds: [{{name: main, venue: binance-usdm, channels: [trade, quote, book], instruments: ["*"]}}]
bars: {{s1: 1s, t20: 20 ticks}}
features: [mid, "zscore(mid, 50)", "ofi(2s)", "imbalance(5)", "rsi(s1.close, 5)", "ema(t20.close, 3)"]
strategies:
  - {{name: a, buy: "zscore(mid,50) < -1", buy_until: "zscore(mid,50) > 0", sell: "zscore(mid,50) > 1", cooldown: 300ms,
     max_rate: 3/10s, books: all}}
  - {{name: b, buy: "ofi(2s) > 3", sell: "rsi(s1.close,5) < 40", max_rate: 5/1s, books: all}}
"""
ONE, THREE = "{stages: all}", "{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}"


def first_lines(path):
    """The deterministic halves of a journal's decisions, in order."""
    data = path.read_bytes()
    at, lines = 64, []
    while at + 64 <= len(data):
        kind, cnt = struct.unpack_from("<II", data, at + 4)
        if kind == 1:
            lines += [data[at + 64 + i * 128:at + 64 + i * 128 + 64] for i in range(cnt)]
        at += 64 + cnt * 128
    return lines


class Snapshots(unittest.TestCase):
    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="tf_snapshots_"))
        self.addCleanup(shutil.rmtree, self.tmp)
        self.snap, self.journal = self.tmp / "s.snap", self.tmp / "d.journal"

    def command(self, source, *args, lanes=ONE, snap=None, journal=None):
        path = self.tmp / "config.yaml"
        path.write_text(CONFIG.format(snap=snap or self.snap, lanes=lanes))
        return ["replay", path, "--input", f"binance-usdm:{source}", "--decisions", journal or self.journal, "--json", *args]

    def whole(self, source, lanes=ONE):
        journal = self.tmp / "whole.journal"
        out, _ = run(*self.command(source, lanes=lanes, snap=self.tmp / "whole.snap", journal=journal))
        lines = first_lines(journal)
        self.assertGreater(len(lines), 200)
        return lines, json.loads(out)

    def check_kills(self, source, speed, lanes):
        lines, summary = self.whole(source, lanes)
        rng = random.Random(20261122)
        for at in sorted(rng.uniform(0, 0.95) for _ in range(KILLS)):
            self.kill_at(self.command(source, "--speed", speed, lanes=lanes), int(at * len(lines)))
        out, err = run(*self.command(source, lanes=lanes))
        done = json.loads(out)
        self.assertEqual(first_lines(self.journal), lines)
        self.assertEqual(done["decisions_hash"], summary["decisions_hash"])
        self.assertEqual(done["events_hash"], summary["events_hash"])
        self.assertEqual(done["ledger"]["residual"], 0)
        self.assertIn("snapshot_continued", err)

    def kill_at(self, command, decision_cnt):
        """Runs it until the journal has so many decisions, or it comes to its end; then kill -9."""
        with open(self.tmp / "life.txt", "w", encoding="utf-8") as log:
            process = subprocess.Popen([TICKFUSE, *map(str, command)], stdout=log, stderr=log, cwd=ROOT)
        while process.poll() is None:
            if self.journal.exists() and len(first_lines(self.journal)) >= decision_cnt:
                process.kill()
                process.wait()
            time.sleep(0.005)
        self.assertIn(process.returncode, (0, -9), (self.tmp / "life.txt").read_text())

    def test_thirty_kills_leave_the_journal_of_one_run(self):
        self.check_kills(MADE, "20x", ONE)

    def test_thirty_kills_of_a_real_recording_on_three_threads(self):
        if not REAL.exists():
            self.skipTest(f"{REAL} is not there")
        self.check_kills(REAL, "200x", THREE)

    def test_what_it_goes_on_from_and_where_it_stops_may_be_on_other_threads(self):
        lines, summary = self.whole(MADE)
        self.kill_at(self.command(MADE, "--speed", "20x", lanes=ONE), len(lines) // 2)
        out, _ = run(*self.command(MADE, lanes=THREE))
        self.assertEqual(first_lines(self.journal), lines)
        self.assertEqual(json.loads(out)["decisions_hash"], summary["decisions_hash"])

    def test_from_snapshot_is_the_two_keys(self):
        lines, _ = self.whole(MADE)
        self.kill_at(self.command(MADE, "--speed", "20x"), len(lines) // 2)
        moved = self.tmp / "moved.snap"
        for name in (self.snap, self.snap.with_name("s.snap.1")):
            if name.exists():
                shutil.copy(name, moved)
                break
        run(*self.command(MADE, "--set", "engine.snapshot_restore=learnt", "--from-snapshot", moved))
        self.assertEqual(first_lines(self.journal), lines)

    def test_a_journal_of_other_decisions_is_told_and_ends_the_sink(self):
        run(*self.command(MADE))
        before = self.journal.read_bytes()
        for name in self.tmp.glob("s.snap*"):
            name.unlink()
        _, err = run(*self.command(MADE, "--set", "strategies.0.buy=mid > 0"), expect=1)
        self.assertIn("E_SINK_FENCED", err)
        self.assertIn("is another than the one that this engine makes", err)
        self.assertEqual(first_lines(self.journal), self.lines_of(before))

    def lines_of(self, data):
        path = self.tmp / "before.journal"
        path.write_bytes(data)
        return first_lines(path)

    def test_another_recording_is_refused_and_nothing_is_decided(self):
        run(*self.command(MADE))
        before = first_lines(self.journal)
        other = self.tmp / "other.txt"
        other.write_text("".join(MADE.read_text().splitlines(keepends=True)[:-40]))
        _, err = run(*self.command(other), expect=1)
        self.assertIn("E_BOOT_SNAPSHOT", err)
        self.assertIn("it ends before that", err)
        self.assertEqual(first_lines(self.journal), before)

    def test_a_damaged_snapshot_gives_way_to_the_one_before(self):
        lines, _ = self.whole(MADE)
        self.kill_at(self.command(MADE, "--speed", "20x"), len(lines) // 2)
        for _ in range(2):
            run(*self.command(MADE))  # each leaves its last, and that of the one before
        self.assertTrue(self.snap.with_name("s.snap.1").exists())
        data = bytearray(self.snap.read_bytes())
        data[len(data) // 2] ^= 1
        self.snap.write_bytes(data)
        _, err = run(*self.command(MADE))
        self.assertIn("snapshot_refused", err)
        self.assertIn("snapshot_continued", err)
        self.assertEqual(first_lines(self.journal), lines)

    def test_a_place_that_takes_no_file_is_told_once_and_the_decisions_stay(self):
        lines, _ = self.whole(MADE)
        _, err = run(*self.command(MADE, "--speed", "20x", snap=self.tmp / "nowhere" / "s.snap"), expect=1)
        told = [line for line in err.splitlines() if "snapshot_not_written name=" in line]
        self.assertEqual(len(told), 1, err)
        self.assertIn("E_FILE_WRITE", told[0])
        self.assertIn("nowhere/s.snap.next.new: No such file or directory", told[0])
        self.assertEqual(first_lines(self.journal), lines)

    def test_another_configs_snapshot_is_refused_with_what_is_another(self):
        run(*self.command(MADE))
        before = first_lines(self.journal)
        _, err = run(*self.command(MADE, "--set", "bars.s1=2s"), expect=1)
        self.assertIn("E_BOOT_SNAPSHOT", err)
        self.assertIn("it was taken with other bars than", err)
        self.assertEqual(first_lines(self.journal), before)


class FullDisk(unittest.TestCase):
    """Its snapshots lie on a disk of 1 MiB, which is filled up while it runs and then has room again."""

    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="tf_snapshots_"))
        self.addCleanup(shutil.rmtree, self.tmp)
        self.disk = self.tmp / "disk"
        self.disk.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tickfuse_test", self.disk], capture_output=True, check=False)
        if mount.returncode:
            self.skipTest(f"no tmpfs may be mounted here: {mount.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        self.snap, self.journal = self.disk / "s.snap", self.tmp / "d.journal"

    def names(self):
        return self.snap, self.snap.with_name("s.snap.1")

    def fill(self, process):
        """To the last page, at a moment when no snapshot is being written."""
        while True:
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            if not list(self.disk.glob("s.snap.*ne*")):
                break
            process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        with open(self.disk / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)) == 4096:
                    pass
            except OSError as e:
                self.assertEqual(e.errno, errno.ENOSPC)
        kept = [name.read_bytes() for name in self.names()]
        process.send_signal(signal.SIGCONT)
        return kept

    def test_decisions_stay_older_snapshots_too_and_it_is_told_once(self):
        path, log = self.tmp / "config.yaml", self.tmp / "err.txt"
        path.write_text(CONFIG.format(snap=self.snap, lanes=THREE))
        command = ["replay", path, "--input", f"binance-usdm:{MADE}", "--decisions", self.journal, "--json"]
        with open(log, "w", encoding="utf-8") as err:
            process = subprocess.Popen([TICKFUSE, *map(str, command), "--speed", "1x"], stdout=subprocess.PIPE, stderr=err, cwd=ROOT)
        self.addCleanup(process.kill)

        def holds(condition):
            self.assertIsNone(process.poll(), log.read_text())
            return condition()

        wait_until(lambda: holds(lambda: all(name.exists() for name in self.names())), what="two snapshots")
        kept = self.fill(process)
        wait_until(lambda: holds(lambda: "snapshot_not_written" in log.read_text()), what="one that could not be written")
        more = len(first_lines(self.journal)) + 30  # in half a second, in which it is tried again and again
        wait_until(lambda: holds(lambda: len(first_lines(self.journal)) >= more), what="decisions")
        self.assertEqual([name.read_bytes() for name in self.names()], kept)
        (self.disk / "filler").unlink()
        wait_until(lambda: "snapshot_written_again" in log.read_text(), what="one that was written again")
        out, _ = process.communicate(timeout=60)
        err = log.read_text()
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(err.count("snapshot_not_written"), 1, err)
        self.assertIn("No space left on device", err)
        self.assertGreater(int(re.search(r"snapshot_written_again .*failed=(\d+)", err).group(1)), 1)
        self.assertEqual(json.loads(out)["ledger"]["residual"], 0)
        lines = first_lines(self.journal)
        for name in (self.journal, *self.names()):
            name.unlink()
        run(*command)
        self.assertEqual(first_lines(self.journal), lines)
        self.assertGreater(len(lines), 200)


class FromABroker(unittest.TestCase):
    """The source begins behind the position that the snapshot has of it."""
    EVENTS, LIVES = 1200, 12

    def setUp(self):
        if not shutil.which("nats-server"):
            self.skipTest("no nats-server here")
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="tf_snapshots_"))
        self.addCleanup(shutil.rmtree, self.tmp)
        self.broker = brokers.Nats()
        self.addCleanup(self.broker.kill)
        self.journal = self.tmp / "d.journal"

    def events(self):
        rng, mid = random.Random(4), 10000
        for i in range(self.EVENTS):
            mid += rng.choice((-1, 0, 1))
            yield json.dumps({"instrument": rng.choice(("BTC.DESK", "ETH.DESK")), "kind": "quote", "bid_price": str(mid - 1),
                              "bid_qty": "1.0", "ask_price": str(mid + 1), "ask_qty": "2.0",
                              "ts_recv_ns": 1700000000000000000 + i * 7000000}).encode()

    def publish(self, stream, events, last):
        client = self.broker.client()
        for e in events:
            client.socket.sendall(b"PUB %s.a %d\r\n%s\r\n" % (stream.encode(), len(e), e))
        while client.api(f"INFO.{stream}")["state"]["last_seq"] < last:
            time.sleep(0.01)
        client.close()

    def put_ns(self, stream):
        snap = self.tmp / f"{stream}.snap"
        return snap.stat().st_mtime_ns if snap.exists() else 0

    def life(self, stream, decision_cnt, end):
        """Runs it until the journal has so many decisions, then ends it by that signal; its standard error."""
        path = self.tmp / "c.yaml"
        path.write_text(
            f"engine: {{log_level: notice, snapshot: {self.tmp}/{stream}.snap, snapshot_every: 10ms, snapshot_restore: exact}}\n"
            f'feeds: [{{name: bus, venue: events, from: nats, broker: "nats://127.0.0.1:{self.broker.port}", stream: {stream},\n'
            "         start: all, times: kept, instruments: [BTC.DESK, ETH.DESK]}]\n"
            'features: [mid, "zscore(mid, 50)"]\n'
            'strategies: [{name: a, buy: "zscore(mid,50) < -1", sell: "zscore(mid,50) > 1", books: all, max_rate: 3/10s}]\n'
            f"sinks: [{{type: journal, path: {self.journal}}}]\nhttp: {{listen: off}}\n")
        before_ns = self.put_ns(stream)
        with open(self.tmp / "life.txt", "w", encoding="utf-8") as log:
            process = subprocess.Popen([TICKFUSE, "run", path, "--json"], stdout=log, stderr=log, cwd=ROOT)
        while process.poll() is None and (not self.journal.exists() or len(first_lines(self.journal)) < decision_cnt):
            time.sleep(0.005)
        while end == signal.SIGINT and process.poll() is None and self.put_ns(stream) <= before_ns:
            time.sleep(0.005)  # it takes signals by then
        process.send_signal(end)
        process.wait(timeout=60)
        text = (self.tmp / "life.txt").read_text()
        self.assertEqual(process.returncode, -9 if end == signal.SIGKILL else 0, text)
        return text

    def test_kills_leave_the_journal_of_one_run(self):
        events = list(self.events())
        self.broker.make("WHOLE")
        self.publish("WHOLE", events, len(events))
        self.life("WHOLE", len(events), signal.SIGINT)
        whole = first_lines(self.journal)
        self.assertEqual(len(whole), len(events))
        self.journal.unlink()
        self.broker.make("PARTS")
        rng, part, continued = random.Random(5), len(events) // self.LIVES, 0
        for i in range(self.LIVES):
            self.publish("PARTS", events[i * part:(i + 1) * part], (i + 1) * part)
            continued += "snapshot_continued" in self.life("PARTS", i * part + rng.randrange(1, part), signal.SIGKILL)
        text = self.life("PARTS", len(events), signal.SIGINT)
        self.assertIn("snapshot_continued", text)
        self.assertGreater(continued, self.LIVES // 2)
        self.assertEqual(first_lines(self.journal) == whole, True)
        summary = json.loads(text[text.index("\n{") + 1:text.rindex("\n}") + 2])
        self.assertEqual(summary["ledger"]["residual"], 0)

    def test_a_live_venue_is_not_gone_on_from_exactly(self):
        path = self.tmp / "c.yaml"
        path.write_text("engine: {snapshot: x.snap, snapshot_restore: exact}\n"
                        "feeds: [{name: main, venue: binance-usdm, instruments: [BTCUSDT]}]\nfeatures: [mid]\n")
        _, err = run("run", path, "--for", "1s", expect=2)
        self.assertIn("feed main is a live venue's: say learnt", err)


if __name__ == "__main__":
    main()

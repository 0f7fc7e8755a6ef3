"""A stream of NATS JetStream as a source (FAULTS F64, F65 from the other side): a real server, killed, stopped, emptied, far
away, or lying. What the intake hands on is compared with what a reader that shares no code with it finds in the stream.

The engine is intake_pump: an intake, its inbox, and a taker that prints."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import hostile_brokers
from brokers import Nats, wait_until
from chaostcp import ChaosTcp, Fault

PUMP = os.environ.get("INTAKE_PUMP", "build/dev/tests/adapters/source/intake_pump")
KILLS = int(os.environ.get("TF_KILLS", "6"))
LONG_S = 120


class Pump:
    """One intake in the background, and what it handed on: [(position, subject, bytes)]."""

    def __init__(self, port, stream, *more):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="tickfuse-intake-")
        self.process = subprocess.Popen([PUMP, "nats", f"nats://127.0.0.1:{port}", stream, *more], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.got, self.counted = [], []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("counts "):
                self.counted.append(json.loads(line[7:]))
            else:
                position, _, subject, body = line.rstrip("\n").split(" ", 3)
                self.got.append((int(position), subject, body))

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def counts(self):
        seen = len(self.counted)
        self.tell("counts")
        wait_until("counts", lambda: len(self.counted) > seen or self.process.poll() is not None)
        return self.counted[-1]

    def wait_for_count(self, name, at_least):
        wait_until(f"{name} of {at_least}", lambda: self.counts()[name] >= at_least, LONG_S)
        return self

    def wait_for(self, many):
        try:
            wait_until(f"{many} messages", lambda: len(self.got) >= many, LONG_S)
        except AssertionError as late:
            raise AssertionError(f"{late}; {len(self.got)} came\n{self.said()[-3000:]}") from None
        return self

    def wait_for_word(self, pattern):
        wait_until(pattern, lambda: re.search(pattern, self.said()), LONG_S)

    def said(self):
        with open(self.log.name) as log:
            return log.read()

    def end(self):
        """Closes it; its last counts."""
        self.process.stdin.close()
        code = self.process.wait(LONG_S)
        self.reader.join()
        self.process.stdout.close()
        self.err = self.said()
        self.log.close()
        assert code == 0, self.err[-3000:]
        return self.counted[-1]


class Publisher:
    """Puts {"n": N} into the stream, N rising, and knows of each whether it was acknowledged."""

    def __init__(self, nats, stream):
        self.nats, self.stream, self.n, self.client = nats, stream, 0, None

    def connect(self):
        if not self.client:
            self.client = wait_until("a client", self.nats.client)

    def put(self, many, subject="{stream}.x", headers="", body=None):
        """Pipelined. What is in doubt when the server goes is left in doubt."""
        self.connect()
        try:
            for _ in range(many):
                self.n += 1
                text = body if body is not None else b'{"n":%d}' % self.n
                to = subject.format(stream=self.stream, n=self.n).encode()
                head = b"NATS/1.0\r\n" + headers.format(n=self.n).encode() + b"\r\n"
                if headers:
                    self.client.socket.sendall(b"HPUB %s %sa %d %d\r\n%s%s\r\n" % (to, self.client.inbox, len(head), len(head) + len(text), head, text))
                else:
                    self.client.socket.sendall(b"PUB %s %sa %d\r\n%s\r\n" % (to, self.client.inbox, len(text), text))
            for _ in range(many):
                self.client.message()
        except OSError:
            self.client = None

    def close(self):
        if self.client:
            self.client.close()
            self.client = None


def in_stream(nats, stream):
    return [(json.loads(body)["n"], subject) for subject, _, body in nats.read(stream)]


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class FromJetStream(unittest.TestCase):
    def setUp(self):
        self.nats = Nats()
        self.addCleanup(self.nats.__exit__)
        self.nats.make("D")
        self.publisher = Publisher(self.nats, "D")
        self.addCleanup(self.publisher.close)

    def pump(self, *more, port=None):
        pump = Pump(port or self.nats.port, "D", *more)
        self.addCleanup(lambda: pump.process.poll() is None and pump.process.kill())
        return pump

    def check(self, pump, behind=0):
        """What was handed on is what stands in the stream behind a number, each once, in order."""
        want = [n for n, _ in in_stream(self.nats, "D")]
        pump.wait_for(len(want) - behind)
        counts = pump.end()
        self.assertEqual([json.loads(body)["n"] for _, _, body in pump.got], want[behind:])
        positions = [position for position, _, _ in pump.got]
        self.assertEqual(positions, sorted(set(positions)))
        self.assertEqual(counts["messages"], counts["taken"] + counts["waiting"])
        self.assertEqual(counts["messages"], len(pump.got))
        return counts

    # ---- where it begins ----

    def test_all_is_from_the_first_message_and_goes_on_with_what_comes(self):
        self.publisher.put(3000)
        pump = self.pump("start=all").wait_for(3000)
        self.publisher.put(500)
        counts = self.check(pump)
        self.assertEqual((counts["position"], counts["lag"], counts["connects"], counts["errors"]), (3500, 0, 1, 0))
        self.assertEqual(pump.got[0][1], "D.x")

    def test_new_is_what_comes_from_the_connection_on_even_if_the_server_goes_before_anything_came(self):
        self.publisher.put(50)
        pump = self.pump("start=new").wait_for_count("is_up", 1)
        self.nats.kill()
        pump.wait_for_count("disconnects", 1)
        self.nats.start()
        self.publisher.close()
        self.publisher.put(20)
        self.check(pump, behind=50)

    def test_behind_a_position_is_the_next_message(self):
        self.publisher.put(50)
        self.check(self.pump("start=33"), behind=33)

    def test_a_stream_that_is_not_there_yet_is_waited_for_and_is_new_from_its_first_message(self):
        client = self.nats.client()
        client.api("DELETE.D")
        client.close()
        pump = self.pump("start=new")
        pump.wait_for_word("there is no stream D")
        self.nats.make("D")
        self.publisher.put(10)
        self.check(pump)

    # ---- partitions ----

    def test_two_consumers_take_two_partitions_and_nothing_of_each_other(self):
        pumps = [self.pump("start=all", "partitions=4", f"partition={p}") for p in (1, 3)]
        for p in (0, 1, 3, 2, 3, 1):
            self.publisher.put(200, subject="{stream}.events.%04d.VENUE.SYMBOL" % p)
        stored = in_stream(self.nats, "D")
        for p, pump in zip((1, 3), pumps):
            want = [n for n, subject in stored if f".{p:04d}." in subject]
            self.assertEqual(len(want), 400)
            pump.wait_for(400)
            counts = pump.end()
            self.assertEqual([json.loads(body)["n"] for _, _, body in pump.got], want)
            self.assertEqual((counts["gaps"], counts["errors"]), (0, 0))

    def test_an_idle_partition_is_not_told_of_gaps_while_others_run_over(self):
        self.nats.make("K", max_msgs=100)
        publisher = Publisher(self.nats, "K")
        publisher.put(1, subject="K.events.0003.V.S")
        pump = Pump(self.nats.port, "K", "start=all", "partitions=4", "partition=3").wait_for(1)
        for _ in range(6):
            publisher.put(300, subject="K.events.0001.V.S")
            time.sleep(0.3)  # the looks go on meanwhile; however many do, the answer is the same
        publisher.put(1, subject="K.events.0003.V.S")
        pump.wait_for(2)
        self.assertEqual(pump.end()["gaps"], 0)
        publisher.close()

    # ---- what breaks ----

    def test_a_server_that_is_killed_again_and_again_costs_no_message_and_doubles_none(self):
        pump = self.pump("start=all")
        for _ in range(KILLS):
            many = len(pump.got)
            self.publisher.connect()
            thread = threading.Thread(target=self.publisher.put, args=(20000,))
            thread.start()
            pump.wait_for(many + 500)
            self.nats.kill()
            thread.join()
            self.publisher.close()
            self.nats.start()
        self.publisher.put(10)
        counts = self.check(pump)
        self.assertEqual(counts["disconnects"], KILLS)
        self.assertEqual((counts["gaps"], counts["doubles"]), (0, 0))

    def test_a_server_that_stands_still_is_left_and_found_again(self):
        pump = self.pump("start=all")
        self.publisher.put(1000)
        pump.wait_for(1000)
        self.nats.pause()
        pump.wait_for_count("disconnects", 1)
        self.nats.resume()
        self.publisher.put(1000)
        self.check(pump)

    def test_messages_that_were_removed_are_told_to_the_number(self):
        self.publisher.put(100)
        client = self.nats.client()
        for seq in (5, 6, 40):
            self.assertTrue(json.loads(client.ask("$JS.API.STREAM.MSG.DELETE.D", b'{"seq":%d}' % seq))["success"])
        pump = self.pump("start=all").wait_for(97)
        self.assertEqual(pump.counts()["gaps"], 3)
        client.close()
        self.assertEqual(self.check(pump)["gaps"], 3)

    def test_what_a_stream_dropped_while_nobody_read_is_told(self):
        self.nats.make("K", max_msgs=100)
        publisher = Publisher(self.nats, "K")
        publisher.put(1000)
        pump = Pump(self.nats.port, "K", "start=100").wait_for(100)
        self.assertEqual([json.loads(body)["n"] for _, _, body in pump.got], list(range(901, 1001)))
        self.assertEqual(pump.end()["gaps"], 800)
        publisher.close()

    def test_a_stream_that_was_made_anew_is_read_from_its_beginning(self):
        self.publisher.put(300)
        pump = self.pump("start=all").wait_for(300)
        self.nats.lose()
        self.publisher.close()
        self.nats.start()
        self.nats.make("D")
        self.publisher.put(100)
        pump.wait_for(400)
        counts = pump.end()
        self.assertIn("feed_stream_set_back", pump.err)
        self.assertEqual([json.loads(body)["n"] for _, _, body in pump.got], list(range(1, 401)))
        self.assertEqual(counts["position"], 100)

    def test_what_a_sink_of_ours_writes_again_into_an_emptied_stream_is_not_taken_twice(self):
        ids = "Nats-Msg-Id: D-{n}\r\nContent-Type: application/x-ndjson\r\n"
        self.publisher.put(300, headers=ids)
        pump = self.pump("start=all").wait_for(300)
        self.nats.lose()
        self.publisher.close()
        self.nats.start()
        self.nats.make("D")
        self.publisher.n = 250  # what its spool still has
        self.publisher.put(100, headers=ids)
        pump.wait_for(350)
        counts = pump.end()
        self.assertEqual([json.loads(body)["n"] for _, _, body in pump.got], list(range(1, 351)))
        self.assertEqual(counts["doubles"], 50)

    # ---- bounds ----

    def test_a_full_inbox_stops_the_reading_and_loses_nothing(self):
        pump = self.pump("start=all", "inbox=65536", "max=16384")
        pump.tell("hold")
        pump.counts()
        for _ in range(10):
            self.publisher.put(1000)
        pump.wait_for_count("busy", 1)
        held = pump.counts()
        self.assertLess(held["messages"], 2000)
        self.assertEqual(pump.got, [])
        pump.tell("go")
        counts = self.check(pump)
        self.assertEqual(counts["errors"], 0)

    def test_bounds_of_a_message_at_one_below_at_and_above(self):
        for size in (4095, 4096, 4097):
            self.publisher.put(1, body=b"x" * size)
        self.publisher.put(1, body=b"")
        for chars in (253, 254, 255):  # with "D."; 255 are as long as an inbox takes
            self.publisher.put(1, subject="{stream}." + "s" * chars, body=b"long")
        self.publisher.put(1, body=b"cbor", headers="Content-Type: application/cbor-seq\r\n")
        self.publisher.put(1, body=b"end")
        pump = self.pump("start=all", "max=4096", "inbox=16384").wait_for(4)
        counts = pump.end()
        self.assertEqual([(position, len(body)) for position, _, body in pump.got], [(1, 4095), (2, 4096), (5, 4), (9, 3)])
        self.assertEqual(counts["refused"], 5)
        self.assertEqual(counts["position"], 9)

    def test_a_message_far_beyond_what_is_taken_is_passed_over(self):
        """8 MiB, of a server that allows it: refused, and what is behind it comes."""
        with Nats(conf="max_payload: 8388608") as nats:
            nats.make("D")
            publisher = Publisher(nats, "D")
            publisher.put(1)
            publisher.put(1, body=b"x" * (8388608 - 100))
            publisher.put(1)
            pump = Pump(nats.port, "D", "start=all").wait_for(2)
            counts = pump.end()
            publisher.close()
        self.assertEqual((counts["refused"], counts["errors"]), (1, 0))

    # ---- far away, and hostile ----

    def test_a_server_three_seconds_away_is_read_from(self):
        self.publisher.put(3000)
        with ChaosTcp(self.nats.port, lambda number: Fault(delay_s=3)) as far:
            pump = self.pump("start=all", port=far.port).wait_for(3000)
            self.publisher.put(10)
            counts = self.check(pump)
        self.assertEqual((counts["connects"], counts["disconnects"]), (1, 0))

    def test_connections_that_break_anywhere_cost_nothing(self):
        """Each is cut after so many bytes of the server's, in the middle of messages, of answers and of the login."""
        self.publisher.put(5000)
        cuts = [200, 700, 1500, 2000, 3000, 7000, 20000, 50000, 100003]
        with ChaosTcp(self.nats.port, lambda number: Fault(reset_at=cuts[number]) if number < len(cuts) else Fault()) as line:
            counts = self.check(self.pump("start=all", port=line.port))
        self.assertGreaterEqual(counts["errors"], len(cuts) - 1)
        self.assertEqual(counts["gaps"], 0)

    def test_what_a_hostile_server_says_ends_a_connection_and_nothing_else(self):
        scenes = hostile_brokers.source_scenes()
        slices = [scenes[i:i + 6] for i in range(0, len(scenes), 6)]  # few: each trouble puts the next try off
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.hear_lies, slices))

    def hear_lies(self, scenes):
        with hostile_brokers.lying("nats", scenes) as liar:
            pump = Pump(liar.port, "D", "start=all")
            try:
                wait_until("every lie is told", lambda: liar.played == len(scenes) or pump.process.poll() is not None, 400)
                counts = pump.end()
            finally:
                pump.process.kill()
        self.assertEqual([body for _, _, body in pump.got if body != "truth"], [])
        self.assertGreaterEqual(counts["errors"], len(scenes) - 1)

    def test_a_login_that_is_refused_is_said_and_the_right_one_serves(self):
        with Nats(conf="authorization { user: u, password: right }", login={"user": "u", "pass": "right"}) as nats:
            nats.make("D")
            publisher = Publisher(nats, "D")
            publisher.put(10)
            secret = f"{nats.dir}/secret"
            for password, word in (("wrong", "Authorization"), ("right", None)):
                with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    file.write(password)
                pump = Pump(nats.port, "D", "start=all", "user=u", f"password_file={secret}")
                if word:
                    pump.wait_for_word(word)
                    self.assertNotIn("wrong", pump.said())
                else:
                    pump.wait_for(10)
                pump.end()
            publisher.close()


if __name__ == "__main__":
    if getattr(FromJetStream, "__unittest_skip__", False):
        print(f"skipped: {FromJetStream.__unittest_skip_why__}")
        sys.exit(77)
    unittest.main(verbosity=2)

"""Exactly once into NATS JetStream and Redis Streams (FAULTS F64, F65): real servers, killed, stopped, emptied, and with
their answers lost; afterwards the stream holds every record once and in order, as a reader that shares no code says.

The engine is broker_pump, an emit with one sink, which takes a hundredth of the time to start and is killed as often as one
likes: TF_KILLS=10000 for the whole of the acceptance; by default a sample."""
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import brokers
import hostile_brokers
from brokers import AckThief, Nats, Redis, wait_until
from ports import free_port

PUMP = os.environ.get("BROKER_PUMP", "build/dev/tests/adapters/sink/broker_pump")
KILLS = int(os.environ.get("TF_KILLS", "25"))
KILLS_A_SERVER = 250  # what it holds is read again at each of its starts
SHORT_WINDOW = {"duplicate_window": 100_000_000}  # ns, the least that nats-server takes


ENDLESS = 1 << 40


class Pump:
    """One engine, in the background. What it logs goes into a file, so that a test may wait for a line."""

    def __init__(self, broker, up_to, *more, url=None, port=None, stream="D"):
        url = url or f"{broker.scheme}://127.0.0.1:{port or broker.port}"
        self.log = tempfile.NamedTemporaryFile("w+", prefix="tickfuse-pump-")
        self.process = subprocess.Popen([PUMP, broker.type, url, stream, str(up_to), *more], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)

    def said(self):
        with open(self.log.name) as log:
            return log.read()

    def wait_for(self, pattern):
        wait_until(pattern, lambda: re.search(pattern, self.said()))
        return self

    def wait_for_spool(self, folder, bytes_min):
        wait_until("a spool that fills", lambda: sum(f.stat().st_size for f in pathlib.Path(folder).glob("spool*")) > bytes_min)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def wait(self):
        """(counts, what it logged, exit status)"""
        out, _ = self.process.communicate(timeout=180)
        lines = out.splitlines()
        return (json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}), self.said(), self.process.returncode

    def stop(self):
        """It offers no more, and delivers what it has."""
        self.process.terminate()
        return self.wait()


def record_problem(seq, record):
    if len(record) != 128:
        return f"{len(record)} bytes"
    price = (seq * 0x9e3779b97f4a7c15 & (1 << 64) - 1) >> 20
    got = struct.unpack_from("<QQ", record) + struct.unpack_from("<q", record, 32)
    return None if got == (seq, seq * 3, price) else f"holds {got}"


class Exactly:
    """What both brokers owe. Each test has a server of its own."""

    def pump(self, *args, **kwargs):
        p = Pump(*args, **kwargs)
        self.addCleanup(p.kill)
        return p

    def check_ended(self, counts, err, code, **expected):
        self.assertEqual(code, 0, err[-3000:])
        for name, value in expected.items():
            self.assertEqual(counts[name], value, f"{name} in {counts}\n{err[-2000:]}")
        self.assertEqual(counts["pending"] + counts["dropped_closed"] + counts["dropped_broken"], 0, counts)
        return counts, err

    def finish(self, pump, **expected):
        return self.check_ended(*pump.wait(), **expected)

    def stop(self, pump, **expected):
        """Ends an endless one: the counts, and what it logged."""
        return self.check_ended(*pump.stop(), **expected)

    def grows(self, broker, by=200):
        """Waits until the stream has so many records more."""
        begin = broker.last("D")
        return wait_until("records arrive", lambda: (n := broker.last("D")) >= begin + by and n)

    def refused(self, broker, pattern, *more):
        """Nothing is taken, and the log says why."""
        counts, err, _ = self.pump(broker, ENDLESS, "drain_ms=50", *more).wait_for(pattern).stop()
        self.assertEqual(counts["acked"], 0)
        return err

    def check(self, broker, last, first=1, stream="D"):
        entries = broker.read(stream)
        seqs = [self.seq_of(e) for e in entries]
        self.assertEqual(seqs, list(range(first, last + 1)))
        for entry, seq in zip(entries, seqs):
            self.assertIsNone(record_problem(seq, entry[2]), f"record {seq}")

    def test_records_come_in_each_format(self):
        with self.server() as broker:
            for first, form in ((1, "binary"), (101, "json"), (201, "cbor")):
                self.finish(self.pump(broker, first + 99, f"format={form}"), acked=100)
            entries = broker.read("D")
            self.assertEqual([self.seq_of(e) for e in entries], list(range(1, 301)))
            self.assertIsNone(record_problem(7, entries[6][2]))
            self.assertEqual(json.loads(entries[150][2])["decision_seq"], 151)
            self.assertEqual(entries[250][2][0] >> 5, 5, "a CBOR map")

    def test_a_later_engine_goes_on_behind_the_tail(self):
        with self.server() as broker:
            for last in (1, 2, 50, 50, 1000):
                self.finish(self.pump(broker, last))
            self.check(broker, 1000)

    def test_of_two_writers_an_overtaken_one_ends_and_takes_nothing_for_its_own(self):
        """Both live and number alike: what each counts as delivered are entries of its own."""
        with self.server() as broker:
            first = self.pump(broker, ENDLESS, "pause_us=500")
            self.grows(broker)
            both = [first, self.pump(broker, ENDLESS, "pause_us=500")]
            wait_until("the fence", lambda: any("E_SINK_FENCED" in pump.said() for pump in both))
            counts = [pump.stop()[0] for pump in both]
            seqs = [self.seq_of(entry) for entry in broker.read("D")]
            self.assertEqual(seqs, sorted(set(seqs)))
            self.assertLessEqual(sum(c["acked"] for c in counts), len(seqs), counts)

    def test_kills_of_engine_and_broker_with_answers_lost(self):
        """Each round an engine is killed, each fourth with the broker, and each ninth answer is lost."""
        rng = random.Random(8)
        for begun in range(0, KILLS, KILLS_A_SERVER):
            self.check_kills(rng, min(KILLS_A_SERVER, KILLS - begun))

    def check_kills(self, rng, cnt):
        with self.server() as broker, AckThief(broker, 9) as thief:
            last = 0
            for number in range(cnt):
                pump = self.pump(broker, ENDLESS, "pause_us=100", port=thief.port)
                goal = last + rng.randrange(1, 60)
                last = wait_until("records arrive", lambda: (n := broker.last("D")) >= goal and n)
                if number % 4 == 3:
                    broker.kill()
                    time.sleep(rng.random() * 0.2)
                pump.kill()
                if number % 4 == 3:
                    broker.start()
                    self.assertGreaterEqual(broker.last("D"), last, "the broker lost what it had acknowledged")
                    last = broker.last("D")
            final = broker.last("D") + 500
            self.finish(self.pump(broker, final, port=thief.port))
            self.assertGreater(thief.stolen, 0)
            self.check(broker, max(final, broker.last("D")))  # what a killed one had on the way may reach further

    def test_an_engine_outlives_kills_of_its_broker(self):
        with self.server() as broker:
            pump = self.pump(broker, ENDLESS, "pause_us=2000")
            for _ in range(4):
                self.grows(broker)
                broker.kill()
                time.sleep(0.3)  # longer than the duplicate window
                broker.start()
            self.grows(broker)
            counts, _ = self.stop(pump)
            self.assertGreaterEqual(counts["disconnects"], 4)
            self.check(broker, counts["last_seq"])

    def test_answers_that_are_lost_are_no_double(self):
        with self.server() as broker, AckThief(broker, 5) as thief:
            self.finish(self.pump(broker, 3000, "pause_us=300", port=thief.port), acked=3000)
            self.assertGreater(thief.stolen, 3)
            self.check(broker, 3000)

    def test_a_broker_that_stands_still_is_waited_for(self):
        """Longer than an answer may take, and than the duplicate window: the connection is given up, and what the broker had
        in its socket all the while comes late, before or behind what a new connection sends."""
        with self.server() as broker:
            pump = self.pump(broker, ENDLESS, "pause_us=1000")
            self.grows(broker)
            broker.pause()
            pump.wait_for("sink_trouble")
            broker.resume()
            self.grows(broker)
            counts, _ = self.stop(pump)
            self.check(broker, counts["last_seq"])

    def test_a_broker_that_lost_its_data_is_told_and_served(self):
        with self.server() as broker:
            pump = self.pump(broker, ENDLESS, "pause_us=2000", "create=1")
            self.grows(broker)
            broker.lose()
            broker.start()
            self.check_lost(broker, pump)

    def test_a_stream_that_is_deleted_is_told_and_made_anew(self):
        with self.server() as broker:
            pump = self.pump(broker, ENDLESS, "pause_us=2000", "create=1")
            self.grows(broker)
            self.delete(broker)
            self.check_lost(broker, pump)

    def check_lost(self, broker, pump):
        pump.wait_for("sink_destination_lost")
        self.grows(broker)
        counts, _ = self.stop(pump)
        self.assertGreaterEqual(counts["errors"], 1)
        first = self.seq_of(broker.read("D")[0])
        self.check(broker, counts["last_seq"], first)

    def test_a_spool_bridges_an_outage_that_the_engine_did_not_outlive(self):
        """Longer than the duplicate window, too."""
        with self.server() as broker:
            spill = ("policy=spill", f"spool={broker.dir}/spool")
            self.finish(self.pump(broker, 500, *spill))
            broker.kill()
            self.pump(broker, 3000, *spill).wait_for_spool(broker.dir, 2500 * 128).kill()
            broker.start()
            self.finish(self.pump(broker, 4000, *spill))
            self.check(broker, 4000)

    def test_what_somebody_else_wrote_is_refused_by_name(self):
        with self.server() as broker:
            self.finish(self.pump(broker, 100))
            self.write_as_somebody_else(broker)
            self.refused(broker, "give the sink a (stream|key) of its own")

    def test_what_a_hostile_broker_says_ends_a_connection_and_nothing_else(self):
        """F66: each connection hears another lie; the sink counts it, says it, and comes again, until a broker is there that
        tells the truth."""
        scenes = hostile_brokers.scenes_of(self.type)
        slices = [scenes[i:i + 6] for i in range(0, len(scenes), 6)]  # few: each trouble puts the next try off
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.hear_lies, slices))
        with self.server() as broker:
            self.finish(self.pump(broker, 50), acked=50)

    def hear_lies(self, scenes):
        with hostile_brokers.lying(self.type, scenes) as liar:
            pump = self.pump(liar, ENDLESS, "pause_us=2000", "drain_ms=50")
            wait_until("every lie is told", lambda: liar.played == len(scenes) or pump.process.poll() is not None, 400)
            counts, err, code = pump.stop()
            self.assertEqual(code, 0, err[-3000:])
            self.assertEqual(counts["acked"], 0)
            self.assertGreaterEqual(counts["errors"], len(scenes) - 1)

    def test_a_wrong_or_missing_login_is_said_and_a_right_one_serves(self):
        with self.locked_server() as broker:
            secret, wrong = secret_file(broker.dir, "open sesame"), secret_file(broker.dir, "let me in")
            for more in ((), (*self.login, f"password_file={wrong}")):
                err = self.refused(broker, self.refusal, *more)
                self.assertNotIn("let me in", err)
            self.finish(self.pump(broker, 10, *self.login, f"password_file={secret}", "create=1"), acked=10)
            os.chmod(secret, 0o644)
            _, err, code = self.pump(broker, 10, *self.login, f"password_file={secret}").wait()
            self.assertEqual(code, 2)
            self.assertIn("chmod 600", err)


def secret_file(folder, text):
    path = f"{folder}/{len(os.listdir(folder))}.secret"
    with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text + "\n")
    return path


def has(type_, server):
    """Whether this build has the sink, and this machine the server."""
    tried = subprocess.run([PUMP, type_, "", "", "0"], capture_output=True, text=True, check=False)
    return shutil.which(server) and not tried.stderr.startswith("usage")


@unittest.skipUnless(has("nats", "nats-server"), "there is no nats-server, or the sink is left out")
class JetStream(Exactly, unittest.TestCase):
    type = "nats"
    login, refusal = ("user=engine",), r"(?i)authoriz"

    def server(self, **more):
        broker = Nats()
        broker.make("D", **SHORT_WINDOW, **more)
        return broker

    def locked_server(self):
        return Nats('authorization {user: engine, password: "open sesame"}',
                    login={"user": "engine", "pass": "open sesame"})

    @staticmethod
    def seq_of(entry):
        return int(entry[1]["Nats-Msg-Id"].removeprefix("D-"))

    @staticmethod
    def delete(broker):
        client = broker.client()
        client.api("DELETE.D")
        client.close()

    @staticmethod
    def write_as_somebody_else(broker):
        client = broker.client()
        client.ask("D.decisions.X.Y", b"hello")
        client.close()

    def test_a_stream_that_is_not_there_is_asked_for_by_name(self):
        with Nats() as broker:
            self.refused(broker, r"there is no stream D: make it with the subjects 'D.>', or set stream_create: true")
            self.finish(self.pump(broker, 5, "create=1", "keep=1000"), acked=5)
            self.check(broker, 5)

    def test_the_servers_own_last_id_is_not_needed(self):
        """nats-server 2.9 forgets the last id with its restart, once it is older than the window: the first message of a
        connection goes by the stream's sequence instead."""
        with self.server() as broker:
            self.finish(self.pump(broker, 100))
            time.sleep(0.3)
            broker.kill()
            broker.start()
            self.finish(self.pump(broker, 200), acked=100)
            self.check(broker, 200)

    def test_a_purged_stream_goes_on_where_it_was(self):
        """Within the window the server takes the ids of purged messages for duplicates: none may be lost by that."""
        with self.server() as broker:
            pump = self.pump(broker, ENDLESS, "pause_us=2000")
            self.grows(broker)
            client = broker.client()
            purged = client.api("PURGE.D")["purged"]
            client.close()
            self.grows(broker)
            counts, _ = self.stop(pump)
            self.check(broker, counts["last_seq"], purged + 1)

    def test_a_stream_whose_consumers_take_is_refused(self):
        with self.server(retention="workqueue") as broker:
            self.refused(broker, "its retention must be 'limits'")

    def test_subjects_are_for_consumers_to_filter_by(self):
        with self.server() as broker:
            self.finish(self.pump(broker, 3))
            self.assertEqual({e[0] for e in broker.read("D")}, {"D.decisions.UNKNOWN.0"})

    def test_without_jetstream_it_says_so(self):
        with Nats(jetstream="") as broker:
            self.refused(broker, "is JetStream enabled")

    def test_a_token_serves(self):
        with Nats('authorization {token: "open sesame"}', login={"auth_token": "open sesame"}) as broker:
            token = secret_file(broker.dir, "open sesame")
            self.finish(self.pump(broker, 50, "create=1", f"token_file={token}"), acked=50)

    def test_tls_serves_and_a_certificate_of_somebody_else_is_refused(self):
        with Tls("127.0.0.1") as good, Tls("localhost") as stranger:
            conf = f'tls {{cert_file: "{good.cert}", key_file: "{good.key}"}}'
            with Nats(conf, tls=True) as broker:
                self.refused(broker, "(?i)(ssl|certificate)", f"ca_file={stranger.cert}")
                self.finish(self.pump(broker, 50, "create=1", f"ca_file={good.cert}"), acked=50)
            conf = f'tls {{cert_file: "{stranger.cert}", key_file: "{stranger.key}"}}'
            with Nats(conf, tls=True) as broker:  # a good certificate, of another name
                self.refused(broker, "(?i)(ssl|certificate)", "create=1", f"ca_file={stranger.cert}")


class Tls:
    """A certificate of its own making for one name."""

    def __init__(self, name):
        self.dir = tempfile.mkdtemp(prefix="tickfuse-broker-")
        self.cert, self.key = f"{self.dir}/cert", f"{self.dir}/key"
        kind = "IP" if name[0].isdigit() else "DNS"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-keyout", self.key, "-out",
                        self.cert], check=True, capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


@unittest.skipUnless(has("redis", "redis-server"), "there is no redis-server, or the sink is left out")
class RedisStreams(Exactly, unittest.TestCase):
    type = "redis"
    login, refusal = (), "NOAUTH|WRONGPASS"

    def server(self):
        return Redis()

    def locked_server(self):
        return Redis("--requirepass", "open sesame", password="open sesame")

    @staticmethod
    def seq_of(entry):
        return int(entry[0].removesuffix("-0"))

    def delete(self, broker):
        self.ask(broker, "DEL", "D")

    def write_as_somebody_else(self, broker):
        self.ask(broker, "XADD", "D", "*", "hello", "world")

    @staticmethod
    def ask(broker, *words):
        client = broker.client()
        answer = client.ask(*words)
        client.close()
        return answer

    def errors(self, broker, name):
        """How often Redis answered so."""
        text = self.ask(broker, "INFO", "errorstats").decode()
        return sum(int(line.split("=")[1]) for line in text.splitlines() if line.startswith(f"errorstat_{name}:"))

    def test_a_full_memory_leaves_no_hole(self):
        """Redis refuses with OOM in the middle of a batch, and takes again when there is room: all or nothing of a batch."""
        with self.server() as broker:
            memory = self.ask(broker, "INFO", "memory").decode()
            used = int(re.search(r"used_memory:(\d+)", memory)[1])
            self.ask(broker, "CONFIG", "SET", "maxmemory", used + 400_000)
            pump, before = self.pump(broker, ENDLESS, "pause_us=100"), 0
            for more in range(1, 6):
                before = wait_until("the memory is full", lambda: (n := self.errors(broker, "OOM")) > before and n)
                self.ask(broker, "CONFIG", "SET", "maxmemory", used + 400_000 + 100_000 * more)
            self.ask(broker, "CONFIG", "SET", "maxmemory", 0)
            self.grows(broker)
            counts, err = self.stop(pump)
            self.assertIn("maxmemory is reached", err)
            self.check(broker, counts["last_seq"])

    def test_a_primary_that_becomes_a_replica_is_waited_for(self):
        with self.server() as broker:
            pump = self.pump(broker, ENDLESS, "pause_us=2000")
            self.grows(broker)
            self.ask(broker, "REPLICAOF", "127.0.0.1", str(free_port()))
            pump.wait_for("name the primary")
            self.ask(broker, "REPLICAOF", "NO", "ONE")
            self.grows(broker)
            counts, _ = self.stop(pump)
            self.check(broker, counts["last_seq"])

    def test_entries_that_consumers_delete_are_not_sent_again(self):
        """XREVRANGE would say that the stream ends where it was left; its last id says where it was."""
        with self.server() as broker:
            self.finish(self.pump(broker, 100))
            for seq in range(91, 101):
                self.ask(broker, "XDEL", "D", f"{seq}-0")
            counts, _ = self.finish(self.pump(broker, 150), acked=50)
            self.assertEqual([self.seq_of(e) for e in broker.read("D")], [*range(1, 91), *range(101, 151)])

    def test_a_stream_keeps_as_many_as_it_is_told(self):
        with self.server() as broker:
            self.finish(self.pump(broker, 20000, "keep=1000"))
            entries = [self.seq_of(e) for e in broker.read("D")]
            self.assertEqual(entries, list(range(entries[0], 20001)))
            self.assertLess(len(entries), 2000)


if __name__ == "__main__":
    for skipped in (c for c in (JetStream, RedisStreams) if c.__name__ in sys.argv[1:] and getattr(c, "__unittest_skip__", False)):
        print(f"skipped: {skipped.__unittest_skip_why__}")
        sys.exit(77)
    unittest.main(verbosity=2)

"""`tickfuse tail` and the client library against a live engine's own listeners: all sources say the same."""
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools/client"))
import frames
from harness import TICKFUSE, Background, Exchange, LiveEngine, engine_args, main, run, shm_name, side_by_side, wait_until
from ports import free_port


RECORDS, END, RESEND = 4, 7, 8  # tf_frame_kind_t


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


class Engine(Background):
    """A live engine whose decisions go to a journal and to listeners of every kind."""

    def __init__(self, exchange, folder, cert=None, more="clients: 8"):
        self.journal, self.shm = f"{folder}/out.journal", shm_name()
        self.token = f"{folder}/token"
        with open(os.open(self.token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("wasp-in-amber-" * 3 + "\n")
        self.urls = {"unix": f"unix:{folder}/sock", "tcp": f"tcp://127.0.0.1:{free_port()}", "ws": f"ws://127.0.0.1:{free_port()}"}
        own = {"journal": f"path: {self.journal}", "shm": f"path: {self.shm}", "unix": f"path: {folder}/sock, history: {self.journal}, {more}",
               "tcp": f"url: '{self.urls['tcp']}', history: {self.journal}, token_file: {self.token}",
               "websocket": f"url: '{self.urls['ws']}', history: {self.journal}"}
        if cert:
            self.urls["tls"] = f"tls://127.0.0.1:{free_port()}"
        sinks = [f"{{type: {kind}, name: {kind}, {keys}}}" for kind, keys in own.items()]
        if cert:
            sinks.append(f"{{type: tcp, name: tls, url: '{self.urls['tls']}', cert_file: {cert[0]}, tls_key_file: {cert[1]},"
                         f" history: {self.journal}}}")
        super().__init__(*engine_args(exchange, "sinks=[" + ", ".join(sinks) + "]", "engine.decision_ring_slots=65536",
                                      seconds="300s", sink=False))
        wait_until(lambda: os.path.exists(self.journal) and os.path.getsize(self.journal) > 100000, what="decisions")


class Tail(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tf-tail-")
        self.addCleanup(self.folder.cleanup)

    def test_every_source_says_what_the_journal_says(self):
        with frames.certificate() as cert, Exchange() as exchange, Engine(exchange, self.folder.name, cert) as engine:
            options = {"tcp": ["--token-file", engine.token], "tls": ["--ca-file", cert[0]]}
            said = {}
            for kind, url in engine.urls.items():
                out, _ = run("tail", url, "--json", "--resume", 5, "--count", 300, *options.get(kind, []))
                said[kind] = lines_of(out)
            live, _ = run("tail", engine.urls["unix"], "--json", "--count", 20)
            text, _ = run("tail", engine.urls["unix"], "--oldest", "--count", 3)
            shm, _ = run("tail", f"shm:{engine.shm}", "--json", "--count", 20)
            engine.stop()
            journal = {line["decision_seq"]: line for line in lines_of(run("tail", engine.journal, "--json")[0])}
            for kind, lines in said.items():
                self.assertEqual([line["decision_seq"] for line in lines], list(range(5, 305)), kind)
            said["live"], said["shm"] = lines_of(live), lines_of(shm)
            for kind, lines in said.items():
                for line in lines:
                    mine = journal[line["decision_seq"]]
                    self.assertEqual({k: v for k, v in line.items() if k != "strategy"},
                                     {k: v for k, v in mine.items() if k != "strategy"}, kind)
            self.assertEqual([int(line.split()[0]) for line in text.splitlines()], [1, 2, 3])

    def test_a_follower_outlives_its_engine_and_sees_no_hole(self):
        seqs = {}  # of each epoch, as they came
        with Exchange() as exchange, Background("tail", f"unix:{self.folder.name}/sock", "--json", "--follow", "--oldest") as late:
            late.process.wait(60)  # there is nobody yet
            self.assertEqual(late.process.returncode, 1)
            with Engine(exchange, self.folder.name) as engine, Background("tail", engine.urls["unix"], "--json", "--resume", 1,
                                                                         "--follow") as tail:
                first = json.loads(tail.line())
                engine.stop()
                with Engine(exchange, self.folder.name):
                    line = first
                    while line["epoch"] == first["epoch"] or len(seqs[line["epoch"]]) < 50:
                        seqs.setdefault(line["epoch"], []).append(line["decision_seq"])
                        line = json.loads(tail.line())
                        seqs.setdefault(line["epoch"], [])
                tail.process.send_signal(signal.SIGINT)
                _, err = tail.process.communicate(timeout=60)
        self.assertEqual(len(seqs), 2)
        self.assertEqual(seqs[first["epoch"]][0], 1)
        for epoch, got in seqs.items():
            self.assertGreater(len(got), 1)
            self.assertEqual(got, list(range(got[0], got[0] + len(got))), epoch)
        self.assertIn("closed in order", err)
        self.assertRegex(err, "there again|begins anew")

    def test_a_client_that_is_killed_leaves_its_place_to_the_next(self):
        with Exchange() as exchange, Engine(exchange, self.folder.name, more="clients: 1") as engine:
            for _ in range(5):
                with Background("tail", engine.urls["unix"], "--json", "--follow") as tail:
                    tail.line()  # it is being served
                    tail.process.kill()
                    tail.process.wait(60)
                # its place is free when the engine has seen the end of the socket
                wait_until(lambda: run("tail", engine.urls["unix"], "--json", "--count", 1, expect=None)[0], what="a free place")

    def test_refusals_are_named_and_end_with_their_codes(self):
        with Exchange() as exchange, Engine(exchange, self.folder.name) as engine:
            _, err = run("tail", engine.urls["tcp"], expect=1)
            self.assertIn("token", err)
            _, err = run("tail", engine.urls["unix"], "--carries", "events", expect=1)
            self.assertTrue("protocol" in err or "carr" in err, err)
        _, err = run("tail", engine.urls["unix"], expect=1)
        self.assertIn("connecting", err)
        _, err = run("tail", "nats:/x", expect=2)
        self.assertIn("are known", err)
        _, err = run("tail", "x", "--resume", "-1", expect=2)
        self.assertIn("whole number", err)

    def test_loss_is_told_on_standard_error_with_its_range(self):
        def serve(nth, client):
            client.hello()
            client.send(frames.welcome(1), frames.instruments("BTC.X"), frames.decisions(1, 2), frames.lost(3, 9),
                        frames.decisions(10, 10), frames.end(3))
            client.wait_closed()
        with frames.stream_listener(serve) as url:
            out, err = run("tail", url)
            self.assertEqual([line.split()[:3] for line in out.splitlines()], [[n, "BTC.X", "BUY"] for n in ("1", "2", "10")])
            self.assertIn("3 to 9 will not come: dropped by the queue's policy", err)
            self.assertIn("3 read, 7 lost", err)


class LossyLines:
    """Between a udp sink and its reader: line A drops each third datagram, line B each fourth, so some are lost on both; what the
    reader asks for goes to the sink, and the answers back."""

    def __init__(self):
        self.reader = [free_port(), free_port()]
        self.lines = [self.bound(), self.bound()]
        self.back = self.bound()  # towards the sink
        self.ports = [line.getsockname()[1] for line in self.lines]
        self.sink, self.asker, self.asked_cnt, self.is_over = None, None, 0, False
        self.threads = [threading.Thread(target=self.forward, args=(i,)) for i in range(2)] + [threading.Thread(target=self.answer)]
        for thread in self.threads:
            thread.start()

    def bound(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind(("127.0.0.1", 0))
        s.settimeout(0.2)
        return s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        for s in (*self.lines, self.back):
            s.close()

    def received(self, s):
        while not self.is_over:
            try:
                yield s.recvfrom(2048)
            except TimeoutError:
                pass

    def forward(self, i):
        cnt = 0
        for datagram, sender in self.received(self.lines[i]):
            if sender[1] == self.reader_asks(datagram, sender):
                continue
            self.sink, cnt = sender, cnt + 1
            if cnt % (3 + i):
                self.lines[i].sendto(datagram, ("127.0.0.1", self.reader[i]))

    def reader_asks(self, datagram, sender):
        """A request goes on to the sink; its sender's port then, else 0."""
        if datagram[4] != RESEND:
            return 0
        self.asker, self.asked_cnt = sender, self.asked_cnt + 1
        self.back.sendto(datagram, self.sink)
        return sender[1]

    def answer(self):
        for datagram, _ in self.received(self.back):
            self.back.sendto(datagram, self.asker)


class Datagrams(unittest.TestCase):
    def test_what_both_lines_lost_is_asked_for_and_nothing_is_missing(self):
        with tempfile.TemporaryDirectory(prefix="tf-tail-") as folder, Exchange("--rate", "300") as exchange, LossyLines() as lines:
            a, b = lines.ports
            sink = f"{{type: udp, name: udp, url: 'udp://127.0.0.1:{a}', url_b: 'udp://127.0.0.1:{b}', slots: 1048576}}"
            path = pathlib.Path(folder, "lines")
            where = "udp://" + ",".join(f"127.0.0.1:{port}" for port in lines.reader)
            with open(path, "w") as out, LiveEngine(exchange, f"sinks=[{sink}]") as engine, \
                    subprocess.Popen([TICKFUSE, "tail", where, "--json", "--oldest"], stdout=out, stderr=subprocess.PIPE, text=True) as tail:
                wait_until(lambda: engine.count("tickfuse_sink_acked_total") >= 300, 120, "decisions")
                exchange.freeze()
                wait_until(lambda: path.read_text().count("\n") >= engine.count("tickfuse_sink_acked_total"), 120, "all of them")
                got, _ = engine.finish()
                _, err = tail.communicate(timeout=60)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertNotIn("will not come", err)
            self.assertEqual(tail.returncode, 0, err)
            self.assertEqual([line["decision_seq"] for line in lines_of(path.read_text())], list(range(1, got["decisions"] + 1)))
            self.assertGreater(lines.asked_cnt, 0)

    def test_addresses_that_are_none_and_senders_that_are_silent_are_named(self):
        for url, words in (("udp://nowhere:5000", "IPv4 address"), ("udp://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", "line B behind a comma"), ("udp://239.1.1.7:5000/nosuchcard", "nosuchcard")):
            _, err = run("tail", url, expect=None)
            self.assertIn(words, err)
        _, err = run("tail", f"udp://127.0.0.1:{free_port()}", expect=1)
        self.assertIn("no datagram for 3000 ms", err)


# ---- datagrams of a sender that shares no code with the sink ----

def crc32c(data):
    """Castagnoli, bit by bit from a table."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def crc_row(value):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


CRC_TABLE = [crc_row(value) for value in range(256)]


def sealed(kind, cnt, payload, first, prev, *, epoch=7, size=128, record_version=1, carries=0, magic=b"TFF1", version=1, more=0, crc=None):
    """A datagram; more: what its length says beyond the truth."""
    payload = struct.pack("<IIHHB3x", epoch, crc32c(b"out"), size, record_version, carries) + payload
    head = struct.pack("<4sBBHIIQQ", magic, kind, version, cnt, len(payload) + more, 0, first, prev)
    seal = crc32c(head + payload) if crc is None else crc
    return head[:12] + struct.pack("<I", seal) + head[16:] + payload


def decision(seq):
    record = bytearray(128)
    struct.pack_into("<QQQQq", record, 0, seq, 3 * seq, 0, 10**18 + seq, 100 * seq)
    struct.pack_into("<H", record, 122, 1)
    return bytes(record)


class Datagrams(unittest.TestCase):
    """`tail udp://` and a sender that loses, doubles, reverses and lies: of what it sent each record comes once, in order and as it
    was, and all else is told as lost, to the number."""

    def records(self, first, last):
        return sealed(RECORDS, last - first + 1, b"".join(decision(seq) for seq in range(first, last + 1)), first, first - 1)

    def lies(self, first, last):
        """Datagrams that must change nothing, whatever range they name."""
        good, cnt = self.records(first, last), last - first + 1
        body = b"".join(decision(seq) for seq in range(first, last + 1))
        return [good[:n] for n in (0, 1, 31, 32, 47, 48, len(good) - 1)] + [
            good + b"\0", good[:-1] + bytes([good[-1] ^ 1]), good[:20] + bytes([good[20] ^ 1]) + good[21:], b"\xff" * 1472, b"\0" * 9000,
            sealed(RECORDS, cnt, body, first, first - 1, more=1), sealed(RECORDS, cnt, body, first, first - 1, more=-1),
            sealed(RECORDS, cnt, body, first, first - 1, more=2**31), sealed(RECORDS, cnt + 1, body, first, first - 1),
            sealed(RECORDS, 65535, body, first, first - 1), sealed(RECORDS, 0, body, first, first - 1),
            sealed(RECORDS, cnt, body, first, first - 1, size=64), sealed(RECORDS, cnt, body, first, first - 1, size=0),
            sealed(RECORDS, cnt, body, first, first - 1, carries=9),
            sealed(RECORDS, cnt, body, first, first - 1, magic=b"TFF2"), sealed(RECORDS, cnt, body, first, first - 1, version=2),
            sealed(RECORDS, cnt, body, first, first - 1, crc=0)]

    def strays(self, first, last):
        """Whole ones, that are not for a reader of this epoch, or of this version."""
        body = b"".join(decision(seq) for seq in range(first, last + 1))
        return [sealed(RECORDS, last - first + 1, body, first, first - 1, epoch=6), sealed(200, 0, b"", first, first - 1),
                sealed(RECORDS, last - first + 1, body, first + 1, first - 1), sealed(RESEND, 0, struct.pack("<QQ", 1, 2**64 - 1), 0, 0)]

    def script(self, dice, last):
        """[(first, last)] of datagrams, in the order in which they were to go."""
        spans, first = [], 2
        while first <= last:
            end = min(last, first + dice.randrange(11))
            spans.append((first, end))
            first = end + 1
        return spans

    def hear(self, seed, last=600):
        dice = random.Random(seed)
        port = free_port()
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        lost = set()
        with Background("tail", f"udp://127.0.0.1:{port}", "--json", "--oldest") as tail:
            def send(datagram):
                sender.sendto(datagram, ("127.0.0.1", port))
            got = []
            threading.Thread(target=lambda: [got.append(json.loads(line)) for line in tail.process.stdout], daemon=True).start()
            while not got:  # it may not listen yet
                send(self.records(1, 1))
                time.sleep(0.05)
            for first, end in self.script(dice, last):
                what = dice.random()
                datagrams = [] if what < 0.1 and end < last else [self.records(first, end)] * (2 if what < 0.3 else 1)
                if not datagrams:
                    lost |= set(range(first, end + 1))
                if dice.random() < 0.3:
                    datagrams.append(dice.choice(self.lies(first, end) + self.strays(first, end)))
                dice.shuffle(datagrams)
                for datagram in datagrams:
                    send(datagram)
                # its socket's buffer is not to be full: then more would be lost than the script loses
                wait_until(lambda behind=end - len(lost) - 60: len(got) >= behind, 60, "the reader")
            send(sealed(END, 0, struct.pack("<II", 3, 0), last + 1, last))
            self.assertEqual(tail.process.wait(120), 0)
            wait_until(lambda: len(got) == last - len(lost), 60, "the last of them")
            err = tail.process.stderr.read()
        seqs = [d["decision_seq"] for d in got]
        self.assertEqual(seqs, sorted(set(range(1, last + 1)) - lost), err)
        for d in got:
            seq = d["decision_seq"]
            self.assertEqual((d["ingest_seq"], d["ts_recv_ns"], d["ref_price"]), (3 * seq, 10**18 + seq, str(100 * seq)))
        told = [range(int(a), int(b) + 1) for a, b in re.findall(r"(\d+) to (\d+) will not come", err)]
        self.assertEqual(sorted(n for span in told for n in span), sorted(lost))
        if lost:
            self.assertIn(f"{len(got)} read, {len(lost)} lost", err)
        self.assertEqual(last - len(got) - len(lost), 0)  # the residual

    def test_losses_doubles_and_lies_leave_each_record_once_or_told(self):
        side_by_side(self, [(seed,) for seed in range(1, 9)], self.hear)

    def test_a_liar_alone_is_nobody(self):
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, Background("tail", f"udp://127.0.0.1:{port}", "--json") as tail:
            end = time.monotonic() + 60
            while tail.process.poll() is None and time.monotonic() < end:
                for datagram in self.lies(1, 3):
                    sender.sendto(datagram, ("127.0.0.1", port))
                time.sleep(0.05)
            self.assertIsNotNone(tail.process.poll(), "it took a lie for a sign of life")
            out, err = tail.process.communicate(timeout=60)
        self.assertEqual((out, tail.process.returncode), ("", 1), err)


if __name__ == "__main__":
    main()

"""What a sink of each type delivers to, in a test: a consumer that is quick, slow, stopped, killed, restarted or lying. A type of sink
enters with a class: its policies, what its consumer does in each state, and why a state is left out; how the consumer begins, changes in the
middle, and what it has at the end.

The table of docs/sinks.md is made of these classes:
  python3 tests/e2e/destinations.py [--check]"""
import fcntl
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brokers import Nats, Redis, wait_until
from chaostcp import ChaosTcp, Fault
from harness import ROOT, TICKFUSE, run, shm_name
from hostile_brokers import LyingKafka, kafka_scenes, lying, scenes_of
from ports import free_port
from tunnel import shut

LONG_S = 120
STATES = ("fast", "slow", "stopped", "killed", "restarted", "lying")
LOSSLESS = ("block", "spill")
RECORD_BYTES = 128
KAFKA_MOCK = str(pathlib.Path(TICKFUSE).parent / "tests/adapters/sink/kafka_mock")


def sequence(record):
    return struct.unpack_from("<Q", record)[0]


def journalled(path):
    out, _ = run("tail", path, "--json")
    return [json.loads(line)["decision_seq"] for line in out.splitlines()]


class Destination:
    """Nobody is at the other end: null, and what the others inherit."""
    type = "null"
    policies = ("drop_newest", "block")
    states = {"fast": "takes all and keeps none"}
    left_out = dict.fromkeys(STATES[1:], "nobody is there")
    needs = None  # a program

    def __init__(self, folder, policy, state):
        self.folder, self.policy, self.state = folder, policy, state
        self.truth = f"{folder}/truth.journal"  # of the journal beside it

    def sink(self):
        """Keys of the config beside type and policy."""
        return {}

    def begin(self):
        """Before the engine starts."""

    def output(self):
        """The engine's standard output."""
        return open(f"{self.folder}/out", "wb")

    def speed(self):
        """Of the replay."""
        return "4x"

    def middle(self, process):
        """While it runs."""

    def summary(self):
        """What the engine printed at its end."""
        return pathlib.Path(f"{self.folder}/out").read_text()

    def end(self):
        """After it has ended, in any case."""

    def read(self):
        """The sequences that arrived, in order; None: that cannot be known."""
        return None

    def has_all(self):
        """Whether nothing may be missing of what arrived."""
        return False

    def is_counted(self):
        """Whether what arrived is what the sink counts as delivered, to the record."""
        return False

    def may_end_early(self):
        """A lossless one that waits for ever is ended by its operator."""
        return False

    def has_decided(self, count):
        """By the journal beside it."""
        return os.path.exists(self.truth) and os.path.getsize(self.truth) > count * RECORD_BYTES

    def wrong(self, _sink):
        """What else is wrong about the sink's account; None: nothing."""
        return None


class Journal(Destination):
    type = "journal"
    states = {"fast": "a file"}
    left_out = dict.fromkeys(STATES[1:], "a disk that is slow, full or broken: `test_journal_disk`")

    def sink(self):
        return {"path": f"{self.folder}/own.journal"}

    def read(self):
        return journalled(f"{self.folder}/own.journal")

    def has_all(self):
        return True

    is_counted = has_all


class Shm(Destination):
    """A reader that lags is told what it missed, and nobody waits for it."""
    type = "shm"
    policies = ("overrun",)
    states = {"fast": "`tail`", "slow": "`tail` into a pipe that is read a byte at a time", "stopped": "SIGSTOP", "killed": "SIGKILL",
              "restarted": "SIGKILL, and another `tail`"}
    left_out = {"lying": "readers map it read-only: `test_shm_process`"}

    def sink(self):
        self.name = shm_name()
        return {"path": self.name, "slots": 64}

    def start(self):
        out = subprocess.PIPE if self.state == "slow" else open(f"{self.folder}/lines", "ab")
        self.reader = subprocess.Popen([TICKFUSE, "tail", self.name, "--json"], stdout=out, stderr=subprocess.DEVNULL)
        if self.state == "slow":
            fcntl.fcntl(self.reader.stdout, fcntl.F_SETPIPE_SZ, 4096)
        else:
            out.close()

    def middle(self, process):
        wait_until("the stream is there", lambda: os.path.exists(f"/dev/shm/tickfuse.{self.name}"))
        self.start()
        if self.state in ("stopped", "killed"):
            self.reader.send_signal(signal.SIGSTOP if self.state == "stopped" else signal.SIGKILL)
        if self.state == "restarted":
            wait_until("decisions", lambda: os.path.getsize(f"{self.folder}/lines") > 0 or process.poll() is not None)
            self.reader.kill()
            self.reader.wait()
            self.start()
        while self.state == "slow" and process.poll() is None:
            self.reader.stdout.read(1)

    def read(self):
        """Each reader's own lines: ascending. The stream's end ends a reader that is alive."""
        if self.state == "fast":
            self.reader.wait(LONG_S)
        if self.state not in ("fast", "restarted"):
            return None
        self.reader.kill()
        lines = pathlib.Path(f"{self.folder}/lines").read_text().splitlines(keepends=True)
        seqs = [json.loads(line)["decision_seq"] for line in lines if line.endswith("}\n")]
        return seqs if self.state == "fast" else sorted(set(seqs))  # the second one may begin where the first one ended

    def end(self):
        if hasattr(self, "reader"):
            self.reader.kill()
            self.reader.communicate()
        pathlib.Path(f"/dev/shm/tickfuse.{self.name}").unlink(missing_ok=True)


class Stdout(Destination):
    """A named pipe: what its reader closed another can open for the engine's last words."""
    type = "stdout"
    states = {"fast": "reads the pipe", "slow": "4 KiB in 8 ms", "stopped": "does not read until the pipe is full",
              "killed": "closes the pipe: the sink ends with E_SINK_IO"}
    left_out = {"restarted": "who closed the pipe has ended the sink", "lying": "a pipe's reader says nothing"}

    def sink(self):
        return {"drain": "60s"}

    def begin(self):
        self.path, self.lines, self.goes_on = f"{self.folder}/pipe", b"", threading.Event()
        os.mkfifo(self.path)
        self.reader = threading.Thread(target=self.take, daemon=True)
        self.reader.start()

    def output(self):
        return open(self.path, "wb")

    def take(self):
        with open(self.path, "rb", buffering=0) as pipe:
            self.pipe = pipe
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
            if self.state == "stopped":
                self.goes_on.wait()
            if self.state == "killed":
                self.lines = pipe.read(4096)
                return
            while data := pipe.read(4096 if self.state == "slow" else 65536):
                self.lines += data
                time.sleep(0.008 if self.state == "slow" else 0)

    def is_full(self):
        """But for less than a line."""
        held = bytearray(4)
        fcntl.ioctl(self.pipe, termios.FIONREAD, held)
        return int.from_bytes(held, "little") > 3000

    def middle(self, process):
        if self.state == "stopped":
            wait_until("the pipe is full", lambda: hasattr(self, "pipe") and self.is_full())
            if self.policy == "block":
                time.sleep(0.2)
            else:  # nobody waits for it
                wait_until("all decisions", lambda: self.has_decided(400), LONG_S)
            self.goes_on.set()
        if self.state == "killed":
            self.reader.join(LONG_S)
            wait_until("the sink has ended", lambda: "sink_broken sink=stdout" in pathlib.Path(f"{self.folder}/err").read_text(), LONG_S)
            with open(self.path, "rb") as pipe:
                self.last = pipe.read()

    def summary(self):
        self.reader.join(LONG_S)
        text = self.last if self.state == "killed" else self.lines  # what the first reader left comes before it
        return text[text.index(b"{\n"):].decode()

    def read(self):
        end = self.lines.rindex(b"\n") if self.state == "killed" else self.lines.index(b"{\n")
        return [json.loads(line)["decision_seq"] for line in self.lines[:end].splitlines()]

    def has_all(self):
        return self.state in ("fast", "slow") and self.policy == "block" or self.state == "stopped" and self.policy == "block"

    def is_counted(self):
        return self.state != "killed"

    def wrong(self, sink):
        if self.state == "killed" and not sink["dropped_broken"]:
            return "nothing is lost to a pipe that was closed"
        if (self.state, self.policy) == ("stopped", "drop_newest") and not sink["dropped_full"]:
            return "a full pipe lost nothing: it was waited for"
        return None


# ---- listeners ----

HEADER = struct.Struct("<IBBHIIQQ")
MAGIC, HELLO, WELCOME, RECORDS, LOST, HEARTBEAT, END, RESEND = 0x31464654, 1, 2, 4, 5, 6, 7, 8


class Client(threading.Thread):
    """Reads frames by the book (include/tf/frame.h), in its own way."""

    def __init__(self, connect, manner):
        super().__init__(daemon=True)
        self.connect, self.manner, self.seqs, self.lost, self.wrong = connect, manner, [], 0, None
        self.start()

    def run(self):
        try:
            self.talk()
        except (OSError, EOFError):
            pass  # the end of a connection is no fault of what came before

    def talk(self):
        s = wait_until("the listener", self.connect)
        s.settimeout(LONG_S)
        if self.manner == "lying":
            s.sendall(os.urandom(64))
            s.recv(65536)
            s.close()
            return
        s.sendall(HEADER.pack(MAGIC, HELLO, 1, 0, 16, 0, 0, 0) + struct.pack("<QHHB3x", self.next_seq(), 1, 0, 0))
        if self.manner == "stopped":
            self.kept = s  # and not a byte is read
            return
        with s, s.makefile("rb", buffering=0 if self.manner == "slow" else 65536) as file:
            while self.one(file):
                if self.manner == "killed" or (self.manner == "restarted" and len(self.seqs) >= 100):
                    break
        if self.manner == "restarted":
            self.manner = "fast"
            self.talk()

    def next_seq(self):
        return self.seqs[-1] + 1 if self.seqs else 0

    def exactly(self, file, count):
        data = b""
        while len(data) < count:
            piece = file.read(min(count - len(data), 1 << 16 if self.manner != "slow" else 50))
            if not piece:
                raise EOFError
            data += piece
        return data

    def one(self, file):
        magic, kind, version, count, size, _, first, _ = HEADER.unpack(self.exactly(file, HEADER.size))
        payload = self.exactly(file, size)
        if (magic, version) != (MAGIC, 1):
            self.wrong = f"header {magic:x} {version}"
        if kind == RECORDS:
            self.seqs += [struct.unpack_from("<Q", payload, i * (size // count))[0] for i in range(count)]
            if self.manner == "slow":
                time.sleep(0.01)
        if kind == LOST:
            self.lost += struct.unpack_from("<QQQ", payload)[2]
        return kind != END


class Unix(Destination):
    """One client in the state, and beside it one that keeps up: it must have everything."""
    type = "unix"
    policies = ("drop_newest", "drop_oldest", "disconnect", "conflate")
    states = {"fast": "a client that reads", "slow": "50 bytes at a time", "stopped": "says hello and reads nothing",
              "killed": "leaves after the first frame", "restarted": "leaves, and comes back for the next sequence",
              "lying": "64 bytes of chance; all else: `e2e_listeners_Liars`"}
    left_out = {}

    def sink(self):
        return {"path": f"{self.folder}/run/s", "slots": 1024, "client_slots": 1024}

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(f"{self.folder}/run/s")
        except OSError:
            s.close()
            raise
        return s

    def begin(self):
        os.makedirs(f"{self.folder}/run", mode=0o700, exist_ok=True)
        self.clients = [Client(self.connect, self.state), Client(self.connect, "fast")]

    def read(self):
        for client in self.clients:
            client.join(LONG_S)
            assert not client.is_alive() and client.wrong is None, client.wrong
            assert client.seqs == sorted(set(client.seqs)), "out of order, or twice"
        return self.clients[1].seqs

    def end(self):
        for client in self.clients:
            if hasattr(client, "kept"):
                client.kept.close()

    def has_all(self):
        return self.policy != "conflate"


class Tcp(Unix):
    type = "tcp"

    def begin(self):
        self.port = free_port()
        super().begin()

    def sink(self):
        return {"url": f"tcp://127.0.0.1:{self.port}", "slots": 1024, "client_slots": 1024}

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))


class FramesOverWebsocket(socket.socket):
    """What its messages hold, one behind the other: a Client reads it as any stream, and what it sends is one message."""

    def __init__(self, port):
        super().__init__()
        try:
            self.connect(("127.0.0.1", port))
        except OSError:
            self.close()
            raise
        super().sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.recv(1)
            if not piece:
                raise OSError("no upgrade")
            head += piece

    def sendall(self, data):
        super().sendall(bytes([0x82, 0x80 | len(data)]) + bytes(4) + data)  # a mask of zeros

    def makefile(self, *args, **kwargs):
        self.file, self.left = super().makefile(*args, **kwargs), 0
        return self

    def read(self, most):
        while self.left == 0:
            head = self.file.read(2)
            if len(head) < 2 or head[0] != 0x82:
                return b""  # the end, or a close frame
            size = head[1]
            self.left = size if size < 126 else int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        piece = self.file.read(min(most, self.left))
        self.left -= len(piece)
        return piece

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.file.read(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class Websocket(Tcp):
    type = "websocket"

    def sink(self):
        return {"url": f"ws://127.0.0.1:{self.port}", "slots": 1024, "client_slots": 1024}

    def connect(self):
        return FramesOverWebsocket(self.port)


# ---- datagrams ----

LINE = struct.Struct("<IIHHB3x")
UDP_HEAD_BYTES = HEADER.size + LINE.size
RESENDS_A_SECOND = 2000  # adapters/sink/source_rate.h, to one source


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82f63b78 & -(crc & 1)
    return crc ^ 0xffffffff


def resend(line, first, last, size=UDP_HEAD_BYTES + 16 + 112, magic=MAGIC, crc=None):
    """A request of size bytes, as a reader makes it."""
    body = LINE.pack(*line) + struct.pack("<QQ", first, last)
    body += bytes(max(0, size - HEADER.size - len(body)))
    head = (magic, RESEND, 1, 0, len(body))
    return HEADER.pack(*head, crc32c(HEADER.pack(*head, 0, 0, 0) + body) if crc is None else crc, 0, 0) + body


class Udp(Destination):
    """A receiver of its own port; a liar asks for records again, as nonsense and without end, from a port beside it."""
    type = "udp"
    policies = ("block", "drop_newest", "drop_oldest", "conflate")
    states = {"fast": "reads its port", "slow": "the least socket buffer, a datagram in 2 ms", "stopped": "does not read",
              "killed": "closes its port after the first datagram", "restarted": "closes its port, and binds it again",
              "lying": "asks for records again: forged, reversed, of another epoch, without end"}
    left_out = {}

    def bind(self, port=0):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 if self.state == "slow" else 1 << 22)
        s.bind(("127.0.0.1", port))
        s.settimeout(0.1)
        return s

    def begin(self):
        self.seqs, self.over, self.answered, self.asked, self.lies = [], threading.Event(), 0, 0, 0
        self.socket = self.bind()
        self.port = self.socket.getsockname()[1]
        self.reader = threading.Thread(target=self.take, daemon=True)
        self.reader.start()

    def sink(self):
        return {"url": f"udp://127.0.0.1:{self.port}", "slots": 1024, "drain": "10s"}

    def take(self):
        closes = self.state in ("killed", "restarted")
        if self.state == "stopped":
            self.over.wait()
        while True:
            try:
                datagram, source = self.socket.recvfrom(2048)
            except TimeoutError:
                if self.over.is_set():
                    return
                continue
            _, kind, _, count, *_ = HEADER.unpack_from(datagram)
            line = LINE.unpack_from(datagram, HEADER.size)
            if kind == RECORDS:
                self.seqs += [sequence(datagram[UDP_HEAD_BYTES + RECORD_BYTES * i:]) for i in range(count)]
                if self.state == "lying" and self.asked == 0:
                    threading.Thread(target=self.lie, args=(source, line), daemon=True).start()
                    self.asked = 1
            if kind == END:
                return
            if closes and self.seqs:
                self.socket.close()
                if self.state == "killed":
                    return
                time.sleep(0.05)
                self.socket, closes = self.bind(self.port), False
            if self.state == "slow":
                time.sleep(0.002)

    def lie(self, source, line):
        epoch, stream, *rest = line
        honest = resend(line, 1, 1)
        nonsense = [b"", os.urandom(100), honest[:40], honest[:-1], resend(line, 1, 1, magic=0), resend(line, 1, 1, crc=1), resend(line, 5, 1),
                    resend(line, 0, 1), resend(line, 1, 2**64 - 1), resend((epoch + 1, stream, *rest), 1, 1), resend((epoch, stream ^ 1, *rest), 1, 1),
                    resend(line, 1, 1, size=1473), resend(line, 2**63, 2**63), bytes(60_000)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            s.settimeout(0.2)
            for request in nonsense:
                s.sendto(request, source)
            self.lies = self.answers(s)
            begin = time.monotonic()
            for _ in range(2 * RESENDS_A_SECOND):
                s.sendto(honest, source)
                self.asked += 1
            self.answered, self.asked_s = self.answers(s, len(honest)), time.monotonic() - begin

    def answers(self, s, most=0):
        count = 0
        try:
            while True:
                answer = s.recv(2048)
                count += 1
                assert len(answer) <= most or not most, "an answer that is larger than its request"
        except TimeoutError:
            return count

    def end(self):
        self.over.set()
        self.reader.join(LONG_S)
        self.socket.close()

    def read(self):
        self.over.set()
        self.reader.join(LONG_S)
        return self.seqs

    def has_all(self):
        return self.state in ("fast", "lying") and self.policy != "conflate"

    def speed(self):
        return "1x" if self.state == "lying" else "4x"  # it has more to say

    def wrong(self, sink):
        if self.state != "lying":
            return None
        if self.lies:
            return f"{self.lies} answers to nonsense"
        if self.answered > RESENDS_A_SECOND * (self.asked_s + 1):
            return f"{self.answered} answers to one source in {self.asked_s:.2f} s"
        return None if sink["errors"] else "lies that nobody counted"


# ---- brokers and receivers ----

class RedisStream(Destination):
    """A real server. What is slow is the line to it."""
    type = "redis"
    policies = ("block", "drop_newest", "drop_oldest", "conflate", "spill")
    states = {"fast": "a server", "slow": "10 ms later each way", "stopped": "SIGSTOP, then SIGCONT", "killed": "SIGKILL",
              "restarted": "begins late, SIGKILL, and once more", "lying": "another server, that answers what is no answer"}
    left_out = {}
    needs = "redis-server"
    broker_type = Redis

    def sink(self):
        keys = {"url": f"{self.broker.scheme}://127.0.0.1:{self.port()}", "stream": "D", "slots": 64,
                "drain": "60s" if self.comes_back() else "100ms"}
        if self.policy == "spill":
            keys["spool"] = f"{self.folder}/spool"
        return keys

    def port(self):
        return self.line.port if self.state == "slow" else self.broker.port

    def comes_back(self):
        return self.state not in ("killed", "lying")

    def may_end_early(self):
        return not self.comes_back() and self.policy == "block"

    def slow_down(self):
        self.line = ChaosTcp(self.broker.port, lambda _: Fault(delay_s=0.01))

    def liar(self):
        """A few of its lies, others for each policy."""
        return lying(self.type, random.Random(f"{self.type} {self.policy}").sample(scenes_of(self.type), 12))

    def begin(self):
        if self.state == "lying":
            self.broker = self.liar()
            return
        self.broker = self.broker_type()
        self.broker.make("D")
        if self.state == "slow":
            self.slow_down()
        if self.state == "stopped":
            self.broker.pause()
        if self.state == "restarted" or (self.state == "killed" and self.policy != "block"):
            self.broker.kill()

    def middle(self, process):
        if self.state == "stopped":
            time.sleep(0.2)
            self.broker.resume()
        if self.state == "restarted":
            self.broker.start()
            wait_until("records", lambda: self.broker.last("D") or process.poll() is not None)
            self.broker.kill()
            self.broker.start()
        if self.may_end_early():
            if self.state == "killed":
                self.broker.kill()
            else:
                wait_until("a few lies", lambda: self.broker.played >= 2)
            wait_until("the first decisions", lambda: self.has_decided(8))
            process.send_signal(signal.SIGTERM)

    def end(self):
        if self.state == "slow":
            self.line.__exit__()
        self.broker.__exit__()

    def read(self):
        return [sequence(entry[2]) for entry in self.broker.read("D")] if self.comes_back() else None

    def has_all(self):
        return self.comes_back() and self.policy in LOSSLESS

    is_counted = comes_back

    def wrong(self, sink):
        if self.state == "lying" and sink["acked"] != sink["already_there"]:
            return f"{sink['acked']} delivered on a liar's word"
        return None


class JetStream(RedisStream):
    type = "nats"
    needs = "nats-server"
    broker_type = Nats


class KafkaCluster:
    """librdkafka's mock cluster in a process of its own: what it holds goes with it, so it is away and back, not restarted."""
    scheme = "kafka"

    def __init__(self):
        self.process = subprocess.Popen([KAFKA_MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.is_there = True

    def __exit__(self, *_):
        self.resume()
        self.process.kill()
        self.process.communicate()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def make(self, _stream):
        pass

    def start(self):
        self.ask("up")

    def kill(self):
        self.ask("down")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def sequences(self):
        return [int(word) for word in self.ask("sequences").split()]

    def last(self, _stream):
        return len(self.sequences())


class KafkaPartition(RedisStream):
    """Our reader drops what stands in a partition twice (docs/adr/0050), so what arrives is what it gives."""
    type = "kafka"
    states = {**RedisStream.states, "fast": "librdkafka's mock cluster", "slow": "acknowledges 20 ms late", "killed": "all brokers go",
              "restarted": "all brokers go, come, go, and come"}
    needs = KAFKA_MOCK
    broker_type = KafkaCluster

    def sink(self):
        url = f"kafka://127.0.0.1:{self.broker.port}" if self.state == "lying" else self.broker.url
        return {**super().sink(), "url": url, "stream": "decisions"}

    def port(self):
        return 0

    def liar(self):
        return LyingKafka("kafka", kafka_scenes())

    def slow_down(self):
        self.broker.ask("late 20")

    def end(self):
        self.broker.__exit__()

    def read(self):
        return self.broker.sequences() if self.comes_back() else None


# What a receiver may answer that is no "I have it", or is said wrong; each costs the connection.
HTTP_LIES = (b"", b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 503 later\r\nRetry-After: 0\r\nContent-Length: 99\r\n\r\nshort",
             b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"\0" * 5000, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 99,
             b"HTTP/1.1 429 slow down\r\nRetry-After: 99999999999999999999\r\nX: " + b"x" * 70_000, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
             b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", b"HTTP/1.1 408 what\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")


class Receiver:
    """Keeps what comes behind the last record that it has, and says so; in its own way."""
    scheme = "http"

    def __init__(self, manner="fast", port=None):
        self.manner, self.port, self.seqs, self.goes_on = manner, port or free_port(), [], threading.Event()
        self.lies, self.sockets = itertools.cycle(HTTP_LIES), set()
        self.goes_on.set()
        self.start()

    def __exit__(self, *_):
        self.resume()
        self.kill()

    def make(self, _stream):
        pass

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def kill(self):
        shut(self.listener, *self.sockets)
        self.sockets.clear()

    def pause(self):
        self.goes_on.clear()

    def resume(self):
        self.goes_on.set()

    def last(self, _stream):
        return len(self.seqs)

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.sockets.add(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, client.makefile("rb") as file:
                while self.one(client, file):
                    pass
        except (OSError, ValueError):
            pass

    def one(self, client, file):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return False
            head += line
        body = file.read(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        self.goes_on.wait()
        lie = next(self.lies) if self.manner == "lying" else None
        if lie is None or lie.startswith(b"HTTP/1.1 200 OK"):  # its status is no lie
            seqs = [sequence(body[at:]) for at in range(0, len(body), RECORD_BYTES)]
            self.seqs += [seq for seq in seqs if not self.seqs or seq > self.seqs[-1]]
        if self.manner == "slow":
            time.sleep(0.02)
        if self.manner in ("lying", "truthful"):
            self.manner = "truthful" if lie is not None else "lying"
        client.sendall(b"HTTP/1.1 204 kept\r\n\r\n" if lie is None else lie)
        return lie is None


class Http(RedisStream):
    """Of what comes again the receiver keeps what it has not: by the last sequence."""
    type = "http"
    states = {"fast": "answers 204", "slow": "answers 20 ms later", "stopped": "takes connections, answers none for a while",
              "killed": "is away", "restarted": "begins late, closes its port and its connections, and once more",
              "lying": "answers every other batch with what is no answer"}
    needs = None

    def sink(self):
        keys = {**super().sink(), "url": f"http://127.0.0.1:{self.broker.port}/in", "batch": 16}
        del keys["stream"]
        return keys

    def port(self):
        return 0

    def comes_back(self):
        return self.state != "killed"

    def broker_type(self):
        return Receiver(self.state)

    def begin(self):
        self.broker = self.broker_type()
        if self.state == "stopped":
            self.broker.pause()
        if self.state == "restarted" or (self.state == "killed" and self.policy != "block"):
            self.broker.kill()

    def end(self):
        self.broker.__exit__()

    def read(self):
        return self.broker.seqs if self.comes_back() else None

    def wrong(self, sink):
        return "lies that nobody counted" if self.state == "lying" and not sink["errors"] else None


DESTINATIONS = (Destination, Http, Journal, KafkaPartition, JetStream, RedisStream, Shm, Stdout, Tcp, Udp, Unix, Websocket)


# ---- docs/sinks.md ----

PAGE = ROOT / "docs" / "sinks.md"
BEGIN, FINISH = "<!-- the matrix: tests/e2e/destinations.py -->\n", "<!-- end of the matrix -->\n"


def table():
    """Sinks whose consumers do the same share a row."""
    names = {}
    for made in DESTINATIONS:
        cells = [made.states.get(state) or f"*{made.left_out[state]}*" for state in STATES]
        names.setdefault((" ".join(f"`{policy}`" for policy in made.policies), *cells), []).append(f"`{made.type}`")
    rows = ["| sink | policies | " + " | ".join(STATES) + " |", "|---" * (len(STATES) + 2) + "|"]
    rows += [f"| {' '.join(types)} | " + " | ".join(cells) + " |" for cells, types in names.items()]
    cells = sum(len(made.policies) * len(made.states) for made in DESTINATIONS)
    return "\n".join(rows) + f"\n\n{cells} cells; *slanted*: none, and why.\n"


def main():
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(FINISH)
    if "--check" not in sys.argv:
        PAGE.write_text(before + BEGIN + table() + FINISH + after)
    elif old != table():
        sys.exit(f"{PAGE}: not what the classes say: python3 {sys.argv[0]}")


if __name__ == "__main__":
    main()

"""Every sink under every policy that it knows, before a consumer that is quick, slow, stopped, killed, restarted or
lying: the ledger's residual is 0 each time, what arrives is in order and no record arrives twice, a lossless policy
loses nothing, and a journal beside it has every decision whatever happens.

A sink enters with a class: what it is called in the config, its policies and states, and how its consumer begins,
changes in the middle, and is read at the end."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from brokers import Nats, Redis, free_port, wait_until
from harness import AT_ONCE, ROOT, SMALL, TICKFUSE, Exchange, LiveEngine, run

INPUT = f"binance-spot:{SMALL}/binance_spot_made.txt"
DECISION_CNT = 426
LONG_S = 120
LOSSLESS = ("block", "spill")


class Destination:
    """Nobody is at the other end: null, and what the others inherit."""
    type = "null"
    policies = ("drop_newest", "block")
    states = ("fast",)
    needs = None  # a program

    def __init__(self, folder, policy, state):
        self.folder, self.policy, self.state = folder, policy, state

    def sink(self):
        """Keys of the config beside type and policy."""
        return {}

    def begin(self):
        """Before the engine starts."""

    def middle(self, process):
        """While it runs."""

    def end(self):
        """After it has ended, in any case."""

    def read(self):
        """The sequences that arrived, in order; None: that cannot be known."""
        return None

    def has_all(self):
        return False


class Journal(Destination):
    type = "journal"

    def sink(self):
        return {"path": f"{self.folder}/own.journal"}

    def read(self):
        return journalled(f"{self.folder}/own.journal")

    def has_all(self):
        return True


class Shm(Destination):
    """A reader that lags is told what it missed, and nobody waits for it."""
    type = "shm"
    policies = ("overrun",)
    states = ("fast", "stopped", "killed")

    def sink(self):
        self.name = f"test-{os.getpid()}-{id(self)}"
        return {"path": self.name, "slots": 64}

    def middle(self, process):
        wait_until("the stream is there", lambda: os.path.exists(f"/dev/shm/tickfuse.{self.name}"))
        self.reader = subprocess.Popen([TICKFUSE, "tail", self.name, "--json"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        if self.state != "fast":
            self.reader.send_signal(signal.SIGSTOP if self.state == "stopped" else signal.SIGKILL)

    def end(self):
        if hasattr(self, "reader"):
            self.reader.kill()
            self.reader.wait()
        pathlib.Path(f"/dev/shm/tickfuse.{self.name}").unlink(missing_ok=True)


# ---- listeners ----

HEADER = struct.Struct("<IBBHIIQQ")
MAGIC, HELLO, WELCOME, RECORDS, LOST, END = 0x31464654, 1, 2, 4, 5, 7


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
    states = ("fast", "slow", "stopped", "killed", "restarted", "lying")

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

    def has_all(self):
        return self.policy != "conflate"


class Tcp(Unix):
    type = "tcp"
    policies = ("drop_newest", "disconnect")
    states = ("fast", "stopped", "restarted", "lying")

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
    policies = ("drop_oldest", "disconnect")

    def sink(self):
        return {"url": f"ws://127.0.0.1:{self.port}", "slots": 1024, "client_slots": 1024}

    def connect(self):
        return FramesOverWebsocket(self.port)


# ---- brokers ----

class RedisStream(Destination):
    type = "redis"
    policies = ("block", "drop_newest", "drop_oldest", "conflate", "spill")
    states = ("fast", "stopped", "killed", "restarted")
    needs = "redis-server"
    broker_type = Redis

    def sink(self):
        keys = {"url": f"{self.broker.scheme}://127.0.0.1:{self.broker.port}", "stream": "D", "slots": 64,
                "drain": "60s" if self.comes_back() else "100ms"}
        if self.policy == "spill":
            keys["spool"] = f"{self.folder}/spool"
        return keys

    def comes_back(self):
        return self.state != "killed"

    def begin(self):
        self.broker = self.broker_type()
        self.broker.make("D")
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
        if self.state == "killed" and self.policy == "block":
            self.broker.kill()
            truth = f"{self.folder}/truth.journal"
            wait_until("the first decisions", lambda: os.path.exists(truth) and os.path.getsize(truth) > 1024)
            process.send_signal(signal.SIGTERM)  # what waits for ever is ended by its operator

    def end(self):
        self.broker.kill()
        shutil.rmtree(self.broker.dir, ignore_errors=True)

    def read(self):
        return [struct.unpack_from("<Q", entry[2])[0] for entry in self.broker.read("D")] if self.comes_back() else None

    def has_all(self):
        return self.comes_back() and self.policy in LOSSLESS


class JetStream(RedisStream):
    type = "nats"
    needs = "nats-server"
    broker_type = Nats


DESTINATIONS = (Destination, Journal, Shm, Unix, Tcp, Websocket, RedisStream, JetStream)


# ---- the matrix ----

def journalled(path):
    out, _ = run("tail", path, "--json")
    return [json.loads(line)["decision_seq"] for line in out.splitlines()]


def config_of(folder, destination):
    sink = {"type": destination.type, "policy": destination.policy, **destination.sink()}
    config = {"engine": {"profile": "basic", "lanes": [{"stages": ["acquire", "buffer", "compute", "decide"]},
                                                       {"stages": ["emit"]}]},
              "features": ["mid"],
              "strategies": [{"name": "a", "buy": "mid > 0"}, {"name": "b", "sell": "mid > 0"}],
              "sinks": [sink, {"type": "journal", "name": "truth", "path": f"{folder}/truth.journal"}]}
    path = f"{folder}/config.yaml"
    pathlib.Path(path).write_text(json.dumps(config))
    return path


def one_cell(make, policy, state):
    """Runs the engine before one destination; returns what was wrong, or None."""
    folder = tempfile.mkdtemp(prefix="tickfuse-sinks-")
    destination = make(folder, policy, state)
    try:
        destination.begin()
        command = [TICKFUSE, "replay", config_of(folder, destination), "--json", "--speed", "4x", "--input", INPUT]
        with open(f"{folder}/out", "w") as out, open(f"{folder}/err", "w") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT)
        destination.middle(process)
        code = process.wait(LONG_S)
        err = pathlib.Path(f"{folder}/err").read_text()[-600:]
        text = pathlib.Path(f"{folder}/out").read_text()
        summary = json.loads(text) if text else None
        if summary is None:
            return f"exit {code}: {err}"
        return judge(destination, summary, code, err, folder)
    except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as why:
        return f"{type(why).__name__}: {why}"
    finally:
        destination.end()
        shutil.rmtree(folder, ignore_errors=True)


def judge(destination, summary, code, err, folder):
    sink, ended = summary["sinks"][0], summary["decisions"]
    was_stopped = ended < DECISION_CNT
    if summary["ledger"]["residual"] != 0:
        return f"residual {summary['ledger']}, {sink}"
    if journalled(f"{folder}/truth.journal") != list(range(1, ended + 1)):
        return "the journal beside it has not every decision"
    if was_stopped and not (destination.state == "killed" and destination.policy == "block"):
        return f"{ended} decisions, exit {code}: {err}"
    arrived = destination.read()
    if arrived is None:
        return None
    if arrived != sorted(set(arrived)):
        return "out of order, or twice"
    if destination.has_all() and arrived != list(range(1, DECISION_CNT + 1)):
        return f"{len(arrived)} of {DECISION_CNT} arrived, {sink}"
    return None


class Matrix(unittest.TestCase):
    def check(self, make):
        if make.needs and not shutil.which(make.needs):
            self.skipTest(f"no {make.needs} here")
        cells = [(policy, state) for policy in make.policies for state in make.states]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            wrong = list(pool.map(lambda cell: one_cell(make, *cell), cells))
        self.assertEqual([], [f"{make.type} {policy} {state}: {why}" for (policy, state), why in zip(cells, wrong) if why])


for destination_class in DESTINATIONS:
    setattr(Matrix, f"test_{destination_class.type}", lambda self, make=destination_class: self.check(make))

class Restarts(unittest.TestCase):
    """A live engine numbers its decisions behind what an earlier one left, and a replay of its capture does, too."""

    def check(self, folder, exchange, sinks):
        sums, lives = 0, 3
        for life in range(lives):
            config = {"feeds": [{"name": "f", "venue": "binance-spot", "url": exchange.url, "rest": exchange.rest,
                                 "channels": ["trade", "quote"], "instruments": ["BTCUSDT"]}],
                      "features": ["mid"], "strategies": [{"name": "a", "buy": "mid > 0"}],
                      "capture": {"path": f"{folder}/capture{life}"}, "sinks": sinks}
            path = f"{folder}/config.yaml"
            pathlib.Path(path).write_text(json.dumps(config))
            with LiveEngine(None, config=path) as engine:
                wait_until("decisions", lambda: engine.count("tickfuse_decisions_total") > 50)
                live, _ = engine.finish()
            self.assertEqual(0, live["ledger"]["residual"], live["ledger"])
            sums += live["decisions"]
            config["sinks"] = [{"type": "null"}]
            pathlib.Path(path).write_text(json.dumps(config))
            out, _ = run("replay", path, "--json", "--input", f"{folder}/capture{life}")
            again = json.loads(out)
            self.assertEqual(live["decisions_hash"], again["decisions_hash"], f"life {life}")
        return sums

    def test_decisions_of_three_lives_are_one_sequence(self):
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "binance-spot", "--rate", "500") as exchange:
            journal = {"type": "journal", "path": f"{folder}/journal"}
            total = self.check(folder, exchange, [journal])
            self.assertEqual(list(range(1, total + 1)), journalled(f"{folder}/journal"))

    def test_a_broker_has_three_lives_once_each(self):
        if not shutil.which("redis-server"):
            self.skipTest("no redis-server here")
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "binance-spot", "--rate", "500") as exchange:
            with Redis() as broker:
                for policy, more in (("block", {}), ("spill", {"spool": f"{folder}/spool"})):
                    sink = {"type": "redis", "policy": policy, "url": f"redis://127.0.0.1:{broker.port}",
                            "stream": policy, "drain": "60s", **more}
                    total = self.check(folder, exchange, [sink])
                    seqs = [struct.unpack_from("<Q", entry[2])[0] for entry in broker.read(policy)]
                    self.assertEqual(list(range(1, total + 1)), seqs, policy)
                    for left in pathlib.Path(folder).glob("capture*"):
                        shutil.rmtree(left) if left.is_dir() else left.unlink()


if __name__ == "__main__":
    unittest.main()

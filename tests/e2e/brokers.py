"""Real brokers, started on free ports in directories of their own, and readers that share no code with the sinks:
the protocols of NATS and Redis spoken by hand."""
import base64
import json
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from ports import free_port, listener
from tunnel import shut

LONG_S = 60
NO_MESSAGE = 10037  # JetStream's err_code of one that was purged or deleted
NO_LEADER = 10008


def wait_until(what, condition, long_s=LONG_S):
    end = time.monotonic() + long_s
    while True:
        try:
            if got := condition():
                return got
        except OSError:
            pass
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {long_s} s")
        time.sleep(0.01)


class Broker:
    """One server process. kill and start again as often as a test wants."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tickfuse-broker-")
        self.port = free_port()
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        with open(f"{self.dir}/log", "a") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.dir)
        wait_until("the broker answers", self.is_up)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


# ---- NATS ----

class NatsClient:
    """Its inbox is its own: the answers of one are no other's."""

    def __init__(self, port, login=None, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=LONG_S)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.inbox = b"in%s." % secrets.token_hex(6).encode()
        hello = {"verbose": False, "headers": True, "no_responders": True, **(login or {})}
        self.socket.sendall(b"CONNECT " + json.dumps(hello).encode() + b"\r\nSUB %s* 1\r\nPING\r\n" % self.inbox)
        line = self.file.readline()
        if not line.startswith(b"PONG"):
            raise ConnectionError(line)

    def close(self):
        self.file.close()
        self.socket.close()

    def next(self):
        """(the words of its first line, bytes) of the next message, headers first."""
        while True:
            words = self.file.readline().split()
            if not words:
                raise ConnectionError("the server closed")
            if words[0] == b"PING":
                self.socket.sendall(b"PONG\r\n")
            if words[0] in (b"MSG", b"HMSG"):
                return words, self.file.read(int(words[-1]) + 2)[:-2]

    def message(self):
        """(tag that it was asked with, bytes) of the next message to us."""
        words, body = self.next()
        return words[1].removeprefix(self.inbox).decode(), body

    def delivery(self):
        """(subject, place in its stream, bytes) of a message that a consumer delivers, its headers left out."""
        while True:
            words, body = self.next()
            if words[3].startswith(b"$JS.ACK."):
                return words[1].decode(), int(words[3].split(b".")[5]), body[int(words[-2]) if words[0] == b"HMSG" else 0:]

    def send(self, subject, body, tag):
        self.socket.sendall(b"PUB %s %s%s %d\r\n%s\r\n" % (subject.encode(), self.inbox, str(tag).encode(), len(body), body))

    def ask(self, subject, body=b""):
        self.send(subject, body, "x")
        return self.message()[1]

    def api(self, call, body=None):
        return json.loads(self.ask(f"$JS.API.STREAM.{call}", json.dumps(body).encode() if body else b""))


class Nats(Broker):
    type, scheme, needs = "nats", "nats", "nats-server"

    def __init__(self, conf="", jetstream='jetstream {store_dir: "js"}', login=None, tls=False):
        self.conf, self.jetstream, self.login, self.tls = conf, jetstream, login, tls
        super().__init__()

    def command(self):
        with open(f"{self.dir}/conf", "w") as conf:
            conf.write(f'listen: "127.0.0.1:{self.port}"\n{self.jetstream}\n{self.conf}\n')
        return ["nats-server", "-c", "conf"]

    def is_up(self):
        if self.tls:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        client = self.client()
        up = not self.jetstream or "error" not in json.loads(client.ask("$JS.API.INFO"))
        client.close()
        return up

    def client(self):
        return NatsClient(self.port, self.login)

    def make(self, stream, **more):
        """A stream as an operator would make it."""
        config = {"name": stream, "subjects": [f"{stream}.>"], "retention": "limits", "storage": "file",
                  "discard": "old", "num_replicas": 1, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, **more}
        client = self.client()
        answer = client.api(f"CREATE.{stream}", config)
        client.close()
        assert "error" not in answer, answer

    def lose(self):
        """What the server knew is gone with it."""
        self.kill()
        shutil.rmtree(f"{self.dir}/js", ignore_errors=True)

    def last(self, stream):
        """How many messages the stream has had."""
        client = self.client()
        answer = client.api(f"INFO.{stream}")
        client.close()
        return answer["state"]["last_seq"] if "state" in answer else 0

    def newest(self, stream, subject):
        """(subject, headers, bytes) of the last message to such a subject; None: there is none. Of a stream without any it is not asked:
        nats-server 2.9.10 ends itself when the stream is just being made."""
        client = self.client()
        info = client.api(f"INFO.{stream}")
        has_any = info.get("state", {}).get("last_seq", 0) > 0
        answer = client.api(f"MSG.GET.{stream}", {"last_by_subj": subject}) if has_any else {}
        client.close()
        return stored(answer["message"]) if "message" in answer else None

    def read(self, stream):
        """[(subject, headers, bytes)] in the stream's order."""
        client, got = self.client(), []
        state = client.api(f"INFO.{stream}")["state"]
        first, last = state["first_seq"], state["last_seq"]
        for begin in range(first, last + 1, 500):
            numbers = range(begin, min(begin + 500, last + 1))
            for n in numbers:
                client.send(f"$JS.API.STREAM.MSG.GET.{stream}", b'{"seq":%d}' % n, n)
            answers = {}
            while not all(str(n) in answers for n in numbers):  # a cluster may have answered INFO twice
                where, body = client.message()
                if json.loads(body).get("error", {}).get("err_code") == NO_LEADER:  # it elects one
                    time.sleep(0.05)
                    client.send(f"$JS.API.STREAM.MSG.GET.{stream}", b'{"seq":%s}' % where.encode(), where)
                else:
                    answers[where] = body
            got += [json.loads(answers[str(n)]) for n in numbers]
        client.close()
        odd = [a["error"] for a in got if "error" in a and a["error"]["err_code"] != NO_MESSAGE]
        assert not odd, odd[:3]
        return [stored(a["message"]) for a in got if "message" in a]


    def read_long(self, stream):
        """The same of a stream with hundreds of thousands, through a consumer: [(subject, body)], and nothing may have been removed."""
        client, got = self.client(), []
        last = client.api(f"INFO.{stream}")["state"]["last_seq"]
        config = {"deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant", "mem_storage": True, "num_replicas": 1}
        made = json.loads(client.ask(f"$JS.API.CONSUMER.CREATE.{stream}", json.dumps({"stream_name": stream, "config": config}).encode()))
        while len(got) < last:
            client.send(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{made['name']}", b'{"batch": 5000, "no_wait": true}', "next")
            for _ in range(min(5000, last - len(got))):
                subject, place, body = client.delivery()
                got.append((subject, body))
                assert place == len(got), (stream, place, len(got))
        client.close()
        return got


def stored(message):
    lines = base64.b64decode(message.get("hdrs", "")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return message["subject"], headers, base64.b64decode(message.get("data", ""))


# ---- Redis ----

class RedisClient:
    def __init__(self, port, password=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONG_S)
        self.file = self.socket.makefile("rb")
        if password:
            self.ask("AUTH", password)

    def close(self):
        self.file.close()
        self.socket.close()

    def ask(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))] if rest != b"-1" else None
        return int(rest) if kind == b":" else line[:-2].decode() if kind == b"-" else rest.decode()


class Redis(Broker):
    """Its file is written before it answers, and needs no fsync for a process that is killed. (Under everysec Redis puts a
    write off while the disk is at an fsync, and answers all the same.)"""
    type, scheme, needs = "redis", "redis", "redis-server"

    def __init__(self, *options, password=None):
        self.options, self.password = list(options), password
        super().__init__()

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "no",
                "--dir", self.dir, *self.options]

    def is_up(self):
        client = self.client()
        up = client.ask("PING") == "PONG"
        client.close()
        return up

    def client(self):
        return RedisClient(self.port, self.password)

    def make(self, stream):
        pass

    def lose(self):
        self.kill()
        shutil.rmtree(f"{self.dir}/appendonlydir", ignore_errors=True)

    def last(self, stream):
        client = self.client()
        count = client.ask("XLEN", stream)
        client.close()
        return count

    def read(self, stream):
        """[(id, fields, bytes)]"""
        client = self.client()
        entries = client.ask("XRANGE", stream, "-", "+")
        client.close()
        return [(i.decode(), {f[0].decode(): f[1]}, f[1]) for i, f in entries]


# ---- what comes back is lost ----

class AckThief:
    """A TCP proxy in front of a broker: requests pass, and of what comes back every count-th answer to a record is
    lost. NATS: the message alone. Redis: with the connection, as it is with a stream of answers."""

    def __init__(self, broker, count):
        self.broker, self.count, self.seen, self.stolen = broker, count, 0, 0
        self.lock, self.sockets = threading.Lock(), set()
        self.listener = listener()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shut(self.listener, *self.sockets)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.broker.port))
            except OSError:
                if self.listener.fileno() < 0:
                    return
                client.close()
                continue
            self.sockets |= {client, server}
            back = self.nats_back if self.broker.type == "nats" else self.redis_back
            threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self.guarded, args=(back, server, client), daemon=True).start()

    def guarded(self, back, server, client):
        try:
            back(server, client)
        except (OSError, ValueError):
            pass
        finally:
            shut(server, client, close=False)

    def pass_on(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            shut(source, sink, close=False)

    def steals(self):
        with self.lock:
            self.seen += 1
            self.stolen += self.seen % self.count == 0
            return self.seen % self.count == 0

    def nats_back(self, server, client):
        file = server.makefile("rb")
        while line := file.readline():
            words = line.split()
            if words[0] not in (b"MSG", b"HMSG"):
                client.sendall(line)
                continue
            body = file.read(int(words[-1]) + 2)
            is_ack = b'"seq":' in body and not words[1].endswith(b"ask")
            if not (is_ack and self.steals()):
                client.sendall(line + body)

    def redis_back(self, server, client):
        while data := server.recv(65536):
            is_ack = b"-0\r\n" in data and b"last-generated-id" not in data
            if is_ack and self.steals():
                return
            client.sendall(data)

"""Sinks that have clients, from the outside: consumers that are fast, slow, stopped, killed, that come back, or that lie, side by
side on one listener of a live engine. The journal is the truth: who reads well has it byte for byte, whoever else there is."""
import asyncio
import json
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from frame_consumer import END, HEADER, REASONS, RECORD_BYTES, connect, hello
from harness import REPLAY_CONFIG, ROOT, SMALL, TICKFUSE, Exchange, engine_args, journal_records, main, wait_until

CONSUMER = [sys.executable, str(pathlib.Path(__file__).parent / "frame_consumer.py")]
EVERY = 'strategies=[{name: t, buy: "spread > 0", books: all}]'
CLIENT_SLOTS = 8192
LONG = 120  # seconds, for what must come


class Engine:
    """A live engine with a journal and listeners: {name: where}."""

    def __init__(self, exchange, folder, *listeners, sets=()):
        self.folder, self.journal = folder, f"{folder}/out.journal"
        sinks = [f"{{type: journal, path: {self.journal}}}"]
        sinks += [f"{{drain: 60s, client_slots: {CLIENT_SLOTS}, history: {self.journal}, {one}}}" for one in listeners]
        self.log = open(f"{folder}/engine.log", "w+")
        self.process = subprocess.Popen([TICKFUSE, *engine_args(exchange, f"sinks=[{', '.join(sinks)}]", EVERY, *sets,
                                                                seconds="600s", sink=False)],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=ROOT)
        self.where = wait_until(lambda: self.listening(len(listeners)), LONG, "the listeners")

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def listening(self, cnt):
        assert self.process.poll() is None, self.text()
        found = re.findall(r"sink_listening sink=(\S+) (?:url=|path=)(\S+)", self.text())
        return {name: at if "://" in at else f"unix:{at}" for name, at in found} if len(found) == cnt else None

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=LONG)
        assert self.process.returncode == 0, self.text()
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.log.close()


class Consumer:
    def __init__(self, folder, name, where, *args):
        self.path = pathlib.Path(f"{folder}/{name}")
        self.process = subprocess.Popen([*CONSUMER, where, str(self.path), *map(str, args)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def cnt(self):
        return self.path.stat().st_size // RECORD_BYTES if self.path.exists() else 0

    def wait(self, cnt):
        wait_until(lambda: self.cnt() >= cnt or self.process.poll() is not None, LONG, f"{cnt} records in {self.path.name}")
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self):
        """Its summary."""
        out, err = self.process.communicate(timeout=LONG)
        assert self.process.returncode == 0, f"{self.path.name}: {err[-2000:]}"
        return json.loads(out)

    def records(self):
        data = self.path.read_bytes()
        whole = len(data) // RECORD_BYTES * RECORD_BYTES  # a killed one may have written a part
        return [data[at:at + RECORD_BYTES] for at in range(0, whole, RECORD_BYTES)]


def sequence(record):
    return struct.unpack_from("<Q", record)[0]


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return f"cert_file: {folder}/cert.pem, tls_key_file: {folder}/key.pem"


def listener(kind, folder, policy):
    """A listener's config, and what its consumers need."""
    tls = certificate(folder) if kind in ("tls", "wss") else ""
    return {"unix": f"type: unix, policy: {policy}, path: {folder}/own/out",
            "tcp": f'type: tcp, policy: {policy}, url: "tcp://127.0.0.1:0"',
            "tls": f'type: tcp, policy: {policy}, url: "tls://127.0.0.1:0", {tls}',
            "ws": f'type: websocket, policy: {policy}, url: "ws://127.0.0.1:0/out"',
            "wss": f'type: websocket, policy: {policy}, url: "wss://127.0.0.1:0/out", {tls}'}[kind], \
        ["--ca", f"{folder}/cert.pem"] if tls else []


class Consumers(unittest.TestCase):
    def check(self, truth, consumer, summary=None):
        """All that it has is the truth, from its first to its last unbroken but for what it was told to be lost. How many were lost."""
        got = consumer.records()
        for record in got:
            self.assertEqual(record, truth.get(sequence(record)), f"{consumer.path.name}: decision {sequence(record)}")
        lost = sum(last - first + 1 for first, last, _ in summary["lost"]) if summary else 0
        if summary and summary["lost"]:
            self.assertEqual(summary["next"] - sequence(got[0]), len(got) + lost)
        else:
            self.assertEqual([sequence(r) for r in got], list(range(sequence(got[0]), sequence(got[0]) + len(got))))
        return lost

    def comes_back(self, folder, where, args):
        """Three connections, each from where the one before ended: one file."""
        path, at = pathlib.Path(f"{folder}/back"), 1
        for _ in range(3):
            back = Consumer(folder, "back", where, *args, "--from", at, "--cnt", 400)
            self.assertEqual(back.end()["lost"], [])
            at = sequence(path.read_bytes()[-RECORD_BYTES:]) + 1
        return back

    def side_by_side(self, kind, policy):
        with tempfile.TemporaryDirectory() as folder, Exchange("--rate", "2000") as exchange:
            config, args = listener(kind, folder, policy)
            with Engine(exchange, folder, config) as engine:
                (where,) = engine.where.values()
                good = Consumer(folder, "good", where, *args).wait(300)
                slow = Consumer(folder, "slow", where, *args, "--cut", "--from", "next", "--piece", 1).wait(1)
                stopped = Consumer(folder, "stopped", where, *args, "--cut", "--from", "next").wait(1)
                stopped.signal(signal.SIGSTOP)
                killed = Consumer(folder, "killed", where, *args).wait(100)
                killed.kill()
                back = self.comes_back(folder, where, args)
                good.wait(good.cnt() + CLIENT_SLOTS + 8000)  # a stopped one's queue, its frames and its socket hold less
                stopped.signal(signal.SIGCONT)
                got = engine.finish()
            ends = {c.path.name: c.end() for c in (good, slow, stopped)}
            truth, log = journal_records(engine.journal), engine.text()
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertEqual(len(truth), got["decisions"])
            self.assertEqual(self.check(truth, good, ends["good"]), 0)
            self.assertEqual(len(good.records()), len(truth))
            self.assertEqual(ends["good"]["end"]["reason"], "closed")
            for one in (killed, back):
                self.check(truth, one)
            self.assertEqual(sequence(back.records()[0]), 1)
            self.check(truth, slow, ends["slow"])
            lost = self.check(truth, stopped, ends["stopped"])
            if policy == "disconnect":
                self.assertRegex(log, r"sink_client_evicted sink=\S+ reason=slow .*policy disconnect")
            else:
                self.assertGreater(lost, 0)
                self.assertEqual({reason for _, _, reason in ends["stopped"]["lost"]}, {"dropped"})

    def test_unix_drop_oldest(self):
        self.side_by_side("unix", "drop_oldest")

    def test_tcp_disconnect(self):
        self.side_by_side("tcp", "disconnect")

    def test_tls_drop_newest(self):
        self.side_by_side("tls", "drop_newest")

    def test_websocket_drop_oldest(self):
        self.side_by_side("ws", "drop_oldest")

    def test_websocket_tls_disconnect(self):
        self.side_by_side("wss", "disconnect")


class Liars(unittest.TestCase):
    """Each is told why, counted and logged, and let go; who reads beside them has every byte."""

    def said(self, where, *pieces):
        """What a stream listener answers to these bytes, until it closes: its END's reason and text."""
        s = connect(where, None)
        s.settimeout(LONG)
        for piece in pieces:
            try:
                s.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break  # it has heard enough
        answer = b""
        try:
            while piece := s.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        while answer and HEADER.unpack_from(answer)[1] != END:
            answer = answer[HEADER.size + HEADER.unpack_from(answer)[4]:]
        reason, cnt = struct.unpack_from("<II", answer, HEADER.size)
        return REASONS[reason], answer[HEADER.size + 8:HEADER.size + 8 + cnt].decode()

    def test_streams_refuse_each_with_its_reason(self):
        with tempfile.TemporaryDirectory() as folder, Exchange() as exchange:
            token = pathlib.Path(f"{folder}/token")
            token.write_text("s3cret\n")
            token.chmod(0o600)
            with Engine(exchange, folder, listener("unix", folder, "drop_oldest")[0],
                        f"name: closed, clients: 3, token_file: {token}, " + listener("tcp", folder, "drop_oldest")[0]) as engine:
                unix, tcp = engine.where["unix"], engine.where["closed"]
                good = [Consumer(folder, "good", unix), Consumer(folder, "with_token", tcp, "--token", "s3cret")]
                for one in good:
                    one.wait(10)
                oversized = HEADER.pack(b"TFF1", 1, 1, 0, 2**31, 0, 0, 0)
                for where in (unix, tcp):
                    for pieces, reason, text in [
                            ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",), "protocol", "TFF1"),
                            ((b"\0" * 100000,), "protocol", "TFF1"),
                            ((oversized,), "protocol", "payload of 2147483648 bytes"),
                            ((oversized, b"x" * 1000000), "protocol", "payload of 2147483648 bytes"),
                            ((hello(0, b"s3cret", version=9),), "protocol", "version 9"),
                            ((hello(0, b"s3cret", carries=2),), "protocol", "carries something else"),
                            ((hello(0, b"s3cret"), b"more"), "protocol", "nothing after its hello"),
                            ((hello(0)[:40],), "timeout", "no hello within 2 s")]:
                        got = self.said(where, *pieces)
                        self.assertEqual((got[0], text in got[1]), (reason, True), (got, text))
                for wrong, text in ((b"", "a token is wanted"), (b"s3cre", "not the token"), (b"s3cret!", "not the token")):
                    self.assertEqual(self.said(tcp, hello(0, wrong))[0], "token")
                more = [Consumer(folder, f"more{i}", tcp, "--token", "s3cret").wait(1) for i in range(2)]
                self.assertEqual(self.said(tcp, hello(0, b"s3cret"))[0], "full")
                for one in good:
                    one.wait(one.cnt() + 500)
                got = engine.finish()
                ends = [one.end() for one in (*good, *more)]
            truth, log = journal_records(engine.journal), engine.text()
            self.assertEqual(got["ledger"]["residual"], 0)
            for one, end in zip((*good, *more), ends):
                self.assertEqual((one.records(), end["lost"]), (list(truth.values()), []))
            for reason in ("protocol", "timeout", "token", "full"):
                self.assertRegex(log, rf"sink_client_(refused|evicted) sink=\S+ reason={reason} peer=\S+ ")
            self.assertNotIn("s3cre", log)

    def test_websocket_refuses_pages_of_other_sites_and_wrong_messages(self):
        with tempfile.TemporaryDirectory() as folder, Exchange() as exchange:
            token = pathlib.Path(f"{folder}/token")
            token.write_text("s3cret\n")
            token.chmod(0o600)
            with Engine(exchange, folder, "name: open, " + listener("ws", folder, "drop_oldest")[0],
                        f"name: closed, clients: 2, token_file: {token}, " + listener("ws", folder, "drop_oldest")[0]) as engine:
                where, closed = engine.where["open"], engine.where["closed"]
                good = [Consumer(folder, "good", where), Consumer(folder, "hello", closed, "--token", "s3cret"),
                        Consumer(folder, "bearer", closed, "--bearer", "s3cret")]
                for one in good:
                    one.wait(10)
                for url, headers, status in [(where, {"Origin": "https://example.com"}, 403),
                                             (where, {"Origin": "null"}, 403),
                                             (where, {"Host": "rebound.example.com"}, 403),
                                             (where + "/other", {}, 404),
                                             (closed, {"Authorization": "Bearer s3cres"}, 401),
                                             (closed, {"Authorization": "Basic s3cret"}, 401),
                                             (where, {"Origin": "http://localhost:3000"}, 101)]:
                    self.assertEqual(self.status(url, headers), status, (url, headers))
                for url, message, reason in [(where, "TFF1", "protocol"), (where, b"garbage", "protocol"),
                                             (where, b"\0" * 3000000, "protocol"), (where, b"", "timeout"),
                                             (where, hello(0) + b"more", "protocol"), (closed, hello(0), "full")]:
                    self.assertEqual(asyncio.run(self.told(url, message)), reason, (url, message[:10]))
                good.pop().kill()
                self.assertEqual(asyncio.run(self.told(closed, hello(0, b"wrong"))), "token")
                for one in good:
                    one.wait(one.cnt() + 500)
                got = engine.finish()
                ends = [one.end() for one in good]
            truth, log = journal_records(engine.journal), engine.text()
            self.assertEqual(got["ledger"]["residual"], 0)
            for one, end in zip(good, ends):
                self.assertEqual((one.records(), end["lost"]), (list(truth.values()), []))
            self.assertNotIn("s3cre", log)

    def status(self, url, headers):
        """Of the answer to an upgrade."""
        host, path = url.split("/", 3)[2:]
        headers = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
        with connect("tcp://" + host, None) as s:
            s.settimeout(LONG)
            s.sendall(f"GET /{path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n")
            return int(s.makefile("rb").readline().split()[1])

    async def told(self, url, message):
        """The reason of the END that this message brings."""
        import websockets
        async with websockets.connect(url, compression=None) as ws:
            try:
                await ws.send(message)
            except websockets.ConnectionClosed:
                pass  # it was told before
            try:
                while True:
                    frame = await asyncio.wait_for(ws.recv(), LONG)
                    if HEADER.unpack_from(frame)[1] == END:
                        return REASONS[struct.unpack_from("<I", frame, HEADER.size)[0]]
            except websockets.ConnectionClosed as closed:
                return f"closed without a word: {closed}"


class Documented(unittest.TestCase):
    def test_the_reader_of_the_documentation_reads(self):
        (program,) = re.findall(r"<!-- tested -->\n```python\n(.*?)```", (ROOT / "docs/frames.md").read_text(), re.S)
        for kind in ("unix", "tcp"):
            with tempfile.TemporaryDirectory() as folder, Exchange() as exchange:
                with Engine(exchange, folder, listener(kind, folder, "drop_oldest")[0]) as engine:
                    (where,) = engine.where.values()
                    reader = subprocess.Popen([sys.executable, "-c", program, where, "0"], stdout=subprocess.PIPE, text=True)
                    lines = [reader.stdout.readline() for _ in range(200)]
                    engine.finish()
                    lines += reader.stdout.read().splitlines()
                    reader.wait()
                truth = journal_records(engine.journal)
                self.assertEqual([int(line.split()[0]) for line in lines[:-1]], list(truth))
                self.assertRegex(lines[0], r"^1 \w+USDT\.BINANCE-SPOT (HOLD|BUY)")
                self.assertEqual(lines[-1], f"end closed go on with {len(truth) + 1}")


class Replay(unittest.TestCase):
    def test_a_replay_serves_who_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            config, log = pathlib.Path(f"{folder}/replay.yaml"), pathlib.Path(f"{folder}/log")
            text = pathlib.Path(REPLAY_CONFIG).read_text().replace("models/", f"{ROOT}/models/")
            config.write_text(text[:text.index("sinks:")] + "sinks:\n"
                              f"  - {{type: journal, path: {folder}/out.journal}}\n"
                              f"  - {{type: unix, path: {folder}/own/out, history: {folder}/out.journal, drain: 60s}}\n")
            with open(log, "w") as err:
                replay = subprocess.Popen([TICKFUSE, "replay", config, "--json", "--input", SMALL / "binance_spot_made.txt",
                                           "--speed", "1x"], stdout=subprocess.PIPE, stderr=err, text=True, cwd=ROOT)
            wait_until(lambda: "sink_listening" in log.read_text(), LONG, "the listener")
            reader = Consumer(folder, "reader", f"unix:{folder}/own/out")  # the recording takes five seconds
            got = json.loads(replay.communicate(timeout=LONG)[0])
            end = reader.end()
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertEqual((reader.records(), end["lost"]), (list(journal_records(f"{folder}/out.journal").values()), []))
            self.assertEqual(len(reader.records()), got["decisions"])


if __name__ == "__main__":
    main()

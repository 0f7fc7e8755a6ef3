"""Sinks without a broker, through the whole engine: a recording is replayed, decisions leave by POST and by datagram as well as into
the journal, and what Python receives is what the journal holds, every one, in order."""
import hashlib
import hmac
import http.server
import json
import pathlib
import socket
import struct
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import REPLAY_CONFIG, SMALL, main, run

INPUT = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
STRATEGIES = 'strategies=[{name: flow, buy: "ofi(1s) > 0", sell: "ofi(1s) < 0", books: all}]'
SECRET = "sixteen characters and more"
HEAD = struct.Struct("<IBBHIIQQ")
LINE = struct.Struct("<IIHHB3x")
RECORDS, HEARTBEAT, END = 4, 6, 7


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = f"{self.headers['Tickfuse-Timestamp']}.{self.headers['Idempotency-Key']}.".encode() + body
        sign = "sha256=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        self.server.good &= hmac.compare_digest(sign, self.headers["Tickfuse-Signature"])
        self.server.lines += body.splitlines()
        self.send_response(204)
        self.end_headers()


class Outlets(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.journal = pathlib.Path(self.dir.name) / "out.journal"

    def replay(self, sink):
        sinks = f"[{{type: journal, path: {self.journal}}}, {sink}]"
        out, _ = run("replay", REPLAY_CONFIG, "--json", "--set", f"sinks={sinks}", "--set", STRATEGIES,
                     "--input", INPUT)
        report = json.loads(out)
        self.assertEqual(report["ledger"]["residual"], 0)
        self.assertGreater(report["decisions"], 0)
        return report

    def written(self):
        """What the journal holds, as JSON lines; without what only a config knows, and tail does not: the strategy's name."""
        out, _ = run("tail", self.journal, "--json")
        return [without_name(line) for line in out.splitlines()]

    def test_callback_receives_what_the_journal_holds(self):
        key = pathlib.Path(self.dir.name) / "key"
        key.touch(0o600)
        key.write_text(SECRET + "\n")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        server.lines, server.good = [], True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/in"
        report = self.replay(f'{{type: http, url: "{url}", format: json, sign_file: {key}, batch: 7, drain: 60s}}')
        self.assertTrue(server.good)
        self.assertEqual(len(server.lines), report["decisions"])
        self.assertEqual([without_name(line) for line in server.lines], self.written())
        self.assertEqual({json.loads(line)["strategy"] for line in server.lines}, {"flow"})

    def test_datagrams_hold_what_the_journal_holds(self):
        net = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(net.close)
        net.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        net.bind(("127.0.0.1", 0))
        net.settimeout(60)
        records, ended = [], threading.Event()

        def receive():
            while not ended.is_set():
                datagram = net.recv(2048)
                magic, kind, version, cnt, payload, _, _, _ = HEAD.unpack_from(datagram)
                _, _, record_bytes, _, carries = LINE.unpack_from(datagram, HEAD.size)
                assert (magic, version, carries, record_bytes) == (0x31464654, 1, 0, 128) and len(datagram) == HEAD.size + payload <= 1472
                if kind == RECORDS:
                    at = HEAD.size + LINE.size
                    records.extend(datagram[at + 128 * i : at + 128 * (i + 1)] for i in range(cnt))
                if kind == END:
                    ended.set()

        thread = threading.Thread(target=receive)
        thread.start()
        report = self.replay(f'{{type: udp, url: "udp://127.0.0.1:{net.getsockname()[1]}", linger: 1s, drain: 60s}}')
        thread.join(60)
        self.assertTrue(ended.is_set())
        self.assertLess(report["decisions"], 400, "more than the least socket buffer holds")
        self.assertEqual([struct.unpack_from("<Q", r)[0] for r in records], list(range(1, report["decisions"] + 1)))
        self.assertEqual([struct.unpack_from("<Q", r, 8)[0] for r in records], [d["ingest_seq"] for d in self.written()])


def without_name(line):
    fields = json.loads(line)
    del fields["strategy"]
    return fields


if __name__ == "__main__":
    main()

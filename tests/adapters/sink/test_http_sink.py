"""The http sink against Python's http.server, plain and over TLS: signatures by Python's hmac, order and numbers by its json,
while the server refuses, hangs up, and answers nonsense by the count of its requests. What a receiver keeps that drops
what it has by the sequence is every decision once; repeats of a batch come under the same Idempotency-Key."""

import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = sys.argv.pop(1)
CNT = 5000
SECRET = "a secret of more than sixteen"


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, plan, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.plan, self.lock = plan, threading.Lock()
        self.request_cnt, self.accepted, self.keys, self.faults = 0, [], {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Connections that are cut are what is tested."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.request_cnt += 1
            plan = self.server.plan.get(self.server.request_cnt % 20, "ok")
            self.check(body)
            if plan in ("ok", "close", "lost"):
                self.take(body)
        getattr(self, "answer_" + plan)()

    def check(self, body):
        key, stamp = self.headers["Idempotency-Key"], self.headers["Tickfuse-Timestamp"]
        text = f"{stamp}.{key}.".encode() + body
        want = "sha256=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(want, self.headers["Tickfuse-Signature"]):
            self.server.faults.append(f"signature of {key}")
        seqs = [json.loads(line)["decision_seq"] for line in body.splitlines()]
        if key != f"hook-{seqs[0]}-{seqs[-1]}" or seqs != list(range(seqs[0], seqs[-1] + 1)):
            self.server.faults.append(f"{key}: {seqs}")
        if self.server.keys.setdefault(seqs[0], key) != key:
            self.server.faults.append(f"{key} was {self.server.keys[seqs[0]]}")

    def take(self, body):
        last = self.server.accepted[-1] if self.server.accepted else 0
        seqs = [json.loads(line)["decision_seq"] for line in body.splitlines()]
        self.server.accepted += [seq for seq in seqs if seq > last]

    def say(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_ok(self):
        self.say(200, b"thank you")

    def answer_close(self):
        self.close_connection = True
        self.say(200, b"bye", Connection="close")

    def answer_busy(self):
        self.say(503, b"x" * 1000, Retry_After="0")

    def answer_lost(self):
        """Taken, and the answer is lost with the connection."""
        self.close_connection = True

    def answer_nonsense(self):
        self.wfile.write(b"\x16\x03\x01\x02\x00 no HTTP at all\r\n\r\n")
        self.close_connection = True


class HttpSink(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.secret = os.path.join(self.dir.name, "secret")
        with open(os.open(self.secret, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(SECRET + "\n")

    def push(self, url, ca_file="/nonexistent", expect=0):
        done = subprocess.run([PROGRAM, "push", url, str(CNT), self.secret, ca_file], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout

    def check(self, server):
        self.assertEqual(server.faults, [])
        self.assertEqual(server.accepted, list(range(1, CNT + 1)))

    def test_a_server_that_is_well(self):
        server = Receiver({})
        out = self.push(f"http://127.0.0.1:{server.server_port}/in")
        self.check(server)
        self.assertIn(f"acked {CNT} resent 0 errors 0 pending 0", out)

    def test_a_server_that_refuses_hangs_up_and_lies_by_count(self):
        server = Receiver({3: "busy", 4: "busy", 8: "close", 11: "lost", 15: "nonsense"})
        out = self.push(f"http://127.0.0.1:{server.server_port}/in")
        self.check(server)
        self.assertIn(f"acked {CNT} ", out)
        self.assertNotIn("resent 0 ", out)

    def context(self, name):
        cert, key = (os.path.join(self.dir.name, n) for n in ("cert.pem", "key.pem"))
        command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=t -addext subjectAltName={name}"
        subprocess.run([*command.split(), "-out", cert, "-keyout", key], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context, cert

    def test_over_tls(self):
        context, cert = self.context("IP:127.0.0.1")
        server = Receiver({5: "close", 9: "busy", 13: "lost"}, context)
        self.push(f"https://127.0.0.1:{server.server_port}/in", cert)
        self.check(server)


if __name__ == "__main__":
    unittest.main()

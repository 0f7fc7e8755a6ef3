"""Events by POST /v1/events, from the outside: clients of every manner, good and bad, on an engine that is stopped, killed and
replayed. What is answered 200 is in the engine; the summary counts it, and a replay of the capture counts the same."""
import concurrent.futures
import contextlib
import gzip
import http.client
import itertools
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from desk import LINES, LONG_S, TOKEN, Desk
from harness import ROOT, TICKFUSE, free_port, main, metrics_at, run, wait_until

BODY_MAX = 65536


def trade(number, instrument="BTC.DESK"):
    return json.dumps({"instrument": instrument, "kind": "trade", "side": "buy", "price": "101.5", "qty": "2", "id": number})


def quote(number):
    return json.dumps({"instrument": "BTC.DESK", "kind": "quote", "bid_price": f"{number}.5", "bid_qty": 1,
                       "ask_price": f"{number + 1}.25", "ask_qty": 2})


class Engine(Desk):
    """One with no more than the feed."""

    def __init__(self, folder, *sets, feed="", capture=False):
        if capture:
            sets += (f"capture.path={folder}/capture", "capture.flush=10ms")
        super().__init__(folder, (
            "engine: {idle: sleep}\n"
            f"feeds: [{{name: desk, venue: events, listen: '127.0.0.1:0', token_file: {folder}/token, instruments: ['*.DESK'],\n"
            f"         message_bytes_max: {BODY_MAX}B, rate_max: 0{feed}}}]\n"
            "features: [mid, spread]\n"
            "strategies: [{name: t, buy: 'mid > 0', books: all}]\n"
            "sinks: [{type: 'null'}]\n"), *sets)


def request(body, *headers, token=TOKEN, kind=LINES, length=True):
    head = ["POST /v1/events HTTP/1.1", "Host: localhost", f"Content-Type: {kind}"]
    head += [f"Authorization: Bearer {token}"] if token else []
    head += [f"Content-Length: {len(body)}"] if length else []
    return ("\r\n".join(head + list(headers)) + "\r\n\r\n").encode() + body


class Answers:
    """The answers on a socket, one after the other."""

    def __init__(self, connection):
        self.file = connection.makefile("rb")

    def next(self):
        """(status, body), None at the end."""
        line = self.file.readline()
        if not line:
            return None
        status, length = int(line.split()[1]), 0
        while (line := self.file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, self.file.read(length)


def replayed(engine):
    out, _ = run("replay", engine.config, "--json", "--input", engine.folder / "capture")
    return json.loads(out)


class Requests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def ids(self, engine):
        """The ids of all trades in the capture."""
        tape = engine.folder / "all.tft"
        run("tape", "convert", engine.folder / "capture", "--out", tape)
        out, _ = run("tape", "cat", tape, "--format", "json", "--kind", "trade")
        return [json.loads(line)["id"] for line in out.splitlines()]

    def test_every_manner_of_sending_is_taken_and_replayed(self):
        with Engine(self.folder.name, capture=True) as engine:
            number, kept = 0, engine.connect()

            def fresh(cnt=1):
                nonlocal number
                number += cnt
                return "\n".join(trade(i) for i in range(number - cnt + 1, number + 1))

            self.assertEqual(engine.post(fresh())[0], 200)
            for _ in range(20):  # kept alive
                self.assertEqual(engine.post(fresh(3), connection=kept), (200, {"accepted": 3, "rejected_cnt": 0, "rejected": []}))
            self.assertEqual(engine.post(f"[{fresh()},\n {fresh()}]", "application/json")[0], 200)
            self.assertEqual(engine.post(fresh(), "application/json")[0], 200)
            self.assertEqual(engine.post(gzip.compress(fresh(50).encode()), Content_Encoding="gzip")[0], 200)
            kept.request("POST", "/v1/events", iter([fresh().encode()[:30], trade(number).encode()[30:]]),
                         {"Content-Type": LINES, "Authorization": f"Bearer {TOKEN}"}, encode_chunked=True)
            self.assertEqual(json.loads(kept.getresponse().read())["accepted"], 1)

            # in two pieces, cut at every byte, on one connection
            with engine.socket() as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answers, size = Answers(s), len(request(trade(100).encode()))
                for cut in range(1, size):
                    whole = request(fresh().encode())
                    s.sendall(whole[:cut])
                    s.sendall(whole[cut:])
                    self.assertEqual(answers.next()[0], 200)
                # and byte by byte
                for byte in request(fresh().encode()):
                    s.sendall(bytes([byte]))
                self.assertEqual(answers.next()[0], 200)
                # pipelined: answered in order
                bodies = [fresh(1 + i % 5) for i in range(60)]
                s.sendall(b"".join(request(b.encode()) for b in bodies))
                for body in bodies:
                    self.assertEqual(json.loads(answers.next()[1])["accepted"], body.count("\n") + 1)

            # curl asks before it sends what is long
            done = subprocess.run(["curl", "-sS", "-H", f"Content-Type: {LINES}", "-H", f"Authorization: Bearer {TOKEN}",
                                   "-H", "Expect: 100-continue", "--data-binary", "@-", f"http://127.0.0.1:{engine.port}/v1/events"],
                                  input=fresh(500), capture_output=True, text=True, timeout=LONG_S)
            self.assertEqual(json.loads(done.stdout)["accepted"], 500, done.stderr)
            for i in range(1, 30):
                self.assertEqual(engine.post(quote(i), connection=kept)[0], 200)
            kept.close()
            live = engine.finish()
        self.assertEqual(live["events"]["trade"], number)
        self.assertEqual(live["events"]["quote"], 29)
        self.assertEqual(live["ledger"]["residual"], 0)
        self.assertEqual(live["intakes"][0]["residual"], 0)
        self.assertEqual(live["intakes"][0]["waiting"], 0)
        self.assertGreater(live["decisions"], 0)
        again = replayed(engine)
        for key in ("events", "messages", "rejected", "events_hash", "decisions", "decisions_hash"):
            self.assertEqual(live[key], again[key], key)
        self.assertEqual(self.ids(engine), list(range(1, number + 1)))

    def test_a_post_wakes_a_lane_that_sleeps_and_no_other(self):
        """No socket but the bell's brings the lane bytes here, and only a lane that sleeps is rung for."""
        for io, idle in itertools.product(("auto", "epoll"), ("sleep", "yield")):
            port = free_port()
            with Engine(self.folder.name, f"engine.io={io}", f"engine.idle={idle}", f"http.listen=127.0.0.1:{port}") as engine:

                def rung():
                    return metrics_at(port)["tickfuse_io_receives_total"]

                for number in range(1, 51):
                    self.assertEqual(engine.post(trade(number))[0], 200)
                if idle == "sleep":
                    wait_until(rung, LONG_S, "a ring")
                else:
                    self.assertEqual(rung(), 0)
                live = engine.finish()
            self.assertEqual((live["events"]["trade"], live["ledger"]["residual"], live["intakes"][0]["residual"]), (50, 0, 0))

    def test_a_line_that_is_sent_again_is_a_duplicate_and_is_left_out_by_a_replay_too(self):
        with Engine(self.folder.name, feed=", ids_kept: 100", capture=True) as engine:
            for body in (trade(1), f"{trade(1)}\n{trade(2)}\n{quote(3)}", "\n".join(trade(n) for n in range(2, 104)), trade(2)):
                self.assertEqual(engine.post(body)[0], 200)  # the third leaves trades 4 to 103 in the window
            live = engine.finish()
        again = replayed(engine)
        for got in (live, again):
            self.assertEqual((got["messages"], got["duplicates"], got["events"]["trade"]), (107, 2, 104))
            self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(live["events_hash"], again["events_hash"])

    def test_what_is_refused_costs_nobody_else_anything(self):
        good = request(trade(1).encode())
        refused = [  # what is sent, status; a status of None: only the connection's end
            (request(trade(1).encode(), token="another"), 401),
            (request(trade(1).encode(), token=TOKEN[:-1]), 401),
            (request(trade(1).encode(), token=None), 401),
            (request(trade(1).encode(), kind="text/plain"), 415),
            (request(trade(1).encode(), "Content-Encoding: br"), 415),
            (request(b"not gzip", "Content-Encoding: gzip"), 400),
            (request(gzip.compress(b" " * (BODY_MAX + 1)), "Content-Encoding: gzip"), 413),
            (request(b"", f"Content-Length: {BODY_MAX + 1}", length=False), 413),
            (request(b"", "Content-Length: 99999999999999999999", length=False), 413),
            (request(b"fffff\r\n", "Transfer-Encoding: chunked", length=False), 413),
            (request(b"zz\r\n", "Transfer-Encoding: chunked", length=False), 400),
            (request(trade(1).encode(), "Transfer-Encoding: chunked"), 400),  # and a length
            (request(trade(1).encode(), "Content-Length: 7"), 400),
            (request(b"", length=False), 400),
            (request(b"rubbish"), 400),
            (request(b"{}\n" * 5000), 400),
            (good.replace(b"POST", b"GET", 1), 405),
            (good.replace(b"/v1/events", b"/v1/../etc/passwd", 1), 404),
            (good.replace(b"localhost", b"evil.example", 1), 421),
            (good.replace(b"HTTP/1.1", b"HTTP/9.9", 1), 400),
            (good.replace(b"\r\n", b"\n"), 400),
            (b"GET /\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 40, 400),  # a TLS handshake
            (b"\0" * 100, 400),
            (b"POST " + b"/" * 70000, 400),
            (b"POST /v1/events HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(100)) + b"\r\n", 400),
        ]
        with Engine(self.folder.name) as engine:
            for text, status in refused:
                with engine.socket() as s:
                    s.sendall(text)
                    got = Answers(s).next()
                    self.assertEqual(got and got[0], status, text[:120])
                    self.assertNotIn(TOKEN.encode(), got[1])
                self.assertEqual(engine.post(trade(1))[0], 200)
            summary = engine.finish()
        self.assertEqual(summary["events"]["trade"], len(refused))
        self.assertEqual(summary["rejected"], {})  # of nothing good nothing came as far as the feed
        self.assertEqual(summary["intakes"][0]["refused"], len(refused))
        self.assertNotIn(TOKEN, engine.said())

    def test_bad_lines_are_named_and_counted_and_the_others_live(self):
        body = "\n".join([trade(1), "rubbish", trade(2, "BTC.OTHER"), "", trade(3)])
        with Engine(self.folder.name) as engine:
            status, answer = engine.post(body)
            summary = engine.finish()
        self.assertEqual((status, answer["accepted"], answer["rejected_cnt"]), (200, 2, 2))
        self.assertEqual([(row["line"], row["reason"]) for row in answer["rejected"]], [(2, "syntax"), (3, "instrument")])
        self.assertEqual(summary["rejected"], {"syntax": 1, "instrument": 1})
        self.assertEqual(summary["events"]["trade"], 2)
        self.assertEqual(summary["ledger"]["residual"], 0)

    def test_a_request_that_comes_again_is_not_taken_twice(self):
        with Engine(self.folder.name, capture=True) as engine:
            first = engine.post(trade(1), Idempotency_Key="k-1")
            again = [engine.post(trade(1), Idempotency_Key="k-1") for _ in range(5)]
            other = engine.post(trade(2), Idempotency_Key="k-1")
            # the answer is lost: the client goes before it comes, and asks again
            lost = request(trade(3).encode(), "Idempotency-Key: k-2")
            for _ in range(20):
                with engine.socket() as s:
                    s.sendall(lost)
            wait_until(lambda: engine.post(trade(3), Idempotency_Key="k-2")[0] == 200, LONG_S, "an answer")
            summary = engine.finish()
        self.assertEqual(first[1], {"accepted": 1, "rejected_cnt": 0, "rejected": []})
        for status, answer in again:
            self.assertEqual((status, answer["accepted"], answer["repeated"]), (200, 1, True))
        self.assertEqual(other[0], 422)
        self.assertEqual(summary["events"]["trade"], 2)
        self.assertEqual(self.ids(engine), [1, 3])

    def test_what_was_taken_before_a_kill_is_in_the_capture(self):
        with Engine(self.folder.name, capture=True) as engine:
            sent, over, lock = 0, threading.Event(), threading.Lock()

            def send():
                nonlocal sent
                connection = engine.connect()
                while not over.is_set():
                    try:
                        with lock:
                            if engine.post(trade(sent + 1), connection=connection)[0] == 200:
                                sent += 1
                    except (OSError, http.client.HTTPException):
                        return

            sender = threading.Thread(target=send)
            sender.start()
            files = engine.folder / "capture"
            wait_until(lambda: sent > 300 and sum(f.stat().st_size for f in files.glob("*.tfc")) > 8192, LONG_S, "a capture")
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait(LONG_S)
            over.set()
            sender.join(LONG_S)
            first, again, ids = replayed(engine), replayed(engine), self.ids(engine)
        self.assertEqual(first["events_hash"], again["events_hash"])
        self.assertEqual(ids, list(range(1, len(ids) + 1)))
        self.assertGreater(len(ids), 0)
        self.assertLessEqual(len(ids), sent + 1)  # the last answer may be lost
        self.assertEqual(first["events"]["trade"], len(ids))
        self.assertEqual(first["ledger"]["residual"], 0)


def served(engine, number):
    """Whether there was a place for it, and it was taken."""
    try:
        return engine.post(trade(number))[0] == 200
    except (OSError, http.client.HTTPException):
        return False


class Clients(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_slow_senders_are_cut_and_others_are_served_meanwhile(self):
        with Engine(self.folder.name, feed=", clients_max: 8") as engine:
            def is_cut(beginning):
                with engine.socket() as s:
                    try:
                        s.sendall(beginning)
                        got = Answers(s).next()
                    except OSError:  # there was no place
                        return False
                    return got and self.assertEqual(got[0], 408) is None

            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                slow = [pool.submit(wait_until, lambda b=b: is_cut(b), LONG_S, "the cut") for b in
                        (b"POST /v1/events HTTP/1.1\r\nHost: local", request(trade(9).encode())[:-5])]
                with contextlib.ExitStack() as stack:
                    many = [stack.enter_context(engine.socket()) for _ in range(20)]
                    for s in many:  # those beyond eight at once, the others when they said nothing for two seconds
                        self.assertEqual(s.recv(1), b"")
                wait_until(lambda: served(engine, 1), LONG_S, "an answer")
                for future in slow:
                    future.result()
            wait_until(lambda: served(engine, 2), LONG_S, "an answer")
            summary = engine.finish()
        self.assertEqual(summary["events"]["trade"], 2)

    def test_a_flood_is_bounded_and_what_was_accepted_is_there(self):
        with Engine(self.folder.name, feed=", clients_max: 32") as engine:
            def flood(worker):
                taken = 0
                with contextlib.closing(engine.connect()) as connection:
                    for i in range(40):
                        status, answer = engine.post("\n".join([trade(worker * 10000 + i)] * 20), connection=connection)
                        taken += answer["accepted"] if status == 200 else 0
                return taken

            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                taken = sum(pool.map(flood, range(16)))
            summary = engine.finish()
        self.assertEqual(taken, 16 * 40 * 20)
        self.assertEqual(summary["events"]["trade"], taken)
        self.assertEqual(summary["ledger"]["residual"], 0)

    def test_an_address_has_its_rate(self):
        with Engine(self.folder.name, "feeds.0.rate_max=1") as engine:
            statuses = [engine.post(trade(0))[0]]

            def is_answered(status):
                statuses.append(engine.post(trade(len(statuses)))[0])
                return statuses[-1] == status

            self.assertEqual(statuses, [200])
            wait_until(lambda: is_answered(429), LONG_S, "too many")
            wait_until(lambda: is_answered(200), LONG_S, "a token")
            summary = engine.finish()
        self.assertEqual(summary["events"]["trade"], statuses.count(200))
        self.assertEqual(set(statuses), {200, 429})

    def test_tls_clients_and_those_who_speak_none(self):
        cert, key = f"{self.folder.name}/cert.pem", f"{self.folder.name}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        os.chmod(key, 0o600)
        with Engine(self.folder.name, feed=f", cert_file: {cert}, tls_key_file: {key}") as engine:
            context = ssl.create_default_context(cafile=cert)
            connection = http.client.HTTPSConnection("127.0.0.1", engine.port, context=context, timeout=LONG_S)
            for i in range(5):
                body = "\n".join([trade(i)] * (1 + 90 * i))  # also longer than a record
                self.assertEqual(engine.post(body, connection=connection),
                                 (200, {"accepted": 1 + 90 * i, "rejected_cnt": 0, "rejected": []}))
            connection.close()
            with engine.socket() as s:
                s.sendall(request(trade(1).encode()))
                self.assertFalse((s.recv(4096) or b"").startswith(b"HTTP"))
            with engine.socket() as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
                s.sendall(b"".join(request(trade(i).encode()) for i in range(50)))
                answers = Answers(s)
                for _ in range(50):
                    self.assertEqual(answers.next()[0], 200)
            summary = engine.finish()
        self.assertEqual(summary["events"]["trade"], sum(1 + 90 * i for i in range(5)) + 50)


class Configs(unittest.TestCase):
    def check(self, feed):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "c.yaml"
            path.write_text(f"feeds: [{{name: desk, {feed}}}]\nfeatures: [mid]\n")
            return run("check", path, expect=None)

    def test_mistakes_are_named_with_their_place(self):
        for feed, words in (("venue: events", "feeds[0].listen"),
                            ("venue: events, listen: '127.0.0.1:0', from: htpt", "expected one of"),
                            ("venue: events, listen: '127.0.0.1:0', instruments: [BTCUSDT]", "expected SYMBOL.VENUE"),
                            ("venue: events, listen: '127.0.0.1:0', cert_file: a.pem", "belong together"),
                            ("venue: binance-spot, instruments: [BTCUSDT], listen: '127.0.0.1:0'", "a feed of binance-spot has no such key"),
                            ("venue: events, listen: '127.0.0.256:0'", "listen")):
            out, err = self.check(feed)
            self.assertIn(words, err, feed)
        out, _ = self.check("venue: events, listen: '127.0.0.1:0'")
        self.assertIn("intake desk: events of any instrument", out)

    def test_a_listener_for_others_wants_a_token(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "c.yaml"
            path.write_text("feeds: [{name: desk, venue: events, listen: '0.0.0.0:0'}]\nfeatures: [mid]\n")
            _, err = run("run", path, "--for", "5s", expect=None)
        self.assertIn("token_file is wanted", err)

    def test_lines_of_a_file_are_read_as_those_of_a_listener(self):
        with tempfile.TemporaryDirectory() as folder:
            path, lines = pathlib.Path(folder) / "c.yaml", pathlib.Path(folder) / "lines.jsonl"
            path.write_text("features: [mid]\n")
            lines.write_text("\n".join([trade(1), "rubbish", quote(2), trade(3)]) + "\n")
            out, _ = run("replay", path, "--json", "--input", f"events:{lines}")
        summary = json.loads(out)
        self.assertEqual((summary["events"]["trade"], summary["events"]["quote"]), (2, 1))
        self.assertEqual(summary["rejected"], {"syntax": 1})
        self.assertEqual(summary["ledger"]["residual"], 0)


if __name__ == "__main__":
    main()

"""`tickfuse tail` and the client library against a live engine's own listeners: all sources say the same."""
import json
import os
import pathlib
import signal
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools/client"))
import frames
from harness import Background, Exchange, LiveEngine, engine_args, main, run, shm_name, wait_until


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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


if __name__ == "__main__":
    main()

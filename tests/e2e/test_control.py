"""The operator's hand on a running engine, from the outside: `tickfuse control` beside `tickfuse run`."""
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import TICKFUSE, Background, main, run, wait_until
from test_live import Exchange, engine_args

INSTRUMENT = "BTCUSDT.BINANCE-SPOT"


class Engine(Background):
    """`tickfuse run` against an exchange, with a control socket and a journal."""

    def __init__(self, exchange, folder, *sets, seconds="600s"):
        self.socket = f"{folder}/control/socket"
        self.journal = f"{folder}/out.journal"
        super().__init__(*engine_args(exchange, "sinks.0.type=journal", "sinks.0.policy=auto",
                                      f"sinks.0.path={self.journal}", f"control.path={self.socket}",
                                      "engine.decision_ring_slots=65536", *sets,  # a busy machine keeps emit off its core
                                      seconds=seconds))  # the tests end it
        wait_until(lambda: pathlib.Path(self.socket).exists(), what="the control socket")

    def ask(self, *words, expect=0):
        out, err = run("control", self.socket, *words, "--json", expect=expect)
        return json.loads(out)

    def end(self):
        out, err = self.process.communicate(timeout=600)
        assert self.process.returncode == 0, err
        return json.loads(out)

    def decisions(self):
        out, _ = run("tail", self.journal, "--json")
        return [json.loads(line) for line in out.splitlines()]


class Control(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tf-control-")
        self.addCleanup(self.folder.cleanup)

    def check_halt(self, *sets):
        with Exchange() as exchange, Engine(exchange, self.folder.name, *sets) as engine:
            wait_until(lambda: engine.ask("status")["decisions"] > 2000, what="decisions")
            halted_at = engine.ask("halt")["ingest_seq"]
            status = wait_until(lambda: (s := engine.ask("status"))["halted"] and s, what="the halt in the status")
            self.assertEqual(status["feeds"][0]["state"], "LIVE")
            self.assertEqual(status["commands"], 1)
            time.sleep(1)
            engine.ask("position", INSTRUMENT, "-1.5")
            resumed_at = engine.ask("resume")["ingest_seq"]
            time.sleep(1)
            self.assertTrue(engine.ask("drain")["ok"])
            got = engine.end()
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(got["events"]["control"], 3)
        self.assertFalse(pathlib.Path(engine.socket).exists(), "the socket is removed at the end")
        halted = [d for d in engine.decisions() if halted_at < d["ingest_seq"] < resumed_at]
        others = [d for d in engine.decisions() if not halted_at < d["ingest_seq"] < resumed_at]
        self.assertGreater(len(halted), 100)
        self.assertEqual({(d["action"], d["hold_reason"]) for d in halted}, {("HOLD", "halted")})
        self.assertNotIn("halted", {d["hold_reason"] for d in others})
        self.assertTrue({d["action"] for d in others} > {"HOLD"}, "actions before and after, or nothing was shown")

    def test_between_halt_and_resume_every_decision_holds(self):
        self.check_halt()

    def test_the_same_with_the_lane_on_a_thread_of_its_own(self):
        self.check_halt("engine.lanes=[{cpu: -1, stages: [acquire]}, {cpu: -1, stages: [buffer, compute, decide]},"
                        " {cpu: -1, stages: [emit]}]")

    def test_rules_see_the_position_from_the_place_where_it_was_told(self):
        with Exchange() as exchange, Engine(exchange, self.folder.name,
                                            "strategies=[{name: cover, buy: 'position < 0'}]") as engine:
            wait_until(lambda: engine.ask("status")["decisions"] > 500, what="decisions")
            short_at = engine.ask("position", INSTRUMENT, "-1.5")["ingest_seq"]
            time.sleep(0.5)
            flat_at = engine.ask("position", INSTRUMENT, "0")["ingest_seq"]
            time.sleep(0.5)
            engine.ask("drain")
            engine.end()
        for d in engine.decisions():
            is_short = d["instrument"] == INSTRUMENT and short_at < d["ingest_seq"] < flat_at
            self.assertEqual(d["action"] == "BUY", is_short and d["book_state"] == "OK", d)
        self.assertTrue(any(d["action"] == "BUY" for d in engine.decisions()))

    def test_strangers_without_the_token_are_denied(self):
        token = pathlib.Path(self.folder.name) / "token"
        token.write_text("0123456789abcdef0123\n")
        token.chmod(0o600)
        with Exchange() as exchange, Engine(exchange, self.folder.name, f"control.token_file={token}") as engine:
            self.assertEqual(engine.ask("halt", expect=1)["code"], "E_CONTROL_DENIED")
            self.assertFalse(engine.ask("status", "--token-file", token)["halted"])
            self.assertTrue(engine.ask("drain", "--token-file", token)["ok"])
            engine.end()

    def test_a_token_that_others_can_read_is_refused_at_start(self):
        token = pathlib.Path(self.folder.name) / "token"
        token.write_text("0123456789abcdef0123\n")
        token.chmod(0o644)
        with Exchange() as exchange:
            _, err = run(*engine_args(exchange, f"control.path={self.folder.name}/control/socket",
                                      f"control.token_file={token}", seconds="1s"), expect=1)
        self.assertIn("chmod 600", err)

    def test_wrong_words_are_answered_with_the_remedy(self):
        with Exchange() as exchange, Engine(exchange, self.folder.name) as engine:
            wait_until(lambda: engine.ask("status")["decisions"] > 0, what="decisions")
            self.assertIn('did you mean "halt"?', engine.ask("hald", expect=2)["error"])
            self.assertIn("did you mean " + INSTRUMENT,
                          engine.ask("position", "BTCUSDT.BINANCE-SPOTT", "1", expect=2)["error"])
            self.assertIn("no decimal", engine.ask("position", INSTRUMENT, "much", expect=2)["error"])
            with socket.socket(socket.AF_UNIX) as raw:  # HTTP, as a browser or a scanner sends it
                raw.settimeout(5)
                raw.connect(engine.socket)
                raw.sendall(b"GET / HTTP/1.1\r\n")
                self.assertFalse(json.loads(raw.makefile().readline())["ok"])
            self.assertEqual(engine.ask("status")["commands"], 0)
            engine.ask("drain")
            engine.end()

    def test_nobody_there_says_so(self):
        done = subprocess.run([TICKFUSE, "control", f"{self.folder.name}/none", "status"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr)


if __name__ == "__main__":
    main()

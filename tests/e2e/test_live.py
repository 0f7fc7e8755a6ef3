"""Live, from the outside: the simulator and the engine as two processes over ws and wss, faults included, a bot
beside them, metrics over HTTP."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, SANITIZED, Background, Exchange, engine_args, live, main, run, shm_name, wait_until

class Live(unittest.TestCase):
    def check_good(self, got):
        self.assertGreater(got["events"]["trade"], 20)
        self.assertGreater(got["events"]["quote"], 100)
        self.assertGreater(got["events"]["book"], 500)
        self.assertGreater(got["ticks"], 200)
        self.assertEqual(got["instruments"], 3)
        self.assertEqual(got["rejected"], {})
        self.assertEqual(got["gaps"], 0)
        self.assertEqual(got["ledger"]["residual"], 0)

    def test_plain_websocket_from_subscription_to_decisions(self):
        with Exchange() as exchange:
            got, _ = live(exchange)
            self.check_good(got)

    def test_tls_with_certificate_and_host_verified(self):
        with Exchange("--tls") as exchange:
            got, _ = live(exchange, "engine.io=epoll")
            self.check_good(got)

    def test_certificate_that_nobody_vouches_for_is_refused_and_says_so(self):
        with Exchange("--tls") as exchange:
            out, err = run(*engine_args(exchange, trust=False, seconds="2s"))
            self.assertEqual(json.loads(out)["messages"], 0)
            self.assertRegex(err, "self-signed|self signed|unable to get local issuer|verify")

    def test_compressed_messages_where_both_sides_ask_for_them(self):
        for both in (True, False):
            with Exchange("--tls", *(["--deflate"] if both else [])) as exchange:
                got, _ = live(exchange, "feeds.0.deflate=true")
                self.check_good(got)
                _, err, _ = exchange.stop()
                self.assertEqual(int(err.split("deflated=")[1].split()[0]) > 200, both, err)

    def test_compressed_messages_that_are_corrupt_cost_a_connection_and_no_count(self):
        with Exchange("--deflate", "--faults", "corrupt=0.002") as exchange:
            got, err = live(exchange, "feeds.0.deflate=true", seconds="5s")
            self.assertGreater(got["events"]["trade"], 20)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertRegex(err, "inflate_|utf8|protocol|E_WIRE_INFLATE")

    def test_three_threads_live(self):
        with Exchange() as exchange:
            got, _ = live(exchange, "engine.lanes=[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]")
            self.check_good(got)

    def test_usdm_protocol(self):
        with Exchange("--venue", "binance-usdm") as exchange:
            got, _ = live(exchange, "feeds.0.venue=binance-usdm")
            self.check_good(got)

    def test_sequence_gaps_are_seen_and_resynced(self):
        with Exchange("--faults", "gap=0.1") as exchange:
            got, _ = live(exchange, seconds="6s")
            self.assertGreater(got["gaps"], 2)
            self.assertGreater(got["resyncs"], 0)
            self.assertEqual(got["ledger"]["residual"], 0)

    def test_corrupt_messages_are_rejected_and_the_stream_goes_on(self):
        with Exchange("--faults", "corrupt=0.02") as exchange:
            got, _ = live(exchange)
            self.assertGreater(sum(got["rejected"].values()), 5)
            self.assertGreater(got["events"]["trade"], 20)
            self.assertEqual(got["ledger"]["residual"], 0)

    def test_connections_cut_in_the_middle_of_a_frame_are_made_again(self):
        with Exchange("--faults", "close=1500ms") as exchange:
            got, _ = live(exchange, seconds="8s")
            self.assertGreater(got["ticks"], 200)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertEqual(got["instruments"], 3)

    def test_exchange_that_is_not_there_is_no_crash(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        exchange = type("Nobody", (), {"sets": [f"feeds.0.url=ws://127.0.0.1:{port}", f"feeds.0.rest=http://127.0.0.1:{port}"], "ca": []})
        out, err = run(*engine_args(exchange, seconds="2s"))
        self.assertEqual(json.loads(out)["messages"], 0)
        self.assertRegex(err.lower(), "refused")

    def test_recording_played_by_the_exchange_gives_the_recording_s_trades(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is absent")
        path = DATA / "binance-spot" / "btcusdt_20240808.gz"
        with Exchange("--input", path, "--speed", "60") as exchange:
            got, _ = live(exchange, "feeds.0.instruments=[BTCUSDT]", seconds="9s")
            self.assertGreater(got["events"]["trade"], 9000)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertEqual(got["rejected"], {})


class Operation(unittest.TestCase):
    def test_metrics_and_health_over_http(self):
        with Exchange() as exchange:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            args = engine_args(exchange, f"http.listen=127.0.0.1:{port}", seconds="30s")
            with Background(*args) as engine:
                def healthy():
                    try:
                        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).status == 200
                    except (OSError, urllib.error.HTTPError):
                        return False
                wait_until(healthy, what="/healthz to say 200")
                text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2).read().decode()
                self.assertRegex(text, r'tickfuse_feed_messages_total\{[^}]*\} [1-9]')
                self.assertRegex(text, r"tickfuse_decisions_total")
                if os.environ.get("TF_BUILD") == "Release" and not SANITIZED:  # jemalloc is really linked
                    wait_until(lambda: 'heap_allocated_bytes{process="engine"} 0' not in urllib.request.urlopen(
                        f"http://127.0.0.1:{port}/metrics", timeout=2).read().decode(), what="jemalloc's figures")
                engine.stop()
                self.assertEqual(engine.process.returncode, 0)

    def test_bot_reads_decisions_and_reports_its_overrun_exactly(self):
        bot = pathlib.Path(os.environ.get("TICKFUSE", "")).parent / "tools" / "examples" / "bot"
        if not bot.exists():
            self.skipTest(f"{bot} is not built")
        name = shm_name()
        every = 'strategies=[{name: t, buy: "spread > 0", books: all}]'
        with Exchange("--rate", "5000") as exchange:
            args = engine_args(exchange, f"sinks=[{{type: shm, path: {name}, slots: 256}}]", every, seconds="60s")
            args = [a for i, a in enumerate(args) if not (a.startswith("sinks.0.path") or (a == "--set" and args[i + 1].startswith("sinks.0.path")))]
            with Background(*args) as engine:
                wait_until(lambda: os.path.exists(f"/dev/shm/tickfuse.{name}"), what="the stream")
                process = subprocess.Popen([bot, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                time.sleep(1.0)
                process.send_signal(signal.SIGSTOP)
                time.sleep(1.0)
                process.send_signal(signal.SIGCONT)
                time.sleep(1.0)
                process.send_signal(signal.SIGINT)
                text = process.communicate(timeout=20)[0]
                engine.stop()
            self.assertRegex(text, r"BTCUSDT\.BINANCE-SPOT")
            self.assertRegex(text.lower(), r"overrun|lost|missed")

    def test_second_engine_on_the_same_stream_is_refused_with_the_owner(self):
        name = shm_name()
        with Exchange() as exchange:
            args = engine_args(exchange, seconds="60s")
            args[args.index("--json") + 1:args.index("--json") + 1] = []
            mine = [a if not a.startswith("sinks.0.path=") else f"sinks.0.path={name}" for a in args]
            with Background(*mine) as first:
                wait_until(lambda: os.path.exists(f"/dev/shm/tickfuse.{name}"), what="the stream")
                _, err = run(*mine, expect=1)
                self.assertIn(str(first.process.pid), err)
                first.stop()

    def test_demo_prints_a_table_and_a_summary(self):
        out, _ = run("demo", "--for", "3s", "--set", f"sinks.0.path={shm_name()}", "--set", "http.listen=off")
        self.assertIn("tick to decision", out)
        self.assertIn("LIVE", out)
        self.assertIn("residual 0", out)


if __name__ == "__main__":
    main()

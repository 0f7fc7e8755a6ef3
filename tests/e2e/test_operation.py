"""An engine in operation: metrics and health over HTTP, a bot on the shared-memory stream, a second engine, the demo."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import SANITIZED, Background, Exchange, engine_args, main, run, shm_name, wait_until
from ports import free_port


class Operation(unittest.TestCase):
    def test_metrics_and_health_over_http(self):
        with Exchange() as exchange:
            port = free_port()
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
            args = engine_args(exchange, f"sinks=[{{type: shm, path: {name}, slots: 256}}]", every, seconds="60s", sink=False)
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

    def test_demo_of_another_venue(self):
        out, _ = run("demo", "--venue", "binance-coinm", "--for", "3s", "--set", f"sinks.0.path={shm_name()}", "--set", "http.listen=off")
        self.assertIn("residual 0", out)
        _, err = run("demo", "--venue", "binance-coin", expect=2)
        self.assertIn('did you mean "binance-coinm"', err)

    def test_demo_prints_a_table_and_a_summary(self):
        out, _ = run("demo", "--for", "3s", "--set", f"sinks.0.path={shm_name()}", "--set", "http.listen=off")
        self.assertIn("tick to decision", out)
        self.assertIn("LIVE", out)
        self.assertIn("residual 0", out)


if __name__ == "__main__":
    main()

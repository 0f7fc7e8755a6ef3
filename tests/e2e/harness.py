"""What the black-box tests share: running the binary, recordings, ports, processes that end."""
import atexit
import concurrent.futures
import glob
import itertools
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKFUSE = os.environ.get("TICKFUSE", str(ROOT / "build/rel/tickfuse"))
SANITIZED = os.environ.get("TF_SANITIZE", "")
AT_ONCE = 2 if SANITIZED else 4
DATA = ROOT.parent / "shared" / "data"
SMALL = ROOT / "tests" / "data"
DEMO = str(ROOT / "configs" / "demo.yaml")
REPLAY_CONFIG = str(ROOT / "configs" / "replay-binance.yaml")


def run(*args, timeout=300, expect=0):
    """Runs the binary; returns (stdout, stderr). expect: the exit code, or None for any."""
    done = subprocess.run([TICKFUSE, *map(str, args)], capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"tickfuse {' '.join(map(str, args))}: exit {done.returncode}, expected {expect}\n"
                             f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout, done.stderr


def journal_records(path):
    """{sequence: its 128 bytes}, of the format in adapters/file/journal_format.h."""
    data, at, found = pathlib.Path(path).read_bytes(), 64, {}
    while at + 64 <= len(data):
        magic, kind, cnt = struct.unpack_from("<III", data, at)
        assert magic == 0x424A4654, f"no block at byte {at}"
        at += 64
        for i in range(cnt if kind == 1 else 0):
            record = data[at + i * 128:at + (i + 1) * 128]
            found[struct.unpack_from("<Q", record)[0]] = record
        at += cnt * 128
    return found


def shm_name():
    """A name of this process and call: tests may run side by side."""
    return f"test-{os.getpid()}-{next(shm_name.numbers)}"


shm_name.numbers = itertools.count(1)


@atexit.register
def remove_streams():
    """A stream's file outlives its engine by design; a test's should not."""
    for path in glob.glob(f"/dev/shm/tickfuse.test-{os.getpid()}-*"):
        os.unlink(path)


def replay(*inputs, sets=(), args=(), config=REPLAY_CONFIG, expect=0):
    command = ["replay", config, "--json", "--set", f"sinks.0.path={shm_name()}"]
    for item in inputs:
        command += ["--input", item]
    for item in sets:
        command += ["--set", item]
    out, err = run(*command, *args, expect=expect)
    return json.loads(out), err


class Background:
    """The binary in the background; its stdout line by line; stopped at the end whatever happens."""

    def __init__(self, *args, **kwargs):
        self.process = subprocess.Popen([TICKFUSE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, cwd=ROOT, **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()  # it tidies up after itself
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def line(self):
        return self.process.stdout.readline()

    def stop(self, timeout=60):
        """SIGINT, then the rest of its output and its exit code."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=timeout)
        return out, err, self.process.returncode


VENUES = {  # and the instruments that the simulator has of each
    "binance-spot": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
    "binance-usdm": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
    "binance-coinm": ["BTCUSD_PERP", "ETHUSD_PERP", "SOLUSD_PERP"],
    "coinbase": ["BTC-USD", "ETH-USD", "SOL-USD"],
    "coinbase-exchange": ["BTC-USD", "ETH-USD", "SOL-USD"],
    "kraken": ["BTC/USD", "ETH/USD", "SOL/USD"],
}


def venue_sets(venue):
    sets = [f"feeds.0.venue={venue}", f"feeds.0.instruments=[{','.join(VENUES[venue])}]"]
    return sets + (["feeds.0.channels=[trade,quote,book,ticker]"] if venue.startswith("coinbase") else [])


class Exchange(Background):
    """`tickfuse sim`, listening."""

    def __init__(self, *args):
        super().__init__("sim", *args)
        words = self.words = self.line().split()
        assert words[:2] == ["listening", "on"], (words, self.process.communicate(timeout=10))
        self.url = words[2]
        self.rest = self.url.replace("wss:", "https:").replace("ws:", "http:")
        self.sets = [f"feeds.0.url={self.url}", f"feeds.0.rest={self.rest}"]
        self.ca = [w[len("ca_file="):] for w in words if w.startswith("ca_file=")]

    def faults_over(self, seconds=60):
        """Waits until each fault that has an end (gap=1/100x3) was done so often."""
        read = []
        reader = threading.Thread(target=lambda: read.append(self.line()), daemon=True)
        reader.start()
        reader.join(seconds)
        if read != ["faults over\n"]:
            raise AssertionError(f"faults are not over after {seconds} s: {read}")

    def freeze(self):
        """It says nothing more until it is stopped."""
        self.process.send_signal(signal.SIGSTOP)

    def summary(self):
        """Stops it; what it says that it sent and did: {"messages": 12, "gap": 3, ...}."""
        self.process.send_signal(signal.SIGINT)
        self.process.send_signal(signal.SIGCONT)  # a frozen one sends nothing more
        _, err = self.process.communicate(timeout=60)
        words = [w.split("=") for line in err.splitlines() if line.startswith("sim ") for w in line.split()[1:]]
        return {key: int(value) for key, value in words}


def engine_args(exchange, *sets, seconds="3s", trust=True, sink=True):
    """sink: the config's own, under a name of this call; False: sets has another."""
    args = ["run", DEMO, "--for", seconds, "--json"]
    own = [f"sinks.0.path={shm_name()}"] if sink else []
    for item in (*exchange.sets, *own, "http.listen=off", *sets):
        args += ["--set", item]
    if exchange.ca and trust:
        args += ["--set", f"feeds.0.ca_file={exchange.ca[0]}"]
    return args


def live(exchange, *sets, **kwargs):
    out, err = run(*engine_args(exchange, *sets, **kwargs))
    return json.loads(out), err


def metrics_at(port):
    """{name: sum over its labels}, and {(name, label value): value}."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    out = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, value = line.rsplit(" ", 1)
        name, _, labels = name.partition("{")
        value = float(value)
        out[name] = out.get(name, 0) + value
        for label in re.findall(r'="([^"]*)"', labels):
            out[name, label] = out.get((name, label), 0) + value
    return out


class LiveEngine(Background):
    """`tickfuse run` with its metrics: wait for what they should say, then finish()."""

    def __init__(self, exchange, *sets, config=None):
        """On an exchange; or as a config says, for as long as it is let."""
        self.port = free_port()
        listen = f"http.listen=127.0.0.1:{self.port}"
        super().__init__(*(["run", config, "--json", "--set", listen] if config else
                           engine_args(exchange, *sets, listen, seconds="300s")))

    def metrics(self):
        """As metrics_at; none where it does not answer."""
        try:
            return metrics_at(self.port)
        except OSError:
            if self.process.poll() is not None:
                raise AssertionError(f"engine: exit {self.process.returncode}\n{self.process.stderr.read()[-2000:]}")
            return {}

    def count(self, name, label=None):
        return self.metrics().get((name, label) if label else name, 0)

    def is_live(self):
        return self.count("tickfuse_feed_state", "live") >= 1

    def finish(self):
        out, err, code = self.stop()
        if code != 0:
            raise AssertionError(f"engine: exit {code}\n{err[-2000:]}")
        return json.loads(out), err


def side_by_side(test, cases, do):
    """do(*case) for each case, several at once: what they mostly do is wait. Every failure is reported with its case."""
    def one(case):
        try:
            do(*case)
        except unittest.SkipTest:
            raise
        except Exception as failed:  # noqa: BLE001
            return f"{case}: {type(failed).__name__}: {failed}"
        return None

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [f for f in pool.map(one, cases) if f]
    if failures:
        test.fail("\n\n".join(failures))


def wait_until(condition, seconds=30, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out waiting for {what}")


def main():
    if not DATA.exists():
        print(f"note: {DATA} is absent: tests over real recordings are skipped")
    unittest.main(verbosity=2)

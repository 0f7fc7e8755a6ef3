"""What the black-box tests share: running the binary, recordings, ports, processes that end."""
import atexit
import glob
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKFUSE = os.environ.get("TICKFUSE", str(ROOT / "build/rel/tickfuse"))
SANITIZED = os.environ.get("TF_SANITIZE", "")
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


def shm_name():
    """A name of this process and call: tests may run side by side."""
    shm_name.count += 1
    return f"test-{os.getpid()}-{shm_name.count}"


shm_name.count = 0


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


class Exchange(Background):
    """`tickfuse sim`, listening."""

    def __init__(self, *args):
        super().__init__("sim", *args)
        words = self.line().split()
        assert words[:2] == ["listening", "on"], (words, self.process.communicate(timeout=10))
        self.url = words[2]
        self.rest = self.url.replace("wss:", "https:").replace("ws:", "http:")
        self.sets = [f"feeds.0.url={self.url}", f"feeds.0.rest={self.rest}"]
        self.ca = [w[len("ca_file="):] for w in words if w.startswith("ca_file=")]

    def summary(self):
        """Stops it; what it says that it sent and did: {"messages": 12, "gap": 3, ...}."""
        _, err, _ = self.stop()
        words = [w.split("=") for line in err.splitlines() if line.startswith("sim ") for w in line.split()[1:]]
        return {key: int(value) for key, value in words}


def engine_args(exchange, *sets, seconds="3s", trust=True):
    args = ["run", DEMO, "--for", seconds, "--json"]
    for item in (*exchange.sets, f"sinks.0.path={shm_name()}", "http.listen=off", *sets):
        args += ["--set", item]
    if exchange.ca and trust:
        args += ["--set", f"feeds.0.ca_file={exchange.ca[0]}"]
    return args


def live(exchange, *sets, **kwargs):
    out, err = run(*engine_args(exchange, *sets, **kwargs))
    return json.loads(out), err


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

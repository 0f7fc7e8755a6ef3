#!/usr/bin/python3
"""The engine for hours, on two exchanges that misbehave by seed, with consumers that stall and die beside it.

  soak.py [HOURS] [--seed N] [--period SECONDS]      0.034 hours are two minutes

Each period: both exchanges start anew with faults drawn from the seed and a high rate; a tail is stopped and goes on, the
bot is killed with -9 and started again; then the exchanges are calm, and the engine must be LIVE again. After each the
books are checked: resident memory no higher than after the second period (but for SLACK), every message and byte in one
column of the ledger. At the end the engine's own ledger must have residual 0. A line a period, then a report; exit 1
at the first thing that is wrong.
"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, SANITIZED, TICKFUSE, VENUES, Exchange, LiveEngine, shm_name, wait_until

FEEDS = ("binance-spot", "kraken")
RATE = 500 if SANITIZED else 6000
CALM_S = 45  # a backoff is at most 30 s
SLACK_BYTES = 4 << 20
IN_FLIGHT_BYTES = 2 << 20  # read by the feed's thread between two looks at its counters
IN_FLIGHT_MSGS = 20000
FAULTS = {"gap": (0.001, 0.05), "corrupt": (0.0005, 0.01), "dup": (0.001, 0.05), "reorder": (0.0005, 0.01), "storm": (0.1, 0.5),
          "jumpback": (0.001, 0.01), "http_429": (0.1, 0.5), "ack_missing": (0.2, 1.0)}
TIMED = {"close": (1, 15), "reset": (1, 15), "shutdown": (1, 15), "late_snapshot": (0.05, 1), "slow_rest": (0.05, 1)}

CONFIG = """
engine: {{profile: basic, idle: sleep}}
feeds:
{feeds}
bars: {{s1: 200ms}}
features: [mid, spread, microprice, "imbalance(5)", "ofi(1s)", "ema(mid,20)", "zscore(mid,500)", "rsi(s1.close,14)"]
strategies: [{{name: t, buy: "spread > 0", sell: "spread < 0", books: all, max_rate: 100000/s}}]
sinks: [{{type: shm, path: {stream}, slots: 1024}}]
http: {{listen: "off"}}
"""
FEED = "  - {{name: {name}, venue: {venue}, channels: [trade, quote, book], instruments: [{symbols}], url: {url}, rest: {rest}}}\n"


class Wrong(Exception):
    pass


def draw_faults(rng):
    names = rng.sample(sorted(FAULTS), 3) + rng.sample(sorted(TIMED), 2)
    parts = []
    for name in names:
        low, high = FAULTS.get(name) or TIMED[name]
        value = rng.uniform(low, high)
        parts.append(f"{name}={value:.4f}" if name in FAULTS else f"{name}={value:.2f}s")
    return ",".join(parts)


class Soak:
    def __init__(self, seed, period):
        self.rng, self.period, self.stream = random.Random(seed), period, shm_name()
        self.bot = pathlib.Path(TICKFUSE).parent / "tools" / "examples" / "bot"
        self.ports, self.consumers = {}, []
        self.rss_bound, self.kills, self.stops, self.done = None, 0, 0, {}

    def exchange(self, venue, faults, rate):
        args = ["--venue", venue, "--rate", rate, "--seed", self.rng.randrange(1, 10**6)]
        if faults:
            args += ["--faults", faults]
        if venue in self.ports:
            args += ["--port", self.ports[venue]]
        sim = Exchange(*args)
        self.ports[venue] = int(sim.url.rsplit(":", 1)[1])
        return sim

    def exchanges(self, faulty):
        return [self.exchange(v, draw_faults(self.rng) if faulty else None, RATE if faulty else RATE // 4) for v in FEEDS]

    def end(self, sims):
        for sim in sims:
            for key, value in sim.summary().items():
                self.done[key] = self.done.get(key, 0) + value

    def start_consumers(self):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
        self.consumers = [subprocess.Popen([TICKFUSE, "tail", self.stream, "--json", "--follow"], **quiet) for _ in range(2)]
        self.start_bot()

    def start_bot(self):
        self.bot_process = subprocess.Popen([self.bot, self.stream], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def disturb(self):
        """One period of faults, with what happens to the consumers meanwhile."""
        end = time.monotonic() + self.period
        while time.monotonic() < end:
            victim = self.rng.choice(self.consumers)
            victim.send_signal(signal.SIGSTOP)
            self.stops += 1
            time.sleep(min(self.rng.uniform(0.2, 3), self.period / 4))
            victim.send_signal(signal.SIGCONT)
            self.bot_process.kill()
            self.bot_process.wait()
            self.kills += 1
            self.start_bot()
            time.sleep(min(self.rng.uniform(0.2, 5), self.period / 4))

    def check(self, engine, number):
        m = engine.metrics()
        name = lambda text: m.get(f"tickfuse_feed_{text}", 0)  # noqa: E731
        messages = name("messages_total") - name("messages_decoded_total") - name("messages_rejected_total")
        data = name("received_bytes_total") - name("framed_bytes_total") - name("partial_bytes_total") - name("rejected_bytes_total")
        decisions = m.get("tickfuse_decisions_total", 0) - m.get("tickfuse_sink_acked_total", 0) - m.get(
            "tickfuse_sink_dropped_total", 0)
        if abs(messages) > IN_FLIGHT_MSGS or abs(data) > IN_FLIGHT_BYTES or abs(decisions) > IN_FLIGHT_MSGS:
            raise Wrong(f"ledger out of bounds: {messages} messages, {data} bytes, {decisions} decisions unaccounted")
        rss = rss_of(engine.process.pid)
        if number == 2:
            self.rss_bound = rss + SLACK_BYTES
        if self.rss_bound and not SANITIZED and rss > self.rss_bound:
            raise Wrong(f"resident memory {rss >> 10} KiB, after the second period it was {(self.rss_bound - SLACK_BYTES) >> 10}")
        for process in self.consumers:
            if process.poll() is not None:
                raise Wrong(f"a tail ended with {process.returncode}")
        return (f"{int(name('messages_total')):>10} msgs {int(m.get('tickfuse_decisions_total', 0)):>10} decisions "
                f"{int(name('gaps_total')):>6} gaps {int(name('reconnects_total')):>5} reconnects  rss {rss >> 10} KiB")

    def run(self, seconds):
        sims = self.exchanges(False)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            config.write(CONFIG.format(stream=self.stream, feeds="".join(FEED.format(
                name=v, venue=v, symbols=", ".join(VENUES[v]), url=s.url, rest=s.rest) for v, s in zip(FEEDS, sims))))
            config.flush()
            with LiveEngine(None, config=config.name) as engine:
                wait_until(lambda: os.path.exists(f"/dev/shm/tickfuse.{self.stream}"), what="the stream")
                self.start_consumers()
                started, number = time.monotonic(), 0
                while time.monotonic() - started < seconds or number < 2:
                    number += 1
                    self.end(sims)
                    sims = self.exchanges(True)
                    self.disturb()
                    self.end(sims)
                    sims = self.exchanges(False)
                    wait_until(lambda: engine.count("tickfuse_feed_state", "live") >= len(FEEDS), CALM_S,
                               "both feeds to be LIVE again")
                    print(f"{time.monotonic() - started:8.0f} s  {self.check(engine, number)}", flush=True)
                got, _ = engine.finish()
                self.end(sims)
        if got["ledger"]["residual"] != 0:
            raise Wrong(f"residual: {got['ledger']}")
        return number, got

    def clean(self):
        for process in [*self.consumers, getattr(self, "bot_process", None)]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


def rss_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise Wrong("the engine is gone")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hours", type=float, nargs="?", default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--period", type=float, default=60.0, help="seconds of faults before each calm")
    args = parser.parse_args()
    print(f"soak: {args.hours} h, seed {args.seed}, {args.period} s of faults at a time", flush=True)
    soak = Soak(args.seed, args.period)
    try:
        periods, got = soak.run(args.hours * 3600)
    except (Wrong, AssertionError) as wrong:
        print(f"soak: FAILED (seed {args.seed}): {wrong}")
        return 1
    finally:
        soak.clean()
    faults = {k: v for k, v in soak.done.items() if k in FAULTS or k in TIMED}
    print(f"soak: {periods} periods, {got['messages']} messages, {got['decisions']} decisions, {got['gaps']} gaps, {got['resyncs']} "
          f"resyncs, bot killed {soak.kills} times, tails stopped {soak.stops} times\nfaults done: {faults}\nledger: residual 0, "
          f"rss at most {got['rss_bytes_max'] >> 10} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

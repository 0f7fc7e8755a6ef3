"""What a consumer that stands still costs the others. A live engine, a recording played to it at a fixed rate, a sink of each type that has a
consumer, and a journal, which is measured. Periods in which every consumer runs and periods in which all are SIGSTOPped
take turns. Latency is from a tick's intended send time, which follows from its number: when it was decided, and when it was handed to the sinks. Of the
recording's beginning only this is known: the least delay of the run is counted as none.

  python3 tests/e2e/stopped_consumers.py [--seconds 270] [--rate 2000] [--period 3] [--only unix,stdout] [--apart]

--apart: as a lane is run, with a core that it shares with nothing but the exchange: all else has the other.

Prints JSON: of each kind of period the medians of its periods' percentiles, in us, and how many times higher they are with stopped consumers,
with the interval that holds 90 of 100 draws of as many periods, and what the same comparison says of running periods and running periods: what
the machine does by itself. "resuming": the second behind SIGCONT, when they catch up."""
import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brokers import Nats, Redis
from destinations import KafkaCluster, Receiver
from harness import ROOT, TICKFUSE, Exchange, LiveEngine, journal_records, wait_until
from ports import free_port

SETTLE_S = 1.0
RING_SLOTS = 65536  # decisions between the lane and emit: what keeps emit from its core for seconds is no sink
FIRST_MS = 1_700_000_000_000
TYPES = ("unix", "tcp", "websocket", "redis", "nats", "kafka", "http", "stdout")
AT_TS_RECV, AT_TS_DECISION, AT_TS_OUT = 24, 64, 72  # include/tf/decision.h


def write_recording(path, rate_hz, seconds):
    """One trade after the other, so far apart."""
    with open(path, "w") as out:
        for i in range(int(rate_hz * seconds)):
            at_ns = FIRST_MS * 1_000_000 + i * 1_000_000_000 // rate_hz
            out.write(f'{at_ns} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":{at_ns // 1_000_000},"s":"BTCUSDT","t":{i + 1},'
                      f'"p":"{60000 + i % 100}.00","q":"0.01","T":{at_ns // 1_000_000},"m":{str(i % 2 == 0).lower()},"M":true}}}}\n')


class Consumers:
    """One process of each type's other end, all stopped and continued together."""

    def __init__(self, folder, types, stack):
        self.folder, self.stack, self.processes, self.sinks = folder, stack, [], []
        with open(f"{folder}/stdout", "wb") as end:
            self.reader = self.popen("tail", "-c", "200000", stdin=subprocess.PIPE, stdout=end)
        for kind in types:
            keys = getattr(self, kind)()
            self.sinks.append({"type": kind, "policy": "drop_oldest", "drain": "5s", **keys} if kind != "stdout" else keys)

    def popen(self, *command, **kwargs):
        process = subprocess.Popen(command, cwd=ROOT, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **kwargs})
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def signal(self, number):
        for process in self.processes:
            process.send_signal(number)

    def listener(self, where):
        self.processes.append(self.popen(TICKFUSE, "tail", where, "--json", "--follow"))

    def unix(self):
        os.makedirs(f"{self.folder}/run", mode=0o700)
        self.listener(f"unix:{self.folder}/run/s")
        return {"path": f"{self.folder}/run/s"}

    def tcp(self):
        url = f"tcp://127.0.0.1:{free_port()}"
        self.listener(url)
        return {"url": url}

    def websocket(self):
        url = f"ws://127.0.0.1:{free_port()}"
        self.listener(url)
        return {"url": url}

    def broker(self, made, stream):
        broker = made()
        self.stack.push(broker.__exit__)
        broker.make(stream)
        self.processes.append(broker.process)
        return {"url": broker.url if made is KafkaCluster else f"{broker.scheme}://127.0.0.1:{broker.port}", "stream": stream}

    def redis(self):
        return self.broker(Redis, "D")

    def nats(self):
        return self.broker(Nats, "D")

    def kafka(self):
        return self.broker(KafkaCluster, "decisions")

    def http(self):
        port = free_port()
        self.processes.append(self.popen(sys.executable, __file__, "--receiver", str(port)))
        return {"url": f"http://127.0.0.1:{port}/in"}

    def stdout(self):
        self.processes.append(self.reader)
        return {"type": "stdout", "policy": "drop_newest"}


class Engine(LiveEngine):
    """Its standard output, decisions and summary, goes to the consumers' reader, which keeps the end of it."""

    def __init__(self, config, consumers):
        self.port, self.consumers = free_port(), consumers
        self.log = f"{consumers.folder}/engine.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([TICKFUSE, "run", config, "--json", "--set", f"http.listen=127.0.0.1:{self.port}"],
                                            stdout=consumers.reader.stdin, stderr=log, cwd=ROOT)
        consumers.reader.stdin.close()

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(120)
        self.consumers.reader.wait(60)
        text = pathlib.Path(f"{self.consumers.folder}/stdout").read_text()
        assert code == 0, f"exit {code}: {pathlib.Path(self.log).read_text()[-2000:]}"
        return json.loads(text[text.index("{\n"):])


LANE_CPU, OTHER_CPU = 0, 1


@contextlib.contextmanager
def on_cpu(cpu):
    """What is started meanwhile, and its threads, run there; None: anywhere."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    yield
    os.sched_setaffinity(0, before)


def config_of(folder, exchange, sinks, lane_cpu):
    path = pathlib.Path(f"{folder}/config.yaml")
    path.write_text(json.dumps({
        "engine": {"profile": "basic", "decision_ring_slots": RING_SLOTS,
                   "lanes": [{"stages": ["acquire", "buffer", "compute", "decide"], "cpu": lane_cpu}, {"stages": ["emit"]}]},
        "feeds": [{"name": "f", "venue": "binance-spot", "url": exchange.url, "rest": exchange.rest, "channels": ["trade"],
                   "instruments": ["BTCUSDT"]}],
        "features": ["last"],
        "strategies": [{"name": "each", "buy": "last > 0", "books": "all"}],
        "sinks": [{"type": "journal", "path": f"{folder}/truth.journal"}, *sinks]}))
    return path


def rotate(engine, consumers, seconds, period_s):
    """[(what, from ns, to ns)], by the wall clock."""
    periods, what, end = [], "running", time.monotonic() + seconds
    while time.monotonic() + SETTLE_S + period_s < end:
        began = time.time_ns()
        time.sleep(SETTLE_S)
        settled = time.time_ns()
        time.sleep(period_s)
        periods += [("resuming" if what == "running" else "stopping", began, settled), (what, settled, time.time_ns())]
        what = "stopped" if what == "running" else "running"
        consumers.signal(signal.SIGSTOP if what == "stopped" else signal.SIGCONT)
    consumers.signal(signal.SIGCONT)
    return periods


def delays_of(records, rate_hz):
    """[(ts_out, delay of the decision, delay of handing it over)] in ns, behind the schedule."""
    times = [(record_seq - 1, *(int.from_bytes(record[at:at + 8], "little") for at in (AT_TS_RECV, AT_TS_DECISION, AT_TS_OUT)))
             for record_seq, record in sorted(records.items())]
    planned = [n * 1_000_000_000 // rate_hz for n, *_ in times]
    start = min(recv - plan for plan, (_, recv, _, _) in zip(planned, times))
    return [(out, decided - plan - start, out - plan - start) for plan, (_, _, decided, out) in zip(planned, times)]


def percentiles(values):
    values.sort()
    return {name: values[min(len(values) - 1, int(len(values) * share))] / 1000 for name, share in
            (("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999))}


def report(delays, periods):
    """{decided or handed_over: {kind of period: medians of its periods, and the ratio}}"""
    out = {}
    for column, name in ((1, "decided_us"), (2, "handed_over_us")):
        kinds = {}
        for what, first, last in periods[2:]:  # the first two warm up
            values = [d[column] for d in delays if first <= d[0] < last]
            if values:
                kinds.setdefault(what, []).append(percentiles(values))
        rows = {what: {key: round(statistics.median(p[key] for p in many), 1) for key in many[0]} for what, many in kinds.items()}
        assert {"running", "stopped"} <= set(rows), f"nothing was handed over while consumers stood still: {rows}"
        for kind, above, below in (("stopped_to_running", kinds["stopped"], kinds["running"]),
                                   ("running_to_running", kinds["running"][::2], kinds["running"][1::2])):
            if below:
                rows[kind] = {key: ratio([p[key] for p in above], [p[key] for p in below]) for key in above[0]}
        out[name] = rows
    return out


def ratio(above, below):
    """Of the medians, and between which two values 90 of 100 draws of as many periods lie."""
    median, dice = statistics.median, random.Random(1)
    draws = sorted(median(dice.choices(above, k=len(above))) / median(dice.choices(below, k=len(below))) for _ in range(2000))
    return {"is": round(median(above) / median(below), 3), "from": round(draws[100], 3), "to": round(draws[1900], 3)}


def measure(types, rate_hz, seconds, period_s, apart=False):
    """What stands still for a part of the time: the report, the engine's summary, how often the lane waited, the journal's sequences."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tickfuse-stopped-"))
        write_recording(f"{folder}/recording", rate_hz, seconds + 5)
        with on_cpu(LANE_CPU if apart else None):
            exchange = stack.enter_context(Exchange("--venue", "binance-spot", "--input", f"{folder}/recording"))
        stack.enter_context(on_cpu(OTHER_CPU if apart else None))
        consumers = Consumers(folder, types, stack)
        engine = stack.enter_context(Engine(config_of(folder, exchange, consumers.sinks, LANE_CPU if apart else -1), consumers))
        wait_until(lambda: engine.count("tickfuse_decisions_total") > 0, 60, "decisions")
        periods = rotate(engine, consumers, seconds, period_s)
        metrics = engine.metrics()
        summary = engine.finish()
        records = journal_records(f"{folder}/truth.journal")
    return {"periods": sum(what in ("running", "stopped") for what, *_ in periods), "rate_hz": rate_hz, "decisions": summary["decisions"],
            **report(delays_of(records, rate_hz), periods),
            "lane_waits": metrics["tickfuse_event_ring_full_waits_total"] + metrics["tickfuse_decision_ring_full_waits_total"],
            "ledger_residual": summary["ledger"]["residual"],
            "journal_lost": summary["decisions"] - len(records),
            "sinks": {sink["name"]: {key: sink[key] for key in ("acked", "dropped_full", "dropped_oldest", "client_dropped")}
                      for sink in summary["sinks"]}}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=270)
    options.add_argument("--rate", type=int, default=2000)
    options.add_argument("--period", type=float, default=3)
    options.add_argument("--only", default=",".join(TYPES))
    options.add_argument("--apart", action="store_true")
    options.add_argument("--receiver", type=int, help=argparse.SUPPRESS)
    got = options.parse_args()
    if got.receiver:
        Receiver(port=got.receiver)
        signal.pause()
    print(json.dumps(measure(got.only.split(","), got.rate, got.seconds, got.period, got.apart), indent=1))


if __name__ == "__main__":
    main()

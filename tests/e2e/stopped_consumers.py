"""What a consumer that stands still costs the others. A live engine whose lane has a core to itself, a recording paced inside it, so that each tick's
intended time is known and no exchange shares that core; a sink of each type that has a consumer, and a journal, which is measured; all else, emit
too, on the other cores. Short periods in which every consumer runs and in which all are SIGSTOPped take turns, so that what the machine does meanwhile
meets both alike. Latency is from a tick's intended time: until it was decided, and until it was handed to the sinks.

  python3 tests/e2e/stopped_consumers.py [--seconds 400] [--rate 10000] [--period 0.5] [--only unix,stdout] [--lane-cpu 0] [--traced]
  python3 tests/e2e/stopped_consumers.py --held            what it says where a consumer does hold the lane: in a replay, a sink of policy block on its thread

Prints JSON. Of each kind of period the percentiles of all its ticks, in us, and how many times higher they are with stopped consumers, with the interval
that holds 90 of 100 draws of as many pairs of neighbouring periods (their ticks come together: one disturbance is many slow ticks); the same of every
other running period and the next: what the machine does by itself. "seconds_for_5_percent": how long a run must be for an interval of 5 % either way.
"resuming": what follows SIGCONT, when they catch up. "lane_core": ms a second that the hypervisor stole of the lane's core, and how often a second the lane
lost it to another thread. --traced leaves out the ticks around the times when another process (of this run there is none on that core) or, by the
scheduler's account, another machine had it: "left_out"; they are the p99.9 where neither machine is quiet. The kernel's own threads stay in, as do
interrupts. It wants root and perf."""
import argparse
import contextlib
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brokers import Nats, Redis
from destinations import KafkaCluster, Receiver
from harness import ROOT, TICKFUSE, LiveEngine, journal_blocks, run, wait_until
from ports import free_port

SETTLE_S = 0.3      # after which what stands still is full: queues of SLOTS, a pipe, sockets' buffers
SLOTS = 512
RING_SLOTS = 65536  # decisions between the lane and emit: what keeps emit from its core for seconds is no sink
START_S = 10        # within which the recording's first decision comes, and the last period ends
FIRST_MS = 1_700_000_000_000
TYPES = ("unix", "tcp", "websocket", "redis", "nats", "kafka", "http", "stdout")
SHARES = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}
DRAWS, BEYOND = 1000, 0.05  # of an interval: how many, and the share of them on either side of it
DECISION = numpy.dtype({"names": ["seq", "decided_wall", "decided", "handed_over"], "formats": ["<u8", "<u8", "<u4", "<u4"],
                        "offsets": [0, 64, 112, 116], "itemsize": 128})  # include/tf/decision.h


def write_tape(folder, rate_hz, seconds):
    """One trade after the other, so far apart."""
    with open(f"{folder}/recording", "w") as out:
        for i in range(int(rate_hz * seconds)):
            at_ns = FIRST_MS * 1_000_000 + i * 1_000_000_000 // rate_hz
            out.write(f'{at_ns} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":{at_ns // 1_000_000},"s":"BTCUSDT","t":{i + 1},'
                      f'"p":"{60000 + i % 100}.00","q":"0.01","T":{at_ns // 1_000_000},"m":{str(i % 2 == 0).lower()},"M":true}}}}\n')
    run("tape", "convert", f"binance-spot:{folder}/recording", "--out", f"{folder}/tape")
    os.unlink(f"{folder}/recording")
    return f"{folder}/tape"


class Consumers:
    """One process of each type's other end, all stopped and continued together."""

    def __init__(self, folder, types, held, stack):
        self.folder, self.held, self.stack, self.processes, self.sinks = folder, held, stack, [], []
        with open(f"{folder}/stdout", "wb") as end:
            self.reader = self.popen("tail", "-c", "200000", stdin=subprocess.PIPE, stdout=end)
        for kind in types:
            keys = getattr(self, kind)()
            self.sinks.append({"type": kind, "policy": "drop_oldest", "slots": SLOTS, "drain": "5s", **keys} if kind != "stdout" else keys)

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
        return {"type": "stdout", "policy": "block" if self.held else "drop_newest"}


class Engine(LiveEngine):
    """Its standard output, decisions and summary, goes to the consumers' reader, which keeps the end of it. A replay has no metrics."""

    def __init__(self, command, consumers):
        self.consumers, self.log = consumers, f"{consumers.folder}/engine.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([TICKFUSE, *command, "--json"], stdout=consumers.reader.stdin, stderr=log, cwd=ROOT)
        consumers.reader.stdin.close()

    def lane(self):
        """The thread that decides."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if "lane" in (task / "comm").read_text():
                return int(task.name)
        raise AssertionError("no thread of the engine decides")

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(120)
        self.consumers.reader.wait(60)
        text = pathlib.Path(f"{self.consumers.folder}/stdout").read_text()
        assert code == 0, f"exit {code}: {pathlib.Path(self.log).read_text()[-2000:]}"
        return json.loads(text[text.index("{\n"):])


@contextlib.contextmanager
def on_cpus(cpus):
    """What is started meanwhile, and its threads, run there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    yield
    os.sched_setaffinity(0, before)


def config_of(folder, tape, sinks, lane_cpu, idle, held):
    """A venue that is not there, and the recording in its place."""
    lane = ["acquire", "buffer", "compute", "decide"]
    path, port = pathlib.Path(f"{folder}/config.yaml"), free_port()
    path.write_text(json.dumps({
        "engine": {"profile": "basic", "idle": idle, "decision_ring_slots": RING_SLOTS,
                   "lanes": [{"stages": [*lane, "emit"], "cpu": lane_cpu}] if held else [{"stages": lane, "cpu": lane_cpu}, {"stages": ["emit"]}]},
        "feeds": [{"name": "f", "venue": "binance-spot", "url": f"ws://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}",
                   "channels": ["trade"], "instruments": ["BTCUSDT"], "fallback": [{"tape": tape}], "fallback_after": "1s"}],
        "features": ["last"],
        "strategies": [{"name": "each", "buy": "last > 0", "books": "all"}],
        "sinks": [{"type": "journal", "path": f"{folder}/truth.journal"}, *sinks]}))
    return path


def lines_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()


class LaneCore:
    """What the core did for others than its lane. traced: the scheduler's word on it, which wants root and perf."""
    TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
    ROW = re.compile(r"\s*(.*?)\s+(-?\d+)\s+(\d+)\.(\d{9}):\s+sched:sched_(?:switch|stat_runtime): .*?(?:runtime=(\d+).*)?")
    STOLEN_NS = 100_000    # what its time is short of between two accounts of it, 4 ms apart, was another machine's: the kernel leaves it out
    MARGIN_NS = 2_000_000  # the engine's clock is calibrated once, over 20 ms: some millionths, of minutes

    def __init__(self, cpu, lane, traced, folder, stack):
        self.cpu, self.lane, self.file, self.perf = cpu, lane, f"{folder}/perf.data", None
        if traced:
            self.perf = subprocess.Popen(["perf", "record", "-a", "-q", "-k", "CLOCK_MONOTONIC", "-e", "sched:sched_switch", "--filter", f"CPU=={cpu}",
                                          "-e", "sched:sched_stat_runtime", "--filter", f"pid=={lane}", "-o", self.file], stdout=subprocess.DEVNULL)
            stack.callback(self.perf.wait)
            stack.callback(self.perf.kill)
            wait_until(lambda: os.path.exists(self.file) or self.perf.poll() is not None, 30, "perf")

    def counts(self):
        stat, status = (pathlib.Path(path).read_text() for path in ("/proc/stat", f"/proc/{self.lane}/status"))
        stolen, lost = re.search(rf"^cpu{self.cpu} (?:\d+ ){{7}}(\d+)", stat, re.M), re.search(r"^nonvoluntary_ctxt_switches:\s*(\d+)", status, re.M)
        return numpy.array([int(stolen[1]) * self.TICK_MS, int(lost[1])])

    def taken(self):
        """[from ns, to ns] by the wall clock, in order: another process of this machine, none of which is of this run, or another machine had the core."""
        if not self.perf:
            return numpy.empty((0, 2), "u8")
        self.perf.send_signal(signal.SIGINT)
        assert self.perf.wait(60) in (0, -signal.SIGINT), "perf record failed: it wants root"
        rows = lines_of("perf", "script", "-i", self.file, "--ns", "-F", "comm,tid,time,event,trace", "--show-lost-events")
        kernel = lines_of("ps", "--ppid", "2", "-o", "pid=")
        to_wall, own, since, taken = time.time_ns() - time.monotonic_ns(), {self.lane, *map(int, kernel)}, None, []
        for row in rows:
            found = self.ROW.fullmatch(row)
            assert found, f"perf lost events, or says what is not understood: {row}"
            name, thread, seconds, ns, runtime = found.groups()
            now = int(seconds + ns)
            if since and (now - since - int(runtime) > self.STOLEN_NS if runtime else int(thread) not in own and not name.startswith("kworker/")):
                taken.append((since + to_wall - self.MARGIN_NS, now + to_wall + self.MARGIN_NS))
            since = now
        return numpy.array(taken, "u8").reshape(-1, 2)


def rotate(consumers, core, seconds, period_s):
    """[(what, from ns, to ns, what the lane's core did)], by the wall clock."""
    periods, what, end = [], "running", time.monotonic() + seconds
    while time.monotonic() + SETTLE_S + period_s < end:
        began = time.time_ns()
        time.sleep(SETTLE_S)
        settled, before = time.time_ns(), core.counts()
        time.sleep(period_s)
        periods += [("resuming" if what == "running" else "stopping", began, settled, before * 0),
                    (what, settled, time.time_ns(), core.counts() - before)]
        what = "stopped" if what == "running" else "running"
        consumers.signal(signal.SIGSTOP if what == "stopped" else signal.SIGCONT)
    consumers.signal(signal.SIGCONT)
    return periods


class Pool:
    """All delays of some periods in order, and whose each is."""

    def __init__(self, periods):
        values, owners = numpy.concatenate(periods), numpy.repeat(numpy.arange(len(periods)), [len(p) for p in periods])
        order = values.argsort()
        self.values, self.owners = values[order], owners[order]

    def percentiles(self, draws):
        """Where each period counts as often as it was drawn."""
        below = numpy.cumsum(draws[self.owners])
        return self.values[numpy.searchsorted(below, [share * below[-1] for share in SHARES.values()], side="right")]


def ratios(above, below, seconds):
    """Of two kinds of periods that took turns: percentiles of the one to those of the other."""
    cnt = min(len(above), len(below))
    pools, dice = (Pool(above[:cnt]), Pool(below[:cnt])), numpy.random.default_rng(1)

    def ratio(draws):
        return numpy.divide(*(pool.percentiles(draws).astype(float) for pool in pools))

    known = ratio(numpy.ones(cnt, int))
    drawn = numpy.array([ratio(numpy.bincount(dice.integers(cnt, size=cnt), minlength=cnt)) for _ in range(DRAWS)])
    rows = {}
    for name, value, (low, high) in zip(SHARES, known, numpy.quantile(drawn, (BEYOND, 1 - BEYOND), axis=0).T):
        wanted = seconds * (math.log(high / low) / 2 / math.log(1.05)) ** 2
        rows[name] = {"is": round(value, 3), "from": round(low, 3), "to": round(high, 3), "seconds_for_5_percent": round(wanted)}
    return rows


def without(decisions, taken):
    """Those that were neither due nor on their way while somebody else had the core."""
    begun = numpy.searchsorted(taken[:, 0], decisions["decided_wall"])  # so many intervals began before it was decided,
    over = numpy.searchsorted(taken[:, 1], due_of(decisions))           # and so many were over before it was due
    return decisions[begun == over]


def due_of(decisions):
    return decisions["decided_wall"] - decisions["decided"]


def report(decisions, periods, seconds):
    """{decided_us or handed_over_us: {kind of period: percentiles}, and ratios}, and {kind of period: what the lane's core did}"""
    due = due_of(decisions)
    rows = [(what, *numpy.searchsorted(due, (first, last)), (last - first) / 1e9, did) for what, first, last, did in periods[4:]]  # behind a warm-up
    kinds, out = {}, {"lane_core": {}}
    for row in rows:
        kinds.setdefault(row[0], []).append(row)
    assert all(end > begin for _, begin, end, *_ in rows), "a period without a tick: the recording was too short, or none of it is left"
    for column in ("decided", "handed_over"):
        delays = {what: [decisions[column][begin:end] for _, begin, end, *_ in many] for what, many in kinds.items()}
        out[f"{column}_us"] = {
            **{what: dict(zip(SHARES, (Pool(many).percentiles(numpy.ones(len(many), int)) / 1000).round(2).tolist())) for what, many in delays.items()},
            "stopped_to_running": ratios(delays["stopped"], delays["running"], seconds),
            "running_to_running": ratios(delays["running"][::2], delays["running"][1::2], seconds)}
    for what in ("running", "stopped"):
        lasted_s = sum(lasted for *_, lasted, _ in kinds[what])
        out["lane_core"][what] = dict(zip(("stolen_ms", "lost"), (sum(did for *_, did in kinds[what]) / lasted_s).round(2).tolist()))
    return out


def decisions_of(journal):
    return numpy.frombuffer(b"".join(journal_blocks(journal)), DECISION)


def measure(types, rate_hz, seconds, period_s, lane_cpu=None, idle="spin", held=False, traced=False):
    """What stands still for a part of the time: the report, and what the engine's account and the journal say. held: the lane waits for them."""
    cpus = os.sched_getaffinity(0)
    lane_cpu = min(cpus) if lane_cpu is None else lane_cpu
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tickfuse-stopped-"))
        tape = write_tape(folder, rate_hz, seconds + START_S)
        stack.enter_context(on_cpus(cpus - {lane_cpu} or cpus))
        consumers = Consumers(folder, types, held, stack)
        config = config_of(folder, tape, consumers.sinks, lane_cpu, idle, held)
        engine = stack.enter_context(Engine(["replay", config, "--input", tape, "--speed", "1x"] if held else ["run", config], consumers))
        wait_until(lambda: os.path.exists(f"{folder}/truth.journal") and decisions_of(f"{folder}/truth.journal").size, 60, "decisions")
        if idle == "spin":
            with contextlib.suppress(PermissionError):  # the scheduler is to give its core to others late and briefly
                os.setpriority(os.PRIO_PROCESS, engine.lane(), -20)
        core = LaneCore(lane_cpu, engine.lane(), traced, folder, stack)
        periods = rotate(consumers, core, seconds, period_s)
        taken = core.taken()
        summary = engine.finish()
        decisions = decisions_of(f"{folder}/truth.journal")
    left = without(decisions, taken)
    return {"periods": sum(what in ("running", "stopped") for what, *_ in periods), "rate_hz": rate_hz, "decisions": summary["decisions"],
            **report(left, periods, seconds), "left_out": len(decisions) - len(left),
            "lane_dropped": summary["lane"]["decisions_dropped"],
            "ledger_residual": summary["ledger"]["residual"],
            "journal_lost": summary["decisions"] - len(numpy.unique(decisions["seq"])),
            "sinks": {sink["name"]: {key: sink[key] for key in ("acked", "dropped_full", "dropped_oldest", "client_dropped")}
                      for sink in summary["sinks"]}}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=400)
    options.add_argument("--rate", type=int, default=10000)
    options.add_argument("--period", type=float, default=0.5)
    options.add_argument("--only", default=",".join(TYPES))
    options.add_argument("--lane-cpu", type=int)
    options.add_argument("--traced", action="store_true")
    options.add_argument("--held", action="store_true")
    options.add_argument("--receiver", type=int, help=argparse.SUPPRESS)
    got = options.parse_args()
    if got.receiver:
        Receiver(port=got.receiver)
        signal.pause()
    types = ["stdout"] if got.held else got.only.split(",")
    print(json.dumps(measure(types, got.rate, got.seconds, got.period, got.lane_cpu, held=got.held, traced=got.traced), indent=1))


if __name__ == "__main__":
    main()

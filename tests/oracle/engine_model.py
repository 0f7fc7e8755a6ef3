#!/usr/bin/python3
"""A black-box model of tickfuse: from a raw recording and configs/replay-binance.yaml alone it works out every
event, the book, the feature rows, the model's score and the decisions, and then compares them with what
`tickfuse replay` wrote. Plain Python; nothing of tickfuse's is read but to be compared.

  engine_model.py TICKFUSE VENUE FILE [SECONDS]
  engine_model.py TICKFUSE VENUE made SEED     a made-up recording (engine_made.py) with gaps and crossed books

SECONDS: so much of the recording from its beginning (all of it without). Compared are, for each decision: ingest_seq
(so every event before it), times, book_state, ref_price with its digits, action, hold_reason: equal; score: within
1e-5; feature rows (where the binary has `features eval`): as engine_features.TOLERANCE says. Exit 77: no recording.
"""
import csv
import decimal
import gzip
import json
import math
import operator
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import binance_decoder
import in_band_decoder
from engine_features import FEATURES, LAST, TOLERANCE, Market, Rows
from engine_made import Made

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "replay-binance.yaml"
MODEL = ROOT / "models" / "example-mlp.safetensors"
BOOKS = ["OK", "SYNCING", "GAP", "STALE", "CROSSED", "NONE"]
SCORE_MAX = 1e-5
COOLDOWN_NS, RATE_CNT, RATE_NS = 250 * 10**6, 50, 10**9


class Mlp:
    """The graph that the model file's metadata holds, in doubles."""

    def __init__(self, path):
        raw = path.read_bytes()
        size, = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8:8 + size])
        meta = header.pop("__metadata__")
        self.features = json.loads(meta["features"])
        self.nodes = json.loads(meta["graph"])["nodes"]
        self.tensors = {}
        for name, t in header.items():
            begin, end = t["data_offsets"]
            values = struct.unpack(f"<{(end - begin) // 4}f", raw[8 + size + begin:8 + size + end])
            columns = t["shape"][-1]
            self.tensors[name] = values if len(t["shape"]) == 1 else [values[i:i + columns]
                                                                      for i in range(0, len(values), columns)]

    def run(self, x):
        for node in self.nodes:
            weight, bias = (self.tensors.get(node.get(key)) for key in ("weight", "bias"))
            op = node["op"]
            if op == "add":
                x = list(map(operator.add, x, weight))
            elif op == "mul":
                x = list(map(operator.mul, x, weight))
            elif op == "clip":
                x = [min(max(v, node["alpha"]), node["beta"]) for v in x]
            elif op == "gemm":
                x = [math.fsum(map(operator.mul, row, x)) + b for row, b in zip(weight, bias)]
            elif op == "relu":
                x = [max(v, 0.0) for v in x]
            elif op == "tanh":
                x = [math.tanh(v) for v in x]
            else:
                raise ValueError(op)
        return x[0]


class Policy:
    """buy: score > 0.6 and spread_bps < 2; sell: score < -0.6 and spread_bps < 2; cooldown 250ms, 50/s; books: [ok]."""

    def __init__(self):
        self.past = []

    def decide(self, now, book_state, score, spread_bps):
        if book_state != 0:
            return "HOLD", "book"
        action = "BUY" if score > 0.6 else "SELL" if score < -0.6 else None
        if action is None or not spread_bps < 2:
            return "HOLD", "rule"
        if self.past and now - self.past[-1] < COOLDOWN_NS:
            return "HOLD", "cooldown"
        if sum(now - t < RATE_NS for t in self.past[-RATE_CNT:]) >= RATE_CNT:
            return "HOLD", "rate"
        self.past.append(now)
        return action, "none"


def as_float(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def reference(market):
    """(bid + ask) / 2 with one digit more than they were sent with; the last trade where there is no bid and offer."""
    if market.bbo_text is None:
        return market.last_text
    bid, ask = map(decimal.Decimal, market.bbo_text)
    digits = max(len(t.partition(".")[2]) for t in market.bbo_text)
    return str(((bid + ask) / 2).quantize(decimal.Decimal(1).scaleb(-digits - 1)))


def messages(venue, path):
    """A decoder after each message of the recording; what it made of it is in its out."""
    module = binance_decoder if venue.startswith("binance") else in_band_decoder
    yield from module.decode(venue, path)


class Instrument:
    def __init__(self):
        self.market, self.policy = Market(), Policy()
        self.rows = Rows(self.market)


class Oracle:
    def __init__(self, venue, path):
        self.venue, self.path, self.ingest_seq = venue, path, 0
        self.mlp, self.instruments = Mlp(MODEL), {}
        assert self.mlp.features == FEATURES[:len(self.mlp.features)]

    def ticks(self):
        """(ingest_seq, ts_event, ts_recv, symbol, row) at each tick."""
        for decoder in messages(self.venue, self.path):
            for line in decoder.lines():
                words = line.split(" ")
                if len(words) < 6:
                    continue  # what the feed asks of the session: no event
                kind, symbol = words[1:3]
                ts, recv, flags = int(words[3][3:]), int(words[4][3:]), int(words[5][2:], 16)
                self.ingest_seq += 1
                instrument = self.instruments.setdefault(symbol, None) or Instrument()
                self.instruments[symbol] = instrument
                instrument.market.event(kind, ts, recv, flags, dict(w.split("=", 1) for w in words[6:] if "=" in w))
                if flags & LAST:
                    yield self.ingest_seq, ts, recv, symbol, instrument.rows.row()

    def decisions(self, keep_rows):
        for seq, ts, recv, symbol, row in self.ticks():
            keep_rows(seq, recv, row)
            inputs = row[:len(self.mlp.features)]
            if all(map(math.isfinite, inputs)):
                score = self.mlp.run(list(map(as_float, inputs)))
                instrument = self.instruments[symbol]
                market = instrument.market
                yield {"ingest_seq": seq, "ts_event_ns": ts, "ts_recv_ns": recv, "score": score,
                       "instrument": f"{symbol}.{self.venue.upper()}", "ref_price": reference(market),
                       "book_state": BOOKS[market.book.state]}, instrument, row


class Mismatch(Exception):
    pass


def same(what, ours, theirs, where):
    if ours != theirs:
        raise Mismatch(f"{where}: {what} is {theirs}, the model says {ours}")


def compare_decision(number, want, got, instrument, row):
    """True where the score is so near a threshold that either action is right: then the engine's counts."""
    where = f"decision {number}, ingest_seq {want['ingest_seq']}"
    market, policy = instrument.market, instrument.policy
    for key in ("ingest_seq", "ts_event_ns", "ts_recv_ns", "book_state", "ref_price"):
        same(key, want[key], got[key], where)
    same("decision_seq", number, got["decision_seq"], where)
    if not abs(want["score"] - got["score"]) <= SCORE_MAX:
        raise Mismatch(f"{where}: score {got['score']}, the model says {want['score']}; row {row}")
    edge = min(abs(abs(want["score"]) - 0.6), abs(row[0] - 2)) <= SCORE_MAX
    action, reason = policy.decide(market.now, market.book.state, want["score"], row[0])
    if edge and (action, reason) != (got["action"], got["hold_reason"]):
        if got["action"] in ("BUY", "SELL"):
            policy.past.append(market.now)
        elif action in ("BUY", "SELL"):
            policy.past.pop()
        return True
    same("action", (action, reason), (got["action"], got["hold_reason"]), where)
    return False


def head_of(path, seconds, target):
    first = None
    with gzip.open(path, "rt") as source, gzip.open(target, "wt", compresslevel=1) as out:
        for line in source:
            recv = int(line.split(" ", 1)[0])
            first = recv if first is None else first
            if recv - first > seconds * 10**9:
                return
            out.write(line)


def replayed(tickfuse, venue, path, tmp):
    """The decisions that the binary makes of it, one by one."""
    journal = os.path.join(tmp, "decisions.journal")
    stream = f"test-oracle-{os.getpid()}"
    try:
        subprocess.run([tickfuse, "replay", CONFIG, "--input", f"{venue}:{path}", "--decisions", journal, "--json", "--set",
                        f"sinks.0.path={stream}"], check=True, capture_output=True, cwd=ROOT)
    finally:
        pathlib.Path(f"/dev/shm/tickfuse.{stream}").unlink(missing_ok=True)  # it stays behind its writer, for readers
    process = subprocess.Popen([tickfuse, "tail", journal, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for line in process.stdout:
        yield json.loads(line)
    if process.wait() != 0:
        raise Mismatch("tickfuse tail failed")


def evaluated(tickfuse, venue, path, tmp):
    """{ingest_seq: row} of `features eval`; None where the binary has no such command."""
    out = os.path.join(tmp, "rows.csv")
    done = subprocess.run([tickfuse, "features", "eval", CONFIG, "--input", f"{venue}:{path}", "--out", out],
                          capture_output=True, text=True, cwd=ROOT)
    if done.returncode == 2 and "unknown command" in done.stderr:
        return None
    if done.returncode != 0:
        raise Mismatch(f"features eval: exit {done.returncode}: {done.stderr[-500:]}")
    with open(out, newline="") as file:
        return {int(r["ingest_seq"]): r for r in csv.DictReader(file)}


def number(cell):
    return float(cell) if cell not in ("", "nan", "NaN") else math.nan


class RowCheck:
    def __init__(self, theirs):
        self.theirs, self.checked = theirs, 0
        self.worst = dict.fromkeys(FEATURES, 0.0)

    def __call__(self, seq, recv, row):
        if self.theirs is None:
            return
        got = self.theirs.get(seq)
        if got is None:
            raise Mismatch(f"ingest_seq {seq}: no row")
        for name, want in zip(FEATURES, row):
            have = number(got[name])
            if math.isnan(want) or math.isnan(have):
                if math.isnan(want) != math.isnan(have):
                    raise Mismatch(f"ingest_seq {seq}: {name} is {have}, the model says {want}")
                continue
            off = abs(want - have) / (1 + abs(want))
            self.worst[name] = max(self.worst[name], off)
            if off > TOLERANCE[name]:
                raise Mismatch(f"ingest_seq {seq}: {name} is {have!r}, the model says {want!r}")
        self.checked += 1


def check(tickfuse, venue, path):
    with tempfile.TemporaryDirectory() as tmp:
        rows = RowCheck(evaluated(tickfuse, venue, path, tmp))
        got = replayed(tickfuse, venue, path, tmp)
        oracle, actions, edges, worst, count = Oracle(venue, path), {}, 0, 0.0, 0
        for count, (want, instrument, row) in enumerate(oracle.decisions(rows), 1):
            theirs = next(got, None)
            if theirs is None:
                raise Mismatch(f"the journal ends at decision {count - 1}, the model goes on at ingest_seq {want['ingest_seq']}")
            edges += compare_decision(count, want, theirs, instrument, row)
            worst = max(worst, abs(want["score"] - theirs["score"]))
            key = theirs["action"] if theirs["action"] != "HOLD" else "HOLD " + theirs["hold_reason"]
            actions[key] = actions.get(key, 0) + 1
        if next(got, None) is not None:
            raise Mismatch(f"the journal has more than the model's {count} decisions")
    print(f"{venue}: {oracle.ingest_seq} events, {count} decisions equal (scores within {worst:.1e}, {edges} at a threshold): "
          f"{json.dumps(actions)}")
    if rows.theirs is not None:
        print(f"{venue}: {rows.checked} feature rows equal; largest differences: " +
              ", ".join(f"{k} {v:.1e}" for k, v in rows.worst.items() if v))
    return 0


def run(check, usage, argv, changed=lambda lines: lines):
    """What an oracle's command does: check(tickfuse, venue, path) of a recording, its head, or a made one, changed."""
    if len(argv) not in (4, 5):
        print(usage, file=sys.stderr)
        return 2
    tickfuse, venue, path = argv[1:4]
    if path != "made" and not os.path.exists(path):
        print(f"skipped: {path} is not here")
        return 77
    try:
        if len(argv) == 4:
            return check(tickfuse, venue, path)
        with tempfile.NamedTemporaryFile(suffix=".gz") as head:
            if path == "made":
                with gzip.open(head.name, "wt") as out:
                    out.writelines(f"{line}\n" for line in changed(Made(venue, int(argv[4])).lines()) if line)
            else:
                head_of(path, float(argv[4]), head.name)
            return check(tickfuse, venue, head.name)
    except Mismatch as mismatch:
        print(f"{venue}: {mismatch}")
        return 1


if __name__ == "__main__":
    decimal.getcontext().prec = 60
    sys.exit(run(check, __doc__, sys.argv))

#!/usr/bin/python3
"""Lines of the feed `events`, made at random, against what Python makes of them.

  event_lines.py DUMP_FEED

Each line is written with the keys in any order, numbers as numbers or as strings, blanks where JSON allows them, keys that
nobody knows; some are broken in ways that are known. What comes out must be what Python's own json and decimal say.
"""
import json
import random
import subprocess
import sys
import tempfile
from decimal import Decimal

LINES = 3000
BOOKS = ["ok", "syncing", "gap", "stale", "crossed", "none"]
TRADINGS = ["unsaid", "open", "halted", "ended", "changed"]
FLAGS = {"last": 1, "snapshot": 2, "bad_book": 4, "outlier": 4, "bad_ts": 8, "backfill": 16, "derived": 64, "outrun": 128}
SIDE = 32
rnd = random.Random(7)


def decimal():
    digits = rnd.randint(1, 15)
    number = rnd.randrange(10 ** digits)
    point = rnd.randint(0, 8)
    return f"{Decimal(number).scaleb(-point):.{point}f}"


def at_exponent(text, exponent):
    """The text with so many digits behind the point, if that is a number that fits."""
    if abs(Decimal(text)) * 10 ** -exponent >= 2 ** 63:
        raise OverflowError(text)
    return f"{Decimal(text):.{-exponent}f}"


def exponent(text):
    return -len(text.partition(".")[2])


def pair(a, b):
    both = min(exponent(a), exponent(b))
    return at_exponent(a, both), at_exponent(b, both)


def u64(limit=2 ** 64):
    return rnd.randrange(limit >> rnd.randrange(1, 32))


class Raw(str):
    """Written without quotes."""


def number(text):
    return rnd.choice([text, Raw(text)])


def whole(value):
    return rnd.choice([value, str(value)])


def trade():
    price, qty, trade_id, side = decimal(), decimal(), u64(), rnd.choice(["buy", "sell"])
    fields = {"side": side, "price": number(price), "qty": number(qty), "id": whole(trade_id)}
    return "T", fields, side == "sell", f"p={price} q={qty} id={trade_id} {side.upper()}"


def quote():
    texts = [decimal() for _ in range(4)]
    fields = dict(zip(["bid_price", "bid_qty", "ask_price", "ask_qty"], map(number, texts)))
    (bid, ask), (bid_qty, ask_qty) = pair(texts[0], texts[2]), pair(texts[1], texts[3])
    return "Q", fields, False, f"b={bid} B={bid_qty} a={ask} A={ask_qty}"


def book():
    price, qty, seq, side, cnt = decimal(), decimal(), u64(), rnd.choice(["bid", "ask"]), rnd.randint(1, 9)
    idx = rnd.randrange(cnt)
    fields = {"side": side, "price": number(price), "qty": number(qty), "venue_seq": whole(seq), "level_idx": idx,
              "level_cnt": cnt}
    return "B", fields, side == "ask", f"{side} p={price} q={qty} u={seq} i={idx}/{cnt}"


def ticker():
    last, volume, mark, rate = decimal(), decimal(), decimal(), f"0.000{rnd.randrange(1, 10 ** 6)}"
    fields = {"last_price": number(last), "volume": number(volume)}
    if rnd.random() < 0.5:
        fields["mark_price"] = number(mark)
        last, mark = pair(last, mark)
    else:
        mark = at_exponent("0", exponent(last))
    if rnd.random() < 0.5:
        fields["funding_rate"] = number(rate)
        rate = f"{Decimal(rate):.12f}"
    else:
        rate = "-"
    return "K", fields, False, f"c={last} v={volume} m={mark} r={rate}"


def status():
    if rnd.random() < 0.5:
        state, words = rnd.choice(BOOKS), [u64() for _ in range(3)]
        fields = {"book_state": state, "apply_from": words[0], "gap_first": words[1], "gap_last": words[2]}
        return "S", fields, False, f"state={BOOKS.index(state)} from={words[0]} gap={words[1]}..{words[2]}"
    trading, tick = rnd.choice(TRADINGS[1:]), decimal()
    fields = {"trading": trading, "tick_size": number(tick)}
    return "S", fields, False, f"trading={TRADINGS.index(trading)} tick={tick} lot=0"


def written(fields):
    keys = list(fields)
    rnd.shuffle(keys)
    blank = rnd.choice(["", "", " ", "\t "])
    parts = []
    for key in keys:
        value = fields[key]
        text = str(value) if isinstance(value, Raw) else json.dumps(value)
        parts.append(f"{blank}{json.dumps(key)}{blank}:{blank}{text}{blank}")
    return "{" + ",".join(parts) + "}"


TOO_FAR_APART = ('{"instrument":"S.DESK","kind":"quote","bid_price":"29823854401345.2","bid_qty":1,'
                 '"ask_price":"9.5263873","ask_qty":1}')
BREAKS = [("syntax", lambda f: None), ("schema", lambda f: {**f, "kind": 5}), ("unknown", lambda f: {**f, "kind": "bar"}),
          ("instrument", lambda f: {**f, "instrument": "NODOT"}), ("instrument", lambda f: {**f, "instrument": "A.OTHER"}),
          ("schema", lambda f: {**f, "flags": ["new"]}), ("number", lambda f: {**f, "ts_event_ns": -1})]


def main():
    lines, wanted, rejected, kinds = [], [], {}, {}
    for i in range(LINES):
        try:
            kind, fields, is_other_side, shown = rnd.choice([trade, quote, book, ticker, status])()
        except OverflowError:
            lines.append(f"{10 ** 18 + i} " + TOO_FAR_APART)
            rejected["number"] = rejected.get("number", 0) + 1
            continue
        symbol, event_ns, recv_ns = f"S{rnd.randrange(40)}.x", u64(), 10 ** 18 + i
        word = {"T": "trade", "Q": "quote", "B": "book", "K": "ticker", "S": "status"}[kind]
        fields.update(instrument=f"{symbol}.DESK", kind=word, ts_event_ns=event_ns)
        bits = FLAGS["last"]
        if rnd.random() < 0.5:
            flags = rnd.sample(sorted(FLAGS), rnd.randrange(4))
            fields["flags"] = flags
            bits = 0
            for flag in flags:
                bits |= FLAGS[flag]
        for extra in ("ingest_seq", "ts_recv_ns", "comment", "late"):
            if rnd.random() < 0.3:
                fields[extra] = rnd.choice([1, "x{}[]\"\\", None, [1, {"price": 2}]]) if extra == "comment" else 7
        if rnd.random() < 0.15:
            reason, broken = rnd.choice(BREAKS)
            fields = broken(fields)
            lines.append(f"{recv_ns} " + (written(fields) if fields else '{"instrument":'))
            rejected[reason] = rejected.get(reason, 0) + 1
            continue
        lines.append(f"{recv_ns} {written(fields)}")
        kinds[word] = kinds.get(word, 0) + 1
        wanted.append(f"{i + 1} {kind} {symbol} te={event_ns} tr={recv_ns} f={bits | SIDE * is_other_side:02x} {shown}")

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        run = subprocess.run([sys.argv[1], "events", file.name, "*.DESK"], capture_output=True, text=True, check=True)
    got = run.stdout.splitlines()
    counts = json.loads(got.pop()[2:])
    for ours, theirs in zip(got, wanted):
        if ours != theirs:
            print(f"ours   {ours}\nwanted {theirs}\nline   {lines[int(theirs.split()[0]) - 1]}")
            return 1
    if len(got) != len(wanted) or counts["messages"] != LINES or counts["data"] != len(wanted):
        print(f"{len(got)} events of {len(wanted)}: {counts}")
        return 1
    if counts["rejected"] != rejected or {k: counts[k] for k in kinds} != kinds:
        print(f"counts {counts}\nwanted {rejected} {kinds}")
        return 1
    print(f"{len(wanted)} events, {sum(rejected.values())} rejected: as Python has them")
    return 0


sys.exit(main())

#!/usr/bin/python3
"""F26 at every venue with trade ids: what comes again under an id of its own says nothing; what comes under it with
other contents is counted, and the first stands.

  id_conflicts.py DUMP_FEED

Each made recording is played up to a trade, the connection is made anew, and the trade comes again as from a venue that
replays its last ones: once as it was, once with one digit of its price changed.
"""
import os
import re
import subprocess
import sys
import tempfile

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
ROWS = [("binance_spot", "binance-spot"), ("binance_usdm", "binance-usdm"), ("bitfinex", "bitfinex"), ("bitget", "bitget"),
        ("bitmex", "bitmex"), ("bybit", "bybit"), ("coinbase", "coinbase"), ("coinbase_exchange", "coinbase-exchange"),
        ("cryptocom", "cryptocom"), ("deribit", "deribit"), ("gate", "gate"), ("gate_futures", "gate-futures"),
        ("htx", "htx"), ("htx_swap", "htx-swap"), ("hyperliquid", "hyperliquid"), ("kraken", "kraken"),
        ("kucoin", "kucoin"), ("kucoin_futures", "kucoin-futures"), ("okx", "okx")]
TRADE = re.compile(r"(\d+) T \S+ .* p=(\S+) q=\S+ id=(\d+) ")
CONFLICTS = re.compile(r"! id_conflicts (\d+) newest (\d+)")


def dump(program, venue, lines):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        run = subprocess.run([program, venue, file.name], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def conflicts(out):
    found = [CONFLICTS.match(line) for line in out if line.startswith("!")]
    return (int(found[0][1]), int(found[0][2])) if found else (0, 0)


def trades_of(out):
    return [line for line in out if TRADE.match(line)]


def other_price(price):
    return price[:-1] + ("1" if price[-1] != "1" else "2")


def candidates(lines, out):
    """(line number, text as it is, changed), newest first: the frame has this price once."""
    frames = [i for i, line in enumerate(lines) if not line.endswith(" #connect")]
    trades = [m.groups() for m in map(TRADE.match, out) if m and m[3] != "0"]
    for message, price, trade_id in reversed(trades):
        at = frames[int(message) - 1]
        if [m for m, p, _ in trades if (m, p) == (message, price)] != [message]:
            continue
        if len(price) > 3 and len(re.findall(rf"(?<![\d.]){re.escape(price)}(?!\d)", lines[at])) == 1:
            yield at, price, int(trade_id)


def is_news_again(out, trade_id):
    return sum(f" id={trade_id} " in line for line in trades_of(out)) > 1


def check(program, name, venue):
    with open(os.path.join(DATA, name + "_made.txt"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    for at, price, trade_id in candidates(lines, dump(program, venue, lines)):
        until = lines[:at + 1]
        until += [lines[at].split(" ", 1)[0] + " #connect"]
        until += [line for line in lines[:at] if '"event":"subscribed"' in line]
        changed = re.sub(rf"(?<![\d.]){re.escape(price)}(?!\d)", other_price(price), lines[at])
        same, other = dump(program, venue, until + [lines[at]]), dump(program, venue, until + [changed])
        of_its_own, _ = conflicts(same)  # some recordings have such trades themselves
        cnt, newest = conflicts(other)
        if cnt == of_its_own and is_news_again(same, trade_id):
            continue  # this recording's ids start over: no repeat
        assert cnt == of_its_own + 1, f"{venue}: {cnt - of_its_own} conflicts of one"
        assert newest == trade_id, f"{venue}: {newest} is named, {trade_id} it was"
        assert trades_of(same) == trades_of(other), f"{venue}: what was published is not the first of each"
        return f"{venue}: id {trade_id}, {price} stands against {other_price(price)}, {of_its_own} of its own"
    raise AssertionError(f"{venue}: no trade of the recording can be changed")


def main(program):
    failed = 0
    for name, venue in ROWS:
        try:
            print(check(program, name, venue))
        except (AssertionError, subprocess.CalledProcessError) as why:
            failed += 1
            print("FAILED", venue, why)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

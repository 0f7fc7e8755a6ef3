#!/usr/bin/python3
"""An independent model of the rule policy. Standard library only.

Reads a script and prints one "ACTION REASON" per tick:

  config COOLDOWN_NS RATE_CNT RATE_WINDOW_NS BOOK_STATES_OK HAS_BUY_UNTIL HAS_SELL_UNTIL
  tick NOW_NS BOOK_STATE BUY SELL FLAT BUY_UNTIL SELL_UNTIL     whether each condition holds: 1, 0 or nan

The rate is kept as the plain list of all past actions and counted anew each time; what is open is read
off the last action.
"""
import sys

HOLD, BUY, SELL, FLAT = range(4)
NONE, RULE, BOOK, COOLDOWN, RATE, CONFLICT = range(6)


def wanted(cfg, past, buy, sell, flat, buy_until, sell_until):
    last = past[-1][1] if past else FLAT
    bought, sold = last == BUY and cfg[4], last == SELL and cfg[5]
    if flat or (bought and buy_until) or (sold and sell_until):
        return [FLAT]
    return [action for action, fires, is_open in ((BUY, buy, bought), (SELL, sell, sold)) if fires and not is_open]


def decide(cfg, past, now, book, *fires):
    cooldown, rate_cnt, rate_window, books_ok = cfg[:4]
    if not books_ok >> book & 1:
        return HOLD, BOOK
    actions = wanted(cfg, past, *fires)
    if len(actions) != 1:
        return HOLD, CONFLICT if actions else RULE
    if past:
        now = max(now, past[-1][0])
        if now - past[-1][0] < cooldown:
            return HOLD, COOLDOWN
    if rate_cnt and sum(now - t < rate_window for t, _ in past) >= rate_cnt:
        return HOLD, RATE
    past.append((now, actions[0]))
    return actions[0], NONE


def main():
    cfg, past = None, []
    with open(sys.argv[1], encoding="ascii") as file:
        for line in file:
            f = line.split()
            if f[0] == "config":
                cfg, past = [int(v) for v in f[1:]], []
                continue
            fires = [v == "1" for v in f[3:]]
            print(*decide(cfg, past, int(f[1]), int(f[2]), *fires))


main()

#!/usr/bin/python3
"""An independent model of the rule policy. Standard library only.

Reads a script and prints one "ACTION REASON" per tick:

  config COOLDOWN_NS RATE_CNT RATE_WINDOW_NS BOOK_STATES_OK
  tick NOW_NS BOOK_STATE BUY SELL FLAT      whether each rule's condition holds: 1, 0 or nan

The rate is kept as the plain list of all past actions and counted anew each time.
"""
import sys

HOLD, BUY, SELL, FLAT = range(4)
NONE, RULE, BOOK, COOLDOWN, RATE, CONFLICT = range(6)


def decide(cfg, past, now, book, buy, sell, flat):
    cooldown, rate_cnt, rate_window, books_ok = cfg
    if not books_ok >> book & 1:
        return HOLD, BOOK
    wanted = [action for action, fires in ((BUY, buy), (SELL, sell)) if fires]
    if flat:
        wanted = [FLAT]
    if len(wanted) != 1:
        return HOLD, CONFLICT if wanted else RULE
    if past:
        now = max(now, past[-1])
        if now - past[-1] < cooldown:
            return HOLD, COOLDOWN
    if rate_cnt and sum(now - t < rate_window for t in past) >= rate_cnt:
        return HOLD, RATE
    past.append(now)
    return wanted[0], NONE


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

#!/usr/bin/env python3
"""The bot of behind.c in Python, on whole batches: a bot that knows when it has fallen behind, and what it does then.

    PYTHONPATH=tools/python python3 tools/examples/behind.py shm:decisions --max-age-ms 50
"""
import argparse
import sys
import time

import numpy as np

import tickfuse


class Bot:
    def __init__(self, client, age_ns_max):
        self.client, self.age_ns_max = client, age_ns_max
        self.behind, self.skipped = False, 0
        self.latest = {}  # of those skipped, by instrument

    def is_old(self, records):
        return time.time_ns() - records["ts_decision_ns"].astype(np.int64) > self.age_ns_max

    def act(self, d):
        """An order would be sent here."""
        if d["action"] != tickfuse.Action.HOLD:
            print(f"{d['decision_seq']} act {self.client.instrument(d['instrument_id']) or '?'}")

    def fall_behind(self, why):
        if not self.behind:
            print(f"behind: {why}")
        self.behind = True

    def take(self, records):
        old = self.is_old(records)
        fresh = len(records) if not old.any() else int(old.argmax())
        if self.behind:
            fresh = 0
        for d in records[:fresh]:
            self.act(d)
        if fresh < len(records):
            self.fall_behind("too old")
        self.skipped += len(records) - fresh
        for d in records[fresh:]:
            self.latest[int(d["instrument_id"])] = d

    def catch_up(self):
        """Nothing more to read: what was skipped has a latest decision for each instrument."""
        if not self.behind:
            return
        print(f"caught up, {self.skipped} skipped")
        for _, d in sorted(self.latest.items()):
            if not self.is_old(d):
                self.act(d)
        self.latest.clear()
        self.behind, self.skipped = False, 0

    def run(self):
        while True:
            batch = self.client.read()
            self.take(batch.records)
            for event in batch.events:
                if isinstance(event, (tickfuse.Lost, tickfuse.Down)):
                    self.fall_behind(event.reason)
                elif isinstance(event, tickfuse.End):
                    self.catch_up()
                    print(f"end: {event.reason}")
                    return
            if not len(batch.records) and not batch.events:
                self.catch_up()
                sys.stdout.flush()
                self.client.wait()


def main():
    parser = argparse.ArgumentParser(prog="behind.py")
    parser.add_argument("url")
    parser.add_argument("--max-age-ms", type=int, default=100)
    options = parser.parse_args()
    try:
        with tickfuse.open(options.url) as client:
            Bot(client, options.max_age_ms * 1_000_000).run()
    except tickfuse.Error as error:
        sys.exit(f"behind.py: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The bot of consumer.c in Python: the same options, the same lines.

    PYTHONPATH=tools/python python3 tools/examples/consumer.py shm:decisions
"""
import argparse
import sys
import time

import tickfuse
from tickfuse import Action, BookState, Path


def objection(d):
    """Why a decision is not acted on; None: it is."""
    if d["action"] == Action.HOLD:
        return "hold"
    if d["book_state"] != BookState.OK:
        return "book"
    if d["path"] & Path.LATE or 0 < d["expiry_ns"] < time.time_ns():
        return "late"
    return None


def consume(client, left):
    for message in client:
        if isinstance(message, tickfuse.Record):
            why, d = objection(message.record), message.record
            if why:
                print(f"{message.seq} pass {why}")
            else:  # an order would be sent here
                print(f"{message.seq} order {Action(d['action']).name} {client.instrument(d['instrument_id']) or '?'} score {d['score']:.3f}")
            left -= 1
            if left == 0:
                return
        elif isinstance(message, tickfuse.Lost):
            print(f"lost {message.first} to {message.last}: {message.reason}")
        elif isinstance(message, tickfuse.Up):
            print(f"up, next is {message.next_seq}")
        elif isinstance(message, tickfuse.Down):  # what is known is getting old: take orders back, or flatten
            print(f"down: {message.reason}")
        elif isinstance(message, tickfuse.End):
            print(f"end: {message.reason}")


def main():
    parser = argparse.ArgumentParser(prog="consumer.py")
    parser.add_argument("url")
    parser.add_argument("--oldest", action="store_const", dest="resume", const=tickfuse.OLDEST,
                        default=tickfuse.NEXT)
    parser.add_argument("--resume", type=int, default=tickfuse.NEXT)
    parser.add_argument("--count", type=int, default=-1)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--token-file")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    try:
        with tickfuse.open(options.url, resume_from=options.resume, follow=not options.once,
                           token_file=options.token_file) as client:
            consume(client, options.count)
            print(f"consumer.py: received={client.counts.records} lost={client.counts.lost}", file=sys.stderr)
    except tickfuse.Error as error:
        sys.exit(f"consumer.py: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

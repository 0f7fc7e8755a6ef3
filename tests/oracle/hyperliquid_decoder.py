#!/usr/bin/python3
"""Hyperliquid, decoded independently: usage as in_band_decoder.py, VENUE hyperliquid."""
import decimal
import sys

import in_band_decoder
from chained_decoder import BACKFILL, Chained, Reject, exact, whole

QUIET = "allMids candle notification webData2 user activeAssetData".split()


class Hyperliquid(Chained):
    def message(self, recv, text):
        root = self.parse(text)
        if not isinstance(root, dict) or "channel" not in root:
            raise Reject("unknown")
        channel, data = root["channel"], root.get("data")
        if channel in ("subscriptionResponse", "pong", "error"):
            return "control"
        if channel in QUIET:
            return channel
        if channel == "trades":
            return self.trades(data)
        if channel == "bbo":
            ts, flags = self.time_of(data["time"], 10**6, recv)
            sides = [(exact(s["px"]), exact(s["sz"])) if s else None for s in data["bbo"]]
            if None in sides:
                self.row(data["coin"])
                return "one-sided bbo"
            return self.quote(data["coin"], ts, recv, flags, *sides[0], *sides[1])
        if channel == "l2Book" or channel == "post":
            if channel == "post":
                data = data["response"]["payload"]["data"]
            ts, flags = self.time_of(data["time"], 10**6, recv)
            levels = [(side, exact(l["px"]), exact(l["sz"])) for side in (0, 1) for l in data["levels"][side]]
            return self.whole_book(data["coin"], ts, flags, levels)
        if channel in ("activeAssetCtx", "activeSpotAssetCtx"):
            ctx = data["ctx"]
            return self.put_ticker(data["coin"], 0, 0, ctx.get("midPx") or ctx["prevDayPx"], ctx.get("dayBaseVlm"),
                                   ctx["markPx"], ctx.get("funding"))
        raise Reject("unknown")

    def trades(self, items):
        """Ids are hashes: what tells repeats is that an id was seen lately."""
        backfill = {i["coin"] for i in items if not self.row(i["coin"]).seen}
        for item in items:
            row, number = self.row(item["coin"]), whole(item["tid"])
            if number in row.seen:
                self.counts["duplicates"] += 1
                continue
            row.seen[number] = True
            ts, flags = self.time_of(item["time"], 10**6, self.recv)
            self.trade(item["coin"], ts, self.recv, flags | (BACKFILL if item["coin"] in backfill else 0),
                       exact(item["px"]), exact(item["sz"]), number, item["side"] == "A")
        return "data"


in_band_decoder.VENUES.update({"hyperliquid": Hyperliquid})

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(in_band_decoder.main(sys.argv))

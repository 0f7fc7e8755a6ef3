#!/usr/bin/python3
"""Hyperliquid, decoded independently: usage as in_band_decoder.py, VENUE hyperliquid."""
import decimal
import sys

import in_band_decoder
from bridge_decoder import BACKFILL, Chained, Reject, exact, whole

QUIET = "allMids candle notification webData2 user activeAssetData".split()


class Hyperliquid(Chained):
    since = None

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
            nobody = ((0, 0), (0, 0))
            sides = [(exact(s["px"]), exact(s["sz"])) if s else nobody for s in data["bbo"]]
            return self.quote(data["coin"], ts, recv, flags, *sides[0], *sides[1])
        if channel == "l2Book" or channel == "post":
            if channel == "post":
                data = data["response"]["payload"]["data"]
            ts, flags = self.time_of(data["time"], 10**6, recv)
            levels = [(side, exact(l["px"]), exact(l["sz"])) for side in (0, 1) for l in data["levels"][side]]
            return self.whole_book(data["coin"], ts, flags, levels)
        if channel in ("activeAssetCtx", "activeSpotAssetCtx"):
            ctx = data["ctx"]
            return self.put_ticker(data["coin"], 0, 0, None, ctx.get("dayBaseVlm"), ctx["markPx"], ctx.get("funding"))
        raise Reject("unknown")

    def frame(self, recv, text, target=None):
        self.since = self.since or recv
        super().frame(recv, text, target)

    def connect(self, recv):
        super().connect(recv)
        self.since = recv

    def trades(self, items):
        """Ids are hashes: what tells repeats is that an id was seen lately. What happened before the connection was
        there is the venue's replay."""
        replay = bool(items) and int(items[-1]["time"]) * 10**6 < self.since
        for item in items:
            number = whole(item["tid"])
            if self.is_seen(item["coin"], number):
                continue
            ts, flags = self.time_of(item["time"], 10**6, self.recv)
            self.trade(item["coin"], ts, self.recv, flags | (BACKFILL if replay else 0), exact(item["px"]),
                       exact(item["sz"]), number, item["side"] == "A")
        return "data"


in_band_decoder.VENUES.update({"hyperliquid": Hyperliquid})

if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(in_band_decoder.main(sys.argv))

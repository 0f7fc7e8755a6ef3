"""Made-up Binance recordings for engine_model.py: what the real ones do not have. A gap in the chain and the snapshot
that heals it, a crossed book, trades told twice and left out, times that step back, silence. By seed.

  engine_made.py VENUE SEED > FILE"""
import random
import sys

SNAPSHOT_EVERY_S, SECONDS = 9, 40


class Made:
    def __init__(self, venue, seed):
        self.spot, self.rng = venue == "binance-spot", random.Random(seed)
        self.symbol = "BTCUSD_PERP" if venue == "binance-coinm" else "BTCUSDT"
        self.digits = {"binance-spot": (8, 8), "binance-usdm": (2, 3), "binance-coinm": (1, 0)}[venue]
        self.tick = 10 if venue == "binance-coinm" else 1  # of 0.01
        self.now, self.mid, self.u, self.trade = 1723161255 * 10**9, 6183000, 10**9, 700
        self.depth_u = self.u  # of the last depth message
        self.sides = ({}, {})
        self.changes = ({}, {})
        for i in range(1, 200):
            for side, sign in ((0, -1), (1, 1)):
                self.sides[side][self.mid + sign * i * self.tick] = self.qty()

    def qty(self):
        return self.rng.randrange(1, 4000) * (10**8 if self.digits[1] == 0 else 10**5)

    def price_text(self, p):
        text = f"{p // 100}.{p % 100:02d}"
        return (text + "0" * 8)[:len(str(p // 100)) + 1 + self.digits[0]]

    def qty_text(self, q):
        whole, part = divmod(q, 10**8)
        return f"{whole}.{part:08d}"[:len(str(whole)) + 1 + self.digits[1]] if self.digits[1] else str(whole)

    def set(self, side, price, qty):
        if qty:
            self.sides[side][price] = qty
        else:
            self.sides[side].pop(price, None)
        self.changes[side][price] = qty
        self.u += 1

    def best(self):
        return max(self.sides[0]), min(self.sides[1])

    def step(self):
        side = self.rng.randrange(2)
        bid, ask = self.best()
        best, away = (bid, -self.tick) if side == 0 else (ask, self.tick)
        at = best + away * self.rng.choice((0, 0, 1, 2, 3, 5, 8))
        if self.rng.random() < 0.3 and ask - bid > self.tick:
            at = best - away
        self.set(side, at, 0 if self.rng.random() < 0.3 and len(self.sides[side]) > 50 else self.qty())

    def frame(self, stream, data):
        return f'{self.now} {{"stream":"{self.symbol.lower()}@{stream}","data":{data}}}'

    def levels(self, rows):
        return "[" + ",".join(f'["{self.price_text(p)}","{self.qty_text(q)}"]' for p, q in rows) + "]"

    def depth(self, lose=False):
        before, first = self.depth_u, self.depth_u + 1
        self.u = max(self.u, first)
        last = self.depth_u = self.u
        changes, self.changes = self.changes, ({}, {})
        chain = "" if self.spot else f',"pu":{before}'
        ms = self.now // 10**6
        when = f'"E":{ms}' if self.spot else f'"E":{ms},"T":{ms - 3}'
        return None if lose else self.frame(
            "depth@100ms", f'{{"e":"depthUpdate",{when},"s":"{self.symbol}","U":{first},"u":{last}{chain},'
            f'"b":{self.levels(changes[0].items())},"a":{self.levels(changes[1].items())}}}')

    def snapshot(self):
        bids = sorted(self.sides[0].items(), reverse=True)[:100]
        asks = sorted(self.sides[1].items())[:100]
        return f'{self.now} {{"lastUpdateId":{self.u},"bids":{self.levels(bids)},"asks":{self.levels(asks)}}}'

    def quote(self):
        (bid, ask), ms = self.best(), self.now // 10**6
        values = (f'"s":"{self.symbol}","b":"{self.price_text(bid)}","B":"{self.qty_text(self.sides[0][bid])}",'
                  f'"a":"{self.price_text(ask)}","A":"{self.qty_text(self.sides[1][ask])}"')
        return self.frame("bookTicker", f'{{"u":{self.u},{values}}}' if self.spot else
                          f'{{"e":"bookTicker","u":{self.u},{values},"T":{ms},"E":{ms}}}')

    def a_trade(self):
        self.trade += self.rng.choice((1, 1, 1, 1, 1, 0, 3))  # told twice, and left out
        maker = self.rng.random() < 0.5
        price = self.best()[0 if maker else 1]
        ms = self.now // 10**6
        return self.frame("trade", f'{{"e":"trade","E":{ms},"s":"{self.symbol}","t":{self.trade},"p":"{self.price_text(price)}",'
                          f'"q":"{self.qty_text(self.qty())}","T":{ms},"m":{"true" if maker else "false"},"M":true}}')

    def cross(self):
        """For one message the best bid stands above the best ask."""
        bid, ask = self.best()
        self.set(0, ask + self.tick, self.qty())
        yield self.depth()
        self.set(0, ask + self.tick, 0)
        yield self.depth()

    def lines(self):
        end, depth_due, snapshot_due = self.now + SECONDS * 10**9, 0, self.now + 3 * 10**8
        yield self.depth()
        while self.now < end:
            self.now += int(self.rng.expovariate(1 / 4e6))
            if self.rng.random() < 0.0005:
                self.now += 2 * 10**9  # silence
            if self.rng.random() < 0.002:
                self.now -= 5 * 10**6  # the recorder's clock was set
            self.step()
            if self.rng.random() < 0.5:
                yield self.quote()
            if self.rng.random() < 0.2:
                yield self.a_trade()
            if self.now >= depth_due:
                depth_due = self.now + 10**8
                yield self.depth(lose=self.rng.random() < 0.01)
                if self.rng.random() < 0.02:
                    yield from self.cross()
            if self.now >= snapshot_due:
                snapshot_due = self.now + SNAPSHOT_EVERY_S * 10**9
                yield self.depth()
                yield self.snapshot()


if __name__ == "__main__":
    for text in Made(sys.argv[1], int(sys.argv[2])).lines():
        if text:
            print(text)

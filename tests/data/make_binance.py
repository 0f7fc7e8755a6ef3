#!/usr/bin/python3
"""Writes binance_spot_made.txt and binance_usdm_made.txt beside itself: small recordings in Binance's
form with everything in them that the large ones lack - bridging in each of its cases, gaps, repeats,
restarts, odd layouts and numbers, control messages, refusals. Same bytes on every run; format and
expectations are in tests/oracle/binance_decoder.py."""
import json
import os
import random

T0 = 1723161255000


class Made:
    def __init__(self, futures, seed):
        self.rng = random.Random(seed)
        self.futures = futures
        self.ms = T0
        self.lines = []
        self.u = {}
        self.trade_id = {}

    def raw(self, text, target=None):
        self.ms += self.rng.randint(0, 30)
        self.lines.append("%d %s%s" % (self.ms * 10**6 + self.rng.randint(0, 999999),
                                       "@%s " % target if target else "", text))

    def send(self, stream, data, layout=0):
        if layout == 1:  # whitespace
            text = json.dumps(data, indent=None, separators=(" , ", " : "))
            text = "{ \"stream\" : \"%s\" ,\t\"data\" :%s }  " % (stream, text)
        elif layout == 2:  # another order of keys
            keys = list(data)
            self.rng.shuffle(keys)
            text = json.dumps({"data": {k: data[k] for k in keys}, "stream": stream},
                              separators=(",", ":"))
        elif layout == 3:  # escapes in keys and strings
            text = json.dumps({"stream": stream, "data": data}, separators=(",", ":"))
            text = text.replace('"s":"', '"\\u0073":"').replace("USDT", "US\\u0044T")
            text = text.replace('"e":"trade"', '"e":"tr\\u0061de"').replace('"p":"6', '"p":"\\u0036')
        elif layout == 4:  # raw
            text = json.dumps(data, separators=(",", ":"))
        elif layout == 5:  # fields that nobody knows yet, nested, and a repeated key
            more = dict(data, st=1, ps="X", extra={"a": [1, {"b": None}], "t": "\"}"}, neg=-1.5e-3)
            text = json.dumps({"stream": stream, "data": more, "more": [[]]}, separators=(",", ":"))
            text = text[:-1] + ',"stream":"second@trade"}'
        else:
            text = json.dumps({"stream": stream, "data": data}, separators=(",", ":"))
        self.raw(text)

    def price(self):
        return "%.*f" % (2 if self.futures else 8, 61000 + self.rng.randint(0, 99999) / 100)

    def qty(self):
        return "%.*f" % (3 if self.futures else 8, self.rng.choice([0, 0.001, 0.5, 12.25, 700]))

    def times(self, happened=True):
        return dict(E=self.ms, T=self.ms - 1) if self.futures or happened else dict(E=self.ms)

    def trade(self, symbol="BTCUSDT", layout=0, step=1, **more):
        number = self.trade_id.get(symbol, 5000000) + step
        self.trade_id[symbol] = max(number, self.trade_id.get(symbol, 0))
        data = dict(e="trade", E=self.ms, s=symbol, t=number, p=self.price(), q="0.02000000",
                    T=self.ms - 1, m=bool(self.rng.getrandbits(1)), M=True)
        data.update(more)
        self.send(symbol.lower() + "@trade", data, layout)

    def quote(self, symbol="BTCUSDT", layout=0, **more):
        data = dict(u=self.u.get(symbol, 1), s=symbol, b=self.price(), B=self.qty(),
                    a=self.price(), A=self.qty())
        if self.futures:
            data = dict(dict(e="bookTicker"), **data, **self.times())
        data.update(more)
        self.send(symbol.lower() + "@bookTicker", data, layout)

    def levels(self, cnt):
        return [[self.price(), self.qty()] for _ in range(cnt)]

    def delta(self, symbol="BTCUSDT", layout=0, skip=0, cnt=3, width=5, back=0, **more):
        last = self.u.get(symbol, 5000)
        if back:
            first, u, pu = last - back, last - back + 1, last - back - 1
        elif self.futures:  # ids are shared: they jump, pu tells
            first = last + self.rng.randint(1, 20) + skip
            u, pu = first + width, last + skip
            self.u[symbol] = u
        else:
            first = last + 1 + skip
            u, pu = first + width, 0
            self.u[symbol] = u
        data = dict(e="depthUpdate", E=self.ms)
        if self.futures:
            data["T"] = self.ms - 1
        data.update(s=symbol, U=first, u=u)
        if self.futures:
            data["pu"] = pu
        data.update(b=self.levels(cnt), a=self.levels(cnt + 1 if cnt else 0))
        data.update(more)
        self.send(symbol.lower() + "@depth@100ms", data, layout)
        return first, u

    def snapshot(self, seq, symbol="BTCUSDT", how="target", cnt=20):
        data = dict(lastUpdateId=seq)
        if self.futures:
            data.update(E=self.ms, T=self.ms - 2)
        path = "/fapi/v1/depth" if self.futures else "/api/v3/depth"
        if how == "symbol":
            data.update(symbol=symbol, pair="X")
        data.update(bids=self.levels(cnt), asks=self.levels(cnt))
        target = None
        if how == "target":
            target = "%s?symbol=%s&limit=1000" % (path, symbol)
        elif how == "url":
            target = "https://api.binance.com%s?limit=5&symbol=%s" % (path, symbol.lower())
        self.raw(json.dumps(data, separators=(",", ":")), target)

    def noise(self, cnt):
        for _ in range(cnt):
            symbol = self.rng.choice(["BTCUSDT", "ETHUSDT"])
            kind = self.rng.randint(0, 5)
            layout = self.rng.choice([0, 0, 0, 0, 1, 2, 3, 4, 5])
            if kind == 0:
                self.trade(symbol, layout)
            elif kind == 1:
                self.quote(symbol, layout)
            else:
                self.delta(symbol, layout, cnt=self.rng.randint(0, 6))

    def control(self):
        for text in ('{"result":null,"id":1}', '{"id":2,"result":["btcusdt@trade"]}',
                     '{"code":2,"msg":"Invalid request: unknown variant","id":3}',
                     '{"error":{"code":3,"msg":"Invalid JSON"},"id":4}',
                     '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":%d}}' % self.ms,
                     '{"e":"serverShutdown","E":%d}' % self.ms):
            self.raw(text)
        self.raw('{"code":-1121,"msg":"Invalid symbol."}', "/api/v3/depth?symbol=NONE&limit=5")

    def ignored(self):
        self.send("btcusdt@kline_1m", dict(e="kline", E=self.ms, s="BTCUSDT",
                                           k=dict(t=1, T=2, s="BTCUSDT", i="1m", o="1", x=False)))
        self.send("btcusdt@markPrice", dict(e="markPriceUpdate", E=self.ms, s="BTCUSDT",
                                            p="61000.1", r="0.0001", T=self.ms + 9999))
        self.send("btcusdt@forceOrder", dict(e="forceOrder", E=self.ms, o=dict(s="BTCUSDT", q="1")))
        self.raw('{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}')
        self.raw('{"timezone":"UTC","symbols":[]}', "/api/v3/exchangeInfo")
        self.send("btcusdt@rpiDepth@500ms", dict(e="depthUpdate", E=self.ms, s="BTCUSDT", U=1, u=2,
                                                 pu=0, b=[], a=[]))
        self.send("btcusdt@ticker", dict(e="24hrTicker", E=self.ms, s="BTCUSDT", p="1.0",
                                         P="0.1", c="61000.10", v="123.456", b="1", a="2",
                                         B="3", A="4", O=1, C=2, F=3, L=4, n=5))

    def refused(self):
        for text in ("", "{", "nonsense", '{"e":"trade"', '[1,2]', '{"x":1}', '{"e":"newThing"}',
                     '{"e":12}', '{"stream":"x@trade","data":7}', '{"stream":7,"data":{}}',
                     '{"lastUpdateId":1,"bids":[]}', '{"lastUpdateId":"1","bids":[],"asks":[]}',
                     '{"e":"trade","E":1,"s":"BTCUSDT"}', '{"e":"24hrTicker","s":"BTCUSDT"}',
                     '{"a":"1","A":"1","b":"1","B":"1"}'):
            self.raw(text)
        for more in (dict(p="1e400"), dict(p="NaN"), dict(p=None), dict(p=""), dict(q="-1"),
                     dict(t="12"), dict(t=1.5), dict(t=-1), dict(m="true"), dict(s=7),
                     dict(s="X" * 40), dict(s=""), dict(s="A B"), dict(T="soon"),
                     dict(p="1234567890123456789012345678901234567.1"), dict(t=2**64)):
            self.trade(**more)
        for more in (dict(U=9, u=8), dict(u="x"), dict(b=7), dict(b=[["1"]]), dict(a=[["1", "x"]]),
                     dict(a=[["-1", "1"]]), dict(E="x", T="x"), dict(a=[[[], "1"]])):
            before = dict(self.u)
            self.delta(**more)
            self.u = before  # the refused one is sent again by what follows
        self.quote(b="1e-100", a="1e10")
        self.quote(A=[1])

    def odd_numbers(self):
        self.trade(p="6.1e4", q="1E-3")
        self.trade(p=61000.5, q=1)
        self.trade(p="0.000000000000000000010", q="100000000000000000000")
        self.quote(b="61000.1", a="61000.20", B="1", A="2.5")
        self.quote(b="61000", a="6.2e4")
        self.delta(b=[[61000.25, 1], ["6.1e4", "0"], ["61000", "1e2"]],
                   a=[["61001.123456789012", "0.000000000001"], ["62000.0", "5", "extra", []]])
        for ms in (0, 1, 99999999999, T0 * 1000, T0 * 10**6, T0 + 9 * 3600 * 1000,
                   18446744073710, 2**64 - 1):
            self.trade(E=ms, T=ms)

    def trade_ids(self):
        self.trade(step=1)
        self.trade(step=0)  # the same again
        self.trade(step=-3)  # an older one
        self.trade(step=5)  # four are missing
        self.trade(step=-2)  # late, never seen
        self.trade(step=-2)  # and again
        self.trade(step=200)
        self.trade(step=-100)  # too far back to know: taken for a repeat
        self.trade(step=-2000000)  # the venue starts over
        self.trade_id["BTCUSDT"] -= 2000000
        self.trade(step=1)
        for step in (1, 1, 0, 1):
            number = self.trade_id.setdefault("agg", 77) + step
            self.trade_id["agg"] = number
            self.send("btcusdt@aggTrade", dict(e="aggTrade", E=self.ms, s="BTCUSDT", a=number,
                                               p=self.price(), q="0.5", f=5, l=9, T=self.ms,
                                               m=True, M=True))
        if self.futures:
            self.trade(X="MARKET")
            self.trade(X="NA", p="0", q="0")
            self.trade(X="INSURANCE_FUND")
            self.trade(X="LATER")

    def write(self, name):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(self.lines) + "\n")


def make(futures, seed, name):
    m = Made(futures, seed)
    # the usual start: three deltas, a snapshot inside the third, on it goes
    m.delta(), m.delta()
    first, u = m.delta()
    m.snapshot(first + 2, how="none")
    m.noise(40)
    m.control()
    m.ignored()
    # ETHUSDT has been syncing all along: its snapshot is too old, then ahead of everything
    m.snapshot(100, "ETHUSDT")
    ahead = m.u.get("ETHUSDT", 5000) + 14
    m.snapshot(ahead, "ETHUSDT", "url")
    while m.u.get("ETHUSDT", 5000) < ahead + 30:
        m.delta("ETHUSDT", width=9)
    m.noise(40)
    # a gap; more deltas; a snapshot from before it; one that bridges
    m.delta(skip=17)
    m.delta(), m.noise(3)
    m.snapshot(m.u["BTCUSDT"] - 60)
    first, u = m.delta()
    m.snapshot(first)
    m.noise(20)
    # a gap while one is being repaired
    m.delta(skip=3), m.delta(), m.delta(skip=4)
    first, u = m.delta()
    m.snapshot(u, how="symbol")
    m.noise(10)
    # repeats, and snapshots that are not needed
    m.delta(back=3), m.delta(back=40)
    m.snapshot(m.u["BTCUSDT"] - 1), m.snapshot(m.u["BTCUSDT"])
    m.noise(5)
    # a newer snapshot is taken; the deltas it holds already do no harm
    base = m.u["BTCUSDT"] + 40
    m.snapshot(base)
    while m.u["BTCUSDT"] < base + 30:
        m.delta(width=7)
    # a snapshot, and the next delta does not reach it
    base = m.u["BTCUSDT"] + 3
    m.snapshot(base)
    m.delta(skip=40)
    first, u = m.delta()
    m.snapshot(first + 1)
    m.noise(10)
    m.odd_numbers()
    m.refused()
    m.noise(10)
    m.trade_ids()
    # empty deltas keep the chain; an empty snapshot is none
    m.delta(cnt=0), m.delta(cnt=0), m.delta()
    m.snapshot(m.u["BTCUSDT"] + 50, cnt=0)
    # another symbol: partial books alone, then with deltas
    for seq in (10, 11, 11, 12):
        data = dict(lastUpdateId=seq, bids=m.levels(5), asks=m.levels(5))
        if futures:
            data = dict(e="depthUpdate", E=m.ms, T=m.ms, s="BNBUSDT", U=seq - 1, u=seq, pu=seq - 2,
                        b=m.levels(5), a=m.levels(5))
        m.send("bnbusdt@depth5@100ms", data)
    m.u["BNBUSDT"] = 12
    m.delta("BNBUSDT", width=1)
    data = dict(lastUpdateId=99, bids=m.levels(5), asks=m.levels(5))
    if futures:
        data = dict(e="depthUpdate", E=m.ms, T=m.ms, s="BNBUSDT", U=98, u=99, pu=97,
                    b=m.levels(5), a=m.levels(5))
    m.send("bnbusdt@depth20@100ms", data)
    # a reconnect: everything syncs again; ids that were missed meanwhile are no gap
    m.raw("#connect")
    m.trade(step=50)
    m.noise(10)
    first, u = m.delta(skip=1000)
    m.snapshot(first), m.noise(5)
    m.raw("#connect"), m.raw("#connect")
    m.snapshot(m.u["BTCUSDT"] + 2)
    m.raw("#connect")
    m.delta(skip=0, width=30), m.delta()
    # the venue's ids start over
    m.u["BTCUSDT"] = 10**15
    m.delta(), m.delta()
    m.u["BTCUSDT"] = 100
    m.delta()
    first, u = m.delta()
    m.snapshot(first), m.noise(20)
    m.write(name)


make(False, 1, "binance_spot_made.txt")
make(True, 2, "binance_usdm_made.txt")

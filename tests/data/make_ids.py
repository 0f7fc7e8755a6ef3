#!/usr/bin/python3
"""Makes the recordings <venue>_made.txt of the venues whose deltas say which ids they cover, and of Hyperliquid:
seeded, so that what is in the tree can be made again. They have what the real recordings lack: gaps, repeats,
snapshots that come too early or too late, sides that are missing, new connections, numbers with exponents,
ids beyond 64 bits, the forms of futures and swaps, both forms of a book."""
import os
import random

MS0 = 1786309548000


class Maker:
    def __init__(self, venue, seed, symbols):
        self.random, self.venue, self.symbols = random.Random(seed), venue, symbols
        self.lines, self.ms = [], MS0
        self.last = {s: 1000 * (i + 1) for i, s in enumerate(symbols)}
        self.trade_id = {s: 500 for s in symbols}

    def put(self, text):
        self.ms += self.random.randrange(1, 40)
        self.lines.append("%d %s" % (self.ms * 10**6 + 17, text))

    def price(self):
        return "%d.%02d" % (self.random.randrange(90, 110), self.random.randrange(100))

    def qty(self):
        return self.random.choice(("0", "0.000", "1.5", "20", "3.25", "0.00041"))

    def levels(self, most=4):
        return [(self.price(), self.qty()) for _ in range(self.random.randrange(most + 1))]

    def size(self):
        return self.random.choice(("0.5", "12", "3.000", "0.00017"))

    def range(self, symbol):
        """The next delta's ids: mostly the next, sometimes one is left out, or an old one comes again."""
        draw = self.random.random()
        first = self.last[symbol] + (3 if draw < 0.04 else 1)
        last = first + self.random.randrange(3)
        if draw > 0.96:
            return max(1, self.last[symbol] - 4), self.last[symbol] - 2
        self.last[symbol] = last
        return first, last

    def snapshot_id(self, symbol):
        return self.last[symbol] + self.random.choice((-9, -1, 0, 0, 0, 2))

    def id(self, symbol):
        if self.random.random() < 0.1:
            return self.trade_id[symbol]
        self.trade_id[symbol] += self.random.choice((1, 1, 1, 5))
        return self.trade_id[symbol]

    def run(self, kinds, cnt):
        for _ in range(cnt):
            if self.random.random() < 0.02:
                self.put("#connect")
            getattr(self, self.random.choice(kinds))(self.random.choice(self.symbols))
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, self.venue.replace("-", "_") + "_made.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")


def pairs(levels, quoted=True):
    mark = '"' if quoted else ""
    return "[" + ",".join("[%s%s%s,%s%s%s]" % (mark, p, mark, mark, q, mark) for p, q in levels) + "]"


class Gate(Maker):
    PREFIX, PAIR, BOOK = "spot", "currency_pair", "/api/v4/spot/order_book"

    def side(self, levels):
        return pairs(levels)

    def quote_qty(self):
        return '"%s"' % self.size()

    def message(self, channel, result):
        ms = '"time_ms":%d,' % self.ms if self.random.random() < 0.7 else ""
        self.put('{"time":%d,%s"channel":"%s.%s","event":"update","result":%s}' % (
            self.ms // 1000, ms, self.PREFIX, channel, result))

    def trade(self, s):
        self.message("trades", '{"id":%d,"create_time":%d,"create_time_ms":"%d.123456","side":"%s","currency_pair":"%s",'
                     '"amount":"%s","price":"%s"}' % (self.id(s), self.ms // 1000, self.ms,
                                                      self.random.choice(("buy", "sell")), s, self.size(), self.price()))

    def quote(self, s):
        self.message("book_ticker", '{"t":%d,"u":%d,"s":"%s","b":"%s","B":%s,"a":"%s","A":%s}' % (
            self.ms, self.last[s], s, self.price(), self.quote_qty(), self.price(), self.quote_qty()))

    def delta(self, s):
        first, last = self.range(s)
        self.message("order_book_update", '{"t":%d,"e":"depthUpdate","E":1,"s":"%s","U":%d,"u":%d,"b":%s,"a":%s}' % (
            self.ms, s, first, last, self.side(self.levels()), self.side(self.levels())))

    def rest(self, s):
        update = "%d" % self.ms if self.PREFIX == "spot" else "%d.%03d" % (self.ms // 1000, self.ms % 1000)
        self.put('@%s?%s=%s&limit=100&with_id=true {"id":%d,"current":%s,"update":%s,"asks":%s,"bids":%s}' % (
            self.BOOK, self.PAIR, s, self.snapshot_id(s), update, update, self.side(self.levels(6)),
            self.side(self.levels(6))))

    def obu(self, s):
        if self.random.random() < 0.2:
            self.last[s] += 1
            self.message("obu", '{"t":%d,"full":true,"s":"ob.%s.50","u":%d,"b":%s,"a":%s}' % (
                self.ms, s, self.last[s], self.side(self.levels()), self.side(self.levels())))
            return
        first, last = self.range(s)
        sides = self.random.choice(("", ',"b":%s' % self.side(self.levels()), ',"a":%s' % self.side(self.levels())))
        self.message("obu", '{"t":%d,"s":"ob.%s.50","U":%d,"u":%d%s}' % (self.ms, s, first, last, sides))

    def ticker(self, s):
        self.message("tickers", '{"currency_pair":"%s","last":"%s","lowest_ask":"1","base_volume":"%s"}' % (
            s, self.price(), self.size()))

    def other(self, s):
        self.put(self.random.choice((
            '{"time":1,"channel":"%s.pong","event":"","error":null,"result":null}',
            '{"time":1,"id":7,"channel":"%s.trades","event":"subscribe","result":{"status":"success"}}',
            '{"time":1,"channel":"%s.tickers","event":"subscribe","error":{"code":2,"message":"unknown"},'
            '"result":{"status":"fail"}}',
            '{"time":1,"channel":"%s.candlesticks","event":"update","result":{"t":"1","v":"0","c":"1"}}')) % self.PREFIX)


class GateFutures(Gate):
    PREFIX, PAIR, BOOK = "futures", "contract", "/api/v4/futures/usdt/order_book"

    def side(self, levels):
        forms = ('{"p":"%s","s":%s}', '{"s":%s,"p":"%s"}')
        out = []
        for p, q in levels:
            form = self.random.randrange(2)
            out.append(forms[form] % ((p, q) if form == 0 else (q, p)))
        return "[" + ",".join(out) + "]"

    def quote_qty(self):
        return "%d" % self.random.randrange(1, 90000)

    def trade(self, s):
        trades = ['{"size":%d,"id":%d,"create_time":%d,"create_time_ms":%d,"price":"%s","contract":"%s"}' % (
            self.random.choice((-7, 5, 300, -1)), self.id(s), self.ms // 1000, self.ms, self.price(), s)
            for _ in range(self.random.randrange(1, 4))]
        self.message("trades", "[" + ",".join(trades) + "]")

    def ticker(self, s):
        self.message("tickers", '[{"contract":"%s","last":"%s","mark_price":"%s0","funding_rate":"%s","volume_24h_base":"8"}]'
                     % (s, self.price(), self.price(), self.random.choice(("0.0001", "-0.00004", "0.0000000000001"))))


class Kucoin(Maker):
    def message(self, topic, subject, data):
        self.put('{"type":"message","topic":"%s","subject":"%s","data":%s}' % (topic, subject, data))

    def changes(self):
        levels = [(p, q, n) for n, (p, q) in enumerate(self.levels() + [("0", "0")] * self.random.randrange(2))]
        return "[" + ",".join('["%s","%s","%d"]' % level for level in levels) + "]"

    def trade(self, s):
        number = self.id(s)
        text = self.random.choice(("6085c097%016x" % number, "%d" % number))
        self.message("/market/match:" + s, "trade.l3match",
                     '{"symbol":"%s","sequence":"%d","side":"%s","size":"%s","price":"%s","time":"%d","tradeId":"%s"}' % (
                         s, number, self.random.choice(("buy", "sell")), self.size(), self.price(), self.ms * 10**6 + 5, text))

    def quote(self, s):
        topic, subject = self.random.choice((("/market/ticker:" + s, "trade.ticker"), ("/market/ticker:all", s)))
        self.message(topic, subject, '{"bestAsk":"%s","bestAskSize":"%s","bestBid":"%s","bestBidSize":"%s","price":"1",'
                     '"sequence":"%d","size":"1","time":%d}' % (self.price(), self.size(), self.price(), self.size(), self.ms, self.ms))

    def delta(self, s):
        first, last = self.range(s)
        time = ',"time":%d' % self.ms if self.random.random() < 0.5 else ""
        self.message("/market/level2:" + s, "trade.l2update",
                     '{"sequenceStart":%d,"symbol":"%s","changes":{"asks":%s,"bids":%s},"sequenceEnd":%d%s}' % (
                         first, s, self.changes(), self.changes(), last, time))

    def rest(self, s):
        path = self.random.choice(("/api/v3/market/orderbook/level2", "/api/v1/market/orderbook/level2_100"))
        self.put('@%s?symbol=%s {"code":"200000","data":{"time":%d,"sequence":"%d","bids":%s,"asks":%s}}' % (
            path, s, self.ms, self.snapshot_id(s), pairs(self.levels(6)), pairs(self.levels(6))))

    def ticker(self, s):
        self.message("/market/snapshot:" + s, "trade.snapshot",
                     '{"sequence":"1","data":{"datetime":%d,"lastTradedPrice":%s,"vol":%s.000,"symbol":"%s"}}' % (
                         self.ms, self.price(), self.random.randrange(1, 10**6), s))

    def obu(self, s):
        if self.random.random() < 0.2:
            self.last[s] += 1
            kind, first, last = "snapshot", 1, self.last[s]
        else:
            kind, (first, last) = "delta", self.range(s)
        self.put('{"T":"obu.SPOT","dp":"increment@10ms","t":"%s","P":%d,"d":{"s":"%s","O":%d,"C":%d,"M":%d,"b":%s,"a":%s}}'
                 % (kind, self.ms * 10**6, s, first, last, self.ms * 10**6 + 3, pairs(self.levels()), pairs(self.levels())))

    def other(self, s):
        self.put(self.random.choice((
            '{"id":"x","type":"welcome"}', '{"id":"7","type":"ack"}', '{"id":"7","type":"pong"}',
            '{"id":"8","type":"error","code":404,"data":"topic does not exist"}', '{"id":"p1","result":true}',
            '@/api/v1/bullet-public {"code":"200000","data":{"token":"a\\u002fb","instanceServers":[]}}',
            '{"type":"message","topic":"/market/candles:%s_1min","subject":"x","data":{}}' % s)))


class KucoinFutures(Kucoin):
    def trade(self, s):
        self.message("/contractMarket/execution:" + s, "match",
                     '{"symbol":"%s","sequence":1,"side":"%s","size":%d,"price":%s,"tradeId":"6057bc95%016x","ts":%d}' % (
                         s, self.random.choice(("buy", "sell")), self.random.randrange(1, 99), self.price(), self.id(s),
                         self.ms * 10**6 + 9))

    def quote(self, s):
        self.message("/contractMarket/tickerV2:" + s, "tickerV2",
                     '{"symbol":"%s","sequence":%d,"bestBidSize":%d,"bestBidPrice":"%s","bestAskPrice":"%s","ts":%d,"bestAskSize":3}'
                     % (s, self.ms, self.random.randrange(1, 99), self.price(), self.price(), self.ms * 10**6 + 1))

    def one(self, s):
        """The next delta's id: mostly the next, sometimes one is left out, or an old one comes again."""
        draw = self.random.random()
        if draw > 0.96:
            return self.last[s] - 2
        self.last[s] += 2 if draw < 0.04 else 1
        return self.last[s]

    def other(self, s):
        if self.random.random() < 0.2:
            self.message("/contractMarket/candle:%s_10080" % s, "candle.stick", '{"symbol":"%s","high":1.5}' % s)
        else:
            self.put('{"id":"7","type":"%s"}' % self.random.choice(("ack", "pong", "welcome")))

    def delta(self, s):
        first = self.one(s)
        price = self.random.choice((self.price(), self.price(), "0"))
        self.message("/contractMarket/level2:" + s, "level2", '{"sequence":%d,"change":"%s,%s,%d","timestamp":%d}' % (
            first, price, self.random.choice(("buy", "sell")), self.random.randrange(3), self.ms))

    def rest(self, s):
        self.put('@/api/v1/level2/snapshot?symbol=%s {"code":"200000","data":{"symbol":"%s","sequence":%d,"asks":%s,"bids":%s,'
                 '"ts":%d}}' % (s, s, self.snapshot_id(s), pairs(self.levels(6), False), pairs(self.levels(6), False),
                                self.ms * 10**6))

    def ticker(self, s):
        subject, data = self.random.choice((
            ("mark.index.price", '{"granularity":1000,"indexPrice":1.5,"markPrice":%s,"timestamp":%d}' % (self.price(), self.ms)),
            ("funding.rate", '{"granularity":60000,"fundingRate":-0.002966,"timestamp":%d}' % self.ms),
            ("premium.index", '{"granularity":60000,"premiumIndex":0.1,"timestamp":%d}' % self.ms)))
        self.message("/contract/instrument:" + s, subject, data)

    def daily(self, s):
        self.message("/contractMarket/snapshot:" + s, "snapshot.24h", '{"symbol":"%s","volume":590275,"lastPrice":%s,"ts":%d}' % (
            s, self.price(), self.ms * 10**6))


class Htx(Maker):
    NUMBERS = ("9.121E-7", "1.98E-4", "710.01", "5.0", "8.181588598785326E2", "0.0")

    def price(self):
        return self.random.choice(("9.121E-7", "710.01", "7.1E2", "5.0", "1234.5"))

    def qty(self):
        return self.random.choice(self.NUMBERS + ("1.871099622535394000000000000000000000",))

    def size(self):
        return self.random.choice(("1.98E-4", "2", "0.5", "26.75597395914065"))

    def message(self, kind, s, tick, ts=True):
        self.put('{"ch":"market.%s.%s"%s,"tick":%s}' % (s, kind, ',"ts":%d' % self.ms if ts else "", tick))

    def sides(self):
        return self.random.choice(('"bids":%s,"asks":%s' % (pairs(self.levels(), False), pairs(self.levels(), False)),
                                   '"asks":%s' % pairs(self.levels(), False), '"asks":[],"bids":null',
                                   '"asks":%s,"bids":%s' % (pairs(self.levels(), False), pairs(self.levels(), False))))

    def trade(self, s):
        trades = []
        for number in sorted({self.id(s) for _ in range(self.random.randrange(1, 4))}):
            trades.insert(0, '{"id":%d255757567432481,"ts":%d,"tradeId":%d,"amount":%s,"price":%s,"direction":"%s"}' % (
                10**11 + number, self.ms, number, self.size(), self.price(), self.random.choice(("buy", "sell"))))
        self.message("trade.detail", s, '{"id":1,"ts":1,"data":[%s]}' % ",".join(trades))

    def quote(self, s):
        self.message("bbo", s, '{"seqId":%d,"ask":%s,"askSize":%s,"bid":%s,"bidSize":%s,"quoteTime":%d,"symbol":"%s"}' % (
            self.ms, self.price(), self.size(), self.price(), self.size(), self.ms, s))

    def delta(self, s):
        first, last = self.range(s)
        self.message("mbp.150", s, '{"seqNum":%d,"prevSeqNum":%d,%s}' % (last, first - 1, self.sides()))

    def rest(self, s):
        self.put('{"id":"2","rep":"market.%s.mbp.150","status":"ok","ts":%d,"data":{"seqNum":%d,%s}}' % (
            s, self.ms, self.snapshot_id(s), self.sides()))

    def ticker(self, s):
        self.message("detail", s, '{"id":1,"low":1,"close":%s,"amount":%s,"version":3}' % (self.price(), self.size()))

    def other(self, s):
        self.put(self.random.choice((
            '{"ping":%d}' % self.ms, '{"op":"ping","ts":"%d"}' % self.ms, '{"id":"7","status":"ok","subbed":"market.%s.bbo"}' % s,
            '{"status":"error","ts":1,"id":"8","err-code":"bad-request","err-msg":"invalid topic x"}',
            '{"ch":"market.%s.kline.1min","ts":1,"tick":{"id":1,"close":2,"amount":3}}' % s)))


class HtxWhole(Htx):
    def whole(self, s):
        self.message("depth.step0", s, '{%s,"version":5,"ts":%d}' % (self.sides(), self.ms))


class HtxSwap(Htx):
    def trade(self, s):
        trades = ['{"amount":%d,"quantity":0.0031859832031779545255059460801016711,"ts":%d,"id":%d0000,"price":%s,"direction":"%s"}'
                  % (self.random.randrange(1, 9), self.ms, self.id(s), self.price(), self.random.choice(("buy", "sell")))
                  for _ in range(self.random.randrange(1, 3))]
        self.message("trade.detail", s, '{"id":1,"ts":1,"data":[%s]}' % ",".join(trades))

    def quote(self, s):
        self.message("bbo", s, '{"mrid":1,"id":2,"bid":[%s,%s],"ask":[%s,%d],"ts":%d,"version":4}' % (
            self.price(), self.size(), self.price(), self.random.randrange(9), self.ms))

    def delta(self, s):
        kind, first = "update", KucoinFutures.one(self, s)
        if self.random.random() < 0.15:
            kind, self.last[s] = "snapshot", self.last[s] + 1
            first = self.last[s]
        self.message("depth.size_150.high_freq", s, '{%s,"event":"%s","version":%d,"mrid":1,"id":1,"ts":%d}' % (
            self.sides(), kind, first, self.ms))

    def ticker(self, s):
        self.message("detail", s, '{"id":1,"close":%s,"amount":%s,"vol":3,"ask":[1,2],"bid":[3,4]}' % (self.price(), self.size()))

    def funding(self, s):
        self.put('{"op":"notify","topic":"public.%s.funding_rate","ts":%d,"data":[{"symbol":"BTC","contract_code":"%s",'
                 '"funding_rate":"%s"}]}' % (s, self.ms, s, self.random.choice(("0.000624180443735412", "-0.0001"))))


class Hyperliquid(Maker):
    def trade(self, s):
        ids = sorted({self.id(s) for _ in range(self.random.randrange(1, 4))})
        trades = ['{"coin":"%s","side":"%s","px":"%s","sz":"%s","time":%d,"hash":"0x0","tid":%d,"users":["0x1","0x2"]}' % (
            s, self.random.choice("AB"), self.price(), self.size(), self.ms - self.random.choice((0, 0, 50000)),
            i * 7919 % 100003) for i in ids]
        self.put('{"channel":"trades","data":[%s]}' % ",".join(trades))

    def level(self):
        return '{"n":3,"px":"%s","sz":"%s"}' % (self.price(), self.size())

    def quote(self, s):
        sides = self.random.choice(((True, True), (True, True), (True, False), (False, True)))
        self.put('{"channel":"bbo","data":{"coin":"%s","time":%d,"bbo":[%s]}}' % (
            s, self.ms, ",".join(self.level() if side else "null" for side in sides)))

    def book(self, s):
        sides = ["[%s]" % ",".join(self.level() for _ in range(self.random.randrange(4))) for _ in range(2)]
        self.put('{"channel":"l2Book","data":{"coin":"%s","levels":[%s],"time":%d}}' % (s, ",".join(sides), self.ms))

    def ticker(self, s):
        self.put('{"channel":"activeAssetCtx","data":{"coin":"%s","ctx":{"funding":"%s","openInterest":"1","markPx":"%s","midPx":null,'
                 '"dayBaseVlm":"%s"}}}' % (s, self.random.choice(("0.0000125", "-0.0000031")), self.price(), self.size()))

    def other(self, s):
        self.put(self.random.choice(('{"channel":"pong"}', '{"channel":"error","data":"Already subscribed: x"}',
                                     '{"channel":"allMids","data":{"mids":{"BTC":"1"}}}',
                                     '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
                                     '{"type":"trades","coin":"%s"}}}' % s)))


if __name__ == "__main__":
    COMMON = "trade quote delta delta delta delta rest ticker other".split()
    Gate("gate", 1, ["BTC_USDT", "HAI_ETH"]).run(COMMON, 500)
    Gate("gate-obu", 2, ["BTC_USDT", "HAI_ETH"]).run("obu obu obu trade".split(), 200)
    GateFutures("gate-futures", 3, ["BTC_USDT", "MOB_USDT"]).run(COMMON, 500)
    Kucoin("kucoin", 4, ["BTC-USDT", "DAPPT-BTC"]).run(COMMON, 500)
    Kucoin("kucoin-obu", 5, ["BTC-USDT", "DAPPT-BTC"]).run("obu obu obu trade".split(), 200)
    KucoinFutures("kucoin-futures", 6, ["XBTUSDTM", "XBTMM22"]).run(COMMON + ["daily"], 500)
    Htx("htx", 7, ["btcusdt", "trioeth"]).run(COMMON, 500)
    HtxWhole("htx-whole", 8, ["btcusdt", "trioeth"]).run(["whole"], 60)
    HtxSwap("htx-swap", 9, ["BTC-USDT", "ETH-USDT"]).run(COMMON[:6] + ["ticker", "funding", "other"], 500)
    Hyperliquid("hyperliquid", 10, ["BTC", "kPEPE", "@107"]).run("trade quote book ticker other".split(), 400)

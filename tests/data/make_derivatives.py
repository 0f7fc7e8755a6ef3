#!/usr/bin/python3
"""Writes bitfinex_made.txt, bitmex_made.txt and deribit_made.txt beside itself: small recordings in the venues'
forms with everything in them that the recorded ones lack. Same bytes on every run; the expectations are
those of tests/oracle/<venue>_decoder.py."""
import uuid
import zlib
from decimal import Decimal

from make_in_band import Made, Raw


def deribit():
    m = Made(31)
    state = {"id": 5_000_000_000, "seq": {}, "trade": {}}
    names = ["BTC-PERPETUAL", "ETH-30JUL21-2800-C", "SOL_USDC-PERPETUAL"]

    def ms():
        return m.ns // 10**6 - 2

    def number():
        return Raw(m.rng.choice(["0.0", "2.2e3", "1.423e-4", "7e-05", "12.5", "1", "0.00000001", "10.0"]))

    def push(channel, data, layout=0):
        m.send({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}, layout)

    def level(price=None):
        price = price or "%.1f" % (37000 + m.rng.randint(-30, 30) / 2)
        return [m.rng.choice(["new", "change", "delete"]), Raw(price), number()]

    def book(name=names[0], kind="change", cnt=3, layout=0, step=7, **more):
        last = state["seq"].get(name)
        state["id"] += step
        data = {"type": kind, "timestamp": ms(), "instrument_name": name, "change_id": state["id"],
                "bids": [level() for _ in range(cnt)], "asks": [level() for _ in range(m.rng.randint(0, cnt))]}
        if kind == "change":
            data["prev_change_id"] = 1 if last is None else last
        state["seq"][name] = state["id"]
        data.update(more)
        push("book.%s.100ms" % name, {k: v for k, v in data.items() if v is not None}, layout)

    def trades(name=names[0], cnt=1, step=1, layout=0, **more):
        rows = []
        for _ in range(cnt):
            state["trade"][name] = state["trade"].get(name, 9000) + step
            rows.append(dict({"trade_seq": state["trade"][name], "trade_id": "ETH-%d" % state["trade"][name],
                              "timestamp": ms(), "price": Raw("56168.0"), "mark_price": Raw("56172.08"),
                              "instrument_name": name, "direction": m.rng.choice(["buy", "sell"]),
                              "amount": number()}, **more))
        push("trades.%s.100ms" % name, [{k: v for k, v in row.items() if v is not None} for row in rows], layout)

    def quote(name=names[0], layout=0, **more):
        data = dict({"timestamp": ms(), "instrument_name": name, "best_bid_price": Raw("32143.0"),
                     "best_bid_amount": number(), "best_ask_price": Raw("32143.5"), "best_ask_amount": number()},
                    **more)
        push("quote." + name, {k: v for k, v in data.items() if v is not None}, layout)

    def ticker(name=names[0], layout=0, **more):
        data = dict({"timestamp": ms(), "stats": {"volume": Raw("17945.19644566"), "low": None}, "state": "open",
                     "mark_price": Raw("29932.79"), "last_price": Raw("29931.0"), "instrument_name": name,
                     "funding_8h": Raw("0.00000255"), "current_funding": Raw("-1.5e-5"),
                     "best_bid_price": Raw("29930.5"), "best_bid_amount": Raw("1.0"),
                     "best_ask_price": Raw("29931.0"), "best_ask_amount": Raw("2.0")}, **more)
        push("ticker.%s.100ms" % name, {k: v for k, v in data.items() if v is not None or k == "last_price"}, layout)

    m.raw('{"jsonrpc":"2.0","id":2,"result":"ok","usIn":1,"usOut":2,"usDiff":1,"testnet":false}')
    m.raw('{"jsonrpc":"2.0","id":1001,"result":["trades.BTC-PERPETUAL.100ms","book.BTC-PERPETUAL.100ms"],"usIn":1}')
    m.raw('{"jsonrpc":"2.0","id":1002,"error":{"code":13778,"message":"raw_subscriptions_not_available_for_unauth"}}')
    m.raw('{"params":{"type":"heartbeat"},"method":"heartbeat","jsonrpc":"2.0"}')
    m.raw('{"params":{"type":"test_request"},"method":"heartbeat","jsonrpc":"2.0"}')
    book()  # before any snapshot
    book()
    for name in names:
        book(name, "snapshot", 20)
    for i in range(60):
        name, layout = m.rng.choice(names), m.rng.choice([0, 0, 0, 1, 2, 3, 4])
        book(name, cnt=m.rng.randint(0, 6), layout=layout)
        if i % 4 == 0:
            trades(name, m.rng.randint(1, 4), layout=layout)
        if i % 5 == 0:
            quote(name, layout)
            ticker(name, layout)
    book(names[1], "snapshot", 0)  # empties it
    book(names[1])
    # the venue's own restart of a number, repeats, gaps
    state["id"] -= 7
    book(step=7, cnt=2)  # one that was seen
    state["id"] += 7
    book(cnt=0)
    book(prev_change_id=17)  # a gap
    book()
    book(kind="snapshot", cnt=5)
    book()
    state["id"] -= 10**9
    book()  # the venue starts over
    book(kind="snapshot", cnt=5)
    book()
    state["id"] -= 10**9
    book(kind="snapshot", cnt=5)  # and with a snapshot
    book()
    book(prev_change_id=None)
    book(kind="snapshot", cnt=4)
    # a whole window each time
    for name in names[:2]:
        push("book.%s.none.20.100ms" % name, {"timestamp": ms(), "instrument_name": name, "change_id": state["id"] + 50,
                                              "bids": [[Raw("31975.0"), Raw("1370.0")], [Raw("31966.0"), Raw("2.2e3")]],
                                              "asks": [[Raw("31976.5"), Raw("2500.0")]]})
    push("book.%s.none.20.100ms" % names[0], {"timestamp": ms(), "instrument_name": names[0], "change_id": 3,
                                              "bids": [], "asks": [[Raw("31976.5"), Raw("2500.0")]]})
    # trades: missing, seen, late, two instruments in one message
    trades(step=3)
    state["trade"][names[0]] -= 2
    trades()
    state["trade"][names[0]] -= 2
    trades()
    trades(names[2], 3, layout=3)
    push("trades.any.any.100ms", [{"trade_seq": 5 + i, "trade_id": "%d" % i, "timestamp": ms(), "price": Raw("0.007"),
                                   "instrument_name": n, "direction": "SELL", "amount": Raw("0.1")}
                                  for i, n in enumerate(names[:2] * 2)])
    # tickers that lack something, quotes of an empty side
    ticker(last_price=None)
    ticker(names[1], last_price=None, current_funding=None, stats={"volume": None})
    ticker(names[1], mark_price=Raw("0.00090385"), last_price=Raw("0.0"), current_funding=Raw("0.0"))
    ticker(names[1], mark_price=None, last_price=Raw("0.001"), stats={})
    ticker(timestamp=None)
    ticker(timestamp=0)
    ticker(timestamp=m.ns // 10**6 + 4_000_000)
    quote(best_bid_price=None, best_bid_amount=None)
    quote(best_ask_price=Raw("null"), best_ask_amount=Raw("0.0"))
    m.raw("#connect")
    m.raw("#connect")
    trades(step=5)
    ticker(last_price=None)
    book()
    book(kind="snapshot", cnt=3)
    book()
    for name in ("chart.trades.BTC-PERPETUAL.1", "deribit_price_index.btc_usd", "platform_state", "markprice.options.x"):
        push(name, {"volume": Raw("0.0017"), "tick": ms()})
    # refusals: of a book they cost the book
    for bad in ({"bids": [["new", Raw("1.0")]]}, {"bids": [["new", "x1", Raw("2.0")]]}, {"asks": {}}, {"asks": [[]]},
                {"bids": [["new", Raw("-1.0"), Raw("2.0")]]}, {"change_id": None}, {"change_id": Raw("-5")},
                {"change_id": Raw("1.5")}, {"instrument_name": None}, {"instrument_name": 5}, {"type": "delta"},
                {"bids": [["new", Raw("12345678901234567891.5"), Raw("2.0")]]}):
        book(**bad)
        book(kind="snapshot", cnt=3)
    book(timestamp="x")
    book(timestamp=Raw("1.5e300"))
    for bad in ({"price": None}, {"price": "x"}, {"amount": Raw("-1")}, {"direction": "up"}, {"direction": None},
                {"trade_seq": None}, {"trade_seq": Raw("-1")}, {"instrument_name": None}, {"instrument_name": ""},
                {"price": Raw("1e200")}):
        trades(**bad)
    quote(best_bid_price="x")
    quote(best_bid_price=Raw("-1.0"))
    quote(instrument_name=None)
    ticker(mark_price=Raw("-1.0"))
    ticker(instrument_name=None)
    push("trades.BTC-PERPETUAL.100ms", {})
    push("nothing.BTC-PERPETUAL", {})
    push(5, {})
    m.raw('{"jsonrpc":"2.0","method":"subscription"}')
    m.raw('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms"}}')
    m.raw('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.BTC-PERPETUAL.100ms","data":[]}}')
    m.raw('{"jsonrpc":"2.0","method":"public/other"}')
    for text in ("", "{", "[]", "5", "{}", '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","method":"heartbeat"', "pong"):
        m.raw(text)
    m.raw('@/api/v2/public/get_instrument?instrument_name=BTC-PERPETUAL {"jsonrpc":"2.0","result":{"tick_size":0.5,'
          '"quote_currency":"USD","min_trade_amount":10,"instrument_name":"BTC-PERPETUAL","contract_size":10.0}}')
    m.raw('@/api/v2/public/get_instruments?currency=ETH {"jsonrpc":"2.0","result":[{"tick_size":0.0005,'
          '"min_trade_amount":1,"instrument_name":"ETH-30JUL21-2800-C"}]}')
    m.raw('@/api/v2/public/get_time {"jsonrpc":"2.0","result":1}')
    m.write("deribit_made.txt")


def bitfinex():
    m = Made(33)
    state = {"seq": 0, "flags": 0, "trade": 669_899_000, "books": {}}
    # as the venue writes them, which is how JavaScript prints numbers
    prices = ["61837", "61837.5", "61838", "61840.25", "61900", "7.1e-7", "2e-8", "0.00002503", "0.0010261", "1e+21",
              "123456789012345680000", "0.000001", "9.99e-7"] + ["%d" % n for n in range(60000, 60040)]
    amounts = ["1", "0.5", "1.7023900800000002", "8e-7", "19203.444049780002", "100", "1e-8", "0.00000123"]

    def array(chan, *payload, step=1, ms=None, layout=0):
        state["seq"] += step
        row = [chan, *payload]
        if state["flags"] & 65536:
            row.append(state["seq"])
        if state["flags"] & 32768:
            row.append(m.ns // 10**6 - 3 if ms is None else ms)
        m.send(row, layout)

    def conf(flags):
        m.raw('{"event":"conf","status":"OK","flags":%d}' % flags)
        state["flags"] = flags

    def subscribed(chan, channel, symbol="tBTCUSD", **more):
        m.send(dict({"event": "subscribed", "channel": channel, "chanId": chan, "symbol": symbol, "pair": symbol[1:]},
                    **more))

    def book_channel(chan, symbol, length, prec="P0"):
        subscribed(chan, "book", symbol, prec=prec, freq="F0", len=str(length))
        state["books"][chan] = ({}, {})

    def change(chan, side, price, amount):
        sides = state["books"][chan]
        if amount is None:
            sides[side].pop(price, None)
            return [Raw(price), 0, -1 if side else 1]
        sides[side][price] = amount
        return [Raw(price), m.rng.randint(1, 5), Raw(("-" if side else "") + amount)]

    def snapshot(chan, cnt=12, **how):
        state["books"][chan] = ({}, {})
        some = m.rng.sample(prices, 2 * cnt)
        some.sort(key=Decimal)
        rows = [change(chan, 0, price, m.rng.choice(amounts)) for price in some[:cnt]]
        rows += [change(chan, 1, price, m.rng.choice(amounts)) for price in some[cnt:]]
        array(chan, rows, **how)

    def update(chan, layout=0, **how):
        side = m.rng.randint(0, 1)
        known = sorted(state["books"][chan][side])
        if known and m.rng.random() < 0.4:
            array(chan, change(chan, side, m.rng.choice(known), None), layout=layout, **how)
        else:
            array(chan, change(chan, side, m.rng.choice(prices), m.rng.choice(amounts)), layout=layout, **how)

    def checksum(chan, wrong=0):
        tokens, sides = [], state["books"][chan]
        best = [sorted(sides[side], key=Decimal, reverse=side == 0)[:25] for side in (0, 1)]
        for i in range(25):
            for side in (0, 1):
                if i < len(best[side]):
                    price = best[side][i]
                    tokens.append(price + ":" + "-" * side + sides[side][price])
        crc = zlib.crc32(":".join(tokens).encode()) ^ wrong
        array(chan, "cs", crc - 2**32 if crc >= 2**31 else crc)

    def trade(step=1, amount=None, price="61837.5", ms=None):
        state["trade"] += step
        return [state["trade"], m.ns // 10**6 - 5 if ms is None else ms,
                Raw(m.rng.choice(["", "-"]) + m.rng.choice(amounts)) if amount is None else amount, Raw(price)]

    ticker = [Raw(n) for n in "60400 76.16686512 60406 86.2 -1292 -0.0209 60410 10.05320242 62408 60057".split()]
    m.raw('{"event":"info","version":2,"serverId":"083bd8d4","platform":{"status":1}}')
    # no conf yet: no sequence
    subscribed(11, "trades")
    subscribed(12, "ticker")
    book_channel(13, "tBTCUSD", 25)
    book_channel(14, "tDOGE:BTC", 100)
    book_channel(15, "tBTCUSD", 1)
    subscribed(16, "candles", "tBTCUSD")
    subscribed(17, "trades", "fUSD")
    book_channel(18, "tBTCUSD", 100, "R0")
    subscribed(19, "status", "x")
    array(11, [trade(-i) for i in range(5)])
    array(12, ticker)
    update(13)  # before its snapshot
    conf(65536)
    for chan in (13, 14):
        snapshot(chan)
    array(15, [change(15, 0, "61837", "1"), change(15, 1, "61838", "0.5")])
    for i in range(80):
        update(m.rng.choice([13, 14]), layout=m.rng.choice([0, 0, 0, 1]))
        if i % 6 == 0:
            checksum(13)
        if i % 7 == 0:
            row = trade(m.rng.randint(1, 40))
            array(11, "te", row)
            array(11, "tu", row)
        if i % 8 == 0:
            array(15, change(15, m.rng.randint(0, 1), m.rng.choice(prices[:5]), m.rng.choice(amounts)))
        if i % 9 == 0:
            array(m.rng.choice([11, 13, 15, 99]), "hb")
        if i % 20 == 0:
            array(12, ticker, layout=1)
    # the best level goes before the next comes; another level goes
    array(15, [change(15, 0, "61837", "1"), change(15, 1, "61838", "0.5")])
    array(15, change(15, 0, "61837", None))
    array(15, change(15, 0, "61836.5", "2"))
    array(15, change(15, 0, "61800", None))
    array(15, [])
    for chan in (16, 17, 18, 19):
        array(chan, [1, 2, 3])
    array(11, "fte", trade())
    array(11, "ftu", trade())
    # with times
    conf(65536 + 32768 + 131072)
    update(13)
    update(13, ms=0)
    update(13, ms=m.ns // 10**6 + 4_000_000)
    update(13, ms=Raw("18446744073709551615"))
    array(12, ticker)
    array(15, change(15, 0, "61836.5", "2"))
    snapshot(14, 0)
    update(14)
    snapshot(14, 8)
    # trades again, late ones, far back
    array(11, "te", trade(-3))
    array(11, "te", trade(0))
    state["trade"] += 200
    array(11, [trade(-1) for _ in range(4)])
    array(11, "te", trade(-2 * 10**8))
    array(11, "te", trade(ms=0))
    array(11, "te", trade(ms=m.ns // 10**6 + 4_000_000))
    # a repeat, a gap, a restart of the connection's sequence
    array(12, ticker, step=0)
    array(12, ticker, step=-2)
    state["seq"] += 2
    update(13, step=4)
    update(13)
    snapshot(13)
    update(13)
    snapshot(14, 5)
    state["seq"] = 10**6
    update(13)
    snapshot(13)
    snapshot(14, 5)
    state["seq"] = 0
    update(13)
    snapshot(13)
    # checksums that differ: after three within a minute they are off
    for _ in range(4):
        checksum(13, wrong=1)
        update(13)
        snapshot(13)
        checksum(13)
    checksum(14)
    array(15, "cs", 5)
    m.raw('{"event":"unsubscribed","status":"OK","chanId":14}')
    update(14)
    m.raw('{"event":"error","msg":"symbol: invalid","code":10300,"channel":"trades","symbol":"tNOPE"}')
    m.raw('{"event":"error","msg":"subscribe: dup","code":10301,"channel":"trades","symbol":"tBTCUSD"}')
    m.raw('{"event":"error","msg":"subscribe: limit","code":10305}')
    m.raw('{"event":"pong","ts":1,"cid":1}')
    m.raw('{"event":"info","code":20051,"msg":"Stopping. Please try to reconnect"}')
    m.raw('{"event":"info","code":20060,"msg":"x"}')
    m.raw('{"event":"info","code":20061,"msg":"x"}')
    m.raw("#connect")
    m.raw("#connect")
    state["flags"], state["seq"] = 0, 0
    array(13, [1, 2, 3])  # a number of the old connection
    conf(65536)
    book_channel(113, "tBTCUSD", 25)
    subscribed(111, "trades")
    array(111, [trade(-i) for i in range(3)])
    update(113)
    snapshot(113)
    checksum(113)
    conf(65536 + 536870912)
    snapshot(113)
    rows = [change(113, 0, prices[20], "1"), change(113, 1, prices[40], None)]
    array(113, rows)  # several changes in one
    conf(65536)
    # refusals: of a book they cost the book
    for bad in ([1, 2], [Raw("-1"), 1, 1], ["x", 1, 1], [1, Raw("1.5"), 1], [1, -1, 1], [1, 1, "x"], [1, 1, Raw("1e300")],
                5, "xx", [[1, 2, 3], 5], [[1, 2]], None):
        array(113, bad)
        snapshot(113, 4)
    array(113, "cs")
    array(113, "cs", "x")
    array(113, "cs", Raw("1.5"))
    array(113, "cs", 2**31)
    subscribed(112, "ticker")
    for bad in (ticker[:7], 5, ["x"] * 10, [Raw("-1")] * 10, [None] * 10):
        array(112, bad)
    for bad in ([1, 2, 3], [Raw("1.5"), 1, 1, 1], [1, Raw("-1"), 1, 1], [1, 1, "x", 1], [1, 1, 1, Raw("-1")], 5, "x"):
        array(111, "te", bad)
    array(111, "te")
    array(111, "zz", trade())
    array(111, [5])
    array(Raw("-5"), "hb")
    array("x", "hb")
    for text in ("[]", "[1]", "[113]", "[113,\"hb\"]", "[113,\"hb\",\"x\"]", "[1,2,3,4,5,6,7,8]", "", "[", "{", "5", "{}",
                 '{"event":"x"}', '{"event":5}', '{"event":"subscribed","channel":"book","symbol":"tX"}', "[113,[1,2,3],4"):
        if "subscribed" not in text:
            m.raw(text)
    m.raw('@/v2/conf/pub:list:pair:exchange [["BTCUSD"]]')
    m.write("bitfinex_made.txt")


def bitmex():
    m = Made(32)
    state = {"id": {}, "next": 8_796_000_000}
    names = ["XBTUSD", "ETHUSD", "UNIUSDT"]

    def table(name, action, data, layout=0, **more):
        m.send(dict({"table": name, "action": action, "data": data}, **more), layout)

    def level(symbol, **more):
        state["next"] += m.rng.randint(1, 900)
        side = m.rng.choice(["Buy", "Sell"])
        price = Raw(m.rng.choice(["%d", "%d.5", "%de-1"]) % m.rng.randint(30000, 31000))
        state["id"].setdefault(symbol, {})[state["next"]] = side
        row = {"symbol": symbol, "id": state["next"], "side": side, "size": m.rng.randint(1, 10**6), "price": price}
        if m.rng.random() < 0.5:
            row["timestamp"] = m.time(3)
        return dict(row, **more)

    def known(symbol, action, **more):
        ids = state["id"][symbol]
        number = m.rng.choice(sorted(ids))
        row = {"symbol": symbol, "id": number, "side": ids[number]}
        if action == "delete":
            del ids[number]
        else:
            row["size"] = m.rng.randint(0, 10**6)
        return dict(row, **more)

    def book(of=names[0], action="update", cnt=2, layout=0, name="orderBookL2", **bad):
        if action == "partial":
            state["id"][of] = {}
        rows = [level(of) if action in ("partial", "insert") else known(of, action) for _ in range(cnt)]
        if bad:
            rows[-1] = {k: v for k, v in dict(rows[-1], **bad).items() if v is not None}
        table(name, action, rows, layout, **({"keys": ["symbol", "id", "side"], "types": {"symbol": "symbol"},
                                              "filter": {"symbol": of}} if action == "partial" else {}))

    def trade(of=names[0], action="insert", cnt=1, layout=0, ids=None, **bad):
        rows = [{k: v for k, v in dict(
            {"timestamp": m.time(3), "symbol": of, "side": m.rng.choice(["Buy", "Sell"]), "size": 900,
             "price": Raw("56927.5"), "tickDirection": "MinusTick",
             "trdMatchID": ids or str(uuid.UUID(int=m.rng.getrandbits(128))), "grossValue": 1581300,
             "homeNotional": Raw("0.015813")}, **bad).items() if v is not None} for _ in range(cnt)]
        table("trade", action, rows, layout)

    def quote(of=names[0], cnt=1, layout=0, action="insert", **bad):
        table("quote", action, [{k: v for k, v in dict(
            {"timestamp": m.time(3), "symbol": of, "bidSize": 2100, "bidPrice": Raw("19917.5"),
             "askPrice": Raw("1.9918e4"), "askSize": 3600}, **bad).items() if v is not None} for _ in range(cnt)], layout)

    def instrument(action="update", layout=0, **fields):
        table("instrument", action, [dict({"symbol": "XBTUSD", "timestamp": m.time(3)}, **fields)], layout)

    m.raw('{"info":"Welcome to the BitMEX Realtime API.","version":"2.0","timestamp":"2021-07-22T22:36:07.865Z"}')
    m.raw('{"success":true,"subscribe":"trade:XBTUSD","request":{"op":"subscribe","args":["trade:XBTUSD"]}}')
    m.raw('{"success":true,"unsubscribe":"trade:XBTUSD","request":{"op":"unsubscribe","args":["trade:XBTUSD"]}}')
    m.raw('{"status":400,"error":"Unknown or expired symbol.","meta":{},"request":{"op":"subscribe","args":["trade:NO"]}}')
    m.raw('{"status":429,"error":"Rate limit exceeded, retry in 1 seconds.","meta":{"retryAfter":1}}')
    m.raw("pong")
    state["id"]["XBTUSD"] = {1: "Buy", 2: "Sell", 3: "Buy"}
    book()  # before its partial
    book(action="delete", cnt=1)
    for name in names:
        book(name, "partial", 30)
    book(names[2], "partial", 10, name="orderBookL2_25")
    trade(action="partial", cnt=3)
    quote(action="partial")
    for i in range(80):
        name, layout = m.rng.choice(names), m.rng.choice([0, 0, 0, 1, 2, 4])
        book(name, m.rng.choice(["insert", "update", "update", "delete"]), m.rng.randint(1, 3), layout)
        if i % 4 == 0:
            trade(name, cnt=m.rng.randint(1, 4), layout=layout)
        if i % 5 == 0:
            quote(name, m.rng.randint(1, 3), layout)
    book(names[1], "partial", 0)  # nobody there
    book(names[1], "insert", 2)
    # several instruments in one message, one of them by an unknown id
    table("orderBookL2", "update", [known("XBTUSD", "update"), known("XBTUSD", "update"), known("ETHUSD", "update"),
                                    known("UNIUSDT", "update"), known("XBTUSD", "update")])
    table("orderBookL2", "update", [known("XBTUSD", "update"), known("ETHUSD", "update", id=5),
                                    known("UNIUSDT", "update")])
    book(names[1], "insert", 1)  # lost until its partial
    book(names[1], "partial", 5)
    table("orderBookL2", "partial", [level("ETHUSD"), level("ETHUSD"), level("XBTUSD"), level("UNIUSDT")])
    for name in names:
        book(name, "partial", 8)
    # what shows a lost message
    for action, bad in (("insert", {"id": sorted(state["id"]["XBTUSD"])[0]}), ("update", {"id": 7}), ("delete", {"id": 7}),
                        ("update", {"side": "Sell"}), ("update", {"side": "Buy"})):
        book(action=action, cnt=1, **bad)
        book(action="partial", cnt=6)
    again = level("XBTUSD")
    table("orderBookL2", "insert", [again, again])
    book(action="partial", cnt=6)
    # trades: seen, a settlement, a mixed message, names that are no UUIDs
    trade(ids="cea62111-3db1-2f9a-e03e-f0b6ae16695f")
    trade(ids="cea62111-3db1-2f9a-e03e-f0b6ae16695f")
    trade(side=None, trdType="Settlement")
    table("trade", "insert", [{"timestamp": m.time(3), "symbol": "XBTUSD", "side": "Sell", "size": 1, "price": 2,
                               "trdMatchID": "CEA62111-3DB1-2F9A-E03E-F0B6AE166950"},
                              {"timestamp": m.time(3), "symbol": "XBTUSD", "size": 1, "price": 2,
                               "trdMatchID": "cea62111-3db1-2f9a-e03e-f0b6ae16695e"}])
    trade(ids="98765432109876543210987654321")
    trade(ids="not-a-uuid")
    trade(ids="")
    table("trade", "insert", [])
    quote(bidPrice=Raw("null"), bidSize=Raw("null"))
    quote(bidPrice=None, bidSize=None)
    quote(bidPrice=None, bidSize=None, askPrice=None, askSize=None)
    instrument("partial", lastPrice=Raw("56000.5"), markPrice=Raw("56001.23"), fundingRate=Raw("0.0001"),
               volume24h=1234, tickSize=Raw("0.5"), bidPrice=Raw("56000"), askPrice=Raw("56000.5"), midPrice=Raw("56000.25"))
    instrument(markPrice=Raw("56002.5"))
    instrument(lastPrice=Raw("56002"), layout=1)
    instrument(fundingRate=Raw("-0.000375"))
    instrument(fundingRate=Raw("1e-15"))
    instrument(openInterest=5)
    instrument(lastPrice=Raw("null"), markPrice=Raw("null"))
    instrument(volume24h=0)
    instrument("delete", lastPrice=1)
    m.raw("#connect")
    m.raw("#connect")
    trade(action="partial", ids="cea62111-3db1-2f9a-e03e-f0b6ae16695f")
    instrument(fundingRate=Raw("0.0002"))
    state["id"]["XBTUSD"] = {1: "Buy"}
    book(cnt=1)
    book(action="partial", cnt=4)
    book()
    for name in ("funding", "orderBook10", "tradeBin1m", "settlement", "chat"):
        table(name, "insert", [{"timestamp": m.time(3), "symbol": "XBTUSD", "fundingRate": Raw("0.000817"),
                                "bids": [[31530, 1800]], "id": 3, "side": "Buy"}])
    # refusals
    for action, bad in (("insert", {"price": None}), ("insert", {"size": None}), ("insert", {"price": "x"}),
                        ("insert", {"price": Raw("-1")}), ("update", {"size": None}), ("update", {"size": Raw("-1")}),
                        ("update", {"id": "x"}), ("update", {"id": Raw("null")}), ("update", {"side": "Both"}),
                        ("update", {"side": None}), ("update", {"symbol": 5}), ("delete", {"id": Raw("1.5")}),
                        ("update", {"symbol": None}), ("update", {"symbol": ""}), ("insert", {"price": Raw("1e200")})):
        book(action=action, **bad)
        book(action="partial", cnt=3)
    book(timestamp="yesterday")
    for bad in ({"price": None}, {"price": "x"}, {"size": Raw("-1")}, {"side": "Both"}, {"symbol": None}, {"symbol": ""},
                {"trdMatchID": Raw("null")}, {"timestamp": "x"}, {"timestamp": None}):
        trade(**bad)
    trade(action="update")
    quote(action="delete")
    quote(askPrice="x")
    quote(symbol=None)
    instrument(markPrice=Raw("-5"))
    instrument("upsert", markPrice=Raw("5"))
    table("nothing", "insert", [])
    table("trade", "insert", {})
    table("trade", "insert", [5])
    table("orderBookL2", "insert", None)
    table(5, "insert", [])
    for text in ("", "{", "[]", "5", "{}", "ping", '{"table":"trade"}', '{"table":"orderBookL2","data":[]}'):
        m.raw(text)
    m.raw('@/api/v1/instrument?symbol=XBTUSD [{"symbol":"XBTUSD","tickSize":0.5,"lotSize":100,"quoteCurrency":"USD"}]')
    m.raw('@/api/v1/announcement [{"id":3,"title":"x"}]')
    m.write("bitmex_made.txt")


if __name__ == "__main__":
    bitfinex()
    bitmex()
    deribit()

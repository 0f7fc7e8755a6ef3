#!/usr/bin/python3
"""Writes bitfinex_made.txt, bitmex_made.txt and deribit_made.txt beside itself: small recordings in the venues'
forms with everything in them that the recorded ones lack. Same bytes on every run; the expectations are
those of tests/oracle/<venue>_decoder.py."""
import uuid

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


if __name__ == "__main__":
    deribit()

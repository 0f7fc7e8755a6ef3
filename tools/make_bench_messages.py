#!/usr/bin/python3
"""Writes bench/made/VENUE_KIND.gz: messages as the venues send them, for those whose recording has none of the kind or no
whole book. bench_venues times them. Shapes are those of ../shared/VENUES.md; the same bytes each time."""
import gzip
import json
import pathlib
import random

CNT, START_MS = 400, 1786309548000
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "bench" / "made"


def kucoin(draw, k, ms, price, qty, is_sale):
    return {"topic": "/market/match:BTC-USDT", "type": "message", "subject": "trade.l3match",
            "data": {"symbol": "BTC-USDT", "side": "sell" if is_sale else "buy", "size": qty, "price": price,
                     "time": f"{ms}{draw.randrange(10**6):06}", "sequence": str(14609 + k), "tradeId": str(7000000 + k),
                     "makerOrderId": f"{draw.getrandbits(96):024x}", "takerOrderId": f"{draw.getrandbits(96):024x}",
                     "type": "match"}}


def bitmex(draw, k, ms, price, qty, is_sale):
    h = f"{draw.getrandbits(128):032x}"
    return {"table": "trade", "action": "insert",
            "data": [{"timestamp": f"2026-08-09T21:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}Z",
                      "symbol": "XBTUSD", "side": "Sell" if is_sale else "Buy", "size": int(float(qty) * 1000) * 100 + 100,
                      "price": round(float(price) * 2) / 2, "tickDirection": "ZeroMinusTick",
                      "trdMatchID": f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}", "grossValue": 1581300 + k,
                      "homeNotional": 0.015813, "foreignNotional": 900, "trdType": "Regular"}]}


def deribit(draw, k, ms, price, qty, is_sale):
    return {"jsonrpc": "2.0", "method": "subscription",
            "params": {"channel": "trades.BTC-PERPETUAL.100ms",
                       "data": [{"trade_seq": 9000 + k, "trade_id": str(48079000 + k), "timestamp": ms,
                                 "tick_direction": draw.randrange(4), "price": round(float(price) * 2) / 2,
                                 "mark_price": float(price), "instrument_name": "BTC-PERPETUAL",
                                 "index_price": float(price), "direction": "sell" if is_sale else "buy",
                                 "amount": float(int(float(qty) * 1000) * 10 + 10)}]}}


def bitfinex(draw, k, ms, price, qty, is_sale):
    return [17470, "te", [401597000 + k, ms, -float(qty) if is_sale else float(qty), float(price)], 3 + k]


def gate(draw, k, ms, price, qty, is_sale):
    return {"time": ms // 1000, "channel": "spot.trades", "event": "update",
            "result": {"id": 907000000 + k, "create_time": ms // 1000, "create_time_ms": f"{ms}.{draw.randrange(1000):03}",
                       "side": "sell" if is_sale else "buy", "currency_pair": "BTC_USDT", "amount": qty, "price": price}}


def opening(venue):
    if venue != "bitfinex":
        return []
    return [{"event": "info", "version": 2, "platform": {"status": 1}},
            {"event": "conf", "status": "OK", "flags": 65536},
            {"event": "subscribed", "channel": "trades", "chanId": 17470, "symbol": "tBTCUSD", "pair": "BTCUSD"}]


def trades(make):
    draw, ms, mid = random.Random(make.__name__), START_MS, 56000.0
    yield from opening(make.__name__)
    for k in range(CNT):
        ms += draw.randrange(1, 40)
        mid += draw.uniform(-3, 3)
        yield make(draw, k, ms, f"{mid:.2f}", f"{draw.expovariate(4) + 1e-5:.5f}", draw.random() < 0.5)


def levels(draw, cnt):
    """(is_bid, price, quantity) around 56000, the quantity now and then 0."""
    for _ in range(cnt):
        is_bid = draw.random() < 0.5
        price = 56000 - (0.01 if is_bid else -0.01) * (1 + int(draw.expovariate(0.01)))
        yield is_bid, f"{price:.2f}", "0" if draw.random() < 0.3 else f"{draw.expovariate(4) + 1e-5:.5f}"


def kucoin_book():
    """The snapshot of REST comes behind the first delta, as one that was asked for does."""
    draw, sequence = random.Random("kucoin book"), 1613277183874
    for k in range(CNT):
        changes = {"asks": [], "bids": []}
        begin = sequence + 1
        for is_bid, price, qty in levels(draw, draw.choice((1, 1, 1, 2, 3))):
            sequence += 1
            changes["bids" if is_bid else "asks"].append([price, qty, str(sequence)])
        yield {"topic": "/market/level2:BTC-USDT", "type": "message", "subject": "trade.l2update",
               "data": {"changes": changes, "sequenceEnd": sequence, "sequenceStart": begin, "symbol": "BTC-USDT",
                        "time": START_MS + k}}
        if k == 0:
            whole = {"bids": [[f"{55999 - i / 100:.2f}", "0.5"] for i in range(100)],
                     "asks": [[f"{56001 + i / 100:.2f}", "0.5"] for i in range(100)]}
            yield ("@/api/v1/market/orderbook/level2_100?symbol=BTC-USDT ",
                   {"code": "200000", "data": {"time": START_MS, "sequence": str(sequence), **whole}})


def coinbase_book():
    draw = random.Random("coinbase book")
    for k in range(CNT):
        at = f"2026-08-09T21:05:{k * 30 // 1000 % 60:02}.{k * 30000 % 1000000:06}Z"
        cnt = 400 if k == 0 else draw.choice((1, 1, 2, 3, 5, 8))
        updates = [{"side": "bid" if is_bid else "offer", "event_time": at, "price_level": price, "new_quantity": qty}
                   for is_bid, price, qty in levels(draw, cnt)]
        yield {"channel": "l2_data", "client_id": "", "timestamp": at, "sequence_num": k,
               "events": [{"type": "snapshot" if k == 0 else "update", "product_id": "BTC-USD", "updates": updates}]}


def market():
    """(draw, number, milliseconds, a price) of messages that are no trades."""
    draw, mid = random.Random("market"), 56000.0
    for k in range(CNT):
        mid += draw.uniform(-3, 3)
        yield draw, k, START_MS + 30 * k, round(mid, 2)


def gate_tickers():
    for draw, k, ms, price in market():
        yield {"time": ms // 1000, "channel": "spot.tickers", "event": "update",
               "result": {"currency_pair": "BTC_USDT", "last": f"{price:.2f}", "lowest_ask": f"{price + 0.01:.2f}",
                          "highest_bid": f"{price - 0.01:.2f}", "change_percentage": "2.9256",
                          "base_volume": f"{1138 + k + draw.random():.8f}", "quote_volume": f"{64000000 + k * 90.5:.8f}",
                          "high_24h": "57210.40", "low_24h": "54009.18"}}


def htx_quotes():
    for draw, k, ms, price in market():
        yield {"ch": "market.btcusdt.bbo", "ts": ms,
               "tick": {"seqId": 161000000000 + k, "ask": price, "askSize": round(draw.expovariate(1) + 0.001, 6),
                        "bid": round(price - 0.01, 2), "bidSize": round(draw.expovariate(1) + 0.001, 6), "quoteTime": ms - 2,
                        "symbol": "btcusdt"}}


def hyperliquid_tickers():
    for draw, k, ms, price in market():
        yield {"channel": "activeAssetCtx",
               "data": {"coin": "BTC", "ctx": {"funding": "0.0000125", "openInterest": f"{28000 + draw.random() * 9:.5f}",
                                               "prevDayPx": "55811.0", "dayNtlVlm": f"{2100000000 + k * 9100.5:.6f}",
                                               "premium": "0.00031774", "oraclePx": f"{price + 1:.1f}", "markPx": f"{price:.1f}",
                                               "midPx": f"{price:.1f}", "impactPxs": [f"{price - 0.5:.1f}", f"{price + 0.5:.1f}"],
                                               "dayBaseVlm": f"{21000 + k / 7:.5f}"}}}


def write(name, messages):
    text = ""
    for i, message in enumerate(messages):
        target, message = message if isinstance(message, tuple) else ("", message)
        text += f"{(START_MS + i * 30) * 1000000 + i} {target}{json.dumps(message, separators=(',', ':'))}\n"
    with open(FOLDER / f"{name}.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as out:
        out.write(text.encode())


def main():
    FOLDER.mkdir(exist_ok=True)
    for make in (kucoin, bitmex, deribit, bitfinex, gate):
        write(f"{make.__name__}_trades", trades(make))
    for make in (kucoin_book, coinbase_book, gate_tickers, htx_quotes, hyperliquid_tickers):
        write(make.__name__, make())


if __name__ == "__main__":
    main()

"""A client of the simulator that is none of tickfuse's code: python3-websockets and the venues' own rules. Each
Book raises Broken when a message breaks its venue's continuity."""
import asyncio
import json
import pathlib
import ssl
import sys
import urllib.request
import zlib

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
from harness import Exchange, run  # noqa: E402,F401


class Broken(Exception):
    pass


class Number(str):
    """A JSON number as it was sent: its zeros count."""


def parse(text):
    return json.loads(text, parse_float=Number, parse_int=Number)


def get(exchange, target):
    context = ssl.create_default_context(cafile=exchange.ca[0]) if exchange.ca else None
    with urllib.request.urlopen(exchange.rest + target, timeout=10, context=context) as answer:
        return json.loads(answer.read())


async def talk_async(exchange, path, requests, seconds, on_message, messages_max):
    context = ssl.create_default_context(cafile=exchange.ca[0]) if exchange.ca else None
    got = []
    async with websockets.connect(exchange.url + path, max_size=None, ssl=context, open_timeout=20) as socket:
        for request in requests:
            await socket.send(request if isinstance(request, str) else json.dumps(request))
        end = None
        try:
            while len(got) < messages_max:
                left = end - asyncio.get_running_loop().time() if end else seconds + 5
                text = await asyncio.wait_for(socket.recv(), left)
                end = end or asyncio.get_running_loop().time() + seconds
                got.append(text)
                if on_message:
                    answers = on_message(text)
                    for answer in answers or ():
                        await socket.send(json.dumps(answer))
        except (asyncio.TimeoutError, websockets.ConnectionClosed) as end_of_it:
            return got, end_of_it
    return got, None


def talk(exchange, path, *requests, seconds=2.0, on_message=None, messages_max=10**9):
    """Connects, sends the requests, hears messages for so long from the first on: (texts, why it ended). on_message may return requests."""
    return asyncio.run(talk_async(exchange, path, requests, seconds, on_message, messages_max))


def changed(side, price, qty):
    if float(qty) == 0:
        side.pop(price, None)
    else:
        side[price] = qty


class BinanceBook:
    """Deltas from a REST snapshot on. futures: pu chains; spot: U is the last u plus 1."""

    def __init__(self, snapshot, futures):
        self.futures, self.last, self.first = futures, int(snapshot["lastUpdateId"]), True
        self.bids, self.asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        self.applied = 0

    def apply(self, m):
        first, last = int(m["U"]), int(m["u"])
        if last < self.last or (last == self.last and not self.futures):
            return
        if self.first:
            if not first <= self.last + (not self.futures) <= last:
                raise Broken(f"bridge {first}..{last} over {self.last}")
        elif self.futures and int(m["pu"]) != self.last:
            raise Broken(f"pu {m['pu']} after {self.last}")
        elif not self.futures and first != self.last + 1:
            raise Broken(f"U {first} after {self.last}")
        self.first, self.last = False, last
        for side, levels in ((self.bids, m["b"]), (self.asks, m["a"])):
            for price, qty, *_ in levels:
                changed(side, price, qty)
        self.applied += 1
        not_crossed(self)


def not_crossed(book):
    if max(map(float, book.bids)) >= min(map(float, book.asks)):
        raise Broken("crossed")


class KucoinBook:
    """Deltas from a REST snapshot on: ranges of numbers (spot), or a level a message, each with the next (futures)."""

    def __init__(self, snapshot):
        self.last, self.applied = int(snapshot["sequence"]), 0
        self.bids, self.asks = ({float(p): float(q) for p, q in snapshot[side]} for side in ("bids", "asks"))

    def apply(self, data):
        futures = "change" in data
        first, last = (int(data[key]) for key in (("sequence",) * 2 if futures else ("sequenceStart", "sequenceEnd")))
        if last <= self.last:
            return
        if first > self.last + 1:
            raise Broken(f"{first}..{last} after {self.last}")
        if futures:
            price, side, size = data["change"].split(",")
            changed({"buy": self.bids, "sell": self.asks}[side], float(price), float(size))
        else:
            for side, key in ((self.bids, "bids"), (self.asks, "asks")):
                for price, size, number in data["changes"][key]:
                    if float(price) and int(number) > self.last:
                        changed(side, float(price), float(size))
        self.last = last
        self.applied += 1


class CoinbaseBook:
    def __init__(self):
        self.bids, self.asks, self.snapshots, self.applied = {}, {}, 0, 0

    def apply(self, event):
        if event["type"] == "snapshot":
            self.bids, self.asks = {}, {}
            self.snapshots += 1
        elif not self.snapshots:
            raise Broken("an update before the snapshot")
        for row in event["updates"]:
            changed({"bid": self.bids, "offer": self.asks}[row["side"]], row["price_level"], row["new_quantity"])
        self.applied += 1
        not_crossed(self)


class CoinbaseExchangeBook(CoinbaseBook):
    def apply(self, m):
        if m["type"] == "snapshot":
            self.bids, self.asks = dict(m["bids"]), dict(m["asks"])
            self.snapshots += 1
        elif not self.snapshots:
            raise Broken("an update before the snapshot")
        for side, price, qty in m.get("changes", ()):
            changed({"buy": self.bids, "sell": self.asks}[side], price, qty)
        self.applied += 1
        not_crossed(self)


class KrakenBook:
    """Cut to the subscribed depth after each message, and checked against its CRC32."""

    def __init__(self, depth):
        self.depth, self.bids, self.asks, self.snapshots, self.applied = depth, {}, {}, 0, 0

    def apply(self, kind, data):
        if kind == "snapshot":
            self.bids, self.asks = {}, {}
            self.snapshots += 1
        elif not self.snapshots:
            raise Broken("an update before the snapshot")
        for side, key in ((self.bids, "bids"), (self.asks, "asks")):
            for row in data[key]:
                changed(side, row["price"], row["qty"])
        self.bids = dict(sorted(self.bids.items(), key=lambda r: -float(r[0]))[:self.depth])
        self.asks = dict(sorted(self.asks.items(), key=lambda r: float(r[0]))[:self.depth])
        token = lambda text: text.replace(".", "").lstrip("0")  # noqa: E731
        tops = list(self.asks.items())[:10] + list(self.bids.items())[:10]
        crc = zlib.crc32("".join(token(p) + token(q) for p, q in tops).encode())
        if crc != int(data["checksum"]):
            raise Broken(f"checksum {data['checksum']}, the book's is {crc}")
        self.applied += 1
        not_crossed(self)

#!/usr/bin/python3
"""An independent decoder of Binance recordings: Python's json and decimal modules and the venue's
documented rules, none of tickfuse's code. Three uses:

  binance_decoder.py counts  VENUE FILE            what the file holds, as JSON
  binance_decoder.py events  VENUE FILE            every event, one a line
  binance_decoder.py compare VENUE FILE DUMP_FEED  runs `DUMP_FEED VENUE FILE` and compares every line,
                                                   and rebuilds the books from its events

VENUE is binance-spot, binance-usdm or binance-coinm. A file's lines are `<recv_ns> <json>`,
`<recv_ns> @<target> <json>` for a REST answer, or `<recv_ns> #connect`; gzip or plain.
compare exits 77 when the file is absent.
"""
import decimal
import gzip
import json
import os
import re
import subprocess
import sys
from urllib.parse import unquote

from trade_ids import TradeIds

LAST, SNAPSHOT, BAD_BOOK, BAD_TS, BACKFILL, SELL, OUTRUN = 1, 2, 4, 8, 0x10, 0x20, 0x80
SYNCING, GAP, OK = 1, 2, 0
HOUR_NS = 3600 * 10**9
IGNORED = set("""kline 24hrMiniTicker 1hTicker 4hTicker 1dTicker avgPrice blockTrade referencePrice
tradingSession markPriceUpdate indexPriceUpdate continuous_kline indexPrice_kline markPrice_kline
forceOrder compositeIndex contractInfo assetIndexUpdate tradingStatus""".split())
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


class Number(str):
    """A JSON number as it was written, to be told from a string."""


class Reject(Exception):
    pass


def pairs_first(pairs):
    out = {}
    for key, value in pairs:
        out.setdefault(key, value)
    return out


def refuse_constant(text):
    raise ValueError(text)


def parse(text):
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=refuse_constant,
                      object_pairs_hook=pairs_first)


def exact(value):
    """(mantissa, exponent) of a number, or of a string that holds one."""
    if not isinstance(value, str):
        raise Reject("schema")
    if not NUMBER.match(value):
        raise Reject("number")
    sign, digits, exponent = decimal.Decimal(value).as_tuple()
    mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    while not -2**63 <= mantissa < 2**63:
        if mantissa % 10:
            raise Reject("number")
        mantissa //= 10
        exponent += 1
    if not -127 <= exponent <= 127 or mantissa < 0:
        raise Reject("number")
    return mantissa, exponent


def text_of(mantissa, exponent):
    if mantissa < 0:
        return "-" + text_of(-mantissa, exponent)
    if exponent > 0:
        return "%de%d" % (mantissa, exponent) if mantissa else "0"
    digits = str(mantissa).rjust(-exponent + 1, "0")
    return digits if exponent == 0 else digits[:exponent] + "." + digits[exponent:]


def one_exponent(a, b):
    low = min(a[1], b[1])
    out = []
    for mantissa, exponent in (a, b):
        mantissa *= 10**(exponent - low)
        if mantissa >= 2**63:
            raise Reject("number")
        out.append((mantissa, low))
    return out


def ticker_text(last=None, volume=None, mark=None, funding=None):
    """What the venue did not send is None: 0 in the event, for the funding rate a value of its own."""
    zero = (0, (last or mark or (0, 0))[1])
    last, mark = one_exponent(last or (0, (mark or zero)[1]), mark or zero)
    rate = "-"
    if funding is not None:  # 12 digits, those beyond are cut
        rate = text_of(int(decimal.Decimal(funding[0]).scaleb(funding[1] + 12)), -12)
    return "c=%s v=%s m=%s r=%s" % (text_of(*last), text_of(*(volume or (0, 0))), text_of(*mark), rate)


def unsigned(value):
    if not isinstance(value, Number):
        raise Reject("schema")
    if not value.isdigit() or int(value) >= 2**64:
        raise Reject("number")
    return int(value)


def outrun(number, others):
    """Quotes and books are numbered together: whether the other channel has told something newer already."""
    return OUTRUN if number < others and others - number < 10**8 else 0


class Book:
    """One instrument's book by the venue's rules, from the messages themselves."""

    def __init__(self):
        self.state = None  # None, SYNCING, GAP, "armed", OK
        self.last_u = None
        self.base = None
        self.pending = []  # (U, u, levels)
        self.announced = False
        self.asked = False
        self.sides = ({}, {})

    def apply(self, levels):
        for side, price, qty in levels:
            key = decimal.Decimal(price[0]).scaleb(price[1])
            if qty[0] == 0:
                self.sides[side].pop(key, None)
            else:
                self.sides[side][key] = decimal.Decimal(qty[0]).scaleb(qty[1])


class Decoder:
    def __init__(self, venue):
        self.futures = venue != "binance-spot"
        self.out = []
        self.messages = 0
        self.counts = dict.fromkeys(
            "messages data control trade quote book ticker status derived".split(), 0)
        self.counts.update(rejected={}, ignored={}, gaps=0, duplicates=0, bridged_out=0, resyncs=0,
                           checksums=0, mismatches=0)
        self.books = {}
        self.symbols = []
        self.ids = {}
        self.quote_ids = {}
        self.unit = None

    # ---- events ----

    def emit(self, kind, symbol, ts, recv, flags, text):
        names = {"T": "trade", "Q": "quote", "B": "book", "K": "ticker", "S": "status"}
        self.counts[names[kind]] += 1
        self.out.append([self.messages, kind, symbol, ts, recv, flags, text])

    def lines(self):
        out, self.out = self.out, []
        for row in out:
            if row[1] == "resync":
                yield "%d resync %s" % (row[0], row[2])
            else:
                yield "%d %s %s te=%d tr=%d f=%02x %s" % tuple(row)

    def status(self, symbol, ts, recv, flags, state, apply_from=0, gap=(0, 0)):
        self.emit("S", symbol, ts, recv, flags,
                  "state=%d from=%d gap=%d..%d" % (state, apply_from, *gap))

    # ---- fields ----

    def need(self, data, key):
        if key not in data:
            raise Reject("schema")
        return data[key]

    def time(self, data, recv, due):
        value = data.get("T", data.get("E"))
        if value is None and "T" not in data and "E" not in data:
            if due:
                raise Reject("schema")
            return 0, 0
        try:
            value = unsigned(value)
        except Reject:
            raise Reject("schema")
        unit = 10**6 if value < 10**14 else 1000 if value < 10**17 else 1
        ns = value * unit
        if ns >= 2**64:
            return 0, BAD_TS
        if self.unit is None and value >= 10**11:
            self.unit = unit
        bad = value < 10**11 or unit != self.unit or ns > recv + HOUR_NS
        return ns, BAD_TS if bad else 0

    def symbol(self, symbol):
        raw = symbol.encode("utf-8", "surrogatepass")
        if not 1 <= len(raw) < 40 or any(c <= 0x20 or c in (0x7f, 0x22, 0x5c) for c in raw):
            raise Reject("instrument")
        if any(0xd800 <= ord(c) <= 0xdfff for c in symbol):
            raise Reject("instrument")
        if symbol not in self.symbols:
            self.symbols.append(symbol)
        return symbol

    def text(self, data, key):
        value = self.need(data, key)
        if not isinstance(value, str) or isinstance(value, Number):
            raise Reject("schema")
        return value

    def levels(self, data, bid_key, ask_key):
        out = []
        for side, key in enumerate((bid_key, ask_key)):
            rows = self.need(data, key)
            if not isinstance(rows, list):
                # a string or number that stands for one is no level list, malformed or not
                if isinstance(rows, str) and not NUMBER.match(rows):
                    raise Reject("number")
                raise Reject("schema")
            for row in rows:
                if not isinstance(row, list) or len(row) < 2:
                    raise Reject("schema")
                out.append((side, exact(row[0]), exact(row[1])))
        return out

    # ---- messages ----

    def frame(self, recv, text, target=None):
        self.messages += 1
        self.counts["messages"] += 1
        mark = len(self.out)
        counts = {k: self.counts[k] for k in ("trade", "quote", "book", "ticker", "status")}
        try:
            verdict = self.message(recv, text, target)
        except Reject as reject:
            del self.out[mark:]
            self.counts.update(counts)
            why = str(reject)
            self.counts["rejected"][why] = self.counts["rejected"].get(why, 0) + 1
            return
        if verdict in ("data", "control"):
            self.counts[verdict] += 1
        else:
            self.counts["ignored"][verdict] = self.counts["ignored"].get(verdict, 0) + 1

    def message(self, recv, text, target):
        if target is not None and re.split(r"[?#]", target)[0].endswith("/exchangeInfo"):
            return "control"
        if target is not None and not re.split(r"[?#]", target)[0].endswith("/depth"):
            return "rest"
        try:
            root = parse(text)
        except (ValueError, RecursionError):
            raise Reject("syntax")
        if not isinstance(root, dict):
            raise Reject("unknown")
        stream = None
        data = root
        if "stream" in root and "data" in root:
            stream = self.text(root, "stream")
            data = root["data"]
            if isinstance(data, list):
                return stream[:23]
            if not isinstance(data, dict):
                raise Reject("schema")
        if "e" in data:
            return self.typed(self.text(data, "e"), data, stream, recv)
        if all(k in data for k in "bBaA"):
            return self.quote(data, recv)
        if "lastUpdateId" in data:
            return self.snapshot(data, stream, recv, target)
        if data is root and any(k in data for k in ("code", "error", "msg", "result", "id")):
            return "control"
        raise Reject("unknown")

    def typed(self, kind, data, stream, recv):
        if kind == "trade":
            return self.trade(data, recv, "t")
        if kind == "aggTrade":
            return self.trade(data, recv, "a")
        if kind == "bookTicker":
            return self.quote(data, recv)
        if kind == "depthUpdate":
            return self.depth(data, stream, recv)
        if kind == "24hrTicker":
            return self.ticker(data, recv)
        if kind == "serverShutdown":
            return "control"
        if kind in IGNORED:
            return kind
        raise Reject("unknown")

    def trade(self, data, recv, id_key):
        for key in ("s", "m", "p", "q", id_key):
            self.need(data, key)
        price, qty, number = exact(data["p"]), exact(data["q"]), unsigned(data[id_key])
        symbol = self.text(data, "s")
        if not isinstance(data["m"], bool):
            raise Reject("schema")
        ts, flags = self.time(data, recv, True)
        symbol = self.symbol(symbol)
        seen = self.ids.setdefault((symbol, id_key), {"ids": TradeIds(), "new": True})
        if not seen["ids"].is_news(number):
            self.counts["duplicates"] += 1
            return "data"
        self.counts["gaps"] += seen["ids"].jumped and not seen["new"]
        if seen["ids"].last == number:
            seen["new"] = False
        if data.get("X") in ("NA", "INSURANCE_FUND", "ADL"):
            return "trade off book"
        side = SELL if data["m"] else 0
        self.emit("T", symbol, ts, recv, flags | side | LAST, "p=%s q=%s id=%d %s" % (
            text_of(*price), text_of(*qty), number, "SELL" if side else "BUY"))
        return "data"

    def quote(self, data, recv):
        for key in "sbBaA":
            self.need(data, key)
        symbol = self.text(data, "s")
        for key in "bBaA":
            if isinstance(data[key], list):
                raise Reject("schema")
        bid, ask = one_exponent(exact(data["b"]), exact(data["a"]))
        bid_qty, ask_qty = one_exponent(exact(data["B"]), exact(data["A"]))
        ts, flags = self.time(data, recv, False)
        self.symbol(symbol)
        if isinstance(data.get("u"), Number) and data["u"].isdigit() and int(data["u"]) < 2**64:
            number, last = int(data["u"]), self.quote_ids.get(symbol, 0)
            if number <= last and last - number < 10**6:
                self.counts["duplicates"] += 1
                return "data"
            self.quote_ids[symbol] = number
        book = self.books.get(symbol)
        if book is not None and book.last_u is not None:
            flags |= outrun(self.quote_ids.get(symbol, 0), book.last_u)
        self.emit("Q", self.symbol(symbol), ts, recv, flags | LAST, "b=%s B=%s a=%s A=%s" % (
            text_of(*bid), text_of(*bid_qty), text_of(*ask), text_of(*ask_qty)))
        return "data"

    def ticker(self, data, recv):
        symbol = self.text(data, "s")
        last, volume = exact(self.need(data, "c")), exact(self.need(data, "v"))
        ts, flags = self.time(data, recv, True)
        self.emit("K", self.symbol(symbol), ts, recv, flags | LAST, ticker_text(last, volume))
        return "data"

    def put_levels(self, symbol, ts, recv, flags, levels, seq):
        for i, (side, price, qty) in enumerate(levels):
            self.emit("B", symbol, ts, recv, flags | (SELL if side else 0),
                      "%s p=%s q=%s u=%d i=%d/%d" % (("bid", "ask")[side], text_of(*price),
                                                     text_of(*qty), seq, i, len(levels)))

    def finish(self, mark):
        if len(self.out) > mark:
            self.out[-1][5] |= LAST
        return "data"

    def ask_snapshot(self, symbol, book, again):
        self.out.append([self.messages, "resync", symbol])
        self.counts["resyncs"] += 1 if book.asked else 0
        book.asked = True

    def depth(self, data, stream, recv):
        if stream is not None and "@" in stream:
            name = stream.split("@", 1)[1]
            if not re.match(r"depth(@|\Z|[0-9])", name):
                return "other depth"
            partial = re.match(r"depth[0-9]", name) is not None
        else:
            partial = False
        symbol = self.text(data, "s")
        first, last = self.need(data, "U"), self.need(data, "u")
        previous = self.need(data, "pu") if self.futures else None
        first, last = unsigned(first), unsigned(last)
        previous = unsigned(previous) if self.futures else None
        if first > last:
            raise Reject("schema")
        levels = self.levels(data, "b", "a")
        ts, flags = self.time(data, recv, True)
        symbol = self.symbol(symbol)
        if partial:
            return self.book_snapshot(symbol, levels, last, ts, recv, flags, True)
        mark = len(self.out)
        book = self.books.setdefault(symbol, Book())
        gap = None
        bad = wanted = False
        if book.last_u is not None:
            old = book.last_u
            if last <= old and old - last <= 10**8:
                self.counts["duplicates"] += 1
                return "data"
            if last <= old:
                gap = (old + 1, old)
            elif self.futures and previous != old:
                gap = (old + 1, max(previous, old + 1))
            elif not self.futures and first > old + 1:
                gap = (old + 1, first - 1)
        join = None if book.base is None else book.base + (0 if self.futures else 1)
        if gap is None and book.state == "armed" and last >= join:
            if first <= join:
                book.state = OK
            else:
                gap = (book.base + 1, first - 1)
        book.last_u = last
        if gap is not None:
            book.state, book.pending, book.announced = GAP, [], False
            self.counts["gaps"] += 1
            self.status(symbol, ts, recv, flags, GAP, gap=gap)
            wanted = True
        if book.state is None:
            if not book.announced:
                self.status(symbol, ts, recv, flags, SYNCING)
            book.state, book.announced, wanted = SYNCING, True, True
        if book.state in (SYNCING, GAP):
            book.pending.append((first, last, levels))
        if book.state == "armed":
            self.counts["bridged_out"] += len(levels)
        if book.state == OK:
            book.apply(levels)
        bad = BAD_BOOK if book.state == GAP else 0
        bad |= outrun(last, self.quote_ids.get(symbol, 0))
        self.put_levels(symbol, ts, recv, flags | bad, levels, last)
        self.finish(mark)
        if wanted:
            self.ask_snapshot(symbol, book, True)
        return "data"

    def snapshot(self, data, stream, recv, target):
        seq = unsigned(data["lastUpdateId"])
        levels = self.levels(data, "bids", "asks")
        ts, flags = self.time(data, recv, False)
        symbol = None
        if target is not None:
            for part in target.partition("?")[2].split("#")[0].split("&"):
                if part.startswith("symbol="):
                    symbol = unquote(part[7:]).upper()
                    break
        if symbol is None and isinstance(data.get("symbol"), str):
            symbol = data["symbol"]
        if symbol is None and stream is not None and "@" in stream:
            symbol = stream.split("@")[0].upper()
        if symbol is None:
            if len(self.symbols) != 1:
                raise Reject("instrument")
            symbol = self.symbols[0]
        return self.book_snapshot(self.symbol(symbol), levels, seq, ts, recv, flags,
                                  stream is not None)

    def book_snapshot(self, symbol, levels, seq, ts, recv, flags, partial):
        mark = len(self.out)
        book = self.books.setdefault(symbol, Book())
        if partial and book.last_u is not None:
            return "partial depth"
        if not levels:
            return "data"
        join = seq + (0 if self.futures else 1)
        if book.state in (OK, "armed"):
            newest = max(book.base, book.last_u or 0) if book.state == OK else book.base
            if seq <= newest:
                self.counts["duplicates"] += 1
                return "data"
            kept = []
        else:
            kept = [row for row in book.pending if row[1] >= join]
            if kept and kept[0][0] > join:
                self.counts["bridged_out"] += len(levels)
                self.put_levels(symbol, ts, recv, flags | SNAPSHOT | BAD_BOOK, levels, seq)
                self.finish(mark)
                self.ask_snapshot(symbol, book, True)
                return "data"
            self.counts["bridged_out"] += sum(len(r[2]) for r in book.pending if r[1] < join)
        book.sides = ({}, {})
        book.apply(levels)
        for row in kept:
            book.apply(row[2])
        book.base, book.pending, book.announced = seq, [], False
        book.state = OK if kept else "armed"
        self.put_levels(symbol, ts, recv, flags | SNAPSHOT, levels, seq)
        self.status(symbol, ts, recv, flags, OK, apply_from=kept[0][1] if kept else join)
        return self.finish(mark)

    def connect(self, recv):
        for seen in self.ids.values():
            seen["new"] = True
        for symbol in self.symbols:
            book = self.books.setdefault(symbol, Book())
            if book.state == "armed" and book.last_u is None:
                continue
            fresh = Book()
            fresh.asked = book.asked
            if not book.announced or book.pending:
                self.status(symbol, 0, recv, LAST, SYNCING)
            fresh.announced = True
            self.books[symbol] = fresh

    def summary(self):
        return dict(self.counts, instruments=len(self.symbols))


class EventBook:
    """A book as a consumer of tickfuse's events keeps it."""

    def __init__(self):
        self.state = None
        self.apply_from = 0
        self.sides = ({}, {})
        self.pending = []

    def put(self, side, price, qty):
        if qty == 0:
            self.sides[side].pop(price, None)
        else:
            self.sides[side][price] = qty

    def event(self, kind, flags, fields):
        if kind == "S":
            self.state = int(fields["state"])
            if self.state == OK:
                self.apply_from = int(fields["from"])
                for seq, side, price, qty in self.pending:
                    if seq >= self.apply_from:
                        self.put(side, price, qty)
            self.pending = []
            return
        side = 1 if flags & SELL else 0
        price, qty = decimal.Decimal(fields["p"]), decimal.Decimal(fields["q"])
        if flags & SNAPSHOT:
            if fields["i"].startswith("0/"):
                self.sides = ({}, {})
            self.put(side, price, qty)
        elif self.state != OK:
            self.pending.append((int(fields["u"]), side, price, qty))
        elif int(fields["u"]) >= self.apply_from:
            self.put(side, price, qty)


def records(path):
    with open(path, "rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    with (gzip.open if zipped else open)(path, "rt", encoding="utf-8", errors="surrogateescape",
                                         newline="\n") as file:
        for line in file:
            recv, _, rest = line.rstrip("\r\n").partition(" ")
            target = None
            if rest.startswith("@"):
                target, _, rest = rest[1:].partition(" ")
            yield int(recv), rest, target


def decode(venue, path):
    decoder = Decoder(venue)
    for recv, text, target in records(path):
        if text == "#connect":
            decoder.connect(recv)
        else:
            decoder.frame(recv, text, target)
        yield decoder
    yield decoder


def compare(venue, path, dump):
    if not os.path.exists(path):
        print("skipped: %s is not here" % path)
        return 77
    process = subprocess.Popen([dump, venue, path], stdout=subprocess.PIPE, text=True,
                               encoding="utf-8", errors="surrogateescape")
    books = {}
    cnt = book_checks = 0
    decoder = None
    for decoder in decode(venue, path):
        touched = set()
        for line in decoder.lines():
            cnt += 1
            ours = process.stdout.readline().rstrip("\n")
            if ours != line:
                print("event %d differs\n  oracle   %s\n  tickfuse %s" % (cnt, line, ours))
                return 1
            part = ours.split(" ")
            if part[1] in "BS":
                fields = dict(p.split("=", 1) for p in part if "=" in p)
                books.setdefault(part[2], EventBook()).event(part[1], int(fields["f"], 16), fields)
                touched.add(part[2])
        for symbol in touched:
            mine, theirs = decoder.books[symbol], books[symbol]
            if mine.state in (OK, "armed"):
                book_checks += 1
                if theirs.state != OK or (book_checks % 97 == 0 and mine.sides != theirs.sides):
                    print("message %d: the book of %s differs" % (decoder.messages, symbol))
                    return 1
            elif theirs.state == OK:
                print("message %d: the book of %s is not in order" % (decoder.messages, symbol))
                return 1
    for symbol, mine in decoder.books.items():
        if mine.state in (OK, "armed") and mine.sides != books[symbol].sides:
            print("at the end the book of %s differs" % symbol)
            return 1
    ours = json.loads(process.stdout.readline()[2:])
    if process.wait() != 0 or ours != decoder.summary():
        print("counts differ\n  oracle   %s\n  tickfuse %s" % (decoder.summary(), ours))
        return 1
    print("%d events equal, %d book states equal: %s" % (cnt, book_checks, json.dumps(ours)))
    return 0


def main(argv):
    if len(argv) == 5 and argv[1] == "compare":
        return compare(*argv[2:])
    if len(argv) == 4 and argv[1] in ("counts", "events"):
        decoder = None
        for decoder in decode(argv[2], argv[3]):
            for line in decoder.lines():
                if argv[1] == "events":
                    print(line)
        if argv[1] == "counts":
            print(json.dumps(decoder.summary()))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    decimal.getcontext().prec = 200
    sys.exit(main(sys.argv))

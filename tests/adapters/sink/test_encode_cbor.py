"""JSON and CBOR of the same records say the same, field by field and in the same order: CBOR read by cbor.py, which is
first held against examples of RFC 8949, Appendix A; JSON by Python's own. And nothing of an event is lost in either: the 64
bytes are put together again from each, and compared."""

import decimal
import json
import math
import struct
import subprocess
import sys

import cbor

SEED, CNT = 20260815, 400

APPENDIX_A = [
    ("00", 0), ("1818", 24), ("1903e8", 1000), ("1b000000e8d4a51000", 10**12), ("1bffffffffffffffff", 2**64 - 1),
    ("3bffffffffffffffff", -(2**64)), ("20", -1), ("3863", -100), ("fa47c35000", 100000.0), ("fb3ff199999999999a", 1.1),
    ("f4", False), ("f5", True), ("f6", None), ("6449455446", "IETF"), ("62c3bc", "\u00fc"), ("83010203", [1, 2, 3]),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}), ("4401020304", b"\x01\x02\x03\x04"), ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("c48221196ab3", cbor.Decimal4(-2, 27315)),
]  # fmt: skip


def same(text, binary, where):
    """A JSON value (numbers as text) and a CBOR value."""
    if isinstance(binary, dict):
        assert isinstance(text, dict) and list(text) == list(binary), (where, text, binary)
        for key in binary:
            same(text[key], binary[key], f"{where}.{key}")
    elif isinstance(binary, list):
        assert isinstance(text, list) and len(text) == len(binary), (where, text, binary)
        for i, value in enumerate(binary):
            same(text[i], value, f"{where}[{i}]")
    elif isinstance(binary, cbor.Decimal4):
        with decimal.localcontext(decimal.Context(prec=400, Emin=-999, Emax=999)) as _:
            assert decimal.Decimal(text) == decimal.Decimal(binary.mantissa).scaleb(binary.exponent), (where, text, binary)
        assert text == exact(binary), (where, text, binary)
    elif isinstance(binary, cbor.Float32):
        assert struct.pack("f", float(text)) == struct.pack("f", binary), (where, text, binary)
        assert math.isfinite(binary), where
    elif isinstance(binary, float):
        assert float(text) == binary and math.isfinite(binary), (where, text, binary)
    elif isinstance(binary, bool) or binary is None:
        assert text is binary, (where, text, binary)
    elif isinstance(binary, int):
        assert text == str(binary), (where, text, binary)
    else:
        assert text == binary, (where, text, binary)


def exact(d):
    """All digits of the mantissa, and no others; then a power of ten where there is no point to set."""
    sign, digits = ("-" if d.mantissa < 0 else ""), str(abs(d.mantissa))
    if d.exponent > 0 or d.exponent < -40:
        return f"{sign}{digits}e{d.exponent}"
    if d.exponent == 0:
        return sign + digits
    digits = digits.rjust(1 - d.exponent, "0")
    return f"{sign}{digits[:d.exponent]}.{digits[d.exponent:]}"


# ---- an event from its document ----

HEAD = struct.Struct("<QQQIBBbb")
KINDS = "trade quote book ticker status control text".split()
FLAGS = {"last": 1, "snapshot": 2, "bad_book": 4, "outlier": 4, "bad_ts": 8, "backfill": 16, "derived": 64, "outrun": 128}
BOOKS = "ok syncing gap stale crossed none".split()
TRADINGS = "unsaid open halted ended changed".split()
COMMANDS = "? halt resume position route pause swap answer miss runtime canary sequence".split()
MISSES = "none full deadline failed stopped".split()
FUNDING_EXP, FUNDING_NONE = -12, -(2**63)
NAMES = {"BTCUSDT.BINANCE-SPOT": 0, '\u5e01"\\\n': 1}  # the third is no UTF-8


def decimal_of(value):
    """(mantissa, exponent)"""
    if isinstance(value, cbor.Decimal4):
        return value.mantissa, value.exponent
    digits, _, power = value.partition("e")
    whole, _, part = digits.partition(".")
    return int(whole + part), int(power or 0) - len(part)


def number(value):
    return math.nan if value is None else float(value)


def body_of(f):
    """(price exponent, quantity exponent, the kind's 32 bytes)"""
    def of(*keys):
        pairs = [decimal_of(f[key]) for key in keys]
        assert len({exp for _, exp in pairs}) == 1, f
        return pairs[0][1], [mantissa for mantissa, _ in pairs]

    match f["kind"]:
        case "trade":
            (price_exp, price), (qty_exp, qty) = of("price"), of("qty")
            return price_exp, qty_exp, struct.pack("<qqQ8x", *price, *qty, int(f["id"]))
        case "quote":
            (price_exp, price), (qty_exp, qty) = of("bid_price", "ask_price"), of("bid_qty", "ask_qty")
            return price_exp, qty_exp, struct.pack("<4q", price[0], qty[0], price[1], qty[1])
        case "book":
            (price_exp, price), (qty_exp, qty) = of("price"), of("qty")
            return price_exp, qty_exp, struct.pack("<qqQII", *price, *qty, *(int(f[k]) for k in ("venue_seq", "level_idx", "level_cnt")))
        case "ticker":
            price_exp, prices = of("last_price", *(k for k in ["mark_price"] if k in f))
            qty_exp, volume = of("volume")
            rate, exp = decimal_of(f["funding_rate"]) if "funding_rate" in f else (FUNDING_NONE, FUNDING_EXP)
            assert exp == FUNDING_EXP, f
            return price_exp, qty_exp, struct.pack("<4q", prices[0], *volume, prices[1] if len(prices) > 1 else 0, rate)
        case "status" if "trading" in f:
            tick, tick_exp = decimal_of(f["tick_size"]) if "tick_size" in f else (0, 0)
            lot, lot_exp = decimal_of(f["lot_size"]) if "lot_size" in f else (0, 0)
            return tick_exp, lot_exp, struct.pack("<4xIqq8x", TRADINGS.index(f["trading"]), tick, lot)
        case "status":
            return 0, 0, struct.pack("<I4xQQQ", BOOKS.index(f["book_state"]), *(int(f[k]) for k in ("apply_from", "gap_first", "gap_last")))
        case "control" if "position" in f:
            position, exp = decimal_of(f["position"])
            return 0, exp, struct.pack("<Qq16x", COMMANDS.index(f["command"]), position)
        case "control":
            return 0, 0, struct.pack("<4Q", COMMANDS.index(f["command"]), *map(int, f["words"]))
        case "text" if "miss" in f:
            return 0, 0, struct.pack("<Q14xH4xI", int(f["id"]), MISSES.index(f["miss"]), int(f["source"]))
        case "text":
            return 0, 0, struct.pack("<Q3fH2x4sI", int(f["id"]), *(number(f[k]) for k in ("score", "confidence", "novelty")),
                                     int(f["label"]), bytes.fromhex(f["model_hash"]), int(f["source"]))
    raise AssertionError(f["kind"])


def event_of(f):
    """The record that f says."""
    price_exp, qty_exp, body = body_of(f)
    flags = sum(FLAGS[word] for word in f["flags"]) | (0x20 if f.get("side") in ("sell", "ask") else 0)
    name = f["instrument"]
    instrument = int(name[1:]) if name.startswith("#") else NAMES.get(name, 2)
    times = [int(f[key]) for key in ("ts_event_ns", "ts_recv_ns", "ingest_seq")]
    return HEAD.pack(*times, instrument, KINDS.index(f["kind"]), flags, price_exp, qty_exp) + body


def meant(record):
    """Without the bytes that have no meaning in an event of its kind (tf/event.h); floats that are none are one NaN."""
    *head, kind, flags, price_exp, qty_exp = HEAD.unpack_from(record)
    body = bytearray(record[HEAD.size:64])
    is_listing = kind == 4 and body[4:8] != bytes(4)
    is_position = kind == 5 and struct.unpack_from("<Q", body)[0] == COMMANDS.index("position")
    if kind not in (0, 2):
        flags &= ~0x20
    if kind == 0:
        body[24:] = bytes(8)
    if kind == 3 and struct.unpack_from("<q", body, 16)[0] == 0:
        body[16:24] = bytes(8)
    if is_listing:
        body[:4], body[24:] = bytes(4), bytes(8)
    if is_position:
        body[16:] = bytes(16)
    if kind == 6 and body[22:24] != bytes(2):
        body[8:22], body[24:28] = bytes(14), bytes(4)
    elif kind == 6:
        body[8:20] = struct.pack("<3f", *(x if math.isfinite(x) else math.nan for x in struct.unpack_from("<3f", body, 8)))
    if kind >= 4:
        price_exp = price_exp if is_listing and body[8:16] != bytes(8) else 0
        qty_exp = qty_exp if is_position or (is_listing and body[16:24] != bytes(8)) else 0
    return HEAD.pack(*head, kind, flags, price_exp, qty_exp) + bytes(body)


def main():
    for encoded, value in APPENDIX_A:
        assert cbor.loads(bytes.fromhex(encoded)) == value, encoded
    for wrong in ("1817", "190017", "62c3", "61ff", "a2616101616102", "0000"):
        try:
            cbor.loads(bytes.fromhex(wrong))
        except ValueError:
            continue
        raise AssertionError(f"{wrong} was taken")
    lines = subprocess.run([sys.argv[1], "dump", str(SEED), str(CNT)], check=True, capture_output=True, text=True).stdout
    late_cnt, whole_cnt, kinds = 0, 0, set()
    for at, line in enumerate(lines.splitlines()):
        carries, late, record, text, binary = line.split()
        raw = bytes.fromhex(text)
        assert raw.endswith(b"\n") and raw.count(b"\n") == 1, raw
        fields = json.loads(raw.decode("utf-8"), parse_int=str, parse_float=str)
        map_ = cbor.loads(bytes.fromhex(binary))
        same(fields, map_, f"record {at}")
        if carries in "12" and b'"?"' not in raw:  # all its numbers have a word
            want = meant(bytes.fromhex(record))
            assert event_of(fields) == want and event_of(map_) == want, (fields, want.hex(), event_of(fields).hex())
            whole_cnt += 1
        assert fields.get("late", False) is bool(int(late)), line
        late_cnt += int(late)
        kinds.add((carries, fields.get("kind")))
    assert at == 4 * CNT - 1 and 0 < late_cnt < at and whole_cnt > CNT
    assert len([k for k in kinds if k[0] == "1"]) == 8, kinds  # seven and what is none
    print(f"{4 * CNT} records of seed {SEED} are the same in both, {whole_cnt} events whole in each")


if __name__ == "__main__":
    main()

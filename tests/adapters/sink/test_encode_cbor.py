"""JSON and CBOR of the same records say the same, field by field and in the same order: CBOR read by cbor.py, which is
first held against examples of RFC 8949, Appendix A; JSON by Python's own."""

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
    """All digits of the mantissa, and no others."""
    sign, digits = ("-" if d.mantissa < 0 else ""), str(abs(d.mantissa))
    if d.exponent >= 0:
        return sign + (digits + "0" * d.exponent if d.mantissa else "0")
    digits = digits.rjust(1 - d.exponent, "0")
    return f"{sign}{digits[:d.exponent]}.{digits[d.exponent:]}"


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
    late_cnt, kinds = 0, set()
    for number, line in enumerate(lines.splitlines()):
        carries, late, text, binary = line.split()
        raw = bytes.fromhex(text)
        assert raw.endswith(b"\n") and raw.count(b"\n") == 1, raw
        fields = json.loads(raw.decode("utf-8"), parse_int=str, parse_float=str)
        same(fields, cbor.loads(bytes.fromhex(binary)), f"record {number}")
        assert fields.get("late", False) is bool(int(late)), line
        late_cnt += int(late)
        kinds.add((carries, fields.get("kind")))
    assert number == 4 * CNT - 1 and 0 < late_cnt < number
    assert len([k for k in kinds if k[0] == "1"]) == 8, kinds  # seven and what is none
    print(f"{4 * CNT} records of seed {SEED} are the same in both")


if __name__ == "__main__":
    main()

"""CBOR read by the letter of RFC 8949: what the tests compare ours with. Refuses what is not the shortest form, lengths
beyond the input, text that is not UTF-8, and keys twice. Decimals (tag 4) come as (exponent, mantissa) of class Decimal4."""

import struct
import typing


class Decimal4(typing.NamedTuple):
    exponent: int
    mantissa: int


class Float32(float):
    pass


def argument(data, at):
    low = data[at] & 0x1F
    at += 1
    if low < 24:
        return low, at
    size = {24: 1, 25: 2, 26: 4, 27: 8}[low]
    value = int.from_bytes(data[at : at + size], "big")
    if at + size > len(data):
        raise ValueError("cut short")
    if value < {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[size]:
        raise ValueError(f"{value} in {size} bytes is not the shortest form")
    return value, at + size


def item(data, at=0):
    """(value, where it ends)"""
    major = data[at] >> 5
    if data[at] == 0xFA:
        return Float32(struct.unpack_from(">f", data, at + 1)[0]), at + 5
    if data[at] == 0xFB:
        return struct.unpack_from(">d", data, at + 1)[0], at + 9
    if major == 7:
        return {0xF4: False, 0xF5: True, 0xF6: None}[data[at]], at + 1
    n, at = argument(data, at)
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        if at + n > len(data):
            raise ValueError("cut short")
        raw = bytes(data[at : at + n])
        return (raw if major == 2 else raw.decode("utf-8")), at + n
    if major == 4:
        values = []
        for _ in range(n):
            value, at = item(data, at)
            values.append(value)
        return values, at
    if major == 5:
        values = {}
        for _ in range(n):
            key, at = item(data, at)
            if key in values:
                raise ValueError(f"{key!r} twice")
            values[key], at = item(data, at)
        return values, at
    if n != 4:
        raise ValueError(f"tag {n}")
    pair, at = item(data, at)
    return Decimal4(*pair), at


def loads(data):
    value, end = item(data)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the end")
    return value

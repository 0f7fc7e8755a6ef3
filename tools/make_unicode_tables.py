#!/usr/bin/env python3
"""Writes kernels/text/unicode_tables.inc: what of Unicode a WordPiece tokeniser asks of a character, from Python's unicodedata.

    tools/make_unicode_tables.py            writes the file
    tools/make_unicode_tables.py --check    exit 1 where it is not what this Python says, 77 where this one's Unicode is another
"""
import pathlib
import sys
import unicodedata

TARGET = pathlib.Path(__file__).resolve().parents[1] / "kernels/text/unicode_tables.inc"
VERSION = "14.0.0"
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic
CLASSES = {
    "others": lambda c: unicodedata.category(c) in ("Cc", "Cf", "Co") and c not in "\t\n\r",
    "spaces": lambda c: unicodedata.category(c)[0] == "Z" or c in "\t\n\r",
    "marks": lambda c: unicodedata.category(c) == "Mn",
    "points": lambda c: unicodedata.category(c)[0] == "P" or (c.isascii() and c.isprintable() and not c.isalnum() and c != " "),
}
ALL = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]


def ranges(belongs):
    found = []
    for c in ALL:
        i = ord(c)
        if not belongs(c):
            continue
        if found and found[-1][1] == i - 1:
            found[-1][1] = i
        else:
            found.append([i, i])
    return found


def plain(c):
    """Decomposed, without marks, in lower case; each character for itself."""
    parts = (p for p in unicodedata.normalize("NFD", c) if unicodedata.category(p) != "Mn")
    return "".join(p.lower() for p in parts)


def lines(items, per_line):
    for i in range(0, len(items), per_line):
        yield "    " + ", ".join(items[i:i + per_line]) + ","


def made():
    out = [f"/* Of Unicode {VERSION}; written by tools/make_unicode_tables.py. */", "/* clang-format off */"]
    for name, belongs in CLASSES.items():
        rows = [f"{{0x{a:x}, 0x{b:x}}}" for a, b in ranges(belongs)]
        out += [f"static const range_t {name}[] = {{", *lines(rows, 6), "};"]
    rows, parts = [], []
    for c in ALL:
        if ord(c) in HANGUL or unicodedata.category(c) == "Mn" or plain(c) == c:
            continue
        rows.append(f"{{0x{ord(c):x}, {len(parts)}}}")
        parts += [f"0x{ord(p):x}" for p in plain(c)]
    rows.append(f"{{0x110000, {len(parts)}}}")
    out += ["static const plain_t plains[] = {", *lines(rows, 6), "};"]
    out += ["static const uint32_t plain_parts[] = {", *lines(parts, 10), "};"]
    return "\n".join([*out, "/* clang-format on */", ""])


def main():
    if unicodedata.unidata_version != VERSION:
        print(f"this Python has Unicode {unicodedata.unidata_version}, the tables are of {VERSION}")
        sys.exit(77)
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(made())
    elif TARGET.read_text() != made():
        sys.exit(f"{TARGET}: not what tools/make_unicode_tables.py writes")


main()

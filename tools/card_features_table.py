#!/usr/bin/env python3
"""Which indicators and crosses a card computes: from kernels/gpu/card_feature_fn.def and the folders' lists into docs/gpu.md, between two marks.

    tools/card_features_table.py            writes the table
    tools/card_features_table.py --check    exit 1 where it is not what the lists say
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOC = ROOT / "docs/gpu.md"
BEGIN, END = "<!-- features: written by tools/card_features_table.py -->", "<!-- features: end -->"


def read(path):
    return (ROOT / path).read_text()


def families(listing, row, row_of):
    """File -> names, of a .def list."""
    found = {}
    for line in read(listing).splitlines():
        if m := re.match(rf"{row_of}\((\w+), (\w+)\)", line):
            found.setdefault(m[1], []).append(m[2])
        elif m := re.match(rf"{row}\((\w+)\)", line):
            found.setdefault(m[1], []).append(m[1])
    return found


def table():
    forms = read("kernels/gpu/card_feature_fn.def")
    card = set(re.findall(r"^FN\((?:MARKET|SERIES|CROSS|ARITHMETIC), (\w+)\)", forms, re.M)) | set(re.findall(r"^STEP\((\w+)\)", forms, re.M))
    indicators = families("kernels/indicator/indicators.def", "TF_INDICATOR", "TF_INDICATOR_OF")
    crosses = families("kernels/cross/crosses.def", "TF_CROSS", "TF_CROSS_OF")
    rows = [("arithmetic: " + " ".join(sorted(re.findall(r"^FN\(ARITHMETIC, (\w+)\)", forms, re.M))), ""),
            ("fields of closed bars, of any kind: open high low close volume notional buy_volume trade_cnt", ""),
            ("", "peeks at open bars"), ("", "another instrument's features and market")]
    for folder in (crosses, indicators):
        for name, members in sorted(folder.items()):
            here = [m for m in members if m in card]
            rows.append((" ".join(here), " ".join(m for m in members if m not in card)))
    total = sum(len(m) for m in (*indicators.values(), *crosses.values()))
    cnt = sum(m in card for f in (indicators, crosses) for ms in f.values() for m in ms)
    lines = [f"{cnt} of {total} indicators and crosses are computed on the card; the others' values are handed over with each tick.", "",
             "| on the card | handed over by the lane |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return "\n".join(lines)


def main():
    doc = DOC.read_text()
    begin, end = doc.index(BEGIN) + len(BEGIN), doc.index(END)
    made = f"\n{table()}\n"
    if "--check" in sys.argv[1:]:
        if doc[begin:end] != made:
            sys.exit("docs/gpu.md: the table of features is not what the lists say: run tools/card_features_table.py")
    else:
        DOC.write_text(doc[:begin] + made + doc[end:])


main()

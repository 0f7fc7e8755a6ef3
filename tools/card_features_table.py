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


WHY = {"BOOK": "reads levels of the book, which stay on the lane", "OTHERS": "reads other instruments",
       "TEXT": "reads texts, which the card is not told", "FORM": "is not written as a step, nor shared yet"}


def absent_of(card, known):
    """Name -> why, of what no card computes: each of the lists' names is here or there."""
    rows = dict(re.findall(r"^ABSENT\((\w+), (\w+)\)", read("kernels/gpu/card_feature_absent.def"), re.M))
    wrong = [f"{n}: on a card, and absent" for n in rows if n in card] + [f"{n}: not on a card, and no reason" for n in known if n not in card and n not in rows]
    wrong += [f"{n}: no such indicator" for n in rows if n not in known] + [f"{n}: {w} is no reason" for n, w in rows.items() if w not in WHY]
    if wrong:
        sys.exit("kernels/gpu/card_feature_absent.def: " + "; ".join(wrong))
    return rows


def table():
    forms = read("kernels/gpu/card_feature_fn.def")
    card = set(re.findall(r"^FN\((?:MARKET|SERIES|CROSS|ARITHMETIC), (\w+)\)", forms, re.M)) | set(re.findall(r"^STEP\((\w+)\)", forms, re.M))
    indicators = families("kernels/indicator/indicators.def", "TF_INDICATOR", "TF_INDICATOR_OF")
    crosses = families("kernels/cross/crosses.def", "TF_CROSS", "TF_CROSS_OF")
    known = [m for f in (indicators, crosses) for ms in f.values() for m in ms]
    why = absent_of(card, known)
    lines = [f"{sum(m in card for m in known)} of {len(known)} indicators and crosses are computed on the card; the others' values are handed over with each tick.", "",
             "| on the card |", "|---|", "| arithmetic: " + " ".join(sorted(re.findall(r"^FN\(ARITHMETIC, (\w+)\)", forms, re.M))) + " |",
             "| fields of closed bars, of any kind: open high low close volume notional buy_volume trade_cnt |"]
    for folder in (crosses, indicators):
        lines += [f"| {file}: {' '.join(here)} |" for file, members in sorted(folder.items()) if len(members) > 1 and (here := [m for m in members if m in card])]
    lines += ["| " + " ".join(m for members in indicators.values() if len(members) == 1 for m in members if m in card) + " |", "",
              "| handed over by the lane | since it |", "|---|---|", "| peeks at open bars | is of a bar that is open there |",
              "| another instrument's features and market | reads other instruments |"]
    lines += ["| " + " ".join(sorted(n for n in why if why[n] == w)) + f" | {text} |" for w, text in WHY.items()]
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

"""docs/formats.md says what is so: its offsets are compiled against the headers, its keys are those that the encoder writes."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/formats.md").read_text()
SIZES = {"u64": 8, "i64": 8, "u32": 4, "f32": 4, "u16": 2, "u8": 1, "i8": 1}
CARRIES = {"0": "decision", "1": "event", "2": "quote", "3": "feature row"}


def layouts():
    """{struct: [(offset, type, field)]}: the two tables of offsets, in their order."""
    tables, rows = [], []
    for line in PAGE.splitlines() + [""]:
        row = re.match(r"\| (\d+) \| (\w+) \| `(\w+)` \|", line)
        if row:
            rows.append((int(row[1]), row[2], row[3]))
        elif rows and not line.startswith("|"):
            tables.append(rows)
            rows = []
    return dict(zip(("tf_decision_t", "tf_feature_record_t"), tables, strict=True))


def check_layouts():
    lines = ['#include "tf/record.h"']
    for struct, rows in layouts().items():
        end = 0
        for offset, kind, field in rows:
            assert offset == end, f"{struct}.{field}: at {offset}, what is before it ends at {end}"
            end = offset + SIZES[kind]
            lines.append(f'_Static_assert(offsetof({struct}, {field}) == {offset}, "{field}");')
            lines.append(f'_Static_assert(sizeof((({struct} *)0)->{field}) == {SIZES[kind]}, "{field}");')
        lines.append(f'_Static_assert(sizeof({struct}) == {end}, "{struct}");')
    with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
        source.write("\n".join(lines) + "\n")
        source.flush()
        command = ["cc", "-std=gnu17", "-fsyntax-only", f"-I{ROOT}/include", source.name]
        subprocess.run(command, check=True)


def key_rows():
    """{name: regular expression over the keys, one blank behind each}"""
    rows = {}
    for line in PAGE.splitlines():
        row = re.match(r"\| (`?[\w ]+`?) \| ([^|]*`[^|]*) \|$", line)
        if row and row[1].strip("`") not in rows:
            tokens = re.findall(r"\[`(\w+)`\]|`(\w+)`|(\bor\b)", row[2])
            words = [f"({o} )?" if o else f"{k} " if k else "OR" for o, k, _ in tokens]
            text = re.sub(r"(\w+ )OR(\w+ )", r"(\1|\2)", "".join(words))
            rows[row[1].strip("`")] = text
    return rows


def check_keys(dump):
    rows, seen = key_rows(), set()
    for line in dump.splitlines():
        carries, _, _, text, _ = line.split()
        fields = json.loads(bytes.fromhex(text))
        name = CARRIES[carries]
        if name in ("event", "quote"):
            name = fields["kind"]
            if name == "?":
                continue
            if "trading" in fields:
                name = "status of a listing"
            if "miss" in fields:
                name = "text that no model answered"
            want = rows["each event"] + rows[name]
        else:
            want = rows[name]
        keys = "".join(f"{key} " for key in fields)
        assert re.fullmatch(want, keys), f"{name}: the page has {want}, the encoder {keys}"
        if "hops" in fields:
            assert re.fullmatch(rows["hops"], "".join(f"{key} " for key in fields["hops"]))
            seen.add("hops")
        seen.add(name)
    missing = set(rows) - seen - {"each event"}
    assert not missing, f"never written: {missing}"


if __name__ == "__main__":
    check_layouts()
    check_keys(subprocess.run([sys.argv[1], "dump", "7", "400"], check=True, capture_output=True, text=True).stdout)
    print("docs/formats.md is right")

"""What a recording holds, by another way than adapters/file: the standard library reads it, the
zstd command unpacks it, a stable sort puts cryptofeed's blocks in order.

usage: recording.py FILE: one line per record, `recv_ns kind bytes crc32 target`, in the order in
which replay must deliver them. Exit 77 when a tool is missing."""
import base64
import gzip
import json
import shutil
import subprocess
import sys
import zlib
from decimal import Decimal
from urllib.parse import urlsplit

TEXT, BINARY, HTTP = 0, 1, 2
CONNS = {}  # path of each connection's newest address, by its name


def lines_of(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        if not shutil.which("zstd"):
            print("the zstd command is not installed")
            sys.exit(77)
        data = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    return data.removesuffix(b"\n").split(b"\n")


def target_of(url):
    parts = urlsplit(url)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")


def nanoseconds(text):
    return int(Decimal(text) * 1000000000)


def of_lines(line):
    time, message = line.split(b" ", 1)
    kind = HTTP if message.startswith(b'{"lastUpdateId"') else TEXT
    return int(time), kind, message, "-"


def of_jsonl(line):
    row = json.loads(line, parse_float=Decimal)
    if row["t"] == "connect":
        CONNS[row["conn"]] = urlsplit(row["addr"]).path or "/"
    if row["t"] not in ("http", "recv"):
        return None
    kind = HTTP if row["t"] == "http" else BINARY if "b64" in row else TEXT
    message = base64.b64decode(row["b64"]) if "b64" in row else row["data"].encode()
    target = target_of(row["url"]) if "url" in row else CONNS.get(row.get("conn"), "-")
    return int(row["ts"] * 1000000000), kind, message, target


def of_raw(line):
    head, _, message = line.partition(b": ")
    if not head[:1].isdigit():
        return None
    return nanoseconds(head.decode()), TEXT, message, "-"


def main():
    lines = lines_of(sys.argv[1])
    first = lines[0]
    parse = of_jsonl if first[:1] == b"{" else of_lines if first[:1].isdigit() else of_raw
    records = [record for record in map(parse, lines) if record]
    if parse is of_jsonl:
        records.sort(key=lambda record: record[0])
    for time, kind, message, target in records:
        print(time, kind, len(message), zlib.crc32(message), target)


if __name__ == "__main__":
    main()

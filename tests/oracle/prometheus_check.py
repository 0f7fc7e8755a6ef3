#!/usr/bin/python3
"""Reads Prometheus text (exposition format 0.0.4) the strict way and says what is wrong with it.

Written from the format's description and from Prometheus' naming advice, not from the code that it
checks. Usage: prometheus_check.py FILE ['name{label="value"}=number' ...]; each further argument is a
sample that must be there. Exit status 0 good, 1 not."""
import re
import sys

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
VALUE = re.compile(r"(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


class Bad(Exception):
    pass


def parse_labels(text, pos):
    """Labels from behind '{' to behind '}'."""
    labels = {}
    while text[pos] != "}":
        m = LABEL.match(text, pos)
        if not m:
            raise Bad("label name at column %d" % pos)
        name, pos = m.group(), m.end()
        if name in labels:
            raise Bad("label %s twice" % name)
        if text[pos:pos + 2] != '="':
            raise Bad('expected =" at column %d' % pos)
        pos += 2
        value = ""
        while text[pos] != '"':
            if text[pos] == "\\":
                value += {"\\": "\\", '"': '"', "n": "\n"}[text[pos + 1]]
                pos += 2
            else:
                value += text[pos]
                pos += 1
        labels[name] = value
        pos += 1
        if text[pos] == ",":
            pos += 1
        elif text[pos] != "}":
            raise Bad("expected , or } at column %d" % pos)
    return labels, pos + 1


def parse_sample(text):
    m = NAME.match(text)
    if not m:
        raise Bad("no metric name")
    labels, pos = {}, m.end()
    if text[pos] == "{":
        labels, pos = parse_labels(text, pos + 1)
    if text[pos] != " " or not VALUE.match(text[pos + 1:]):
        raise Bad("value %r" % text[pos:])
    return m.group(), labels, float(text[pos + 1:])


def family_of(name, types):
    if name in types and types[name] in ("counter", "gauge"):
        return name
    for family, kind in types.items():
        if kind in SUFFIXES and name in [family + s for s in SUFFIXES[kind]]:
            return family
    raise Bad("sample %s of a family without TYPE" % name)


def check_histogram(family, samples):
    series = {}
    for name, labels, value in samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        entry = series.setdefault(key, {"buckets": []})
        if name.endswith("_bucket"):
            entry["buckets"].append((float(labels["le"]), value))
        else:
            entry[name[len(family):]] = value
    for key, entry in series.items():
        bounds = [b for b, _ in entry["buckets"]]
        counts = [c for _, c in entry["buckets"]]
        if bounds != sorted(set(bounds)) or bounds[-1] != float("inf"):
            raise Bad("%s%s: bounds not rising to +Inf" % (family, key))
        if counts != sorted(counts):
            raise Bad("%s%s: buckets not cumulative" % (family, key))
        if entry.get("_count") != counts[-1] or "_sum" not in entry:
            raise Bad("%s%s: _count is not the +Inf bucket, or _sum missing" % (family, key))


def check(text):
    if not text.endswith("\n"):
        raise Bad("the last line has no line feed")
    types, helps, samples, order = {}, set(), {}, []
    seen = set()
    for number, line in enumerate(text[:-1].split("\n"), 1):
        try:
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                if name in helps:
                    raise Bad("second HELP of %s" % name)
                helps.add(name)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                if name in types or kind not in ("counter", "gauge", "histogram", "summary"):
                    raise Bad("TYPE %s of %s" % (kind, name))
                if kind == "counter" and not name.endswith("_total"):
                    raise Bad("counter %s does not end in _total" % name)
                if kind != "counter" and name.endswith("_total"):
                    raise Bad("%s %s ends in _total" % (kind, name))
                types[name] = kind
            elif line.startswith("#") or not line:
                raise Bad("comment or empty line")
            else:
                name, labels, value = parse_sample(line)
                family = family_of(name, types)
                if family not in helps:
                    raise Bad("no HELP")
                if order and order[-1] != family and family in order:
                    raise Bad("family %s is in two places" % family)
                order.append(family)
                key = (name, tuple(sorted(labels.items())))
                if key in seen:
                    raise Bad("the same sample twice")
                seen.add(key)
                if types[family] == "counter" and not value >= 0:
                    raise Bad("negative counter")
                samples.setdefault(family, []).append((name, labels, value))
        except (Bad, KeyError, IndexError, ValueError) as e:
            raise Bad("line %d: %s: %s" % (number, line, e))
    for family, kind in types.items():
        if kind == "histogram":
            check_histogram(family, samples.get(family, []))
    return {(n, tuple(sorted(l.items()))): v for f in samples.values() for n, l, v in f}


def main():
    with open(sys.argv[1], "rb") as f:
        found = check(f.read().decode("utf-8"))
    for wanted in sys.argv[2:]:
        name, labels, value = parse_sample(" ".join(wanted.rsplit("=", 1)))
        key = (name, tuple(sorted(labels.items())))
        if found.get(key) != value:
            raise Bad("%s is %s" % (wanted, found.get(key)))
    print("%d samples" % len(found))


if __name__ == "__main__":
    try:
        main()
    except (Bad, UnicodeDecodeError) as e:
        print("prometheus_check: %s" % e, file=sys.stderr)
        sys.exit(1)

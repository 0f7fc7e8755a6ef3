"""report.py DIR ROUNDS [--json]: the rows of bench/peers/run from what it left in DIR."""

import json
import pathlib
import statistics
import sys

BUDGET = 3  # times the peer


def load(directory, name, rounds):
    return [json.loads((directory / f"{name}-{i}.json").read_text()) for i in range(1, rounds + 1)]


def check_same(ours, peer, name):
    """The same events on both sides, one a price level, trade or quote, or there is nothing to compare."""
    want = {kind: ours["events"][kind] for kind in peer["events"]}
    if (peer["events"], peer["ticks"]) != (want, ours["ticks"]):
        sys.exit(f"{name} had {peer['events']} in {peer['ticks']} messages, tickfuse {want} in {ours['ticks']}")


def spread(seconds, cnt):
    return f"median {cnt / statistics.median(seconds):>11,.0f}  best {cnt / min(seconds):>11,.0f}"


def main(directory, rounds, as_json):
    ours = load(directory, "ours", rounds)
    events = sum(ours[0]["events"][kind] for kind in ("book", "trade", "quote"))
    ticks = ours[0]["ticks"]
    wall = [r["wall_seconds"] for r in ours]
    cpu = [r["cpu_seconds"] for r in ours]
    zipped, bare, plain = ([r["wall_seconds"] for r in load(directory, n, rounds)] for n in ("gzip", "bare", "plain"))
    cpu_of = {n: statistics.median(r["cpu_seconds"] for r in load(directory, n, rounds)) for n in ("gzip", "bare", "plain")}
    rows, best = [], set()
    info = [f"{events} events ({ours[0]['events']['book']} levels, {ours[0]['events']['quote']} quotes, "
            f"{ours[0]['events']['trade']} trades) in {ticks} messages; {rounds} rounds, interleaved",
            "tickfuse replay: a tape, book, 64 features, MLP 64-32-1, decisions to shared memory",
            f"  events/s             {spread(wall, events)}   a CPU second: {events / statistics.median(cpu):,.0f}, best {events / min(cpu):,.0f}",
            f"  from the recording   {spread(zipped, events)}   a CPU second: {events / cpu_of['gzip']:,.0f}; gzip and JSON instead of the tape, not in the rows",
            f"  tape and book alone  {spread(bare, events)}   a CPU second: {events / cpu_of['bare']:,.0f}; not in the rows",
            f"  JSON and book alone  {spread(plain, events)}   a CPU second: {events / cpu_of['plain']:,.0f}; uncompressed, not in the rows"]
    for name in ("hftbacktest", "nautilus"):
        runs = load(directory, name, rounds)
        for run in runs:
            check_same(ours[0], run, name)
            best |= {tuple(v["best"]) for v in run["variants"].values()}
        seconds = {v: [r["variants"][v]["wall_s"] for r in runs] for v in runs[0]["variants"]}
        quickest = min(seconds, key=lambda v: statistics.median(seconds[v]))
        convert_s = json.loads((directory / f"{name}-convert.json").read_text())["convert_s"]
        load_s = statistics.median(r["load_s"] for r in runs)
        info.append(f"{name} {runs[0]['version']}: data converted and in memory, book and counters only, second pass")
        for v, s in seconds.items():
            cpu_s = statistics.median(r["variants"][v]["cpu_s"] for r in runs)
            info.append(f"  {v:<20} {spread(s, events)}   a CPU second: {events / cpu_s:,.0f}")
        if "rows" in runs[0]:
            info.append(f"  counting its own rows instead (two a quote): {runs[0]['rows'] / statistics.median(seconds[quickest]):,.0f} rows/s")
        whole_s = convert_s + load_s + statistics.median(seconds[quickest])
        info.append(f"  not in the rows: conversion {convert_s:.2f} s once, load {load_s:.2f} s; from the recording "
                    f"{events / whole_s:,.0f} events/s, tickfuse {whole_s / statistics.median(zipped):.1f}x that")
        for what, cnt in (("events", events), ("ticks", ticks)):
            mine, theirs = cnt / statistics.median(wall), cnt / statistics.median(seconds[quickest])
            rows.append({"name": f"replay_{what}_vs_{name}", "ours": mine, "unit": "1/s",
                         "peer": f"{name} {runs[0]['version']}, {quickest}", "peer_value": theirs,
                         "ratio": mine / theirs, "budget": BUDGET * theirs, "ok": mine >= BUDGET * theirs})
    if len(best) != 1:
        sys.exit(f"the peers' books end with different best prices: {sorted(best)}")
    print("\n".join(info), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print(f"\n{'name':<30} {'ours':>12} {'peer':>12} {'ratio':>7} {'budget':>12}     unit 1/s, medians")
    for r in rows:
        print(f"{r['name']:<30} {r['ours']:>12,.0f} {r['peer_value']:>12,.0f} {r['ratio']:>6.2f}x {r['budget']:>12,.0f} "
              f"{'ok' if r['ok'] else 'short'}  {r['peer']}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), "--json" in sys.argv[3:])

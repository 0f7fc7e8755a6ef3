#!/usr/bin/env python3
"""What ./dev gpu measured, as results/<card>-<date>.json and rows of GPU.md: gpu_results.py [--into DIR] WORKER TICKS ROWS.json..., the first
ours, the others peers'."""
import argparse
import datetime
import json
import pathlib
import platform
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMI = "driver_version,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,power.draw"
FIGURES = ("round_trip_p50", "round_trip_p99", "round_trip_p99_9", "round_trip_max", "device_p50", "device_max")
HEAD = """# A card's figures

Written by `./dev gpu`, a row a run; how to read them: `docs/gpu.md`. No row: no card was at hand.

| date | card | driver | commit | model | round trip p50 | p99 | p99.9 | max | on the device p50 | max |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def say(command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def state_of(card):
    """What nvidia-smi says of the card, by its PCI address; nothing where there is none."""
    if not shutil.which("nvidia-smi"):
        return {}
    smi = say(["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader,nounits", "-i", card["pci"] or "0"])
    return dict(zip(SMI.split(","), (part.strip() for part in smi.split(","))))


def table_rows(rows):
    """{model: its cells}, peers under their own names, in the order in which they came."""
    values = {row["name"]: row["ours"] for row in rows}
    models = dict.fromkeys(name[:-len("_round_trip_p50")] for name in values if name.endswith("_round_trip_p50"))
    for model in models:
        cells = [values.get(f"{model}_{figure}") for figure in FIGURES]
        yield model.removeprefix("gpu_"), ["" if cell is None else f"{cell / 1000:.2f} us" for cell in cells]
    if "gpu_wide_inferences_per_second" in values:
        yield (f"wide: {values['gpu_wide_inferences_per_second'] / 1e6:.2f} M inferences/s",
               ["", f"{values['gpu_wide_round_p99'] / 1000:.0f} us a round of 4096", "", f"{values['gpu_wide_round_max'] / 1000:.0f} us", "", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=pathlib.Path, default=ROOT / "bench")
    parser.add_argument("worker")
    parser.add_argument("ticks", type=int)
    parser.add_argument("rows", type=pathlib.Path, nargs="+")
    asked = parser.parse_args()
    rows = [row for path in sorted(asked.rows, key=lambda path: path.stem != "ours") for row in json.loads(path.read_text())]
    probe = json.loads(say([asked.worker, "--probe", "--json"]))
    card, today = probe["devices"][0], datetime.date.today().isoformat()
    state, commit = state_of(card), say(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    result = {"date": today, "commit": commit, "ticks": asked.ticks, "host": {"cpu": cpu[1] if cpu else "", "kernel": platform.release()},
              "cuda": probe["runtime"], "driver_cuda": probe["driver"], "state": state, "device": card, "rows": rows}
    target = asked.into / "results" / f"{re.sub('[^a-z0-9]+', '-', card['name'].lower()).strip('-')}-{today}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")

    table = asked.into / "GPU.md"
    text = table.read_text() if table.exists() else HEAD
    for model, cells in table_rows(rows):
        line = f"| {today} | {card['name']} | {state.get('driver_version', '')} | {commit} | {model} | {' | '.join(cells)} |"
        print(line)
        text += line + "\n"
    table.write_text(text)
    print(f"{target} and {table} are written")


if __name__ == "__main__":
    main()

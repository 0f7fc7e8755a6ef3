#!/usr/bin/env python3
"""What ./dev gpu measured, as bench/results/<card>-<date>.json and a row of bench/GPU.md: gpu_results.py ROWS.json WORKER TICKS"""
import datetime
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMI = "driver_version,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,power.draw"
HEAD = """# A card's figures

Written by `./dev gpu`, a row a run; how to read them: `docs/gpu.md`. No row: no card was at hand.

| date | card | driver | commit | model | round trip p50 | p99 | p99.9 | max | on the device p50 | max |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def say(command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main():
    rows, worker, ticks = json.loads(pathlib.Path(sys.argv[1]).read_text()), sys.argv[2], int(sys.argv[3])
    probe = json.loads(say([worker, "--probe", "--json"]))
    card, today = probe["devices"][0], datetime.date.today().isoformat()
    smi = say(["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader,nounits", "-i", "0"]) if shutil.which("nvidia-smi") else ""
    state = dict(zip(SMI.split(","), (part.strip() for part in smi.split(","))))
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = say(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    result = {"date": today, "commit": commit, "ticks": ticks, "host": {"cpu": cpu[1] if cpu else "", "kernel": platform.release()},
              "cuda": probe["runtime"], "driver_cuda": probe["driver"], "state": state, "device": card, "rows": rows}
    target = ROOT / "bench/results" / f"{re.sub('[^a-z0-9]+', '-', card['name'].lower())}-{today}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")

    values = {row["name"]: row["ours"] for row in rows}
    table = ROOT / "bench/GPU.md"
    text = table.read_text() if table.exists() else HEAD
    for model in ("empty", "lstm_a", "lstm_b", "lstm_c"):
        cells = [values.get(f"gpu_{model}_{figure}") for figure in
                 ("round_trip_p50", "round_trip_p99", "round_trip_p99_9", "round_trip_max", "device_p50", "device_max")]
        shown = " | ".join("" if cell is None else f"{cell / 1000:.2f} us" for cell in cells)
        text += f"| {today} | {card['name']} | {state.get('driver_version', '')} | {commit} | {model} | {shown} |\n"
    if "gpu_wide_inferences_per_second" in values:
        text += f"| {today} | {card['name']} | {state.get('driver_version', '')} | {commit} | wide: {values['gpu_wide_inferences_per_second'] / 1e6:.2f} M inferences/s | "
        text += f"| {values['gpu_wide_round_p99'] / 1000:.0f} us a round of 4096 | | {values['gpu_wide_round_max'] / 1000:.0f} us | | |\n"
    table.write_text(text)
    print(f"{target.relative_to(ROOT)} and bench/GPU.md are written")


if __name__ == "__main__":
    main()

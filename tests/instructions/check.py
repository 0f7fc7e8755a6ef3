#!/usr/bin/env python3
"""The instruction-count gate: it only moves down.

Runs each case of the `instructions` program under callgrind and holds instructions an operation against
counts.txt. More than 1 % above: fails. More than 2 % below: fails too, until the lower count is written
down with --update, so that what was won cannot be lost again unnoticed. --update never raises a
count; one that has to rise is edited by hand, in a commit that says why.

  check.py PROGRAM [--update] [CASE...]
"""
import os
import re
import subprocess
import sys
import tempfile

COUNTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counts.txt")
ABOVE, BELOW = 1.01, 0.98


def read_counts():
    with open(COUNTS, encoding="utf-8") as file:
        rows = (line.split() for line in file if line.strip() and not line.startswith("#"))
        return {name: float(count) for name, count in rows}


def write_counts(counts):
    with open(COUNTS, encoding="utf-8") as file:
        head = [line for line in file if line.startswith("#")]
    with open(COUNTS, "w", encoding="utf-8") as file:
        file.writelines(head)
        file.writelines(f"{name:<24} {count:.1f}\n" for name, count in counts.items())


def measure(program, case):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={out}", program, case],
            capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(f"instructions {case}: exit {run.returncode}\n{run.stderr[-3000:]}")
        with open(out, encoding="utf-8") as file:
            total = int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.M).group(1))
        operations = int(run.stdout)
        if total == 0 or operations == 0:
            sys.exit(f"instructions {case}: nothing was counted")
        return total / operations


def main():
    program, options = sys.argv[1], sys.argv[2:]
    update = "--update" in options
    cases = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    wanted = [option for option in options if option != "--update"] or cases
    recorded, failed = read_counts(), False
    if not wanted == cases and not set(wanted) <= set(cases):
        sys.exit(f"known cases: {' '.join(cases)}")
    print(f"{'case':<24} {'recorded':>10} {'now':>10}")
    for case in wanted:
        now, before = measure(program, case), recorded.get(case)
        verdict = "ok"
        if before is None:
            verdict = "new: write it down with --update"
        elif now > before * ABOVE:
            verdict = "MORE than recorded: find out why"
        elif now < before * BELOW:
            verdict = "fewer: write it down with --update"
        print(f"{case:<24} {before or 0:>10.1f} {now:>10.1f}  {verdict}", flush=True)
        if update and (before is None or now < before):
            recorded[case] = now
        elif verdict != "ok":
            failed = True
    if update:
        write_counts({case: recorded[case] for case in cases if case in recorded})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

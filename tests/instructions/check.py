#!/usr/bin/env python3
"""The instruction-count gate: it only moves down.

Runs each case of the `instructions` program under callgrind and holds instructions an operation against
counts.txt. More than 1 % above: fails. More than 2 % below: fails too, until the lower count is written
down with --update, so that what was won cannot be lost again unnoticed. --update never raises a
count; one that has to rise is edited by hand, in a commit that says why.

A program that dumps its counters under a name after each case (indicators.c) is run once for all of them.

  check.py PROGRAM [--update] [CASE...]
  check.py PROGRAM --dumps FILE [--update]       counts in FILE, cases those that the program dumps
"""
import os
import re
import subprocess
import sys
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))
ABOVE, BELOW = 1.01, 0.98


def read_counts(path):
    with open(path, encoding="utf-8") as file:
        rows = (line.split() for line in file if line.strip() and not line.startswith("#"))
        return {name: float(count) for name, count in rows}


def write_counts(path, counts):
    with open(path, encoding="utf-8") as file:
        head = [line for line in file if line.startswith("#")]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(head)
        file.writelines(f"{name:<24} {count:.1f}\n" for name, count in counts.items())


def callgrind(program, folder, *arguments):
    """What the program printed; its counters are in the folder."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={folder}/out", program, *arguments],
        capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"instructions {' '.join(arguments)}: exit {run.returncode}\n{run.stderr[-3000:]}")
    return int(run.stdout)


def total_of(text):
    return int(re.search(r"^(?:summary|totals): (\d+)", text, re.M).group(1))


def measure(program, case):
    with tempfile.TemporaryDirectory() as folder:
        operations = callgrind(program, folder, case)
        with open(os.path.join(folder, "out"), encoding="utf-8") as file:
            total = total_of(file.read())
        if total == 0 or operations == 0:
            sys.exit(f"instructions {case}: nothing was counted")
        return total / operations


def measure_dumps(program):
    """{case: count} of the dumps of one run."""
    with tempfile.TemporaryDirectory() as folder:
        operations, counts = callgrind(program, folder), {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            case = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.M)
            if case:
                counts[case.group(1)] = total_of(text) / operations
        if not counts or min(counts.values()) <= 0:
            sys.exit(f"instructions {program}: nothing was counted")
        return dict(sorted(counts.items()))


def main():
    program, options = sys.argv[1], sys.argv[2:]
    update = "--update" in options
    wanted = [option for option in options if option != "--update"]
    if wanted[:1] == ["--dumps"]:
        path, measured = os.path.join(FOLDER, wanted[1]), measure_dumps(program)
        cases = wanted = list(measured)
    else:
        path, measured = os.path.join(FOLDER, "counts.txt"), {}
        cases = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
        wanted = wanted or cases
    recorded, failed = read_counts(path), False
    if not set(wanted) <= set(cases):
        sys.exit(f"known cases: {' '.join(cases)}")
    print(f"{'case':<24} {'recorded':>10} {'now':>10}")
    for case in wanted:
        now, before = measured.get(case) or measure(program, case), recorded.get(case)
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
        write_counts(path, {case: recorded[case] for case in cases if case in recorded})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

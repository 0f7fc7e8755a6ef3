#!/usr/bin/python3
"""Model families as their own exporters wrote them (tools/make_model_families.py), against the answers of the library that they were
made in, computed there in double: `model import`, `model run` on each instruction set, `model verify`. Usage:
oracle_families.py PATH_OF_MODEL_COMMAND FOLDER [NAME...]"""
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}; Debian's python3-numpy is needed")
    sys.exit(77)

ERROR_MAX = 5e-6  # of the greater of 1 and the answer; trees sum floats that the library sums as doubles
# Products below fp32, likewise: what was found, and half as much again. The answers of these small models are of magnitude 1.
BELOW_FP32 = {"bf16": 0.05, "fp16": 0.002, "int8": 0.06}
NO_MODELS_MIN = 41  # files that the folder holds at least


def command(binary, *arguments):
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)


def run(binary, target, folder, shape, *options):
    """What went wrong (None: this CPU has no such instruction set), and the answers."""
    done = command(binary, "run", target, "--input", folder / "x.npy", "--out", folder / "y.npy", *options)
    if "this CPU has no" in done.stderr:
        return None, None
    return done.stderr if done.returncode else "", None if done.returncode else np.load(folder / "y.npy").reshape(shape)


def below_fp32(binary, target, folder, want):
    """Each precision on the narrowest instruction set and the widest."""
    failures = []
    for precision, bound in BELOW_FP32.items():
        options = ("--precision", precision, "--error-max", "1000")
        told, narrow = run(binary, target, folder, want.shape, *options, "--isa", "scalar")
        also_told, wide = run(binary, target, folder, want.shape, *options)
        if told or also_told:
            return [f"{precision}: {told}{also_told}"]
        error = (np.abs(wide - want) / np.maximum(1.0, np.abs(want))).max()
        print(f"  {precision}: {error:.2g}")
        if not error <= bound:
            failures.append(f"{precision}: off by {error:.2g}")
        if precision != "bf16" and narrow.tobytes() != wide.tobytes():
            failures.append(f"{precision}: instruction sets differ in bits")
        if not np.abs(narrow - wide).max() <= 1e-5:
            failures.append(f"{precision}: instruction sets are {np.abs(narrow - wide).max():.2g} apart")
    return failures


def check(binary, source, folder):
    case = np.load(source.with_name(re.sub(r"_dynamo$|_[12][0-9]$", "", source.stem) + ".npz"))
    x, want, target = case["x"], case["y"], folder / f"{source.stem}.safetensors"
    features = ",".join(f"f{i}" for i in range(int(case["columns"])))
    done = command(binary, "import", source, "--features", features, "--out", target)
    if done.returncode:
        return [f"import: {done.stderr}"], 0.0
    np.save(folder / "x.npy", x if int(case["window"]) > 1 else x[:, 0])
    failures, worst, answers = [], 0.0, []
    for isa in ("scalar", "avx2", "avx512"):
        told, answer = run(binary, target, folder, want.shape, "--isa", isa)
        if told is None:
            continue
        if told:
            return [f"run: {told}"], worst
        answers.append(answer)
        error = (np.abs(answers[-1] - want) / np.maximum(1.0, np.abs(want))).max()
        worst = max(worst, error)
        if not error <= ERROR_MAX:
            failures.append(f"{isa}: off by {error:.2g}")
    if int(case["window"]) > 1:
        # the same windows row by row, one behind the other: the answers that end where one of them ends
        np.save(folder / "rows.npy", x.reshape(-1, int(case["columns"])))
        done = command(binary, "run", target, "--input", folder / "rows.npy", "--out", folder / "y.npy")
        if done.returncode:
            return [f"run, row by row: {done.stderr}"], worst
        if np.load(folder / "y.npy")[:: int(case["window"])].tobytes() != answers[-1].tobytes():
            failures.append("row by row the bits are others")
    if any(a.tobytes() != answers[0].tobytes() for a in answers):
        failures.append("instruction sets differ in bits")
    # a process each takes its time under sanitizers, and both exporters' files hold one model
    done = None if source.stem.endswith("_dynamo") else command(binary, "verify", target)
    if done and done.returncode:
        failures.append(f"verify: {done.stderr}")
    if done:
        failures += below_fp32(binary, target, folder, want)
    return failures, worst


def main():
    binary, models = sys.argv[1], pathlib.Path(sys.argv[2])
    names = sys.argv[3:] or sorted(p.stem for p in models.glob("*.onnx"))
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            failures, worst = check(binary, models / f"{name}.onnx", pathlib.Path(folder))
            print(f"{name}: {'; '.join(failures) if failures else f'within {worst:.1g}'}")
            bad += bool(failures)
    if not sys.argv[3:] and len(names) < NO_MODELS_MIN:
        print(f"{len(names)} models in {models}, {NO_MODELS_MIN} are wanted")
        bad += 1
    sys.exit(1 if bad else 0)


main()

#!/usr/bin/env python3
"""What each GPU kernel takes of a card, as nvcc's assembler says it: into docs/gpu.md, between its two marks.

    tools/gpu_table.py            writes the table
    tools/gpu_table.py --check    exit 1 where it is not what this nvcc says, 77 where there is no such nvcc
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOC = ROOT / "docs/gpu.md"
BEGIN, END = "<!-- kernels: written by tools/gpu_table.py -->", "<!-- kernels: end -->"
ARCHS = ["sm_80", "sm_90", "sm_100"]
SKIPPED = 77


def find_nvcc():
    places = [os.environ.get(name, "") + "/bin/nvcc" for name in ("CUDA_HOME", "CUDA_PATH")]
    return next((p for p in [*places, shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"] if p and os.access(p, os.X_OK)), None)


def sources():
    rows = (ROOT / "kernels/gpu/kernels.def").read_text()
    return [ROOT / f"kernels/gpu/{name}.cu" for name in re.findall(r"^K\(([a-z0-9_]+), ", rows, re.M)]


def compile_verbose(nvcc, source, arch):
    with tempfile.TemporaryDirectory() as out:
        run = subprocess.run(
            [nvcc, "-std=c++17", "-O3", "-fmad=false", "-lineinfo", f"-arch={arch}", "-Xptxas", "-v", "-cubin",
             *(f"-I{ROOT / folder}" for folder in ("include", "engine", "kernels")), str(source), "-o", f"{out}/k.cubin"],
            capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{source}: {run.stderr}")
    return run.stderr


def entries(text):
    """(kernel, registers, static shared bytes, stack bytes, spill bytes) of each entry function, in order."""
    pattern = re.compile(
        r"Compiling entry function '(?P<name>\w+)' for.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
        r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers(?P<rest>[^\n]*)", re.S)
    for m in pattern.finditer(text):
        shared = re.search(r"(\d+) bytes smem", m["rest"])
        yield m["name"], int(m["registers"]), int(shared[1]) if shared else 0, int(m["stack"]), int(m["stores"]) + int(m["loads"])


def table(nvcc):
    version = re.search(r"release ([\d.]+), V([\d.]+)", subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout)
    lines = [f"nvcc {version[2]}, `-O3 -fmad=false -Xptxas -v`. Registers a thread; shared memory is dynamic, and a model's own (`--probe --model`).", "",
             "| kernel | " + " | ".join(f"{a}: registers | stack | spilled bytes" for a in ARCHS) + " | p50, measured | p99, measured |",
             "|---" * (3 * len(ARCHS) + 3) + "|"]
    found = {}
    for source in sources():
        for arch in ARCHS:
            for name, registers, _, stack, spilled in entries(compile_verbose(nvcc, source, arch)):
                found.setdefault(name, {})[arch] = (registers, stack, spilled)
    for name in sorted(found):
        cells = [str(cell) for arch in ARCHS for cell in found[name].get(arch, ("", "", ""))]
        lines.append(f"| {name} | " + " | ".join(cells) + " | | |")
    return version[2], "\n".join(lines)


def main():
    nvcc = find_nvcc()
    if not nvcc:
        print("there is no nvcc")
        return SKIPPED
    version, fresh = table(nvcc)
    text = DOC.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    if "--check" in sys.argv[1:]:
        if f"nvcc {version}," not in old:
            print(f"the table in docs/gpu.md is not nvcc {version}'s")
            return SKIPPED
        print("fresh" if old.strip() == fresh else "docs/gpu.md: the kernels' table is not fresh: tools/gpu_table.py writes it")
        return 0 if old.strip() == fresh else 1
    DOC.write_text(f"{before}{BEGIN}\n{fresh}\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Every include in include, engine, kernels and adapters obeys tools/layers.txt."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
allowed, problems = {}, []
for number, line in enumerate((root / "tools/layers.txt").read_text().splitlines(), 1):
    if line.startswith("#") or not line.strip():
        continue
    name, below = (part.strip() for part in line.split(":"))
    for other in below.split():
        if other not in allowed:
            problems.append(f"tools/layers.txt:{number}: {name} names {other}, which is not above it")
    allowed[name] = set(below.split()) | {name, "include/tf"}

sources = {".c", ".h", ".cpp", ".cu", ".cuh"}
# What kernels stand on where nvcc is not is no layer: one file may include it.
stand_in = {"kernels/gpu/device.cuh": "cuda_on_cpu/cuda_on_cpu.h"}
include = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
for path in sorted(p for top in ("include", "engine", "kernels", "adapters") for p in (root / top).rglob("*")
                   if p.suffix in sources):
    layer = str(path.parent.relative_to(root))
    if layer not in allowed:
        problems.append(f"{path.relative_to(root)}: directory {layer} has no line in tools/layers.txt")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = include.match(line)
        if not match:
            continue
        target = match.group(1)
        if target.startswith("tf/") or target == stand_in.get(str(path.relative_to(root))):
            continue
        owner = next((str(p.relative_to(root)) for top in ("engine", "kernels", "adapters")
                      for p in [(root / top / target).parent] if (root / top / target).exists()), None)
        if owner is None:
            if "/" not in target or target.endswith((".def", ".pb-c.h")):
                continue  # a .def of its own folder, or a generated header
            problems.append(f"{path.relative_to(root)}:{number}: \"{target}\" is no file of this tree")
        elif owner not in allowed[layer]:
            problems.append(f"{path.relative_to(root)}:{number}: {layer} may not include {owner} (tools/layers.txt)")
print("\n".join(problems) or "layers: ok")
sys.exit(1 if problems else 0)

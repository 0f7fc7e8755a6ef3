#!/usr/bin/env python3
"""Memory orders are named in include/tf/atomic.h only, and each use says why it is enough."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
problems = []
raw = re.compile(r"__ATOMIC_|__atomic_|\bmemory_order_|_Atomic\b|stdatomic\.h")
paired = re.compile(r"\btf_(load_acquire|store_release|exchange_both|swap_both)\w*\(")
relaxed = re.compile(r"\btf_(load|store)_relaxed\w*\(")
fence = re.compile(r"\btf_fence_(acquire|release)\(")
sources = {".c", ".h", ".cpp", ".cu", ".cuh"}
for path in sorted(p for top in ("include", "engine", "kernels", "adapters", "tools") for p in (root / top).rglob("*")
                   if p.suffix in sources):
    name = str(path.relative_to(root))
    if name == "include/tf/atomic.h":
        continue
    lines = path.read_text().splitlines()
    for i, line in enumerate(lines):
        # The reason stands on the line, or in the comment right above the statement.
        near = "\n".join(lines[max(0, i - 3):i + 2])
        if raw.search(line) and not line.lstrip().startswith(("*", "/*")):
            problems.append(f"{name}:{i + 1}: memory orders belong in include/tf/atomic.h")
        if paired.search(line) and "pairs with" not in near:
            problems.append(f"{name}:{i + 1}: acquire or release without \"pairs with: <function>\"")
        if relaxed.search(line) and "relaxed:" not in near:
            problems.append(f"{name}:{i + 1}: relaxed access without \"relaxed: <why enough>\"")
        if fence.search(line) and name != "include/tf/bcast.h":
            problems.append(f"{name}:{i + 1}: stand-alone fences are for include/tf/bcast.h only")
print("\n".join(problems) or "memory orders: ok")
sys.exit(1 if problems else 0)

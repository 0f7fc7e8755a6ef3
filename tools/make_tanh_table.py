#!/usr/bin/python3
"""Writes kernels/op/tanh_table.h: 32 cubics in r for tanh((n + r) / 4), r in -1/2 .. 1/2, each fitted to the least
greatest error by interpolation at Chebyshev nodes, improved by Lawson's iteration. The first has no even terms, so
that tanh(0) is 0 and small arguments keep their digits.

Usage: /usr/bin/python3 tools/make_tanh_table.py > kernels/op/tanh_table.h
"""
import numpy as np

SEGMENTS, WIDTH, POINTS = 32, 0.25, 4001


def fit(n):
    if n == 0:
        r = np.linspace(1e-4, 0.5, POINTS)
        powers = np.stack([r, r**3], axis=1)
    else:
        r = np.linspace(-0.5, 0.5, POINTS)
        powers = np.stack([np.ones_like(r), r, r**2, r**3], axis=1)
    want = np.tanh((n + r) * WIDTH)
    weights = np.ones(POINTS)
    best, best_error = None, np.inf
    for _ in range(200):
        root = np.sqrt(weights)[:, None]
        c = np.linalg.lstsq(powers * root, want * root[:, 0], rcond=None)[0]
        error = np.abs(powers @ c - want)
        if error.max() < best_error:
            best, best_error = c, error.max()
        weights = weights * (error + 1e-18)
        weights /= weights.sum()
    return (np.array([0.0, best[0], 0.0, best[1]]) if n == 0 else best), best_error


fits = [fit(n) for n in range(SEGMENTS)]
print("/* Written by tools/make_tanh_table.py. Cubics for tanh((n + r) / 4): c0 + r (c1 + r (c2 + r c3)). Greatest error of a\n"
      f" * fit, before rounding: {max(e for _, e in fits):.2g}. */\n"
      "#ifndef TF_KERNELS_TANH_TABLE_H\n#define TF_KERNELS_TANH_TABLE_H\n\n"
      f"#define TF_TANH_SEGMENTS {SEGMENTS}\n\n/* clang-format off */")
print("static const float tf_tanh_table[4][TF_TANH_SEGMENTS] TF_ALIGNED(64) = {")
for power in range(4):
    print("  {")
    for n in range(0, SEGMENTS, 8):
        print("    " + ", ".join(f"{np.float32(c[power]):.9g}f".replace("0f", "0.0f", 1) if c[power] == 0 else f"{np.float32(c[power]):.9e}f"
                               for c, _ in fits[n:n + 8]) + ",")
    print("  },")
print("};\n/* clang-format on */\n\n#endif")

#!/usr/bin/python3
"""Writes bench/path.onnx and bench/path.features: the 64-32-1 network of the whole-path bench, with
random weights (their values do not change its cost), over the 64 features of bench/path.yaml.

Usage: /usr/bin/python3 tools/make_bench_model.py
Then:  tickfuse model import bench/path.onnx --features-file bench/path.features --out bench/path.safetensors
"""
import pathlib

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
FEATURES = (
    "mid spread spread_bps microprice last imbalance(1) imbalance(5) imbalance(10) imbalance(20) ofi(100ms) ofi(1s) "
    "ofi(10s) trade_imbalance(1s) trade_imbalance(10s) trade_count(1s) trade_count(10s) volume(1s) volume(10s) "
    "vwap(1s) vwap(10s) (microprice-mid)/spread "
    "ema(mid,5) ema(mid,10) ema(mid,20) ema(mid,50) ema(mid,100) ema(mid,200) ema(mid,500) ema(mid,1000) "
    "sma(mid,10) sma(mid,20) sma(mid,50) sma(mid,100) sma(mid,200) sma(mid,500) "
    "zscore(mid,20) zscore(mid,50) zscore(mid,100) zscore(mid,200) zscore(mid,500) "
    "stddev(mid,20) stddev(mid,50) stddev(mid,100) ret(mid,1) ret(mid,5) ret(mid,10) ret(mid,20) ret(mid,50) "
    "ret(mid,100) realized_vol(mid,20) realized_vol(mid,50) realized_vol(mid,100) realized_vol(mid,200) "
    "rsi(mid,14) rsi(mid,50) rsi(s1.close,14) min(mid,100) max(mid,100) delta(mid,10) delta(mid,50) "
    "ema(spread,20) ema(microprice,20) zscore(spread,100) ema(imbalance(5),20)").split()
assert len(FEATURES) == 64, len(FEATURES)

rng = np.random.default_rng(64)
w1 = rng.normal(0, 0.05, (32, 64)).astype(np.float32)
w2 = rng.normal(0, 0.2, (1, 32)).astype(np.float32)
scale = np.full(64, 1e-3, np.float32)  # prices of 60,000 must not saturate tanh
graph = helper.make_graph(
    [helper.make_node("Mul", ["x", "scale"], ["s"]),
     helper.make_node("Gemm", ["s", "w1", "b1"], ["h"], transB=1), helper.make_node("Relu", ["h"], ["r"]),
     helper.make_node("Gemm", ["r", "w2", "b2"], ["o"], transB=1), helper.make_node("Tanh", ["o"], ["score"])],
    "path", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
    [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
    [numpy_helper.from_array(a, n) for a, n in
     ((scale, "scale"), (w1, "w1"), (np.zeros(32, np.float32), "b1"), (w2, "w2"), (np.zeros(1, np.float32), "b2"))])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tickfuse")
model.ir_version = 7
checker.check_model(model)
(BENCH / "path.onnx").write_bytes(model.SerializeToString())
(BENCH / "path.features").write_text("\n".join(FEATURES) + "\n")
(BENCH / "path.yaml").write_text(
    "# The whole-path bench (B6, B7): 64 features, an MLP 64-32-1, one strategy, shared memory.\n"
    "# Written by tools/make_bench_model.py.\n"
    "engine: {lanes: [{cpu: 0, stages: all}], idle: spin, instruments_max: 4, latency_sample: 64}\n"
    "bars: {s1: 1s}\nfeatures:\n" + "".join(f'  - "{f}"\n' for f in FEATURES) +
    "models: [{name: path, file: bench/path.safetensors}]\n"
    'strategies: [{name: s, model: path, buy: "score > 0.6 and spread_bps < 2", sell: "score < -0.6", cooldown: 250ms}]\n'
    "sinks: [{type: shm, path: bench-path, policy: overrun}]\n")

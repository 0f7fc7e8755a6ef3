"""Texts a second of one thread's CPU time, one ONNX encoder: ours (bench_text) and ONNX Runtime in turn, rounds of each; medians and spread.

    bench/peer_text_ort.py BENCH_TEXT FILE.onnx FILE.safetensors [--precision P] [--lengths 16,32,64] [--rounds 5]

Tokens are made before the peer's clock runs; ours turns the text into tokens within its time.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

import numpy
import onnxruntime


def peer_of(path, length):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    row = numpy.arange(length, dtype=numpy.int64)[None, :] % 90 + 40
    return session, {"input_ids": row, "attention_mask": row * 0 + 1, "token_type_ids": row * 0}


def times(session, inputs, seconds):
    found, end = [], time.thread_time() + seconds
    while time.thread_time() < end:
        begin = time.thread_time()
        session.run(None, inputs)
        found.append(time.thread_time() - begin)
    return found


def main():
    args = argparse.ArgumentParser()
    args.add_argument("bench"), args.add_argument("onnx"), args.add_argument("model")
    args.add_argument("--precision", default="auto"), args.add_argument("--lengths", default="16,32,64")
    args.add_argument("--rounds", type=int, default=5)
    args = args.parse_args()
    lengths = [int(n) for n in args.lengths.split(",")]
    peers = {n: peer_of(args.onnx, n) for n in lengths}
    ours, theirs = {n: [] for n in lengths}, {n: [] for n in lengths}
    env = dict(os.environ, TF_BENCH_TEXT_MODEL=args.model, TF_BENCH_TEXT_PRECISION=args.precision)
    for _ in range(args.rounds):
        done = subprocess.run([args.bench, "--json"], env=env, capture_output=True, text=True, check=True)
        for row in json.loads(done.stdout):
            if row["unit"] == "texts/s":
                ours[int(row["name"].split("_")[2])].append(row["ours"])
        for n in lengths:
            theirs[n].append(1 / statistics.median(times(*peers[n], 0.5)))
    for n in lengths:
        a, b = statistics.median(ours[n]), statistics.median(theirs[n])
        print(f"{n:4} tokens: ours {a:8.1f} texts/s ({min(ours[n]):.1f} .. {max(ours[n]):.1f}), ONNX Runtime {onnxruntime.__version__} "
              f"{b:8.1f} ({min(theirs[n]):.1f} .. {max(theirs[n]):.1f}), {a / b:.2f} times as many")


main()

#!/usr/bin/python3
"""`tickfuse model ...` as a user meets it: exit codes, words, JSON keys. The standard library only.
Usage: test_cli_model.py PATH_OF_MODEL_COMMAND, from the repository's root."""
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

COMMAND = sys.argv[1]
EXAMPLE = "models/example-mlp.safetensors"
ONNX = "models/example-mlp.onnx"
LSTM = "models/example-lstm.safetensors"
failures = []


def run(*arguments):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60)


def expect(what, condition, done=None):
    if not condition:
        failures.append(what + (f": exit {done.returncode}: {done.stderr or done.stdout}" if done else ""))


def refused(code, says, *arguments):
    done = run(*arguments)
    expect(" ".join(arguments), done.returncode == code and says in done.stderr and not done.stdout,
           done)


def npy(path, rows, width, values, kind="<f4"):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    header = header.ljust(117) + "\n"
    data = struct.pack(f"<{len(values)}{'f' if kind == '<f4' else 'd'}", *values)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def usage():
    refused(2, "usage: tickfuse model")
    refused(2, "\"imprt\" is no command", "imprt")
    refused(2, "which file?", "inspect")
    refused(2, "not \"b\" too", "inspect", "a", "b")
    refused(2, "takes no --out", "inspect", EXAMPLE, "--out", "x")
    refused(2, "unknown or ambiguous option --frobnicate", "inspect", EXAMPLE, "--frobnicate")
    refused(2, "--isa needs a value", "inspect", EXAMPLE, "--isa")
    refused(2, "none of scalar, avx2, avx512", "inspect", EXAMPLE, "--isa", "mmx")
    refused(2, "--out FILE.safetensors is missing", "import", ONNX)
    refused(2, "one of --features", "import", ONNX, "--out", "x")
    refused(2, "one of --features", "import", ONNX, "--out", "x", "--features", "a",
            "--features-file", "b")
    refused(2, "parentheses", "import", ONNX, "--out", "x", "--features", "ema(mid")
    refused(2, "--input X.npy is missing", "run", EXAMPLE, "--out", "y")
    refused(2, "--out Y.npy is missing", "run", EXAMPLE, "--input", "x")
    refused(2, "not both", "bench", EXAMPLE, "--shape", "mlp")
    refused(2, "none of mlp, lstm_a, lstm_b, lstm_c", "bench", "--shape", "lstm_d")
    for seconds in ("0", "-1", "nan", "inf", "1e9", "1s", ""):
        refused(2, "not a number above 0", "bench", EXAMPLE, "--seconds", seconds)
    for command in ((), ("import",), ("inspect",), ("run",), ("bench",), ("verify",)):
        done = run(*command, "--help")
        expect(f"{command} --help", done.returncode == 0 and "usage: tickfuse model" in done.stdout,
               done)


def bad_files(folder):
    refused(1, "E_FILE_OPEN", "inspect", str(folder / "none"))
    refused(1, "not a regular file", "verify", str(folder))
    refused(3, "E_MODEL_FORMAT", "inspect", ONNX)
    good = pathlib.Path(EXAMPLE).read_bytes()
    spoiled = folder / "spoiled.safetensors"
    spoiled.write_bytes(good[:-1])
    refused(3, "E_MODEL_FORMAT", "verify", str(spoiled))
    spoiled.write_bytes(good + b"\0")
    refused(3, "bytes follow", "verify", str(spoiled))
    spoiled.write_bytes(good[:-4 * 8] + struct.pack("<f", 3.0) + good[-4 * 7:])
    refused(3, "E_MODEL_CHECK", "verify", str(spoiled))
    spoiled.write_bytes(good[:-4] + struct.pack("<f", math.nan))
    refused(3, "7.gemm.bias: element 0 is NaN", "verify", str(spoiled))
    spoiled.write_bytes(pathlib.Path(ONNX).read_bytes()[:100])
    refused(3, "no ONNX file", "import", str(spoiled), "--features", "a", "--out", str(folder / "o"))
    refused(3, "12 values, 2 features were given", "import", ONNX, "--features", "mid,ema(mid,20)",
            "--out", str(folder / "o"))
    refused(3, "model name", "import", ONNX, "--features-file", "models/example-mlp.features", "--name",
            "a b", "--out", str(folder / "o"))
    refused(1, "E_FILE_WRITE", "import", ONNX, "--features-file", "models/example-mlp.features",
            "--out", str(folder / "no" / "o"))
    expect("a refused import writes nothing", not list(folder.glob("o*")))


def import_and_inspect(folder):
    out = folder / "example.safetensors"
    done = run("import", ONNX, "--features-file", "models/example-mlp.features", "--out", str(out),
               "--json")
    expect("import", done.returncode == 0 and json.loads(done.stdout)["params"] == 985, done)
    expect("import gives the committed bytes",
           out.read_bytes() == pathlib.Path(EXAMPLE).read_bytes())
    done = run("inspect", EXAMPLE, "--json")
    told = json.loads(done.stdout)
    expect("inspect --json", told["inputs"] == 12 and told["outputs"] == 1 and
           told["features"][11] == "trade_count(1s)" and told["precision"] == "fp32" and
           told["hash"] == int.from_bytes(bytes.fromhex(told["sha256"])[:4], "little"), done)
    done = run("inspect", EXAMPLE)
    expect("inspect", all(word in done.stdout for word in
                          ("realized_vol(mid,100)", "gemm 12->32 +bias +relu", told["sha256"])), done)
    done = run("verify", EXAMPLE, "--json")
    expect("verify", done.returncode == 0 and json.loads(done.stdout)["ok"] is True, done)


def rows(folder):
    x, y = folder / "x.npy", folder / "y.npy"
    calm = [1.0, 0, 0, 0, 0, 0, 0, 50.0, 0, 0, 0, 20.0]
    bid, ask = list(calm), list(calm)
    bid[1], ask[1] = 0.8, -0.8
    broken = list(calm)
    broken[3] = math.nan
    npy(x, 4, 12, calm + bid + ask + broken, "<f8")
    done = run("run", EXAMPLE, "--input", str(x), "--out", str(y), "--json")
    expect("run", done.returncode == 0 and json.loads(done.stdout)["nan_rows"] == 1, done)
    neutral, up, down, nan = struct.unpack("<4f", y.read_bytes()[-16:])
    expect(f"scores make sense: {neutral} {up} {down} {nan}",
           abs(neutral) < 0.05 and up > 0.2 and down < -0.2 and math.isnan(nan))
    npy(x, 2, 11, [0.0] * 22)
    refused(3, "is [2, 11], model example-mlp takes [n, 12]", "run", EXAMPLE, "--input", str(x),
            "--out", str(y))
    refused(1, "E_FILE_OPEN", "run", EXAMPLE, "--input", str(folder / "none"), "--out", str(y))
    refused(3, "not a .npy file", "run", EXAMPLE, "--input", EXAMPLE, "--out", str(y))


def bench():
    done = run("bench", EXAMPLE, "--seconds", "0.05", "--json")
    told = json.loads(done.stdout)
    expect("bench --json", 0 < told["p50_ns"] <= told["p99_ns"] <= told["p99_9_ns"] <= told["max_ns"]
           and told["ticks_per_second"] > 1000 and told["error_max"] < 1e-5 and
           told["params"] == 985, done)
    done = run("bench", "--shape", "mlp", "--seconds", "0.05", "--isa", "scalar")
    expect("bench --shape", done.returncode == 0 and "295808 parameters" in done.stdout, done)


def profile(folder):
    """Each step's time and share, and what a graph was made of."""
    net = str(folder / "net.safetensors")
    done = run("import", "tests/golden/models/transformer_dynamo.onnx", "--features", "a,b,c,d,e,f,g", "--out", net)
    expect("import of a net", done.returncode == 0, done)
    for what, arguments, steps in (("a chain", [EXAMPLE], 6), ("a window", [LSTM], 5), ("a net", [net], 10)):
        done = run("bench", *arguments, "--seconds", "0.05", "--profile", "--json")
        told = json.loads(done.stdout)["profile"] if done.returncode == 0 else []
        shares = [sum(s["share"] for s in told if s["deferred"] == late) for late in (False, True)]
        expect(f"--profile of {what}", len(told) >= steps and abs(shares[0] - 1.0) < 0.01 and shares[1] < 1.01
               and all(s["ns"] >= 0 and s["bytes"] > 0 and s["flops"] >= 0 for s in told), done)
        late = [s["step"] for s in told if s["deferred"]]
        expect(f"what is deferred of {what}", bool(late) == (what != "a chain") and
               (what != "a net" or len(late) > 2 and any("histories move on" in s for s in late)), late)
        expect(f"--profile of {what} in words", "GFLOP/s" in run("bench", *arguments, "--seconds", "0.05", "--profile").stdout, done)
    done = run("inspect", net)
    expect("inspect of a net", done.returncode == 0 and " + " in done.stdout and "values share" in done.stdout and " @" in done.stdout, done)


def main():
    usage()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bad_files(folder)
        import_and_inspect(folder)
        rows(folder)
        profile(folder)
    bench()
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


main()

#!/usr/bin/env python3
"""Writes the models of B8 (docs: bench/peers/README.md): NAME.onnx, and NAME.npz with rows and the answers in double (x, y,
window, columns), made by the library that the weights come from. Seeded: a second run writes the same.
Usage: make_bench_models.py FOLDER [NAME,...]. Needs torch and onnx; gbt also lightgbm and onnxmltools. Not for CI.

  lstm_a, lstm_b, lstm_c  the shapes of B8: timesteps x features, layers x units, one output from the last row
  mlp                     256-384-384-128, its first output taken (an answer has one value or a multiple of three)
  tcn                     64 rows of 32, four causal blocks of 64 channels, dilations 1 to 8
  patchtst, tft           the families of make_model_families.py, 64 and 32 wide
  gbt                     LightGBM, 1,000 trees of 63 leaves on 32 features"""
import pathlib
import sys

import numpy as np
import onnx
import torch
from torch import nn

import make_model_families as families

LSTM = {"lstm_a": (50, 100, 2, 100), "lstm_b": (100, 250, 3, 200), "lstm_c": (100, 500, 4, 1000)}
ROWS = {"lstm_b": 400, "lstm_c": 20}  # answers in double; of the others 1,000
GBT_TREES, GBT_LEAVES, GBT_FEATURES = 1000, 63, 32


class Lstm(nn.Module):
    def __init__(self, rows, columns, layers, units):
        super().__init__()
        self.dims = (1, rows, columns)
        self.lstm, self.head = nn.LSTM(columns, units, layers, batch_first=True), nn.Linear(units, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Mlp(nn.Module):
    dims = (1, 256)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(256, 384), nn.Linear(384, 384), nn.Linear(384, 128)
        first = torch.zeros(128, 1)
        first[0] = 1.0
        self.register_buffer("first", first)

    def forward(self, x):
        return torch.tanh(self.c(torch.relu(self.b(torch.relu(self.a(x)))))) @ self.first


class Tcn(nn.Module):
    dims = (1, 64, 32)

    def __init__(self, width=64):
        super().__init__()
        blocks = [families.TcnBlock(32 if i == 0 else width, width, 3, 1 << i) for i in range(4)]
        self.net, self.head = nn.Sequential(*blocks), nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.net(x.transpose(1, 2))[:, :, -1])


MODULES = {**{name: (lambda shape=shape: Lstm(*shape)) for name, shape in LSTM.items()}, "mlp": Mlp, "tcn": Tcn,
           "patchtst": lambda: families.PatchTst(width=64), "tft": lambda: families.Tft(width=32, heads=4)}
NAMES = [*MODULES, "gbt"]


def module(name):
    """The same weights each time."""
    torch.manual_seed(7)
    made = MODULES[name]().eval()
    families.settle(made)
    return made


def rows(name, dims):
    return np.random.default_rng(11).normal(0, 1, (ROWS.get(name, 1000), *dims)).astype(np.float32)


def save(folder, name, model, x, y):
    window, columns = (1, x.shape[1]) if x.ndim == 2 else x.shape[1:]
    (folder / f"{name}.onnx").write_bytes(model)
    np.savez(folder / f"{name}.npz", x=x.reshape(len(x), window, columns), y=np.asarray(y, np.float64), window=window, columns=columns)
    print(f"{name}: {len(model)} bytes, window {window} of {columns}, {len(x)} answers", flush=True)


def make_torch(folder, name):
    made = module(name)
    x = rows(name, made.dims[1:])
    # TorchScript's form for recurrent layers, which it writes as one op; torch.export's where only that one can
    model = families.export(made, (torch.from_numpy(x[:1]),), name == "patchtst", False)
    with torch.no_grad():
        wide = module(name).double()
        y = np.concatenate([wide(torch.from_numpy(part).double()).numpy() for part in np.array_split(x, max(1, len(x) // 20))])
    save(folder, name, model, x, y)


def make_trees(folder):
    import lightgbm
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType
    random = np.random.default_rng(7)
    x = random.normal(0, 1, (40000, GBT_FEATURES)).astype(np.float32)
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + (x[:, 3] > 0.3) + x[:, 4:].sum(axis=1) / 8 + random.normal(0, 0.5, len(x))
    model = lightgbm.LGBMRegressor(n_estimators=GBT_TREES, num_leaves=GBT_LEAVES, learning_rate=0.03, verbose=-1, seed=7, n_jobs=2,
                                   deterministic=True, force_row_wise=True).fit(x, y)
    proto = onnxmltools.convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, GBT_FEATURES]))], target_opset=15)
    model.booster_.save_model(str(folder / "gbt.txt"))
    test = rows("gbt", (GBT_FEATURES,))
    save(folder, "gbt", proto.SerializeToString(), test, model.predict(test).reshape(-1, 1))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2].split(",") if len(sys.argv) > 2 else NAMES:
        if name == "gbt":
            make_trees(folder)
        else:
            make_torch(folder, name)


if __name__ == "__main__":
    main()

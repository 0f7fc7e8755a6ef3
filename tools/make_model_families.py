#!/usr/bin/env python3
"""Writes tests/golden/models: a small instance of each model family as its own exporter writes it (.onnx), with rows and the
answers of the library that it was made in (.npz: x, y, window, columns in double). Seeded; run again only to change a family.
Usage: make_model_families.py [FOLDER]. Needs torch, onnx, onnxscript, lightgbm, xgboost and onnxmltools: not for CI, which
reads what this wrote (tests/kernels/model/oracle_families.py).

Weights keep PyTorch's own beginnings; models are in eval mode. y is computed in double from the same float weights, so what
an importer is off by is its own error. A name that ends in _dynamo was written by torch.export, the others by TorchScript."""
import contextlib
import io
import math
import pathlib
import re
import sys
import warnings

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
torch.backends.mha.set_fastpath_enabled(False)  # its one op for a whole layer has no ONNX form
CASES = 12


class Mlp(nn.Module):
    """Layer norm, GELU, SiLU, a residual, batch norm, dropout that eval leaves out."""
    dims = (1, 12)

    def __init__(self):
        super().__init__()
        self.norm, self.inside = nn.LayerNorm(12), nn.BatchNorm1d(24)
        self.a, self.b, self.c = nn.Linear(12, 24), nn.Linear(24, 24), nn.Linear(24, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        x = F.gelu(self.a(self.norm(x)))
        x = x + self.drop(F.silu(self.inside(self.b(x))))
        return torch.tanh(self.c(F.softplus(x)))


class Activations(nn.Module):
    """One of each, and elementwise arithmetic with branches."""
    dims = (1, 10)

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(10, 16), nn.Linear(16, 3)

    def forward(self, x):
        h = self.a(x)
        parts = [F.relu(h), F.leaky_relu(h, 0.1), F.elu(h), torch.sigmoid(h), F.gelu(h, approximate="tanh"), F.silu(h),
                 F.softplus(h), torch.erf(h), torch.where(h > 0.2, h.abs().sqrt(), torch.exp(-h)), h.clamp(-0.5, 0.5).pow(2),
                 F.hardtanh(h), F.hardswish(h), F.mish(h), F.selu(h), torch.log(h.abs() + 1.0), torch.minimum(h, h * h)]
        return self.b(sum(parts) / (1.0 + h.pow(2).mean(dim=-1, keepdim=True)))


class Lstm(nn.Module):
    dims = (1, 20, 8)

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, 14, 2, batch_first=True), nn.Linear(14, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class LstmMean(nn.Module):
    """Both directions, mean over time: not a chain."""
    dims = (1, 16, 6)

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(6, 9, 1, batch_first=True, bidirectional=True), nn.Linear(36, 1)

    def forward(self, x):
        y, (h, _) = self.lstm(x)
        return self.head(torch.cat([y.mean(dim=1), h.transpose(0, 1).flatten(1)], dim=1))


class Gru(nn.Module):
    dims = (1, 18, 7)

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(7, 12, 2, batch_first=True), nn.Linear(12, 3)

    def forward(self, x):
        y, _ = self.gru(x)
        return self.head(y[:, -1] + y.max(dim=1)[0])


class Rnn(nn.Module):
    dims = (1, 15, 5)

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.RNN(5, 11, 2, batch_first=True), nn.Linear(11, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Chomp(nn.Module):
    def __init__(self, cut):
        super().__init__()
        self.cut = cut

    def forward(self, x):
        return x[:, :, :-self.cut]


class TcnBlock(nn.Module):
    """Bai, Kolter and Koltun 2018: two causal dilated convolutions, and a residual."""

    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        cut = (kernel - 1) * dilation
        self.net = nn.Sequential(nn.Conv1d(inputs, outputs, kernel, padding=cut, dilation=dilation), Chomp(cut), nn.ReLU(),
                                 nn.BatchNorm1d(outputs), nn.Conv1d(outputs, outputs, kernel, padding=cut, dilation=dilation),
                                 Chomp(cut), nn.ReLU())
        self.down = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x):
        return F.relu(self.net(x) + (x if self.down is None else self.down(x)))


class Tcn(nn.Module):
    dims = (1, 32, 8)

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(TcnBlock(8, 16, 3, 1), TcnBlock(16, 16, 3, 2), TcnBlock(16, 16, 3, 4))
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        return self.head(self.net(x.transpose(1, 2))[:, :, -1])


class ConvNorm(nn.Module):
    """Channels first as it comes, groups, strides, GroupNorm, InstanceNorm, pooling."""
    dims = (1, 6, 24)
    columns_first = True

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(6, 12, 5, stride=2, padding=2), nn.Conv1d(12, 12, 3, padding=1, groups=4)
        self.group, self.each = nn.GroupNorm(3, 12), nn.InstanceNorm1d(12, affine=True)
        self.head = nn.Linear(12, 1)

    def forward(self, x):
        x = F.elu(self.group(self.a(x)))
        x = F.max_pool1d(self.each(self.b(x)), 2) + F.avg_pool1d(x, 2)
        return self.head(F.adaptive_avg_pool1d(x, 1).flatten(1))


class DeepLob(nn.Module):
    """Zhang, Zohren and Roberts 2019: convolutions over price levels, an inception block, an LSTM."""
    dims = (1, 1, 32, 40)

    def __init__(self):
        super().__init__()
        leaky = lambda: nn.LeakyReLU(0.01)
        self.a = nn.Sequential(nn.Conv2d(1, 6, (1, 2), stride=(1, 2)), leaky(), nn.BatchNorm2d(6), nn.Conv2d(6, 6, (4, 1)), leaky())
        self.b = nn.Sequential(nn.Conv2d(6, 6, (1, 2), stride=(1, 2)), nn.Tanh(), nn.Conv2d(6, 6, (4, 1)), nn.Tanh())
        self.c = nn.Sequential(nn.Conv2d(6, 6, (1, 10)), leaky(), nn.BatchNorm2d(6), nn.Conv2d(6, 6, (4, 1)), leaky())
        self.i1 = nn.Sequential(nn.Conv2d(6, 8, (1, 1), padding="same"), leaky(), nn.Conv2d(8, 8, (3, 1), padding="same"), leaky())
        self.i2 = nn.Sequential(nn.Conv2d(6, 8, (1, 1), padding="same"), leaky(), nn.Conv2d(8, 8, (5, 1), padding="same"), leaky())
        self.i3 = nn.Sequential(nn.MaxPool2d((3, 1), stride=(1, 1), padding=(1, 0)), nn.Conv2d(6, 8, (1, 1), padding="same"), leaky())
        self.lstm, self.head = nn.LSTM(24, 12, batch_first=True), nn.Linear(12, 3)

    def forward(self, x):
        x = self.c(self.b(self.a(x)))
        x = torch.cat((self.i1(x), self.i2(x), self.i3(x)), dim=1)
        x = x.permute(0, 2, 1, 3)
        x = torch.reshape(x, (-1, x.shape[1], x.shape[2]))
        x, _ = self.lstm(x)
        return torch.softmax(self.head(x[:, -1, :]), dim=1)


class Positions(nn.Module):
    def __init__(self, width, length):
        super().__init__()
        at, step = torch.arange(length).unsqueeze(1), torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(1, length, width)
        table[0, :, 0::2], table[0, :, 1::2] = torch.sin(at * step), torch.cos(at * step)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[:, :x.size(1)]


class Transformer(nn.Module):
    """PyTorch's own encoder layers, causal."""
    dims = (1, 16, 7)

    def __init__(self, width=12, heads=2, layers=1):
        super().__init__()
        self.embed, self.positions = nn.Linear(7, width), Positions(width, 16)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(16))
        layer = nn.TransformerEncoderLayer(width, heads, 24, 0.1, activation="gelu", batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False), nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.encoder(self.positions(self.embed(x)), mask=self.mask, is_causal=True)[:, -1])


class PatchTst(nn.Module):
    """Nie et al. 2023: instance normalisation, patches of each channel by itself, a shared encoder, a flat head."""
    dims = (1, 40, 4)
    open_batch = False  # TorchScript unfolds known sizes only

    def __init__(self, width=16, patch=8, stride=4):
        super().__init__()
        self.patch, self.stride = patch, stride
        count = (40 - patch) // stride + 2
        self.pad = nn.ReplicationPad1d((0, stride))
        self.embed, self.positions = nn.Linear(patch, width), nn.Parameter(torch.randn(count, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 2, 32, 0.1, activation="gelu", batch_first=True, norm_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(count * width, 3)

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        scale = torch.sqrt(torch.var(x, dim=1, keepdim=True, unbiased=False) + 1e-5)
        z = self.pad(((x - mean) / scale).transpose(1, 2)).unfold(-1, self.patch, self.stride)
        batch, channels = z.shape[0], z.shape[1]
        z = self.embed(z).reshape(batch * channels, z.shape[2], -1) + self.positions
        z = self.encoder(z).reshape(batch, channels, -1)
        return (self.head(z) * scale.transpose(1, 2) + mean.transpose(1, 2))[:, 0]


class Grn(nn.Module):
    """Gated residual network of Lim et al. 2021."""

    def __init__(self, inputs, hidden, outputs, context=None):
        super().__init__()
        self.skip = nn.Linear(inputs, outputs) if inputs != outputs else nn.Identity()
        self.a, self.b = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
        self.context = nn.Linear(context, hidden, bias=False) if context else None
        self.gate, self.norm = nn.Linear(hidden, 2 * outputs), nn.LayerNorm(outputs)

    def forward(self, x, context=None):
        h = self.a(x)
        if self.context is not None:
            h = h + self.context(context)
        return self.norm(self.skip(x) + F.glu(self.gate(self.b(F.elu(h))), dim=-1))


class Select(nn.Module):
    """Variable selection."""

    def __init__(self, variables, width, context=None):
        super().__init__()
        self.flat = Grn(variables * width, width, variables, context)
        self.each = nn.ModuleList(Grn(width, width, width) for _ in range(variables))

    def forward(self, parts, context=None):
        weights = torch.softmax(self.flat(torch.cat(parts, dim=-1), context), dim=-1).unsqueeze(-1)
        return (weights * torch.stack([g(p) for g, p in zip(self.each, parts)], dim=-2)).sum(dim=-2)


class Tft(nn.Module):
    """Lim et al. 2021, small: static context from the last row's first two values, variable selection, LSTM encoder, static
    enrichment, interpretable attention (heads share V) with a causal mask, and p10, p50, p90."""
    dims = (1, 12, 5)

    def __init__(self, width=6, heads=2):
        super().__init__()
        self.width, self.heads = width, heads
        self.embeds = nn.ModuleList(nn.Linear(1, width) for _ in range(5))
        self.static = Grn(2, width, width)
        self.contexts = nn.ModuleList(Grn(width, width, width) for _ in range(4))
        self.select, self.lstm = Select(5, width, width), nn.LSTM(width, width, batch_first=True)
        self.gate1, self.norm1 = nn.Linear(width, 2 * width), nn.LayerNorm(width)
        self.enrich = Grn(width, width, width, width)
        self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width // heads)
        self.out, self.gate2, self.norm2 = nn.Linear(width // heads, width), nn.Linear(width, 2 * width), nn.LayerNorm(width)
        self.feed, self.gate3, self.norm3 = Grn(width, width, width), nn.Linear(width, 2 * width), nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        batch, rows, _ = x.shape
        s = self.static(x[:, -1, :2])
        c_select, c_h, c_c, c_enrich = [c(s) for c in self.contexts]
        parts = [e(x[:, :, i:i + 1]) for i, e in enumerate(self.embeds)]
        picked = self.select(parts, c_select.unsqueeze(1).expand(batch, rows, self.width))
        y, _ = self.lstm(picked, (c_h.unsqueeze(0), c_c.unsqueeze(0)))
        y = self.norm1(picked + F.glu(self.gate1(y), dim=-1))
        e = self.enrich(y, c_enrich.unsqueeze(1).expand(batch, rows, self.width))
        split = lambda t: t.view(batch, rows, self.heads, -1).transpose(1, 2)
        scores = split(self.q(e)) @ split(self.k(e)).transpose(-2, -1) / math.sqrt(self.width // self.heads)
        mask = torch.triu(torch.ones(rows, rows, dtype=torch.bool), diagonal=1)
        a = torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1) @ self.v(e).unsqueeze(1)
        a = self.norm2(e + F.glu(self.gate2(self.out(a.mean(dim=1))), dim=-1))
        return self.head(self.norm3(y + F.glu(self.gate3(self.feed(a)), dim=-1))[:, -1])


class NBeats(nn.Module):
    """Oreshkin et al. 2020: trend, seasonal and generic blocks; the forecast's last step."""
    dims = (1, 24)
    columns = 1

    def __init__(self, length=24, ahead=6, hidden=20):
        super().__init__()
        self.length, self.ahead = length, ahead
        stack = lambda theta: nn.Sequential(nn.Linear(length, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
                                            nn.Linear(hidden, theta))
        self.trend, self.season, self.generic = stack(6), stack(8), stack(length + ahead)
        back, front = torch.arange(length) / length, torch.arange(ahead) / ahead
        power = lambda t: torch.stack([t ** i for i in range(3)])
        waves = lambda t: torch.cat([torch.stack([f(2 * math.pi * i * t) for i in range(1, 3)]) for f in (torch.cos, torch.sin)])
        for name, table in (("tb", power(back)), ("tf", power(front)), ("sb", waves(back)), ("sf", waves(front))):
            self.register_buffer(name, table)

    def forward(self, x):
        theta = self.trend(x)
        x, y = x - theta[:, :3] @ self.tb, theta[:, 3:] @ self.tf
        theta = self.season(x)
        x, y = x - theta[:, :4] @ self.sb, y + theta[:, 4:] @ self.sf
        theta = self.generic(x)
        return (y + torch.split(theta, [self.length, self.ahead], dim=1)[1])[:, -1:]


class TwoTower(nn.Module):
    """Two inputs, an embedding each, the cosine between them."""
    dims = ((1, 10), (1, 6))

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 8))
        self.b = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 8))

    def forward(self, x, z):
        return (F.normalize(self.a(x), dim=-1) * F.normalize(self.b(z), dim=-1)).sum(-1, keepdim=True)


class Sets(nn.Module):
    """What changed its form from operator set to set: axes and splits as attributes and as inputs, clip, pads, norms, softmax, GELU."""
    dims = (1, 8, 6)
    SCRIPTED, EXPORTED = range(11, 18), range(18, 22)  # by the older exporter, and by the newer one

    def __init__(self):
        super().__init__()
        self.conv, self.inside, self.group = nn.Conv1d(6, 8, 3), nn.BatchNorm1d(8), nn.GroupNorm(2, 8)
        self.norm, self.a, self.b = nn.LayerNorm(8), nn.Linear(8, 12), nn.Linear(6, 2)

    def forward(self, x):
        h = self.group(self.inside(self.conv(F.pad(x.transpose(1, 2), (2, 0)))))
        h = F.max_pool1d(F.gelu(h), 2).transpose(1, 2)
        left, right = torch.split(self.a(self.norm(h)), 6, dim=-1)
        h = torch.softmax(left.clamp(-1.0, 1.0), dim=1) * right.unsqueeze(1).squeeze(1)
        return self.b(h.sum(dim=1) + h.mean(dim=1) - h.min(dim=1)[0])


FAMILIES = {"mlp": Mlp, "activations": Activations, "lstm": Lstm, "lstm_both": LstmMean, "gru": Gru, "rnn": Rnn, "tcn": Tcn,
            "conv_norm": ConvNorm, "deeplob": DeepLob, "transformer": Transformer, "patchtst": PatchTst, "tft": Tft,
            "nbeats": NBeats, "two_tower": TwoTower}


def settle(module):
    """Running statistics that are not 0 and 1, as training leaves them."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2.0)


def npz_of(name):
    """Both exporters' files of a model, and those of each operator set, share its rows and answers."""
    return re.sub(r"_dynamo$|_[12][0-9]$", "", name)


def save(folder, name, model_bytes, rows, answers, window, columns):
    (folder / f"{name}.onnx").write_bytes(model_bytes)
    cases = max(2, min(CASES, 3000 // (window * columns)))  # files stay small
    rows, answers = rows[:cases], answers[:cases]
    np.savez_compressed(folder / f"{npz_of(name)}.npz", x=rows.astype(np.float32), y=np.asarray(answers, np.float64),
                        window=window, columns=columns)
    print(f"{name}: {len(model_bytes)} bytes, window {window} of {columns}, ops "
          f"{' '.join(sorted({n.op_type for n in onnx.load_from_string(model_bytes).graph.node}))}")


def export(module, inputs, dynamo, open_batch, opset=None):
    names = [f"x{i}" for i in range(len(inputs))]
    if dynamo:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            program = torch.onnx.export(module, inputs, dynamo=True, opset_version=opset or 18, input_names=names, output_names=["y"])
        model = program.model_proto
    else:
        target = io.BytesIO()
        torch.onnx.export(module, inputs, target, dynamo=False, opset_version=opset or 17, input_names=names, output_names=["y"],
                          dynamic_axes={n: {0: "batch"} for n in names} if open_batch else None)
        model = onnx.load_from_string(target.getvalue())
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    return model.SerializeToString()


def make_torch(folder, name, family):
    torch.manual_seed(7)
    module = family().eval()
    settle(module)
    dims = family.dims if isinstance(family.dims[0], tuple) else (family.dims,)
    xs = [torch.randn(CASES, *d[1:]) for d in dims]
    with torch.no_grad():
        wide = family()
        wide.load_state_dict(module.state_dict())
        answers = wide.double().eval()(*[x.double() for x in xs]).numpy()
        flat = [x.numpy().reshape(CASES, -1) for x in xs]
        window, columns = 1, sum(d[-1] for d in dims)
        rows = np.concatenate(flat, axis=1)
        if len(dims[0]) > 2:
            window, columns = dims[0][-2], dims[0][-1]
        if getattr(family, "columns_first", False):
            window, columns = columns, window
            rows = xs[0].numpy().transpose(0, 2, 1)
        if hasattr(family, "columns"):
            window, columns = columns, family.columns
        rows = rows.reshape(CASES, window, columns)
        for dynamo in (False, True):
            try:
                model = export(module, tuple(x[:1] for x in xs), dynamo, getattr(family, "open_batch", True))
            except Exception as error:  # an exporter's own limits: told, and the other one's file stands
                print(f"{name} {'dynamo' if dynamo else 'TorchScript'}: not exported: {str(error).splitlines()[0][:150]}")
                continue
            save(folder, name + ("_dynamo" if dynamo else ""), model, rows, answers, window, columns)


def make_sets(folder):
    """One model in each operator set."""
    torch.manual_seed(7)
    module = Sets().eval()
    settle(module)
    x = torch.randn(CASES, *Sets.dims[1:])
    wide = Sets()
    wide.load_state_dict(module.state_dict())
    with torch.no_grad():
        answers = wide.double().eval()(x.double()).numpy()
        for opset in [*Sets.SCRIPTED, *Sets.EXPORTED]:
            model = export(module, (x[:1],), opset in Sets.EXPORTED, True, opset)
            found = {s.domain: s.version for s in onnx.load_from_string(model).opset_import}[""]
            if found != opset:
                raise SystemExit(f"operator set {found} was written, {opset} was asked for")
            save(folder, f"sets_{opset}", model, x.numpy(), answers, Sets.dims[1], Sets.dims[2])


def make_trees(folder):
    import lightgbm
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    random = np.random.default_rng(7)
    x = random.normal(0, 1, (600, 8)).astype(np.float32)
    y = np.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2] + (x[:, 3] > 0.3)
    test = random.normal(0, 1, (CASES, 8)).astype(np.float32)
    types = [("x", FloatTensorType([None, 8]))]
    model = lightgbm.LGBMRegressor(n_estimators=25, num_leaves=12, verbose=-1, seed=7).fit(x, y)
    proto = onnxmltools.convert_lightgbm(model, initial_types=types, target_opset=15)
    save(folder, "lightgbm", proto.SerializeToString(), test[:, None], model.predict(test).reshape(-1, 1), 1, 8)
    model = xgboost.XGBRegressor(n_estimators=25, max_depth=4, random_state=7).fit(x, y)
    proto = onnxmltools.convert_xgboost(model, initial_types=types, target_opset=15)
    save(folder, "xgboost", proto.SerializeToString(), test[:, None], model.predict(test).reshape(-1, 1), 1, 8)
    label = (y > 0.5).astype(int) + (y > 1.5)
    model = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=8, verbose=-1, seed=7).fit(x, label)
    proto = onnxmltools.convert_lightgbm(model, initial_types=types, target_opset=15, zipmap=False)
    save(folder, "lightgbm_classes", proto.SerializeToString(), test[:, None], model.predict_proba(test), 1, 8)
    model = xgboost.XGBClassifier(n_estimators=10, max_depth=3, random_state=7).fit(x, (y > 0.5).astype(int))
    proto = onnxmltools.convert_xgboost(model, initial_types=types, target_opset=15)
    save(folder, "xgboost_two_classes", proto.SerializeToString(), test[:, None], model.predict_proba(test)[:, 1:], 1, 8)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "tests/golden/models")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2].split(",") if len(sys.argv) > 2 else [*FAMILIES, "sets", "trees"]
    for name, family in FAMILIES.items():
        if name in wanted:
            make_torch(folder, name, family)
    if "sets" in wanted:
        make_sets(folder)
    if "trees" in wanted:
        make_trees(folder)


if __name__ == "__main__":
    main()

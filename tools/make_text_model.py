#!/usr/bin/env python3
"""Makes a small classifier of news for tests and examples: a Transformer encoder in BERT's shape over WordPiece tokens, with mean
pooling under a mask, its embedding and a head of three labels. Wants torch and onnx; what it writes is kept in the tree.

    tools/make_text_model.py tests/data/text             writes news.onnx and vocab.txt there
    tools/make_text_model.py DIR --size 6,384,12,1536 --vocab 30522 --embedding 253    a larger one with random weights, for bench
"""
import argparse
import pathlib
import random

import torch
from torch import nn

GOOD = "beats surges approved record wins growth upgrade rally profit partnership launches gains strong raises".split()
BAD = "hacked lawsuit halts fraud misses outage bankrupt downgrade cuts loss probe plunges weak delays".split()
PLAIN = ("the a of on in to for with and by bitcoin ether exchange bank fed company shares price market report said new after "
         "before quarter guidance trading token network today investors regulator court").split()
LABELS = ("negative", "neutral", "positive")


class Layer(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x, hidden):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5) + hidden
        mixed = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(x.shape)
        x = self.norm_1(x + self.o(mixed))
        return self.norm_2(x + self.down(nn.functional.gelu(self.up(x))))


class News(nn.Module):
    def __init__(self, vocab, layers, width, heads, inner, embedding):
        super().__init__()
        self.words, self.places, self.types = nn.Embedding(vocab, width), nn.Embedding(512, width), nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))
        self.head = nn.Linear(width, len(LABELS))
        self.embedding = min(width, embedding)

    def parts(self, input_ids, attention_mask, token_type_ids):
        mask = attention_mask.to(torch.float32)
        hidden = ((1.0 - mask) * torch.finfo(torch.float32).min)[:, None, None, :]
        x = self.words(input_ids) + self.places.weight[:input_ids.shape[1]] + self.types(token_type_ids)
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, hidden)
        weights = mask[:, :, None]
        pooled = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return self.head(pooled), pooled

    def forward(self, input_ids, attention_mask, token_type_ids):
        logits, pooled = self.parts(input_ids, attention_mask, token_type_ids)
        return torch.cat((torch.softmax(logits, -1), pooled[:, :self.embedding]), -1)


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = sorted(set(GOOD + BAD + PLAIN) - set(letters))
    return (["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + list(letters) + ["##" + c for c in letters] + list(".,!?:;'\"$%()-") + words)


def example(rng, vocab):
    label = rng.randrange(3)
    words = [rng.choice(PLAIN) for _ in range(rng.randrange(2, 10))]
    for _ in range(rng.randrange(1, 3) if label != 1 else 0):
        words.insert(rng.randrange(len(words) + 1), rng.choice(BAD if label == 0 else GOOD))
    noise = [w for w in vocab if len(w.strip("#")) == 1]
    for _ in range(rng.randrange(4)):
        words.insert(rng.randrange(len(words) + 1), rng.choice(noise))
    return label, [vocab["[CLS]"], *(vocab[w] for w in words), vocab["[SEP]"]]


def train(model, vocab, steps):
    rng = random.Random(7)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(steps):
        rows = [example(rng, vocab) for _ in range(64)]
        length = max(len(ids) for _, ids in rows)
        ids = torch.tensor([i + [0] * (length - len(i)) for _, i in rows])
        mask = torch.tensor([[1] * len(i) + [0] * (length - len(i)) for _, i in rows])
        logits, _ = model.parts(ids, mask, torch.zeros_like(ids))
        loss = nn.functional.cross_entropy(logits, torch.tensor([label for label, _ in rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"loss {loss.item():.4f}")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("out", type=pathlib.Path)
    args.add_argument("--size", default="2,32,2,64")
    args.add_argument("--vocab", type=int)
    args.add_argument("--embedding", type=int, default=253)
    args.add_argument("--steps", type=int, default=400)
    args = args.parse_args()
    torch.manual_seed(7)
    words = vocabulary()
    words += [f"word{i}" for i in range((args.vocab or 0) - len(words))]
    model = News(len(words), *(int(n) for n in args.size.split(",")), args.embedding)
    if not args.vocab:
        train(model, {w: i for i, w in enumerate(words)}, args.steps)
    model.eval()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "vocab.txt").write_text("\n".join(words) + "\n")
    row = torch.ones(1, 16, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(model, (row, row, row * 0), str(args.out / "news.onnx"), input_names=names, output_names=["answer"],
                      dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names}, opset_version=18, dynamo=False)


main()

#!/usr/bin/env python3
"""PyTorch CUDA graphs, one shape, one row of the batch: a window from pinned memory, the LSTM and its head in fp16, the result back. What
./dev gpu compares with; Python's part of the time is in it, once a replay. Exit 77 where there is no torch or no card."""
import sys

from peer_gpu_shapes import SHAPES, arguments, rows_of, show

try:
    import torch
except ImportError:
    print("skipped: no torch", file=sys.stderr)
    sys.exit(77)


class Net(torch.nn.Module):
    def __init__(self, inputs, layers, units):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, units, layers, batch_first=True)
        self.head = torch.nn.Linear(units, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def graph_of(net, host, result):
    """Copies and kernels, captured once; returns the replay."""
    window, side = host.to("cuda"), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            net(window)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        window.copy_(host, non_blocking=True)
        result.copy_(net(window), non_blocking=True)

    def tick():
        graph.replay()
        torch.cuda.synchronize()
        return result.item()
    return tick


@torch.no_grad()
def main():
    asked = arguments(__doc__)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("skipped: torch sees no card", file=sys.stderr)
        return 77
    on_card, rows = asked.device == "cuda", []
    torch.manual_seed(1)
    for model in asked.models.split(","):
        window, inputs, layers, units = SHAPES[model]
        kind = torch.float16 if on_card else torch.float32
        net = Net(inputs, layers, units).to(asked.device, kind).eval()
        host = torch.randn(1, window, inputs, dtype=kind, pin_memory=on_card)
        result = torch.empty(1, 1, dtype=kind, pin_memory=on_card)
        tick = graph_of(net, host, result) if on_card else lambda: net(host).item()
        rows += rows_of("torch_graph" if on_card else "torch_cpu", model, tick, asked.ticks, asked.warm)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

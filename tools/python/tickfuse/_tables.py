"""Tapes and feature rows, whole."""
import ctypes
import os
import subprocess
import tempfile
from typing import Iterator, List, NamedTuple, Optional, Sequence

import numpy as np

from . import _library
from ._dtypes import EVENT
from ._library import Error, TapeInfo

_PIECE = 1 << 16


class Tape(NamedTuple):
    """is_whole: nothing is missing of what was written; else lost_bytes could not be read."""
    events: np.ndarray
    instruments: List[str]
    events_hash: int
    is_whole: bool
    lost_bytes: int


class _Reader:
    def __init__(self, path: str):
        self.library = _library.load()
        error = ctypes.create_string_buffer(_library.ERROR_BYTES)
        self.handle = self.library.tf_client_tape_open(os.fsencode(path), error, len(error))
        if not self.handle:
            raise Error(error.value.decode(errors="replace"))

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.library.tf_client_tape_close(self.handle)

    def info(self) -> TapeInfo:
        info = TapeInfo()
        self.library.tf_client_tape_info(self.handle, info)
        return info

    def read(self, events: np.ndarray) -> int:
        return self.library.tf_client_tape_read(self.handle, events.ctypes.data, len(events))


def load_tape(path: str) -> Tape:
    """All events of a tape as one structured array (dtype EVENT), in its order."""
    with _Reader(path) as reader:
        events = np.empty(reader.info().event_cnt, EVENT)
        cnt = 0
        while cnt < len(events):
            got = reader.read(events[cnt:cnt + _PIECE])
            if got == 0:
                break
            cnt += got
        info = reader.info()
        names = [reader.library.tf_client_tape_instrument_name(reader.handle, i) for i in range(info.instrument_cnt)]
        return Tape(events[:cnt], [name.decode(errors="replace") for name in names], info.events_hash,
                    bool(info.is_whole), info.lost_bytes)


def iterate_tape(path: str, cap: int = _PIECE) -> Iterator[np.ndarray]:
    """The same piece by piece, in memory of one piece; each is the caller's."""
    with _Reader(path) as reader:
        while True:
            events = np.empty(cap, EVENT)
            cnt = reader.read(events)
            if cnt == 0:
                return
            yield events[:cnt]


def load_features(path: str) -> np.ndarray:
    """The rows that `tickfuse features eval --out X.npy` wrote: ts_recv_ns, ingest_seq, instrument, and a column a
    feature, NaN where it had no value."""
    rows = np.load(path, allow_pickle=False)
    if not rows.dtype.names or rows.dtype.names[:3] != ("ts_recv_ns", "ingest_seq", "instrument"):
        raise Error(f"{path}: no feature rows: ts_recv_ns, ingest_seq and instrument are their first columns")
    return rows


def evaluate_features(config: str, inputs: Sequence[str], *, nan: Optional[str] = None, program: str = "tickfuse",
                      arguments: Sequence[str] = ()) -> np.ndarray:
    """Runs `tickfuse features eval` on recordings ("binance-usdm:FILE") and returns its rows. nan: "drop" or "fill"."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "rows.npy")
        command = [program, "features", "eval", config, "--out", out, *arguments]
        for item in inputs:
            command += ["--input", item]
        if nan is not None:
            command += ["--nan", nan]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Error(done.stderr.strip() or f"{program} ended with {done.returncode}")
        return load_features(out)

"""A source of records, live or recorded, through one handle. One thread a client."""
import ctypes
import os
from typing import Callable, Iterator, List, NamedTuple, Optional, Union

import numpy as np

from . import _library
from ._dtypes import DECISION, EVENT, Carries, feature_record
from ._library import CountsStruct, Error, MessageStruct, Options

NEXT = 2**64 - 1
OLDEST = 0

_IDLE, _RECORD, _LOST, _HEARTBEAT, _UP, _DOWN, _END = range(7)
_FOLLOW, _OPEN_LATER, _NO_RECONNECT = 1, 2, 4
# A wait is cut into pieces, so that Ctrl-C is heard between them.
_SLICE_NS = 200_000_000
_DEFAULT_CAP = 4096


class Record(NamedTuple):
    seq: int
    record: np.void


class Lost(NamedTuple):
    """Sequences first to last, both included, will not come. cnt: 0 where it cannot be known."""
    first: int
    last: int
    reason: str
    cnt: int


class Heartbeat(NamedTuple):
    next_seq: int


class Up(NamedTuple):
    """restarted: the sequence begins anew."""
    next_seq: int
    epoch: int
    restarted: bool


class Down(NamedTuple):
    """No connection, or no sign of life: do not act on what is old."""
    reason: str
    text: str


class End(NamedTuple):
    reason: str
    text: str


Message = Union[Record, Lost, Heartbeat, Up, Down, End]


class Batch(NamedTuple):
    """records came before events; either may be empty."""
    records: np.ndarray
    events: List[Message]


class Counts(NamedTuple):
    records: int
    lost: int
    losses: int
    doubles: int
    heartbeats: int
    ups: int
    downs: int
    bytes: int


class LostError(Error):
    def __init__(self, lost: Lost):
        super().__init__(f"{lost.first} to {lost.last}: {lost.reason}")
        self.lost = lost


def open(url: str, *, resume_from: int = NEXT, follow: bool = False, open_later: bool = False, reconnect: bool = True,
         timeout: float = 5.0, silent: float = 0.0, carries: Carries = Carries.DECISIONS,
         token_file: Optional[str] = None, ca_file: Optional[str] = None, key_file: Optional[str] = None) -> "Client":
    """A client of shm:NAME, unix:/PATH, tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT/PATH, wss://... or
    journal:FILE. resume_from: the first sequence not seen yet, NEXT or OLDEST. Raises Error."""
    return Client(url, resume_from=resume_from, follow=follow, open_later=open_later, reconnect=reconnect,
                  timeout=timeout, silent=silent, carries=carries, token_file=token_file, ca_file=ca_file,
                  key_file=key_file)


def _path(path: Optional[str]) -> Optional[bytes]:
    return None if path is None else os.fsencode(path)


class Client:
    def __init__(self, url: str, *, resume_from: int, follow: bool, open_later: bool, reconnect: bool, timeout: float,
                 silent: float, carries: Carries, token_file: Optional[str], ca_file: Optional[str],
                 key_file: Optional[str]):
        self._handle: Optional[int] = None
        self._library = _library.load()
        self._carries = Carries(carries)
        self._message = MessageStruct()
        self._ended = False
        flags = _FOLLOW * follow | _OPEN_LATER * open_later | _NO_RECONNECT * (not reconnect)
        if not 0 <= resume_from <= NEXT:
            raise Error(f"resume_from is {resume_from}: 0 to 2**64 - 1 are allowed")
        options = Options(ctypes.sizeof(Options), resume_from, int(timeout * 1e9), int(silent * 1e9), flags,
                          self._carries, _path(token_file), _path(ca_file), _path(key_file))
        error = ctypes.create_string_buffer(_library.ERROR_BYTES)
        self._handle = self._library.tf_client_open(url.encode(), options, error, len(error))
        if not self._handle:
            raise Error(error.value.decode(errors="replace"))

    def close(self) -> None:
        if self._handle:
            self._library.tf_client_close(self._handle)
        self._handle = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    # ---- reading ----

    def _open_handle(self) -> int:
        if not self._handle:
            raise Error("the client is closed")
        return self._handle

    @property
    def dtype(self) -> np.dtype:
        """Of the records. Of features it is known after the first Up."""
        if self._carries == Carries.DECISIONS:
            return DECISION
        if self._carries != Carries.FEATURES:
            return EVENT
        record_bytes = self._library.tf_client_record_bytes(self._open_handle())
        return feature_record(max(record_bytes - feature_record(0).itemsize, 0) // 8)

    def read(self, cap: int = _DEFAULT_CAP) -> Batch:
        """What is there now, without waiting: up to cap records, and the one event behind them."""
        handle, dtype = self._open_handle(), self.dtype
        records = np.empty(cap, dtype)
        cnt = self._library.tf_client_read(handle, records.ctypes.data, dtype.itemsize, cap, self._message)
        event = None if self._message.kind in (_IDLE, _RECORD) else self._event()
        self._ended |= isinstance(event, End)
        return Batch(records[:cnt], [] if event is None else [event])

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Until there is something to read; False: nothing came in so many seconds."""
        handle, left_ns = self._open_handle(), None if timeout is None else int(timeout * 1e9)
        while True:
            slice_ns = _SLICE_NS if left_ns is None else min(left_ns, _SLICE_NS)
            if self._library.tf_client_wait(handle, slice_ns):
                return True
            if left_ns is not None:
                left_ns -= slice_ns
                if left_ns <= 0:
                    return False

    def batches(self, cap: int = _DEFAULT_CAP, timeout: Optional[float] = None) -> Iterator[Batch]:
        """Batches as they come, until the end of the source, or of patience: timeout seconds with nothing."""
        while not self._ended:
            batch = self.read(cap)
            if len(batch.records) or batch.events:
                yield batch
            elif not self.wait(timeout):
                return

    def __iter__(self) -> Iterator[Message]:
        """Every message, one by one, as they come; the last is End."""
        handle = self._open_handle()
        while not self._ended:
            kind = self._library.tf_client_next(handle, self._message)
            if kind == _RECORD:
                record = ctypes.string_at(self._message.record, self._message.record_bytes)
                yield Record(self._message.seq, np.frombuffer(record, self.dtype)[0])
            elif kind != _IDLE:
                self._ended = kind == _END
                yield self._event()
            else:
                self.wait()

    def records(self, lost: Optional[Callable[[Lost], None]] = None) -> Iterator[np.void]:
        """Records alone. What was lost goes to lost, or is raised as LostError; Up, Down and Heartbeat are passed over."""
        for batch in self.batches():
            yield from batch.records
            for event in batch.events:
                if isinstance(event, Lost):
                    if lost is None:
                        raise LostError(event)
                    lost(event)

    def _event(self) -> Message:
        m, text = self._message, self.error
        reason = self._library.tf_client_reason_text(m.reason).decode()
        if m.kind == _LOST:
            return Lost(m.lost_from, m.lost_to, reason, m.lost_cnt)
        if m.kind == _HEARTBEAT:
            return Heartbeat(m.seq)
        if m.kind == _UP:
            return Up(m.seq, m.epoch, m.reason != 0)
        return Down(reason, text) if m.kind == _DOWN else End(reason, text)

    # ---- what is known ----

    def fileno(self) -> int:
        """For select, poll and asyncio: readable when read may have something. Then read until it is empty."""
        fd = self._library.tf_client_fd(self._open_handle())
        if fd < 0:
            raise Error("a shm stream has no descriptor: it is polled")
        return fd

    @property
    def error(self) -> str:
        return self._library.tf_client_error(self._open_handle()).decode(errors="replace")

    @property
    def counts(self) -> Counts:
        counts = CountsStruct()
        self._library.tf_client_counts(self._open_handle(), counts)
        return Counts(*(getattr(counts, name) for name in Counts._fields))

    def instrument(self, instrument_id: int) -> Optional[str]:
        """"BTCUSDT.BINANCE-SPOT"; None for an id that the source has not named (yet)."""
        name = self._library.tf_client_instrument_name(self._open_handle(), int(instrument_id))
        return None if name is None else name.decode(errors="replace")

    def price_exp(self, instrument_id: int) -> Optional[int]:
        exp = self._library.tf_client_instrument_price_exp(self._open_handle(), int(instrument_id))
        return None if exp == -128 else exp

    def label(self, label: int) -> Optional[str]:
        """What a text's label is called ("positive"); None for one that the source has not named (yet)."""
        name = self._library.tf_client_label(self._open_handle(), int(label))
        return None if name is None else name.decode(errors="replace")

    @property
    def instruments(self) -> List[Optional[str]]:
        return [self.instrument(i) for i in range(self._library.tf_client_instrument_cnt(self._open_handle()))]

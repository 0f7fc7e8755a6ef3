"""The records as NumPy sees them: include/tf/decision.h, event.h and record.h, offset by offset."""
import enum
from typing import Any, Sequence, Union

import numpy as np


class Carries(enum.IntEnum):
    DECISIONS, EVENTS, QUOTES, FEATURES = range(4)


class Action(enum.IntEnum):
    HOLD, BUY, SELL, FLAT = range(4)


class Path(enum.IntEnum):
    """How a decision was made; LATE is a flag beside it: sent later than it was good for."""
    CPU, GPU, FALLBACK, SHADOW, ONNXRUNTIME, KSERVE, CANARY = range(7)
    LATE = 0x80


class HoldReason(enum.IntEnum):
    NONE, RULE, BOOK, COOLDOWN, RATE, CONFLICT, HALTED, WARMING, TRADING, MODEL, SHED = range(11)


class BookState(enum.IntEnum):
    OK, SYNCING, GAP, STALE, CROSSED, NONE = range(6)


class EventKind(enum.IntEnum):
    TRADE, QUOTE, BOOK, TICKER, STATUS, CONTROL, TEXT = range(7)


class Flag(enum.IntFlag):
    """Of events. SIDE is a trade's aggressor and a level's side: set is SELL, ask."""
    LAST, SNAPSHOT, BAD_BOOK, BAD_TS, BACKFILL, SIDE, DERIVED, OUTRUN = (1 << i for i in range(8))


DECISION = np.dtype([
    ("decision_seq", "<u8"), ("ingest_seq", "<u8"), ("ts_event_ns", "<u8"), ("ts_recv_ns", "<u8"), ("ref_price", "<i8"),
    ("instrument_id", "<u4"), ("model_hash", "<u4"), ("score", "<f4"), ("p10", "<f4"), ("p90", "<f4"),
    ("ref_price_exp", "i1"), ("strategy_id", "u1"), ("action", "u1"), ("book_state", "u1"),
    ("ts_decision_ns", "<u8"), ("ts_out_ns", "<u8"), ("expiry_ns", "<u8"), ("epoch", "<u4"), ("confidence", "<f4"),
    ("decode_ns", "<u4"), ("buffer_ns", "<u4"), ("features_ns", "<u4"), ("model_ns", "<u4"), ("decide_ns", "<u4"),
    ("emit_ns", "<u4"), ("path", "u1"), ("hold_reason", "u1"), ("version", "<u2"), ("route", "u1"), ("trading", "u1"),
    ("answer_age_10us", "<u2")])

_EVENT_HEAD = [("ts_event_ns", "<u8"), ("ts_recv_ns", "<u8"), ("ingest_seq", "<u8"), ("instrument_id", "<u4"), ("kind", "u1"),
               ("flags", "u1"), ("price_exp", "i1"), ("qty_exp", "i1")]

# The last 32 bytes are by kind: of_kind gives them their names.
EVENT = np.dtype(_EVENT_HEAD + [(f"word_{i}", "<i8") for i in range(4)])

_EVENT_TAILS = {
    EventKind.TRADE: [("price", "<i8"), ("qty", "<i8"), ("id", "<u8"), ("reserved", "<u8")],
    EventKind.QUOTE: [("bid_price", "<i8"), ("bid_qty", "<i8"), ("ask_price", "<i8"), ("ask_qty", "<i8")],
    EventKind.BOOK: [("price", "<i8"), ("qty", "<i8"), ("venue_seq", "<u8"), ("level_idx", "<u4"), ("level_cnt", "<u4")],
    EventKind.TICKER: [("last_price", "<i8"), ("volume", "<i8"), ("mark_price", "<i8"), ("funding_rate", "<i8")],
    EventKind.STATUS: [("book_state", "<u4"), ("trading", "<u4"), ("apply_from", "<u8"), ("gap_first", "<u8"), ("gap_last", "<u8")],
    EventKind.TEXT: [("id", "<u8"), ("score", "<f4"), ("confidence", "<f4"), ("novelty", "<f4"), ("label", "<u2"), ("miss", "<u2"),
                     ("model_hash", "<u4"), ("source", "<u4")],
}


def of_kind(events: np.ndarray, kind: EventKind) -> np.ndarray:
    """The events of one kind, with that kind's own fields: of_kind(tape.events, EventKind.TRADE)["price"]."""
    tail = _EVENT_TAILS.get(kind)
    chosen = events[events["kind"] == kind]
    return chosen if tail is None else chosen.view(np.dtype(_EVENT_HEAD + tail))


def feature_record(names: Union[int, Sequence[str]]) -> np.dtype:
    """The dtype of a sink that carries features, of so many or of these names."""
    columns = [f"f{i}" for i in range(names)] if isinstance(names, int) else list(names)
    head = [("row_seq", "<u8"), ("ingest_seq", "<u8"), ("ts_recv_ns", "<u8"), ("instrument_id", "<u4"), ("value_cnt", "<u4")]
    return np.dtype(head + [(name, "<f8") for name in columns])


def decimal(mantissa: Any, exponent: Any) -> np.ndarray:
    """mantissa * 10^exponent as a double: the nearest one for mantissas below 2^53 and exponents of -22 to 22. What is
    exact are the integers."""
    mantissa, exponent = np.asarray(mantissa, np.float64), np.asarray(exponent, np.int64)
    power = np.power(10.0, np.abs(exponent).astype(np.float64))
    return np.where(exponent < 0, mantissa / power, mantissa * power)

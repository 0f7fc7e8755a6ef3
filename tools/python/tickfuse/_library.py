"""libtickfuse_client by ctypes: found, checked and declared once. tickfuse_client.h says what each does."""
import ctypes
import ctypes.util
import functools
import os
import pathlib
from typing import Iterator

MAJOR = 1
_NAME = f"libtickfuse_client.so.{MAJOR}"
ERROR_BYTES = 512


class Error(Exception):
    """What the library says that was found, and what is allowed."""


class Options(ctypes.Structure):
    _fields_ = [("struct_bytes", ctypes.c_size_t), ("resume_from", ctypes.c_uint64), ("timeout_ns", ctypes.c_uint64),
                ("silent_ns", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("carries", ctypes.c_uint32),
                ("token_file", ctypes.c_char_p), ("ca_file", ctypes.c_char_p), ("key_file", ctypes.c_char_p)]


class MessageStruct(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("reason", ctypes.c_uint32), ("seq", ctypes.c_uint64),
                ("record", ctypes.c_void_p), ("record_bytes", ctypes.c_uint32), ("carries", ctypes.c_uint32),
                ("epoch", ctypes.c_uint32), ("reserved_0", ctypes.c_uint32), ("lost_from", ctypes.c_uint64),
                ("lost_to", ctypes.c_uint64), ("lost_cnt", ctypes.c_uint64), ("reserved", ctypes.c_uint64 * 8)]


class CountsStruct(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in
                ("records", "lost", "losses", "doubles", "heartbeats", "ups", "downs", "bytes")]
    _fields_ += [("reserved", ctypes.c_uint64 * 8)]


class TapeInfo(ctypes.Structure):
    _fields_ = [("event_cnt", ctypes.c_uint64), ("events_hash", ctypes.c_uint64), ("recv_ns_min", ctypes.c_uint64),
                ("recv_ns_max", ctypes.c_uint64), ("instrument_cnt", ctypes.c_uint32), ("loss_cnt", ctypes.c_uint32),
                ("lost_bytes", ctypes.c_uint64), ("is_whole", ctypes.c_uint32), ("reserved_0", ctypes.c_uint32),
                ("reserved", ctypes.c_uint64 * 8)]


_P, _U32, _U64, _S = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
_MESSAGE = ctypes.POINTER(MessageStruct)
_FUNCTIONS = {
    "version": (_U32, []),
    "open": (_P, [_S, ctypes.POINTER(Options), _S, ctypes.c_size_t]),
    "close": (None, [_P]),
    "next": (ctypes.c_int, [_P, _MESSAGE]),
    "read": (_U32, [_P, _P, _U32, _U32, _MESSAGE]),
    "wait": (ctypes.c_bool, [_P, _U64]),
    "fd": (ctypes.c_int, [_P]),
    "counts": (None, [_P, ctypes.POINTER(CountsStruct)]),
    "error": (_S, [_P]),
    "reason_text": (_S, [_U32]),
    "record_bytes": (_U32, [_P]),
    "instrument_name": (_S, [_P, _U32]),
    "instrument_price_exp": (ctypes.c_int, [_P, _U32]),
    "instrument_cnt": (_U32, [_P]),
    "label": (_S, [_P, _U32]),
    "tape_open": (_P, [_S, _S, ctypes.c_size_t]),
    "tape_close": (None, [_P]),
    "tape_read": (_U32, [_P, _P, _U32]),
    "tape_info": (None, [_P, ctypes.POINTER(TapeInfo)]),
    "tape_instrument_name": (_S, [_P, _U32]),
}


def _candidates() -> Iterator[str]:
    if os.environ.get("TICKFUSE_CLIENT_LIBRARY"):
        yield os.environ["TICKFUSE_CLIENT_LIBRARY"]
        return  # who names one wants that one
    here = pathlib.Path(__file__).resolve().parent
    yield str(here / _NAME)
    for build in ("rel", "dev"):
        yield str(here.parents[2] / "build" / build / _NAME)
    yield _NAME  # the loader's own places


@functools.lru_cache(maxsize=None)
def load() -> ctypes.CDLL:
    tried = []
    for path in _candidates():
        if "/" in path and not os.path.exists(path):
            tried.append(path)
            continue
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            tried.append(str(error))
            continue
        library.tickfuse_path = path
        return _declare(library)
    raise Error(f"{_NAME} is not found; TICKFUSE_CLIENT_LIBRARY may name it. Tried: " + "; ".join(tried))


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, "tf_client_" + name)
        function.restype, function.argtypes = result, arguments
    version = library.tf_client_version()
    if version >> 16 != MAJOR:
        raise Error(f"{library.tickfuse_path} is version {version >> 16}.{version >> 8 & 255}; this package reads {MAJOR}.x")
    return library


def library_path() -> str:
    return load().tickfuse_path


def library_version() -> str:
    version = load().tf_client_version()
    return f"{version >> 16}.{version >> 8 & 255}.{version & 255}"

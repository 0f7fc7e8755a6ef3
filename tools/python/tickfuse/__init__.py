"""What a tickfuse engine gives out, as NumPy arrays: decisions live and from journals, tapes, features."""
from ._client import (NEXT, OLDEST, Batch, Client, Counts, Down, End, Heartbeat, Lost, LostError, Message, Record, Up,
                      open)
from ._dtypes import (DECISION, EVENT, Action, BookState, Carries, EventKind, Flag, HoldReason, Path, decimal,
                      feature_record, of_kind)
from ._library import Error, library_path, library_version
from ._tables import Tape, evaluate_features, iterate_tape, load_features, load_tape

__version__ = "1.0.0"
__all__ = ["DECISION", "EVENT", "NEXT", "OLDEST", "Action", "Batch", "BookState", "Carries", "Client", "Counts", "Down",
           "End", "Error", "EventKind", "Flag", "Heartbeat", "HoldReason", "Lost", "LostError", "Message", "Path",
           "Record", "Tape", "Up", "decimal", "evaluate_features", "feature_record", "iterate_tape", "library_path",
           "library_version", "load_features", "load_tape", "of_kind",
           "open"]

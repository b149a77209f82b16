"""Tags: the present value of every signal (`TagTable`) and the updates in order (`Journal`)."""

from biogate.tags.journal import Cursor, Drained, Journal, JournalBatch
from biogate.tags.table import Snapshot, TagInfo, TagTable, TagValue, is_without_value

__all__ = [
    "Cursor",
    "Drained",
    "Journal",
    "JournalBatch",
    "Snapshot",
    "TagInfo",
    "TagTable",
    "TagValue",
    "is_without_value",
]

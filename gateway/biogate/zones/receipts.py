"""Receipts of commands as messages, and back."""

from __future__ import annotations

from collections.abc import Sequence

from biogate.opcua.ports import OnRecord, Receipt
from biogate.zones.messages import ReceiptOf


def receipt_message(receipts: Sequence[Receipt]) -> ReceiptOf | None:
    """The last of some receipts; None where there is none."""
    if not receipts:
        return None
    last = receipts[-1]
    return ReceiptOf(
        last.number,
        last.hash,
        last.conduit,
        last.batch_id,
        last.reason,
        last.meaning,
        last.second_user,
    )


def tell(on_record: OnRecord | None, message: ReceiptOf | None) -> None:
    """Tell whoever wants to know."""
    if on_record is not None and message is not None:
        on_record(
            Receipt(
                message.number,
                message.hash,
                message.conduit,
                message.batch_id,
                message.reason,
                message.meaning,
                message.second_user,
            )
        )

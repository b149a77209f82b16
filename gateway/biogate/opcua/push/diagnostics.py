"""TransactionDiagnostics: what came of the last transaction (Part 12, 7.10.17 and 7.10.18)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from biogate.opcua.push.desk import GROUPS
from biogate.opcua.push.facts import TRUST_LISTS
from biogate.opcua.push.transaction import Ended, Transactions
from biogate.opcua.stack import StatusCodes, node_id, ua
from biogate_adapters.status import is_bad
from biogate_security.trust_content import Group

_T = ua.VariantType
_OUT_OF_SERVICE = ua.StatusCode(ua.UInt32(StatusCodes.BadOutOfService))
_APPLICATION_GROUP = next(one for one, group in GROUPS.items() if group is Group.APPLICATION)


def diagnostics_values(transactions: Transactions) -> Mapping[str, Callable[[], ua.DataValue]]:
    """Reads of the Variables by name; Bad_OutOfService while there is nothing to tell."""

    def of_last(make: Callable[[Ended], ua.Variant]) -> Callable[[], ua.DataValue]:
        def read() -> ua.DataValue:
            if transactions.current is not None or transactions.last is None:
                return ua.DataValue(StatusCode=_OUT_OF_SERVICE)
            return ua.DataValue(make(transactions.last))

        return read

    def start_time() -> ua.DataValue:
        shown = transactions.current or transactions.last
        if shown is None:
            return ua.DataValue(StatusCode=_OUT_OF_SERVICE)
        return ua.DataValue(ua.Variant(shown.started, _T.DateTime))

    def end_time() -> ua.DataValue:
        if transactions.current is None and transactions.last is not None:
            return ua.DataValue(ua.Variant(transactions.last.ended, _T.DateTime))
        if transactions.current is not None:
            return ua.DataValue(ua.Variant(0, _T.DateTime))
        return ua.DataValue(StatusCode=_OUT_OF_SERVICE)

    return {
        "StartTime": start_time,
        "EndTime": end_time,
        "Result": of_last(lambda last: ua.Variant(_code(last.result), _T.StatusCode)),
        "AffectedTrustLists": of_last(
            lambda last: _node_ids([TRUST_LISTS[group] for group in last.lists])
        ),
        "AffectedCertificateGroups": of_last(
            lambda last: _node_ids([_APPLICATION_GROUP] if last.certificate else [])
        ),
        "Errors": of_last(
            lambda last: ua.Variant(_errors(last), _T.ExtensionObject, is_array=True)
        ),
    }


def _node_ids(identifiers: list[ua.NodeId]) -> ua.Variant:
    return ua.Variant(identifiers, _T.NodeId, is_array=True)


def _code(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))


def _errors(last: Ended) -> list[Any]:
    """The one that ended it, if one did."""
    if not is_bad(last.result):
        return []
    lists = [TRUST_LISTS[group] for group in last.lists]
    target = _APPLICATION_GROUP if last.certificate else next(iter(lists), node_id(0))
    error = ua.TransactionErrorType(
        TargetId=target,
        Error=_code(last.result),
        Message=ua.LocalizedText(cast(Any, last.message or None)),
    )
    return [error]

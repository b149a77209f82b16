"""Declared methods (Part 4, 5.12.2), called by asyncua's client."""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from asyncua import Client, ua

from biogate import Gateway
from biogate.declared.methods import DeclaredMethods
from biogate.opcua.errors import StatusError
from biogate.opcua.space.methods import MethodCall
from biogate.records import Records
from biogate.site import plan_site
from biogate_security.audit import AuditRecord
from biogate_security.audit_store.query import query_log
from biogate_security.policy import Subject
from biogate_security.role_policy import RolePolicy

SKID = """
methods:
  Add:
    inputs: {a: {type: Int32, description: first}, b: {type: Int32}}
    outputs: {sum: {type: Int32, expression: a + b}}
    audited: false
  Describe:
    inputs: {name: {type: String}, mode: {type: Mode}}
    outputs:
      text: {type: String, expression: "name + (' runs' if mode == 1 else ' waits')"}
      long: {type: Boolean, expression: len(name) > 3}
  Ratio:
    inputs: {a: {type: Double}, b: {type: Double}}
    outputs: {ratio: {type: Double, expression: a / b}}
  Divide:
    inputs: {a: {type: Double}, b: {type: Double}}
    outputs: {quotient: {type: Int32}, remainder: {type: Double}}
    function: acme_calculations:divide
  Total:
    inputs: {values: {type: Double, dimensions: [0]}}
    outputs: {total: {type: Double}}
    function: acme_calculations:total
  Thread: {outputs: {name: {type: String}}, function: "acme_calculations:thread_name"}
  Breaks: {function: "acme_calculations:breaks"}
  Wrong: {outputs: {number: {type: Int32}}, function: "acme_calculations:wrong"}
"""

S = ua.StatusCodes
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def call(client: Client, name: str, *arguments: ua.Variant) -> Any:
    owner = client.get_node("ns=2;s=Skid")
    return await owner.call_method(f"2:{name}", *arguments)


def int32(*values: int) -> list[ua.Variant]:
    return [ua.Variant(value, ua.VariantType.Int32) for value in values]


def double(*values: float) -> list[ua.Variant]:
    return [ua.Variant(value, ua.VariantType.Double) for value in values]


async def status_of(client: Client, name: str, *arguments: ua.Variant) -> int:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await call(client, name, *arguments)
    return refused.value.code


async def test_expressions_and_functions_answer_calls(client: Client) -> None:
    assert await call(client, "Add", *int32(2, 3)) == 5
    described = await call(client, "Describe", ua.Variant("BR101"), *int32(1))
    assert described == ["BR101 runs", True]
    assert await call(client, "Divide", *double(7.0, 2.0)) == [3, 1.0]
    assert await call(client, "Total", ua.Variant([1.5, 2.5], ua.VariantType.Double)) == 4.0
    assert await call(client, "Thread") == "MainThread"


async def test_the_arguments_are_declared_with_names_types_and_texts(client: Client) -> None:
    """Part 3, 8.6."""
    inputs = await client.get_node("ns=2;s=Add.InputArguments").read_value()
    assert [(a.Name, a.DataType, a.ValueRank, a.Description.Text) for a in inputs] == [
        ("a", ua.NodeId(ua.ObjectIds.Int32), -1, "first"),
        ("b", ua.NodeId(ua.ObjectIds.Int32), -1, None),
    ]
    (values,) = await client.get_node("ns=2;s=Total.InputArguments").read_value()
    assert (values.ValueRank, values.ArrayDimensions) == (1, [0])
    _, mode = await client.get_node("ns=2;s=Describe.InputArguments").read_value()
    assert mode.DataType == ua.NodeId("Mode", 2)


async def test_a_result_beyond_its_type_or_none_at_all_is_out_of_range(client: Client) -> None:
    assert await status_of(client, "Add", *int32(2**31 - 1, 1)) == S.BadOutOfRange
    assert await status_of(client, "Add", *int32(-(2**31), -1)) == S.BadOutOfRange
    assert await status_of(client, "Ratio", *double(1.0, 0.0)) == S.BadOutOfRange
    assert await status_of(client, "Divide", *double(1.0, 0.0)) == S.BadOutOfRange
    assert await status_of(client, "Divide", *double(1e300, 1.0)) == S.BadOutOfRange


async def test_arguments_that_do_not_fit_never_reach_the_method(client: Client) -> None:
    assert await status_of(client, "Add", *int32(1)) == S.BadArgumentsMissing
    assert await status_of(client, "Add", *int32(1, 2, 3)) == S.BadTooManyArguments
    assert await status_of(client, "Add", *double(1.0, 2.0)) == S.BadInvalidArgument
    assert await status_of(client, "Describe", ua.Variant("x"), *int32(2)) == (S.BadInvalidArgument)


async def test_a_defect_in_a_function_is_an_internal_error_and_a_log_line(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert await status_of(client, "Breaks") == S.BadInternalError
    assert await status_of(client, "Wrong") == S.BadInternalError
    assert await call(client, "Add", *int32(1, 1)) == 2
    assert "RuntimeError: broken" in caplog.text
    assert "number: 'text' is not a whole number" in caplog.text


async def test_a_call_is_on_record_before_and_after_unless_declared_otherwise(
    client: Client, data: Path
) -> None:
    await call(client, "Add", *int32(1, 1))
    await call(client, "Divide", *double(7.0, 2.0))
    await status_of(client, "Divide", *double(1.0, 0.0))
    records = [entry.record for entry in query_log(data) if entry.record]
    calls = [(r.event, r.new, r.outcome) for r in records if r.event.startswith("call")]
    assert calls[-4:] == [
        ("call", "Divide(a=7.0, b=2.0)", S.Good),
        ("call-outcome", "Divide(a=7.0, b=2.0)", S.Good),
        ("call", "Divide(a=1.0, b=0.0)", S.Good),
        ("call-outcome", "Divide(a=1.0, b=0.0)", S.BadOutOfRange),
    ]
    assert not [shown for _, shown, _ in calls if shown.startswith("Add")]


async def test_of_a_call_under_way_at_the_stop_is_recorded_that_nobody_knows(
    serving: Any, tmp_path: Path
) -> None:
    skid = 'methods: {Waits: {function: "acme_calculations:waits"}}'
    async with serving(skid, tmp_path) as gateway:
        client = Client(gateway.endpoint_url)
        await client.connect()
        under_way = asyncio.create_task(call(client, "Waits"))
        await importlib.import_module("acme_calculations").CALLED.wait()
    assert isinstance((await asyncio.gather(under_way, return_exceptions=True))[0], Exception)
    await asyncio.gather(client.disconnect(), return_exceptions=True)
    records = [entry.record for entry in query_log(tmp_path) if entry.record]
    calls = [(r.event, r.outcome) for r in records if r.event.startswith("call")]
    assert calls == [("call", S.Good), ("call-outcome", S.BadShutdown)]


# As for writes: who tried what in vain is on record, too.
async def test_a_refused_call_is_on_record_and_in_the_log(
    serving: Any, site_of: Any, tmp_path: Path, nodeset_cache: Path, caplog: Any
) -> None:
    methods = """
methods:
  Ratio:
    inputs: {a: {type: Double}, b: {type: Double}}
    outputs: {ratio: {type: Double, expression: a / b}}
  Quiet: {outputs: {one: {type: Int32, expression: "1"}}, audited: false}
"""
    site = site_of(methods)
    looking = site.model_copy(update={"opcua": site.opcua.model_copy(update={"anonymous": "read"})})
    async with (
        Gateway(looking, data=tmp_path, nodesets=nodeset_cache) as gateway,
        Client(gateway.endpoint_url) as client,
    ):
        assert await status_of(client, "Ratio", *double(1.0, 2.0)) == S.BadUserAccessDenied
        assert await status_of(client, "Quiet") == S.BadUserAccessDenied
        assert gateway.diagnostics().counters["calls"] == {"refused": 2}
    async with serving(methods, tmp_path) as gateway, Client(gateway.endpoint_url) as client:
        assert await status_of(client, "Ratio", *double(3.0)) == S.BadArgumentsMissing
        assert await status_of(client, "Ratio", *int32(1, 2)) == S.BadInvalidArgument
    assert [r.node for r in caplog.records if r.message == "call refused"] == [
        "ns=2;s=Ratio", "ns=2;s=Quiet"
    ]  # fmt: skip
    records = [entry.record for entry in query_log(tmp_path) if entry.record]
    assert [(r.event, r.new, r.outcome) for r in records if r.event.startswith("call")] == [
        ("call-refused", "Ratio(a=1.0, b=2.0)", S.BadUserAccessDenied),
        ("call-refused", "Ratio(a=3.0)", S.BadArgumentsMissing),
        ("call-refused", "Ratio(a=1, b=2)", S.BadInvalidArgument),
    ]


# Passwords are checked in the loop's threads.
@pytest.mark.asyncio(loop_scope="function")
async def test_a_function_that_takes_its_time_keeps_no_login_waiting(
    serving: Any, tmp_path: Path
) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    skid = 'methods: {Blocks: {function: "acme_calculations:blocks"}}'
    async with serving(skid, tmp_path) as gateway, Client(gateway.endpoint_url) as client:
        functions = importlib.import_module("acme_calculations")
        under_way = asyncio.create_task(call(client, "Blocks"))
        try:
            async with asyncio.timeout(10):
                while not functions.BLOCKED.is_set():
                    await client.get_node("i=2258").read_value()
                await asyncio.to_thread(int)
        finally:
            functions.RELEASE.set()
        assert await under_way is None


class SlowAudit:
    """Stores what it is given when `disk` is there, whoever still waits for it."""

    def __init__(self) -> None:
        self.records: list[tuple[str, int]] = []
        self.waiting, self.disk = asyncio.Event(), asyncio.Event()

    async def record(self, record: AuditRecord) -> int:
        self.records.append((record.event, record.outcome))
        self.waiting.set()
        await self.disk.wait()
        return len(self.records)


async def test_a_call_cut_off_while_its_record_is_being_stored_has_an_outcome(site_of: Any) -> None:
    site = site_of('methods: {One: {outputs: {one: {type: Int32, expression: "1"}}}}')
    audit, space = SlowAudit(), Mock()
    methods = DeclaredMethods(RolePolicy("operate"), Records(audit, lambda: 0))
    methods.bind(space, 2, plan_site(site).sections[0].methods)
    _, method, handler = space.methods.bind.call_args.args
    context = Mock(subject=Subject(None, frozenset({"Anonymous"})))
    context.request_header.AuditEntryId = None
    asked = asyncio.create_task(handler(MethodCall(context, method, method, [])))
    await audit.waiting.wait()
    asked.cancel()
    audit.disk.set()
    with pytest.raises(asyncio.CancelledError):
        await asked
    methods.close()
    assert audit.records == [("call", S.Good), ("call-outcome", S.BadShutdown)]


async def test_a_call_whose_right_goes_while_its_record_is_stored_runs_nothing(
    site_of: Any,
) -> None:
    site = site_of('methods: {One: {outputs: {one: {type: Int32, expression: "1"}}}}')
    audit, space, policy = SlowAudit(), Mock(), RolePolicy("operate")
    methods = DeclaredMethods(policy, Records(audit, lambda: 0))
    methods.bind(space, 2, plan_site(site).sections[0].methods)
    _, method, handler = space.methods.bind.call_args.args
    context = Mock(subject=Subject(None, frozenset({"Anonymous"})))
    context.request_header.AuditEntryId = None
    asked = asyncio.create_task(handler(MethodCall(context, method, method, [])))
    await audit.waiting.wait()
    policy.allow_anonymous("read")
    audit.disk.set()
    with pytest.raises(StatusError) as refused:
        await asked
    methods.close()
    assert refused.value.status == S.BadUserAccessDenied
    assert audit.records == [("call", S.Good), ("call-outcome", S.BadUserAccessDenied)]

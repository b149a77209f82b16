"""Call: which Method, with which arguments, and what comes of it (Part 4, 5.12.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.errors import StatusError
from biogate.opcua.front_end import Limits
from biogate.opcua.space.methods import InvalidArgumentsError, MethodCall
from biogate_security.policy import Action

S = ua.StatusCodes
T = ua.VariantType
SPEED = ua.Variant(1.5, T.Double)
STEPS = ua.Variant([1, 2], T.UInt16)


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def start(*arguments: ua.Variant, owner: str = "Reactor", method: str = "Start") -> Any:
    return ua.CallMethodRequest(nid(owner), nid(method), list(arguments))


async def call(client: Any, *calls: ua.CallMethodRequest) -> Any:
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = list(calls)
    return await client.ask_async(request)


@pytest.fixture
def called(plant: Any) -> list[Any]:
    plant.called.clear()
    return plant.called


async def test_a_method_gets_its_arguments_and_gives_its_outputs(
    client: Any, called: list[Any]
) -> None:
    (result,) = (await call(client, start(SPEED, STEPS))).Results
    assert result.StatusCode.value == S.Good
    assert result.OutputArguments == [ua.Variant(3.0, T.Double)]
    (seen,) = called
    assert (seen.object_id, seen.method_id) == (nid("Reactor"), nid("Start"))
    assert list(seen.arguments) == [SPEED, STEPS]
    assert seen.context.subject.roles == {"Anonymous"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (start(owner="Nowhere"), S.BadNodeIdUnknown),
        (start(method="Nowhere"), S.BadMethodInvalid),
        (start(method="pH"), S.BadMethodInvalid),
        (start(SPEED, STEPS, owner="pH"), S.BadMethodInvalid),
        (start(method="Stop"), S.BadNotExecutable),
        (start(), S.BadArgumentsMissing),
        (start(SPEED), S.BadArgumentsMissing),
        (start(SPEED, STEPS, STEPS), S.BadTooManyArguments),
    ],
)
async def test_calls_that_do_not_fit(
    client: Any, called: list[Any], request_: Any, status: int
) -> None:
    (result,) = (await call(client, request_)).Results
    assert result.StatusCode.value == status
    assert not called


@pytest.mark.parametrize(
    ("speed", "steps", "results"),
    [
        (ua.Variant(1, T.Int32), STEPS, [S.BadTypeMismatch, S.Good]),
        (ua.Variant([1.0], T.Double), STEPS, [S.BadTypeMismatch, S.Good]),
        (SPEED, ua.Variant(1, T.UInt16), [S.Good, S.BadTypeMismatch]),
        (SPEED, ua.Variant([[1], [2]], T.UInt16), [S.Good, S.BadTypeMismatch]),
        (ua.Variant(), ua.Variant("1", T.String), [S.BadTypeMismatch, S.BadTypeMismatch]),
    ],
)
async def test_each_argument_that_does_not_fit_is_named(
    client: Any, called: list[Any], speed: Any, steps: Any, results: list[int]
) -> None:
    (result,) = (await call(client, start(speed, steps))).Results
    assert result.StatusCode.value == S.BadInvalidArgument
    assert [status.value for status in result.InputArgumentResults] == results
    assert not called


async def test_calling_needs_the_right_to(client: Any, bench: Any, called: list[Any]) -> None:
    bench.policy.deny(Action.CALL, nid("Start"))
    (result,) = (await call(client, start(SPEED, STEPS))).Results
    assert result.StatusCode.value == S.BadUserAccessDenied
    bench.policy.deny(Action.BROWSE, nid("Start"))
    (result,) = (await call(client, start(SPEED, STEPS))).Results
    assert result.StatusCode.value == S.BadMethodInvalid
    assert not called


async def test_one_bad_call_does_not_take_others_with_it(client: Any, called: list[Any]) -> None:
    response = await call(client, start(), start(SPEED, STEPS))
    assert [r.StatusCode.value for r in response.Results] == [S.BadArgumentsMissing, S.Good]
    assert len(called) == 1


async def test_a_function_that_fails_is_an_internal_error_of_its_call(
    client: Any, called: list[Any], monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(_call: Any) -> Any:
        raise RuntimeError("boom")

    methods = client.front_end.context.space.methods
    monkeypatch.setitem(methods._handlers, (nid("Reactor"), nid("Stop")), explode)
    response = await call(client, start(method="Stop"), start(SPEED, STEPS))
    assert [r.StatusCode.value for r in response.Results] == [S.BadInternalError, S.Good]
    (record,) = caplog.records
    assert (record.object, record.method) == ("ns=1;s=Reactor", "ns=1;s=Stop")


@pytest.mark.parametrize("outputs", [[ua.Variant("x", T.Double)], [ua.Variant("\ud800")], None])
async def test_outputs_that_cannot_be_encoded_fail_their_call_alone(
    client: Any, called: list[Any], monkeypatch: Any, outputs: Any
) -> None:
    """The other calls of the request have happened, and their client has to know."""
    methods = client.front_end.context.space.methods
    monkeypatch.setitem(methods._handlers, (nid("Reactor"), nid("Stop")), lambda _call: outputs)
    response = await call(client, start(method="Stop"), start(SPEED, STEPS))
    assert [r.StatusCode.value for r in response.Results] == [S.BadInternalError, S.Good]
    assert len(called) == 1


async def test_a_function_refuses_with_the_status_that_it_names(
    client: Any, monkeypatch: Any
) -> None:
    def refuse(_call: Any) -> Any:
        raise StatusError(S.BadInvalidState)

    methods = client.front_end.context.space.methods
    monkeypatch.setitem(methods._handlers, (nid("Reactor"), nid("Stop")), refuse)
    (result,) = (await call(client, start(method="Stop"))).Results
    assert result.StatusCode.value == S.BadInvalidState


async def test_a_function_says_which_argument_cannot_be(
    client: Any, plant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5.12.2.4: an argument of the right type and out of range."""

    def refuse(call: MethodCall) -> list[ua.Variant]:
        raise InvalidArgumentsError(S.BadOutOfRange, S.Good)

    handlers = plant.space.methods._handlers
    monkeypatch.setitem(handlers, (nid("Reactor"), nid("Start")), refuse)
    (result,) = (await call(client, start(SPEED, STEPS))).Results
    assert result.StatusCode.value == S.BadInvalidArgument
    assert [s.value for s in result.InputArgumentResults] == [S.BadOutOfRange, S.Good]


async def test_empty_requests_and_requests_over_the_limit(make_bench: Callable[..., Any]) -> None:
    client = await make_bench(Limits(max_nodes_per_method_call=1)).session()
    assert client.status(await call(client)) == S.BadNothingToDo
    assert client.status(await call(client, start(), start())) == S.BadTooManyOperations

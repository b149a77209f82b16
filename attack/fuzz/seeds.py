"""Where fuzzing begins: real messages, real conversations, real site files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asyncua import ua

from attack import wire
from attack.cases import encodings
from attack.client import hello

_EXAMPLES = Path(__file__).parents[2] / "examples"


def _messages() -> Iterator[bytes]:
    """Requests with something in each of their fields, by asyncua; and nested values."""
    yield wire.encoded(
        ua.ReadRequest(
            Parameters=ua.ReadParameters(NodesToRead=[ua.ReadValueId(ua.NodeId("x", 1), 13)] * 2)
        )
    )
    for value in (
        ua.Variant([[1.0, 2.0], [3.0, 4.0]]),
        ua.Variant(ua.Range(0.0, 1.0)),
        ua.Variant(["a", None, "b"], ua.VariantType.String),
        ua.Variant([ua.Variant(1, ua.VariantType.Int32)], ua.VariantType.Variant),
        ua.Variant(ua.DataValue(ua.Variant(1.5))),
        ua.Variant(ua.LocalizedText("t", "en")),
    ):
        item = ua.WriteValue(ua.NodeId(7, 1), 13, None, ua.DataValue(value))
        yield wire.encoded(ua.WriteRequest(Parameters=ua.WriteParameters([item])))
    token = ua.UserNameIdentityToken("p", "user", b"secret", "alg")
    activation = ua.ActivateSessionParameters(UserIdentityToken=token, LocaleIds=["en", "de"])
    yield wire.encoded(ua.ActivateSessionRequest(Parameters=activation))
    yield wire.encoded(
        ua.CreateMonitoredItemsRequest(
            Parameters=ua.CreateMonitoredItemsParameters(
                ItemsToCreate=[
                    ua.MonitoredItemCreateRequest(
                        ua.ReadValueId(ua.NodeId("x", 1)),
                        ua.MonitoringMode.Reporting,
                        ua.MonitoringParameters(
                            1, 100.0, ua.DataChangeFilter(DeadbandValue=1.0), 5
                        ),
                    )
                ]
            )
        )
    )
    for nested in (
        encodings.nested_variants(3),
        encodings.nested_diagnostics(3),
        encodings.nested_values(3),
        encodings.nested_extensions(2),
    ):
        item = wire.write_value(wire.node("x", 1), wire.data_value(nested))
        yield wire.request("WriteRequest", wire.array([item]))
    yield hello()


def _conversations() -> Iterator[bytes]:
    """Hello, OpenSecureChannel, messages whole and in chunks, a renewal, and the end; with each
    kind of security. The numbers are those of `targets.channel`."""
    start, opened, renewed = bytes([1]), bytes([2, 0, 60]), bytes([2, 1, 60])
    message = bytes([3, 0, 0, 0, 5, 0]) + b"hello"
    chunk, last = bytes([3, 0, 1, 0, 3, 0]) + b"abc", bytes([3, 0, 0, 4, 2, 2, 0]) + b"de"
    for policy in range(5):
        yield bytes([policy]) + start + opened + message + renewed + message + bytes([6, 70])
        yield bytes([policy]) + start + opened + chunk + last + bytes([7, 1, 4, 0]) + b"echo"
        yield bytes([policy]) + start + opened + bytes([3, 2, 0, 0, 1, 0]) + b"x"
        yield bytes([policy]) + start + bytes([5, 3, 0, 20, 1])


def _sessions() -> Iterator[bytes]:
    """Create, activate, use, close; on one channel and on two. See `targets.session`."""
    create, activate = bytes([0, 0, 1, 0, 65, 60]), bytes([1, 0, 0, 0, 0, 0])
    for use in range(13):
        yield create + activate + bytes([2, 0, 0, use, 0]) * 3 + bytes([2, 0, 0, 0, 0])
        yield create + activate + bytes([2, 1, 0, use, 0]) + bytes([5, 0, 200])
    yield create + bytes([2, 0, 0, 0, 0]) + activate
    yield create + activate + bytes([6, 0, 1, 1, 0, 0, 0, 0, 2, 1, 0, 0, 0])
    yield create + activate + bytes([2, 0, 0, 12, 0, 2, 0, 0, 0, 0])


def _sites() -> Iterator[bytes]:
    yield from (path.read_bytes() for path in sorted(_EXAMPLES.glob("*.yaml")))
    site = Path(__file__).parents[1].joinpath("site.yaml").read_bytes()
    yield site.replace(b"@THUMBPRINT@", b"ab" * 20)


def seeds() -> Mapping[str, Sequence[bytes]]:
    """The seeds of each target."""
    return {
        "decoder": list(_messages()),
        "channel": list(_conversations()),
        "session": list(_sessions()),
        "site": list(_sites()),
    }

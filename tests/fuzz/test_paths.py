"""Browse paths and index ranges of any shape: an answer or a status, in bounded work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.config import Limits
from biogate.opcua.errors import StatusError
from biogate.opcua.services.translate import PathTranslator
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.index_range import (
    apply_index_range,
    parse_index_range,
    write_index_range,
)
from biogate.opcua.space.rights import Rights
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.policy import Action, Decision, Resource, Subject

T = ua.VariantType
GOOD = StatusCodes.Good
MISFITS = (StatusCodes.BadIndexRangeNoData, StatusCodes.BadIndexRangeDataMismatch)
RANGES = st.one_of(
    st.text(alphabet="0123456789:,- x", max_size=12),
    st.lists(
        st.one_of(
            st.integers(0, 6).map(str),
            st.tuples(st.integers(0, 6), st.integers(0, 2**32)).map(lambda p: f"{p[0]}:{p[1]}"),
        ),
        min_size=1,
        max_size=4,
    ).map(",".join),
)
ARRAYS: list[tuple[T, Any]] = [
    (T.Int32, [1, 2, 3, 4, 5]),
    (T.Int32, [[1, 2], [3, 4]]),
    (T.Int32, []),
    (T.String, ["abc", None, "defg"]),
    (T.String, "abcdef"),
    (T.ByteString, b"abcdef"),
    (T.ByteString, [b"ab", b"", None]),
    (T.String, [["ab", "cd"], ["ef", None]]),
    (T.Double, 1.5),
]


def variant(kind: T, value: Any) -> ua.Variant:
    return ua.Variant(value, kind, is_array=isinstance(value, list))


# Part 4, 7.27
@settings(max_examples=400, deadline=None)
@given(RANGES, st.sampled_from(ARRAYS), st.sampled_from(ARRAYS))
def test_an_index_range_chooses_what_is_there_or_gives_a_status(
    text: str, held: tuple[T, Any], given_: tuple[T, Any]
) -> None:
    ranges, status = attempt(lambda: parse_index_range(text))
    assert status in (GOOD, StatusCodes.BadIndexRangeInvalid)
    if ranges is None:
        return
    value = variant(*held)
    before = repr(value.Value)
    part, status = attempt(lambda: apply_index_range(value, ranges))
    assert status in (GOOD, StatusCodes.BadIndexRangeNoData)
    assert part is None or size(part.Value) <= size(value.Value)
    if held[0] is given_[0]:
        written, status = attempt(lambda: write_index_range(value, ranges, variant(*given_)))
        assert status in (GOOD, *MISFITS)
        assert written is None or size(written.Value) == size(value.Value)
    assert repr(value.Value) == before


def attempt(step: Callable[[], Any]) -> tuple[Any, int]:
    """What a step gives, or None and the status with which it is refused."""
    try:
        return step(), GOOD
    except StatusError as error:
        return None, error.status


def size(value: Any) -> int:
    """Elements, in however many dimensions; a text counts as one."""
    return sum(map(size, value)) if isinstance(value, list) else 1


# -- browse paths --------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["Objects", "Root", "Types", "Server", "ServerStatus", "BaseObjectType", "x", "", None]
)
REFERENCES = st.sampled_from([0, 31, 33, 34, 35, 45, 46, 47, 85, 4_000_000])
LIMITS = Limits(max_translate_steps=3000, max_path_elements=40, max_translate_matches=50)


class Everybody:
    """A policy that hides nothing."""

    epoch = 1

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        return Decision(allow=True, reason="test")


@st.composite
def paths(draw: st.DrawFn) -> ua.BrowsePath:
    """Short loops, repeated: the way to make work out of a few bytes."""
    elements = draw(
        st.lists(
            st.builds(
                lambda reference, inverse, subtypes, name: ua.RelativePathElement(
                    ua.NodeId(reference), inverse, subtypes, ua.QualifiedName(name)
                ),
                REFERENCES,
                st.booleans(),
                st.booleans(),
                NAMES,
            ),
            max_size=4,
        )
    )
    start = ua.NodeId(draw(st.sampled_from([0, 58, 84, 85, 86, 2253, 999_999])))
    return ua.BrowsePath(start, ua.RelativePath(elements * draw(st.integers(1, 20))))


# Part 4, 5.9.4; CWE-407: all paths of a request share one budget of work.
@settings(max_examples=200, deadline=None)
@given(st.lists(paths(), min_size=1, max_size=5))
def test_paths_are_walked_within_their_budget(
    space: AddressSpace, requested: list[ua.BrowsePath]
) -> None:
    policy: Any = Everybody()
    subject = Subject(user="u", roles=frozenset({"Observer"}))
    translator = PathTranslator(space, Rights(policy, space, lambda: 0).view(subject), LIMITS)
    steps = 0
    for path in requested:
        work = translator.translate(path)
        try:
            while True:
                next(work)
                steps += 1
        except StopIteration as end:
            result = end.value
        assert bool(result.Targets) == (result.StatusCode.value == StatusCodes.Good)
        assert len(result.Targets or ()) <= LIMITS.max_translate_matches

    assert steps <= LIMITS.max_translate_steps + 50 * len(requested)

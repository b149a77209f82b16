"""What crosses a conduit: where a command belongs, the limits it must keep, and what was refused.

The core decides by this for every write and call, whatever a front end has decided before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.opcua.stack import StatusCodes, ua
from biogate_adapters.status import is_bad
from biogate_security.policy import Action, Decision, Policy, Resource, Subject, WriteLimits
from biogate_security.zones import NO_ZONE, RateMeter
from biogate_security.zones.zone_policy import MODEL_RULE

OnRefused = Callable[[Decision, Subject, Resource], None]
"""Is told of each command that was refused on its way from one zone to another."""

_HIDDEN = Place(NO_ZONE)
_REMEMBERED = 4096
_NOT_SENT = frozenset((StatusCodes.BadResourceUnavailable, StatusCodes.BadUserAccessDenied))
"""What writes come to that were not sent at all, for want of a record or of a right."""


class CommandPlaces:
    """Where the nodes belong that commands are about.

    A front end names the tag and the node; that the node shows this tag is looked up here, so
    that nobody writes one value by the rules of another. `variables`: tag → NodeIds as text.
    """

    def __init__(self, space: AddressSpace, variables: Mapping[str, Sequence[str]]) -> None:
        self._space = space
        self._variables = variables
        self._find = lru_cache(_REMEMBERED)(self._look_up)

    def of_tag(self, tag: str, node_id: str) -> Place:
        """The place of a tag's node; with no node ("") that of its first, a function's value."""
        known = self._variables.get(tag, ())
        if node_id not in known:
            if node_id or not known:
                return _HIDDEN if self._space.places.zoned else Place()
            node_id = known[0]
        return self._find(node_id, self._space.epoch)

    def of_node(self, node_id: str) -> Place:
        """The place of any node, such as a Method."""
        return self._find(node_id, self._space.epoch)

    def _look_up(self, node_id: str, _epoch: int) -> Place:
        return self._space.place(ua.NodeId.from_string(node_id))


@dataclass(frozen=True, slots=True)
class Present:
    """What a tag holds: its number (NaN: none), StatusCode and server time (FILETIME ticks)."""

    value: float
    status: int
    server_time: int


@dataclass(slots=True, eq=False)
class _Sent:
    """A number that was written. `ended` (FILETIME ticks): when something came of it, None: not
    yet; `taken`: it is there for certain, until it is read back."""

    value: float
    ended: int | None = None
    taken: bool = False

    @property
    def doubtful(self) -> bool:
        return self.ended is not None and not self.taken


class Crossings:
    """Decides on commands and holds them to the limits of the rules that allow them.

    `present` gives what a tag holds. Rates are counted by conduit, and by tag where a signal has
    a rate of its own.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], int],
        *,
        present: Callable[[int], Present] | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._present = present
        self._meter = RateMeter()
        self._sent: dict[int, list[_Sent]] = {}
        self.on_refused = on_refused

    def decide(self, subject: Subject, action: Action, resource: Resource) -> Decision:
        """The policy's decision as of now."""
        return self._policy.decide(subject, action, resource, self._clock())

    def limit_call(self, decision: Decision) -> tuple[Decision, int | None]:
        """Count a call that is allowed; the StatusCode where there were too many, else None."""
        return self._limit(decision, lambda _limits: "")

    def limit_write(
        self, decision: Decision, tag: int, numbers: Sequence[float], own: WriteLimits | None = None
    ) -> tuple[Decision, int | None]:
        """Count a write that is allowed, and hold it to its limits.

        `numbers` are those of the value, none where it has none; `own` the limits of the value
        itself, whoever writes it. The decision tells by which conduit it crosses, or why it does
        not; then there is a StatusCode, too.
        """
        if own is not None:
            reason = self._breach(own, tag, numbers)
            if reason:
                return _refused(decision, reason), StatusCodes.BadOutOfRange
            if not self._meter.has_room(own.conduit, own.per_minute, self._clock()):
                reason = f"it takes {own.per_minute:g} writes a minute"
                return _refused(decision, reason), StatusCodes.BadRequestNotAllowed
        found, status = self._limit(decision, lambda limits: self._breach(limits, tag, numbers))
        if status is None and own is not None and own.per_minute is not None:
            self._meter.count(own.conduit, self._clock())
        return found, status

    def _limit(
        self, decision: Decision, breach: Callable[[WriteLimits], str]
    ) -> tuple[Decision, int | None]:
        """All limits of one of the alternatives must be kept; the first that is says which."""
        now = self._clock()
        reasons: list[str] = []
        status: int = StatusCodes.BadOutOfRange
        for limits in decision.limits or (WriteLimits(conduit=decision.conduit),):
            reason = breach(limits)
            if reason:
                reasons.append(reason)
            elif not self._meter.has_room(limits.conduit, limits.per_minute, now):
                reasons.append(f"{limits.per_minute:g} a minute may cross")
                status = StatusCodes.BadRequestNotAllowed
            else:
                if limits.conduit:
                    self._meter.count(limits.conduit, now)
                return replace(decision, conduit=limits.conduit), None
        reason = f"conduit {decision.conduit} limits it: {'; or '.join(dict.fromkeys(reasons))}"
        return _refused(decision, reason), status

    def _breach(self, limits: WriteLimits, tag: int, numbers: Sequence[float]) -> str:
        """Which bound the numbers do not keep; "" where they keep all."""
        if limits.low is None and limits.high is None and limits.max_step is None:
            return ""
        if not numbers or not all(math.isfinite(number) for number in numbers):
            return "there are bounds, and the value is no number"
        low = -math.inf if limits.low is None else limits.low
        high = math.inf if limits.high is None else limits.high
        if not all(low <= number <= high for number in numbers):
            return f"allowed is {low:g} to {high:g}"
        if limits.max_step is None:
            return ""
        return self._breach_of_step(limits.max_step, tag, numbers)

    def _breach_of_step(self, max_step: float, tag: int, numbers: Sequence[float]) -> str:
        starts = self._starts(tag)
        if not starts or len(numbers) != 1:
            return "the largest step is limited, and the present value is not known"
        for start in starts:
            # One unit in the last place: 7.2 is a step of 0.2 from 7.0.
            slack = math.ulp(max(abs(start), abs(numbers[0])))
            if abs(numbers[0] - start) > max_step + slack:
                return f"the largest step is {max_step:g} from {start:g}"
        return ""

    def _starts(self, tag: int) -> list[float]:
        """All that the tag may hold when the next write comes to it; none where nobody knows.

        What was written counts until the tag has been read again. Of a write that is under way or
        has failed nobody knows whether it takes effect.
        """
        present = None if self._present is None else self._present(tag)
        sent = [
            each
            for each in self._sent.pop(tag, ())
            if each.ended is None or present is None or present.server_time <= each.ended
        ]
        if sent:
            self._sent[tag] = sent
        starts = [each.value for each in sent]
        if any(each.taken for each in sent):
            return starts
        if present is None or is_bad(present.status) or math.isnan(present.value):
            return []
        return [*starts, present.value]

    def writing(self, tag: int, number: float) -> Callable[[int], None]:
        """`number` is on its way: from now on steps must be small from there, too.

        What is returned is to be called with the StatusCode that it came to.
        """
        this = _Sent(number)
        self._sent.setdefault(tag, []).append(this)

        def done(code: int) -> None:
            this.ended, this.taken = self._clock(), not is_bad(code)
            sent = self._sent.get(tag, [])
            if this.taken:  # what went before it is no longer there
                sent = [each for each in sent if each.ended is None or each is this]
            elif code in _NOT_SENT:
                sent = [each for each in sent if each is not this]
            self._sent[tag] = _fewest(sent)
            if not sent:
                del self._sent[tag]

        return done

    def tell_refused(self, decision: Decision, subject: Subject, resource: Resource) -> None:
        """Report a refusal where it was one of a crossing, not of the subject's own zone."""
        across = resource.zone not in ("", subject.zone)
        if self.on_refused is not None and (across or decision.rule == MODEL_RULE):
            self.on_refused(replace(decision, allow=False), subject, resource)


def _fewest(sent: list[_Sent]) -> list[_Sent]:
    """Of many failed writes the lowest and the highest say all, so that they fill nothing."""
    doubtful = sorted((each for each in sent if each.doubtful), key=lambda each: each.value)
    if len(doubtful) <= 2:
        return sent
    ended = max(each.ended or 0 for each in doubtful)
    ends = [_Sent(each.value, ended) for each in (doubtful[0], doubtful[-1])]
    return [*ends, *(each for each in sent if not each.doubtful)]


def _refused(decision: Decision, reason: str) -> Decision:
    return replace(decision, allow=False, reason=reason)

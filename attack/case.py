"""A case of the battery: a rule, what is sent, and what must come back.

What comes back is said in outcomes: those of `client.RefusedError`, "Good", "result
BadTypeMismatch" (of one operation of a request), or a sentence about what was wrong, which no case
expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from attack.client import Channel, RefusedError, Session
from attack.target import Target
from attack.wire import status_name

Outcomes = Iterable[str] | str
Attack = Callable[["Bench"], Outcomes]


@dataclass(frozen=True)
class Bench:
    """What a case is given: the target, and how large its floods are (1: as they are meant)."""

    target: Target
    scale: float = 1.0

    def many(self, number: int, least: int = 2) -> int:
        """So many, scaled."""
        return max(least, round(number * self.scale))

    def served(self, user: str | None = None) -> list[str]:
        """What comes of a login as others do it."""

        def login() -> None:
            self.target.session(user).channel.close()

        return outcome(login)


@dataclass(frozen=True)
class Case:
    """One attack.

    `rule` is what holds, `source` the clause or the class of weakness (CWE) that it comes from.
    `expect` are the outcomes that are right, with wildcards. `waits_s`: it waits so long,
    in seconds, for a deadline or a lock of the server; the short form leaves such cases out.
    """

    id: str
    rule: str
    source: str
    send: Attack
    expect: tuple[str, ...]
    waits_s: float = 0.0

    def run(self, bench: Bench) -> tuple[str, ...]:
        """The outcomes, each once, in the order in which they came."""
        try:
            outcomes = self.send(bench)
            each = [outcomes] if isinstance(outcomes, str) else outcomes
            return tuple(dict.fromkeys(each))
        except RefusedError as refused:
            return (refused.outcome,)
        except Exception as error:  # noqa: BLE001  what came back makes no sense: that is a breach
            return (f"not understood: {error!r}",)

    def wrong(self, outcomes: Iterable[str]) -> list[str]:
        """Those that the rule does not allow."""
        return [o for o in outcomes if not any(fnmatchcase(o, pattern) for pattern in self.expect)]


# -- how things are sent --------------------------------------------------------------------------


def outcome(attempt: Callable[[], Any]) -> list[str]:
    """What comes of an attempt: of its results if it has any."""
    try:
        response = attempt()
    except RefusedError as refused:
        return [refused.outcome]
    return results_of(response)


def results_of(response: Any) -> list[str]:
    """The outcomes of the operations of a response, each once; "Good" for one without."""
    holder = response if hasattr(response, "Results") else getattr(response, "Parameters", None)
    found = [_result(each) for each in getattr(holder, "Results", None) or ()]
    return list(dict.fromkeys(found)) or ["Good"]


def _result(result: Any) -> str:
    code = getattr(result, "StatusCode", None) or getattr(result, "StatusCode_", None) or result
    value = getattr(code, "value", 0) or 0
    return f"result {status_name(value)}" if value else "Good"


def at_first(*data: bytes) -> Attack:
    """Bytes as the first thing on a connection; how it ends."""

    def attack(bench: Bench) -> str:
        with bench.target.wire() as wire:
            for each in data:
                wire.send(each)
            return str(wire.end())

    return attack


def after_hello(*data: bytes) -> Attack:
    """Bytes behind a right Hello."""

    def attack(bench: Bench) -> str:
        with bench.target.wire() as wire:
            wire.hello()
            for each in data:
                wire.send(each)
            return str(wire.end())

    return attack


def on_channel(make: Callable[[Channel], bytes], **options: Any) -> Attack:
    """Bytes on an open, encrypted channel; how the connection ends."""

    def attack(bench: Bench) -> str:
        with bench.target.channel(**options) as channel:
            channel.send(make(channel))
            return channel.end()

    return attack


def before_login(*messages: bytes) -> Attack:
    """Requests on a channel without security, which is there for discovery; their outcomes."""

    def attack(bench: Bench) -> list[str]:
        with bench.target.channel(policy=None) as channel:
            return [o for message in messages for o in outcome(lambda m=message: channel.ask(m))]

    return attack


def in_session(
    attempt: Callable[[Session, Bench], Any], user: str | None = "certified", **options: Any
) -> Attack:
    """Something in a session of its own: what it gives are outcomes, or a response."""

    def attack(bench: Bench) -> Outcomes:
        session = bench.target.session(user, **options)
        with session.channel:
            result = attempt(session, bench)
            if isinstance(result, str):
                return result
            return result if isinstance(result, list) else results_of(result)

    return attack


def ask(message: str, parameters: bytes, user: str | None = "certified") -> Attack:
    """One request in a session."""
    return in_session(lambda session, _: session.ask(message, parameters), user)

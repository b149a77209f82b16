"""The largest number of clients to whom a server still delivers 99 % of 1,000 × 10 Hz values.

They subscribe to every change: with a sampling interval as long as the variables' own, chance
decides how many changes a sample leaves out, and not the number of clients.
"""

from __future__ import annotations

import time

from benchmarks.measure import Figures, Tell, published, running
from benchmarks.processes import Kind, Load, MeasuringError, Server
from benchmarks.scenarios import SIM_HZ

ENOUGH = 0.99
_NO_ROOM = 0.9
_EVERY_CHANGE_MS = 0.0
_TRIES = 2
_SECONDS = 4.0
_FACTOR = 1.5
_CLOSE_ENOUGH = 1.1


def search(kind: Kind, first: int, budget_s: float, tell: Tell) -> Figures:
    """Half as many again from `first` on until the share is too small, then halve the gap.

    `clients` is the largest number that was enough, 0 if none was; `ended` says what ended the
    search. Takes about `budget_s`.
    """
    deadline = time.monotonic() + budget_s
    enough, too_many, ended = 0, 0, ""
    tried: list[Figures] = []
    with running(kind, sim_hz=SIM_HZ, tree=False) as (server, load):
        clients = first
        while not ended:
            try:
                figures = _best(server, load, clients)
            except MeasuringError as error:
                ended = f"{clients} could not be served: {error}"
                break
            tried.append({"clients": clients, **figures})
            tell(_line(kind, clients, figures))
            if figures["delivered_share"] >= ENOUGH:
                enough = clients
            else:
                too_many = clients
            ended = _end(figures, enough, too_many, deadline)
            clients = (
                (enough + too_many) // 2 if too_many else max(clients + 1, int(clients * _FACTOR))
            )
    return {"clients": enough, "too_many": too_many, "ended": ended, "tried": tried}


def _best(server: Server, load: Load, clients: int) -> Figures:
    """The better of two tries, unless the first is enough: other programs disturb one at times."""
    figures: Figures = {"delivered_share": -1.0}
    for _ in range(_TRIES):
        again = published(server, load, clients, _EVERY_CHANGE_MS, _SECONDS)
        figures = max(figures, again, key=lambda found: float(found["delivered_share"]))
        if figures["delivered_share"] >= ENOUGH:
            break
    return figures


def _line(kind: Kind, clients: int, figures: Figures) -> str:
    delivered, share = figures["delivered_share"], figures["server_share"]
    return f"{kind.name:<10} {clients:>4} clients: {delivered:.1%} delivered, {share:.0%} of a core"


def _end(figures: Figures, enough: int, too_many: int, deadline: float) -> str:
    if figures["load_share"] > _NO_ROOM:
        return "the load generator had no more room: the server may do more"
    if too_many and (too_many <= enough + 1 or too_many <= enough * _CLOSE_ENOUGH):
        return f"{too_many} were too many"
    if time.monotonic() > deadline:
        return (
            f"the time for the search was over, {too_many} were too many"
            if too_many
            else ("the time for the search was over: the server may do more")
        )
    return ""

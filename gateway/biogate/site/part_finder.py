"""From what a person calls a node to the part of the site that it is: part, tag or NodeId."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from biogate.site.part_list import SitePart
from biogate_adapters.problems import did_you_mean

_NODE_ID = re.compile(r"(?:ns=\d+;|nsu=(?P<uri>[^;]+);)?s=(?P<node>.+)", re.DOTALL)


class UnknownPartError(LookupError):
    """Nothing of the site is called so, or more than one thing is; the message says what is."""


def find_part(parts: Iterable[SitePart], name: str) -> SitePart:
    """The part that `name` means: `BR101/pH/SensorValue`, `AE101.ph`, or a NodeId as text.

    What lies below a part is found, too: a member of a function as a part of its own, a property
    of a variable as the variable. Raises UnknownPartError.
    """
    known = list(parts)
    match = _NODE_ID.fullmatch(name)
    if match:
        found = _by_node(known, match["node"], match["uri"])
    else:
        found = [part for part in known if part.name == name] or _by_tag(known, name)
        found = found or _below(known, name)
    if not found:
        hint = did_you_mean(name, [part.name for part in known[:2000]])
        raise UnknownPartError(f"the site has no {name}{f': {hint}' if hint else ''}")
    if len(found) > 1:
        names = ", ".join(part.name for part in found)
        raise UnknownPartError(f"{name} is more than one: {names}")
    return found[0]


def _by_tag(known: list[SitePart], tag: str) -> list[SitePart]:
    """Of several nodes that show a tag, a function's value before the device's signal."""
    found = [part for part in known if part.tag == tag]
    return [part for part in found if part.name.partition("/")[0] != part.device][:1] or found[:1]


def _by_node(known: list[SitePart], node: str, uri: str | None) -> list[SitePart]:
    """The part with this NodeId, or the nearest one that its string is below."""
    while node:
        found = [part for part in known if part.node == node and uri in (None, part.namespace)]
        if found:
            return found
        node = node.rpartition(".")[0]
    return []


def _below(known: list[SitePart], name: str) -> list[SitePart]:
    """A member of a function that the site file does not name, such as BR101/pH/IsEnabled."""
    above = name.rpartition("/")[0]
    found = [part for part in known if part.name == above and ".FunctionSet." in part.node]
    return [replace(part, name=name) for part in found if not part.tag]

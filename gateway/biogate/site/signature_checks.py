"""Checks of `signatures:` against the rest of the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biogate.site.function_checks import signals_of
from biogate.site.model import Site
from biogate.site.part_list import SitePart, list_parts
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath
from biogate_adapters.profile import Profile
from biogate_security.zones.parts import PartPattern


def check_signatures(document: Document, site: Site, profiles: Mapping[str, Profile]) -> None:
    """Report signatures that are for nothing, or that nobody could give."""
    if not site.signatures:
        return
    parts = list(list_parts(site, signals_of(site, profiles)))
    quiet = _unaudited(site)
    for number, config in enumerate(site.signatures):
        path: KeyPath = ("signatures", number)
        for place, text in enumerate(config.on):
            _check_pattern(document, (*path, "on", place), text, config.actions, parts)
            _check_audited(document, (*path, "on", place), text, parts, quiet)
        if config.second_person:
            _check_approvers(document, site, path, config.approvers)


def _check_pattern(
    document: Document,
    path: KeyPath,
    text: str,
    actions: Sequence[str],
    parts: Sequence[SitePart],
) -> None:
    found = [part for part in parts if PartPattern(text).covers(part.name)]
    if not found:
        document.report(path, f"{text} is no part of the site", hint="see docs/zones.md on parts")
        return
    writes = "write" in actions and any(part.writable for part in found)
    calls = "call" in actions and any(part.is_method for part in found)
    if not (writes or calls):
        document.report(path, f"nothing of {text} can be changed by {' or '.join(actions)}")


def _check_audited(
    document: Document, path: KeyPath, text: str, parts: Sequence[SitePart], quiet: frozenset[str]
) -> None:
    """A signature that leaves no record would be none."""
    pattern = PartPattern(text)
    for part in parts:
        if pattern.covers(part.name) and part.tag in quiet:
            document.report(
                path, f"{part.name} is audited: false, and a signature needs its record"
            )
            return


def _check_approvers(
    document: Document, site: Site, path: KeyPath, approvers: Sequence[str]
) -> None:
    able = [
        name
        for name, user in site.accounts.items()
        if not user.disabled and set(user.roles) & set(approvers)
    ]
    if not able:
        document.report(
            (*path, "second_person"),
            f"no account has one of the roles {', '.join(approvers)}",
            hint="add `approvers:`, or an account with such a role",
        )


def _unaudited(site: Site) -> frozenset[str]:
    from biogate.site.node_plan import repeated

    def walk(section: str, objects: object) -> list[str]:
        found: list[str] = []
        assert isinstance(objects, Mapping)
        for each in objects.values():
            for key, variable in each.variables.items():
                if not variable.audited:
                    found += [f"{section}.{full}" for full, _ in repeated(key, variable)]
            found += walk(section, each.objects)
        return found

    return frozenset(tag for name, nodes in site.nodes.items() for tag in walk(name, nodes.objects))

"""Joins signatures to the gateway's parts, where the site asks for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from biogate.commands import CommandService
from biogate.declared.methods import DeclaredMethods
from biogate.opcua.events import Event
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.opcua.stack import node_id, ua
from biogate.records import Records
from biogate.signatures.changes import Changes
from biogate.signatures.nodes import add_signatures
from biogate.signatures.pending import PendingChanges
from biogate.signatures.rules import SignatureRules
from biogate.signatures.service import Signatures, Signers
from biogate.site import SitePlan
from biogate.tags import TagTable
from biogate_adapters.filetime import now_ticks
from biogate_security.policy import Action


def set_up_signatures(
    plan: SitePlan,
    space: AddressSpace,
    table: TagTable,
    variables: Mapping[str, Sequence[str]],
    commands: CommandService,
    methods: DeclaredMethods,
    authenticator: Signers,
    records: Records,
    emit: Callable[[Event, Place], None],
    namespace: int,
) -> None:
    """Refuse what needs a signature unless it comes with one, and add the Methods for that."""
    site = plan.site
    rules = SignatureRules(site.signatures)
    if not rules:
        return
    commands.signed_tags = frozenset(_signed_tags(rules, space, table, variables))
    methods.signed_methods = frozenset(_signed_methods(rules, space, plan))
    changes = Changes(
        space,
        table,
        variables,
        frozenset(found.to_string() for found in _methods(space, plan)),
        commands,
        rules,
        emit,
        site.application_uri,
        namespace,
        now_ticks,
    )
    names = {name: user.description for name, user in site.accounts.items()}
    pending = PendingChanges(time.monotonic)
    signatures = Signatures(
        changes, authenticator, records, names, time.monotonic, now_ticks, pending
    )
    add_signatures(space, namespace, signatures)


def _signed_tags(
    rules: SignatureRules,
    space: AddressSpace,
    table: TagTable,
    variables: Mapping[str, Sequence[str]],
) -> Iterator[int]:
    for tag, nodes in variables.items():
        parts = [space.place(ua.NodeId.from_string(node)).part for node in nodes]
        if rules.rule_for(Action.WRITE, parts) is not None:
            yield table.index(tag)


def _signed_methods(rules: SignatureRules, space: AddressSpace, plan: SitePlan) -> Iterator[str]:
    for found in _methods(space, plan):
        if rules.rule_for(Action.CALL, [space.place(found).part]) is not None:
            yield found.to_string()


def _methods(space: AddressSpace, plan: SitePlan) -> Iterator[ua.NodeId]:
    for section in plan.sections:
        namespace = space.namespaces.index(section.namespace)
        for method in section.methods:
            yield node_id(method.key, namespace)

"""Who has logged in through a zone's link, and in which way."""

from __future__ import annotations

import pytest

from biogate.zones.identities import Identities, NotLoggedInError
from biogate.zones.messages import SubjectOf
from biogate_security.roles import AccountChange, Identity


def asked(user: str | None, authentication: str) -> SubjectOf:
    return SubjectOf(user, "i=1", "urn:x", "", "127.0.0.1", "", "None", authentication)


def identity(authentication: str, *roles: str) -> Identity:
    return Identity("mes", frozenset(roles), authentication)


def test_each_way_of_logging_in_stands_for_itself() -> None:
    """A conduit may ask for a certificate; two sessions of one user do not change each other."""
    known = Identities("dmz")
    known.add(identity("Certificate", "Operator"))
    known.add(identity("UserName", "Operator"))
    for way in ("Certificate", "UserName"):
        subject = known.subject(asked("mes", way))
        assert (subject.authentication, subject.zone) == (way, "dmz")


def test_a_way_that_was_not_taken_is_not_open() -> None:
    known = Identities("dmz")
    known.add(identity("UserName", "Operator"))
    for way in ("Certificate", "IssuedToken", "Anonymous", ""):
        with pytest.raises(NotLoggedInError):
            known.subject(asked("mes", way))


@pytest.mark.parametrize("change", [{"active": False}, {"active": True, "secret_changed": True}])
def test_a_shut_account_or_a_new_secret_ends_all_ways(change: dict[str, bool]) -> None:
    known = Identities("dmz")
    for way in ("UserName", "Certificate"):
        known.add(identity(way, "Operator"))
    known.changed(AccountChange("mes", frozenset({"Observer"}), **change))
    for way in ("UserName", "Certificate"):
        with pytest.raises(NotLoggedInError):
            known.subject(asked("mes", way))


def test_new_roles_hold_for_all_ways() -> None:
    known = Identities("dmz")
    for way in ("UserName", "Certificate"):
        known.add(identity(way, "Operator"))
    known.changed(AccountChange("mes", frozenset({"Observer"}), active=True))
    for way in ("UserName", "Certificate"):
        assert known.subject(asked("mes", way)).roles == {"Observer"}


def test_a_token_that_has_expired_opens_nothing_more() -> None:
    now = [100]
    known = Identities("dmz", lambda: now[0])
    known.add(Identity("mes", frozenset({"Operator"}), "IssuedToken", until=200))
    assert known.subject(asked("mes", "IssuedToken")).user == "mes"
    now[0] = 200
    with pytest.raises(NotLoggedInError):
        known.subject(asked("mes", "IssuedToken"))


def test_who_has_to_change_their_password_has_no_roles_before() -> None:
    known = Identities("dmz")
    known.add(Identity("mes", frozenset({"Operator"}), must_change_password=True))
    assert known.subject(asked("mes", "UserName")).roles == {"Anonymous"}
    known.changed(AccountChange("mes", frozenset({"Operator"}), active=True, by_session="i=1"))
    assert known.subject(asked("mes", "UserName")).roles == {"Operator"}

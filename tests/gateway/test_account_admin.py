"""Managing accounts (Part 18, 4 and 5): who may, what is refused, and the record of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua.ua.status_codes import StatusCodes as S
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.account_admin import (
    DISABLED,
    MUST_CHANGE_PASSWORD,
    NO_CHANGE_BY_USER,
    NO_DELETE,
    AccountAdmin,
)
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.password_demands import CharacterKind, PasswordDemands
from biogate_security.passwords import HashParameters
from biogate_security.policy import Subject
from biogate_security.users import UserStore

SECRET = "correct horse battery"
ADMIN = Subject(
    "ada",
    frozenset({"SecurityAdmin", "AuthenticatedUser"}),
    session_id="session of ada",
    security_mode="SignAndEncrypt",
    authentication="UserName",
)
OLGA = replace(
    ADMIN, user="olga", roles=frozenset({"Operator", "AuthenticatedUser"}), session_id="of olga"
)


class Audit:
    """Keeps records, or refuses to."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.full = False
        self.before: Callable[[], None] = lambda: None

    async def record(self, record: AuditRecord) -> int:
        if self.full:
            raise AuditUnavailableError("no room")
        self.before()
        self.records.append(record)
        return len(self.records)


@pytest.fixture
def audit() -> Audit:
    return Audit()


@pytest.fixture
async def users(tmp_path: Path) -> UserStore:
    cheap = HashParameters(time_cost=1, memory_kib=8, parallelism=1)
    store = UserStore(tmp_path / "users.json", parameters=cheap)
    await store.add("ada", SECRET, {"SecurityAdmin"})
    await store.add("olga", SECRET, {"Operator"})
    await store.add("site-user", SECRET, {"Engineer"}, managed=False)
    return store


@pytest.fixture
def admin(users: UserStore, audit: Audit) -> AccountAdmin:
    return AccountAdmin(users, audit, {"site-user"}, {"plant": ("Operator",)}, clock=lambda: 1)


async def test_a_user_is_added_and_can_log_in(admin: Any, users: Any, audit: Audit) -> None:
    audit.before = lambda: None if users.find("piotr") is None else pytest.fail("effect first")
    assert await admin.add_user(ADMIN, "piotr", "wet blue kettle 9", 0, "second shift") == S.Good
    identity = await users.authenticate("piotr", "wet blue kettle 9")
    assert identity.roles == {"AuthenticatedUser"}
    (record,) = audit.records
    assert (record.event, record.user, record.outcome) == ("user-added", "ada", 0)
    assert record.new == "piotr: enabled"
    assert "kettle" not in repr(record)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("olga", SECRET, 0, ""), S.BadAlreadyExists),
        (("OLGA", SECRET, 0, ""), S.BadAlreadyExists),
        (("piotr", "short", 0, ""), S.BadOutOfRange),
        (("piotr", "Passwort-2026!", 0, ""), S.BadOutOfRange),
        (("piotr", SECRET, 16, ""), S.BadNotSupported),
        (("piotr", SECRET, NO_CHANGE_BY_USER | MUST_CHANGE_PASSWORD, ""), S.BadConfigurationError),
        (("a\nb", SECRET, 0, ""), S.BadInvalidArgument),
        (("piotr", SECRET, 0, "a\nb"), S.BadInvalidArgument),
    ],
)
async def test_a_user_that_cannot_be_added_is_refused(
    admin: Any, users: Any, audit: Audit, arguments: Any, status: int
) -> None:
    names = users.names
    assert await admin.add_user(ADMIN, *arguments) == status
    assert users.names == names
    assert [record.outcome for record in audit.records] == [status]


CHANGES: tuple[Callable[[Any, Subject], Any], ...] = (
    lambda admin, who: admin.add_user(who, "piotr", SECRET, 0, ""),
    lambda admin, who: admin.modify_user(who, "ada", None, DISABLED, None),
    lambda admin, who: admin.remove_user(who, "ada"),
    lambda admin, who: admin.change_role(who, "SecurityAdmin", "olga", assign=True),
)


@pytest.mark.parametrize("change", CHANGES)
async def test_only_an_administrator_on_an_encrypted_channel_may(
    admin: Any, users: Any, audit: Audit, change: Any
) -> None:
    before = users.users
    assert await change(admin, OLGA) == S.BadUserAccessDenied
    signed = replace(ADMIN, security_mode="Sign")
    assert await change(admin, signed) == S.BadSecurityModeInsufficient
    assert users.users == before
    assert len(audit.records) == 2


@pytest.mark.parametrize("change", CHANGES)
async def test_without_a_record_nothing_changes(
    admin: Any, users: Any, audit: Audit, change: Any
) -> None:
    audit.full = True
    before = users.users
    assert await change(admin, replace(ADMIN, user="eve")) == S.BadResourceUnavailable
    assert users.users == before


async def test_a_change_that_cannot_be_stored_is_recorded_as_not_done(
    admin: Any, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("biogate_security.users.write_users", full)
    assert await admin.remove_user(ADMIN, "olga") == S.BadResourceUnavailable
    assert [r.event for r in audit.records] == ["user-removed", "user-removed-outcome"]
    assert audit.records[1].outcome == S.BadResourceUnavailable


async def test_flags_and_descriptions_are_changed_and_shown(admin: Any, users: Any) -> None:
    mask = NO_DELETE | NO_CHANGE_BY_USER
    assert await admin.modify_user(ADMIN, "olga", None, mask, "night shift") == S.Good
    shown = {view.name: (view.configuration, view.description) for view in admin.accounts}
    assert shown["olga"] == (mask, "night shift")
    assert shown["site-user"] == (NO_DELETE, "")
    assert await admin.remove_user(ADMIN, "olga") == S.BadNotSupported
    assert await admin.modify_user(ADMIN, "olga", None, DISABLED, None) == S.Good
    assert await users.authenticate("olga", SECRET) is None


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("nobody", None, 0, None), S.BadNotFound),
        (("ada", None, DISABLED, None), S.BadInvalidSelfReference),
        (("site-user", None, None, "else"), S.BadNotSupported),
        (("olga", "short", None, None), S.BadOutOfRange),
        (("olga", None, 32, None), S.BadNotSupported),
        (("olga", None, None, "x" * 300), S.BadInvalidArgument),
    ],
)
async def test_a_change_that_cannot_be_is_refused(admin: Any, arguments: Any, status: int) -> None:
    assert await admin.modify_user(ADMIN, *arguments) == status


async def test_a_password_that_an_administrator_sets_can_be_for_one_login(
    admin: Any, users: Any
) -> None:
    flags = MUST_CHANGE_PASSWORD
    assert await admin.modify_user(ADMIN, "olga", "wet blue kettle 9", flags, None) == S.Good
    assert (await users.authenticate("olga", "wet blue kettle 9")).must_change_password
    assert users.find("olga").expires is not None


async def test_nobody_removes_themselves_or_whom_the_site_file_names(admin: Any) -> None:
    assert await admin.remove_user(ADMIN, "ada") == S.BadInvalidSelfReference
    assert await admin.remove_user(ADMIN, "site-user") == S.BadNotSupported
    assert await admin.remove_user(ADMIN, "nobody") == S.BadNotFound
    assert await admin.remove_user(ADMIN, "olga") == S.Good
    assert await admin.add_user(ADMIN, "olga", SECRET, 0, "") == S.BadAlreadyExists


async def test_a_user_changes_their_own_password(admin: Any, users: Any, audit: Audit) -> None:
    told: list[Any] = []
    users.watch(told.append)
    assert await admin.change_password(OLGA, SECRET, "wet blue kettle 9") == S.Good
    assert await users.authenticate("olga", "wet blue kettle 9")
    assert [(c.user, c.secret_changed, c.by_session) for c in told] == [("olga", True, "of olga")]
    assert [(r.event, r.user) for r in audit.records] == [("password-changed", "olga")]


@pytest.mark.parametrize(
    ("subject", "old", "new", "status"),
    [
        (OLGA, "wrong", "wet blue kettle 9", S.BadIdentityTokenInvalid),
        (OLGA, SECRET, SECRET, S.BadAlreadyExists),
        (OLGA, SECRET, "short", S.BadOutOfRange),
        (replace(OLGA, authentication="Certificate"), SECRET, "wet kettle 99", S.BadInvalidState),
        (replace(OLGA, user=None), SECRET, "wet blue kettle", S.BadInvalidState),
        (replace(OLGA, security_mode="Sign"), SECRET, "kettles", S.BadSecurityModeInsufficient),
    ],
)
async def test_a_password_that_cannot_be_changed_stays(
    admin: Any, users: Any, subject: Subject, old: str, new: str, status: int
) -> None:
    assert await admin.change_password(subject, old, new) == status
    assert await users.authenticate("olga", SECRET)


async def test_a_user_may_be_kept_from_changing_it(admin: Any) -> None:
    await admin.modify_user(ADMIN, "olga", None, NO_CHANGE_BY_USER, None)
    assert await admin.change_password(OLGA, SECRET, "wet blue kettle 9") == S.BadNotSupported


async def test_guessing_the_old_password_locks_like_a_login(admin: Any, users: Any) -> None:
    for _ in range(6):
        await admin.change_password(OLGA, "wrong", "wet blue kettle 9")
    assert users.counters["locked_out"] >= 1


async def test_roles_are_assigned_and_withdrawn(admin: Any, users: Any) -> None:
    assert await admin.change_role(ADMIN, "Engineer", "olga", assign=True) == S.Good
    assert users.find("olga").roles == {"Operator", "Engineer"}
    assert (1, "olga") in admin.identities["Engineer"]
    assert await admin.change_role(ADMIN, "Engineer", "olga", assign=True) == S.BadAlreadyExists
    assert await admin.change_role(ADMIN, "Engineer", "olga", assign=False) == S.Good
    assert await admin.change_role(ADMIN, "Engineer", "olga", assign=False) == S.BadNotFound


@pytest.mark.parametrize(
    ("role", "user", "assign", "status"),
    [
        ("Engineer", "nobody", True, S.BadInvalidArgument),
        ("Engineer", "site-user", False, S.BadRequestNotAllowed),
        ("SecurityAdmin", "ada", False, S.BadRequestNotAllowed),
        ("Anonymous", "olga", True, S.BadRequestNotAllowed),
    ],
)
async def test_a_role_that_cannot_be_changed_is_refused(
    admin: Any, role: str, user: str, assign: bool, status: int
) -> None:
    assert await admin.change_role(ADMIN, role, user, assign=assign) == status


async def test_identities_name_accounts_certificates_and_claims(admin: Any, users: Any) -> None:
    users.change("olga", certificates=("ab" * 20,))
    users.set_disabled("site-user", disabled=True)
    assert admin.identities["Operator"] == [(1, "olga"), (2, "AB" * 20), (3, "plant")]
    assert admin.identities["Engineer"] == []


def test_the_rules_say_what_is_enforced(admin: Any, users: Any) -> None:
    rules = admin.password_rules
    assert (rules.minimum_length, rules.maximum_length) == (12, 1024)
    assert rules.options == 31
    assert "12 characters" in rules.restrictions


# Part 18, 5.2.2: PasswordOptionsMask, bits 5 to 8.
async def test_kinds_of_characters_that_a_site_asks_for_are_shown_and_enforced(
    audit: Any, tmp_path: Path
) -> None:
    cheap = HashParameters(time_cost=1, memory_kib=8)
    demands = PasswordDemands(14, frozenset({CharacterKind.UPPER, CharacterKind.SPECIAL}))
    users = UserStore(tmp_path / "others.json", parameters=cheap, demands=demands)
    admin = AccountAdmin(users, audit)
    assert admin.password_rules.options == 31 + 32 + 256
    assert admin.password_rules.minimum_length == 14
    assert "an upper-case letter, a special character" in admin.password_rules.restrictions
    assert await admin.add_user(ADMIN, "eva", "wet blue kettle 9", 0, "") == S.BadOutOfRange
    assert await admin.add_user(ADMIN, "eva", "Wet blue kettle!", 0, "") == S.Good
    assert await admin.modify_user(ADMIN, "eva", "wet blue kettle 9", None, None) == S.BadOutOfRange
    made = await users.reset_password("eva")
    assert demands.missing(made) == ""


async def test_there_is_a_bound_to_the_number_of_accounts(
    admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biogate_security.users.MAX_USERS", 4)
    assert await admin.add_user(ADMIN, "eva", "wet blue kettle 9", 0, "") == S.Good
    assert await admin.remove_user(ADMIN, "eva") == S.Good
    status = await admin.add_user(ADMIN, "ivo", "wet blue kettle 9", 0, "")
    assert status == S.BadResourceUnavailable


NAMES = st.sampled_from(["ada", "olga", "site-user", "eva", "Olga", ""])
PASSWORDS = st.sampled_from([SECRET, "wet blue kettle 9", "short"])
MASKS = st.integers(0, 31)
STEPS = st.one_of(
    st.tuples(st.just("add_user"), NAMES, PASSWORDS, MASKS, st.just("x")),
    st.tuples(st.just("modify_user"), NAMES, st.none() | PASSWORDS, st.none() | MASKS, st.none()),
    st.tuples(st.just("remove_user"), NAMES),
    st.tuples(st.just("change_role"), st.sampled_from(["Engineer", "SecurityAdmin"]), NAMES),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from([ADMIN, OLGA]), STEPS, st.booleans()), max_size=8))
def test_whoever_asks_for_whatever_leaves_accounts_that_somebody_manages(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    """Nothing changes without a record of it, by anyone else, or past the last administrator;
    and what is answered as Good is what happened."""

    async def run() -> None:
        cheap = HashParameters(time_cost=1, memory_kib=8, parallelism=1)
        users = UserStore(tmp_path_factory.mktemp("users") / "users.json", parameters=cheap)
        await users.add("ada", SECRET, {"SecurityAdmin"})
        await users.add("olga", SECRET, {"Operator"})
        await users.add("site-user", SECRET, {"Engineer"}, managed=False)
        audit = Audit()
        admin = AccountAdmin(users, audit, {"site-user"}, clock=lambda: 1)
        for subject, (what, *arguments), assign in steps:
            before, records = users.users, len(audit.records)
            more = {"assign": assign} if what == "change_role" else {}
            status = await getattr(admin, what)(subject, *arguments, **more)
            assert len(audit.records) == records + 1
            assert audit.records[-1].outcome == status
            if status != S.Good or subject is OLGA:
                assert users.users == before
            ada = users.find("ada")
            assert ada is not None
            assert ada.active
            assert "SecurityAdmin" in ada.roles
            assert "site-user" in users.names

    asyncio.run(run())

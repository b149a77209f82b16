"""Whose certificate may count no more has to log in again."""

from __future__ import annotations

from biogate_security.users import UserStore


async def test_who_watches_accounts_is_told_to_end_their_sessions(users: UserStore) -> None:
    await users.add("olga", "wet blue kettle 9", roles=("Operator",))
    told: list = []
    users.watch(told.append)
    users.log_in_again(name for name in ("olga", "nobody"))
    (change,) = told
    assert (change.user, change.active, change.secret_changed) == ("olga", True, True)
    assert "Operator" in change.roles

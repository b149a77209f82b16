"""Users: Argon2id at rest, one answer for every refusal, and no secret in any text."""

from __future__ import annotations

import json
import logging
import stat
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_security.password_demands import PasswordDemands
from biogate_security.passwords import HashParameters, PasswordError, Passwords, readable_password
from biogate_security.roles import Identity, Role
from biogate_security.user_file import User, UserStoreError, read_users, write_users
from biogate_security.users import Account, UserStore

SECRET = "correct horse battery"


@pytest.fixture
async def olga(users):
    await users.add("olga", SECRET, {Role.OPERATOR})
    return users


@pytest.fixture
def file(tmp_path):
    return tmp_path / "users.json"


async def test_the_right_password_gives_the_user_and_the_roles(olga):
    identity = await olga.authenticate("olga", SECRET, "127.0.0.1")
    assert identity == Identity("olga", frozenset({"Operator", "AuthenticatedUser"}))


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("olga", "wrong"),
        ("olga", ""),
        ("olga", SECRET + "x" * 2000),
        ("olga", "\udcff"),
        ("nobody", SECRET),
        ("Olga", SECRET),
        ("", ""),
        ("\x00\n" * 50, "x"),
    ],
)
async def test_anything_else_gives_nothing(olga, name, password):
    assert await olga.authenticate(name, password) is None


async def test_an_unknown_user_costs_the_same_hash_as_a_known_one(olga, monkeypatch):
    """IEC 62443-4-2 CR 1.10: the same path, with the same parameters, for both."""
    verified = []
    real = Passwords.verify

    def verify(self, stored, password):
        verified.append(stored.rsplit("$", 2)[0])
        return real(self, stored, password)

    monkeypatch.setattr(Passwords, "verify", verify)
    for name in ("olga", "nobody"):
        assert await olga.authenticate(name, "wrong") is None
    known, unknown = verified
    assert known == unknown == "$argon2id$v=19$m=8,t=1,p=1"


async def test_the_file_holds_argon2id_with_its_parameters_for_its_owner_only(olga, file):
    entry = json.loads(file.read_text())["users"]["olga"]
    assert entry["password_hash"].startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert entry["roles"] == ["Operator"]
    assert SECRET not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_usual_parameters_are_those_of_the_facts():
    assert HashParameters() == HashParameters(time_cost=3, memory_kib=65536, parallelism=1)


async def test_equal_passwords_have_different_hashes(olga, file):
    await olga.add("piotr", SECRET, ())
    entries = json.loads(file.read_text())["users"]
    assert entries["olga"]["password_hash"] != entries["piotr"]["password_hash"]


async def test_the_next_start_knows_the_same_users(olga, file, cheap):
    again = UserStore(file, parameters=cheap)
    assert again.names == ["olga"]
    assert await again.authenticate("olga", SECRET)


async def test_other_parameters_renew_the_hash_at_the_next_login(olga, file):
    dearer = HashParameters(time_cost=2, memory_kib=16, parallelism=1)
    store = UserStore(file, parameters=dearer)
    assert await store.authenticate("olga", "wrong") is None
    assert "$m=8,t=1," in file.read_text()
    assert await store.authenticate("olga", SECRET)
    assert "$m=16,t=2," in file.read_text()
    assert await UserStore(file, parameters=dearer).authenticate("olga", SECRET)


async def test_a_composed_and_a_decomposed_letter_are_one(users):
    await users.add("zoë", "pässword-pässword", ())
    assert await users.authenticate("zoë", "pa\u0308ssword-pa\u0308ssword")


async def test_a_short_or_endless_password_may_not_be_set(users, file):
    with pytest.raises(PasswordError, match="at least 12 characters"):
        await users.add("olga", "short", ())
    with pytest.raises(PasswordError, match="at most 1024 bytes"):
        await users.add("olga", "ü" * 513, ())
    assert users.names == []
    assert not file.exists()


def test_an_endless_password_is_not_even_hashed_when_offered(cheap):
    passwords = Passwords(cheap, PasswordDemands(minimum_length=1))
    assert passwords.verify(passwords.hash("x" * 1024), "x" * 1024)
    assert not passwords.verify(passwords.hash("x" * 1024), "x" * 1025)
    with pytest.raises(PasswordError, match="at most 1024 bytes"):
        passwords.hash("x" * 1025)


@pytest.mark.parametrize("name", ["", " olga", "a\nb", "x" * 65, "e\u0301", "\u202eolga"])
async def test_a_name_that_cannot_be_read_or_told_apart_is_refused(users, name):
    with pytest.raises(UserStoreError, match="is no user name"):
        await users.add(name, SECRET, ())


async def test_a_name_is_taken_whatever_its_case(olga):
    with pytest.raises(UserStoreError, match="already"):
        await olga.add("OLGA", SECRET, ())


async def test_an_unknown_role_is_refused_with_the_known_ones(users):
    with pytest.raises(UserStoreError, match=r"no such role: Operatr; known are Observer, Operat"):
        await users.add("olga", SECRET, {"Operatr"})


@pytest.mark.parametrize("role", [Role.ANONYMOUS, Role.AUTHENTICATED_USER])
async def test_a_role_that_comes_with_the_session_cannot_be_assigned(users, role):
    with pytest.raises(UserStoreError, match="no such role"):
        await users.add("olga", SECRET, {role})


async def test_roles_passwords_and_accounts_can_be_changed(olga, file, cheap):
    olga.set_roles("olga", {Role.ENGINEER})
    await olga.set_password("olga", "another long secret")
    assert await olga.authenticate("olga", SECRET) is None
    identity = await UserStore(file, parameters=cheap).authenticate("olga", "another long secret")
    assert identity.roles == {"Engineer", "AuthenticatedUser"}
    olga.set_disabled("olga", disabled=True)
    assert await olga.authenticate("olga", "another long secret") is None
    olga.set_disabled("olga", disabled=False)
    assert await olga.authenticate("olga", "another long secret")


async def test_changing_a_user_that_does_not_exist_names_the_known_ones(olga):
    with pytest.raises(UserStoreError, match="no user 'piotr'; known are olga"):
        olga.set_roles("piotr", ())


# Lock-out


async def test_guessing_locks_the_user_for_a_while_even_for_the_right_password(olga, clock):
    for _ in range(5):
        assert await olga.authenticate("olga", "wrong") is None
    assert await olga.authenticate("olga", SECRET) is None
    clock.advance(1.0)
    assert await olga.authenticate("olga", SECRET)
    for _ in range(4):
        assert await olga.authenticate("olga", "wrong") is None
    assert await olga.authenticate("olga", SECRET)


async def test_a_locked_user_costs_no_hash(olga, monkeypatch):
    for _ in range(5):
        await olga.authenticate("olga", "wrong")
    monkeypatch.setattr(Passwords, "verify", lambda *_: pytest.fail("hashed while locked"))
    assert await olga.authenticate("olga", SECRET) is None
    assert olga.counters["locked_out"] == 1


async def test_a_name_that_does_not_exist_locks_like_one_that_does(olga, monkeypatch):
    for name in ("olga", "nobody"):
        for _ in range(5):
            await olga.authenticate(name, "wrong")
    monkeypatch.setattr(Passwords, "verify", lambda *_: pytest.fail("hashed while locked"))
    for name in ("olga", "nobody"):
        assert await olga.authenticate(name, "wrong") is None


async def test_a_stranger_locks_the_stranger_and_not_the_user(olga):
    """Wrong passwords from one address must not keep a user out everywhere."""
    for _ in range(30):
        assert await olga.authenticate("olga", "wrong", "192.0.2.66") is None
    assert await olga.authenticate("olga", SECRET, "192.0.2.66") is None
    assert await olga.authenticate("olga", SECRET, "192.0.2.1")


async def test_a_source_that_tries_many_names_is_locked_and_others_are_not(olga, clock):
    for number in range(20):
        await olga.authenticate(f"name {number}", "wrong", "192.0.2.1")
    assert await olga.authenticate("olga", SECRET, "192.0.2.1") is None
    assert await olga.authenticate("olga", SECRET, "192.0.2.2")
    clock.advance(1.0)
    assert await olga.authenticate("olga", SECRET, "192.0.2.1")


async def test_one_good_login_does_not_wash_a_source_clean_for_others(olga):
    await olga.add("piotr", SECRET, ())
    for number in range(19):
        await olga.authenticate(f"name {number}", "wrong", "192.0.2.1")
    assert await olga.authenticate("olga", SECRET, "192.0.2.1")
    await olga.authenticate("name", "wrong", "192.0.2.1")
    assert await olga.authenticate("piotr", SECRET, "192.0.2.1") is None
    assert await olga.authenticate("olga", SECRET, "192.0.2.1")


# Accounts that are asked for

OPERATOR = Account("operator", frozenset({"Operator"}))


async def test_an_account_is_made_once_and_its_password_told_once(users):
    made = await users.make_missing([OPERATOR])
    assert await users.make_missing([OPERATOR]) == {}
    identity = await users.authenticate("operator", made["operator"])
    assert identity.roles == {"Operator", "AuthenticatedUser"}


def test_a_readable_password_is_long_and_has_no_letters_that_look_alike():
    passwords = {readable_password() for _ in range(200)}
    assert len(passwords) == 200
    letters = set("".join(passwords))
    assert letters <= set("abcdefghjkmnpqrstuvwxyz23456789-")
    assert not letters & set("01ilo")
    assert {len(password) for password in passwords} == {19}


# Nothing shown


async def test_no_secret_is_in_a_log_line_or_a_repr(users, file, caplog, cheap):
    caplog.set_level(logging.DEBUG)
    password = (await users.make_missing([OPERATOR]))["operator"]
    await users.authenticate("operator", password + "x")
    await users.authenticate("operator", password)
    stored = json.loads(file.read_text())["users"]["operator"]["password_hash"]
    texts = [str(vars(record)) for record in caplog.records]
    texts += [repr(users), repr(users._users), repr(users._users["operator"])]
    assert texts
    for text in texts:
        assert password not in text
        assert stored not in text


async def test_a_refused_login_is_logged_with_who_and_where_and_cannot_forge_a_line(olga, caplog):
    await olga.authenticate("x\n2026 login accepted" + "y" * 100, "wrong", "192.0.2.1")
    (record,) = caplog.records
    assert record.message == "login refused: wrong user name or password"
    assert record.source == "192.0.2.1"
    assert record.user.startswith("x\\u000a2026 login accepted")
    assert "\n" not in record.user
    assert "cut: 121 characters" in record.user


async def test_a_login_while_locked_out_is_logged_with_the_time_that_is_left(olga, clock, caplog):
    for _ in range(6):  # four are free, then 1 s; the sixth comes too early
        await olga.authenticate("olga", "wrong", "192.0.2.1")
    clock.seconds += 0.75
    await olga.authenticate("olga", "wrong", "192.0.2.1")
    *_, sixth, seventh = caplog.records
    assert sixth.message == seventh.message == "login refused: locked out"
    assert (sixth.locked_s, seventh.locked_s) == (1.0, 0.2)


# A file from elsewhere


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"users\.json:1:2: Expecting"),
        ("[]", "not a users file of format 1 or 2"),
        ('{"format": 3, "users": {}}', "not a users file of format 1 or 2"),
        ('{"format": 1, "users": []}', "users: not an object"),
        ('{"format": 1, "users": {"a": {}, "a": {}}}', "occurs twice"),
        ('{"format": 1, "users": {"a": {"roles": []}}}', "user 'a': an object with the keys"),
        ('{"format": 1, "users": {" a": {}}}', "user ' a': ' a' is no user name"),
    ],
)
def test_a_users_file_that_is_wrong_says_where(file, text, message):
    file.write_text(text)
    with pytest.raises(UserStoreError, match=message) as error:
        UserStore(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("password_hash", "plain", "password_hash: not an Argon2id hash"),
        ("password_hash", 5, "password_hash: not an Argon2id hash"),
        ("roles", "Operator", "roles: not a list"),
        ("roles", ["Boss"], "no such role: Boss"),
        ("disabled", 0, "disabled: not true or false"),
    ],
)
async def test_a_wrong_entry_is_named(olga, file, key, value, message):
    document = json.loads(file.read_text())
    document["users"]["olga"][key] = value
    file.write_text(json.dumps(document))
    with pytest.raises(UserStoreError, match=f"user 'olga': {message}"):
        UserStore(file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
KEYS = [each.name for each in fields(User) if each.name != "name"]


@given(
    st.sampled_from([1, 2]),
    st.text(max_size=8),
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), json_values, max_size=6),
)
def test_whatever_an_entry_holds_is_taken_or_named(tmp_path_factory, number, name, changes):
    entry = {"password_hash": None, "roles": [], "disabled": False, **changes}
    path = tmp_path_factory.mktemp("users") / "users.json"
    path.write_text(json.dumps({"format": number, "users": {name: entry}}))
    try:
        users, _ = read_users(path)
    except UserStoreError as error:
        problem, users = str(error), None
    assert users is not None or str(path) in problem
    if users is not None:
        write_users(path, users)
        assert read_users(path) == (users, False)


async def test_a_file_open_to_others_is_closed_with_a_warning(olga, file, caplog):
    file.chmod(0o644)
    UserStore(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "was open to others" in caplog.text


# Format 1, one-time passwords, certificates, changes


async def test_a_file_of_format_1_keeps_working(file, cheap, clock):
    stored = Passwords(cheap, 12).hash(SECRET)
    entry = {"password_hash": stored, "roles": ["Operator"], "disabled": False}
    file.write_text(json.dumps({"format": 1, "users": {"olga": entry}}))
    store = UserStore(file, parameters=cheap, clock=clock)
    assert await store.authenticate("olga", SECRET)
    store.set_roles("olga", {"Engineer"})
    assert json.loads(file.read_text())["format"] == 2
    assert await UserStore(file, parameters=cheap).authenticate("olga", SECRET)


async def test_what_is_stored_of_an_account_is_read_again(olga, file, cheap):
    thumb = "AB" * 20
    olga.change("olga", description="process engineer", certificates=(thumb,), no_delete=True)
    await olga.reset_password("olga")
    assert UserStore(file, parameters=cheap).users == olga.users
    assert olga.find("olga").certificates == (thumb.lower(),)


async def test_a_one_time_password_ends_and_must_be_changed(users, clock, monkeypatch):
    wall = [0]
    monkeypatch.setattr(users, "_wall_clock", lambda: wall[0])
    monkeypatch.setattr(users._logins, "_wall_clock", lambda: wall[0])
    account = Account("administrator", frozenset({"SecurityAdmin"}), one_time=True, managed=True)
    made = (await users.make_missing([account]))["administrator"]
    identity = await users.authenticate("administrator", made)
    assert identity.must_change_password
    wall[0] = 24 * 3600 * 10_000_000
    assert await users.authenticate("administrator", made) is None
    assert users.counters["one-time_password_expired"] == 1
    renewed = await users.reset_password("administrator")
    await users.set_password("administrator", SECRET)
    assert await users.authenticate("administrator", renewed) is None
    assert not (await users.authenticate("administrator", SECRET)).must_change_password


async def test_a_password_that_need_not_be_changed_any_more_does_not_end(users, clock):
    users._logins._wall_clock = users._wall_clock = clock.ticks
    await users.add("ada", "wet blue kettle", set(), must_change_password=True)
    users.change("ada", must_change_password=False)
    clock.advance(25 * 3600)
    assert await users.authenticate("ada", "wet blue kettle") is not None


async def test_an_account_of_the_site_file_whose_name_was_removed_is_not_left_out_silently(
    olga, caplog
):
    olga.remove("olga")
    assert await olga.make_missing([Account("olga", frozenset({"Observer"}))]) == {}
    assert olga.find("olga") is None
    assert "one of this name was removed" in caplog.text


async def test_a_password_from_the_environment_does_not_come_back_after_its_user_changed_it(
    users, file, cheap
):
    asked = Account("olga", frozenset({"Operator"}), "first given password")
    await users.make_missing([asked])
    await users.set_password("olga", "chosen by olga herself")
    again = UserStore(file, parameters=cheap)
    await again.update([asked])
    assert await again.authenticate("olga", "chosen by olga herself")
    await again.update([Account("olga", frozenset({"Operator"}), "another given password")])
    assert await again.authenticate("olga", "another given password")


async def test_the_site_file_shuts_its_own_accounts_and_not_those_of_an_administrator(users):
    await users.make_missing([Account("olga", frozenset({"Operator"}), SECRET)])
    await users.add("piotr", SECRET, {"Engineer"})
    await users.update([], close_others=True)
    assert await users.authenticate("olga", SECRET) is None
    assert await users.authenticate("piotr", SECRET)


async def test_what_an_administrator_shut_no_restart_opens(olga, file, cheap):
    olga.set_disabled("olga", disabled=True)
    again = UserStore(file, parameters=cheap)
    await again.update([Account("olga", frozenset({"Operator"}))])
    assert await again.authenticate("olga", SECRET) is None


async def test_a_removed_account_is_gone_and_its_name_is_not_given_again(olga, file, cheap):
    olga.remove("olga")
    assert olga.names == []
    assert await olga.authenticate("olga", SECRET) is None
    for store in (olga, UserStore(file, parameters=cheap)):
        with pytest.raises(UserStoreError, match="already, or was"):
            await store.add("Olga", SECRET, ())
    assert SECRET not in file.read_text()


async def test_every_change_is_told_with_what_it_means_for_sessions(olga):
    told = []
    olga.watch(told.append)
    olga.set_roles("olga", {"Engineer"})
    olga.set_disabled("olga", disabled=True)
    await olga.set_password("olga", "another long secret")
    olga.remove("olga")
    assert [(c.active, c.secret_changed) for c in told] == [
        (True, False),
        (False, False),
        (False, True),
        (False, True),
    ]
    assert told[0].roles == {"Engineer", "AuthenticatedUser"}


async def test_a_certificate_belongs_to_whose_account_names_it(users):
    sha1, sha256 = "a" * 40, "b" * 64
    await users.add("olga", None, {"Operator"}, certificates=(sha256.upper(),))
    await users.add("piotr", None, {"Engineer"})
    identity = users.by_certificate((sha1, sha256))
    assert identity == Identity("olga", frozenset({"Operator", "AuthenticatedUser"}), "Certificate")
    assert users.by_certificate((sha1,)) is None
    assert users.by_certificate((sha1,), "piotr").user == "piotr"
    await users.reset_password("piotr")
    assert not users.by_certificate((sha1,), "piotr").must_change_password
    assert await users.authenticate("olga", "") is None
    users.set_disabled("olga", disabled=True)
    assert users.by_certificate((sha1, sha256)) is None


async def test_an_account_with_a_certificate_gets_no_password(users):
    account = Account("olga", frozenset({"Operator"}), certificates=("a" * 40,))
    assert await users.make_missing([account]) == {}
    assert users.find("olga").password_hash is None


async def test_properties_that_do_not_go_together_are_refused(olga):
    with pytest.raises(UserStoreError, match="must be allowed to"):
        olga.change("olga", must_change_password=True, no_change_by_user=True)
    with pytest.raises(UserStoreError, match="no thumbprint"):
        olga.change("olga", certificates=("12",))
    with pytest.raises(UserStoreError, match="one line"):
        olga.change("olga", description="a\nb")

"""Who manages the accounts: checked, recorded, carried out (Part 18, 4 and 5).

A record is stored before each change, or the change does not happen; one that then fails is
followed by a record that says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from biogate.opcua.ports import AccountView, PasswordRules
from biogate.opcua.stack import StatusCodes, ua
from biogate_adapters.filetime import now_ticks
from biogate_security.audit import AuditRecord, AuditSink, AuditUnavailableError
from biogate_security.password_demands import CharacterKind, in_words
from biogate_security.passwords import PasswordError
from biogate_security.policy import Subject
from biogate_security.roles import ASSIGNABLE_ROLES, Role
from biogate_security.user_file import User, UserStoreError, check_description, check_name
from biogate_security.users import UserStore

NO_DELETE, DISABLED, NO_CHANGE_BY_USER, MUST_CHANGE_PASSWORD = 1, 2, 4, 8
"""UserConfigurationMask (Part 18, 5.2.3)."""
_ALL = NO_DELETE | DISABLED | NO_CHANGE_BY_USER | MUST_CHANGE_PASSWORD
# PasswordOptionsMask (5.2.2): all that the mask above has, and descriptions; then what is asked
# for, which is nothing where the site does not: length and the list of common passwords do more.
_OPTIONS = 1 | 2 | 4 | 8 | 16
_REQUIRES = {
    CharacterKind.UPPER: 32,
    CharacterKind.LOWER: 64,
    CharacterKind.DIGIT: 128,
    CharacterKind.SPECIAL: 256,
}
_RESTRICTIONS = (
    "At least {} characters that are more than common words, rows of keys and the user's name; at "
    "most {} bytes in UTF-8."
)
_USER_NAME, _THUMBPRINT, _ROLE = 1, 2, 3  # IdentityCriteriaType (4.4.4)
_ENCRYPTED = ua.MessageSecurityMode.SignAndEncrypt.name


class AccountAdmin:
    """The front end's `AccountsAdmin`.

    `from_site` names the accounts that the site file has: their roles and descriptions are said
    there, and they cannot be removed. `claims`: value of an issued token's claim → roles.
    """

    def __init__(
        self,
        users: UserStore,
        audit: AuditSink,
        from_site: Collection[str] = (),
        claims: Mapping[str, Sequence[str]] | None = None,
        *,
        clock: Callable[[], int] = now_ticks,
    ) -> None:
        self._users = users
        self._audit = audit
        self._from_site = frozenset(from_site)
        self._claims = claims or {}
        self._clock = clock

    @property
    def password_rules(self) -> PasswordRules:
        """What passwords are asked for."""
        demands, most = self._users.password_demands, self._users.longest_password
        fewest, kinds = demands.minimum_length, in_words(demands.kinds)
        restrictions = _RESTRICTIONS.format(fewest, most)
        if kinds:
            restrictions += f" Among them {kinds}."
        options = _OPTIONS | sum(_REQUIRES[kind] for kind in demands.kinds)
        return PasswordRules(fewest, most, options, restrictions)

    @property
    def accounts(self) -> Sequence[AccountView]:
        """All accounts by name."""
        return [
            AccountView(user.name, self._configuration(user), user.description)
            for user in self._users.users
        ]

    @property
    def identities(self) -> Mapping[str, Sequence[tuple[int, str]]]:
        """Role → rules of user names, certificates and claims."""
        return self.identities_of(lambda _name: True)

    def identities_of(
        self, among: Callable[[str], bool]
    ) -> Mapping[str, Sequence[tuple[int, str]]]:
        """As `identities`, but of accounts whose names are `among` these."""
        found: dict[str, list[tuple[int, str]]] = {role: [] for role in ASSIGNABLE_ROLES}
        for user in self._users.users:
            if not among(user.name):
                continue
            for role in user.roles if user.active else ():
                if user.password_hash is not None or not user.certificates:
                    found[role].append((_USER_NAME, user.name))
                found[role] += [(_THUMBPRINT, each.upper()) for each in user.certificates]
        for value, roles in self._claims.items():
            for role in roles:
                found[role].append((_ROLE, value))
        return found

    async def add_user(
        self, subject: Subject, name: str, password: str, configuration: int, description: str
    ) -> int:
        """AddUser (5.2.5)."""
        record = self._record("user-added", subject, f"{name}: {_flags(configuration)}")
        status = _denied(subject) or _mask_status(configuration)
        status = status or self._new_status(name, password, description)

        async def add() -> None:
            fields = _fields(configuration)
            await self._users.add(name, password, (), description=description, **fields)

        return await self._carry_out(record, status, add)

    async def modify_user(
        self,
        subject: Subject,
        name: str,
        password: str | None,
        configuration: int | None,
        description: str | None,
    ) -> int:
        """ModifyUser (5.2.6)."""
        what = [
            *(["new password"] if password is not None else []),
            *([_flags(configuration)] if configuration is not None else []),
            *(["new description"] if description is not None else []),
        ]
        record = self._record("user-changed", subject, f"{name}: {', '.join(what)}")
        status = _denied(subject) or _mask_status(configuration or 0)
        status = status or self._change_status(subject, name, configuration, description)
        status = status or self._password_status(name, password)

        async def modify() -> None:
            fields = {} if configuration is None else _fields(configuration)
            if description is not None:
                fields["description"] = description
            await self._users.modify(name, password, **fields)

        return await self._carry_out(record, status, modify)

    async def remove_user(self, subject: Subject, name: str) -> int:
        """RemoveUser (5.2.7)."""
        record = self._record("user-removed", subject, name)
        user = self._users.find(name)
        status = _denied(subject)
        if not status and user is None:
            status = StatusCodes.BadNotFound
        elif not status and name == subject.user:
            status = StatusCodes.BadInvalidSelfReference
        elif not status and user is not None and self._configuration(user) & NO_DELETE:
            status = StatusCodes.BadNotSupported

        async def remove() -> None:
            self._users.remove(name)

        return await self._carry_out(record, status, remove)

    async def change_password(self, subject: Subject, old: str, new: str) -> int:
        """ChangePassword (5.2.8): the session that asks goes on, the user's others end."""
        name = subject.user or ""
        record = self._record("password-changed", subject, name)
        status = await self._own_password_status(subject, old, new)

        async def change() -> None:
            await self._users.set_password(name, new, by_session=subject.session_id)

        return await self._carry_out(record, status, change)

    async def change_role(self, subject: Subject, role: str, user: str, *, assign: bool) -> int:
        """AddIdentity and RemoveIdentity (4.4.5, 4.4.6) of a user name."""
        event = "role-assigned" if assign else "role-withdrawn"
        record = self._record(event, subject, f"{user}: {role}")
        account = self._users.find(user)
        status = _denied(subject)
        if not status and account is None:
            status = StatusCodes.BadInvalidArgument if assign else StatusCodes.BadNotFound
        elif not status and (user in self._from_site or role not in ASSIGNABLE_ROLES):
            status = StatusCodes.BadRequestNotAllowed
        elif not status and account is not None and (role in account.roles) is assign:
            status = StatusCodes.BadAlreadyExists if assign else StatusCodes.BadNotFound
        elif not status and user == subject.user and role == Role.SECURITY_ADMIN:
            status = StatusCodes.BadRequestNotAllowed  # nobody might be left to give it back

        async def change() -> None:
            roles = self._users.find(user)
            held = frozenset() if roles is None else roles.roles
            self._users.set_roles(user, held | {role} if assign else held - {role})

        return await self._carry_out(record, status, change)

    # -- what may be ----------------------------------------------------------------------------

    def _configuration(self, user: User) -> int:
        return (
            NO_DELETE * (user.no_delete or user.name in self._from_site)
            | DISABLED * (not user.active)
            | NO_CHANGE_BY_USER * user.no_change_by_user
            | MUST_CHANGE_PASSWORD * user.must_change_password
        )

    def _new_status(self, name: str, password: str, description: str) -> int:
        try:
            check_name(name)
            check_description(description)
        except UserStoreError:
            return StatusCodes.BadInvalidArgument
        if self._users.knows(name):
            return StatusCodes.BadAlreadyExists
        if self._users.is_full:
            return StatusCodes.BadResourceUnavailable
        return self._password_status(name, password)

    def _change_status(
        self, subject: Subject, name: str, configuration: int | None, description: str | None
    ) -> int:
        if self._users.find(name) is None:
            return StatusCodes.BadNotFound
        if description is not None and name in self._from_site:
            return StatusCodes.BadNotSupported
        if name == subject.user and (configuration or 0) & DISABLED:
            return StatusCodes.BadInvalidSelfReference
        try:
            check_description(description or "")
        except UserStoreError:
            return StatusCodes.BadInvalidArgument
        return StatusCodes.Good

    def _password_status(self, name: str, password: str | None) -> int:
        try:
            if password is not None:
                self._users.check_password(password, name)
        except PasswordError:
            return StatusCodes.BadOutOfRange
        return StatusCodes.Good

    async def _own_password_status(self, subject: Subject, old: str, new: str) -> int:
        """The old password counts as a login: guessing it here is as slow as anywhere."""
        user = self._users.find(subject.user or "")
        if user is None or subject.authentication != "UserName":
            return StatusCodes.BadInvalidState
        if subject.security_mode != _ENCRYPTED:
            return StatusCodes.BadSecurityModeInsufficient
        if user.no_change_by_user:
            return StatusCodes.BadNotSupported
        if await self._users.authenticate(user.name, old, subject.address) is None:
            return StatusCodes.BadIdentityTokenInvalid
        if new == old:
            return StatusCodes.BadAlreadyExists
        return self._password_status(user.name, new)

    # -- doing it -------------------------------------------------------------------------------

    def _record(self, event: str, subject: Subject, new: str) -> AuditRecord:
        return AuditRecord(
            event,
            self._clock(),
            subject.user,
            roles=tuple(sorted(subject.roles)),
            session_id=subject.session_id,
            application_uri=subject.application_uri,
            certificate_sha256=subject.certificate_sha256,
            address=subject.address,
            zone=subject.zone,
            authentication=subject.authentication,
            new=new,
        )

    async def _carry_out(
        self, record: AuditRecord, status: int, act: Callable[[], Awaitable[None]]
    ) -> int:
        """The record, then the change; or the record of a refusal, where `status` is Bad."""
        try:
            if status != StatusCodes.Good:
                await self._audit.record(replace(record, outcome=status, reason="refused"))
                return status
            await self._audit.record(record)
        except AuditUnavailableError:
            return status or StatusCodes.BadResourceUnavailable
        try:
            await act()
        except (UserStoreError, PasswordError) as error:
            failed, why = StatusCodes.BadInvalidState, str(error)  # it was changed meanwhile
        except OSError as error:
            failed, why = StatusCodes.BadResourceUnavailable, str(error)
        else:
            return StatusCodes.Good
        outcome = replace(
            record,
            event=f"{record.event}-outcome",
            time=self._clock(),
            outcome=failed,
            reason=f"not done: {why}",
        )
        try:
            await self._audit.record(outcome)
        except AuditUnavailableError:
            pass  # the log has said so itself, and the client is told below
        return failed


def _denied(subject: Subject) -> int:
    """Good for a SecurityAdmin over an encrypted channel."""
    if subject.security_mode != _ENCRYPTED:
        return StatusCodes.BadSecurityModeInsufficient
    if Role.SECURITY_ADMIN not in subject.roles:
        return StatusCodes.BadUserAccessDenied
    return StatusCodes.Good


def _mask_status(configuration: int) -> int:
    if configuration & ~_ALL:
        return StatusCodes.BadNotSupported
    both = NO_CHANGE_BY_USER | MUST_CHANGE_PASSWORD
    if configuration & both == both:
        return StatusCodes.BadConfigurationError
    return StatusCodes.Good


def _fields(configuration: int) -> dict[str, bool | str]:
    """The fields of `User` that the mask sets."""
    return {
        "no_delete": bool(configuration & NO_DELETE),
        "suspended": bool(configuration & DISABLED),
        "no_change_by_user": bool(configuration & NO_CHANGE_BY_USER),
        "must_change_password": bool(configuration & MUST_CHANGE_PASSWORD),
    }


def _flags(configuration: int) -> str:
    names = {
        NO_DELETE: "cannot be removed",
        DISABLED: "disabled",
        NO_CHANGE_BY_USER: "cannot change the password",
        MUST_CHANGE_PASSWORD: "must change the password",
    }
    return ", ".join(name for bit, name in names.items() if configuration & bit) or "enabled"

"""What the OPC UA front end needs from the rest of the gateway, as protocols.

The front end imports none of their implementations: it may run in a process of its own
(docs/architecture.md, decision 11).
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biogate_security.audit import AuditRecord
from biogate_security.pki_update import AcceptedCertificate, OwnUpdate, PkiChange, PkiUpdate
from biogate_security.policy import Subject
from biogate_security.trust_content import Group, TrustContent

Snapshot = tuple[NDArray[np.float64], NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]


class TagReader(Protocol):
    """Reads tags by index; the tag table satisfies it."""

    def snapshot(self, indices: Sequence[int] | NDArray[np.signedinteger[Any]]) -> Snapshot:
        """Value (float64, NaN where there is none), StatusCode (uint32), SourceTimestamp and
        ServerTimestamp (int64 FILETIME ticks, 0 where there is none) of each index."""
        ...

    def number_at(self, index: int) -> tuple[float, int, int, int]:
        """One row of `snapshot`, as Python numbers."""
        ...

    def object_at(self, index: int) -> Any:
        """The value of a tag that a float64 cannot hold (String, array, 64-bit); None if none."""
        ...


@dataclass(frozen=True, slots=True)
class UnfitValue:
    """A value that the set-point cannot take, such as one of another type.

    `status` is the answer to whoever had the right to write; `text` shows the value in records.
    """

    status: int
    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class StoredValue:
    """What a stored Variable shall hold from now on; it fits the Variable.

    `value` is its number, NaN where it is none; then `held` is the Variant (None for no value).
    `source_time` is in FILETIME ticks. A Variant is handed over: nobody changes it afterwards.
    """

    value: float
    status: int
    source_time: int
    held: Any = None


@dataclass(frozen=True, slots=True)
class StoredWrites:
    """Values for some stored Variables by column, a row like a StoredValue.

    `tag` int32, `value` float64, `status` uint32, `source_time` int64 FILETIME ticks; `objects`:
    row → `held`. Of a tag that occurs twice the last row stays. The arrays are handed over.
    """

    tag: NDArray[np.int32]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    objects: Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the audit trail holds of a write or call, for the audit event that tells of it.

    `number` and `hash` are those of its record in the chain. `reason` is the one that the user
    gave, `second_user` who approved.
    """

    number: int = 0
    hash: bytes = b""
    conduit: str = ""
    batch_id: str = ""
    reason: str = ""
    meaning: str = ""
    second_user: str = ""


OnRecord = Callable[[Receipt], None]
"""Is told, before the command port answers, what the audit trail holds of a command."""


class AuditPort(Protocol):
    """Where the front end's own doings are recorded: channels, sessions, certificates."""

    async def record(self, record: AuditRecord) -> int:
        """Store durably; the record's number. Raises AuditUnavailableError."""
        ...


class CommandPort(Protocol):
    """Where writes and calls leave the front end: policy, limits, audit record, device."""

    async def write(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        value: float | str | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
    ) -> int:
        """Write a set-point; the StatusCode that the client gets.

        Rights come before the value: who may not write learns nothing about what would fit, and
        the refusal is recorded whatever was sent.
        """
        ...

    async def write_stored(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        write: StoredValue | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
    ) -> int:
        """Write a stored Variable, by the same rules; the StatusCode that the client gets."""
        ...

    def write_unaudited(self, writes: StoredWrites) -> Future[Any] | None:
        """Write stored Variables that are declared unaudited, all in one go.

        The front end has asked the policy and checked the values. None: it is done. Otherwise it
        is once the Future is, whose exception is a StatusError.
        """
        ...


@dataclass(frozen=True, slots=True)
class RawQuery:
    """Raw values of a tag (Part 11, 6.5.3). Times are SourceTimestamps in FILETIME ticks.

    With both times, all values from `start` to `end` are asked for, backward where `end` comes
    first, and `limit` is how many come at a time (0: as many as there may be). With one time, the
    other being 0, `limit` values are asked for: forward from a start, backward from an end.
    `bounds`: the values at, or next outside of, the times belong to the answer; one that is not
    there is a row without a value and Bad_BoundNotFound. `resume` is the `more` of the page before.
    """

    tag: str
    start: int
    end: int
    limit: int
    bounds: bool = False
    resume: bytes | None = None


@dataclass(frozen=True, slots=True)
class RawPage:
    """Rows in the order of the query, as columns like `Snapshot`; `objects` by row.

    `more` says where to go on; None: that was all.
    """

    columns: Snapshot
    objects: Mapping[int, Any]
    more: bytes | None = None


class HistoryReader(Protocol):
    """Reads the history of tags by name."""

    def has_history(self, tag: str) -> bool:
        """Whether values of the tag are kept."""
        ...

    async def read_raw(self, query: RawQuery, most: int) -> RawPage:
        """The first rows of what is asked for, `most` at the most."""
        ...


class Identity(Protocol):
    """Who an authenticator found a user to be. `roles` are Part 18 role names.

    `authentication` is the kind of user token; `must_change_password`: the session may do nothing
    else (Part 18, 5.2.8); `until` (FILETIME ticks): the session ends then, None: it need not.
    """

    @property
    def user(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...

    @property
    def authentication(self) -> str: ...

    @property
    def must_change_password(self) -> bool: ...

    @property
    def until(self) -> int | None: ...


class Authenticator(Protocol):
    """Judges who a user is, counts and logs what it refuses. `source` is the peer's address."""

    async def authenticate(self, name: str, password: str, source: str = "") -> Identity | None:
        """The identity, or None for any reason to refuse; takes the same time for an unknown
        user."""
        ...

    async def authenticate_certificate(self, chain_der: bytes, source: str = "") -> Identity | int:
        """The identity of a user certificate whose private key its sender has proven to have.

        Or the StatusCode that the client may be told.
        """
        ...

    async def authenticate_token(self, token: bytes, source: str = "") -> Identity | None:
        """The identity of an issued token (a JWT), or None for any reason to refuse."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """What passwords are asked for (Part 18, 5.2.2 to 5.2.4), in characters.

    `options` is a PasswordOptionsMask; `restrictions` a sentence for people.
    """

    minimum_length: int
    maximum_length: int
    options: int
    restrictions: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as UserManagement shows it; `configuration` is a UserConfigurationMask."""

    name: str
    configuration: int
    description: str


class AccountsAdmin(Protocol):
    """The accounts, for those who may manage them (Part 18, 4 and 5).

    Each change is judged again by the policy that stands behind the port, and recorded before it
    happens; the answer is the StatusCode that the client gets. The front end has checked the role
    and the channel.
    """

    @property
    def password_rules(self) -> PasswordRules: ...

    @property
    def accounts(self) -> Sequence[AccountView]: ...

    @property
    def identities(self) -> Mapping[str, Sequence[tuple[int, str]]]:
        """Role → IdentityCriteriaType and criteria of its mapping rules (Part 18, 4.4.3)."""
        ...

    async def add_user(
        self, subject: Subject, name: str, password: str, configuration: int, description: str
    ) -> int: ...

    async def modify_user(
        self,
        subject: Subject,
        name: str,
        password: str | None,
        configuration: int | None,
        description: str | None,
    ) -> int:
        """None leaves as it is."""
        ...

    async def remove_user(self, subject: Subject, name: str) -> int: ...

    async def change_password(self, subject: Subject, old: str, new: str) -> int:
        """The subject's own password; `old` counts as a login of its own."""
        ...

    async def change_role(self, subject: Subject, role: str, user: str, *, assign: bool) -> int:
        """Assign a role to a user, or take it away (AddIdentity, RemoveIdentity)."""
        ...


class ClientAdmission(Protocol):
    """Who may be a client of this front end at all: the members of its security zone."""

    def address(self, address: str) -> bool:
        """Whether a client may come from this IP address."""
        ...

    def certificate(self, der: bytes) -> bool:
        """Whether it may show this certificate (DER, without its issuers); b"": it shows none."""
        ...

    def application(self, uri: str) -> bool:
        """Whether it may be this application (ApplicationUri)."""
        ...


class Pki(Protocol):
    """The application's own certificate and its judgement of others'."""

    @property
    def certificate_der(self) -> bytes: ...

    @property
    def private_key(self) -> Any: ...

    def certificate_of(self, kind: str) -> bytes:
        """The own certificate (DER) with a key of that kind, such as "nistP256"; the properties
        are RSA's."""
        ...

    def private_key_of(self, kind: str) -> Any:
        """The private key of that kind."""
        ...

    def validate(self, der: bytes, application_uri: str | None = None) -> int:
        """StatusCode of a certificate by Part 4, 6.1.3; checks the URI too where one is given."""
        ...


class PkiAdmin(Protocol):
    """The PKI of this front end, for those who may administer it (Part 12, 7.8 to 7.10).

    In a zone's process it is that zone's own: its key does not leave it. All but `poll` may be
    called in a thread, one at a time. What is refused raises PkiUpdateError with the StatusCode;
    nothing has an effect before `commit`.
    """

    @property
    def groups(self) -> Sequence[Group]:
        """The groups whose trust lists have an effect here."""
        ...

    def trust_list(self, group: Group) -> TrustContent:
        """The trust list as it is now. Raises OSError."""
        ...

    def last_update(self, group: Group) -> int:
        """When the trust list changed last, in FILETIME ticks."""
        ...

    def rejected_certificates(self) -> Sequence[bytes]:
        """The DER of certificates that were refused, newest first. Raises OSError."""
        ...

    def signing_request(self, subject: str, *, new_key: bool, nonce: bytes) -> bytes:
        """A PKCS #10 request in DER for the own key, or for a new one that is kept until its
        certificate comes; `subject` is "" for the present one."""
        ...

    def check_certificate(
        self, certificate: bytes, issuers: Sequence[bytes], key_format: str, key: bytes
    ) -> OwnUpdate:
        """What a new own certificate would change, once everything about it has been checked."""
        ...

    def check_trust_list(self, group: Group, content: TrustContent) -> None:
        """Check every certificate and revocation list of a trust list that shall replace one."""
        ...

    def check_trusted(self, group: Group, certificate: bytes) -> TrustContent:
        """The trust list with one more trusted certificate, which has been checked."""
        ...

    def without(self, group: Group, thumbprint: str, *, trusted: bool) -> TrustContent:
        """The trust list without a trusted certificate, or without one of its issuers."""
        ...

    def describe(self, update: PkiUpdate) -> Sequence[PkiChange]:
        """What an update would change, for the record of it. Raises OSError."""
        ...

    def commit(self, update: PkiUpdate) -> None:
        """Let all of it take effect, or none. Raises PkiUpdateError or OSError."""
        ...

    def poll(self) -> Sequence[PkiChange]:
        """What changed since the last time, by whatever hand; a new own certificate is now in
        use. Never raises: what cannot be read is logged, and what was known stays."""
        ...

    def judge_again(self, chain: bytes) -> int:
        """The StatusCode of the certificate (issuers may follow) of a channel that is open."""
        ...

    def take_accepted(self) -> Sequence[AcceptedCertificate]:
        """What was accepted in spite of a fault that the site suppresses, since the last time."""
        ...

"""What the core and a zone's front end say to each other: MessagePack of tagged structures.

The core believes nothing of it: what a zone sends is decoded by `decode_from_zone` only, into
these types and within their bounds, and says neither its zone nor what it may do. Columns are
numpy arrays as little-endian bytes, OPC UA values are encoded Variants (Part 6, 5.2.2.16).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

VERSION = 1
MAX_FROM_ZONE_BYTES = 20 << 20
"""The longest message of a zone: a value of the longest request, and what belongs to it."""
MAX_UNDER_WAY = 256
"""Requests of one zone that may be unanswered at a time; one more ends the link."""
MAX_UNREAD_BYTES = 64 << 20
"""A zone that asks on while so much waits for it to be read ends its link."""
MAX_FROM_CORE_BYTES = 1 << 30
"""The longest message of the core: an address space of some million nodes."""

Text = Annotated[str, Meta(max_length=4096)]
LongText = Annotated[str, Meta(max_length=1 << 20)]
Name = Annotated[str, Meta(max_length=256)]
Uint32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Tag = Annotated[int, Meta(ge=0, le=2**31 - 1)]
RequestId = Annotated[int, Meta(ge=0, le=2**53)]
Blob = Annotated[bytes, Meta(max_length=17 << 20)]
Roles = Annotated[tuple[Name, ...], Meta(max_length=64)]
Counters = Annotated[
    dict[
        Name, Annotated[dict[Name, Annotated[int, Meta(ge=0, le=2**63 - 1)]], Meta(max_length=512)]
    ],
    Meta(max_length=32),
]


class Message(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What all messages are."""


# -- from the core to a zone ------------------------------------------------------------------


class TagOf(Message):
    """A tag as the zone knows it; see `TagInfo`. `historized`: its history can be asked for."""

    name: str
    data_type: str
    unit: str | None
    low: float | None
    high: float | None
    instrument_low: float | None
    instrument_high: float | None
    writable: bool
    description: str
    historized: bool


class SourceOfTag(Message, tag="tag"):
    """A `TagSource` of the node at position `node`; `tag` is the zone's own index."""

    node: int
    tag: int
    projection: int
    name: str
    device: str
    writable: bool
    stored: bool
    unaudited: bool


class SourceOfConstant(Message, tag="constant"):
    """A `StaticSource`."""

    node: int
    value: bytes


class SourceOfFollower(Message, tag="follower"):
    """A `FollowSource`."""

    node: int
    tag: int
    value: bytes


class SpaceOf(Message):
    """The part of the core's address space that a zone may ever browse, types of nodesets apart.

    `namespaces` is the whole NamespaceArray: those of which the zone sees no node have no name.
    `model` is a marshalled `compiled.flatten` of the nodes; `places` and `sources` are by their
    positions in it. `notifiers` are encoded NodeIds; `methods` what the core runs: owner, Method,
    and whether calls of it are told to those who listen to audit events.
    """

    namespaces: tuple[str, ...]
    model: bytes
    places: tuple[tuple[str, str], ...]
    sources: tuple[SourceOfTag | SourceOfConstant | SourceOfFollower, ...]
    notifiers: tuple[bytes, ...]
    methods: tuple[tuple[bytes, bytes, bool], ...]
    tags: tuple[TagOf, ...]
    unaudited: tuple[str, ...]


class Setup(Message, tag="setup"):
    """All that a zone's front end is made of. `config` and `table` are encoded by `plain`.

    `nodesets` are the names of official nodesets, None for all; `trusts_any_client` as `Pki`'s
    `auto_trust`.
    """

    version: int
    zone: str
    config: bytes
    table: bytes
    pki_folder: str
    host_names: tuple[str, ...]
    trusts_any_client: bool
    manages_accounts: bool
    nodesets: tuple[str, ...] | None
    nodeset_folder: str | None
    nodeset_cache: str
    space: SpaceOf


class Accounts(Message, tag="accounts"):
    """The accounts as administrators see them, of users that may log in from the zone.

    `rules` are PasswordRules' minimum, maximum, options and restrictions; `accounts` names,
    configurations and descriptions; `identities` the mapping rules of each role.
    """

    rules: tuple[int, int, int, str]
    accounts: tuple[tuple[str, int, str], ...]
    identities: dict[str, tuple[tuple[int, str], ...]]


class AccountChanged(Message, tag="account changed"):
    """An `AccountChange`."""

    user: str
    roles: tuple[str, ...]
    active: bool
    secret_changed: bool
    by_session: str


class Conduits(Message, tag="conduits"):
    """Which conduits are open now."""

    open: dict[str, bool]


class Rows(Message):
    """Updates of tags by column, as `JournalBatch` has them.

    `index` int32, `value` float64, `status` uint32 (empty: all Good), `source_time` int64.
    `variants` and `plain`: row → value of a tag that is no number.
    """

    index: bytes
    value: bytes
    status: bytes
    source_time: bytes
    server_time: int
    variants: dict[int, bytes] = {}
    plain: dict[int, Any] = {}


class Batches(Message, tag="batches"):
    """Updates in their order."""

    rows: tuple[Rows, ...]


class Snapshot(Message, tag="snapshot"):
    """The present values of tags: those of all after the start, and after `lost_rows` updates
    went by. Each row has a server time of its own (int64), in the order of `rows.index`."""

    rows: Rows
    server_times: bytes
    lost_rows: int


class EventOf(Message, tag="event"):
    """An event. `source` and `event_type` are NodeIds, `fields` paths and Variants, encoded;
    `place` is the zone and part that it is about."""

    source: bytes
    severity: int
    message: tuple[str | None, str | None]
    event_type: bytes
    source_name: str
    time: int
    receive_time: int
    fields: tuple[tuple[tuple[tuple[int, str], ...], bytes], ...]
    event_id: bytes
    place: tuple[str, str]


class EventsLost(Message, tag="events lost"):
    """So many events went by while the zone did not read."""

    count: int


class Ping(Message, tag="ping"):
    """Asks whether the zone's loop still turns."""

    number: int


class Stop(Message, tag="stop"):
    """The zone shall close its sessions and end."""


class ReceiptOf(Message):
    """A `Receipt`."""

    number: int
    hash: bytes
    conduit: str
    batch_id: str
    reason: str
    meaning: str
    second_user: str


class StatusReply(Message, tag="status"):
    """The StatusCode of a write, and what the audit trail holds of it where that is asked for."""

    id: int
    status: int
    receipt: ReceiptOf | None = None


class Denied(Message, tag="denied"):
    """What was asked for did not happen; `reason` is for the log."""

    id: int
    status: int
    reason: str


class CallReply(Message, tag="called"):
    """What came of a call: an encoded CallMethodResult (Part 4, 5.12.2)."""

    id: int
    result: bytes
    receipt: ReceiptOf | None = None


class IdentityReply(Message, tag="identity"):
    """Who somebody is; `user` None: refused."""

    id: int
    user: str | None
    roles: tuple[str, ...] = ()
    authentication: str = ""
    must_change_password: bool = False
    until: int | None = None
    status: int = 0


class HistoryReply(Message, tag="history page"):
    """A page of raw values."""

    id: int
    rows: Rows
    server_times: bytes
    more: bytes | None


class Done(Message, tag="done"):
    """What was asked for has happened; `number` is that of an audit record."""

    id: int
    number: int = 0


# -- from a zone to the core ------------------------------------------------------------------


class SubjectOf(Message):
    """Who asks. Its zone and roles are not asked for: the core knows them better."""

    user: Name | None
    session_id: Name
    application_uri: Text
    certificate_sha256: Annotated[str, Meta(max_length=64)]
    address: Name
    security_policy_uri: Name
    security_mode: Annotated[str, Meta(max_length=16)]
    authentication: Annotated[str, Meta(max_length=16)]


class UnfitOf(Message):
    """An `UnfitValue`."""

    status: Uint32
    text: Text


class StoredOf(Message):
    """A `StoredValue`; `held` an encoded Variant."""

    value: float
    status: Uint32
    source_time: Int64
    held: Blob | None


class Ready(Message, tag="ready"):
    """The zone listens."""

    version: int
    url: Text
    port: Annotated[int, Meta(ge=0, le=65535)]


class Failed(Message, tag="failed"):
    """The zone cannot start, and ends."""

    reason: Text


class Pong(Message, tag="pong"):
    """The answer to a ping, and what the front end has counted so far."""

    number: RequestId
    counters: Counters


class LogLine(Message, tag="log"):
    """A line of the zone's log."""

    level: Annotated[int, Meta(ge=0, le=50)]
    logger: Name
    message: Text
    context: Annotated[dict[Name, Text], Meta(max_length=32)]


class WriteSetPoint(Message, tag="write"):
    """`CommandPort.write`."""

    id: RequestId
    subject: SubjectOf
    tag: Tag
    node_id: Text
    value: bool | int | float | LongText | None
    unfit: UnfitOf | None
    client_audit_entry_id: Text
    receipt: bool


class WriteStored(Message, tag="write stored"):
    """`CommandPort.write_stored`."""

    id: RequestId
    subject: SubjectOf
    tag: Tag
    node_id: Text
    stored: StoredOf | None
    unfit: UnfitOf | None
    client_audit_entry_id: Text
    receipt: bool


class WriteUnaudited(Message, tag="write unaudited"):
    """`CommandPort.write_unaudited`: int32, float64, uint32 and int64 columns."""

    id: RequestId
    index: Blob
    value: Blob
    status: Blob
    source_time: Blob
    variants: Annotated[dict[int, Blob], Meta(max_length=10_000)]


class CallMethod(Message, tag="call"):
    """Call a Method of the core's; `refused` other than 0: only record that the zone refused it."""

    id: RequestId
    subject: SubjectOf
    object_id: Annotated[bytes, Meta(max_length=8192)]
    method_id: Annotated[bytes, Meta(max_length=8192)]
    arguments: Annotated[tuple[Blob, ...], Meta(max_length=256)]
    client_audit_entry_id: Text
    receipt: bool
    refused: Uint32


class Authenticate(Message, tag="log in"):
    """`Authenticator`: a password, a chain of certificates (DER) or an issued token."""

    id: RequestId
    kind: Annotated[str, Meta(max_length=16)]
    name: Text
    secret: Annotated[bytes, Meta(max_length=65_536)]
    source: Name


class ReadHistory(Message, tag="history"):
    """`HistoryReader.read_raw`."""

    id: RequestId
    tag: Text
    start: Int64
    end: Int64
    limit: Uint32
    bounds: bool
    resume: Annotated[bytes, Meta(max_length=4096)] | None
    most: Annotated[int, Meta(ge=1, le=100_000)]


class ManageAccounts(Message, tag="manage accounts"):
    """A change by `AccountsAdmin`: its method and the arguments after the subject, by name."""

    id: RequestId
    subject: SubjectOf
    change: Annotated[str, Meta(max_length=32)]
    arguments: Annotated[dict[Name, Text | int | bool | None], Meta(max_length=8)]


class Record(Message, tag="record"):
    """`AuditPort.record`: an AuditRecord as JSON-like fields; its zone is set by the core."""

    id: RequestId
    record: Annotated[dict[Name, LongText | int | Roles | None], Meta(max_length=64)]


FromCore = (
    Setup
    | Accounts
    | AccountChanged
    | Conduits
    | Batches
    | Snapshot
    | EventOf
    | EventsLost
    | Ping
    | Stop
    | StatusReply
    | Denied
    | CallReply
    | IdentityReply
    | HistoryReply
    | Done
)
FromZone = (
    Ready
    | Failed
    | Pong
    | LogLine
    | WriteSetPoint
    | WriteStored
    | WriteUnaudited
    | CallMethod
    | Authenticate
    | ReadHistory
    | ManageAccounts
    | Record
)


class MalformedError(ValueError):
    """Bytes that are no message, or one beyond its bounds."""


_encoder = msgspec.msgpack.Encoder()
_from_core: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromCore)
_from_zone: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromZone)


def encode(message: Message) -> bytes:
    """The message as MessagePack."""
    return _encoder.encode(message)


def decode_from_core(data: bytes | memoryview) -> Any:
    """One of `FromCore`. Raises MalformedError."""
    return _decode(_from_core, data)


def decode_from_zone(data: bytes | memoryview) -> Any:
    """One of `FromZone`. Raises MalformedError."""
    return _decode(_from_zone, data)


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes | memoryview) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error

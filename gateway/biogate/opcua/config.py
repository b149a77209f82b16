"""What a front end is configured with, and the limits that it publishes and enforces."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version


@dataclass(frozen=True, slots=True)
class Limits:
    """ServerCapabilities and OperationLimits (Part 5, 6.3.2 and 6.3.11) and what else is bounded.

    Every number is enforced, and published where the specification has a place for it.
    """

    max_connections: int = 200
    max_unused_connections_per_host: int = 50
    max_sessions: int = 100
    max_sessions_per_channel: int = 20
    max_sessions_per_user: int = 50
    max_sessions_per_application: int = 50
    max_unactivated_sessions_per_channel: int = 5
    min_session_timeout_ms: float = 10_000.0
    max_session_timeout_ms: float = 3_600_000.0
    max_running_requests_per_session: int = 4
    max_queued_requests_per_session: int = 32
    max_large_requests_bytes: int = 16_777_216
    max_request_duration_ms: float = 60_000.0
    max_message_size: int = 16_777_216
    max_response_size: int = 16_777_216
    max_nodes_per_read: int = 10_000
    max_nodes_per_write: int = 1_000
    max_nodes_per_method_call: int = 100
    max_nodes_per_browse: int = 1_000
    max_nodes_per_register_nodes: int = 10_000
    max_nodes_per_translate: int = 1_000
    max_references_per_node: int = 1_000
    max_browse_steps: int = 200_000
    max_browse_continuation_points: int = 20
    max_nodes_per_history_read_data: int = 100
    max_nodes_per_history_read_events: int = 100
    max_history_values_per_result: int = 1_000
    max_history_continuation_points: int = 20
    max_path_elements: int = 100
    max_translate_steps: int = 100_000
    max_translate_matches: int = 1_000
    max_array_length: int = 30_000
    max_elements_per_message: int = 40_000
    max_string_length: int = 1_048_576
    max_byte_string_length: int = 4_194_304
    max_subscriptions: int = 500
    max_subscriptions_per_session: int = 50
    max_monitored_items: int = 200_000
    max_monitored_items_per_session: int = 25_000
    max_monitored_items_per_subscription: int = 25_000
    max_monitored_items_per_call: int = 10_000
    max_monitored_items_queue_size: int = 10_000
    max_select_clause_parameters: int = 200
    max_where_clause_parameters: int = 1_000
    min_sampling_interval_ms: float = 50.0


@dataclass(frozen=True, slots=True)
class FrontEndConfig:
    """One OPC UA endpoint address with its security and identity.

    `port` 0 takes a free one; `hostname` is what endpoint URLs show (default: `host`).
    `security` holds policy names of `transport.policies`, such as "None" and "Basic256Sha256";
    every policy but None is offered with each of `modes`. `diagnostics` shows ServerDiagnostics.
    `listen` False opens no port: clients are reached at `reverse_connect` (`opc.tcp://host:port`
    each) only.
    `tick_interval_ms` is how soon timers notice what was set up while they slept.
    `user_certificates`: users may log in with a certificate on secured channels. `issued_tokens`:
    the IssuerEndpointUrl (Part 6, 6.5) of the JWTs that are accepted; None: none are. `zone` is
    the security zone of all sessions, "" on a site without zones. `suppressed` names what does
    not refuse a client's certificate (`SUPPRESSIBLE_BY_SITE` of biogate_security). `notice` is the
    system use notification that clients may show, "" for none.
    """

    application_uri: str
    host: str = "127.0.0.1"
    port: int = 4840
    hostname: str | None = None
    application_name: str = "biogate"
    product_uri: str = "urn:biogate"
    manufacturer: str = "biogate"
    software_version: str = field(default_factory=lambda: version("biogate"))
    security: tuple[str, ...] = ("None", "Basic256Sha256")
    modes: tuple[str, ...] = ("Sign", "SignAndEncrypt")
    anonymous: bool = True
    user_certificates: bool = False
    issued_tokens: str | None = None
    diagnostics: bool = True
    listen: bool = True
    reverse_connect: tuple[str, ...] = ()
    zone: str = ""
    suppressed: tuple[str, ...] = ()
    notice: str = ""
    tick_interval_ms: float = 50.0
    limits: Limits = field(default_factory=Limits)

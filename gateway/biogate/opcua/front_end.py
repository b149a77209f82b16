"""The OPC UA front end: what the gateway starts, stops and gives its values to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.audit import Auditor
from biogate.opcua.audit.channels import channel_facts
from biogate.opcua.audit.sessions import session_ended
from biogate.opcua.audit.types import add_security_types
from biogate.opcua.config import FrontEndConfig, Limits
from biogate.opcua.connections import Connections
from biogate.opcua.endpoints import Endpoints, offered
from biogate.opcua.events import EventHub
from biogate.opcua.lanes.browse import browse
from biogate.opcua.lanes.publish import PublishLane
from biogate.opcua.lanes.read import read
from biogate.opcua.lanes.write import write as write_lane
from biogate.opcua.notice import add_notice
from biogate.opcua.own_keys import curve_keys
from biogate.opcua.ports import (
    AccountsAdmin,
    AuditPort,
    Authenticator,
    ClientAdmission,
    CommandPort,
    HistoryReader,
    Identity,
    Pki,
    PkiAdmin,
    TagReader,
)
from biogate.opcua.push import PushManagement
from biogate.opcua.request_queue import RequestQueue
from biogate.opcua.roles import apply_change, bind_roles, bind_user_management
from biogate.opcua.server import Dispatcher
from biogate.opcua.server_diagnostics import ServerDiagnostics
from biogate.opcua.services import attribute, discovery, history, method, session, view, write
from biogate.opcua.services.context import ServerContext
from biogate.opcua.services.server_methods import bind_server_methods
from biogate.opcua.services.subscription import SubscriptionServices
from biogate.opcua.session import Session, SessionManager
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.rights import Rights
from biogate.opcua.space.server_object import ServerState, bind_server_object
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.sampling import SampledTags
from biogate.opcua.timekeeper import TimeKeeper
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.events import ChannelOpened, Closed
from biogate.opcua.transport.interfaces import CertificateValidator, ConnectionHandle
from biogate.opcua.transport.listener import Listener
from biogate.opcua.transport.policies import leaf_of
from biogate_adapters.filetime import now_ticks
from biogate_security.policy import Policy
from biogate_security.roles import AccountChange

__all__ = [
    "AccountsAdmin",
    "AuditPort",
    "Authenticator",
    "CommandPort",
    "FrontEnd",
    "FrontEndConfig",
    "HistoryReader",
    "Identity",
    "Limits",
    "Pki",
    "PkiAdmin",
    "TagReader",
]

_log = logging.getLogger(__name__)
_STOP_GRACE_S = 0.5
_TICK_S = 0.1
"""How finely the timeouts of sessions run."""
_SERVICES = (
    *discovery.SERVICES,
    *session.SERVICES,
    *attribute.SERVICES,
    *write.SERVICES,
    *view.SERVICES,
    *method.SERVICES,
    *history.SERVICES,
)


class FrontEnd:
    """One OPC UA server endpoint over an address space and a tag table.

    `clock` is monotonic seconds, `wall_clock` FILETIME ticks. `events` takes in what clients that
    subscribe to events shall hear. Without `audit` the front end records nothing itself, without
    `accounts` nobody manages users and roles, without `pki_admin` nobody certificates, and changes
    of the PKI folder wait for the next start; without `admission` anybody may be a client whose
    certificate is trusted. Raises ValueError for a policy or mode that is
    unknown.
    """

    def __init__(
        self,
        config: FrontEndConfig,
        space: AddressSpace,
        tags: SampledTags,
        commands: CommandPort,
        policy: Policy,
        authenticator: Authenticator,
        pki: Pki,
        *,
        history_reader: HistoryReader | None = None,
        audit: AuditPort | None = None,
        accounts: AccountsAdmin | None = None,
        pki_admin: PkiAdmin | None = None,
        admission: ClientAdmission | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = now_ticks,
    ) -> None:
        namespace = -1 if audit is None else add_security_types(space)
        add_notice(space, namespace, config.notice)
        self.subscriptions = SubscriptionServices(tags)
        self.events = EventHub(space, wall_clock, config.limits)
        self.auditor = Auditor(audit, self.events, config.application_uri, clock, namespace)
        self.state = ServerState(config, wall_clock(), wall_clock, auditing=audit is not None)
        self.context = ServerContext(
            config=config,
            space=space,
            tags=tags,
            commands=commands,
            rights=Rights(policy, space, wall_clock),
            endpoints=Endpoints(config, config.port, pki),
            sessions=SessionManager(config.limits, clock, self._session_closed),
            connections=Connections(self._session_moved),
            queue=RequestQueue(config.limits, clock),
            authenticator=authenticator,
            pki=pki,
            clock=clock,
            wall_clock=wall_clock,
            started_ticks=self.state.started_ticks,
            service_sets=[self.subscriptions],
            events=self.events,
            history=history_reader,
            auditor=self.auditor,
            admission=admission,
        )
        self.dispatcher = Dispatcher(
            self.context,
            (*_SERVICES, *self.subscriptions.services),
            {
                ua.ReadRequest: read,
                ua.WriteRequest: write_lane,
                ua.BrowseRequest: browse,
                ua.PublishRequest: PublishLane(lambda: self.subscriptions.manager),
            },
        )
        transport = TransportConfig(
            endpoints=frozenset(offered(config)),
            certificate_chain=pki.certificate_der,
            private_key=pki.private_key,
            curve_keys=curve_keys(pki, config),
            validate_certificate=_validator(pki, admission),
            admit_address=_admit_all if admission is None else admission.address,
            watch=self._channel_changed,
            max_message_size=config.limits.max_message_size,
            max_connections=config.limits.max_connections,
            max_unused_per_host=config.limits.max_unused_connections_per_host,
            listen=config.listen,
        )
        self._accounts = accounts
        self.listener = Listener(config.host, config.port, transport, self.dispatcher, clock=clock)
        self._push: PushManagement | None = None
        if pki_admin is not None:
            self._push = PushManagement(
                self.context, pki_admin, self.listener.handles, self._certificate_changed
            )
            self.context.service_sets.append(self._push)
        self._timer: TimeKeeper | None = None

    @property
    def endpoint_url(self) -> str:
        """Where clients connect; with the port that was taken, once started."""
        return self.context.endpoints.url

    async def start(self) -> None:
        """Serve clients. Raises ListenError when the address cannot be listened on."""
        bind_server_methods(self.context.space, self.subscriptions)
        if self._accounts is not None:
            bind_roles(self.context.space, self._accounts, self.context.wall_clock)
            bind_user_management(self.context.space, self._accounts, self.context.wall_clock)
        if self._push is not None:
            self._push.bind()
        diagnostics = ServerDiagnostics(self.context, self.subscriptions.all)
        shown = diagnostics.values() if self.context.config.diagnostics else {}
        bind_server_object(self.context.space, self.state, shown)
        await self.listener.start()
        context = self.context
        context.endpoints = Endpoints(context.config, self.listener.port, context.pki)
        self.listener.offer_connections(context.config.reverse_connect, self._offered_endpoint)
        self._timer = TimeKeeper(
            context.clock,
            lambda: self.subscriptions.next_deadline_s,
            self.subscriptions.tick,
            self.tick,
            look_s=context.config.tick_interval_ms / 1000.0,
            tick_s=_TICK_S,
        )
        self._timer.start()
        _log.info("OPC UA endpoint ready", extra={"url": self.endpoint_url})

    async def stop(self) -> None:
        """Stop within a second: requests under way get half of it. Safe to call twice."""
        if self._timer is None:
            return
        self._timer.stop()
        self._timer = None
        self.state.state = ua.ServerState.Shutdown
        await self.context.queue.stop(_STOP_GRACE_S)
        for open_session in self.context.sessions:
            self.context.sessions.close(open_session, delete_subscriptions=True)
        await self.listener.stop()
        if self._push is not None:
            await self._push.stop()
        await self.auditor.close()

    def account_changed(self, change: AccountChange) -> None:
        """An account is another one now: its open sessions end, or have its new roles."""
        apply_change(self.context, change)

    def tick(self) -> None:
        """Time has passed: close what has timed out, publish what is due."""
        for expired in self.context.sessions.tick():
            _log.info("session timed out", extra={"session": expired.name})
        now_s = self.context.clock()
        self.auditor.tick(now_s)
        for service_set in self.context.service_sets:
            service_set.tick(now_s)

    def _certificate_changed(self) -> None:
        """Offer the new own certificate to whoever connects from now on."""
        pki, context = self.context.pki, self.context
        context.endpoints = Endpoints(context.config, self.listener.port, pki)
        self.listener.config = replace(
            self.listener.config,
            certificate_chain=pki.certificate_der,
            private_key=pki.private_key,
            curve_keys=curve_keys(pki, context.config),
        )

    def _offered_endpoint(self) -> tuple[str, str]:
        return self.context.config.application_uri, self.endpoint_url

    def _channel_changed(self, address: str, event: ChannelOpened | Closed) -> None:
        if self.auditor.enabled:
            for fact in channel_facts(address, event, self.context.wall_clock()):
                self.auditor.note(fact)

    def _session_moved(self, moved: Session, handle: ConnectionHandle) -> None:
        for service_set in self.context.service_sets:
            service_set.session_moved(moved, handle)

    def _session_closed(self, closed: Session, delete_subscriptions: bool) -> None:
        self.dispatcher.session_closed(closed, delete_subscriptions)
        self.auditor.note(session_ended(closed, self.context.wall_clock(), closed.cause))


def _admit_all(_address: str) -> bool:
    return True


def _validator(pki: Pki, admission: ClientAdmission | None) -> CertificateValidator:
    """Judges as `pki` does; then only who is a client of the zone, where there is one, is good."""
    if admission is None:
        return pki.validate

    def validate(chain: bytes) -> int:
        status = pki.validate(chain)
        if status == StatusCodes.Good and not admission.certificate(leaf_of(chain)):
            return StatusCodes.BadCertificateUntrusted
        return status

    return validate

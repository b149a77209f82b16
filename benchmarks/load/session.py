"""A session as anonymous, and what a client has to know about a server to open one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.load import requests, security
from benchmarks.load.answers import Cursor, WrongAnswerError
from benchmarks.load.asyncua_types import decoded, ua
from benchmarks.load.channel import Channel
from benchmarks.load.requests import Template

_GET_ENDPOINTS, _CREATE, _ACTIVATE, _CLOSE, _READ = 431, 464, 470, 476, 634
_ANY_NONCE = bytes(32)
LONG_MS = 3_600_000.0
_NAMESPACE_ARRAY = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)


@dataclass(frozen=True)
class Target:
    """A server: its port, its certificate, the PolicyId of its anonymous token without and with
    security, and the index of the benchmark's namespace there."""

    port: int
    certificate: bytes
    policy_ids: tuple[str, str]
    namespace: int = 0

    def connect(self, *, secure: bool = False, timeout_ms: float = LONG_MS) -> Session:
        """A new connection with an activated session that times out after `timeout_ms`.

        Raises WrongAnswerError, OSError.
        """
        return Session(self, secure=secure, timeout_ms=timeout_ms)

    def variables(self, count: int) -> list[Any]:
        """NodeIds of the first `count` variables."""
        return [requests.variable(self.namespace, f"Var{n}") for n in range(count)]


def discover(port: int, namespace: str) -> Target:
    """Ask a server what it is. Raises WrongAnswerError when it does not offer what is needed."""
    channel = Channel(port)
    template = Template(requests.get_endpoints(channel.url))
    endpoints = decoded(ua.GetEndpointsResponse, channel.ask(template, _GET_ENDPOINTS)).Endpoints
    channel.close()
    plain = _endpoint(endpoints, security.POLICY_NONE, ua.MessageSecurityMode.None_)
    secure = _endpoint(endpoints, security.POLICY, ua.MessageSecurityMode.SignAndEncrypt)
    ids = _anonymous(plain), _anonymous(secure)
    target = Target(port, secure.ServerCertificate, ids)
    with target.connect() as session:
        read = decoded(ua.ReadResponse, session.ask(requests.read([_NAMESPACE_ARRAY]), _READ))
    uris = read.Results[0].Value.Value
    if namespace not in uris:
        raise WrongAnswerError(f"the server has no namespace {namespace}")
    return replace(target, namespace=uris.index(namespace))


def _endpoint(endpoints: Sequence[Any], policy: str, mode: Any) -> Any:
    for endpoint in endpoints:
        if (endpoint.SecurityPolicyUri, endpoint.SecurityMode) == (policy, mode):
            return endpoint
    raise WrongAnswerError(f"the server has no endpoint with {policy} and {mode.name}")


def _anonymous(endpoint: Any) -> str:
    for token in endpoint.UserIdentityTokens:
        if token.TokenType == ua.UserTokenType.Anonymous:
            return str(token.PolicyId)
    raise WrongAnswerError("the server has an endpoint without anonymous users")


class Session:
    """One activated session on a connection of its own."""

    def __init__(
        self, target: Target, *, secure: bool = False, timeout_ms: float = LONG_MS
    ) -> None:
        self.target = target
        self.channel = Channel(target.port, target.certificate if secure else None)
        try:
            self.token = self._create(secure, timeout_ms)
        except BaseException:
            self.channel.socket.close()
            raise

    def _create(self, secure: bool, timeout_ms: float) -> bytes:
        certificate = security.identity().certificate if secure else None
        nonce = security.nonce() if secure else _ANY_NONCE
        create = requests.create_session(
            self.channel.url, security.APPLICATION_URI, certificate, nonce, timeout_ms
        )
        answer = Cursor(self.channel.ask(Template(create), _CREATE))
        answer.node_id()
        token = answer.node_id()
        answer.unpack("d")
        server_nonce = answer.byte_string()
        signature = algorithm = None
        if secure:
            signature = security.identity().sign(self.target.certificate + server_nonce)
            algorithm = security.SIGNATURE
        activate = requests.activate_session(self.target.policy_ids[secure], signature, algorithm)
        self.channel.ask(Template(activate, token), _ACTIVATE)
        return token

    def template(self, request: bytes) -> Template:
        """A request of this session."""
        return Template(request, self.token)

    def ask(self, request: bytes, type_id: int) -> bytes:
        """The Good answer to a request. Raises WrongAnswerError."""
        return self.channel.ask(self.template(request), type_id)

    def close(self) -> None:
        """CloseSession and the connection's end."""
        try:
            self.ask(requests.close_session(), _CLOSE)
        finally:
            self.channel.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

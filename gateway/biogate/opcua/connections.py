"""Which activated sessions use which connection."""

from __future__ import annotations

from collections.abc import Callable

from biogate.opcua.session import Session
from biogate.opcua.transport.interfaces import ConnectionHandle


class Connections:
    """Keeps the transport told which connections matter: those with an activated session.

    `on_moved` is told of sessions that went over to another connection.
    """

    def __init__(self, on_moved: Callable[[Session, ConnectionHandle], None]) -> None:
        self._on_moved = on_moved
        self._of_session: dict[Session, ConnectionHandle] = {}
        self._sessions: dict[ConnectionHandle, set[Session]] = {}

    def has_session(self, handle: ConnectionHandle) -> bool:
        """True when an activated session uses the connection."""
        return handle in self._sessions

    def attach(self, session: Session, handle: ConnectionHandle) -> None:
        """The session was activated on this connection, and leaves the one before."""
        if self._of_session.get(session) is handle:
            return
        self.detach(session)
        if session.activations > 1:
            self._on_moved(session, handle)
        session.connected = True
        self._of_session[session] = handle
        self._sessions.setdefault(handle, set()).add(session)
        handle.set_session_active(True)

    def detach(self, session: Session) -> None:
        """The session ended, or moved away."""
        handle = self._of_session.pop(session, None)
        if handle is None:
            return
        sessions = self._sessions.get(handle, set())
        sessions.discard(session)
        if not sessions:
            self._sessions.pop(handle, None)
            handle.set_session_active(False)

    def closed(self, handle: ConnectionHandle) -> None:
        """The connection is gone; its sessions live on until their timeout."""
        for session in self._sessions.pop(handle, ()):
            session.connected = False
            self._of_session.pop(session, None)

"""CreateSessionResponse is put together from encoded parts (Part 4, 5.7.2.2)."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from biogate.opcua.codec import encode_message


def test_it_is_what_the_codec_makes_of_the_same_fields(bench: Any) -> None:
    client = bench.client()
    response = client.create_session()
    context = bench.front_end.context
    session = context.sessions.find(client.token)
    same = ua.CreateSessionResponse(ResponseHeader=response.ResponseHeader)
    result = same.Parameters
    result.SessionId = session.session_id
    result.AuthenticationToken = session.authentication_token
    result.RevisedSessionTimeout = 60_000.0
    result.ServerNonce = session.server_nonce
    result.ServerCertificate = context.pki.certificate_der
    result.ServerEndpoints = list(context.endpoints.descriptions)
    result.MaxRequestMessageSize = context.config.limits.max_message_size
    result.ServerSignature = response.Parameters.ServerSignature
    assert client.handle.sent[client.last_request] == encode_message(same)

"""CreateSessionResponse with endpoints that are encoded already: most of it is always the same."""

from __future__ import annotations

from biogate.opcua.codec.structures import codec_of, encoding_id
from biogate.opcua.codec.writer import Writer
from biogate.opcua.session import Session
from biogate.opcua.stack import ua

_header = codec_of(ua.ResponseHeader)
_signature = codec_of(ua.SignatureData)


def created_session(
    header: ua.ResponseHeader,
    session: Session,
    certificate: bytes,
    endpoints: bytes,
    signature: ua.SignatureData,
    max_request_size: int,
) -> bytes:
    """The response (Part 4, 5.7.2.2). `endpoints`: an encoded array of EndpointDescriptions."""
    writer = Writer()
    writer.node_id(encoding_id(ua.CreateSessionResponse))
    _header.encode(writer, header)
    writer.node_id(session.session_id)
    writer.node_id(session.authentication_token)
    writer.number("d", session.timeout_s * 1000.0)
    writer.byte_string(session.server_nonce)
    writer.byte_string(certificate)
    writer.buffer += endpoints
    writer.count(())  # ServerSoftwareCertificates
    _signature.encode(writer, signature)
    writer.uint32(max_request_size)
    return bytes(writer.buffer)

"""The budgets of a decoder, and what it raises (Part 6, 5.1 and 5.2.2; Part 5, 6.3.11)."""

from dataclasses import dataclass

from biogate.opcua.stack import StatusCodes, status_name


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one message may ask a decoder to do; lengths are in bytes, arrays in elements.

    `max_elements` bounds the objects that all arrays of one message create together: an element
    may take one byte on the wire and a hundred in memory. Sixteen numbers count as one object.
    """

    max_depth: int = 100
    max_string_length: int = 1 << 20
    max_byte_string_length: int = 1 << 24
    max_array_length: int = 1 << 20
    max_elements: int = 200_000


class DecodeError(ValueError):
    """Bytes that are not what they claim to be, or that ask for more than the limits allow.

    `status` is Bad_DecodingError, Bad_EncodingLimitsExceeded or, for a message of a type that
    nobody knows, Bad_ServiceUnsupported.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status_name(status)}: {message}")
        self.status = status


class EncodeError(ValueError):
    """An object that cannot be put on the wire; `status` is Bad_EncodingError."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status = StatusCodes.BadEncodingError


def malformed(message: str) -> DecodeError:
    """A Bad_DecodingError."""
    return DecodeError(StatusCodes.BadDecodingError, message)


def over_limit(message: str) -> DecodeError:
    """A Bad_EncodingLimitsExceeded."""
    return DecodeError(StatusCodes.BadEncodingLimitsExceeded, message)

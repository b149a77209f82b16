"""asyncua's types and codec, which have no annotations that plain values satisfy."""

from __future__ import annotations

from typing import Any

import asyncua
from asyncua.common import utils as _utils
from asyncua.ua import status_codes as _status_codes
from asyncua.ua import ua_binary as _ua_binary

ua: Any = asyncua.ua
_asyncua: Any = asyncua
Server: Any = _asyncua.Server
Client: Any = _asyncua.Client


def encoded(value: Any) -> bytes:
    """A structure with its encoding id before it."""
    return bytes(_ua_binary.struct_to_binary(value))


def decoded(cls: type, body: bytes) -> Any:
    """An answer as an object of `cls`."""
    return _ua_binary.struct_from_binary(cls, _utils.Buffer(body))


def status_name(status: int) -> str:
    """The name of a StatusCode, with its number."""
    return f"{_status_codes.get_name_and_doc(status & 0xFFFF_0000)[0]} (0x{status:08X})"

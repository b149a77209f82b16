"""The OPC UA front end: what the gateway starts, stops and gives its values to."""

from __future__ import annotations

from biogate.opcua.config import FrontEndConfig, Limits
from biogate.opcua.ports import Authenticator, CommandPort, Identity, Pki, TagReader

__all__ = [
    "Authenticator",
    "CommandPort",
    "FrontEndConfig",
    "Identity",
    "Limits",
    "Pki",
    "TagReader",
]

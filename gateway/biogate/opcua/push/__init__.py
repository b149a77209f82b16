"""Push management of certificates and trust lists (Part 12, 7.8 to 7.10)."""

from biogate.opcua.push.management import PushManagement

__all__ = ["PushManagement"]

"""Who belongs to a zone: by address, certificate, application and user (pure, and remembered)."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache

from biogate_security.zones.model import Zone

_REMEMBERED = 1024


class Admission:
    """Judges who may be a client of one zone. What the zone does not restrict is anybody's."""

    def __init__(self, zone: Zone) -> None:
        """Raises ValueError for a network that is none."""
        self.zone = zone
        self._networks = (
            None
            if zone.networks is None
            else tuple(ipaddress.ip_network(network) for network in zone.networks)
        )
        self._in_networks = lru_cache(_REMEMBERED)(self._judge_address)

    def address(self, address: str) -> bool:
        """Whether a client may come from this IP address; text that is none may not."""
        return self._networks is None or self._in_networks(address)

    def certificate(self, der: bytes) -> bool:
        """Whether a client may show this certificate (DER); b"" where it shows none."""
        listed = self.zone.certificates
        if listed is None:
            return True
        if not der:
            return False
        digests = (hashlib.sha256(der), hashlib.sha1(der, usedforsecurity=False))
        return any(digest.hexdigest() in listed for digest in digests)

    def application(self, uri: str) -> bool:
        """Whether a client may be this application (ApplicationUri)."""
        return self.zone.applications is None or uri in self.zone.applications

    def user(self, name: str | None) -> bool:
        """Whether this account may log in from here; None is nobody in particular (Anonymous)."""
        return self.zone.users is None or (name is not None and name in self.zone.users)

    def _judge_address(self, address: str) -> bool:
        assert self._networks is not None
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        found = mapped or found
        return any(found.version == each.version and found in each for each in self._networks)

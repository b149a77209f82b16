"""Which changes need a signature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from biogate.site.signature_model import SignatureConfig
from biogate_security.policy import Action
from biogate_security.zones.parts import PartPattern

_REMEMBERED = 4096


class SignatureRules:
    """The `signatures:` of a site; the first that covers a part counts."""

    def __init__(self, configs: Sequence[SignatureConfig] = ()) -> None:
        self._rules = [
            (tuple(map(PartPattern, config.on)), frozenset(config.actions), config)
            for config in configs
        ]
        self._find = lru_cache(_REMEMBERED)(self._look_up)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def rule_for(self, action: Action, parts: Iterable[str]) -> SignatureConfig | None:
        """The rule for an action on what has these parts: a tag may be shown at several."""
        return self._find(action.value, tuple(parts)) if self._rules else None

    def _look_up(self, action: str, parts: tuple[str, ...]) -> SignatureConfig | None:
        for patterns, actions, config in self._rules:
            if action in actions and any(p.covers(part) for p in patterns for part in parts):
                return config
        return None

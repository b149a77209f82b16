"""Pages of Browse, kept encoded: the address space changes rarely, and many clients ask alike."""

from __future__ import annotations

from collections import OrderedDict

from biogate.opcua.space.browse import Page
from biogate.opcua.stack import ua

PageKey = tuple[int, ua.NodeId, int, ua.NodeId, bool, int, int, int]
_Epochs = tuple[int, ...]

_MAX_BYTES = 32 << 20
_PAGE_BYTES, _REFERENCE_BYTES = 700, 8


class BrowseCache:
    """First pages by what was asked for and by whose rights, those used last.

    All are dropped when the policy or the address space has changed: what `rights.key` ends with.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self.size = 0
        self._max_bytes = max_bytes
        self._epochs: _Epochs = ()
        self._pages: OrderedDict[PageKey, Page] = OrderedDict()

    def find(
        self, wanted: ua.BrowseDescription, size: int, key: tuple[int, int, int]
    ) -> Page | None:
        """The first page of `size` references, if it is there."""
        if key[1:] != self._epochs:
            self._clear(key[1:])
            return None
        page_key = _page_key(wanted, size, key)
        page = self._pages.get(page_key)
        if page is not None:
            self._pages.move_to_end(page_key)
        return page

    def keep(
        self, wanted: ua.BrowseDescription, size: int, key: tuple[int, int, int], page: Page
    ) -> None:
        """Remember the page that was made under `key`."""
        if key[1:] != self._epochs or _size(page) > self._max_bytes // 8:
            return
        page_key = _page_key(wanted, size, key)
        if page_key in self._pages:
            return
        self._pages[page_key] = page
        self.size += _size(page)
        while self.size > self._max_bytes:
            self.size -= _size(self._pages.popitem(last=False)[1])

    def _clear(self, epochs: _Epochs) -> None:
        self._pages.clear()
        self.size = 0
        self._epochs = epochs


def _size(page: Page) -> int:
    return _PAGE_BYTES + len(page.body) + _REFERENCE_BYTES * len(page.rest)


def _page_key(wanted: ua.BrowseDescription, size: int, key: tuple[int, int, int]) -> PageKey:
    return (
        key[0],
        wanted.NodeId,
        int(wanted.BrowseDirection),
        wanted.ReferenceTypeId,
        bool(wanted.IncludeSubtypes),
        int(wanted.NodeClassMask),
        int(wanted.ResultMask),
        size,
    )

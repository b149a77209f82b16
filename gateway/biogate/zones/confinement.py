"""What a zone's process may touch, enforced by the kernel (Linux Landlock, landlock(7)).

A zone's process runs under the core's account. Without this, whoever took it over could read the
other zones' keys, the users and the audit trail, trace the core's memory or send it signals. It is
confined before anything but this module is loaded, since threads that are there by then would not
be. What an older kernel does not know is not enforced; `confine` says what is.

Standard library only, and no import of ours but `system_calls`, which has none.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from biogate.zones.system_calls import restrict

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_BENEATH, _PORT = 1, 2
_NO_NEW_PRIVILEGES, _SET_DUMPABLE = 38, 4

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 2, 4, 8, 1 << 14
_READ = _READ_FILE | _READ_DIR
_ON_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE
_REMOVE, _MAKE_FOLDER, _MAKE_FILE, _REFER = 1 << 4 | 1 << 5, 1 << 7, 1 << 8, 1 << 13
_CHANGE = _ON_FILES | _READ_DIR | _REMOVE | _MAKE_FOLDER | _MAKE_FILE | _REFER
"""No links, pipes, sockets and devices: the core and its commands read what is in the folder."""
_BIND, _CONNECT = 1, 2
_SCOPES = 3
"""Abstract Unix sockets and signals: none to processes outside."""

_FILE_SYSTEM_BITS = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI → how many access rights to files it knows."""

_NETWORK_ABI, _SCOPE_ABI = 4, 6
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/opt", "/dev/null", "/dev/urandom", "/proc/self"),
    *("/etc/localtime", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf"),
    *("/etc/ssl", "/etc/pki", "/etc/ld.so.cache", "/run/systemd/resolve"),
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Files that may be read, folders that may be changed, TCP ports to listen on and to reach.

    Port 0: a free one. No program may be started.
    """

    read: Sequence[str] = ()
    change: Sequence[str] = ()
    listen: Sequence[int] = ()
    reach: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Confinement:
    """What is enforced from now on."""

    files: bool = False
    network: bool = False
    signals: bool = False
    calls: bool = False


def confine(allowed: Allowed) -> Confinement:
    """Give up everything else, for good: this thread and all that it starts.

    Raises OSError when the kernel knows Landlock and refuses.
    """
    if not sys.platform.startswith("linux"):
        return Confinement()
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    for option, value in ((_NO_NEW_PRIVILEGES, 1), (_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0):
            raise _error()
    if abi < 1:
        return Confinement(calls=restrict(datagrams=bool(allowed.reach)))
    handled = (1 << max(bits for known, bits in _FILE_SYSTEM_BITS.items() if known <= abi)) - 1
    network, scoped = abi >= _NETWORK_ABI, abi >= _SCOPE_ABI
    attributes = struct.pack("QQQ", handled, (_BIND | _CONNECT) * network, _SCOPES * scoped)[
        : 24 if scoped else 16 if network else 8
    ]
    ruleset = _call(libc, _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        _allow_files(libc, ruleset, (*_interpreter(), *_SYSTEM, *allowed.read), handled & _READ)
        _allow_files(libc, ruleset, allowed.change, handled & _CHANGE)
        if network:
            _allow_ports(libc, ruleset, allowed.listen, _BIND)
            _allow_ports(libc, ruleset, allowed.reach, _CONNECT)
        _call(libc, _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    calls = restrict(datagrams=bool(allowed.reach))
    return Confinement(files=True, network=network, signals=scoped, calls=calls)


def _interpreter() -> Iterable[str]:
    """Where Python and its packages are, those of the environment it runs in too."""
    return dict.fromkeys(filter(None, (sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path)))


def _allow_files(libc: ctypes.CDLL, ruleset: int, paths: Iterable[str], access: int) -> None:
    """Files and folders with what is in them. What is not there needs no right."""
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            is_folder = os.path.isdir(path)  # noqa: PTH112  nothing is imported for it
            rights = access if is_folder else access & _ON_FILES
            rule = struct.pack("=Qi", rights, descriptor)
            _call(libc, _ADD_RULE, ruleset, _BENEATH, rule, 0)
        finally:
            os.close(descriptor)


def _allow_ports(libc: ctypes.CDLL, ruleset: int, ports: Iterable[int], access: int) -> None:
    for port in ports:
        _call(libc, _ADD_RULE, ruleset, _PORT, struct.pack("QQ", access, port), 0)


def _call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        raise _error()
    return result


def _error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"the process could not be confined: {os.strerror(code)}")

"""Which system calls a zone's process may make (Linux seccomp(2)): what Landlock leaves open.

Landlock knows files, TCP ports and signals. It does not know that one process may set another's
limits or priority, change modes and times of files that it cannot open, leave children behind
that nobody watches, and speak by sockets that are no plain TCP. The list names what a front end
never does, so that a new version of Python or the C library goes on working.

Standard library only, and no import of ours.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_SET_FILTER, _NO_SPECULATION_PENALTY = 1, 4

_ALLOW = 0x7FFF_0000
_REFUSE = 0x0005_0000 | errno.EPERM
_UNKNOWN = 0x0005_0000 | errno.ENOSYS
"""For clone3, whose flags are in memory: the C library then takes clone."""

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32 = 0x4000_0000
_CLONE_THREAD = 0x1_0000
_FAST_OPEN = 0x2000_0000
"""MSG_FASTOPEN: connects without the check of a connect."""
_INET, _INET6, _STREAM, _DATAGRAM, _TCP = 2, 10, 1, 2, 6


class _Machine(NamedTuple):
    architecture: int
    seccomp: int
    clone: int
    clone3: int
    prlimit: int
    socket: int
    sends: tuple[tuple[int, int], ...]
    """sendto, sendmsg, sendmmsg, and which argument their flags are."""
    refused: tuple[int, ...]


_SAME_EVERYWHERE = (
    *(424, 434, 438),  # pidfd_send_signal, pidfd_open, pidfd_getfd
    *(425, 426, 427),  # io_uring
    *(428, 429, 430, 431, 432, 433, 442),  # mounting
    *(452, 463, 466),  # fchmodat2, setxattrat, removexattrat
)

_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        0xC000_003E, 317, 56, 435, 302, 41, ((44, 3), (46, 2), (307, 3)),
        (
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(90, 268, 92, 94, 260),  # chmod, fchmodat, chown, lchown, fchownat
            *(132, 235, 261, 280),  # utime, utimes, futimesat, utimensat
            *(188, 189, 197, 198),  # setxattr, lsetxattr, removexattr, lremovexattr
            *(88, 266, 133, 259, 86, 265),  # symlink, mknod, link, and those with "at"
            *(303, 304, 254, 300, 301),  # file handles, inotify_add_watch, fanotify
            *(141, 142, 144, 203, 314, 251),  # priority, scheduler, affinity, ioprio_set
            *(256, 279),  # migrate_pages, move_pages
            *(29, 30, 31, 64, 65, 66, 68, 69, 70, 71, 220, 240, 241),  # System V, POSIX queues
            *(248, 249, 250),  # keys
            *(321, 298, 323),  # bpf, perf_event_open, userfaultfd
            *(272, 308, 165, 166, 155, 161),  # unshare, setns, mount, umount2, pivot_root, chroot
            *(227, 164, 159, 305),  # the clock
            *(169, 246, 320, 175, 313, 176),  # reboot, kexec, modules
            *(170, 171, 167, 168, 163, 179, 103),  # host name, swap, acct, quota, syslog
        ),
    ),
    "aarch64": _Machine(
        0xC000_00B7, 277, 220, 435, 261, 198, ((206, 3), (211, 2), (269, 3)),
        (
            *(221, 281),
            *(117, 270, 271, 272),
            *(53, 54),
            88,
            *(5, 6, 14, 15),
            *(36, 33, 37),
            *(264, 265, 27, 262, 263),
            *(140, 118, 119, 122, 274, 30),
            *(238, 239),
            *(194, 195, 196, 190, 191, 192, 193, 186, 187, 188, 189, 180, 181),
            *(217, 218, 219),
            *(280, 241, 282),
            *(97, 268, 40, 39, 41, 51),
            *(112, 170, 171, 266),
            *(142, 104, 294, 105, 273, 106),
            *(161, 162, 224, 225, 89, 60, 116),
        ),
    ),
}  # fmt: skip


def restrict(*, datagrams: bool) -> bool:
    """Refuse these calls from now on, for this thread and all that it starts; True where enforced.

    `datagrams`: UDP, too, which looking up a name needs. The process has to have given up new
    privileges.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or not sys.platform.startswith("linux") or sys.byteorder != "little":
        return False
    code = b"".join(_program(machine, datagrams=datagrams))
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    done: int = libc.syscall(
        machine.seccomp, _SET_FILTER, ctypes.c_ulong(_NO_SPECULATION_PENALTY), program
    )
    return done == 0


def _program(machine: _Machine, *, datagrams: bool) -> list[bytes]:
    """Classic BPF over `struct seccomp_data`: each part leads to an answer, or goes by."""
    return [
        _load(_ARCHITECTURE),
        *_if_not_equal(machine.architecture, [_answer(_REFUSE)]),
        _load(_NUMBER),
        _jump(0x35, _X32, 0, 1),  # the other numbers of x86-64; nothing else has any as high
        _answer(_REFUSE),
        *_if_equal(machine.clone3, [_answer(_UNKNOWN)]),
        *_if_equal(machine.clone, _only_if(_argument(0), _jump(0x45, _CLONE_THREAD, 0, 1))),
        *_if_equal(machine.prlimit, _only_if(_argument(0), _jump(0x15, 0, 0, 1))),
        *_if_equal(machine.socket, _sockets(datagrams=datagrams)),
        *(
            instruction
            for number, flags in machine.sends
            for instruction in _if_equal(
                number, _only_if(_argument(flags), _jump(0x45, _FAST_OPEN, 1, 0))
            )
        ),
        *(
            instruction
            for number in (*machine.refused, *_SAME_EVERYWHERE)
            for instruction in _if_equal(number, [_answer(_REFUSE)])
        ),
        _answer(_ALLOW),
    ]


def _sockets(*, datagrams: bool) -> list[bytes]:
    """TCP over IPv4 and IPv6."""
    others = [_answer(_REFUSE)]
    if datagrams:
        others = [_jump(0x15, _DATAGRAM, 0, 1), _answer(_ALLOW), _answer(_REFUSE)]
    return [
        _argument(0),
        _jump(0x15, _INET, 2, 0),
        _jump(0x15, _INET6, 1, 0),
        _answer(_REFUSE),
        _argument(1),
        _instruction(0x54, 0xF),  # without the flags
        *_if_not_equal(_STREAM, others),
        _argument(2),
        _jump(0x15, 0, 1, 0),
        _jump(0x15, _TCP, 0, 1),
        _answer(_ALLOW),
        _answer(_REFUSE),
    ]


def _only_if(load: bytes, test: bytes) -> list[bytes]:
    return [load, test, _answer(_ALLOW), _answer(_REFUSE)]


def _if_equal(value: int, then: Sequence[bytes]) -> list[bytes]:
    return [_jump(0x15, value, 0, len(then)), *then]


def _if_not_equal(value: int, then: Sequence[bytes]) -> list[bytes]:
    return [_jump(0x15, value, len(then), 0), *then]


def _load(offset: int) -> bytes:
    return _instruction(0x20, offset)


def _argument(index: int) -> bytes:
    """The lower half, which is all of an int."""
    return _load(_ARGUMENTS + 8 * index)


def _answer(value: int) -> bytes:
    return _instruction(0x06, value)


def _instruction(code: int, value: int) -> bytes:
    return _jump(code, value, 0, 0)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)

# SPDX-License-Identifier: GPL-3.0-or-later
"""System call filters: seccomp(2). Raises only OSError and knows no policy."""

import ctypes
import os
from collections.abc import Iterator

from kapsule.linux.result import check

_PTRACE_DETACH = 17
_PTRACE_SEIZE = 0x4206
_PTRACE_INTERRUPT = 0x4207
_PTRACE_SECCOMP_GET_FILTER = 0x420C
_PTRACE_EVENT_STOP = 128
_WALL = 0x40000000  # also processes that are no children of ours

_SET_MODE_FILTER = 1
# The generic table's number and x86-64's own: include/uapi/asm-generic/unistd.h, syscall_64.tbl.
_SYS_SECCOMP = {"x86_64": 317}.get(os.uname().machine, 277)
_INSTRUCTION_SIZE = 8  # struct sock_filter: include/uapi/linux/filter.h

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def read_filters(pid: int) -> list[bytes]:
    """Return the filters of a process, each as the kernel's instructions, the first one first.

    The process stops for a moment. This one ends soon afterwards, which lets go of the other
    whatever happens: ptrace(2). Raises OSError, with EACCES where this process has a filter itself.
    """
    _ptrace(_PTRACE_SEIZE, pid)
    _ptrace(_PTRACE_INTERRUPT, pid)
    _, status = os.waitpid(pid, _WALL)
    # It may have stopped because of a signal instead, which it shall get all the same.
    pending = 0 if status >> 16 == _PTRACE_EVENT_STOP else os.WSTOPSIG(status)
    try:
        return list(_filters(pid))[::-1]
    finally:
        _ptrace(_PTRACE_DETACH, pid, data=pending)


def install_filter(instructions: bytes) -> None:
    """Put this process, and what it will execute, under one more filter, for ever."""
    program = _Program(len(instructions) // _INSTRUCTION_SIZE, instructions)
    check(_libc.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, 0, ctypes.byref(program)))


def _filters(pid: int) -> Iterator[bytes]:
    """Yield the filters of a process that we stopped, the newest first."""
    index = 0
    while True:
        try:
            count = _ptrace(_PTRACE_SECCOMP_GET_FILTER, pid, index)
        except FileNotFoundError:  # there is none of this number
            return
        buffer = ctypes.create_string_buffer(count * _INSTRUCTION_SIZE)
        _ptrace(_PTRACE_SECCOMP_GET_FILTER, pid, index, ctypes.addressof(buffer))
        yield buffer.raw
        index += 1


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    return check(_libc.ptrace(request, pid, address, data))

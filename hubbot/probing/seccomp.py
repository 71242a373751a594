"""A seccomp filter that refuses network and other processes' memory, without root.

Sources: the kernel's Documentation/userspace-api/seccomp_filter.rst, include/uapi/linux/seccomp.h
(struct seccomp_data), filter.h (struct sock_filter), audit.h (AUDIT_ARCH_*), and the system call
numbers of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Mapping
from typing import NamedTuple

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32_BIT = 0x40000000  # x86_64 offers the x32 calls under numbers from here on
_AF_UNIX = 1


class _Machine(NamedTuple):
    audit_arch: int
    refused: Mapping[str, int]
    socket: int
    sendto: int


# io_uring would open sockets without these calls; ptrace, process_vm_* and pidfd_getfd reach into
# the parent, which may hold a token; the keyrings may hold others.
_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        0xC000003E,
        {
            "connect": 42,
            "accept": 43,
            "bind": 49,
            "listen": 50,
            "accept4": 288,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
        },
        socket=41,
        sendto=44,
    ),
    "aarch64": _Machine(
        0xC00000B7,
        {
            "connect": 203,
            "accept": 202,
            "bind": 200,
            "listen": 201,
            "accept4": 242,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "io_uring_setup": 425,
            "pidfd_getfd": 438,
        },
        socket=198,
        sendto=206,
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def prctl(option: int, *values: int) -> int:
    """Do one process control operation.

    Returns:
        Its result.

    Raises:
        OSError: If the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    result = int(libc.prctl(ctypes.c_int(option), *padded))
    if result < 0:
        raise OSError(ctypes.get_errno(), "prctl refused")
    return result


def refuse_network() -> bool:
    """Have the kernel refuse connections to this process and all it starts, for good.

    Returns:
        Whether the filter is in place; False on other systems and machines, and where the kernel
        was built without it.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    code = _program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    try:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EACCES):
            return False
        raise
    return True


def _program(machine: _Machine) -> bytes:
    """Return the filter as an array of ``struct sock_filter``."""
    refuse = _one(_RETURN, _ERRNO | errno.EPERM)
    allow = _one(_RETURN, _ALLOW)
    code = [
        _one(_LOAD_WORD, _ARCH),
        _one(_JUMP_EQUAL, machine.audit_arch, yes=1, no=0),
        refuse,
        _one(_LOAD_WORD, _NUMBER),
        _one(_JUMP_AT_LEAST, _X32_BIT, yes=0, no=1),
        refuse,
    ]
    for number in machine.refused.values():
        code += [_one(_JUMP_EQUAL, number, yes=0, no=1), refuse]
    code += [
        _one(_JUMP_EQUAL, machine.socket, yes=0, no=4),
        _one(_LOAD_WORD, _ARGUMENTS),  # the family
        _one(_JUMP_EQUAL, _AF_UNIX, yes=0, no=1),
        allow,
        refuse,
        _one(_JUMP_EQUAL, machine.sendto, yes=0, no=5),
        _one(_LOAD_WORD, _ARGUMENTS + 4 * 8),  # the address, both halves
        _one(_JUMP_EQUAL, 0, yes=0, no=2),
        _one(_LOAD_WORD, _ARGUMENTS + 4 * 8 + 4),
        _one(_JUMP_EQUAL, 0, yes=1, no=0),
        refuse,
        allow,
    ]
    return b"".join(code)


def _one(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)

"""A process that gives up the network and the starting of programs, for itself and for good."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # the refused call fails with EPERM
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32 = 0x40000000
"""Numbers of calls of x86-64's second set begin here."""
_MACHINES: dict[str, tuple[int, tuple[int, ...]]] = {
    # socket, connect, accept, sendto, sendmsg, bind, listen, socketpair, execve, ptrace, accept4, sendmmsg,
    # process_vm_writev, execveat, io_uring_setup
    "x86_64": (0xC000003E, (41, 42, 43, 44, 46, 49, 50, 53, 59, 101, 288, 307, 311, 322, 425)),
    "aarch64": (0xC00000B7, (198, 203, 202, 206, 211, 200, 201, 199, 221, 117, 242, 269, 271, 281, 425)),
}
"""Machine -> the number of its architecture, and those of the calls that are refused."""

NO_WAY = f"processes cannot be cut off from the network on {sys.platform} {platform.machine()}"


def can_confine() -> bool:
    """Whether this system has what `confine` needs: Linux on x86-64 or ARM64."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def confine() -> None:
    """From now on this process and its children open no socket and start no program; there is no way back.

    The kernel refuses the calls (seccomp). Files stay as they are: what the user may read and write can still be read
    and written. Sockets that are open stay open: start the process without any. Raises OSError where the system cannot
    do it, or where a socket can be opened all the same.
    """
    if not can_confine():
        raise OSError(NO_WAY)
    architecture, refused = _MACHINES[platform.machine()]
    steps = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_AT_LEAST, len(refused) + 1, 0, _X32),
        *((_JUMP_IF_EQUAL, len(refused) - i, 0, number) for i, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    library = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (_SET_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0),
    ):
        if library.prctl(*map(ctypes.c_ulong, arguments)) != 0:
            raise OSError(ctypes.get_errno(), f"the kernel refuses a filter: {os.strerror(ctypes.get_errno())}")
    try:
        socket.socket().close()
    except PermissionError:
        return
    raise OSError("a socket can be opened all the same")

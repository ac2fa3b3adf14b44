"""How this process's memory comes from the system and goes back to it: the C library's own settings."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""The parameters' numbers in glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Let freed memory wait in the process for the next step, instead of going back to the system.

    By default glibc takes each large block from the system and gives it back when it is freed, so that every large
    tensor of every step begins with page faults. The process's memory then stays at its peak, and somewhat above what
    was in use there, as freed blocks of other sizes lie in between. It concerns the whole process, libraries included;
    of other threads than the main one, blocks of up to 64 MiB.

    Returns:
        whether the C library is one that can do it; on others nothing changes.
    """
    if not _is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))


def give_back_freed_memory() -> None:
    """Return what waits there to the system, once; nothing where `keep_freed_memory` changes nothing."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"

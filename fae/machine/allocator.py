"""Settings of the C library that decide how this process takes memory from the system and returns it."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""The parameters' numbers in glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Keep freed memory in the process for the next step, instead of returning it to the system.

    By default glibc takes each large block from the system and gives it back when it is freed, so that every large
    tensor of every step begins with page faults. With this setting the process's memory stays at its peak, which is
    somewhat above what was in use, because freed blocks of other sizes lie in between. The setting concerns the whole
    process, libraries included. In threads other than the main one it concerns only blocks of up to 64 MiB.

    Returns:
        True if the C library is glibc and accepts the setting; with other libraries nothing changes.
    """
    if not _is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))


def give_back_freed_memory() -> None:
    """Return the freed memory of this process to the system, once; without glibc nothing happens."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"

"""How much memory this machine can still give: the host within the limits of its control groups, or the GPU."""

from collections.abc import Iterator
from pathlib import Path

import torch

_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


def available(device: torch.device) -> int:
    """Bytes that a new process can use on the device: free memory of the GPU, or `host_memory`."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return host_memory()


def host_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory that Linux can give without swapping, and that no control group of this process forbids.

    Args:
        proc: folder where the kernel shows processes.
        groups: folder where control groups of version 1 or 2 are mounted.
    """
    lines = (proc / "meminfo").read_text().splitlines()
    free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return min([free, *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    """Bytes that the limit of each group above this process leaves; cached files count as free."""
    for line in (proc / "self" / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, (limit, usage, cached) = (groups / "memory", _V1) if controllers else (groups, _V2)
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root) and (folder / limit).is_file():
                most = (folder / limit).read_text().strip()
                if most != "max":
                    stat = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
                    used = int((folder / usage).read_text()) - int(stat.get(cached, 0))
                    yield max(0, int(most) - used)

"""Free memory as a made-up kernel shows it."""

from pathlib import Path

import pytest
import torch

from experiments.benchmark.available import available, host_memory


def kernel(root: Path, groups: str, **files: str) -> tuple[Path, Path]:
    """Folders like /proc, with 10 MiB available, and /sys/fs/cgroup; a file's name has `__` for a slash."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text("MemTotal: 99999 kB\nMemFree: 1 kB\nMemAvailable:   10240 kB\n")
    (root / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "groups" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "proc", root / "groups"


def test_without_a_limit(tmp_path: Path) -> None:
    assert host_memory(*kernel(tmp_path, "0::/\n")) == 10 * 2**20


def test_limits_of_version_2_are_those_of_every_group_above(tmp_path: Path) -> None:
    where = kernel(
        tmp_path,
        "0::/job/step\n",
        job__step__memory_dot_max="max\n",
        job__step__memory_dot_current="123\n",
        job__memory_dot_max="5000\n",
        job__memory_dot_current="3000\n",
        job__memory_dot_stat="anon 1\ninactive_file 1000\n",
    )
    assert host_memory(*where) == 5000 - (3000 - 1000)


def test_limits_of_version_1_where_a_container_does_not_see_its_group(tmp_path: Path) -> None:
    where = kernel(
        tmp_path,
        "4:memory,hugetlb:/docker/abc\n3:cpu:/docker/abc\n0::/\n",
        memory__memory_dot_limit_in_bytes="7000\n",
        memory__memory_dot_usage_in_bytes="9000\n",
        memory__memory_dot_stat="total_inactive_file 500\n",
    )
    assert host_memory(*where) == 0, "more is used than allowed"
    (where[1] / "memory" / "memory.usage_in_bytes").write_text("2000\n")
    assert host_memory(*where) == 7000 - (2000 - 500)


def test_this_machine() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < available(torch.device("cpu")) < total


@pytest.mark.parametrize("limit", ["9223372036854771712\n"])
def test_no_limit_of_version_1_is_a_large_number(limit: str, tmp_path: Path) -> None:
    where = kernel(
        tmp_path,
        "4:memory:/\n",
        memory__memory_dot_limit_in_bytes=limit,
        memory__memory_dot_usage_in_bytes="2000\n",
        memory__memory_dot_stat="total_inactive_file 500\n",
    )
    assert host_memory(*where) == 10 * 2**20

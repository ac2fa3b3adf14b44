import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from experiments.benchmark.process import aside
from experiments.benchmark.timing import Work, timed

CPU = torch.device("cpu")
ASLEEP = """
import time, torch
from experiments.benchmark.process import aside
from tests.experiments.benchmark.test_process import noting

if __name__ == "__main__":
    with aside(noting, "pids", device=torch.device("cpu")) as work:
        work()
        print("ready", flush=True)
        time.sleep(60)
"""


def noting(path: str) -> Work:
    """Notes which process it is, and takes a while."""

    def work() -> None:
        time.sleep(0.05)
        with Path(path).open("a") as file:
            file.write(f"{os.getpid()}\n")

    return work


def failing() -> Work:
    raise ValueError("no such work")


def test_one_process_does_the_work_again_and_again(tmp_path: Path) -> None:
    with aside(noting, str(tmp_path / "pids"), device=CPU) as work:
        seconds = [timed(work, CPU) for _ in range(3)]
    (pid,) = set((tmp_path / "pids").read_text().split())
    assert int(pid) != os.getpid()
    assert min(seconds) >= 0.05
    with pytest.raises(ValueError, match="no such work"), aside(failing, device=CPU):
        pass


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_process_outlives_a_killed_one(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    script = tmp_path / "asleep.py"
    script.write_text(ASLEEP)
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b"ready\n"
        pid = int((tmp_path / "pids").read_text())
        assert alive(pid)
        asking.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(pid)

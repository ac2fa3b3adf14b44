import errno
import os
from pathlib import Path

import pytest
import torch

from fae.callback.checkpoint import LastCheckpoint, WholeCheckpointIO
from fae.machine.atomic import whole, write_text


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "first λ")
    with whole(path) as draft:
        draft.write_text("second")
        assert path.read_text(encoding="utf-8") == "first λ"
    assert path.read_text() == "second"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "first")

    def fail() -> None:
        with whole(path) as draft:
            draft.write_text("sec")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_keeps_the_earlier_checkpoint(tmp_path: Path) -> None:
    """/dev/full refuses every byte, as a full disk does."""
    io, path = WholeCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"a": torch.ones(3)}, path)
    draft = tmp_path / ".last.ckpt.part"
    draft.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"last.ckpt could not be written .* Free some space"):
        io.save_checkpoint({"a": torch.zeros(100_000)}, path)
    assert torch.equal(io.load_checkpoint(path)["a"], torch.ones(3))
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_a_full_disk_keeps_the_earlier_text(tmp_path: Path) -> None:
    write_text(tmp_path / "metrics.json", "{}")
    (tmp_path / ".metrics.json.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as error:
        write_text(tmp_path / "metrics.json", "x" * 100_000)
    assert error.value.errno == errno.ENOSPC
    assert (tmp_path / "metrics.json").read_text() == "{}"


def test_checkpoints_hold_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, ("true",)

    torch.save({"a": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        WholeCheckpointIO().load_checkpoint(tmp_path / "evil.ckpt", weights_only=False)


def test_wrong_interval() -> None:
    with pytest.raises(ValueError, match="every_n_steps .=0."):
        LastCheckpoint("x", 0)

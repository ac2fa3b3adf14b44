"""The examples of docs/extend.md, word by word, from a folder outside the package."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fae
from fae.detector import load
from fae.train import main
from tests.conftest import textured, write_tiny

PAGE = Path(fae.__file__).parents[1] / "docs" / "extend.md"
EXAMPLES = {
    title.split()[-1] if title != "A reader of data" else "reader": text
    for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
}
TINY = (
    *("experiment=quick", "category=generic", "model.width=4", "data.image_size=32", "data.batch_size=4"),
    *("trainer.max_steps=4", "trainer.val_check_interval=4", "trainer.enable_progress_bar=false"),
    *("~callback.progress", "pictures=1", "trainer.accelerator=cpu", "run_dir=run"),
)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of an example, on Python's path."""
    monkeypatch.syspath_prepend(str(tmp_path / "outside"))
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "outside"


def write(example: str, folder: Path) -> int:
    """Write an example's files; returns how many."""
    files = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", example, re.S)
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "conf").mkdir(exist_ok=True)
    return len(files)


def train(example: str, data: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (command,) = re.findall(r"^Command: `(.+)`$", example, re.M)
    words = [word for word in shlex.split(command) if word != "data.root=DIR"]
    kind = [] if any(word.startswith("data=") for word in words) else ["data=folder"]
    tiny = [word for word in TINY if not (word.startswith("model.") and any(w.startswith("model=") for w in words))]
    argv = ["fae.train", "--config-dir", str(outside / "conf"), *tiny, *kind, f"data.root={data}", *words]
    monkeypatch.setattr(sys, "argv", argv)
    main()
    metrics: dict[str, Any] = json.loads(Path("run/metrics.json").read_text())
    return metrics


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_trains_and_is_used(
    title: str, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, unpainted: None
) -> None:
    example = EXAMPLES[title]
    (row,) = [r for r in PAGE.read_text(encoding="utf-8").splitlines() if re.match(rf"\| [a-z ]*{title}\b", r)]
    assert write(example, outside) == int(row.split("|")[2])
    data = write_tiny(tmp_path / "tiny")
    if title == "reader":
        data = tmp_path / "flat"
        data.mkdir()
        for i, name in enumerate(["a", "b", "c", "d", "e", "f", "g", "h", "bad1", "bad2"]):
            Image.fromarray(textured(np.random.default_rng(i))).save(data / f"{name}.png")
    metrics = train(example, data, outside, monkeypatch)
    used = {
        "objective": (metrics["objective"], metrics["lam"]) == ("plain", None),
        "corruption": metrics["corruption"] == "stripe",
        "residual": metrics["residual"] == "absolute",
        "score": metrics["image_score"] == "spread" and metrics["image_auroc"] == metrics["image_auroc_by_spread"],
        "model": "_target_: mine.model.Shallow" in Path("run/config.yaml").read_text(),
        "reader": metrics["dataset"] == "flat:flat" and metrics["test_images"] == 4,
        "metric": 0 <= metrics.get("pixel_iou", -1) <= 1,
        "callback": Path("marker.txt").is_file() and Path("marker.txt").read_text() == "4",
    }
    assert used[title]
    assert load("run")(textured(np.random.default_rng(0))).score >= 0

"""anomalib's models, in the environment of their own that `make rivals` installs."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.rivals import score
from tests.conftest import write_tiny

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.rivals


def others(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run in a folder, where the results go."""
    command = [str(ROOT / ".venv-rivals" / "bin" / "python"), "-m", "experiments.rivals.others", *words]
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=where, capture_output=True, text=True)


def test_anomalibs_models(tmp_path: Path) -> None:
    root = write_tiny(tmp_path / "data" / "tiny", size=(64, 64), train=8)
    textures = str(root / "test" / "good")
    for name in ("draem", "ganomaly", "patchcore", "efficientad"):
        done = others(tmp_path, name, "0.5", str(root), "--side", "64", "--textures", textures)
        assert done.returncode == 0, done.stderr
    runs = tmp_path / "multirun" / "rivals"
    facts = {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/facts.json")}
    for name in ("draem", "ganomaly"):
        trained = facts[f"tiny-{name}-0.5s-seed0"]
        assert trained["steps"] >= 1
        assert trained["seconds"] >= 0.5
        assert trained["images_seen"] == 8 * trained["steps"]
        assert trained["train_images"] == 8
        assert trained["git_commit"]
        assert trained["device"].startswith("cpu")
        with np.load(runs / f"tiny-{name}-0.5s-seed0" / "maps.npz", allow_pickle=False) as found:
            assert set(found["path"]) == {str(path.resolve()) for path in root.glob("test/*/*.png")}
            assert np.isfinite(found["image_score"]).all()
            assert ("anomaly_map" in found) == (name == "draem")
    # What starts from weights that are not there says so, and fetches nothing.
    for name in ("patchcore", "efficientad"):
        assert facts[f"tiny-{name}-0.5s-seed0"]["absent"].startswith("no ")
    score.main([str(runs), str(root), "--side", "64", "--out", str(tmp_path / "results.csv")])
    table = pd.read_csv(tmp_path / "results.csv").set_index("rival")
    assert list(table.index) == ["draem", "ganomaly", "patchcore", "efficientad", "trivial"]
    assert table.loc[["draem", "ganomaly"], "image_auroc_own"].between(0, 1).all()
    assert 0 <= table.loc["draem", "pixel_auroc"] <= 1

    again = others(tmp_path, "ganomaly", "0.5", str(root), "--side", "64")
    assert "is there" in again.stdout
    stale = others(tmp_path, "ganomaly", "0.5", str(root), "--side", "128")
    assert "was trained with" in stale.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("draem", "1", "."), "draem needs --textures (=None), a folder of pictures"),
        (("ganomaly", "0", "."), "budget (=0) must be positive and finite"),
        (("ganomaly", "1", "nowhere"), "is no folder; give one in the MVTec AD layout"),
    ],
)
def test_wrong_words(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = others(tmp_path, *words)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr

"""The splits of experiments/leakage, and what its finder counts, on a drawn tile of which every part is known."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from experiments.leakage import finder, tables
from fae.data.table import table


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    """Ten parts, three photographs each: seven parts train, three test; another part has a crack."""
    rng = np.random.default_rng(0)
    root = tmp_path / "tile"
    for part in range(11):
        scene = np.kron(rng.integers(20, 200, (8, 8)), np.ones((8, 8)))
        place = "test/crack" if part == 10 else "train/good" if part < 7 else "test/good"
        (root / place).mkdir(parents=True, exist_ok=True)
        for exposure in range(3):
            name = f"exp{exposure}_num_{10_000 * part + 150 * exposure}.png"
            Image.fromarray((scene * (1 + 0.08 * exposure)).astype(np.uint8)).save(root / place / name)
    (root / "ground_truth/crack").mkdir(parents=True)
    for image in (root / "test/crack").iterdir():
        Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(root / f"ground_truth/crack/{image.stem}_mask.png")
    return root


def test_the_tables_hold_both_splits(tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables.main([str(tile), "--out", str(tmp_path), "--seed", "0"])
    by_part, random = (table(str(tmp_path / f"{name}.csv"), "generic") for name in ("by_part", "random-0"))
    for index in (by_part, random):
        assert (len(index.train), len(index.test)) == (21, 9 + 3)
        assert index.has_masks
        assert set(Counter(sample.group for sample in index.all).values()) == {3}
    learned = {sample.group for sample in by_part.train}
    assert not learned & {sample.group for sample in by_part.test}
    known = sum(s.group in {one.group for one in random.train} for s in random.test if not s.label)
    assert known > 5
    assert f"random-0.csv: {known} of 9 good test images show a part of the training" in capsys.readouterr().out


def test_the_finder_counts_real_and_wrong_twins(tile: Path, tmp_path: Path) -> None:
    out = tmp_path / "finder.csv"
    finder.main([str(tile), "--others", str(tile), "--seed", "0", "--out", str(out)])
    found = pd.read_csv(out).set_index(["set", "share"])
    assert found.loc[("tile, by part", 0.15), ["with_twin", "found", "wrong"]].tolist() == [0, 0, 0]
    random = found.loc[("tile, random 0", 0.15)]
    assert random["found"] == random["with_twin"] > 5
    assert found.loc[("tile", 0.15), "wrong"] == 0


def test_a_name_without_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.png has no frame number"):
        tables.parts([tmp_path / "a.png"])

"""What stands in the experiments' tables without any training comes out again from the real images."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.rivals import score
from experiments.theory import moments, premise
from tests.conftest import REAL, with_real_images

SETS = [REAL / "piped" / name for name in ("PA_BRG03_TL", "PA_FVN01_TL")]
EXPERIMENTS = Path(__file__).parents[2] / "experiments"

pytestmark = with_real_images


def committed(name: str, key: str) -> pd.DataFrame:
    table = pd.read_csv(EXPERIMENTS / name)
    return table[table[key].isin([root.name for root in SETS])].set_index(key)


def test_fig_8(tmp_path: Path) -> None:
    moments.main([*map(str, SETS), "--out", str(tmp_path)])
    found = pd.read_csv(tmp_path / "moments.csv", index_col="set")
    pd.testing.assert_frame_equal(found, committed("theory/epyc-7003/moments.csv", "set"), atol=2e-4, rtol=0)


def test_footnote_7(tmp_path: Path) -> None:
    premise.main([*map(str, SETS), "--pairs", "30", "--out", str(tmp_path / "premise.csv")])
    found = pd.read_csv(tmp_path / "premise.csv", index_col="set")
    whole = committed("theory/epyc-7003/premise.csv", "set")
    of_all_images = ["images", "side", "variance", "bound", "width_at_bound"]
    pd.testing.assert_frame_equal(found[of_all_images], whole[of_all_images], atol=2e-5, rtol=0)
    assert (found["violating_pairs"] == 0).all()
    # Some of the pairs are no worse than all of them.
    assert (found["largest_share_of_difference"] <= whole["largest_share_of_difference"] + 1e-4).all()
    assert (found["smallest_violating_square"] >= whole["smallest_violating_square"] - 1e-4).all()


def test_what_darkness_reaches() -> None:
    results = committed("rivals/results.csv", "dataset")
    for root in SETS:
        _, images, labels, masks = score.test_images(root, 128)
        known = results[results["rival"] == "trivial"].loc[root.name]
        assert score.trivial(images, labels, masks) == pytest.approx(
            {name: known[name] for name in ("image_auroc_own", "pixel_auroc")}, abs=1e-4
        )

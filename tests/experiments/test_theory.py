"""Each experiment runs on small data; what its functions compute is tested in tests/experiments/theory."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from experiments.theory import along, cases, fields, moments, orthogonality, premise, spread
from fae.module import AnomalyAutoencoder
from tests.conftest import write_tiny


def is_picture(path: Path) -> bool:
    with Image.open(path) as image:
        return min(image.size) > 200


def test_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases.main(["--out", str(tmp_path / "cases.png"), "--points", "101"])
    assert is_picture(tmp_path / "cases.png")
    met, failing = capsys.readouterr().out.splitlines()
    assert "0.0000 of the allowed points" in met
    assert "0.0000" not in failing


def test_fields(tmp_path: Path) -> None:
    fields.main(["--out", str(tmp_path), "--pairs", "200", "--sides", "8", "32"])
    assert is_picture(tmp_path / "fields.png")
    table = pd.read_csv(tmp_path / "fields.csv")
    large = table[table["side"] == 32]
    assert large[large["share"] < 0.35]["violations"].max() < 0.02
    assert large[large["share"] > 0.6]["violations"].min() > 0.9
    off = (table["gap"] - table["gap_expected"]).abs() / table["gap_error"]
    assert off.max() < 5


def test_premise_and_moments(tiny: Path, tmp_path: Path) -> None:
    other = write_tiny(tmp_path / "other", size=(40, 40))
    premise.main([str(tiny), str(other), "--pairs", "20", "--out", str(tmp_path / "premise.csv")])
    table = pd.read_csv(tmp_path / "premise.csv")
    assert table["set"].tolist() == ["tiny", "other"]
    assert (table["pairs"] == 20).all()
    assert (table["violating_pairs"] == 0).all()
    assert table["smallest_violating_square"].between(0.2, 1).all()

    mixed = write_tiny(write_tiny(tmp_path / "mixed", size=(40, 32)), train=2, size=(32, 32))
    with pytest.raises(ValueError, match="bring them to one with --side"):
        premise.main([str(mixed)])
    with pytest.raises(ValueError, match=r"--pairs \(=0\)"):
        premise.main([str(tiny), "--pairs", "0"])

    moments.main([str(tiny), "--rows", str(other), "--out", str(tmp_path)])
    assert is_picture(tmp_path / "moments.png")
    assert pd.read_csv(tmp_path / "moments.csv")["window"].tolist() == [16, 20]


def test_orthogonality(sweep: Path, tmp_path: Path) -> None:
    orthogonality.main([str(sweep / "filter-elastic"), "--repeats", "2", "--out", str(tmp_path)])
    assert is_picture(tmp_path / "orthogonality.png")
    table = pd.read_csv(tmp_path / "orthogonality.csv")
    assert set(table["network"]) == {"trained", "untrained"}
    clean = table[table["width"] == 0]
    assert (clean["nearest_to_damaged"] == 1).all(), "undamaged, an image is nearest to itself"
    assert (table["trials"] == 2 * table["images"]).all()


def test_an_image_that_is_there_twice_is_as_near() -> None:
    image = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    image[3] = image[1]
    target = torch.arange(4)
    assert orthogonality.nearest_share(image, image, image, target) == 1
    assert orthogonality.nearest_share(image, image, image, target.roll(1)) == 0
    assert orthogonality.nearest_share(image[[0, 3]], image, image, torch.tensor([1, 1])) == 0.5


def test_a_constant_has_no_spread(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = str(sweep / "filter-elastic")
    found = spread.main([run, "--images", "3"])
    assert found["count"].max() == 3
    assert (found["over_pixels"] > 1e-4).all()
    monkeypatch.setattr(AnomalyAutoencoder, "forward", lambda self, image: torch.full_like(image, 0.25))
    assert (spread.main([run])[["over_images", "over_pixels"]] == 0).all().all()


def test_along(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(along, "OBJECTIVES", ("filter",))
    words = ["experiment=quick", "data=folder", f"data.root={tiny}", "category=generic", "model.width=2"]
    words += ["data.image_size=32", "data.batch_size=4", "trainer.max_steps=4", "trainer.val_check_interval=2"]
    words += ["trainer.enable_progress_bar=false", "~callback.progress", "pictures=0"]
    along.main(words, tmp_path)
    table = pd.read_csv(tmp_path / "along.csv")
    assert is_picture(tmp_path / "along-tiny.png")
    assert table["step"].tolist() == [2, 4, 2, 4]
    assert table["noise_sigma"].tolist() == [0, 0, 0.05, 0.05]
    assert table[["idempotence", "jacobian", "test_pixel_auroc"]].notna().all(axis=None)
    # At the last step, with a checkpoint of that step, the measured AUROC is the run's own.
    same = table[table["step"] == table["checkpoint_step"]]
    assert len(same) == 2
    assert same["test_pixel_auroc"].tolist() == pytest.approx(same["pixel_auroc"].tolist(), abs=1e-4)

    along.main([*words, "seed=1"], tmp_path)
    both = pd.read_csv(tmp_path / "along.csv")
    assert both["seed"].tolist() == [0] * 4 + [1] * 4, "another seed is added"
    pd.testing.assert_frame_equal(both[:4], table)
    along.main(words, tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "along.csv"), both)

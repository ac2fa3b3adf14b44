import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from experiments.rivals import own, score
from experiments.rivals.networks import BottleneckAutoencoder, Segmenter, parameters
from fae.cli.schema import conf_dir, register
from tests.conftest import write_tiny


@pytest.mark.parametrize("side", [128, 256])
def test_the_bottleneck_is_one(side: int) -> None:
    network = BottleneckAutoencoder(side).eval()
    image = torch.rand(2, 3, side, side)
    assert network(image).shape == image.shape
    narrowest = min(np.prod(shape) for shape in _shapes(network.layers, image[:1]))
    assert narrowest == 100
    assert 5e5 < parameters(network) < 5e6
    with pytest.raises(ValueError, match="power of 2"):
        BottleneckAutoencoder(side + 1)


def _shapes(layers: torch.nn.Sequential, image: torch.Tensor) -> list[torch.Size]:
    shapes = []
    for layer in layers:
        image = layer(image)
        shapes.append(image.shape)
    return shapes


def test_the_segmenter_has_one_output() -> None:
    assert Segmenter(4)(torch.rand(2, 3, 24, 40)).shape == (2, 1, 24, 40)


def test_the_rate_rises_and_falls() -> None:
    values = [own.rate(i / 100) for i in range(101)]
    assert values[10] == pytest.approx(1)
    assert values == sorted(values[:11]) + sorted(values[11:], reverse=True)
    assert values[-1] < 1e-6


def test_rivals_beside_each_other(tmp_path: Path) -> None:
    root = write_tiny(tmp_path / "data" / "tiny", size=(128, 128))
    words = ["experiment=quick", "data=folder", "category=generic", f"data.root={root}", "model.width=2"]
    for name in own.RIVALS:
        folder = own.run(name, 0.5, [*words, "data.batch_size=2"], watched=True)
        facts = json.loads((folder / "facts.json").read_text())
        assert facts["steps"] >= 1
        assert facts["seconds"] >= 0.5
    before = (folder / "facts.json").stat().st_mtime_ns
    own.run(name, 0.5, [*words, "data.batch_size=2"])
    assert (folder / "facts.json").stat().st_mtime_ns == before, "what is there is not run again"
    with pytest.raises(SystemExit, match="was trained with"):
        own.run(name, 0.5, words)

    absent = tmp_path / "multirun" / "rivals" / "tiny-patchcore"
    absent.mkdir()
    facts = {"rival": "patchcore", "dataset": "folder:tiny", "seed": 0, "budget_s": 0.5, "absent": "no weights"}
    (absent / "facts.json").write_text(json.dumps(facts))
    score.main(["multirun/rivals", str(root), "--out", str(tmp_path / "results.csv")])
    table = pd.read_csv(tmp_path / "results.csv").set_index("rival")
    assert list(table.index) == ["fae", "segmentation", "autoencoder", "denoising", "patchcore", "trivial"]
    assert table.loc["trivial", "pixel_auroc"] > 0.9
    assert table.drop(index="patchcore")["pixel_auroc"].between(0, 1).all()
    assert pd.isna(table.loc["patchcore", "pixel_auroc"])
    lines = score.markdown(table.reset_index()).splitlines()
    assert "absent: no weights" in lines[6]
    assert "undertrained" in lines[2]
    assert len({line.count("|") for line in lines}) == 1
    along = pd.read_csv(tmp_path / "along.csv")
    assert set(along["rival"]) == set(own.RIVALS)
    assert (along["step"] >= 1).all()
    assert along["test_pixel_auroc"].between(0, 1).all()
    learns_from_damage = along["rival"].isin(["fae", "segmentation"])
    assert along[learns_from_damage]["synthetic_pixel_auroc"].between(0, 1).all()
    assert along[~learns_from_damage]["synthetic_pixel_auroc"].isna().all()
    assert (tmp_path / "along.png").stat().st_size > 1000


def test_who_outlines_the_damage_finds_it(tmp_path: Path, tiny: Path) -> None:
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        words = ["experiment=quick", "data=folder", "category=generic", f"data.root={tiny}", "data.image_size=32"]
        cfg = compose("train", [*words, "score.n=0", "run_dir=unused"])
    data, scoring = (instantiate(part, _convert_="all") for part in (cfg.data, cfg.score))
    data.setup()
    clean = data.val.image.float() / 255

    def damage(image: torch.Tensor) -> torch.Tensor:
        """The difference of each damaged image from the nearer of the two that are held out."""
        from_each = (image.unsqueeze(1) - clean).abs().sum(dim=2, keepdim=True)
        return from_each[range(len(image)), from_each.flatten(2).sum(dim=2).argmin(dim=1)]

    def auroc(anomaly_map: Callable[[torch.Tensor], torch.Tensor]) -> float:
        rival = own.Rival(torch.nn.Identity(), lambda *_: torch.zeros(()), anomaly_map)
        return own.synthetic_auroc(rival, data, scoring)

    assert auroc(damage) > 0.9
    assert auroc(lambda image: -damage(image)) < 0.1
    assert auroc(lambda image: torch.zeros_like(image[:, :1])) == 0.5


def test_the_budgets_stand_beside_each_other() -> None:
    row = {"rival": "draem", "dataset": "set", "train_images": 30, "pixel_auroc": 0.5}
    short = [{**row, "seed": seed, "budget_s": 120, "seconds": 125, "images_seen": 24} for seed in (0, 1)]
    long = {**row, "seed": 0, "budget_s": 600, "seconds": 610, "images_seen": 10500, "pixel_auroc": 0.9}
    line = score.markdown(pd.DataFrame([*short, long])).splitlines()[2]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:5] == ["2", "125 s, 0.0011, **undertrained**", "0.500 ± 0.000"]
    assert cells[7:9] == ["610 s, 0.5", "0.900"]


def test_maps_are_judged_by_path_and_at_the_images_size(tmp_path: Path) -> None:
    root = write_tiny(tmp_path / "data" / "tiny")
    paths, _, labels, masks = score.test_images(root, 32)
    backwards = np.arange(len(paths))[::-1]
    # A perfect map, twice as large and in another order.
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "facts.json").write_text(json.dumps({"rival": "perfect", "dataset": "folder:tiny"}))
    large = masks.repeat(2, axis=1).repeat(2, axis=2).astype(np.float32)
    np.savez(
        folder / "maps.npz",
        anomaly_map=large[backwards],
        image_score=labels[backwards].astype(np.float32),
        path=np.array(paths)[backwards],
    )
    found = score.row(folder, paths, labels, masks)
    assert found["pixel_auroc"] == found["image_auroc_own"] == found["image_auroc_max"] == 1


def test_statistics_count_in_either_direction_and_empty_masks_do_not() -> None:
    # Good images are the brightest, as where mean brightness alone tells them apart the other way round.
    images = torch.tensor([0.9, 0.8, 0.3, 0.2]).view(4, 1, 1, 1).expand(4, 3, 12, 12).clone()
    labels = np.array([False, False, True, True])
    masks = np.zeros((4, 12, 12), bool)
    masks[2] = True
    assert score.judged(labels, masks).tolist() == [True, True, True, False]
    found = score.trivial(images, labels, masks)
    assert found["image_auroc_own"] == 1
    assert found["pixel_auroc"] == 1, "the image without an outline would be a dark normal one"

"""Photographs of one part stay on one side of every split, and what training knows is told."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.cli.words import as_typed
from fae.data.folder import folder
from fae.data.group import grouped
from fae.data.hold_out import HoldOut
from fae.data.index import Sample
from fae.data.twins import perceptual_hash, twins
from fae.train import train
from tests.conftest import SHORT, compose_tiny


def parts(count: int, photographs: int) -> list[Sample]:
    return [Sample(Path(f"p{i}-{j}.png"), group=f"p{i}") for i in range(count) for j in range(photographs)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("fraction", "folds"), [(0.05, None), (0.3, None), (0.05, 4)])
def test_no_part_lies_on_both_sides(
    seed: int, fraction: float, folds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fae.data.hold_out.copies", lambda *_: [])
    samples = parts(9, 3) + [Sample(Path(f"alone{i}.png")) for i in range(4)]
    held: list[Path] = []
    for fold in range(folds or 1):
        learned, val, _ = HoldOut(fraction, folds, fold)(samples, seed)
        assert not {s.group for s in learned if s.group} & {s.group for s in val if s.group}
        assert len(learned) + len(val) == len(samples)
        assert len(val) >= max(2, 0 if folds else round(fraction * len(samples)))
        held += [s.path for s in val]
    if folds:
        assert sorted(held) == sorted(s.path for s in samples), "every image is held out once"


def test_too_few_parts_are_named() -> None:
    with pytest.raises(ValueError, match="puts all 6 training images into one group"):
        HoldOut(0.1, None, 0)(parts(1, 6), 0)
    with pytest.raises(ValueError, match=r"data.folds \(=3\) needs two .* 8 images of 2 groups; use 2"):
        HoldOut(0.1, 3, 2)(parts(2, 4), 0)


def test_groups_by_expression_and_by_table(tiny: Path, tmp_path: Path) -> None:
    index = folder(str(tiny), "generic")
    found = grouped(index, str(tiny), r"/(\d)\d\d_?\w*\.png$")
    assert {sample.group for sample in found.all} == {"0"}
    assert {s.path.name: s.group for s in grouped(index, str(tiny), r"(\d+)\.png").train}["007.png"] == "007"
    table = tmp_path / "parts.csv"
    with table.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "file"])
        writer.writerows([f"g{i % 2}", s.path.relative_to(tiny)] for i, s in enumerate(index.all))
    by_table = grouped(index, str(tiny), str(table))
    assert [s.group for s in by_table.all] == [f"g{i % 2}" for i, _ in enumerate(index.all)]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("part(", r"data.group \(=part\(\) is no regular expression"),
        (r"\d+", "has 0 groups in brackets, but needs one"),
        (r"(a)(b)", "has 2 groups in brackets"),
        (r"train/good/(\d+)", r"leaves the group of 8 image\(s\) open: .*test/good/000.png, .* and 5 more"),
        ("file;group\na;b\n", "has the columns file;group; it needs file and group, separated by commas"),
        ("file,group\n000.png,\n", "line 2 has an empty file or group"),
        ("file,group\n000.png,a\n000.png,b\n", "line 3 gives 000.png the group b, but a line above a"),
        ("file,group\n000.png,a\n", r"leaves the group of \d+ image\(s\) open"),
    ],
)
def test_wrong_groups_name_themselves(group: str, message: str, tiny: Path, tmp_path: Path) -> None:
    if "\n" in group:
        (tmp_path / "parts.csv").write_text(group)
        group = str(tmp_path / "parts.csv")
    with pytest.raises(ValueError, match=message):
        grouped(folder(str(tiny), "generic"), str(tiny), group)


def test_a_twin_survives_exposure_size_and_compression(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scenes = [np.kron(rng.integers(0, 200, (12, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(20)]
    hashes = [perceptual_hash(scene) for scene in scenes]
    assert not any(twins([one], [other for other in hashes if other is not one], 0.15).any() for one in hashes)
    Image.fromarray(scenes[3]).resize((100, 100)).point(lambda v: 30 + 0.8 * v).save(tmp_path / "a.jpg", quality=60)
    again = perceptual_hash(np.asarray(Image.open(tmp_path / "a.jpg")))
    assert twins([again, hashes[5]], [hashes[3]], 0.15).tolist() == [True, False]
    assert twins([], hashes, 0.15).tolist() == []
    assert twins(hashes, [], 0.15).sum() == 0


def parts_on_disk(root: Path) -> Path:
    """Eight parts, two photographs each; the test folder shows parts 0 and 1 again, and parts 8 and 9."""
    rng = np.random.default_rng(0)
    scenes = [np.kron(rng.integers(0, 200, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(12)]
    for split, which in (("train/good", range(8)), ("test/good", (0, 8)), ("test/dent", (1, 9))):
        (root / split).mkdir(parents=True)
        for part in which:
            for photograph in range(2):
                image = np.clip(scenes[part] * (1 + 0.1 * photograph) + 5 * ("test" in split), 0, 255).astype(np.uint8)
                if "dent" in split:
                    image[2:5, 2:5] = np.minimum(image[2:5, 2:5], 215) + 40
                Image.fromarray(image).save(root / split / f"part{part}-{photograph}.png")
    (root / "ground_truth/dent").mkdir(parents=True)
    mask = np.zeros((64, 64), np.uint8)
    mask[2:5, 2:5] = 255
    for image in (root / "test/dent").iterdir():
        Image.fromarray(mask).save(root / f"ground_truth/dent/{image.stem}_mask.png")
    return root


@pytest.mark.parametrize("words", [as_typed([r"data.group=part(\d+)"]), []], ids=["by name", "by look"])
def test_metrics_come_twice_where_training_knows_test_images(words: list[str], tmp_path: Path) -> None:
    root = parts_on_disk(tmp_path / "parts")
    metrics = train(compose_tiny(root, tmp_path / "known", *SHORT, *words))
    assert metrics["known_test_images"] == 4
    (note,) = [note for note in metrics["notes"] if note.startswith("4 test image(s)")]
    assert re.findall(r"part\d-\d", note) == ["part1-0", "part1-1", "part0-0"]
    assert None not in (metrics["image_auroc_apart"], metrics["pixel_auroc_apart"])
    shutil.rmtree(root / "test/good")
    (root / "test/good").mkdir()
    shutil.copy(root / "train/good/part0-0.png", root / "test/good/part0-7.png")
    metrics = train(compose_tiny(root, tmp_path / "lost", *SHORT, *words))
    assert metrics["image_auroc"] is not None
    assert metrics["image_auroc_apart"] is None
    assert metrics["image_auroc_apart_undefined"] == (
        "no normal test images left: training knows 1 of 1 normal and 2 of 4 anomalous test images"
    )
    assert metrics["pixel_auroc_apart"] is not None, "pixels around the dents are normal"


def test_without_known_images_metrics_come_once(tmp_path: Path) -> None:
    root = parts_on_disk(tmp_path / "parts")
    metrics = train(compose_tiny(root, tmp_path / "once", *SHORT, "data.twins=null"))
    assert not [name for name in metrics if "apart" in name or "known" in name]

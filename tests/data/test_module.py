import os
import re
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image

from fae.data.module import DataModule
from fae.data.prepare import Raw
from fae.types import Batch, Images
from tests.conftest import compose_train


def stream(data: DataModule, count: int) -> list[Raw]:
    return list(islice(data.train_dataloader(), count))


def test_split(build: Callable[..., DataModule]) -> None:
    data = build()
    train, val = ({s.path for s in split.samples} for split in (data.train, data.val))
    assert len(val) == 2
    assert len(train) == 10
    assert not train & val
    assert val == {s.path for s in build().val.samples}
    assert len({frozenset(s.path for s in build(seed=seed).val.samples) for seed in range(4)}) > 1
    assert len(build(val_fraction=0.4).val.samples) == 5


def test_a_camera_of_twelve_bits_is_noticed(build: Callable[..., DataModule], tiny: Path) -> None:
    """Times 16 the same values fill 16 bits; with its depth a camera's images equal those up to rounding."""
    paths = sorted(tiny.glob("t*/*/*.png"))
    levels = [np.asarray(Image.open(path))[..., 0].astype(np.uint16) * 16 + 15 for path in paths]
    for path, image in zip(paths, levels, strict=True):
        Image.fromarray(image).save(path)
    largest = max(int(image.max()) for image in levels)
    dark = build()
    assert any(
        note.startswith(
            f"{len(paths)} file(s) of 16 bits hold values up to {largest} of 65535, which looks like 12 bits"
        )
        and "data.bit_depth=12" in note
        for note in dark.notes
    )
    told = build(bit_depth=12)
    assert not any("16 bits" in note for note in told.notes)
    assert told.identity != dark.identity
    for path, image in zip(paths, levels, strict=True):
        Image.fromarray(image * 16).save(path)
    full = build()
    assert not any("16 bits" in note for note in full.notes)
    assert (full.train.image.int() - told.train.image.int()).abs().max() <= 1


def names(data: DataModule) -> tuple[set[str], set[str]]:
    train, val = ({sample.path.name for sample in split.samples} for split in (data.train, data.val))
    return train, val


@pytest.mark.parametrize("seed", range(4))
def test_no_copy_of_a_held_out_image_is_learned_from(seed: int, build: Callable[..., DataModule], tiny: Path) -> None:
    """Three images have a twin; the split stays what it would be, but for twins that it would tear apart."""
    good = tiny / "train/good"
    for i in range(3):
        shutil.copyfile(good / f"{i:03d}.png", good / f"{9 + i:03d}.png")
    data = build(seed=seed, val_fraction=0.3)
    train, val = names(data)
    torn = {f"{(int(name[:3]) + 9) % 18:03d}.png" for name in val if int(name[:3]) < 3 or int(name[:3]) > 8}
    assert train == {f"{i:03d}.png" for i in range(12)} - val - torn
    held_out = {(good / name).read_bytes() for name in val}
    assert not held_out & {(good / name).read_bytes() for name in train}
    left_out = torn - val
    assert bool(left_out) == bool(data.notes)
    for name in left_out:
        assert re.search(f"^{len(left_out)} training image.* left out of training.*{name}", data.notes[0])


def test_nothing_but_copies(build: Callable[..., DataModule], tiny: Path) -> None:
    for path in (tiny / "train/good").iterdir():
        shutil.copyfile(tiny / "train/good/000.png", path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
    with pytest.raises(ValueError, match="all 10 training images equal held-out images.*remove the copies"):
        build()


def test_a_test_image_that_was_learned_from_is_told(build: Callable[..., DataModule], tiny: Path) -> None:
    assert not build().notes
    shutil.copyfile(tiny / "train/good/004.png", tiny / "test/good/001.png")
    data = build()
    (note,) = data.notes
    assert re.search(r"^1 test image.* equal training images.*test/good/001\.png$", note)
    assert len(data.train.samples) == 10


def test_images_are_kept_as_bytes(build: Callable[..., DataModule]) -> None:
    data = build()
    assert data.train.image.dtype == torch.uint8
    first = data.test.samples[5]
    assert np.array_equal(data.test.image[5].permute(1, 2, 0).numpy(), np.asarray(Image.open(first.path)))
    assert np.array_equal(data.mask[5, 0].numpy(), np.asarray(Image.open(first.mask_files[0])) > 127)


def test_the_stream_is_a_function_of_the_step(build: Callable[..., DataModule]) -> None:
    whole = stream(build(), 9)
    resumed = stream(build(step=4), 5)
    assert [r.step for r in resumed] == [4, 5, 6, 7, 8]
    for a, b in zip(whole[4:], resumed, strict=True):
        assert torch.equal(a.image, b.image)


def test_every_image_once_per_pass(build: Callable[..., DataModule]) -> None:
    data = build()
    images = torch.cat([r.image for r in stream(data, 5)])
    counts = [(images == one).flatten(1).all(1).sum().item() for one in data.train.image]
    assert counts == [2] * 10


@pytest.mark.parametrize("training", [True, False], ids=["training", "validation"])
def test_processes_share_what_one_sees(training: bool, build: Callable[..., DataModule], tmp_path: Path) -> None:
    """With a corruption that mixes the images of a batch, and one process without any image of the last one."""
    Image.fromarray(np.tri(32, dtype=np.uint8)).save(tmp_path / "roi.png")

    def batches(rank: int, world_size: int) -> list[Batch]:
        data = build(batch_size=3, rank=rank, world_size=world_size, corruption=swap, roi=str(tmp_path / "roi.png"))
        data.trainer.training = training
        raws = stream(data, 3) if training else list(data.val_dataloader())
        return [data.on_after_batch_transfer(raw, 0) for raw in raws]  # type: ignore[misc]

    swap = instantiate(compose_train("corruption=swap").corruption, _convert_="all")
    single, shares = batches(0, 1), [batches(rank, 3) for rank in range(3)]
    assert [len(b.clean) for b in single] == ([3, 3, 3] if training else [3, 3, 2])
    for step, batch in enumerate(single):
        assert batch.roi is not None
        for whole, *parts in zip(batch.parts, *(share[step].parts for share in shares), strict=True):
            for rank, part in enumerate(parts):
                assert torch.equal(whole[rank::3], part)


def test_processes_share_the_images_to_predict(build: Callable[..., DataModule]) -> None:
    found = []
    for rank in range(3):
        val, test = build(batch_size=2, rank=rank, world_size=3).predict_dataloader()
        found.append(
            [torch.cat([torch.zeros(0, dtype=torch.int64), *(b.sample for b in part)]) for part in (val, test)]
        )
    val, test = (torch.cat(parts).sort().values for parts in zip(*found, strict=True))
    assert val.tolist() == [0, 1]
    assert test.tolist() == list(range(8))


def test_training_batches(build: Callable[..., DataModule]) -> None:
    data = build()
    raw = stream(data, 1)[0]
    batch, again = (data.on_after_batch_transfer(raw, 0) for _ in "ab")
    assert isinstance(batch, Batch)
    assert batch.clean.shape == (4, 3, 16, 16)  # the first crop stage
    assert all(torch.equal(a, b) for a, b in zip(batch.parts, again.parts, strict=True))
    last = data.on_after_batch_transfer(raw._replace(step=29), 0)
    assert last.clean.shape == (4, 3, 32, 32)


def test_validation_is_the_same_in_every_epoch_and_at_full_size(build: Callable[..., DataModule]) -> None:
    early, late = build(step=0), build(step=25)
    for data in (early, late):
        data.trainer.training = False
    batches = [[d.on_after_batch_transfer(raw, 0) for raw in d.val_dataloader()] for d in (early, late)]
    assert sum(len(b.clean) for b in batches[0]) == 2 * 4
    for a, b in zip(*batches, strict=True):
        assert a.clean.shape[-2:] == (32, 32)
        assert all(torch.equal(x, y) for x, y in zip(a.parts, b.parts, strict=True))
    masks = torch.cat([b.corruption_mask for b in batches[0]])
    assert len({m.numpy().tobytes() for m in masks}) == 8


def test_the_anchors_noise_is_for_training_alone(build: Callable[..., DataModule]) -> None:
    plain, noisy = build(), build(noise_sigma=0.3)
    batch = stream(plain, 1)[0]
    assert torch.equal(plain.training_batch(batch).corruption_mask, noisy.training_batch(batch).corruption_mask)
    assert not torch.equal(plain.training_batch(batch).clean, noisy.training_batch(batch).clean)
    for data in (plain, noisy):
        data.trainer.training = False
    for first, second in zip(plain.val_dataloader(), noisy.val_dataloader(), strict=True):
        one, other = plain.on_after_batch_transfer(first, 0), noisy.on_after_batch_transfer(second, 0)
        assert all(torch.equal(a, b) for a, b in zip(one.parts, other.parts, strict=True))


def test_prediction_sees_images_as_they_are(build: Callable[..., DataModule]) -> None:
    data = build()
    val, test = data.predict_dataloader()
    batches = [data.on_after_batch_transfer(b, 0) for b in test]
    assert all(isinstance(b, Images) for b in batches)
    image = torch.cat([b.image for b in batches])
    assert torch.equal((image * 255).round().byte(), data.test.image)
    assert torch.cat([b.sample for b in batches]).tolist() == list(range(8))
    assert sum(len(b.image) for b in val) == 2


def test_images_of_many_sizes(build: Callable[..., DataModule], tiny: Path) -> None:
    odd = tiny / "train" / "good" / "999.png"
    Image.fromarray(np.zeros((20, 50, 3), np.uint8)).save(odd)
    with pytest.raises(
        ValueError, match="999.png has 20×50 pixels, .*000.png 32×32; set data.image_size|set data.image_size"
    ):
        build()
    assert build(image_size=[24, 40]).train.image.shape[-2:] == (24, 40)
    data = build(image_size=40, aspect="pad")
    everything = torch.cat([data.train.content, data.val.content]).flatten(1).sum(1)
    assert sorted(set(everything.tolist())) == [16 * 40, 40 * 40]


def test_mask_of_another_size(build: Callable[..., DataModule], tiny: Path) -> None:
    path = tiny / "ground_truth" / "square" / "001_mask.png"
    Image.fromarray(np.zeros((16, 32), np.uint8)).save(path)
    with pytest.raises(ValueError, match="mask .*001_mask.png has 16×32 pixels, its image .*001.png 32×32"):
        build()


def test_empty_mask_is_named_and_left_out(
    build: Callable[..., DataModule], tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tiny / "ground_truth" / "square" / "001_mask.png"
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    data = build()
    assert "001_mask.png" in caplog.text
    assert "001_mask.png" in data.notes[0]
    assert data.has_mask.tolist() == [True] * 5 + [False] + [True] * 2
    assert data.test.samples[5].label == 1


def test_an_unreadable_test_image_is_found_at_once(build: Callable[..., DataModule], tiny: Path) -> None:
    (tiny / "test" / "square" / "002.png").write_bytes(b"")
    with pytest.raises(ValueError, match="square/002.png cannot be read"):
        build()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"aspect": "crop"}, "data.aspect .='crop'."),
        ({"val_fraction": 0.0}, "data.val_fraction .=0.0."),
        ({"batch_size": 0}, "data.batch_size .=0."),
        ({"val_corruptions": 0}, "data.val_corruptions .=0."),
        ({"noise_sigma": -0.1}, "data.noise_sigma .=-0.1. must be a finite number, 0 or above"),
        ({"max_steps": -1}, "trainer.max_steps .=-1."),
        ({"image_size": 0}, "data.image_size .=0."),
        ({"crop_sizes": [64]}, "exceeds the images, 32×32"),
    ],
)
def test_wrong_keys(build: Callable[..., DataModule], keys: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**keys)


@pytest.mark.parametrize("cached", [False, True])
def test_the_identity_of_data_is_their_content(
    cached: bool, build: Callable[..., DataModule], tiny: Path, tmp_path: Path
) -> None:
    keys = {"cache_dir": str(tmp_path / "cache")} if cached else {}
    first = build(**keys).identity
    assert build(**keys, seed=1, image_size=16).identity == first, "neither the split nor the size is content"
    shutil.copytree(tiny, tmp_path / "moved" / "tiny")
    assert build(**keys, root=tmp_path / "moved" / "tiny").identity == first
    image = tiny / "train" / "good" / "003.png"
    Image.open(image).save(image, compress_level=1)
    assert build(**keys).identity == first, "only the compression has changed"
    found = {first}
    for path in (image, tiny / "test" / "good" / "000.png", tiny / "ground_truth" / "square" / "001_mask.png"):
        before = path.stat()
        values = np.array(Image.open(path))
        values[3, 3] = 255 - values[3, 3]
        Image.fromarray(values).save(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        found.add(build(**keys).identity)
    assert len(found) == 4, "one pixel of an image or a mask"


def test_masks_turned_otherwise_than_their_images_are_told(build: Callable[..., DataModule], tiny: Path) -> None:
    for name, size in (("000", (32, 32)), ("001", (32, 16))):
        path = tiny / "test" / "square" / f"{name}.png"
        image = Image.open(path).resize(size)
        exif = Image.Exif()
        exif[0x112] = 6
        image.save(path, exif=exif)
    mask = tiny / "ground_truth" / "square" / "001_mask.png"
    Image.open(mask).resize((32, 16)).save(mask)
    with pytest.raises(ValueError, match="001_mask.png has 16×32 pixels.* 32×16; .*; EXIF data turn one of the two"):
        build(image_size=32)
    Image.open(mask).resize((16, 32)).save(mask)
    notes = build(image_size=32).notes
    assert any("2 mask(s) and their images are turned differently by EXIF data" in note for note in notes)

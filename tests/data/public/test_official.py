import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hydra.utils import instantiate

from fae.cli.check import check_leaves
from fae.cli.schema import conf_dir
from fae.data.folder import folder
from fae.data.hint import hint
from fae.data.index import Index
from fae.data.module import DataModule
from fae.evaluation.saturated import saturated
from fae.image import RegionMask
from fae.metric.aupro import LIMITS
from tests.conftest import compose_train
from tests.data.public.layouts import WRITERS, image, mask

Read = Callable[..., Index]


@pytest.fixture(params=WRITERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def read(name: str, tmp_path: Path) -> Read:
    """Read the tiny copy by the composed configuration, as a run does."""
    return reading(name, tmp_path)


def reading(name: str, tmp_path: Path) -> Read:
    write, category = WRITERS[name]
    write(tmp_path / "set")

    def run(root: Path | None = tmp_path / "set", category: str = category) -> Index:
        cfg = compose_train(f"data={name.partition(':')[0]}", "category=generic")
        return instantiate(cfg.data.source, _convert_="all")(None if root is None else str(root), category)

    return run


class Expected(NamedTuple):
    """What a reader finds in the tiny copy of its layout."""

    train: int
    good: int
    types: dict[str, int]
    pixels: list[int]
    """The number of defect pixels of each mask."""
    notes: Sequence[str] = ()
    """Parts of the notes, one each."""


VALIDATION = "validation image(s) of the published layout join the training images"
EXPECTED = {
    "mpdd": Expected(4, 1, {"anomalous": 2}, [4, 4]),
    "visa": Expected(3, 1, {"anomaly": 1}, [12]),
    "btad": Expected(3, 1, {"ko": 2}, [4, 0]),
    "loco": Expected(4, 1, {"logical_anomalies": 1, "structural_anomalies": 1}, [8, 4], [f"1 {VALIDATION}"]),
    "mvtec_ad2": Expected(
        *(4, 1, {"bad": 1}, [4]),
        [
            f"2 {VALIDATION}",
            "2 private test set(s) without ground truth holding 2 image(s) (test_private, test_private_mixed)",
        ],
    ),
    "mvtec_3d": Expected(4, 1, {"cut": 1}, [4], [f"1 {VALIDATION}", "4 folder(s) of positions holding 4 image(s)"]),
    "kolektor:sdd": Expected(5, 1, {"defect": 2}, [4, 4], ["no division for one-class training"]),
    "kolektor:sdd2": Expected(
        4, 1, {"defect": 1}, [4], ["2 copies (train/10001 (copy).png, train/10001_GT (copy).png); 1 defective training"]
    ),
    "dagm": Expected(3, 1, {"defect": 1}, [4], ["1 defective training image(s) (Train/0579.PNG)"]),
    "realiad": Expected(4, 2, {"HS": 1}, [4]),
}


def test_what_is_read_and_what_is_left_out(name: str, read: Read) -> None:
    index, expected = read(), EXPECTED[name]
    bad = [sample for sample in index.test if sample.label]
    assert index.dataset == f"{name.partition(':')[0]}:{WRITERS[name][1]}"
    assert index.has_masks
    assert (len(index.train), len(index.test) - len(bad)) == (expected.train, expected.good)
    assert {kind: sum(s.defect_type == kind for s in bad) for kind in {s.defect_type for s in bad}} == expected.types
    masks = [sample.mask for sample in bad if sample.mask is not None]
    assert [int(one.outline().defect.sum()) for one in masks] == expected.pixels
    assert len(masks) == len(bad)
    assert all(sample.label == 0 and sample.mask is None for sample in {*index.train, *index.test} - {*bad})
    assert len(index.notes) == len(expected.notes)
    assert all(text in note for text, note in zip(expected.notes, index.notes, strict=True))
    assert not {sample.path for sample in index.train} & {sample.path for sample in index.test}


def test_a_wrong_root_or_category_is_named(read: Read, name: str, tmp_path: Path) -> None:
    for root in (None, Path("nowhere")):
        with pytest.raises(FileNotFoundError, match=rf"data.root \(={root}\) is no folder; name the folder"):
            read(root)
    there = "sdd or sdd2|sdd" if name.startswith("kolektor") else WRITERS[name][1]
    with pytest.raises((FileNotFoundError, ValueError), match=rf"category .*generic.* ({there}).*category.name="):
        read(category="generic")
    empty = tmp_path / "empty" / ("realiad_1024" if name == "realiad" else "")
    (empty / WRITERS[name][1]).mkdir(parents=True)
    with pytest.raises((FileNotFoundError, ValueError), match=str(tmp_path / "empty")):
        read(tmp_path / "empty")


def test_a_missing_mask_is_named(read: Read) -> None:
    bad = next(sample for sample in read().test if sample.label)
    for path in bad.mask_files:
        path.unlink()
    with pytest.raises(FileNotFoundError, match=f"no mask for {bad.path}: expected {bad.mask_files[0].parent}"):
        read()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mpdd", "tubes/train/good"),
        ("visa", "candle/Data/Images/Normal"),
        ("btad", "01/test/ok"),
        ("loco", "pushpins/validation/good"),
        ("loco", "pushpins/test/structural_anomalies"),
        ("mvtec_ad2", "vial/test_public/bad"),
        ("mvtec_3d", "tire/test/cut/rgb"),
        ("kolektor:sdd2", "sdd2/test"),
        ("dagm", "Class1/Train/Label"),
        ("realiad", "realiad_1024/audiojack/NG"),
    ],
)
def test_a_missing_folder_is_named(name: str, folder: str, tmp_path: Path) -> None:
    read = reading(name, tmp_path)
    shutil.rmtree(tmp_path / "set" / folder)
    with pytest.raises(FileNotFoundError, match=f"no (folder|file|image) {tmp_path / 'set' / folder}"):
        read()


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("visa", "realiad", "dagm")])
def test_too_few_training_images(read: Read) -> None:
    """Elsewhere a table lists the training images, so that each of them must be there."""
    for sample in read().train[2:]:
        sample.path.unlink()
        for end in ("_label.bmp", "_GT.png"):
            sample.path.with_name(sample.path.stem + end).unlink(missing_ok=True)
    with pytest.raises(ValueError, match="at least 3 normal images are needed"):
        read()


def test_images_that_the_table_of_visa_does_not_list(tmp_path: Path) -> None:
    read = reading("visa", tmp_path)
    image(tmp_path / "set/candle/Data/Images/Normal/0099.JPG")
    (note,) = read().notes
    assert "1 image(s) that split_csv/1cls.csv does not list (Data/Images/Normal/0099.JPG)" in note
    (tmp_path / "set/candle/Data/Images/Normal/0001.JPG").unlink()
    with pytest.raises(FileNotFoundError, match=r"no image .*Normal/0001.JPG, which the data set lists"):
        read()
    table = tmp_path / "set/split_csv/1cls.csv"
    table.write_text("object,split\n")
    with pytest.raises(ValueError, match=r"1cls.csv has no column 'image'"):
        read()
    table.unlink()
    with pytest.raises(FileNotFoundError, match=r"no file .*split_csv/1cls.csv"):
        read()


def test_the_items_of_kolektor_stay_together(tmp_path: Path) -> None:
    index = reading("kolektor:sdd", tmp_path)()
    normal = [{sample.group for sample in some if not sample.label} for some in (index.train, index.test)]
    assert normal == [{"kos01", "kos02", "kos04"}, {"kos03"}]


@pytest.mark.parametrize("name", ["kolektor:sdd", "dagm"])
def test_one_more_folder_around_a_category(name: str, tmp_path: Path) -> None:
    read = reading(name, tmp_path)
    before = read()
    folder = tmp_path / "set" / WRITERS[name][1]
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    (tmp_path / "moved").rename(folder / "again")
    after = read()
    assert [len(after.train), len(after.test)] == [len(before.train), len(before.test)]
    assert after.train[0].path.is_relative_to(folder / "again")


def test_labels_of_dagm_that_differ_from_the_images(tmp_path: Path) -> None:
    read = reading("dagm", tmp_path)
    image(tmp_path / "set/Class1/Test/0099.PNG")
    with pytest.raises(ValueError, match=r"Test/Label/Labels.txt and Test differ: 0099 is not listed"):
        read()
    (tmp_path / "set/Class1/Train/Label/Labels.txt").write_text("1\n1\t0\t0576.PNG\n")
    with pytest.raises(ValueError, match=r"Train/Label/Labels.txt has 3 columns in line 2, not 5"):
        read()


def test_views_of_one_part_share_a_group_and_the_table_decides_what_is_normal(tmp_path: Path) -> None:
    read = reading("realiad", tmp_path)
    index = read()
    assert [sample.group for sample in index.train] == [f"audiojack_000{part}_OK" for part in (1, 1, 2, 2)], (
        "two views of each of two parts"
    )
    assert [(s.defect_type, s.group) for s in index.test[1:]] == [
        ("HS", "audiojack_0064_NG_HS"),
        ("good", "audiojack_0064_NG_HS"),
    ]
    path = tmp_path / "set/realiad_jsons/audiojack.json"
    content = json.loads(path.read_text())
    content["train"].append(content["test"][1])
    path.write_text(json.dumps(content))
    assert "1 defective training image(s)" in read().notes[0]
    (path.parent / "realiad_jsons").mkdir()
    path.rename(path.parent / "realiad_jsons" / path.name)
    assert len(read().train) == 4
    (path.parent / "realiad_jsons" / path.name).write_text('{"meta": {}}')
    with pytest.raises(ValueError, match=r"audiojack.json is not a table of Real-IAD \(KeyError: 'prefix'\)"):
        read()


def test_masks_of_several_files_are_joined(tmp_path: Path) -> None:
    index = reading("loco", tmp_path)()
    (logical,) = [sample for sample in index.test if sample.defect_type == "logical_anomalies"]
    assert [path.name for path in logical.mask_files] == ["000.png", "001.png", "defects_config.json"]


def test_the_regions_of_loco_saturate_by_their_rules(tmp_path: Path) -> None:
    read = reading("loco", tmp_path)
    logical, structural = (sample.mask for sample in read().test[1:])
    assert isinstance(logical, RegionMask)
    assert isinstance(structural, RegionMask)
    found = [(region.sum(), share) for mask in (logical, structural) for region, share in mask.regions()]
    assert found == [(4, 1.0), (4, 0.5), (4, 0.5)]  # all of 4 pixels, 2 pixels of 4, and half of 4
    config = tmp_path / "set/pushpins/defects_config.json"
    config.write_text(config.read_text().replace("251", "250"))
    with pytest.raises(ValueError, match=r"001.png holds the values \[251\], .*defects_config.json lists"):
        read().test[1].mask.regions()
    config.write_text("[{}]")
    with pytest.raises(ValueError, match="defects_config.json is no list of pixel_value"):
        read()
    config.unlink()
    assert any("the saturated per-region overlap is not measured" in note for note in read().notes)


@pytest.mark.parametrize("name", ["loco", "visa"])
def test_a_data_module_decodes_what_a_reader_lists(name: str, tmp_path: Path) -> None:
    reading(name, tmp_path)
    data = set_up(name, tmp_path)
    assert len(data.train.samples) + len(data.val.samples) == EXPECTED[name].train
    assert data.mask.sum(dim=(1, 2, 3)).tolist() == [0, *EXPECTED[name].pixels]
    assert data.has_mask.all()
    assert data.identity.dataset == f"{name}:{WRITERS[name][1]}"
    perfect = saturated(data.mask.float(), data, torch.ones_like(data.mask))
    kinds = ("", "_logical_anomalies", "_structural_anomalies")
    expected = {f"spro_{limit}{kind}": 1.0 for kind in kinds for limit in LIMITS}
    assert perfect == pytest.approx(expected if name == "loco" else {})


def test_a_changed_rule_of_loco_makes_another_data_set(tmp_path: Path) -> None:
    reading("loco", tmp_path)
    before = set_up("loco", tmp_path).identity
    config = tmp_path / "set/pushpins/defects_config.json"
    config.write_text(config.read_text().replace("0.5", "0.6"))
    assert set_up("loco", tmp_path).identity != before


def set_up(name: str, tmp_path: Path) -> DataModule:
    words = ("category=generic", f"category.name={WRITERS[name][1]}", "data.batch_size=2", "data.cache_dir=null")
    cfg = compose_train(f"data={name}", *words)
    cfg.data.root = str(tmp_path / "set")
    check_leaves(cfg)
    data = instantiate(cfg.data, _convert_="all")
    assert isinstance(data, DataModule)
    data.setup()
    return data


@pytest.mark.parametrize("choice", sorted({path.stem for path in Path(conf_dir(), "data").glob("*.yaml")} - {"module"}))
def test_every_reader_is_configured_alike(choice: str) -> None:
    """The file, the module and the function have one name; data.category and category.name choose the category."""
    words = ("category=generic", "data.root=somewhere")
    for key in ("data.category", "category.name"):
        cfg = compose_train(f"data={choice}", *words, f"{key}='01'")
        check_leaves(cfg)
        own = choice in ("auto", "folder", "mvtec", "synthetic", "table")
        assert cfg.data.source._target_ == f"fae.data.{'' if own else 'public.'}{choice}.{choice}"
        assert (cfg.data.category, cfg.data.root) == ("01", "somewhere")


def test_a_picture_in_place_of_a_mask_is_no_normal_image(tmp_path: Path) -> None:
    """A mask of KolektorSDD that cannot be read is an error, because the label depends on it."""
    read = reading("kolektor:sdd", tmp_path)
    (tmp_path / "set/sdd/kos02/Part0_label.bmp").write_bytes(b"BM")
    with pytest.raises(ValueError, match=r"kos02/Part0_label.bmp"):
        read()


def test_masks_of_another_suffix(tmp_path: Path) -> None:
    """In BTAD a mask may have another suffix than its image; two masks of one name are no choice."""
    read = reading("btad", tmp_path)
    mask(tmp_path / "set/01/ground_truth/ko/0000.gif", 1)
    with pytest.raises(ValueError, match=r"ko/0000.bmp has several masks"):
        read()
    (tmp_path / "set/01/ground_truth/ko/0000.png").unlink()
    assert read().test[1].mask_files[0].suffix == ".gif"


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - {"mpdd"}))  # which has the layout of MVTec AD
def test_a_published_layout_is_recognised_by_the_reader_of_folders(name: str, tmp_path: Path) -> None:
    """Who takes data=folder for such a set is told the key, in an error or in a note."""
    reading(name, tmp_path)
    key, category = name.partition(":")[0], WRITERS[name][1]
    root = tmp_path / "set"
    places = (root,) if key == "realiad" else (root, root / category)
    for place in places:
        try:
            said = " ".join(folder(str(place), "generic").notes)
        except (ValueError, FileNotFoundError) as error:
            said = str(error)
        assert f"it looks like what data={key} reads: data.root={root}" in said
        assert f"category.name={category if place.name == category else 'NAME'}," in said


def test_an_own_layout_is_taken_for_none(tiny: Path) -> None:
    assert hint(tiny) == hint(tiny / "train") == ""

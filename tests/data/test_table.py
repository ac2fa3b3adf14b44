import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from PIL import Image

from fae.cli.words import as_typed
from fae.data.index import Index
from fae.data.module import DataModule
from fae.data.table import table
from fae.image import CocoMask, LabelmeMask, PixelMask
from tests.conftest import compose_command

TRAIN = "train/good/000.png,train\ntrain/good/001.png,train\ntrain/good/002.png,train\n"
"""The rows of three normal images, lines 2 to 4 below a header."""


@pytest.fixture
def written(tiny: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "parts.csv", encoding: str = "utf-8") -> Path:
        (tiny / name).write_bytes(text.encode(encoding))
        return tiny / name

    return write


@pytest.fixture
def read(written: Callable[..., Path]) -> Callable[..., Index]:
    return lambda *words: table(str(written(*words)), "generic")


def rows(*more: str, head: str = "path,split,label,mask,group", delimiter: str = ",") -> str:
    """A table of three normal images, and more rows."""
    filled = (line + "," * (head.count(",") - 1) for line in TRAIN.splitlines())
    return "\n".join((head, *filled, *more, "")).replace(",", delimiter)


def test_columns(read: Callable[..., Index], tiny: Path) -> None:
    index = read(
        rows(
            "train/good/003.png,train,ok,,007",
            "test/good/000.png,test,good,,",
            f"{tiny}/test/square/000.png,test,square,ground_truth/square/000_mask.png,8",
            r"test\square\001.png,Test,1, ground_truth\square\001_mask.png ; ground_truth/square/002_mask.png ,",
        )
    )
    assert index.dataset == "table:parts"
    assert [sample.group for sample in index.all] == [None, None, None, "007", None, "8", None]
    assert [sample.defect_type for sample in index.test] == ["good", "square", "defect"]
    truth = tiny / "ground_truth" / "square"
    assert index.test[1].mask == PixelMask((truth / "000_mask.png",))
    assert index.test[2].mask == PixelMask((truth / "001_mask.png", truth / "002_mask.png"))
    assert all(sample.path.is_file() for sample in index.all)
    assert index.has_masks
    assert index.notes == ()


@pytest.mark.parametrize("label", ["good", "Normal", "OK", "0", "0.0", "False"])
def test_words_for_good(label: str, read: Callable[..., Index]) -> None:
    assert read(rows(f"test/good/000.png,test,{label},,")).test[0].label == 0


@pytest.mark.parametrize(("label", "kind"), [("1", "defect"), ("1.0", "defect"), ("TRUE", "defect"), ("007", "007")])
def test_words_for_defects(label: str, kind: str, read: Callable[..., Index]) -> None:
    assert read(rows(f"test/square/000.png,test,{label},,")).test[0].defect_type == kind


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dialects(encoding: str, delimiter: str, end: str, read: Callable[..., Index], tiny: Path) -> None:
    (tiny / "test" / "square" / "000.png").rename(tiny / "test" / "a, b; ö.png")
    masks = "ground_truth/square/000_mask.png;ground_truth/square/001_mask.png"
    more = ('"test/a# b; ö.png",test,square,"' + masks + '",', "", ",,,,")
    text = rows(*more, head="Path, split ,LABEL,mask,group", delimiter=delimiter).replace("#", ",")
    index = read(text.replace("\n", end), "parts.csv", encoding)
    assert [sample.path.name for sample in index.test] == ["a, b; ö.png"]
    assert len(index.test[0].mask_files) == 2


def test_only_what_is_needed(read: Callable[..., Index]) -> None:
    index = read(rows(head="split,path").replace(",train", "").replace("train/good", "train,train/good"))
    assert len(index.train) == 3
    assert "no test images in" in index.notes[0]


def test_notes_about_masks(read: Callable[..., Index]) -> None:
    bare = [f"test/square/00{i}.png,test,square,," for i in range(2)]
    index = read(rows(*bare))
    assert not index.has_masks
    assert index.notes[0].endswith("parts.csv: the run has image metrics, but no pixel metrics")
    index = read(rows(*bare, "test/square/002.png,test,square,ground_truth/square/002_mask.png,"))
    assert index.has_masks
    (note,) = index.notes
    assert note.startswith("2 defective image(s) of ")
    assert note.endswith("pixel metrics: line 5 (test/square/000.png), line 6 (test/square/001.png)")


BAD = {
    "empty": ("", "no column 'path', but nothing; add it"),
    "no rows": ("path,split\n", "has no rows below its header"),
    "no path": (rows(head="paths,split"), "no column 'path', but 'paths', 'split'; rename 'paths', if that is meant"),
    "no split": (rows(head="path,where"), "no column 'split', but 'path', 'where'; add it"),
    "unknown": (rows(head="path,split,lable"), "a column 'lable', but knows only path, .*; did you mean 'label'"),
    "foreign": (rows(head="path,split,weight"), "a column 'weight', but .*; remove it"),
    "twice": (rows(head="path,split,path"), "the column 'path' 2 times; keep one"),
    "bars": (rows(delimiter="|", head="path,split,label"), r"no column 'path', but 'path\|split\|label'"),
    "too many": (rows("test/good/000.png,test,good,,,"), r"5 columns, but line 5 \(6 values\)"),
    "too few": (rows("test/good/000.png,test"), r"5 columns, but line 5 \(2 values\); add what is missing"),
    "open quote": (rows('"test/good/000.png,test,good,,'), r"cannot be read near line 5 \(.*; mend the quotes"),
    "path": (rows(",test,good,,"), r"1 row\(s\) with an empty path: line 5; fill it in"),
    "split": (rows("test/good/000.png,val,,,", "a,,,,"), r"neither train nor test: line 5 \('val'\), line 6 \(''\)"),
    "again": (rows("train/good/../good/000.png,train,,,"), r"that an earlier row has: line 5 \(train/good/../good/000"),
    "both": (rows("train/good/000.png,test,good,,"), r"an image of train in test, .*: line 5 \(train/good/000.png\)"),
    "label": (
        rows("test/good/000.png,test,,,"),
        r"a test image without label: line 5 \(test/good/000.png\); write good",
    ),
    "defect": (
        rows(*(f"test/square/00{i}.png,train,square,," for i in range(4)), "train/good/003.png,train,1,,"),
        r"5 row\(s\) with a defective image in train: line 5 \(test/square/000.png: square\), .*line 7 .*\) and 2 more",
    ),
    "good mask": (
        rows("test/good/000.png,test,good,ground_truth/square/000_mask.png,"),
        r"a mask for a good image: line 5 \(test/good/000.png\); remove the mask",
    ),
    "json": (
        rows("test/square/000.png,test,square,a.json;ground_truth/square/000_mask.png,"),
        "a JSON file among several masks in line 5",
    ),
    "other json": (rows("test/square/000.png,test,square,a.json,"), "unusable mask in line 5: .*a.json has neither"),
    "few": ("path,split\ntrain/good/000.png,train\n", r"1 row\(s\) of split train; at least 3 normal images"),
}


@pytest.mark.parametrize("name", BAD)
def test_tables_that_are_refused(name: str, read: Callable[..., Index], tiny: Path) -> None:
    text, message = BAD[name]
    (tiny / "a.json").write_text("{}")
    with pytest.raises(ValueError, match=f"parts.csv has.* {message}|parts.csv {message}"):
        read(text)


def test_missing_files(read: Callable[..., Index]) -> None:
    more = ["lost.png,test,good,,", r"C:\a.png,test,good,,", "test,test,good,,", "test/square/000.png,test,x,no.png,"]
    places = r"line 5 \(lost.png\), line 6 \(C:\\a.png\), line 7 \(test\) and 1 more; paths are relative to .*tiny, or"
    with pytest.raises(FileNotFoundError, match=rf"parts.csv names 4 missing file\(s\): {places} absolute"):
        read(rows(*more))


def test_text_that_is_not_unicode(written: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"parts.csv is no UTF-8 text .*; save it as CSV UTF-8"):
        table(str(written(rows("ö.png,test,good,,"), "parts.csv", "latin-1")), "generic")


@pytest.mark.parametrize(
    ("root", "kind", "message"),
    [
        (None, FileNotFoundError, "data.root .=None. is not set; name the table"),
        ("no.csv", FileNotFoundError, "data.root .=no.csv. is no file; name the table"),
        (".", ValueError, "data.root .=.. is a folder; name the table in it, or use data=folder"),
        ("a.xlsx", ValueError, "data.root .=a.xlsx. must end with .csv, .tsv, .txt, .parquet; save"),
    ],
)
def test_roots_that_are_refused(root: str | None, kind: type[Exception], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(kind, match=message):
        table(root, "generic")


def parquet(folder: Path, **columns: Any) -> str:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), folder / "parts.parquet")
    return str(folder / "parts.parquet")


PATHS = [f"train/good/00{i}.png" for i in range(3)]


def test_parquet(tiny: Path) -> None:
    import pyarrow

    split = pyarrow.array(["train"] * 3 + ["test"] * 2).dictionary_encode()
    paths = [*PATHS, "test/square/000.png", "test/good/000.png"]
    index = table(
        parquet(tiny, path=paths, split=split, label=[None, 0, 0, 1, 0], group=["007", "7", None, "", " 8 "]), "generic"
    )
    assert [sample.group for sample in index.all] == ["007", "7", None, None, "8"]
    assert [sample.defect_type for sample in index.test] == ["defect", "good"]


def test_parquet_that_is_refused(tiny: Path) -> None:
    with pytest.raises(ValueError, match=r"parts.parquet has the column 'label' of type double; save it as text"):
        table(parquet(tiny, path=PATHS, split=["train"] * 3, label=[0.0] * 3), "generic")
    with pytest.raises(ValueError, match=r"parts.parquet has 1 row\(s\) with an empty path: row 2"):
        table(parquet(tiny, path=[PATHS[0], None, PATHS[2]], split=["train"] * 3), "generic")
    (tiny / "parts.parquet").write_text("path,split\n")
    with pytest.raises(ValueError, match=r"parts.parquet cannot be read as Parquet .*; save it again"):
        table(str(tiny / "parts.parquet"), "generic")


def with_all_masks(tiny: Path) -> Path:
    """A table whose defects are outlined by an image, by two images, by labelme and by COCO."""
    box = {"shape_type": "rectangle", "label": "dent", "points": [[4, 3], [9, 5]]}
    (tiny / "a.json").write_text(json.dumps({"shapes": [box], "imageHeight": 32, "imageWidth": 32}))
    image = {"id": 1, "file_name": "square/003.png", "height": 32, "width": 32}
    outline = {"image_id": 1, "segmentation": [[4, 3, 9, 3, 9, 5, 4, 5]]}
    (tiny / "coco.json").write_text(json.dumps({"images": [image], "annotations": [outline]}))
    truth = "ground_truth/square"
    masks = [f"{truth}/000_mask.png", f"{truth}/000_mask.png;{truth}/001_mask.png", "a.json", "coco.json"]
    lines = ["path,split,label,mask,group"]
    lines += [f"{path.relative_to(tiny)},train,,,part{path.stem}" for path in sorted((tiny / "train").rglob("*.png"))]
    lines += [f"test/good/00{i}.png,test,good,," for i in range(4)]
    lines += [f"test/square/00{i}.png,test,square,{mask}," for i, mask in enumerate(masks)]
    (tiny / "parts.csv").write_text("\n".join(lines))
    return tiny / "parts.csv"


def test_a_data_module_takes_masks_of_every_kind(tiny: Path) -> None:
    cfg = compose_command("train", "data=table", "category=generic", "data.cache_dir=null")
    cfg.data.root = str(with_all_masks(tiny))
    data: DataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    assert data.identity.dataset == "table:parts"
    kinds = [type(sample.mask) for sample in data.test.samples[4:]]
    assert kinds == [PixelMask, PixelMask, LabelmeMask, CocoMask]
    first, second = (np.asarray(Image.open(tiny / "ground_truth" / "square" / f"00{i}_mask.png")) > 0 for i in range(2))
    box = np.zeros((32, 32), bool)
    box[3:6, 4:10] = True
    assert not data.mask[:4].any()
    for found, expected in zip(data.mask[4:, 0].numpy(), (first, first | second, box, box), strict=True):
        assert np.array_equal(found, expected)
    assert data.has_mask.all()


def test_an_annotation_of_another_size_is_found(tiny: Path) -> None:
    root = with_all_masks(tiny)
    (tiny / "a.json").write_text((tiny / "a.json").read_text().replace('"imageWidth": 32', '"imageWidth": 30'))
    cfg = compose_command("train", "data=table", "category=generic", "data.cache_dir=null")
    cfg.data.root = str(root)
    with pytest.raises(ValueError, match=r"mask .*a.json has 32×30 pixels, its image .*002.png 32×32"):
        instantiate(cfg.data, _convert_="all").setup()


@pytest.mark.parametrize("name", ["007.csv", "2024_05_02.csv", "ö (1).csv", "a,b.csv", "1e3.tsv"])
def test_the_name_of_a_table_stays_text(name: str, tiny: Path) -> None:
    os.rename(with_all_masks(tiny), tiny / name)
    cfg = compose_command("train", *as_typed(["data=table", "category=generic", f"data.root=tiny/{name}"]))
    index = instantiate(cfg.data, _convert_="all").index
    assert index.dataset == f"table:{Path(name).stem}"

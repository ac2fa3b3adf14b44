"""Shapes of annotation tools, drawn and compared with pixels that are written down here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fae.image import CocoMask, LabelmeMask, mask_of_shapes
from fae.image import polygon as module

SIZE = (6, 8)
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]
FLAT = [1, 1, 4, 1, 4, 3, 1, 3]


def pixels(*rows: str) -> np.ndarray:
    """A mask of `SIZE`, of which the first rows are drawn."""
    found = np.zeros(SIZE, bool)
    for number, row in enumerate(rows):
        found[number, : len(row)] = [one == "#" for one in row]
    return found


FILLED = pixels("", " ####", " ####", " ####")


def labelme(folder: Path, *shapes: Any, **keys: Any) -> LabelmeMask:
    file = folder / "a.json"
    file.write_text(json.dumps({"shapes": list(shapes), "imageHeight": SIZE[0], "imageWidth": SIZE[1]} | keys))
    return LabelmeMask(file)


def shape(points: Any, kind: str = "polygon", label: str = "scratch") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind}


def coco(folder: Path, *shapes: Any, **keys: Any) -> CocoMask:
    """A file of two images, the second of which has the shapes."""
    images = [{"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in range(2)]
    annotations = [{"id": 7, "image_id": 1, "bbox": [1, 1, 3, 2], "segmentation": one} for one in shapes]
    file = folder / "coco.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations} | keys))
    return CocoMask(file, "parts/1.png")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (shape(SQUARE), FILLED),
        (shape([[1.9, 1.2], [4.7, 1.2], [4.7, 3.9], [1.9, 3.9]]), FILLED),
        (shape(SQUARE, label="good"), FILLED),
        ({"points": SQUARE}, FILLED),
        (shape([[4, 3], [1, 1]], "rectangle"), FILLED),
        (shape(SQUARE, "rectangle"), FILLED),
        (shape([[-9, -9], [2, -9], [2, 1], [-9, 1]]), pixels("###", "###")),
        (shape([[0, 0], [4, 0], [0, 4]]), pixels("#####", "####", "###", "##", "#")),
        (shape([[3, 2], [5, 2]], "circle"), pixels("  ###", " #####", " #####", " #####", "  ###")),
    ],
)
def test_shapes_of_labelme(one: dict[str, Any], expected: np.ndarray, tmp_path: Path) -> None:
    found = labelme(tmp_path, one).outline()
    assert np.array_equal(found.defect, expected)
    assert found.defect.dtype == bool
    assert found[1:] == ((0, 0), False, None)


def test_shapes_are_joined(tmp_path: Path) -> None:
    more = [[6, 4], [7, 4], [7, 5], [6, 5]]
    expected = FILLED | pixels("", "", "", "", "      ##", "      ##")
    flat = [one for point in more for one in point]
    assert np.array_equal(labelme(tmp_path, shape(SQUARE), shape(more)).outline().defect, expected)
    assert np.array_equal(coco(tmp_path, [FLAT, flat]).outline().defect, expected)
    assert np.array_equal(coco(tmp_path, [FLAT], [flat]).outline(0.5).defect, expected)
    assert not labelme(tmp_path).outline().defect.any()
    assert not coco(tmp_path).outline().defect.any()


def test_uncompressed_run_lengths_go_down_the_columns(tmp_path: Path) -> None:
    counts = [7, 2, 4, 3, 32]
    found = coco(tmp_path, {"counts": counts, "size": list(SIZE)}).outline().defect
    expected = np.zeros(SIZE[0] * SIZE[1], bool)
    expected[[7, 8, 13, 14, 15]] = True
    assert np.array_equal(found, expected.reshape(SIZE[::-1]).T)
    assert np.array_equal(found, pixels("", " ##", " ##", "  #"))


def test_a_coco_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask, read = coco(tmp_path, [FLAT]), []
    loads = json.loads
    monkeypatch.setattr(module.json, "loads", lambda text: read.append(1) or loads(text))
    for name in ("0.png", "1.png", "x/y/1.png"):
        CocoMask(mask.file, name).outline()
    assert len(read) == 1
    assert not coco(tmp_path).outline().defect.any()
    assert len(read) == 2


def test_an_image_is_known_by_the_end_of_its_path(tmp_path: Path) -> None:
    images = [
        {"id": name, "file_name": name, "height": 1, "width": width}
        for width, name in enumerate((r"a\1.png", "b/1.png", "./2.png", "/abs/3.png"), start=1)
    ]
    file = coco(tmp_path, images=images).file
    for width, path in enumerate(("a/1.png", "/x/b/1.png", "c/2.png", "/abs/3.png"), start=1):
        assert CocoMask(file, path).outline().defect.shape == (1, width)
    for path in ("1.png", "c/1.png", "/abs/4.png"):
        with pytest.raises(ValueError, match=rf'coco.json does not know the image {path}; .*"file_name"'):
            CocoMask(file, path).outline()


@pytest.mark.parametrize(
    ("shapes", "keys", "message"),
    [
        ([shape(SQUARE, "line")], {}, "a.json, shape 1 is a line, which .* cannot fill; .* polygon, rectangle, circle"),
        ([shape(SQUARE), shape(SQUARE, "linestrip")], {}, "shape 2 is a linestrip"),
        ([shape([[1, 1]], "point")], {}, "shape 1 is a point"),
        ([shape([[1, 1], [2, 2]])], {}, r"shape 1 is a polygon of 2 point\(s\), but needs 3"),
        ([shape([[1, 1]], "circle")], {}, r"is a circle of 1 point\(s\), but needs 2"),
        ([shape([])], {}, r"polygon of 0 point\(s\)"),
        ([shape([1, 2, 3])], {}, "shape 1 has points that are no pairs"),
        ([shape([["x", 2]])], {}, "shape 1 has points that are no pairs"),
        ([shape([[float("nan"), 2]] * 3)], {}, "shape 1 has points that are no pairs of finite numbers"),
        ([{"label": "x"}], {}, 'shape 1 lacks "points"'),
        (["x"], {}, 'shape 1 lacks "points"'),
        ([], {"shapes": None}, 'a.json lacks "shapes"'),
        ([], {"imageHeight": None}, 'a.json lacks the image\'s size, "imageHeight" and "imageWidth"'),
        ([], {"imageWidth": 0}, "lacks the image's size"),
    ],
)
def test_labelme_files_that_are_refused(shapes: list[Any], keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        labelme(tmp_path, *shapes, **keys).outline()


@pytest.mark.parametrize(
    ("shapes", "keys", "message"),
    [
        ([[]], {}, "annotation 7 of parts/1.png has no outline, at most a box"),
        ([None], {}, "annotation 7 .* no outline"),
        ([[[1, 1, 2, 2]]], {}, r"annotation 7 .* polygon of 2 point\(s\), but needs 3"),
        ([[[1, 1, 2]]], {}, "annotation 7 .* no pairs"),
        ([[1, 1, 2, 2, 3, 1]], {}, "no pairs"),
        ([{"counts": "0l3", "size": list(SIZE)}], {}, "compressed run lengths.*pycocotools.mask.decode"),
        ([{"counts": [48], "size": [8, 6]}], {}, "run lengths that do not fill the image, 6×8"),
        ([{"counts": [47], "size": list(SIZE)}], {}, "do not fill"),
        ([{"counts": [49, -1], "size": list(SIZE)}], {}, "do not fill"),
        ([{"size": list(SIZE)}], {}, "do not fill"),
        ([], {"images": [{"id": 1, "file_name": "1.png"}]}, 'lacks the image\'s size, "height" and "width"'),
        ([], {"images": [{"id": i, "file_name": "1.png"} for i in (1, 2)]}, "names 2 times the image parts/1.png"),
        ([], {"images": []}, "does not know the image parts/1.png"),
        ([], {"images": [{"file_name": "1.png"}]}, 'an entry of images lacks "id"'),
        ([], {"images": [{"id": 1}]}, 'an entry of images lacks "file_name"'),
        ([], {"annotations": None}, 'coco.json lacks "annotations"'),
        ([], {"annotations": [{"id": 1}]}, 'an entry of annotations lacks "image_id"'),
    ],
)
def test_coco_files_that_are_refused(shapes: list[Any], keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        coco(tmp_path, *shapes, **keys).outline()


def test_the_keys_of_a_file_tell_its_kind(tmp_path: Path) -> None:
    one, several = labelme(tmp_path), coco(tmp_path)
    assert mask_of_shapes(one.file, Path("1.png")) == one
    assert mask_of_shapes(several.file, Path("parts/1.png")) == several
    assert several.files == (several.file,)
    for text, message in (
        ("{", "x.json is no JSON file .*; export it again"),
        ("[]", "x.json holds no JSON object"),
        ("{}", 'x.json has neither "shapes", as labelme writes, nor "images"'),
    ):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            mask_of_shapes(tmp_path / "x.json", Path("1.png"))
    (tmp_path / "x.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="x.json is no JSON file"):
        mask_of_shapes(tmp_path / "x.json", Path("1.png"))
    (tmp_path / "x.json").write_text('\ufeff{"shapes": []}')
    assert isinstance(mask_of_shapes(tmp_path / "x.json", Path("1.png")), LabelmeMask)

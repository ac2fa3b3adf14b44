import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fae.data.index import Index, Sample
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, finished, images, normal, outlined, validated
from fae.image import RegionMask, Saturation, images_in, listing

TYPES = ("logical_anomalies", "structural_anomalies")


def loco(root: str | None, category: str) -> Index:
    """Index a category of MVTec LOCO AD, Bergmann et al., IJCV 2022.

    Training images are those of `train/good` and `validation/good`. The mask of `test/<type>/007.png` is the union of
    the files in `ground_truth/<type>/007`, one for each defect. With the rules of `defects_config.json` the saturated
    per-region overlap is measured, see `fae.metric.spro.spro`.

    Args:
        root: folder that contains the categories.
        category: name of the category, such as pushpins.

    Raises:
        FileNotFoundError: the root, the category, a folder of the layout or a mask is missing.
        ValueError: there are fewer than three training images, or the rules cannot be read.
    """
    left_out = LeftOut(category_folder(root, category))
    left_out.around(listing(left_out.root), ("train", "validation", "test", "ground_truth"))
    validation = normal(left_out, "validation/good")
    train = [*normal(left_out, "train/good"), *validation]
    test = normal(left_out, "test/good")
    for kind in TYPES:
        truth = left_out.root / "ground_truth" / kind
        test += [_with_masks(image, kind, truth / image.stem) for image in images(left_out, f"test/{kind}")]
    notes, config = [validated(len(validation))], left_out.root / "defects_config.json"
    if config.is_file():
        rules = _rules(config)
        test = [
            replace(one, mask=RegionMask(one.mask_files, rules, config)) if one.mask is not None else one
            for one in test
        ]
    else:
        notes.append(f"no {config}: the saturated per-region overlap is not measured")
    return finished(f"loco:{category}", left_out, train, test, notes)


def _rules(config: Path) -> Mapping[int, Saturation]:
    try:
        entries = json.loads(config.read_text(encoding="utf-8"))
        return {
            int(one["pixel_value"]): Saturation(float(one["saturation_threshold"]), bool(one["relative_saturation"]))
            for one in entries
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{config} is no list of pixel_value, saturation_threshold and relative_saturation ({error!r}); unpack "
            "the archive again"
        ) from error


def _with_masks(image: Path, kind: str, folder: Path) -> Sample:
    files = images_in(folder) if folder.is_dir() else []
    return outlined(image, kind, *(files or [folder / "000.png"]))

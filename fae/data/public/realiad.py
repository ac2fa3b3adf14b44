import json
from pathlib import Path
from typing import Any

from fae.data.index import Index, Sample
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, finished, listed, outlined, root_folder, table


def realiad(root: str | None, category: str, images: str = "realiad_1024", split: str = "realiad_jsons") -> Index:
    """Index an object of Real-IAD, Wang et al., CVPR 2024; the defect types are the set's codes, such as HS (scratch).

    A table decides what is for training and what is normal: a view that shows no defect is normal, although its folder
    is that of a defective part. `Sample.group` names the part that the views show. Defective training images, which
    tables of noisy training list, are left out.

    Args:
        root: folder that contains the folders of images and of tables.
        category: name of the object, such as audiojack.
        images: name of the folder of images, realiad_1024, realiad_512, realiad_256 or realiad_raw.
        split: name of the folder of tables, such as realiad_jsons, or realiad_jsons_sv for one view.

    Raises:
        FileNotFoundError: the root, the object, the table, an image or a mask is missing.
        ValueError: the table has another form, or lists fewer than three training images.
    """
    base = root_folder(root)
    category_folder(str(base / images), category)
    tables = base / split
    path = tables / f"{category}.json"
    nested = tables / split / path.name  # as the archive is unpacked into a folder of its own
    path = nested if nested.is_file() else path
    try:
        content = json.loads(table(path))
        folder = base / images / content["meta"]["prefix"]
        okay = content["meta"]["normal_class"]
        train, test = ([_sample(folder, one, okay) for one in content[name]] for name in ("train", "test"))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a table of Real-IAD ({type(error).__name__}: {error})") from error
    left_out = LeftOut(folder)
    left_out.kinds["defective training image(s)"] += [sample.path for sample in train if sample.label]
    return finished(f"realiad:{category}", left_out, [sample for sample in train if not sample.label], test)


def _sample(folder: Path, one: dict[str, Any], okay: str) -> Sample:
    image = folder / one["image_path"]
    group = image.stem.rpartition("_C")[0] or None  # audiojack_0064_NG_HS_C1_20231023092610 is view 1 of a part
    if one["mask_path"] is None or one["anomaly_class"] == okay:
        return Sample(listed(image), group=group)
    return outlined(image, one["anomaly_class"], folder / one["mask_path"], group=group)

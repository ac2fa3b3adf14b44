import csv

from fae.data.index import Index, Sample
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, finished, images, listed, outlined, table
from fae.image import listing

TYPE = "anomaly"


def visa(root: str | None, category: str) -> Index:
    """Index a category of VisA, Zou et al., ECCV 2022; its one defect type is called `anomaly`.

    `split_csv/1cls.csv` decides what is for training, and lists the masks. A mask holds numbers of defect classes, from
    1 to 9, all of which are defect.

    Args:
        root: folder that contains the categories and `split_csv`.
        category: name of the category, such as candle.

    Raises:
        FileNotFoundError: the root, the category, the table, an image or a mask is missing.
        ValueError: the table has other columns, or lists fewer than three training images.
    """
    folder = category_folder(root, category)
    path = folder.parent / "split_csv" / "1cls.csv"
    reader = csv.DictReader(table(path).splitlines())
    if missing := {"object", "split", "label", "image", "mask"} - set(reader.fieldnames or ()):
        raise ValueError(f"{path} has no column {sorted(missing)[0]!r}, which the published table has")
    train: list[Sample] = []
    test: list[Sample] = []
    left_out = LeftOut(folder)
    for row in reader:
        if row["object"] != category:
            continue
        image = folder.parent / row["image"]
        if row["label"] != "normal":
            sample = outlined(image, TYPE, folder.parent / row["mask"])
        else:
            sample = Sample(listed(image))
        if row["split"] == "test":
            test.append(sample)
        elif sample.label:
            left_out.kinds["defective training image(s)"].append(image)
        else:
            train.append(sample)
    known = {sample.path for sample in (*train, *test)} | set(left_out.kinds["defective training image(s)"])
    left_out.around(listing(folder), ("Data",))
    there = [path for kind in ("Normal", "Anomaly") for path in images(left_out, f"Data/Images/{kind}")]
    left_out.kinds["image(s) that split_csv/1cls.csv does not list"] += [path for path in there if path not in known]
    return finished(f"visa:{category}", left_out, train, test)

from fae.data.index import GOOD, Index
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, finished, images, normal, outlined, validated
from fae.image import listing


def mvtec_3d(root: str | None, category: str) -> Index:
    """Index the colour images of a category of MVTec 3D-AD, Bergmann et al. 2022, arXiv 2112.09045.

    Training images are those of `train/good/rgb` and `validation/good/rgb`. The mask of `test/<type>/rgb/007.png` is
    `test/<type>/gt/007.png`; normal test images have one, too, which is black. The positions in `xyz` are not read.

    Args:
        root: folder that contains the categories.
        category: name of the category, such as tire.

    Raises:
        FileNotFoundError: the root, the category, a folder of the layout or a mask is missing.
        ValueError: there are fewer than three training images.
    """
    folder = category_folder(root, category)
    left_out = LeftOut(folder)
    left_out.around(listing(folder), ("train", "validation", "test", "calibration"))
    left_out.kinds["folder(s) of positions"] += sorted(folder.glob("*/*/xyz"))
    validation = normal(left_out, "validation/good/rgb")
    train = [*normal(left_out, "train/good/rgb"), *validation]
    test = normal(left_out, f"test/{GOOD}/rgb")
    for kind in listing(folder / "test").folders:
        if kind.name != GOOD:
            found = images(left_out, f"test/{kind.name}/rgb")
            test += [outlined(image, kind.name, kind / "gt" / image.name) for image in found]
    return finished(f"mvtec_3d:{category}", left_out, train, test, [validated(len(validation))])

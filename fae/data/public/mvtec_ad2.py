from fae.data.index import Index
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, defective, finished, normal, validated
from fae.image import listing


def mvtec_ad2(root: str | None, category: str) -> Index:
    """Index a category of MVTec AD 2, Heckler-Kram et al. 2025; its one defect type is called `bad`.

    Training images are those of `train/good` and `validation/good`, test images those of `test_public`. The two private
    test sets have no ground truth and are left out.

    Args:
        root: folder that contains the categories.
        category: name of the category, such as vial.

    Raises:
        FileNotFoundError: the root, the category, a folder of the layout or a mask is missing.
        ValueError: there are fewer than three training images, or names leave open which mask belongs to an image.
    """
    left_out = LeftOut(category_folder(root, category))
    private = sorted(left_out.root.glob("test_private*"))
    left_out.around(listing(left_out.root), ("train", "validation", "test_public", *(path.name for path in private)))
    left_out.kinds["private test set(s) without ground truth"] += private
    validation = normal(left_out, "validation/good")
    train = [*normal(left_out, "train/good"), *validation]
    bad = defective(left_out, "test_public/bad", "test_public/ground_truth/bad", "bad")
    test = [*normal(left_out, "test_public/good"), *bad]
    return finished(f"mvtec_ad2:{category}", left_out, train, test, [validated(len(validation))])

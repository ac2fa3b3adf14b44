from fae.data.index import Index
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, defective, finished, normal
from fae.image import listing


def btad(root: str | None, category: str) -> Index:
    """Index a product of BTAD, Mishra et al. 2021; its one defect type is called `ko`.

    The layout has `train/ok`, `test/ok`, `test/ko` and `ground_truth/ko`. A mask has its image's name, but not always
    its suffix. A few masks of products 02 and 03 are empty.

    Args:
        root: folder `BTech_Dataset_transformed`, which contains the products.
        category: number of the product: 01, 02 or 03.

    Raises:
        FileNotFoundError: the root, the product, a folder of the layout or a mask is missing.
        ValueError: there are fewer than three training images, or names leave open which mask belongs to an image.
    """
    left_out = LeftOut(category_folder(root, category))
    left_out.around(listing(left_out.root), ("train", "test", "ground_truth"))
    test = [*normal(left_out, "test/ok"), *defective(left_out, "test/ko", "ground_truth/ko", "ko")]
    return finished(f"btad:{category}", left_out, normal(left_out, "train/ok"), test)

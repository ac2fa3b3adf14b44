from fae.data.index import Index, layout
from fae.data.public.official import category_folder


def mpdd(root: str | None, category: str) -> Index:
    """Index a category of MPDD, the metal parts of Jezek et al. 2021, which have the layout of MVTec AD.

    Every mask value above 0 is defect.

    Args:
        root: folder `MPDD`, which contains the categories.
        category: name of the category, such as connector.

    Raises:
        FileNotFoundError: the root or the category is missing, or a part of the layout, see `fae.data.index.layout`.
        ValueError: the category has fewer than three training images, or names of masks are not clear.
    """
    return layout(category_folder(root, category), f"mpdd:{category}", above=0)

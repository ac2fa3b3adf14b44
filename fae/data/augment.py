import torch
from torch import Generator, Tensor


def augment(image: Tensor, rotate: bool, flip_horizontal: bool, flip_vertical: bool, generator: Generator) -> Tensor:
    """Apply a random symmetry to every image: rotations by multiples of 90° and flips; paper, section 4.1.

    Args:
        image: `(B, C, H, W)` batch of images.
        rotate: whether quarter turns are admissible; images that are not square get half turns only.
        flip_horizontal: whether mirroring left and right is admissible.
        flip_vertical: whether mirroring top and bottom is admissible.
        generator: CPU generator.

    Returns:
        the turned and mirrored images, `(B, C, H, W)`.
    """
    batch, _, height, width = image.shape
    coins = torch.randint(2, (4, batch, 1, 1, 1), generator=generator, dtype=torch.bool)
    half_turn = coins[0] & rotate
    horizontal = ((coins[1] & flip_horizontal) ^ half_turn).to(image.device, non_blocking=True)
    vertical = ((coins[2] & flip_vertical) ^ half_turn).to(image.device, non_blocking=True)
    image = torch.where(horizontal, image.flip(-1), image)
    image = torch.where(vertical, image.flip(-2), image)
    if rotate and height == width:
        image = torch.where(coins[3].to(image.device, non_blocking=True), image.rot90(1, (-2, -1)), image)
    return image

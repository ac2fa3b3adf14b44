"""Image files: which there are, what they hold, and what a mask says; nothing here is random."""

from fae.image.listing import Listing, all_images_in, images_in, is_hidden, listing, walked_images
from fae.image.mask import Mask, Outline, PixelMask, outline, read_mask
from fae.image.opened import FULL_16, Array, is_turned
from fae.image.polygon import CocoMask, LabelmeMask, mask_of_shapes
from fae.image.read import Read, ReadImage, depth_of, read_image
from fae.image.region import RegionMask, Saturation

__all__ = [
    "FULL_16",
    "Array",
    "CocoMask",
    "LabelmeMask",
    "Listing",
    "Mask",
    "Outline",
    "PixelMask",
    "Read",
    "ReadImage",
    "RegionMask",
    "Saturation",
    "all_images_in",
    "depth_of",
    "images_in",
    "is_hidden",
    "is_turned",
    "listing",
    "mask_of_shapes",
    "outline",
    "read_image",
    "read_mask",
    "walked_images",
]

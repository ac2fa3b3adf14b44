"""The runs and words of the contract's table: what a run can be."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of export."""

    name: str
    run: str
    """The name of one of the runs that the command line gives."""
    words: tuple[str, ...] = ()


KINDS = (
    Kind("filter, contrast", "quick"),
    Kind("amplify, contrast", "amplify"),
    Kind("1 − SSIM, top", "quick", ("score/residual=ssim", "score/image_score=top")),
    Kind("darker, t = 100", "quick", ("score/residual=darker", "score.t=100")),
    Kind("padded, contrast", "pad"),
    Kind("features, head and memory", "features"),
    Kind("ensemble of filter and amplify", "quick", ("ensemble=[{quick},{amplify}]", "ensemble_scale=validation")),
    Kind("any height and width", "quick", ("size=native",)),
    Kind("padded, excess", "pad", ("score/image_score=excess",)),
)

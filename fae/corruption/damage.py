from torch import Generator, Tensor

from fae.corruption.kind import Kind, Source


class Damage:
    """A kind of damage and the source of the pictures that it occludes with: what `conf/corruption` builds.

    The source stands here, at one place, and is handed down to whatever kind of damage asks for it.

    Args:
        name: for titles and results.
        kind: what is done.
        source: other pictures; drawn procedurally, or read from a folder.
    """

    def __init__(self, name: str, kind: Kind, source: Source) -> None:
        self.name = name
        self.kind = kind
        self.source = source

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """`(B, 3, H, W)` in [0, 1] to `(corrupted, corruption_mask)`; see `fae.types.Corruption`."""
        return self.kind(image, self.source, generator)

import logging

from torch import Generator, Tensor

from fae.corruption.content.foreign import Foreign
from fae.corruption.kind import Kind, Source

log = logging.getLogger(__name__)


def occludes(kind: Kind) -> bool:
    """Whether a kind of damage, or a part of it, asks for other pictures; of a class that is not ours it is assumed."""
    if not type(kind).__module__.startswith("fae.corruption."):
        return True
    members = getattr(kind, "members", {}).values()
    return isinstance(getattr(kind, "content", None), Foreign) or any(occludes(member) for member in members)


class Damage:
    """A kind of damage and the source of the pictures that it occludes with: what `conf/corruption` builds.

    The source stands here, at one place, and is handed down to whatever kind of damage asks for it. A folder that none
    of our own kinds asks for is warned of.

    Args:
        name: for titles and results.
        kind: what is done.
        source: other pictures; drawn procedurally, or read from a folder.
    """

    def __init__(self, name: str, kind: Kind, source: Source) -> None:
        self.name = name
        self.kind = kind
        self.source = source
        if getattr(source, "root", None) is not None and not occludes(kind):
            log.warning(
                "corruption.source.root (=%s) is read, but corruption=%s shows no pictures of it; use occlusion, "
                "elastic_occlusion or mix",
                source.root,  # type: ignore[attr-defined]
                name,
            )

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """`(B, 3, H, W)` in [0, 1] to `(corrupted, corruption_mask)`; see `fae.types.Corruption`."""
        return self.kind(image, self.source, generator)

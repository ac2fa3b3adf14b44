from torch import Generator, Tensor

from fae.corruption.draw import uniform


class Stroke:
    """A bent line that tapers at its ends: a scratch, a crack, a hair. Its breadth comes from the shape's aspect.

    Args:
        bend: largest sagitta over half of the length, >= 0; 0 gives straight lines.

    Raises:
        ValueError: `bend` is negative.
    """

    def __init__(self, bend: float = 0.4) -> None:
        if bend < 0:
            raise ValueError(f"bend (={bend}) must not be negative; 0 gives straight lines")
        self.bend = bend

    def __call__(self, u: Tensor, v: Tensor, aspect: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Outline`."""
        bend = uniform((-self.bend, self.bend), aspect.shape, generator).to(u.device, non_blocking=True)
        squared = u.square()
        off = v - bend * aspect * (squared - 1 / 3)  # from the parabola, across
        nearest = off.square() / (1 + 4 * bend.square() * squared)  # from the parabola, at a right angle to it
        return (nearest + squared.square()).sqrt()

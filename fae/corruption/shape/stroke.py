from torch import Generator, Tensor

from fae.corruption.draw import uniform


class Stroke:
    """A bent line that tapers at its ends, like a scratch, a crack or a hair.

    The breadth of the line comes from the shape's aspect.

    Args:
        bend: largest sagitta, as a fraction of half of the length, >= 0; 0 gives straight lines.

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
        off = v - bend * aspect * (squared - 1 / 3)  # distance from the parabola, measured across the stroke
        nearest = off.square() / (1 + 4 * bend.square() * squared)  # squared, measured at a right angle to the parabola
        return (nearest + squared.square()).sqrt()

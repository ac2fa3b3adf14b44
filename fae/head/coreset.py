import torch
from torch import Generator, Tensor


def farthest(cells: Tensor, count: int, random: Generator, dimensions: int = 64) -> Tensor:
    """Choose cells greedily, each the farthest from those before it (the coreset of Roth et al. 2022).

    Distances are those of a random projection, which keeps them nearly (Johnson and Lindenstrauss).

    Args:
        cells: `(N, C)` cells.
        count: number of cells to choose, >= 1; at most N are chosen.
        random: generator of the projection.
        dimensions: number of dimensions of the projection, >= 1.

    Returns:
        positions `(min(count, N),)` int64; the first is 0.
    """
    projected = cells @ torch.randn(cells.shape[1], dimensions, generator=random) / dimensions**0.5
    squares = projected.square().sum(dim=1)
    nearest, chosen = torch.full((len(cells),), torch.inf), [0]
    for _ in range(min(count, len(cells)) - 1):
        last = chosen[-1]
        nearest = torch.minimum(nearest, torch.addmv(squares + squares[last], projected, projected[last], alpha=-2))
        chosen.append(int(nearest.argmax()))
    return torch.tensor(chosen)

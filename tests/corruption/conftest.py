import torch


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=seeded(seed))

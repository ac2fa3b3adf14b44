import numpy as np
import torch

# What a stream of random numbers is for; a stream never serves two purposes.
SPLIT, SHUFFLE, TRAIN, VALIDATE = range(4)


def generator(seed: int, purpose: int, *position: int) -> torch.Generator:
    """A CPU generator that is a function of its arguments alone, so that a resumed run repeats it.

    Args:
        seed: of the run, >= 0.
        purpose: one of the constants of this file.
        position: say a step, each >= 0.
    """
    state = np.random.SeedSequence([seed, purpose, *position]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))

import numpy as np
import torch

# The purposes of streams of random numbers; a stream never serves two purposes.
SPLIT, SHUFFLE, TRAIN, VALIDATE = range(4)


def generator(seed: int, purpose: int, *position: int) -> torch.Generator:
    """Return a CPU generator that depends on the arguments alone, so that a resumed run draws the same numbers.

    Args:
        seed: seed of the run, >= 0.
        purpose: purpose of the stream, one of the constants of this file.
        position: numbers >= 0 that tell streams of one purpose apart, such as a step.
    """
    state = np.random.SeedSequence([seed, purpose, *position]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))

import pytest
import torch

from fae.data.noise import anchor
from fae.objective.amplify import Amplify
from fae.types import Batch
from tests.corruption.conftest import noise, seeded


@pytest.fixture
def batch() -> Batch:
    clean = noise(4, 3, 24, 20)
    mask = (noise(4, 1, 24, 20, seed=2) > 0.8).float()
    return Batch(clean, torch.lerp(clean, noise(4, 3, 24, 20, seed=3), mask), mask)


def test_off(batch: Batch) -> None:
    assert anchor(batch, 0.0, False, seeded()) is batch


def test_the_same_noise_in_input_and_target(batch: Batch) -> None:
    noisy = anchor(batch, 0.1, False, seeded())
    added = noisy.clean - batch.clean
    assert float(added.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float(added.mean())) < 0.01
    torch.testing.assert_close(noisy.corrupted - batch.corrupted, added, atol=1e-6, rtol=0)
    untouched = (batch.corruption_mask == 0).expand_as(batch.clean)
    assert torch.equal(noisy.clean[untouched], noisy.corrupted[untouched])
    assert noisy.corruption_mask is batch.corruption_mask
    assert noisy.clean.max() > 1
    assert len({image.numpy().tobytes() for image in added}) == 4


def test_clipping(batch: Batch) -> None:
    clipped = anchor(batch, 0.5, True, seeded())
    assert min(clipped.clean.min(), clipped.corrupted.min()) >= 0
    assert max(clipped.clean.max(), clipped.corrupted.max()) <= 1


def test_seeded(batch: Batch) -> None:
    first, again, other = (anchor(batch, 0.1, False, seeded(s)).clean for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weight_of_amplify_is_unchanged(batch: Batch) -> None:
    """|X̂ − X| knows nothing of the noise, so that the loss of a network that passes the noise on is unchanged, too."""
    noisy, objective = anchor(batch, 0.1, False, seeded()), Amplify()
    offset = noisy.clean - batch.clean
    reconstruction = noise(4, 3, 24, 20, seed=5)
    plain, moved = objective(reconstruction, *batch), objective(reconstruction + offset, *noisy)
    for a, b in zip(plain, moved, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)

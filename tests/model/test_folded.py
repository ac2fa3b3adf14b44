import pytest
import torch
from torch import nn

from fae.model.autoencoder import SDCAutoencoder
from fae.model.folded import fold_batch_norm


@pytest.fixture
def model() -> SDCAutoencoder:
    """With statistics and scales that matter."""
    torch.manual_seed(0)
    model = SDCAutoencoder(width=4).double()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for value, low in ((layer.running_mean, -0.5), (layer.running_var, 0.5), (layer.weight, 0.5)):
                nn.init.uniform_(value, low, low + 1)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    return model.eval()


def test_the_same_map(model: SDCAutoencoder) -> None:
    image = torch.rand(2, 3, 24, 40, dtype=torch.float64)
    before = model(image)
    fold_batch_norm(model)
    after = model(image)
    assert before.std() > 1e-4
    torch.testing.assert_close(after, before.detach(), rtol=0, atol=1e-6)  # the network's own end is float32


def test_only_what_follows_a_concatenation_stays(model: SDCAutoencoder) -> None:
    fold_batch_norm(model)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()) == 4


def test_it_can_be_trained_no_more(model: SDCAutoencoder) -> None:
    fold_batch_norm(model.train())
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())

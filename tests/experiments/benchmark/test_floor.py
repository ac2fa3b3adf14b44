import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmark.floor import Machine, Operation, bandwidth, operations, product
from fae.model.autoencoder import SDCAutoencoder


@pytest.mark.parametrize(("kernel_size", "gflop"), [(3, 304), (5, 375)])
def test_a_forward_pass_of_the_paper(kernel_size: int, gflop: float) -> None:
    found = operations(SDCAutoencoder(kernel_size), (1, 3, 512, 512), torch.float32, training=False)
    assert sum(one.flop for one in found) / 1e9 == pytest.approx(gflop, abs=0.5)


def test_a_training_step_is_three_forward_passes_but_for_the_first_layers_image_gradient() -> None:
    model = SDCAutoencoder(width=4)
    forward, training = (operations(model, (2, 3, 64, 64), torch.float32, training=t) for t in (False, True))
    first = 2 * 27 * 4 * 2 * 64 * 64
    assert sum(one.flop for one in training) == 3 * sum(one.flop for one in forward) - first


def test_bytes_by_hand() -> None:
    layer = nn.Conv2d(2, 5, 3, padding=1, bias=False)
    image, weight, result = 2 * 7 * 9, 5 * 2 * 9, 5 * 7 * 9
    for dtype, size in ((torch.float32, 4), (torch.bfloat16, 2)):
        (found,) = operations(layer, (1, 2, 7, 9), dtype, training=False)
        assert found.bytes == size * (image + weight + result)


def test_the_model_stays_as_it_is() -> None:
    model = SDCAutoencoder(width=1).train()
    operations(model, (1, 3, 8, 8), torch.bfloat16, training=False)
    assert model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_floor_by_hand() -> None:
    able = Machine(flop_per_s=10, bytes_per_s=2)
    assert able.floor_s([Operation(flop=100, bytes=2), Operation(flop=10, bytes=8)]) == 10 + 4


def test_a_machine_does_something() -> None:
    cpu = torch.device("cpu")
    assert bandwidth(cpu) > 1e8
    work, flop = product(cpu, torch.float32)
    with FlopCounterMode(display=False) as counted:
        work()
    assert counted.get_total_flops() == flop


def test_the_matrices_have_the_wanted_side() -> None:
    assert product(torch.device("cpu"), torch.float32, 64)[1] == 2 * 64**3

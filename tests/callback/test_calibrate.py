from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from fae.callback.calibrate import CalibrateBatchNorm
from fae.train import train


def test_checkpoints_hold_the_statistics_of_whole_undamaged_images(
    tiny_config: Callable[..., DictConfig], tmp_path: Path
) -> None:
    cfg = tiny_config("run", "data.noise_sigma=0.3", "trainer.precision=32-true", "callback.calibrate.images=8")
    train(cfg)
    data, model = instantiate(cfg.data, _convert_="all"), instantiate(cfg.model)
    data.setup()
    state = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)["state_dict"]
    model.load_state_dict({key.removeprefix("model."): value for key, value in state.items() if key[:6] == "model."})
    convolution, norm = model.encoder[0][0], model.encoder[0][1]
    chosen = torch.linspace(0, len(data.train.samples) - 1, 8).round().long()
    with torch.no_grad():
        response = convolution(data.train.image[chosen].float() / 255)
    torch.testing.assert_close(norm.running_mean, response.mean(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)
    batches = torch.stack([part.var(dim=(0, 2, 3)) for part in (response[0::2], response[1::2])])
    torch.testing.assert_close(norm.running_var, batches.mean(dim=0), atol=1e-5, rtol=1e-4)
    assert norm.momentum == 0.1, "training goes on as before"


def test_wrong_count() -> None:
    with pytest.raises(ValueError, match=r"images \(=0\) must be at least 1; leave the callback out by"):
        CalibrateBatchNorm(0)

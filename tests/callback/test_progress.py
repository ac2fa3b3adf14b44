import signal
from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from fae.train import train
from tests.test_train import At

SHOWN = (
    "trainer.enable_progress_bar=true",
    "+callback.progress._target_=fae.callback.progress.StepProgressBar",
)


def test_the_bar_of_a_resumed_run_goes_on(
    tiny_config: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    stop = At(6, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit):
        train(tiny_config("run", *SHOWN), watching=[stop])
    assert "training:   0%" in capsys.readouterr().out
    assert train(tiny_config("run", *SHOWN))["steps"] == 12
    shown = capsys.readouterr().out
    assert "training:  50%" in shown
    assert "6/12" in shown
    assert "12/12" in shown
    assert "training:   0%" not in shown

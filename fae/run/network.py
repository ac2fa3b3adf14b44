"""The network of a run and its weights, as scoring needs them. This module imports no trainer."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from fae.model.folded import fold_batch_norm
from fae.network import Network
from fae.run.folder import BEST, LAST

_PREFIX = "network."  # it marks the network's weights in a checkpoint of `fae.module.AnomalyAutoencoder`


def build_network(cfg: DictConfig) -> Network:
    """Build the network of a configuration, in the memory format in which it is fastest."""
    space, model, head = (instantiate(cfg[part], _convert_="all") for part in ("space", "model", "head"))
    return Network(space, model, head).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def checkpoint_of(run_dir: Path) -> Path:
    """Return the path of the best checkpoint, or of the last one if no best one was kept.

    Raises:
        FileNotFoundError: there is neither.
    """
    for path in (run_dir / BEST, run_dir / LAST):
        if path.is_file():
            return path
    raise FileNotFoundError(f"run_dir (={run_dir}) holds neither {BEST} nor {LAST}; train it again")


def load_weights(network: nn.Module, cfg: DictConfig, run_dir: Path) -> dict[str, Any]:
    """Load the weights of a run for scoring only: the network cannot be trained any more.

    Args:
        network: network that was built from the run's configuration.
        cfg: the run's configuration.
        run_dir: path of the run's folder.

    Returns:
        entries for metrics.json: the checkpoint's name, how it was chosen, and its step.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: the file is no checkpoint, or it belongs to another network.
    """
    path = checkpoint_of(run_dir)
    step = read_weights(network, path)
    fold_batch_norm(network)
    if path.name == BEST and "best" in cfg.callback:
        best = cfg.callback.best
        chosen = (
            f"{'lowest' if best.mode == 'min' else 'highest'} {best.monitor} on held-out normal images, last crop stage"
        )
    else:
        chosen = "last step"
    return {"checkpoint": f"{path.name}: {chosen}", "checkpoint_step": step}


def read_weights(network: nn.Module, path: Path) -> int:
    """Load a checkpoint into a network, which can go on learning, and return the checkpoint's step.

    Raises:
        ValueError: the file is no checkpoint, or it belongs to another network.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        weights = checkpoint["state_dict"]
        network.load_state_dict({k.removeprefix(_PREFIX): weights[k] for k in weights if k.startswith(_PREFIX)})
        return int(checkpoint["global_step"])
    except (RuntimeError, KeyError, EOFError, UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} holds no weights for the network of this run ({reason}); train it again") from error

"""Weights of a frozen network, from a local file that is known by its digest; nothing is fetched and no code runs."""

import hashlib
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn


def with_weights(network: nn.Module, file: str | Path, sha256: str | None = None) -> nn.Module:
    """Load weights into a network, in place.

    Args:
        network: network that the weights belong to.
        file: path of a state dictionary, as `torch.save` writes it; it is read with `weights_only=True`.
        sha256: SHA-256 digest of the file in hexadecimal digits, or its beginning; None accepts any file.

    Returns:
        the network.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has another digest, is damaged, or holds the weights of another network.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"the weights {path} do not exist; name a file that holds a state dictionary")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and not found.startswith(sha256.lower()):
        raise ValueError(
            f"the weights {path} have the SHA-256 {found[:16]}…, not {sha256[:16]}…; the file is damaged or another "
            "one: install or copy it again"
        )
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, KeyError, TypeError, AttributeError, EOFError, UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{path} holds no weights for {type(network).__name__} ({reason}); name its own file"
        ) from error
    return network

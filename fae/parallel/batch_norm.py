import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx


class CrossProcessBatchNorm(LayerSync):
    """Batch norm over the images of all processes: the number of processes does not change what is learned.

    This class serves the CPU, where `torch.nn.SyncBatchNorm` refuses to run. Lightning applies it if it trains with
    several processes.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace every `BatchNorm2d` by one that normalises over the images of all processes."""
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.BatchNorm2d:
                    layer = _BatchNorm(child.num_features, child.eps, child.momentum)
                    layer.load_state_dict(child.state_dict())
                    setattr(parent, name, layer)
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Return the model unchanged: its keys, and in a single process its numbers, are those of `BatchNorm2d`."""
        return model


class _BatchNorm(nn.BatchNorm2d):
    def forward(self, features: Tensor) -> Tensor:
        """Normalise features `(B, C, H, W)`; in training the statistics cover the batches of all processes."""
        if not self.training or not distributed.is_initialized():
            return super().forward(features)
        values = features.float()
        over = (0, 2, 3)
        count = torch.tensor([float(values[:, 0].numel())])
        found = _total(torch.cat([count, values.sum(over)]))
        total, mean = found[0], found[1:] / found[0]
        centred = values - mean.view(1, -1, 1, 1)
        variance = _total(centred.square().sum(over)) / total
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return normalised.to(features.dtype)


def _total(value: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


class _Sum(Function):
    """Differentiable sum over all processes; torch's own differentiable sum is deprecated."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total

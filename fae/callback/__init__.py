"""Actions that accompany a training: checkpoints, early stopping, compilation, pictures, curves and checks."""

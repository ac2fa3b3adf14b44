"""What happens at the moments of a training besides learning: checkpoints, early stopping, pictures, curves, checks."""

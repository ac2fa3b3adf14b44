"""Training objectives: the losses of the paper, one file each."""

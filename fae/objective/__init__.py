"""What the network is trained for: the losses of the paper, one file each."""

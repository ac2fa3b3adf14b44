"""The spaces in which the network reconstructs: the pixels of the paper, or the features of a frozen network."""

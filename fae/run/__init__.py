"""A run as an object: identity, folder, beginning, the network and trainer built for it, its predictions."""

"""Several processes for one run: their start, and a batch norm over the images of all of them."""

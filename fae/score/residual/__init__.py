"""Ways to compare an image with its reconstruction, pixel by pixel; each is a `fae.types.Residual`."""

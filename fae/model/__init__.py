"""The autoencoder with stacked dilated convolutions, and the tiling that runs it on large images."""

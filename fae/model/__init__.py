"""The autoencoder with stacked dilated convolutions, and what runs it on large images."""

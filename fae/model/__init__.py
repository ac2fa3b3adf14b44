"""The models F: the autoencoder with stacked dilated convolutions, its kin for features, and tiles."""

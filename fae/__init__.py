"""Visual anomaly detection by self-supervised autoencoders (Bauer et al., arXiv 2206.11723)."""

__version__ = "0.1.0"

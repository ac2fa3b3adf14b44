"""From reconstructions to anomaly maps, image scores and thresholds, without a network."""

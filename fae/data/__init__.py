"""From image files to seeded batches: readers of folders, splits, decoding, crops, and the LightningDataModule."""

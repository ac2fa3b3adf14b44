"""How many images the published data sets hold."""

import csv
from importlib.resources import files

PARTS = ("train/good", "test/good", "normal", "defective", "masks")
"""What is counted of every category, beside its defect types; `normal` is the sum of the first two."""

Official = dict[str, tuple[int, ...]]
"""The right counts of each part: of `PARTS`, and of `test/<defect_type>`. A part without a known count is absent."""


def counts(dataset: str) -> dict[str, Official]:
    """Read the published counts of a data set from counts.csv, which names their sources.

    Args:
        dataset: name of the data set's reader, such as visa.

    Returns:
        the counts of each category, in the order of the file; empty for an unknown data set.
    """
    found: dict[str, Official] = {}
    with (files("fae.data.public") / "counts.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["dataset"] == dataset:
                fields = [(part, row[part]) for part in PARTS]
                fields += [
                    (f"test/{name}", count) for name, _, count in (t.partition("=") for t in row["types"].split())
                ]
                found[row["category"]] = {part: tuple(map(int, text.split("|"))) for part, text in fields if text}
    return found

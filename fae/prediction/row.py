"""The rows of predictions, in memory and as columns of Parquet."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow

TABLE = "predictions"
"""The stem of the file that holds the table of all rows."""


class Row(NamedTuple):
    """What was found in one file; a value that does not apply is None, and empty in a table.

    A row with neither score nor error withdraws the file's earlier row.
    """

    path: bytes
    """The absolute path, in the bytes of the file system."""
    score: float | None = None
    anomaly_percent: float | None = None
    """The score as people read it, 0 to 100: 50 lies at the threshold."""
    anomalous: bool | None = None
    area: int | None = None
    """The number of the image's own pixels that lie above the threshold."""
    regions: int | None = None
    left: int | None = None
    """The left edge of the largest region's box, in px; its top edge, width and height follow."""
    top: int | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
    file: str = ""
    """Size, times of change (ns) and number (inode) of the file that was scored: another file is scored again."""

    @property
    def withdraws(self) -> bool:
        """Whether the file has no row any more."""
        return self.score is None and self.error is None


_WHOLE, _NUMBER, _TEXT = pyarrow.int64(), pyarrow.float64(), pyarrow.string()
SCHEMA = pyarrow.schema(
    [
        pyarrow.field("path", pyarrow.binary(), nullable=False),  # a path need not be text
        *((name, _NUMBER) for name in ("score", "anomaly_percent")),
        ("anomalous", pyarrow.bool_()),
        *((name, _WHOLE) for name in ("area", "regions", "left", "top", "width", "height")),
        *((name, _TEXT) for name in ("error", "file")),
    ]
)
"""The columns of a part."""
READABLE = SCHEMA.set(0, pyarrow.field("path", _TEXT, nullable=False))
"""The columns of the table that users read; a byte of a path that is no UTF-8 becomes an escape such as \\\\xff."""


def columns(rows: Iterable[Row]) -> pyarrow.Table:
    """Turn rows into a table of `SCHEMA`."""
    return pyarrow.Table.from_pylist([row._asdict() for row in rows], SCHEMA)


def rows_of(batch: pyarrow.RecordBatch) -> Iterator[Row]:
    """Turn columns of `SCHEMA` into rows."""
    return (Row(*values) for values in zip(*batch.to_pydict().values(), strict=True))

"""From files to rows: decoding, scoring in batches, pictures, and the measures of what was found."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from fae.image import Array
from fae.picture.region import regions
from fae.predict.pictures import Pictures
from fae.predict.scorer import Found, Scorer
from fae.prediction.files import file_now
from fae.prediction.row import Row


class _File(NamedTuple):
    path: bytes
    state: str
    """What the file was like before it was read."""
    image: Array


class Scoring:
    """Scores files; several threads may call it at once, each with files of its own.

    Args:
        scorer: detector.
        pictures: writer of pictures.
    """

    def __init__(self, scorer: Scorer, pictures: Pictures) -> None:
        self.scorer, self.pictures = scorer, pictures
        self._huge = threading.Lock()

    def __call__(self, paths: Sequence[bytes]) -> list[Row]:
        """Return a row for each file; the pictures of these files are written.

        Raises:
            OSError: a picture cannot be written.
        """
        return list(self._rows(paths))

    def _rows(self, paths: Sequence[bytes]) -> Iterator[Row]:
        batch: list[_File] = []
        filled = 0.0
        for path in paths:
            state = file_now(path)
            try:
                image = self.scorer.read(Path(os.fsdecode(path)))
            except (ValueError, OSError, RuntimeError, MemoryError) as error:
                yield _failed(path, state, error)
                continue
            share = self.scorer.share(image)
            other = self.scorer.one_size and batch and batch[0].image.shape != image.shape
            if other or filled + share > 1:
                yield from self._scored(batch, filled)
                batch, filled = [], 0.0
            batch.append(_File(path, state, image))
            filled += share
        yield from self._scored(batch, filled)

    def _scored(self, batch: Sequence[_File], filled: float) -> list[Row]:
        # Images that are larger than a batch are scored one at a time, whatever the number of threads.
        with self._huge if filled > 1 else nullcontext():
            return self._tried(batch)

    def _tried(self, batch: Sequence[_File]) -> list[Row]:
        if not batch:
            return []
        try:
            found = self.scorer.batch([one.image for one in batch])
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            if len(batch) == 1:
                return [_failed(batch[0].path, batch[0].state, error)]
            return [row for one in batch for row in self._tried([one])]  # so that each image has its own error
        return [self._finished(one, its) for one, its in zip(batch, found, strict=True)]

    def _finished(self, file: _File, found: Found) -> Row:
        score, percent = float(found.score), self.scorer.percent(float(found.score))
        self.pictures.write(Path(os.fsdecode(file.path)), file.image, found, percent)
        row = Row(file.path, score, percent, found.anomalous, file=file.state)
        if found.mask is None:
            return row
        its = regions(found.mask)
        box = {} if its.largest is None else its.largest._asdict()
        return row._replace(area=its.area, regions=its.number, **box)


def _failed(path: bytes, state: str, error: Exception) -> Row:
    # Decoders and devices raise other errors than ours, e.g. if an image is too large.
    why = str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"
    return Row(path, error=why.encode("utf-8", "backslashreplace").decode(), file=state)

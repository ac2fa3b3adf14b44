from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fae.data.copies import copies

# Equal sizes, equal ends and equal files are all frequent, and files are shorter and longer than the end that is read.
contents = st.lists(st.builds(lambda head, tail: head + tail * 40, *[st.sampled_from([b"", b"a", b"b", b"ab"])] * 2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(contents, contents)
def test_against_reading_every_pair(tmp_path: Path, one: list[bytes], other: list[bytes]) -> None:
    def written(name: str, parts: list[bytes]) -> list[Path]:
        paths = [tmp_path / f"{name}{i}" for i in range(len(parts))]
        for path, part in zip(paths, parts, strict=True):
            path.write_bytes(part)
        return paths

    of, among = written("of", one), written("among", other)
    assert copies(of, among) == [path for path, part in zip(among, other, strict=True) if part in one]


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="gone"):
        copies([tmp_path / "there"], [tmp_path / "gone"])

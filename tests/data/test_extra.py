from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fae.data.extra import with_extra
from fae.data.folder import folder
from fae.data.hold_out import HoldOut
from fae.data.index import Sample
from fae.data.module import DataModule
from tests.conftest import textured

Build = Callable[..., DataModule]


def write(root: Path, count: int, seed: int = 1) -> Path:
    root.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        Image.fromarray(textured(rng)).save(root / f"{i}.png")
    return root


def test_folders_follow_the_data_set(tiny: Path, tmp_path: Path) -> None:
    index = folder(str(tiny), "")
    one, two = write(tmp_path / "one", 3), write(tmp_path / "two", 2)
    (two / "notes.txt").write_text("")
    both = with_extra(index, [str(one), str(two)])
    assert both.train[:12] == index.train
    assert [sample.path.parent for sample in both.train[12:]] == [one] * 3 + [two] * 2
    assert (both.extra, both.test) == ((3, 2), index.test)
    assert any("notes.txt" in note for note in both.notes)
    assert both.first(1).train == with_extra(index, str(one)).train
    assert both.first(0).train == index.train
    assert with_extra(index, None) == index


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda base: [base / "none"], r"data.extra \(=.*none\) is no folder"),
        (lambda base: [write(base / "a" / "b", 2).parent], r"holds the sub-folder\(s\) b; name the folder itself"),
        (lambda base: [write(base / "a", 2), base / "a"], r"holds 2 image\(s\) that data.root, or another folder"),
        (lambda base: [base / "tiny" / "test" / "good"], r"holds 4 image\(s\) that data.root.*out of the test set"),
    ],
)
def test_folders_that_cannot_be_added(
    tiny: Path, tmp_path: Path, make: Callable[[Path], list[Path]], message: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        with_extra(folder(str(tiny), ""), [str(path) for path in make(tmp_path)])


def samples(name: str, count: int, groups: int) -> list[Sample]:
    return [Sample(Path(name) / str(i), group=str(i % groups) if groups else None) for i in range(count)]


@given(
    count=st.integers(6, 40),
    extra=st.lists(st.integers(1, 12), max_size=3),
    folds=st.sampled_from([None, 2, 3]),
    seed=st.integers(0, 9),
)
def test_what_is_held_out_stays_so(count: int, extra: list[int], folds: int | None, seed: int) -> None:
    """A further folder changes no side of the images before it, whoever comes after; nothing is lost or doubled."""
    held = HoldOut(0.2, folds, 0)
    base = samples("base", count, 0)
    more = [samples(f"extra{i}", number, 0) for i, number in enumerate(extra)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fae.data.hold_out.copies", lambda *_: [])
        _, before, _ = held(base, seed)
        for number in range(len(extra) + 1):
            every = [*base, *(sample for some in more[:number] for sample in some)]
            train, val, _ = held(every, seed, extra[:number])
            assert set(before) <= set(val)
            assert sorted(train + val, key=every.index) == every
            assert not {*train} & {*before}
            before = val
    for some in more:
        out = len({*some} & {*before})
        assert out < len(some) or folds is not None
        assert out >= min(2, len(some) - 1) or folds is not None


def test_a_group_stays_on_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fae.data.hold_out.copies", lambda *_: [])
    base, extra = samples("base", 12, 4), samples("extra", 12, 6)
    train, val, _ = HoldOut(0.2, None, 0)([*base, *extra], 0, [12])
    assert not {sample.group for sample in train} & {sample.group for sample in val}
    known = {sample.group for sample in base}
    assert {s.group for s in val if s in base} == {s.group for s in val if s in extra and s.group in known}
    assert {s.group for s in val if s in extra} - known, "and a new group is held out, too"


def test_copies_of_held_out_images_are_not_learned_from(tmp_path: Path, build: Build) -> None:
    alone = build()
    one = write(tmp_path / "one", 4)
    held = alone.val.samples[0].path
    (one / "copy.png").write_bytes(held.read_bytes())
    both = build(extra=str(one))
    assert {sample.path for sample in alone.val.samples} <= {sample.path for sample in both.val.samples}
    assert one / "copy.png" not in {sample.path for sample in both.train.samples}
    assert any("equal held-out or earlier images" in note and "copy.png" in note for note in both.notes)


def test_a_copy_of_what_was_learned_from_is_never_held_out(tmp_path: Path, build: Build) -> None:
    """Else a network that goes on would judge itself by an image that it has learned from."""
    alone = build()
    more = write(tmp_path / "more", 1)
    for sample in alone.train.samples:
        (more / f"copy-{sample.path.name}").write_bytes(sample.path.read_bytes())
    both = build(extra=str(more), val_fraction=0.4)
    before = build(val_fraction=0.4)
    assert {sample.path for sample in before.train.samples} <= {sample.path for sample in both.train.samples}
    assert {sample.path for sample in both.val.samples} == {sample.path for sample in before.val.samples}
    assert not any("copy" in sample.path.name for sample in (*both.train.samples, *both.val.samples))
    assert any("equal held-out or earlier images" in note for note in both.notes)


def test_the_data_set_alone_keeps_its_identity(tmp_path: Path, build: Build) -> None:
    one, two = write(tmp_path / "one", 3), write(tmp_path / "two", 2, seed=2)
    alone, first, both, moved = (
        build(extra=extra) for extra in (None, str(one), [str(one), str(two)], [str(two), str(one)])
    )
    assert alone.identities == [alone.identity]
    assert both.identities == [alone.identity, first.identity, both.identity]
    assert len({data.identity.fingerprint for data in (alone, first, both, moved)}) == 4

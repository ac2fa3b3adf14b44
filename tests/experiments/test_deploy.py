"""The figures of docs/deploy.md: what they are made of."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig

from experiments.deploy import bulk, cold, contract, latency
from experiments.deploy.kinds import KINDS, Kind
from fae.cli.schema import register
from fae.train import train
from tests.conftest import SHORT, compose_tiny, once, write_tiny

HELD_OUT = ("data.val_fraction=0.5", "threshold.image_rate=0.1", "threshold.pixel_rate=0.01")
ENGINES = {"onnxruntime", "openvino"}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(root: Path) -> None:
        train(compose_tiny(write_tiny(root / "tiny", train=24), root / "run", *SHORT, *HELD_OUT))

    return once(tmp_path_factory, "deployed", make) / "run"


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


def test_the_contract_of_one_kind(run_dir: Path) -> None:
    rows = contract.row(Kind("filter", "quick"), {"quick": str(run_dir)})
    assert {row["engine"] for row in rows} == ENGINES
    for row in rows:
        assert (row["kind"], row["images"]) == ("filter", 12 + 8)
        assert row["flips"] <= row["near"], "a decision differs where the score is the threshold alone"
        assert 0 < row["map"] < 1e-4
        assert 0 <= row["score"] < 1e-4


def test_a_refused_export_says_why(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(cfg: DictConfig) -> None:
        raise ValueError(f"{cfg.run_dir}: 3 of 20 image(s) differ")

    monkeypatch.setattr(contract, "export", export)
    (row,) = contract.row(Kind("none", "quick", ("score.k=9",)), {"quick": str(run_dir)})
    assert (row["kind"], row["refused"]) == ("none", f"{run_dir}: 3 of 20 image(s) differ")


def test_every_kind_of_run_is_asked_for() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 8
    with pytest.raises(SystemExit, match="name a run for amplify, features, pad, as in quick=RUN"):
        contract.main(["quick=RUN"])


def test_a_start_is_timed_in_a_process_of_its_own(run_dir: Path, tmp_path: Path) -> None:
    latency._exported(run_dir, tmp_path / "out", "float32")
    image = run_dir.parent / "tiny" / "test" / "square" / "000.png"
    found = cold.once("onnxruntime", tmp_path / "out", image, 1)
    parts = [found[key] for key in ("import_s", "load_s", "first_s")]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(found["total_s"])
    assert 10 < found["peak_mib"] < 1000


@pytest.mark.slow
def test_candidates_take_turns(run_dir: Path) -> None:
    rows = pd.DataFrame(latency.measure(run_dir, threads=1, seconds=0.1))
    # A network of two steps may lose too much in 8 bits to be exported so.
    wanted = {"torch, as trained", "onnxruntime float32", "openvino float32"}
    assert wanted <= set(rows["candidate"]) <= wanted | {"openvino int8"}
    assert (
        rows.groupby("candidate")["batch"].apply(sorted) == pd.Series([[1, 16]] * rows["candidate"].nunique()).values
    ).all()
    assert (rows["ms_an_image"] > 0).all()


def test_images_are_linked_as_often_as_is_needed(run_dir: Path) -> None:
    with bulk.links(run_dir.parent / "tiny" / "test", 1001) as folder:
        found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
        assert len(found) == 1001
        assert (found[0], found[-1]) == ("0000/0000000.png", "0001/0001000.png")
        assert len({path.resolve() for path in folder.rglob("*.png")}) == 8
    assert not folder.exists()
    assert len(list((run_dir.parent / "tiny" / "test").rglob("*.png"))) == 8


def test_starting_is_no_part_of_the_speed(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that needs ten seconds to start and a hundredth for each image scores a hundred a second."""
    rate = {"now": 100, "before": 25}

    def took(of: bulk.Candidate, images: Path, words: tuple[str, ...]) -> float:
        return 10 + len(list(images.rglob("*.png"))) / rate[of.name]

    monkeypatch.setattr(bulk, "seconds", took)
    candidates = [bulk.Candidate(name, Path(), Path()) for name in rate]
    table = bulk.speed(candidates, run_dir.parent / "tiny" / "test", 100, rounds=2)
    found = {(row["kind"], row["candidate"]): row["images_a_second_median"] for row in table.to_dict("records")}
    assert found.keys() == set(product(bulk._KINDS, rate))
    assert all(value == pytest.approx(rate[name]) for (_, name), value in found.items())


@pytest.mark.slow
def test_memory_is_that_of_the_command(run_dir: Path) -> None:
    table = bulk.memory(bulk.Candidate("now", bulk.ROOT, run_dir), run_dir.parent / "tiny" / "test", 5)
    assert len(table) >= 1
    assert table["mib"].max() > 10
    with pytest.raises(ValueError, match="ended with exit code 1"):
        bulk.memory(bulk.Candidate("now", bulk.ROOT, run_dir / "nowhere"), run_dir.parent / "tiny" / "test", 5)


def test_the_most_of_each_part_of_the_time() -> None:
    samples = pd.DataFrame({"seconds": [0.0, 1, 2, 3, 4, 5, 6, 7, 8], "mib": [9.0, 1, 2, 4, 3, 5, 6, 8, 7]})
    kept = bulk.highest(samples, parts=2)
    assert kept["seconds"].tolist() == [0, 7]
    assert kept["mib"].max() == samples["mib"].max()

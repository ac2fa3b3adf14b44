import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

import fae
from fae.export.__main__ import run as export
from fae.export.contract import TOLERANCE
from fae.export.metadata import METADATA
from fae.image import read_image
from fae_runtime import Detector
from fae_runtime.engine import ENGINES, start
from tests.conftest import compose_command, moved


def compose_export(output: Path, *overrides: str) -> DictConfig:
    cfg = compose_command("export", *(word for word in overrides if not word.startswith(("run_dir=", "output="))))
    for word in overrides:
        if word.startswith("run_dir="):
            cfg.run_dir = word.partition("=")[2]
    cfg.output = str(output)
    return cfg


def holds(metadata: dict[str, Any]) -> bool:
    """Whether the contract of an export holds, for all held-out and test images in both engines."""
    return metadata["contract"].keys() == set(ENGINES) and all(
        one["images"] == 12 + 8 and max(one["map"], one["score"]) <= TOLERANCE and one["flips"] <= len(one["near"])
        for one in metadata["contract"].values()
    )


def holds_the_rate(metadata: dict[str, Any]) -> bool:
    """Whether as few held-out normal images exceed the threshold as it was made for."""
    above = sum(score > metadata["thresholds"]["image"] for score in metadata["normals"])
    return above <= metadata["thresholds"]["image_rate"] * (len(metadata["normals"]) + 1)


@pytest.fixture(scope="session")
def exported(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported") / "out"
    export(compose_export(output, f"run_dir={runs / 'filter'}"))
    return output


def test_an_export_holds_what_scoring_needs(exported: Path, runs: Path) -> None:
    metadata = json.loads((exported / METADATA).read_text())
    assert holds(metadata)
    assert {path.name for path in exported.iterdir()} == {"model.onnx", METADATA, "README.txt", "probes"}
    detector = fae.load(runs / "filter")
    assert metadata["thresholds"]["image"] == pytest.approx(detector.image_threshold, rel=0.01)  # bf16 where it is
    assert len(metadata["normals"]) == 12
    assert metadata["run"]["name"] == "filter"
    assert str(runs) not in (exported / METADATA).read_text() + (exported / "README.txt").read_text()
    assert str(runs).encode() not in (exported / "model.onnx").read_bytes()
    assert str(Path(fae.__file__).parent).encode() not in (exported / "model.onnx").read_bytes()


def test_probes_are_files_in_eight_ways(exported: Path, runs: Path) -> None:
    metadata, detector = json.loads((exported / METADATA).read_text()), fae.load(runs / "filter")
    assert len(metadata["probes"]) == 8
    for probe in metadata["probes"]:
        found = detector(exported / probe["file"])
        assert found.score == pytest.approx(probe["score"], rel=0.05)  # the detector may run in bf16
        assert found.anomaly_map.shape == (probe["height"], probe["width"])


def test_thresholds_are_inputs_with_defaults(exported: Path) -> None:
    import onnxruntime

    limit = json.loads((exported / METADATA).read_text())["thresholds"]["image"]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"), options)
    image = np.stack([read_image(path) for path in sorted((exported / "probes").glob("0[047]*"))])
    names = ["score", "anomalous", "anomaly_map", "mask"]
    score, anomalous, anomaly_map, mask = session.run(names, {"image": image})
    assert (anomalous == (score > np.float32(limit))).all()
    middle = np.float32(np.median(score))
    assert middle != np.float32(limit)
    given = {"image": image, "image_threshold": np.array(middle), "pixel_threshold": np.array(np.median(anomaly_map))}
    _, anomalous, _, mask = session.run(names, given)
    assert anomalous.tolist() == (score > middle).tolist()
    assert 0.4 < mask.mean() < 0.6


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("filter", ("score/residual=ssim", "score/image_score=top", "score.t=20")),
        ("filter", ("score/residual=brighter", "ensemble=[RUNS/filter,RUNS/again]", "ensemble_scale=validation")),
        ("filter", ("score/residual=msgms",)),
        ("pad", ("score/image_score=excess", "score.t=3")),
        ("pad", ("score/residual=darker", "score.k=1", "score.n=0")),
    ],
    ids=["ssim-t", "ensemble", "msgms", "pad-excess-t", "pad-contrast"],
)
def test_the_contract_holds_for(name: str, words: tuple[str, ...], runs: Path, tmp_path: Path) -> None:
    given = [word.replace("RUNS", str(runs)) for word in words]
    metadata = export(compose_export(tmp_path / "out", f"run_dir={runs / name}", *given))
    assert holds(metadata)
    assert metadata["image"]["content"] == (name == "pad")


def test_the_contract_holds_for_features_with_head_and_memory(cells: Path, tmp_path: Path) -> None:
    assert holds(export(compose_export(tmp_path / "out", f"run_dir={cells}")))


@pytest.mark.parametrize(("name", "roi"), [("pad", "roi.png"), ("each-run", "each"), ("features", "roi.png")])
def test_the_contract_holds_for_regions_of_interest(name: str, roi: str, regions: Path, tmp_path: Path) -> None:
    metadata = export(compose_export(tmp_path / "out", f"run_dir={regions / name}"))
    assert holds(metadata)
    assert metadata["image"]["content"]
    assert metadata["image"]["roi"] == roi
    detector = Detector.load(tmp_path / "out")
    probe = metadata["probes"][0]
    image = detector.read(tmp_path / "out" / probe["file"])
    given = np.zeros(image.shape[:2], np.uint8)
    given[5:20, 10:30] = 1
    inside = given if roi == "each" else np.asarray(Image.open(regions / "region.png"))
    found = detector(image, given) if roi == "each" else detector(image)
    assert (found.anomaly_map[inside == 0] == 0).all()
    assert (found.anomaly_map[inside > 0] > 0).any()
    if roi == "roi.png":
        assert found.score == pytest.approx(probe["score"], rel=1e-4)


def test_a_native_export_takes_other_heights_and_widths(runs: Path, tmp_path: Path) -> None:
    metadata = export(compose_export(tmp_path / "out", f"run_dir={runs / 'filter'}", "size=native"))
    assert holds(metadata)
    assert metadata["image"]["multiple_of"] == 8
    assert metadata["thresholds"]["image"] is None
    assert "resized" in metadata["thresholds"]["image_undefined"]
    image = np.random.default_rng(0).integers(0, 255, (2, 24, 56, 3), dtype=np.uint8)
    native = fae.load(runs / "filter", size="native").batch(list(image))
    for name in ENGINES:
        found = start(name, ((tmp_path / "out" / "model.onnx").read_bytes(),), None)({"image": image})
        np.testing.assert_allclose(found.score, [one.score for one in native], rtol=0.02)
        np.testing.assert_allclose(found.anomaly_map, [one.anomaly_map for one in native], atol=2e-2)


def test_thresholds_with_an_average_map_come_from_each_images_others(runs: Path, tmp_path: Path) -> None:
    words = ("score.t=1000", "score/image_score=top")
    metadata = export(compose_export(tmp_path / "out", f"run_dir={runs / 'filter'}", *words))
    copy = moved(runs / "filter", tmp_path / "copy")
    from fae.evaluate import evaluate

    metrics = evaluate(compose_command("evaluate", f"run_dir={copy}", *words, "name=again"))
    assert metadata["thresholds"]["image"] == pytest.approx(metrics["image_threshold"], rel=0.02)
    assert metadata["thresholds"]["pixel"] == pytest.approx(metrics["pixel_threshold"], rel=0.02)


def test_an_evaluation_and_other_normals_are_exported(runs: Path, tmp_path: Path) -> None:
    from fae.evaluate import evaluate
    from tests.conftest import write_tiny

    copy = moved(runs / "filter", tmp_path / "copy")
    evaluate(compose_command("evaluate", f"run_dir={copy}", "score.k=3", "threshold.image_rate=0.2", "name=wide"))
    others = write_tiny(tmp_path / "others", train=10, good=0, bad=0, seed=9) / "train" / "good"
    words = ("evaluation=wide", f"calibration.root={others}")
    metadata = export(compose_export(tmp_path / "out", f"run_dir={copy}", *words))
    assert "-k3-" in metadata["run"]["score"]
    assert metadata["thresholds"]["image_rate"] == 0.2
    assert "10 other normal images" in metadata["thresholds"]["how"]
    assert len(metadata["normals"]) == 10


def test_an_export_in_8_bits_says_what_it_costs(runs: Path, tmp_path: Path) -> None:
    metadata = export(compose_export(tmp_path / "out", f"run_dir={runs / 'filter'}", "precision=int8"))
    assert metadata["engines"] == ["openvino"]
    assert metadata["files"].keys() == {"model.xml", "model.bin"}
    assert metadata["contract"]["openvino"]["map"] > 0  # 8 bits do show
    for before, after in (metadata["int8"]["pixel_auroc"], metadata["int8"]["image_auroc"]):
        assert before - after < 0.005
    detector, limit = Detector.load(tmp_path / "out"), metadata["thresholds"]["image"]
    found = [detector(tmp_path / "out" / probe["file"]) for probe in metadata["probes"]]
    assert [one.anomalous for one in found] == [one.score > limit for one in found]
    assert holds_the_rate(metadata)
    with pytest.raises(ValueError, match=r"precision \(=int8\) needs score.t = 0"):
        export(compose_export(tmp_path / "damped", f"run_dir={runs / 'filter'}", "precision=int8", "score.t=1"))


def test_8_bits_that_find_less_are_not_written(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fae.export import quantised

    aurocs = iter([(0.9, 0.8), (0.894, 0.8)])
    monkeypatch.setattr(quantised, "_found", lambda *_: next(aurocs))
    with pytest.raises(ValueError, match=r"lowers the pixel AUROC on held-out damage from 0.9000 to 0.8940"):
        export(compose_export(tmp_path / "out", f"run_dir={runs / 'filter'}", "precision=int8"))
    assert not list(tmp_path.glob("*out*"))


def test_verify_checks_files_weights_and_scores(exported: Path, runs: Path, tmp_path: Path) -> None:
    import shutil

    output = tmp_path / "out"
    shutil.copytree(exported, output)
    assert holds(export(compose_export(output, f"verify={runs / 'filter'}")))
    with pytest.raises(ValueError, match=r"exported from other weights than verify"):
        export(compose_export(output, f"verify={runs / 'again'}"))
    metadata = json.loads((output / METADATA).read_text())
    (output / METADATA).write_text(json.dumps(metadata | {"format": 99}))
    with pytest.raises(ValueError, match=r"has format 99, but this version reads format 1"):
        export(compose_export(output, f"verify={runs / 'filter'}"))
    (output / METADATA).write_text(json.dumps(metadata))
    (output / "model.onnx").write_bytes((output / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"model.onnx is not the file that was exported"):
        export(compose_export(output, f"verify={runs / 'filter'}"))


def test_a_graph_with_other_scores_is_not_written(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fae.export import exported as module

    right = module.to_onnx

    def changed(*arguments: Any) -> Any:
        model = right(*arguments)
        *_, last = (one for one in model.graph.initializer if one.name.endswith("bias"))
        last.raw_data = (np.frombuffer(last.raw_data, np.float32) + np.float32(0.01)).tobytes()
        return model

    monkeypatch.setattr(module, "to_onnx", changed)
    with pytest.raises(ValueError, match=r"in onnxruntime 20 of 20 image\(s\) differ by more than 0.0001"):
        export(compose_export(tmp_path / "out", f"run_dir={runs / 'filter'}"))
    assert not list(tmp_path.glob("*out*"))


def test_what_is_wrong_is_refused(runs: Path, tmp_path: Path) -> None:
    run = f"run_dir={runs / 'filter'}"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for output, words, message in (
        ("full", (run,), r"output \(=.*full\) is not empty"),
        ("out", (), r"set one of run_dir, .* and verify"),
        ("out", (run, "size=any"), r"size \(='any'\) must be run"),
        ("out", (run, "size=native", "score.t=1"), r"size \(=native\) needs score.t = 0"),
        ("out", (run, f"ensemble=[{runs / 'filter'}]"), r"ensemble .* must name two runs or more"),
        ("out", (f"verify={runs / 'filter'}",), r"out\) holds no metadata.json, so it is no export"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            export(compose_export(tmp_path / output, *words))
    assert not (tmp_path / "out").exists()


def test_images_decide_alike_in_pytorch_and_in_the_graph_whatever_their_number(exported: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    for name in ENGINES:
        run = start(name, ((exported / "model.onnx").read_bytes(),), 1)
        together, alone = run({"image": image}), [run({"image": one[None]}) for one in image]
        np.testing.assert_allclose(together.score, torch.cat([torch.from_numpy(one.score) for one in alone]), rtol=1e-5)

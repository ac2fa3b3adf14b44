import ast
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from PIL import Image

import fae
import fae_runtime
from fae_runtime import Detector
from fae_runtime.engine import ENGINES
from tests.runtime.exported import NORMALS, SIZE, THRESHOLDS, change, digest, of_fae, picture, write_export

SHAPES = ((40, 50), (24, 32), (7, 90), (60, 20), (1, 1), (23, 33), (12, 16))
"""Heights and widths: larger and smaller than the export's, both at once, and the same."""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return write_export(tmp_path / "export")


@pytest.mark.parametrize("aspect", ["stretch", "pad"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_answers_are_those_of_fae(aspect: str, engine: str, tmp_path: Path) -> None:
    """To the bit by onnxruntime, which divides by 255 as torch does; OpenVINO rounds otherwise."""
    images = [picture(seed, *shape) for seed, shape in enumerate(SHAPES)] + [picture(9)[..., 0]]
    found = Detector.load(write_export(tmp_path / "e", aspect=aspect), engine, threads=1).batch(images)
    expected = of_fae(aspect).batch(images)
    tolerance = 0 if engine == "onnxruntime" else 1e-6
    assert {one.anomalous for one in expected} == {True, False}
    for image, one, other in zip(images, found, expected, strict=True):
        assert one.anomaly_map.shape == image.shape[:2]
        assert one.anomaly_map.dtype == np.float32
        np.testing.assert_allclose(one.anomaly_map, other.anomaly_map, rtol=0, atol=tolerance)
        assert one.score == pytest.approx(other.score, rel=0, abs=tolerance)
        assert one.anomalous is other.anomalous
        if engine == "onnxruntime":
            assert np.array_equal(one.mask, other.mask)


def test_a_path_is_read_and_scored(export: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    detector = Detector.load(export)
    found = detector(tmp_path / "a.png")
    assert np.array_equal(found.anomaly_map, detector(picture(0)).anomaly_map)
    assert np.array_equal(found.anomaly_map, detector(str(tmp_path / "a.png")).anomaly_map)
    assert detector.batch([]) == []


def test_sizes_that_are_native(tmp_path: Path) -> None:
    detector = Detector.load(write_export(tmp_path / "e", size="native", multiple_of=8))
    images = [picture(seed, 40, 56) for seed in range(3)]
    for one, other in zip(detector.batch(images), of_fae(size="native").batch(images), strict=True):
        assert np.array_equal(one.anomaly_map, other.anomaly_map)
    with pytest.raises(ValueError, match="41×50 pixels, .* multiples of 8; cut it to 40×48, or pad it to 48×56"):
        detector(picture(0, 41, 50))
    with pytest.raises(ValueError, match="images have 2 sizes"):
        detector.batch([picture(0, 8, 8), picture(0, 8, 16)])


def test_images_that_were_not_resized_have_one_size(tmp_path: Path) -> None:
    detector = Detector.load(write_export(tmp_path / "e", aspect=None))
    assert detector(picture(0, *SIZE)).score == of_fae(None)(picture(0, *SIZE)).score
    with pytest.raises(ValueError, match="40×50 pixels, but the images of training have 24×32 and were not resized"):
        detector(picture(0))


@pytest.mark.parametrize("aspect", ["stretch", "pad"])
def test_one_region_of_all_images(aspect: str, tmp_path: Path) -> None:
    """The map is 0 outside, also in an image of another size, and its border is not lowered by that."""
    roi = np.zeros(SIZE, np.bool_)
    roi[5:15, 4:20] = True
    detector = Detector.load(write_export(tmp_path / "e", roi, aspect=aspect))
    anomaly_map, score, *_ = detector(picture(0, *SIZE))
    assert score == anomaly_map[roi].max() > 0
    assert not anomaly_map[~roi].any()
    red = np.full((2 * SIZE[0], 2 * SIZE[1], 3), (255, 0, 0), np.uint8)
    large = np.kron(roi, np.ones((2, 2), np.bool_))
    np.testing.assert_allclose(detector(red).anomaly_map, large, rtol=1e-6)
    with pytest.raises(ValueError, match="roi cannot be given, because this export judges its own region"):
        detector(picture(0, *SIZE), roi)


@pytest.mark.parametrize("aspect", ["stretch", "pad"])
def test_a_region_of_each_image(aspect: str, tmp_path: Path) -> None:
    detector = Detector.load(write_export(tmp_path / "e", roi="each", aspect=aspect))
    roi = np.zeros((40, 50), np.bool_)
    roi[11:29, 7:40] = True
    found, other, whole = detector.batch([picture(0)] * 3, [roi, ~roi, None])
    assert not found.anomaly_map[~roi].any()
    assert found.anomaly_map[roi].any()
    assert max(found.score, other.score) == whole.score > min(found.score, other.score)
    assert np.array_equal(whole.anomaly_map, of_fae(aspect)(picture(0)).anomaly_map)
    assert np.array_equal(detector(picture(0), roi.astype(np.uint8) * 255).anomaly_map, found.anomaly_map)
    with pytest.raises(ValueError, match=r"roi \(shape \(39, 50\)\) must have the height and width of its image"):
        detector(picture(0), roi[:-1])
    with pytest.raises(ValueError, match="marks no pixel of an image of 40×50 pixels; values above 0 are judged"):
        detector(picture(0), np.zeros_like(roi))


def test_a_region_is_given_to_no_export_without_one(export: Path) -> None:
    with pytest.raises(ValueError, match="because this export judges the whole image; leave it out"):
        Detector.load(export)(picture(0), np.ones((40, 50), np.bool_))


def test_thresholds_can_be_set_and_can_be_missing(export: Path) -> None:
    detector = Detector.load(export)
    assert (detector.image_threshold, detector.pixel_threshold) == THRESHOLDS
    score = detector(picture(0)).score
    for threshold, anomalous in ((score, False), (np.nextafter(score, 0), True)):
        detector.image_threshold = float(threshold)
        assert detector(picture(0)).anomalous is anomalous
    detector.pixel_threshold = 0.0
    found = detector(picture(0))
    assert np.array_equal(found.mask, found.anomaly_map > 0)

    without = Detector.load(change(export, thresholds={"image": None, "pixel": None}))
    found = without(picture(0))
    assert found.score == score
    assert (found.anomalous, found.mask, without.percent(score)) == (None, None, None)


def test_the_percentage_is_50_at_the_threshold_and_bounded(export: Path) -> None:
    detector = Detector.load(export)
    assert detector.percent(THRESHOLDS[0]) == 50
    assert detector.percent(THRESHOLDS[0] + 0.05 * np.log(19)) == pytest.approx(95)
    assert detector.percent(THRESHOLDS[0] - 0.05 * np.log(19)) == pytest.approx(5)
    assert (detector.percent(-1e9), detector.percent(1e9)) == (0, 100)
    detector.image_threshold = 0.7
    assert detector.percent(0.7) == 50
    assert Detector.load(change(export, percent={"width": None})).percent(1.0) is None


def test_what_an_export_tells(export: Path) -> None:
    detector = Detector.load(export)
    assert detector.normals.tolist() == NORMALS
    assert detector.colour_limit == 0.9
    assert detector.metadata["image"]["aspect"] == "stretch"
    assert detector.identity == digest(export / "metadata.json")[:16]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint16),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
    ids=lambda image: f"{image.shape}-{image.dtype}",
)
def test_arrays_that_are_no_images(image: np.ndarray, export: Path) -> None:
    with pytest.raises(ValueError, match=r"image \(shape .* must be uint8, \(height, width, 3\) in RGB"):
        Detector.load(export)(image)


def test_a_graph_that_was_tampered_with_is_refused(export: Path) -> None:
    content = bytearray((export / "model.onnx").read_bytes())
    content[-1] ^= 1
    (export / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="model.onnx is not the file that was exported, because its SHA-256 differs"):
        Detector.load(export)


def test_a_region_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "e", np.ones(SIZE, np.bool_))
    Detector.load(folder)
    (folder / "roi.png").write_bytes(b"")
    with pytest.raises(ValueError, match="roi.png is not the file that was exported"):
        Detector.load(folder)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": 2, "versions": {"fae": "9.1"}}, "format 2, but .* format 1; .* or install the runtime of fae 9.1"),
        ({"format": None}, "has format None, but this runtime reads format 1; export the run again"),
        ({"files": {"../model.onnx": "0"}}, "names no model; export the run again"),
        ({"image": {"height": 1}}, "metadata.json lacks width, size, .*, pages; export the run again"),
    ],
)
def test_an_export_of_another_version_is_refused(entries: dict[str, Any], message: str, export: Path) -> None:
    with pytest.raises(ValueError, match=message):
        Detector.load(change(export, **entries))


def test_folders_that_hold_no_export(export: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(FileNotFoundError, match="holds no metadata.json, so it is no finished export"):
            Detector.load(folder)
    (export / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"model.onnx cannot be read \(No such file or directory\)"):
        Detector.load(export)
    (export / "metadata.json").write_text('{"format": 1', encoding="utf-8")
    with pytest.raises(ValueError, match="metadata.json is damaged"):
        Detector.load(export)


def test_engines_that_are_unknown_forbidden_or_missing(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"engine \(='tensorrt'\) must be onnxruntime or openvino"):
        Detector.load(export, "tensorrt")
    with pytest.raises(ValueError, match=r"threads \(=0\) must be at least 1"):
        Detector.load(export, threads=0)
    monkeypatch.setattr("fae_runtime.engine.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"are not installed, .* one of them: \S+ -m pip install onnxruntime"):
        Detector.load(export)
    with pytest.raises(ImportError, match=r"openvino is not installed, .* needs it: \S+ -m pip install openvino"):
        Detector.load(export, "openvino")
    change(export, engines=["openvino"])
    with pytest.raises(ValueError, match=r"engine \(='onnxruntime'\) must be openvino"):
        Detector.load(export, "onnxruntime")


def test_an_openvino_model_is_read(export: Path) -> None:
    """As an export with precision=int8 holds one."""
    openvino.save_model(openvino.Core().read_model(export / "model.onnx"), export / "model.xml", False)
    names = ("model.xml", "model.bin")
    change(export, engines=["openvino"], files={name: digest(export / name) for name in names})
    (export / "model.onnx").unlink()
    assert Detector.load(export)(picture(0)).score == pytest.approx(of_fae()(picture(0)).score, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_share_a_detector(engine: str, export: Path) -> None:
    detector = Detector.load(export, engine, threads=1)
    images = [picture(seed) for seed in range(24)]
    expected = [detector(image).score for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert [found.score for found in pool.map(detector, images)] == expected


def test_the_command_prints_a_table(export: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    command = [sys.executable, "-m", "fae_runtime", str(export), "a.png", "b.png", "--engine=onnxruntime"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    head, good, bad = result.stdout.splitlines()
    found = of_fae()(picture(0))
    assert head == "file,score,anomalous,anomaly_percent,error"
    assert good.startswith(f"a.png,{found.score},{found.anomalous},")
    assert bad.startswith('b.png,,,,"b.png cannot be read as an image')
    assert result.returncode == 3
    result = subprocess.run([*command[:3], "nowhere", "a.png"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "folder (=nowhere) holds no metadata.json" in result.stderr


def test_its_import_brings_no_engine_no_torch_and_no_pillow() -> None:
    heavy = ("torch", "PIL", "onnxruntime", "openvino", "fae", "scipy")
    code = f"import sys, fae_runtime; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_it_imports_numpy_opencv_and_engines_alone() -> None:
    allowed = {"fae_runtime", "numpy", "cv2", *ENGINES} | sys.stdlib_module_names
    for path in Path(fae_runtime.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


def test_its_version_follows_that_of_fae() -> None:
    assert fae_runtime.__version__ == fae.__version__

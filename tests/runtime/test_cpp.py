"""The C++ example scores files as the Python runtime does."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openvino.utils import get_cmake_path
from PIL import Image

import fae
from fae_runtime import Detector
from tests.conftest import once
from tests.runtime.exported import SIZE, change, picture, write_export
from tests.runtime.test_read import RGB, SAME

SOURCE = Path(fae.__file__).parents[1] / "runtime" / "cpp"
KINDS = ("jpeg-420", "jpg-turned-6", "jpg-turned-3", "png", "png-grey", "png-alpha", "png-16-grey", "tiff-tiff_lzw")
"""As the probes of an export are written."""

pytestmark = pytest.mark.cpp


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(folder: Path) -> None:
        configure = ["cmake", "-S", str(SOURCE), "-B", str(folder), f"-DOpenVINO_DIR={get_cmake_path()}"]
        subprocess.run(configure, check=True)
        subprocess.run(["cmake", "--build", str(folder)], check=True)

    return once(tmp_path_factory, "cpp", build) / "fae_score"


def scored(program: Path, folder: Path, files: list[Path]) -> list[tuple[str, float, str]]:
    command = [str(program), str(folder), *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = (line.rsplit(" ", 2) for line in result.stdout.splitlines())
    return [(path, float(score), anomalous) for path, score, anomalous in rows]


@pytest.mark.parametrize(
    "image",
    [{}, {"aspect": "pad"}, {"aspect": "pad", "height": 90, "width": 80}, {"height": 90, "width": 100}],
    ids=["stretch", "pad", "pad-enlarged", "stretch-enlarged"],
)
def test_files_are_scored_as_in_python(image: dict[str, Any], program: Path, tmp_path: Path) -> None:
    folder = write_export(tmp_path / "export", **image)
    files = []
    for kind in KINDS:
        (tmp_path / kind).mkdir()
        files.append(SAME[kind](tmp_path / kind))
    detector = Detector.load(folder, "openvino")
    found = scored(program, folder, files)
    assert [path for path, _, _ in found] == list(map(str, files))
    for file, (_, score, anomalous) in zip(files, found, strict=True):
        expected = detector(file)
        assert score == pytest.approx(expected.score, rel=1e-6)
        assert anomalous == str(expected.anomalous)


def test_an_image_of_the_right_size_scores_the_same(program: Path, tmp_path: Path) -> None:
    region = np.zeros(SIZE, np.bool_)
    region[3:9, 4:20] = True
    folder = write_export(tmp_path / "export", region, aspect=None)
    change(folder, thresholds={"image": None, "pixel": None})
    Image.fromarray(picture(3, *SIZE)).save(tmp_path / "a.png")
    ((_, score, anomalous),) = scored(program, folder, [tmp_path / "a.png"])
    assert score == pytest.approx(Detector.load(folder, "openvino")(tmp_path / "a.png").score, rel=1e-6)
    assert anomalous == "None"


def test_what_it_cannot_score_is_said(program: Path, tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.fromarray(RGB).save(image)
    folder = write_export(tmp_path / "export", aspect=None)
    native = write_export(tmp_path / "native", size="native")
    other = change(write_export(tmp_path / "other"), format=2)
    for words, message in (
        ([tmp_path, image], "holds no metadata.json"),
        ([folder, image], "has another size than the images of training"),
        ([folder, tmp_path / "b.png"], "b.png cannot be read; name an image file"),
        ([native, image], "this example takes exports with size=run"),
        ([other, image], "metadata.json has another format"),
    ):
        result = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert message in result.stderr
        assert result.returncode == 1


def test_both_are_compared(program: Path, tmp_path: Path) -> None:
    folder = write_export(tmp_path / "export")
    Image.fromarray(RGB).save(tmp_path / "a.png")
    command = [sys.executable, SOURCE / "compare.py", folder, program, tmp_path / "a.png"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 image(s) from 61×83 to 61×83 pixels, brought to 24×32" in result.stdout
    assert "largest difference of a resized value: 0 grey levels" in result.stdout
    assert re.search(r"largest relative difference of a score: \S+e-\d\d$|: 0.0e\+00$", result.stdout.strip())

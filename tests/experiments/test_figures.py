from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.figures import figures
from experiments.figures.figures import FALSE, MISSED, TRUE, evaluation_map
from experiments.figures.seen import look


def test_evaluation_map_in_the_papers_colours() -> None:
    found, truth = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    picture = evaluation_map(np.full((1, 4, 3), 100, np.uint8), found, truth)
    assert [tuple(pixel) for pixel in picture[0, :3].tolist()] == [TRUE, FALSE, MISSED]
    assert picture[0, 3].tolist() == [200, 200, 200]


def test_runs_on_the_same_images_show_the_same_ones(sweep: Path) -> None:
    one, other = (look(sweep / name, 3, 0) for name in ("filter-elastic", "amplify-elastic"))
    assert [seen.title for seen in one] == [seen.title for seen in other]
    assert len(one) == 3
    for seen in one:
        assert seen.truth.any()
        assert seen.image.shape == seen.reconstruction.shape == (32, 32, 3)
    with pytest.raises(ValueError, match="no defective test images of the type scratch"):
        look(sweep / "filter-elastic", 3, 0, "scratch")


@pytest.mark.parametrize("figure", ["detections", "reconstructions", "evaluations"])
def test_figures(figure: str, sweep: Path, tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    figures.main([figure, str(sweep / "filter-elastic"), "--out", str(path)])
    with Image.open(path) as image:
        assert min(image.size) > 150


def test_an_odd_number_of_images_has_no_pairs(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"--images \(=3\)"):
        figures.main(["evaluations", str(sweep / "filter-elastic"), "--images", "3", "--out", str(tmp_path / "x.png")])


def test_figure_11(sweep: Path, tmp_path: Path) -> None:
    runs = [str(sweep / name) for name in ("amplify-elastic", "filter-elastic", "filter-cut_out")]
    figures.main(["objectives", *runs, "--out", str(tmp_path / "figure.png")])
    assert (tmp_path / "figure.png").is_file()
    with pytest.raises(SystemExit, match="objectives takes three runs"):
        figures.main(["objectives", *runs[::-1], "--out", str(tmp_path / "figure.png")])

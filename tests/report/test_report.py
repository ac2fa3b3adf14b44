import json
import math
import re
import statistics
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from omegaconf import DictConfig
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from fae.report.__main__ import main, report
from fae.report.heatmaps import best, data_uri, heatmaps_of, worst
from fae.report.means import over_datasets, over_seeds, tabulate
from fae.report.paper import compare, missing, paper
from fae.report.plots import plots
from fae.report.runs import read_sweep
from fae.train import train
from tests.browser import browser
from tests.conftest import SHORT, compose_command

Build = Callable[..., DictConfig]


def compose_report(*overrides: str) -> DictConfig:
    return compose_command("report", *overrides)


def write_run(sweep: Path, name: str, config: dict[str, Any] | None = None, images: str = "", **metrics: Any) -> Path:
    """A run's folder as far as the report needs it."""
    folder = sweep / name
    folder.mkdir(parents=True)
    usual = {
        **{"dataset": "mvtec:wood", "category": "wood", "objective": "filter", "corruption": "elastic", "lam": 0.5},
        **{"noise_sigma": 0.0, "k": 5, "n": 2, "t": 0.0, "residual": "squared", "image_score": "sum", "seed": 0},
        **{"image_size": [32, 32], "precision": "32-true", "protocol": "fixed", "steps": 2, "checkpoint_step": 2},
        **{"image_auroc": 0.9, "pixel_auroc": 0.8, "aupro_0.3": 0.7, "aupro_0.05": 0.6, "seconds": 1.5},
        **{"trivial_image_auroc": 0.55, "trivial_pixel_auroc": 0.45, "device": "cpu (a)", "git_commit": "0123456789"},
    }
    (folder / "metrics.json").write_text(json.dumps(usual | metrics))
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if images:
        (folder / "origin.json").write_text(json.dumps({"fingerprint": images}))
    return folder


def write_heatmaps(run: Path, scores: dict[str, float]) -> None:
    """Pictures and scores of images named `<defect type>/<name>`."""
    (run / "heatmaps").mkdir()
    lines = ["path,label,defect_type,score"]
    for i, (name, score) in enumerate(scores.items()):
        kind, stem = name.split("/")
        lines.append(f"/data/test/{name}.png,{int(kind != 'good')},{kind},{score}")
        picture = np.full((60, 2000, 3), 10 * i, np.uint8)
        Image.fromarray(picture).save(run / "heatmaps" / f"{i:02d}-{kind}-{stem}.png")
    (run / "scores.csv").write_text("\n".join(lines) + "\n")


def summary_of(sweep: Path) -> tuple[pd.DataFrame, list[str]]:
    runs, settings = tabulate(read_sweep(sweep).finished)
    return over_seeds(runs, settings), settings


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of table cells by section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.section, self.cells, self.inside = "", dict[str, list[str]](), False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs)["id"] or ""
        if tag == "td":
            self.cells.setdefault(self.section, []).append("")
        self.inside = tag in ("td", "a", "code") and bool(self.cells)

    def handle_endtag(self, tag: str) -> None:
        self.inside &= tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside and self.section in self.cells:
            self.cells[self.section][-1] += data


def test_mean_and_deviation_by_hand(tmp_path: Path) -> None:
    values = (0.9, 0.94, 0.99)
    for seed, value in enumerate(values):
        write_run(tmp_path, f"a{seed}", seed=seed, image_auroc=value)
    write_run(tmp_path, "b", lam=0.1, image_auroc=0.5, pixel_auroc=None)
    summary, settings = summary_of(tmp_path)
    assert settings == ["lam"]
    assert summary["lam"].tolist() == [0.1, 0.5]
    assert summary["runs"].tolist() == [1, 3]
    assert summary["image_auroc"].tolist() == pytest.approx([0.5, sum(values) / 3])
    assert summary["image_auroc_std"].tolist()[1] == pytest.approx(statistics.stdev(values))
    assert math.isnan(summary["image_auroc_std"][0])
    assert math.isnan(summary["pixel_auroc"][0])
    cells = Elements(report(compose_report(f"sweep_dir={tmp_path}")).read_text()).cells["real"]
    assert f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" in cells
    assert "0.500" in cells


def test_real_and_synthetic_are_never_averaged(tmp_path: Path) -> None:
    """All real numbers are 0.75 and all synthetic ones 0.25: nothing may lie between."""
    for kind, value in (("mvtec", 0.75), ("synthetic", 0.25)):
        for category in ("wood", "tile"):
            for lam in (0.1, 0.9):
                for seed in (0, 1):
                    values = dict.fromkeys(("image_auroc", "pixel_auroc", "aupro_0.3", "aupro_0.05"), value)
                    name = f"{kind}-{category}-{lam}-{seed}"
                    write_run(tmp_path, name, dataset=f"{kind}:{category}", lam=lam, seed=seed, **values)
    summary, settings = summary_of(tmp_path)
    assert set(summary["image_auroc"]) == {0.75, 0.25}
    with pytest.raises(ValueError, match="real and synthetic data, which must not be averaged"):
        over_datasets(summary, settings)
    page = report(compose_report(f"sweep_dir={tmp_path}")).read_text()
    cells = Elements(page).cells
    for section, (own, other) in {"real": ("0.750", "0.250"), "synthetic": ("0.250", "0.750")}.items():
        assert {cell.split(" ± ")[0] for cell in cells[section]} >= {own}
        assert not any(cell.startswith((other, "0.5")) and cell not in ("0.550", "0.5") for cell in cells[section])
    assert page.count("averaged with numbers of real images") == 1
    runs, settings = tabulate(read_sweep(tmp_path).finished)
    for plot in plots(runs, settings):
        for trace in plot.figure.data:
            if trace.name != "without learning":
                assert set(trace.y) <= {0.75, 0.25}
                assert all(
                    (y == 0.25) == ("synthetic" in str(x) + trace.name) for x, y in zip(trace.x, trace.y, strict=True)
                )


def test_what_metrics_do_not_say_still_tells_runs_apart(tmp_path: Path) -> None:
    for width in (4, 8):
        for seed in (0, 1):
            config = {
                "model": {"width": width, "half": width // 2},
                "seed": seed,
                "data": {"seed": seed},
                "tags": [width],
            }
            words = [f"model.width={width}", f"seed={seed}", f"run_dir=x{seed}"]
            write_run(tmp_path, f"w{width}-{seed}", config, seed=seed, overrides=words)
    summary, settings = summary_of(tmp_path)
    assert settings == ["model.width"]
    assert summary["model.width"].tolist() == [4, 8]
    assert summary["runs"].tolist() == [2, 2]


def test_data_sets_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    for images, value in (("aaaa", 0.75), ("bbbb", 0.25)):
        write_run(tmp_path, images, images=images, dataset="folder:train", image_auroc=value)
    write_run(tmp_path, "other", images="cccc", dataset="folder:parts")
    runs, settings = tabulate(read_sweep(tmp_path).finished)
    assert settings == []
    datasets = over_seeds(runs, settings)["dataset"].tolist()
    assert datasets == ["folder:parts", "folder:train [aaaa]", "folder:train [bbbb]"]
    (bars,) = plots(runs, settings)
    assert set(bars.figure.data[0].y) == {0.75, 0.25, 0.9}


def test_runs_that_nothing_tells_apart_are_said(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    write_run(tmp_path, "b")
    assert "runs too many: 1" in report(compose_report(f"sweep_dir={tmp_path}")).read_text().replace("\n", " ")


def test_mean_over_data_sets_only_of_the_same_ones(tmp_path: Path) -> None:
    for category, k, value in (("wood", 5, 0.9), ("tile", 9, 0.7)):
        for lam in (0.1, 0.9):
            write_run(tmp_path, f"{category}{lam}", dataset=f"mvtec:{category}", k=k, lam=lam, image_auroc=value)
    means = over_datasets(*summary_of(tmp_path))
    assert means.table is not None
    assert means.table["image_auroc"].tolist() == pytest.approx([0.8, 0.8])
    assert means.table["data sets"].tolist() == [2, 2]
    assert "different between them: k" in means.note
    write_run(tmp_path, "odd", dataset="mvtec:wood", lam=0.5)
    means = over_datasets(*summary_of(tmp_path))
    assert means.table is None
    assert means.note == "No mean over data sets: λ 0.5 was not run on mvtec:tile."


def test_an_undefined_measure_has_no_mean_over_data_sets(tmp_path: Path) -> None:
    write_run(tmp_path, "a", dataset="mvtec:wood", pixel_auroc=None)
    write_run(tmp_path, "b", dataset="mvtec:tile")
    means = over_datasets(*summary_of(tmp_path)).table
    assert means is not None
    assert math.isnan(means["pixel_auroc"][0])
    assert means["image_auroc"][0] == pytest.approx(0.9)


def test_whatever_else_lies_there_is_listed(tmp_path: Path) -> None:
    write_run(tmp_path, "fine")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text("seed: 0\n")
    wrong = {
        "torn": '{"dataset": "mvtec:wo',
        "bytes": b"\xff\xfe\x00",
        "empty": "",
        "listed": "[1]",
        "theirs": '{"accuracy": 1}',
        "worded": '{"dataset": "a", "objective": "b", "seed": 0, "image_auroc": "high"}',
        "huge": '{"dataset": "a", "objective": "b", "seed": 1' + 400 * "0" + "}",
        "deep": 100000 * "[",
        "nan": '{"dataset": "a", "objective": "b", "seed": 0, "image_auroc": NaN}',
    }
    for name, content in wrong.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    (write_run(tmp_path, "unconfigured") / "config.yaml").write_text("a: [")
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "lam2.log").write_text("objective.lam=2\nTraceback\nValueError: lam (=2) is wrong\n\n")
    (tmp_path / "failed" / "mute.log").write_bytes(b"\xff")
    for name in ("wandb", ".hidden", "somebody's"):
        (tmp_path / name).mkdir()
    for name in ("multirun.yaml", "thesis.txt", ".lock"):
        (tmp_path / name).write_text("x")
    sweep = read_sweep(tmp_path)
    assert [run.row["run"] for run in sweep.finished] == ["fine"]
    assert sweep.unfinished == ["begun"]
    assert [name for name, _ in sweep.unreadable] == sorted([*wrong, "unconfigured"])
    assert sweep.failed[0] == ("lam2.log", "objective.lam=2", "ValueError: lam (=2) is wrong")
    assert sweep.foreign == ["somebody's", "thesis.txt"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path != tmp_path}
    text = report(compose_report(f"sweep_dir={tmp_path}")).read_text()
    for shown in (
        "<b>1</b> unfinished",
        "<b>2</b> failed",
        "<b>10</b> unreadable",
        '<a href="failed/lam2.log">',
        "ValueError: lam (=2) is wrong",
        "metrics.json does not hold dataset, objective, seed",
        "metrics.json has image_auroc (=&#39;high&#39;), which is no finite number",
        "somebody&#39;s, thesis.txt",
    ):
        assert shown in text, shown
    assert len(pd.read_csv(tmp_path / "results.csv")) == 1
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert {path.name for path in after.keys() - before.keys()} == {"results.csv", "report.html"}
    assert all(after[path] == stamp for path, stamp in before.items())
    again = read_sweep(tmp_path)
    assert again == sweep, "what the report writes is no part of it"


def test_a_sweep_without_a_finished_run_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text("seed: 0\n")
    assert "No run of this sweep is finished yet" in report(compose_report(f"sweep_dir={tmp_path}")).read_text()
    assert len(pd.read_csv(tmp_path / "results.csv")) == 0


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("sweep_dir=nowhere", "sweep_dir (=nowhere) is no folder; name the folder of a sweep"),
        ("sweep_dir=bare", "sweep_dir (=bare) holds no run; name the folder of a sweep: multirun"),
        ("sweep_dir=sweep/run", "sweep_dir (=sweep/run) is a run's own folder; name the one above: sweep_dir=sweep"),
        ("sweepdir=sweep", "unknown key sweepdir; did you mean 'sweep_dir'?"),
        ("pictures=-1", "pictures (=-1) must not be negative"),
    ],
)
def test_errors_name_the_remedy(
    argument: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "notes.txt").write_text("x")
    write_run(tmp_path / "sweep", "run")
    first = [] if "sweep" in argument else ["sweep_dir=sweep"]
    monkeypatch.setattr(sys, "argv", ["fae-report", *first, argument])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert message in str(stopped.value.code)
    assert not list(tmp_path.rglob("*.html"))


def test_the_table_has_what_the_runs_say(tmp_path: Path) -> None:
    write_run(tmp_path, "a", lam=0.1, image_auroc=0.123456789, image_auroc_by_max=None)
    write_run(tmp_path, "b", lam=0.9)
    report(compose_report(f"sweep_dir={tmp_path}"))
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["run"].tolist() == ["a", "b"]
    assert table["image_auroc"].tolist() == [0.123456789, 0.9]
    assert table["image_size"].tolist() == ["32 × 32"] * 2
    assert table["k"].dtype == np.int64
    assert table["image_auroc_by_max"].isna().all()
    for name in ("dataset", "objective", "seed", "protocol", "git_commit", "device", "seconds", "checkpoint_step"):
        assert table[name].notna().all(), name


@pytest.mark.parametrize("known", [True, False])
def test_figures_without_known_parts_stand_beside_the_others(known: bool, tmp_path: Path) -> None:
    write_run(tmp_path, "a", **({"image_auroc_apart": 0.612, "pixel_auroc_apart": None} if known else {}))
    report(compose_report(f"sweep_dir={tmp_path}"))
    page = (tmp_path / "report.html").read_text()
    assert ("image AUROC, parts not in training" in page) == known
    assert ("0.612" in page) == known
    assert "pixel AUROC, parts not in training" not in page, "no run has a value"


def test_nothing_is_loaded(tmp_path: Path) -> None:
    run = write_run(tmp_path, "a", lam=0.1)
    write_run(tmp_path, "b", lam=0.9)
    write_heatmaps(run, {"good/0": 1.0, "hole/0": 2.0})
    page = report(compose_report(f"sweep_dir={tmp_path}")).read_text()
    elements = Elements(page).found
    pictures = [attributes["src"] for tag, attributes in elements if tag == "img"]
    assert sum(str(source).startswith("data:image/jpeg;base64,") for source in pictures) == 1
    for tag, attributes in elements:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:") or tag == "a", (tag, attributes)
    targets = [str(attributes["href"]) for tag, attributes in elements if tag == "a"]
    files = [target for target in targets if not target.startswith(("#", "http"))]
    assert {"a/", "a/metrics.json", "results.csv"} <= set(files)
    assert all((tmp_path / target).exists() for target in files)
    assert not re.search(
        r"@import|url\(\s*['\"]?(?!data:|%23|#)\w", "".join(re.findall("<style>(.*?)</style>", page, re.S))
    )
    policy = next(str(a["content"]) for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "blob:" not in policy.split("img-src")[0]


def test_names_are_text(tmp_path: Path) -> None:
    evil = "</script><script>window.evil=1</script>"
    write_run(tmp_path, "a#b%c d", dataset=f"folder:{evil}", device=evil, objective=evil, protocol=evil, lam=0.1)
    write_run(tmp_path, "e", dataset=f"folder:{evil}", device=evil, objective=evil, protocol=evil, lam=0.9)
    page = report(compose_report(f"sweep_dir={tmp_path}")).read_text()
    assert "<script>window.evil" not in page
    assert 'href="a%23b%25c%20d/metrics.json"' in page


def test_the_paper(tmp_path: Path) -> None:
    known = paper().set_index(["objective", "category"])
    assert len(known) == 20
    assert known.loc["filter", "pixel_auroc"].mean() == pytest.approx(0.991, abs=5e-4)
    assert known.loc["filter", "image_auroc"].mean() == pytest.approx(0.996, abs=5e-4)
    assert known.loc["amplify", "pixel_auroc"].mean() == pytest.approx(0.986, abs=5e-4)
    assert known.loc["amplify", "image_auroc"].mean() == pytest.approx(0.993, abs=5e-4)
    for objective in ("filter", "amplify"):
        for category in ("wood", "screw"):
            name = f"{objective}-{category}"
            write_run(tmp_path, name, dataset=f"mvtec:{category}", objective=objective, pixel_auroc=0.9)
        write_run(tmp_path, f"{objective}-synthetic", dataset="synthetic:tile", objective=objective)
        write_run(tmp_path, f"{objective}-folder", dataset="folder:bottle", objective=objective)
    table = compare(*summary_of(tmp_path)).set_index(["objective", "category"])["pixel_auroc_difference"]
    assert set(table.index.get_level_values("category")) == {"wood", "screw", "mean of 2"}
    assert table["filter", "wood"] == pytest.approx(0.9 - 0.981)
    assert table["filter", "screw"] == pytest.approx(0.9 - 0.997)
    assert table["filter", "mean of 2"] == pytest.approx(0.9 - 0.989)
    assert table["amplify", "wood"] == pytest.approx(0.9 - 0.971)
    assert math.isnan(table["amplify", "screw"]), "the paper has amplify for textures alone"
    assert math.isnan(table["amplify", "mean of 2"])
    absent = missing(["mvtec:wood [aaaa]", "mvtec:screw", "synthetic:tile", "folder:bottle"])
    assert len(absent) == 13
    assert {"tile", "bottle"} <= set(absent)
    page = report(compose_report(f"sweep_dir={tmp_path}")).read_text()
    assert "without a finished run (13 of 15): carpet, grid" in page


def test_a_category_of_two_kinds_of_images_is_still_that_category(tmp_path: Path) -> None:
    for images in ("aaaa", "bbbb"):
        write_run(tmp_path, images, images=images, dataset="mvtec:wood", pixel_auroc=0.9)
    table = compare(*summary_of(tmp_path))
    table = table[table["dataset"].notna()]
    assert table["category"].tolist() == ["wood [aaaa]", "wood [bbbb]"]
    assert table["pixel_auroc_paper"].tolist() == [0.981, 0.981]


def test_without_mvtec_there_is_nothing_to_compare(tmp_path: Path) -> None:
    write_run(tmp_path, "a", dataset="synthetic:wood")
    assert "No run of this sweep is on MVTec AD" in report(compose_report(f"sweep_dir={tmp_path}")).read_text()


def test_what_does_not_vary_is_not_drawn(tmp_path: Path) -> None:
    def titles() -> list[str]:
        return [plot.title for plot in plots(*tabulate(read_sweep(tmp_path).finished))]

    write_run(tmp_path, "a", dataset="mvtec:wood", k=5)
    write_run(tmp_path, "b", dataset="mvtec:tile", k=9)
    assert titles() == ["AUROC by data set"], "k differs between data sets alone"
    for name, rotate in (("c", True), ("d", False)):
        write_run(tmp_path, name, {"data": {"rotate": rotate}}, dataset="mvtec:tile", k=3, lam=0.1)
    assert titles() == ["AUROC by data set", "AUROC against λ", "AUROC against k"]


def test_a_line_has_the_mean_over_seeds(tmp_path: Path) -> None:
    for lam, values in ((0.1, (0.6, 0.8)), (0.9, (0.9,))):
        for seed, value in enumerate(values):
            write_run(tmp_path, f"{lam}-{seed}", lam=lam, seed=seed, image_auroc=value)
    (line,) = (p for p in plots(*tabulate(read_sweep(tmp_path).finished)) if p.title == "AUROC against λ")
    image, pixel = line.figure.data
    assert list(image.x) == [0.1, 0.9]
    assert list(image.y) == pytest.approx([0.7, 0.9])
    assert image.error_y.array[0] == pytest.approx(statistics.stdev((0.6, 0.8)))
    assert image.error_y.array[1] is None
    assert list(pixel.y) == pytest.approx([0.8, 0.8])


def test_best_and_worst_heatmaps(tmp_path: Path) -> None:
    run = write_run(tmp_path, "a")
    scores = {"good/0": 1.0, "good/1": 5.0, "good/2": 2.0, "hole/0": 9.0, "hole/1": 7.0, "hole/2": 1.5}
    write_heatmaps(run, scores)
    (run / "heatmaps" / "99-hole-unknown.png").write_bytes(b"")
    found = heatmaps_of(run, "mvtec:wood")
    assert {h.image for h in found} == set(scores)
    assert [h.image for h in best(found, 9)] == ["hole/0", "hole/1"]
    assert [h.image for h in worst(found, 9)] == ["hole/2", "good/1", "good/2"]
    assert [h.image for h in worst(found, 1)] == ["hole/2"]
    assert "above 33% of the normal images" in worst(found, 1)[0].caption
    assert "below 67% of the defective images" in worst(found, 2)[1].caption
    assert "anomaly" not in found[0].caption, "an older run has no column of per cent"
    table = (run / "scores.csv").read_text().splitlines()
    (run / "scores.csv").write_text(
        "\n".join([f"{table[0]},anomaly_percent", f"{table[1]},", *(f"{x},97.25" for x in table[2:])])
    )
    told = {heatmap.image: heatmap.caption for heatmap in heatmaps_of(run, "mvtec:wood")}
    assert "score 5 (anomaly 97 %), above" not in told["good/0"]
    assert "score 5 (anomaly 97 %), below 67% of the defective images" in told["good/1"]
    assert "score 1, below" in told["good/0"], "no threshold"
    other = write_run(tmp_path, "b", dataset="mvtec:tile")
    write_heatmaps(other, {"good/0": 1.0, "good/1": 1.1, "crack/0": 1.2})
    both = [*found, *heatmaps_of(other, "mvtec:tile"), *heatmaps_of(run, "mvtec:wood")]
    assert [h.image for h in best(both, 9)] == ["hole/0", "crack/0", "hole/1"], "data sets take turns, images come once"


def test_thumbnails_are_small_pictures(tmp_path: Path) -> None:
    run = write_run(tmp_path, "a")
    write_heatmaps(run, {"good/0": 1.0, "hole/0": 2.0})
    uri = data_uri(run / "heatmaps" / "01-hole-0.png")
    assert uri is not None
    shown = Image.open(BytesIO(b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert shown.size == (1040, 31)
    assert abs(int(np.asarray(shown).mean()) - 10) <= 1
    (run / "heatmaps" / "01-hole-0.png").write_bytes(b"no picture")
    assert data_uri(run / "heatmaps" / "01-hole-0.png") is None
    report(compose_report(f"sweep_dir={tmp_path}"))


def test_a_thousand_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(1000):
        kind = ("mvtec:wood", "mvtec:tile", "synthetic:wood", "folder:parts")[i % 4]
        axes = {"lam": (0.1, 0.5, 0.9)[i // 4 % 3], "k": (3, 5, 9)[i // 12 % 3], "seed": i // 36}
        write_run(tmp_path, f"run-{i:04d}", dataset=kind, image_auroc=rng.random(), pixel_auroc=rng.random(), **axes)
    start = time.monotonic()
    path = report(compose_report(f"sweep_dir={tmp_path}"))
    assert time.monotonic() - start < 60
    assert path.stat().st_size < 12e6
    assert len(pd.read_csv(tmp_path / "results.csv")) == 1000
    assert path.read_text().count("/metrics.json") == 1000, "no run is left out of the table"


@pytest.mark.browser
def test_the_page_of_a_true_sweep_in_a_browser(tiny_config: Build, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    for lam, seed in ((0.1, 0), (0.1, 1), (0.9, 0)):
        fine = "trainer.precision=32-true"  # by bf16 two steps are the same for both λ
        cfg = tiny_config("x", *SHORT, "pictures=6", fine, f"objective.lam={lam}", f"seed={seed}")
        cfg.run_dir = None
        train(cfg, str(sweep), [f"objective.lam={lam}", f"seed={seed}"])
    (sweep / "torn").mkdir()
    (sweep / "torn" / "metrics.json").write_text("{")
    path = report(compose_report(f"sweep_dir={sweep}"))
    table = pd.read_csv(sweep / "results.csv")
    assert table["lam"].tolist() == [0.1, 0.1, 0.9]
    assert table["pixel_auroc"].nunique() == 3
    summary, settings = summary_of(sweep)
    assert settings == ["lam"]
    assert summary["seeds"].tolist() == [2, 1], "what follows from the seed is no setting"

    with browser(tmp_path / "profile") as chrome:
        chrome.get(path.as_uri())
        wait = WebDriverWait(chrome, 20)
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "#runs input[type=search]"))

        headings = chrome.find_elements(By.CSS_SELECTOR, "#all-runs thead th")
        names = [" ".join(heading.text.split()) for heading in headings]

        def column(name: str) -> list[str]:
            """Read in one go: DataTables draws its rows anew some time after a click."""
            rows = "[...document.querySelectorAll('#all-runs tbody tr')]"
            cells: list[str] = chrome.execute_script(
                f"return {rows}.map(row => row.cells[arguments[0]]?.innerText)", names.index(name)
            )
            return cells

        values = [f"{value:.4f}" for value in sorted(table["pixel_auroc"])]
        for order in (values, values[::-1]):
            heading = headings[names.index("pixel AUROC")]
            chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", heading)
            heading.click()
            wait.until(lambda _, order=order: column("pixel AUROC") == order, f"sorted as {order}")

        field = chrome.find_element(By.CSS_SELECTOR, "#runs input[type=search]")
        field.send_keys("lam0.9")
        wait.until(lambda _: column("λ") == ["0.9"])
        link = chrome.find_element(By.CSS_SELECTOR, "#all-runs tbody a").get_attribute("href")
        assert link.startswith((sweep / "folder-tiny-filter-lam0.9-seed0-").as_uri())

        dialog = chrome.find_element(By.ID, "large")
        assert not dialog.is_displayed()
        thumbnail = chrome.find_element(By.CSS_SELECTOR, ".enlarge")
        chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", thumbnail)
        thumbnail.click()
        wait.until(lambda _: dialog.is_displayed())
        picture = dialog.find_element(By.TAG_NAME, "img")
        assert chrome.execute_script("return arguments[0].naturalWidth", picture) >= 1000
        assert "folder:tiny" in dialog.find_element(By.TAG_NAME, "p").text
        dialog.find_element(By.TAG_NAME, "button").click()
        wait.until(lambda _: not dialog.is_displayed())

        drawn = chrome.find_elements(By.CSS_SELECTOR, "#plots .plotly .main-svg, #plots .js-plotly-plot .main-svg")
        assert len(drawn) >= 2
        assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        loaded = chrome.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert not [name for name in loaded if not name.startswith("data:")]
        assert chrome.get_log("browser") == []

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from experiments.tables import brightness, objectives, tables
from fae.cli.schema import conf_dir, register
from fae.evaluate import evaluate


def test_categories_without_data_are_listed_and_never_filled_in(sweep: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep / "filter-elastic", tmp_path / "sweep" / "one")
    facts = json.loads((copy / "metrics.json").read_text())
    changed = {"dataset": "mvtec:wood", "pixel_auroc": 0.95, "trivial_pixel_auroc": 0.9, "trivial_image_auroc": 1.0}
    (copy / "metrics.json").write_text(json.dumps(facts | changed))
    shutil.copytree(sweep / "filter-elastic", tmp_path / "sweep" / "two")
    tables.main([str(tmp_path / "sweep"), "--out", str(tmp_path / "mvtec.csv")])
    table = pd.read_csv(tmp_path / "mvtec.csv").set_index("dataset")
    assert len(table) == 16
    wood = table.loc["mvtec:wood"]
    assert wood["pixel_auroc"] == 0.95
    assert wood["pixel_auroc_paper"] == 0.981
    assert wood["pixel_auroc_difference"] == pytest.approx(-0.031)
    assert wood["pixel_auroc_best_rival_by"] == "PNI"
    others = table[table.index.str.startswith("mvtec:") & (table.index != "mvtec:wood")]
    assert others["pixel_auroc"].isna().all()
    assert (others["runs"] == 0).all()
    assert others["pixel_auroc_paper"].notna().all()
    shown = tables.markdown(table.reset_index())
    assert shown.count(tables.NO_DATA) == 2 * 14
    (line,) = (line for line in shown.splitlines() if line.startswith("| mvtec:wood"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[0] == "mvtec:wood (32 × 32 px, width 4, 12 steps)"
    assert cells[2].endswith("\\*"), "a statistic does it as well"
    assert cells[6] == "95.0"
    assert pd.isna(table.loc["folder:tiny", "pixel_auroc_paper"])


def test_a_run_of_which_the_metrics_are_left_and_no_run_at_all(sweep: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sweep" / "one"
    copy.mkdir(parents=True)
    shutil.copyfile(sweep / "filter-elastic" / "metrics.json", copy / "metrics.json")
    found = tables.table([tmp_path / "sweep"])
    assert "folder:tiny (32 × 32 px, width unknown, 12 steps)" in tables.markdown(found)
    facts = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps(facts | {"objective": "amplify"}))
    shown = tables.markdown(tables.table([tmp_path / "sweep"]))
    assert shown.count(tables.NO_DATA) == 2 * 15


def test_runs_of_several_settings_are_refused(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="differ in corruption"):
        tables.main([str(sweep), "--out", str(tmp_path / "mvtec.csv")])


def test_best_rivals_are_those_of_the_papers_tables() -> None:
    found = tables.best_rival()
    assert len(found) == 15
    screw = found.set_index("category").loc["screw"]
    assert (screw["image_auroc"], screw["pixel_auroc"], screw["pixel_by"]) == (0.995, 0.996, "PNI")


def test_table_4(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objectives.main([str(sweep), "--out", str(tmp_path / "table4.csv")])
    table = pd.read_csv(tmp_path / "table4.csv")
    assert table["dataset"].tolist() == ["folder:tiny"]
    for kind in ("filter", "amplify"):
        metrics = json.loads((sweep / f"{kind}-elastic" / "metrics.json").read_text())
        assert table[f"pixel_auroc_{kind}"][0] == pytest.approx(metrics["pixel_auroc"], abs=1e-4)
    run = sweep / "filter-elastic"
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        both = f"ensemble=[{sweep / 'amplify-elastic'},{run}]"
        own = evaluate(compose("evaluate", [f"run_dir={run}", both, "ensemble_scale=validation", "name=own"]))
    assert table["pixel_auroc_ensemble_scaled"][0] == pytest.approx(own["pixel_auroc"], abs=1e-4)
    (kept,) = (run / "evaluation").glob("table4-*-validation.json")
    assert {Path(name).name for name in json.loads(kept.read_text())["ensemble"]} == {run.name, "amplify-elastic"}
    assert "mean of 1 sets" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="corruption=swap"):
        objectives.main([str(sweep), "--corruption", "swap", "--out", str(tmp_path / "table4.csv")])


def test_brightness_beside_scores(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brightness.main([str(sweep / "filter-elastic"), "--out", str(tmp_path / "brightness.png")])
    assert (tmp_path / "brightness.png").is_file()
    said = capsys.readouterr().out
    metrics = json.loads((sweep / "filter-elastic" / "metrics.json").read_text())
    assert f"image score contrast: AUROC {metrics['image_auroc_by_contrast']:.4f}" in said
    assert f"image score sum: AUROC {metrics['image_auroc_by_sum']:.4f}" in said
    assert f"alone {metrics['trivial_image_auroc_mean']:.4f}" in said

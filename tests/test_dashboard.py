import json
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb_workspaces.reports.v2 as wr
from omegaconf import DictConfig

from fae.dashboard import dashboard, main
from fae.tracking.workspace import keys, workspace
from tests.conftest import Inspect, compose_command, history
from tests.processes import Forked


def compose_dashboard(*overrides: str) -> DictConfig:
    return compose_command("dashboard", *overrides)


def flat(name: str, value: Any) -> set[str]:
    if isinstance(value, dict):
        return {key for child, v in value.items() for key in flat(f"{name}.{child}", v)}
    return {name}


def logged(records: list[dict[str, Any]]) -> dict[str, set[str]]:
    """By the kind of thing that a run logged: the keys."""
    rows = history(records)
    config = [record["config"]["update"] for record in records if record["type"] == "config"]
    summary = [record["summary"]["update"] for record in records if record["type"] == "summary"]

    def of_type(kind: str) -> set[str]:
        return {
            key.removesuffix("._type")
            for row in rows
            for key, value in row.items()
            if key.endswith("._type") and str(value).startswith(kind)
        }

    def numbers(items: list[dict[str, Any]]) -> set[str]:
        return {key for item in items for key, value in item.items() if isinstance(value, int | float)}

    return {
        "config": {key for update in config for key in flat("config", update)},
        "summary": numbers(summary),
        "curve": numbers(rows),
        "image": of_type("image"),
        "table": of_type("table"),
    }


KINDS: dict[type, set[str]] = {
    wr.ParallelCoordinatesPlot: {"config", "summary"},
    wr.BarPlot: {"config", "summary"},
    wr.LinePlot: {"curve"},
    wr.MediaBrowser: {"image"},
    wr.WeavePanelSummaryTable: {"table"},
}


def test_every_panel_names_what_a_run_logs(tracked: Path, inspected: Inspect) -> None:
    there = logged(inspected(tracked / "wandb"))
    seen = set()
    for section in workspace("me", "fae", "x").sections:
        for panel in section.panels:
            known = set().union(*(there[kind] for kind in KINDS[type(panel)]))
            assert keys(panel), panel
            assert set(keys(panel)) <= known, f"{section.name}: {set(keys(panel)) - known}"
            seen |= set(keys(panel))
    assert {"config.objective.lam", "config.score.k", "config.score.n", "image_auroc", "pixel_auroc"} <= seen
    assert {"heatmaps", "val/reconstructions", "train/loss", "val/loss", "predictions"} <= seen
    assert there["table"] | there["image"] >= {"predictions", "roc_images_table", "heatmaps"}


def test_what_is_saved_reads_nested_configuration_and_summaries() -> None:
    """As W&B's own pages address them; the library must not take them for run attributes."""
    spec = workspace("me", "fae", "x")._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    panels = [p for s in json.loads(spec)["section"]["panelBankConfig"]["sections"] for p in s["panels"]]
    lines, bars = panels[0]["config"]["columns"], panels[1]["config"]
    assert [line["accessor"] for line in lines] == [
        *("config:objective.value.lam", "config:score.value.k", "config:score.value.n"),
        *("summary:image_auroc", "summary:pixel_auroc"),
    ]
    assert bars["metrics"] == ["image_auroc"]
    assert bars["groupBy"] == "category.value.name"
    assert {key for panel in panels for key in panel["config"].get("mediaKeys", [])} >= {"heatmaps"}


def test_without_a_key_it_shows_what_it_would_save(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["fae-dashboard", "project=mine", "entity=me", "name=Two words"])
    monkeypatch.setattr("wandb.login", lambda **_: pytest.fail("nobody asked to save"))
    main()
    shown = capsys.readouterr().out
    for word in ("me/mine", "Learning curves", "config.objective.lam", "val/reconstructions", "lr-Adam"):
        assert word in shown, word
    assert "python -m fae.dashboard project=mine entity=me 'name=Two words' save=true" in shown
    assert not list(tmp_path.iterdir())


def test_saving_without_a_key_is_an_error_not_a_prompt(
    tmp_path: Path, forked: Forked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    result = forked.command("fae.dashboard", "save=true")  # its standard input is closed
    assert result.returncode == 1
    assert "error: save (=true) needs a W&B key and there is none: run `wandb login`" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("unplugged")
def test_saving_without_a_network_is_an_error_not_a_stall() -> None:
    with pytest.raises(OSError, match=r"127.0.0.1 cannot be reached"):
        dashboard(compose_dashboard("save=true"))


def test_saves_under_the_name_of_whoever_has_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Api:
        default_entity = "whoever"

    saved: list[tuple[str, str, str]] = []
    monkeypatch.setattr("fae.dashboard.has_key", lambda: True)
    monkeypatch.setattr("fae.dashboard.reach_server", lambda: None)
    monkeypatch.setattr("wandb.Api", Api)
    monkeypatch.setattr("wandb_workspaces.workspaces.Workspace.url", property(lambda _: "https://x"))
    monkeypatch.setattr(
        "wandb_workspaces.workspaces.Workspace.save", lambda self: saved.append((self.entity, self.project, self.name))
    )
    dashboard(compose_dashboard("save=true", "project=mine"))
    dashboard(compose_dashboard("save=true", "project=mine", "entity=us", "name=x"))
    assert saved == [("whoever", "mine", "Anomaly detection"), ("us", "mine", "x")]


def test_wrong_words_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fae-dashboard", "projct=x"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert "unknown key projct; did you mean 'project'?" in str(stopped.value.code)

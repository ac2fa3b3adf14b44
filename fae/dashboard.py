"""`python -m fae.dashboard`: a W&B workspace for sweeps: λ, k and n, categories, heatmaps, learning curves."""

import shlex
from typing import Any

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from fae.cli import command as cli
from fae.tracking.session import has_key, reach_server

_AXES = {"λ": "objective.lam", "k": "score.k", "n": "score.n"}
_AUROC = {"image AUROC": "image_auroc", "pixel AUROC": "pixel_auroc"}
_PICTURES = {
    "heatmaps of test images": "heatmaps",
    "held-out images through training": "val/reconstructions",
    "ROC, per-region overlap and scores": "curves",
    "most wrong": "most_wrong",
}
_CURVES = {
    "validation loss": ["val/loss"],
    "training loss": ["train/loss", "train/normal", "train/corrupted"],
    "error on held-out images": ["val/restoration_error", "val/normal_error"],
    "synthetic damage found, pixels": ["val/pixel_auroc", "val/pixel_average_precision", "val/pixel_best_f1"],
    "learning rate": ["lr-Adam"],
}
_STEP = "trainer/global_step"


def workspace(entity: str, project: str, name: str) -> ws.Workspace:
    """Build the workspace; needs neither a key nor a network."""
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(key), display_name=title) for title, key in _AXES.items()]
    columns += [
        wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(key), display_name=title) for title, key in _AUROC.items()
    ]
    full, half = wr.Layout(w=24, h=9), wr.Layout(w=12, h=8)
    sections = {
        "λ, k and n": [wr.ParallelCoordinatesPlot(columns, title="λ, k, n → AUROC", layout=full)],
        "Categories": [
            wr.BarPlot(
                title=f"{title}, mean and range of runs",
                metrics=[key],
                groupby=wr.Config("category.name"),
                groupby_aggfunc="mean",
                groupby_rangefunc="minmax",
                range_x=(0, 1),
                layout=half,
            )
            for title, key in _AUROC.items()
        ],
        "Heatmaps": [
            wr.MediaBrowser(title=title, media_keys=[key], num_columns=2, layout=half)
            for title, key in _PICTURES.items()
        ],
        "Learning curves": [
            wr.LinePlot(title=title, x=_STEP, y=list(keys), layout=half) for title, keys in _CURVES.items()
        ],
        "Test images": [wr.WeavePanelSummaryTable(table_name="predictions", layout=full)],
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[ws.Section(name=title, panels=panels, is_open=True) for title, panels in sections.items()],
        runset_settings=ws.RunsetSettings(pinned_columns=[f"summary:{key}" for key in _AUROC.values()]),
    )


def keys(panel: Any) -> list[str]:
    """What a panel of `workspace` shows, as logged: `config.<key>` for the configuration, plain for all else."""
    if isinstance(panel, wr.ParallelCoordinatesPlot):
        return [_name(column.metric) for column in panel.columns]
    if isinstance(panel, wr.BarPlot):
        return [*map(_name, panel.metrics), _name(panel.groupby)]
    if isinstance(panel, wr.LinePlot):
        return [_name(panel.x), *map(_name, panel.y)]
    if isinstance(panel, wr.MediaBrowser):
        return list(panel.media_keys)
    return [panel.table_name]


def _name(metric: str | wr.Config | wr.Metric | wr.SummaryMetric) -> str:
    if isinstance(metric, str):
        return metric
    return f"config.{metric.name}" if isinstance(metric, wr.Config) else str(metric.name)


def dashboard(cfg: DictConfig) -> ws.Workspace:
    """Build the workspace and save it, or show what would be saved, and how.

    Args:
        cfg: composed from conf/dashboard.yaml.

    Raises:
        ValueError: saving is asked for and there is no key.
        OSError: W&B cannot be reached, or refuses.
    """
    if cfg.save and not has_key():
        raise ValueError(
            "save (=true) needs a W&B key and there is none: run `wandb login`, or set WANDB_API_KEY; without save "
            "the command shows what it would save"
        )
    if not cfg.save:
        built = workspace(cfg.entity or "", cfg.project, cfg.name)
        _show(built, cfg)
        return built
    reach_server()
    try:
        built = workspace(cfg.entity or wandb.Api().default_entity, cfg.project, cfg.name)
        built.save()
    except wandb.Error as error:
        raise OSError(f"the workspace could not be saved in project (={cfg.project}): {error}") from error
    print(f"saved: {built.url}", flush=True)
    return built


def _show(built: ws.Workspace, cfg: DictConfig) -> None:
    place = f"{cfg.entity or '<you>'}/{built.project}"
    tree = Tree(f"[bold]{escape(built.name)}[/], a workspace of {escape(place)}")
    for section in built.sections:
        branch = tree.add(f"[bold]{escape(section.name)}[/]")
        for panel in section.panels:
            title = getattr(panel, "title", "table of test images")
            branch.add(f"{escape(title)}\n[dim]{escape(', '.join(keys(panel)))}[/]")
    words = [
        f"project={cfg.project}",
        *([f"entity={cfg.entity}"] if cfg.entity else []),
        f"name={cfg.name}",
        "save=true",
    ]
    console = Console()
    console.print(tree)
    console.print(
        "\nNothing is saved yet. Send offline runs with `wandb sync`; then, with a key from `wandb login` or in "
        f"WANDB_API_KEY:\n  {shlex.join(['python', '-m', 'fae.dashboard', *words])}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def main() -> None:
    """Entry point of `fae-dashboard`."""
    cli.run(dashboard, "dashboard")


if __name__ == "__main__":
    main()

"""A W&B workspace for sweeps: λ, k and n, categories, heatmaps, learning curves. It needs the extra `dashboard`."""

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from fae.metric.pixel import MEASURES

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
    "synthetic damage found, pixels": [f"val/{m.key('pixel')}" for m in MEASURES if not m.by_region],
    "learning rate": ["lr-Adam"],
}
_STEP = "trainer/global_step"


def workspace(entity: str, project: str, name: str) -> ws.Workspace:
    """Build the workspace; this needs neither a key nor a network connection."""
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
    """Return the keys that a panel of `workspace` shows: `config.<key>` for the configuration, plain keys otherwise."""
    if isinstance(panel, wr.ParallelCoordinatesPlot):
        return [_name(column.metric) for column in panel.columns]
    if isinstance(panel, wr.BarPlot):
        return [*map(_name, panel.metrics), _name(panel.groupby)]
    if isinstance(panel, wr.LinePlot):
        return [_name(panel.x), *map(_name, panel.y)]
    if isinstance(panel, wr.MediaBrowser):
        return list(panel.media_keys)
    return [panel.table_name]


def title(panel: Any) -> str:
    """Return the title of a panel of `workspace`; a table has no title of its own and gets a fixed one."""
    return str(getattr(panel, "title", "table of test images"))


def _name(metric: str | wr.Config | wr.Metric | wr.SummaryMetric) -> str:
    if isinstance(metric, str):
        return metric
    return f"config.{metric.name}" if isinstance(metric, wr.Config) else str(metric.name)

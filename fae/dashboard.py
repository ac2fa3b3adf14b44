"""`python -m fae.dashboard`: build a W&B workspace for sweeps: λ, k and n, categories, heatmaps, learning curves."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import wandb
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from fae.cli import command as cli
from fae.machine.extra import extra
from fae.tracking.session import has_key, reach_server

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace


def dashboard(cfg: DictConfig) -> "Workspace":
    """Build the workspace and save it, or show its content and the command that saves it.

    Args:
        cfg: configuration composed from conf/dashboard.yaml.

    Raises:
        MissingExtraError: the extra `dashboard` is not installed.
        ValueError: `save` is true and there is no key.
        OSError: W&B cannot be reached, or refuses to save.
    """
    with extra("dashboard"):
        from fae.tracking.workspace import keys, title, workspace
    if cfg.save and not has_key():
        raise ValueError(
            "save (=true) needs a W&B key and there is none: run `wandb login`, or set WANDB_API_KEY; without save "
            "the command shows what it would save"
        )
    if not cfg.save:
        built = workspace(cfg.entity or "", cfg.project, cfg.name)
        shown = {part.name: {title(panel): keys(panel) for panel in part.panels} for part in built.sections}
        _show(shown, cfg)
        return built
    reach_server()
    try:
        built = workspace(cfg.entity or wandb.Api().default_entity, cfg.project, cfg.name)
        built.save()
    except wandb.Error as error:
        raise OSError(f"the workspace could not be saved in project (={cfg.project}): {error}") from error
    print(f"saved: {built.url}", flush=True)
    return built


def _show(sections: Mapping[str, Mapping[str, Sequence[str]]], cfg: DictConfig) -> None:
    """Print the keys that each panel of each section shows, under the titles of section and panel."""
    place = f"{cfg.entity or '<you>'}/{cfg.project}"
    tree = Tree(f"[bold]{escape(cfg.name)}[/], a workspace of {escape(place)}")
    for section, panels in sections.items():
        branch = tree.add(f"[bold]{escape(section)}[/]")
        for name, shown in panels.items():
            branch.add(f"{escape(name)}\n[dim]{escape(', '.join(shown))}[/]")
    words = [
        f"project={cfg.project}",
        *([f"entity={cfg.entity}"] if cfg.entity else []),
        f"name={cfg.name}",
        "save=true",
    ]
    console = Console()
    console.print(tree)
    console.print(
        "\nNothing is saved yet. Send offline runs with `wandb sync`. Then get a key with `wandb login`, or set "
        f"WANDB_API_KEY, and run:\n  {shlex.join(['python', '-m', 'fae.dashboard', *words])}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def main() -> None:
    """Entry point of `fae-dashboard`."""
    cli.run(dashboard, "dashboard")


if __name__ == "__main__":
    main()

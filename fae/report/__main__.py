"""`python -m fae.report sweep_dir=DIR` collects the runs of a sweep in one table and one page."""

from collections.abc import Sized
from pathlib import Path

from omegaconf import DictConfig

from fae.cli import command as cli
from fae.machine.atomic import write_text
from fae.machine.extra import extra
from fae.report.runs import PAGE, RESULTS, read_sweep


def report(cfg: DictConfig) -> Path:
    """Write `results.csv`, one row per finished run, and `report.html`, which needs neither internet nor server.

    Args:
        cfg: configuration composed from conf/report.yaml.

    Returns:
        the path of the page.

    Raises:
        ValueError: `sweep_dir` is not a folder of runs, or `pictures` is negative.
        OSError: a file cannot be written.
        MissingExtraError: the extra `report` is not installed.
    """
    with extra("report"):
        from fae.report.means import tabulate
        from fae.report.page import page
    if cfg.pictures < 0:
        raise ValueError(f"pictures (={cfg.pictures}) must not be negative; 0 embeds none")
    sweep = read_sweep(Path(cfg.sweep_dir))
    runs, settings = tabulate(sweep.finished)
    write_text(sweep.folder / RESULTS, runs.to_csv(index=False))
    path = sweep.folder / PAGE
    write_text(path, page(sweep, runs, settings, cfg.pictures))
    others: dict[str, Sized] = {"unfinished": sweep.unfinished, "unreadable": sweep.unreadable, "failed": sweep.failed}
    left = "".join(f", {len(names)} {what}" for what, names in others.items() if names)
    print(f"{len(runs)} finished runs{left}; {sweep.folder / RESULTS}, {path}", flush=True)
    return path


def main() -> None:
    """Entry point of `fae-report`."""
    cli.run(report, "report")


if __name__ == "__main__":
    main()

import ast
from pathlib import Path

import fae

ROOT = Path(fae.__file__).parent

# Imports go down only; rooms on one floor do not know each other.
FLOORS = {
    "fae.types": 0,
    "fae.machine.allocator": 0,
    "fae.machine.atomic": 0,
    "fae.image": 0,
    "fae.cli.schema": 0,
    "fae.cli.extra": 0,
    "fae.tracking.logger": 0,
    "fae.tracking.workspace": 0,
    "fae.model": 1,
    "fae.objective": 1,
    "fae.corruption": 1,
    "fae.score": 1,
    "fae.metric": 1,
    "experiments.theory": 1,
    "fae.data": 2,
    "fae.data.check": 9,
    "fae.data.download": 9,
    "fae.module": 3,
    "fae.run.identity": 2,
    "fae.run.folder": 3,
    "fae.tracking.session": 3,
    "fae.picture.heatmap": 3,
    "fae.evaluation.measure": 3,
    "fae.cli.command": 3,
    "fae.cli.sweep": 4,
    "fae.machine.provenance": 3,
    "fae.machine.precision": 3,
    "fae.parallel.batch_norm": 3,
    "fae.parallel.processes": 3,
    "fae.picture.sheet": 3,
    "fae.picture.curves": 3,
    "fae.callback": 4,
    "fae.picture.most_wrong": 4,
    "fae.evaluation.search": 4,
    "fae.run.build": 5,
    "fae.picture.pages": 5,
    "fae.evaluation.finished_run": 6,
    "fae.detector": 6,
    "fae.tracking.results": 7,
    "fae.evaluation.finish": 8,
    "fae.train": 9,
    "fae.preview": 9,
    "fae.evaluate": 9,
    "fae.predict": 9,
    "fae.report": 9,
    "fae.dashboard": 9,
    "experiments.benchmark": 10,
}


def room(module: str) -> str:
    names = [".".join(module.split(".")[:depth]) for depth in (3, 2)]
    return next((name for name in names if name in FLOORS), names[-1])


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {room(name) for name in found if name.startswith("fae.")} & FLOORS.keys()


def test_imports_go_down_only() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        own = room(".".join(["fae", *path.relative_to(ROOT).with_suffix("").parts]))
        if own in ("fae.__init__", "fae"):
            continue
        wrong += [
            f"{path.name} ({own}) imports {other}"
            for other in imported(path)
            if other != own and FLOORS[other] >= FLOORS[own]
        ]
    assert not wrong


def test_only_entry_points_read_the_configuration() -> None:
    readers = {
        room(".".join(("fae", *p.relative_to(ROOT).with_suffix("").parts)))
        for p in ROOT.rglob("*.py")
        if "cfg." in p.read_text()
    }
    assert readers <= {
        *("fae.train", "fae.preview", "fae.evaluate", "fae.predict", "fae.report", "fae.dashboard"),
        *("fae.data.check", "fae.data.download"),
        *("fae.run.build", "fae.evaluation.finished_run", "fae.detector", "fae.run.folder", "fae.run.identity"),
        "fae.cli.schema",
    }

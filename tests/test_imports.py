"""The architecture, as docs/architecture.md draws it."""

import ast
from itertools import pairwise
from pathlib import Path

import fae

ROOT = Path(fae.__file__).parent
PROJECT = ROOT.parent

FLOORS = (
    ("types", "image", "machine", "parallel"),
    ("cli", "space", "model", "head", "objective", "corruption", "score", "metric"),
    ("network", "data"),
    ("module", "picture"),
    ("tracking",),
    ("callback",),
    ("run",),
    ("evaluation", "detector", "report", "prediction"),
    ("train", "evaluate", "predict", "merge", "preview", "dashboard", "export", "serve"),
)
"""From the ground up. A room imports from floors below its own; rooms of one floor do not know each other."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("fae.")}


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in sources()} - {"__init__"} == FLOOR.keys()


def test_imports_go_down_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} (floor {FLOOR[room(path)]}) imports {other} (floor {FLOOR[other]})"
        for path in sources()
        if room(path) != "__init__"
        for other in imported(path) & FLOOR.keys()
        if other != room(path) and FLOOR[other] >= FLOOR[room(path)]
    ]
    assert not wrong


def test_the_architecture_is_drawn_as_it_is() -> None:
    """Every room stands in the picture of docs/architecture.md, the higher floors above the lower ones."""
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = text[text.index("```") :].split("```")[1].splitlines()
    lines = [next(i for i, line in enumerate(picture) if set(rooms) <= set(line.split())) for rooms in FLOORS]
    assert all(upper < lower for lower, upper in pairwise(lines))


def test_only_what_builds_a_run_reads_the_configuration() -> None:
    readers = {path.relative_to(ROOT).as_posix() for path in sources() if "cfg." in path.read_text(encoding="utf-8")}
    allowed = (
        "train.py",
        "evaluate.py",
        "merge.py",
        "preview.py",
        "dashboard.py",
        "report/__main__.py",
        "serve/__main__.py",
        "predict/command.py",
    )
    commands = ("data/check.py", "data/download.py", "detector/from_run.py", "cli/check.py")
    rooms = ("run/", "evaluation/", "export/")
    assert {name for name in readers if not name.startswith(rooms)} <= {*allowed, *commands}


def test_the_house_stays_small() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert not {path.name: size for path, size in sizes.items() if size > 250}
    assert len(list(ROOT.glob("*.py"))) <= 14
    for init in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), f"{init} does not say what lives there"
        assert len([path for path in init.parent.glob("*.py") if path != init]) != 1, f"{init.parent} has one module"

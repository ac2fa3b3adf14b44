"""`make docs`: build the site from README.md and docs/, with every file of the repository that they link to.

The site has the tree of the repository, so that the relative links of a page work on a code host and in the site alike.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".cff": "yaml", ".toml": "toml", ".sh": "bash"}
"""Of source files, by suffix: each that is linked becomes a page."""
_FENCE = "`" * 8  # longer than any inside a source file
# Code in fences and in backticks, in which nothing is a link; then the target of a link and its anchor.
_LINK = re.compile(r"^ *(```+|~~~+).*?^ *\1|(`+)[^`]+\2|\]\(([^()\s#]+)(#[^()\s]*)?\)", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[Path]:
    """The files and folders that a page links to by a relative link."""
    targets = [match[3] for match in _LINK.finditer(page.read_text(encoding="utf-8")) if match[3]]
    return [(page.parent / target).resolve() for target in targets if not _outside(target)]


def _outside(target: str) -> bool:
    return target.startswith(("http://", "https://", "mailto:"))


def _staged(path: Path) -> Path:
    """Where the site has a file or a folder of the repository, relative to its root."""
    path = path.relative_to(ROOT)
    if (ROOT / path).is_dir():
        return path / "README.md"
    return path.with_name(f"{path.name}.md") if path.suffix in _LANGUAGES else path


def _page(path: Path) -> str:
    """A Markdown page: with its links to source files and folders turned to their pages; or made of such a file."""
    if path.is_dir() and not (path / "README.md").is_file():
        names = sorted(f"{p.name}{'/' * p.is_dir()}" for p in path.iterdir() if not p.name.startswith(("_", ".")))
        return "\n".join([f"# {path.relative_to(ROOT)}/\n", *(f"- `{name}`" for name in names), ""])
    text = (path / "README.md" if path.is_dir() else path).read_text(encoding="utf-8")
    if path.suffix in _LANGUAGES:
        return f"# {path.relative_to(ROOT)}\n\n{_FENCE}{_LANGUAGES[path.suffix]}\n{text}{_FENCE}\n"
    folder = path if path.is_dir() else path.parent

    def turn(match: re.Match[str]) -> str:
        if not match[3] or _outside(match[3]):
            return match[0]
        target = (folder / match[3]).resolve()
        anchor = "" if target.suffix in _LANGUAGES else match[4] or ""
        return f"]({os.path.relpath(_staged(target), _staged(path).parent)}{anchor})"

    return _LINK.sub(turn, text)


def gather(source: Path) -> None:
    """Lay the pages, and all that they link to, into a folder.

    Raises:
        FileNotFoundError: a link leads nowhere; all such links are named.
    """
    todo = [ROOT / "README.md", ROOT / "docs" / "site.css", *sorted((ROOT / "docs").glob("*.md"))]
    done, broken = set(), []
    while todo:
        path = todo.pop()
        if (target := source / _staged(path)) in done:
            continue
        done.add(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix != ".md":
            shutil.copyfile(path, target)
            continue
        target.write_text(_page(path), encoding="utf-8")
        page = path / "README.md" if path.is_dir() else path
        if page.suffix == ".md" and page.is_file():
            broken += [f"{page.relative_to(ROOT)} → {link}" for link in links(page) if not link.exists()]
            todo += [link for link in links(page) if link.exists()]
    if broken:
        raise FileNotFoundError("\n".join(["links that lead nowhere:", *broken]))


def build(site: Path) -> Path:
    """Build the site in strict mode: a broken link, a missing anchor or an unknown class is an error.

    Args:
        site: a folder, which is emptied.

    Returns:
        the first page.

    Raises:
        FileNotFoundError: a link leads nowhere.
        CalledProcessError: the builder has printed what is wrong.
    """
    shutil.rmtree(site, ignore_errors=True)
    gather(site / "source")
    config = shutil.copy(Path(__file__).with_name("zensical.toml"), site)
    # From the root, so that the reference is made of this clone.
    subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", config], cwd=ROOT, check=True
    )
    return site / "html" / "index.html"


if __name__ == "__main__":
    print(build(ROOT / "site"))

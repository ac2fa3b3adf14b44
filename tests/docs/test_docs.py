import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from experiments.benchmark.config import BenchmarkConfig, register_benchmark
from fae.cli.check import arguments, check_leaves, check_root
from fae.cli.schema import SCHEMAS, conf_dir

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WORDY = [page for page in PAGES if page.name not in ("extend.md", "bad-inputs.md")]
"""All but the pages whose words name what their own examples add, and what is wrong; tests of their own run those."""
CONFIGS = {
    "fae.train": "train",
    "fae.preview": "train",
    "fae.evaluate": "evaluate",
    "fae.predict": "predict",
    "fae.export": "export",
    "fae.merge": "merge",
    "fae.report": "report",
    "fae.dashboard": "dashboard",
    "fae.serve": "serve",
    "fae.data.check": "check",
    "fae.data.download": "download",
    "experiments.benchmark": "benchmark",
}
COMMAND = re.compile(r"^(?:\w+=\S+ )*(?:\.venv/bin/)?python -m ((?:fae\b|experiments\.benchmark)[\w.]*)(.*)$")
WORD = re.compile(r"~[a-z]\w*(\.\w+)*|\+?[a-z][\w/@.]*=[^=\s…]+")
NO_WORDS = {"objective=amplifi", "key=value"}  # what the text says of words as such
SPOKEN_OF = (
    ("train", ("category=generic",)),
    ("train", ("corruption=elastic",)),
    *(
        (config, ())
        for config in ("evaluate", "predict", "export", "merge", "report", "dashboard", "serve", "benchmark")
    ),
    ("evaluate", ("grid=default",)),
)
"""Configurations that hold every key which the text may speak of."""


@pytest.fixture
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fenced(page: Path) -> list[str]:
    """The lines of a page's code blocks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Module and words of every command of ours in a page's code blocks, without Hydra's own flags."""
    found = []
    for line in fenced(page):
        if match := COMMAND.match(line):
            words = shlex.split(match[2], comments=True)
            found.append((match[1], [word for word in words if "=" in word or word.startswith("~")]))
    return found


def spoken(page: Path) -> list[str]:
    """The words `key=value` in the running text and in the tables of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = [span.split() for span in re.findall(r"`([^`]+)`", text)]
    ours = [words for words in found if all(WORD.fullmatch(word) for word in words)]
    return [word for words in ours for word in words if word not in NO_WORDS]


@cache
def composed(config: str, words: tuple[str, ...]) -> DictConfig:
    register_benchmark()
    with initialize_config_dir(conf_dir(config), version_base="1.3"):
        cfg = compose(config, list(words))
    check_root(cfg, BenchmarkConfig if config == "benchmark" else SCHEMAS[config])
    check_leaves(cfg)
    return cfg


def each_choice(words: list[str]) -> list[tuple[str, ...]]:
    """The words of a multirun's jobs: the first choice of every word, and every other choice of one group at a time."""
    choices: list[list[str]] = []
    for word in OverridesParser.create().parse_overrides(words):
        key = word.get_key_element()
        values = list(word.sweep_string_iterator()) if word.is_sweep_override() else []
        if not Path(conf_dir(), key).is_dir():
            values = values[:1]  # all values of a key compose alike
        choices.append([f"{key}={value}" for value in values] or [word.input_line])
    first = [some[0] for some in choices]
    others = [(*first[:i], value, *first[i + 1 :]) for i, some in enumerate(choices) for value in some[1:]]
    return [tuple(first), *others]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path, builder: ModuleType) -> None:
    assert [link for link in builder.links(page) if not link.exists()] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"{page.relative_to(ROOT)}" not in navigation] == []


def test_links_in_code_are_none(builder: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`[a](code)` [`b`](b.py) [c](c.md#d) [e](https://f)\n```\n[g](fence)\n```\n")
    assert builder.links(page) == [tmp_path / "b.py", tmp_path / "c.md"]


def test_a_command_of_every_module_is_shown() -> None:
    assert {module for page in WORDY for module, _ in commands(page)} == set(CONFIGS)
    assert not [line for page in WORDY for line in fenced(page) if COMMAND.match(line) and "…" in line]


@pytest.mark.parametrize("page", WORDY, ids=lambda page: page.name)
def test_every_command_composes(page: Path) -> None:
    for module, words in commands(page):
        assert importlib.util.find_spec(module) is not None
        for job in each_choice(words):
            composed(CONFIGS[module], job)


def known(word: str) -> bool:
    """Whether a word names a group and one of its choices, or a key of some command."""
    key, _, value = word.lstrip("+~").partition("=")
    group = Path(conf_dir(), key.partition("@")[0])
    if group.is_dir():
        return all((group / f"{choice}.yaml").is_file() for choice in value.split(","))
    if key.startswith("hydra"):
        return True
    return any(holds(composed(config, words), key, word.startswith("+")) for config, words in SPOKEN_OF)


def holds(cfg: DictConfig, key: str, new: bool) -> bool:
    """Whether a configuration has a key, or, if the key is new, a place for it."""
    *path, last = key.split(".")
    for name in path:
        if not isinstance(cfg, DictConfig) or name not in cfg:
            return False
        cfg = cfg[name]
    if not isinstance(cfg, DictConfig):
        return False
    return last in cfg or (new and (last in arguments(cfg) or "_target_" not in cfg))


@pytest.mark.parametrize("page", WORDY, ids=lambda page: page.name)
def test_every_word_of_the_text_is_known(page: Path) -> None:
    assert [word for word in spoken(page) if not known(word)] == []


@pytest.mark.parametrize(
    ("group", "page"),
    [
        *(
            (group, "configure")
            for group in (
                "experiment",
                "objective",
                "space",
                "model",
                "head",
                "score/residual",
                "score/rule",
                "score/image_score",
            )
        ),
        *((group, "configure") for group in ("optimizer", "scheduler", "trainer", "logger", "callback")),
        *(("corruption", "damage"), ("data", "data"), ("sweep", "sweep")),
    ],
)
def test_every_choice_of_a_group_is_named(group: str, page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    choices = {path.stem for path in Path(conf_dir(), group).glob("*.yaml")} - {"module"}
    assert choices
    assert [choice for choice in choices if not re.search(rf"[`=]{choice}`", text)] == []


def test_words_that_are_unknown() -> None:
    wrong = ("score.residuals=ssim", "objective=amplifi", "+objective.lamm=1", "~callback.prgress", "nothing.at.all=1")
    assert [word for word in wrong if known(word)] == []


def test_a_word_that_does_not_exist_fails() -> None:
    for config, word in (("train", "score.residuals=ssim"), ("train", "+objective.lamm=1"), ("predict", "inputs=DIR")):
        with pytest.raises(Exception, match=word.strip("+").split("=")[0].split(".")[-1]):
            composed(config, (word,))


def test_the_site_builds_and_loads_nothing_from_a_network(builder: ModuleType, tmp_path: Path) -> None:
    start = builder.build(tmp_path / "site")
    pages = sorted(start.parent.rglob("*.html"))
    assert {start.parent / "docs" / f"{page.stem}.html" for page in PAGES[1:]} <= set(pages)
    assert (start.parent / "fae" / "objective" / "filter.py.html").is_file()
    assert (start.parent / "experiments" / "quick" / "heatmap.jpg").is_file()
    # Markdown takes > for a quotation: a section of >>> is to be called Examples, and no text begins with >= 0.
    assert "<blockquote>" not in (start.parent / "docs" / "reference.html").read_text(encoding="utf-8")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:link|script|img|iframe)[^>]*(?:href|src)=\"?(?:https?:)?//[^>]*", text) == []
    for sheet in start.parent.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()[\"' ]*(?:https?:)?//[^)]*", sheet.read_text(encoding="utf-8")) == []


def test_a_link_that_leads_nowhere_ends_the_build(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "site.css").touch()
    (tmp_path / "README.md").write_text("[a page](docs/a.md)\n")
    (tmp_path / "docs" / "a.md").write_text("[a picture](b.png)\n")
    monkeypatch.setattr(builder, "ROOT", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"docs/a\.md → .*b\.png"):
        builder.gather(tmp_path / "source")

"""Paths and names are the text that was typed, and every command that is printed can be pasted."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from fae.cli.words import as_typed, override

ODD = st.sampled_from("0123456789.=,()[]{}~#&;'\"\\ `-+_/:@%*?!<>|eEnul")
NAMES = st.text(ODD | st.characters(min_codepoint=33, exclude_categories=["C"]), min_size=1, max_size=20)


def read(word: str) -> object:
    value = OverridesParser.create().parse_override(word).value()
    return getattr(value, "text", value)


@settings(max_examples=200, deadline=None)
@given(NAMES)
def test_a_printed_command_can_be_pasted(name: str) -> None:
    """It goes through the shell, through this program and through Hydra."""
    printed = shlex.join(["python", "-m", "fae.train", override("run_dir", name)])
    (word,) = as_typed(shlex.split(printed)[3:])
    assert read(word) == name


@settings(max_examples=200, deadline=None)
@given(NAMES.filter(lambda name: name not in ("null", "???") and name[0] not in "\"'~" and "${" not in name))
def test_a_text_is_what_was_typed(name: str) -> None:
    assert read(as_typed([f"data.root={name}"])[0]) == name


@pytest.mark.parametrize(
    "word",
    [
        *("data.root=null", 'data.root="a b"', "data.root='1.10'", "data.root=${oc.env:HOME}", "input=[a,b]", "-m"),
        *("trainer.max_steps=10", "objective=filter", "~logger", "data.root=plain/path_1.x", "data.rotate=true"),
    ],
)
def test_what_stays(word: str) -> None:
    assert as_typed([word]) == [word]


@pytest.mark.parametrize("key", ["ensemble", "calibration.runs", "input"])
def test_the_texts_of_a_list_are_what_was_typed(key: str) -> None:
    def parts(word: str) -> list[str]:
        value = OverridesParser.create().parse_override(as_typed([word])[0]).value()
        assert isinstance(value, list)
        return [getattr(one, "text", one) for one in value]

    assert parts(f"{key}=[2024_05_02, 1.10,null,größe,a b]") == ["2024_05_02", "1.10", None, "größe", "a b"]
    assert parts(f'{key}=["a,b",c]') == ["a,b", "c"]
    assert as_typed([f"{key}=[]"]) == [f"{key}=[]"]
    assert as_typed([f"{key}=[a"]) == [f"{key}=[a"], "an error that Hydra explains"


def test_commas_separate_texts_in_a_multirun_alone() -> None:
    assert as_typed(["data.root=1.10,2"]) == ['data.root="1.10,2"']
    assert as_typed(["-m", "data.root=1.10,b,größe"]) == ["-m", 'data.root="1.10",b,"größe"']
    for words in (["-m", "data.root=glob(a*)"], ["-m", 'data.root=c,"a,b"'], ["-m", "data.cache_dir=null,x"]):
        assert as_typed(words) == words
    for flag in ("--multirun", "--multi", "hydra.mode=MULTIRUN"):
        assert as_typed([flag, "data.root=a,2"]) == [flag, 'data.root=a,"2"']


def test_what_the_shell_leaves_is_refused() -> None:
    """Without it `run_dir=~/a` would make a folder of the name ~."""
    for word in ("data.root=~", "run_dir=~/a"):
        with pytest.raises(ValueError, match=rf'write {word.split("=")[0]}="\$HOME'):
            as_typed([word])
    assert as_typed(['run_dir="~/a"', "data.root=~a", "~logger"]) == ['run_dir="~/a"', 'data.root="~a"', "~logger"]

import re

import pytest

from experiments.benchmark import fingerprint


def test_fingerprints_are_a_part_of_the_start_and_cheaper_the_second_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ("trainer.max_steps=2", "trainer.val_check_interval=1", "model.width=4", "scheduler=constant")
    monkeypatch.setattr(fingerprint, "WORDS", (*fingerprint.WORDS, *short))
    fingerprint.main(["--images", "60", "--side", "32"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "run with 60 images" in line]
    first, repeated = ([float(one) for one in re.findall(r"([\d.]+) s", line)] for line in lines)
    for whole, start, own in (first, repeated):
        assert whole + 0.5 >= start
        assert own < 2 * start + 0.1  # threads add up
    assert fingerprint.resolve_name(fingerprint.START).__qualname__ == "DataModule.setup", "all is as it was"

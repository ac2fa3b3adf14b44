"""The estimate of memory against what was counted by hand and what was measured, and the batches that follow."""

from pathlib import Path

import pytest
import torch
from torch import nn

from experiments.benchmark.fitting import MemoryShortError, fitted
from experiments.benchmark.floor import operations
from experiments.benchmark.memory import memory
from experiments.benchmark.need import PROCESS, Need, live_bytes
from experiments.benchmark.subject import Subject
from fae.model.autoencoder import SDCAutoencoder
from tests.experiments.benchmark.test_benchmark import composed, run

MIB = 2**20


def test_live_bytes_by_hand() -> None:
    def work() -> None:
        first = torch.empty(3 * MIB, dtype=torch.uint8, device="meta")
        second = first + 1
        del first
        third = second.view(3, MIB) + 1  # a view is no memory of its own
        del second
        assert third.shape == (3, MIB)
        torch.empty(2 * MIB, dtype=torch.uint8, device="meta")

    assert live_bytes(work) == 6 * MIB


def test_activations_wait_for_the_backward_pass() -> None:
    model = nn.Sequential(*(nn.Sigmoid() for _ in range(5)))
    image = torch.empty(MIB, device="meta", requires_grad=True)
    # Each sigmoid keeps its result; the gradient of the sum is one number, expanded.
    assert live_bytes(lambda: model(image).sum().backward()) == pytest.approx(4 * MIB * 6, abs=64)
    with torch.no_grad():
        assert live_bytes(lambda: model(image)) == 4 * MIB * 2


def test_the_estimate_is_at_least_what_was_measured_and_at_most_three_times_that(tiny: Path) -> None:
    cfg = composed(tiny, "model.width=16", "data.image_size=128", "data.batch_size=8")
    need = Need(Subject(cfg))
    estimated = {
        "step": need.step(8, (128, 128)),
        "plain: step": need.step(8, (128, 128), plain=True),
        "inference, 16 × 256×256": need.forward(16, (256, 256)),
    }
    found = memory(cfg, [(16, 256)])
    assert found.keys() == estimated.keys()
    for name, size in found.items():
        assert size <= estimated[name] <= 3 * size, name


def test_the_largest_batch_that_fits(tiny: Path) -> None:
    subject = Subject(composed(tiny, "model.width=16", "data.image_size=128", "data.batch_size=100"))
    need, size = Need(subject), (128, 128)
    room = PROCESS + need.step(7, size)
    found = fitted("layers", subject, room)
    assert found.batch_size == 7
    assert found.scored == []
    (note,) = found.notes
    assert note.startswith("layers would need about ")
    assert note.endswith(
        f" GiB of memory with data.batch_size=100, and {room / 2**30:.1f} GiB are available: "
        "data.batch_size=7 is measured instead."
    )
    assert fitted("layers", subject, room - 1).batch_size == 6
    assert fitted("layers", subject, 2**50) == (100, [], [])


@pytest.mark.parametrize("part", ["training", "memory", "switches", "data"])
def test_every_part_fits_into_less_with_fewer_images(part: str, tiny: Path) -> None:
    subject = Subject(composed(tiny, "data.batch_size=1000"))
    with pytest.raises(MemoryShortError, match=rf"^{part} needs about .* GiB of memory for one image at a time, and"):
        fitted(part, subject, 2**20)
    assert 1 <= fitted(part, subject, 6 * 2**30).batch_size <= fitted(part, subject, 7 * 2**30).batch_size
    assert fitted(part, subject, 2**50).batch_size == 1000


def test_sizes_that_are_scored(tiny: Path) -> None:
    words = ("benchmark.sides=[64,512]", "benchmark.batches=[1,40]")
    subject = Subject(composed(tiny, "model.width=16", *words))
    assert fitted("inference", subject, 2**50).scored == [(1, 64), (40, 64), (1, 512), (40, 512)]
    found = fitted("inference", subject, 3 * 2**30)
    assert found.scored[:3] == [(1, 64), (40, 64), (1, 512)]
    assert 1 < found.scored[3][0] < 40
    assert len(found.notes) == 1
    assert "inference at 512×512 px would need" in found.notes[0]
    assert "benchmark.batches=40" in found.notes[0]
    # What fits may be what was measured already.
    need = Need(subject)
    one = 3 * PROCESS + need.forward(1, (512, 512)) + need.forward(1, (512, 512), plain=True)
    assert fitted("inference", subject, one).scored[-2:] == [(40, 64), (1, 512)]


def test_a_budget_reduces_the_batch_and_says_so(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data.batch_size=40", "benchmark.parts=[layers]"]
    size = (32, 32)
    room = PROCESS + Need(Subject(composed(tiny, *words))).step(9, size)
    result = run(tiny, tmp_path / "out", *words, f"benchmark.memory_gib={room / 2**30}")
    (note,) = result["notes"]
    assert "data.batch_size=40" in note
    assert "data.batch_size=9 is measured instead." in note
    assert note in capsys.readouterr().out
    flop = sum(one.flop for one in operations(SDCAutoencoder(width=4), (9, 3, *size), torch.float32, training=False))
    assert sum(one["count"] * one["gflop"] for one in result["layers"]) == pytest.approx(flop / 1e9)


def test_what_never_fits_is_a_sentence(tiny: Path, tmp_path: Path) -> None:
    message = (
        r"^inference at 32×32 px needs about 2\.\d GiB of memory for one image at a time, and 0\.1 GiB are available; "
        r"lower model\.width or benchmark\.sides, or allow more by benchmark\.memory_gib; memory (at .*)?needs"
    )
    with pytest.raises(ValueError, match=message):
        run(tiny, tmp_path / "out", "benchmark.parts=[inference,memory]", "benchmark.memory_gib=0.1")
    assert list((tmp_path / "out").iterdir()) == []

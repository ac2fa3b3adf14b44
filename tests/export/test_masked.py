import pytest
import torch

from fae.export.masked import masked_score
from fae.score.image_score import IMAGE_SCORES, Excess, Top
from fae.score.score import image_scores
from fae.types import ImageScore


@pytest.mark.parametrize("score", [*(kind() for kind in IMAGE_SCORES), Top(1.0), Top(0.07)], ids=lambda one: one.name)
def test_a_masked_score_is_the_score_of_what_is_cut_out(score: ImageScore, generator: torch.Generator) -> None:
    if isinstance(score, Excess):
        score.level = 0.3
    for _ in range(20):
        maps = torch.rand(4, 1, 10, 30, generator=generator)
        height, width = (int(torch.randint(1, side + 1, (), generator=generator)) for side in (10, 30))
        inside = torch.zeros(4, 1, 10, 30, dtype=torch.bool)
        inside[:2, :, :height, :width] = True
        inside[2] = torch.rand(1, 10, 30, generator=generator) > 0.5
        inside[3] = True
        maps = maps * inside
        torch.testing.assert_close(masked_score(score, maps, inside), image_scores(score, maps, inside))


def test_a_score_of_ones_own_is_refused_by_name() -> None:
    class Mine:
        name = "mine"
        level = None

    with pytest.raises(ValueError, match=r"score.image_score \(=mine\) cannot be exported"):
        masked_score(Mine(), torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.bool))  # type: ignore[arg-type]

from collections.abc import Mapping

from fae.corruption.draw import check_fraction
from fae.corruption.kind import Kind


def check_members(
    members: Mapping[str, Kind] | None, probability: Mapping[str, float] | None
) -> tuple[dict[str, Kind], dict[str, float]]:
    """Return the kinds of damage of a composition, and a probability for each.

    Raises:
        ValueError: there is none, the names differ, or a probability is no number in [0, 1].
    """
    if not members:
        raise ValueError(
            f"members (={members}) must hold at least one kind of damage; choose corruption=mix, or add one by "
            "+corruption/kind@corruption.kind.members.NAME=elastic +corruption.kind.probability.NAME=1"
        )
    if members.keys() != (probability or {}).keys():
        raise ValueError(
            f"probability (={probability}) must name the members, {', '.join(members)}, and no other; add or remove "
            "one by +corruption.kind.probability.NAME=… or ~corruption.kind.probability.NAME"
        )
    assert probability is not None
    return dict(members), {name: check_fraction(f"probability.{name}", probability[name]) for name in members}

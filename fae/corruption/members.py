from collections.abc import Mapping

from fae.corruption.draw import check_fraction
from fae.types import Corruption


def check_members(
    members: Mapping[str, Corruption] | None, probability: Mapping[str, float] | None
) -> tuple[dict[str, Corruption], dict[str, float]]:
    """Return the kinds of damage of a composition, and a probability for each kind.

    Raises:
        ValueError: there is no member, `probability` has other names than `members`, or a probability is not a number
            in [0, 1].
    """
    if not members:
        raise ValueError(
            f"members (={members}) must hold at least one kind of damage; choose corruption=mix, or add a kind by "
            "+corruption@corruption.members.NAME=elastic +corruption.probability.NAME=1"
        )
    if members.keys() != (probability or {}).keys():
        raise ValueError(
            f"probability (={probability}) must name the members, {', '.join(members)}, and no other; add or remove "
            "a name by +corruption.probability.NAME=… or ~corruption.probability.NAME"
        )
    assert probability is not None
    return dict(members), {name: check_fraction(f"probability.{name}", probability[name]) for name in members}

"""Names of measures in metrics.json, and reasons why one is missing."""

from collections.abc import Mapping

from fae.metric.pixel import MEASURES


def named(kind: str, measures: Mapping[str, float | None], suffix: str = "") -> dict[str, float | None]:
    """Return measures by their names in metrics.json: pixel_auroc_scratch, but aupro_0.3_scratch without the kind."""
    by_region = {measure.name for measure in MEASURES if measure.by_region}
    return {
        f"{name if name.removesuffix('_error') in by_region else f'{kind}_{name}'}{suffix}": value
        for name, value in measures.items()
    }


def missing(what: str, normal: bool, anomalous: bool) -> str:
    """Say which of two classes is absent; the arguments tell which are there."""
    if not normal and not anomalous:
        return f"no {what}"
    return f"no anomalous {what}" if normal else f"no normal {what}"

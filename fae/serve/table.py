"""The findings as a CSV file and as HTML; names come from strangers, so that all text is escaped."""

import csv
import io
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from html import escape

from fae.serve.finding import KINDS, Finding
from fae.serve.model import Model

COLUMNS = (
    *("path", "score", "anomaly_percent", "anomalous", "area", "regions"),
    *("left", "top", "width", "height", "error"),
)
"""Those columns of fae.predict's table that apply here; `path` holds the picture's name."""

_LEGEND = (
    "The overlay shows the anomaly map on the picture. Green lines surround what exceeds the threshold for pixels, and "
    "a white frame the largest such region; the slider does not move them."
)
_TITLES = {"picture": "Picture", "overlay": "Overlay", "map": "Anomaly map"}


def decision(finding: Finding, threshold: float | None) -> bool | None:
    """Return whether a picture is anomalous; None if it was not scored, or if there is no threshold."""
    return None if finding.score is None or threshold is None else finding.score > threshold


def as_csv(findings: Sequence[Finding], model: Model, threshold: float | None) -> str:
    """Return the table, with the decisions of a threshold; a value that does not apply is left empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in findings:
        percent = None if one.score is None else model.percent(one.score, threshold)
        found = (None, None) if one.regions is None else (one.regions.area, one.regions.number)
        box = (None,) * 4 if one.regions is None or one.regions.largest is None else one.regions.largest
        writer.writerow([one.name, one.score, percent, decision(one, threshold), *found, *box, one.error])
    return text.getvalue()


def summary(findings: Sequence[Finding], model: Model, threshold: float | None) -> str:
    """Return HTML: how many pictures are anomalous, how many false alarms a threshold gives, and the CSV file."""
    parts = []
    if findings:
        counts = Counter(_state(one, threshold) for one in findings)
        said = ", ".join(f"<b class=fae-{state}>{n} {_SAID[state]}</b>" for state in _SAID if (n := counts[state]))
        data = b64encode(as_csv(findings, model, threshold).encode("utf-8-sig", "replace")).decode()
        link = f'<a download="predictions.csv" href="data:text/csv;base64,{data}">Download the table (CSV)</a>'
        parts.append(f"<p>{_many(len(findings), 'picture')}: {said}</p><p>{link}</p>")
    return "".join([f"<p>{escape(false_alarms(model, threshold))}</p>", *parts])


def false_alarms(model: Model, threshold: float | None) -> str:
    """Return a sentence about the false alarms that a threshold gives on the held-out normal images."""
    many = len(model.normals)
    if threshold is None:
        return f"There are no decisions, because there is no threshold: {model.undefined}."
    if not many:
        return "The false alarms of a threshold are unknown, because the model holds no scores of good pictures."
    count, at = model.false_alarms(threshold), f"{threshold:.4g}"
    of = f"{count} of {many} good pictures that training held out ({count / many:.1%})"
    if model.threshold is None:
        return f"The model has no threshold of its own: {model.undefined}. At {at}, {of} would be false alarms."
    return f"At the threshold {at}, {of} would be false alarms."


def cards(findings: Sequence[Finding], model: Model, threshold: float | None) -> str:
    """Return HTML: a card for each picture, the highest score first, and those that were not scored at the end."""
    if not findings:
        return ""
    ranked = sorted(findings, key=lambda one: (one.score is None, -(one.score or 0.0)))
    return f"<p class=fae-legend>{_LEGEND}</p>" + "".join(_card(one, model, threshold) for one in ranked)


_SAID = {"anomalous": "anomalous", "normal": "normal", "scored": "without a decision", "failed": "not scored"}


def _state(finding: Finding, threshold: float | None) -> str:
    if finding.score is None:
        return "failed"
    return {True: "anomalous", False: "normal", None: "scored"}[decision(finding, threshold)]


def _card(finding: Finding, model: Model, threshold: float | None) -> str:
    state = _state(finding, threshold)
    head = f"<header><span class='fae-badge fae-{state}'>{_SAID[state]}</span> <b>{escape(finding.name)}</b></header>"
    body = f"<p>{escape(finding.error)}</p>" if finding.error else _facts(finding, model, threshold)
    if finding.pictures is not None:
        shown = "".join(_figure(finding, kind) for kind in KINDS)
        body += f"<div class=fae-figures>{shown}</div>"
    return f"<article class='fae-card fae-{state}'>{head}{body}</article>"


def _figure(finding: Finding, kind: str) -> str:
    assert finding.pictures is not None
    address = escape(f"gradio_api/file={finding.pictures.as_posix()}-{kind}.jpg")
    alt = escape(f"{_TITLES[kind]} of {finding.name}")
    picture = f'<a href="{address}" target=_blank><img src="{address}" alt="{alt}" loading=lazy></a>'
    return f"<figure>{picture}<figcaption>{_TITLES[kind]}</figcaption></figure>"


def _facts(finding: Finding, model: Model, threshold: float | None) -> str:
    assert finding.score is not None
    facts = {"score": f"{finding.score:.4g}"}
    if (percent := model.percent(finding.score, threshold)) is not None:
        facts["anomaly"] = f"{percent:.0f} %"
    if finding.regions is not None:
        of = finding.regions
        facts["anomalous area"] = f"{of.area} px in {_many(of.number, 'region')}" if of.number else "none"
        if (box := of.largest) is not None:
            facts["largest region"] = f"{box.width}×{box.height} px at ({box.left}, {box.top})"
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()) + "</dl>"


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

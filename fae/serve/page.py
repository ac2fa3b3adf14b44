"""The page and the API, by Gradio."""

import math
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import gradio as gr

from fae.serve.archive import ArchiveError, is_archive, members
from fae.serve.finding import Finding, find
from fae.serve.model import Model
from fae.serve.table import cards, decision, summary

_ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "detector"}
"""Two pictures at once would slow each other down by more than waiting does."""
_WAITING = 32
"""The most calls that wait; further ones are told that the queue is full."""
_SLIDERS = 8
"""The most visitors whose sliders are answered at once."""
_STEPS = 200
_KEPT_S = 3600
"""The age in s at which uploaded files are deleted."""


class Results(NamedTuple):
    """What was found in the pictures of one upload."""

    findings: list[Finding]
    folder: Path
    """The folder of their pictures."""


class Slider(NamedTuple):
    """The range of thresholds that the page offers."""

    low: float
    high: float
    start: float
    step: float


def slider(model: Model) -> Slider | None:
    """Return the range around the scores of the held-out normal images, and beyond them; None if there is no scale."""
    known = [*model.normals[[0, -1]]] if len(model.normals) else []
    known += [] if model.threshold is None else [model.threshold]
    if not known:
        return None
    start = max(known) if model.threshold is None else model.threshold
    low, high = (min(known), max(known)) if min(known) < max(known) else (0.0, 2 * abs(start) or 1.0)
    step = 10.0 ** math.floor(math.log10((high - low) / _STEPS)) * 2
    # The start lies on the grid of steps, or a browser would move it to the next one.
    digits = max(0, 1 - math.floor(math.log10(step)))
    start = round(start, digits)
    least, above = math.ceil((start - low) / step), math.ceil((high - start) / step) + _STEPS
    below = least + _STEPS // 10
    if low >= 0:  # scores are not negative
        below = max(least, min(below, math.floor(start / step)))
    return Slider(round(start - below * step, digits), round(start + above * step, digits), start, step)


def build(model: Model, max_megapixels: float, max_upload_mb: float, uploads: Path) -> gr.Blocks:
    """Build page and API.

    Args:
        model: detector.
        max_megapixels: largest number of pixels of a picture, in millions.
        max_upload_mb: largest size of a file in MB, and of each file in a zip.
        uploads: folder of uploaded files and of pictures, relative to the working directory: pages and answers name it.
    """
    scale = slider(model)

    def chosen(value: float) -> float | None:
        """Return the threshold that the slider means; where it starts, the model's own, with all of its digits."""
        if scale is None:
            return None
        if math.isclose(value, scale.start, rel_tol=1e-9, abs_tol=scale.step / 1000):
            return model.threshold if model.threshold is not None else float(model.normals[-1])
        return value

    def judge(files: list[str] | None, before: Results | None, value: float, progress: Any = gr.Progress()) -> Any:  # noqa: B008
        _forget(before)
        folder = uploads / secrets.token_hex(16)
        folder.mkdir(parents=True)
        every = _pictures([Path(file) for file in files or []], max_upload_mb, folder)
        findings: list[Finding] = []
        for file, name in progress.tqdm(every, desc="scoring", unit="pictures"):
            pictures = folder / f"{len(findings):04d}"
            failed = isinstance(file, ArchiveError)
            one = Finding(name, error=str(file)) if failed else find(model, file, name, max_megapixels, pictures)
            findings.append(one)
        return None, Results(findings, folder), *show(findings, value)

    def show(findings: Sequence[Finding], value: float) -> tuple[str, str]:
        threshold = chosen(value)
        return summary(findings, model, threshold), cards(findings, model, threshold)

    def slide(results: Results | None, value: float) -> tuple[str, str]:
        return show(results.findings if results else [], value)

    def score(image: str) -> dict[str, Any]:
        """Score one image file: score, percent, decision, threshold, and the largest region's box."""
        one = find(model, Path(image), Path(image).name, max_megapixels)
        if one.error is not None or one.score is None:
            raise gr.Error(one.error or "", print_exception=False)
        return {
            "score": one.score,
            "anomaly_percent": model.percent(one.score, model.threshold),
            "anomalous": decision(one, model.threshold),
            "threshold": model.threshold,
            "area": one.regions and one.regions.area,
            "regions": one.regions and one.regions.number,
            "box": one.regions and one.regions.largest and one.regions.largest._asdict(),
        }

    with gr.Blocks(title=f"fae: {model.name}", analytics_enabled=False, delete_cache=(_KEPT_S, _KEPT_S)) as page:
        gr.Markdown(f"# Find defects\nwith the detector `{model.name}`")
        results = gr.State(None, delete_callback=_forget)
        with gr.Row():
            files = gr.File(file_count="multiple", label="Drop pictures, or the zip of a folder", height=150)
            with gr.Column():
                threshold = gr.Slider(
                    *(scale or Slider(0, 1, 0, 1))[:2],
                    value=scale.start if scale else 0,
                    step=scale.step if scale else 1,
                    label="Threshold",
                    info="Pictures with a higher score are anomalous.",
                    visible=scale is not None,
                    elem_id="threshold",
                )
                said = gr.HTML(summary([], model, chosen(scale.start if scale else 0)), elem_id="summary")
        shown = gr.HTML(elem_id="cards")
        _uploads_only(files, uploads)
        files.upload(
            judge,
            [files, results, threshold],
            [files, results, said, shown],
            api_visibility="private",
            show_progress_on=[shown],
            **_ONE_AT_A_TIME,
        )
        threshold.change(
            slide,
            [results, threshold],
            [said, shown],
            api_visibility="private",
            show_progress="hidden",
            concurrency_limit=_SLIDERS,  # it need not wait for pictures
            trigger_mode="always_last",
        )
        image, answer, call = gr.File(visible=False), gr.JSON(visible=False), gr.Button(visible=False)
        _uploads_only(image, uploads)
        call.click(score, image, answer, api_name="score", **_ONE_AT_A_TIME)
    page.queue(max_size=_WAITING)
    return page


def _pictures(files: Sequence[Path], max_mb: float, folder: Path) -> Iterator[tuple[Path | ArchiveError, str]]:
    """Yield each uploaded picture and each one in an uploaded zip, with its name; or why a zip is refused."""
    for file in files:
        if not is_archive(file, file.name):
            yield file, file.name
            continue
        try:
            for name, content in members(file, file.name, max_mb):
                with NamedTemporaryFile(dir=folder) as member:  # detectors read files
                    member.write(content)
                    member.flush()
                    yield Path(member.name), name
        except ArchiveError as error:
            yield error, file.name


def _forget(results: Results | None) -> None:
    """Delete the pictures of an upload."""
    if results is not None:
        shutil.rmtree(results.folder, ignore_errors=True)


def _uploads_only(component: gr.File, uploads: Path) -> None:
    """Refuse all but uploaded files: else Gradio takes any path of this machine, and fetches any address."""
    move, folder = component.async_move_resource_to_block_cache, uploads.resolve()

    async def moved(path: str | Path | None) -> Any:
        if path is not None and not Path(path).resolve().is_relative_to(folder):
            raise gr.Error(
                "the file was not uploaded; upload it, and send the path that the upload answers", print_exception=False
            )
        return await move(path)

    component.async_move_resource_to_block_cache = moved

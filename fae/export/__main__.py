"""`python -m fae.export`: a finished run as one ONNX graph with the same scores, or the check of an old one."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fae.cli import command as cli
from fae.detector import SIZES
from fae.export.contract import check
from fae.export.exported import PRECISIONS, check_probes, differences_of, export
from fae.export.metadata import FORMAT, METADATA, run_facts, sha256
from fae.export.source import Source
from fae_runtime.export import ROI


def run(cfg: DictConfig) -> dict[str, Any]:
    """Export a run, or check an export again.

    Args:
        cfg: configuration composed from conf/export.yaml.

    Returns:
        the content of metadata.json.

    Raises:
        ValueError: a value is wrong, `output` is not empty, or the graph does not score as PyTorch does.
        FileNotFoundError: a file is missing.
        MissingExtraError: a package of the extra `export` is missing.
    """
    if (cfg.run_dir is None) == (cfg.verify is None):
        raise ValueError("set one of run_dir, the run to export, and verify, the run that output was exported from")
    if cfg.size not in SIZES:
        raise ValueError(f"size (={cfg.size!r}) must be run, the size of training, or native, which leaves it open")
    if cfg.precision not in PRECISIONS:
        raise ValueError(f"precision (={cfg.precision!r}) must be {' or '.join(PRECISIONS)}")
    output = Path(cfg.output)
    if cfg.verify is not None:
        return verify(cfg, output)
    with whole_folder(output) as draft:
        source = Source(cfg, Path(cfg.run_dir))
        if cfg.size == "native" and source.damped:
            raise ValueError("size (=native) needs score.t = 0, because the average map has the run's size; set it")
        if cfg.size == "native" and source.by_region:
            raise ValueError("size (=native) goes with no region of interest, which has the run's size; use size=run")
        if cfg.precision == "int8" and source.damped:
            raise ValueError("precision (=int8) needs score.t = 0, because 8 bits move the average map; set it")
        calibration = None
        if cfg.calibration.root is not None:
            calibration = source.run.others(Path(cfg.calibration.root))
        metadata = export(source, draft, cfg.size, cfg.precision, calibration)
    print(f"{_summary(metadata['contract'])}", flush=True)
    if cfg.precision == "int8":
        print(_cost(metadata["int8"]), flush=True)
    print(f"The export is in {output}", flush=True)
    return metadata


def verify(cfg: DictConfig, output: Path) -> dict[str, Any]:
    """Check an export again: its files, and its scores against the run's.

    Raises:
        ValueError: a file was changed, the export belongs to other weights or another version, or its scores differ.
    """
    path = output / METADATA
    if not path.is_file():
        raise FileNotFoundError(f"output (={output}) holds no {METADATA}, so it is no export; export the run first")
    metadata: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"output (={output}) has format {metadata.get('format')}, but this version reads format {FORMAT}; export "
            "the run again"
        )
    for name, digest in metadata["files"].items():
        if not (output / name).is_file() or sha256(output / name) != digest:
            raise ValueError(f"{output / name} is not the file that was exported; export the run again")
    source = Source(cfg, Path(cfg.verify))
    if metadata["run"]["weights"] != run_facts(source)["weights"]:
        raise ValueError(f"output (={output}) was exported from other weights than verify (={cfg.verify}) has")
    threshold, content = metadata["thresholds"]["image"], metadata["image"]["content"]
    model = tuple((output / name).read_bytes() for name in metadata["files"] if name != ROI)
    differences = differences_of(source, model, metadata["engines"], content, threshold)
    if metadata["precision"] == "float32":
        for name, difference in differences.items():
            check(difference, name)
        check_probes(output, metadata)
    print(f"{_summary({name: one.facts() for name, one in differences.items()})}\nThe export in {output} is right")
    return metadata


def _summary(contract: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"{name}: {one['images']} images, largest relative difference of a map {one['map']:.1e}, of a score "
        f"{one['score']:.1e}, {one['flips']} other decision(s)"
        for name, one in contract.items()
    )


def _cost(loss: dict[str, Any]) -> str:
    """Return what 8 bits cost and gain, in two lines."""
    auroc = (
        f"{kind} AUROC on held-out damage {before:.4f} → {after:.4f}"
        for kind in ("pixel", "image")
        for before, after in [loss[f"{kind}_auroc"]]
        if before is not None and after is not None
    )
    (slow, fast), (large, small) = loss["milliseconds"], loss["bytes"]
    return f"int8: {', '.join(auroc)}\n{slow:.1f} → {fast:.1f} ms an image, {large / 1e6:.1f} → {small / 1e6:.1f} MB"


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Yield a draft that becomes the folder `output` if the block succeeds; otherwise it is removed.

    Raises:
        ValueError: the folder holds files.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"output (={output}) is not empty; choose another folder, or delete this one first")
    draft = output.with_name(f".{output.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        if output.exists():
            output.rmdir()
        draft.rename(output)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def main() -> None:
    """Entry point of `fae-export`."""
    cli.run(run, "export")


if __name__ == "__main__":
    main()

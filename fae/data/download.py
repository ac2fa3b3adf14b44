"""`python -m fae.data.download`: fetch MVTec AD. No other part of this project uses the network by itself."""

import hashlib
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

import requests
from omegaconf import DictConfig
from tqdm import tqdm

from fae.cli import command as cli
from fae.data.reader.mvtec import expected
from fae.machine.lock import locked

_CHUNK = 1 << 16


def download(cfg: DictConfig) -> list[Path]:
    """Fetch the archive, or its missing part, verify it, and unpack the categories that are not there yet.

    Args:
        cfg: configuration composed from conf/download.yaml.

    Returns:
        the folders that were unpacked.

    Raises:
        ValueError: `root` or `urls` is missing, the archive is not the expected one, or it cannot be unpacked.
        OSError: no address can be reached, or a file cannot be written; the fetched part is kept.
    """
    if cfg.root is None:
        raise ValueError("root (=None) must name the folder for the categories; name one, or set MVTEC_AD_ROOT")
    if not cfg.urls:
        raise ValueError("urls (=[]) must hold at least one address")
    root = Path(cfg.root)
    archive = root / Path(urlparse(cfg.urls[0]).path).name
    by_hand = (
        f"Repeat the command to go on, or fetch the archive by hand from {cfg.page}, save it as {archive} and repeat "
        "the command, which then verifies and unpacks the archive"
    )
    print(f"LICENCE: {cfg.licence}", flush=True)
    if all((root / category).is_dir() for category in expected()):
        print(f"{root} holds all categories already; python -m fae.data.check root={root} counts them", flush=True)
        return []
    with locked(root, "root"):
        if not archive.is_file():
            _fetch(cfg.urls, archive, cfg.timeout_s, by_hand)
        found = _digest(archive)
        if found != cfg.sha256:
            raise ValueError(
                f"{archive} has the SHA-256 {found}, not sha256 (={cfg.sha256}), and was not unpacked. "
                f"Remove the file. {by_hand}"
            )
        folders = _unpack(archive, root)
    new = ", ".join(folder.name for folder in folders) or "none new"
    print(
        f"{len(folders)} categories unpacked into {root}: {new}.\n"
        f"{archive.name} is no longer needed. python -m fae.data.check root={root} counts and reads every image",
        flush=True,
    )
    return folders


def _fetch(urls: Sequence[str], archive: Path, timeout_s: float, by_hand: str) -> None:
    """Fetch the archive, or its missing part, from the first address that works; all addresses hold the same file."""
    failed: list[str] = []
    for url in urls:
        try:
            _fetch_from(url, archive, timeout_s)
            return
        except requests.RequestException as error:
            failed.append(f"{url} could not be fetched ({error})")
            if len(failed) < len(urls):
                print(f"NOTE: {failed[-1]}; the next address is tried", flush=True)
        except OSError as error:
            raise OSError(f"{archive} could not be written ({error}). {by_hand}") from error
    raise OSError(f"{'; '.join(failed)}. {by_hand}")


def _fetch_from(url: str, archive: Path, timeout_s: float) -> None:
    """Fetch the part of the archive that is not there yet; the file gets its final name when it is whole."""
    part = archive.with_name(f".{archive.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    ask = {"Range": f"bytes={have}-"} if have else {}
    # The file must come as it is stored: if the server compressed it on the way, the range would be meaningless.
    with requests.get(url, headers={"Accept-Encoding": "identity"} | ask, stream=True, timeout=timeout_s) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            part.replace(archive)  # the whole file had come before; its checksum decides
            return
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise requests.RequestException("the answer is a web page; perhaps the file is no longer shared there")
        goes_on = answer.status_code == requests.codes.partial_content
        have = have if goes_on else 0
        rest = int(answer.headers.get("Content-Length", 0))
        with (
            part.open("ab" if goes_on else "wb") as file,
            tqdm(
                total=have + rest if rest else None,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=archive.name,
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            for chunk in answer.iter_content(_CHUNK):
                bar.update(file.write(chunk))
        if rest and part.stat().st_size != have + rest:
            raise requests.ConnectionError(f"the connection ended after {part.stat().st_size} of {have + rest} bytes")
    part.replace(archive)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, root: Path) -> list[Path]:
    """Unpack into a folder beside, then move each category that is not there yet, so that it appears whole."""
    beside = root / f".{archive.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)  # a killed process may have left the folder
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(beside, filter="data")
        # Some copies of the archive hold the categories in a folder.
        inside = [path for path in sorted(beside.rglob("train")) if path.is_dir() and path.parent != beside]
        if not inside:
            raise ValueError(f"{archive} holds no category with a folder train; it is not in the layout of MVTec AD")
        moved = []
        for category in (path.parent for path in inside):
            target = root / category.name
            if target.exists():
                print(f"NOTE: {target} is there already and stays as it is", flush=True)
                continue
            category.replace(target)
            moved.append(target)
        for text in beside.rglob("*.txt"):  # the licence and the readme
            if not (root / text.name).exists():
                text.replace(root / text.name)
        return moved
    except tarfile.TarError as error:
        raise ValueError(f"{archive} cannot be unpacked ({error}); no unpacked file was kept") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def main() -> None:
    """Entry point of `fae-download`."""
    cli.run(download, "download")


if __name__ == "__main__":
    main()

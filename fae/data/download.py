"""`python -m fae.data.download`: fetch MVTec AD, the only thing here that uses the network of itself."""

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
from fae.data.mvtec import expected
from fae.machine.lock import locked

_CHUNK = 1 << 16


def download(cfg: DictConfig) -> list[Path]:
    """Fetch the archive, or the rest of it, verify it, and unpack the categories that are not there yet.

    Args:
        cfg: composed from conf/download.yaml.

    Returns:
        the folders that were unpacked.

    Raises:
        ValueError: the archive is another than the one expected, or holds what it should not.
        OSError: no address can be reached, or a file cannot be written; what was fetched is kept.
    """
    if cfg.root is None:
        raise ValueError("root (=None) must name the folder that shall contain the categories, or set MVTEC_AD_ROOT")
    if not cfg.urls:
        raise ValueError("urls (=[]) must hold one address at least")
    root = Path(cfg.root)
    archive = root / Path(urlparse(cfg.urls[0]).path).name
    by_hand = (
        f"Repeat the command to go on, or fetch the archive by hand from {cfg.page}, save it as {archive} and repeat "
        "the command, which then verifies and unpacks it"
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
                f"{archive} has the SHA-256 {found}, not sha256 (={cfg.sha256}), and was not unpacked. Remove it. "
                f"{by_hand}"
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
    """Fetch the archive, or its rest, from the first address that gives it: all of them hold the same file."""
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
    """Fetch what is not there yet; the file has its name when it is whole."""
    part = archive.with_name(f".{archive.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    ask = {"Range": f"bytes={have}-"} if have else {}
    # As it is stored: a server that compressed it on the way would make nonsense of the range.
    with requests.get(url, headers={"Accept-Encoding": "identity"} | ask, stream=True, timeout=timeout_s) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            part.replace(archive)  # all of it had come; its checksum decides
            return
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise requests.RequestException("the answer is a web page, as of a share that has ended")
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
    """Unpack beside, then move each category that is not there yet, so that it appears whole."""
    beside = root / f".{archive.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(beside, filter="data")
        # Some copies hold the categories in a folder.
        inside = [path for path in sorted(beside.rglob("train")) if path.is_dir() and path.parent != beside]
        if not inside:
            raise ValueError(f"{archive} holds no category with train in it; it is not in the layout of MVTec AD")
        moved = []
        for category in (path.parent for path in inside):
            target = root / category.name
            if target.exists():
                print(f"NOTE: {target} is there already and stays as it is", flush=True)
                continue
            category.replace(target)
            moved.append(target)
        for text in beside.rglob("*.txt"):  # licence and readme
            if not (root / text.name).exists():
                text.replace(root / text.name)
        return moved
    except tarfile.TarError as error:
        raise ValueError(f"{archive} cannot be unpacked ({error}); nothing of it was kept") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def main() -> None:
    """Entry point of `fae-download`."""
    cli.run(download, "download")


if __name__ == "__main__":
    main()

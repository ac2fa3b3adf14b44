"""`python -m fae.data.download`: fetch a public data set. No other part of this project uses the network by itself."""

import hashlib
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

import requests
from omegaconf import DictConfig
from tqdm import tqdm

from fae.cli import command as cli
from fae.cli.check import nearest
from fae.data.check import public
from fae.data.mvtec import expected
from fae.data.public.counts import counts
from fae.machine.lock import locked

_CHUNK = 1 << 16


def download(cfg: DictConfig) -> list[Path]:
    """Fetch the archive, or its missing part, verify it, and unpack the categories that are not there yet.

    Args:
        cfg: configuration composed from conf/download.yaml.

    Returns:
        the folders that were unpacked.

    Raises:
        ValueError: `root` or `urls` is missing, the data set has no published checksum, the archive is not the expected
            one, or it cannot be unpacked.
        OSError: no address can be reached, or a file cannot be written; the fetched part is kept.
    """
    data = cfg.data.source._target_.rpartition(".")[2]
    archives = [one for name, one in cfg.archives.items() if name.partition("-")[0] == data]
    if not archives:
        names = {str(name).partition("-")[0] for name in cfg.archives}
        raise ValueError(f"data={data} is no public data set; {nearest(data, names)}")
    folder = cfg.root or (os.environ.get("MVTEC_AD_ROOT") if data == "mvtec" else None)
    known = list(expected() if data == "mvtec" else counts(data))
    unpacked = [path for one in archives for path in _download(cfg, data, one, folder, known)]
    if unpacked:
        print(f"python -m fae.data.check data={data} root={folder} counts and reads every image", flush=True)
    return unpacked


def _download(cfg: DictConfig, data: str, source: DictConfig, folder: str | None, known: Sequence[str]) -> list[Path]:
    """Fetch, verify and unpack one archive."""
    urls, checksum = source.urls if cfg.urls is None else cfg.urls, cfg.sha256 or source.checksum
    print(f"LICENCE: {source.licence}", flush=True)
    if checksum is None:
        raise ValueError(
            f"data={data} has no published checksum: fetch it by hand from {source.page}, and unpack it to have "
            f"{source.layout}"
        )
    if folder is None:
        variable = ", or set MVTEC_AD_ROOT" if data == "mvtec" else ""
        raise ValueError(f"root (=None) must name the folder for the categories; name one{variable}")
    if not urls:
        raise ValueError("urls (=[]) must hold at least one address")
    root = Path(folder)
    archive = root / Path(urlparse(urls[0]).path).name
    by_hand = (
        f"Repeat the command to go on, or fetch the archive by hand from {source.page}, save it as {archive} and "
        "repeat the command, which then verifies and unpacks the archive"
    )
    if all((root / category).is_dir() for category in ([source.into] if source.into else known)):
        print(f"{root} holds all categories already; python -m fae.data.check data={data} root={root} counts them")
        return []
    with locked(root, "root"):
        if not archive.is_file():
            _fetch(urls, archive, cfg.timeout_s, by_hand)
        kind = "SHA-256" if len(checksum) == 64 else "MD5"
        found = _digest(archive, kind.replace("-", "").lower())
        if found != checksum:
            raise ValueError(
                f"{archive} has the {kind} {found}, not the expected {checksum}, and was not unpacked. Remove the "
                f"file. {by_hand}"
            )
        folders = _unpack(archive, root, source.holds, source.into)
    new = ", ".join(one.name for one in folders) or "none new"
    print(f"{len(folders)} categories unpacked into {root}: {new}.\n{archive.name} is no longer needed.", flush=True)
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


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _unpack(archive: Path, root: Path, holds: str, into: str | None) -> list[Path]:
    """Unpack into a folder beside, then move each category that is not there yet, so that it appears whole."""
    beside = root / f".{archive.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)  # a killed process may have left the folder
    try:
        _extract(archive, beside)
        # Some copies of the archive hold the categories in a folder.
        inside = sorted(
            {path.parent for path in beside.rglob(holds) if path.is_dir()} - ({beside} if not into else set())
        )
        if not inside:
            raise ValueError(
                f"{archive} holds no category with a folder {holds}; it is not in the layout of the data set"
            )
        others = [] if into else [path for path in inside[0].parent.iterdir() if path not in inside]
        moved = []
        for category in inside:
            target = root / (into or category.name)
            if target.exists():
                print(f"NOTE: {target} is there already and stays as it is", flush=True)
                continue
            category.replace(target)
            moved.append(target)
        for path in (*others, *beside.glob("*.txt")):  # tables, the licence and the readme
            if path.exists() and not (root / path.name).exists():
                path.replace(root / path.name)
        return moved
    except (tarfile.TarError, zipfile.BadZipFile) as error:
        raise ValueError(f"{archive} cannot be unpacked ({error}); no unpacked file was kept") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # which drops .. and drives from names
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")


def main() -> None:
    """Entry point of `fae-download`."""
    cli.run(download, "download", public)


if __name__ == "__main__":
    main()

"""Tiny copies of the published layouts, three training images at least."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def image(path: Path) -> None:
    """A noisy grey picture that no other path has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path).encode()))
    Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(path)


def mask(path: Path, *values: int, row: int = 4) -> None:
    """A mask with one row of pixels for each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((16, 16), np.uint8)
    for i, value in enumerate(values):
        pixels[row + i, 2:6] = value
    Image.fromarray(pixels).save(path)


def images(folder: Path, *names: str) -> None:
    for name in names:
        image(folder / name)


def mpdd(root: Path) -> None:
    images(root / "tubes", *(f"train/good/{i:03d}.png" for i in range(4)), "test/good/000.png")
    images(root / "tubes", "test/anomalous/000.png", "test/anomalous/001.png")
    mask(root / "tubes/ground_truth/anomalous/000_mask.png", 255)
    mask(root / "tubes/ground_truth/anomalous/001_mask.png", 255)


def visa(root: Path) -> None:
    rows = ["object,split,label,image,mask"]
    for i, split in enumerate(("train", "train", "train", "test")):
        name = f"candle/Data/Images/Normal/{i:04d}.JPG"
        image(root / name)
        rows.append(f"candle,{split},normal,{name},")
    image(root / "candle/Data/Images/Anomaly/000.JPG")
    mask(root / "candle/Data/Masks/Anomaly/000.png", 1, 5, 9)
    rows.append("candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png")
    rows.append("pcb1,test,normal,pcb1/Data/Images/Normal/000.JPG,")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_bytes("\r\n".join([*rows, ""]).encode())


def btad(root: Path) -> None:
    images(root / "01", *(f"train/ok/{i:04d}.bmp" for i in range(3)), "test/ok/0000.bmp")
    images(root / "01", "test/ko/0000.bmp", "test/ko/0001.bmp")
    mask(root / "01/ground_truth/ko/0000.png", 1)
    mask(root / "01/ground_truth/ko/0001.png")


def loco(root: Path) -> None:
    base = root / "pushpins"
    images(base, *(f"train/good/{i:03d}.png" for i in range(3)), "validation/good/000.png", "test/good/000.png")
    images(base, "test/logical_anomalies/000.png", "test/structural_anomalies/000.png")
    mask(base / "ground_truth/logical_anomalies/000/000.png", 255)
    mask(base / "ground_truth/logical_anomalies/000/001.png", 251, row=9)
    mask(base / "ground_truth/structural_anomalies/000/000.png", 248)
    rules = [(255, 1.0, True), (251, 2, False), (248, 0.5, True)]
    keys = ("defect_name", "pixel_value", "saturation_threshold", "relative_saturation")
    entries = [dict(zip(keys, (f"defect {rule[0]}", *rule), strict=True)) for rule in rules]
    (base / "defects_config.json").write_text(json.dumps(entries))


def mvtec_ad2(root: Path) -> None:
    base = root / "vial"
    images(base, *(f"{folder}/good/{i:03d}_regular.png" for folder in ("train", "validation") for i in range(2)))
    images(base, "test_public/good/000_shift_1.png", "test_public/bad/000_overexposed.png")
    mask(base / "test_public/ground_truth/bad/000_overexposed_mask.png", 255)
    images(base, "test_private/400_regular.png", "test_private_mixed/400_mixed.png")


def mvtec_3d(root: Path) -> None:
    base = root / "tire"
    images(base, *(f"train/good/rgb/{i:03d}.png" for i in range(3)), "validation/good/rgb/000.png")
    images(base, "test/good/rgb/000.png", "test/cut/rgb/000.png")
    mask(base / "test/good/gt/000.png")
    mask(base / "test/cut/gt/000.png", 255)
    for name in ("train/good", "validation/good", "test/good", "test/cut"):
        image(base / name / "xyz/000.tiff")
    (base / "calibration").mkdir()


def sdd(root: Path) -> None:
    """Items 1 to 4, of which 3 is for testing; each has a normal surface, 1 and 3 a defective one."""
    for item in range(1, 5):
        base = root / f"sdd/kos{item:02d}"
        for part in (0, 1):
            image(base / f"Part{part}.jpg")
            mask(base / f"Part{part}_label.bmp", *([1] if part and item in (1, 3) else []))


def sdd2(root: Path) -> None:
    base = root / "sdd2"
    for i in range(5):
        image(base / f"train/{10000 + i}.png")
        mask(base / f"train/{10000 + i}_GT.png", *([255] if i == 4 else []))
    image(base / "train/10001 (copy).png")
    mask(base / "train/10001_GT (copy).png")
    for i in range(2):
        image(base / f"test/{20000 + i}.png")
        mask(base / f"test/{20000 + i}_GT.png", *([255] if i else []))


def dagm(root: Path) -> None:
    base = root / "Class1"
    for name, first, count in (("Train", 576, 4), ("Test", 1, 2)):
        lines = ["1"]
        for i in range(count):
            number = f"{first + i:04d}"
            image(base / name / f"{number}.PNG")
            bad = i == count - 1
            lines.append(f"{i}\t{int(bad)}\t{number}.PNG\t0\t{f'{number}_label.PNG' if bad else 0}")
            if bad:
                mask(base / name / "Label" / f"{number}_label.PNG", 255)
        (base / name / "Label" / "Labels.txt").write_text("\n".join(lines), encoding="utf-8-sig")


def realiad(root: Path) -> None:
    def view(part: int, kind: str, folder: str, camera: int, outlined: bool = False) -> dict[str, str | None]:
        stem = f"{folder}/S{part:04d}/audiojack_{part:04d}_{folder.replace('/', '_')}_C{camera}_20230928121737"
        image(root / "realiad_1024/audiojack" / f"{stem}.jpg")
        if outlined:
            mask(root / "realiad_1024/audiojack" / f"{stem}.png", 255)
        found = f"{stem}.png" if outlined else None
        return {"category": "audiojack", "anomaly_class": kind, "image_path": f"{stem}.jpg", "mask_path": found}

    train = [view(part, "OK", "OK", camera) for part in (1, 2) for camera in (1, 2)]
    test = [view(3, "OK", "OK", 1), view(64, "HS", "NG/HS", 1, True), view(64, "OK", "NG/HS", 2)]
    content = {"meta": {"prefix": "audiojack/", "normal_class": "OK"}, "train": train, "test": test}
    path = root / "realiad_jsons/audiojack.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))


WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "mpdd": (mpdd, "tubes"),
    "visa": (visa, "candle"),
    "btad": (btad, "01"),
    "loco": (loco, "pushpins"),
    "mvtec_ad2": (mvtec_ad2, "vial"),
    "mvtec_3d": (mvtec_3d, "tire"),
    "kolektor:sdd": (sdd, "sdd"),
    "kolektor:sdd2": (sdd2, "sdd2"),
    "dagm": (dagm, "Class1"),
    "realiad": (realiad, "audiojack"),
}
"""Of each data set: what writes it, and the category that is written."""

"""Bad inputs of every kind, what the commands say of them, and how they end; docs/bad-inputs.md shows this table."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.conftest import textured

GOOD, BAD, TRUTH = Path("d/train/good"), Path("d/test/square"), Path("d/ground_truth/square")
ONE = GOOD / "000.png"
MASK = TRUTH / "000_mask.png"


class Row(NamedTuple):
    """One bad input."""

    title: str
    """The input, as the page shows it."""
    words: str
    """The words of the command line, as they are typed in a shell."""
    says: str
    """What is said, in which … stands for any text."""
    prepare: Callable[[], object] = lambda: None
    """Makes the input, in the present folder, which holds a tiny data set `d`."""
    code: int = 1
    command: str = "train"
    begins: bool = False
    """Whether the training begins: everything that can be told before is told before."""
    rights: bool = False
    """Whether root must give up its rights, which make it read and write everything."""


def typed(words: str, says: str, prepare: Callable[[], object] = lambda: None, **others: object) -> Row:
    """A row whose title is what was typed."""
    return Row(f"`{words}`", words, says, prepare, **others)  # type: ignore[arg-type]


def noted(title: str, says: str, prepare: Callable[[], object] = lambda: None, words: str = "") -> Row:
    """An input that is worth a NOTE, after which the training begins."""
    return Row(title, words, says, prepare, 0, begins=True)


def put(name: str | Path, content: bytes | str | np.ndarray = "", **options: object) -> None:
    """Write a file: bytes, text, or an image."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        Image.fromarray(content).save(path, **options)  # type: ignore[arg-type]
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def several(*names: str, folder: str = "") -> None:
    """Put a normal image at each path."""
    for i, name in enumerate(names):
        put(Path(folder, name), textured(np.random.default_rng(100 + i)))


def moved(source: str, target: str) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)


def grey(value: int = 0, kind: type = np.uint8, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    return np.full(size, value, kind)


def patch(value: int = 255, ground: int = 0, kind: type = np.uint8, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    """A mask with one rectangle."""
    mask = grey(ground, kind, size)
    mask[4:10, 5:12] = value
    return mask


def masks(make: Callable[[np.ndarray], np.ndarray]) -> None:
    """Make all masks anew."""
    for path in TRUTH.iterdir():
        mask = make(np.asarray(Image.open(path)))
        path.unlink()
        put(path, mask)


def pages(path: Path) -> None:
    path.unlink(missing_ok=True)
    frames = [Image.fromarray(textured(np.random.default_rng(i))[..., 0]) for i in range(3)]
    frames[0].save(path.with_suffix(".tif"), save_all=True, append_images=frames[1:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def deep(largest: int) -> None:
    """Make all images 16-bit ones."""
    for path in Path("d").rglob("*.png"):
        if "ground_truth" not in path.parts:
            values = np.asarray(Image.open(path))[..., 0].astype(np.uint16)
            put(path, (values.astype(np.int64) * largest // values.max()).astype(np.uint16))


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/annex/0")


def turned(path: Path) -> None:
    image = Image.open(path)
    exif = Image.Exif()
    exif[0x112] = 6
    image.save(path, exif=exif)


def parts() -> None:
    """Name the images by parts, two photographs each."""
    for folder in (GOOD, BAD, Path("d/test/good")):
        for path in sorted(folder.iterdir()):
            path.rename(folder / f"part{int(path.stem) // 2}-{path.stem}.png")
    shutil.rmtree("d/ground_truth")


HEAD = "path,split,label,mask,group"
ROWS = [f"d/train/good/{i:03d}.png,train,,," for i in range(4)] + ["d/test/good/000.png,test,good,,"]
DEFECT = "d/test/square/000.png,test,square,d/ground_truth/square/000_mask.png,"


def table(*lines: str, name: str = "t.csv", head: str = HEAD) -> Callable[[], None]:
    """Write a table, with lines after those of a good one."""
    return lambda: put(name, "\n".join([head, *(ROWS if head == HEAD else ()), *lines, ""]))


def replaced(old: str, new: str) -> Callable[[], None]:
    """Write a good table with one change."""
    return lambda: put("t.csv", "\n".join([HEAD, *ROWS, DEFECT, ""]).replace(old, new))


def shapes(content: object) -> Callable[[], None]:
    """Write a table whose defect is outlined by a JSON file."""

    def prepare() -> None:
        put("s.json", content if isinstance(content, str) else json.dumps(content))
        table("d/test/square/000.png,test,square,s.json,")()

    return prepare


def coco(name: str, **annotation: object) -> dict[str, object]:
    image = {"id": 1, "file_name": name, "height": 32, "width": 32}
    return {"images": [image], "annotations": [{"id": 7, "image_id": 1, **annotation}]}


def visa(header: str = "object,split,label,image,mask") -> None:
    Path("visa/candle/Data/Images/Normal").mkdir(parents=True)
    put("visa/split_csv/1cls.csv", f"{header}\ncandle,train,normal,candle/Data/Images/Normal/000.JPG,\n")


def dagm() -> None:
    for split in ("Train", "Test"):
        several("0576.PNG", "0577.PNG", folder=f"dagm/Class1/{split}")
        put(f"dagm/Class1/{split}/Label/Labels.txt", "1\n576 0 0576.PNG 0 0\n")


TABLE = "data=table data.root=t.csv"
PREDICT = {"command": "predict"}

LAYOUTS = [
    typed("data.root=nowhere", "data.root (=nowhere) is no folder; name the folder that holds your images"),
    typed("data.root=null", "data.root (=None) is not set; name the folder that holds your images"),
    Row("a file instead of a folder", f"data.root={ONE}", f"data.root (={ONE}) is no folder; name the folder"),
    Row(
        "a ZIP file instead of a folder",
        "data.root=d.zip",
        "data.root (=d.zip) is no folder; name the folder",
        lambda: shutil.make_archive("d", "zip", "d"),
    ),
    Row(
        "an empty folder",
        "data.root=e",
        "data.root (=e) holds nothing; at least 3 normal images are needed. Name the folder that holds them",
        lambda: Path("e").mkdir(),
    ),
    Row(
        "two images only",
        "data.root=e",
        "data.root (=e) holds 2 image(s); at least 3 normal images are needed",
        lambda: several("e/a.png", "e/b.png"),
    ),
    Row(
        "images in hidden folders only",
        "data.root=e",
        "data.root (=e) holds nothing; at least 3 normal images are needed",
        lambda: several("e/.a/a.png", "e/.a/b.png", "e/.a/c.png"),
    ),
    Row(
        "a folder of categories as `data=folder`",
        "data.root=e",
        "data.root (=e) holds the sub-folder(s) bottle, cable; … for a folder of categories use data=mvtec "
        "category=NAME",
        lambda: several("e/bottle/train/good/0.png", "e/cable/train/good/0.png"),
    ),
    Row(
        "a category of BTAD as `data=folder`",
        "data.root=btad/01",
        "no folder btad/01/train/good: … it looks like what data=btad reads: data.root=btad category=generic "
        "category.name=01, see docs/data.md",
        lambda: several("btad/01/train/ok/0.png", "btad/01/test/ko/0.png"),
    ),
    Row(
        "a folder of your own as `data=mvtec`",
        "data=mvtec data.root=d category=wood",
        "category 'wood' is no folder below data.root (=d), which holds: ground_truth, test, train; … for a folder of "
        "your own use data=folder",
    ),
    Row(
        "`Train/Good` in place of `train/good`",
        "",
        "data.root (=d) holds the sub-folder(s) Train, ground_truth, test; at least 3 normal images are needed",
        lambda: moved("d/train", "d/Train"),
    ),
    Row(
        "`train` without `good`",
        "",
        "no folder d/train/good: the MVTec AD layout keeps normal training images in train/good",
        lambda: moved("d/train/good", "d/train/normal"),
    ),
    Row(
        "the folders `good`, `crack` and `mask`",
        "data.root=e",
        "data.root (=e) holds the sub-folder(s) crack, good, mask; at least 3 normal images are needed. Name the "
        "folder that holds them itself, or move them to train/good",
        lambda: several("e/good/0.png", "e/crack/0.png", "e/mask/0.png"),
    ),
    Row(
        "all training images are copies of one",
        "",
        "all 10 training images equal held-out images (… remove the copies",
        lambda: [shutil.copy(ONE, path) for path in GOOD.iterdir() if path != ONE],
    ),
    Row(
        "a folder that you may not read",
        "data.root=e",
        "e… cannot be used (Permission denied); check that it is there, and that you may use it",
        lambda: Path("e").mkdir(mode=0),
        rights=True,
    ),
    noted(
        "`test/OK` beside `test/good`",
        "NOTE: d/test/OK count as defects, because normal test images lie in test/good alone",
        lambda: [several("d/test/OK/0.png"), shutil.rmtree("d/ground_truth")],
    ),
    noted(
        "no `test` folder",
        "NOTE: no test images below d/test: the run trains, but has no metrics",
        lambda: shutil.rmtree("d/test"),
    ),
    noted(
        "no `ground_truth` folder",
        "NOTE: no folder d/ground_truth: the run has image metrics, but no pixel metrics",
        lambda: shutil.rmtree("d/ground_truth"),
    ),
    noted(
        "images directly in `test`",
        "1 image(s) outside the folders that are read (test/flat.png)",
        lambda: several("d/test/flat.png"),
    ),
    noted(
        "Jupyter's `test/.ipynb_checkpoints`",
        "1 hidden file(s) or folder(s) (test/.ipynb_checkpoints)",
        lambda: several("d/test/.ipynb_checkpoints/000-checkpoint.png"),
    ),
    noted(
        "a sub-folder in `train/good`",
        "1 sub-folder(s) holding 2 image(s) (train/good/day2)",
        lambda: several("d/train/good/day2/0.png", "d/train/good/day2/1.png"),
    ),
    noted(
        "files that Pillow cannot read by their suffix",
        "1 file(s) of suffix .heic (train/good/IMG_1.HEIC)",
        lambda: put(GOOD / "IMG_1.HEIC", "x"),
    ),
    noted(
        "masks beside their images",
        "1 mask(s) beside their images (train/good/000_GT.png)",
        lambda: put(GOOD / "000_GT.png", patch()),
    ),
    noted(
        "test images that are copies of training images",
        "1 test image(s) equal training images, so that the metrics look better than they are: d/test/good/copy.png",
        lambda: shutil.copy(ONE, "d/test/good/copy.png"),
    ),
]

NAMES = [
    typed("data.root=2024_05_02", "data.root (=2024_05_02) is no folder"),
    typed("data.root=1.10", "data.root (=1.10) is no folder"),
    Row("`data.root=images (1)`", "'data.root=images (1)'", "data.root (=images (1)) is no folder"),
    Row("`data.root=a[1],{b}`", "'data.root=a[1],{b}'", "data.root (=a[1],{b}) is no folder"),
    Row("`data.root=day=3#2`", "'data.root=day=3#2'", "data.root (=day=3#2) is no folder"),
    Row("`data.root=größe`", "data.root=größe", "data.root (=größe) is no folder"),
    Row(
        "`data.root=~/d`",
        "'data.root=~/d'",
        'data.root=~/d: the shell leaves ~ as it is inside a word; write data.root="$HOME/d", or \'data.root="~/d"\' '
        "for a folder of this name",
    ),
    Row("`data.root= d`, with a space", "data.root= d", "'d' sets nothing; write KEY=VALUE, without spaces around ="),
    Row(
        "`tags=[größe]`, a text that Hydra cannot read",
        "'tags=[größe]'",
        "tags=[größe]: the value cannot be read; put texts into double quotes, and the whole word into single quotes, "
        "as in 'tags=\"TEXT\"'",
    ),
    Row(
        "a category whose name is a number",
        "data=mvtec data.root=d data.category=01",
        "category '01' is no folder below data.root (=d)",
    ),
]

IMAGES = [
    Row("a truncated image", "", f"{ONE} cannot be read as an image (… replace or remove it", lambda: cut(ONE)),
    Row("an image of zero bytes", "", f"{ONE} cannot be read as an image (…", lambda: put(ONE)),
    Row("a text that is named `.png`", "", f"{ONE} cannot be read as an image (…", lambda: put(ONE, "text")),
    Row(
        "a web page that is named `.jpg`",
        "",
        f"{GOOD}/a.jpg cannot be read as an image (…",
        lambda: put(GOOD / "a.jpg", "<!DOCTYPE html><html></html>"),
    ),
    Row(
        "a truncated test image",
        "",
        "d/test/good/000.png cannot be read as an image (… replace or remove it",
        lambda: cut(Path("d/test/good/000.png")),
    ),
    Row(
        "floating-point pixels",
        "",
        f"{GOOD}/f.tif holds floating-point pixels of unknown range; save it with 8 or 16 bits",
        lambda: put(GOOD / "f.tif", grey(1, np.float32)),
    ),
    Row(
        "values of 32 bits",
        "",
        f"{GOOD}/i.tif holds values from 70000 to 70000, but an image of 16 bits ends at 65535; save it with 16 bits",
        lambda: put(GOOD / "i.tif", grey(70000, np.int32)),
    ),
    Row(
        "a file of several pages",
        "",
        f"{GOOD}/000.tif has 3 pages, but an image is one page: save the pages as files of their own, or read the "
        "first one alone by data.pages=first",
        lambda: pages(ONE),
    ),
    noted(
        "a file of several pages, with `data.pages=first`",
        "1 file(s) hold further pages, which are left out: d/train/good/000.tif",
        lambda: pages(ONE),
        "data.pages=first",
    ),
    typed("data.pages=last", "data.pages (=last) must be first, which reads the first page, or null"),
    Row(
        "images of several sizes, without `data.image_size`",
        "data.image_size=null",
        f"{GOOD}/z.png has 40×32 pixels, {GOOD}/… 32×32; set data.image_size to bring all images to one size",
        lambda: put(GOOD / "z.png", grey(9, size=(40, 32))),
    ),
    Row(
        "images of 1×1 pixel",
        "data.root=e data.image_size=null",
        "the images have 1×1 pixels, but a network needs 8 on each side; use larger images, or raise data.image_size",
        lambda: [put(f"e/{i}.png", grey(i, size=(1, 1))) for i in range(9)],
    ),
    typed(
        "data.image_size=4", "the images have 4×4 pixels, but a network needs 8 on each side; … raise data.image_size"
    ),
    typed("data.image_size=[32,32,3]", "data.image_size (=[32, 32, 3]) must be a positive number of pixels or"),
    noted(
        "12 bits in files of 16",
        "20 file(s) of 16 bits hold values up to … which looks like 12 bits: the images are dark and lose levels; "
        "data.bit_depth=12 reads them at their full scale",
        lambda: deep(4000),
    ),
    typed("data.bit_depth=4", "data.bit_depth (=4) must be a whole number from 8 to 16: the bits that a camera fills"),
    Row(
        "`data.bit_depth=10` for images of 12 bits",
        "data.bit_depth=10",
        ".png holds values from … to …, but data.bit_depth (=10) ends at 1023; set data.bit_depth=12",
        lambda: deep(4000),
    ),
    Row(
        "a link to a missing file, as git-annex and DVC leave",
        "",
        f"1 image(s) in {GOOD} are links to missing files: {ONE}; fetch the files (git annex get, dvc pull), or remove",
        lambda: linked(ONE),
    ),
    Row(
        "an image that you may not read",
        "",
        f"{ONE} cannot be read as an image (… Permission denied",
        lambda: ONE.chmod(0),
        rights=True,
    ),
    noted(
        "a folder named `x.png`",
        "1 sub-folder(s) (train/good/x.png)",
        lambda: (GOOD / "x.png").mkdir(),
    ),
    noted(
        "photographs of one part in training and test",
        "1 test image(s) look like training or held-out images. … data.group tells which images show one part",
        lambda: put("d/test/good/alike.png", np.asarray(Image.open(ONE)) + 3),
    ),
]

MASKS = [
    Row(
        "a missing mask",
        "",
        f"no mask for {BAD}/000.png: expected {MASK}; … remove the whole ground_truth folder to get image metrics only",
        MASK.unlink,
    ),
    Row(
        "a mask of another size",
        "",
        f"mask {MASK} has 16×16 pixels, its image {BAD}/000.png 32×32; the sizes must be equal",
        lambda: put(MASK, patch(size=(16, 16))),
    ),
    Row(
        "EXIF data turn an image, but not its mask",
        "data.image_size=32",
        f"mask {MASK} has 20×32 pixels, its image {BAD}/000.png 32×20; the sizes must be equal; EXIF data turn one of "
        "the two files alone: turn both, or neither",
        lambda: [
            put(BAD / "000.png", grey(9, size=(20, 32))),
            turned(BAD / "000.png"),
            put(MASK, patch(size=(20, 32))),
        ],
    ),
    noted(
        "EXIF data turn a square image, but not its mask",
        "1 mask(s) and their images are turned differently by EXIF data: look at most_wrong.png",
        lambda: turned(BAD / "000.png"),
    ),
    Row(
        "two masks of one image",
        "",
        f"{BAD}/000.png has several masks, … which differ by case or suffix alone; keep one",
        lambda: [moved(str(MASK), str(TRUTH / "000_mask.tif")), put(TRUTH / "000_mask.bmp", patch())],
    ),
    Row(
        "a second mask, `000_mask_1.png`",
        "",
        f"1 mask(s) belong to no image of {BAD}: {TRUTH}/000_mask_1.png",
        lambda: put(TRUTH / "000_mask_1.png", patch()),
    ),
    Row(
        "one mask for two images",
        "",
        "000_mask.tif is the mask of both 000.bmp and 000.png",
        lambda: [put(BAD / "000.bmp", grey(9)), moved(str(MASK), str(TRUTH / "000_mask.tif"))],
    ),
    Row(
        "a mask of no image",
        "",
        f"1 mask(s) belong to no image of {BAD}: {TRUTH}/zzz_mask.png",
        lambda: put(TRUTH / "zzz_mask.png", patch()),
    ),
    Row(
        "a mask that cannot be read",
        "",
        f"{MASK} cannot be read as an image (… replace or remove it",
        lambda: cut(MASK),
    ),
    Row(
        "a mask of several pages",
        "",
        f"mask {TRUTH}/000_mask.tif has 3 pages, but a mask is one page; save the one that is meant alone",
        lambda: pages(MASK),
    ),
    Row(
        "a mask of the labels 0, 1 and 2",
        "",
        "000_mask.png has 3 value(s) up to 2 of 255, so that nothing tells defect from background; data.mask_above=0 "
        "takes all values above 0 for defect",
        lambda: put(MASK, np.minimum(np.indices((32, 32))[0], 2).astype(np.uint8)),
    ),
    Row(
        "a mask of one grey value",
        "",
        "000_mask.png has 1 value(s) up to 9 of 255, so that nothing tells defect from background",
        lambda: put(MASK, grey(9)),
    ),
    typed("data.mask_above=128", "data.mask_above (=128) must be a share of full scale in [0, 1); 0 takes every value"),
    noted(
        "masks of 0 and 1",
        "4 mask(s) hold two values of which the larger is not full scale: it is taken for the defect",
        lambda: masks(lambda mask: mask // 255),
    ),
    noted(
        "masks of 0 and 255 in 16 bits",
        "4 mask(s) hold two values of which the larger is not full scale: it is taken for the defect",
        lambda: masks(lambda mask: mask.astype(np.uint16)),
    ),
    noted(
        "masks of several grey values",
        "4 mask(s) hold values between background and full scale: … such pixels count as defect, … as background; "
        "data.mask_above moves the border",
        lambda: masks(lambda mask: np.maximum(mask, np.indices((32, 32))[0].astype(np.uint8) * 5)),
    ),
    noted(
        "an empty mask",
        "1 mask(s) have no defect pixel: their images keep the label and stay out of the pixel metrics",
        lambda: put(MASK, grey()),
    ),
    noted(
        "inverted masks",
        "4 mask(s) mark more than half of their image: are they inverted?",
        lambda: masks(lambda mask: 255 - mask),
    ),
    noted(
        "an inverted mask in alpha",
        "1 mask(s) mark more than half of their image: are they inverted?",
        lambda: put(MASK, np.dstack([grey(255)] * 3 + [patch(0, 255)])),
    ),
    noted(
        "masks of the good test images",
        "1 sub-folder(s) holding 1 image(s) (ground_truth/good)",
        lambda: put("d/ground_truth/good/000_mask.png", grey()),
    ),
]

EXTRA = [
    Row(
        "`data.extra=nowhere`",
        "data.extra=nowhere",
        "data.extra (=nowhere) is no folder; name one that holds normal images",
    ),
    Row(
        "a folder of further images that holds none",
        "data.extra=more",
        "data.extra (=more) holds the sub-folder(s) good; name the folder itself that holds normal images",
        lambda: several("0.png", folder="more/good/"),
    ),
    Row(
        "one folder of further images twice",
        "data.extra=[more,more]",
        "data.extra (=more) holds 1 image(s) that data.root, or another folder of data.extra, holds already: "
        "more/0.png; name each folder once",
        lambda: several("0.png", folder="more/"),
    ),
    Row(
        "test images as further images to learn from",
        "data.extra=d/test/good",
        "data.extra (=d/test/good) holds 4 image(s) that data.root, or another folder of data.extra, holds already: "
        "d/test/good/000.png, d/test/good/001.png, d/test/good/002.png and 1 more; name each folder once, and move "
        "images out of the test set before you learn from them",
    ),
    Row(
        "a further image of two pages",
        "data.extra=more",
        "more/0.tif has 2 pages",
        lambda: put("more/0.tif", patch(), save_all=True, append_images=[Image.fromarray(patch())]),
    ),
    noted(
        "other files among further images",
        "left out of more: 1 file(s) of suffix .txt (a.txt)",
        lambda: [several("0.png", "1.png", folder="more/"), put("more/a.txt")],
        words="data.extra=more",
    ),
    Row(
        "`continue_from=nowhere`",
        "continue_from=nowhere",
        "continue_from (=nowhere) names no run to go on from: run_dir (=nowhere) is no run of fae.train: it holds no "
        "config.yaml, origin.json, metrics.json",
    ),
]

REGIONS = [
    Row(
        "`data.roi=nowhere`",
        "data.roi=nowhere",
        "data.roi (=nowhere) is neither a mask nor a folder of masks; name one, or null to judge whole images",
    ),
    Row(
        "a region of interest that is no image",
        "data.roi=roi.png",
        "roi.png cannot be read as an image (…",
        lambda: put("roi.png", "text"),
    ),
    Row(
        "an empty region of interest",
        "data.roi=roi.png",
        "region of interest roi.png marks no pixel; values above 0 are judged, so mark some",
        lambda: put("roi.png", grey()),
    ),
    Row(
        "a region of interest as JPEG",
        "data.roi=roi.jpg",
        "region of interest roi.jpg is stored with losses, which change the values 0; save it as PNG",
        lambda: put("roi.jpg", patch()),
    ),
    Row(
        "a region of interest of another size",
        "data.roi=roi.png",
        "region of interest roi.png has 32×48 pixels, d/train/good/… 32×32 and the run 32×32; draw it at the size of "
        "the images, or of the run",
        lambda: put("roi.png", patch(size=(32, 48))),
    ),
    Row(
        "a region of interest without a cell of the features",
        "data.roi=roi.png space=lite0 model=residual_sdc data.crop_sizes=[32]",
        "data.roi covers no cell of space=lite0 by half, which has 8×8 px; draw a larger region, or use space=pixel",
        lambda: put("roi.png", np.where(np.indices((32, 32)).max(axis=0) == 6, 255, 0).astype(np.uint8)),
    ),
    Row(
        "an image in place of its region of interest",
        f"data.roi={ONE}",
        f"data.roi (={ONE}) makes {ONE} a region of interest, but it is an image of the data set; keep masks apart",
    ),
    Row(
        "a folder that lacks the region of one image",
        "data.roi=r",
        "data.roi (=r) holds no region of interest of d/train/good/005.png: expected r/good/005_mask.png; add it, or "
        "name one mask for all images",
        lambda: [put(f"r/good/{i:03d}.png", patch()) for i in range(12) if i != 5],
    ),
    Row(
        "one region of interest for two images",
        "data.roi=r",
        "r/0… is the region of interest of both d/… and d/…, by its name; repeat the images' folders below data.roi",
        lambda: [put(f"r/{i:03d}.png", patch()) for i in range(12)],
    ),
    noted(
        "a defect that lies outside the region of interest",
        f"1 test image(s) have no defect in the region of interest, and are left out: {BAD}/000.png",
        lambda: [put("roi.png", 255 - patch()), masks(lambda _: patch(0, 255)), put(MASK, patch())],
        words="data.roi=roi.png",
    ),
]

TABLES = [
    Row("no such table", TABLE, "data.root (=t.csv) is no file; name the table of your images, such as parts.csv"),
    Row(
        "a folder as `data=table`",
        "data=table data.root=d",
        "data.root (=d) is a folder; name the table in it, or use data=folder without a table",
    ),
    Row(
        "an Excel table",
        "data=table data.root=t.xlsx",
        "data.root (=t.xlsx) must end with .csv, .tsv, .txt, .parquet; save the table as one of these",
        lambda: put("t.xlsx", "PK"),
    ),
    Row(
        "a table without the column `split`",
        TABLE,
        "t.csv has no column 'split', but 'path', 'label'; add it",
        table("a.png,good", head="path,label"),
    ),
    Row(
        "a misspelt column",
        TABLE,
        "t.csv has a column 'lable', but knows only path, split, label, mask, group; did you mean 'label'?",
        replaced("label", "lable"),
    ),
    Row(
        "a table without a header",
        TABLE,
        "t.csv has no column 'path', but 'd/train/good/000.png', 'train'; add it",
        table("d/train/good/001.png,train", head="d/train/good/000.png,train"),
    ),
    Row(
        "a table without rows",
        TABLE,
        "t.csv has no rows below its header; add a row for each image",
        table(head="path,split"),
    ),
    Row(
        "a separator that is neither comma, semicolon nor tab",
        TABLE,
        "t.csv has no column 'path', but 'path:split'; … commas, semicolons or tabs separate columns",
        table("a.png:train", head="path:split"),
    ),
    Row(
        "a row with too few values",
        TABLE,
        "t.csv has 5 columns, but line 7 (2 values); add what is missing",
        table("d/train/good/007.png,train"),
    ),
    Row(
        "a table that is no UTF-8 text",
        TABLE,
        "t.csv is no UTF-8 text (… save it as CSV UTF-8",
        lambda: put("t.csv", b"path,\xff\xfe\n"),
    ),
    Row(
        "an open quote",
        TABLE,
        "t.csv cannot be read near line 7 (… mend the quotes",
        replaced("d/test/square", '"d/test/square'),
    ),
    Row(
        "an unknown split",
        TABLE,
        "t.csv has 1 row(s) with a split that is neither train nor test: line 6 ('val'); write train or test",
        replaced("test,good", "val,good"),
    ),
    Row(
        "an image twice",
        TABLE,
        "t.csv has 1 row(s) with an image that an earlier row has: line 7 (d/train/good/000.png); remove one",
        table(ROWS[0]),
    ),
    Row(
        "an image in train and in test",
        TABLE,
        "t.csv has 1 row(s) with an image of train in test, or the reverse: line 7 (d/train/good/000.png)",
        table("d/train/good/000.png,test,good,,"),
    ),
    Row(
        "a defect in train",
        TABLE,
        "t.csv has 1 row(s) with a defective image in train: line 7 (… training needs normal images alone",
        table("d/test/square/000.png,train,square,,"),
    ),
    Row(
        "a mask of a good image",
        TABLE,
        "t.csv has 1 row(s) with a mask for a good image: line 7 (… remove the mask, or name the type of the defect",
        table("d/test/good/001.png,test,good,d/ground_truth/square/000_mask.png,"),
    ),
    Row(
        "a test image without label",
        TABLE,
        "t.csv has 1 row(s) with a test image without label: line 7 (… write good, or the type of the defect",
        table("d/test/good/001.png,test,,,"),
    ),
    Row(
        "missing files",
        TABLE,
        "t.csv names 2 missing file(s): line 7 (no.png), line 7 (no_mask.png); paths are relative to",
        table("no.png,test,square,no_mask.png,"),
    ),
    Row(
        "two training rows",
        TABLE,
        "t.csv has 1 row(s) of split train; at least 3 normal images are needed",
        table("d/train/good/000.png,train", "d/test/good/000.png,train", head="path,split")
        and table("d/train/good/000.png,train", head="path,split"),
    ),
    Row(
        "masks in a broken JSON file",
        TABLE,
        "t.csv has an unusable mask in line 7: s.json is no JSON file (… export it again",
        shapes("{"),
    ),
    Row(
        "a JSON file of neither format",
        TABLE,
        's.json has neither "shapes", as labelme writes, nor "images", as in COCO; export it as one',
        shapes({"a": 1}),
    ),
    Row(
        "a labelme polygon of two points",
        TABLE,
        "s.json, shape 1 is a polygon of 2 point(s), but needs 3; draw it anew",
        shapes(
            {"imageHeight": 32, "imageWidth": 32, "shapes": [{"points": [[1, 1], [2, 2]], "shape_type": "polygon"}]}
        ),
    ),
    Row(
        "a labelme line, which encloses nothing",
        TABLE,
        "s.json, shape 1 is a line, which this program cannot fill; outline the defect by a polygon, rectangle, circle",
        shapes({"imageHeight": 32, "imageWidth": 32, "shapes": [{"points": [[1, 1], [2, 2]], "shape_type": "line"}]}),
    ),
    Row(
        "an image that COCO's file does not list",
        TABLE,
        "s.json does not know the image d/test/square/000.png",
        shapes(coco("other.png")),
    ),
    Row(
        "COCO's boxes alone",
        TABLE,
        "s.json, annotation 7 of d/test/square/000.png has no outline, at most a box; draw polygons",
        shapes(coco("000.png", bbox=[1, 1, 2, 2])),
    ),
    Row(
        "COCO's compressed run lengths",
        TABLE,
        "has compressed run lengths, which this program cannot read; save what pycocotools.mask.decode makes of them",
        shapes(coco("000.png", segmentation={"counts": "abc", "size": [32, 32]})),
    ),
    noted(
        "an image without annotations in COCO's file",
        "1 mask(s) have no defect pixel: … d/test/square/000.png",
        shapes({"images": coco("000.png")["images"], "annotations": []}),
        TABLE,
    ),
    noted(
        "a defective image without mask",
        "1 defective image(s) of t.csv have no mask and stay out of the pixel metrics: line 8 (d/test/square/001.png)",
        table(DEFECT, "d/test/square/001.png,test,square,,"),
        TABLE,
    ),
]

GROUPS = [
    Row("`data.group=part(`", "'data.group=part('", "data.group (=part() is no regular expression (…"),
    Row(
        "`data.group=\\d+`", r"'data.group=\d+'", "has 0 groups in brackets, but needs one, around what names the part"
    ),
    Row("`data.group=(a)(b)`", "'data.group=(a)(b)'", "data.group (=(a)(b)) has 2 groups in brackets, but needs one"),
    Row(
        "an expression that fits some images alone",
        "'data.group=train/good/(.*)'",
        "leaves the group of 8 image(s) open: d/test/good/000.png, … give each image a group",
    ),
    Row(
        "one group for all training images",
        r"'data.group=/(\d)'",
        "data.group puts all 12 training images into one group; one group is held out and another one learned from",
    ),
    Row(
        "more folds than groups",
        r"'data.group=part(\d+)' data.folds=7",
        "data.folds (=7) needs two images per part, but there are 12 images of 6 groups; use 6 or fewer",
        parts,
    ),
    Row(
        "a missing table of groups",
        "data.group=g.csv",
        "data.group (=g.csv) is no file; name a table with a line for each image",
    ),
    Row(
        "a table of groups with other columns",
        "data.group=g.csv",
        "data.group (=g.csv) has the columns image, part; it needs file and group, separated by commas",
        lambda: put("g.csv", "image,part\na,b\n"),
    ),
    Row(
        "a table of groups with an empty one",
        "data.group=g.csv",
        "data.group (=g.csv): line 2 has an empty file or group; fill it",
        lambda: put("g.csv", "file,group\n000.png,\n"),
    ),
    noted(
        "parts in training and test",
        "8 test image(s) show parts that training or held-out images show, so that the metrics look better than they "
        "are; the metrics whose names end in _apart leave them out",
        parts,
        r"'data.group=part(\d+)'",
    ),
]

READERS = [
    Row(
        "`data=visa` with a missing root",
        "data=visa data.root=nowhere",
        "data.root (=nowhere) is no folder; name the folder that contains the categories",
    ),
    Row(
        "`data=visa` with a wrong category",
        "data=visa data.root=visa category.name=candel",
        "category 'candel' is no folder below data.root (=visa), which holds: candle, split_csv; choose one by "
        "category=generic category.name=NAME",
        visa,
    ),
    Row(
        "`data=visa` without its table",
        "data=visa data.root=visa category.name=candle",
        "no file visa/split_csv/1cls.csv: split_csv/1cls.csv lists the images; unpack the archive again",
        lambda: Path("visa/candle").mkdir(parents=True),
    ),
    Row(
        "`data=visa` with another table",
        "data=visa data.root=visa category.name=candle",
        "visa/split_csv/1cls.csv has no column 'split', which the published table has",
        lambda: visa("object,label,image,mask"),
    ),
    Row(
        "`data=visa` without an image",
        "data=visa data.root=visa category.name=candle",
        "no image visa/candle/Data/Images/Normal/000.JPG, which the data set lists; unpack the archive again",
        visa,
    ),
    Row(
        "`data=btad` with MVTec AD's layout",
        "data=btad data.root=. category.name=d",
        "no folder d/test/ok: d holds the sub-folder(s) ground_truth, test, train, which is not the published layout",
    ),
    Row(
        "`data=kolektor` with a wrong category",
        "data=kolektor data.root=d",
        "category (=generic) must be sdd (KolektorSDD) or sdd2 (KolektorSDD2): category=generic category.name=sdd",
    ),
    Row(
        "`data=dagm` with another table of labels",
        "data=dagm data.root=dagm category.name=Class1",
        "Labels.txt and Train differ: 0577 is not listed; unpack the archive again",
        dagm,
    ),
    Row(
        "`data=realiad` without tables",
        "data=realiad data.root=r category.name=audiojack data.source.split=2024_05",
        "no file r/2024_05/audiojack.json: 2024_05/audiojack.json lists the images; unpack the archive again",
        lambda: Path("r/realiad_1024/audiojack").mkdir(parents=True),
    ),
    Row(
        "`data=auto` for an object, without MVTec AD",
        "data=auto data.root=null category=bottle",
        "category (=bottle) has no synthetic twin; choose one of carpet, grid, leather, tile, wood, or name real",
    ),
    Row(
        "`fae.data.check` of `data=auto`",
        "data=auto root=d",
        "data=auto is no public data set; name one, such as data=mvtec or data=visa",
        command="data.check",
    ),
    Row(
        "`fae.data.check` of a missing root",
        "root=nowhere",
        "root (=nowhere) is no folder; name the folder that contains the categories of MVTec AD, or set MVTEC_AD_ROOT",
        command="data.check",
    ),
    Row(
        "`fae.data.check` of a wrong category",
        "root=d categories=botle",
        "categories (=botle) is no category of MVTec AD; did you mean 'bottle'?",
        command="data.check",
    ),
    Row(
        "`fae.data.check` of another folder",
        "root=d categories=bottle",
        "no data: bottle; python -m fae.data.download root=DIR fetches MVTec AD",
        code=3,
        command="data.check",
    ),
    Row(
        "`fae.data.download` of `data=auto`",
        "data=auto root=e",
        "data=auto is no public data set; name one, such as data=mvtec or data=visa",
        command="data.download",
    ),
    Row(
        "`fae.data.download` of a set without checksum",
        "data=dagm root=e",
        "data=dagm has no published checksum: fetch it by hand from https://…, and unpack it to have DIR/Class1",
        command="data.download",
    ),
    Row(
        "`fae.data.download` without root",
        "",
        "root (=None) must name the folder for the categories",
        command="data.download",
    ),
]

KEYS = [
    typed("data.rotat=false", "unknown key data.rotat; did you mean 'rotate'?"),
    typed("+data.rotat=false", "unknown key data.rotat; did you mean 'rotate'?"),
    typed("+sed=1", "unknown key sed; did you mean 'seed'?"),
    typed("rotate=false", "unknown key rotate; did you mean data.rotate?"),
    typed("data=foldr", "data=foldr does not exist; did you mean 'folder'?"),
    typed("data.aspect=strech", "data.aspect (='strech') must be stretch or pad"),
    typed("seed=-1", "seed (=-1) must be a whole number from 0 to 4294967295"),
    typed("seed=4294967296", "seed (=4294967296) must be a whole number from 0 to 4294967295"),
    typed("seed=one", "Value 'one' of type 'str' could not be converted to Integer (Error merging override seed=one)"),
    typed("pictures=-1", "pictures (=-1) must not be negative; 0 writes none"),
    typed("data.batch_size=0", "data.batch_size (=0) must be at least 1"),
    typed("data.batch_size=two", "data.batch_size (=two) must be a whole number"),
    typed("data.rotate=maybe", "data.rotate (=maybe) must be true or false"),
    typed("data.crop_sizes=16", "data.crop_sizes (=16) must be a list or null"),
    typed("data.val_damage=elastic", "data.val_damage (=elastic) must be a mapping with a _target_ or null"),
    typed("data.seed=-1", "data.seed (=-1) must not be negative"),
    typed("trainer.max_steps=3.5", "trainer.max_steps (=3.5) must be a whole number"),
    typed("optimizer.lr=fast", "optimizer or scheduler cannot be made (… see conf/optimizer and conf/scheduler"),
    typed("data.val_corruptions=0", "data.val_corruptions (=0) must be at least 1"),
    typed("data.val_fraction=0", "data.val_fraction (=0) must lie between 0 and 1; the paper uses 0.05"),
    typed("data.folds=1", "and data.folds (=1) must be 2 or more"),
    typed("data.fold=3", "data.fold (=3) needs data.folds, the number of parts"),
    typed("data.folds=7", "data.folds (=7) needs two images per part, but there are 12 images; use 6 or fewer"),
    typed("data.twins=2", "data.twins (=2) must be a share of bits in [0, 1], or null"),
    typed(
        "data.noise_sigma=-1",
        "data.noise_sigma (=-1) must be a finite number, 0 or above; 0 switches the noise anchor off",
    ),
    typed(
        "data.crop_sizes=[64]", "data.crop_sizes (=[64]): the crop 64×64 exceeds the images, 32×32; use smaller crops"
    ),
    typed("data.crop_sizes=[32,16]", "data.crop_sizes (=[32, 16]) must not shrink over training; sort the sizes"),
    typed("trainer.max_steps=0", "trainer.max_steps (=0) must be at least 1"),
    Row(
        "`trainer.max_steps=10`, too few for a schedule of phases",
        "trainer.max_steps=10 scheduler=onecycle",
        "the scheduler OneCycleLR has a phase without a step if trainer.max_steps is 10; change trainer.max_steps by "
        "one, or use scheduler=constant",
    ),
    Row(
        '`+trainer.max_time="00:01"`',
        "'+trainer.max_time=\"00:00:00:02\"'",
        "trainer.max_time (=00:00:00:02) is not supported, because a run's length decides its schedule; set "
        "trainer.max_steps, or stop the run and go on later",
    ),
    typed("+trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches (=2) must be 1, because schedules"),
    typed("trainer.accelerator=tpu", "trainer: Requirement 'torch_xla>=1.13' not met"),
    typed("trainer.devices=2", "trainer.devices (=2) needs trainer=ddp, or set trainer.devices=1"),
    typed("engine=fast", "engine (='fast') must be exact, which sorts, or streaming, which counts"),
    typed("objective.lam=2", "objective: lam (=2) must lie in [0, 1]; 0.5 is a good default"),
    typed("model.width=0", "model: width (=0) must be at least 1; the paper uses 64"),
    typed("data={}", "data={} changes nothing, because mappings are merged; remove single keys: ~data.NAME"),
    typed(
        "~callback.progres",
        "~callback.progres removes nothing, because callback.progres does not exist; --cfg=job shows all keys",
    ),
    typed(
        "model=null",
        "model=null names no configuration; leave model as it is, or choose one of residual_sdc, sdc, sdc_bottleneck",
    ),
    typed("~category", "category.name is missing; write category.name=VALUE"),
    typed(
        "logger=null",
        "logger=null names no configuration; … logger.mode=disabled or WANDB_MODE=disabled switches W&B off",
    ),
    typed("~logger", "logger is missing; … logger.mode=disabled or WANDB_MODE=disabled switches W&B off"),
    typed("logger.mode=of", "logger.mode (=of) must be online, offline, shared or disabled; see WANDB_MODE"),
    Row("`WANDB_MODE=online` without a key", "logger.mode=online", "WANDB_MODE=online needs a key and there is none"),
    Row(
        "`run_dir` names a folder with other files",
        "run_dir=e",
        "run_dir (=e) holds files but no config.yaml, so it is no run; choose another folder",
        lambda: put("e/thesis.txt", "x"),
    ),
    Row("`run_dir` names a file", "run_dir=e", "run_dir (=e) is a file; name a folder", lambda: put("e", "x")),
]

CACHE = [
    Row(
        "a broken database in the cache",
        "",
        "cache/files.sqlite cannot be used (… delete it, or name another cache_dir",
        lambda: put("cache/files.sqlite", "no database"),
    ),
    Row(
        "a cache that is a file",
        "cache_dir=e",
        "cache_dir (=e) cannot be written (… set FAE_CACHE_DIR to another folder",
        lambda: put("e", "x"),
    ),
    Row(
        "a cache that is a file, with synthetic images",
        "data=auto data.root=null category=wood cache_dir=e",
        "cache_dir (=e) cannot be written (… set FAE_CACHE_DIR to another folder",
        lambda: put("e", "x"),
    ),
    Row(
        "a home that cannot be written",
        "cache_dir='${oc.env:HOME}/.cache/fae'",
        "cache_dir (=…/home/.cache/fae) cannot be written (… set FAE_CACHE_DIR to another folder",
        lambda: [put("home", "x"), os.environ.update(HOME=str(Path("home").resolve()))],
    ),
]

PREDICTIONS = [
    Row(
        "`fae.predict` without words",
        "",
        "input, output, run_dir are missing; write input=VALUE output=VALUE run_dir=VALUE",
        command="bare",
    ),
    Row("`run_dir` that is no run", "run_dir=d input=d output=o", "run_dir (=d) is no run of fae.train", **PREDICT),
    Row(
        "`run_dir` that is missing",
        "run_dir=nowhere input=d output=o",
        "run_dir (=nowhere) is no run of fae.train",
        **PREDICT,
    ),
    Row(
        "an interrupted run",
        "run_dir=r input=d output=o",
        "run_dir (=r) is not finished: it holds no metrics.json; repeat its training command",
        lambda: [put("r/config.yaml", "a: 1"), put("r/origin.json", "{}")],
        **PREDICT,
    ),
    Row(
        "`input=nowhere`",
        "input=nowhere output=o",
        "input (=nowhere) is no file, no folder with images and no glob that",
        **PREDICT,
    ),
    Row("`input=[]`", "input=[] output=o", "input must name a file, a folder or a glob; it names none", **PREDICT),
    Row(
        "`input` is an empty folder",
        "input=e output=o",
        "input (=e) is no file, no folder with images",
        lambda: Path("e").mkdir(),
        **PREDICT,
    ),
    Row(
        "one bad file among good ones",
        "input=in output=o",
        "3 image(s), 1 of them could not be scored; the results are in o/predictions.csv",
        lambda: [several("in/a.png", "in/z.png"), put("in/m.png", "text")],
        code=3,
        **PREDICT,
    ),
    Row(
        "a link to a missing file among good ones",
        "input=in output=o",
        "2 image(s), 1 of them could not be scored; the results are in o/predictions.csv",
        lambda: [several("in/a.png", "in/m.png"), linked(Path("in/m.png"))],
        code=3,
        **PREDICT,
    ),
    Row(
        "`output` holds other files",
        "input=d/test output=e",
        "output (=e) holds other files and no predictions; choose another folder",
        lambda: put("e/thesis.txt", "x"),
        **PREDICT,
    ),
    Row(
        "`output` is a file",
        "input=d/test output=e",
        "output (=e) cannot be written (File exists); choose another folder, or change its rights",
        lambda: put("e", "x"),
        **PREDICT,
    ),
    Row(
        "`output` that you may not write",
        "input=d/test output=e/o",
        "output (=e/o) cannot be written (Permission denied); choose another folder, or change its rights",
        lambda: Path("e").mkdir(mode=0o555),
        rights=True,
        **PREDICT,
    ),
    Row(
        "`evaluation=other`",
        "input=d/test output=o evaluation=other",
        "other.pt does not exist; …fae.evaluate",
        **PREDICT,
    ),
    Row("`tile=12`", "input=d/test output=o tile=12", "tile (=12) must be a multiple of 8", **PREDICT),
    Row("`size=huge`", "input=d/test output=o size=huge", "size (='huge') must be run", **PREDICT),
    Row(
        "`device=gpu`",
        "input=d/test output=o device=gpu",
        "device (=gpu) cannot be used here; use cpu, or cuda",
        **PREDICT,
    ),
    Row(
        "`treshold.image=1`",
        "input=d/test output=o treshold.image=1",
        "unknown key treshold; did you mean 'threshold'?",
        **PREDICT,
    ),
]

EVALUATIONS = [
    Row(
        "`data.root` with other masks",
        "data.root=tiny",
        "was begun on other images (… choose another folder, or set data.root to the run's images",
        lambda: put("tiny/ground_truth/square/000_mask.png", patch()),
        command="evaluate",
    ),
    Row(
        "`data.root` with other images",
        "data.root=e/tiny",
        "was begun on other images (… choose another folder, or set data.root to the run's images",
        lambda: [shutil.copytree("d", "e/tiny"), several("e/tiny/train/good/zzz.png")],
        command="evaluate",
    ),
    Row(
        "`data.roi` of a run without a region",
        "data.roi=roi.png",
        "was begun on other images (… or with another data.roi; choose another folder",
        lambda: put("roi.png", patch()),
        command="evaluate",
    ),
    Row(
        "`data.root=nowhere`, of images that have moved",
        "data.root=nowhere",
        "data.root (=nowhere) is no folder",
        command="evaluate",
    ),
    Row(
        "`data.rotate=false` after training",
        "+data.rotate=false",
        "data.rotate cannot change after training; data.root, data.extra and data.roi alone can",
        command="evaluate",
    ),
    Row("`name=a/b`", "name=a/b", "name (=a/b) must be a file's name without a folder", command="evaluate"),
    Row(
        "`select=oracle` without a grid",
        "select=oracle",
        "select (=oracle) must be one of validation, oracle, and needs grid=default",
        command="evaluate",
    ),
    Row(
        "`calibration.root=nowhere`",
        "calibration.root=nowhere",
        "calibration.root (=nowhere) is no folder; name one that holds normal images",
        command="evaluate",
    ),
    Row(
        "`calibration.root` with images of the run",
        "calibration.root=tiny/train/good",
        "calibration.root (=tiny/train/good) holds 000.png, which is a training or test image of this run",
        command="evaluate",
    ),
    Row("`score.k=4`", "score.k=4", "k (=4) must be odd", command="evaluate"),
    Row(
        "`score/residual=squard`",
        "score/residual=squard",
        "score/residual=squard does not exist; did you mean 'squared'?",
        command="evaluate",
    ),
]

SERVE = "serve.__main__"
PAGE = [
    Row("`fae.serve` without words", "", "model is missing; write model=VALUE", command=SERVE),
    Row(
        "`model` that is missing",
        "model=nowhere port=47860",
        "model (=nowhere) is no folder of a run and no exported folder: it holds neither config.yaml nor metadata.json",
        command=SERVE,
    ),
    Row("`modell=r`", "modell=r", "unknown key modell; did you mean 'model'?", command=SERVE),
    Row("`port=0`", "model=r port=0", "port (=0) must lie between 1 and 65535; 7860 is the default", command=SERVE),
    Row(
        "`host` that this machine does not have",
        "model=r host=192.0.2.1 port=47861",
        "port (=47861) of host (=192.0.2.1) cannot be used (… choose another port, or stop the program that uses it",
        command=SERVE,
    ),
    Row("`max_megapixels=0`", "model=r max_megapixels=0", "max_megapixels (=0) must be positive", command=SERVE),
    Row("`max_upload_mb=-1`", "model=r max_upload_mb=-1", "max_upload_mb (=-1) must be positive", command=SERVE),
]

KINDS: dict[str, list[Row]] = {
    "Roots and layouts": LAYOUTS,
    "Names": NAMES,
    "Images": IMAGES,
    "Masks": MASKS,
    "Further images, and a run to go on from": EXTRA,
    "Regions of interest": REGIONS,
    "Tables": TABLES,
    "Groups": GROUPS,
    "Public data sets": READERS,
    "Keys": KEYS,
    "The cache": CACHE,
    "Predictions": PREDICTIONS,
    "Evaluations": EVALUATIONS,
    "The page": PAGE,
}


def page() -> str:
    """The table of docs/bad-inputs.md."""
    lines = ["| input | what happens | exit code |", "|---|---|---|"]
    for kind, rows in KINDS.items():
        lines.append(f"| **{kind}** | | |")
        lines += [f"| {row.title} | `{row.says}` | {row.code} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")

"""How much a network's outputs differ from image to image and from pixel to pixel: a constant shows in both.

python -m experiments.theory.spread multirun/along/PA_FVN01_TL-amplify-0.05-seed0

prints the standard deviations of F(X), in units of intensity, for training, held-out, good and defective test images.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from fae.cli.command import plainly
from fae.evaluation.finished_run import Scored
from fae.run.folder import finished_config


def spread(run_dir: Path, most: int) -> pd.DataFrame:
    """A row for each kind of images, over `most` of them; by the run's chosen checkpoint."""
    scored = Scored(run_dir, finished_config(run_dir), None)
    data, rows = scored.data, []
    defective = torch.tensor([bool(sample.label) for sample in data.test.samples])
    kinds = {
        "train": data.train.image,
        "held out": data.val.image,
        "test, good": data.test.image[~defective],
        "test, defective": data.test.image[defective],
    }
    for kind, image in kinds.items():
        with torch.inference_mode():
            output = scored.module.eval()(image[:most].float() / 255)
        rows.append(
            {
                "images": kind,
                "count": len(output),
                "over_images": float(output.std(dim=0, correction=0).mean()),
                "over_pixels": float(output.std(dim=(2, 3), correction=0).mean()),
            }
        )
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run of fae.train")
    parser.add_argument("--images", type=int, default=8, help="at most, of each kind")
    asked = parser.parse_args(arguments)
    if asked.images < 1:
        raise ValueError(f"--images (={asked.images}) must be at least 1")
    found = spread(asked.run, asked.images)
    print(found.to_string(index=False))
    return found


if __name__ == "__main__":
    with plainly():
        main()

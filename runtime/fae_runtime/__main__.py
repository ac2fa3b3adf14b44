"""`python -m fae_runtime DIR image…`: a CSV line for each image file."""

import argparse
import csv
import sys

from fae_runtime.detector import Detector
from fae_runtime.engine import ENGINES

SOME_FAILED = 3
"""The exit code if some files could not be scored, as that of `fae.predict`."""


def main() -> int:
    """Score the image files that the command line names, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fae_runtime", description="Score image files by an export of fae.")
    parser.add_argument("folder", help="folder that fae.export wrote")
    parser.add_argument("image", nargs="+", help="image file")
    parser.add_argument("--engine", choices=ENGINES, help="default: onnxruntime if it is installed, else openvino")
    parser.add_argument("--threads", type=int, help="number of threads; default: the engine's own choice")
    words = parser.parse_args()
    try:
        detector = Detector.load(words.folder, words.engine, words.threads)
    except (OSError, ValueError, ImportError) as error:
        parser.error(str(error))
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "score", "anomalous", "anomaly_percent", "error"])
    failed = False
    for path in words.image:
        try:
            found = detector(path)
            table.writerow([path, found.score, found.anomalous, detector.percent(found.score), ""])
        except ValueError as error:
            failed = True
            table.writerow([path, "", "", "", error])
    return SOME_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())

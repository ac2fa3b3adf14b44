"""Compare the C++ example with the Python runtime: resized pixels in grey levels, and scores.

    python runtime/cpp/compare.py DIR PROGRAM IMAGE…

DIR is an export, and PROGRAM the built example. The pixels are those of the OpenCV that Debian's python3 has (package
python3-opencv), which is the library that the example is linked to.
"""

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from fae_runtime import Detector
from fae_runtime.fit import content_size, fit

_RESIZE = """
import sys, cv2, numpy as np
with np.load(sys.argv[1]) as images:
    sizes = {name: images[name] for name in images.files}
height, width = sizes.pop("size")
found = {}
for name, image in sizes.items():
    shrinks = height < image.shape[0] or width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    found[name] = cv2.resize(image, (int(width), int(height)), interpolation=method)
np.savez(sys.argv[2], **found)
print(cv2.__version__)
"""


def main() -> None:
    """Print both differences; the export must stretch its images."""
    folder, program, *files = sys.argv[1:]
    detector = Detector.load(folder, "openvino")
    facts = detector.metadata["image"]
    size = (facts["height"], facts["width"])
    images = {str(i): detector.read(file) for i, file in enumerate(files)}
    with tempfile.TemporaryDirectory() as scratch:
        source, resized_there = Path(scratch, "source.npz"), Path(scratch, "resized.npz")
        np.savez(source, size=size, **images)
        command = ["/usr/bin/python3", "-c", _RESIZE, str(source), str(resized_there)]
        other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        with np.load(resized_there) as resized:
            pairs = [
                (fit(image, size, content_size(image.shape[:2], size, "stretch")), resized[name])
                for name, image in images.items()
            ]
    levels = [int(np.abs(one.astype(int) - two).max()) for one, two in pairs]
    result = subprocess.run([program, folder, *files], capture_output=True, text=True, check=True)
    there = np.array([float(line.rsplit(" ", 2)[1]) for line in result.stdout.splitlines()])
    here = np.array([found.score for found in detector.batch(list(images.values()))])
    shapes = sorted((image.shape[:2] for image in images.values()), key=math.prod)
    smallest, largest, target = (f"{height}×{width}" for height, width in (shapes[0], shapes[-1], size))
    print(f"OpenCV {cv2.__version__} and {other}: {len(files)} image(s) from {smallest} to {largest} pixels, ", end="")
    print(f"brought to {target}")
    print(f"largest difference of a resized value: {max(levels)} grey levels")
    print(f"largest relative difference of a score: {np.max(np.abs(there - here) / here):.1e}")


if __name__ == "__main__":
    main()

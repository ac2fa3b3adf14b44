"""Cold start of a detector: import, load, first score and the peak of anonymous memory, each in a new process.

python -m experiments.deploy.cold RUN EXPORT IMAGE    # cold.csv

`fae.load` and the light runtime with each engine score one image file, in turns. Memory is RssAnon, sampled every five
milliseconds.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

from fae.cli.command import plainly
from fae.machine.provenance import git_commit

HERE = Path(__file__).parent
ROUNDS = 5
CODE = """
import json, re, sys, threading, time
start, peak, over = time.perf_counter(), 0, threading.Event()
def watch():
    global peak
    while not over.wait(0.005):
        with open("/proc/self/status") as status:
            peak = max(peak, int(re.search(r"RssAnon:\\s+(\\d+)", status.read())[1]))
thread = threading.Thread(target=watch)
thread.start()
way, folder, image, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if way == "fae.load":
    import torch
    torch.set_num_threads(threads)
    import fae
    fae.load
    imported = time.perf_counter()
    detector = fae.load(folder)
else:
    from fae_runtime import Detector
    imported = time.perf_counter()
    detector = Detector.load(folder, way, threads)
loaded = time.perf_counter()
detector(image)
scored = time.perf_counter()
over.set()
thread.join()
print(json.dumps({"import_s": imported - start, "load_s": loaded - imported, "first_s": scored - loaded,
                  "total_s": scored - start, "peak_mib": peak / 1024}))
"""


def once(way: str, folder: Path, image: Path, threads: int) -> dict[str, float]:
    """Start a process that scores one image, and return what it took."""
    command = [sys.executable, "-c", CODE, way, str(folder), str(image), str(threads)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("export", type=Path, help="folder that fae.export made of it")
    parser.add_argument("image", type=Path, help="image file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=HERE / "cold.csv")
    asked = parser.parse_args(words)
    ways = {"fae.load": asked.run, "onnxruntime": asked.export, "openvino": asked.export}
    rows = [
        {"way": way} | once(way, folder, asked.image, asked.threads)
        for _ in range(asked.rounds)
        for way, folder in ways.items()
    ]
    table = pd.DataFrame(rows).groupby("way").median().reset_index()
    table["rounds"], table["git_commit"] = asked.rounds, git_commit()
    table.to_csv(asked.out, index=False, float_format="%.3g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()

"""Measures the resident memory of fae.predict while predictions.csv grows. The images are links to one file.

python -m experiments.evaluation.memory RUN IMAGE 20000      # prints a Markdown table
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a finished run of fae.train")
    parser.add_argument("image", type=Path, help="the file that all links point to")
    parser.add_argument("count", type=int, help="number of links")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inputs, output = Path(folder) / "in", Path(folder) / "out"
        inputs.mkdir()
        for i in range(asked.count):
            os.symlink(asked.image.resolve(), inputs / f"{i:06d}{asked.image.suffix}")
        command = [sys.executable, "-m", "fae.predict", f"run_dir={asked.run}", f"input={inputs}", f"output={output}"]
        process = subprocess.Popen([*command, "write.map=false", "write.mask=false", "write.overlay=false"])
        print("| images done | resident MiB |\n|---|---|", flush=True)
        due = asked.count // 20
        while process.poll() is None:
            draft = output / ".predictions.csv.part"
            done = draft.read_bytes().count(b"\n") - 1 if draft.is_file() else 0
            if done >= due:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
                print(f"| {done} | {resident:.0f} |", flush=True)
                due = max(due * 2, done + 1)
            time.sleep(0.5)
        sys.exit(process.returncode)


if __name__ == "__main__":
    main()

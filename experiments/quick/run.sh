#!/usr/bin/env bash
# Train the quick preset on every set at hand. Repeat it to skip what is finished and go on.
#   DATA=../shared/data experiments/quick/run.sh
set -eu
DATA=${DATA:-../shared/data}
python=${PYTHON:-.venv/bin/python}
train=("$python" -m fae.train -m experiment=quick hydra.sweep.dir=multirun/quick
  trainer.enable_progress_bar=false '~callback.progress')
both=objective=filter,amplify
"${train[@]}" $both data=folder category=generic "data.root=$(echo "$DATA"/piped/PA_* | tr ' ' ',')"
"${train[@]}" $both data=folder category=generic "data.root=$DATA/magnetic_tile/tile"
"${train[@]}" $both data=mvtec category=screw "data.root=$DATA/mvtec_ad" data.image_size=256 score.k=11
"${train[@]}" $both data=synthetic category=wood
"${train[@]}" data=synthetic category=carpet,grid,leather,tile
"$python" experiments/table.py multirun/quick experiments/quick/results.csv

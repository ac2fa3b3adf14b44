#!/usr/bin/env bash
# Train the quick preset on every set at hand, both objectives. Repeat it to skip what is finished and go on.
#   DATA=../shared/data experiments/quick/run.sh
set -eu
DATA=${DATA:-../shared/data}
train=("${PYTHON:-.venv/bin/python}" -m fae.train -m experiment=quick 'objective=filter,amplify' hydra.sweep.dir=multirun/quick
  trainer.enable_progress_bar=false '~callback.progress')
"${train[@]}" data=folder category=generic \
  "data.root=$(echo "$DATA"/piped/PA_* | tr ' ' ',')"
"${train[@]}" data=folder category=generic "data.root=$DATA/magnetic_tile/tile"
"${train[@]}" data=mvtec category=screw "data.root=$DATA/mvtec_ad" data.image_size=256
"${train[@]}" data=synthetic category=carpet,grid,leather,tile,wood
"${PYTHON:-.venv/bin/python}" experiments/table.py multirun/quick experiments/quick/results.csv

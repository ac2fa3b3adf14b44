#!/usr/bin/env bash
# Trains the quick preset on MVTec AD screw and on the synthetic sets. If it is repeated, it skips finished runs.
#   DATA=../shared/data experiments/quick/run.sh
set -eu
DATA=${DATA:-../shared/data}
python=${PYTHON:-.venv/bin/python}
train=("$python" -m fae.train -m experiment=quick hydra.sweep.dir=multirun/quick
  trainer.enable_progress_bar=false '~callback.progress')
"${train[@]}" objective=filter data=mvtec category=screw "data.root=$DATA/mvtec_ad" data.image_size=256 score.k=11
"${train[@]}" objective=filter,amplify data=synthetic category=wood
"${train[@]}" objective=filter data=synthetic category=carpet,grid,leather,tile
"$python" -m experiments.table multirun/quick experiments/quick/results.csv

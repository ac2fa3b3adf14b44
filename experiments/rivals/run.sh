#!/usr/bin/env bash
# All rivals on some sets, one after the other. Repeat it to skip what is there and go on.
#   SETS="$PIPED/PA_FVN01_TL $MVTEC/screw" DTD=… SEEDS="0 1 2" BUDGETS=120 experiments/rivals/run.sh
# A set named after a category is trained by that category's settings, without touching its image size of 128 px.
set -u
python=${PYTHON:-.venv/bin/python}
other=${RIVALS_PYTHON:-.venv-rivals/bin/python}
for budget in ${BUDGETS:-120}; do
  for seed in ${SEEDS:-0 1 2}; do
    for set in $SETS; do
      data="data=folder category=generic data.root=$set"
      name=$(basename "$set")
      [ -f "conf/category/$name.yaml" ] && data="data=mvtec category=$name data.root=$(dirname "$set")"
      for rival in ${RIVALS-fae segmentation autoencoder denoising}; do
        # shellcheck disable=SC2086
        "$python" -m experiments.rivals.own "$rival" "$budget" experiment=quick $data "seed=$seed"
      done
      for rival in ${OTHERS-draem ganomaly patchcore efficientad}; do
        "$other" experiments/rivals/others.py "$rival" "$budget" "$set" --seed "$seed" --textures "$DTD"
      done
    done
  done
done
# shellcheck disable=SC2086
"$python" -m experiments.rivals.score multirun/rivals $SETS

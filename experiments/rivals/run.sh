#!/usr/bin/env bash
# All rivals on some sets, one after the other on idle cores. Repeat it to skip what is there and go on.
#   PIPED=… DTD=… SETS="PA_FVN01_TL PA_BRG03_TL" SEEDS="0" BUDGETS=120 experiments/rivals/run.sh
set -u
python=${PYTHON:-.venv/bin/python}
other=${RIVALS_PYTHON:-.venv-rivals/bin/python}
for budget in ${BUDGETS:-120}; do
  for seed in ${SEEDS:-0 1 2}; do
    for set in ${SETS:-PA_FVN01_TL PA_BRG03_TL}; do
      for rival in ${RIVALS:-fae segmentation autoencoder denoising}; do
        "$python" -m experiments.rivals.own "$rival" "$budget" experiment=quick data=folder category=generic \
          "data.root=$PIPED/$set" "seed=$seed"
      done
      for rival in ${OTHERS:-draem ganomaly patchcore efficientad}; do
        timeout $((budget + 900)) "$other" experiments/rivals/others.py "$rival" "$budget" "$PIPED/$set" \
          --seed "$seed" --textures "$DTD"
      done
    done
  done
done
"$python" -m experiments.rivals.score multirun/rivals "$PIPED"

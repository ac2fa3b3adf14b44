#!/usr/bin/env bash
# Trains all rivals on some sets, one after the other. If it is repeated, it skips finished runs.
#   SETS="$PIPED/PA_FVN01_TL screw=$MVTEC/screw" DTD=… SEEDS="0 1 2" BUDGETS=120 experiments/rivals/run.sh
# CATEGORY=FOLDER trains by the settings of a category, at 128 px like all others.
set -u
: "${SETS:?the sets, as FOLDER or CATEGORY=FOLDER}" "${DTD:?a folder of pictures from which draem draws anomalies}"
python=${PYTHON:-.venv/bin/python}
other=${RIVALS_PYTHON:-.venv-rivals/bin/python}
failed=0
try() { "$@" || { failed=1; echo "failed: $*" >&2; }; }
for budget in ${BUDGETS:-120}; do
  for seed in ${SEEDS:-0 1 2}; do
    for set in $SETS; do
      root=${set#*=}
      data=(data=folder category=generic "data.root=$root")
      [ "$root" = "$set" ] || data=(data=mvtec "category=${set%%=*}" "data.root=$(dirname "$root")")
      for rival in ${RIVALS-fae segmentation autoencoder denoising}; do
        # shellcheck disable=SC2086
        try "$python" -m experiments.rivals.own "$rival" "$budget" ${WATCH:-} experiment=quick "${data[@]}" "seed=$seed"
      done
      for rival in ${OTHERS-draem ganomaly patchcore efficientad}; do
        try "$other" -m experiments.rivals.others "$rival" "$budget" "$root" --seed "$seed" --textures "$DTD"
      done
    done
  done
done
roots=()
for set in $SETS; do roots+=("${set#*=}"); done
try "$python" -m experiments.rivals.score multirun/rivals "${roots[@]}"
exit $failed

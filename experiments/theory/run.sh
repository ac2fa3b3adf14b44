#!/usr/bin/env bash
# Every CSV and picture of README.md: a quarter of an hour on one core without the eight trainings, which repeated calls skip.
#   PIPED=… MVTEC=… experiments/theory/run.sh
set -eu
: "${PIPED:?}" "${MVTEC:?}"
python=${PYTHON:-.venv/bin/python}
run() { "$python" -m "experiments.theory.$1" "${@:2}"; }
quick=(experiment=quick data=folder category=generic)
train() {  # sets, then what fae.train is told besides
  "$python" -m fae.train -m "${quick[@]}" objective=filter corruption=elastic seed=0 logger.mode=disabled "data.root=$1" "${@:2}"
}
run cases
run fields
run premise "$PIPED"/PA_* "$MVTEC/screw" --pairs 500
run moments "$PIPED"/PA_* --rows "$MVTEC/screw"
train "$PIPED/PA_FVN01_TL,$PIPED/PA_GLA01_TL" hydra.sweep.dir=multirun/fig9
train "$PIPED/PA_FVN01_TL" trainer.max_steps=3200 hydra.sweep.dir=multirun/fig9_longer
run orthogonality multirun/fig9/*FVN01* multirun/fig9_longer/*FVN01* multirun/fig9/*GLA01* --repeats 3
"$python" -m fae.train -m experiment=quick objective=filter data=mvtec category=screw seed=0 "data.root=$MVTEC" logger.mode=disabled hydra.sweep.dir=multirun/fig9_screw
mkdir -p benchmarks/fig9_screw
run orthogonality multirun/fig9_screw/mvtec* --repeats 1 --out benchmarks/fig9_screw
for kind in csv png; do cp "benchmarks/fig9_screw/orthogonality.$kind" "experiments/theory/orthogonality_screw.$kind"; done
run along "${quick[@]}" "data.root=$PIPED/PA_FVN01_TL"

#!/usr/bin/env bash
# Every CSV and picture of README.md: a quarter of an hour on one core without the fifteen trainings, which repeated calls skip.
#   PIPED=… MVTEC=… MACHINE=epyc-7003 experiments/theory/run.sh      # into experiments/theory/$MACHINE
set -eu
: "${PIPED:?}" "${MVTEC:?}" "${MACHINE:?}"
out=experiments/theory/$MACHINE
mkdir -p "$out"
python=${PYTHON:-.venv/bin/python}
run() { "$python" -m "experiments.theory.$1" "${@:2}"; }
quick=(experiment=quick data=folder category=generic)
train() {  # sets, then what fae.train is told besides
  "$python" -m fae.train -m "${quick[@]}" objective=filter corruption=elastic logger.mode=disabled "data.root=$1" "${@:2}"
}
run cases
run fields
run premise "$PIPED"/PA_* "$MVTEC/screw" --pairs 500
run moments "$PIPED"/PA_* --rows "$MVTEC/screw"
train "$PIPED/PA_FVN01_TL,$PIPED/PA_GLA01_TL" hydra.sweep.dir=multirun/fig9
train "$PIPED/PA_FVN01_TL" trainer.max_steps=3200 hydra.sweep.dir=multirun/fig9_longer
train "$PIPED/PA_FVN01_TL,$PIPED/PA_GLA01_TL" seed=1 hydra.sweep.dir=multirun/fig9_seed1
train "$PIPED/PA_FVN01_TL" trainer.max_steps=3200 seed=1 hydra.sweep.dir=multirun/fig9_seed1_longer
"$python" -m fae.train -m experiment=quick objective=filter data=mvtec category=screw seed=0 "data.root=$MVTEC" logger.mode=disabled hydra.sweep.dir=multirun/fig9_screw
run orthogonality multirun/fig9/*FVN01* multirun/fig9_longer/*FVN01* multirun/fig9/*GLA01* --repeats 3
elsewhere() {  # name, then what orthogonality is told
  mkdir -p "benchmarks/fig9_$1"
  run orthogonality "${@:2}" --out "benchmarks/fig9_$1"
  for kind in csv png; do cp "benchmarks/fig9_$1/orthogonality.$kind" "$out/orthogonality-$1.$kind"; done
}
elsewhere seed1 multirun/fig9_seed1/*FVN01* multirun/fig9_seed1_longer/*FVN01* multirun/fig9_seed1/*GLA01* --repeats 3
elsewhere screw multirun/fig9_screw/mvtec* --repeats 1
for seed in 0 1; do run along "${quick[@]}" "data.root=$PIPED/PA_FVN01_TL" "seed=$seed"; done
"$python" experiments/table.py multirun/fig9_seed1 multirun/fig9_seed1_longer multirun/along "$out/runs.csv"
mv experiments/theory/*.csv experiments/theory/*.png "$out"   # the scripts write beside themselves

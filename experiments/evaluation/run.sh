#!/usr/bin/env bash
# Scores runs with k, n and t as configured, by validation and by the test images, as ensembles, and with thresholds for
# several false-alarm rates. If it is repeated, it goes on where it stopped. It needs the runs of experiments/corruption
# (mix, σ = 0, filter and amplify), experiments/quick (screw) and experiments/magnetic_tile (with run_dir=runs/tile), and
# trains twelve more for the folds. After those runs it takes about an hour on two CPU cores.
#   DATA=../shared/data experiments/evaluation/run.sh
set -eu
DATA=${DATA:-../shared/data}
SETS=${SETS:-PA_BDP01_TL PA_BRG01_RL PA_BRG03_TL PA_FLR01_TL PA_FVN01_TL PA_GLA01_TL}
python=${PYTHON:-.venv/bin/python}

runs() { # finished runs of a set and an objective, with the mix and σ = 0
  for run in multirun/corruption/folder-"$1"-"$2"-*; do
    if [ -f "$run/metrics.json" ] && grep -q '"corruption": "mix"' "$run/metrics.json" &&
      grep -q '"noise_sigma": 0.0,' "$run/metrics.json"; then echo "$run"; fi
  done
}
score() { # scores a run under a name with changed words, unless the result is there
  [ -f "$1/evaluation/$2.json" ] || "$python" -m fae.evaluate "run_dir=$1" "name=$2" "${@:3}" > /dev/null
}

if [[ " ${PARTS:-selection ensemble folds} " == *" selection "* ]]; then
  for run in runs/tile multirun/quick/*screw-filter-* $(for set in $SETS; do runs "$set" filter; done); do
    k=[3,5,9,21]
    case $run in *tile*|*screw*) k=[3,5,9,15,21] ;; esac # 256 px
    score "$run" fixed
    score "$run" validation grid=default "grid.k=$k" select=validation
    score "$run" oracle grid=default "grid.k=$k" select=oracle
  done
fi
if [[ " ${PARTS:-selection ensemble folds} " == *" ensemble "* ]]; then
  for set in $SETS; do
    for amplify in $(runs "$set" amplify); do
      seed=${amplify#*-seed}
      filter=$(runs "$set" filter | grep -- "-seed${seed%%-*}-")
      score "$filter" fixed
      score "$amplify" fixed
      for scale in none validation; do
        score "$filter" "ensemble-$scale" "ensemble=[$filter,$amplify]" "ensemble_scale=$scale"
      done
    done
  done
fi
if [[ " ${PARTS:-selection ensemble folds} " == *" folds "* ]]; then
  for run in runs/tile multirun/quick/*screw-filter-*; do
    for rate in 0.1 0.2; do
      score "$run" "rate-$rate" "threshold.image_rate=$rate" "threshold.pixel_rate=${rate/0./0.00}"
    done
  done
  "$python" -m fae.train -m experiment=quick data=folder category=generic data.folds=2 data.fold=0,1 \
    "data.root=$DATA/piped/${SETS// /,$DATA/piped/}" hydra.sweep.dir=multirun/folds \
    trainer.enable_progress_bar=false '~callback.progress'
  for set in $SETS; do
    both=$(echo multirun/folds/folder-"$set"-*/ | sed 's#/ #,#g; s#/$##')
    for run in ${both//,/ }; do
      for rate in 0.05 0.1 0.2; do
        score "$run" "folds-$rate" "calibration.runs=[$both]" "threshold.image_rate=$rate" "threshold.pixel_rate=${rate/0./0.00}"
      done
    done
  done
fi

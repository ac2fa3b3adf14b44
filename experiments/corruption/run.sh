#!/usr/bin/env bash
# Trains the quick preset with each kind of damage: kinds and mixes x noise anchor x objectives x sets x seeds.
# If it is repeated, it skips finished runs. All 648 runs take 7 to 32 hours on two cores. The variables narrow it:
#   DATA=../shared/data SEEDS=0 OBJECTIVES=filter SETS=PA_BRG03_TL,PA_FVN01_TL experiments/corruption/run.sh
set -eu
DATA=${DATA:-../shared/data}
SETS=${SETS:-PA_BDP01_TL,PA_BRG01_RL,PA_BRG03_TL,PA_FLR01_TL,PA_FVN01_TL,PA_GLA01_TL}
CORRUPTIONS=${CORRUPTIONS:-elastic,elastic_occlusion,mix,occlusion,swap,intensity,speck,scratch,cut_out}
python=${PYTHON:-.venv/bin/python}
"$python" -m fae.train -m experiment=quick data=folder category=generic \
  "seed=${SEEDS:-0,1,2}" "objective=${OBJECTIVES:-filter,amplify}" "data.noise_sigma=${SIGMAS:-0.0,0.05}" \
  "data.root=$DATA/piped/${SETS//,/,$DATA/piped/}" "corruption=$CORRUPTIONS" \
  hydra.sweep.dir=multirun/corruption trainer.enable_progress_bar=false '~callback.progress'
"$python" -m experiments.table multirun/corruption experiments/corruption/results.csv
"$python" -m experiments.corruption.plot

#!/usr/bin/env bash
# What each kind of damage is worth: kinds and mixes x noise anchor x objectives x sets x seeds, by the quick preset.
# Repeat it to skip what is finished and go on. All of it is 7 to 32 hours on two cores, by the machine; narrow it by the variables:
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
"$python" experiments/table.py multirun/corruption experiments/corruption/results.csv
"$python" experiments/corruption/plot.py

#!/usr/bin/env bash
# Trains the runs of table 4 and fig. 11 on the six PIPED sets, by the quick preset. If repeated, it skips finished runs.
#   PIPED=… SEEDS=0,1,2 experiments/tables/run.sh
set -eu
python=${PYTHON:-.venv/bin/python}
sets=$PIPED/PA_BDP01_TL,$PIPED/PA_BRG01_RL,$PIPED/PA_BRG03_TL,$PIPED/PA_FLR01_TL,$PIPED/PA_FVN01_TL,$PIPED/PA_GLA01_TL
train() {
  "$python" -m fae.train -m experiment=quick data=folder category=generic "seed=${SEEDS:-0,1,2}" \
    hydra.sweep.dir=multirun/textures logger.mode=disabled "$@"
}
train objective=filter,amplify corruption=elastic "data.root=$sets"
train objective=filter corruption=cut_out "data.root=$PIPED/PA_FVN01_TL,$PIPED/PA_BRG01_RL"   # fig. 11: zeros

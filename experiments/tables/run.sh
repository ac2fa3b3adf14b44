#!/usr/bin/env bash
# Table 4's and fig. 11's runs on the six PIPED sets, by the quick preset. Repeat it to skip what is finished and go on.
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

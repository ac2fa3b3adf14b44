#!/usr/bin/env bash
# Times fae.evaluate with 48 settings of k, n and t and with one, the network included: MVTec AD screw, f = 3,
# width 64, 512×512. The weights come from one training step, as the time does not depend on them.
# It takes about twelve minutes on two CPU cores.
#   DATA=../shared/data experiments/evaluation/grid_cost.sh
set -eu
DATA=${DATA:-../shared/data}
python=${PYTHON:-.venv/bin/python}
run=runs/grid_cost
[ -f $run/metrics.json ] || "$python" -m fae.train data=mvtec "data.root=$DATA/mvtec_ad" category=screw model.width=64 \
  data.image_size=512 data.batch_size=2 data.crop_sizes='[64]' trainer.max_steps=1 pictures=0 run_dir=$run \
  trainer.enable_progress_bar=false '~callback.progress' > /dev/null
for what in one grid one grid; do
  rm -f $run/evaluation/residual-*.npz
  settings=
  [ $what = one ] || settings="grid=default"
  start=$(date +%s.%N)
  "$python" -m fae.evaluate run_dir=$run name=$what $settings > /dev/null
  echo "$what $(date +%s.%N) $start" | awk '{ printf "%s: %.1f s\n", $1, $2 - $3 }'
done

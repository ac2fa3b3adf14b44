#!/usr/bin/env bash
# What README.md says of two idle CPU cores, into experiments/benchmark/<machine>/<part>.json, with pictures:
#   experiments/benchmark/run.sh MACHINE         # 10 minutes with bf16, 15 with AMX, longer without
#   experiments/benchmark/run.sh MACHINE data    # 100 and 50,000 images on one thread: an hour or more
set -eu
machine=${1:?name the machine, as its folder shall be called}
python=${PYTHON:-.venv/bin/python}
measure() {  # part, then what experiments.benchmark is told
  run=benchmarks/$machine-$1
  "$python" -m experiments.benchmark category=wood data=synthetic "run_dir=$run" trainer.accelerator=cpu "${@:2}"
  mkdir -p "experiments/benchmark/$machine"
  cp "$run/benchmark.json" "experiments/benchmark/$machine/$1.json"
  if [ -f "$run/benchmark.png" ]; then cp "$run/benchmark.png" "experiments/benchmark/$machine/$1.png"; fi
}
if [ "${2:-}" = data ]; then
  export OMP_NUM_THREADS=1
  measure data experiment=quick 'benchmark.parts=[data]' 'benchmark.images=[100,50000]'
  exit
fi
measure full experiment=paper data.batch_size=1 benchmark.seconds=60 'benchmark.parts=[training,layers]'
measure quick experiment=quick benchmark.seconds=40 'benchmark.parts=[training,inference,memory,layers]'
measure full-inference experiment=paper benchmark.seconds=35 'benchmark.parts=[inference]' 'benchmark.batches=[1]'
measure scale experiment=quick 'benchmark.parts=[scale]'

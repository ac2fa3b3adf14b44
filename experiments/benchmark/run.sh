#!/usr/bin/env bash
# What README.md says of two CPU cores without bf16, and of scale and many images: two hours or more on two idle CPU cores. Takes pictures and JSON from benchmarks/.
set -eu
python=${PYTHON:-.venv/bin/python}
here=experiments/benchmark
measure() {  # name, then what experiments.benchmark is told
  "$python" -m experiments.benchmark category=wood data=synthetic "run_dir=benchmarks/$1" "${@:2}"
  cp "benchmarks/$1/benchmark.json" "$here/$1.json"
  if [ -f "benchmarks/$1/benchmark.png" ]; then cp "benchmarks/$1/benchmark.png" "$here/$1.png"; fi
}
measure full experiment=paper data.batch_size=1 benchmark.seconds=150 'benchmark.parts=[training,layers,switches]'
measure quick experiment=quick 'benchmark.parts=[training,inference,memory,layers,switches]'
measure full-inference experiment=paper benchmark.seconds=45 'benchmark.parts=[inference]' 'benchmark.batches=[1]'
measure scale experiment=quick 'benchmark.parts=[scale]'
measure data experiment=quick 'benchmark.parts=[data]' 'benchmark.images=[100,5000,50000]'
measure kept-full experiment=paper data.batch_size=1 benchmark.seconds=60 'benchmark.parts=[training]'
measure kept-quick-2-threads experiment=quick benchmark.seconds=50 'benchmark.parts=[training]'
measure kept-full-inference experiment=paper benchmark.seconds=35 'benchmark.parts=[inference]' 'benchmark.batches=[1]'
export OMP_NUM_THREADS=1
measure kept experiment=quick benchmark.seconds=12 'benchmark.parts=[inference,memory]'
measure kept-data experiment=quick 'benchmark.parts=[data]' 'benchmark.images=[100,50000]'
measure kept-512 experiment=quick data.image_size=512 data.batch_size=2 benchmark.seconds=40 'benchmark.parts=[training]'
measure kept-quick experiment=quick benchmark.seconds=30 'benchmark.parts=[training,switches]'

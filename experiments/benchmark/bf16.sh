#!/usr/bin/env bash
# What README.md says of two idle CPU cores with bf16: 15 minutes. Takes pictures and JSON from benchmarks/.
set -eu
python=${PYTHON:-.venv/bin/python}
here=experiments/benchmark
measure() {  # name, then what fae.benchmark is told
  "$python" -m fae.benchmark category=wood data=synthetic "run_dir=benchmarks/$1" trainer.accelerator=cpu "${@:2}"
  cp "benchmarks/$1/benchmark.json" "$here/$1.json"
  if [ -f "benchmarks/$1/benchmark.png" ]; then cp "benchmarks/$1/benchmark.png" "$here/$1.png"; fi
}
measure bf16-full experiment=paper data.batch_size=1 benchmark.seconds=60 'benchmark.parts=[training,layers]'
measure bf16-quick experiment=quick benchmark.seconds=40 'benchmark.parts=[training,inference,memory,layers]'
measure bf16-full-inference experiment=paper benchmark.seconds=35 'benchmark.parts=[inference]' 'benchmark.batches=[1]'
measure bf16-scale experiment=quick 'benchmark.parts=[scale]'
export ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16  # as on a processor without AMX
measure bf16-without-amx-full experiment=paper data.batch_size=1 benchmark.seconds=60 'benchmark.parts=[training]'
measure bf16-without-amx-quick experiment=quick benchmark.seconds=30 'benchmark.parts=[training]'
measure bf16-without-amx-inference experiment=paper benchmark.seconds=35 'benchmark.parts=[inference]' 'benchmark.batches=[1]'

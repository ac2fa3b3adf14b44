#!/usr/bin/env bash
# What README.md says of two idle CPU cores with bf16: ten minutes, 15 with AMX. Takes pictures and JSON from benchmarks/.
# experiments/benchmark/bf16.sh [PREFIX]: of the results' names, bf16 (the Xeon with AMX) unless told; README.md's EPYC is bf16-epyc.
set -eu
python=${PYTHON:-.venv/bin/python}
here=experiments/benchmark
prefix=${1:-bf16}
measure() {  # name, then what experiments.benchmark is told
  "$python" -m experiments.benchmark category=wood data=synthetic "run_dir=benchmarks/$prefix-$1" trainer.accelerator=cpu "${@:2}"
  cp "benchmarks/$prefix-$1/benchmark.json" "$here/$prefix-$1.json"
  if [ -f "benchmarks/$prefix-$1/benchmark.png" ]; then cp "benchmarks/$prefix-$1/benchmark.png" "$here/$prefix-$1.png"; fi
}
measure full experiment=paper data.batch_size=1 benchmark.seconds=60 'benchmark.parts=[training,layers]'
measure quick experiment=quick benchmark.seconds=40 'benchmark.parts=[training,inference,memory,layers]'
measure full-inference experiment=paper benchmark.seconds=35 'benchmark.parts=[inference]' 'benchmark.batches=[1]'
measure scale experiment=quick 'benchmark.parts=[scale]'
if grep -q amx_bf16 /proc/cpuinfo; then
  export ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16  # as on a processor without AMX
  measure without-amx-full experiment=paper data.batch_size=1 benchmark.seconds=60 'benchmark.parts=[training]'
  measure without-amx-quick experiment=quick benchmark.seconds=30 'benchmark.parts=[training]'
  measure without-amx-inference experiment=paper benchmark.seconds=35 'benchmark.parts=[inference]' 'benchmark.batches=[1]'
fi

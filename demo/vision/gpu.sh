#!/usr/bin/env bash
# Trains demo-vision on a GPU machine and packs what came of it in OUT_DIR: checkpoint.tar.gz, train.txt.
# python3 there must find torch, transformers and tokenizers; the exams can be held elsewhere, on a CPU.
#
#     bash demo/vision/gpu.sh OUT_DIR [SECONDS] [ARGUMENT...]      SECONDS of training, 1250 if not said
#
# Should training fail, it goes on from where it was without torch.compile, for what is left of the time.
set -uo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
seconds=${2:-1250}
shift $(($# < 2 ? $# : 2))
export PYTHONPATH="$here:$here/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
started=$SECONDS

train() { # ARGUMENT...
  local left=$((seconds - SECONDS + started))
  ((left > 60)) || return 1
  (cd "$here" && timeout $((left + 240)) python3 -m demo.vision --out "$out/demo-vision" --limit-s "$left" --steps 100000 "$@") >> "$out/train.txt" 2>&1
}

{ date -u +%FT%TZ; nvidia-smi; } > "$out/train.txt" 2>&1
train "$@" || train "$@" --plain $([ -e "$out/demo-vision/model.safetensors" ] && echo --from "$out/demo-vision")
echo "training ended with $?" | tee -a "$out/train.txt"
[ -d "$out/demo-vision" ] && tar -C "$out" -czf "$out/checkpoint.tar.gz" demo-vision

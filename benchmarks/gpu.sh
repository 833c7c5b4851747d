#!/usr/bin/env bash
# Measures on a GPU machine what needs one: the server against vLLM's fronts, then pictures through the server.
# python3 there must find vLLM, this package and what it needs; vLLM's Rust front stands in vLLM's wheel.
#
#     bash benchmarks/gpu.sh OUT_DIR [STEP...]        steps: serve vision; about seven and four minutes on an H200
#
# Each step has a time limit and leaves what it printed in OUT_DIR/STEP.txt, and its servers' logs beside it.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
export PYTHONPATH="$here/../src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
sizes=1,2,4,8,16,32,64,128,192,256,320,384,448,512
graphs() { echo "compilation_config={\"mode\":0,\"cudagraph_mode\":\"FULL_DECODE_ONLY\",\"cudagraph_capture_sizes\":[$1]}"; }
rust=$(python3 -c 'import importlib.util as u, pathlib as p; print(p.Path(u.find_spec("vllm").origin).parent / "vllm-rs")')

step() { # NAME SECONDS COMMAND...
  local name=$1 seconds=$2
  shift 2
  { date -u +%FT%TZ; nvidia-smi; git -C "$here" log -1 --format=%H 2>/dev/null; echo "$*"; } > "$out/$name.txt"
  timeout "$seconds" python3 "$@" --logs "$out/logs-$name" >> "$out/$name.txt" 2>&1
  echo "$name ended with $?" | tee -a "$out/$name.txt"
}

for name in "${@:-serve}"; do
  case $name in
    serve)
      step serve 540 "$here/serve.py" --geometry "${GEOMETRY:-glm4-0.5B}" --streams ${STREAMS:-64 256 512} --tokens 128 \
        --rounds "${ROUNDS:-3}" --growing 0 --at-once 0 --load-processes "${LOADERS:-6}" --fronts ${FRONTS-4} \
        $([ -x "$rust" ] && echo --rust "$rust") --patience 150 --engine-arg "$(graphs $sizes)" ;;
    vision)
      step vision 360 "$here/vision.py" --geometry "${GEOMETRY:-glm4.1v-9B}" --sides ours vllm --streams ${STREAMS:-1 8 32} \
        --rounds "${ROUNDS:-3}" --questions 3 --picture 672x448 --load-processes "${LOADERS:-4}" --patience 150 \
        --engine-arg "$(graphs 1,2,4,8,16,32)" ;;
    *) echo "no step is called $name" >&2; exit 2 ;;
  esac
done

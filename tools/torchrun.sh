#!/usr/bin/env bash
# auto_torchrun as a script: it also works before the package is installed, and from
# any folder. `bash tools/torchrun.sh --help` says more; PYTHON names another python.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m vq.launcher "$@"

#!/usr/bin/env bash
# Resolves the locks again after setup.py, overrides.txt or excludes.txt changed; pins that still fit stay.
# Arguments go to `uv pip compile`: --upgrade, or --upgrade-package NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

lock() {
  local target=$1
  shift
  "$uv" pip compile setup.py --extra kfp --extra serve --overrides requirements/overrides.txt --excludes requirements/excludes.txt \
    --generate-hashes --no-header --no-annotate -q -o "requirements/$target" "$@"
}

lock tfx121.txt --extra dev --extra notify --universal --python-version 3.11 "$@"
lock tfx116.txt --extra dev --extra notify --python-version 3.10 "$@"
# The same for macOS on x86_64, where two packages have older wheels.
lock tfx116-macos.txt --extra dev --extra notify --python-version 3.10 --python-platform x86_64-apple-darwin "$@"
# What the image installs is what was tested, without the tools.
lock image.txt --extra quantizer --universal --python-version 3.11 -c requirements/tfx121.txt

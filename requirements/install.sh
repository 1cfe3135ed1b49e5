#!/usr/bin/env bash
# Makes .venv with the locked packages for Python 3.10 and installs the project into it.
# Candidates for Python are tried by running them: a version manager's shim may be on PATH and still exit 127.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=requirements/py310-tfx116.txt
venv=.venv
stamp=$venv/.installed
want=$(cat "$lock" setup.py requirements/install.sh requirements/bootstrap.txt | cksum)

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

is_310() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in "${FARELITE_PYTHON:-}" python3.10 python3 python \
      "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10*/bin/python "$HOME"/.local/share/uv/python/cpython-3.10*/bin/python3.10 \
      "$HOME"/.asdf/installs/python/3.10*/bin/python "$HOME"/.local/share/mise/installs/python/3.10*/bin/python \
      /opt/python/cp310*/bin/python /usr/local/bin/python3.10 /usr/bin/python3.10 \
      "$HOME"/miniconda3/envs/*/bin/python "$HOME"/anaconda3/envs/*/bin/python; do
    if [ -n "$candidate" ] && is_310 "$candidate"; then echo "$candidate"; return; fi
  done
  if command -v uv >/dev/null 2>&1 && uv python install 3.10 >&2; then
    candidate=$(uv python find --managed-python 3.10 2>/dev/null || true)
    if [ -n "$candidate" ] && "$candidate" -c '' 2>/dev/null; then echo "$candidate"; return; fi
  fi
  return 1
}

if ! python=$(find_python); then
  echo 'No working Python 3.10 found: not on PATH, not in pyenv, asdf, mise or conda, and uv could not fetch one.' >&2
  echo 'Install it (pyenv install 3.10, or uv python install 3.10) or name one: FARELITE_PYTHON=/path/to/python3.10 make run' >&2
  exit 2
fi

echo "Installing into $venv with $("$python" --version) ($python); the first time takes about two minutes."
rm -rf "$venv"
"$python" -m venv "$venv"
# uv installs the set six times as fast as pip does; where it can't be had, pip does it.
if "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt; then
  "$venv/bin/uv" pip install -q --compile-bytecode --python "$venv/bin/python" --require-hashes -r "$lock"
else
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock"
fi
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
echo "$want" > "$stamp"

#!/usr/bin/env bash
# Chooses a lane and a Python for it, and lets requirements/install.py make the environment.
#   FARELITE_LANE    tfx121 (the default: tfx 1.21 on Python 3.11 to 3.13, in .venv)
#                    or tfx116 (tfx 1.16 on Python 3.10, in .venv-tfx116)
#   FARELITE_PYTHON  the interpreter to take, a name on PATH or a path, relative to the checkout; otherwise the newest one
#                    that works is taken
# Exit status: 0, 1 where an installation failed, 2 for a wrong setting, 3 where the lane finds no Python here.
set -euo pipefail
cd "$(dirname "$0")/.."

HOME=${HOME:-/}  # A timer or a bare environment may have none.
lane=${FARELITE_LANE:-tfx121}
case $lane in
  tfx121) venv=.venv versions='3.13 3.12 3.11' ;;
  tfx116) venv=.venv-tfx116 versions='3.10' ;;
  *) echo "FARELITE_LANE must be tfx121 or tfx116, got '$lane'." >&2; exit 2 ;;
esac

# What an environment is made of; another Python asked for makes another one.
want="${FARELITE_PYTHON:-}
$(cat requirements/*.txt requirements/install.* setup.py pyproject.toml | cksum)"
if [ "$(cat "$venv/.installed" 2>/dev/null)" = "$want" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

# Prints X.Y, a tab and what is missing: a shim may be on PATH and still exit 127, and a distribution's Python may lack
# a part that it sells in another package.
probe='
import sys
missing = []
for module in ("venv", "ensurepip", "ssl", "ctypes", "sqlite3", "zlib", "bz2", "lzma"):
  try: __import__(module)
  except ImportError: missing.append(module)
# The base of another environment goes when that one does, perhaps this very one.
if sys.prefix != sys.base_prefix: missing.append("a place of its own, being in a virtual environment")
gil = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else "t"
print("%d.%d%s\t%s" % (sys.version_info[0], sys.version_info[1], gil, " ".join(missing)))
'

passed_over=''
# Whether $1 is a Python $2 that has all it needs; notes what it lacks.
works() {
  local found version missing
  found=$("$1" -c "$probe" 2>/dev/null) || return 1
  version=${found%%$'\t'*} missing=${found#*$'\t'}
  [ "$version" = "$2" ] || return 1
  [ -z "$missing" ] && return 0
  case $passed_over in *" $1 ("*) ;; *) passed_over+="${passed_over:+,} $1 (Python $version without $missing)" ;; esac
  return 1
}

# Candidates for Python $1, the plain name on PATH first.
candidates() {
  printf '%s\n' "python$1" python3 python
  printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python "$HOME"/.local/share/uv/python/cpython-"$1"*/bin/python"$1" \
    "$HOME"/.asdf/installs/python/"$1"*/bin/python "$HOME"/.local/share/mise/installs/python/"$1"*/bin/python \
    /opt/python/cp"${1/./}"-cp"${1/./}"/bin/python /opt/homebrew/bin/python"$1" /usr/local/bin/python"$1" /usr/bin/python"$1" \
    "$HOME"/{miniconda3,anaconda3,miniforge3}{,/envs/*}/bin/python"$1" \
    | sort -rV
}

find_python() {
  local version candidate
  for version in $versions; do
    while IFS= read -r candidate; do
      if works "$candidate" "$version"; then python=$candidate; return; fi
    done < <(candidates "$version")
  done
  if command -v uv >/dev/null 2>&1 && uv python install -q "${versions%% *}" >&2; then
    candidate=$(uv python find --managed-python "${versions%% *}" 2>/dev/null || true)
    if [ -n "$candidate" ] && works "$candidate" "${versions%% *}"; then python=$candidate; return; fi
  fi
  return 1
}

# The one command that brings a Python of this lane to this system.
mend() {
  local id='' like='' version have root=''
  [ "$(id -u)" = 0 ] || root='sudo '
  if [ -r /etc/os-release ]; then . /etc/os-release; id=${ID:-} like=${ID_LIKE:-}; fi
  have=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
  if [ "$lane" = tfx116 ]; then
    echo 'uv python install 3.10 (uv: pip install uv), as no current system brings it; or take the lane tfx121.'
    return
  fi
  case " $id $like " in
    *' debian '* | *' ubuntu '*)
      # A system that has python3 in another version will not sell a fitting one under that name.
      case " $versions " in
        *" $have "*) echo "${root}apt-get install python$have-venv"; return ;;
        *) if [ -z "$have" ]; then echo "${root}apt-get install python3-venv"; return; fi ;;
      esac ;;
    *' fedora '*) version=${versions%% *}; echo "${root}dnf install python$version"; return ;;
    *) if [ "$(uname)" = Darwin ]; then echo "brew install python@${versions%% *}"; return; fi ;;
  esac
  echo "uv python install ${versions%% *} (uv: pip install uv, or your system's package of it)"
}

if [ -n "${FARELITE_PYTHON:-}" ]; then
  python=$FARELITE_PYTHON why='named by FARELITE_PYTHON'
  for version in $versions none; do
    if [ "$version" != none ] && works "$python" "$version"; then break; fi
  done
  if [ "$version" = none ]; then
    found=$("$python" -c "$probe" 2>/dev/null || true)
    case $found in
      '') found='it does not run (name a program, such as python3.13)' ;;
      *$'\t') found="it is Python ${found%%$'\t'*}" ;;
      *) found="it is Python ${found%%$'\t'*} without ${found#*$'\t'}" ;;
    esac
    echo "FARELITE_PYTHON=$python does not fit: $found; lane $lane takes Python ${versions// / or }." >&2
    case $lane$found in
      tfx121*' 3.10'*) echo 'For tfx 1.16 on Python 3.10: FARELITE_LANE=tfx116.' >&2 ;;
      *'virtual environment') echo 'Name the Python that it was made with, or leave FARELITE_PYTHON out.' >&2 ;;
      *) echo "Install one: $(mend)" >&2 ;;
    esac
    exit 2
  fi
elif find_python; then
  why="the newest of ${versions// /, } that works here"
  [ "$lane" = tfx121 ] || why='the Python of this lane'
else
  echo "No working Python ${versions// / or } found: not on PATH, not in a version manager.${passed_over:+ Passed over:$passed_over.}" >&2
  echo "Install one: $(mend)" >&2
  echo 'Or name one: FARELITE_PYTHON=/path/to/python make run' >&2
  exit 3
fi

rm -f "$venv/.installed"
FARELITE_WHY=$why "$python" requirements/install.py "$lane" "$venv"
echo "$want" > "$venv/.installed"

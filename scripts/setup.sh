#!/bin/sh
# Makes .venv with the locked dependencies and the program, or leaves it alone when nothing changed.
#   sh scripts/setup.sh runtime|dev      runtime: what the program needs; dev: the test and check tools as well
# PYTHON names the interpreter to start from. POSIX shell only: an old Python could not say that it is too old.
set -eu
cd "$(dirname "$0")/.."

what="${1:-dev}"
case "$what" in
runtime) lock=requirements.lock needed_mb=600 ;;
dev) lock=requirements-dev.lock needed_mb=1100 ;;
*) printf 'setup.sh: say "runtime" or "dev", not "%s".\n' "$what" >&2; exit 2 ;;
esac

stop() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

# --- what is there already -------------------------------------------------------------------------------
# The stamps live inside .venv, so that removing it forgets them too. The folder's own path is part of them,
# because a virtual environment does not survive being moved.
here="$(pwd -P)"
fingerprint() { { printf '%s\n' "$here"; cat "$@"; } | cksum; }
wanted="$(fingerprint "$lock")"
# Only the head of pyproject.toml says how the program is installed; the rest configures tools.
program="$(sed '/^\[tool\./,$d' pyproject.toml | fingerprint -)"
have() { [ "$(cat ".venv/stamp-$1" 2>/dev/null)" = "$2" ]; }

is_installed() { # the dev lock holds everything the runtime lock holds
    [ -x .venv/bin/python ] || return 1
    have "$what" "$wanted" && return 0
    [ "$what" = runtime ] && have dev "$(fingerprint requirements-dev.lock)"
}

if is_installed && have program "$program"; then
    exit 0
fi

# --- the folder ------------------------------------------------------------------------------------------
if ! (: >.venv-probe) 2>/dev/null; then
    stop "This folder cannot be written to: $here
Pipesleuth keeps its virtual environment in it. Clone it to a place you own, or mend the permissions, and run make again."
fi
rm -f .venv-probe

if ! is_installed; then
    free_mb="$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')"
    if [ "${free_mb:-$needed_mb}" -lt "$needed_mb" ]; then
        stop "There is too little space: $free_mb MB are free in $here, about $needed_mb MB are needed. Make room and run make again."
    fi
fi

# --- a Python that is new enough -------------------------------------------------------------------------
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" && printf '%s' "$PYTHON"
        return 0
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if new_enough "$candidate"; then
            printf '%s' "$candidate"
            return 0
        fi
    done
}

venv_is_usable() { # made in this very place, and its interpreter still there
    grep -qsF "$here/.venv" .venv/bin/activate && new_enough .venv/bin/python
}

if ! venv_is_usable; then
    python="$(find_python)"
    if [ -z "$python" ]; then
        named="${PYTHON:-python3}"
        found="$(command -v "$named" >/dev/null 2>&1 && "$named" --version 2>&1 || true)"
        stop "Pipesleuth needs Python 3.11 or newer; '$named' is: ${found:-not installed}.
Install a newer one (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python@3.12),
or name one you have: make setup PYTHON=/path/to/python3.12"
    fi
    if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        stop "This Python ($("$python" --version 2>&1)) comes without its venv module.
On Debian and Ubuntu: sudo apt install python3-venv   (or python3.12-venv and so on, by its version). Then run make again."
    fi
    printf 'Making .venv with %s …\n' "$("$python" --version 2>&1)"
    rm -rf .venv
    "$python" -m venv .venv || stop "The virtual environment could not be made; the reason stands above. Mend it and run make again."
fi

# --- the installer, the locked packages, the program -----------------------------------------------------
no_network="The packages could not be installed; the reason stands above.
If this machine reaches the Python package index through a proxy or a mirror, tell pip about it (pip config, HTTPS_PROXY)
and run make again: what has been fetched already is kept."

installer() { # the uv of the lock file, with its hashes; without it pip does the same, only slower
    .venv/bin/python -m uv --version >/dev/null 2>&1 && return 0
    awk '/^[a-zA-Z0-9]/ { keep = /^uv==/ } keep' requirements-dev.lock >.venv/uv.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
}

install_locked() {
    if installer; then
        .venv/bin/python -m uv pip install --python .venv/bin/python --require-hashes -r "$lock" && return 0
        printf 'uv did not manage; pip tries the same list (slower) …\n' >&2
    fi
    .venv/bin/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes --no-deps -r "$lock"
}

install_program() {
    if .venv/bin/python -m uv --version >/dev/null 2>&1; then
        .venv/bin/python -m uv pip install --python .venv/bin/python --quiet --no-deps --editable . && return 0
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
}

if ! is_installed; then
    printf 'Installing the packages of %s …\n' "$lock"
    install_locked || stop "$no_network"
    printf '%s' "$wanted" >".venv/stamp-$what"
fi
if ! have program "$program"; then
    install_program || stop "$no_network"
    printf '%s' "$program" >.venv/stamp-program
fi
printf 'Ready: .venv/bin/pipesleuth\n'

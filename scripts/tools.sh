#!/bin/sh
# Fetches what some tests need and Python packages cannot bring: Azurite, Jira's document schema and axe-core (npm),
# Chromium, PostgreSQL and unixODBC. Nothing here is needed to run Pipesleuth. What cannot be had is named, and the tests that
# need it are skipped with a line at the end of the run; where CI is set, a missing tool is a failure.
set -eu
cd "$(dirname "$0")/.."

missing=0
lacking() {
    missing=1
    printf 'Missing for the tests: %s\n' "$*" >&2
}

# --- npm packages, by the committed lock ----------------------------------------------------------------
wanted="$(cat scripts/tools/package.json scripts/tools/package-lock.json | cksum)"
if [ "$(cat .tools/stamp 2>/dev/null)" != "$wanted" ]; then
    if ! command -v npm >/dev/null 2>&1; then
        lacking "Node.js 20 or newer with npm (Debian: sudo apt install nodejs npm; macOS: brew install node)."
    else
        printf 'Fetching the test tools from npm …\n'
        mkdir -p .tools
        cp scripts/tools/package.json scripts/tools/package-lock.json .tools/
        if npm ci --prefix .tools --no-audit --no-fund --ignore-scripts --loglevel=error; then
            printf '%s' "$wanted" >.tools/stamp
        else
            lacking "the packages of scripts/tools/package.json: npm could not fetch them, the reason stands above."
        fi
    fi
fi

# --- programs of the system -------------------------------------------------------------------------------
has_chromium() {
    [ -n "${CHROMIUM:-}" ] && [ -x "$CHROMIUM" ] && return 0
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]
}

has_postgres() {
    command -v initdb >/dev/null 2>&1 && return 0
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && return 0
    done
    return 1
}

has_odbc() { # what the library of Azure SQL's driver loads
    .venv/bin/python -c 'import pyodbc' 2>/dev/null
}

by_apt() { # only where it disturbs nobody: as root on Debian or a child of it
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    printf 'Installing %s with apt …\n' "$1"
    # RUNLEVEL=1 keeps the package from starting a server of its own: the tests start theirs.
    { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$1" >/dev/null; } 1>&2
}

has_chromium || by_apt chromium || lacking "Chromium (Debian: sudo apt install chromium; elsewhere install Chrome, or set CHROMIUM to its path)."
has_postgres || by_apt postgresql || lacking "a PostgreSQL server (Debian: sudo apt install postgresql; macOS: brew install postgresql)."
has_odbc || by_apt libodbc2 || lacking "unixODBC (Debian: sudo apt install libodbc2; macOS: brew install unixodbc)."

if [ "$missing" = 1 ]; then
    if [ -n "${CI:-}" ]; then
        printf 'CI is set, so nothing may be missing.\n' >&2
        exit 1
    fi
    printf 'The tests that need them will be skipped and named at the end of the run.\n' >&2
fi

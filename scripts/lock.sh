#!/bin/sh
# Resolves the dependencies anew and writes the lock files: every package with its hashes, no address in them.
set -eu
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --quiet "$@" >/dev/null
}
compile --upgrade -o requirements.lock
# The second follows the first, so that tests run what users run.
compile --upgrade --constraint requirements.lock --group dev -o requirements-dev.lock
# What the container's image adds for Azure SQL and Key Vault, and what builds the program itself.
compile --upgrade --constraint requirements.lock --extra azure-sql --extra azure-key-vault -o requirements-azure.lock
printf 'hatchling\n' | .venv/bin/uv pip compile - --universal --python-version 3.11 --generate-hashes --upgrade \
    --no-emit-index-url --no-header --quiet -o requirements-build.lock >/dev/null

cd scripts/tools
npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error
# Pages of authors and licences are the only other addresses in it.
../../.venv/bin/python - package-lock.json <<'PYTHON'
import json, pathlib, sys

lock = pathlib.Path(sys.argv[1])
content = json.loads(lock.read_text())
for package in content["packages"].values():
    package.pop("funding", None)
    package.pop("license", None)
lock.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
PYTHON
printf 'Locked. Run make check before you commit it.\n'

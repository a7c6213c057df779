#!/bin/sh
# Whether what `llmx app-server generate-ts` writes compiles under `tsc --strict`, and says what usage.ts wants of it.
#
#     tests/live/typescript/check.sh DIR      DIR: what was generated
#
# Takes the machine's tsc, or installs typescript from npm below target/. Exit code 77: there is neither.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
generated=$(cd "$1" && pwd)
version=5.9.3

if command -v tsc >/dev/null; then
    tsc=tsc
else
    place=$here/../../../target/typescript-$version
    tsc=$place/node_modules/.bin/tsc
    if [ ! -x "$tsc" ]; then
        command -v npm >/dev/null || { echo "neither tsc nor npm is here"; exit 77; }
        npm install --silent --no-fund --no-audit --prefix "$place" "typescript@$version" >/dev/null ||
            { echo "npm does not get typescript"; exit 77; }
    fi
fi

cp "$here/usage.ts" "$generated/usage.ts"
cd "$generated"
exec "$tsc" --strict --exactOptionalPropertyTypes --noUnusedLocals --noEmit --target es2022 --module esnext \
    --moduleResolution bundler index.ts usage.ts

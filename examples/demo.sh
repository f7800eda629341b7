#!/usr/bin/env bash
# What `make demo` runs: two counters that go on counting at the next demo, then two functions that share files.
# Everything is local: processes on this machine, and variables in the folder .demo/store of the repository.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
store=$root/.demo/store
export VARFLOW_STORE=file://$store
unset PORT VARFLOW_SIDECAR_URL # a user's own would change where the functions listen
cd "$root/examples"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '  $ %s\n' "$*"; }
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}

# from_json EXPRESSION: print a Python expression over `it`, the JSON on standard input
from_json() { python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"; }

check_ports() {
    python3 - <<'PYTHON' || fail "the functions of iv/ know no other ports; end the program that has one and call 'make demo' again"
import socket, sys

for port in (8080, 8889):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(f"\ndemo: port {port} of 127.0.0.1 is not free: {error.strerror}")
PYTHON
}

# count FILE WORKFLOW: run a counter, and fail unless it went up by one
count() {
    local file=$1 workflow=$2 before after
    if ! before=$(varflow var get --scope workflow --workflow "$workflow" x 2>"$scratch/error.txt"); then
        grep -q '\[not_found\]' "$scratch/error.txt" || fail "x cannot be read: $(cat "$scratch/error.txt")"
        before=0
    fi
    show varflow run "examples/$file"
    varflow run "$file" --json >"$scratch/result.json" || fail "$file failed"
    after=$(from_json 'it["output"]["var"]["x"]' <"$scratch/result.json")
    [ "$after" -eq $((before + 1)) ] || fail "x was $before and is $after: it should have gone up by one"
    printf '  x was %s and is %s\n' "$before" "$after"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
check_ports
mkdir -p "$store"

say "Variables are kept in $store"

say "1. A counter: a getter, a transform, a setter. It goes on where the last demo ended."
count counter/count.yaml count
count counter/count.yaml count

say "2. The same in the older edition of the language."
count counter-older/counter.yaml counter
count counter-older/counter.yaml counter

say "3. Two functions, plain HTTP servers without any library of ours: the first stores files, the second finds them."
show varflow run examples/iv/iv.yaml
varflow run iv/iv.yaml --json >"$scratch/iv.json" || fail "iv/iv.yaml failed"
found=$(from_json '", ".join(it["output"]["myFiles"])' <"$scratch/iv.json")
[ "$found" = "file-1, file-2, file-3" ] || fail "the second function found '$found' in myFiles"
printf '  the second function found %s in myFiles\n' "$found"

say "4. What the functions left can be read by any process: the folder of the workflow, as the same bytes."
show varflow var get --scope workflow --workflow iv folder
varflow var get --scope workflow --workflow iv folder >"$scratch/folder.tar.gz" || fail "the variable cannot be read"
read_here=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())' <"$scratch/folder.tar.gz")
read_there=$(from_json 'it["output"]["sha256"]' <"$scratch/iv.json")
[ "$read_here" = "$read_there" ] || fail "the function read other bytes: $read_there, not $read_here"
printf '  sha256 %s, as the function read it\n' "$read_here"

say "All is as it should be. A second 'make demo' counts on; to begin anew, remove .demo."

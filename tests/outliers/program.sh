#!/usr/bin/env bash
# program.sh PROGRAM SCRATCH: the faults that the program `outliers` names.
set -euo pipefail
# shellcheck source=tests/program.sh
source "$(dirname "${BASH_SOURCE[0]}")/../program.sh"

program=$1 scratch=$2
enter "$scratch"

# refused TEXT OPTION...: exit code 2 and one line on stderr that has the text.
refused() {
    local text=$1 status=0
    shift
    "$program" "$@" >out.txt 2>err.txt || status=$?
    [[ $status -eq 2 ]] || fail "exit code $status, not 2: $* ($(cat err.txt))"
    [[ $(wc -l <err.txt) -eq 1 && $(cat err.txt) == "outliers: "*"$text"* ]] ||
        fail "not one line with '$text': $* ($(cat err.txt))"
}

"$program" --help >help.txt || fail "--help"
grep -q -- --validate help.txt || fail "--help says nothing of --validate"
refused 'unknown option --no-such' --no-such
refused '--epochs zero' --epochs zero
refused '--seed needs a value' --seed
refused '--data mnist' --data mnist
refused 'no folder nowhere' --data idx:nowhere
: >file
refused 'file' --output file
if [[ -d /usr/share/datasets/fashion-mnist ]]; then
    refused 'cannot read nowhere.ttf' --emoji nowhere.ttf
    refused 'file is not a font' --emoji file
fi

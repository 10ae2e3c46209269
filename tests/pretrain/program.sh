#!/usr/bin/env bash
# program.sh PART PROGRAM SCRATCH: what the program `pretrain` does as a whole, on made-up images.
set -euo pipefail
# shellcheck source=tests/program.sh
source "$(dirname "${BASH_SOURCE[0]}")/../program.sh"

part=$1 program=$2 scratch=$3
enter "$scratch"

# kill_after_checkpoint PROCESS: with -9, once the run into killed/ has written one.
kill_after_checkpoint() {
    while [[ ! -f killed/checkpoint-seed0.bin ]]; do
        kill -0 "$1" 2>/dev/null || fail "ended without a checkpoint"
        sleep 0.01
    done
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    [[ ! -f killed/result.json ]] || fail "it ended before it was killed"
}

# Big-endian numbers as IDX has them.
numbers() {
    local value
    for value in "$@"; do
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x $((value >> 24 & 255)))\\x$(printf %02x $((value >> 16 & 255)))\\x$(printf %02x $((value >> 8 & 255)))\\x$(printf %02x $((value & 255)))"
    done
}

# make_images DIR PART COUNT: noise of 16 x 16 pixels, brighter on the left in every second image.
make_images() {
    mkdir -p "$1"
    {
        numbers 2051 "$3" 16 16
        LC_ALL=C awk -v count="$3" 'BEGIN {
            srand(7)
            for (i = 0; i < count; ++i)
                for (y = 0; y < 16; ++y)
                    for (x = 0; x < 16; ++x) printf "%c", 33 + int(40 * rand()) + (x < 8 && i % 2 ? 50 : 0)
        }'
    } >"$1/$2-images-idx3-ubyte"
    {
        numbers 2049 "$3"
        LC_ALL=C awk -v count="$3" 'BEGIN { for (i = 0; i < count; ++i) printf "%s", i % 2 ? "\001" : "\002" }'
    } >"$1/$2-labels-idx1-ubyte"
}

# refused TEXT COMMAND...: exit code 2 and one line on stderr that has the text.
refused() {
    local text=$1 status=0
    shift
    "$@" >out.txt 2>err.txt || status=$?
    [[ $status -eq 2 ]] || fail "exit code $status, not 2: $* ($(cat err.txt))"
    [[ $(grep -c '^pretrain: ' err.txt) -eq 1 && $(tail -n 1 err.txt) == "pretrain: "*"$text"* ]] ||
        fail "no line with '$text': $* ($(cat err.txt))"
}

make_images data train 600
make_images data t10k 60
run=("$program" --data idx:data --epochs 6 --batch 20 --threads 2)

case $part in
exit_codes)
    "$program" --help >help.txt || fail "--help"
    grep -q -- --resume help.txt || fail "--help says nothing of --resume"
    refused 'unknown option --no-such' "$program" --no-such
    refused '--epochs zero' "$program" --epochs zero
    refused '--objective byol' "$program" --objective byol
    refused '--prototypes 1' "$program" --objective swav --prototypes 1
    refused '--local-views' "$program" --objective ntxent --local-views 2
    refused '--data mnist' "$program" --data mnist --output out
    refused 'no folder nowhere' "$program" --data idx:nowhere --output out
    cp -r data damaged
    truncate -s -1 damaged/train-images-idx3-ubyte
    refused 'train-images-idx3-ubyte' "$program" --data idx:damaged --output out
    : >file
    refused 'file' "${run[@]}" --output file
    ;;
resume)
    "${run[@]}" --output whole 2>/dev/null >/dev/null
    # Killed in the middle, more than once: after each first checkpoint that follows.
    "${run[@]}" --output killed 2>/dev/null >/dev/null &
    for _ in 1 2; do
        kill_after_checkpoint $!
        cp killed/checkpoint-seed0.bin at-kill.bin
        "${run[@]}" --output killed --resume 2>/dev/null >/dev/null &
        sleep 0.3
    done
    wait $! || true
    "${run[@]}" --output killed --resume 2>/dev/null >/dev/null
    cmp whole/result.json killed/result.json || fail "killed and resumed, the result differs"

    # Ctrl-C: a checkpoint and code 130. (Jobs of a script ignore SIGINT unless it has job control.)
    set -m
    "${run[@]}" --epochs 400 --output stopped 2>/dev/null >/dev/null &
    process=$!
    while [[ ! -f stopped/checkpoint-seed0.bin ]]; do sleep 0.01; done
    kill -INT "$process"
    status=0
    wait "$process" || status=$?
    [[ $status -eq 130 ]] || fail "exit code $status after SIGINT"
    set +m
    refused 'belongs to another run' "${run[@]}" --output stopped --resume

    # A damaged checkpoint is refused and left as it is.
    cp at-kill.bin killed/checkpoint-seed0.bin
    truncate -s -1000 killed/checkpoint-seed0.bin
    cp killed/checkpoint-seed0.bin torn.bin
    refused 'damaged checkpoint' "${run[@]}" --output killed --resume
    cmp torn.bin killed/checkpoint-seed0.bin || fail "the damaged checkpoint was changed"
    ;;
resume_state)
    # Prototypes, a queue, a teacher and its center go on where they were.
    run+=(--prototypes 8 --local-views 1)
    for objective in swav dino; do
        "${run[@]}" --objective "$objective" --output "$objective" 2>/dev/null >/dev/null
        grep -q '"prototype_usage_perplexity"' "$objective/result.json" || fail "$objective: prototypes not counted"
        grep -q 'Use of prototypes' "$objective/report.html" || fail "$objective: prototypes not in the report"
        "${run[@]}" --objective "$objective" --output killed 2>/dev/null >/dev/null &
        kill_after_checkpoint $!
        refused 'belongs to another run' "${run[@]}" --objective "$objective" --prototypes 9 --output killed --resume
        "${run[@]}" --objective "$objective" --output killed --resume 2>/dev/null >/dev/null
        cmp "$objective/result.json" killed/result.json || fail "$objective: killed and resumed, the result differs"
        rm -r killed
    done
    ;;
full_disk)
    "${run[@]}" --epochs 1 --output out 2>/dev/null >/dev/null
    cp -r out before
    # A limit on the size of files fails like a full disk: in the middle of a write.
    refused 'cannot write' bash -c 'ulimit -f 64; exec "$@"' limited "${run[@]}" --epochs 2 --output out
    diff -r out before || fail "a failed write changed the output folder"
    ;;
*)
    fail "unknown part $part"
    ;;
esac

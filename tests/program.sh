# Sourced by the tests of programs as a whole.
# shellcheck shell=bash

# enter FOLDER: goes into it, empty.
enter() {
    rm -rf "$1"
    mkdir -p "$1"
    cd "$1"
}

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

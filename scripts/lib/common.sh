# shellcheck shell=bash
# What the scripts share: where things are, how they speak, how they stop.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LOGS=$ROOT/build/log
JOBS=${JOBS:-$(nproc)}

if [ -t 1 ]; then
    BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' GREEN='' PLAIN=''
fi

# Each argument is a line.
say() {
    printf '%s\n' "$@"
}

fail() {
    printf '%s%s%s\n' "$RED" "$*" "$PLAIN" >&2
    exit 1
}

# The place for what the scripts make; says what is wrong where somebody else made it.
make_build_dir() {
    mkdir -p "$LOGS" 2>/dev/null
    [ -w "$ROOT/build" ] && [ -w "$LOGS" ] ||
        fail "cannot write to $ROOT/build: it belongs to $(stat -c %U "$ROOT/build" 2>/dev/null || echo nobody); remove it or run as that user"
}

# logged NAME COMMAND...: run it with its output in build/log/NAME.log; show the end of that if it fails.
logged() {
    local log=$LOGS/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null && return 0
    local status=$?
    say "${RED}failed: $*${PLAIN}" >&2
    grep -vE '^\[[0-9]+/[0-9]+\] ' "$log" | tail -n 60 >&2 # without the steps of a build that went well
    say "(all of it: $log)" >&2
    return "$status"
}

# configure DIR OPTION...: run CMake, unless DIR was configured with the same options before.
configure() {
    local dir=$1 name stamp=$1/.configured
    shift
    name=configure-$(basename "$dir")
    local -a options=(-S "$ROOT" -B "$dir" -G Ninja "$@")
    command -v ccache >/dev/null && options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    if [ -f "$dir/build.ninja" ] && [ "$(cat "$stamp" 2>/dev/null)" = "${options[*]}" ]; then
        return 0
    fi
    logged "$name" cmake "${options[@]}" || return
    printf '%s\n' "${options[*]}" >"$stamp"
}

# compile DIR TARGET...: build these targets, or all.
compile() {
    local dir=$1
    shift
    local -a targets=()
    [ $# -gt 0 ] && targets=(--target "$@")
    logged "compile-$(basename "$dir")" cmake --build "$dir" -j "$JOBS" "${targets[@]}"
}

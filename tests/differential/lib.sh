# shellcheck shell=bash
# What run and run_faults share. Needs scripts/lib/common.sh.

HERE=$ROOT/tests/differential
BUILD=$(cd "${SLUICE_BUILD:-$ROOT/build}" 2>/dev/null && pwd || echo "${SLUICE_BUILD:-$ROOT/build}")
MODULES=$ROOT/build/node-differential

# build/node-differential/node_modules, as package-lock.json says.
install_mingo() {
    cmp -s "$HERE/package-lock.json" "$MODULES/.installed" && return 0
    say "installing into build/node-differential: what tests/differential/package-lock.json names"
    mkdir -p "$MODULES"
    cp "$HERE/package.json" "$HERE/package-lock.json" "$MODULES/"
    logged npm-differential npm ci --prefix "$MODULES" --no-audit --no-fund --ignore-scripts || return
    cp "$HERE/package-lock.json" "$MODULES/.installed"
}

build_differ() {
    if [ ! -f "$BUILD/build.ninja" ]; then
        configure "$BUILD" -DSLUICE_WERROR=ON -DSLUICE_TESTS=ON -DSLUICE_BENCH=ON || return
    fi
    compile "$BUILD" differ
}

# compare PROGRAM OPTION...
compare() {
    local program=$1
    shift
    NODE_PATH=$MODULES/node_modules node "$HERE/oracle/main.js" --differ "$program" "$@"
}

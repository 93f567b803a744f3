# shellcheck shell=bash
# The stages of scripts/test: one function each, run with its output in a log of its own. A stage fails by its
# exit code; what it ran is counted from the closing lines of ctest and pytest and from 'check: ok' lines.

STAGES=(
    format layers codes headers
    unit integration differential simulation simulation-faults
    asan-unit asan-integration asan-simulation fuzz
    tsan-unit tsan-integration
    workarounds
    cppcheck tidy
)
QUICK=(format layers codes headers unit integration)
PYTEST_ARGUMENTS=()

GCC_BUILD=$ROOT/build         # gcc, -Werror; what a user gets
ASAN_BUILD=$ROOT/build/asan   # clang, -Werror; AddressSanitizer, UBSan, libFuzzer
TSAN_BUILD=$ROOT/build/tsan   # clang; ThreadSanitizer
SWITCH_BUILD=$ROOT/build/switches # gcc; ways around library faults can be switched off

VENV=$ROOT/build/venv/bin
WORKAROUND_TESTS=$ROOT/tests/integration/ws_edge/test_workarounds.py

# install_needs STAGE...: what these stages take.
install_needs() {
    need_packages "${NEEDS_BUILD[@]}" "${NEEDS_TEST[@]}" && need_python && need_node
}

# count_results LOG: sum up the closing lines into COUNTED_*.
count_results() {
    local counts
    counts=$(awk '
        # ctest: "98% tests passed, 2 tests failed out of 120"
        / tests passed, [0-9]+ tests failed out of [0-9]+/ { bad = $4; passed += $NF - bad; failed += bad }
        # pytest: "3 failed, 140 passed, 1 skipped in 12.34s", perhaps between "==="
        /^(=+ )?[0-9]+ (passed|failed|error|skipped).* in [0-9.]+s/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^(failed|errors?)/) failed += $(i - 1)
                if ($i ~ /^skipped/) skipped += $(i - 1)
            }
        }
        /^check: ok / { passed++ }
        /^check: FAILED / { failed++ }
        END { print passed + 0, failed + 0, skipped + 0 }' "$1")
    read -r COUNTED_PASSED COUNTED_FAILED COUNTED_SKIPPED <<<"$counts"
}

# check NAME COMMAND...: one check, counted as a test.
check() {
    local name=$1
    shift
    if "$@"; then
        echo "check: ok $name"
    else
        echo "check: FAILED $name"
        return 1
    fi
}

configure_gcc() {
    configure "$GCC_BUILD" -DSLUICE_WERROR=ON -DSLUICE_TESTS=ON -DSLUICE_BENCH=ON
}

build_gcc() {
    configure_gcc && compile "$GCC_BUILD"
}

build_asan() {
    configure "$ASAN_BUILD" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSLUICE_WERROR=ON \
        -DSLUICE_SANITIZE=address,undefined -DSLUICE_FUZZ=ON && compile "$ASAN_BUILD"
}

build_tsan() {
    configure "$TSAN_BUILD" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSLUICE_WERROR=ON \
        -DSLUICE_SANITIZE=thread -DSLUICE_BENCH=OFF && compile "$TSAN_BUILD"
}

build_switches() {
    configure "$SWITCH_BUILD" -DSLUICE_WERROR=ON -DSLUICE_TEST_SWITCHES=ON -DSLUICE_BENCH=OFF && compile "$SWITCH_BUILD"
}

# unit_tests DIR: all that ctest knows there, but for the fuzzers.
unit_tests() {
    ctest --test-dir "$1" --output-on-failure -j "$JOBS" -E '^fuzz/' --no-tests=error
}

# integration_tests DIR ARGUMENT...: pytest against the programs in DIR. Most of these tests wait most of the
# time, so more of them run at once than there are cores.
integration_tests() {
    local dir=$1
    shift
    SLUICE_BUILD=$dir NODE_PATH=$ROOT/build/node/node_modules "$VENV/python" -m pytest "$ROOT/tests/integration" -n $((JOBS * 2)) --dist worksteal \
        --ignore="$WORKAROUND_TESTS" "$@" "${PYTEST_ARGUMENTS[@]}"
}

# What sanitizers are asked for; a suppression names the issue of the library that it is for.
sanitized() {
    ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1 \
        LSAN_OPTIONS=suppressions=$ROOT/scripts/lib/lsan.supp:print_suppressions=0 \
        UBSAN_OPTIONS=print_stacktrace=1 \
        TSAN_OPTIONS=suppressions=$ROOT/scripts/lib/tsan.supp:second_deadlock_stack=1:atexit_sleep_ms=50:allocator_may_return_null=1 \
        "$@"
}

sources() {
    git -C "$ROOT" ls-files -- "$@" | sed "s|^|$ROOT/|"
}

stage_format() {
    check clang-format bash -c 'xargs "$0" --dry-run --Werror' "$VENV/clang-format" < <(sources '*.c' '*.h')
}

# What each folder includes, and what each target links.
stage_layers() {
    configure_gcc && check layers "$VENV/python" "$ROOT/scripts/lib/check_layers.py" "$ROOT" "$GCC_BUILD"
}

stage_codes() {
    check codes "$VENV/python" "$ROOT/scripts/lib/check_codes.py" "$ROOT"
}

# compiles_alone HEADER LANGUAGE STANDARD
compiles_alone() {
    printf '#include <%s>\nint not_empty;\n' "$1" | $2 -std="$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
        -I"$ROOT/include" -x "$([ "$2" = cc ] && echo c || echo c++)" -
}

stage_headers() {
    local header status=0
    while read -r header; do
        header=${header#"$ROOT/include/"}
        check "$header is C11" compiles_alone "$header" cc c11 || status=1
        check "$header is C++11" compiles_alone "$header" c++ c++11 || status=1
    done < <(sources 'include/sluice/*.h')
    return $status
}

stage_unit() {
    build_gcc && unit_tests "$GCC_BUILD"
}

stage_integration() {
    build_gcc && integration_tests "$GCC_BUILD"
}

# Filters and updates against mingo, and faults in the core that this must find.
stage_differential() {
    build_gcc && check differential "$ROOT/tests/differential/run" &&
        check differential-faults "$ROOT/tests/differential/run_faults"
}

# Members, crashes and lost messages from 2,000 seeds, against a model; nothing may happen too seldom.
stage_simulation() {
    build_gcc && compile "$GCC_BUILD" simulation &&
        check simulation "$GCC_BUILD/simulation" --first "${SLUICE_SEED:-1}" --seeds 2000 --jobs "$JOBS" --quota
}

# Faults in the core that the simulation must find.
stage_simulation_faults() {
    build_gcc && check simulation-faults "$ROOT/tests/simulation/run_faults"
}

stage_asan_unit() {
    build_asan && sanitized unit_tests "$ASAN_BUILD"
}

stage_asan_integration() {
    build_asan && sanitized integration_tests "$ASAN_BUILD"
}

# Other seeds than those of the stage `simulation`.
stage_asan_simulation() {
    build_asan && compile "$ASAN_BUILD" simulation &&
        check asan-simulation sanitized "$ASAN_BUILD/simulation" --first 5001 --seeds 300 --jobs "$JOBS"
}

# Each target with its corpus and a fixed number of runs from a fixed seed.
stage_fuzz() {
    build_asan && sanitized ctest --test-dir "$ASAN_BUILD" --output-on-failure -j "$JOBS" -R '^fuzz/' --no-tests=error
}

stage_tsan_unit() {
    build_tsan && sanitized unit_tests "$TSAN_BUILD"
}

# What goes between threads: the broker's handler edge and the client library. What only the loop's own thread does (sessions,
# filters, the WebSocket edge) is left to the other sanitizers.
stage_tsan_integration() {
    local name one_thread=()
    for name in ws_edge test_sessions.py test_sessions_filters.py test_sessions_find.py test_sessions_send.py test_filters.py \
        test_recipes.py test_docs.py test_client_protocol.py; do
        one_thread+=(--ignore="$ROOT/tests/integration/$name")
    done
    build_tsan && sanitized integration_tests "$TSAN_BUILD" -m 'not browser and not slow' "${one_thread[@]}"
}

# version_is HEADER PREFIX EXPRESSION: whether a library's header gives a version that begins so.
version_is() {
    local text
    text=$(printf '#include <%s>\nVERSION %s\n' "$1" "$3" | cc -E -P -x c - | tr -d ' "\n')
    [[ ${text##*VERSION} == "$2"* ]]
}

# Each way around a fault of a library is switched off once; its test must fail then. The faults are those of Debian 12's
# versions; others have fewer.
stage_workarounds() {
    local status=0
    build_switches || return
    if version_is nng/nng.h 1.5. 'NNG_MAJOR_VERSION.NNG_MINOR_VERSION.'; then
        # Some of the faults are races, which one run may win.
        ctest --test-dir "$SWITCH_BUILD" --output-on-failure -R '^without/' --no-tests=error --repeat until-pass:5 || status=1
    else
        echo "this nng is not 1.5: nothing to show"
    fi
    if version_is libwebsockets.h 4.1. LWS_LIBRARY_VERSION; then
        SLUICE_BUILD=$SWITCH_BUILD "$VENV/python" -m pytest -n "$JOBS" "$WORKAROUND_TESTS" || status=1
    else
        echo "this libwebsockets is not 4.1: nothing to show"
    fi
    return $status
}

# lint NAME VERSION COMMAND...: no finding, where NAME is of the version that the code is kept clean for (Debian 12's). Another
# one finds, and gets wrong, other things: those are shown and do not count.
lint() {
    local name=$1 version=$2
    shift 2
    if [[ $("$name" --version 2>&1) == *" $version."* || $("$name" --version 2>&1) == *" $version" ]]; then
        check "$name" "$@"
    else
        echo "this $name is not $version: what follows does not count"
        "$@"
        echo "check: ok $name"
    fi
}

stage_cppcheck() {
    local work=$ROOT/build/cppcheck
    mkdir -p "$work/cache"
    build_gcc && "$VENV/python" "$ROOT/scripts/lib/cppcheck_project.py" "$GCC_BUILD" "$work" &&
        lint cppcheck 2.10 cppcheck --project="$work/project.json" --cppcheck-build-dir="$work/cache" -j "$JOBS" --quiet \
            --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
            --suppressions-list="$ROOT/scripts/lib/cppcheck.txt"
}

stage_tidy() {
    build_gcc && lint clang-tidy 14.0 bash -c \
        'xargs -P "$1" -n 8 clang-tidy -p "$0" --quiet --warnings-as-errors="*"' "$GCC_BUILD" "$JOBS" \
        < <(sources 'broker/*.c' 'client-lib/*.c' 'examples/*.c' 'bench/*.c')
}

#!/bin/sh
# test_install.sh BUILD CC SLUICED: installs the library to a directory of its own, builds a program with what is there, by
# CMake, by pkg-config and by hand, and runs each against a broker.
set -eu
build=$1 cc=$2 sluiced=$3
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d /tmp/sluice-install-XXXXXX)
broker=''
trap 'test -z "$broker" || kill "$broker" 2>/dev/null; rm -rf "$dir"' EXIT INT TERM

fail() {
    echo "test_install: $*" >&2
    exit 1
}

cmake -DCMAKE_INSTALL_PREFIX="$dir/usr" -P "$build/client-lib/cmake_install.cmake" >"$dir/install.log" || {
    cat "$dir/install.log"
    fail "it cannot be installed"
}
so=$(find "$dir/usr" -name 'libsluice.so') archive=$(find "$dir/usr" -name 'libsluice.a')
lib=$(dirname "$so")

# Exported is what begins with sluice_, and all that the header names.
nm -D --defined-only "$so" | awk '{print $3}' | sort >"$dir/shared"
nm -g --defined-only "$archive" | awk 'NF == 3 {print $3}' | sort >"$dir/archive"
grep -v '^sluice_' "$dir/shared" "$dir/archive" && fail "more is exported than sluice_*"
cmp "$dir/shared" "$dir/archive" || fail "the two libraries export different names"
grep -q '^sluice_send_where$' "$dir/shared" || fail "sluice_send_where is not exported"
readelf -d "$so" | grep -q 'SONAME.*\[libsluice\.so\.0\]' || fail "the soname is not libsluice.so.0"

"$sluiced" --listen 127.0.0.1:0 --calls "ipc://$dir/calls" --events "ipc://$dir/events" >"$dir/log" 2>&1 &
broker=$!

check() { # PROGRAM
    got=$(LD_LIBRARY_PATH=$lib "$1" "ipc://$dir/calls") || fail "$1 failed: $got"
    test "$got" = "6 0 no error" || fail "$1 says: $got"
    echo "test_install: $(basename "$1") works"
}

cmake -S "$here/consumer" -B "$dir/cmake" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$dir/usr" \
    ${CMAKE_GENERATOR:+-G "$CMAKE_GENERATOR"} >"$dir/cmake.log" 2>&1 || {
    cat "$dir/cmake.log"
    fail "find_package(sluice)"
}
cmake --build "$dir/cmake" >"$dir/cmake.log" 2>&1 || {
    cat "$dir/cmake.log"
    fail "the program cannot be built"
}
check "$dir/cmake/consumer_shared"
check "$dir/cmake/consumer_static"
ldd "$dir/cmake/consumer_static" | grep -q libsluice && fail "the static program needs the shared library"

PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
pkg-config --exists 'sluice = 0.1.0' || fail "pkg-config does not know the version"
"$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -o "$dir/consumer_pkg_config" "$here/consumer/main.c" $(pkg-config --cflags --libs sluice)
check "$dir/consumer_pkg_config"
"$cc" -std=c11 -o "$dir/consumer_by_hand" "$here/consumer/main.c" $(pkg-config --cflags sluice) "$archive" \
    $(pkg-config --static --libs-only-l sluice | sed 's/-lsluice//')
check "$dir/consumer_by_hand"
"$dir/usr/bin/sluice" --broker "ipc://$dir/calls" call '{"op": "count"}' | grep -q '"count":0' || fail "the installed program sluice"

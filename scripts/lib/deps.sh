# shellcheck shell=bash
# Installs what is missing, and nothing else: Debian packages (Debian 12 and 13, Ubuntu), a Python
# environment in build/venv, npm packages in build/node. Needs common.sh.
#
# A need is PACKAGE, or COMMAND:PACKAGE where any program of that name will do, or A|B where releases call
# it differently. A '?' in front: only where the release has it.

NEEDS_BUILD=(
    cc:gcc c++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config libc6-dev
    libwebsockets-dev
    '?libwebsockets-evlib-uv' # the libuv plugin, loaded at run time; older releases link it in
    libuv1-dev libnng-dev libcjson-dev 'libmsgpack-c-dev|libmsgpack-dev' uthash-dev
)
NEEDS_PYTHON=(ca-certificates) # and an interpreter, see python_with_venv()
NEEDS_TEST=(
    libcmocka-dev clang:clang clang-tidy:clang-tidy cppcheck:cppcheck git:git
    '?libclang-rt-dev' # clang's sanitizers and libFuzzer; where missing, clang brings them
    '?llvm'            # names in their reports
    node:nodejs npm:npm
    chromium:chromium
)

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A package that can really be installed; virtual and unknown names have no candidate.
is_available() {
    [[ $(apt-cache policy "$1" 2>/dev/null) == *$'\n'"  Candidate: "[^\(]* ]]
}

# Print what is missing of the needs given: for each the alternatives still to choose from.
missing_of() {
    local need alternatives alternative
    for need in "$@"; do
        alternatives=${need#\?}
        if [[ $alternatives == *:* ]]; then
            command -v "${alternatives%%:*}" >/dev/null && continue
            alternatives=${alternatives#*:}
        fi
        for alternative in ${alternatives//|/ }; do
            is_installed "$alternative" && continue 2
        done
        case $need in
        \?*) printf '?%s\n' "$alternatives" ;;
        *) printf '%s\n' "$alternatives" ;;
        esac
    done
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@"
}

# need_packages NEED...: install what is missing of these.
need_packages() {
    command -v apt-get >/dev/null || {
        say "no apt-get here: taking it that these are installed: $*"
        return 0
    }
    local -a missing chosen=()
    mapfile -t missing < <(missing_of "$@")
    [ ${#missing[@]} -gt 0 ] || return 0

    # Optional ones that the release does not have must not cost an update at every start.
    local lists=$LOGS/.apt-updated
    if [ -n "$(printf '%s\n' "${missing[@]}" | grep -v '^?')" ] || [ ! -e "$lists" ]; then
        say "reading the package lists"
        [ "$(id -u)" = 0 ] || as_root true # asks for the password here, where it can be seen
        logged apt-update apt update || true # an unreachable third-party list is no reason to stop
        touch "$lists"
    fi
    local need alternative
    for need in "${missing[@]}"; do
        for alternative in $(tr '|' ' ' <<<"${need#\?}"); do
            if is_available "$alternative"; then
                chosen+=("$alternative")
                continue 2
            fi
        done
        [[ $need == \?* ]] || fail "no package for ${need} in this release's lists (see $LOGS/apt-update.log)"
    done
    [ ${#chosen[@]} -gt 0 ] || return 0
    say "installing: ${chosen[*]}"
    logged apt-install apt install -y --no-install-recommends "${chosen[@]}"
}

# Print a Python that can make environments, 3.9 or newer. A python3 of pyenv brings venv with it; Debian's
# needs the package python3-venv.
python_with_venv() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# need_python [NAME...]: build/venv with what tests/integration/requirements.txt pins: all of it, or these.
need_python() {
    local venv=$ROOT/build/venv requirements=$ROOT/tests/integration/requirements.txt python line
    local -a lacking=()
    need_packages "${NEEDS_PYTHON[@]}"
    if ! "$venv/bin/python" -c pass 2>/dev/null; then
        python_with_venv >/dev/null || need_packages python3 python3-venv
        python=$(python_with_venv) ||
            fail "no Python with 'venv' and 'ensurepip' found; on Debian and Ubuntu install python3-venv"
        rm -rf "$venv"
        logged venv "$python" -m venv "$venv" || fail "cannot make $venv with $python"
    fi
    touch "$venv/.installed"
    while read -r line; do
        [ $# -eq 0 ] || [[ " $* " == *" ${line%%==*} "* ]] || continue
        grep -qxF -- "$line" "$venv/.installed" || lacking+=("$line")
    done < <(grep -v '^#' "$requirements")
    [ ${#lacking[@]} -gt 0 ] || return 0
    say "installing into build/venv: ${lacking[*]}"
    logged pip "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${lacking[@]}" || return
    # One line a package: another version takes the place of the one before.
    printf '%s\n' "${lacking[@]}" | cat - "$venv/.installed" | awk -F == '!seen[$1]++' >"$venv/.installed.new"
    mv "$venv/.installed.new" "$venv/.installed"
}

# build/node/node_modules, as tests/integration/node/package-lock.json says.
need_node() {
    local from=$ROOT/tests/integration/node to=$ROOT/build/node
    cmp -s "$from/package-lock.json" "$to/.installed" && return 0
    say "installing into build/node: what tests/integration/node/package-lock.json names"
    mkdir -p "$to"
    cp "$from/package.json" "$from/package-lock.json" "$to/"
    logged npm npm ci --prefix "$to" --no-audit --no-fund --ignore-scripts || return
    cp "$from/package-lock.json" "$to/.installed"
}

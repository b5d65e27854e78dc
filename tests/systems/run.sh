#!/usr/bin/env bash
# run.sh [RELEASE[:ARCHITECTURE] ...] -- the tests on other Debian systems.
#
# Each system is a folder below build/systems, made by debootstrap from the
# mirror of this machine's own apt sources, and kept until `make clean`.  In it
# a copy of the tree is built without warnings, tested, installed and packed as
# a rock, by the README's own commands.  Needs root and debootstrap; the
# default is Debian 13.  An architecture that this machine's processor does not
# have is emulated by qemu-user, so slowly that only the tests of core, io,
# lua and signing run there.  Ends with "N passed, N failed[, N skipped]".
set -u
cd "$(dirname "$0")/../.." || exit 2
here=$PWD
passed=0 failed=0 skipped=0 failures=

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
	echo "systems: this needs root and the package debootstrap" >&2
	echo "0 passed, 1 failed"
	exit 1
fi

. tests/systems/chroot.sh
try() { # SYSTEM ROOT TITLE COMMAND: adds the command's counts
	local log=$2.log counts p=0 f=0 s=0 start=$SECONDS status
	inside "$2" "cd /azpec && $4" >"$log" 2>&1
	status=$?
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	[ -z "$counts" ] || read -r p _ f _ s _ <<<"${counts//,/} 0"
	[ -n "$counts" ] || [ $status != 0 ] || p=1
	[ $status = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-14s %-10s %5d passed %3d failed %3d skipped %5d s\n' \
		"$1" "$3" "$p" "$f" "$s" $((SECONDS - start))
	sed -nE 's/^  skipped: ([^ ]*: )?/  skipped: /p' "$log" | sort | uniq -c |
		sed -E "s/^ *([0-9]+)   skipped: /  skipped: $1: \\1 x /"
	[ "$f" = 0 ] && return
	failures+="$1: $3"$'\n'
	{ sed -n '/^# what failed:/,$p' "$log" | grep . || tail -n 60 "$log"; } |
		tee -a "$log.failed" | head -n 200 | sed 's/^/  /'
}

leave_out() { # SYSTEM TITLE REASON
	skipped=$((skipped + 1))
	printf '%-14s %-10s skipped: %s\n' "$@"
}
# Under qemu-user: guard is this machine's own, since qemu-user refuses its prctl.
beyond_qemu="tests/io/process.c posix_spawn reports no failure, since vfork copies memory
tests/lua/host_spec.lua a limit of memory is that of qemu-user itself
tests/lua/module_spec.lua qemu-user has a thread of its own"
try_emulated() { # SYSTEM ROOT
	local file reason files
	files=$(printf '%s\n' tests/core/*.c tests/core/token/*.c tests/io/*.c tests/{lua,signing}/*_spec.lua |
		grep -vxF "$(cut -d' ' -f1 <<<"$beyond_qemu")" | tr '\n' ' ')
	try "$1" "$2" packages 'sh tests/tools/deps.sh test'
	try "$1" "$2" build 'rm -rf build && make -s -j"$(nproc)" WERROR=1 all units tools'
	cc -static -std=c11 -D_GNU_SOURCE -o "$2/azpec/build/tools/guard" tests/tools/guard.c
	try "$1" "$2" test "TEST_SECONDS=1800 perl tests/run.pl $files"
	while read -r file reason; do leave_out "$1" "$file" "$reason"; done <<<"$beyond_qemu"
	for file in loopback cli emulator scripts hosts peers packaging demo; do
		leave_out "$1" "$file" "left out for time: qemu-user is ten times slower"
	done
}

mkdir -p build/systems
for system in "${@:-trixie}"; do
	release=${system%:*} arch=$(dpkg --print-architecture)
	[ "$release" = "$system" ] || arch=${system#*:}
	root=$here/build/systems/$release-$arch
	emulated=
	runs_here "$arch" || emulated=1
	if [ -n "$emulated" ] && ! { sh tests/tools/deps.sh emulated && emulator_is_there "$arch"; }; then
		leave_out "$system" all "this kernel has no binfmt_misc entry of qemu-user for $arch"
		continue
	fi
	if ! make_system "$release" "$arch" "$root" || ! copy_tree "$root"; then
		echo "not ok: $system cannot be made"
		failed=$((failed + 1)) failures+="$system"$'\n'
		continue
	fi
	if [ -n "$emulated" ]; then
		try_emulated "$system" "$root"
		continue
	fi
	try "$system" "$root" packages \
		'sh tests/tools/deps.sh check && apt-get -qy install --no-install-recommends nodejs'
	try "$system" "$root" build 'rm -rf build && make -s WERROR=1 all units hosts'
	try "$system" "$root" test 'make test'
	try "$system" "$root" packaging 'make packaging'
	try "$system" "$root" demo 'make demo'
done
[ -z "$failures" ] || printf '# failed:\n%s' "$failures"
[ $skipped = 0 ] && rest= || rest=", $skipped skipped"
echo "$passed passed, $failed failed$rest"
[ $failed = 0 ]

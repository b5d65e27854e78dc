#!/usr/bin/env bash
# run.sh [RELEASE[:ARCHITECTURE] ...] -- the tests on other Debian systems.
#
# Each system is a folder below build/systems, made by debootstrap from the
# mirror of this machine's own apt sources, and kept until `make clean`.  In it
# a copy of the tree is built without warnings, tested, installed and packed as
# a rock, by the README's own commands.  Needs root and debootstrap; the
# default is Debian 13.  Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 2
here=$PWD
passed=0 failed=0 failures=

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
	echo "systems: this needs root and the package debootstrap" >&2
	echo "0 passed, 1 failed"
	exit 1
fi

mirror() { # of the first source, in the one-line or the deb822 form
	local files=(/etc/apt/sources.list /etc/apt/sources.list.d/*)
	sed -nE 's/^deb( \[[^]]*\])? +(https?:[^ ]+) .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' \
		"${files[@]}" 2>/dev/null | head -n 1
}
# In namespaces of its own, so that nothing is left; with pivot_root, since in a
# chroot no test could make a user namespace.
inside() { # ROOT COMMAND
	local root=$1
	shift
	# shellcheck disable=SC2016  # the inner shell expands it
	unshare --mount --pid --fork --kill-child bash -c '
		root=$1; shift
		mount --make-rprivate / && mount --bind "$root" "$root" && cd "$root" &&
		mount -t proc proc "$root/proc" &&
		mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" || exit 2
		mkdir -p .old && pivot_root . .old && umount -l /.old || exit 2
		exec /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
			JOBS="$JOBS" sh -c "$*"' inside "$root" "$@" </dev/null
}
make_system() { # RELEASE ARCHITECTURE ROOT
	[ -e "$3/ready" ] && return
	rm -rf "$3"
	mkdir -p "$3" && debootstrap --variant=minbase --include=git,make,ca-certificates \
		--arch="$2" "$1" "$3" "$(mirror)" >"$3.log" 2>&1 ||
		{ tail -n 20 "$3.log"; return 1; }
	cp /etc/apt/apt.conf.d/*proxy* "$3/etc/apt/apt.conf.d/" 2>/dev/null
	cp /etc/resolv.conf /etc/hosts "$3/etc/"
	touch "$3/ready"
}
copy_tree() { # ROOT
	rm -rf "$1/azpec" && mkdir "$1/azpec" &&
		{ git ls-files -co --exclude-standard 2>/dev/null ||
			find . -type f -not -path './build/*' -not -path './.git/*'; } |
		tar -cf - -T - | tar -xf - -C "$1/azpec"
}
try() { # SYSTEM ROOT TITLE COMMAND: adds the command's counts
	local log=$2.log counts p=0 f=0 start=$SECONDS status
	inside "$2" "cd /azpec && $4" >"$log" 2>&1
	status=$?
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	[ -z "$counts" ] || read -r p _ f _ <<<"${counts//,/}"
	[ -n "$counts" ] || [ $status != 0 ] || p=1
	[ $status = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f))
	printf '%-14s %-10s %5d passed %3d failed %5d s\n' "$1" "$3" "$p" "$f" $((SECONDS - start))
	[ "$f" = 0 ] && return
	failures+="$1: $3"$'\n'
	{ sed -n '/^# what failed:/,$p' "$log" | grep . || tail -n 60 "$log"; } |
		tee -a "$log.failed" | head -n 200 | sed 's/^/  /'
}

export JOBS=${JOBS-}
mkdir -p build/systems
for system in "${@:-trixie}"; do
	release=${system%:*} arch=$(dpkg --print-architecture)
	[ "$release" = "$system" ] || arch=${system#*:}
	root=$here/build/systems/$release-$arch
	if ! make_system "$release" "$arch" "$root" || ! copy_tree "$root"; then
		echo "not ok: $system cannot be made"
		failed=$((failed + 1)) failures+="$system"$'\n'
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
echo "$passed passed, $failed failed"
[ $failed = 0 ]

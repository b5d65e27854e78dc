#!/usr/bin/env bash
# run.sh [FILE|PROOF ...] -- bounded proofs of core/ by CBMC, one for each row
# of proofs.txt.
#
# CHECK=1 proves the proofs: each runs on a copy of core/ with its row's fault,
# and passes when CBMC finds that.
#
# CBMC 6 comes from the system or, on an older one, from a Debian 13 below
# build/systems: that needs root and debootstrap.  Ends with "N passed, N
# failed[, N skipped]".
set -u
cd "$(dirname "$0")/../.." || exit 2
here=$PWD

cbmc_is_here() { cbmc --version 2>/dev/null | grep -q '^[6-9]'; }
in_debian_13() {
	local root
	root=$here/build/systems/trixie-$(dpkg --print-architecture)
	# shellcheck source=tests/systems/chroot.sh
	. tests/systems/chroot.sh
	mkdir -p build/systems
	make_system trixie "$(dpkg --print-architecture)" "$root" && copy_tree "$root" &&
		inside "$root" "cd /azpec && sh tests/tools/deps.sh proofs &&
			CHECK=${CHECK-} bash tests/proofs/run.sh $*"
}
if ! cbmc_is_here; then
	if [ "$(id -u)" = 0 ] && sh tests/tools/deps.sh systems; then
		in_debian_13 "$@"
		exit
	fi
	echo "# skipped: proofs: this needs CBMC 6, or root and the package debootstrap"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

rows() { # FILE|PROOF...: the rows of these, or all
	grep -v '^#' tests/proofs/proofs.txt | awk -v want=" $* " \
		'NF && (want == "  " || index(want, " " $1 " ") || index(want, " " $2 " "))'
}
prove() { # FILE PROOF BOUND UNWIND LOOPS FAULT: one line for each
	local file=$1 proof=$2 core=lua_module/core start=$SECONDS log status sources=() with=()
	log=build/proofs/$proof.log
	if [ -n "${CHECK-}" ]; then
		core=build/proofs/$proof/core
		plant "$core" "$6" || { echo "not ok - $proof: its fault does not fit"; return; }
	fi
	for source in $(sed -n 's|^#include "core/\(.*\)\.h"|\1|p' tests/proofs/{proofs.h,"$file.c"}); do
		sources+=("$core/$source.c")
	done
	[ "$5" = - ] || with=(--unwindset "$5")
	(ulimit -t 300 && exec cbmc "tests/proofs/$file.c" "${sources[@]}" "-I${core%/core}" -Itests/proofs \
		-DBOUND="$3" --function "prove_$proof" --unwind "$4" "${with[@]}" \
		--unwinding-assertions --bounds-check --pointer-check --pointer-overflow-check \
		--signed-overflow-check --undefined-shift-check --div-by-zero-check \
		--drop-unused-functions --slice-formula) >"$log" 2>&1
	status=$?
	report "$proof" "$status" "$log" $((SECONDS - start))
	[ $status = 0 ] || [ $status = 10 ] || tail -n 5 "$log" | sed 's/^/  /'
}
plant() { # CORE "FILE FROM => TO": a copy of core/ with that fault
	local file=${2%% *} text=${2#* } to=${2#* =>}
	mkdir -p "$1" && cp lua_module/core/*.[ch] "$1" &&
		from="${text% =>*}" to="${to# }" perl -0pi -e \
			's/\Q$ENV{from}\E/$ENV{to}/' "$1/$file" &&
		! cmp -s "$1/$file" "lua_module/core/$file"
}
report() { # PROOF STATUS LOG SECONDS
	local wanted=0 title="$1, $(sed -n 's/^\*\* [0-9]* of \([0-9]*\) failed.*/\1/p' "$3") properties, $4 s"
	[ -z "${CHECK-}" ] || wanted=10
	if [ "$2" = $wanted ]; then
		echo "ok - $title"
	else
		echo "not ok - $title"
	fi
	grep ': FAILURE$' "$3" | head -n 3 | sed 's/^/  /'
}
export -f prove plant report
export CHECK=${CHECK-}

mkdir -p build/proofs
rows "$@" | sed -E 's/^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+/\1\n\2\n\3\n\4\n\5\n/' | tr '\n' '\0' |
	xargs -0 -r -n 6 -P "$(nproc)" bash -c 'prove "$@"' prove >build/proofs/results
cat build/proofs/results
passed=$(grep -c '^ok' build/proofs/results)
failed=$(grep -c '^not ok' build/proofs/results)
awk -F', ' '/^ok/ { n++; sum += $2 } END { printf "# %d proofs of %d properties\n", n, sum }' \
	build/proofs/results
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]

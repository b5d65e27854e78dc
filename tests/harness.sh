#!/usr/bin/env bash
# harness.sh -- the harness itself: tests/run.pl and tests/tools/guard.c are
# given programs that misbehave, and each has to count as a failure; and
# tests/check.sh builds what a rule looks at.  Prints TAP.
# shellcheck disable=SC2016,SC2317  # scripts in single quotes; called by name
set -u
cd "$(dirname "$0")/.." || exit 2
here=$PWD tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
unset JOBS
mkdir -p "$tmp/tests/core" "$tmp/build/core"
ln -s "$here/build/tools" "$tmp/build/tools"
n=0 bad=0

report() { # STATUS TITLE
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	bad=1
	echo "not ok $n - $2"
	sed 's/^/# /' "$tmp/log"
}
run() { (cd "$tmp" && BUILD=build timeout 120 perl "$here/tests/run.pl" "$@") >"$tmp/log" 2>&1; }
program() { # NAME SCRIPT: a test program, though nobody compiled it
	: >"$tmp/tests/core/$1.c"
	printf '#!/bin/sh\n%s\n' "$2" >"$tmp/build/core/$1"
	chmod 755 "$tmp/build/core/$1"
}
ends_with() { # TITLE LAST-LINE [TEXT]: what the last run said
	[ "$(tail -n 1 "$tmp/log")" = "$2" ] && grep -qF -- "${3-}" "$tmp/log"
	report $? "$1"
}
tries() { # TITLE SCRIPT LAST-LINE [TEXT]
	program one "$2"
	run one
	ends_with "$1" "$3" "${4-}"
	rm -f "$tmp/tests/core/one.c"
}

tries "passed tests are counted" 'echo "ok 1 - a
ok 2 - b # SKIP no network
1..2"' "1 passed, 0 failed, 1 skipped" "skipped: no network"
tries "a failed test shows its diagnostics" 'echo "1..2
ok 1 - a
not ok 2 - b
# the reason"; exit 1' "1 passed, 1 failed" "# the reason"
tries "a program without a plan fails" 'echo "ok 1 - a"' "1 passed, 1 failed" "No plan found"
tries "a program that stops half-way with status 0 fails" 'echo "1..3
ok 1 - a"' "1 passed, 1 failed" "planned 3 tests but ran 1"
tries "a program that runs no test fails" 'echo 1..0' "0 passed, 1 failed" "it ran no test"
tries "a program that prints nothing fails" '' "0 passed, 1 failed" "it ran no test"
tries "an exit status counts when all tests passed" 'echo "1..1
ok 1 - a"; exit 3' "1 passed, 1 failed" "exit status 3"
tries "a signal counts when all tests passed" 'echo "1..1
ok 1 - a"; kill -SEGV $$' "1 passed, 1 failed" "exit status 139"
# What a program under AddressSanitizer leaves where ASAN_OPTIONS says.
leaves() { printf 'echo "1..1\nok 1 - a"; echo "==7==%s" >"${ASAN_OPTIONS##*log_path=}.7"; exit %s' "$1" "$2"; }
crashed='LeakSanitizer has encountered a fatal error.'
ln -s . "$tmp/build/asan"
under_asan() { # TITLE SCRIPT LAST-LINE TEXT
	program one "$2"
	run --under=asan one
	ends_with "$1" "$3" "$4"
}
under_asan "a leak check that crashed is counted as skipped" "$(leaves "$crashed" 1)" "1 passed, 0 failed, 1 skipped" \
	"the leak check at the end crashed"
under_asan "a report of an earlier run does not count" 'echo "1..1
ok 1 - a"' "1 passed, 0 failed" ""
under_asan "a leak fails, though the exit status is 0" "$(leaves 'ERROR: LeakSanitizer: detected memory leaks' 0)" \
	"1 passed, 1 failed" "detected memory leaks"
todo=TO && todo+=DO # the directive, which no file of the tree may hold
tries "a test that is marked to be done may not fail unseen" "echo '1..1
not ok 1 - a # $todo later'" "0 passed, 1 failed"
tries "a test that is marked SKIP may not fail unseen" 'echo "1..1
not ok 1 - a # SKIP it"' "0 passed, 1 failed"
tries "a test that cmocka skips is no failure" 'echo "1..2
not ok 1 # SKIP a
ok 2 - b"' "1 passed, 0 failed, 1 skipped" "skipped: a"
tries "a line that does not end before a result fails" 'echo "1..2
some wordsok 1 - a
ok 2 - b"' "1 passed, 1 failed" "out of sequence"
tries "a test that is counted twice fails, as after a fork" 'echo "1..1
ok 1 - a
ok 1 - a"' "2 passed, 1 failed" "out of sequence"
tries "a background process that keeps the output open does not hold the run up, and fails" \
	'tail -f /dev/null & echo "1..1
ok 1 - a"' "1 passed, 1 failed" "left running: "
tries "a daemon in a session of its own is found and killed" \
	'setsid sh -c "tail -f /dev/null & exec >/dev/null 2>&1 tail -f /dev/null" & echo "1..1
ok 1 - a"' "1 passed, 1 failed" "tail -f /dev/null"
pgrep -f "^tail -f /dev/null$" -P 1 >/dev/null && stays=1 || stays=0
report "$stays" "nothing of it is left"
tries "a child that ends soon after the program is waited for" \
	'head -c 30000000 /dev/urandom >/dev/null & echo "1..1
ok 1 - a"' "1 passed, 0 failed"
TEST_SECONDS=2 tries "a program that ignores SIGTERM and hangs is ended by the limit" \
	'trap "" TERM; echo "1..1"; exec tail -f /dev/null' "0 passed, 1 failed" "did not end within 2 seconds"
TEST_SECONDS=2 tries "its grandchildren in other sessions are ended too" \
	'setsid tail -f /dev/null & echo "1..1"; wait' "0 passed, 1 failed" "left running: "
tries "a program that gives up fails" 'echo "1..2
ok 1 - a
Bail out! no emulator"' "1 passed, 1 failed"
tries "a plan may come twice only by mistake" 'echo "1..1
ok 1 - a
1..1"' "1 passed, 1 failed" "More than one plan"
tries "other output, half lines and NUL bytes do not matter" 'printf "half a line"; echo; printf "1..1\n\0\0\nok 1 - a\nbye"' \
	"1 passed, 0 failed"
tries "more output than a pipe holds does not matter" 'head -c 3000000 /dev/zero | tr "\0" "#"; echo "
1..1
ok 1 - a"' "1 passed, 0 failed"
tries "the temporary folder is the program's own, and goes with it" \
	'echo "# measured: $TMPDIR"; touch "$TMPDIR/file"; mkdir -m 0 "$TMPDIR/locked"; echo "1..1
ok 1 - a"' "1 passed, 0 failed" "azpec-test-"
folder=$(sed -n 's/.*measured: //p' "$tmp/log")
[ -n "$folder" ] && [ ! -e "$folder" ]
report $? "no temporary folder is left"
variables=$(lua5.4 -e 'print(table.concat(dofile "tests/tools/variables.lua", " "))')
for variable in $variables AZD_CONFIG_DIR https_proxy LUA_PATH_5_4; do export "$variable=mine"; done
tries "the developer's environment stays outside" 'env | grep "=mine$" && exit 1; echo "1..1
ok 1 - a"' "1 passed, 0 failed"
[ "$(wc -w <<<"$variables")" -gt 25 ]
report $? "it has the variables of all credentials"
# shellcheck disable=SC2086  # one word each
unset $variables AZD_CONFIG_DIR https_proxy LUA_PATH_5_4
mkdir "$tmp/signed in"
printf '#!/bin/sh\n' | tee "$tmp/signed in/az" "$tmp/signed in/azd" >"$tmp/signed in/other"
chmod 755 "$tmp/signed in"/*
PATH="$tmp/signed in:$PATH" tries "the developer's az and azd stay outside, the other programs of their folder do not" \
	'case $PATH in *"signed in"*) exit 1 ;; esac
command -v az || command -v azd && exit 1; other && echo "1..1
ok 1 - a"' "1 passed, 0 failed"
trap '' INT QUIT HUP
tries "no signal is ignored, as one is in a background job" \
	'grep -q "^SigIgn:.*0000$" /proc/self/status || exit 1; echo "1..1
ok 1 - a"' "1 passed, 0 failed"
trap - INT QUIT HUP
tries "standard input is empty, and there is no terminal" \
	'read -r line && exit 1; (: </dev/tty) 2>/dev/null && exit 1; echo "1..1
ok 1 - a"' "1 passed, 0 failed"

: >"$tmp/tests/core/left.c"
printf 'int printf(const char *, ...); int dup(int);\nint main(void) { dup(0); return printf("1..1\\nok 1 - a\\n") < 0; }\n' |
	${CC:-cc} -x c -o "$tmp/build/core/left" - 2>"$tmp/log"
run left
ends_with "a descriptor that is still open at the end fails" "1 passed, 1 failed" "left open: "
rm "$tmp/tests/core/left.c"

for i in 1 2 3 4; do
	program "meet$i" 'touch "'"$tmp"'/at$$"; until [ "$(ls "'"$tmp"'"/at* | wc -l)" -ge 4 ]; do :; done; echo "1..1
ok 1 - a"'
done
JOBS=4 run core
ends_with "programs run at the same time" "4 passed, 0 failed"
run meet1 nosuch core nowhere/
ends_with "a name that no program has is refused beside one that has a program" "0 passed, 2 failed" \
	"no test program is called nosuch or nowhere/"
mkdir "$tmp/tests/core/token" "$tmp/build/core/token"
program token/one 'echo "1..1
ok 1 - a"'
for folder in core/token tests/core/token/; do
	run $folder
	ends_with "a folder in a folder is found: $folder" "1 passed, 0 failed"
done
run nobody
ends_with "a name that fits no program fails" "0 passed, 1 failed" "no test program is called nobody"

mkdir "$tmp/bin"
printf '#!/bin/sh\necho "$@" >>"%s/made"\n' "$tmp" >"$tmp/bin/make"
chmod 755 "$tmp/bin/make"
check_builds() { # TITLE HOW-OFTEN RULE...: instead of make a script counts
	: >"$tmp/made"
	PATH=$tmp/bin:$PATH bash tests/check.sh "${@:3}" >"$tmp/log" 2>&1
	[ "$(grep -c BUILD=build/check/gcc "$tmp/made")" = "$2" ]
	report $? "$1"
}
check_builds "rules that look at objects build them first, once" 1 uses_point_down one_caller_of_the_allocator
check_builds "the build is not repeated if it is named" 1 pictures_are_current builds_with_gcc
check_builds "other rules need no build" 0 five_folders version_written_once
echo "1..$n"
exit $bad

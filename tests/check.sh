#!/usr/bin/env bash
# check.sh -- the rules of the house, each a function: one that prints anything,
# or fails, is broken.  `tests/check.sh NAME...` checks only these, and builds first
# what they look at.
# shellcheck disable=SC2046,SC2016  # no file here has a blank in its name
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 2
shopt -s nullglob

mapfile -t c_files < <(find lua_module -name "*.[ch]" | sort)
mapfile -t c_tests < <(find tests scripts -name "*.[ch]" | sort)
mapfile -t units < <(find lua_module -name "*.c" | sort)
mapfile -t tree < <(find . -type f -not -path './.git/*' -not -path './build/*' |
                    sed 's|^\./||' | sort)
mapfile -t lua_files < <(printf '%s\n' "${tree[@]}" | grep -E '\.lua$'
                         grep -lE '^#!.*\blua' -- scripts/* scripts/bin/* 2>/dev/null)
gcc=build/check/gcc clang=build/check/clang
mkdir -p build/check/tidy

# Files that do not know Lua: nothing in them can throw, and no libcurl callback
# (all are in io/curl*) sees a lua_State.  All others talk to Lua.
below="^lua_module/(core|io|signing/(bundle|key)\\.)"
# Functions longer than 60 lines: at most one switch for each machine.
long_functions=''
# Changeable names at file scope: what libcurl says of itself, asked once.
changeable='curl_library.o (library|once)'

refuse() { # grep's arguments: lines found are a failure, so is grep's own
	grep -E "$@"
	[ $? = 1 ]
}
code() { lua5.4 tests/tools/code.lua "$@"; }
objects() { find $gcc/lua_module -name '*.o' "$@"; }
calls() { # FILE.o...: "file.o name" of what each takes from elsewhere
	nm -uA "$@" | sed -E 's|^[^:]*/||; s|:.* | |'
}
functions() { # FILE.c...: "file:line name length signature"
	ctags --languages=C --kinds-C=f --fields=neS -o - "$@" | awk -F'\t' '
		!/^!/ { for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) line = substr($i, 6)
			if ($i ~ /^end:/) end = substr($i, 5)
			if ($i ~ /^signature:/) sig = substr($i, 11) }
			print $2 ":" line, $1, end - line + 1, sig }'
}

# --- builds -----------------------------------------------------------------

builds() { make -s -j"$(nproc)" WERROR=1 CFLAGS='-O2 -g' "CC=$1" "BUILD=$2" all units hosts; }
builds_with_gcc() { builds gcc $gcc; }
builds_with_clang() { builds clang $clang; }
headers_stand_alone() {
	local h
	for h in $(find lua_module -name "*.h"); do
		gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only \
			-Ilua_module $(pkg-config --cflags lua5.4) -include "$h" \
			-x c /dev/null || return 1
	done
}
scripts_compile() {
	local shell file
	lua5.4 - "${lua_files[@]}" <<-'LUA'
		for _, file in ipairs(arg) do
		  local compiled, why = loadfile(file, "t")
		  if not compiled then print(why) end
		end
	LUA
	awk 'FNR == 1 { if (/^#!.*sh$/) print (/bash/ ? "bash" : "sh"), FILENAME; nextfile }' "${tree[@]}" |
		while read -r shell file; do "$shell" -n "$file"; done
}

# --- style ------------------------------------------------------------------

clang_format() {
	clang-format --dry-run -Werror "${c_files[@]}" "${c_tests[@]}"
}
comments_fit() { # into 80 columns with tabs of 8; clang-format sees to the code
	code "${c_files[@]}" "${c_tests[@]}" | paste -d $'\001' - <(cat "${c_files[@]}" "${c_tests[@]}") |
		awk -F $'\001' '
		function columns(line,   i, n) {
			for (i = 1; i <= length(line); i++)
				n += substr(line, i, 1) == "\t" ? 8 - n % 8 : 1
			return n
		}
		columns($2) > 80 {
			split($1, at, ":")
			code = substr($1, length(at[1] at[2]) + 3)
			sub(/[ \t]+$/, "", code)
			if (columns(code) <= 80) print at[1] ":" at[2], columns($2), "columns"
		}'
}
clang_tidy() { # a file that passed is looked at again once anything changed
	local f ok todo=()
	printf '%s\n' -std=c11 -D_GNU_SOURCE "-I$PWD/lua_module" \
		$(pkg-config --cflags lua5.4 libcurl libcrypto) >build/check/tidy/compile_flags.txt
	for f in "${units[@]}"; do
		ok=build/check/tidy/$(basename "$f")
		[ -f "$ok" ] && [ -z "$(find "$f" .clang-tidy lua_module -newer "$ok" \
			\( -path "$f" -o -name '*.h' -o -name .clang-tidy \))" ] ||
			todo+=("$f")
	done
	[ ${#todo[@]} = 0 ] || printf '%s\n' "${todo[@]}" |
		xargs -P "$(nproc)" -I @ sh -c 'at=build/check/tidy/$(basename @)
			started=$(mktemp -p build/check/tidy)
			clang-tidy --quiet -p build/check/tidy @ 2>"$at.err" &&
			mv "$started" "$at" || { rm "$started"; cat "$at.err"; }'
}
cppcheck_() {
	cppcheck --quiet -j "$(nproc)" --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,portability --suppress=preprocessorErrorDirective \
		-D_GNU_SOURCE -Ilua_module \
		"${units[@]}"
}
luacheck_() { luacheck --formatter plain --codes "${lua_files[@]}" ./*.rockspec; }
short_functions() {
	functions "${units[@]}" | awk -v known=" $long_functions " \
		'$3 > 60 && !index(known, " " $2 " ") { print $1, $2, $3, "lines" }'
}
nothing_banned() {
	code -s "${c_files[@]}" | refuse '\b(sprintf|vsprintf|strcpy|strcat|strtok|atoi|gets|alloca|localtime|gmtime|rand|random|system|popen|v?f?printf|puts|setjmp|longjmp|exit|abort|u?sleep|nanosleep|strncpy) *\('
}
nothing_left_open() {
	refuse -nI '\b(TO[D]O|FIX[M]E|XX[X])|\bnot implemente[d]' "${tree[@]}"
}
no_sleep_to_wait() {
	refuse -nI '\bsleep +["0-9.]|\bsleep +[$]|os\.execute.*sleep' \
		$(printf '%s\n' "${tree[@]}" | grep -E '^(tests|scripts|\.ci|Makefile)')
}

# --- layers -----------------------------------------------------------------

core_includes_only_core() {
	code $(find lua_module/core -name "*.[ch]") | grep -E ':#' |
		refuse -v '#(ifndef|define|endif|if |else|undef|include (<(assert|ctype|inttypes|limits|stdbool|stddef|stdint|string)\.h>|"core/(token/)?[a-z0-9_]+\.h"))'
}
core_calls_nothing_outside() { # neither clock nor chance, files, memory, Lua
	local own=build/check/core.names
	nm -g --defined-only $gcc/lua_module/core/*.o $gcc/lua_module/core/token/*.o | sed -n 's/.* //p' >$own
	calls $gcc/lua_module/core/*.o $gcc/lua_module/core/token/*.o |
		grep -vE ' (mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|cmp|ncmp|chr|rchr|str|cspn|spn|pbrk)|explicit_bzero|__mem(cpy|move|set)_chk|__explicit_bzero_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$' |
		awk 'NR == FNR { own[$1]; next } !($2 in own)' $own - | refuse .
}
one_caller_of_the_allocator() {
	{
		code -s "${c_files[@]}" | grep -v '^lua_module/core/buf\.c' |
			grep -E '(->|\.)alloc *\('
		calls $(objects) | grep -E ' (malloc|calloc|realloc|free|strn?dup|v?asprintf|getline|open_memstream)$'
	} | refuse .
}
includes_form_no_cycle() {
	code "${c_files[@]}" |
		sed -nE 's|^(.*/)?([^/]+)\.[ch]:[0-9]+:.*#include "(.*/)?([^/"]+)\.h".*|\2 \4|p' |
		awk '$1 != $2' | tsort >/dev/null
}
# Who uses whom, from the object files: no file is above and below another, and
# no wing uses one above it; signing is a library of its own.
uses() { # "a.o b.o": a takes a name that b defines
	nm -A $(objects) | sed "s|^$gcc/lua_module/||" | awk -F'[: ]+' '
		$(NF - 1) ~ /^[TDRBV]$/ { at[$NF] = $1 }
		$(NF - 1) == "U" { used[$1 " " $NF] }
		END { for (u in used) { split(u, p, " ")
			if (p[2] in at && at[p[2]] != p[1]) print p[1], at[p[2]] } }' | sort -u
}
uses_form_no_cycle() { uses | tsort >/dev/null; }
uses_point_down() {
	uses | awk 'function floor(f) { return f ~ /^core/ ? 1 : f ~ /^io/ ? 2 : f ~ /^lua/ ? 3 : 4 }
		floor($2) > floor($1) || (floor($1) == 4 && floor($2) ~ /[23]/) { print $1, "uses", $2 }' | refuse .
}
only_curl_files_include_curl() {
	code "${c_files[@]}" | grep -v '^lua_module/io/curl' |
		refuse '# *include *[<"](curl/|curl\.h)'
}
only_signing_includes_openssl() {
	code "${c_files[@]}" | grep -v '^lua_module/signing/' |
		refuse '# *include *[<"]openssl/'
}
only_options_reads_the_environment() { # and curl_proxy libcurl's own variables
	calls $(objects -not -name options.o -not -name curl_proxy.o) |
		refuse ' (getenv|secure_getenv|environ|__environ)$'
}
only_json_speaks_of_cjson() {
	code "${c_files[@]}" | grep -vE '^lua_module/lua/json\.[ch]' | refuse cjson
}
no_lua_below() {
	{
		code -s "${c_files[@]}" | grep -E "$below" |
			grep -E ':[0-9]+:.*(\b(lua_|luaL_|LUA_)|lauxlib|<lua)'
		calls $gcc/lua_module/core/*.o $gcc/lua_module/core/token/*.o \
			$(objects | grep -E "/(io/|signing/(bundle|key)\.o)") |
			grep -E ' luaL?_'
	} | refuse .
}
who_may_throw_owns_nothing() { # no owning struct, no raw block, no goto
	code -s "${units[@]}" | awk '
		NR == FNR {
			split($1, at, ":")
			for (n = 1; /lua_State/ && n < $3; n++) inside[at[1] ":" at[2] + n] = $2
			next
		}
		{ split($0, at, ":"); name = inside[at[1] ":" at[2]] }
		name != "" { print $0 "   (in " name ")" }' <(functions "${units[@]}") - |
		refuse '^[^:]*:[0-9]*:	+(struct (buf|request|reply|fail|poll|op|chain) [a-z_]+[;=,]|goto )|\bmem_resize *\('
}
metatable_in_the_next_line() { # nothing that takes L, so may throw, between
	code -s "${units[@]}" | awk '
		from && /[(]L[,)]/ { if (!/setmetatable/) print from; from = "" }
		/lua_newuserdata(uv)? *[(]/ { from = $0 }
		END { if (from) print from }' | refuse .
}
nothing_changeable_at_file_scope() {
	local o
	for o in $(objects); do
		objdump -t "$o" | grep -E ' O (\.t?data|\.t?bss|\*COM\*)' |
			grep -v ' O \.data\.rel\.ro' |
			awk -v o="$(basename "$o")" '{ print o, $NF }'
	done | refuse -vx "$changeable"
}

# --- what is delivered ------------------------------------------------------

exports_luaopen_alone() {
	local names
	for names in "nm -D $gcc/azpec.so" "nm -g $gcc/libazpec.a"; do
		diff <($names --defined-only | sed -n 's/^[0-9a-f]* [A-Z] //p') \
			<(echo luaopen_azpec)
	done
	for names in signing file; do
		diff <(nm -D --defined-only $gcc/azpec_$names.so |
			sed -n 's/^[0-9a-f]* [A-Z] //p') <(echo luaopen_azpec_$names)
	done
}
needs_libcurl_and_libc_alone() {
	objdump -p $gcc/azpec.so | grep NEEDED |
		refuse -v ' (libcurl\.so\.4|libc\.so\.6|ld-linux.*)$'
}
signing_needs_libcrypto_and_libc_alone() {
	objdump -p $gcc/azpec_signing.so | grep NEEDED |
		refuse -v ' (libcrypto\.so\.3|libc\.so\.6|ld-linux.*)$'
}
version_written_once() {
	local v
	v=$(sed -n 's/.*AZPEC_VERSION "\(.*\)".*/\1/p' lua_module/azpec.h)
	: "${v:?not found in azpec.h}"
	printf '%s\n' "${tree[@]}" | grep -vE '^lua_module/azpec\.h$|\.md$|^\.debian/changelog$|package-lock\.json$' |
		xargs grep -nIE "(^|[^0-9.])${v//./[.]}([^0-9.]|\$)" | refuse .
}
five_folders() {
	printf '%s\n' "${tree[@]}" | sed -n 's|/.*||p' | sort -u |
		refuse -vx 'lua_module|scripts|tests|\.ci|\.debian'
}
core_readme_names_what_exists() { # "Where is X decided": files, functions
	local name
	for name in $(sed -n '/^## Where is X/,/^## The queues/p' lua_module/core/README.md |
	              cut -d'|' -f3 | grep -oE '`[a-z_/]+(\.c)?`' | tr -d '`'); do
		case $name in
		*.c) grep -qE "lua_module/(core/)?$name" <(printf '%s\n' "${c_files[@]}") ;;
		*) grep -qE "[ *]$name(\(|\[)" "${c_files[@]}" ;;
		esac || echo "core/README.md names $name"
	done
}
shows() { # DOCUMENT COMMAND...: what the command prints stands in the document
	local page=$1 printed
	shift
	printed=$("$@") && [[ $printed && $(<"$page") == *"$printed"* ]]
}
shows_lines() { # DOCUMENT COMMAND...: the same, of lines that a person pastes there
	local page=$1
	shift
	shows "$page" "$@" || echo "$page is old: replace its lines by those of: ${*@Q}"
}
pictures_are_current() { # drawn from the tables that the code runs on, and from a run
	local lua=(env "LUA_CPATH=$PWD/$gcc/?.so;;" "LUA_PATH=$PWD/scripts/?.lua;$PWD/tests/?.lua;;" lua5.4)
	shows_lines lua_module/core/README.md $gcc/core/explore --page
	shows_lines lua_module/README.md "${lua[@]}" tests/tools/transitions.lua
	shows_lines scripts/azpec/emulator/README.md "${lua[@]}" tests/tools/api_versions.lua
	shows scripts/pictures/command.svg "${lua[@]}" tests/tools/recording.lua &&
		"${lua[@]}" tests/tools/screenshot.lua check ||
		echo "a picture in scripts/pictures is old: make pictures"
}
reference_is_current() { lua5.4 tests/tools/reference.lua check; }
contributing_names_each_rule() {
	local rule
	for rule in $every_rule; do
		grep -q "\`$rule\`" CONTRIBUTING.md || echo "CONTRIBUTING.md does not name $rule"
	done
}
speaks_of_itself_alone() { # no page that is not in the tree
	refuse -nI '(DESIGN|PROTOCOL|STYLE|USERS|DEBIAN|SAMPLE)[.]md|[.][.]/share[d]|[.]librar[y]' "${tree[@]}"
}

# --- the run ----------------------------------------------------------------

every_rule='builds_with_gcc builds_with_clang headers_stand_alone scripts_compile
clang_format comments_fit clang_tidy cppcheck_ luacheck_ short_functions nothing_banned
nothing_left_open no_sleep_to_wait core_includes_only_core
core_calls_nothing_outside one_caller_of_the_allocator includes_form_no_cycle
uses_form_no_cycle uses_point_down only_curl_files_include_curl only_signing_includes_openssl
only_options_reads_the_environment
only_json_speaks_of_cjson no_lua_below who_may_throw_owns_nothing
metatable_in_the_next_line nothing_changeable_at_file_scope
exports_luaopen_alone needs_libcurl_and_libc_alone
signing_needs_libcrypto_and_libc_alone
version_written_once five_folders core_readme_names_what_exists
pictures_are_current reference_is_current contributing_names_each_rule speaks_of_itself_alone'

looks_at_objects() { # RULE: it names gcc's build, or a function that does
	declare -f "$1" | grep -qE '\$gcc|\bobjects\b|\buses\b'
}

# The builds come first, since other rules look at their objects; then as many
# rules at once as there are processors.
# shellcheck disable=SC2206
rules=(${*:-$every_rule})
for rule in "${rules[@]}"; do
	[[ " ${rules[*]} " == *' builds_with_gcc '* ]] && break
	looks_at_objects "$rule" && rules=(builds_with_gcc "${rules[@]}")
done
results=$(mktemp -d) || exit 2
trap 'rm -rf "$results"' EXIT
check() { # RULE: what it prints goes to a file, and its time
	local start=${EPOCHREALTIME/./} status
	"$1" >"$results/$1" 2>&1
	status=$?
	[ $status = 0 ] || echo "exit status $status" >>"$results/$1"
	echo $(((${EPOCHREALTIME/./} - start) / 100000)) >"$results/$1.time"
}
for rule in "${rules[@]}"; do
	case $rule in builds_*) check "$rule" ;; esac
done
for rule in "${rules[@]}"; do
	[ -e "$results/$rule" ] && continue
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
	check "$rule" &
done
wait

passed=0 failed=0
for rule in "${rules[@]}"; do
	title=${rule%_} time=$(cat "$results/$rule.time")
	if [ -s "$results/$rule" ]; then
		failed=$((failed + 1))
		echo "not ok - ${title//_/ }"
		head -n 60 "$results/$rule" | sed 's/^/  /'
	else
		passed=$((passed + 1))
		echo "ok - ${title//_/ }$([ "$time" -lt 50 ] || echo " ($((time / 10)) s)")"
	fi
done

functions "${units[@]}" | awk '{ print $3 }' | sort -n | awk '
	{ n[NR] = $1 }
	END { if (NR) printf "# %d functions: median %d lines, 90 %% at most %d, longest %d\n",
		NR, n[int((NR + 1) / 2)], n[int(NR * 0.9 + 0.5)], n[NR] }'
all=$(cat "${c_files[@]}" | grep -c '[^[:space:]]')
told=$(diff <(cat "${c_files[@]}") <(code "${c_files[@]}" |
	sed 's/^[^:]*:[0-9]*://') | grep -c '^<')
[ "$all" -gt 0 ] && echo "# $all lines of C in ${#c_files[@]} files," \
	"$((100 * told / all)) % of them hold a comment"
echo "$passed passed, $failed failed"
[ $failed = 0 ]

#!/usr/bin/env bash
# packaging.sh -- a fresh copy of the tree is built and installed by LuaRocks
# and by make, and used from somewhere else.  Prints TAP.
# shellcheck disable=SC2317,SC2086,SC2046  # called by name; flags are to be split
set -u
cd "$(dirname "$0")/.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
unset MAKEFLAGS MAKELEVEL BUILD LUA_PATH LUA_CPATH
export HOME=$tmp LUA_INIT=
mkdir "$tmp/copy" "$tmp/elsewhere"
{ git ls-files -co --exclude-standard 2>/dev/null ||
	find . -type f -not -path './build/*' -not -path './.git/*'; } |
	tar -cf - -T - | tar -xf - -C "$tmp/copy"

n=0 bad=0
try() { # TITLE COMMAND...: in the fresh copy
	n=$((n + 1))
	local title=$1 out
	shift
	if out=$(cd "$tmp/copy" && "$@" 2>&1 </dev/null); then
		echo "ok $n - $title"
	else
		bad=1
		echo "not ok $n - $title"
		printf '%s\n' "$out" | tail -n 40 | sed 's/^/# /'
	fi
}

# LuaRocks knows nothing of Debian's packages and must not ask the network.
rocks() {
	echo 'rocks_provided = { ["lua-cjson"] = "2.1.0-1", argparse = "0.7.1-1", cqueues = "20200726.54-0",
		luafilesystem = "1.8.0-1", luaossl = "20220711-0" }' >"$tmp/config.lua"
	LUAROCKS_CONFIG=$tmp/config.lua luarocks --lua-version 5.4 "$@"
}
works_from() { # CPATH: elsewhere, and without a trace in the globals
	cd "$tmp/elsewhere" && LUA_CPATH="$1/?.so;;" lua5.4 -e '
		local before = {}
		for name in pairs(_G) do before[name] = true end
		local azpec = require "azpec"
		assert(azpec._VERSION:find "^azpec %d+%.%d+%.%d+$", azpec._VERSION)
		assert(azpec.PrivateLinkServiceConnectionStatus.Approved == "Approved")
		for name in pairs(_G) do assert(before[name], name) end'
}
installed() { # exactly these files
	diff <(cd "$tmp/dest" && find . -type f | sort) <({
		printf '%s\n' bin/azpec include/azpec.h lib/libazpec.a lib/lua/5.4/azpec.so \
			lib/lua/5.4/azpec_signing.so lib/pkgconfig/azpec.pc share/lua/5.4/azpec.meta.lua \
			share/man/man1/azpec.1 share/bash-completion/completions/azpec \
			share/zsh/site-functions/_azpec
		cd "$tmp/copy/scripts" && find azpec -name '*.lua' -printf 'share/lua/5.4/%p\n'
	} | sed 's|^|./opt/azpec/|' | sort)
}
command_works() { # PROGRAM: elsewhere, by its own path and by a link to it
	cd "$tmp/elsewhere" && ln -sf "$1" "$tmp/link" && for azpec in "$1" "$tmp/link"; do
		"$azpec" --version | grep -E '^azpec [0-9.]+ ' && "$azpec" help auto >help &&
			grep '^Examples:' help || return
		"$azpec" show /subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/acc/privateEndpointConnections/p \
			--endpoint http://127.0.0.1:1 --credential token 2>says
		[ $? = 2 ] && grep AZURE_ACCESS_TOKEN says || return
	done
}
host() {
	local flags
	flags=$(PKG_CONFIG_PATH=$tmp/dest/opt/azpec/lib/pkgconfig \
		pkg-config --define-variable=prefix="$tmp/dest/opt/azpec" \
		--cflags --libs azpec) &&
		cc $(pkg-config --cflags lua5.4) -o "$tmp/host" \
			tests/hosts/static.c $flags -llua5.4 &&
		cd "$tmp/elsewhere" && "$tmp/host"
}
nothing_left() { [ -z "$(find "$tmp/dest" -type f)" ]; }

try "the rockspec is sound" rocks lint azpec-scm-1.rockspec
try "luarocks make builds and installs" \
	rocks make --tree "$tmp/tree" azpec-scm-1.rockspec
try "the rock works from another directory" works_from "$tmp/tree/lib/lua/5.4"
try "the rock's command works from another directory" command_works "$tmp/tree/bin/azpec"
try "make install with PREFIX and DESTDIR" \
	make -s install PREFIX=/opt/azpec DESTDIR="$tmp/dest"
try "it installs these files and no other" installed
try "the module works from another directory" \
	works_from "$tmp/dest/opt/azpec/lib/lua/5.4"
try "the command works from another directory" command_works "$tmp/dest/opt/azpec/bin/azpec"
try "a C program links the archive and opens two states" host
try "make uninstall takes all of it away" \
	make -s uninstall PREFIX=/opt/azpec DESTDIR="$tmp/dest"
try "nothing is left" nothing_left
echo "1..$n"
exit $bad

#!/usr/bin/env bash
# apicheck.sh [NAME ...] -- the Lua side of the tests under a Lua that checks
# what C does with its API: LUA_USE_APICHECK, LUAI_ASSERT and HARDSTACKTESTS
# (the stack moves whenever it may).  Lua's source comes from Debian.
set -u
cd "$(dirname "$0")/../.." || exit 2
at=$PWD/build/apicheck
mkdir -p "$at"

source_of_lua() { # by apt, from the sources of this machine
	sed 's/^Types: .*/Types: deb-src/; s/^deb /deb-src /' /etc/apt/sources.list.d/*.sources >"$at/list.sources" 2>/dev/null
	sed -n 's/^deb /deb-src /p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list >"$at/list.list" 2>/dev/null
	mkdir -p "$at/lists/partial" "$at/sources"
	mv "$at"/list.* "$at/sources/"
	set -- -q -o "Dir::State::Lists=$at/lists" -o "Dir::Etc::SourceParts=$at/sources" -o Dir::Etc::SourceList=/dev/null
	apt-get "$@" update && (cd "$at" && apt-get "$@" --only-source --download-only source lua5.4)
}
build_lua() {
	rm -rf "$at/lua" && mkdir "$at/lua" &&
		tar -xf "$at"/lua5.4_*.orig.tar.* -C "$at/lua" --strip-components=1 &&
		sed -i -E "s|LUA_ROOT \"share/lua/\"|\"/usr/share/lua/\"|; s|LUA_ROOT \"lib/lua/\"|\"/usr/lib/$(gcc -print-multiarch)/lua/\"|" \
			"$at/lua/src/luaconf.h" &&
		make -s -C "$at/lua/src" linux \
			MYCFLAGS="-O1 -g -DLUA_USE_APICHECK -DLUAI_ASSERT -DHARDSTACKTESTS -DLUA_COMPAT_5_3" &&
		ln -sf "$at/lua/src/lua" "$at/lua5.4"
}
if [ ! -x "$at/lua/src/lua" ]; then
	{ source_of_lua && build_lua; } >"$at/log" 2>&1 || {
		tail -n 20 "$at/log"
		echo "not ok: Lua cannot be built from Debian's source"
		echo "0 passed, 1 failed"
		exit 1
	}
fi
[ $# != 0 ] || set -- lua loopback hosts
LUA=$at/lua5.4 exec perl tests/run.pl "$@"

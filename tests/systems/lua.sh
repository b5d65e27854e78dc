#!/usr/bin/env bash
# lua.sh apicheck|cxx [NAME ...] -- the Lua side of the tests, the C hosts too,
# with a Lua that is built from Debian's source in another way:
#   apicheck  checks what C does with the API (LUA_USE_APICHECK, LUAI_ASSERT), and
#             moves the stack whenever it may (HARDSTACKTESTS)
#   cxx       compiled as C++: an error is an exception, which passes through the
#             module's C functions
set -u
cd "$(dirname "$0")/../.." || exit 2
case ${1-} in
apicheck) compiler=gcc flags="-O1 -DLUA_USE_APICHECK -DLUAI_ASSERT -DHARDSTACKTESTS" symbol=__assert_fail ;;
cxx) compiler=g++ flags=-O2 symbol=__cxa_throw ;; # g++ takes .c for C++
*) echo "usage: lua.sh apicheck|cxx [NAME ...]" >&2; exit 2 ;;
esac
variant=$1
shift
at=$PWD/build/$variant
mkdir -p "$at"

source_of_lua() { # by apt, from the sources of this machine
	sed 's/^Types: .*/Types: deb-src/; s/^deb /deb-src /' /etc/apt/sources.list.d/*.sources >"$at/list.sources" 2>/dev/null
	sed -n 's/^deb /deb-src /p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list >"$at/list.list" 2>/dev/null
	mkdir -p "$at/lists/partial" "$at/sources"
	mv "$at"/list.* "$at/sources/"
	set -- -q -o "Dir::State::Lists=$at/lists" -o "Dir::Etc::SourceParts=$at/sources" -o Dir::Etc::SourceList=/dev/null
	apt-get "$@" update && (cd "$at" && apt-get "$@" --only-source --download-only source lua5.4)
}
build_lua() { # the API keeps its C names
	rm -rf "$at/lua" && mkdir "$at/lua" &&
		tar -xf "$at"/lua5.4_*.orig.tar.* -C "$at/lua" --strip-components=1 &&
		sed -i -E "s|LUA_ROOT \"share/lua/\"|\"/usr/share/lua/\"|; s|LUA_ROOT \"lib/lua/\"|\"/usr/lib/$(gcc -print-multiarch)/lua/\"|
			s|^(#define LUA_API\s+extern)\$|#ifdef __cplusplus\n\1 \"C\"\n#else\n\1\n#endif|" \
			"$at/lua/src/luaconf.h" &&
		make -s -C "$at/lua/src" linux CC=$compiler MYCFLAGS="-g -fPIC -DLUA_COMPAT_5_3 $flags" &&
		nm -u "$at/lua/src/lua" | grep -q "$symbol" &&
		ln -sf "$at/lua/src/lua" "$at/lua5.4"
}
whole="-Wl,-E -Wl,--whole-archive $at/lua/src/liblua.a -Wl,--no-whole-archive -lstdc++"
build() { # Lua once, azpec whenever something changed
	{ [ -x "$at/lua5.4" ] || { source_of_lua && build_lua; }; } &&
		make -s BUILD="build/$variant" LUA_LIBS="$whole" all hosts tools
}
if ! build >"$at/log" 2>&1; then
	tail -n 20 "$at/log"
	echo "not ok: Lua from Debian's source, or azpec for it, cannot be built"
	echo "0 passed, 1 failed"
	exit 1
fi
[ $# != 0 ] || case $variant in
cxx) set -- lua hosts ;; # where errors pass through C functions
*) set -- lua loopback hosts ;;
esac
BUILD=build/$variant LUA=$at/lua5.4 exec perl tests/run.pl "$@"

#!/usr/bin/env bash
# packaging.sh -- a fresh copy of the tree is built and installed by LuaRocks,
# by make and by dpkg, and used from somewhere else.  Prints TAP.
# shellcheck disable=SC2317,SC2086,SC2046  # called by name; flags are to be split
set -u
cd "$(dirname "$0")/.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
unset MAKEFLAGS MAKELEVEL BUILD LUA_PATH LUA_CPATH
export HOME=$tmp LUA_INIT=
mkdir "$tmp/copy" "$tmp/elsewhere"
# Folders of users have such names.
tree="$tmp/my tree" dest="$tmp/it's staged" prefix="/opt/my azpec"
at=$dest$prefix
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
		luaossl = "20220711-0" }' >"$tmp/config.lua"
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
same_as_installed() { # the rock: these files at these places, one name from each library
	local so
	diff <(cd "$tree" && find share lib/lua -type f | sort) \
		<(cd "$at" && find share/lua lib/lua -type f | sort) &&
		for so in "$tree"/lib/lua/5.4/*.so; do
			diff <(nm -D --defined-only "$so" | sed -n 's/^[0-9a-f]* [A-Z] //p') \
				<(basename "$so" .so | sed 's/^/luaopen_/') || return
		done
}
without_rocks() { # Debian's packages in place of the rocks
	luarocks --lua-version 5.4 make --deps-mode none --tree "$tmp/debian" azpec-scm-1.rockspec &&
		command_works "$tmp/debian/bin/azpec"
}
of_a_release() { # by the rockspec of the tag, with this copy in place of the one that is published
	local version commit="git -c user.name=t -c user.email=t@localhost"
	version=$(sed -n 's/.*AZPEC_VERSION "\(.*\)".*/\1/p' lua_module/azpec.h)
	make -s rockspec && git init -q && git add -A && $commit commit -qm copy && $commit tag -am release "v$version" &&
		git config --global "url.file://$PWD.insteadOf" "$(sed -n 's/.*url = "git+\(.*\)".*/\1/p' azpec-scm-1.rockspec)" &&
		git rm -q --cached lua_module/azpec.h && $commit commit -qm "not released" &&
		rocks install --tree "$tmp/release" "build/azpec-$version-1.rockspec" &&
		"$tmp/release/bin/azpec" --version | grep "^azpec $version "
}
installed() { # exactly these files
	diff <(cd "$dest" && find . -type f | sort) <({
		printf '%s\n' bin/azpec include/azpec.h lib/libazpec.a lib/lua/5.4/azpec.so \
			lib/lua/5.4/azpec_signing.so lib/lua/5.4/azpec_file.so lib/pkgconfig/azpec.pc \
			share/man/man1/azpec.1 share/man/man7/azpec.7 share/bash-completion/completions/azpec \
			share/zsh/site-functions/_azpec share/fish/vendor_completions.d/azpec.fish
		find scripts/azpec/cli/verbs -name '*.lua' -printf '%f\n' | sed 's|\(.*\)\.lua|share/man/man1/azpec-\1.1|'
		cd "$tmp/copy/scripts" && find azpec -name '*.lua' -not -name '*.meta.lua' -printf 'share/lua/5.4/%p\n'
		cd ../build && find types -name '*.lua' -printf 'share/lua/5.4/azpec/%p\n'
	} | sed "s|^|.$prefix/|" | sort)
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
	flags=$(PKG_CONFIG_PATH=$at/lib/pkgconfig pkg-config --cflags --libs azpec) && eval "set -- $flags" &&
		grep -x 'libdir=${prefix}/lib' "$at/lib/pkgconfig/azpec.pc" &&
		cc $(pkg-config --cflags lua5.4) -o "$tmp/host" tests/hosts/static.c "${@/$prefix/$at}" -llua5.4 &&
		cd "$tmp/elsewhere" && "$tmp/host"
}
one_name() { # as Ubuntu and Fedora compile
	make -s BUILD=build/lto CFLAGS="-O0 -flto" build/lto/libazpec.a &&
		diff <(nm -g --defined-only build/lto/libazpec.a | sed -n 's/^[0-9a-f]* //p') <(echo T luaopen_azpec)
}
stands_alone() { # without a header of Lua, each of which C++ includes by lua.hpp
	cc -fsyntax-only -x c lua_module/azpec.h && c++ -fsyntax-only -x c++ lua_module/azpec.h
}
finds_lua() { # under another name, here one of the systems that call it lua54
	ln -sf "$(command -v lua5.4)" "$tmp/lua54"
	make -s install LUA="$tmp/lua54" DESTDIR="$tmp/lua54s" &&
		sed -n 1p "$tmp/lua54s/usr/local/bin/azpec" | grep -Fx "#!/usr/bin/env $tmp/lua54" &&
		"$tmp/lua54s/usr/local/bin/azpec" --version
}
for_another_machine() { # whose modules Lua cannot load here
	cp -a build "$tmp/foreign" && echo >"$tmp/foreign/azpec.so" &&
		make -s install BUILD="$tmp/foreign" NATIVE=build DESTDIR="$tmp/another" &&
		diff "$tmp/foreign/azpec.so" "$tmp/another/usr/local/lib/lua/5.4/azpec.so" &&
		diff -r "$at/share/man" "$tmp/another/usr/local/share/man"
}
readable() { ! find "$dest" \( -type f -not -perm -444 \) -o \( -type d -not -perm -555 \) | grep .; }
without_headers() { # WORDS FLAGS...: the compiler does not find them
	local words=$1 word says
	shift
	says=$(make -s BUILD=build/needs "$@" build/needs/lua_module/lua/module.o 2>&1) && return 1
	echo "$says" | grep -a ' error: #error' | tee "$tmp/error"
	[ "$(wc -l <"$tmp/error")" = 1 ] || return
	for word in $words; do grep -q "[ (]${word}[ ,]" "$tmp/error" || return; done
}
uninstalled() { # twice; the files of others stay
	local others="./lib/lua/5.4/other.so ./share/lua/5.4/azpec/mine.lua"
	(cd "$at" && touch $others) &&
		make -s uninstall PREFIX="$prefix" DESTDIR="$dest" &&
		diff <(cd "$at" && find . -type f | sort) <(printf '%s\n' $others) &&
		(cd "$at" && rm $others) &&
		make -s uninstall PREFIX="$prefix" DESTDIR="$dest" &&
		[ ! -e "$at/share/lua/5.4/azpec" ]
}

# Debian's packages.  Root installs them by dpkg over the system's own folders, in
# a namespace whose changes go to memory; others unpack them.  A bash of its own
# runs these functions: in a condition, set -e would have no effect.
debian() { # FOLDER VARIABLE=VALUE...
	env "${@:2}" make -s debian TO="$tmp/$1"
}
same_packages() { # whoever builds them, and where
	diff <(cd "$tmp/deb" && sha256sum -- *.deb *.tar.*) <(cd "$tmp/again" && sha256sum -- *.deb *.tar.*)
}
lint() {
	lintian --allow-root --tag-display-limit 0 -EIL +pedantic --fail-on error,warning "$tmp"/deb/*.changes
}
can_install() { [ "$(id -u)" = 0 ] && in_memory true 2>/dev/null; }
in_memory() { # COMMAND...
	mkdir -p "$tmp/memory"
	unshare --mount bash -c '
		mount -t tmpfs tmpfs "$1" && cd "$1" && for at in usr etc var; do
			mkdir -p "$at/upper" "$at/work" &&
				mount -t overlay overlay -o "lowerdir=/$at,upperdir=$PWD/$at/upper,workdir=$PWD/$at/work" "/$at" || exit
		done && cd / && shift && "$@"' in_memory "$tmp/memory" "$@"
}
found() { find /usr /etc /var/lib/dpkg -xdev \( -name '*azpec*' -o -path '*/5.4/azpec/*' \) -not -type c; }
packages_work() { # as the user types it, without a variable of ours
	set -e
	dpkg -i "$tmp"/deb/*azpec_*.deb "$tmp"/deb/lua-azpec-dev_*.deb
	use_packages
	zsh -fc 'autoload +X _azpec'
	test -n "$(found)"
	dpkg --purge azpec lua-azpec-dev lua-azpec
	test -z "$(found)"
}
unpacked_work() {
	set -e
	local deb root=$tmp/root lib
	lib=$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
	for deb in "$tmp"/deb/*azpec_*.deb "$tmp"/deb/lua-azpec-dev_*.deb; do dpkg-deb -x "$deb" "$root"; done
	export LUA_PATH="$root/usr/share/lua/5.4/?.lua;;" LUA_CPATH="$lib/lua/5.4/?.so;;"
	export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$lib/pkgconfig
	use_packages "$root"
}
links_resolve() { # FOLDER: each relative link of the documents there leads to a file there
	set -e
	local page file
	for page in README.md REFERENCE.md SECURITY.md; do
		sed '/^```/,/^```/d' "$1/$page" | grep -oE '\]\([^) ]+\)|^\[[^]]+\]: ?[^ ]+' |
			sed -E 's/^.*\]([(]|: ?)//; s/[#)].*//; /^https?:/d; /^$/d' | sort -u >"$tmp/linked"
		[ "$page" != README.md ] || grep REFERENCE.md "$tmp/linked"
		while read -r file; do
			case $file in ../*) false ;; esac
			ls -d "$1/$file"
		done <"$tmp/linked"
	done
}
use_packages() { # [ROOT]
	set -e
	local page root=${1-}
	cd "$tmp/elsewhere"
	"$root/usr/bin/azpec" --version
	lua5.4 -e '
		local emulator <close> = require "azpec.emulator".start { options = { retry_after = "none" } }
		local approved = assert(emulator:client():update { id = emulator:arrive(), status = "Approved" })
		assert(approved.properties.privateLinkServiceConnectionState.status == "Approved")'
	for page in azpec.1 azpec-approve.1 azpec.7; do
		zcat "$root/usr/share/man/man${page##*.}/$page.gz" | groff -man -Tascii -P-cbou | grep -x NAME
	done
	links_resolve "$root/usr/share/doc/azpec"
	links_resolve "$root/usr/share/doc/lua-azpec-dev"
	ls "$root/usr/share/zsh/vendor-completions/_azpec" "$root/usr/share/bash-completion/completions/azpec"
	cc $(pkg-config --cflags lua5.4) -o "$tmp/host" "$tmp/copy/tests/hosts/static.c" $(pkg-config --cflags --libs lua5.4-azpec) -llua5.4
	"$tmp/host"
}

try "the rockspec is sound" rocks lint azpec-scm-1.rockspec
try "luarocks make builds and installs" \
	rocks make --tree "$tree" azpec-scm-1.rockspec
try "the rock works from another directory" works_from "$tree/lib/lua/5.4"
try "the rock's command works from another directory" command_works "$tree/bin/azpec"
umask 077
try "make install with PREFIX and DESTDIR" \
	make -s install PREFIX="$prefix" DESTDIR="$dest"
umask 022
try "it installs these files and no other" installed
try "everyone may read them" readable
try "the rock has the same files and flags" same_as_installed
try "with Debian's packages it takes --deps-mode none, as the README says" without_rocks
try "the rockspec of a release installs its tag" of_a_release
try "the module works from another directory" \
	works_from "$at/lib/lua/5.4"
try "the command works from another directory" command_works "$at/bin/azpec"
try "a C program links the archive and opens two states" host
try "azpec.h needs no header of Lua, in C and in C++" stands_alone
try "with -flto too the archive has one name" one_name
try "make install LUA= installs a command for that interpreter" finds_lua
try "make install NATIVE= installs what was built for another machine" for_another_machine
try "make uninstall takes all of it away, and nothing else" uninstalled
try "without Lua's headers the compiler names their packages" \
	without_headers "liblua5.4-dev lua-devel lua5.4-dev lua54 lua@5.4" LUA_CFLAGS=
try "without libcurl's headers the compiler names their packages" \
	without_headers "libcurl4-openssl-dev libcurl-devel curl-dev curl" \
	LUA_CFLAGS="$(pkg-config --cflags lua5.4)" CURL_CFLAGS= CC="cc -nostdinc"
no_openssl() { # nothing is built: `-o` names what is there already
	local says word
	says=$(make -s CRYPTO_LIBS= -o build/azpec.so -o build/libazpec.a -o build/azpec_file.so 2>&1) || return
	for word in libssl-dev openssl-devel openssl-dev openssl; do grep -q "[ (]${word}[ ,]" <<<"$says" || return; done
}
try "without OpenSSL's headers make names their packages" no_openssl
if type dh dpkg-buildpackage lintian >/dev/null 2>&1; then
	export -f found packages_work unpacked_work links_resolve use_packages
	export tmp
	try "make debian builds Debian's packages and tests the core" debian deb
	try "lintian finds no error in them, and nothing to warn of" lint
	try "they are built again in another folder, time zone and language" \
		debian again DEB_BUILD_OPTIONS=nocheck TZ=Asia/Tokyo LC_ALL=C.UTF-8
	try "and are the same, bit for bit" same_packages
	if can_install; then
		try "dpkg installs them, they work, and it removes all of them" in_memory bash -c packages_work
	else
		try "unpacked they work" bash -c unpacked_work
	fi
else
	n=$((n + 1))
	echo "ok $n - Debian's packages # SKIP debhelper and lintian are not there"
fi
echo "1..$n"
exit $bad

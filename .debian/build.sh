#!/usr/bin/env bash
# build.sh VERSION FOLDER -- Debian's packages of this tree, source and binary,
# into FOLDER.  The tracked files become the upstream archive of VERSION, .debian
# becomes debian/.  The same tree gives the same packages.
set -eu
cd "$(dirname "$0")/.."
mkdir -p "$2"
to=$(cd "$2" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES BUILD LUA_PATH LUA_CPATH LUA_INIT
umask 022

tree=$tmp/azpec-$1
mkdir "$tree"
{ git ls-files -co --exclude-standard 2>/dev/null ||
	find . -type f -not -path './build/*' -not -path './.git/*'; } |
	tar -cf - -T - | tar -xf - -C "$tree"
mv "$tree/.debian" "$tmp/debian"
tar -C "$tmp" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=u,go-w \
	--mtime="@$(dpkg-parsechangelog -l "$tmp/debian/changelog" -S Timestamp)" \
	-cf - "azpec-$1" | gzip -n >"$tmp/azpec_$1.orig.tar.gz"
mv "$tmp/debian" "$tree/debian"
rm "$tree/debian/build.sh"

if ! (cd "$tree" && dpkg-buildpackage -us -uc) >"$to/log" 2>&1; then
	tail -n 60 "$to/log"
	exit 1
fi
cp "$tmp"/*azpec*_* "$to/"
(cd "$to" && ls -- *.deb)

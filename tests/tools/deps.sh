#!/bin/sh
# deps.sh run|test|check|bench|debian|systems|emulated|proofs -- see to it that Debian's packages for that
# are installed: by apt where that is permitted, else by saying what to type.
# Asks no network when everything is there.
# shellcheck disable=SC2086  # lists of packages are meant to be split
set -u
run="gcc libc6-dev make pkg-config lua5.4 liblua5.4-dev libcurl4-openssl-dev \
lua-cjson lua-cqueues lua-luaossl lua-argparse ca-certificates"
test="$run perl keyutils util-linux lua-busted lua-filesystem lua-socket lua-luv lua-cjson-dev libcmocka-dev openssl libssl-dev locales zsh fish groff-base"
check="$test nginx-light tinyproxy prosody lighttpd lighttpd-modules-lua lighttpd-mod-openssl lua-copas \
clang clang-format clang-tidy libclang-rt-dev cppcheck lua-check \
universal-ctags valgrind luarocks g++ chromium"
debian="$run build-essential debhelper dpkg-dev libssl-dev libcmocka-dev lintian perl"
systems="debootstrap util-linux"
emulated="dpkg-dev qemu-user-static binfmt-support"
proofs="cbmc gcc libc6-dev"
bench="$run openssl valgrind strace nginx-light curl python3"

case ${1-} in
run) want=$run ;;
test) want=$test ;;
check) want=$check ;;
bench) want=$bench ;;
proofs) want=$proofs ;;
debian) want=$debian ;;
systems) want=$systems ;;
emulated) want=$emulated ;;
*) echo "usage: deps.sh run|test|check|bench|debian|systems|emulated|proofs" >&2; exit 2 ;;
esac
say() { echo "azpec: $*" >&2; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	# Another system: only look for what can be looked for.
	for tool in gcc make pkg-config lua5.4; do
		command -v $tool >/dev/null && continue
		say "not a Debian system; please install what these Debian" \
		    "packages hold:"
		say "  $want"
		exit 1
	done
	exit 0
fi

have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $want 2>/dev/null |
       sed -n 's/ installed$//p' | tr '\n' ' ')
missing=
for p in $want; do
	case " $have" in
	*" $p "*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

install="apt-get install --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
	may=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	may="sudo -n"
else
	say "these packages are missing; please run"
	say "  sudo $install"
	exit 1
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
apt() { # waits for another apt's lock, but not for ever; removes nothing
	$may env DEBIAN_FRONTEND=noninteractive timeout 900 \
		apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
}
add() { apt install --no-install-recommends --no-remove $missing; }
say "installing$missing"
if ! add && ! { apt update && add; }; then
	tail -n 15 "$log" >&2
	say "apt could not install them; please see to it that this works:"
	say "  ${may:+sudo }$install"
	exit 1
fi

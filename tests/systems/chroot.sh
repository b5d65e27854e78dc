#!/usr/bin/env bash
# chroot.sh -- other Debian systems below build/systems, for the scripts that
# read this.  Needs root and debootstrap.
export JOBS=${JOBS-}

mirror() { # of the first source, in the one-line or the deb822 form
	local files=(/etc/apt/sources.list /etc/apt/sources.list.d/*)
	sed -nE 's/^deb( \[[^]]*\])? +(https?:[^ ]+) .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' \
		"${files[@]}" 2>/dev/null | head -n 1
}
runs_here() { # ARCHITECTURE: on this processor
	case $(dpkg --print-architecture):$1 in
	"$1:$1" | amd64:i386 | arm64:armhf) ;;
	*) return 1 ;;
	esac
}
emulator_is_there() { # ARCHITECTURE: qemu-user, which the kernel holds open (F)
	local at=/proc/sys/fs/binfmt_misc name
	name=qemu-$(dpkg-architecture -f -a "$1" -q DEB_HOST_GNU_CPU 2>/dev/null) || return
	[ -e "$at/register" ] || mount -t binfmt_misc binfmt_misc "$at" || return
	[ -e "$at/$name" ] || update-binfmts --enable "$name" || return
	grep -q '^flags:.*F' "$at/$name"
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

#!/usr/bin/env bash
# run.sh [TURNS] -- azpec beside raw libcurl and the curl command, doing the
# same updates against the same server.  Debian's nginx answers; everything
# lies in a temporary directory.
#
# The bench fails for what does not depend on the machine's load: instructions
# of an update and memory of a waiting operation.  Times and rates are printed:
# with another process on the same core, their ratio was 0.5 to 0.9.
set -u
cd "$(dirname "$0")/../.." || exit 2
turns=${1:-21}
build=$PWD/${BUILD:-build}
dir=$(mktemp -d) || exit 2
stop() {
	[ -s "$dir/pid" ] && kill "$(cat "$dir/pid")"
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM
die() { echo "bench: $*" >&2; exit 1; }
for name in $(env | sed -nE 's/^(SSL_CERT_[A-Z]+|CURL_CA_BUNDLE|AZURE_[A-Z_]+|[a-zA-Z]+_(proxy|PROXY))=.*/\1/p'); do
	unset "$name"
done
export LUA_CPATH="$build/?.so;$dir/?.so;;" LUA_INIT=
chmod 755 "$dir"

# --- the programs and the server ---------------------------------------------

# shellcheck disable=SC2046
cc -O2 -o "$dir/raw" $(pkg-config --cflags lua5.4) tests/bench/raw.c -lcurl -llua5.4 &&
	cc -O2 -D_GNU_SOURCE -o "$dir/measure" tests/bench/measure.c &&
	cc -O2 -shared -fPIC -o "$dir/heap.so" $(pkg-config --cflags lua5.4) tests/bench/heap.c || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj "/CN=azpec bench" -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$dir/key.pem" -out "$dir/ca.pem" 2>"$dir/openssl.log" ||
	die "$(cat "$dir/openssl.log")"

serve() { # nginx returns once it listens; a port may be taken in between
	port=$(lua5.4 -e 'local s = require "cqueues.socket".listen("127.0.0.1", 0)
		s:listen()
		print((select(3, s:localname())))') &&
		sed "s|@PORT@|$port|g; s|@DIR@|$dir|g" tests/bench/nginx.conf >"$dir/nginx.conf" &&
		$server_cpu nginx -c "$dir/nginx.conf" 2>"$dir/nginx.log"
}
# The server on the second core, the clients on the first.
if [ "$(nproc)" -gt 1 ] && taskset -c 0,1 true 2>/dev/null; then
	server_cpu="taskset -c 1" client_cpu="taskset -c 0"
else
	server_cpu="" client_cpu=""
fi
serve || serve || serve || die "$(cat "$dir/nginx.log")"

raw=("$dir/raw" "$port")
azpec=(lua5.4 tests/bench/update.lua "$port")
patch="https://127.0.0.1:$port/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/bench/providers/Microsoft.Batch/batchAccounts/once/privateEndpointConnections/bench?api-version=2022-06-01"
curl=(curl -sS --fail -m 30 -X PATCH -d '{"properties":{}}'
      -H 'Authorization: Bearer bench-token' -H 'Content-Type: application/json'
      "$patch")

# --- the figures --------------------------------------------------------------

requests() { # COMMAND...: how many the server saw from it
	local before
	before=$(wc -l <"$dir/access.log")
	"$@" || die "$* failed"
	echo $(($(wc -l <"$dir/access.log") - before))
}
within=() # what goes before a command that is to run in a mount namespace
count() { # COMMAND...: its instructions
	"${within[@]}" timeout 120 \
		valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" \
		2>"$dir/callgrind.log" >"$dir/callgrind.out" ||
		die "$* failed under callgrind: $(tail -n 5 "$dir/callgrind.log")"
	sed -n 's/.*Collected : //p' "$dir/callgrind.log"
}
system_calls() { # COMMAND...: how many it made
	strace -f -c -U calls,name -o "$dir/strace" "$@" >"$dir/strace.out" ||
		die "$* failed under strace"
	awk '$2 == "total" { print $1 }' "$dir/strace"
}
warm() { # COUNTER COMMAND...: of one warm update, from runs of 5 and of 25
	local few many
	few=$("${@/%@N/5}") && many=$("${@/%@N/25}") || exit 1
	awk "BEGIN { print ($many - $few) / 20 }"
}
row() { # TITLE RAW AZPEC FORMAT [TARGET]
	awk -v t="$1" -v r="$2" -v a="$3" -v f="$4" -v g="${5-}" 'BEGIN {
		printf "%-44s %10s %10s %6.2f  %s\n", t, sprintf(f, r), sprintf(f, a),
		       (r > 0 ? a / r : 0), g }'
}
holds() { # CONDITION MESSAGE: ends the bench if the condition is false
	awk "BEGIN { exit !($1) }" || die "$2"
}
rows() { # FIGURES-OF-RAW FIGURES-OF-AZPEC [TARGET]: wall, CPU, peak
	# shellcheck disable=SC2086
	set -- $1 $2 "${3-}"
	row "  wall time, ms" "$1" "$4" %.1f "$7"
	row "  CPU time, ms" "$2" "$5" %.1f
	row "  peak memory, MB" "$3" "$6" %.1f
}

printf '%-44s %10s %10s %6s  %s\n' "$(curl --version | sed -n '1s/ (.*//p')" \
	"raw" "azpec" "ratio" "target"
for account in once polled; do
	n=$(requests "${raw[@]}" $account 1 "$dir/ca.pem") || exit 1
	m=$(requests "${azpec[@]}" $account 1 "$dir/ca.pem") || exit 1
	row "requests of one update, account '$account'" "$n" "$m" %d
	n=$(warm system_calls "${raw[@]}" $account @N "$dir/ca.pem") || exit 1
	m=$(warm system_calls "${azpec[@]}" $account @N "$dir/ca.pem") || exit 1
	row "  system calls, warm" "$n" "$m" %.1f
	n=$(warm count "${raw[@]}" $account @N "$dir/ca.pem") || exit 1
	m=$(warm count "${azpec[@]}" $account @N "$dir/ca.pem") || exit 1
	row "  instructions, warm" "$n" "$m" %d
	n=$(warm count "${raw[@]}" $account @N "$dir/ca.pem" json) || exit 1
	row "  ... with lua-cjson on the same bodies" "$n" "$m" %d "1.15 at most"
	holds "$m <= 1.15 * $n" "an update takes $m instructions, and $n by raw libcurl with lua-cjson"
done

echo "one process, one update by polling, one CA file (median of $turns)"
figures=$($client_cpu "$dir/measure" "$turns" "${raw[@]}" polled 1 "$dir/ca.pem" -- \
	"${azpec[@]}" polled 1 "$dir/ca.pem") || exit 1
{ read -r n; read -r m; } <<<"$figures"
rows "$n" "$m" "1.20 at most"
n=$(count "${raw[@]}" polled 1 "$dir/ca.pem") || exit 1
m=$(count "${azpec[@]}" polled 1 "$dir/ca.pem") || exit 1
row "  instructions" "$n" "$m" %d

# The system's own trust store, with the bench's certificate in it: only in a
# mount namespace, so that nobody else ever sees it.
echo "one process, one update without polls, the system's trust store"
store=/etc/ssl/certs
mkdir "$dir/store" && cp -L $store/* "$dir/store/" 2>/dev/null
cp "$dir/ca.pem" "$dir/store/$(openssl x509 -noout -hash -in "$dir/ca.pem").0"
cat "$dir/ca.pem" >>"$dir/store/ca-certificates.crt"
if unshare -rm true 2>/dev/null; then
	within=(unshare -rm sh -c "mount --bind '$dir/store' $store && exec \"\$@\"" sh)
	figures=$($client_cpu "${within[@]}" "$dir/measure" "$turns" \
		"${raw[@]}" once 1 -- "${azpec[@]}" once 1 -- "${curl[@]}") || exit 1
	{ read -r n; read -r m; read -r c; } <<<"$figures"
	rows "$n" "$m"
	# shellcheck disable=SC2086
	row "  wall time, ms, beside the curl command" "${c%% *}" "${m%% *}" %.1f "0.40 at most"
	n=$(count "${curl[@]}") || exit 1
	m=$(count "${azpec[@]}" once 1) || exit 1
	row "  instructions, beside the curl command" "$n" "$m" %d
else
	echo "  not measured: this needs the right to make a mount namespace"
fi

median() { # of a file's lines, each of two figures
	for k in 1 2; do
		cut -d ' ' -f $k "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
	done
}
echo "64 updates at once (medians of $turns runs by turns, of 2000 each)"
for ((i = 0; i < turns; i++)); do
	$client_cpu "${raw[@]}" once 2000 "$dir/ca.pem" plain 64 >>"$dir/plain" &&
		$client_cpu "${raw[@]}" once 2000 "$dir/ca.pem" json 64 >>"$dir/json" &&
		$client_cpu lua5.4 tests/bench/many.lua "$port" "$dir/ca.pem" 64 2000 >>"$dir/azpec" || exit 1
done
{ read -r m; read -r a; } < <(median "$dir/azpec")
{ read -r plain; read -r r; } < <(median "$dir/plain")
row "  updates a second" "$plain" "$m" %d
row "  CPU time of one, us" "$r" "$a" %.0f
{ read -r json; read -r r; } < <(median "$dir/json")
echo "  ... with lua-cjson on the same bodies"
row "  updates a second" "$json" "$m" %d "0.95 at least"
row "  CPU time of one, us" "$r" "$a" %.0f
awk -v p="$plain" -v j="$json" 'BEGIN {
	printf "  raw libcurl with lua-cjson has %.2f of the rate without%s\n", j / p,
	       (j < 0.95 * p ? ": 0.95 cannot be reached" : "") }'

echo "64 updates at once, as a guest in an event loop"
figures=$($client_cpu lua5.4 tests/bench/steps.lua "$port" "$dir/ca.pem" 64 2000) || exit 1
read -r median most collected cold <<<"$figures"
printf '  %-42s %10s %10s %6s  %s\n' "processor time of a step, ms: median" "" "$median" "" "" \
	"  99.9 %" "" "$most" "" "1 at most" "  99.9 % with Lua's collector" "" "$collected" "" "" \
	"  longest with a TLS handshake" "" "$cold" "" ""

printf '%-38s %9s %9s %9s %11s  %s\n' "operations waiting between two polls" \
	"KiB used" "of RSS" "us each" "descriptors" "target"
for n in 1000 10000; do # each in a process of its own: one would reuse memory
	figures=$($client_cpu lua5.4 tests/bench/waiting.lua "$port" "$dir/ca.pem" $n) || exit 1
	read -r used m c fds <<<"$figures"
	printf '  %-36s %9s %9s %9s %11s  %s\n' "$n" "$used" "$m" "$c" "$fds" \
		"1.9 KiB at most"
	holds "$used <= 1.9" "a waiting operation holds $used KiB"
done

echo "the emulator with 1,000 accounts and 20,000 connections"
lua5.4 tests/bench/emulator.lua || exit 1

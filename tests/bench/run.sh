#!/usr/bin/env bash
# run.sh [TURNS] -- azpec beside raw libcurl and the curl command, doing the
# same updates against the same server.  Debian's nginx answers; everything
# lies in a temporary directory.
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
export LUA_CPATH="$build/?.so;;" LUA_INIT=
chmod 755 "$dir"

# --- the programs and the server ---------------------------------------------

cc -O2 -o "$dir/raw" tests/bench/raw.c -lcurl &&
	cc -O2 -D_GNU_SOURCE -o "$dir/measure" tests/bench/measure.c || exit 1
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
instructions() { # COMMAND...: of one warm update, from runs of 5 and of 25
	local few many
	few=$(count "${@/%@N/5}") && many=$(count "${@/%@N/25}") || exit 1
	echo $(((many - few) / 20))
}
row() { # TITLE RAW AZPEC FORMAT [TARGET]
	awk -v t="$1" -v r="$2" -v a="$3" -v f="$4" -v g="${5-}" 'BEGIN {
		printf "%-44s %10s %10s %6.2f  %s\n", t, sprintf(f, r), sprintf(f, a),
		       (r > 0 ? a / r : 0), g }'
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
	n=$(instructions "${raw[@]}" $account @N "$dir/ca.pem") || exit 1
	m=$(instructions "${azpec[@]}" $account @N "$dir/ca.pem") || exit 1
	row "  instructions, warm" "$n" "$m" %d "1.25 at most"
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

$client_cpu lua5.4 tests/bench/waiting.lua "$port" "$dir/ca.pem" 100 1000 10000 || die "waiting failed"

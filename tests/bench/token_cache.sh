#!/usr/bin/env bash
# token_cache.sh [TURNS] -- what --token-cache keyring saves: the time of one
# command, `azpec list`, which signs in at the emulator, and of one that takes the
# token from the kernel's keyring.  Microsoft Entra ID answers after 0.2 s.  az is a
# script that starts Python and reads modules, as Microsoft's does; the real one
# reads many more.
set -u
cd "$(dirname "$0")/../.." || exit 2
turns=${1:-11}
build=$PWD/${BUILD:-build}
dir=$(mktemp -d) || exit 2
trap 'kill "$emulator" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
die() { echo "token_cache: $*" >&2; exit 1; }
for name in $(env | sed -nE 's/^((AZURE|AZPEC|IDENTITY|MSI)_[A-Z_]+|[a-zA-Z]+_(proxy|PROXY))=.*/\1/p'); do
	unset "$name"
done
export LUA_CPATH="$build/?.so;;" LUA_PATH="$PWD/scripts/?.lua;;" LUA_INIT=
cc -O2 -D_GNU_SOURCE -o "$dir/measure" tests/bench/measure.c || exit 1

# --- the certificate, the emulator and az ----------------------------------------

printf '[req]\ndistinguished_name=dn\n[dn]\n' >"$dir/conf"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -config "$dir/conf" -subj /CN=bench \
	-keyout "$dir/key.pem" -out "$dir/crt.pem" 2>"$dir/log" &&
	openssl pkcs12 -export -in "$dir/crt.pem" -inkey "$dir/key.pem" -passout pass:bench \
		-out "$dir/bench.p12" || die "$(cat "$dir/log")"
mkfifo "$dir/told"
lua5.4 scripts/emulator.lua --tls-port 0 --ca-file "$dir/ca.pem" --control >"$dir/told" &
emulator=$!
read -r told <"$dir/told"
field() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" <<<"$told"; }
endpoint=$(field tls_endpoint)
export AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_SUBSCRIPTION_ID AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1
AZURE_TENANT_ID=$(field tenant_id) AZURE_CLIENT_ID=$(field client_id) AZURE_SUBSCRIPTION_ID=$(field subscription_id)
secret='emulator+secret/with&every%kind of=character~1'
printf %s "$secret" >"$dir/secret"
pem=$(awk '{ printf "%s\\\\n", $0 }' "$dir/crt.pem")
curl -sS "$(field endpoint)/_emulator/state" |
	sed "s|^{|{\"certificates\":[\"$pem\"],\"client_secret\":\"${secret/&/\\\\u0026}\",|" >"$dir/state"
curl -sS --fail-with-body -X PUT --data-binary "@$dir/state" "$(field endpoint)/_emulator/state" >"$dir/log" 2>&1 ||
	die "the emulator takes no certificate: $(cat "$dir/log")"
curl -sS -f -X PUT -d '[{"match":{"kind":"token"},"action":{"delay":0.2}}]' \
	"$(field endpoint)/_emulator/faults" >"$dir/log" || die "$(cat "$dir/log")"
mkdir -p "$dir/home/.azure" "$dir/bin"
: >"$dir/home/.azure/azureProfile.json"
token=$(curl -sS -H Metadata:true "$(field endpoint)/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com" |
	sed -E 's/.*"access_token":"([^"]*)".*/\1/')
cat >"$dir/bin/az" <<SCRIPT
#!/usr/bin/env python3
import argparse, json, logging, ssl, subprocess, time, urllib.request
print(json.dumps({"accessToken": "$token", "expires_on": int(time.time()) + 3000}))
SCRIPT
chmod +x "$dir/bin/az"
export HOME=$dir/home PATH=$dir/bin:$PATH

# --- the figures -------------------------------------------------------------------

azpec=(scripts/bin/azpec list -q -g default-azurebatch-japaneast --account sampleacct
       --endpoint "$endpoint" --authority-host "$endpoint" --ca-file "$dir/ca.pem")
printf '%-44s %10s %10s %6s\n' "one command, wall time in ms (median of $turns)" "signs in" "keyring" "ratio"
row() { # TITLE OPTION...
	local title=$1 figures n m
	shift
	"${azpec[@]}" "$@" --token-cache keyring >"$dir/out" 2>&1 || die "$title: $(cat "$dir/out")"
	figures=$("$dir/measure" "$turns" "${azpec[@]}" "$@" --token-cache none -- \
		"${azpec[@]}" "$@" --token-cache keyring) || exit 1
	{ read -r n _; read -r m _; } <<<"$figures"
	awk -v t="$title" -v n="$n" -v m="$m" 'BEGIN { printf "  %-42s %10.1f %10.1f %6.2f\n", t, n, m, m / n }'
}
row "az" --credential azure-cli
row "a secret" --client-secret-file "$dir/secret"
export AZURE_CLIENT_CERTIFICATE_PASSWORD=bench
row "a certificate (PKCS#12)" --client-certificate-file "$dir/bench.p12"

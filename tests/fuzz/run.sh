#!/usr/bin/env bash
# run.sh FOLDER SECONDS [TARGET...] -- runs the fuzz targets in a folder, the time shared out among them: a line for
# each with what was executed and found. Fails where something was found, and says how to see it again.
set -u
folder=$1 seconds=$2
shift 2
[ $# -gt 0 ] || mapfile -t all < <(find "$folder" -maxdepth 1 -type f -perm -u+x -printf '%f\n' | sort)
[ $# -gt 0 ] || set -- "${all[@]}"
found=build/fuzz-found
mkdir -p $found && log=$(mktemp) && scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$log" "$scratch"' EXIT
export TMPDIR=$scratch AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1
export LSAN_OPTIONS=print_suppressions=0:suppressions=tests/tools/lsan.supp

# One key in each form that OpenSSL gives it; no key is kept in the repository. In front stands the byte that tells the
# target how to read it.
certificates() (
	secret=p4ssw0rd-of-the-fuzzer
	mkdir "$scratch/key" && cd "$scratch/key" || exit
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key 2>/dev/null
	printf '[req]\ndistinguished_name=dn\n[dn]\n' >conf
	openssl req -x509 -new -config conf -key key -subj /CN=f -days 9 -out crt
	put() { { printf '%b' "$1" && cat; } >"$2"; }
	cat crt key | put '\0000' "$1/plain"
	put '\0002' "$1/public" <crt
	openssl pkcs8 -topk8 -in key -passout pass:$secret -iter 1 | cat crt - | put '\0001' "$1/pkcs8"
	openssl rsa -in key -traditional -aes128 -passout pass:$secret 2>/dev/null | cat crt - | put '\0005' "$1/old"
	openssl pkcs12 -export -in crt -inkey key -passout pass:$secret -iter 1 | put '\0001' "$1/pkcs12"
	openssl pkcs12 -export -in crt -inkey key -passout pass:$secret -iter 1 -legacy | put '\0001' "$1/legacy"
	openssl pkcs12 -export -in crt -inkey key -passout pass: -iter 1 -nomac | put '\0000' "$1/nomac"
	openssl x509 -in crt -outform DER | put '\0002' "$1/der"
)

# Runs a target; its lines. Its timeout is for an input that never ends, and far beyond what a loaded machine needs.
fuzz() {
	local target=$1 corpus=$scratch/$1 status runs
	mkdir "$corpus" || return 1
	[ ! -d "tests/fuzz/corpus/$target" ] || cp "tests/fuzz/corpus/$target"/* "$corpus"
	[ "$target" != certificate ] || certificates "$corpus"
	"$folder/$target" -max_total_time="$2" -max_len=4096 -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$found/$target-" "$corpus" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	printf '%-12s %8d executions, %s\n' "$target" "${runs:-0}" "$([ $status = 0 ] && echo "no finding" || echo "A FINDING")"
	[ $status = 0 ] && return
	grep -aE '^fuzz: |^==[0-9]+==ERROR|^SUMMARY|runtime error' "$log" | head -n 5 | sed 's/^/  /'
	echo "  again: $folder/$target $(sed -n 's/.*Test unit written to //p' "$log")"
	return 1
}

failed=0 share=$((seconds / $#))
for target in "$@"; do
	fuzz "$target" $((share > 0 ? share : 1)) || failed=$((failed + 1))
done
echo "$(($# - failed)) passed, $failed failed"
[ $failed = 0 ]

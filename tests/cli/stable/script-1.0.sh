#!/bin/sh
# A script as somebody may have written it for azpec 1.0. It stays as it is, and
# has to go on working.
set -eu

ends_with() { # CODE COMMAND...
	wanted=$1 code=0
	shift
	"$@" >out 2>err || code=$?
	[ $code = "$wanted" ] || { echo "exit code $code, not $wanted: $*"; cat out err; exit 1; }
}
has() { # FILE TEXT
	grep -qF -- "$2" "$1" || { echo "no '$2' in $1:"; cat "$1"; exit 1; }
}
in_account="--resource-group rg-contoso-prod --account contosobatch"
export AZPEC_JOURNAL=journal.jsonl

azpec --version >out && has out 'azpec '
azpec list $in_account --status Pending --output json >list.json
has list.json '"schema_version":1'
has list.json '"connections":['
azpec list $in_account --sort name --columns name,status -o tsv | cut -f 2 | grep -q Pending
azpec list $in_account --status Pending --name 'team1*' -o jsonl | azpec approve - --yes --ticket CHG-1 >out
has out 'Approved (was Pending)'
ends_with 0 azpec approve web-frontend $in_account --description '{description} ({ticket})' --ticket CHG-2
ends_with 0 azpec approve web-frontend $in_account
has out 'already Approved'
ends_with 10 azpec approve team01 $in_account --dry-run --detailed-exitcode
ends_with 10 azpec reject team01 $in_account --detailed-exitcode
ends_with 2 azpec reject web-frontend $in_account
has err '--yes'
ends_with 2 azpec approve --no-such-option
ends_with 3 azpec show no-such-connection $in_account
ends_with 11 azpec approve --status Pending --private-endpoint 'being-*' $in_account
ends_with 11 azpec approve --max 1 --name 'team0*' $in_account --status Pending
ends_with 6 azpec approve team02 $in_account --if-match '"other"'
ends_with 8 azpec wait --for exists --timeout 0 --private-endpoint not-yet $in_account
ends_with 0 azpec wait --for status=Approved --timeout 1m web-frontend $in_account
ends_with 3 azpec delete no-such-name $in_account --yes
ends_with 0 azpec delete team01 $in_account --yes
AZURE_CLIENT_SECRET=wrong ends_with 4 azpec list $in_account
azpec show no-such-connection $in_account -o json 2>err || true
has err '"exit_code":3'
has err '"kind":"no_match"'

azpec approve team02 $in_account --no-wait >token
ends_with 0 azpec resume token

cat >rules.lua <<'RULES'
at_most { approve = 20, reject = 5 }
approve "team three" { when = { name = "team03", older_than = "1s" }, unless = { description = "*test*" },
  because = "it is ours" }
ignore "teams" { when = { name = "team*" }, because = "others decide" }
hold "the rest" { because = "a person has to look" }
expect "hold" { name = "web-1" }
RULES
ends_with 0 azpec auto --rules rules.lua $in_account
ends_with 0 azpec plan --rules rules.lua $in_account --out plan.json
ends_with 0 azpec apply plan.json
ends_with 0 azpec auto --rules rules.lua $in_account --apply --journal journal.jsonl --lock lock
ends_with 10 azpec drift --rules rules.lua $in_account
ends_with 0 azpec status --resource-group rg-contoso-prod -o json
ends_with 0 azpec journal verify journal.jsonl
ends_with 0 azpec journal show --ticket CHG-2 journal.jsonl
has out web-frontend
ends_with 0 azpec journal undo --run last journal.jsonl
ends_with 0 azpec report --resource-group rg-contoso-prod --rules rules.lua --journal journal.jsonl --out page.html
ends_with 0 azpec doctor $in_account --check signin,account,rights
ends_with 0 azpec help exit-codes
echo works

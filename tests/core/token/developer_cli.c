/* developer_cli.c -- what other programs and the host have: az and azd, the
   host's functions, a ready token; and who can answer a claims challenge. */
#include "script.h"

#define DAYS(n) ((n)*24 * (int64_t)HOUR)
/* Unix time in s, so long after the beginning. */
#define UNIX(ms) (TEST_WALL / 1000 + (ms) / 1000)

/* ---- a ready token ------------------------------------------------------- */

#define READY(name, token)                                                     \
	static const struct chain_spec name = {                                \
		.flow = &flow_token, .value = { [SV_SECRET] = LITERAL(token) } \
	}
READY(ready, "ready");
READY(ready_empty, "");
READY(ready_lines, "a\nb");
READY(ready_words, "a b");

#define UNUSABLE(spec)                                                         \
	{                                                                      \
#spec, { &spec }, {                                            \
			ASKS, FAILS(FAIL_CREDENTIAL, "")                       \
		}                                                              \
	}

static const struct scenario ready_tokens[] = {
	{ "needs_no_request",
	  { &ready },
	  { ASKS, RESTS, TOKEN("ready"), AT(DAYS(365)), TOKEN("ready"),
	    RESTS } },
	{ "lives_from_where_it_was_first_asked_for",
	  { &ready },
	  { AT(HOUR), ASKS, RESTS, TOKEN("ready"),
	    LIFE(HOUR + (CHAIN_LONGEST - 300) * SECOND,
	         HOUR + CHAIN_LONGEST * SECOND) } },
	{ "that_was_refused_cannot_be_renewed",
	  { &ready },
	  { ASKS, RESTS, TOKEN("ready"), AT(1), REFUSED,
	    FAILS(FAIL_CREDENTIAL, ""), HINT("") } },
	UNUSABLE(ready_empty),
	UNUSABLE(ready_lines),
	UNUSABLE(ready_words),
};

/* ---- the host's function ------------------------------------------------- */

static const struct chain_spec function = { .flow = &flow_function };

static void play_claims(const struct step *s) {
	same(buf_span(&t.s.claims), test_text(s->text), "the claims");
}
#define CLAIMS(are) STEP(play_claims, .text = are)

#define CALLED ASKS, NEEDS(NEED_TOKEN)
/* No loop around a bad function. */
#define NOT_TAKEN(name, token, end)                                            \
	{                                                                      \
		name, { &function }, {                                         \
			CALLED, GIVES(token, end), FAILS(FAIL_CREDENTIAL, ""), \
				RESTS                                          \
		}                                                              \
	}

static const struct scenario functions_of_hosts[] = {
	/* a life is counted by the clock and not from the first one's */
	{ "is_called_when_a_token_is_needed",
	  { &function },
	  { RESTS, CALLED, GIVES("given", UNIX(HOUR)), TOKEN("given"), RESTS,
	    AT(54 * MINUTE), TOKEN("given"), RESTS, AT(56 * MINUTE),
	    TOKEN("given"), NEEDS(NEED_TOKEN), GIVES("next", UNIX(2 * HOUR)),
	    TOKEN("next"), AT(2 * HOUR - SECOND), TOKEN("next"), AT(2 * HOUR),
	    ASKS } },
	{ "gets_the_claims",
	  { &function },
	  { CALLED, CLAIMS(NULL), GIVES("given", -1), TOKEN("given"), AT(1),
	    CHALLENGED("{\"a\":1}"), NEEDS(NEED_TOKEN), CLAIMS("{\"a\":1}"),
	    GIVES("new", -1), CLAIMS(""), TOKEN("new") } },
	{ "that_names_no_end_is_called_within_an_hour",
	  { &function },
	  { CALLED, GIVES("given", -1), AT(30 * MINUTE), TOKEN("given"), RESTS,
	    AT(HOUR), CALLED } },
	NOT_TAKEN("an_end_in_1970", "tok", 0),
	NOT_TAKEN("seconds_to_live", "tok", 3600), /* not since 1970 */
	NOT_TAKEN("an_end_that_is_now", "tok", UNIX(0)),
	NOT_TAKEN("an_end_that_has_been", "tok", UNIX(-SECOND)),
	NOT_TAKEN("milliseconds", "tok", TEST_WALL),
	NOT_TAKEN("an_end_beyond_all_sense", "tok", INT64_MAX),
	NOT_TAKEN("an_empty_token", "", -1),
	NOT_TAKEN("two_words", "Bearer tok", -1),
	NOT_TAKEN("a_line_end", "tok\n", -1),
	NOT_TAKEN("a_nul", "t\0k", -1),
	{ "its_error_is_in_the_message",
	  { &function },
	  { CALLED, CANNOT("vault is sealed"),
	    FAILS(FAIL_CREDENTIAL, "vault is sealed"), AT(1), CALLED } },
	{ "its_error_may_pass",
	  { &function },
	  { CALLED, CANNOT_YET("vault is sealed"),
	    FAILS(FAIL_CREDENTIAL, "vault is sealed"), RETRYABLE(1), AT(1),
	    CALLED, CANNOT("vault is gone"), RETRYABLE(0) } },
	{ "its_error_harms_no_living_token",
	  { &function },
	  { CALLED, GIVES("given", UNIX(HOUR)), TOKEN("given"), AT(56 * MINUTE),
	    TOKEN("given"), NEEDS(NEED_TOKEN), CANNOT("vault is sealed"),
	    TOKEN("given"), RESTS } },
};

/* ---- what programs are asked --------------------------------------------- */

#define AZ(name, ...)                                                          \
	static const struct chain_spec name = { .flow = &flow_azure_cli,       \
		                                .developer = true,             \
		                                .value = { __VA_ARGS__ } }
#define AZD(name, ...)                                                         \
	static const struct chain_spec name = {                                \
		.flow = &flow_azure_developer_cli,                             \
		.developer = true,                                             \
		.value = { __VA_ARGS__ }                                       \
	}
AZ(az, [SV_TENANT] = { NULL, 0 });
AZD(azd, [SV_TENANT] = { NULL, 0 });
AZ(az_tenant, [SV_TENANT] = LITERAL("contoso.com"));
AZ(az_usual, [SV_USUAL_TENANT] = LITERAL("usual.com"));
AZD(azd_usual, [SV_USUAL_TENANT] = LITERAL("usual.com"));
AZ(az_sub, [SV_SUBSCRIPTION] = LITERAL("My Sub_1"));
AZ(az_sub_short, [SV_SUBSCRIPTION] = LITERAL("s"));
AZD(azd_tenant, [SV_TENANT] = LITERAL("contoso.com"));
AZ(az_short, [SV_TENANT] = LITERAL("x"));
AZD(azd_short, [SV_TENANT] = LITERAL("x"));

#define GET_TOKEN                                                              \
	"az account get-access-token -o json --resource "                      \
	"https://management.azure.com"
#define AUTH_TOKEN                                                             \
	"azd auth token -o json --no-prompt --scope "                          \
	"https://management.azure.com/.default"

static struct facts an_hour(void) {
	return facts_token("az", 3600);
}
static struct facts until_one(void) {
	struct facts f = facts_token("az", -1);
	f.as.token.expires_text = SPAN("2024-01-01 01:00:00.000000");
	return f;
}

#define SUB "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"
#define TENANT "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01"
#define CONFIG "azd config get defaults.subscription"
/* The client is for no subscription, and its configuration has none. */
#define NO_CONFIG                                                              \
	RUNS(CONFIG), ENDED(no_facts, .status = 1,                             \
	                    .err = LITERAL("ERROR: no value stored at path"))
static void play_for(const struct step *s) {
	assert_true(chain_name_subscription(&t.s, span_of(s->text)));
}
#define FOR(subscription) STEP(play_for, .text = subscription)
static void play_subscription(const struct step *s) {
	same(buf_span(&t.s.subscription), span_of(s->text), "the subscription");
}
#define SUBSCRIPTION(is) STEP(play_subscription, .text = is)

static struct facts with_subscription(void) {
	struct facts f = facts_token("az", 3600);
	f.as.token.subscription = SPAN(SUB);
	f.as.token.tenant = SPAN(TENANT);
	return f;
}
static struct facts without_subscriptions(void) {
	struct facts f = with_subscription();
	f.as.token.subscription = SPAN("8D5D7F62-54e8-4c0b-a3d1-5b6f2f3c9e01");
	return f;
}
static struct facts odd_subscription(void) {
	struct facts f = with_subscription();
	f.as.token.subscription = SPAN("my subscription");
	return f;
}
static struct facts subscription_alone(void) {
	struct facts f = with_subscription();
	f.as.token.access_token = NO_SPAN;
	return f;
}

#define UNSEEN(words) ENDED(no_facts, .status = 1, .err = LITERAL(words))
#define GRANTED ENDED(with_subscription, .out = LITERAL("{}"))
#define OTHER "11111111-54e8-4c0b-a3d1-5b6f2f3c9e01"

/* az takes --tenant or --subscription, not both (Azure CLI 2.45). */
static const struct scenario subscriptions[] = {
	{ "az_is_asked_for_the_one_that_was_named",
	  { &az },
	  { FOR(OTHER), ASKS, RUNS(GET_TOKEN " --subscription " OTHER), GRANTED,
	    TOKEN("az"), SUBSCRIPTION(OTHER) } },
	{ "az_is_asked_for_one_of_one_letter",
	  { &az },
	  { FOR("s"), ASKS, RUNS(GET_TOKEN " --subscription s") } },
	{ "without_one_az_is_asked_for_the_tenant_that_is_usual",
	  { &az_usual },
	  { ASKS, RUNS(GET_TOKEN " --tenant usual.com") } },
	{ "but_for_a_tenant_that_was_named",
	  { &az_tenant },
	  { FOR(OTHER), ASKS, RUNS(GET_TOKEN " --tenant contoso.com") } },
	{ "and_not_for_a_tenant_that_is_usual",
	  { &az_usual },
	  { FOR(OTHER), ASKS, RUNS(GET_TOKEN " --subscription " OTHER) } },
	{ "or_for_the_one_of_the_credential",
	  { &az_sub },
	  { FOR(OTHER), ASKS, RUNS(GET_TOKEN " --subscription My Sub_1") } },
	{ "or_for_one_of_one_letter_of_the_credential",
	  { &az_sub_short },
	  { ASKS, RUNS(GET_TOKEN " --subscription s") } },
	/* Azure CLI 2.45; 2.0.81; 2.0.20 */
	{ "az_that_has_not_seen_it_is_asked_without",
	  { &az },
	  { FOR(OTHER), ASKS, NEEDS(NEED_PROGRAM),
	    UNSEEN("ERROR: Subscription '" OTHER "' not found. Check the "
	           "spelling and casing and try again."),
	    RUNS(GET_TOKEN), GRANTED, TOKEN("az"), SUBSCRIPTION(OTHER) } },
	{ "az_that_does_not_recognize_it_is_asked_for_the_usual_tenant",
	  { &az_usual },
	  { FOR(OTHER), ASKS, NEEDS(NEED_PROGRAM),
	    UNSEEN("Subscription '" OTHER "' not recognized."),
	    RUNS(GET_TOKEN " --tenant usual.com") } },
	{ "az_for_which_it_does_not_exist_is_asked_for_the_usual_tenant",
	  { &az_usual },
	  { FOR(OTHER), ASKS, NEEDS(NEED_PROGRAM),
	    UNSEEN("The subscription of '" OTHER "' doesn't exist in cloud"),
	    RUNS(GET_TOKEN " --tenant usual.com") } },
	{ "a_challenge_waits_until_az_has_been_asked_without",
	  { &az },
	  { FOR(OTHER), ASKS, NEEDS(NEED_PROGRAM), GRANTED, TOKEN("az"),
	    AT(56 * MINUTE), TOKEN("az"), NEEDS(NEED_PROGRAM),
	    CHALLENGED("{\"a\":1}"),
	    UNSEEN("ERROR: Subscription '" OTHER "' not found."),
	    RUNS(GET_TOKEN), GRANTED,
	    FAILS(FAIL_CREDENTIAL, "requires additional claims") } },
	{ "another_error_is_final",
	  { &az },
	  { FOR(OTHER), ASKS, NEEDS(NEED_PROGRAM),
	    UNSEEN("ERROR: az: not found, '" SUB "'"),
	    FAILS(FAIL_CREDENTIAL, "not found") } },
	{ "a_second_end_of_the_program_changes_nothing",
	  { &az },
	  { FOR(OTHER), ASKS, NEEDS(NEED_PROGRAM),
	    UNSEEN("ERROR: az: not found, '" SUB "'"),
	    UNSEEN("ERROR: something else"),
	    FAILS(FAIL_CREDENTIAL, "not found") } },
	{ "without_a_named_one_az_reports_its_default",
	  { &az },
	  { ASKS, RUNS(GET_TOKEN), GRANTED, TOKEN("az"), SUBSCRIPTION(SUB),
	    AT(HOUR), ASKS, RUNS(GET_TOKEN " --subscription " SUB) } },
	{ "an_account_without_subscriptions_has_its_tenant_in_that_place",
	  { &az },
	  { ASKS, NEEDS(NEED_PROGRAM),
	    ENDED(without_subscriptions, .out = LITERAL("{}")), TOKEN("az"),
	    SUBSCRIPTION(NULL) } },
	{ "one_that_is_no_guid_is_not_taken",
	  { &az },
	  { ASKS, NEEDS(NEED_PROGRAM),
	    ENDED(odd_subscription, .out = LITERAL("{}")), TOKEN("az"),
	    SUBSCRIPTION(NULL) } },
	{ "one_without_a_token_is_not_taken",
	  { &az, &function },
	  { ASKS, NEEDS(NEED_PROGRAM),
	    ENDED(subscription_alone, .out = LITERAL("{}")), NEEDS(NEED_TOKEN),
	    GIVES("given", -1), TOKEN("given"), SUBSCRIPTION(NULL) } },
	{ "azds_is_in_its_configuration",
	  { &azd_usual },
	  { ASKS, RUNS(CONFIG),
	    ENDED(no_facts, .out = LITERAL("\"" SUB "\"\n")),
	    SUBSCRIPTION(NULL), RUNS(AUTH_TOKEN " --tenant-id usual.com"),
	    ENDED(an_hour, .out = LITERAL("{}")), TOKEN("az"),
	    SUBSCRIPTION(SUB), AT(HOUR), ASKS,
	    RUNS(AUTH_TOKEN " --tenant-id usual.com") } },
	{ "without_a_token",
	  { &azd },
	  { ASKS, NO_CONFIG, RUNS(AUTH_TOKEN),
	    ENDED(an_hour, .out = LITERAL("{}")), TOKEN("az"),
	    SUBSCRIPTION(NULL) } },
	{ "azds_is_not_asked_for_where_one_was_named",
	  { &azd },
	  { FOR(OTHER), ASKS, RUNS(AUTH_TOKEN) } },
	{ "azd_that_is_not_there_is_run_once",
	  { &azd, &function },
	  { ASKS, RUNS(CONFIG), ENDED(no_facts, .not_found = true),
	    LINK(0, LINK_ABSENT, "azd: not installed"), NEEDS(NEED_TOKEN) } },
};

/* ---- what a person can run ----------------------------------------------- */

#define SAYS_TO_RUN(name, spec, words, command)                                \
	{                                                                      \
		name, { &spec, &function }, {                                  \
			FOR(SUB), ASKS, NEEDS(NEED_PROGRAM), UNSEEN(words),    \
				LINK(0, LINK_FAILED, "az"), NEEDS(NEED_TOKEN), \
				LACKS_IT("no"), FAILS(FAIL_CREDENTIAL, ""),    \
				ADVISES(command)                               \
		}                                                              \
	}
static void play_advises(const struct step *s) {
	same(span_of(failure()->hint), span_of(s->text), "the hint");
}
#define ADVISES(this) STEP(play_advises, .text = this)
#define AGAIN                                                                  \
	"\nInteractive authentication is needed. Please run:\naz login "       \
	"--scope "                                                             \
	"https://management.core.windows.net//.default"
#define LOGIN                                                                  \
	"run: az login --scope https://management.core.windows.net//.default"
#define THERE                                                                  \
	" --tenant \"$(az account show --subscription " SUB                    \
	" --query tenantId -o tsv)\""

#define NETWORK                                                                \
	"the program cannot reach Microsoft Entra ID: check the network, and " \
	"the proxy in HTTPS_PROXY and NO_PROXY"
#define TRUST                                                                  \
	"the program does not trust the server's certificate: behind a "       \
	"TLS-inspecting proxy, name the CA file for az in "                    \
	"REQUESTS_CA_BUNDLE, for azd in SSL_CERT_FILE"
#define CACHE                                                                  \
	"the program's token cache is damaged: run az account clear, then az " \
	"login"
#define FILES                                                                  \
	"the program cannot use its own files: check the owner and the "       \
	"permissions of ~/.azure (AZURE_CONFIG_DIR), for azd of ~/.azd "       \
	"(AZD_CONFIG_DIR)"
#define BROKEN "the program's installation is damaged: install it again"
#define OLD "the program is too old for this: install a newer version"

static const struct scenario commands[] = {
	SAYS_TO_RUN("without_a_login", az,
	            "ERROR: Please run 'az login' to setup account.",
	            "run: az login"),
	SAYS_TO_RUN("without_a_login_to_the_tenant", az_tenant,
	            "ERROR: Please run 'az login' to setup account.",
	            "run: az login --tenant contoso.com"),
	SAYS_TO_RUN(
		"multifactor", az, "ERROR: AADSTS50076: Due to" AGAIN,
		"the tenant requires multifactor authentication; " LOGIN THERE),
	SAYS_TO_RUN(
		"multifactor_that_is_new_to_the_user", az,
		"AADSTS50079: Due to" AGAIN,
		"the tenant requires multifactor authentication; " LOGIN THERE),
	SAYS_TO_RUN("multifactor_that_has_expired", az,
	            "AADSTS50078: Presented" AGAIN,
	            "multifactor authentication has expired; " LOGIN THERE),
	SAYS_TO_RUN("a_sign_in_of_90_days_ago", az_tenant,
	            "AADSTS700082: The refresh token" AGAIN,
	            "the sign-in has expired because it was not used; " LOGIN
	            " --tenant contoso.com"),
	SAYS_TO_RUN("a_sign_in_that_a_policy_ends", az,
	            "AADSTS70043: The" AGAIN,
	            "the sign-in has expired because a policy of the tenant "
	            "limits its lifetime; " LOGIN THERE),
	SAYS_TO_RUN("a_new_password", az, "AADSTS50173: The provided" AGAIN,
	            "the sign-in was revoked, or the password has changed "
	            "since; " LOGIN THERE),
	SAYS_TO_RUN("conditional_access", az, "AADSTS53003: Access" AGAIN,
	            "a conditional access policy of the tenant blocks this "
	            "sign-in: ask its administrator"),
	/* Azure/azure-cli#25870: az asks for a sign-in, which cures nothing */
	SAYS_TO_RUN("a_device_of_a_kind_that_is_not_allowed", az,
	            "AADSTS50005: User tried to log in" AGAIN,
	            "a conditional access policy of the tenant requires a "
	            "registered device: sign in on such a device"),
	SAYS_TO_RUN("a_scope_that_is_not_valid", az,
	            "AADSTS70011: The provided request" AGAIN,
	            "the scope is not valid: it must end in /.default"),
	SAYS_TO_RUN(
		"a_confirmation", az, "AADSTS50199: For security" AGAIN,
		"the tenant requires the user to confirm the sign-in; " LOGIN
			THERE),
	SAYS_TO_RUN("no_consent", az, "AADSTS65001: The user" AGAIN,
	            "consent is missing: an administrator must consent to the "
	            "application's use of Azure's management API"),
	SAYS_TO_RUN("no_guest", az, "AADSTS50020: User account" AGAIN,
	            "the tenant has no such user: check tenant_id, or invite "
	            "the user as a guest"),
	SAYS_TO_RUN("an_unknown_number", az, "AADSTS1: x" AGAIN, LOGIN THERE),
	/* az since 2.61 names the tenant, and the claims of a challenge */
	SAYS_TO_RUN("the_programs_own_tenant", az_tenant,
	            "AADSTS50076: x\nRun the command below to authenticate "
	            "interactively; additional arguments may be added as "
	            "needed:\naz logout\naz login --tenant \"" TENANT
	            "\" --scope \"" SCOPE "\"\n",
	            "the tenant requires multifactor authentication; run: az "
	            "login --tenant \"" TENANT "\" --scope \"" SCOPE "\""),
	SAYS_TO_RUN("azd", azd_tenant,
	            "{\"error\":\"not logged in, run `azd auth login` to login"
	            "\"}",
	            "run: azd auth login --tenant-id contoso.com"),
	SAYS_TO_RUN(
		"azd_with_a_scope", azd,
		"ERROR: AADSTS50079: x, reauthentication required, run `azd "
		"auth login --scope https://management.azure.com//.default` "
		"to log in",
		"the tenant requires multifactor authentication; run: azd auth "
		"login --scope https://management.azure.com//.default"),
	SAYS_TO_RUN("azd_that_uses_the_sign_in_of_az", azd_tenant,
	            "ERROR: fetching token: AzureCLICredential: Please run 'az "
	            "login' to setup account",
	            "run: az login --tenant contoso.com"),
	SAYS_TO_RUN("nothing_that_a_shell_would_misread", az,
	            "ERROR: AADSTS50076: x\naz login --scope $(id);reboot",
	            "the tenant requires multifactor authentication; run: az "
	            "login" THERE),
	{ "the_command_of_the_first_of_two_programs",
	  { &az, &azd },
	  { FOR(SUB), ASKS, NEEDS(NEED_PROGRAM),
	    UNSEEN("ERROR: Please run 'az login' to setup account."),
	    NEEDS(NEED_PROGRAM),
	    UNSEEN("{\"error\":\"not logged in, run `azd auth login` to login"
	           "\"}"),
	    FAILS(FAIL_CREDENTIAL, ""), ADVISES("run: az login") } },
	/* az behind an inspecting proxy (Azure/azure-cli#27321) and without a
	   network; its files of another user (azure-cli-credentials-proxy#124);
	   its cache (Azure/azure-cli#32931) */
	SAYS_TO_RUN("a_certificate_that_az_does_not_trust", az,
	            "ERROR: HTTPSConnectionPool(host='x', port=443): Max "
	            "retries exceeded (Caused by SSLError(SSLEOFError(8)))\n"
	            "Certificate verification failed.",
	            TRUST),
	SAYS_TO_RUN("no_network", az,
	            "ERROR: HTTPSConnectionPool(host='x', port=443): [Errno "
	            "111] Connection refused",
	            NETWORK),
	/* Azure/azure-cli#15305 */
	SAYS_TO_RUN("a_proxy_that_it_cannot_parse", az,
	            "Failed to parse: http://domain\\user:12345@proxy:8080",
	            "the program cannot read its proxy's URL: in HTTPS_PROXY, "
	            "write \\ @ : and / of the user name and password as %5C "
	            "%40 %3A and %2F"),
	SAYS_TO_RUN("a_connection_that_was_cut", az,
	            "ERROR: ('Connection aborted.', [Errno 104])", NETWORK),
	SAYS_TO_RUN("files_of_another_user", az,
	            "[Errno 13] Permission denied: '/app/versionCheck.json'",
	            FILES),
	/* Azure/azure-cli#21707 */
	SAYS_TO_RUN(
		"a_tenant_without_a_configuration", az,
		"ERROR: Unable to get authority configuration for https://x",
		"az did not get the tenant's configuration: check the "
		"tenant, and a proxy that answers for Microsoft Entra ID"),
	SAYS_TO_RUN("a_damaged_cache", az,
	            "ERROR: Can't find token from MSAL cache.\nrun:\naz login",
	            CACHE),
	SAYS_TO_RUN("a_cache_that_is_not_json", az,
	            "json.decoder.JSONDecodeError: Expecting value", CACHE),
	SAYS_TO_RUN("a_damaged_installation", az,
	            "ModuleNotFoundError: No module named 'x'", BROKEN),
	SAYS_TO_RUN("a_library_of_another_version", az,
	            "ImportError: cannot import name 'x'", BROKEN),
	SAYS_TO_RUN("a_damaged_module_of_sign_in", az,
	            "ERROR: Error loading command module 'profile': x", BROKEN),
	SAYS_TO_RUN("an_old_az", az,
	            "ERROR: unrecognized arguments: --tenant x", OLD),
	SAYS_TO_RUN("no_default_subscription", az,
	            "ERROR: No subscription found. Run 'az account set' to "
	            "select a subscription.",
	            "az has no default subscription: run az account set "
	            "--subscription ID"),
	SAYS_TO_RUN("a_named_subscription_that_az_does_not_know", az_sub,
	            "ERROR: Subscription 'x' not found. Check the spelling and "
	            "casing and try again.",
	            "az does not know this subscription: run az account list "
	            "--refresh, or az login for its tenant"),
	SAYS_TO_RUN("a_certificate_that_azd_does_not_trust", azd,
	            "{\"error\":\"tls: failed to verify certificate: x509: "
	            "certificate signed by unknown authority\"}",
	            TRUST),
	SAYS_TO_RUN("azd_without_a_network", azd,
	            "{\"error\":\"dial tcp: lookup x: no such host\"}",
	            NETWORK),
	SAYS_TO_RUN("azd_with_a_proxy_that_is_not_there", azd,
	            "{\"error\":\"proxyconnect tcp: EOF\"}", NETWORK),
	SAYS_TO_RUN("azds_files_of_another_user", azd,
	            "ERROR: open /root/.azd/auth.json: permission denied",
	            FILES),
	SAYS_TO_RUN("azds_files_that_cannot_be_written", azd,
	            "ERROR: open /x/config.json: read-only file system", FILES),
	/* Azure/azure-dev#5529 */
	SAYS_TO_RUN("an_azd_that_knows_no_claims", azd,
	            "ERROR: unknown flag: --claims",
	            "this azd cannot answer the claims challenge: install azd "
	            "1.18.1 or later, then run azd auth login"),
	SAYS_TO_RUN("an_old_azd", azd, "ERROR: unknown flag: --no-prompt", OLD),
	/* Entra ID's number says more than the place where it came from */
	SAYS_TO_RUN("a_number_in_a_traceback", az,
	            "ValueError: Error: {\"error_description\":\"AADSTS90002: "
	            "Tenant\"} [Errno 2]",
	            "no such tenant: check tenant_id and the cloud"),
	/* az before 2.30, with the answer as it came */
	SAYS_TO_RUN("an_answer_in_json", az,
	            "Get Token request returned http error: 400 and server "
	            "response: {\"error\":\"invalid_grant\","
	            "\"error_description\":\"AADSTS50173: The provided grant "
	            "has expired due to it being revoked\"}",
	            "the sign-in was revoked, or the password has changed "
	            "since; run: az login" THERE),
};

static const struct scenario programs[] = {
	{ "az",
	  { &az },
	  { ASKS, RUNS(GET_TOKEN),
	    ENDED(an_hour, .out = LITERAL("{\"accessToken\":\"x\"}")),
	    TOKEN("az") } },
	{ "az_with_tenant",
	  { &az_tenant },
	  { ASKS, RUNS(GET_TOKEN " --tenant contoso.com") } },
	{ "azd_with_tenant",
	  { &azd_tenant },
	  { FOR(SUB), ASKS, RUNS(AUTH_TOKEN " --tenant-id contoso.com") } },
	{ "azd_with_a_tenant_of_one_letter",
	  { &azd_short },
	  { FOR(SUB), ASKS, RUNS(AUTH_TOKEN " --tenant-id x") } },
	{ "az_with_a_tenant_of_one_letter",
	  { &az_short },
	  { ASKS, RUNS(GET_TOKEN " --tenant x") } },
	{ "azd_with_claims",
	  { &azd },
	  { FOR(SUB), ASKS, RUNS(AUTH_TOKEN),
	    ENDED(an_hour, .out = LITERAL("{}")), TOKEN("az"),
	    CHALLENGED("{\"a\":1}"),
	    RUNS(AUTH_TOKEN " --claims eyJhIjoxfQ==") } },
	{ "json_without_a_token",
	  { &az },
	  { ASKS, NEEDS(NEED_PROGRAM),
	    ENDED(facts_object, .out = LITERAL("{}")),
	    FAILS(FAIL_PROTOCOL, "the response has no access_token"),
	    STATUS(0) } },
	{ "a_time_of_expiry_as_a_text",
	  { &az },
	  { ASKS, NEEDS(NEED_PROGRAM), ENDED(until_one, .out = LITERAL("{}")),
	    TOKEN("az"), AT(HOUR - 1), TOKEN("az"), AT(HOUR), ASKS } },
	{ "a_ready_token_behind_another_link_is_given_when_that_fails",
	  { &az, &ready },
	  { ASKS, NEEDS(NEED_PROGRAM), ENDED(until_one, .out = LITERAL("{}")),
	    TOKEN("az"), AT(HOUR), ASKS, NEEDS(NEED_PROGRAM),
	    LACKS_IT("not installed"), RESTS, TOKEN("ready") } },
	{ "a_link_that_fails_after_its_token_has_expired_is_no_longer_first",
	  { &az, &function },
	  { ASKS, NEEDS(NEED_PROGRAM), LACKS_IT("not installed"),
	    NEEDS(NEED_TOKEN), GIVES("given", UNIX(HOUR)), TOKEN("given"),
	    AT(HOUR), ASKS, NEEDS(NEED_TOKEN), CANNOT("vault is sealed"),
	    FAILS(FAIL_CREDENTIAL, "vault is sealed"), ASKS,
	    NEEDS(NEED_PROGRAM) } },
	{ "an_empty_chain_has_a_hint",
	  { &az, &function },
	  { ASKS, NEEDS(NEED_PROGRAM), LACKS_IT("not installed"), AT(5),
	    NEEDS(NEED_TOKEN), AT(12), LACKS_IT("not today"),
	    FAILS(FAIL_CREDENTIAL, ""),
	    MESSAGE("no credential in the chain provided a token: azure_cli: "
	            "not installed (0 ms); token: not today (12 ms)"),
	    HINT("set up one of these") } },
};

/* A program of which nobody knows how people sign in to it. */
static enum chain_want ask_other(struct chain *s, struct request *q,
                                 struct now now) {
	(void)q;
	(void)now;
	buf_set(&s->scratch.work, SPAN("other\0"));
	s->scratch.need = NEED_PROGRAM;
	return CHAIN_NEED;
}
static const struct flow flow_other = { .name = "other", .ask = ask_other };
static const struct chain_spec other = { .flow = &flow_other };

#define NO_ADVICE(name, words)                                                 \
	{                                                                      \
		name, { &other, &function }, {                                 \
			ASKS, RUNS("other"), UNSEEN(words),                    \
				FAILS(FAIL_CREDENTIAL, "other: "), NO_HINT     \
		}                                                              \
	}

static const struct scenario other_programs[] = {
	NO_ADVICE("is_not_told_to_sign_in_to_az", "Please run 'az login'"),
	NO_ADVICE("is_not_told_to_sign_in_to_azd", "run azd auth login"),
	NO_ADVICE("has_numbers_of_its_own", "AADSTS50076: x"),
	NO_ADVICE("has_no_files_of_az", "[Errno 13] Permission denied"),
	{ "that_is_not_there_lets_the_chain_go_on",
	  { &other, &function },
	  { ASKS, RUNS("other"), ENDED(no_facts, .not_found = true),
	    LINK(0, LINK_ABSENT, "other: not installed"), NEEDS(NEED_TOKEN) } },
};

#define JWT "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1.x.y"

static const struct scenario talkative = {
	"talkative",
	{ &az, &function },
	{ ASKS, NEEDS(NEED_PROGRAM), UNSEEN("ERROR: " JWT " is bad"),
	  NEEDS(NEED_TOKEN),
	  LINK(0, LINK_FAILED, "az: ERROR: <redacted> is bad") }
};

static void test_a_token_among_a_program_s_words_is_wiped(void **state) {
	(void)state;
	test_mem_secret(JWT);
	run(&talkative);
}

/* What a shell or the program could misread. */
static void test_arguments_for_a_program(void **state) {
	static const struct {
		enum chain_value v; /* SV_COUNT: the scope */
		const char *text;
		bool plain;
	} rows[] = {
		{ SV_TENANT, "-x", false },
		{ SV_TENANT, "a b", false },
		{ SV_TENANT, "a_b", false },
		{ SV_TENANT, "a;b", false },
		{ SV_TENANT, "a/b", false },
		{ SV_TENANT, "a:b", false },
		{ SV_TENANT, "a@b", false },
		{ SV_TENANT, "a[b", false },
		{ SV_TENANT, "a`b", false },
		{ SV_TENANT, "a{b", false },
		{ SV_TENANT, "azAZ09.b-", true },
		{ SV_SUBSCRIPTION, "--debug", false },
		{ SV_SUBSCRIPTION, "a/b", false },
		{ SV_SUBSCRIPTION, "a$b", false },
		{ SV_SUBSCRIPTION, "azAZ09_b c.d-", true },
		{ SV_COUNT, "-x", false },
		{ SV_COUNT, "https://a b/.default", false },
		{ SV_COUNT, "https://a/$(b)", false },
	};
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		struct chain_spec spec = i % 2 ? azd : az;
		struct span text = test_text(rows[i / 2].text);
		bool scope = rows[i / 2].v == SV_COUNT;
		if (!scope)
			spec.value[rows[i / 2].v] = text;
		memset(&t, 0, sizeof t);
		open_at(&spec, 1, SPAN(AUTHORITY), scope ? text : SPAN(SCOPE));
		chain_token(&t.s, 0, NO_SPAN, now_at(0));
		if (rows[i / 2].plain) {
			assert_int_equal(next(), CHAIN_NEED);
		} else {
			assert_int_equal(next(), CHAIN_IDLE);
			assert_int_equal(chain_failure(&t.s)->kind,
			                 FAIL_CREDENTIAL);
			assert_has(buf_span(&chain_failure(&t.s)->message),
			           "not passed to a program");
		}
		close_chain();
	}
}

/* ---- how programs end ---------------------------------------------------- */

/* A tool's failure ends no chain. */
#define ENDS(name, as, says, ...)                                              \
	{                                                                      \
		name, { &az, &function }, {                                    \
			ASKS, NEEDS(NEED_PROGRAM),                             \
				ENDED(no_facts, __VA_ARGS__),                  \
				NEEDS(NEED_TOKEN), LINK(0, as, says)           \
		}                                                              \
	}
#define CONSOLE(text)                                                          \
	LITERAL("{\"type\":\"consoleMessage\",\"data\":{\"message\":\"" text   \
	        "\"}}")
#define AZD_SAYS "az: fetching token: AADSTS90002: no"

static const struct scenario ends[] = {
	ENDS("not_found", LINK_ABSENT, "az: not installed", .not_found = true),
	ENDS("not_found_by_its_script", LINK_ABSENT,
	     "az: not installed (not on the PATH)", .status = 127),
	ENDS("a_command_that_its_script_does_not_find", LINK_FAILED,
	     "az: /bin/az: 2: python3: not found", .status = 127,
	     .err = LITERAL("/bin/az: 2: python3: not found\n")),
	ENDS("not_run", LINK_ABSENT,
	     "az: found on the PATH, but it cannot be executed",
	     .refused = true),
	ENDS("no_answer", LINK_FAILED,
	     "az: timed out after 10 s and was terminated (raise `timeout`)",
	     .timed_out = true, .timeout = 10000),
	ENDS("no_answer_within_half_seconds", LINK_FAILED,
	     "az: timed out after 2500 ms", .timed_out = true, .timeout = 2500,
	     .err = LITERAL("WARN")),
	ENDS("flooded", LINK_FAILED, "az: printed too much output",
	     .flooded = true),
	ENDS("a_signal", LINK_FAILED, "az: terminated by signal 9", .signal = 9,
	     .status = -1),
	ENDS("without_any_login", LINK_FAILED,
	     "az: ERROR: Please run 'az login'", .status = 1,
	     .err = LITERAL("ERROR: Please run 'az login'")),
	ENDS("a_revoked_sign_in", LINK_FAILED, "AADSTS50173", .status = 1,
	     .err = LITERAL("AADSTS50173: revoked")),
	/* Azure/azure-cli#16745 */
	ENDS("an_answer_in_json", LINK_FAILED,
	     "az: AADSTS50173: The provided grant has expired", .status = 1,
	     .err = LITERAL("Get Token request returned http error: 400 and "
	                    "server response: {\"error\":\"invalid_grant\","
	                    "\"error_description\":\"AADSTS50173: The provided "
	                    "grant has expired\"}")),
	/* as Azure CLI 2.45 does without a network */
	ENDS("a_traceback", LINK_FAILED,
	     "az: ERROR: HTTPSConnectionPool(host='login')", .status = 1,
	     .err = LITERAL(
		     "ERROR: The command failed with an unexpected "
		     "error. Here is the traceback:\nERROR: "
		     "HTTPSConnectionPool(host='login')\nTraceback (most "
		     "recent call last):\n  File \"x\", line 1")),
	/* Azure/azure-cli#19657 */
	ENDS("a_traceback_alone", LINK_FAILED,
	     "az: PermissionError: [Errno 13] Permission denied: '/home/x'",
	     .status = 1,
	     .err = LITERAL("Traceback (most recent call last):\n  File "
	                    "\"x\", line 1\nPermissionError: [Errno 13] "
	                    "Permission denied: '/home/x'\n\n")),
	ENDS("a_traceback_that_has_but_its_head", LINK_FAILED,
	     "az: Traceback (most recent call last):", .status = 1,
	     .err = LITERAL("Traceback (most recent call last):")),
	ENDS("a_traceback_that_was_promised_only", LINK_FAILED,
	     "az: ERROR: x. Here is the traceback:", .status = 1,
	     .err = LITERAL("ERROR: x. Here is the traceback:\n")),
	/* Azure/azure-cli#2539, #3475, #15517 */
	ENDS("modules_that_cannot_be_loaded", LINK_FAILED,
	     "az: ERROR: Please run 'az login'", .status = 1,
	     .err = LITERAL("ERROR: Error loading command module 'resource': "
	                    "No module named 'x'\nError loading command module "
	                    "'vm'\nERROR: Please run 'az login'\n")),
	ENDS("a_module_that_cannot_be_loaded_alone", LINK_FAILED,
	     "az: ERROR: Error loading command module 'profile'", .status = 1,
	     .err = LITERAL("ERROR: Error loading command module "
	                    "'profile'\n")),
	ENDS("in_silence", LINK_FAILED,
	     "az: failed without an error message, exit status 3", .status = 3),
	ENDS("in_silence_with_no_status", LINK_FAILED,
	     "az: failed without an error message", .status = -1),
	ENDS("an_error_in_json", LINK_FAILED, "az: broken", .status = 2,
	     .err = LITERAL("{\"error\":\"broken\"}")),
	ENDS("an_error_in_json_of_several_lines", LINK_FAILED, "az: a  b c",
	     .status = 2, .err = LITERAL("{\"error\":\"a\\r\\nb\\tc\"}")),
	ENDS("a_console_message", LINK_FAILED, "az: run azd auth login",
	     .status = 1, .err = CONSOLE("run azd auth login")),
	/* azd before 1.23.7 (Azure/azure-sdk-for-python#45049), up to 1.23.15
	   (Azure/azure-dev#7700), and since 1.24.0 (Azure/azure-dev#7728) */
	ENDS("azd_before_1_23_7", LINK_FAILED,
	     "az: ERROR: fetching token: \"x\" (invalid_tenant) AADSTS90002: "
	     "no",
	     .status = 1,
	     .err = CONSOLE("\\nERROR: fetching token: \\\"x\\\"\\n"
	                    "(invalid_tenant) AADSTS90002: no\\n\\n")),
	ENDS("azd_1_23_15", LINK_FAILED, AZD_SAYS, .status = 1,
	     .err = LITERAL(
		     "{\"type\":\"consoleMessage\",\"data\":{\"message\":"
		     "\"\\n\"}}\n{\"error\":\"fetching token: "
		     "AADSTS90002: no\",\"message\":\"Authentication "
		     "failed.\"}")),
	ENDS("azd_1_24_0", LINK_FAILED, AZD_SAYS, .status = 1,
	     .err = LITERAL("{\"error\":\"fetching token: AADSTS90002: no\","
	                    "\"links\":[],\"message\":\"Authentication "
	                    "failed.\"}")),
	ENDS("rubbish", LINK_FAILED, "az: its output is not the expected JSON",
	     .out = LITERAL("rubbish")),
};

static void test_json_among_warnings(void **state) {
	(void)state;
	assert_span(chain_json(SPAN("WARNING: {x} old\n{\"a\":1}\nbye")),
	            "{\"a\":1}");
	assert_span(chain_json(SPAN("{}")), "{}");
	assert_span(chain_json(SPAN("{ { \n\t\"a\":1 } \x1b[0m")),
	            "{ \n\t\"a\":1 }");
	assert_span(chain_json(SPAN("{{}}")), "{}");
	assert_span(chain_json(SPAN("{\"a\":{\"b\":\"}\\\"}\"}} {old} }")),
	            "{\"a\":{\"b\":\"}\\\"}\"}}");
	assert_span(chain_json(SPAN("{\"a\":\\}}")), "{\"a\":\\}");
	/* eight objects are looked at */
	assert_span(chain_json(SPAN("{}{}{}{}{}{}{}{\"token\":\"x\"}")),
	            "{\"token\":\"x\"}");
	assert_span(chain_json(SPAN("{}{}{}{}{}{}{}{}{\"token\":\"x\"}")),
	            "{}");
	/* ... those within them are not */
	assert_span(chain_json(SPAN("{\"a\":[{},{},{},{},{},{},{},{}]}"
	                            "{\"token\":\"x\"}")),
	            "{\"token\":\"x\"}");
	/* azd's messages before the token */
	assert_span(chain_json(SPAN("{\"type\":\"consoleMessage\"}\n"
	                            "{\"token\":\"x\"}")),
	            "{\"token\":\"x\"}");
	assert_span(chain_json(SPAN("see {\"a\":\n{\"accessToken\":\"x\"}")),
	            "{\"accessToken\":\"x\"}");
	assert_span(chain_json(SPAN("{\"a\":1}{\"b\":1}")), "{\"a\":1}");
	assert_int_equal(chain_json(SPAN("{\"a\":{\"b\":1")).n, 0);
	assert_int_equal(chain_json(SPAN("{\"a\":\"}\\")).n, 0);
	assert_int_equal(chain_json(SPAN("{ ")).n, 0);
	assert_int_equal(chain_json(SPAN("rubbish")).n, 0);
	assert_int_equal(chain_json(SPAN("")).n, 0);
}

/* ---- claims ------------------------------------------------------------- */

static void test_credentials_that_can_answer_a_claims_challenge(void **state) {
	static const struct {
		const struct flow *flow;
		const char *says; /* who cannot; NULL: can */
	} rows[] = {
		{ &flow_client_secret, NULL },
		{ &flow_client_certificate, NULL },
		{ &flow_client_assertion, NULL },
		{ &flow_workload_identity, NULL },
		{ &flow_device_code, NULL },
		{ &flow_function, NULL },
		{ &flow_azure_developer_cli, NULL },
		{ &flow_azure_cli,
		  "run: az login --tenant x --claims-challenge eyJhIjoxfQ== "
		  "--scope " SCOPE },
		{ &flow_token, "sign in again, or use another credential" },
		{ &flow_imds, "sign in again, or use another credential" },
		{ &flow_app_service,
		  "sign in again, or use another credential" },
		{ &flow_azure_ml, "sign in again, or use another credential" },
		{ &flow_cloud_shell,
		  "sign in again, or use another credential" },
		{ &flow_arc, "sign in again, or use another credential" },
		{ &flow_service_fabric,
		  "sign in again, or use another credential" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct chain_spec spec = {
			.flow = rows[i].flow,
			.value = { [SV_TENANT] = SPAN("x"),
			           [SV_CLIENT] = SPAN("x"),
			           [SV_PATH] = SPAN("x"),
			           [SV_SECRET] = SPAN("secret-secret"),
			           [SV_ENDPOINT] = SPAN("https://a/b"),
			           [SV_THUMBPRINT] =
			                   SPAN("00010203040506070809"
			                        "0a0b0c0d0e0f10111213") },
		};
		open_chain(&spec);
		chain_take(&t.s, SPAN("first"), 3600, -1, now_at(0));
		assert_int_equal(
			chain_token(&t.s, 1, SPAN("{\"a\":1}"), now_at(0)), 0);
		if (!rows[i].says) {
			assert_int_not_equal(next(), CHAIN_IDLE);
		} else {
			const struct fail *f;
			assert_int_equal(next(), CHAIN_IDLE);
			f = chain_failure(&t.s);
			assert_int_equal(f->kind, FAIL_CREDENTIAL);
			assert_has(buf_span(&f->message), "conditional access");
			assert_string_equal(f->hint, rows[i].says);
		}
		close_chain();
	}
}

/* Somebody may have signed in with the claims meanwhile. */
static void test_claims_of_a_failed_fetch_are_forgotten(void **state) {
	(void)state;
	open_chain(&az);
	chain_take(&t.s, SPAN("first"), 3600, -1, now_at(0));
	chain_token(&t.s, 1, SPAN("{\"a\":1}"), now_at(0));
	assert_int_equal(next(), CHAIN_IDLE);
	t.ms = 60000;
	assert_int_equal(chain_token(&t.s, 1, NO_SPAN, now_at(t.ms)), 0);
	assert_int_equal(next(), CHAIN_NEED);
	close_chain();
}

/* Which of Entra ID's errors a person's next sign-in cures: these alone. */
static void test_errors_that_a_new_sign_in_cures(void **state) {
	static const int cured[] = { 50076, 50079, 50072, 50074,  50078,  50158,
		                     50199, 16000, 70000, 700081, 700082, 70043,
		                     70008, 50132, 50133, 50173,  50058 };
	static const int ranges[][2] = {
		{ 16000, 16001 },     { 50000, 53100 },     { 65000, 65100 },
		{ 70000, 70100 },     { 90000, 90100 },     { 500000, 500600 },
		{ 530000, 530040 },   { 700000, 700230 },   { 900000, 900030 },
		{ 7000100, 7002200 }, { 9001000, 9001030 },
	};
	size_t known = 0;
	(void)state;
	for (size_t r = 0; r < COUNT(ranges); r++)
		for (int n = ranges[r][0]; n < ranges[r][1]; n++) {
			char text[32];
			const struct entra_error *e;
			bool is_cured = false;
			snprintf(text, sizeof text, "AADSTS%d: x", n);
			e = entra_error_of(span_of(text));
			for (size_t i = 0; i < COUNT(cured); i++)
				is_cured = is_cured || cured[i] == n;
			assert_true(e != NULL || !is_cured);
			assert_true(e == NULL || e->anew == is_cured);
			known += e != NULL;
		}
	assert_int_equal(known, 71);
	assert_non_null(entra_error_of(span_of("AADSTSx7 AADSTS70043: x")));
}

/* No header field is that long: the limit is 64 KiB. */
static void test_a_token_larger_than_allowed(void **state) {
	enum { LARGEST = 64 * 1024 };
	static char token[LARGEST + 1];
	(void)state;
	memset(token, 'a', sizeof token);
	open_chain(&ready);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	chain_take(&t.s, (struct span){ token, sizeof token }, HOUR, -1,
	           now_at(0));
	assert_false(t.s.live);
	test_needs(buf_span(&chain_failure(&t.s)->message),
	           "the token is larger than allowed", true, __FILE__,
	           __LINE__);
	chain_take(&t.s, (struct span){ token, LARGEST }, HOUR, -1, now_at(0));
	assert_true(t.s.live);
	close_chain();
}

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_a_token_among_a_program_s_words_is_wiped),
		TEST(test_arguments_for_a_program),
		TEST(test_json_among_warnings),
		TEST(test_credentials_that_can_answer_a_claims_challenge),
		TEST(test_claims_of_a_failed_fetch_are_forgotten),
		TEST(test_errors_that_a_new_sign_in_cures),
		TEST(test_a_token_larger_than_allowed),
	};
	return RUN_TABLES(functions, COUNT(functions), SCRIPTS(ready_tokens),
	                  SCRIPTS(functions_of_hosts), SCRIPTS(programs),
	                  SCRIPTS(ends), SCRIPTS(subscriptions),
	                  SCRIPTS(other_programs), SCRIPTS(commands));
}

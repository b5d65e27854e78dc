/* managed.c -- a managed identity's sources: the request of each, the probe of
   the metadata service, what passes and what is final, Azure Arc's key file,
   Service Fabric's certificate. */
#include "script.h"

#define PLACE "http://169.254.169.254/metadata/identity/oauth2/token"
#define IMDS PLACE "?api-version=2018-02-01&" RESOURCE

static const struct chain_spec function = { .flow = &flow_function };
static const struct chain_spec machine = {
	.flow = &flow_imds,
	.value = { [SV_ENDPOINT] = LITERAL(PLACE) },
};
static const struct chain_spec probed = {
	.flow = &flow_imds,
	.value = { [SV_ENDPOINT] = LITERAL(PLACE) },
	.probed = true,
};
#define ME                                                                     \
	[SV_ENDPOINT] = LITERAL(PLACE), [SV_ID_NAME] = LITERAL("client_id"),   \
	[SV_ID] = LITERAL("me")
static const struct chain_spec user = { .flow = &flow_imds, .value = { ME } };
static const struct chain_spec probed_user = { .flow = &flow_imds,
	                                       .value = { ME },
	                                       .probed = true };

/* ---- the request of each source ------------------------------------------ */

#define LOCAL "http://127.0.0.1:4141/t"
#define SOURCE(flow_)                                                          \
	{                                                                      \
		.flow = &flow_, .value = {                                     \
			[SV_ENDPOINT] = LITERAL(LOCAL),                        \
			[SV_SECRET] = LITERAL("header-secret")                 \
		}                                                              \
	}
static const struct chain_spec app_service = SOURCE(flow_app_service);
static const struct chain_spec azure_ml = SOURCE(flow_azure_ml);
static const struct chain_spec cloud_shell = {
	.flow = &flow_cloud_shell, .value = { [SV_ENDPOINT] = LITERAL(LOCAL) }
};
static const struct chain_spec two_fields = {
	.flow = &flow_app_service,
	.value = { [SV_ENDPOINT] = LITERAL(LOCAL),
	           [SV_SECRET] = LITERAL("x\r\nEvil: 1") },
};
static const struct chain_spec with_query = {
	.flow = &flow_app_service,
	.value = { [SV_ENDPOINT] = LITERAL(LOCAL "?a=b") },
};

/* How long the machine's token is used: halved from two hours on. */
#define RENEWED(name, lives, refresh_in, renewed)                              \
	{                                                                      \
		name, { &machine }, {                                          \
			ASKS, GETS(IMDS),                                      \
				GRANTS_FRESH("vm", lives, refresh_in),         \
				LIFE(renewed *SECOND, lives *SECOND)           \
		}                                                              \
	}
#define ASKED_AS(scope, query)                                                 \
	{                                                                      \
		"the resource of " scope, { &machine }, {                      \
			FOR_SCOPE(scope), ASKS,                                \
				GETS(PLACE "?api-version=2018-02-01&"          \
			                   "resource=" query)                  \
		}                                                              \
	}

static const struct scenario requests[] = {
	/* a day's token is renewed at half its life */
	{ "of_a_virtual_machine",
	  { &machine },
	  { ASKS, GETS(IMDS), FIELD("Metadata", "true"),
	    NO_FIELD("Authorization"), ROUTE(true, true, MINUTE), BODY(NULL),
	    GRANTS("vm", 3600), TOKEN("vm"), RESTS, REFUSED, GETS(IMDS),
	    GRANTS("day", 86400), LIFE(12 * HOUR, 24 * HOUR) } },
	RENEWED("two_hours", 7200, -1, 6900),
	RENEWED("a_second_more", 7201, -1, 3600),
	RENEWED("refresh_in", 86400, 1000, 1000),
	RENEWED("refresh_in_of_nothing", 86400, 0, 86100),
	ASKED_AS("https://a/.default", "https%3A%2F%2Fa"),
	ASKED_AS("https://a//.default", "https%3A%2F%2Fa%2F"),
	ASKED_AS("https://a/x.default", "https%3A%2F%2Fa%2Fx.default"),
	ASKED_AS("https://a", "https%3A%2F%2Fa"),
	ASKED_AS("a/.default", "a"),
	ASKED_AS("/.default", "%2F.default"),
	ASKED_AS("x", "x"),
	{ "of_app_service",
	  { &app_service },
	  { ASKS, GETS(LOCAL "?api-version=2019-08-01&" RESOURCE),
	    FIELD("X-IDENTITY-HEADER", "header-secret"), NO_FIELD("Metadata"),
	    ROUTE(true, true, MINUTE), GRANTS("app", 3600), TOKEN("app") } },
	/* it gives the end of a token's life, and not its length */
	{ "a_day_s_token_by_its_end",
	  { &app_service },
	  { ASKS, SENDS, GRANTS_UNTIL("day", 24 * HOUR),
	    LIFE(12 * HOUR, 24 * HOUR) } },
	{ "of_azure_ml",
	  { &azure_ml },
	  { ASKS, GETS(LOCAL "?api-version=2017-09-01&" RESOURCE),
	    FIELD("secret", "header-secret"), GRANTS("ml", 3600),
	    TOKEN("ml") } },
	{ "of_cloud_shell",
	  { &cloud_shell },
	  { ASKS, POSTS(LOCAL), FIELD("Metadata", "true"), BODY(RESOURCE),
	    GRANTS("shell", 3600), TOKEN("shell") } },
	/* what the environment or a file holds does not end a header field */
	{ "a_header_is_never_more_than_one",
	  { &two_fields },
	  { ASKS, RESTS,
	    FAILS(FAIL_CREDENTIAL, "a header field does not allow") } },
	{ "an_endpoint_keeps_its_query",
	  { &with_query },
	  { ASKS, GETS(LOCAL "?a=b&api-version=2019-08-01&" RESOURCE) } },
};

static void test_how_each_source_calls_an_identity(void **state) {
	static const struct {
		const struct flow *flow;
		const char *id_name, *query; /* NULL: refused */
	} rows[] = {
		{ &flow_imds, "client_id", "&client_id=me" },
		{ &flow_imds, "object_id", "&object_id=me" },
		{ &flow_imds, "resource_id", "&msi_res_id=me" },
		{ &flow_app_service, "client_id", "&client_id=me" },
		{ &flow_app_service, "object_id", "&principal_id=me" },
		{ &flow_app_service, "resource_id", "&mi_res_id=me" },
		{ &flow_azure_ml, "client_id", "&clientid=me" },
		{ &flow_azure_ml, "object_id", NULL },
		{ &flow_azure_ml, "resource_id", NULL },
		{ &flow_cloud_shell, "client_id", NULL },
		{ &flow_arc, "client_id", NULL },
		{ &flow_arc, "resource_id", NULL },
		{ &flow_service_fabric, "client_id", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct chain_spec spec = { .flow = rows[i].flow };
		spec.value[SV_ENDPOINT] = SPAN("https://place/token");
		spec.value[SV_ID_NAME] = test_text(rows[i].id_name);
		spec.value[SV_ID] = SPAN("me");
		open_chain(&spec);
		chain_token(&t.s, 0, NO_SPAN, now_at(0));
		if (rows[i].query) {
			assert_int_equal(next(), CHAIN_SEND);
			assert_has(buf_span(&t.q.url), rows[i].query);
		} else {
			assert_int_equal(next(), CHAIN_IDLE);
			assert_int_equal(chain_failure(&t.s)->kind,
			                 FAIL_CREDENTIAL);
			assert_has(buf_span(&chain_failure(&t.s)->message),
			           rows[i].id_name);
		}
		close_chain();
	}
}

/* ---- what passes, and what is final -------------------------------------- */

/* The longest waiting is over a minute, which 410 needs. */
#define TRY(answer, pause) answer, WAITS(pause), GETS(IMDS)
#define PASSES(status)                                                         \
	{                                                                      \
#status " passes", { &machine }, {                             \
			ASKS, GETS(IMDS), TRY(BY(status), 2000),               \
				TRY(BY(status), 4000), TRY(BY(status), 8000),  \
				TRY(BY(status), 16000),                        \
				TRY(BY(status), 25000),                        \
				TRY(BY(status), 25000), BY(status), RESTS,     \
				STATUS(status)                                 \
		}                                                              \
	}
#define BY(status) ANSWERS(status, NULL, "", no_facts)
/* Retry-After shortens the waiting, and does not lengthen it. */
#define ASKED(status)                                                          \
	{                                                                      \
#status " with Retry-After", { &machine }, {                   \
			ASKS, GETS(IMDS),                                      \
				TRY(IN(status, "Retry-After: 60"), 2000),      \
				TRY(IN(status, "x-ms-retry-after-ms: 1"), 1),  \
				TRY(IN(status, "Retry-After: 60"), 8000),      \
				TRY(IN(status, "x-ms-retry-after-ms: 59999"),  \
			            59999),                                    \
				TRY(IN(status, "Retry-After: 60"), 25000),     \
				TRY(IN(status, "Retry-After: 60"), 25000),     \
				IN(status, "Retry-After: 60"), RESTS,          \
				STATUS(status)                                 \
		}                                                              \
	}
#define IN(status, head) ANSWERS(status, head, "{}", facts_object)
#define FINAL(status)                                                          \
	{                                                                      \
#status " is final", { &machine }, {                           \
			ASKS, GETS(IMDS),                                      \
				REFUSES_WITH(status, "Retry-After: 1", "odd",  \
			                     "no"),                            \
				FAILS(FAIL_CREDENTIAL, "")                     \
		}                                                              \
	}
#define OLD "Date: Sun, 06 Nov 1994 08:49:37 GMT"
/* Neither a proxy nor the clock has to do with it. */
#define HINTED(name, spec, status, what, hint)                                 \
	{                                                                      \
		name, { &spec }, {                                             \
			ASKS, SENDS, ANSWERS(status, OLD, "x", what), RESTS,   \
				HINT(hint)                                     \
		}                                                              \
	}
#define NOT_FOUND REFUSES(400, "invalid_request", "Identity not found")

static const struct scenario answers[] = {
	PASSES(404),
	PASSES(410),
	PASSES(429),
	PASSES(500),
	PASSES(503),
	PASSES(504),
	ASKED(404),
	ASKED(410),
	ASKED(429),
	ASKED(500),
	ASKED(503),
	ASKED(504),
	FINAL(400),
	FINAL(401),
	FINAL(405),
	FINAL(409),
	FINAL(411),
	FINAL(428),
	FINAL(499),
	{ "403 says so",
	  { &machine },
	  { ASKS, GETS(IMDS), REFUSES(403, "x", "no"),
	    FAILS(FAIL_CREDENTIAL, "HTTP 403") } },
	{ "an_identity_that_is_not_there",
	  { &user },
	  { ASKS, SENDS, NOT_FOUND,
	    FAILS(FAIL_CREDENTIAL, "Identity not found") } },
	HINTED("hint_of_a_named_identity", user, 400, facts_object,
	       "check that the named identity is assigned"),
	HINTED("no_hint_at_all", machine, 403, facts_object, NULL),
	HINTED("hint_of_a_foreign_403", machine, 403, no_facts,
	       "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
	HINTED("hint_of_a_foreign_200", machine, 200, no_facts,
	       "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
};

/* ---- the probe: inside a chain, and only there --------------------------- */

/* As the service refuses a request without its header. */
#define PROBE_IS_ANSWERED                                                      \
	REFUSES(400, "invalid_request",                                        \
	        "Required metadata header not specified")
#define PROBED ASKS, GETS(PLACE)
#define FOUND PROBED, PROBE_IS_ANSWERED, GETS(IMDS)
/* The next link's, at once. */
#define PASSED_OVER(says) NEEDS(NEED_TOKEN), LINK(0, LINK_ABSENT, says)
#define STRANGER "the server that answered is not the metadata service: "

#define AGENT REFUSES(404, "not_found", "no identity")

static struct facts page(void) {
	struct facts f = facts_oauth("Bad Request", "x");
	f.oauth_description = NO_SPAN;
	return f;
}

#define NOT_HERE(name, answer, says)                                           \
	{                                                                      \
		name, { &probed, &function }, {                                \
			FOUND, answer, PASSED_OVER(says)                       \
		}                                                              \
	}

static const struct scenario probes[] = {
	/* for minutes nobody is asked again; and then again: not here is not
	   for ever */
	{ "how_long_it_is_believed",
	  { &probed, &function },
	  { PROBED,
	    NO_FIELD("Metadata"),
	    ROUTE(true, true, SECOND),
	    BREAKS(NET_TIMEOUT),
	    NEEDS(NEED_TOKEN),
	    LINK(0, LINK_ABSENT, ""),
	    CANNOT("not today"),
	    AT(5 * MINUTE - 1),
	    ASKS,
	    NEEDS(NEED_TOKEN),
	    LINK(0, LINK_ABSENT, "last checked"),
	    CANNOT("not today"),
	    AT(5 * MINUTE),
	    ASKS,
	    GETS(PLACE),
	    PROBE_IS_ANSWERED,
	    GETS(IMDS),
	    ROUTE(true, true, MINUTE),
	    GRANTS("vm", 3600),
	    TOKEN("vm"),
	    RESTS } },
	/* it says nothing of who is there */
	{ "a_lack_of_memory_is_no_absence",
	  { &probed, &function },
	  { PROBED, BREAKS(NET_MEMORY), FAILS(FAIL_LIMIT, ""), PROBED } },
	{ "an_oauth_server_s_refusal",
	  { &probed, &function },
	  { PROBED, REFUSES(401, "unauthorized", "no"),
	    PASSED_OVER(STRANGER) } },
	{ "a_refusal_without_a_description",
	  { &probed, &function },
	  { PROBED, REFUSES(400, "invalid_request", "x"), GETS(IMDS), NOT_FOUND,
	    PASSED_OVER("no system-assigned identity") } },
	/* the request is wrong, whoever is asked */
	{ "a_wrong_scope_in_another_text",
	  { &probed, &function },
	  { FOUND,
	    REFUSES(400, "invalid_resource",
	            "AADSTS500011: The resource principal named x was not "
	            "found"),
	    FAILS(FAIL_CREDENTIAL, "AADSTS500011: The resource"),
	    HINT("the scope's resource is unknown") } },
	{ "a_wrong_scope_by_its_name_alone",
	  { &probed, &function },
	  { FOUND, REFUSES(400, "invalid_scope", "bad scope"),
	    FAILS(FAIL_CREDENTIAL, "invalid_scope: bad scope") } },
	{ "a_framework_s_page_in_json",
	  { &probed, &function },
	  { PROBED, ANSWERS(400, NULL, "{}", page), PASSED_OVER(STRANGER) } },
	/* it is the service, and has nothing for this machine */
	NOT_HERE("no_system_assigned_identity", NOT_FOUND,
	         "this machine has no system-assigned identity: Identity"),
	NOT_HERE("a_proxy_s_text",
	         ANSWERS(403, NULL, "A socket operation: unreachable network",
	                 no_facts),
	         "a proxy answered instead of the metadata service"),
	NOT_HERE("a_proxy_s_json",
	         ANSWERS(403, NULL, "{\"error\":\"host UNREACHABLE\"}",
	                 no_facts),
	         "a proxy answered instead of the metadata service"),
	/* Azure/azure-sdk-for-js#27608: an agent's machine; a 404 may pass */
	{ "no_such_identity",
	  { &probed, &function },
	  { FOUND, TRY(AGENT, 2000), TRY(AGENT, 4000), TRY(AGENT, 8000),
	    TRY(AGENT, 16000), TRY(AGENT, 25000), TRY(AGENT, 25000), AGENT,
	    PASSED_OVER("the metadata service does not know this identity: no "
	                "identity") } },
	{ "an_identity_that_was_named_stops_a_chain",
	  { &probed_user, &function },
	  { PROBED, PROBE_IS_ANSWERED, SENDS, NOT_FOUND,
	    FAILS(FAIL_CREDENTIAL, "Identity not found") } },
	/* what it has trouble with is waited for in a chain, too */
	{ "an_update_of_the_service_is_waited_for",
	  { &probed, &function },
	  { FOUND, REFUSES(410, "gone", "updating"), WAITS(2000), GETS(IMDS),
	    GRANTS("vm", 3600), TOKEN("vm") } },
};

/* Routers, proxies and the services of other clouds (Azure/azure-sdk-for-net
   #28218, #44999, Azure/azure-sdk-for-go#23113, #23250,
   Azure/azure-sdk-for-python#20554): none of them stops the chain, and none is
   asked twice; at the probe, or behind it. */
static void test_answers_of_other_servers_skip_the_link(void **state) {
	static const int statuses[] = { 200, 302, 400, 401, 403, 404,
		                        405, 407, 410, 429, 500, 503 };
	const struct chain_spec specs[] = { probed, function };
	const struct {
		int status;
		const char *body;
		struct facts f;
	} more[] = { { 200, "", no_facts() },
		     { 200, "{}", facts_object() },
		     { 404, "[]", facts_broken() },
		     { 500, "{", facts_broken() } };
	const size_t n = COUNT(statuses);
	(void)state;
	for (size_t i = 0; i < 2 * (2 * n + COUNT(more)); i++) {
		size_t row = i / 2, behind = i % 2;
		bool json = row >= n;
		struct reply *r;
		struct facts f = json ? facts_error("NotFound", "no such thing")
		                      : no_facts();
		memset(&t, 0, sizeof t);
		open_at(specs, 2, SPAN(AUTHORITY), SPAN(SCOPE));
		chain_token(&t.s, 0, NO_SPAN, now_at(0));
		for (size_t k = 0; k <= behind; k++) {
			assert_int_equal(next(), CHAIN_SEND);
			chain_sent(&t.s, now_at(0));
			if (k < behind)
				feed(reply_of(400, NULL, "{}"),
				     facts_oauth("invalid_request",
				                 "Required metadata header"));
		}
		r = row < 2 * n ? reply_of(statuses[row % n],
		                           "Content-Type: text/html",
		                           json ? "{}" : "<p>")
		                : reply_of(more[row - 2 * n].status, NULL,
		                           more[row - 2 * n].body);
		feed(r, row < 2 * n ? f : more[row - 2 * n].f);
		assert_int_equal(next(), CHAIN_NEED);
		assert_int_equal(t.s.links[0].outcome, LINK_ABSENT);
		assert_has(buf_span(&t.s.links[0].why), STRANGER);
		if (row < n)
			assert_has(buf_span(&t.s.links[0].why), "text/html");
		close_chain();
	}
}

/* ---- what a sign-in is at ------------------------------------------------ */

/* Whose time is up hears what is going on, and not only that it goes on. */
static void play_progress(const struct step *s) {
	struct fail f;
	fail_init(&f, test_mem());
	chain_progress(&t.s, &f);
	has(buf_span(&f.message), s->text, true);
	if (s->more)
		has(test_text(f.hint), s->more, true);
	fail_free(&f);
}
#define PROGRESS(part) STEP(play_progress, .text = part)

static const struct scenario progress[] = {
	{ "of_a_virtual_machine",
	  { &machine },
	  { ASKS, GETS(IMDS),
	    STEP(play_progress,
	         .text = "the sign-in by managed_identity (virtual machine) "
	                 "has not finished",
	         .more = "is this Azure"),
	    LINK(0, LINK_TRYING, NULL), BREAKS(NET_CONNECT), WAITS(2000),
	    PROGRESS("has not finished: sign-in failed: "),
	    LINK(0, LINK_TRYING, "sign-in failed: "), GETS(IMDS),
	    ANSWERS(410, NULL, "{}", facts_object), WAITS(4000),
	    PROGRESS("sign-in failed: HTTP 410"), GETS(IMDS),
	    GRANTS("vm", 3600), TOKEN("vm"), LINK(0, LINK_TOKEN, NULL) } },
};

/* ---- Azure Arc ---------------------------------------------------------- */

#define ARC "http://127.0.0.1:40342/metadata/identity/oauth2/token"
#define ARC_TOKEN ARC "?api-version=2020-06-01&" RESOURCE
#define KEYS "/var/opt/azcmagent/tokens/"
#define ONE KEYS "one.key"

static const struct chain_spec arc = {
	.flow = &flow_arc,
	.value = { [SV_ENDPOINT] = LITERAL(ARC) },
};
static const struct chain_spec az = { .flow = &flow_azure_cli,
	                              .developer = true };

#define CHALLENGE(head)                                                        \
	GETS(ARC_TOKEN), FIELD("Metadata", "true"), NO_FIELD("Authorization"), \
		ANSWERS(401, head, "{}", facts_object)
#define NAMED(file)                                                            \
	CHALLENGE("WWW-Authenticate: Basic realm=" file),                      \
		NEEDS_FOR(NEED_KEY_FILE, file)
#define FORM(name, head)                                                       \
	{                                                                      \
		name, { &arc }, {                                              \
			ASKS, CHALLENGE(head), NEEDS_FOR(NEED_KEY_FILE, ONE)   \
		}                                                              \
	}
#define HOLDS(name, content)                                                   \
	{                                                                      \
		name, { &arc }, {                                              \
			ASKS, NAMED(ONE), PROVIDES(content),                   \
				FAILS(FAIL_CREDENTIAL,                         \
			              "a header field does not allow")         \
		}                                                              \
	}
#define REALM(realm)                                                           \
	{                                                                      \
		"realm " realm, { &arc }, {                                    \
			ASKS,                                                  \
				CHALLENGE("WWW-Authenticate: Basic "           \
			                  "realm=" realm),                     \
				FAILS(FAIL_UNTRUSTED, "")                      \
		}                                                              \
	}
/* What another link left is no file's name, and each try asks the agent
   again. */
#define BEHIND_AZ                                                              \
	ASKS, NEEDS(NEED_PROGRAM), LACKS_IT("not installed"), NAMED(ONE),      \
		CANNOT("no such file"), FAILS(FAIL_CREDENTIAL, "no such file")

static const struct scenario arcs[] = {
	{ "a_file_proves_the_caller",
	  { &arc },
	  { ASKS, NAMED(ONE), PROVIDES("the-key\n"), GETS(ARC_TOKEN),
	    FIELD("Authorization", "Basic the-key"), GRANTS("arc", 3600),
	    TOKEN("arc"), RESTS } },
	{ "each_of_its_two_requests_has_all_its_tries",
	  { &arc },
	  { ASKS, GETS(ARC_TOKEN), ANSWERS(503, NULL, "{}", facts_object),
	    BACKS_OFF(1), NAMED(ONE), PROVIDES("the-key\n"), GETS(ARC_TOKEN),
	    ANSWERS(503, NULL, "{}", facts_object), BACKS_OFF(1), SENDS,
	    ANSWERS(503, NULL, "{}", facts_object), BACKS_OFF(2), SENDS,
	    GRANTS("arc", 3600), TOKEN("arc") } },
	{ "a_file_in_quotes",
	  { &arc },
	  { ASKS,
	    CHALLENGE("WWW-Authenticate: Basic realm=\"" KEYS "two.key\""),
	    NEEDS_FOR(NEED_KEY_FILE, KEYS "two.key") } },
	/* RFC 9110 11.6.1: blanks around '=', either case, other challenges */
	FORM("blanks_around", "WWW-Authenticate: Basic realm = " ONE),
	FORM("a_blank_behind", "WWW-Authenticate: Basic realm= \"" ONE "\""),
	FORM("either_case", "WWW-Authenticate: basic REALM\t=\t\"" ONE "\" "),
	FORM("another_parameter_first",
	     "www-authenticate: Basic charset=\"UTF-8\", realm=" ONE),
	FORM("another_challenge_first",
	     "WWW-Authenticate: Negotiate, Basic realm=\"" ONE "\""),
	FORM("another_token_first",
	     "WWW-Authenticate: Negotiate YII=, Basic realm=" ONE),
	FORM("another_field_first", "WWW-Authenticate: Bearer realm=\"x\"\n"
	                            "WWW-Authenticate: Basic realm=" ONE),
	FORM("a_quoted_pair",
	     "WWW-Authenticate: Basic realm=\"" KEYS "o\\ne.key\""),
	{ "asks_for_no_file_of_another_link",
	  { &az, &arc },
	  { BEHIND_AZ, BEHIND_AZ } },
	HOLDS("an_empty_file", ""),
	HOLDS("a_blank_file", " \n"),
	HOLDS("a_file_of_two_fields", "a\r\nEvil: 1"),
	REALM("/etc/shadow"),
	REALM("/etc/x.key"),
	REALM(KEYS ".key"),
	REALM(KEYS "sub/one.key"),
	REALM(KEYS "/one.key"),
	REALM(KEYS "../one.key"),
	REALM(KEYS "one.txt"),
	REALM(KEYS "one.KEY"),
	REALM(KEYS "one.key.txt"),
	REALM("/var/opt/azcmagent/tokens.key"),
	REALM("//var/opt/azcmagent/tokens/one.key"),
	REALM("one.key"),
	REALM(""),
	{ "another_challenge",
	  { &arc },
	  { ASKS, CHALLENGE("WWW-Authenticate: Bearer realm=x"),
	    FAILS(FAIL_CREDENTIAL, "HTTP 401") } },
};

/* ---- Service Fabric ----------------------------------------------------- */

#define FABRIC "https://10.0.0.4:2377/metadata/identity/oauth2/token"
#define FABRIC_TOKEN FABRIC "?api-version=2019-07-01-preview&" RESOURCE
#define PEM "-----BEGIN CERTIFICATE-----"
#define PIN "sha256//FBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM="
#define CLUSTER(name, endpoint, thumbprint)                                    \
	static const struct chain_spec name = {                                \
		.flow = &flow_service_fabric,                                  \
		.value = { [SV_ENDPOINT] = LITERAL(endpoint),                  \
		           [SV_SECRET] = LITERAL("header-secret"),             \
		           [SV_THUMBPRINT] = LITERAL(thumbprint) }             \
	}
#define DIGITS "000102030405060708090a0b0c0d0e0f1011121"
CLUSTER(fabric, FABRIC,
        "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0D:0E:0F:10 11 12 13");
CLUSTER(no_digits, FABRIC, "");
CLUSTER(few_digits, FABRIC, "00");
CLUSTER(digits_too_many, FABRIC, DIGITS "314");
CLUSTER(digit_too_few, FABRIC, DIGITS);
CLUSTER(no_hex, FABRIC, "g00102030405060708090a0b0c0d0e0f10111213");
CLUSTER(in_clear, "http://10.0.0.4:2377/", DIGITS "3");

/* What azpec_signing finds: a thumbprint (first: its first byte), then the
   key's digest. */
static void play_prints(const struct step *s) {
	char bytes[52];
	for (int i = 0; i < 52; i++)
		bytes[i] = (char)i;
	bytes[0] = (char)s->n;
	chain_provided(&t.s, (struct span){ bytes, sizeof bytes },
	               now_at(t.ms));
}
#define PRINTS(first) STEP(play_prints, .n = first)

/* A handshake carries no secret, nothing at all. */
static void play_handshake(const struct step *s) {
	equal(t.q.handshake, s->n, "the handshake");
	if (!span_eq(buf_span(&t.q.pin), test_text(s->text)))
		OFF("the pin is %.*s", (int)t.q.pin.n, t.q.pin.p);
	equal(t.q.allow_http, false, "allow_http");
	equal(t.q.no_proxy, true, "no_proxy");
	if (s->n)
		equal(t.q.head.n, 0, "the head's length");
}
#define LOOKS GETS(FABRIC), STEP(play_handshake, .n = 1)
#define SHOWN                                                                  \
	LOOKS, ANSWERS(0, NULL, PEM, no_facts),                                \
		NEEDS_FOR(NEED_FINGERPRINTS, PEM)
#define PINNED GETS(FABRIC_TOKEN), STEP(play_handshake, .text = PIN)
#define OTHER(name, answer, as, says)                                          \
	{                                                                      \
		name, { &fabric }, {                                           \
			ASKS, SHOWN, answer, FAILS(as, says)                   \
		}                                                              \
	}
#define SENSELESS(spec, says)                                                  \
	{                                                                      \
#spec, { &spec }, {                                            \
			ASKS, RESTS, FAILS(FAIL_CREDENTIAL, says)              \
		}                                                              \
	}

static const struct scenario fabrics[] = {
	/* what passes is tried again by the same key; the next token begins
	   with a look at the certificate */
	{ "the_secret_goes_to_the_key_that_was_proven",
	  { &fabric },
	  { ASKS, SHOWN, PRINTS(0), PINNED, FIELD("Secret", "header-secret"),
	    ANSWERS(503, NULL, "", no_facts), BACKS_OFF(1), PINNED,
	    GRANTS("fabric", 3600), TOKEN("fabric"), RESTS, REFUSED, LOOKS } },
	OTHER("another_certificate", PRINTS(1), FAIL_UNTRUSTED,
	      "IDENTITY_SERVER_THUMBPRINT"),
	OTHER("no_fingerprints", PROVIDES("short"), FAIL_UNTRUSTED,
	      "IDENTITY_SERVER_THUMBPRINT"),
	OTHER("no_flow_for_the_cache", CANNOT("no azpec_signing"),
	      FAIL_CREDENTIAL, "no azpec_signing"),
	{ "another_key_at_the_second_connection",
	  { &fabric },
	  { ASKS, SHOWN, PRINTS(0), PINNED, BREAKS(NET_CERT),
	    FAILS(FAIL_UNTRUSTED, "certificate") } },
	SENSELESS(no_digits, "40 hexadecimal digits"),
	SENSELESS(few_digits, "40 hexadecimal digits"),
	SENSELESS(digits_too_many, "40 hexadecimal digits"),
	SENSELESS(digit_too_few, "40 hexadecimal digits"),
	SENSELESS(no_hex, "40 hexadecimal digits"),
	SENSELESS(in_clear, "not https"),
};

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_how_each_source_calls_an_identity),
		TEST(test_answers_of_other_servers_skip_the_link),
	};
	return RUN_TABLES(functions, COUNT(functions), SCRIPTS(requests),
	                  SCRIPTS(answers), SCRIPTS(probes), SCRIPTS(progress),
	                  SCRIPTS(arcs), SCRIPTS(fabrics));
}

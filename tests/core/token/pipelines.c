/* pipelines.c -- the jobs of GitHub Actions and Azure Pipelines: how each asks
   for its id token, what it says where it gets none, and how the token endpoint
   is given it, on recorded shapes of request and answer. */
#include "who.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

#define AUTHORITY "https://login.microsoftonline.com"
#define TOKEN_URL AUTHORITY "/tenant/oauth2/v2.0/token"
/* As the services set them: GitHub's has a query already, and empty pieces. */
#define ACTIONS                                                                \
	"https://run-actions-1-azure-eastus.actions.githubusercontent.com/76/" \
	"/idtoken/6b1f/2c0d?api-version=2.0"
#define PIPELINES                                                              \
	"https://dev.azure.com/octo/590cfd2a/_apis/distributedtask/hubs/build" \
	"/plans/2e011469/jobs/5ee5fa9b/oidctoken"
#define AUDIENCE "audience=api%3A%2F%2FAzureADTokenExchange"
#define BEARER "request-token-71c05b8e"

static const struct chain_spec github = {
	.flow = &flow_github_actions,
	.value = { [SV_TENANT] = LITERAL("tenant"),
	           [SV_CLIENT] = LITERAL("app"),
	           [SV_ENDPOINT] = LITERAL(ACTIONS),
	           [SV_SECRET] = LITERAL(BEARER) },
};
static const struct chain_spec azure = {
	.flow = &flow_azure_pipelines,
	.value = { [SV_TENANT] = LITERAL("tenant"),
	           [SV_CLIENT] = LITERAL("app"),
	           [SV_ENDPOINT] = LITERAL(PIPELINES),
	           [SV_SECRET] = LITERAL(BEARER),
	           [SV_CONNECTION] = LITERAL("9d0c 4e5b") },
};
static const struct chain_spec *const both[] = { &github, &azure };

/* ---- a trial ------------------------------------------------------------ */

static struct {
	struct chain s;
	struct request q;
	int64_t until, ms;
} t;

static void start_at(const struct chain_spec *spec, const char *authority) {
	memset(&t, 0, sizeof t);
	request_init(&t.q, test_mem());
	assert_true(chain_init(&t.s, test_mem(), spec, 1, test_text(authority),
	                       SPAN("https://management.azure.com/.default"),
	                       1));
	assert_int_equal(chain_token(&t.s, 0, NO_SPAN, now_at(0)), 0);
}

static void start(const struct chain_spec *spec) {
	start_at(spec, AUTHORITY);
}

static void finish(void) {
	chain_free(&t.s);
	request_free(&t.q);
}

static enum chain_want next(void) {
	return chain_next(&t.s, now_at(t.ms), &t.q, &t.until);
}

static void sends(enum http_method method, const char *url) {
	assert_int_equal(next(), CHAIN_SEND);
	assert_int_equal(t.q.method, method);
	assert_span(buf_span(&t.q.url), url);
	chain_sent(&t.s, now_at(t.ms));
}

static void sends_any(void) {
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(t.ms));
}

static void feed(const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, t.ms);
	chain_feed(&t.s, &a);
}

static struct facts facts_id_token(const char *text) {
	struct facts f = facts_token(NULL, -1);
	f.as.token.id_token = test_text(text);
	return f;
}

static void feed_id_token(const char *text) {
	feed(reply_of(200, NULL, "{}"), facts_id_token(text));
}

static void grants(const char *token) {
	feed(reply_of(200, NULL, "{}"), facts_token(token, 3600));
	assert_true(t.s.live);
	assert_span(buf_span(&t.s.token), token);
	assert_int_equal(next(), CHAIN_IDLE);
}

static const struct fail *failure(void) {
	assert_int_equal(next(), CHAIN_IDLE);
	assert_non_null(chain_failure(&t.s));
	assert_int_equal(chain_failure(&t.s)->kind, FAIL_CREDENTIAL);
	return chain_failure(&t.s);
}

static void says(const char *text) {
	assert_has(buf_span(&failure()->message), text);
}

/* ---- what is sent ------------------------------------------------------- */

static void exchanges(const char *assertion) {
	char part[128];
	snprintf(part, sizeof part, "&client_assertion=%s", assertion);
	sends(HTTP_POST, TOKEN_URL);
	assert_null(request_field(&t.q, "Authorization").p);
	assert_has(buf_span(&t.q.body),
	           "client_id=app&grant_type=client_credentials&scope=");
	assert_has(buf_span(&t.q.body),
	           "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
	           "client-assertion-type%3Ajwt-bearer");
	assert_has(buf_span(&t.q.body), part);
}

static void test_github_actions_from_end_to_end(void **state) {
	(void)state;
	start(&github);
	sends(HTTP_GET, ACTIONS "&" AUDIENCE);
	assert_span(request_field(&t.q, "Authorization"), "Bearer " BEARER);
	assert_span(request_field(&t.q, "Accept"), "application/json");
	assert_int_equal(t.q.body.n, 0);
	assert_int_equal(t.q.timeout_ms, 30 * SECOND);
	assert_false(t.q.allow_http);
	assert_false(t.q.no_proxy); /* a runner of one's own may need it */
	feed_id_token("h.p.s");
	exchanges("h.p.s");
	grants("access");
	finish();
}

static void test_azure_pipelines_from_end_to_end(void **state) {
	(void)state;
	start(&azure);
	sends(HTTP_POST, PIPELINES "?api-version=7.1&serviceConnectionId="
	                           "9d0c%204e5b");
	assert_span(request_field(&t.q, "Authorization"), "Bearer " BEARER);
	assert_span(request_field(&t.q, "Content-Type"), "application/json");
	assert_span(request_field(&t.q, "X-TFS-FedAuthRedirect"), "Suppress");
	assert_int_equal(t.q.body.n, 0);
	feed_id_token("h.p.s");
	exchanges("h.p.s");
	grants("access");
	finish();
}

/* azure/login, input `audience`. */
static void test_the_audience_by_cloud_or_as_given(void **state) {
	static const struct {
		const char *authority, *given, *query;
	} rows[] = {
		{ "https://login.microsoftonline.us", NULL,
		  "audience=api%3A%2F%2FAzureADTokenExchangeUSGov" },
		{ "https://login.chinacloudapi.cn", NULL,
		  "audience=api%3A%2F%2FAzureADTokenExchangeChina" },
		{ "https://login.partner.microsoftonline.cn", NULL,
		  "audience=api%3A%2F%2FAzureADTokenExchangeChina" },
		{ "https://login.example", NULL, AUDIENCE },
		{ "https://login.microsoftonline.us", "mine&yours",
		  "audience=mine%26yours" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct chain_spec spec = github;
		char url[400];
		snprintf(url, sizeof url, ACTIONS "&%s", rows[i].query);
		spec.value[SV_AUDIENCE] = test_text(rows[i].given);
		start_at(&spec, rows[i].authority);
		sends(HTTP_GET, url);
		finish();
	}
}

/* An id token is good for minutes, an access token for an hour. */
static void test_each_access_token_has_an_id_token_of_its_own(void **state) {
	(void)state;
	start(&github);
	sends_any();
	feed_id_token("first.id.token");
	exchanges("first.id.token");
	grants("one");
	t.ms = 56 * MINUTE;
	chain_token(&t.s, 0, NO_SPAN, now_at(t.ms));
	sends(HTTP_GET, ACTIONS "&" AUDIENCE);
	feed_id_token("second.id.token");
	exchanges("second.id.token");
	grants("two");
	finish();
}

static void test_the_life_is_that_of_the_access_token(void **state) {
	(void)state;
	start(&azure);
	sends_any();
	t.ms = MINUTE; /* the service took its time */
	feed_id_token("h.p.s");
	sends_any();
	grants("access");
	assert_int_equal(t.s.expires, HOUR + MINUTE);
	finish();
}

static void test_claims_go_into_the_exchange(void **state) {
	static const struct chain_spec *const kinds[] = { &github, &azure };
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		start(kinds[i]);
		sends_any();
		feed_id_token("h.p.s");
		sends_any();
		grants("access");
		chain_token(&t.s, t.s.generation, SPAN("{\"a\":1}"), now_at(0));
		sends_any();
		feed_id_token("h.p.s");
		sends_any();
		assert_has(buf_span(&t.q.body), "&claims=%7B%22a%22%3A1%7D");
		finish();
	}
}

/* ---- what is not there -------------------------------------------------- */

struct absent {
	const struct chain_spec *spec;
	enum chain_value value;
	const char *says;
};

static void test_missing_variables_are_named_with_a_cure(void **state) {
	static const struct absent rows[] = {
		{ &github, SV_ENDPOINT,
		  "not set up: ACTIONS_ID_TOKEN_REQUEST_URL is missing; the "
		  "job needs 'permissions: id-token: write', which pull "
		  "requests from forks do not get" },
		{ &github, SV_SECRET,
		  "not set up: ACTIONS_ID_TOKEN_REQUEST_TOKEN is missing; the "
		  "job needs 'permissions: id-token: write'" },
		{ &github, SV_TENANT,
		  "not set up: AZURE_TENANT_ID is "
		  "missing" },
		{ &github, SV_CLIENT,
		  "not set up: AZURE_CLIENT_ID is "
		  "missing" },
		{ &azure, SV_ENDPOINT,
		  "not set up: SYSTEM_OIDCREQUESTURI is "
		  "missing" },
		{ &azure, SV_SECRET,
		  "not set up: SYSTEM_ACCESSTOKEN is missing; the step needs "
		  "'env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)'" },
		{ &azure, SV_TENANT,
		  "not set up: AZURESUBSCRIPTION_TENANT_ID "
		  "is missing" },
		{ &azure, SV_CLIENT,
		  "not set up: AZURESUBSCRIPTION_CLIENT_ID "
		  "is missing" },
		{ &azure, SV_CONNECTION,
		  "not set up: AZURESUBSCRIPTION_SERVICE_CONNECTION_ID is "
		  "missing" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct chain_spec spec = *rows[i].spec;
		spec.value[rows[i].value] = NO_SPAN;
		start(&spec);
		says(rows[i].says);
		assert_int_equal(t.s.links[0].outcome, LINK_ABSENT);
		finish();
	}
}

/* Nothing is sent. */
static void refuses(const struct chain_spec *spec, const char *authority,
                    const char *text) {
	start_at(spec, authority);
	says(text);
	assert_int_equal(t.s.links[0].outcome, LINK_FAILED);
	finish();
}

static void test_only_https_is_asked(void **state) {
	static const struct {
		const char *authority, *url;
	} rows[] = {
		{ AUTHORITY, "http://dev.azure.com/x/oidctoken" },
		{ AUTHORITY, "http://127.0.0.1:8080/x" },
		{ AUTHORITY, "ftp://dev.azure.com/x" },
		{ AUTHORITY, "dev.azure.com/x" },
		{ AUTHORITY, "https://me@dev.azure.com/x" },
		{ "https://127.0.0.1:8443", "http://127.0.0.1:8080/x" },
		{ "http://login.example", "http://127.0.0.1:8080/x" },
		{ "http://127.0.0.1:8080", "http://dev.azure.com/x" },
		{ "http://127.0.0.1:8080", "http://127.0.0.1.example/x" },
	};
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		struct chain_spec spec = *both[i % 2];
		spec.value[SV_ENDPOINT] = test_text(rows[i / 2].url);
		refuses(&spec, rows[i / 2].authority,
		        i % 2 ? "SYSTEM_OIDCREQUESTURI is not an https URL"
		              : "ACTIONS_ID_TOKEN_REQUEST_URL is not an https "
		                "URL");
	}
}

/* The emulator's way: all of it on this machine. */
static void test_plain_http_from_loopback_to_loopback(void **state) {
	struct chain_spec spec = azure;
	(void)state;
	spec.value[SV_ENDPOINT] = SPAN("http://127.0.0.1:8080/oidctoken");
	start_at(&spec, "http://127.0.0.1:8080");
	sends(HTTP_POST, "http://127.0.0.1:8080/oidctoken?api-version=7.1&"
	                 "serviceConnectionId=9d0c%204e5b");
	assert_true(t.q.allow_http);
	assert_true(t.q.no_proxy);
	finish();
}

static void test_request_tokens_that_are_none(void **state) {
	struct chain_spec spec = azure;
	(void)state;
	spec.value[SV_SECRET] = SPAN("$(System.AccessToken)");
	refuses(&spec, AUTHORITY,
	        "SYSTEM_ACCESSTOKEN contains a variable's name, not its value");
	spec.value[SV_SECRET] = SPAN("a\r\nEvil: 1");
	refuses(&spec, AUTHORITY,
	        "SYSTEM_ACCESSTOKEN contains characters that a header field "
	        "does not allow");
}

/* ---- what the services answer ------------------------------------------- */

struct refusal {
	int status;
	const char *type;
	struct facts f;
	const char *says;
};

/* Azure/azure-sdk-for-cpp#5786 (203), Azure/azure-sdk-for-net#46135 (302, 401),
   hashicorp/packer-plugin-azure#507 (405), dotnet/docker-tools#2012 (400). */
static void test_refusals_keep_their_text(void **state) {
	const struct refusal rows[] = {
		{ 203, "Content-Type: text/html; charset=utf-8", no_facts(),
		  " returned no ID token: text/html; charset=utf-8 (HTTP "
		  "203)" },
		{ 302, NULL, no_facts(),
		  " returned no ID token: no reason given (HTTP 302)" },
		{ 401, NULL, facts_error(NULL, "TF400813: not authorized"),
		  " returned no ID token: TF400813: not authorized (HTTP "
		  "401)" },
		{ 405, NULL, facts_error(NULL, "does not support 'GET'."),
		  " returned no ID token: does not support 'GET'. (HTTP 405)" },
		{ 400, "Content-Type: application/json",
		  facts_id_token("There is no explicit reference to service "
		                 "connection 0000"),
		  " returned no ID token: There is no explicit reference to "
		  "service connection 0000 (HTTP 400)" },
		{ 200, NULL, facts_id_token("There is no token"),
		  " returned no ID token: There is no token (HTTP 200)" },
		{ 200, "Content-Type: application/json", facts_token(NULL, -1),
		  " returned no ID token: application/json (HTTP 200)" },
		{ 200, NULL, facts_token("access", 3600),
		  " returned no ID token: no reason given (HTTP 200)" },
	};
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		const struct refusal *r = &rows[i / 2];
		start(both[i % 2]);
		sends_any();
		feed(reply_of(r->status, r->type, "{}"), r->f);
		says(r->says);
		assert_has(buf_span(&failure()->message),
		           i % 2 ? "Azure Pipelines" : "GitHub Actions");
		assert_has(test_text(failure()->hint),
		           i % 2 ? "$(System.AccessToken)" : "id-token: write");
		assert_int_equal(failure()->http_status, r->status);
		finish();
	}
}

static void test_temporary_errors_are_retried(void **state) {
	(void)state;
	start(&github);
	sends_any();
	feed(reply_of(503, "Retry-After: 2", ""), no_facts());
	assert_int_equal(next(), CHAIN_WAIT);
	t.ms = t.until;
	sends(HTTP_GET, ACTIONS "&" AUDIENCE);
	feed_id_token("h.p.s");
	sends_any();
	feed(reply_of(500, NULL, "{}"), no_facts());
	assert_int_equal(next(), CHAIN_WAIT);
	t.ms = t.until;
	exchanges("h.p.s"); /* the id token is still good */
	grants("access");
	finish();
}

/* A page in the place of a token goes nowhere. */
static void test_id_tokens_that_are_none(void **state) {
	(void)state;
	start(&github);
	sends_any();
	feed_id_token("<html> <body>");
	says(" returned no ID token: <html> <body> (HTTP 200)");
	finish();
}

/* ---- what nobody gets to see -------------------------------------------- */

static void hides(const char *secret) {
	assert_false(test_has(buf_span(&failure()->message), secret));
	assert_has(buf_span(&failure()->message), "<redacted>");
}

static void test_no_error_holds_a_token(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(both); i++) {
		start(both[i]);
		sends_any();
		feed(reply_of(400, NULL, "{}"),
		     facts_error(NULL, "not Bearer " BEARER ", " BEARER));
		hides(BEARER);
		finish();
		start(both[i]);
		sends_any();
		feed_id_token("opaque-id-token-5bd0c7");
		sends_any();
		feed(reply_of(400, NULL, "{}"),
		     facts_oauth("invalid_client", "AADSTS50027: not "
		                                   "opaque-id-token-5bd0c7"));
		hides("opaque-id-token-5bd0c7");
		finish();
	}
}

/* GitHub's member is called as others call their error's text. */
static void test_an_id_token_is_no_text(void **state) {
	struct facts f = facts_id_token("opaque-id-token-5bd0c7");
	(void)state;
	f.message = f.as.token.id_token;
	start(&github);
	sends_any();
	feed(reply_of(400, "Content-Type: application/json", "{}"), f);
	says("returned no ID token: application/json (HTTP 400)");
	finish();
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_github_actions_from_end_to_end),
		TEST(test_azure_pipelines_from_end_to_end),
		TEST(test_the_audience_by_cloud_or_as_given),
		TEST(test_each_access_token_has_an_id_token_of_its_own),
		TEST(test_the_life_is_that_of_the_access_token),
		TEST(test_claims_go_into_the_exchange),
		TEST(test_missing_variables_are_named_with_a_cure),
		TEST(test_only_https_is_asked),
		TEST(test_plain_http_from_loopback_to_loopback),
		TEST(test_request_tokens_that_are_none),
		TEST(test_refusals_keep_their_text),
		TEST(test_temporary_errors_are_retried),
		TEST(test_id_tokens_that_are_none),
		TEST(test_no_error_holds_a_token),
		TEST(test_an_id_token_is_no_text),
	};
	return RUN(tests);
}

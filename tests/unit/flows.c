/* flows.c -- each way to a token on recorded shapes of request and reply:
   what is sent, run, read or signed, step by step, and what is made of what
   comes back.  (client_secret, the host's functions and a ready token have
   signin.c for themselves, a cloud's discovery discover.c.) */
#include "who.h"

#include "core/base64.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

#define AUTHORITY "https://login.microsoftonline.com"
#define SCOPE "https://management.azure.com/.default"
#define RESOURCE "resource=https%3A%2F%2Fmanagement.azure.com"
#define PLACE "http://169.254.169.254/metadata/identity/oauth2/token"

static struct {
	struct signin s;
	struct request q;
	int64_t until, ms;
} t;

/* A chain of these, the last one a function that always has a token. */
static void start_chain(const struct signin_spec *spec, bool alone) {
	struct signin_spec specs[] = { *spec, { .flow = &flow_function } };
	memset(&t, 0, sizeof t);
	request_init(&t.q, test_mem());
	assert_true(signin_init(&t.s, test_mem(), specs, alone ? 1 : 2,
	                        SPAN(AUTHORITY), SPAN(SCOPE), 1));
}

static void start(const struct signin_spec *spec) {
	start_chain(spec, true);
	assert_int_equal(signin_token(&t.s, 0, NO_SPAN, now_at(0)), 0);
}

static void stop(void) {
	signin_free(&t.s);
	request_free(&t.q);
}

static enum signin_want next(void) {
	return signin_next(&t.s, now_at(t.ms), &t.q, &t.until);
}

static void sends(enum http_method method, const char *url) {
	assert_int_equal(next(), SIGNIN_SEND);
	assert_int_equal(t.q.method, method);
	assert_span(buf_span(&t.q.url), url);
	signin_sent(&t.s, now_at(t.ms));
}

static void feed(const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, t.ms);
	signin_feed(&t.s, &a);
}

static void needs(enum signin_need need) {
	assert_int_equal(next(), SIGNIN_NEED);
	assert_int_equal(t.s.scratch.need, need);
	signin_sent(&t.s, now_at(t.ms));
}

static void meet(struct span bytes) {
	signin_meet(&t.s, bytes, now_at(t.ms));
}

static void grants(const char *token) {
	feed(reply_of(200, NULL, "{}"), facts_token(token, 3600));
	assert_true(t.s.live);
	assert_span(buf_span(&t.s.token), token);
	assert_int_equal(next(), SIGNIN_IDLE);
}

static void fails(enum fail_kind kind, const char *says) {
	assert_int_equal(next(), SIGNIN_IDLE);
	assert_non_null(signin_failure(&t.s));
	assert_int_equal(signin_failure(&t.s)->kind, kind);
	assert_has(buf_span(&signin_failure(&t.s)->message), says);
}

static struct facts facts_refusal(const char *error, const char *says) {
	return facts_oauth(error, says);
}

/* The program's arguments, parted by blanks. */
static void runs(const char *words) {
	char text[512];
	size_t n = t.s.scratch.work.n;
	assert_true(n < sizeof text);
	memcpy(text, t.s.scratch.work.p, n);
	for (size_t i = 0; i + 1 < n; i++)
		if (!text[i])
			text[i] = ' ';
	assert_string_equal(text, words);
}

static void form_has(const char *part) {
	assert_has(buf_span(&t.q.body), part);
}

/* ---- virtual machines --------------------------------------------------- */

static const struct signin_spec machine = {
	.flow = &flow_imds,
	.value = { [SV_ENDPOINT] = LITERAL(PLACE) },
};

static void test_the_request_of_a_virtual_machine(void **state) {
	(void)state;
	start(&machine);
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	assert_span(request_field(&t.q, "Metadata"), "true");
	assert_null(request_field(&t.q, "Authorization").p);
	assert_true(t.q.allow_http);
	assert_true(t.q.no_proxy);
	assert_int_equal(t.q.body.n, 0);
	grants("vm");
	/* a day's token is renewed at half its life */
	signin_token(&t.s, t.s.generation, NO_SPAN, now_at(0));
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	feed(reply_of(200, NULL, "{}"), facts_token("day", 86400));
	assert_int_equal(t.s.refresh_at, 12 * HOUR);
	stop();
}

/* App Service gives the end of a token's life, and not its length. */
static void test_a_day_s_token_by_its_end(void **state) {
	struct facts day = facts_token("day", -1);
	struct signin_spec spec = {
		.flow = &flow_app_service,
		.value = { [SV_ENDPOINT] = SPAN("http://127.0.0.1/t") },
	};
	(void)state;
	day.as.token.expires_on = TEST_WALL / 1000 + 86400;
	start(&spec);
	assert_int_equal(next(), SIGNIN_SEND);
	signin_sent(&t.s, now_at(0));
	feed(reply_of(200, NULL, "{}"), day);
	assert_int_equal(t.s.expires, 24 * HOUR);
	assert_int_equal(t.s.refresh_at, 12 * HOUR);
	stop();
}

struct named {
	const struct flow *flow;
	const char *id_name, *query; /* NULL: refused */
};

static void test_how_each_place_calls_an_identity(void **state) {
	static const struct named rows[] = {
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
		struct signin_spec spec = { .flow = rows[i].flow };
		spec.value[SV_ENDPOINT] = SPAN("https://place/token");
		spec.value[SV_ID_NAME] = test_text(rows[i].id_name);
		spec.value[SV_ID] = SPAN("me");
		start(&spec);
		if (rows[i].query) {
			assert_int_equal(next(), SIGNIN_SEND);
			assert_has(buf_span(&t.q.url), rows[i].query);
		} else {
			fails(FAIL_CREDENTIAL, rows[i].id_name);
		}
		stop();
	}
}

static void test_what_passes_at_a_virtual_machine(void **state) {
	static const int statuses[] = { 404, 410, 429, 500, 503, 504 };
	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		int tries = 1;
		start(&machine);
		sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
		feed(reply_of(statuses[i], NULL, ""), no_facts());
		while (next() == SIGNIN_WAIT) {
			t.ms = t.until;
			sends(HTTP_GET,
			      PLACE "?api-version=2018-02-01&" RESOURCE);
			feed(reply_of(statuses[i], NULL, ""), no_facts());
			tries++;
		}
		assert_int_equal(tries, 7);
		assert_true(t.ms > 70 * SECOND); /* an update takes so long */
		assert_int_equal(signin_failure(&t.s)->http_status,
		                 statuses[i]);
		stop();
	}
}

static void test_what_is_final_at_a_virtual_machine(void **state) {
	struct signin_spec user = machine;
	(void)state;
	user.value[SV_ID_NAME] = SPAN("client_id");
	user.value[SV_ID] = SPAN("me");
	start(&user);
	assert_int_equal(next(), SIGNIN_SEND);
	signin_sent(&t.s, now_at(0));
	feed(reply_of(400, NULL, "{}"),
	     facts_refusal("invalid_request", "Identity not found"));
	fails(FAIL_CREDENTIAL, "Identity not found");
	stop();
	start(&machine);
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	feed(reply_of(403, NULL, "{}"), facts_refusal("x", "no"));
	fails(FAIL_CREDENTIAL, "HTTP 403");
	stop();
}

/* As the service refuses a request without its header. */
static struct facts facts_of_the_probe(void) {
	return facts_refusal("invalid_request",
	                     "Required metadata header not specified");
}

/* Inside a chain, and only there: is anybody here at all? */
static void test_the_probe_and_how_long_it_is_believed(void **state) {
	struct signin_spec probed = machine;
	(void)state;
	probed.probed = true;
	start_chain(&probed, false);
	signin_token(&t.s, 0, NO_SPAN, now_at(0));
	sends(HTTP_GET, PLACE);
	assert_null(request_field(&t.q, "Metadata").p);
	assert_int_equal(t.q.timeout_ms, SECOND);
	assert_true(t.q.no_proxy);
	feed(no_reply(NET_TIMEOUT, false), no_facts());
	needs(NEED_TOKEN);
	assert_int_equal(t.s.links[0].outcome, LINK_ABSENT);
	signin_fail_need(&t.s, SPAN("not today"), false, now_at(0));
	/* for minutes nobody is asked again */
	t.ms = 5 * MINUTE - 1;
	signin_token(&t.s, 0, NO_SPAN, now_at(t.ms));
	needs(NEED_TOKEN);
	assert_has(buf_span(&t.s.links[0].why), "last looked for");
	signin_fail_need(&t.s, SPAN("not today"), false, now_at(t.ms));
	/* and then again: not here is not for ever */
	t.ms = 5 * MINUTE;
	signin_token(&t.s, 0, NO_SPAN, now_at(t.ms));
	sends(HTTP_GET, PLACE);
	feed(reply_of(400, NULL, "{}"), facts_of_the_probe()); /* it is */
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	assert_true(t.q.timeout_ms > SECOND);
	grants("vm");
	stop();
}

struct stranger {
	int status;
	const char *body;
	struct facts f;
};

/* Routers, proxies and the services of other clouds (Azure/azure-sdk-for-net
   #28218, #44999, Azure/azure-sdk-for-go#23113, #23250): none of them stops
   the chain, and none is asked twice. */
static const struct stranger *strangers(size_t *count) {
	static struct stranger rows[32];
	static const int statuses[] = { 200, 302, 400, 401, 403, 404,
		                        405, 407, 410, 429, 500, 503 };
	size_t n = 0;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		int status = statuses[i];
		rows[n++] = (struct stranger){ status, "<p>", no_facts() };
		rows[n++] = (struct stranger){
			status, "{}", facts_error("NotFound", "no such thing")
		};
	}
	rows[n++] = (struct stranger){ 200, "", no_facts() };
	rows[n++] = (struct stranger){ 200, "{}", facts_object() };
	rows[n++] = (struct stranger){ 404, "[]", facts_broken() };
	rows[n++] = (struct stranger){ 500, "{", facts_broken() };
	*count = n;
	return rows;
}

static void finds_a_stranger(const char *says) {
	assert_int_equal(next(), SIGNIN_NEED); /* the next link's, at once */
	assert_int_equal(t.s.scratch.need, NEED_TOKEN);
	assert_int_equal(t.s.links[0].outcome, LINK_ABSENT);
	assert_has(buf_span(&t.s.links[0].why), says);
}

static void start_probed(void) {
	struct signin_spec probed = machine;
	probed.probed = true;
	start_chain(&probed, false);
	signin_token(&t.s, 0, NO_SPAN, now_at(0));
	sends(HTTP_GET, PLACE);
}

static void test_who_answers_the_probe_and_is_somebody_else(void **state) {
	static const char says[] = "what answers is not the metadata service: ";
	size_t count;
	const struct stranger *rows = strangers(&count);
	(void)state;
	for (size_t i = 0; i < count; i++) {
		start_probed();
		feed(reply_of(rows[i].status, "Content-Type: text/html",
		              rows[i].body),
		     rows[i].f);
		finds_a_stranger(says);
		stop();
	}
	start_probed(); /* an OAuth server's refusal, but not the one */
	feed(reply_of(401, NULL, "{}"), facts_refusal("unauthorized", "no"));
	finds_a_stranger(says);
	stop();
	start_probed(); /* a framework's page in JSON */
	struct facts page = facts_refusal("Bad Request", "x");
	page.oauth_description = NO_SPAN;
	feed(reply_of(400, NULL, "{}"), page);
	finds_a_stranger(says);
	stop();
}

static void test_who_answers_the_request_and_is_somebody_else(void **state) {
	size_t count;
	const struct stranger *rows = strangers(&count);
	(void)state;
	for (size_t i = 0; i < count; i++) {
		start_probed();
		feed(reply_of(400, NULL, "{}"), facts_of_the_probe());
		sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
		feed(reply_of(rows[i].status, NULL, rows[i].body), rows[i].f);
		finds_a_stranger("what answers is not the metadata service: ");
		stop();
	}
}

struct not_here {
	int status;
	const char *body, *error, *description, *says;
};

/* It is the service, and has nothing for this machine. */
static void test_a_machine_without_an_identity(void **state) {
	static const struct not_here rows[] = {
		{ 400, "{}", "invalid_request", "Identity not found",
		  "this machine has no system-assigned identity: Identity" },
		{ 403, "A socket operation: unreachable network", NULL, NULL,
		  "a proxy answers for the metadata service" },
		{ 403, "{\"error\":\"host UNREACHABLE\"}", NULL, NULL,
		  "a proxy answers for the metadata service" },
		/* Azure/azure-sdk-for-js#27608: an agent's machine */
		{ 404, "{}", "not_found", "no identity",
		  "the metadata service knows no such identity: no identity" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = rows[i].error
		                         ? facts_refusal(rows[i].error,
		                                         rows[i].description)
		                         : no_facts();
		start_probed();
		feed(reply_of(400, NULL, "{}"), facts_of_the_probe());
		sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
		feed(reply_of(rows[i].status, NULL, rows[i].body), f);
		while (next() == SIGNIN_WAIT) { /* its own 404 may pass */
			t.ms = t.until;
			assert_int_equal(next(), SIGNIN_SEND);
			signin_sent(&t.s, now_at(t.ms));
			feed(reply_of(rows[i].status, NULL, rows[i].body), f);
		}
		finds_a_stranger(rows[i].says);
		stop();
	}
}

/* An identity that was named and is not there is an error in a chain, too. */
static void test_an_identity_that_was_named_stops_a_chain(void **state) {
	struct signin_spec user = machine;
	(void)state;
	user.probed = true;
	user.value[SV_ID_NAME] = SPAN("client_id");
	user.value[SV_ID] = SPAN("me");
	start_chain(&user, false);
	signin_token(&t.s, 0, NO_SPAN, now_at(0));
	sends(HTTP_GET, PLACE);
	feed(reply_of(400, NULL, "{}"), facts_of_the_probe());
	assert_int_equal(next(), SIGNIN_SEND);
	signin_sent(&t.s, now_at(0));
	feed(reply_of(400, NULL, "{}"),
	     facts_refusal("invalid_request", "Identity not found"));
	fails(FAIL_CREDENTIAL, "Identity not found");
	stop();
}

/* What the service itself has trouble with is waited for in a chain, too. */
static void test_an_update_of_the_service_is_waited_for(void **state) {
	(void)state;
	start_probed();
	feed(reply_of(400, NULL, "{}"), facts_of_the_probe());
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	feed(reply_of(410, NULL, "{}"), facts_refusal("gone", "updating"));
	assert_int_equal(next(), SIGNIN_WAIT);
	t.ms = t.until;
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	grants("vm");
	stop();
}

/* Other statuses than these do not pass. The longest waiting is over a minute,
   which 410 needs; Retry-After shortens it, and does not lengthen it. */
static void test_the_pauses_of_the_metadata_service(void **state) {
	static const int statuses[] = { 404, 410, 429, 500, 503, 504 };
	static const int64_t pauses[] = { 2, 4, 8, 16, 25, 25 };
	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		start(&machine);
		for (size_t n = 0; n <= COUNT(pauses); n++) {
			bool hasty = n % 2 == 1;
			assert_int_equal(next(), SIGNIN_SEND);
			signin_sent(&t.s, now_at(t.ms));
			feed(reply_of(statuses[i],
			              hasty ? "x-ms-retry-after-ms: 50"
			                    : "Retry-After: 60",
			              "{}"),
			     facts_object());
			if (n == COUNT(pauses))
				break;
			assert_int_equal(next(), SIGNIN_WAIT);
			assert_int_equal(t.until - t.ms,
			                 hasty ? 50 : pauses[n] * SECOND);
			t.ms = t.until;
		}
		assert_int_equal(next(), SIGNIN_IDLE);
		assert_non_null(signin_failure(&t.s));
		stop();
	}
}

struct hinted {
	const char *id;
	int status;
	bool json;
	const char *hint; /* NULL: none */
};

/* Neither a proxy nor the clock has to do with it. */
static void test_what_can_be_done_about_a_source(void **state) {
	static const struct hinted rows[] = {
		{ "me", 400, true, "identity that was named assigned" },
		{ NULL, 403, true, NULL },
		{ NULL, 403, false, "AZURE_POD_IDENTITY_AUTHORITY_HOST" },
		{ NULL, 200, false, "AZURE_POD_IDENTITY_AUTHORITY_HOST" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signin_spec spec = machine;
		spec.value[SV_ID_NAME] = SPAN("client_id");
		spec.value[SV_ID] = test_text(rows[i].id);
		start(&spec);
		assert_int_equal(next(), SIGNIN_SEND);
		signin_sent(&t.s, now_at(0));
		feed(reply_of(rows[i].status,
		              "Date: Sun, 06 Nov 1994 08:49:37 GMT", "x"),
		     rows[i].json ? facts_object() : no_facts());
		assert_int_equal(next(), SIGNIN_IDLE);
		if (rows[i].hint)
			assert_has(test_text(signin_failure(&t.s)->hint),
			           rows[i].hint);
		else
			assert_null(signin_failure(&t.s)->hint);
		stop();
	}
}

/* Whose time is up hears what is going on, and not only that it goes on. */
static void test_what_a_sign_in_is_at(void **state) {
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	start(&machine);
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	signin_progress(&t.s, &f);
	assert_span(buf_span(&f.message), "the sign-in by managed_identity "
	                                  "(virtual machine) has not ended");
	assert_has(test_text(f.hint), "does this run on Azure");
	assert_int_equal(t.s.links[0].outcome, LINK_TRYING);
	feed(no_reply(NET_CONNECT, false), no_facts());
	assert_int_equal(next(), SIGNIN_WAIT);
	signin_progress(&t.s, &f);
	assert_has(buf_span(&f.message), "has not ended: sign-in failed: ");
	assert_has(buf_span(&t.s.links[0].why), "sign-in failed: ");
	t.ms = t.until;
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	feed(reply_of(410, NULL, "{}"), facts_object());
	assert_int_equal(next(), SIGNIN_WAIT);
	signin_progress(&t.s, &f);
	assert_has(buf_span(&f.message), "sign-in failed: HTTP 410");
	t.ms = t.until;
	sends(HTTP_GET, PLACE "?api-version=2018-02-01&" RESOURCE);
	grants("vm");
	assert_int_equal(t.s.links[0].why.n, 0);
	stop();
	fail_free(&f);
}

/* ---- the places that need one request ----------------------------------- */

static void test_the_requests_of_the_other_places(void **state) {
	struct signin_spec spec = {
		.flow = &flow_app_service,
		.value = { [SV_ENDPOINT] = SPAN("http://127.0.0.1:4141/t"),
		           [SV_SECRET] = SPAN("header-secret") },
	};
	(void)state;
	start(&spec);
	sends(HTTP_GET,
	      "http://127.0.0.1:4141/t?api-version=2019-08-01&" RESOURCE);
	assert_span(request_field(&t.q, "X-IDENTITY-HEADER"), "header-secret");
	assert_null(request_field(&t.q, "Metadata").p);
	assert_true(t.q.no_proxy);
	grants("app");
	stop();
	spec.flow = &flow_azure_ml;
	start(&spec);
	sends(HTTP_GET,
	      "http://127.0.0.1:4141/t?api-version=2017-09-01&" RESOURCE);
	assert_span(request_field(&t.q, "secret"), "header-secret");
	grants("ml");
	stop();
	spec.flow = &flow_cloud_shell;
	spec.value[SV_SECRET] = NO_SPAN;
	start(&spec);
	sends(HTTP_POST, "http://127.0.0.1:4141/t");
	assert_span(request_field(&t.q, "Metadata"), "true");
	assert_span(buf_span(&t.q.body), RESOURCE);
	grants("shell");
	stop();
}

/* What the environment or a file holds does not end a header field. */
static void test_a_header_is_never_more_than_one(void **state) {
	struct signin_spec spec = {
		.flow = &flow_app_service,
		.value = { [SV_ENDPOINT] = SPAN("http://127.0.0.1/t"),
		           [SV_SECRET] = SPAN("x\r\nEvil: 1") },
	};
	(void)state;
	start(&spec);
	fails(FAIL_CREDENTIAL, "cannot stand in a header field");
	stop();
}

/* An endpoint that has a query of its own keeps it. */
static void test_an_endpoint_with_a_query(void **state) {
	struct signin_spec spec = {
		.flow = &flow_app_service,
		.value = { [SV_ENDPOINT] = SPAN("http://127.0.0.1/t?a=b") },
	};
	(void)state;
	start(&spec);
	sends(HTTP_GET,
	      "http://127.0.0.1/t?a=b&api-version=2019-08-01&" RESOURCE);
	stop();
}

/* ---- Azure Arc ---------------------------------------------------------- */

#define ARC "http://127.0.0.1:40342/metadata/identity/oauth2/token"
#define KEYS "/var/opt/azcmagent/tokens/"

static const struct signin_spec arc = {
	.flow = &flow_arc,
	.value = { [SV_ENDPOINT] = LITERAL(ARC) },
};

static void challenge(const char *header) {
	start(&arc);
	sends(HTTP_GET, ARC "?api-version=2020-06-01&" RESOURCE);
	assert_span(request_field(&t.q, "Metadata"), "true");
	assert_null(request_field(&t.q, "Authorization").p);
	feed(reply_of(401, header, "{}"), facts_object());
}

static void test_arc_s_file_proves_the_caller(void **state) {
	(void)state;
	challenge("WWW-Authenticate: Basic realm=" KEYS "one.key");
	needs(NEED_KEY_FILE);
	assert_span(buf_span(&t.s.scratch.work), KEYS "one.key");
	meet(SPAN("the-key\n"));
	sends(HTTP_GET, ARC "?api-version=2020-06-01&" RESOURCE);
	assert_span(request_field(&t.q, "Authorization"), "Basic the-key");
	grants("arc");
	stop();
	challenge("WWW-Authenticate: Basic realm=\"" KEYS "two.key\"");
	needs(NEED_KEY_FILE);
	assert_span(buf_span(&t.s.scratch.work), KEYS "two.key");
	stop();
}

/* RFC 9110 11.6.1: blanks around '=', either case, other challenges. */
static void test_arc_s_challenge_in_every_form(void **state) {
	static const char *const headers[] = {
		"WWW-Authenticate: Basic realm = " KEYS "one.key",
		"WWW-Authenticate: Basic realm= \"" KEYS "one.key\"",
		"WWW-Authenticate: basic REALM\t=\t\"" KEYS "one.key\" ",
		"www-authenticate: Basic charset=\"UTF-8\", realm=" KEYS
		"one.key",
		"WWW-Authenticate: Negotiate, Basic realm=\"" KEYS "one.key\"",
		"WWW-Authenticate: Negotiate YII=, Basic realm=" KEYS "one.key",
		"WWW-Authenticate: Bearer realm=\"x\"\n"
		"WWW-Authenticate: Basic realm=" KEYS "one.key",
		"WWW-Authenticate: Basic realm=\"" KEYS "o\\ne.key\"",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		challenge(headers[i]);
		needs(NEED_KEY_FILE);
		assert_span(buf_span(&t.s.scratch.work), KEYS "one.key");
		stop();
	}
}

/* What another link left is no file's name, and each
   try asks the agent again. */
static void test_arc_asks_for_no_file_of_another_link(void **state) {
	struct signin_spec specs[] = { { .flow = &flow_azure_cli,
		                         .developer = true },
		                       { .flow = &flow_arc } };
	(void)state;
	specs[1].value[SV_ENDPOINT] = SPAN(ARC);
	memset(&t, 0, sizeof t);
	request_init(&t.q, test_mem());
	assert_true(signin_init(&t.s, test_mem(), specs, 2, SPAN(AUTHORITY),
	                        SPAN(SCOPE), 1));
	for (int i = 0; i < 2; i++) {
		signin_token(&t.s, 0, NO_SPAN, now_at(0));
		needs(NEED_PROGRAM);
		signin_fail_need(&t.s, SPAN("not installed"), true, now_at(0));
		sends(HTTP_GET, ARC "?api-version=2020-06-01&" RESOURCE);
		feed(reply_of(401,
		              "WWW-Authenticate: Basic realm=" KEYS "one.key",
		              "{}"),
		     facts_object());
		needs(NEED_KEY_FILE);
		assert_span(buf_span(&t.s.scratch.work), KEYS "one.key");
		signin_fail_need(&t.s, SPAN("no such file"), false, now_at(0));
		fails(FAIL_CREDENTIAL, "no such file");
	}
	stop();
}

static void test_arc_s_file_holds_one_word(void **state) {
	static const struct span contents[] = { LITERAL(""), LITERAL(" \n"),
		                                LITERAL("a\r\nEvil: 1") };
	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		challenge("WWW-Authenticate: Basic realm=" KEYS "one.key");
		needs(NEED_KEY_FILE);
		meet(contents[i]);
		fails(FAIL_CREDENTIAL, "cannot stand in a header field");
		stop();
	}
}

static void test_arc_s_challenges_that_name_no_such_file(void **state) {
	static const char *const realms[] = {
		"/etc/shadow",
		"/etc/x.key",
		KEYS ".key",
		KEYS "sub/one.key",
		KEYS "../one.key",
		KEYS "one.txt",
		KEYS "one.KEY",
		KEYS "one.key.txt",
		"/var/opt/azcmagent/tokens.key",
		"//var/opt/azcmagent/tokens/one.key",
		"one.key",
		"",
	};
	char header[128];
	(void)state;
	for (size_t i = 0; i < COUNT(realms); i++) {
		snprintf(header, sizeof header,
		         "WWW-Authenticate: Basic realm=%s", realms[i]);
		challenge(header);
		fails(FAIL_UNTRUSTED, "");
		stop();
	}
	challenge("WWW-Authenticate: Bearer realm=x");
	fails(FAIL_CREDENTIAL, "HTTP 401");
	stop();
}

/* ---- Service Fabric ----------------------------------------------------- */

#define FABRIC "https://10.0.0.4:2377/metadata/identity/oauth2/token"

static const struct signin_spec fabric = {
	.flow = &flow_service_fabric,
	.value = { [SV_ENDPOINT] = LITERAL(FABRIC),
	           [SV_SECRET] = LITERAL("header-secret"),
	           [SV_THUMBPRINT] = LITERAL("00:01:02:03:04:05:06:07:08:09:"
	                                     "0a:0b:0c:0D:0E:0F:10 11 12 13") },
};

/* What azpec_signing finds: the thumbprint above, then the key's digest. */
static struct span prints(int first) {
	static char bytes[52];
	for (int i = 0; i < 52; i++)
		bytes[i] = (char)i;
	bytes[0] = (char)first;
	return (struct span){ bytes, sizeof bytes };
}

static void look(void) {
	start(&fabric);
	sends(HTTP_GET, FABRIC);
	assert_true(t.q.handshake);
	assert_int_equal(t.q.head.n, 0); /* no secret, nothing at all */
	assert_int_equal(t.q.pin.n, 0);
	assert_false(t.q.allow_http);
	assert_true(t.q.no_proxy);
	feed(reply_of(0, NULL, "-----BEGIN CERTIFICATE-----"), no_facts());
	needs(NEED_FINGERPRINTS);
	assert_span(buf_span(&t.s.scratch.work), "-----BEGIN CERTIFICATE-----");
}

static void test_fabric_s_secret_goes_to_the_key_that_was_proven(void **state) {
	(void)state;
	look();
	meet(prints(0));
	sends(HTTP_GET, FABRIC "?api-version=2019-07-01-preview&" RESOURCE);
	assert_false(t.q.handshake);
	assert_span(buf_span(&t.q.pin),
	            "sha256//FBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM=");
	assert_span(request_field(&t.q, "Secret"), "header-secret");
	assert_false(t.q.allow_http);
	/* what passes is tried again by the same key */
	feed(reply_of(503, NULL, ""), no_facts());
	assert_int_equal(next(), SIGNIN_WAIT);
	t.ms = t.until;
	sends(HTTP_GET, FABRIC "?api-version=2019-07-01-preview&" RESOURCE);
	assert_has(buf_span(&t.q.pin), "sha256//FBUW");
	grants("fabric");
	/* and the next token begins with a look at the certificate */
	signin_token(&t.s, t.s.generation, NO_SPAN, now_at(t.ms));
	sends(HTTP_GET, FABRIC);
	assert_true(t.q.handshake);
	assert_int_equal(t.q.pin.n, 0);
	stop();
}

static void test_fabric_s_other_certificates(void **state) {
	(void)state;
	look();
	meet(prints(1));
	fails(FAIL_UNTRUSTED, "IDENTITY_SERVER_THUMBPRINT");
	stop();
	look();
	meet(SPAN("short"));
	fails(FAIL_UNTRUSTED, "IDENTITY_SERVER_THUMBPRINT");
	stop();
	look();
	signin_fail_need(&t.s, SPAN("no azpec_signing"), false, now_at(0));
	fails(FAIL_CREDENTIAL, "no azpec_signing");
	stop();
	look();
	meet(prints(0));
	sends(HTTP_GET, FABRIC "?api-version=2019-07-01-preview&" RESOURCE);
	feed(no_reply(NET_CERT, false), no_facts()); /* the pin */
	fails(FAIL_UNTRUSTED, "certificate");
	stop();
}

static void test_fabric_s_variables_that_make_no_sense(void **state) {
	static const char *const thumbprints[] = {
		"", "00", "000102030405060708090a0b0c0d0e0f1011121314",
		"g00102030405060708090a0b0c0d0e0f10111213",
		"000102030405060708090a0b0c0d0e0f1011121"
	};
	struct signin_spec spec = fabric;
	(void)state;
	for (size_t i = 0; i < COUNT(thumbprints); i++) {
		spec.value[SV_THUMBPRINT] = test_text(thumbprints[i]);
		start(&spec);
		fails(FAIL_CREDENTIAL, "40 hexadecimal digits");
		stop();
	}
	spec = fabric;
	spec.value[SV_ENDPOINT] = SPAN("http://10.0.0.4:2377/");
	start(&spec);
	fails(FAIL_CREDENTIAL, "not https");
	stop();
}

/* ---- assertions --------------------------------------------------------- */

#define APP                                                                    \
	[SV_TENANT] = LITERAL("tenant"), [SV_CLIENT] = LITERAL("app"),         \
	[SV_PATH] = LITERAL("/run/token")
#define TOKEN AUTHORITY "/tenant/oauth2/v2.0/token"
#define BEARER                                                                 \
	"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion" \
	"-type%3Ajwt-bearer&client_assertion="

static void test_assertions_of_others(void **state) {
	static const struct signin_spec assertion = {
		.flow = &flow_client_assertion, .value = { APP }
	};
	static const struct signin_spec workload = {
		.flow = &flow_workload_identity, .value = { APP }
	};
	struct signin_spec bare = { .flow = &flow_workload_identity };
	(void)state;
	start(&assertion);
	needs(NEED_ASSERTION);
	meet(SPAN("j.w.t"));
	sends(HTTP_POST, TOKEN);
	form_has("client_id=app&grant_type=client_credentials&scope=https%3A");
	form_has(BEARER "j.w.t");
	grants("a");
	stop();
	start(&workload);
	needs(NEED_FILE);
	assert_span(buf_span(&t.s.scratch.work), "/run/token");
	meet(SPAN("  f.e.d \r\n"));
	sends(HTTP_POST, TOKEN);
	form_has(BEARER "f.e.d");
	grants("w");
	stop();
	start(&workload);
	needs(NEED_FILE);
	meet(SPAN(" \n"));
	fails(FAIL_CREDENTIAL, "the assertion is empty");
	stop();
	start_chain(&bare, false); /* not set up: the chain goes on */
	signin_token(&t.s, 0, NO_SPAN, now_at(0));
	needs(NEED_TOKEN);
	assert_int_equal(t.s.links[0].outcome, LINK_ABSENT);
	stop();
}

/* The part of a token, decoded. */
static struct span part(struct span jwt, int which) {
	static struct buf out;
	struct span s = NO_SPAN;
	static const struct mem plain = { test_plain_alloc, NULL };
	for (int i = 0; i <= which; i++)
		s = span_word(&jwt, ".");
	if (out.mem)
		buf_free(&out);
	buf_init(&out, &plain, 4096);
	assert_true(base64_decode(&out, s));
	return buf_span(&out);
}

static void sign(const char *algorithm, bool chain) {
	struct signin_spec spec = { .flow = &flow_client_certificate,
		                    .value = { APP },
		                    .send_x5c = chain };
	if (algorithm)
		spec.value[SV_ALGORITHM] = test_text(algorithm);
	start(&spec);
	t.ms = 0;
	needs(NEED_CERTIFICATE);
	meet(SPAN("th-um_b\0[\"MIIB\"]"));
	needs(NEED_SIGNATURE);
}

static void test_a_certificate_s_assertion(void **state) {
	struct span work;
	(void)state;
	sign(NULL, false);
	work = buf_span(&t.s.scratch.work);
	assert_span(part(work, 0), "{\"alg\":\"PS256\",\"typ\":\"JWT\","
	                           "\"x5t#S256\":\"th-um_b\"}");
	assert_has(part(work, 1),
	           "{\"aud\":\"" TOKEN "\",\"iss\":\"app\",\"sub\":\"app\","
	           "\"jti\":\"");
	assert_has(part(work, 1), "\",\"nbf\":1704067200,\"iat\":1704067200,"
	                          "\"exp\":1704067800}");
	meet(SPAN("\xff\xfe\xfd"));
	sends(HTTP_POST, TOKEN);
	form_has(".__79"); /* base64url: neither '/' nor '+' */
	assert_lacks(buf_span(&t.q.body), "%2B");
	stop();
}

static void test_a_certificate_s_algorithm_and_chain(void **state) {
	(void)state;
	sign("RS256", true);
	assert_span(part(buf_span(&t.s.scratch.work), 0),
	            "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":"
	            "\"th-um_b\",\"x5c\":[\"MIIB\"]}");
	meet(SPAN(""));
	fails(FAIL_CREDENTIAL, "the signature is empty");
	stop();
}

/* ---- a person on another device ----------------------------------------- */

#define CODE AUTHORITY "/organizations/oauth2/v2.0/devicecode"
#define PERSON AUTHORITY "/organizations/oauth2/v2.0/token"

static const struct signin_spec person = {
	.flow = &flow_device_code,
	.value = { [SV_TENANT] = LITERAL("organizations"),
	           [SV_CLIENT] = LITERAL("app") },
};

static void prompted(void) {
	struct facts f = facts_object();
	f.document = DOCUMENT_DEVICE;
	f.as.device = NO_DEVICE;
	f.as.device.device_code = SPAN("d-code");
	f.as.device.user_code = SPAN("ABCD");
	f.as.device.verification_uri =
		SPAN("https://microsoft.com/devicelogin");
	f.as.device.prompt = SPAN("open the page");
	f.as.device.expires_in = 900;
	f.as.device.interval = 5;
	start(&person);
	sends(HTTP_POST, CODE);
	form_has("client_id=app&scope=https%3A%2F%2Fmanagement.azure.com"
	         "%2F.default%20offline_access");
	feed(reply_of(200, NULL, "{}"), f);
	needs(NEED_PROMPT);
	assert_spans(buf_span(&t.s.scratch.work),
	             SPAN("ABCD\0https://microsoft.com/devicelogin\0"
	                  "open the page\0"));
	meet(SPAN(""));
	assert_int_equal(next(), SIGNIN_WAIT);
	assert_int_equal(t.until, 5 * SECOND);
	t.ms = t.until;
}

static void polls(const char *error, int64_t pause) {
	sends(HTTP_POST, PERSON);
	form_has("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3A"
	         "device_code&device_code=d-code");
	feed(reply_of(400, NULL, "{}"), facts_refusal(error, "AADSTS70016: x"));
	assert_int_equal(next(), SIGNIN_WAIT);
	assert_int_equal(t.until, t.ms + pause);
	t.ms = t.until;
}

static void test_a_person_signs_in_elsewhere(void **state) {
	struct facts f = facts_token("person", 3600);
	(void)state;
	prompted();
	polls("authorization_pending", 5 * SECOND);
	polls("slow_down", 10 * SECOND); /* RFC 8628: five more, for good */
	polls("authorization_pending", 10 * SECOND);
	sends(HTTP_POST, PERSON);
	f.as.token.refresh_token = SPAN("refresh-1");
	feed(reply_of(200, NULL, "{}"), f);
	assert_true(t.s.live);
	/* from then on by refresh tokens, each replaced by the next */
	for (int i = 1; i < 3; i++) {
		t.ms += HOUR;
		signin_token(&t.s, 0, NO_SPAN, now_at(t.ms));
		sends(HTTP_POST, PERSON);
		form_has("grant_type=refresh_token");
		form_has(i == 1 ? "refresh_token=refresh-1"
		                : "refresh_token=refresh-2");
		f.as.token.refresh_token = SPAN("refresh-2");
		feed(reply_of(200, NULL, "{}"), f);
		assert_true(t.s.live);
	}
	/* one that is worth nothing any more: a code again */
	t.ms += HOUR;
	signin_token(&t.s, 0, NO_SPAN, now_at(t.ms));
	sends(HTTP_POST, PERSON);
	feed(reply_of(400, NULL, "{}"), facts_refusal("invalid_grant", "x"));
	sends(HTTP_POST, CODE);
	stop();
}

static void test_a_person_who_does_not(void **state) {
	static const struct {
		const char *word, *hint; /* NULL: none */
	} rows[] = {
		{ "authorization_declined", "refused" },
		{ "access_denied", "refused" },
		{ "expired_token", "begin again" },
		{ "code_expired", "begin again" },
		{ "bad_verification_code", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *word = rows[i].word, *hint = rows[i].hint;
		prompted();
		sends(HTTP_POST, PERSON);
		feed(reply_of(400, NULL, "{}"), facts_refusal(word, "no"));
		fails(FAIL_CREDENTIAL, word);
		if (hint)
			assert_has(test_text(signin_failure(&t.s)->hint), hint);
		else
			assert_null(signin_failure(&t.s)->hint);
		stop();
	}
	prompted(); /* or never: the code lives for 15 minutes */
	t.ms = 901 * SECOND;
	sends(HTTP_POST, PERSON);
	feed(reply_of(400, NULL, "{}"),
	     facts_refusal("authorization_pending", "x"));
	fails(FAIL_CREDENTIAL, "authorization_pending");
	assert_has(test_text(signin_failure(&t.s)->hint), "begin again");
	stop();
}

/* ---- programs ----------------------------------------------------------- */

static const struct signin_spec az = { .flow = &flow_azure_cli,
	                               .developer = true };
static const struct signin_spec azd = { .flow = &flow_azure_developer_cli,
	                                .developer = true };

static void ended(struct program_result p, struct facts f) {
	struct answer a = answer_of(NULL, f, t.ms);
	signin_program(&t.s, &p, &a);
}

static void test_what_az_and_azd_are_asked(void **state) {
	struct signin_spec spec = az;
	(void)state;
	start(&az);
	needs(NEED_PROGRAM);
	runs("az account get-access-token -o json --resource "
	     "https://management.azure.com");
	ended((struct program_result){ .out = SPAN("{\"accessToken\":\"x\"}") },
	      facts_token("az", 3600));
	assert_true(t.s.live);
	stop();
	spec.value[SV_TENANT] = SPAN("contoso.com");
	spec.value[SV_SUBSCRIPTION] = SPAN("My Sub_1");
	start(&spec);
	needs(NEED_PROGRAM);
	runs("az account get-access-token -o json --resource "
	     "https://management.azure.com --tenant contoso.com "
	     "--subscription My Sub_1");
	stop();
	spec = azd;
	spec.value[SV_TENANT] = SPAN("contoso.com");
	start(&spec);
	needs(NEED_PROGRAM);
	runs("azd auth token -o json --no-prompt --scope "
	     "https://management.azure.com/.default --tenant-id contoso.com");
	stop();
}

struct outcome {
	struct program_result p;
	const char *says;
	enum link_outcome outcome;
};

static void test_how_az_fails(void **state) {
	static const struct outcome rows[] = {
		{ { .not_found = true }, "az: not installed", LINK_ABSENT },
		{ { .refused = true },
		  "az: it is on the PATH but cannot be run",
		  LINK_ABSENT },
		{ { .timed_out = true, .timeout = 10000 },
		  "az: no answer within its timeout of 10 s; it was ended "
		  "(raise `timeout`)",
		  LINK_FAILED },
		{ { .timed_out = true,
		    .timeout = 2500,
		    .err = LITERAL("WARN") },
		  "az: no answer within its timeout of 2500 ms",
		  LINK_FAILED },
		{ { .flooded = true },
		  "az: it printed far more than a token",
		  LINK_FAILED },
		{ { .signal = 9, .status = -1 },
		  "az: it was ended by signal 9",
		  LINK_FAILED },
		{ { .status = 1,
		    .err = LITERAL("ERROR: Please run 'az login'") },
		  "az: ERROR: Please run 'az login'",
		  LINK_ABSENT },
		{ { .status = 1, .err = LITERAL("AADSTS50173: revoked") },
		  "AADSTS50173",
		  LINK_ABSENT },
		{ { .status = 3 },
		  "az: it failed silently, with exit status 3",
		  LINK_FAILED },
		{ { .status = -1 }, "az: it failed silently", LINK_FAILED },
		{ { .status = 2, .err = LITERAL("{\"error\":\"broken\"}") },
		  "az: broken",
		  LINK_FAILED },
		{ { .status = 1,
		    .err = LITERAL("{\"type\":\"consoleMessage\",\"data\":"
		                   "{\"message\":\"run azd auth login\"}}") },
		  "az: run azd auth login",
		  LINK_ABSENT },
		/* azd before 1.23.7, up to 1.23.15, and since 1.24.0
		   (Azure/azure-dev#7728) */
		{ { .status = 1,
		    .err = LITERAL("{\"type\":\"consoleMessage\",\"data\":"
		                   "{\"message\":\"\\nERROR: fetching token: "
		                   "\\\"x\\\"\\n(invalid_tenant) "
		                   "AADSTS90002: no\\n\\n\"}}") },
		  "az: ERROR: fetching token: \"x\" (invalid_tenant) "
		  "AADSTS90002: no",
		  LINK_ABSENT },
		{ { .status = 1,
		    .err = LITERAL("{\"type\":\"consoleMessage\",\"data\":"
		                   "{\"message\":\"\\n\"}}\n{\"error\":"
		                   "\"fetching token: AADSTS90002: no\","
		                   "\"message\":\"Authentication failed.\"}") },
		  "az: fetching token: AADSTS90002: no",
		  LINK_ABSENT },
		{ { .status = 1,
		    .err = LITERAL("{\"error\":\"fetching token: "
		                   "AADSTS90002: no\",\"links\":[],\"message\":"
		                   "\"Authentication failed.\"}") },
		  "az: fetching token: AADSTS90002: no",
		  LINK_ABSENT },
		{ { .out = LITERAL("rubbish") },
		  "az: what it printed is not the JSON",
		  LINK_FAILED },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		start_chain(&az, false);
		signin_token(&t.s, 0, NO_SPAN, now_at(0));
		needs(NEED_PROGRAM);
		ended(rows[i].p, no_facts());
		needs(NEED_TOKEN); /* a tool's failure ends no chain */
		assert_has(buf_span(&t.s.links[0].why), rows[i].says);
		if (t.s.links[0].outcome != rows[i].outcome)
			FAIL("row %zu: %d", i, (int)t.s.links[0].outcome);
		stop();
	}
}

static void test_json_among_warnings(void **state) {
	(void)state;
	assert_span(signin_json(SPAN("WARNING: {x} old\n{\"a\":1}\nbye")),
	            "{\"a\":1}");
	assert_span(signin_json(SPAN("{}")), "{}");
	assert_span(signin_json(SPAN("{ { \n\t\"a\":1 } \x1b[0m")),
	            "{ \n\t\"a\":1 }");
	assert_span(signin_json(SPAN("{{}}")), "{}}");
	assert_int_equal(signin_json(SPAN("{ ")).n, 0);
	assert_int_equal(signin_json(SPAN("rubbish")).n, 0);
	assert_int_equal(signin_json(SPAN("")).n, 0);
}

/* ---- claims ------------------------------------------------------------- */

struct answering {
	const struct flow *flow;
	bool can;
	const char *says; /* who cannot */
};

static void test_who_can_answer_a_claims_challenge(void **state) {
	static const struct answering rows[] = {
		{ &flow_client_secret, true, NULL },
		{ &flow_client_certificate, true, NULL },
		{ &flow_client_assertion, true, NULL },
		{ &flow_workload_identity, true, NULL },
		{ &flow_device_code, true, NULL },
		{ &flow_function, true, NULL },
		{ &flow_azure_developer_cli, true, NULL },
		{ &flow_azure_cli, false,
		  "run az login --tenant x --claims-challenge eyJhIjoxfQ== "
		  "--scope " SCOPE },
		{ &flow_token, false, "sign in anew, or use another" },
		{ &flow_imds, false, "sign in anew, or use another" },
		{ &flow_app_service, false, "sign in anew, or use another" },
		{ &flow_azure_ml, false, "sign in anew, or use another" },
		{ &flow_cloud_shell, false, "sign in anew, or use another" },
		{ &flow_arc, false, "sign in anew, or use another" },
		{ &flow_service_fabric, false, "sign in anew, or use another" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signin_spec spec = fabric;
		spec.flow = rows[i].flow;
		spec.value[SV_TENANT] = spec.value[SV_CLIENT] =
			spec.value[SV_PATH] = SPAN("x");
		spec.value[SV_SECRET] = SPAN("secret-secret");
		start_chain(&spec, true);
		signin_take(&t.s, SPAN("first"), 3600, -1, now_at(0));
		assert_int_equal(
			signin_token(&t.s, 1, SPAN("{\"a\":1}"), now_at(0)), 0);
		if (rows[i].can) {
			assert_int_not_equal(next(), SIGNIN_IDLE);
		} else {
			fails(FAIL_CREDENTIAL, "conditional access");
			fails(FAIL_CREDENTIAL, rows[i].says);
		}
		stop();
	}
}

static void test_how_claims_are_asked_for(void **state) {
	(void)state;
	start_chain(&azd, true);
	signin_take(&t.s, SPAN("first"), 3600, -1, now_at(0));
	signin_token(&t.s, 1, SPAN("{\"a\":1}"), now_at(0));
	needs(NEED_PROGRAM);
	assert_has(buf_span(&t.s.scratch.work), "--claims");
	assert_has(buf_span(&t.s.scratch.work), "eyJhIjoxfQ==");
	stop();
	start_chain(&person, true);
	signin_take(&t.s, SPAN("first"), 3600, -1, now_at(0));
	signin_token(&t.s, 1, SPAN("{\"a\":1}"), now_at(0));
	sends(HTTP_POST, CODE);
	form_has("&claims=%7B%22a%22%3A1%7D");
	stop();
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_request_of_a_virtual_machine),
		TEST(test_a_day_s_token_by_its_end),
		TEST(test_how_each_place_calls_an_identity),
		TEST(test_what_passes_at_a_virtual_machine),
		TEST(test_what_is_final_at_a_virtual_machine),
		TEST(test_the_probe_and_how_long_it_is_believed),
		TEST(test_who_answers_the_probe_and_is_somebody_else),
		TEST(test_who_answers_the_request_and_is_somebody_else),
		TEST(test_a_machine_without_an_identity),
		TEST(test_an_identity_that_was_named_stops_a_chain),
		TEST(test_an_update_of_the_service_is_waited_for),
		TEST(test_the_pauses_of_the_metadata_service),
		TEST(test_what_can_be_done_about_a_source),
		TEST(test_what_a_sign_in_is_at),
		TEST(test_the_requests_of_the_other_places),
		TEST(test_a_header_is_never_more_than_one),
		TEST(test_arc_s_file_holds_one_word),
		TEST(test_an_endpoint_with_a_query),
		TEST(test_arc_s_file_proves_the_caller),
		TEST(test_arc_s_challenge_in_every_form),
		TEST(test_arc_asks_for_no_file_of_another_link),
		TEST(test_arc_s_challenges_that_name_no_such_file),
		TEST(test_fabric_s_secret_goes_to_the_key_that_was_proven),
		TEST(test_fabric_s_other_certificates),
		TEST(test_fabric_s_variables_that_make_no_sense),
		TEST(test_assertions_of_others),
		TEST(test_a_certificate_s_assertion),
		TEST(test_a_certificate_s_algorithm_and_chain),
		TEST(test_a_person_signs_in_elsewhere),
		TEST(test_a_person_who_does_not),
		TEST(test_what_az_and_azd_are_asked),
		TEST(test_how_az_fails),
		TEST(test_json_among_warnings),
		TEST(test_who_can_answer_a_claims_challenge),
		TEST(test_how_claims_are_asked_for),
	};
	return RUN(tests);
}

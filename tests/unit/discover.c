/* discover.c -- the first step of a sign-in that was not told its cloud: what
   is asked, what of the answers is believed, what becomes of the links. */
#include "who.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND };

#define ENDPOINT "https://management.contoso.example"

struct cloud {
	const char *login, *provider, *audience;
};

static const struct cloud good = { "https://login.contoso.example/", "AAD",
	                           "https://management.contoso.example/x" };

static struct facts facts_cloud(struct cloud c) {
	struct facts f = facts_object();
	f.document = DOCUMENT_CLOUD;
	f.as.cloud.login_endpoint = c.login ? test_text(c.login) : NO_SPAN;
	f.as.cloud.identity_provider =
		c.provider ? test_text(c.provider) : NO_SPAN;
	f.as.cloud.audience = c.audience ? test_text(c.audience) : NO_SPAN;
	return f;
}

struct trial {
	struct signin s;
	struct request q;
	int64_t until;
};

static void start(struct trial *t, const char *endpoint, struct span authority,
                  struct span scope) {
	struct who who = { .flow = &flow_client_secret,
		           .tenant_id = SPAN("tenant"),
		           .client_id = SPAN("app"),
		           .secret = SPAN("hunter2"),
		           .authority = authority,
		           .scope = scope };
	request_init(&t->q, test_mem());
	assert_true(who_init(&t->s, &who));
	assert_true(signin_find(&t->s, &flow_discovery, test_text(endpoint)));
}

static void stop(struct trial *t) {
	signin_free(&t->s);
	request_free(&t->q);
}

/* It sends a request; url: of it. */
static void sends(struct trial *t, const char *url, int64_t ms) {
	assert_int_equal(signin_next(&t->s, now_at(ms), &t->q, &t->until),
	                 SIGNIN_SEND);
	assert_span(buf_span(&t->q.url), url);
	signin_sent(&t->s, now_at(ms));
}

static void begin(struct trial *t, int64_t ms) {
	assert_int_equal(signin_token(&t->s, 0, NO_SPAN, now_at(ms)), 0);
	sends(t, ENDPOINT "/metadata/endpoints?api-version=2022-09-01", ms);
}

static void feed(struct trial *t, const struct reply *r, struct facts f,
                 int64_t ms) {
	struct answer a = answer_of(r, f, ms);
	signin_feed(&t->s, &a);
}

static void test_the_metadata_name_authority_and_scope(void **state) {
	struct trial t;
	(void)state;
	start(&t, ENDPOINT, NO_SPAN, NO_SPAN);
	assert_int_equal(signin_next(&t.s, now_at(0), &t.q, &t.until),
	                 SIGNIN_IDLE); /* nothing before a token is wanted */
	begin(&t, 0);
	assert_int_equal(t.q.method, HTTP_GET);
	assert_null(request_field(&t.q, "Authorization").p);
	assert_false(t.q.allow_http);
	assert_false(t.q.no_proxy);
	assert_int_equal(t.q.body.n, 0);
	feed(&t, reply_of(200, NULL, "{}"), facts_cloud(good), SECOND);
	sends(&t, "https://login.contoso.example/tenant/oauth2/v2.0/token",
	      SECOND);
	assert_has(buf_span(&t.q.body),
	           "scope=https%3A%2F%2Fmanagement.contoso.example%2Fx"
	           "%2F.default");
	feed(&t, reply_of(200, NULL, "{}"), facts_token("token", 60),
	     2 * SECOND);
	assert_int_not_equal(signin_token(&t.s, 0, NO_SPAN, now_at(2 * SECOND)),
	                     0);
	assert_int_equal(t.s.links[0].took, SECOND); /* its own part of it */
	/* found once, known from then on */
	signin_token(&t.s, 0, NO_SPAN, now_at(HOUR));
	sends(&t, "https://login.contoso.example/tenant/oauth2/v2.0/token",
	      HOUR);
	stop(&t);
}

static void test_what_was_given_is_kept(void **state) {
	struct trial t;
	(void)state;
	start(&t, ENDPOINT, SPAN("https://login.given.example"), NO_SPAN);
	begin(&t, 0);
	feed(&t, reply_of(200, NULL, "{}"), facts_cloud(good), 0);
	sends(&t, "https://login.given.example/tenant/oauth2/v2.0/token", 0);
	assert_has(buf_span(&t.q.body), "contoso");
	stop(&t);
	start(&t, ENDPOINT, NO_SPAN, SPAN("https://given/.default"));
	begin(&t, 0);
	feed(&t, reply_of(200, NULL, "{}"), facts_cloud(good), 0);
	sends(&t, "https://login.contoso.example/tenant/oauth2/v2.0/token", 0);
	assert_has(buf_span(&t.q.body), "scope=https%3A%2F%2Fgiven%2F.default");
	stop(&t);
}

struct refusal {
	struct cloud cloud;
	enum fail_kind kind;
	const char *says;
};

static void test_what_is_not_believed(void **state) {
	static const struct refusal rows[] = {
		{ { NULL, "AAD", "a" }, FAIL_PROTOCOL, "no loginEndpoint" },
		{ { "", "AAD", "a" }, FAIL_PROTOCOL, "no loginEndpoint" },
		{ { "///", "AAD", "a" }, FAIL_PROTOCOL, "no loginEndpoint" },
		{ { "https://login.x.example", "AAD", NULL },
		  FAIL_PROTOCOL,
		  "no audience" },
		{ { "https://login.x.example", "AAD", "a\x01" },
		  FAIL_PROTOCOL,
		  "no audience" },
		{ { "https://adfs.x.example/adfs", "ADFS", "a" },
		  FAIL_PROTOCOL,
		  "Active Directory Federation Services" },
		{ { "https://adfs.x.example", "adfs", "a" },
		  FAIL_PROTOCOL,
		  "Active Directory Federation Services" },
		{ { "http://login.x.example", "AAD", "a" },
		  FAIL_UNTRUSTED,
		  "not https://host[:port]: http://login.x.example" },
		{ { "http://127.0.0.1:8080", "AAD", "a" },
		  FAIL_UNTRUSTED,
		  "not https" },
		{ { "https://login.x.example/path", NULL, "a" },
		  FAIL_UNTRUSTED,
		  "/path" },
		{ { "https://u:p@login.x.example", NULL, "a" },
		  FAIL_UNTRUSTED,
		  "not https" },
		{ { "login.x.example", NULL, "a" },
		  FAIL_UNTRUSTED,
		  "not https" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fail *f;
		struct trial t;
		start(&t, ENDPOINT, NO_SPAN, NO_SPAN);
		begin(&t, 0);
		feed(&t, reply_of(200, NULL, "{}"), facts_cloud(rows[i].cloud),
		     0);
		assert_int_equal(signin_next(&t.s, now_at(0), &t.q, &t.until),
		                 SIGNIN_IDLE);
		f = signin_failure(&t.s);
		assert_non_null(f);
		assert_int_equal(f->kind, rows[i].kind);
		assert_int_equal(f->phase, PHASE_TOKEN);
		assert_has(buf_span(&f->message), rows[i].says);
		assert_has(span_of(f->hint), "authority_host");
		assert_int_equal(t.s.links[0].outcome, LINK_UNTRIED);
		/* who asks later begins with it anew */
		begin(&t, SECOND);
		stop(&t);
	}
}

static void test_answers_that_are_no_metadata(void **state) {
	struct trial t;
	(void)state;
	start(&t, ENDPOINT, NO_SPAN, NO_SPAN);
	begin(&t, 0);
	feed(&t, reply_of(404, NULL, "{}"), facts_object(), 0);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_NOT_FOUND);
	assert_int_equal(signin_failure(&t.s)->http_status, 404);
	assert_has(buf_span(&signin_failure(&t.s)->message), "HTTP 404");
	begin(&t, 1);
	feed(&t, reply_of(200, "Content-Type: text/html", "<html>"), no_facts(),
	     1);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_PROTOCOL);
	assert_has(buf_span(&signin_failure(&t.s)->message),
	           "not JSON but text/html");
	begin(&t, 2);
	feed(&t, reply_of(302, "Location: https://evil.example/", ""),
	     no_facts(), 2);
	assert_has(buf_span(&signin_failure(&t.s)->message), "HTTP 302");
	begin(&t, 3);
	feed(&t, no_reply(NET_CERT, false), no_facts(), 3);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_UNTRUSTED);
	stop(&t);
}

static void test_what_passes_is_tried_again(void **state) {
	struct trial t;
	int64_t ms = 0;
	(void)state;
	start(&t, ENDPOINT, NO_SPAN, NO_SPAN);
	begin(&t, ms);
	for (int i = 0; i < 2; i++) {
		feed(&t, reply_of(503, NULL, ""), no_facts(), ms);
		assert_int_equal(signin_next(&t.s, now_at(ms), &t.q, &t.until),
		                 SIGNIN_WAIT);
		ms = t.until;
		sends(&t, ENDPOINT "/metadata/endpoints?api-version=2022-09-01",
		      ms);
	}
	feed(&t, reply_of(503, NULL, ""), no_facts(), ms);
	assert_int_equal(signin_failure(&t.s)->http_status, 503);
	assert_true(signin_failure(&t.s)->retryable);
	stop(&t);
}

/* The emulator's way: all of it on this machine. */
static void test_plain_http_only_from_loopback_to_loopback(void **state) {
	struct cloud local = good;
	struct trial t;
	(void)state;
	local.login = "http://127.0.0.1:8080";
	start(&t, "http://127.0.0.1:8080", NO_SPAN, NO_SPAN);
	signin_token(&t.s, 0, NO_SPAN, now_at(0));
	sends(&t,
	      "http://127.0.0.1:8080/metadata/endpoints?api-version=2022-09-01",
	      0);
	assert_true(t.q.allow_http);
	assert_true(t.q.no_proxy);
	feed(&t, reply_of(200, NULL, "{}"), facts_cloud(local), 0);
	sends(&t, "http://127.0.0.1:8080/tenant/oauth2/v2.0/token", 0);
	stop(&t);
	local.login = "http://elsewhere.example";
	start(&t, "http://127.0.0.1:8080", NO_SPAN, NO_SPAN);
	signin_token(&t.s, 0, NO_SPAN, now_at(0));
	sends(&t,
	      "http://127.0.0.1:8080/metadata/endpoints?api-version=2022-09-01",
	      0);
	feed(&t, reply_of(200, NULL, "{}"), facts_cloud(local), 0);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_UNTRUSTED);
	stop(&t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_metadata_name_authority_and_scope),
		TEST(test_what_was_given_is_kept),
		TEST(test_what_is_not_believed),
		TEST(test_answers_that_are_no_metadata),
		TEST(test_what_passes_is_tried_again),
		TEST(test_plain_http_only_from_loopback_to_loopback),
	};
	return RUN(tests);
}

/* signin.c -- from a credential to a token: what is sent, how long a token is
   good, what a refusal says. */
#include "who.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

#define AUTHORITY "https://login.microsoftonline.com"
#define SCOPE "https://management.azure.com/.default"

static const struct who usual = {
	.flow = &flow_client_secret,
	.authority = LITERAL(AUTHORITY),
	.tenant_id = LITERAL("12345678-1234-1234-1234-123456789abc"),
	.client_id = LITERAL("app"),
	.secret = LITERAL("hunter2"),
	.scope = LITERAL(SCOPE),
};

/* ---- a sign-in and the request it wrote --------------------------------- */

struct trial {
	struct signin s;
	struct request q;
	int64_t until;
};

static void start(struct trial *t, const struct who *spec) {
	request_init(&t->q, test_mem());
	assert_true(who_init(&t->s, spec));
}

static void stop(struct trial *t) {
	signin_free(&t->s);
	request_free(&t->q);
}

static enum signin_want next(struct trial *t, int64_t ms) {
	return signin_next(&t->s, now_at(ms), &t->q, &t->until);
}

static uint32_t token(struct trial *t, int64_t ms) {
	return signin_token(&t->s, 0, NO_SPAN, now_at(ms));
}

/* It wants to send now, and does. */
static void expect_send(struct trial *t, int64_t ms, const char *file,
                        int line) {
	enum signin_want want = next(t, ms);
	if (want != SIGNIN_SEND)
		test_fail(file, line, "at %lld ms it wants %d, not to send",
		          (long long)ms, (int)want);
	signin_sent(&t->s, now_at(ms));
}

static void expect_nothing(struct trial *t, int64_t ms, const char *file,
                           int line) {
	enum signin_want want = next(t, ms);
	if (want != SIGNIN_IDLE)
		test_fail(file, line, "at %lld ms it wants %d", (long long)ms,
		          (int)want);
}

#define SENDS(t, ms) expect_send(t, ms, __FILE__, __LINE__)
#define RESTS(t, ms) expect_nothing(t, ms, __FILE__, __LINE__)

static void feed(struct trial *t, const struct reply *r, struct facts f,
                 int64_t ms) {
	struct answer a = answer_of(r, f, ms);
	signin_feed(&t->s, &a);
}

static void feed_token(struct trial *t, const char *text, int64_t expires_in,
                       int64_t ms) {
	feed(t, reply_of(200, NULL, "{}"), facts_token(text, expires_in), ms);
}

/* A token that lives an hour from 0 on. */
static uint32_t signed_in(struct trial *t) {
	assert_int_equal(token(t, 0), 0);
	SENDS(t, 0);
	feed_token(t, "first", 3600, 0);
	assert_int_not_equal(token(t, 0), 0);
	return token(t, 0);
}

/* ---- what is sent ------------------------------------------------------- */

static void test_the_request_of_a_client_secret(void **state) {
	struct trial t;
	(void)state;
	start(&t, &usual);
	assert_int_equal(token(&t, 0), 0);
	SENDS(&t, 0);
	assert_int_equal(t.q.method, HTTP_POST);
	assert_span(buf_span(&t.q.url),
	            AUTHORITY "/12345678-1234-1234-1234-123456789abc"
	                      "/oauth2/v2.0/token");
	assert_span(request_field(&t.q, "Content-Type"),
	            "application/x-www-form-urlencoded");
	assert_null(request_field(&t.q, "Authorization").p);
	assert_span(request_field(&t.q, "Accept"), "application/json");
	assert_span(buf_span(&t.q.body),
	            "client_id=app&grant_type=client_credentials"
	            "&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
	            "&client_secret=hunter2");
	assert_false(t.q.allow_http);
	assert_false(t.q.no_proxy);
	assert_true(t.q.timeout_ms > 0 && t.q.timeout_ms <= 30 * SECOND);
	stop(&t);
}

static void test_hard_characters_are_form_encoded(void **state) {
	struct who spec = usual;
	struct trial t;
	(void)state;
	spec.tenant_id = SPAN("contoso.onmicrosoft.com");
	spec.client_id = SPAN("a&b=c");
	spec.secret = SPAN("8Q~+/=&%41 \"'\xc3\xbc#?\\;,:@!$*()[]{}<>");
	spec.scope = SPAN("api://x y/.default");
	start(&t, &spec);
	token(&t, 0);
	SENDS(&t, 0);
	assert_span(buf_span(&t.q.url),
	            AUTHORITY "/contoso.onmicrosoft.com/oauth2/v2.0/token");
	assert_span(buf_span(&t.q.body),
	            "client_id=a%26b%3Dc&grant_type=client_credentials"
	            "&scope=api%3A%2F%2Fx%20y%2F.default"
	            "&client_secret=8Q~%2B%2F%3D%26%2541%20%22%27%C3%BC%23%3F"
	            "%5C%3B%2C%3A%40%21%24%2A%28%29%5B%5D%7B%7D%3C%3E");
	stop(&t);
}

static void test_a_tenant_cannot_lead_elsewhere(void **state) {
	struct who spec = usual;
	struct trial t;
	(void)state;
	spec.tenant_id = SPAN("../x?y#z@evil.example/");
	start(&t, &spec);
	token(&t, 0);
	SENDS(&t, 0);
	assert_span(buf_span(&t.q.url),
	            AUTHORITY "/..%2Fx%3Fy%23z%40evil.example%2F"
	                      "/oauth2/v2.0/token");
	stop(&t);
}

static void test_plain_http_only_where_the_authority_is(void **state) {
	struct who spec = usual;
	struct trial t;
	(void)state;
	spec.authority = SPAN("http://127.0.0.1:8080");
	start(&t, &spec);
	token(&t, 0);
	SENDS(&t, 0);
	assert_true(t.q.allow_http);
	assert_true(t.q.no_proxy); /* it would read the secret */
	assert_span(buf_span(&t.q.url),
	            "http://127.0.0.1:8080/12345678-1234-1234-1234-123456789abc"
	            "/oauth2/v2.0/token");
	stop(&t);
}

static void test_claims_of_a_challenge_go_into_the_request(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &usual);
	first = signed_in(&t);
	assert_int_equal(signin_token(&t.s, first,
	                              SPAN("{\"access_token\":{\"nbf\":1}}"),
	                              now_at(1)),
	                 0);
	SENDS(&t, 1);
	assert_has(buf_span(&t.q.body), "&claims=%7B%22access_token%22%3A%7B%22"
	                                "nbf%22%3A1%7D%7D");
	feed_token(&t, "second", 3600, 1);
	assert_int_not_equal(token(&t, 2), 0);
	assert_int_not_equal(token(&t, 2), first);
	/* the next one is an ordinary one again */
	token(&t, HOUR);
	SENDS(&t, HOUR);
	assert_lacks(buf_span(&t.q.body), "claims");
	stop(&t);
}

static void test_claims_wait_for_a_fetch_of_their_own(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &usual);
	first = signed_in(&t);
	token(&t, 56 * MINUTE);
	SENDS(&t, 56 * MINUTE); /* an ordinary renewal is on its way */
	assert_int_equal(signin_token(&t.s, first, SPAN("{\"a\":1}"),
	                              now_at(56 * MINUTE + 1)),
	                 0);
	feed_token(&t, "without", 3600, 56 * MINUTE + 2);
	/* that token does not hold what the challenge asks for */
	assert_int_equal(signin_token(&t.s, first, SPAN("{\"a\":1}"),
	                              now_at(56 * MINUTE + 3)),
	                 0);
	SENDS(&t, 56 * MINUTE + 3);
	assert_has(buf_span(&t.q.body), "&claims=%7B%22a%22%3A1%7D");
	stop(&t);
}

static void build_request(void) {
	struct trial t;
	struct who spec = usual;
	request_init(&t.q, test_mem());
	if (who_init(&t.s, &spec)) {
		assert_int_equal(test_memory.failures, 0);
		token(&t, 0);
		if (next(&t, 0) == SIGNIN_SEND && !request_failed(&t.q)) {
			assert_has(buf_span(&t.q.url), AUTHORITY "/123");
			assert_has(buf_span(&t.q.body), "&scope=https%3A%2F%2F"
			                                "management.azure.com"
			                                "%2F.default");
		} else if (test_memory.failures == 0) {
			FAIL("failed with memory for everything");
		}
	}
	stop(&t);
}

static void test_without_memory_no_request_is_cut_short(void **state) {
	(void)state;
	test_each_failure(build_request);
}

/* A chain is given back as it was taken, however far it had come. */
static void build_chain(void) {
	struct signin_spec specs[3];
	struct signin s;
	bool ok;
	for (size_t i = 0; i < COUNT(specs); i++)
		specs[i] = (struct signin_spec){
			.flow = &flow_client_secret,
			.value = { [SV_TENANT] = SPAN("tenant"),
			           [SV_SECRET] = SPAN("hunter2") },
		};
	ok = signin_init(&s, test_mem(), specs, COUNT(specs), SPAN(AUTHORITY),
	                 SPAN(SCOPE), 1);
	assert_int_equal(ok, test_memory.failures == 0);
	signin_free(&s);
}

static void test_a_chain_without_memory_is_given_back(void **state) {
	(void)state;
	test_each_failure(build_chain);
}

static void test_an_authority_beyond_the_ceiling_is_given_back(void **state) {
	static char big[300 * 1024];
	struct signin_spec spec = { .flow = &flow_token };
	struct signin s;
	(void)state;
	memset(big, 'x', sizeof big);
	assert_false(signin_init(&s, test_mem(), &spec, 1,
	                         (struct span){ big, sizeof big }, SPAN(SCOPE),
	                         1));
	signin_free(&s);
}

static void test_secrets_and_tokens_are_wiped(void **state) {
	struct trial t;
	(void)state;
	test_mem_secret("hunter2");
	start(&t, &usual);
	signed_in(&t);
	token(&t, HOUR);
	SENDS(&t, HOUR);
	feed(&t, reply_of(401, NULL, "{}"),
	     facts_oauth("invalid_client", "AADSTS7000215: no"), HOUR);
	stop(&t);
	test_mem_secret("t0ken-t0ken");
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	feed_token(&t, "t0ken-t0ken", 3600, 0);
	token(&t, HOUR);
	SENDS(&t, HOUR);
	feed_token(&t, "another-t0ken-t0ken-and-a-longer-one", 3600, HOUR);
	stop(&t);
}

/* ---- a token's life ----------------------------------------------------- */

static void test_nothing_is_fetched_before_it_is_asked_for(void **state) {
	struct trial t;
	(void)state;
	start(&t, &usual);
	RESTS(&t, 0);
	RESTS(&t, HOUR);
	assert_null(signin_failure(&t.s));
	stop(&t);
}

static void test_one_fetch_for_any_number_of_waiters(void **state) {
	struct trial t;
	uint32_t generation;
	(void)state;
	start(&t, &usual);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(token(&t, i), 0);
	SENDS(&t, 1000);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(token(&t, 1000 + i), 0);
		assert_int_equal(next(&t, 1000 + i), SIGNIN_WAIT);
		assert_null(signin_failure(&t.s));
	}
	feed_token(&t, "the-token", 3600, 3000);
	RESTS(&t, 3000);
	generation = token(&t, 3000);
	assert_int_not_equal(generation, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(token(&t, 3000), generation);
	RESTS(&t, 3000);
	assert_span(buf_span(&t.s.token), "the-token");
	stop(&t);
}

struct life {
	int64_t expires_in, refresh_in;       /* s; -1: not there */
	int64_t rests_at, renews_at, dead_at; /* ms */
};

static void test_when_a_token_is_renewed_and_when_it_is_dead(void **state) {
	static const struct life rows[] = {
		/* five minutes early */
		{ 3600, -1, 55 * MINUTE - 1, 55 * MINUTE, HOUR },
		{ 86400, -1, 24 * HOUR - 5 * MINUTE - 1, 24 * HOUR - 5 * MINUTE,
		  24 * HOUR },
		{ 600, -1, 5 * MINUTE - 1, 5 * MINUTE, 10 * MINUTE },
		/* or when it says so itself */
		{ 86400, 43200, 12 * HOUR - 1, 12 * HOUR, 24 * HOUR },
		{ 3600, 60, MINUTE - 1, MINUTE, HOUR },
		{ 3600, 3590, 3590 * SECOND - 1, 3590 * SECOND, HOUR },
		/* which it may not mean */
		{ 3600, 3600, 55 * MINUTE - 1, 55 * MINUTE, HOUR },
		{ 3600, 7200, 55 * MINUTE - 1, 55 * MINUTE, HOUR },
		{ 3600, 0, 55 * MINUTE - 1, 55 * MINUTE, HOUR },
		/* shorter than that: not at once */
		{ 300, -1, 60 * SECOND, 299 * SECOND, 5 * MINUTE },
		{ 60, -1, 15 * SECOND, 59 * SECOND, MINUTE },
		{ 1, -1, 0, 999, SECOND },
		/* ten years are the longest */
		{ INT64_C(315360000), -1, INT64_C(315359000) * SECOND,
		  INT64_C(315359999) * SECOND, INT64_C(315360000) * SECOND },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct trial t;
		struct facts f = facts_token("tok", rows[i].expires_in);
		uint32_t generation;
		f.as.token.refresh_in = rows[i].refresh_in;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(200, NULL, "{}"), f, 0);
		generation = token(&t, 0);
		if (!generation)
			FAIL("row %zu: no token", i);
		if (token(&t, rows[i].rests_at) != generation ||
		    next(&t, rows[i].rests_at) != SIGNIN_IDLE)
			FAIL("row %zu: renewed too early", i);
		if (token(&t, rows[i].renews_at) != generation ||
		    next(&t, rows[i].renews_at) != SIGNIN_SEND)
			FAIL("row %zu: not renewed in time", i);
		assert_int_equal(token(&t, rows[i].dead_at - 1), generation);
		assert_int_equal(token(&t, rows[i].dead_at), 0);
		stop(&t);
	}
}

static void test_a_life_is_counted_from_before_the_request(void **state) {
	struct trial t;
	uint32_t generation;
	(void)state;
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 1000);
	feed_token(&t, "tok", 3600, 21000); /* it took 20 s */
	generation = token(&t, 21000);
	assert_int_not_equal(generation, 0);
	assert_int_equal(token(&t, HOUR + 999), generation);
	assert_int_equal(token(&t, HOUR + 1000), 0);
	stop(&t);
}

static void test_expires_on_counts_by_the_wall_clock(void **state) {
	struct facts f = facts_token("tok", -1);
	struct trial t;
	(void)state;
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	f.as.token.expires_on = TEST_WALL / 1000 + 3600;
	feed(&t, reply_of(200, NULL, "{}"), f, 0);
	assert_int_not_equal(token(&t, HOUR - 2000), 0);
	assert_int_equal(token(&t, HOUR + 1000), 0);
	stop(&t);
}

static void test_expires_in_goes_before_expires_on(void **state) {
	struct facts f = facts_token("tok", 7200);
	struct trial t;
	(void)state;
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	f.as.token.expires_on = TEST_WALL / 1000 - 5; /* our clock is wrong */
	feed(&t, reply_of(200, NULL, "{}"), f, 0);
	assert_int_not_equal(token(&t, 2 * HOUR - 1), 0);
	assert_int_equal(token(&t, 2 * HOUR), 0);
	stop(&t);
}

static void test_a_short_life_is_halved_from_where_it_began(void **state) {
	struct trial t;
	uint32_t generation;
	(void)state;
	start(&t, &usual);
	token(&t, HOUR);
	SENDS(&t, HOUR);
	feed_token(&t, "tok", 60, HOUR);
	generation = token(&t, HOUR + 29 * SECOND);
	assert_int_not_equal(generation, 0);
	RESTS(&t, HOUR + 29 * SECOND);
	assert_int_equal(token(&t, HOUR + 30 * SECOND), generation);
	SENDS(&t, HOUR + 30 * SECOND);
	stop(&t);
}

static void test_lifetimes_that_make_no_sense(void **state) {
	static const struct {
		int64_t expires_in, expires_on;
		const char *says, *hint;
	} rows[] = {
		{ 0, -1, "makes no sense", NULL },
		{ INT64_C(315360001), -1, "makes no sense", NULL },
		{ INT64_C(999999999999999), -1, "makes no sense", NULL },
		{ -1, TEST_WALL / 1000, "makes no sense", "clock" },
		{ -1, TEST_WALL / 1000 - 3600, "makes no sense", "clock" },
		{ -1, TEST_WALL / 1000 + INT64_C(315360001), "makes no sense",
		  NULL },
		{ -1, INT64_C(999999999999999), "makes no sense", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_token("tok", rows[i].expires_in);
		struct trial t;
		f.as.token.expires_on = rows[i].expires_on;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(200, NULL, "{}"), f, 0);
		if (!signin_failure(&t.s))
			FAIL("row %zu is taken", i);
		assert_int_equal(signin_failure(&t.s)->kind, FAIL_PROTOCOL);
		assert_has(buf_span(&signin_failure(&t.s)->message),
		           rows[i].says);
		if (rows[i].hint)
			assert_non_null(strstr(signin_failure(&t.s)->hint,
			                       rows[i].hint));
		else
			assert_null(signin_failure(&t.s)->hint);
		RESTS(&t, 0);
		assert_int_equal(token(&t, 0), 0);
		stop(&t);
	}
}

/* RFC 6749 5.1 only recommends expires_in. */
static void test_a_time_of_expiry_that_cannot_be_read(void **state) {
	struct facts f = facts_token("tok", -1);
	struct trial t;
	(void)state;
	f.as.token.expires_text = SPAN("soon");
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	feed(&t, reply_of(200, NULL, "{}"), f, 0);
	assert_non_null(signin_failure(&t.s));
	assert_has(buf_span(&signin_failure(&t.s)->message), "makes no sense");
	assert_null(signin_failure(&t.s)->hint);
	stop(&t);
}

static void test_a_token_that_does_not_say_how_long_it_lives(void **state) {
	static const int64_t ends[] = { -1, 0 };
	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct facts f = facts_token("tok", -1);
		struct trial t;
		f.as.token.expires_on = ends[i];
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(200, NULL, "{}"), f, 0);
		assert_int_not_equal(token(&t, 5 * MINUTE - 1), 0);
		RESTS(&t, 5 * MINUTE - 1);
		token(&t, 5 * MINUTE); /* it is renewed in time */
		SENDS(&t, 5 * MINUTE);
		assert_int_equal(t.s.expires, 10 * MINUTE);
		stop(&t);
	}
}

static void test_the_old_token_serves_while_a_new_one_is_fetched(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &usual);
	first = signed_in(&t);
	assert_int_equal(token(&t, 56 * MINUTE), first);
	SENDS(&t, 56 * MINUTE);
	assert_int_equal(token(&t, 57 * MINUTE), first);
	assert_null(signin_failure(&t.s));
	feed_token(&t, "second", 3600, 57 * MINUTE);
	assert_int_not_equal(token(&t, 57 * MINUTE), first);
	assert_span(buf_span(&t.s.token), "second");
	stop(&t);
}

static void test_a_failed_renewal_harms_no_living_token(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &usual);
	first = signed_in(&t);
	token(&t, 56 * MINUTE);
	SENDS(&t, 56 * MINUTE);
	feed(&t, reply_of(401, NULL, "{}"),
	     facts_oauth("invalid_client", "AADSTS7000222: expired"),
	     56 * MINUTE);
	assert_int_equal(token(&t, 56 * MINUTE), first);
	assert_span(buf_span(&t.s.token), "first");
	/* half a minute passes before the next try */
	RESTS(&t, 56 * MINUTE);
	assert_int_equal(token(&t, 56 * MINUTE + 29 * SECOND), first);
	RESTS(&t, 56 * MINUTE + 29 * SECOND);
	assert_int_equal(token(&t, 56 * MINUTE + 30 * SECOND), first);
	SENDS(&t, 56 * MINUTE + 30 * SECOND);
	feed_token(&t, "second", 3600, 57 * MINUTE);
	assert_int_not_equal(token(&t, 57 * MINUTE), first);
	assert_null(signin_failure(&t.s));
	stop(&t);
}

static void test_a_dead_token_serves_no_more_when_renewal_fails(void **state) {
	struct trial t;
	(void)state;
	start(&t, &usual);
	signed_in(&t);
	assert_int_equal(token(&t, HOUR), 0);
	SENDS(&t, HOUR);
	feed(&t, reply_of(401, NULL, "{}"),
	     facts_oauth("invalid_client", "AADSTS7000222: expired"), HOUR);
	assert_non_null(signin_failure(&t.s));
	assert_false(t.s.live);
	stop(&t);
}

static void test_a_refused_token_is_fetched_anew_once(void **state) {
	struct trial t;
	uint32_t first, second;
	(void)state;
	start(&t, &usual);
	first = signed_in(&t);
	for (int i = 0; i < 10; i++) /* ten operations met a 401 */
		assert_int_equal(signin_token(&t.s, first, NO_SPAN, now_at(1)),
		                 0);
	SENDS(&t, 1);
	assert_int_equal(next(&t, 1), SIGNIN_WAIT);
	feed_token(&t, "second", 3600, 2);
	second = token(&t, 2);
	assert_int_not_equal(second, 0);
	assert_int_not_equal(second, first);
	/* those who come late with the same 401 get what there is */
	assert_int_equal(signin_token(&t.s, first, NO_SPAN, now_at(3)), second);
	RESTS(&t, 3);
	stop(&t);
}

/* ---- answers ------------------------------------------------------------ */

static void test_201_is_as_good_as_200(void **state) {
	struct trial t;
	(void)state;
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	feed(&t, reply_of(201, NULL, "{}"), facts_token("tok", 3600), 0);
	assert_int_not_equal(token(&t, 0), 0);
	stop(&t);
}

static void test_tokens_that_cannot_stand_in_a_header(void **state) {
	static const struct span rows[] = {
		LITERAL(""),      LITERAL("a b"),      LITERAL("a\r\nX: y"),
		LITERAL("a\nb"),  LITERAL("a\tb"),     LITERAL("a\0b"),
		LITERAL("a\x7f"), LITERAL("\xc3\xbc"), LITERAL(" a"),
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_token(NULL, 3600);
		struct trial t;
		f.as.token.access_token = rows[i];
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(200, NULL, "{}"), f, 0);
		if (token(&t, 0) || signin_failure(&t.s))
			FAIL("row %zu is taken", i);
		stop(&t);
	}
}

static void test_answers_without_a_token(void **state) {
	struct {
		const char *body;
		struct facts f;
	} rows[] = {
		{ "{}", facts_object() },
		{ "<html>", facts_broken() },
		{ NULL, no_facts() },
		{ "{\"access_token\":\"ey", facts_broken() },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fail *why;
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(200, NULL, rows[i].body), rows[i].f, 0);
		why = signin_failure(&t.s);
		if (!why || why->kind != FAIL_PROTOCOL ||
		    why->phase != PHASE_TOKEN)
			FAIL("row %zu", i);
		assert_has(buf_span(&why->message), "access_token");
		assert_int_equal(why->http_status, 200);
		stop(&t);
	}
}

static void test_an_error_in_a_200_is_the_credential_s(void **state) {
	const struct {
		struct facts f;
		const char *says, *code, *hint;
	} rows[] = {
		{ facts_oauth("invalid_client", "AADSTS7000222: expired"),
		  "sign-in refused: invalid_client: AADSTS7000222: expired "
		  "(HTTP 200)",
		  "AADSTS7000222", "the client secret has expired" },
		{ facts_error("Code", "in a 200"),
		  "sign-in failed: in a 200 (HTTP 200)", "Code", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fail *why;
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(200, NULL, "{}"), rows[i].f, 0);
		why = signin_failure(&t.s);
		assert_non_null(why);
		assert_int_equal(why->kind, FAIL_CREDENTIAL);
		assert_span(buf_span(&why->message), rows[i].says);
		assert_span(buf_span(&why->code), rows[i].code);
		if (rows[i].hint)
			assert_has(test_text(why->hint), rows[i].hint);
		assert_int_equal(why->http_status, 200);
		stop(&t);
	}
}

static void test_a_token_beyond_the_ceiling(void **state) {
	static char big[100 * 1024];
	struct trial t;
	(void)state;
	memset(big, 'x', sizeof big - 1);
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	feed_token(&t, big, 3600, 0);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_LIMIT);
	assert_false(t.s.live);
	stop(&t);
}

static void test_refusals_in_entra_s_shape(void **state) {
	static const struct {
		int status;
		const char *error, *description, *code, *hint;
	} rows[] = {
		{ 401, "invalid_client",
		  "AADSTS7000215: Invalid client secret provided.",
		  "AADSTS7000215", "secret's value" },
		{ 401, "invalid_client",
		  "AADSTS7000222: The provided client secret keys are "
		  "expired.",
		  "AADSTS7000222", "expired" },
		{ 400, "unauthorized_client",
		  "AADSTS700016: Application with identifier 'x' was not "
		  "found in the directory.",
		  "AADSTS700016", "client_id" },
		{ 400, "unauthorized_client",
		  "AADSTS7000112: Application is disabled.", "AADSTS7000112",
		  "disabled" },
		{ 400, "invalid_request", "AADSTS90002: Tenant 'x' not found.",
		  "AADSTS90002", "tenant_id" },
		{ 400, "invalid_request",
		  "AADSTS900023: Specified tenant identifier 'x' is neither a "
		  "valid DNS name, nor a valid external domain.",
		  "AADSTS900023", "GUID" },
		{ 400, "invalid_resource",
		  "AADSTS500011: The resource principal was not found.",
		  "AADSTS500011", "scope" },
		{ 400, "invalid_scope", "AADSTS70011: bad scope", "AADSTS70011",
		  "/.default" },
		{ 400, "invalid_request", "AADSTS90038: another cloud",
		  "AADSTS90038", "cloud" },
		{ 400, "invalid_grant",
		  "AADSTS65001: The user or administrator has not consented.",
		  "AADSTS65001", "consent" },
		{ 400, "consent_required", NULL, "consent_required",
		  "consent" },
		{ 401, "invalid_client",
		  "AADSTS700027: The certificate with identifier used to "
		  "sign the client assertion is expired on application.",
		  "AADSTS700027", "expired" },
		{ 401, "invalid_client", "AADSTS50012: x", "AADSTS50012",
		  "registered" },
		{ 401, "invalid_client", "AADSTS700024: x", "AADSTS700024",
		  "clock" },
		{ 401, "invalid_client", "AADSTS7000218: x", "AADSTS7000218",
		  "public client" },
		{ 400, "invalid_client", "AADSTS70021: x", "AADSTS70021",
		  "federated" },
		{ 400, "interaction_required", "AADSTS50076: x", "AADSTS50076",
		  "multifactor" },
		{ 400, "interaction_required", "AADSTS50079: x", "AADSTS50079",
		  "multifactor" },
		{ 400, "invalid_grant", "AADSTS53003: x", "AADSTS53003",
		  "policy" },
		{ 400, "invalid_request", "AADSTS9001023: x", "AADSTS9001023",
		  "tenant_id" },
		{ 400, "invalid_request", "AADSTS90055: x", "AADSTS90055",
		  "wait" },
		{ 400, "invalid_scope", "AADSTS700022: x", "AADSTS700022",
		  "one resource" },
		/* numbers nobody has a hint for, or that only begin alike */
		{ 400, "invalid_request", "AADSTS900: something", "AADSTS900",
		  NULL },
		{ 400, "invalid_request", "AADSTS9000234: something",
		  "AADSTS9000234", NULL },
		{ 400, "invalid_grant", "no number at all", "invalid_grant",
		  NULL },
		{ 400, "invalid_client", NULL, "invalid_client", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f =
			facts_oauth(rows[i].error, rows[i].description);
		const struct fail *why;
		struct trial t;
		f.as.token.trace_id = SPAN("trace");
		f.as.token.correlation_id = SPAN("correlation");
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(rows[i].status, NULL, "{}"), f, 0);
		RESTS(&t, HOUR); /* never again of itself */
		why = signin_failure(&t.s);
		assert_non_null(why);
		assert_int_equal(why->kind, FAIL_CREDENTIAL);
		assert_int_equal(why->phase, PHASE_TOKEN);
		assert_int_equal(why->http_status, rows[i].status);
		assert_false(why->retryable);
		assert_span(buf_span(&why->code), rows[i].code);
		assert_span(buf_span(&why->request_id), "trace");
		assert_span(buf_span(&why->correlation_id), "correlation");
		assert_has(buf_span(&why->message), rows[i].error);
		if (rows[i].description)
			assert_has(buf_span(&why->message),
			           rows[i].description);
		if (!why->hint != !rows[i].hint)
			FAIL("row %zu: hint %s", i, why->hint);
		if (rows[i].hint)
			assert_has(test_text(why->hint), rows[i].hint);
		stop(&t);
	}
}

static void test_a_refusal_shows_no_secret(void **state) {
	static const char *const descriptions[] = {
		"AADSTS50027: token eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1.x.y bad",
		"you sent Bearer 0123456789abcdefghij",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(descriptions); i++) {
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(400, NULL, "{}"),
		     facts_oauth("invalid_request", descriptions[i]), 0);
		assert_lacks(buf_span(&signin_failure(&t.s)->message), "eyJ");
		assert_lacks(buf_span(&signin_failure(&t.s)->message),
		             "0123456789");
		stop(&t);
	}
}

static void test_refusals_in_other_shapes(void **state) {
	static const struct {
		int status;
		const char *body;
		enum fail_kind kind;
		const char *told;
	} rows[] = {
		{ 403, "<html>Blocked by the proxy</html>", FAIL_CREDENTIAL,
		  "not an OAuth error" },
		{ 404, NULL, FAIL_CREDENTIAL, "HTTP 404" },
		{ 302, "<html>Moved</html>", FAIL_PROTOCOL, "HTTP 302" },
		{ 307, NULL, FAIL_PROTOCOL, "HTTP 307" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fail *why;
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t,
		     reply_of(rows[i].status,
		              "Location: https://portal.example/",
		              rows[i].body),
		     rows[i].body ? facts_broken() : no_facts(), 0);
		RESTS(&t, HOUR);
		why = signin_failure(&t.s);
		assert_int_equal(why->kind, rows[i].kind);
		assert_int_equal(why->http_status, rows[i].status);
		assert_has(buf_span(&why->message), rows[i].told);
		stop(&t);
	}
}

static void test_an_answer_nobody_waits_for_is_ignored(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &usual);
	feed_token(&t, "uncalled-for", 3600, 0);
	assert_int_equal(t.s.token.n, 0);
	first = signed_in(&t);
	feed_token(&t, "again", 3600, 1);
	assert_int_equal(token(&t, 1), first);
	assert_span(buf_span(&t.s.token), "first");
	stop(&t);
}

/* ---- retries ------------------------------------------------------------ */

static void test_which_answers_are_tried_again_and_how_often(void **state) {
	static const struct {
		int status;
		enum net_error net;
		const char *error;
		bool again;
	} rows[] = {
		{ 408, NET_OK, NULL, true },
		{ 429, NET_OK, NULL, true },
		{ 500, NET_OK, "server_error", true },
		{ 502, NET_OK, NULL, true },
		{ 503, NET_OK, "temporarily_unavailable", true },
		{ 504, NET_OK, NULL, true },
		{ 400, NET_OK, "temporarily_unavailable", true },
		{ 400, NET_OK, "server_error", true },
		{ 400, NET_OK, "invalid_request", false },
		{ 400, NET_OK, "invalid_grant", false },
		{ 401, NET_OK, "invalid_client", false },
		{ 403, NET_OK, NULL, false },
		{ 404, NET_OK, NULL, false },
		{ 0, NET_RESOLVE, NULL, true },
		{ 0, NET_CONNECT, NULL, true },
		{ 0, NET_TIMEOUT, NULL, true },
		{ 0, NET_SEND, NULL, true },
		{ 0, NET_RECV, NULL, true },
		{ 0, NET_CERT, NULL, false },
		{ 0, NET_CA, NULL, false },
		{ 0, NET_URL, NULL, false },
		{ 0, NET_TOO_BIG, NULL, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f =
			rows[i].error ? facts_oauth(rows[i].error, "AADSTS1: x")
				      : no_facts();
		int64_t ms = 0, waited = 0;
		int tries = 0;
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		while (!signin_failure(&t.s) && tries < 10) {
			enum signin_want want = next(&t, ms);
			if (want == SIGNIN_WAIT) {
				assert_true(t.until > ms);
				waited += t.until - ms;
				ms = t.until;
				continue;
			}
			assert_int_equal(want, SIGNIN_SEND);
			signin_sent(&t.s, now_at(ms));
			tries++;
			feed(&t,
			     rows[i].net == NET_OK
			             ? reply_of(rows[i].status, NULL, NULL)
			             : no_reply(rows[i].net, true),
			     f, ms);
		}
		if (tries != (rows[i].again ? 3 : 1))
			FAIL("row %zu: %d tries", i, tries);
		if (rows[i].again)
			assert_in_range(waited, 640 + 1920, 1040 + 3120);
		stop(&t);
	}
}

static void test_a_retry_waits_as_long_as_it_is_asked_to(void **state) {
	static const struct {
		const char *head;
		int64_t ms; /* -1: give up at once */
	} rows[] = {
		{ "Retry-After: 7", 7000 },
		{ "Retry-After: Mon, 01 Jan 2024 00:00:09 GMT", 9000 },
		{ "x-ms-retry-after-ms: 20\nRetry-After: 7", 20 },
		{ "Retry-After: 60", 60000 },
		{ "Retry-After: 61", -1 },
		{ "Retry-After: 99999999", -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fail *why;
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		SENDS(&t, 0);
		feed(&t, reply_of(429, rows[i].head, NULL), no_facts(), 0);
		why = signin_failure(&t.s);
		if (!why != (rows[i].ms >= 0))
			FAIL("row %zu", i);
		if (why) {
			assert_true(why->retryable);
			assert_true(why->retry_after > 60000);
		} else {
			assert_int_equal(next(&t, 0), SIGNIN_WAIT);
			assert_int_equal(t.until, rows[i].ms);
			assert_int_equal(next(&t, t.until - 1), SIGNIN_WAIT);
			SENDS(&t, t.until);
		}
		stop(&t);
	}
}

static void test_the_last_try_s_outcome_is_told(void **state) {
	static const struct {
		enum net_error net;
		enum fail_kind kind;
		bool retryable;
	} rows[] = {
		{ NET_RESOLVE, FAIL_TRANSPORT, true },
		{ NET_TIMEOUT, FAIL_TRANSPORT, true },
		{ NET_CERT, FAIL_UNTRUSTED, false },
		{ NET_CA, FAIL_TRANSPORT, false },
		{ NET_URL, FAIL_TRANSPORT, false },
		{ NET_TOO_BIG, FAIL_LIMIT, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fail *why;
		struct trial t;
		int64_t ms = 0;
		start(&t, &usual);
		token(&t, 0);
		while (!signin_failure(&t.s)) {
			struct reply *r = no_reply(rows[i].net, false);
			buf_adds(&r->note, "what libcurl says");
			if (next(&t, ms) == SIGNIN_SEND) {
				signin_sent(&t.s, now_at(ms));
				feed(&t, r, no_facts(), ms);
			}
			ms += SECOND;
		}
		why = signin_failure(&t.s);
		assert_int_equal(why->kind, rows[i].kind);
		assert_int_equal(why->phase, PHASE_TOKEN);
		assert_has(buf_span(&why->message), "what libcurl says");
		if (why->retryable != rows[i].retryable)
			FAIL("%s: retryable %d", net_error_text(rows[i].net),
			     why->retryable);
		stop(&t);
	}
}

static void test_whether_a_later_call_may_succeed(void **state) {
	static const struct {
		int status;
		bool retryable;
	} rows[] = { { 429, true },  { 500, true },  { 503, true },
		     { 400, false }, { 401, false }, { 403, false } };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct trial t;
		start(&t, &usual);
		token(&t, 0);
		for (int64_t ms = 0; !signin_failure(&t.s); ms += SECOND)
			if (next(&t, ms) == SIGNIN_SEND) {
				signin_sent(&t.s, now_at(ms));
				feed(&t, reply_of(rows[i].status, NULL, NULL),
				     no_facts(), ms);
			}
		if (signin_failure(&t.s)->retryable != rows[i].retryable)
			FAIL("%d", rows[i].status);
		stop(&t);
	}
}

static void test_each_fetch_has_all_its_tries(void **state) {
	struct trial t;
	int64_t ms = 0;
	(void)state;
	start(&t, &usual);
	for (int fetch = 0; fetch < 3; fetch++) {
		int tries = 0;
		token(&t, ms);
		for (; !signin_failure(&t.s); ms += SECOND)
			if (next(&t, ms) == SIGNIN_SEND) {
				signin_sent(&t.s, now_at(ms));
				feed(&t, reply_of(503, NULL, NULL), no_facts(),
				     ms);
				tries++;
			}
		assert_int_equal(tries, 3);
	}
	stop(&t);
}

static void test_after_a_failure_the_next_asker_tries_anew(void **state) {
	struct trial t;
	(void)state;
	start(&t, &usual);
	token(&t, 0);
	SENDS(&t, 0);
	feed(&t, reply_of(401, NULL, "{}"),
	     facts_oauth("invalid_client", "AADSTS7000215: no"), 0);
	assert_non_null(signin_failure(&t.s));
	assert_int_equal(token(&t, 1), 0);
	assert_null(signin_failure(&t.s)); /* it is under way again */
	SENDS(&t, 1);
	feed_token(&t, "tok", 3600, 1);
	assert_int_not_equal(token(&t, 1), 0);
	stop(&t);
}

/* ---- ready tokens, functions, nothing ----------------------------------- */

static void test_a_ready_token_needs_no_request(void **state) {
	struct who spec = { .flow = &flow_token, .secret = SPAN("ready") };
	struct trial t;
	uint32_t generation;
	(void)state;
	start(&t, &spec);
	token(&t, 0);
	RESTS(&t, 0);
	generation = token(&t, 0);
	assert_int_not_equal(generation, 0);
	assert_span(buf_span(&t.s.token), "ready");
	assert_int_equal(token(&t, 365 * 24 * (int64_t)HOUR), generation);
	RESTS(&t, 365 * 24 * (int64_t)HOUR);
	stop(&t);
}

static void
test_a_ready_token_that_was_refused_cannot_be_renewed(void **state) {
	struct who spec = { .flow = &flow_token, .secret = SPAN("ready") };
	struct trial t;
	uint32_t generation;
	(void)state;
	start(&t, &spec);
	token(&t, 0);
	RESTS(&t, 0);
	generation = token(&t, 0);
	assert_int_equal(signin_token(&t.s, generation, NO_SPAN, now_at(1)), 0);
	RESTS(&t, 1);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_CREDENTIAL);
	assert_non_null(signin_failure(&t.s)->hint);
	stop(&t);
}

static void test_a_ready_token_that_cannot_stand_in_a_header(void **state) {
	static const struct span rows[] = { LITERAL(""), LITERAL("a\nb"),
		                            LITERAL("a b") };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct who spec = { .flow = &flow_token, .secret = rows[i] };
		struct trial t;
		start(&t, &spec);
		assert_int_equal(token(&t, 0), 0);
		RESTS(&t, 0);
		assert_int_equal(signin_failure(&t.s)->kind, FAIL_CREDENTIAL);
		stop(&t);
	}
}

static const struct who function = { .flow = &flow_function,
	                             .scope = LITERAL(SCOPE) };

static void test_a_function_is_called_when_a_token_is_needed(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &function);
	assert_int_equal(next(&t, 0), SIGNIN_IDLE);
	token(&t, 0);
	assert_int_equal(next(&t, 0), SIGNIN_NEED);
	who_give(&t.s, SPAN("given"), TEST_WALL / 1000 + 3600, now_at(0));
	first = token(&t, 0);
	assert_int_not_equal(first, 0);
	assert_span(buf_span(&t.s.token), "given");
	RESTS(&t, 0);
	assert_int_equal(token(&t, 54 * MINUTE), first);
	RESTS(&t, 54 * MINUTE);
	assert_int_equal(token(&t, 56 * MINUTE), first);
	assert_int_equal(next(&t, 56 * MINUTE), SIGNIN_NEED);
	who_give(&t.s, SPAN("next"), TEST_WALL / 1000 + 2 * 3600,
	         now_at(56 * MINUTE));
	assert_int_not_equal(token(&t, 56 * MINUTE), first);
	/* its life is counted by the clock and not from the first one's */
	assert_int_not_equal(token(&t, 2 * HOUR - SECOND), 0);
	assert_int_equal(token(&t, 2 * HOUR), 0);
	stop(&t);
}

static void test_a_function_hears_of_claims(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &function);
	token(&t, 0);
	assert_int_equal(next(&t, 0), SIGNIN_NEED);
	assert_int_equal(t.s.claims.n, 0);
	who_give(&t.s, SPAN("given"), -1, now_at(0));
	first = token(&t, 0);
	assert_int_equal(
		signin_token(&t.s, first, SPAN("{\"a\":1}"), now_at(1)), 0);
	assert_int_equal(next(&t, 1), SIGNIN_NEED);
	assert_span(buf_span(&t.s.claims), "{\"a\":1}");
	who_give(&t.s, SPAN("new"), -1, now_at(1));
	assert_int_equal(t.s.claims.n, 0);
	stop(&t);
}

static void
test_a_function_that_names_no_end_is_called_within_an_hour(void **state) {
	struct trial t;
	(void)state;
	start(&t, &function);
	token(&t, 0);
	next(&t, 0);
	who_give(&t.s, SPAN("given"), -1, now_at(0));
	assert_int_not_equal(token(&t, 30 * MINUTE), 0);
	RESTS(&t, 30 * MINUTE);
	assert_int_equal(token(&t, HOUR), 0);
	assert_int_equal(next(&t, HOUR), SIGNIN_NEED);
	stop(&t);
}

static void test_what_a_function_may_not_give(void **state) {
	static const struct {
		struct span token;
		int64_t expires_on;
	} rows[] = {
		{ LITERAL("tok"), 0 },
		{ LITERAL("tok"), 3600 }, /* seconds to live: not since 1970 */
		{ LITERAL("tok"), TEST_WALL / 1000 },
		{ LITERAL("tok"), TEST_WALL / 1000 - 1 },
		{ LITERAL("tok"), TEST_WALL }, /* milliseconds */
		{ LITERAL("tok"), INT64_MAX },
		{ LITERAL(""), -1 },
		{ LITERAL("Bearer tok"), -1 },
		{ LITERAL("tok\n"), -1 },
		{ LITERAL("t\0k"), -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct trial t;
		start(&t, &function);
		token(&t, 0);
		assert_int_equal(next(&t, 0), SIGNIN_NEED);
		who_give(&t.s, rows[i].token, rows[i].expires_on, now_at(0));
		if (!signin_failure(&t.s))
			FAIL("row %zu is taken", i);
		assert_int_equal(signin_failure(&t.s)->kind, FAIL_CREDENTIAL);
		assert_int_equal(signin_failure(&t.s)->phase, PHASE_TOKEN);
		RESTS(&t, 0); /* no loop around a bad function */
		stop(&t);
	}
}

static void test_a_function_s_error_is_told(void **state) {
	struct trial t;
	(void)state;
	start(&t, &function);
	token(&t, 0);
	assert_int_equal(next(&t, 0), SIGNIN_NEED);
	who_refuse(&t.s, SPAN("vault is sealed"), now_at(0));
	RESTS(&t, 0);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_CREDENTIAL);
	assert_has(buf_span(&signin_failure(&t.s)->message), "vault is sealed");
	token(&t, 1);
	assert_int_equal(next(&t, 1), SIGNIN_NEED);
	stop(&t);
}

static void test_a_function_s_error_harms_no_living_token(void **state) {
	struct trial t;
	uint32_t first;
	(void)state;
	start(&t, &function);
	token(&t, 0);
	next(&t, 0);
	who_give(&t.s, SPAN("given"), TEST_WALL / 1000 + 3600, now_at(0));
	first = token(&t, 0);
	token(&t, 56 * MINUTE);
	assert_int_equal(next(&t, 56 * MINUTE), SIGNIN_NEED);
	who_refuse(&t.s, SPAN("vault is sealed"), now_at(56 * MINUTE));
	assert_int_equal(token(&t, 56 * MINUTE), first);
	RESTS(&t, 56 * MINUTE);
	stop(&t);
}

/* ---- what a token says of itself ---------------------------------------- */

struct payload {
	const char *token, *claims; /* NULL: it is opaque */
};

static void test_the_claims_of_a_token(void **state) {
	static const struct payload rows[] = {
		{ "e30.eyJvaWQiOiJvIn0.c2ln", "{\"oid\":\"o\"}" },
		{ "e30.eyJvaWQiOiJvIn0.", "{\"oid\":\"o\"}" },
		{ "opaque", NULL },
		{ "two.parts", NULL },
		{ "e30.e.c2ln", NULL },    /* no multiple of bytes */
		{ "e30.e!30.c2ln", NULL }, /* no base64 */
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct trial t;
		struct buf claims;
		buf_init(&claims, test_mem(), 1000);
		start(&t, &usual);
		assert_false(signin_claims(&t.s, &claims)); /* none yet */
		token(&t, 0);
		SENDS(&t, 0);
		feed_token(&t, rows[i].token, 3600, 0);
		assert_int_equal(signin_claims(&t.s, &claims),
		                 rows[i].claims != NULL);
		if (rows[i].claims)
			assert_span(buf_span(&claims), rows[i].claims);
		buf_free(&claims);
		stop(&t);
	}
}

/* ---- what became of each link ------------------------------------------- */

static void outcomes(const struct trial *t, enum link_outcome first,
                     enum link_outcome second, const char *file, int line) {
	const struct link *l = t->s.links;
	if (l[0].outcome != first || l[1].outcome != second)
		test_fail(file, line, "the links: %d, %d", (int)l[0].outcome,
		          (int)l[1].outcome);
	for (int i = 0; i < 2; i++) {
		bool tried = l[i].outcome > LINK_TRYING;
		bool gave = l[i].outcome == LINK_TOKEN;
		assert_int_equal(l[i].took >= 0, tried);
		assert_int_equal(l[i].why.n > 0, tried && !gave);
	}
}

#define OUTCOMES(t, first, second)                                             \
	outcomes(t, first, second, __FILE__, __LINE__)

static void test_what_became_of_each_link(void **state) {
	struct signin_spec specs[] = { { .flow = &flow_none },
		                       { .flow = &flow_function } };
	struct trial t;
	(void)state;
	request_init(&t.q, test_mem());
	assert_true(
		signin_init(&t.s, test_mem(), specs, 2, NO_SPAN, NO_SPAN, 1));
	OUTCOMES(&t, LINK_UNTRIED, LINK_UNTRIED);
	token(&t, 0);
	assert_int_equal(next(&t, 0), SIGNIN_NEED);
	OUTCOMES(&t, LINK_ABSENT, LINK_TRYING);
	who_refuse(&t.s, SPAN("no"), now_at(5));
	OUTCOMES(&t, LINK_ABSENT, LINK_FAILED);
	assert_int_equal(t.s.links[1].took, 5);
	token(&t, 10); /* a new fetch: all that was is forgotten */
	OUTCOMES(&t, LINK_TRYING, LINK_UNTRIED);
	assert_int_equal(next(&t, 10), SIGNIN_NEED);
	who_give(&t.s, SPAN("t"), -1, now_at(10));
	OUTCOMES(&t, LINK_ABSENT, LINK_TOKEN);
	assert_int_equal(t.s.source, 1);
	token(&t, 56 * MINUTE); /* the one that gave it is asked first */
	OUTCOMES(&t, LINK_ABSENT, LINK_TRYING);
	assert_int_equal(next(&t, 56 * MINUTE), SIGNIN_NEED);
	who_refuse(&t.s, SPAN("no"), now_at(56 * MINUTE));
	OUTCOMES(&t, LINK_ABSENT, LINK_FAILED);
	assert_int_equal(t.s.source, 1); /* whose token still lives */
	stop(&t);
}

static void test_without_a_credential_the_error_says_what_to_set(void **state) {
	static const struct who spec = { .flow = &flow_none };
	struct trial t;
	(void)state;
	start(&t, &spec);
	token(&t, 0);
	RESTS(&t, 0);
	assert_int_equal(signin_failure(&t.s)->kind, FAIL_CREDENTIAL);
	assert_has(buf_span(&signin_failure(&t.s)->message),
	           "AZURE_CLIENT_SECRET");
	assert_non_null(signin_failure(&t.s)->hint);
	stop(&t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_request_of_a_client_secret),
		TEST(test_hard_characters_are_form_encoded),
		TEST(test_a_tenant_cannot_lead_elsewhere),
		TEST(test_plain_http_only_where_the_authority_is),
		TEST(test_claims_of_a_challenge_go_into_the_request),
		TEST(test_claims_wait_for_a_fetch_of_their_own),
		TEST(test_without_memory_no_request_is_cut_short),
		TEST(test_a_chain_without_memory_is_given_back),
		TEST(test_an_authority_beyond_the_ceiling_is_given_back),
		TEST(test_secrets_and_tokens_are_wiped),
		TEST(test_nothing_is_fetched_before_it_is_asked_for),
		TEST(test_one_fetch_for_any_number_of_waiters),
		TEST(test_when_a_token_is_renewed_and_when_it_is_dead),
		TEST(test_a_life_is_counted_from_before_the_request),
		TEST(test_expires_on_counts_by_the_wall_clock),
		TEST(test_expires_in_goes_before_expires_on),
		TEST(test_a_short_life_is_halved_from_where_it_began),
		TEST(test_lifetimes_that_make_no_sense),
		TEST(test_a_time_of_expiry_that_cannot_be_read),
		TEST(test_a_token_that_does_not_say_how_long_it_lives),
		TEST(test_the_old_token_serves_while_a_new_one_is_fetched),
		TEST(test_a_failed_renewal_harms_no_living_token),
		TEST(test_a_dead_token_serves_no_more_when_renewal_fails),
		TEST(test_a_refused_token_is_fetched_anew_once),
		TEST(test_201_is_as_good_as_200),
		TEST(test_tokens_that_cannot_stand_in_a_header),
		TEST(test_answers_without_a_token),
		TEST(test_an_error_in_a_200_is_the_credential_s),
		TEST(test_a_token_beyond_the_ceiling),
		TEST(test_refusals_in_entra_s_shape),
		TEST(test_a_refusal_shows_no_secret),
		TEST(test_refusals_in_other_shapes),
		TEST(test_an_answer_nobody_waits_for_is_ignored),
		TEST(test_which_answers_are_tried_again_and_how_often),
		TEST(test_a_retry_waits_as_long_as_it_is_asked_to),
		TEST(test_the_last_try_s_outcome_is_told),
		TEST(test_whether_a_later_call_may_succeed),
		TEST(test_each_fetch_has_all_its_tries),
		TEST(test_after_a_failure_the_next_asker_tries_anew),
		TEST(test_a_ready_token_needs_no_request),
		TEST(test_a_ready_token_that_was_refused_cannot_be_renewed),
		TEST(test_a_ready_token_that_cannot_stand_in_a_header),
		TEST(test_a_function_is_called_when_a_token_is_needed),
		TEST(test_a_function_hears_of_claims),
		TEST(test_a_function_that_names_no_end_is_called_within_an_hour),
		TEST(test_what_a_function_may_not_give),
		TEST(test_a_function_s_error_is_told),
		TEST(test_a_function_s_error_harms_no_living_token),
		TEST(test_the_claims_of_a_token),
		TEST(test_what_became_of_each_link),
		TEST(test_without_a_credential_the_error_says_what_to_set),
	};
	return RUN(tests);
}

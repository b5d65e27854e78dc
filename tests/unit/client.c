/* client.c -- many operations beside each other: whose turn it is, who waits
   for the token, who is due, who has ended. */
#include "who.h"

#include "core/client.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, MAX_JOBS = 4000 };

#define HOST "https://management.azure.com"
#define AUTHORITY "https://login.microsoftonline.com"

/* ---- a house: a client, its jobs, and a driver without a network -------- */

static struct {
	struct client c;
	struct url origin;
	struct request q; /* one for all, as the driver has it */
	struct job *jobs; /* MAX_JOBS of them */
	size_t n;
	int64_t ms;
	/* what client_next gave last */
	struct job *job;
	int64_t until;
} house;

static const struct who by_secret = {
	.flow = &flow_client_secret,
	.authority = LITERAL(AUTHORITY),
	.tenant_id = LITERAL("tenant"),
	.client_id = LITERAL("app"),
	.secret = LITERAL("hunter2"),
	.scope = LITERAL("https://management.azure.com/.default"),
};
static const struct who ready = { .flow = &flow_token,
	                          .secret = LITERAL("ready") };
static const struct who function = { .flow = &flow_function };

static void build_house(const struct who *spec, size_t max_flying) {
	struct op_config cfg = { .mem = test_mem(),
		                 .origins = &house.origin,
		                 .origin_count = 1,
		                 .retry = RETRY_DEFAULT,
		                 .try_timeout = MINUTE };
	memset(&house, 0, sizeof house);
	assert_true(url_parse(SPAN(HOST), &house.origin));
	client_init(&house.c, &cfg, max_flying);
	assert_true(who_init(&house.c.signin, spec));
	request_init(&house.q, test_mem());
	house.jobs = calloc(MAX_JOBS, sizeof *house.jobs);
	assert_non_null(house.jobs);
}

/* All jobs that are still in it are removed on the way. */
static void leave_house(void) {
	for (size_t i = 0; i < house.n; i++) {
		if (!house.jobs[i].op.cfg)
			continue;
		client_remove(&house.c, &house.jobs[i]);
		op_free(&house.jobs[i].op);
	}
	assert_int_equal(house.c.jobs, 0);
	client_free(&house.c);
	signin_free(&house.c.signin);
	request_free(&house.q);
	free(house.jobs);
}

static struct job *add(struct op_spec spec) {
	struct job *j = &house.jobs[house.n++];
	assert_true(house.n <= MAX_JOBS);
	spec.timeout = spec.timeout ? spec.timeout : 300 * SECOND;
	spec.seed = (uint32_t)house.n;
	assert_true(op_init(&j->op, &house.c.cfg, &spec));
	assert_true(client_add(&house.c, j));
	return j;
}

static struct op_spec get(const char *url) {
	return (struct op_spec){ .kind = OP_GET, .url = test_text(url) };
}

static struct op_spec update(const char *url) {
	return (struct op_spec){ .kind = OP_UPDATE,
		                 .url = test_text(url),
		                 .id = SPAN(TEST_ID),
		                 .body = SPAN("{}"),
		                 .status = SPAN("Approved") };
}

static struct op_spec within(struct op_spec spec, int64_t timeout) {
	spec.timeout = timeout;
	return spec;
}

static void take_out(struct job *j) {
	client_remove(&house.c, j);
	op_free(&j->op);
	j->op.cfg = NULL;
}

static enum client_want next(void) {
	return client_next(&house.c, now_at(house.ms), &house.job, &house.q,
	                   &house.until);
}

/* The driver takes the request's bytes away with it. */
static void send(void) {
	client_sent(&house.c, house.job, now_at(house.ms));
	buf_free(&house.q.url);
	buf_free(&house.q.head);
	buf_free(&house.q.body);
}

/* The next thing is: job (NULL: the sign-in) sends. */
static void sends(const struct job *j, const char *file, int line) {
	enum client_want want = next();
	if (want != CLIENT_SEND || house.job != j)
		test_fail(file, line, "it wants %d, for job %td", (int)want,
		          house.job ? house.job - house.jobs : -1);
	send();
}

static void ends(const struct job *j, const char *file, int line) {
	enum client_want want = next();
	if (want != CLIENT_ENDED || house.job != j)
		test_fail(file, line, "it wants %d, for job %td", (int)want,
		          house.job ? house.job - house.jobs : -1);
}

static void waits(int64_t until, const char *file, int line) {
	enum client_want want = next();
	if (want != CLIENT_WAIT || house.until != until)
		test_fail(file, line, "it wants %d, until %lld", (int)want,
		          (long long)house.until);
}

#define SENDS(job) sends(job, __FILE__, __LINE__)
#define ENDS(job) ends(job, __FILE__, __LINE__)
#define WAITS(until) waits(until, __FILE__, __LINE__)

static void feed(struct job *j, const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, house.ms);
	client_feed(&house.c, j, &a);
}

static void feed_token(const char *token) {
	feed(NULL, reply_of(200, NULL, "{}"), facts_token(token, 3600));
}

static void feed_refusal(void) {
	feed(NULL, reply_of(401, NULL, "{}"),
	     facts_oauth("invalid_client", "AADSTS7000215: wrong secret"));
}

/* The end of a GET. */
static void feed_resource(struct job *j) {
	feed(j, reply_of(200, NULL, "{}"),
	     facts_resource("Succeeded", "Approved"));
}

static void at(int64_t ms) {
	house.ms = ms;
}

/* ---- the token ---------------------------------------------------------- */

static void test_one_fetch_for_all_who_wait(void **state) {
	struct job *jobs[100];
	(void)state;
	build_house(&by_secret, 100);
	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = add(get(HOST "/x"));
	SENDS(NULL);
	WAITS(300 * SECOND);
	at(5 * SECOND);
	WAITS(300 * SECOND);
	feed_token("the-token");
	for (size_t i = 0; i < COUNT(jobs); i++)
		SENDS(jobs[i]); /* in the order they came in */
	WAITS(300 * SECOND);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		feed_resource(jobs[i]);
		ENDS(jobs[i]);
		assert_int_equal(jobs[i]->op.end, OP_DONE);
	}
	WAITS(NEVER);
	leave_house();
}

static void test_every_request_carries_the_token(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&by_secret, 10);
	a = add(update(HOST "/a"));
	b = add(update(HOST "/b"));
	assert_int_equal(next(), CLIENT_SEND);
	assert_null(house.job);
	assert_null(request_field(&house.q, "Authorization").p);
	send();
	feed_token("t0k.en-1");
	assert_int_equal(next(), CLIENT_SEND);
	assert_ptr_equal(house.job, a);
	assert_span(request_field(&house.q, "Authorization"),
	            "Bearer t0k.en-1");
	assert_span(buf_span(&house.q.url), HOST "/a");
	send();
	assert_int_equal(next(), CLIENT_SEND);
	assert_ptr_equal(house.job, b);
	assert_span(request_field(&house.q, "Authorization"),
	            "Bearer t0k.en-1");
	send();
	feed(a, reply_of(202, "Location: " HOST "/l", NULL), no_facts());
	at(2 * SECOND);
	assert_int_equal(next(), CLIENT_SEND);
	assert_span(buf_span(&house.q.url), HOST "/l");
	assert_span(request_field(&house.q, "Authorization"),
	            "Bearer t0k.en-1");
	send();
	leave_house();
}

static void test_a_sign_in_between_takes_nothing_from_a_request(void **state) {
	struct job *a;
	(void)state;
	build_house(&by_secret, 10);
	a = add(update(HOST "/a"));
	SENDS(NULL);
	feed(NULL, reply_of(200, NULL, "{}"), facts_token("short", 60));
	SENDS(a);
	feed(a, reply_of(202, "Location: " HOST "/l\nRetry-After: 70", NULL),
	     no_facts());
	at(70 * SECOND);
	assert_int_equal(next(), CLIENT_SEND);
	assert_null(house.job);
	assert_span(buf_span(&house.q.url),
	            AUTHORITY "/tenant/oauth2/v2.0/token");
	assert_null(request_field(&house.q, "Authorization").p);
	assert_null(request_field(&house.q, "If-Match").p);
	assert_int_equal(house.q.method, HTTP_POST);
	assert_has(buf_span(&house.q.body), "client_secret=hunter2");
	send();
	feed_token("second");
	assert_int_equal(next(), CLIENT_SEND);
	assert_int_equal(house.q.method, HTTP_GET);
	assert_span(buf_span(&house.q.url), HOST "/l");
	assert_int_equal(house.q.body.n, 0);
	assert_span(request_field(&house.q, "Authorization"), "Bearer second");
	send();
	leave_house();
}

/* It is told that there is a token, and sends nothing of its own. */
static void test_an_identity_is_a_token_and_no_request(void **state) {
	struct op_spec who = { .kind = OP_IDENTITY };
	struct job *a, *b, *c;
	(void)state;
	build_house(&by_secret, 10);
	a = add(who);
	b = add(get(HOST "/x"));
	SENDS(NULL);
	at(SECOND);
	WAITS(300 * SECOND);
	feed_token("the-token");
	ENDS(a);
	SENDS(b);
	assert_int_equal(a->op.end, OP_DONE);
	assert_int_equal(a->op.spent[PHASE_TOKEN], SECOND);
	assert_int_equal(a->op.spent[PHASE_REQUEST], 0);
	assert_false(op_unknown(&a->op));
	c = add(who); /* the same token again */
	ENDS(c);
	assert_int_equal(c->op.end, OP_DONE);
	WAITS(300 * SECOND);
	leave_house();
}

static void test_an_identity_without_a_token_fails(void **state) {
	struct op_spec who = { .kind = OP_IDENTITY };
	struct job *a, *b;
	(void)state;
	build_house(&by_secret, 10);
	a = add(who);
	b = add(within(who, SECOND));
	SENDS(NULL);
	at(SECOND);
	ENDS(b);
	assert_int_equal(b->op.fail.kind, FAIL_TIMEOUT);
	assert_int_equal(b->op.fail.phase, PHASE_TOKEN);
	feed_refusal();
	ENDS(a);
	assert_int_equal(a->op.fail.kind, FAIL_CREDENTIAL);
	assert_int_equal(a->op.fail.phase, PHASE_TOKEN);
	leave_house();
}

static void test_all_who_wait_hear_that_no_token_comes(void **state) {
	struct job *jobs[10];
	(void)state;
	build_house(&by_secret, 100);
	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = add(get(HOST "/x"));
	SENDS(NULL);
	WAITS(300 * SECOND);
	feed_refusal();
	for (size_t i = 0; i < COUNT(jobs); i++) {
		ENDS(jobs[i]);
		assert_int_equal(jobs[i]->op.end, OP_FAIL);
		assert_int_equal(jobs[i]->op.fail.kind, FAIL_CREDENTIAL);
		assert_int_equal(jobs[i]->op.fail.phase, PHASE_TOKEN);
		assert_has(buf_span(&jobs[i]->op.fail.message),
		           "AADSTS7000215");
	}
	WAITS(NEVER);
	leave_house();
}

static void test_one_waiter_s_deadline_ends_no_fetch(void **state) {
	struct job *hasty, *patient;
	(void)state;
	build_house(&by_secret, 10);
	hasty = add(within(get(HOST "/h"), 2 * SECOND));
	patient = add(get(HOST "/p"));
	SENDS(NULL);
	WAITS(2 * SECOND);
	at(2 * SECOND);
	ENDS(hasty);
	assert_int_equal(hasty->op.fail.kind, FAIL_TIMEOUT);
	assert_int_equal(hasty->op.fail.phase, PHASE_TOKEN);
	assert_int_equal(hasty->op.spent[PHASE_TOKEN], 2 * SECOND);
	WAITS(300 * SECOND);
	take_out(hasty);
	at(5 * SECOND);
	feed_token("late");
	SENDS(patient);
	leave_house();
}

static void test_a_canceled_waiter_ends_no_fetch(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&by_secret, 10);
	a = add(get(HOST "/a"));
	b = add(get(HOST "/b"));
	SENDS(NULL);
	WAITS(300 * SECOND);
	client_cancel(&house.c, a, "no longer wanted", now_at(1));
	ENDS(a);
	assert_int_equal(a->op.fail.kind, FAIL_CANCELED);
	feed_token("tok");
	SENDS(b);
	WAITS(300 * SECOND);
	leave_house();
}

static void test_a_401_for_many_is_one_new_token(void **state) {
	struct job *jobs[20];
	(void)state;
	build_house(&by_secret, 100);
	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = add(get(HOST "/x"));
	SENDS(NULL);
	feed_token("first");
	for (size_t i = 0; i < COUNT(jobs); i++)
		SENDS(jobs[i]);
	for (size_t i = 0; i < COUNT(jobs) / 2; i++)
		feed(jobs[i], reply_of(401, NULL, "{}"),
		     facts_error("ExpiredAuthenticationToken", "expired"));
	SENDS(NULL);
	for (size_t i = COUNT(jobs) / 2; i < COUNT(jobs); i++)
		feed(jobs[i], reply_of(401, NULL, "{}"),
		     facts_error("ExpiredAuthenticationToken", "expired"));
	WAITS(300 * SECOND);
	feed_token("second");
	for (size_t i = 0; i < COUNT(jobs); i++) {
		assert_int_equal(next(), CLIENT_SEND);
		assert_non_null(house.job);
		assert_span(request_field(&house.q, "Authorization"),
		            "Bearer second");
		send();
	}
	for (size_t i = 0; i < COUNT(jobs); i++)
		feed_resource(jobs[i]);
	for (size_t i = 0; i < COUNT(jobs); i++)
		assert_int_equal(next(), CLIENT_ENDED);
	WAITS(NEVER);
	leave_house();
}

static void test_claims_of_a_challenge_reach_the_authority(void **state) {
	struct job *a;
	(void)state;
	build_house(&by_secret, 10);
	a = add(get(HOST "/a"));
	SENDS(NULL);
	feed_token("first");
	SENDS(a);
	feed(a,
	     reply_of(401, "WWW-Authenticate: Bearer claims=\"eyJhIjoxfQ\"",
	              NULL),
	     no_facts());
	assert_int_equal(next(), CLIENT_SEND);
	assert_null(house.job);
	assert_has(buf_span(&house.q.body), "&claims=%7B%22a%22%3A1%7D");
	send();
	feed_token("second");
	SENDS(a);
	feed_resource(a);
	ENDS(a);
	assert_int_equal(a->op.end, OP_DONE);
	leave_house();
}

static void test_a_lost_sign_in_is_sent_anew(void **state) {
	struct job *a;
	(void)state;
	build_house(&by_secret, 10);
	a = add(get(HOST "/a"));
	SENDS(NULL);
	WAITS(300 * SECOND);
	client_lost_signin(&house.c);
	SENDS(NULL);
	feed_token("tok");
	SENDS(a);
	leave_house();
}

static void test_a_failed_sign_in_is_tried_again_in_its_time(void **state) {
	struct job *a;
	(void)state;
	build_house(&by_secret, 10);
	a = add(get(HOST "/a"));
	SENDS(NULL);
	feed(NULL, reply_of(503, "Retry-After: 7", NULL), no_facts());
	WAITS(7 * SECOND);
	at(7 * SECOND);
	SENDS(NULL);
	feed_token("tok");
	SENDS(a);
	leave_house();
}

static void test_a_renewal_holds_nobody_up(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&by_secret, 10);
	a = add(get(HOST "/a"));
	SENDS(NULL);
	feed_token("first");
	SENDS(a);
	at(56 * MINUTE);
	feed_resource(a);
	ENDS(a);
	b = add(get(HOST "/b"));
	SENDS(b); /* with the token that still lives */
	SENDS(NULL);
	feed_refusal();
	feed_resource(b);
	ENDS(b);
	assert_int_equal(b->op.end, OP_DONE);
	leave_house();
}

static void test_a_function_is_called_once_for_all(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&function, 10);
	a = add(get(HOST "/a"));
	b = add(get(HOST "/b"));
	assert_int_equal(next(), CLIENT_NEED);
	who_give(&house.c.signin, SPAN("given"), -1, now_at(0));
	client_signed(&house.c, now_at(0));
	SENDS(a);
	SENDS(b);
	WAITS(300 * SECOND);
	leave_house();
}

static void test_a_function_that_fails_fails_all(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&function, 10);
	a = add(get(HOST "/a"));
	b = add(get(HOST "/b"));
	assert_int_equal(next(), CLIENT_NEED);
	who_refuse(&house.c.signin, SPAN("vault is sealed"), now_at(0));
	client_signed(&house.c, now_at(0));
	ENDS(a);
	ENDS(b);
	assert_has(buf_span(&b->op.fail.message), "vault is sealed");
	WAITS(NEVER);
	leave_house();
}

/* ---- where a token may go ----------------------------------------------- */

static void test_a_token_goes_to_no_foreign_origin(void **state) {
	static const char *const urls[] = {
		"https://evil.example/x",
		"http://management.azure.com/x",
		"https://management.azure.com:8443/x",
		"https://management.azure.com.evil.example/x",
		"https://management.azure.com@evil.example/x",
		"https://u@management.azure.com/x",
		"https://management.azure.com./x",
		"https://management.azure.com\\.evil.example/x",
		"//management.azure.com/x",
		"/x",
		"",
	};
	struct job *good;
	(void)state;
	build_house(&by_secret, 100);
	add(get(HOST "/first"));
	SENDS(NULL);
	feed_token("t0ken");
	SENDS(&house.jobs[0]);
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct job *j = add(update(urls[i]));
		ENDS(j);
		assert_int_equal(j->op.end, OP_FAIL);
		assert_int_equal(j->op.fail.kind, FAIL_UNTRUSTED);
		assert_false(op_unknown(&j->op)); /* nothing was sent */
		assert_lacks(buf_span(&house.q.head), "t0ken");
	}
	/* nor does anything of them go along with the next request */
	good = add(get(HOST "/good"));
	assert_int_equal(next(), CLIENT_SEND);
	assert_ptr_equal(house.job, good);
	assert_span(buf_span(&house.q.url), HOST "/good");
	assert_spans(buf_span(&house.q.head),
	             SPAN("Accept: application/json\0"
	                  "Authorization: Bearer t0ken\0"));
	assert_int_equal(house.q.body.n, 0);
	send();
	leave_house();
}

static void
test_after_a_foreign_url_the_secret_goes_to_the_authority(void **state) {
	struct job *bad, *good;
	(void)state;
	build_house(&by_secret, 100);
	bad = add(get("https://evil.example/x"));
	SENDS(NULL);
	feed(NULL, reply_of(200, NULL, "{}"), facts_token("short", 60));
	ENDS(bad);
	at(70 * SECOND);
	good = add(get(HOST "/x"));
	assert_int_equal(next(), CLIENT_SEND);
	assert_null(house.job);
	assert_span(buf_span(&house.q.url),
	            AUTHORITY "/tenant/oauth2/v2.0/token");
	assert_lacks(buf_span(&house.q.head), "Authorization");
	send();
	feed_token("tok");
	SENDS(good);
	leave_house();
}

static void test_a_token_that_comes_back_is_not_shown(void **state) {
	struct job *a;
	(void)state;
	build_house(&by_secret, 10);
	a = add(get(HOST "/a"));
	SENDS(NULL);
	feed_token("0paque-t0ken");
	SENDS(a);
	feed(a, reply_of(400, NULL, "{}"),
	     facts_error("BadRequest", "you sent (0paque-t0ken) to us"));
	ENDS(a);
	assert_has(buf_span(&a->op.fail.message), "you sent (");
	assert_lacks(buf_span(&a->op.fail.message), "0paque");
	leave_house();
}

static void test_plain_http_only_where_the_endpoint_is(void **state) {
	struct job *j;
	(void)state;
	build_house(&ready, 10);
	j = add(get(HOST "/x"));
	assert_int_equal(next(), CLIENT_SEND);
	assert_ptr_equal(house.job, j);
	assert_false(house.q.allow_http);
	assert_false(house.q.no_proxy);
	send();
	assert_true(url_parse(SPAN("http://127.0.0.1:8080"), &house.origin));
	add(get("http://127.0.0.1:8080/x"));
	assert_int_equal(next(), CLIENT_SEND);
	assert_true(house.q.allow_http);
	assert_true(house.q.no_proxy); /* it would read the token */
	send();
	leave_house();
}

/* ---- a full house ------------------------------------------------------- */

static void test_no_more_requests_at_once_than_allowed(void **state) {
	struct job *jobs[10];
	(void)state;
	build_house(&ready, 3);
	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = add(get(HOST "/x"));
	for (size_t i = 0; i < 3; i++)
		SENDS(jobs[i]);
	WAITS(300 * SECOND);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		feed_resource(jobs[i]);
		ENDS(jobs[i]);
		if (i + 3 < COUNT(jobs))
			SENDS(jobs[i + 3]); /* one leaves, one enters */
		WAITS(i + 1 < COUNT(jobs) ? 300 * SECOND : NEVER);
	}
	leave_house();
}

static void test_who_has_begun_goes_before_who_has_not(void **state) {
	struct job *a, *b, *c;
	(void)state;
	build_house(&ready, 1);
	a = add(update(HOST "/a"));
	b = add(get(HOST "/b"));
	c = add(get(HOST "/c"));
	SENDS(a);
	WAITS(300 * SECOND);
	feed(a, reply_of(202, "Location: " HOST "/l\nRetry-After: 5", NULL),
	     no_facts());
	SENDS(b); /* while a waits */
	at(5 * SECOND);
	WAITS(300 * SECOND); /* the house is full */
	feed_resource(b);
	ENDS(b);
	SENDS(a);
	feed(a, reply_of(200, NULL, "{}"),
	     facts_resource("Succeeded", "Approved"));
	ENDS(a);
	SENDS(c);
	leave_house();
}

static void test_the_clock_of_who_has_not_begun_stands_still(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 1);
	a = add(within(get(HOST "/a"), 60 * SECOND));
	b = add(within(get(HOST "/b"), 10 * SECOND));
	SENDS(a);
	at(30 * SECOND); /* b's ten seconds have not begun */
	WAITS(60 * SECOND);
	feed_resource(a);
	ENDS(a);
	SENDS(b);
	WAITS(40 * SECOND);
	at(40 * SECOND);
	ENDS(b);
	assert_int_equal(b->op.fail.kind, FAIL_TIMEOUT);
	leave_house();
}

static void
test_nor_does_it_run_while_the_first_token_is_fetched(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&by_secret, 1);
	a = add(within(get(HOST "/a"), 60 * SECOND));
	b = add(within(get(HOST "/b"), 10 * SECOND));
	SENDS(NULL);
	feed_token("tok");
	SENDS(a);
	at(9 * SECOND);
	feed_resource(a);
	ENDS(a);
	SENDS(b); /* its turn comes here, and its ten seconds */
	at(15 * SECOND);
	WAITS(19 * SECOND);
	feed_resource(b);
	ENDS(b);
	assert_int_equal(b->op.end, OP_DONE);
	leave_house();
}

static void test_a_deadline_comes_through_a_full_house(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 1);
	a = add(within(update(HOST "/a"), 20 * SECOND));
	SENDS(a);
	feed(a, reply_of(202, "Location: " HOST "/l\nRetry-After: 5", NULL),
	     no_facts());
	b = add(within(get(HOST "/b"), 60 * SECOND));
	add(get(HOST "/c"));
	SENDS(b);
	at(5 * SECOND); /* a is due, and b still flies */
	WAITS(20 * SECOND);
	at(20 * SECOND);
	ENDS(a);
	assert_int_equal(a->op.fail.kind, FAIL_TIMEOUT);
	assert_true(op_unknown(&a->op));
	WAITS(60 * SECOND);
	leave_house();
}

static void test_many_deadlines_come_through_a_full_house(void **state) {
	enum { N = 20 };
	struct job *jobs[N], *blocker;
	(void)state;
	build_house(&ready, N);
	for (int i = 0; i < N; i++) {
		jobs[i] = add(
			within(update(HOST "/a"), (40 - (i * 7) % N) * SECOND));
		SENDS(jobs[i]);
	}
	for (int i = 0; i < N; i++)
		feed(jobs[i],
		     reply_of(202, "Location: " HOST "/l\nRetry-After: 5",
		              NULL),
		     no_facts());
	for (int i = 0; i < N; i++) {
		blocker = add(within(get(HOST "/b"), 300 * SECOND));
		SENDS(blocker);
	}
	for (int i = 1; i <= N; i++) {
		enum client_want want = next();
		int64_t due = house.until;
		if (i == 1) { /* all become due, nobody may send */
			assert_int_equal(due, 5 * SECOND);
			at(due);
			want = next();
			due = house.until;
		}
		assert_int_equal(want, CLIENT_WAIT);
		assert_int_equal(due, (20 + i) * SECOND);
		at(due);
		assert_int_equal(next(), CLIENT_ENDED);
		assert_int_equal(house.job->op.fail.kind, FAIL_TIMEOUT);
		assert_int_equal(house.job->op.deadline, due);
	}
	leave_house();
}

static void test_a_deadline_ends_a_request_on_its_way(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 1);
	a = add(within(update(HOST "/a"), 20 * SECOND));
	b = add(get(HOST "/b"));
	SENDS(a);
	WAITS(20 * SECOND);
	at(19999);
	WAITS(20 * SECOND);
	at(20 * SECOND);
	ENDS(a);
	assert_int_equal(a->op.fail.kind, FAIL_TIMEOUT);
	assert_true(op_unknown(&a->op));
	SENDS(b); /* its place is free */
	leave_house();
}

/* ---- cancel and remove -------------------------------------------------- */

static void test_cancel_while_a_write_is_on_its_way(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 1);
	a = add(update(HOST "/a"));
	b = add(get(HOST "/b"));
	SENDS(a);
	client_cancel(&house.c, a, "canceled by its caller", now_at(3));
	ENDS(a);
	assert_int_equal(a->op.end, OP_FAIL);
	assert_int_equal(a->op.fail.kind, FAIL_CANCELED);
	assert_has(buf_span(&a->op.fail.message), "canceled by its caller");
	assert_true(op_unknown(&a->op)); /* it may have arrived */
	SENDS(b);
	WAITS(300 * SECOND);
	leave_house();
}

static void test_cancel_before_anything_was_sent(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 1);
	a = add(update(HOST "/a"));
	b = add(update(HOST "/b"));
	SENDS(a);
	client_cancel(&house.c, b, "canceled", now_at(0));
	ENDS(b);
	assert_false(op_unknown(&b->op));
	WAITS(300 * SECOND);
	leave_house();
}

static void test_cancel_between_two_polls(void **state) {
	struct job *a;
	(void)state;
	build_house(&ready, 1);
	a = add(update(HOST "/a"));
	SENDS(a);
	feed(a, reply_of(202, "Location: " HOST "/l\nRetry-After: 5", NULL),
	     no_facts());
	WAITS(5 * SECOND);
	client_cancel(&house.c, a, "canceled", now_at(1));
	ENDS(a);
	assert_true(op_unknown(&a->op));
	at(5 * SECOND);
	WAITS(NEVER);
	leave_house();
}

static void test_an_end_is_reported_once(void **state) {
	struct job *a;
	(void)state;
	build_house(&ready, 1);
	a = add(get(HOST "/a"));
	SENDS(a);
	feed_resource(a);
	ENDS(a);
	WAITS(NEVER);
	WAITS(NEVER);
	take_out(a);
	WAITS(NEVER);
	leave_house();
}

static void test_a_job_is_removed_from_wherever_it_stands(void **state) {
	struct job *new, *tokenless, *flying, *due, *ended;
	(void)state;
	build_house(&by_secret, 2);
	due = add(update(HOST "/due"));
	SENDS(NULL);
	feed_token("tok");
	SENDS(due);
	feed(due, reply_of(202, "Location: " HOST "/l\nRetry-After: 5", NULL),
	     no_facts());
	flying = add(get(HOST "/flying"));
	SENDS(flying);
	ended = add(get(HOST "/ended"));
	client_cancel(&house.c, ended, "canceled", now_at(0));
	ENDS(ended);
	tokenless = add(get(HOST "/tokenless"));
	SENDS(tokenless);
	feed(tokenless, reply_of(401, NULL, NULL), no_facts());
	SENDS(NULL);
	WAITS(5 * SECOND);
	new = add(get(HOST "/new"));
	take_out(new);
	take_out(due);
	WAITS(300 * SECOND);
	take_out(tokenless);
	take_out(flying);
	take_out(ended);
	feed_token("tok2");
	WAITS(NEVER);
	assert_int_equal(house.c.jobs, 0);
	for (int i = 0; i < RATE_KINDS; i++)
		assert_int_equal(house.c.flying[i].n, 0);
	assert_int_equal(house.c.heap_n, 0);
	leave_house();
}

static void test_an_ended_job_that_nobody_was_told_of_is_removed(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 2);
	a = add(get(HOST "/a"));
	b = add(get(HOST "/b"));
	client_cancel(&house.c, a, "canceled", now_at(0));
	take_out(a);
	SENDS(b);
	WAITS(300 * SECOND);
	leave_house();
}

/* ---- pages -------------------------------------------------------------- */

static void test_a_list_goes_on_from_page_to_page(void **state) {
	struct job *list, *other;
	(void)state;
	build_house(&ready, 1);
	list = add((struct op_spec){ .kind = OP_LIST,
	                             .url = SPAN(HOST "/list?x"),
	                             .timeout = 10 * SECOND });
	SENDS(list);
	feed(list, reply_of(200, NULL, "{}"),
	     facts_page(HOST "/list?x&page=2", false));
	ENDS(list);
	assert_int_equal(list->op.end, OP_DONE);
	WAITS(NEVER);
	at(60 * SECOND); /* the caller takes his time */
	WAITS(NEVER);
	other = add(get(HOST "/other"));
	assert_true(op_next_page(&list->op));
	client_resume(&house.c, list);
	SENDS(other);
	feed_resource(other);
	ENDS(other);
	assert_int_equal(next(), CLIENT_SEND);
	assert_ptr_equal(house.job, list);
	assert_span(buf_span(&house.q.url), HOST "/list?x&page=2");
	send();
	WAITS(70 * SECOND); /* a deadline for each page */
	feed(list, reply_of(200, NULL, "{}"), facts_page(NULL, false));
	ENDS(list);
	assert_false(op_next_page(&list->op));
	leave_house();
}

/* ---- times: the soonest first ------------------------------------------- */

static uint32_t chance(void) {
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* The job's answer: it polls again after so many ms. */
static void answer_wait(struct job *j, uint32_t ms) {
	char head[100];
	snprintf(head, sizeof head,
	         "Location: " HOST "/l\nx-ms-retry-after-ms: %u", (unsigned)ms);
	feed(j, reply_of(202, head, NULL), no_facts());
}

/* What the soonest of the waiting jobs waits for, found the slow way. */
static int64_t soonest(const int64_t *due) {
	int64_t least = NEVER;
	for (size_t i = 0; i < house.n; i++)
		if (house.jobs[i].op.cfg && due[i] < least)
			least = due[i];
	return least;
}

static void test_thousands_of_times_in_any_order(void **state) {
	enum { N = 3000, TURNS = 2 };
	static int64_t due[MAX_JOBS];
	static int turns[MAX_JOBS];
	size_t left = N;
	(void)state;
	memset(turns, 0, sizeof turns);
	build_house(&ready, N);
	for (size_t i = 0; i < N; i++)
		add(within(update(HOST "/x"), 1000 * MINUTE));
	for (size_t i = 0; i < N; i++)
		SENDS(&house.jobs[i]);
	for (size_t i = 0; i < N; i++) {
		uint32_t ms = POLL_FLOOR + chance() % 599000;
		answer_wait(&house.jobs[i], ms);
		due[i] = ms;
	}
	while (left > 0) {
		enum client_want want = next();
		size_t i = (size_t)(house.job - house.jobs);
		if (want == CLIENT_WAIT) {
			assert_int_equal(house.until, soonest(due));
			at(house.until);
			if (chance() % 50 == 0) { /* one is taken out */
				i = chance() % N;
				if (!house.jobs[i].op.cfg)
					continue;
				take_out(&house.jobs[i]);
				left--;
			}
			continue;
		}
		assert_non_null(house.job);
		assert_int_equal(want, CLIENT_SEND);
		if (due[i] != house.ms) /* neither late nor early */
			FAIL("job %zu, due at %lld, sends at %lld", i,
			     (long long)due[i], (long long)house.ms);
		send();
		if (++turns[i] > TURNS) {
			take_out(&house.jobs[i]);
			left--;
		} else {
			uint32_t ms = POLL_FLOOR + chance() % 599000;
			answer_wait(&house.jobs[i], ms);
			due[i] = house.ms + ms;
		}
	}
	assert_int_equal(house.c.heap_n, 0);
	WAITS(NEVER);
	leave_house();
}

static void test_thousands_of_deadlines_at_once(void **state) {
	enum { N = 3000 };
	(void)state;
	build_house(&by_secret, N);
	for (size_t i = 0; i < N; i++)
		add(within(get(HOST "/x"),
		           1 + (int64_t)(chance() % 5) * SECOND));
	SENDS(NULL);
	for (size_t ended = 0; ended < N;) {
		switch (next()) {
		case CLIENT_WAIT:
			assert_true(house.until > house.ms);
			at(house.until);
			break;
		case CLIENT_ENDED:
			assert_int_equal(house.job->op.deadline, house.ms);
			assert_int_equal(house.job->op.fail.kind, FAIL_TIMEOUT);
			ended++;
			break;
		default:
			FAIL("something else is wanted");
		}
	}
	WAITS(NEVER);
	leave_house();
}

/* ---- fairness ----------------------------------------------------------- */

static void test_nobody_waits_for_ever_behind_the_busy(void **state) {
	enum { N = 30 };
	int begun = 0;
	(void)state;
	build_house(&ready, 2);
	for (int i = 0; i < N; i++)
		add(within(update(HOST "/x"), 100 * MINUTE));
	/* each needs ten polls, a second apart; two fly at once */
	for (int turn = 0; turn < 100000 && begun < N; turn++) {
		enum client_want want = next();
		struct job *j = house.job;
		if (want == CLIENT_WAIT) {
			at(house.until);
		} else if (want == CLIENT_SEND) {
			begun += j->op.leg == LEG_WRITE;
			send();
			if (j->op.polls < 10)
				answer_wait(j, SECOND);
			else
				feed_resource(j);
		}
	}
	assert_int_equal(begun, N);
	leave_house();
}

static void test_those_due_at_once_all_get_their_turn(void **state) {
	enum { N = 50 };
	int polls[N] = { 0 };
	(void)state;
	build_house(&ready, 1);
	for (int i = 0; i < N; i++)
		add(within(update(HOST "/x"), 100 * MINUTE));
	for (int sent = 0; sent < N * 11;) {
		enum client_want want = next();
		if (want == CLIENT_WAIT) {
			at(house.until);
			continue;
		}
		assert_int_equal(want, CLIENT_SEND);
		polls[house.job - house.jobs]++;
		sent++;
		send();
		answer_wait(house.job, 10);
	}
	for (int i = 0; i < N; i++)
		if (polls[i] == 0)
			FAIL("job %d never got its turn", i);
	leave_house();
}

/* ---- what the service says of its limits -------------------------------- */

static void test_the_service_s_counters_are_kept(void **state) {
	struct job *a;
	int reads = -1, writes = -1;
	(void)state;
	build_house(&ready, 1);
	for (int i = 0; i < RATE_COUNT; i++) {
		assert_int_equal(house.c.rate.remaining[i], -1);
		if (strcmp(rate_name(i), "subscription-reads") == 0)
			reads = i;
		if (strcmp(rate_name(i), "subscription-writes") == 0)
			writes = i;
	}
	assert_true(reads >= 0 && writes >= 0);
	a = add(update(HOST "/a"));
	SENDS(a);
	feed(a,
	     reply_of(202,
	              "X-Ms-RateLimit-Remaining-Subscription-Writes: 199\n"
	              "x-ms-ratelimit-remaining-subscription-reads: 11999\n"
	              "x-ms-ratelimit-remaining-subscription-readsx: 5\n"
	              "x-ms-ratelimit-remaining-resource: a;1,b;2",
	              NULL),
	     no_facts());
	assert_int_equal(house.c.rate.remaining[writes], 199);
	assert_int_equal(house.c.rate.remaining[reads], 11999);
	at(2 * SECOND);
	SENDS(a);
	feed(a,
	     reply_of(202,
	              "x-ms-ratelimit-remaining-subscription-reads: 0\n"
	              "x-ms-ratelimit-remaining-subscription-writes: many",
	              NULL),
	     no_facts());
	assert_int_equal(house.c.rate.remaining[reads], 0);
	assert_int_equal(house.c.rate.remaining[writes], 199);
	leave_house();
}

static void test_a_crowded_driver_is_given_nothing_to_send(void **state) {
	struct job *polls, *new;
	(void)state;
	build_house(&ready, 10);
	polls = add(within(update(HOST "/a"), 5 * SECOND));
	SENDS(polls);
	feed(polls, reply_of(202, "Location: " HOST "/l", NULL), no_facts());
	new = add(get(HOST "/b"));
	house.c.crowded = true;
	at(2 * SECOND); /* when it would poll */
	WAITS(5 * SECOND);
	at(5 * SECOND);
	ENDS(polls); /* its deadline is heard all the same */
	assert_int_equal(polls->op.fail.kind, FAIL_TIMEOUT);
	WAITS(NEVER);
	house.c.crowded = false;
	SENDS(new);
	leave_house();
}

#define THROTTLED "Retry-After: 7"

static void feed_429(struct job *j, const char *code) {
	feed(j, reply_of(429, THROTTLED, "{}"), facts_error(code, "wait"));
}

static void test_a_429_of_the_front_door_holds_its_kind(void **state) {
	struct job *a, *b, *c;
	(void)state;
	build_house(&ready, 10);
	a = add(update(HOST "/a"));
	SENDS(a);
	feed_429(a, "SubscriptionRequestsThrottled");
	b = add(update(HOST "/b"));
	c = add(get(HOST "/c"));
	SENDS(c); /* reads have a limit of their own */
	WAITS(7 * SECOND);
	assert_int_equal(b->op.deadline, NEVER); /* its time stands still */
	at(7 * SECOND);
	SENDS(a);
	SENDS(b);
	leave_house();
}

static void test_a_429_of_a_resource_holds_nobody_else(void **state) {
	struct job *a, *b;
	(void)state;
	build_house(&ready, 10);
	a = add(update(HOST "/a"));
	SENDS(a);
	feed_429(a, "RetryableErrorDueToAnotherOperation");
	b = add(update(HOST "/b"));
	SENDS(b);
	leave_house();
}

/* One write is left: two seconds between any two. */
static void slow_down(struct job *j) {
	feed(j,
	     reply_of(202,
	              "Location: " HOST "/l\nRetry-After: 100\n"
	              "x-ms-ratelimit-remaining-subscription-writes: 1",
	              NULL),
	     no_facts());
}

static void test_little_left_slows_writes_down(void **state) {
	struct job *jobs[4];
	(void)state;
	build_house(&ready, 10);
	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = add(update(HOST "/x"));
	for (size_t i = 0; i < COUNT(jobs); i++) {
		int64_t when = (int64_t)i * 2 * SECOND;
		if (i > 0)
			WAITS(when);
		at(when);
		SENDS(jobs[i]);
		slow_down(jobs[i]);
	}
	leave_house();
}

static void test_a_deadline_comes_while_it_is_held(void **state) {
	struct job *first, *held;
	(void)state;
	build_house(&ready, 10);
	first = add(update(HOST "/x"));
	held = add(within((struct op_spec){ .kind = OP_ENSURE,
	                                    .url = SPAN(HOST "/y"),
	                                    .id = SPAN(TEST_ID),
	                                    .body = SPAN("{}"),
	                                    .status = SPAN("Approved") },
	                  SECOND));
	SENDS(held); /* its time is up first */
	SENDS(first);
	slow_down(first);
	feed(held, reply_of(200, NULL, "{}"),
	     facts_resource("Succeeded", "Pending"));
	WAITS(SECOND); /* it would write at 2 s */
	at(SECOND);
	ENDS(held);
	assert_int_equal(held->op.fail.kind, FAIL_TIMEOUT);
	leave_house();
}

/* ---- no memory ---------------------------------------------------------- */

static void test_no_memory_for_one_more_job(void **state) {
	struct op_spec spec = get(HOST "/x");
	bool refused = false;
	(void)state;
	spec.timeout = MINUTE;
	build_house(&ready, 10);
	while (!refused && house.n < 100) {
		struct job *j = &house.jobs[house.n];
		assert_true(op_init(&j->op, &house.c.cfg, &spec));
		if (house.n >= 10)
			test_mem_fail_from(1);
		refused = !client_add(&house.c, j);
		test_mem_fail_from(0);
		if (refused) {
			op_free(&j->op);
			j->op.cfg = NULL;
		} else {
			house.n++;
		}
	}
	assert_true(refused);
	/* those before it are none the worse */
	assert_int_equal(house.c.jobs, house.n);
	for (size_t i = 0; i < 10; i++)
		SENDS(&house.jobs[i]);
	WAITS(MINUTE);
	add(spec); /* there is memory again */
	leave_house();
}

static void test_no_memory_for_a_request_is_seen_in_it(void **state) {
	(void)state;
	for (size_t n = 1; n < 40; n++) {
		build_house(&by_secret, 10);
		add(update(HOST "/x"));
		SENDS(NULL);
		feed_token("the-token-the-token-the-token");
		test_mem_fail_from(n);
		if (next() == CLIENT_SEND && !request_failed(&house.q)) {
			assert_span(buf_span(&house.q.url), HOST "/x");
			assert_span(request_field(&house.q, "Authorization"),
			            "Bearer the-token-the-token-the-token");
			assert_span(request_field(&house.q, "Content-Type"),
			            "application/json");
			assert_span(buf_span(&house.q.body), "{}");
		}
		test_mem_fail_from(0);
		leave_house();
		test_no_leaks();
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_one_fetch_for_all_who_wait),
		TEST(test_every_request_carries_the_token),
		TEST(test_a_sign_in_between_takes_nothing_from_a_request),
		TEST(test_an_identity_is_a_token_and_no_request),
		TEST(test_an_identity_without_a_token_fails),
		TEST(test_all_who_wait_hear_that_no_token_comes),
		TEST(test_one_waiter_s_deadline_ends_no_fetch),
		TEST(test_a_canceled_waiter_ends_no_fetch),
		TEST(test_a_401_for_many_is_one_new_token),
		TEST(test_claims_of_a_challenge_reach_the_authority),
		TEST(test_a_lost_sign_in_is_sent_anew),
		TEST(test_a_failed_sign_in_is_tried_again_in_its_time),
		TEST(test_a_renewal_holds_nobody_up),
		TEST(test_a_function_is_called_once_for_all),
		TEST(test_a_function_that_fails_fails_all),
		TEST(test_a_token_goes_to_no_foreign_origin),
		TEST(test_after_a_foreign_url_the_secret_goes_to_the_authority),
		TEST(test_a_token_that_comes_back_is_not_shown),
		TEST(test_plain_http_only_where_the_endpoint_is),
		TEST(test_no_more_requests_at_once_than_allowed),
		TEST(test_who_has_begun_goes_before_who_has_not),
		TEST(test_the_clock_of_who_has_not_begun_stands_still),
		TEST(test_nor_does_it_run_while_the_first_token_is_fetched),
		TEST(test_a_deadline_comes_through_a_full_house),
		TEST(test_many_deadlines_come_through_a_full_house),
		TEST(test_a_deadline_ends_a_request_on_its_way),
		TEST(test_cancel_while_a_write_is_on_its_way),
		TEST(test_cancel_before_anything_was_sent),
		TEST(test_cancel_between_two_polls),
		TEST(test_an_end_is_reported_once),
		TEST(test_a_job_is_removed_from_wherever_it_stands),
		TEST(test_an_ended_job_that_nobody_was_told_of_is_removed),
		TEST(test_a_list_goes_on_from_page_to_page),
		TEST(test_thousands_of_times_in_any_order),
		TEST(test_thousands_of_deadlines_at_once),
		TEST(test_nobody_waits_for_ever_behind_the_busy),
		TEST(test_those_due_at_once_all_get_their_turn),
		TEST(test_the_service_s_counters_are_kept),
		TEST(test_a_crowded_driver_is_given_nothing_to_send),
		TEST(test_a_429_of_the_front_door_holds_its_kind),
		TEST(test_a_429_of_a_resource_holds_nobody_else),
		TEST(test_little_left_slows_writes_down),
		TEST(test_a_deadline_comes_while_it_is_held),
		TEST(test_no_memory_for_one_more_job),
		TEST(test_no_memory_for_a_request_is_seen_in_it),
	};
	return RUN(tests);
}

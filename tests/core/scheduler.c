/* scheduler.c -- many operations at once: whose turn it is, which wait for the
   token, which are due, which have ended.  What a few jobs do is written down
   as tables, one line a step:

       { "a_canceled_waiter_ends_no_fetch", &by_secret, 10,
         { GET("/a"), GET("/b"), SIGN_IN, AT(1), CANCEL(A), ENDS(A),
           GRANTS("tok", 3600), SENDS(B) } }

   Jobs are A, B, C ... in the order in which they are added.  A step that is
   not written down is one too many: the next SENDS, ENDS or WAITS fails. */
#include "tables.h"
#include "who.h"

#include "core/scheduler.h"

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	LONG = 300 * SECOND,
	MAX_JOBS = 4000
};
enum { SIGNIN = -1, A, B, C, D, E };

#define HOST "https://management.azure.com"
#define AUTHORITY "https://login.microsoftonline.com"
#define ENDPOINT AUTHORITY "/tenant/oauth2/v2.0/token"

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

/* ---- a scheduler, its jobs, and a driver without a network --------------- */

struct step {
	void (*play)(const struct step *);
	int job;
	const char *text, *more;
	int64_t ms;
	int n, m;
	int line;
};

struct scenario {
	const char *name;
	const struct who *who;
	size_t max_in_flight;
	struct step steps[32]; /* up to one that is all zero */
};

static struct {
	const struct step *step; /* NULL: in a test that is no table */
	struct scheduler c;
	struct url origin;
	struct request q; /* one for all, as the driver has it */
	struct job *jobs; /* MAX_JOBS of them */
	size_t n;
	int64_t ms;
	/* what scheduler_next gave last */
	struct job *job;
	int64_t until;
} t;

#define OFF(...)                                                               \
	do {                                                                   \
		char what_[512];                                               \
		snprintf(what_, sizeof what_, __VA_ARGS__);                    \
		test_fail(__FILE__, t.step ? t.step->line : __LINE__, "%s",    \
		          what_);                                              \
	} while (0)

static void same(struct span is, const char *want, const char *what) {
	test_span(is, test_text(want), what, __FILE__, t.step->line);
}
static void equal(int64_t is, int64_t want, const char *what) {
	if (is != want)
		OFF("%s is %lld and not %lld", what, (long long)is,
		    (long long)want);
}

static void build(const struct who *spec, size_t max_in_flight) {
	struct op_config cfg = { .mem = test_mem(),
		                 .origins = &t.origin,
		                 .origin_count = 1,
		                 .retry = RETRY_DEFAULT,
		                 .try_timeout = MINUTE };
	memset(&t, 0, sizeof t);
	assert_true(url_parse(SPAN(HOST), &t.origin));
	scheduler_init(&t.c, &cfg, max_in_flight);
	assert_true(who_init(&t.c.chain, spec));
	request_init(&t.q, test_mem());
	t.jobs = calloc(MAX_JOBS, sizeof *t.jobs);
	assert_non_null(t.jobs);
}

static void take_out(struct job *j) {
	scheduler_remove(&t.c, j);
	op_free(&j->op);
	j->op.cfg = NULL;
}

/* All jobs that are still in it are removed on the way. */
static void leave(void) {
	for (size_t i = 0; i < t.n; i++)
		if (t.jobs[i].op.cfg)
			take_out(&t.jobs[i]);
	assert_int_equal(t.c.jobs, 0);
	scheduler_free(&t.c);
	chain_free(&t.c.chain);
	request_free(&t.q);
	free(t.jobs);
}

/* id NULL: one of its own. */
static struct op_spec spec_of(enum op_kind kind, const char *url,
                              const char *id, int64_t timeout) {
	bool writes =
		kind == OP_UPDATE || kind == OP_ENSURE || kind == OP_DELETE;
	return (struct op_spec){ .kind = kind,
		                 .url = test_text(url),
		                 .id = id ? test_text(id) : test_id(t.n + 1),
		                 .status = writes ? SPAN("Approved") : NO_SPAN,
		                 .timeout = timeout,
		                 .seed = (uint32_t)t.n + 1 };
}

static struct job *add_spec(struct op_spec spec) {
	struct job *j = &t.jobs[t.n++];
	assert_true(t.n <= MAX_JOBS);
	assert_true(op_init(&j->op, &t.c.cfg, &spec));
	return j;
}

static struct job *add(enum op_kind kind, const char *url, int64_t timeout) {
	struct job *j = add_spec(spec_of(kind, url, NULL, timeout));
	assert_true(scheduler_add(&t.c, j));
	return j;
}

static bool is_write(const struct request *q) {
	return q->method == HTTP_PATCH || q->method == HTTP_DELETE;
}

/* The driver takes the last request's bytes away with it.  Exactly the PATCHes
   and DELETEs are offered as writes; they may go. */
static enum scheduler_want next(void) {
	enum scheduler_want want;
	buf_free(&t.q.url);
	buf_free(&t.q.head);
	buf_free(&t.q.body);
	want = scheduler_next(&t.c, now_at(t.ms), &t.job, &t.q, &t.until);
	if (want == SCHEDULER_SEND || want == SCHEDULER_WRITE)
		assert_int_equal(want == SCHEDULER_WRITE, is_write(&t.q));
	return want == SCHEDULER_WRITE ? SCHEDULER_SEND : want;
}

/* The next thing is this, for that job (NULL: the sign-in). */
static void expect(enum scheduler_want want, const struct job *j) {
	enum scheduler_want is = next();
	if (is != want || t.job != j)
		OFF("at %lld ms it wants %d, for job %td, until %lld",
		    (long long)t.ms, (int)is, t.job ? t.job - t.jobs : -1,
		    (long long)t.until);
}
static void sends(struct job *j) {
	expect(SCHEDULER_SEND, j);
	scheduler_sent(&t.c, j, now_at(t.ms));
}
static void waits(int64_t until) {
	if (next() != SCHEDULER_WAIT || t.until != until)
		OFF("at %lld ms it does not wait until %lld but %lld",
		    (long long)t.ms, (long long)until, (long long)t.until);
}

static void feed(struct job *j, const struct reply *r, struct facts f) {
	struct answer a =
		answer_of(r, j ? facts_about(f, j->op.spec.id) : f, t.ms);
	scheduler_feed(&t.c, j, &a);
}
static void feed_token(const char *token) {
	feed(NULL, reply_of(200, NULL, "{}"), facts_token(token, 3600));
}
static void feed_refusal(void) {
	feed(NULL, reply_of(401, NULL, "{}"),
	     facts_oauth("invalid_client", "AADSTS7000215: wrong secret"));
}
static void feed_resource(struct job *j) {
	feed(j, reply_of(200, NULL, "{}"),
	     facts_resource("Succeeded", "Approved"));
}

/* ---- steps -------------------------------------------------------------- */

#define STEP(...)                                                              \
	{ .line = __LINE__, .play = __VA_ARGS__ }

static struct job *job_of(const struct step *s) {
	return s->job == SIGNIN ? NULL : &t.jobs[s->job];
}

static void play_add(const struct step *s) {
	struct job *j =
		add_spec(spec_of((enum op_kind)s->n, s->text, s->more, s->ms));
	if (s->m) /* another process began it */
		assert_true(op_resume(
			&j->op, &(struct op_begun){ .source = POLL_ASYNC,
		                                    .url = SPAN(HOST "/op"),
		                                    .changed = true }));
	assert_int_equal(j->op.resumed, s->m != 0);
	assert_true(scheduler_add(&t.c, j));
}
#define ADD(kind, url, timeout)                                                \
	STEP(play_add, .n = kind, .text = url, .ms = timeout)
#define GET(path) ADD(OP_GET, HOST path, LONG)
#define UPDATE(path) ADD(OP_UPDATE, HOST path, LONG)
/* ... for that connection. */
#define TO(id, kind, timeout)                                                  \
	STEP(play_add, .n = kind, .text = HOST "/x", .more = id, .ms = timeout)
#define RESUMED(id)                                                            \
	STEP(play_add, .n = OP_UPDATE, .text = HOST "/x", .more = id,          \
	     .ms = LONG, .m = 1)

static void play_at(const struct step *s) {
	t.ms = s->ms;
}
#define AT(when) STEP(play_at, .ms = when)

static void play_sends(const struct step *s) {
	sends(job_of(s));
	if (s->text)
		same(buf_span(&t.q.url), s->text, "the URL");
}
#define SENDS(which) STEP(play_sends, .job = which)
#define SENDS_TO(which, url) STEP(play_sends, .job = which, .text = url)
static void play_ends(const struct step *s) {
	expect(SCHEDULER_ENDED, job_of(s));
}
#define ENDS(which) STEP(play_ends, .job = which)
static void play_waits(const struct step *s) {
	waits(s->ms);
}
#define WAITS(until) STEP(play_waits, .ms = until)

/* The request: a field, NULL where it is not there; the body. */
static void play_field(const struct step *s) {
	same(request_field(&t.q, s->text), s->more, s->text);
}
#define FIELD(name, value) STEP(play_field, .text = name, .more = value)
#define BEARER(token) FIELD("Authorization", token)
static void play_body(const struct step *s) {
	if (s->text)
		test_needs(buf_span(&t.q.body), s->text, true, __FILE__,
		           s->line);
	else
		equal(t.q.body.n, 0, "the body's length");
}
#define BODY_HAS(part) STEP(play_body, .text = part)
#define NO_BODY STEP(play_body)
static void play_method(const struct step *s) {
	equal(t.q.method, s->n, "the method");
}
#define BY(method) STEP(play_method, .n = method)
/* Plain http, and no proxy that would read the token. */
static void play_clear(const struct step *s) {
	equal(t.q.allow_http, s->n, "allow_http");
	equal(t.q.no_proxy, s->n, "no_proxy");
}
#define IN_CLEAR(is) STEP(play_clear, .n = is)

static void play_grants(const struct step *s) {
	feed(NULL, reply_of(200, NULL, "{}"), facts_token(s->text, s->ms));
}
#define GRANTS(token, life) STEP(play_grants, .text = token, .ms = life)
static void play_refuses(const struct step *s) {
	(void)s;
	feed_refusal();
}
#define REFUSES STEP(play_refuses)
#define TOKEN_COMES SENDS(SIGNIN), GRANTS("tok", 3600)

static void play_answers(const struct step *s) {
	feed(job_of(s), reply_of(s->n, s->text, NULL), no_facts());
}
#define ANSWERS(which, status, head)                                           \
	STEP(play_answers, .job = which, .n = status, .text = head)
/* It is to be polled. */
#define LATER(which, head) ANSWERS(which, 202, "Location: " HOST "/l" head)
#define IN_FIVE(which) LATER(which, "\nRetry-After: 5")
static void play_resource(const struct step *s) {
	feed(job_of(s), reply_of(200, NULL, "{}"),
	     facts_resource("Succeeded", s->text));
}
#define FINDS(which, status) STEP(play_resource, .job = which, .text = status)
#define APPROVED(which) FINDS(which, "Approved")
static void play_error(const struct step *s) {
	feed(job_of(s),
	     reply_of(s->n, s->n == 429 ? "Retry-After: 7" : NULL, "{}"),
	     facts_error(s->text, s->more));
}
#define ERROR(which, status, code, says)                                       \
	STEP(play_error, .job = which, .n = status, .text = code, .more = says)
static void play_page(const struct step *s) {
	feed(job_of(s), reply_of(200, NULL, "{}"), facts_page(s->text, false));
}
#define PAGE(which, next_one) STEP(play_page, .job = which, .text = next_one)
static void play_next_page(const struct step *s) {
	equal(op_next_page(&job_of(s)->op), s->n, "a next page");
	if (s->n)
		scheduler_next_page(&t.c, job_of(s));
}
#define NEXT_PAGE(which) STEP(play_next_page, .job = which, .n = 1)
#define NO_NEXT_PAGE(which) STEP(play_next_page, .job = which)

static void play_need(const struct step *s) {
	(void)s;
	equal(next(), SCHEDULER_NEED, "what it wants");
}
#define NEEDS STEP(play_need)
static void play_gives(const struct step *s) {
	who_give(&t.c.chain, test_text(s->text), -1, now_at(t.ms));
	scheduler_provided(&t.c, now_at(t.ms));
}
#define GIVES(token) STEP(play_gives, .text = token)
static void play_cannot(const struct step *s) {
	who_refuse(&t.c.chain, test_text(s->text), now_at(t.ms));
	scheduler_provided(&t.c, now_at(t.ms));
}
#define CANNOT(why) STEP(play_cannot, .text = why)

static void play_cancel(const struct step *s) {
	scheduler_cancel(&t.c, job_of(s), s->text, now_at(t.ms));
}
#define CANCEL(which) STEP(play_cancel, .job = which, .text = "not wanted")
/* Its write is refused in the moment when it would be sent. */
static void play_vetoes(const struct step *s) {
	expect(SCHEDULER_SEND, job_of(s));
	equal(is_write(&t.q), true, "that it writes");
	scheduler_veto(&t.c, job_of(s), test_text(s->text), now_at(t.ms));
	expect(SCHEDULER_ENDED, job_of(s));
	equal(job_of(s)->op.fail.kind, FAIL_CANCELED, "the kind");
	equal(job_of(s)->op.fail.phase, PHASE_REQUEST, "the phase");
}
#define VETOES(which, why) STEP(play_vetoes, .job = which, .text = why)
static void play_message(const struct step *s) {
	same(buf_span(&job_of(s)->op.fail.message), s->text, "the message");
}
#define MESSAGE(which, is) STEP(play_message, .job = which, .text = is)
static void play_written(const struct step *s) {
	equal(job_of(s)->op.writes_sent, s->n, "the writes sent");
}
#define WRITTEN(which, times) STEP(play_written, .job = which, .n = times)
static void play_take_out(const struct step *s) {
	take_out(job_of(s));
}
#define TAKE_OUT(which) STEP(play_take_out, .job = which)
static void play_lost(const struct step *s) {
	(void)s;
	scheduler_lost_signin(&t.c);
}
#define LOSES_SIGNIN STEP(play_lost)
static void play_freed(const struct step *s) {
	(void)s;
	scheduler_free(&t.c);
}
#define FREED STEP(play_freed)
static void play_crowded(const struct step *s) {
	t.c.at_connect_limit = s->n;
}
#define CROWDED(is) STEP(play_crowded, .n = is)
static void play_origin(const struct step *s) {
	if (!url_parse(test_text(s->text), &t.origin))
		OFF("%s is no URL", s->text);
}
#define ORIGIN(url) STEP(play_origin, .text = url)

static void play_done(const struct step *s) {
	equal(job_of(s)->op.end, OP_DONE, "the end");
	equal(op_unknown(&job_of(s)->op), false, "unknown");
}
#define DONE(which) STEP(play_done, .job = which)
static void play_failed(const struct step *s) {
	const struct fail *f = &job_of(s)->op.fail;
	equal(job_of(s)->op.end, OP_FAIL, "the end");
	equal(f->kind, s->n, "the kind");
	if (s->m)
		equal(f->phase, s->m, "the phase");
	if (s->text)
		test_needs(buf_span(&f->message), s->text, true, __FILE__,
		           s->line);
}
#define FAILED(which, as) STEP(play_failed, .job = which, .n = as)
#define FAILED_IN(which, as, where, says)                                      \
	STEP(play_failed, .job = which, .n = as, .m = where, .text = says)
static void play_says_not(const struct step *s) {
	test_needs(buf_span(&job_of(s)->op.fail.message), s->text, false,
	           __FILE__, s->line);
}
#define SAYS_NOT(which, part) STEP(play_says_not, .job = which, .text = part)
/* What became of its write. */
static void play_unknown(const struct step *s) {
	equal(op_unknown(&job_of(s)->op), s->n, "unknown");
}
#define UNKNOWN(which) STEP(play_unknown, .job = which, .n = 1)
#define KNOWN(which) STEP(play_unknown, .job = which)
static void play_spent(const struct step *s) {
	equal(job_of(s)->op.spent[s->n], s->ms, "the time");
}
#define SPENT(which, where, length)                                            \
	STEP(play_spent, .job = which, .n = where, .ms = length)
static void play_due(const struct step *s) {
	equal(scheduler_due(&t.c, job_of(s)), s->ms, "when it is due");
}
#define DUE(which, when) STEP(play_due, .job = which, .ms = when)
static void play_not_begun(const struct step *s) {
	equal(job_of(s)->op.deadline, NEVER, "the deadline");
}
#define NOT_BEGUN(which) STEP(play_not_begun, .job = which)
/* Nobody stands in any queue. */
static void play_empty(const struct step *s) {
	(void)s;
	equal(t.c.jobs, 0, "the jobs");
	for (int i = 0; i < RATE_KINDS; i++)
		equal(t.c.in_flight[i].n, 0, "those on their way");
	equal(t.c.heap_n, 0, "those who wait");
}
#define EMPTY STEP(play_empty)

static void play(void **row) {
	const struct scenario *s = *row;
	build(s->who, s->max_in_flight);
	for (t.step = s->steps; t.step->play; t.step++)
		t.step->play(t.step);
	leave();
}

/* ---- the token ---------------------------------------------------------- */

#define CLAIMS "WWW-Authenticate: Bearer claims=\"eyJhIjoxfQ\""
#define IDENTITY(timeout) ADD(OP_IDENTITY, NULL, timeout)

static const struct scenario tokens[] = {
	{ "every_request_carries_it",
	  &by_secret,
	  10,
	  { UPDATE("/a"), UPDATE("/b"), SENDS(SIGNIN), BEARER(NULL),
	    GRANTS("t0k.en-1", 3600), SENDS_TO(A, HOST "/a"),
	    BEARER("Bearer t0k.en-1"), SENDS(B), BEARER("Bearer t0k.en-1"),
	    LATER(A, ""), AT(2 * SECOND), SENDS_TO(A, HOST "/l"),
	    BEARER("Bearer t0k.en-1") } },
	{ "a_sign_in_between_takes_nothing_from_a_request",
	  &by_secret,
	  10,
	  { UPDATE("/a"), SENDS(SIGNIN), GRANTS("short", 60), SENDS(A),
	    LATER(A, "\nRetry-After: 70"), AT(70 * SECOND),
	    SENDS_TO(SIGNIN, ENDPOINT), BEARER(NULL), FIELD("If-Match", NULL),
	    BY(HTTP_POST), BODY_HAS("client_secret=hunter2"),
	    GRANTS("second", 3600), SENDS_TO(A, HOST "/l"), BY(HTTP_GET),
	    NO_BODY, BEARER("Bearer second") } },
	/* it is told that there is a token, and sends nothing of its own */
	{ "an_identity_is_a_token_and_no_request",
	  &by_secret,
	  10,
	  { IDENTITY(LONG), GET("/x"), SENDS(SIGNIN), AT(SECOND), WAITS(LONG),
	    GRANTS("the-token", 3600), ENDS(A), SENDS(B), DONE(A),
	    SPENT(A, PHASE_TOKEN, SECOND), SPENT(A, PHASE_REQUEST, 0),
	    IDENTITY(LONG), ENDS(C), DONE(C), WAITS(LONG) } },
	{ "an_identity_without_one_fails",
	  &by_secret,
	  10,
	  { IDENTITY(LONG), IDENTITY(SECOND), SENDS(SIGNIN), AT(SECOND),
	    ENDS(B), FAILED_IN(B, FAIL_TIMEOUT, PHASE_TOKEN, ""), REFUSES,
	    ENDS(A), FAILED_IN(A, FAIL_CREDENTIAL, PHASE_TOKEN, "") } },
	{ "one_waiter_s_deadline_ends_no_fetch",
	  &by_secret,
	  10,
	  { ADD(OP_GET, HOST "/h", 2 * SECOND), GET("/p"), SENDS(SIGNIN),
	    WAITS(2 * SECOND), AT(2 * SECOND), ENDS(A),
	    FAILED_IN(A, FAIL_TIMEOUT, PHASE_TOKEN,
	              "last error: the sign-in by client_secret has not "
	              "finished"),
	    SPENT(A, PHASE_TOKEN, 2 * SECOND), WAITS(LONG), TAKE_OUT(A),
	    AT(5 * SECOND), GRANTS("late", 3600), SENDS(B) } },
	{ "a_canceled_waiter_ends_no_fetch",
	  &by_secret,
	  10,
	  { GET("/a"), GET("/b"), SENDS(SIGNIN), WAITS(LONG), AT(1), CANCEL(A),
	    ENDS(A), FAILED(A, FAIL_CANCELED), AT(0), GRANTS("tok", 3600),
	    SENDS(B), WAITS(LONG) } },
	{ "claims_of_a_challenge_reach_the_authority",
	  &by_secret,
	  10,
	  { GET("/a"), SENDS(SIGNIN), GRANTS("first", 3600), SENDS(A),
	    ANSWERS(A, 401, CLAIMS), SENDS(SIGNIN),
	    BODY_HAS("&claims=%7B%22a%22%3A1%7D"), GRANTS("second", 3600),
	    SENDS(A), APPROVED(A), ENDS(A), DONE(A) } },
	{ "a_lost_sign_in_is_sent_again",
	  &by_secret,
	  10,
	  { GET("/a"), SENDS(SIGNIN), WAITS(LONG), LOSES_SIGNIN, TOKEN_COMES,
	    SENDS(A) } },
	{ "a_failed_sign_in_is_tried_again_in_its_time",
	  &by_secret,
	  10,
	  { GET("/a"), SENDS(SIGNIN), ANSWERS(SIGNIN, 503, "Retry-After: 7"),
	    WAITS(7 * SECOND), AT(7 * SECOND), TOKEN_COMES, SENDS(A) } },
	/* b goes with the token that still lives */
	{ "a_renewal_delays_no_job",
	  &by_secret,
	  10,
	  { GET("/a"), SENDS(SIGNIN), GRANTS("first", 3600), SENDS(A),
	    AT(56 * MINUTE), APPROVED(A), ENDS(A), GET("/b"), SENDS(B),
	    SENDS(SIGNIN), REFUSES, APPROVED(B), ENDS(B), DONE(B) } },
	{ "a_function_is_called_once_for_all",
	  &function,
	  10,
	  { GET("/a"), GET("/b"), NEEDS, GIVES("given"), SENDS(A), SENDS(B),
	    WAITS(LONG) } },
	{ "a_function_that_fails_fails_all",
	  &function,
	  10,
	  { GET("/a"), GET("/b"), NEEDS, CANNOT("vault is sealed"), ENDS(A),
	    ENDS(B),
	    FAILED_IN(B, FAIL_CREDENTIAL, PHASE_TOKEN, "vault is sealed"),
	    WAITS(NEVER) } },
	{ "after_a_foreign_url_the_secret_goes_to_the_authority",
	  &by_secret,
	  100,
	  { ADD(OP_GET, "https://evil.example/x", LONG), SENDS(SIGNIN),
	    GRANTS("short", 60), ENDS(A), AT(70 * SECOND), GET("/x"),
	    SENDS_TO(SIGNIN, ENDPOINT), BEARER(NULL), GRANTS("tok", 3600),
	    SENDS(B) } },
	{ "an_echoed_token_is_not_shown",
	  &by_secret,
	  10,
	  { GET("/a"), SENDS(SIGNIN), GRANTS("0paque-t0ken", 3600), SENDS(A),
	    ERROR(A, 400, "BadRequest", "you sent (0paque-t0ken) to us"),
	    ENDS(A), FAILED_IN(A, FAIL_SERVICE, 0, "you sent ("),
	    SAYS_NOT(A, "0paque") } },
	{ "plain_http_only_where_the_endpoint_is",
	  &ready,
	  10,
	  { GET("/x"), SENDS(A), IN_CLEAR(false),
	    ORIGIN("http://127.0.0.1:8080"),
	    ADD(OP_GET, "http://127.0.0.1:8080/x", LONG), SENDS(B),
	    IN_CLEAR(true) } },
};

static void test_waiting_jobs_share_one_fetch(void **state) {
	enum { N = 100 };
	(void)state;
	build(&by_secret, N);
	for (int i = 0; i < N; i++)
		add(OP_GET, HOST "/x", LONG);
	sends(NULL);
	waits(LONG);
	t.ms = 5 * SECOND;
	waits(LONG);
	feed_token("the-token");
	for (int i = 0; i < N; i++)
		sends(&t.jobs[i]); /* in the order they came in */
	waits(LONG);
	for (int i = 0; i < N; i++) {
		feed_resource(&t.jobs[i]);
		expect(SCHEDULER_ENDED, &t.jobs[i]);
		assert_int_equal(t.jobs[i].op.end, OP_DONE);
	}
	waits(NEVER);
	leave();
}

static void test_a_failed_sign_in_ends_all_waiting_jobs(void **state) {
	enum { N = 10 };
	(void)state;
	build(&by_secret, 100);
	for (int i = 0; i < N; i++)
		add(OP_GET, HOST "/x", LONG);
	sends(NULL);
	waits(LONG);
	feed_refusal();
	for (int i = 0; i < N; i++) {
		const struct fail *f = &t.jobs[i].op.fail;
		expect(SCHEDULER_ENDED, &t.jobs[i]);
		assert_int_equal(t.jobs[i].op.end, OP_FAIL);
		assert_int_equal(f->kind, FAIL_CREDENTIAL);
		assert_int_equal(f->phase, PHASE_TOKEN);
		assert_has(buf_span(&f->message), "AADSTS7000215");
	}
	waits(NEVER);
	leave();
}

/* Its reason is the refusal, although the next step comes after its time. */
static void test_a_refused_sign_in_fails_at_once(void **state) {
	(void)state;
	build(&by_secret, 10);
	add(OP_GET, HOST "/x", LONG);
	sends(NULL);
	waits(LONG);
	feed_refusal();
	t.ms = LONG;
	expect(SCHEDULER_ENDED, &t.jobs[0]);
	assert_int_equal(t.jobs[0].op.fail.kind, FAIL_CREDENTIAL);
	leave();
}

/* 16 fit into the first block. */
static void test_the_heap_grows_when_full(void **state) {
	size_t asked;
	(void)state;
	build(&by_secret, 10);
	for (int i = 0; i < 17; i++)
		add_spec(spec_of(OP_GET, HOST "/x", NULL, LONG));
	assert_true(scheduler_add(&t.c, &t.jobs[0]));
	asked = test_memory.asked;
	for (int i = 1; i < 16; i++)
		assert_true(scheduler_add(&t.c, &t.jobs[i]));
	assert_int_equal(test_memory.asked, asked);
	assert_true(scheduler_add(&t.c, &t.jobs[16]));
	assert_int_equal(test_memory.asked, asked + 1);
	leave();
}

/* One that joins or leaves a line passes all that stand there. */
static void test_writes_to_many_connections_use_many_lists(void **state) {
	size_t used = 0;
	(void)state;
	build(&by_secret, 10);
	for (size_t i = 0; i < SCHEDULER_WRITERS; i++)
		add(OP_UPDATE, HOST "/x", LONG);
	for (size_t i = 0; i < SCHEDULER_WRITERS; i++)
		used += t.c.writers[i] != NULL;
	assert_true(used > SCHEDULER_WRITERS / 4);
	leave();
}

static void feed_401(int from, int to) {
	for (int i = from; i < to; i++)
		feed(&t.jobs[i], reply_of(401, NULL, "{}"),
		     facts_error("ExpiredAuthenticationToken", "expired"));
}

static void test_a_401_for_many_is_one_new_token(void **state) {
	enum { N = 20 };
	(void)state;
	build(&by_secret, 100);
	for (int i = 0; i < N; i++)
		add(OP_GET, HOST "/x", LONG);
	sends(NULL);
	feed_token("first");
	for (int i = 0; i < N; i++)
		sends(&t.jobs[i]);
	feed_401(0, N / 2);
	sends(NULL);
	feed_401(N / 2, N);
	waits(LONG);
	feed_token("second");
	for (int i = 0; i < N; i++) {
		assert_int_equal(next(), SCHEDULER_SEND);
		assert_non_null(t.job);
		assert_span(request_field(&t.q, "Authorization"),
		            "Bearer second");
		scheduler_sent(&t.c, t.job, now_at(t.ms));
	}
	for (int i = 0; i < N; i++)
		feed_resource(&t.jobs[i]);
	for (int i = 0; i < N; i++)
		assert_int_equal(next(), SCHEDULER_ENDED);
	waits(NEVER);
	leave();
}

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
	build(&by_secret, 100);
	add(OP_GET, HOST "/first", LONG);
	sends(NULL);
	feed_token("t0ken");
	sends(&t.jobs[0]);
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct job *j = add(OP_UPDATE, urls[i], LONG);
		expect(SCHEDULER_ENDED, j);
		assert_int_equal(j->op.end, OP_FAIL);
		assert_int_equal(j->op.fail.kind, FAIL_UNTRUSTED);
		assert_false(op_unknown(&j->op)); /* nothing was sent */
		assert_lacks(buf_span(&t.q.head), "t0ken");
	}
	/* nor does anything of them go along with the next request */
	good = add(OP_GET, HOST "/good", LONG);
	sends(good);
	assert_span(buf_span(&t.q.url), HOST "/good");
	assert_spans(buf_span(&t.q.head),
	             SPAN("Accept: application/json\0"
	                  "Authorization: Bearer t0ken\0"));
	assert_int_equal(t.q.body.n, 0);
	leave();
}

/* ---- who may send ------------------------------------------------------- */

static const struct scenario turns[] = {
	{ "a_scheduler_that_was_freed_can_be_used_again",
	  &ready,
	  1,
	  { GET("/a"), SENDS(A), TAKE_OUT(A), FREED, WAITS(NEVER), GET("/b"),
	    SENDS(B) } },
	{ "new_jobs_start_in_the_order_of_arrival",
	  &ready,
	  1,
	  { GET("/first"), SENDS(A), UPDATE("/write"), GET("/read"),
	    UPDATE("/last"), WAITS(LONG), APPROVED(A), ENDS(A), TAKE_OUT(A),
	    SENDS(B), APPROVED(B), ENDS(B), TAKE_OUT(B), SENDS(C), APPROVED(C),
	    ENDS(C), TAKE_OUT(C), SENDS(D) } },
	/* the place that a will need is not given to b or c */
	{ "new_jobs_keep_their_order_while_others_wait_for_the_token",
	  &by_secret,
	  1,
	  { GET("/a"), UPDATE("/b"), GET("/c"), SENDS(SIGNIN),
	    GRANTS("tok", 3600), SENDS(A), APPROVED(A), ENDS(A), SENDS(B),
	    APPROVED(B), ENDS(B), SENDS(C) } },
	/* b goes while a waits; at 5 s the house is full */
	{ "begun_jobs_go_before_new_ones",
	  &ready,
	  1,
	  { UPDATE("/a"), GET("/b"), GET("/c"), SENDS(A), WAITS(LONG),
	    IN_FIVE(A), SENDS(B), AT(5 * SECOND), WAITS(LONG), APPROVED(B),
	    ENDS(B), SENDS(A), APPROVED(A), ENDS(A), SENDS(C) } },
	/* b's ten seconds begin with its turn, at 30 s */
	{ "the_deadline_of_a_new_job_does_not_run",
	  &ready,
	  1,
	  { ADD(OP_GET, HOST "/a", 60 * SECOND),
	    ADD(OP_GET, HOST "/b", 10 * SECOND), SENDS(A), AT(30 * SECOND),
	    WAITS(60 * SECOND), APPROVED(A), ENDS(A), SENDS(B),
	    WAITS(40 * SECOND), AT(40 * SECOND), ENDS(B),
	    FAILED(B, FAIL_TIMEOUT) } },
	{ "a_new_job_s_deadline_does_not_run_during_the_first_sign_in",
	  &by_secret,
	  1,
	  { ADD(OP_GET, HOST "/a", 60 * SECOND),
	    ADD(OP_GET, HOST "/b", 10 * SECOND), TOKEN_COMES, SENDS(A),
	    AT(9 * SECOND), APPROVED(A), ENDS(A), SENDS(B), AT(15 * SECOND),
	    WAITS(19 * SECOND), APPROVED(B), ENDS(B), DONE(B) } },
	/* at 5 s a is due, and b still flies */
	{ "a_deadline_passes_while_all_places_are_taken",
	  &ready,
	  1,
	  { ADD(OP_UPDATE, HOST "/a", 20 * SECOND), SENDS(A), IN_FIVE(A),
	    ADD(OP_GET, HOST "/b", 60 * SECOND), GET("/c"), SENDS(B),
	    AT(5 * SECOND), WAITS(20 * SECOND), AT(20 * SECOND), ENDS(A),
	    FAILED(A, FAIL_TIMEOUT), UNKNOWN(A), WAITS(60 * SECOND) } },
	{ "a_deadline_ends_a_request_in_flight",
	  &ready,
	  1,
	  { ADD(OP_UPDATE, HOST "/a", 20 * SECOND), GET("/b"), SENDS(A),
	    WAITS(20 * SECOND), AT(19999), WAITS(20 * SECOND), AT(20 * SECOND),
	    ENDS(A), FAILED(A, FAIL_TIMEOUT), UNKNOWN(A), SENDS(B) } },
	{ "cancel_while_a_write_is_in_flight",
	  &ready,
	  1,
	  { UPDATE("/a"), GET("/b"), SENDS(A), AT(3), CANCEL(A), AT(0), ENDS(A),
	    FAILED_IN(A, FAIL_CANCELED, 0, "not wanted"), UNKNOWN(A), SENDS(B),
	    WAITS(LONG) } },
	{ "cancel_before_anything_was_sent",
	  &ready,
	  1,
	  { UPDATE("/a"), UPDATE("/b"), SENDS(A), CANCEL(B), ENDS(B), KNOWN(B),
	    WAITS(LONG) } },
	{ "cancel_between_two_polls",
	  &ready,
	  1,
	  { UPDATE("/a"), SENDS(A), IN_FIVE(A), WAITS(5 * SECOND), AT(1),
	    CANCEL(A), AT(0), ENDS(A), UNKNOWN(A), AT(5 * SECOND),
	    WAITS(NEVER) } },
	{ "an_end_is_reported_once",
	  &ready,
	  1,
	  { GET("/a"), SENDS(A), APPROVED(A), ENDS(A), WAITS(NEVER),
	    WAITS(NEVER), TAKE_OUT(A), WAITS(NEVER) } },
	/* due, flying, ended, tokenless, new */
	{ "a_job_is_removed_from_any_queue",
	  &by_secret,
	  2,
	  { UPDATE("/due"),       TOKEN_COMES,       SENDS(A),
	    IN_FIVE(A),           GET("/flying"),    SENDS(B),
	    GET("/ended"),        CANCEL(C),         ENDS(C),
	    GET("/tokenless"),    SENDS(D),          ANSWERS(D, 401, NULL),
	    SENDS(SIGNIN),        WAITS(5 * SECOND), GET("/new"),
	    TAKE_OUT(E),          TAKE_OUT(A),       WAITS(LONG),
	    TAKE_OUT(D),          TAKE_OUT(B),       TAKE_OUT(C),
	    GRANTS("tok2", 3600), WAITS(NEVER),      EMPTY } },
	{ "an_ended_job_that_was_not_reported_is_removed",
	  &ready,
	  2,
	  { GET("/a"), GET("/b"), CANCEL(A), TAKE_OUT(A), SENDS(B),
	    WAITS(LONG) } },
	/* the caller takes his time; a deadline for each page */
	{ "a_list_continues_from_page_to_page",
	  &ready,
	  1,
	  { ADD(OP_LIST, HOST "/list?x", 10 * SECOND), SENDS(A),
	    PAGE(A, HOST "/list?x&page=2"), ENDS(A), DONE(A), WAITS(NEVER),
	    AT(60 * SECOND), WAITS(NEVER), GET("/other"), NEXT_PAGE(A),
	    SENDS(B), APPROVED(B), ENDS(B), SENDS_TO(A, HOST "/list?x&page=2"),
	    WAITS(70 * SECOND), PAGE(A, NULL), ENDS(A), NO_NEXT_PAGE(A) } },
	/* its deadline is heard all the same */
	{ "nothing_is_sent_at_the_connection_limit",
	  &ready,
	  10,
	  { ADD(OP_UPDATE, HOST "/a", 5 * SECOND), SENDS(A), LATER(A, ""),
	    GET("/b"), CROWDED(true), AT(2 * SECOND), WAITS(5 * SECOND),
	    AT(5 * SECOND), ENDS(A), FAILED(A, FAIL_TIMEOUT), WAITS(NEVER),
	    CROWDED(false), SENDS(B) } },
};

#define FRIDAY "not on a Friday"

static const struct scenario vetoes[] = {
	/* its place is free, and its limit untouched */
	{ "a_vetoed_write_is_not_sent",
	  &ready,
	  1,
	  { UPDATE("/a"), UPDATE("/b"), VETOES(A, FRIDAY),
	    MESSAGE(A, FRIDAY "; nothing was written"), KNOWN(A), WRITTEN(A, 0),
	    SENDS(B), WRITTEN(B, 1), WAITS(LONG) } },
	{ "a_deletion_can_be_vetoed_too",
	  &ready,
	  1,
	  { ADD(OP_DELETE, HOST "/a", LONG), VETOES(A, FRIDAY), KNOWN(A),
	    WAITS(NEVER) } },
	/* Lost, looked at and still to be done: the second try needs its own
	   yes, and without it nobody knows what became of the first. */
	{ "a_veto_after_a_lost_answer_leaves_the_end_unknown",
	  &ready,
	  1,
	  { UPDATE("/a"), SENDS(A), ANSWERS(A, 500, NULL), AT(10 * SECOND),
	    SENDS(A), FINDS(A, "Pending"), VETOES(A, FRIDAY),
	    MESSAGE(A, FRIDAY "; an earlier attempt got no response and may "
	                      "have taken effect"),
	    UNKNOWN(A), WRITTEN(A, 1) } },
	{ "a_veto_s_reason_does_not_show_the_token",
	  &by_secret,
	  1,
	  { UPDATE("/a"), SENDS(SIGNIN), GRANTS("the-very-token", 3600),
	    VETOES(A, "the-very-token\n is bad"), SAYS_NOT(A, "very") } },
};

static void test_no_more_requests_at_once_than_allowed(void **state) {
	enum { N = 10 };
	(void)state;
	build(&ready, 3);
	for (int i = 0; i < N; i++)
		add(OP_GET, HOST "/x", LONG);
	for (int i = 0; i < 3; i++)
		sends(&t.jobs[i]);
	waits(LONG);
	for (int i = 0; i < N; i++) {
		feed_resource(&t.jobs[i]);
		expect(SCHEDULER_ENDED, &t.jobs[i]);
		if (i + 3 < N)
			sends(&t.jobs[i + 3]); /* one leaves, one enters */
		waits(i + 1 < N ? LONG : NEVER);
	}
	leave();
}

/* The job's answer: it polls again after so many ms. */
static void answer_wait(struct job *j, uint32_t ms) {
	char head[100];
	snprintf(head, sizeof head,
	         "Location: " HOST "/l\nx-ms-retry-after-ms: %u", (unsigned)ms);
	feed(j, reply_of(202, head, NULL), no_facts());
}

static void test_deadlines_pass_while_all_places_are_taken(void **state) {
	enum { N = 20 };
	(void)state;
	build(&ready, N);
	for (int i = 0; i < N; i++)
		sends(add(OP_UPDATE, HOST "/a", (40 - (i * 7) % N) * SECOND));
	for (int i = 0; i < N; i++)
		answer_wait(&t.jobs[i], 5 * SECOND);
	for (int i = 0; i < N; i++)
		sends(add(OP_GET, HOST "/b", LONG));
	waits(5 * SECOND);
	t.ms = 5 * SECOND; /* all become due, nobody may send */
	for (int i = 1; i <= N; i++) {
		waits((20 + i) * SECOND);
		t.ms = t.until;
		assert_int_equal(next(), SCHEDULER_ENDED);
		assert_int_equal(t.job->op.fail.kind, FAIL_TIMEOUT);
		assert_int_equal(t.job->op.deadline, t.ms);
	}
	leave();
}

/* ---- times: the soonest first ------------------------------------------- */

static uint32_t chance(void) {
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* What the soonest of the waiting jobs waits for, found the slow way. */
static int64_t soonest(const int64_t *due) {
	int64_t least = NEVER;
	for (size_t i = 0; i < t.n; i++)
		if (t.jobs[i].op.cfg && due[i] < least)
			least = due[i];
	return least;
}

static void test_thousands_of_times_in_any_order(void **state) {
	enum { N = 3000, TURNS = 2 };
	static int64_t due[MAX_JOBS];
	static int polls[MAX_JOBS];
	size_t left = N;
	(void)state;
	memset(polls, 0, sizeof polls);
	build(&ready, N);
	for (size_t i = 0; i < N; i++)
		add(OP_UPDATE, HOST "/x", 1000 * MINUTE);
	for (size_t i = 0; i < N; i++)
		sends(&t.jobs[i]);
	for (size_t i = 0; i < N; i++) {
		uint32_t ms = POLL_FLOOR + chance() % 599000;
		answer_wait(&t.jobs[i], ms);
		due[i] = ms;
	}
	while (left > 0) {
		enum scheduler_want want = next();
		size_t i = (size_t)(t.job - t.jobs);
		if (want == SCHEDULER_WAIT) {
			assert_int_equal(t.until, soonest(due));
			t.ms = t.until;
			if (chance() % 50 == 0) { /* one is taken out */
				i = chance() % N;
				if (!t.jobs[i].op.cfg)
					continue;
				take_out(&t.jobs[i]);
				left--;
			}
			continue;
		}
		assert_non_null(t.job);
		assert_int_equal(want, SCHEDULER_SEND);
		if (due[i] != t.ms) /* neither late nor early */
			FAIL("job %zu, due at %lld, sends at %lld", i,
			     (long long)due[i], (long long)t.ms);
		scheduler_sent(&t.c, t.job, now_at(t.ms));
		if (++polls[i] > TURNS) {
			take_out(&t.jobs[i]);
			left--;
		} else {
			uint32_t ms = POLL_FLOOR + chance() % 599000;
			answer_wait(&t.jobs[i], ms);
			due[i] = t.ms + ms;
		}
	}
	assert_int_equal(t.c.heap_n, 0);
	waits(NEVER);
	leave();
}

static void test_thousands_of_deadlines_at_once(void **state) {
	enum { N = 3000 };
	(void)state;
	build(&by_secret, N);
	for (size_t i = 0; i < N; i++)
		add(OP_GET, HOST "/x", 1 + (int64_t)(chance() % 5) * SECOND);
	sends(NULL);
	for (size_t ended = 0; ended < N;) {
		switch (next()) {
		case SCHEDULER_WAIT:
			assert_true(t.until > t.ms);
			t.ms = t.until;
			break;
		case SCHEDULER_ENDED:
			assert_int_equal(t.job->op.deadline, t.ms);
			assert_int_equal(t.job->op.fail.kind, FAIL_TIMEOUT);
			ended++;
			break;
		default:
			FAIL("something else is wanted");
		}
	}
	waits(NEVER);
	leave();
}

/* ---- fairness ----------------------------------------------------------- */

/* The next that is to be sent, with time passing until then. */
static struct job *sent(void) {
	enum scheduler_want want;
	while ((want = next()) == SCHEDULER_WAIT)
		t.ms = t.until;
	if (want == SCHEDULER_ENDED)
		return NULL;
	scheduler_sent(&t.c, t.job, now_at(t.ms));
	return t.job;
}

/* Each needs ten polls, a second apart; two fly at once. */
static void test_new_jobs_are_served_while_others_poll(void **state) {
	enum { N = 30 };
	int begun = 0;
	(void)state;
	build(&ready, 2);
	for (int i = 0; i < N; i++)
		add(OP_UPDATE, HOST "/x", 100 * MINUTE);
	for (int turn = 0; turn < 100000 && begun < N; turn++) {
		struct job *j = sent();
		if (!j)
			continue;
		begun += j->op.leg == LEG_WRITE;
		if (j->op.polls < 10)
			answer_wait(j, SECOND);
		else
			feed_resource(j);
	}
	assert_int_equal(begun, N);
	leave();
}

static void test_jobs_due_at_the_same_time_all_get_a_turn(void **state) {
	enum { N = 50 };
	int polls[N] = { 0 };
	(void)state;
	build(&ready, 1);
	for (int i = 0; i < N; i++)
		add(OP_UPDATE, HOST "/x", 100 * MINUTE);
	for (int n = 0; n < N * 11; n++) {
		struct job *j = sent();
		assert_non_null(j);
		polls[j - t.jobs]++;
		answer_wait(j, 10);
	}
	for (int i = 0; i < N; i++)
		if (polls[i] == 0)
			FAIL("job %d never got its turn", i);
	leave();
}

/* It is a POST, also before a DELETE. */
static void test_a_policy_token_counts_as_a_write(void **state) {
	struct op_spec spec;
	struct job *j;
	(void)state;
	build(&ready, 2);
	spec = spec_of(OP_DELETE, HOST "/x", NULL, LONG);
	spec.policy = POLICY_ALWAYS;
	j = add_spec(spec);
	assert_true(scheduler_add(&t.c, j));
	sends(j);
	assert_int_equal(j->op.leg, LEG_ACQUIRE);
	assert_int_equal(t.c.in_flight[RATE_WRITE].n, 1);
	assert_int_equal(t.c.in_flight[RATE_DELETE].n, 0);
	leave();
}

/* ---- what the service says of its limits -------------------------------- */

/* One write is left: two seconds between any two. */
#define ONE_LEFT(which)                                                        \
	LATER(which, "\nRetry-After: 100\n"                                    \
	             "x-ms-ratelimit-remaining-subscription-writes: 1")

static const struct scenario limits[] = {
	/* reads have a limit of their own; b's time stands still */
	{ "a_429_of_the_subscription_holds_its_kind",
	  &ready,
	  10,
	  { UPDATE("/a"), SENDS(A),
	    ERROR(A, 429, "SubscriptionRequestsThrottled", "wait"),
	    UPDATE("/b"), GET("/c"), SENDS(C), WAITS(7 * SECOND), NOT_BEGUN(B),
	    AT(7 * SECOND), SENDS(A), SENDS(B) } },
	{ "the_wait_for_a_limit_is_known_and_is_no_sign_in",
	  &ready,
	  10,
	  { UPDATE("/a"), ADD(OP_ENSURE, HOST "/b", LONG), SENDS(A), SENDS(B),
	    ERROR(A, 429, "SubscriptionRequestsThrottled", "wait"),
	    FINDS(B, "Pending"), UPDATE("/c"), WAITS(7 * SECOND),
	    DUE(B, 7 * SECOND), DUE(C, 7 * SECOND), AT(7 * SECOND), SENDS(B),
	    SENDS(A), DUE(B, 0), SPENT(B, PHASE_TOKEN, 0),
	    SPENT(B, PHASE_REQUEST, 7 * SECOND) } },
	{ "the_wait_for_a_limit_after_a_sign_in_is_no_part_of_it",
	  &by_secret,
	  10,
	  { UPDATE("/a"), UPDATE("/b"), TOKEN_COMES, SENDS(A), SENDS(B),
	    ANSWERS(B, 401, NULL), SENDS(SIGNIN),
	    ERROR(A, 429, "SubscriptionRequestsThrottled", "wait"),
	    AT(2 * SECOND), GRANTS("next", 3600), WAITS(7 * SECOND),
	    AT(7 * SECOND), SENDS(B), SENDS(A),
	    SPENT(B, PHASE_TOKEN, 2 * SECOND),
	    SPENT(B, PHASE_REQUEST, 5 * SECOND) } },
	{ "deletes_have_a_limit_of_their_own",
	  &ready,
	  10,
	  { UPDATE("/a"), SENDS(A),
	    ERROR(A, 429, "SubscriptionRequestsThrottled", "wait"),
	    ADD(OP_DELETE, HOST "/b", LONG), UPDATE("/c"), SENDS(B),
	    WAITS(7 * SECOND), NOT_BEGUN(C) } },
	{ "a_429_of_a_resource_holds_no_other_job",
	  &ready,
	  10,
	  { UPDATE("/a"), SENDS(A),
	    ERROR(A, 429, "RetryableErrorDueToAnotherOperation", "wait"),
	    UPDATE("/b"), SENDS(B) } },
	{ "writes_slow_down_near_the_limit",
	  &ready,
	  10,
	  { UPDATE("/x"), UPDATE("/x"), UPDATE("/x"), UPDATE("/x"), SENDS(A),
	    ONE_LEFT(A), WAITS(2 * SECOND), AT(2 * SECOND), SENDS(B),
	    ONE_LEFT(B), WAITS(4 * SECOND), AT(4 * SECOND), SENDS(C),
	    ONE_LEFT(C), WAITS(6 * SECOND), AT(6 * SECOND), SENDS(D),
	    ONE_LEFT(D) } },
	/* at 3 s b's limit has room, and d came after b */
	{ "a_write_that_was_held_goes_before_younger_reads",
	  &ready,
	  1,
	  { UPDATE("/a"), SENDS(A), ONE_LEFT(A), UPDATE("/b"),
	    WAITS(2 * SECOND), GET("/c"), SENDS(C), GET("/d"), AT(3 * SECOND),
	    APPROVED(C), ENDS(C), SENDS(B) } },
	/* the limits of reads and of writes open at the same time */
	{ "new_jobs_of_several_limits_go_in_the_order_of_arrival",
	  &ready,
	  10,
	  { UPDATE("/a"), GET("/b"), SENDS(A), SENDS(B),
	    ERROR(A, 429, "SubscriptionRequestsThrottled", "wait"),
	    ERROR(B, 429, "SubscriptionRequestsThrottled", "wait"),
	    UPDATE("/c"), GET("/d"), WAITS(7 * SECOND), AT(7 * SECOND),
	    SENDS(A), SENDS(B), SENDS(C), SENDS(D) } },
	/* b's time is up first: it would write at 2 s */
	{ "a_deadline_passes_while_the_job_is_held",
	  &ready,
	  10,
	  { UPDATE("/x"), ADD(OP_ENSURE, HOST "/y", SECOND), SENDS(B), SENDS(A),
	    ONE_LEFT(A), FINDS(B, "Pending"), WAITS(SECOND), AT(SECOND),
	    ENDS(B), FAILED(B, FAIL_TIMEOUT) } },
};

static const struct scenario same_connection[] = {
	/* b and c wait, though nothing is on its way to a; b's ten seconds
	   begin with its turn */
	{ "a_write_waits_for_the_one_before_it",
	  &ready,
	  10,
	  { TO("/sub/A", OP_UPDATE, LONG),
	    TO("/SUB/a", OP_ENSURE, 10 * SECOND),
	    TO("/sub/a", OP_DELETE, LONG),
	    TO("/sub/ab", OP_UPDATE, LONG),
	    TO("/sub/a", OP_GET, LONG),
	    SENDS(A),
	    SENDS(D),
	    SENDS(E),
	    IN_FIVE(A),
	    APPROVED(E),
	    ENDS(E),
	    AT(4 * SECOND),
	    WAITS(5 * SECOND),
	    AT(60 * SECOND),
	    SENDS(A),
	    APPROVED(A),
	    ENDS(A),
	    SENDS(B),
	    APPROVED(B),
	    ENDS(B),
	    SENDS(C) } },
	/* at the first wait a goes on: neither c nor d may */
	{ "a_canceled_job_lets_the_next_one_write",
	  &ready,
	  10,
	  { TO("/a", OP_UPDATE, LONG), TO("/a", OP_UPDATE, LONG),
	    TO("/a", OP_UPDATE, LONG), TO("/a", OP_UPDATE, LONG), SENDS(A),
	    CANCEL(B), ENDS(B), WAITS(LONG), CANCEL(A), ENDS(A), SENDS(C),
	    TAKE_OUT(C), SENDS(D) } },
	/* and the next one waits for it, too */
	{ "a_resumed_operation_waits_for_no_writer",
	  &ready,
	  10,
	  { TO("/a", OP_UPDATE, LONG), TO("/a", OP_UPDATE, LONG), RESUMED("/a"),
	    SENDS(A), SENDS(C), APPROVED(A), ENDS(A), WAITS(LONG), TAKE_OUT(C),
	    SENDS(B) } },
};

static void test_the_service_s_counters_are_kept(void **state) {
	struct job *a;
	int reads = -1, writes = -1;
	(void)state;
	build(&ready, 1);
	for (int i = 0; i < RATE_COUNT; i++) {
		assert_int_equal(t.c.rate.remaining[i], -1);
		if (strcmp(rate_name(i), "subscription-reads") == 0)
			reads = i;
		if (strcmp(rate_name(i), "subscription-writes") == 0)
			writes = i;
	}
	assert_true(reads >= 0 && writes >= 0);
	a = add(OP_UPDATE, HOST "/a", LONG);
	sends(a);
	feed(a,
	     reply_of(202,
	              "X-Ms-RateLimit-Remaining-Subscription-Writes: 199\n"
	              "x-ms-ratelimit-remaining-subscription-reads: 11999\n"
	              "x-ms-ratelimit-remaining-subscription-readsx: 5\n"
	              "x-ms-ratelimit-remaining-resource: a;1,b;2",
	              NULL),
	     no_facts());
	assert_int_equal(t.c.rate.remaining[writes], 199);
	assert_int_equal(t.c.rate.remaining[reads], 11999);
	t.ms = 2 * SECOND;
	sends(a);
	feed(a,
	     reply_of(202,
	              "x-ms-ratelimit-remaining-subscription-reads: 0\n"
	              "x-ms-ratelimit-remaining-subscription-writes: many",
	              NULL),
	     no_facts());
	assert_int_equal(t.c.rate.remaining[reads], 0);
	assert_int_equal(t.c.rate.remaining[writes], 199);
	leave();
}

/* ---- no memory ---------------------------------------------------------- */

static void test_no_memory_for_one_more_job(void **state) {
	struct op_spec spec = { .kind = OP_GET,
		                .url = SPAN(HOST "/x"),
		                .timeout = MINUTE };
	bool refused = false;
	(void)state;
	build(&ready, 10);
	while (!refused && t.n < 100) {
		struct job *j = &t.jobs[t.n];
		assert_true(op_init(&j->op, &t.c.cfg, &spec));
		if (t.n >= 10)
			test_mem_fail_from(1);
		refused = !scheduler_add(&t.c, j);
		test_mem_fail_from(0);
		if (refused) {
			op_free(&j->op);
			j->op.cfg = NULL;
		} else {
			t.n++;
		}
	}
	assert_true(refused);
	/* those before it are none the worse */
	assert_int_equal(t.c.jobs, t.n);
	for (size_t i = 0; i < 10; i++)
		sends(&t.jobs[i]);
	waits(MINUTE);
	add(OP_GET, HOST "/x", MINUTE); /* there is memory again */
	leave();
}

static void test_no_memory_for_a_request_is_seen_in_it(void **state) {
	(void)state;
	for (size_t n = 1; n < 40; n++) {
		build(&by_secret, 10);
		add(OP_UPDATE, HOST "/x", LONG);
		sends(NULL);
		feed_token("the-token-the-token-the-token");
		test_mem_fail_from(n);
		if (next() == SCHEDULER_SEND && !request_failed(&t.q)) {
			assert_span(buf_span(&t.q.url), HOST "/x");
			assert_span(request_field(&t.q, "Authorization"),
			            "Bearer the-token-the-token-the-token");
			assert_span(request_field(&t.q, "Content-Type"),
			            "application/json");
			assert_span(buf_span(&t.q.body),
			            "{\"properties\":{"
			            "\"privateLinkServiceConnectionState\":"
			            "{\"status\":\"Approved\"}}}");
		}
		test_mem_fail_from(0);
		leave();
		test_no_leaks();
	}
}

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_waiting_jobs_share_one_fetch),
		TEST(test_a_failed_sign_in_ends_all_waiting_jobs),
		TEST(test_a_refused_sign_in_fails_at_once),
		TEST(test_the_heap_grows_when_full),
		TEST(test_writes_to_many_connections_use_many_lists),
		TEST(test_a_401_for_many_is_one_new_token),
		TEST(test_a_token_goes_to_no_foreign_origin),
		TEST(test_no_more_requests_at_once_than_allowed),
		TEST(test_deadlines_pass_while_all_places_are_taken),
		TEST(test_thousands_of_times_in_any_order),
		TEST(test_thousands_of_deadlines_at_once),
		TEST(test_new_jobs_are_served_while_others_poll),
		TEST(test_jobs_due_at_the_same_time_all_get_a_turn),
		TEST(test_a_policy_token_counts_as_a_write),
		TEST(test_the_service_s_counters_are_kept),
		TEST(test_no_memory_for_one_more_job),
		TEST(test_no_memory_for_a_request_is_seen_in_it),
	};
	return RUN_TABLES(functions, COUNT(functions), TABLE(tokens, play),
	                  TABLE(turns, play), TABLE(vetoes, play),
	                  TABLE(same_connection, play), TABLE(limits, play));
}

/*
 * script.h -- sign-ins written down as tables, and who plays them: the host and
 * the servers around a chain of credentials, one line a step.
 *
 *     { "a_refused_token_is_fetched_anew_once",
 *       { &secret },
 *       { SIGNED_IN,
 *         AT(1), REFUSED("first"), SENDS,
 *         AT(2), GRANTS("second", 3600), TOKEN("second") } }
 *
 * Time stands still until AT, or until WAITS has seen how long the chain wants
 * to wait.  A request that is not written down is one too many: the step behind
 * it fails, and RESTS ends a script that must send nothing more.
 */
#ifndef AZPEC_TEST_TOKEN_SCRIPT_H
#define AZPEC_TEST_TOKEN_SCRIPT_H

#include "tables.h"

#include "core/token/flow.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

#define AUTHORITY "https://login.microsoftonline.com"
#define SCOPE "https://management.azure.com/.default"
#define RESOURCE "resource=https%3A%2F%2Fmanagement.azure.com"

struct step {
	void (*play)(const struct step *);
	const char *text, *more, *body;
	struct span bytes;
	int64_t ms, most;
	int n;
	struct facts (*facts)(void);
	const struct program_result *program;
	const char *file;
	int line;
};

struct scenario {
	const char *name;
	const struct chain_spec *chain[2];
	struct step steps[48]; /* up to one that is all zero */
};

/* ---- the sign-in that is played ----------------------------------------- */

static struct {
	const struct scenario *scenario;
	const struct step *step;
	struct chain s;
	struct request q;
	int64_t ms, until;
	char token[64]; /* the last one that TOKEN saw */
	uint32_t generation;
} t;

#define OFF(...)                                                               \
	do {                                                                   \
		char what_[1024];                                              \
		snprintf(what_, sizeof what_, __VA_ARGS__);                    \
		test_fail(t.step->file, t.step->line, "%s", what_);            \
	} while (0)

static inline void same(struct span is, struct span want, const char *what) {
	test_span(is, want, what, t.step->file, t.step->line);
}
static inline void has(struct span text, const char *part, bool there) {
	test_needs(text, part, there, t.step->file, t.step->line);
}
static inline void equal(int64_t is, int64_t want, const char *what) {
	if (is != want)
		OFF("%s is %lld and not %lld", what, (long long)is,
		    (long long)want);
}

static inline void open_at(const struct chain_spec *specs, size_t count,
                           struct span authority, struct span scope) {
	t.ms = 0;
	request_init(&t.q, test_mem());
	assert_true(chain_init(&t.s, test_mem(), specs, count, authority, scope,
	                       1));
}

/* For a test that is no table. */
static inline void open_chain(const struct chain_spec *spec) {
	memset(&t, 0, sizeof t);
	open_at(spec, 1, SPAN(AUTHORITY), SPAN(SCOPE));
}

static inline void close_chain(void) {
	chain_free(&t.s);
	request_free(&t.q);
}

static inline enum chain_want next(void) {
	return chain_next(&t.s, now_at(t.ms), &t.q, &t.until);
}

static inline void wants(enum chain_want want) {
	enum chain_want is = next();
	if (is != want)
		OFF("at %lld ms it wants %d and not %d (%.*s)", (long long)t.ms,
		    (int)is, (int)want, (int)t.s.fail.message.n,
		    t.s.fail.message.n ? t.s.fail.message.p : "");
}

static inline const struct fail *failure(void) {
	const struct fail *f = chain_failure(&t.s);
	if (!f)
		OFF("it has not failed");
	return f;
}

static inline void feed(const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, t.ms);
	chain_feed(&t.s, &a);
}

/* ---- time, and who asks for a token ------------------------------------- */

/* Who plays it, and its arguments by name. */
#define STEP(...)                                                              \
	{ .file = __FILE__, .line = __LINE__, .play = __VA_ARGS__ }

static inline void play_at(const struct step *s) {
	t.ms = s->ms;
}
#define AT(when) STEP(play_at, .ms = when)

static inline void open_scenario(struct span authority, struct span scope) {
	struct chain_spec specs[2];
	size_t count = t.scenario->chain[1] ? 2 : 1;
	for (size_t i = 0; i < count; i++)
		specs[i] = *t.scenario->chain[i];
	open_at(specs, count, authority, scope);
}

/* The first step of one with another authority, or another scope. */
static inline void play_elsewhere(const struct step *s) {
	close_chain();
	open_scenario(s->text ? test_text(s->text) : SPAN(AUTHORITY),
	              s->more ? test_text(s->more) : SPAN(SCOPE));
}
#define BY_AUTHORITY(url) STEP(play_elsewhere, .text = url)
#define FOR_SCOPE(is) STEP(play_elsewhere, .more = is)

/* Somebody asks, and there is none. */
static inline void play_ask(const struct step *s) {
	(void)s;
	equal(chain_token(&t.s, 0, NO_SPAN, now_at(t.ms)), 0, "the token");
}
#define ASKS STEP(play_ask)

/* Somebody asks and is given this one: the same as last time exactly if it is
   the same text. */
static inline void play_token(const struct step *s) {
	uint32_t is = chain_token(&t.s, 0, NO_SPAN, now_at(t.ms));
	if (!is || !t.s.live)
		OFF("there is no token");
	same(buf_span(&t.s.token), test_text(s->text), "the token");
	if ((is == t.generation) != (strcmp(t.token, s->text) == 0))
		OFF("generation %u", is);
	t.generation = is;
	snprintf(t.token, sizeof t.token, "%s", s->text);
}
#define TOKEN(is) STEP(play_token, .text = is)

/* The last token met a 401, perhaps with claims. */
static inline void play_refused(const struct step *s) {
	equal(chain_token(&t.s, t.generation, test_text(s->text), now_at(t.ms)),
	      0, "the token");
}
#define REFUSED STEP(play_refused)
#define CHALLENGED(claims) STEP(play_refused, .text = claims)

/* ---- what it wants ------------------------------------------------------ */

static inline void play_rests(const struct step *s) {
	(void)s;
	wants(CHAIN_IDLE);
}
#define RESTS STEP(play_rests)

static inline void play_sends(const struct step *s) {
	wants(CHAIN_SEND);
	if (s->text) {
		same(buf_span(&t.q.url), test_text(s->text), "the URL");
		equal(t.q.method, s->n, "the method");
	}
	chain_sent(&t.s, now_at(t.ms));
}
#define SENDS STEP(play_sends)
#define GETS(url) STEP(play_sends, .text = url, .n = HTTP_GET)
#define POSTS(url) STEP(play_sends, .text = url, .n = HTTP_POST)

static inline void play_in_flight(const struct step *s) {
	(void)s;
	wants(CHAIN_WAIT);
	if (chain_failure(&t.s))
		OFF("it has failed");
}
#define IN_FLIGHT STEP(play_in_flight)

/* Waits so long, and not a millisecond less. */
static inline void play_waits(const struct step *s) {
	int64_t until;
	wants(CHAIN_WAIT);
	until = t.until;
	if (until - t.ms < s->ms || until - t.ms > s->most)
		OFF("it waits %lld ms", (long long)(until - t.ms));
	t.ms = until - 1;
	wants(CHAIN_WAIT);
	t.ms = until;
}
#define WAITS(length) STEP(play_waits, .ms = length, .most = length)
/* n doublings of 0.8 s, with 0.8 to 1.3 of it as jitter. */
#define BACKS_OFF(n)                                                           \
	STEP(play_waits, .ms = ((1 << (n)) - 1) * 640,                         \
	     .most = ((1 << (n)) - 1) * 1040)

static inline void play_needs(const struct step *s) {
	wants(CHAIN_NEED);
	equal(t.s.scratch.need, s->n, "the need");
	if (s->bytes.p)
		same(buf_span(&t.s.scratch.work), s->bytes, "the work");
	chain_sent(&t.s, now_at(t.ms));
}
#define NEEDS(what) STEP(play_needs, .n = what)
#define NEEDS_FOR(what, work)                                                  \
	STEP(play_needs, .n = what, .bytes = LITERAL(work))

/* ... a program with these arguments, parted by blanks. */
static inline void play_runs(const struct step *s) {
	char text[512];
	size_t n = t.s.scratch.work.n;
	play_needs(s);
	n = t.s.scratch.work.n;
	assert_true(n < sizeof text);
	memcpy(text, t.s.scratch.work.p, n);
	for (size_t i = 0; i + 1 < n; i++)
		if (!text[i])
			text[i] = ' ';
	if (strcmp(text, s->text) != 0)
		OFF("it runs %s", text);
}
#define RUNS(words) STEP(play_runs, .n = NEED_PROGRAM, .text = words)

/* ---- its request -------------------------------------------------------- */

static inline void play_field(const struct step *s) {
	same(request_field(&t.q, s->text), test_text(s->more), s->text);
}
#define FIELD(name, value) STEP(play_field, .text = name, .more = value)
#define NO_FIELD(name) STEP(play_field, .text = name)

static inline void play_body(const struct step *s) {
	same(buf_span(&t.q.body), test_text(s->text), "the body");
}
#define BODY(is) STEP(play_body, .text = is)
static inline void play_body_has(const struct step *s) {
	has(buf_span(&t.q.body), s->text, s->n);
}
#define BODY_HAS(part) STEP(play_body_has, .text = part, .n = 1)
#define BODY_LACKS(part) STEP(play_body_has, .text = part)
static inline void play_url_has(const struct step *s) {
	has(buf_span(&t.q.url), s->text, true);
}
#define URL_HAS(part) STEP(play_url_has, .text = part)

/* Plain http allowed; no proxy in between; for so many ms. */
static inline void play_route(const struct step *s) {
	equal(t.q.allow_http, s->n, "allow_http");
	equal(t.q.no_proxy, s->most, "no_proxy");
	equal(t.q.timeout_ms, s->ms, "the time-out");
}
#define ROUTE(http, direct, limit)                                             \
	STEP(play_route, .n = http, .most = direct, .ms = limit)

/* ---- what comes back ---------------------------------------------------- */

/* 200 with a token that lives so many seconds. */
static inline void play_grants(const struct step *s) {
	feed(reply_of(s->n, NULL, "{}"), facts_token(s->text, s->ms));
}
#define GRANTS(token, life)                                                    \
	STEP(play_grants, .text = token, .ms = life, .n = 200)

/* ... that names its end by the wall clock, ms from the beginning on. */
static inline void play_grants_until(const struct step *s) {
	struct facts f = facts_token(s->text, -1);
	f.as.token.expires_on = TEST_WALL / 1000 + s->ms / 1000;
	feed(reply_of(200, NULL, "{}"), f);
}
#define GRANTS_UNTIL(token, end)                                               \
	STEP(play_grants_until, .text = token, .ms = end)

/* ... and says when to renew it. */
static inline void play_grants_fresh(const struct step *s) {
	struct facts f = facts_token(s->text, s->ms);
	f.as.token.refresh_in = s->most;
	feed(reply_of(200, NULL, "{}"), f);
}
#define GRANTS_FRESH(token, life, refresh_in)                                  \
	STEP(play_grants_fresh, .text = token, .ms = life, .most = refresh_in)

/* ... and has a refresh token with it. */
static inline void play_grants_again(const struct step *s) {
	struct facts f = facts_token(s->text, 3600);
	f.as.token.refresh_token = test_text(s->more);
	feed(reply_of(200, NULL, "{}"), f);
}
#define GRANTS_WITH(token, refresh_token)                                      \
	STEP(play_grants_again, .text = token, .more = refresh_token)

/* An error as OAuth has it. */
static inline void play_refuses(const struct step *s) {
	feed(reply_of(s->n, s->body, "{}"), facts_oauth(s->text, s->more));
}
#define REFUSES(status, error, description)                                    \
	STEP(play_refuses, .n = status, .text = error, .more = description)
#define REFUSES_WITH(status, head, error, description)                         \
	STEP(play_refuses, .n = status, .text = error, .more = description,    \
	     .body = head)

static inline void play_answers(const struct step *s) {
	feed(reply_of(s->n, s->text, s->body), s->facts());
}
#define ANSWERS(status, head, content, what)                                   \
	STEP(play_answers, .n = status, .text = head, .body = content,         \
	     .facts = what)

/* Below HTTP; note: in libcurl's words. */
static inline void play_breaks(const struct step *s) {
	struct reply *r = no_reply((enum net_error)s->n, true);
	if (s->text)
		buf_adds(&r->note, s->text);
	feed(r, no_facts());
}
#define BREAKS(how) STEP(play_breaks, .n = how)
#define BREAKS_WITH(how, note) STEP(play_breaks, .n = how, .text = note)

/* What it needed. */
static inline void play_provides(const struct step *s) {
	chain_provided(&t.s, s->bytes, now_at(t.ms));
}
#define PROVIDES(content) STEP(play_provides, .bytes = LITERAL(content))

/* ... a token, with its end: Unix time in s, or -1. */
static inline void play_gives(const struct step *s) {
	chain_give(&t.s, s->bytes, s->ms, now_at(t.ms));
}
#define GIVES(token, end) STEP(play_gives, .bytes = LITERAL(token), .ms = end)

static inline void play_cannot(const struct step *s) {
	chain_fail_need(&t.s, test_text(s->text), s->n, now_at(t.ms));
}
#define CANNOT(why) STEP(play_cannot, .text = why)
#define CANNOT_YET(why) STEP(play_cannot, .text = why, .n = NEED_LATER)
#define LACKS_IT(why) STEP(play_cannot, .text = why, .n = NEED_ABSENT)

static inline void play_ended(const struct step *s) {
	struct answer a = answer_of(NULL, s->facts(), t.ms);
	chain_program(&t.s, s->program, &a);
}
#define ENDED(what, ...)                                                       \
	STEP(play_ended, .facts = what,                                        \
	     .program = &(const struct program_result){ __VA_ARGS__ })

/* ---- how it is then ----------------------------------------------------- */

static inline void play_life(const struct step *s) {
	equal(t.s.refresh_at, s->ms, "the time of renewal");
	equal(t.s.expires, s->most, "the end");
}
#define LIFE(renewed, ends) STEP(play_life, .ms = renewed, .most = ends)

static inline void play_fails(const struct step *s) {
	const struct fail *f;
	wants(CHAIN_IDLE);
	f = failure();
	equal(f->kind, s->n, "the kind");
	equal(f->phase, PHASE_TOKEN, "the phase");
	has(buf_span(&f->message), s->text, true);
}
#define FAILS(as, part) STEP(play_fails, .n = as, .text = part)
static inline void play_says(const struct step *s) {
	has(buf_span(&failure()->message), s->text, s->n);
}
#define SAYS(part) STEP(play_says, .text = part, .n = 1)
#define SAYS_NOT(part) STEP(play_says, .text = part)
static inline void play_message(const struct step *s) {
	same(buf_span(&failure()->message), test_text(s->text), "the message");
}
#define MESSAGE(is) STEP(play_message, .text = is)

/* part NULL: it has none. */
static inline void play_hint(const struct step *s) {
	const char *hint = failure()->hint;
	if (!hint != !s->text)
		OFF("the hint is %s", hint ? hint : "not there");
	if (hint)
		has(test_text(hint), s->text, !s->n);
}
#define HINT(part) STEP(play_hint, .text = part)
#define HINT_LACKS(part) STEP(play_hint, .text = part, .n = 1)
#define NO_HINT STEP(play_hint)

static inline void play_code(const struct step *s) {
	same(buf_span(&failure()->code), test_text(s->text), "the code");
}
#define CODE(is) STEP(play_code, .text = is)
static inline void play_status(const struct step *s) {
	equal(failure()->http_status, s->n, "the status");
}
#define STATUS(is) STEP(play_status, .n = is)
static inline void play_retryable(const struct step *s) {
	equal(failure()->retryable, s->n, "retryable");
	if (s->ms && failure()->retry_after <= s->ms)
		OFF("again in %lld ms", (long long)failure()->retry_after);
}
#define RETRYABLE(is) STEP(play_retryable, .n = is)
#define RETRYABLE_AFTER(more_than) STEP(play_retryable, .n = 1, .ms = more_than)

/* What became of a link, and why; why NULL: nothing is said. */
static inline void play_link(const struct step *s) {
	const struct link *l = &t.s.links[s->n];
	equal(l->outcome, s->ms, "the outcome");
	if (s->text)
		has(buf_span(&l->why), s->text, true);
	equal(l->why.n > 0, s->text != NULL, "that it says why");
	equal(l->took >= 0, l->outcome > LINK_TRYING, "that it was tried");
}
#define LINK(which, is, why) STEP(play_link, .n = which, .ms = is, .text = why)

/* ---- parts that many have ------------------------------------------------ */

#define SENT ASKS, SENDS
#define SIGNED_IN SENT, GRANTS("first", 3600), TOKEN("first")

/* ---- the player --------------------------------------------------------- */

static inline void play(void **state) {
	memset(&t, 0, sizeof t);
	t.scenario = *state;
	open_scenario(SPAN(AUTHORITY), SPAN(SCOPE));
	for (t.step = t.scenario->steps; t.step->play; t.step++)
		t.step->play(t.step);
	close_chain();
}

/* Within a test that is no table. */
static inline void run(const struct scenario *s) {
	union {
		const struct scenario *given;
		void *state;
	} one = { s };
	play(&one.state);
}

#define SCRIPTS(table) TABLE(table, play)

#endif

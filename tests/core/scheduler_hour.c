/* scheduler_hour.c -- an hour-long conversation in a second, over the whole
   core: many operations poll for an hour, and meanwhile tokens expire, secrets
   and files are rotated, the authority is away, the service wants other claims.
   The clock is the test's own; a row of `days` is what happens and what must
   come of it. */
#include "tables.h"
#include "who.h"

#include "core/scheduler.h"

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE,
	LATENCY = 50, /* ms that every answer takes */
	OPS = 40,     /* all of them waiting and polling beside each other */
	MAX_TOKENS = 64,
};

#define HOST "https://management.azure.com"

/* ---- a day in the life of authority and service ------------------------- */

struct range {
	int64_t from, to;
};

struct day {
	const char *name;
	const struct flow *flow;
	bool fixed;           /* the secret is no function: it stays */
	int64_t life;         /* s, of each token */
	int64_t refresh_in;   /* s; 0: not told */
	int64_t rotated_each; /* ms: the secret, or the file; 0: never */
	int64_t away_from, away_to;
	int64_t claims_from; /* since then tokens need claims; 0: never */
	/* what must come of it: all are approved, unless `failed` says how */
	enum fail_kind failed;
	struct range failed_at;
	struct range tokens;  /* how many; 0 to 0: any number */
	struct range apart;   /* ms between any two of them; the same */
	struct range second;  /* when the second one was issued; the same */
	struct range refused; /* requests that gave no token */
	int challenged;       /* 401 */
};

struct flight {
	int64_t due;
	struct job *job; /* NULL: the sign-in's */
	int token;       /* that the request carried, or that is granted */
	bool write;
};

static struct {
	const struct day *day;
	struct scheduler c;
	struct url origin;
	struct request q;
	struct job jobs[OPS];
	int64_t ms;
	struct flight flying[OPS + 1];
	size_t nflying;
	struct {
		int64_t issued, ends;
		bool claims;
	} tokens[MAX_TOKENS];
	int ntokens;
	int asked;      /* requests for a token */
	int challenged; /* 401 */
	int polls, ended;
	enum fail_kind failed;
	int64_t failed_at;
} world;

/* What proves the client today. */
static struct span todays(const char *what) {
	static char text[32];
	int64_t each = world.day->rotated_each;
	int version = each && !world.day->fixed ? (int)(world.ms / each) : 0;
	snprintf(text, sizeof text, "%s-%d", what, version);
	return test_text(text);
}

/* Does the request carry what is good now? */
static bool proven(void) {
	int64_t each = world.day->rotated_each;
	char good[64];
	snprintf(good, sizeof good, "%s-%d",
	         world.day->flow == &flow_workload_identity
	                 ? "client_assertion=jwt"
	                 : "client_secret=secret",
	         each ? (int)(world.ms / each) : 0);
	return test_has(buf_span(&world.q.body), good);
}

static bool away(int64_t ms) {
	return ms >= world.day->away_from && ms < world.day->away_to;
}

/* ---- birth and death ---------------------------------------------------- */

static void begin_day(const struct day *day) {
	struct op_config cfg = { .mem = test_mem(),
		                 .origins = &world.origin,
		                 .origin_count = 1,
		                 .retry = RETRY_DEFAULT,
		                 .try_timeout = MINUTE };
	struct chain_spec spec = { .flow = day->flow };
	struct op_spec op = { .kind = OP_UPDATE,
		              .url = SPAN(HOST "/x"),
		              .status = SPAN("Approved"),
		              .timeout = 2 * HOUR };
	memset(&world, 0, sizeof world);
	world.day = day;
	assert_true(url_parse(SPAN(HOST), &world.origin));
	scheduler_init(&world.c, &cfg, 2 * OPS);
	spec.value[SV_TENANT] = SPAN("tenant");
	spec.value[SV_CLIENT] = SPAN("app");
	spec.value[SV_PATH] = SPAN("/run/token");
	if (day->fixed)
		spec.value[SV_SECRET] = todays("secret");
	assert_true(chain_init(&world.c.chain, test_mem(), &spec, 1,
	                       SPAN("https://login.example"),
	                       SPAN(HOST "/.default"), 1));
	request_init(&world.q, test_mem());
	for (size_t i = 0; i < OPS; i++) {
		op.seed = (uint32_t)i + 1;
		op.id = test_id(i);
		assert_true(op_init(&world.jobs[i].op, &world.c.cfg, &op));
		assert_true(scheduler_add(&world.c, &world.jobs[i]));
	}
}

static void end_day(void) {
	for (size_t i = 0; i < OPS; i++) {
		scheduler_remove(&world.c, &world.jobs[i]);
		op_free(&world.jobs[i].op);
	}
	scheduler_free(&world.c);
	chain_free(&world.c.chain);
	request_free(&world.q);
}

/* ---- what is sent ------------------------------------------------------- */

static void fly(struct flight a) {
	a.due = world.ms + LATENCY;
	assert_true(world.nflying < COUNT(world.flying));
	world.flying[world.nflying++] = a;
}

static void ask_authority(void) {
	struct flight a = { .token = -1 };
	world.asked++;
	if (away(world.ms)) {
		a.token = -2;
	} else if (proven()) {
		a.token = world.ntokens++;
		assert_true(a.token < MAX_TOKENS);
		world.tokens[a.token].issued = world.ms;
		world.tokens[a.token].ends =
			world.ms + world.day->life * SECOND;
		world.tokens[a.token].claims =
			test_has(buf_span(&world.q.body), "&claims=");
	}
	fly(a);
}

/* No request ever leaves with a token that is dead. */
static void ask_service(struct job *j) {
	struct span value = request_field(&world.q, "Authorization");
	struct flight a = { .job = j };
	int64_t n;
	assert_true(span_istarts(value, SPAN("Bearer token-")));
	assert_true(span_uint(span_from(value, 13), &n));
	assert_true(n < world.ntokens && world.ms < world.tokens[n].ends);
	a.token = (int)n;
	a.write = world.q.method == HTTP_PATCH;
	fly(a);
}

static void send(struct job *j) {
	if (j)
		ask_service(j);
	else
		ask_authority();
	scheduler_sent(&world.c, j, now_at(world.ms));
	request_free(&world.q);
}

static void meet(void) {
	struct chain *s = &world.c.chain;
	scheduler_sent(&world.c, NULL, now_at(world.ms));
	assert_true(s->scratch.need == NEED_SECRET ||
	            s->scratch.need == NEED_FILE);
	chain_provided(s,
	               todays(s->scratch.need == NEED_FILE ? "jwt" : "secret"),
	               now_at(world.ms));
	scheduler_provided(&world.c, now_at(world.ms));
}

/* ---- what is answered --------------------------------------------------- */

static void feed(struct job *j, const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, world.ms);
	scheduler_feed(&world.c, j, &a);
}

static void answer_signin(int token) {
	char text[32];
	struct facts f;
	if (token == -2) {
		feed(NULL, no_reply(NET_CONNECT, false), no_facts());
		return;
	}
	if (token == -1) {
		feed(NULL, reply_of(401, NULL, "{}"),
		     facts_oauth("invalid_client", "AADSTS7000215: no"));
		return;
	}
	snprintf(text, sizeof text, "token-%d", token);
	f = facts_token(text, world.day->life);
	if (world.day->refresh_in)
		f.as.token.refresh_in = world.day->refresh_in;
	feed(NULL, reply_of(200, NULL, "{}"), f);
}

static void answer_service(const struct flight *a) {
	static const char follow[] = "Location: " HOST "/l\nRetry-After: 60";
	struct facts f = no_facts();
	const struct reply *r;
	int64_t from = world.day->claims_from;
	if (from && a->due >= from && !world.tokens[a->token].claims) {
		world.challenged++;
		r = reply_of(401,
		             "WWW-Authenticate: Bearer "
		             "error=\"insufficient_claims\", "
		             "claims=\"eyJhIjoxfQ==\"",
		             "{}");
		f = facts_error("InvalidAuthenticationToken", "claims");
	} else if (a->write || world.ms < HOUR) {
		world.polls += !a->write;
		r = reply_of(202, follow, NULL);
	} else {
		r = reply_of(200, NULL, "{}");
		f = facts_resource("Succeeded", "Approved");
	}
	feed(a->job, r, facts_about(f, a->job->op.spec.id));
}

/* The next answer that has come by now. */
static bool deliver(void) {
	struct flight a;
	if (world.nflying == 0 || world.flying[0].due > world.ms)
		return false;
	a = world.flying[0];
	world.nflying--;
	memmove(world.flying, world.flying + 1, world.nflying * sizeof a);
	if (a.job)
		answer_service(&a);
	else
		answer_signin(a.token);
	return true;
}

/* ---- the loop ----------------------------------------------------------- */

static void ended(const struct job *j) {
	world.ended++;
	if (j->op.end == OP_DONE)
		return;
	world.failed = j->op.fail.kind;
	world.failed_at = world.ms;
}

static void turn(void) {
	struct job *j;
	int64_t until;
	switch (scheduler_next(&world.c, now_at(world.ms), &j, &world.q,
	                       &until)) {
	case SCHEDULER_SEND:
	case SCHEDULER_WRITE:
		send(j);
		break;
	case SCHEDULER_NEED:
		meet();
		break;
	case SCHEDULER_ENDED:
		ended(j);
		break;
	case SCHEDULER_WAIT:
		if (world.nflying > 0 && world.flying[0].due < until)
			until = world.flying[0].due;
		assert_true(until > world.ms && until != NEVER);
		world.ms = until;
		break;
	}
}

/* Lives the day; at its end every operation has ended. */
static void live(const struct day *day) {
	begin_day(day);
	while (world.ended < OPS) {
		assert_true(world.ms < 2 * HOUR);
		if (!deliver())
			turn();
	}
}

/* ---- what came of it ---------------------------------------------------- */

static void in(int64_t value, struct range r, const char *what) {
	if ((r.from || r.to) && (value < r.from || value > r.to))
		FAIL("%s: %s is %lld", world.day->name, what, (long long)value);
}

/* Each operation had its answer from the service once a minute. */
static void all_approved(void) {
	in(world.ms, (struct range){ HOUR, HOUR + 2 * MINUTE }, "the end");
	in(world.polls, (struct range){ OPS * 55, OPS * 61 }, "the polls");
}

/* It can be resumed. */
static void failed(const struct day *day) {
	in(world.failed_at, day->failed_at, "the failure");
	assert_int_equal(world.jobs[0].op.fail.phase, PHASE_TOKEN);
	assert_true(op_unknown(&world.jobs[0].op));
}

static void play(void **row) {
	const struct day *day = *row;
	live(day);
	assert_int_equal(world.failed, day->failed);
	if (day->failed)
		failed(day);
	else
		all_approved();
	in(world.ntokens, day->tokens, "the number of tokens");
	for (int i = 1; i < world.ntokens; i++)
		in(world.tokens[i].issued - world.tokens[i - 1].issued,
		   day->apart, "the time between two tokens");
	in(world.tokens[1].issued, day->second, "the second token's time");
	if (day->refused.to || !day->failed)
		assert_int_in_range(world.asked - world.ntokens,
		                    day->refused.from, day->refused.to);
	assert_int_equal(world.challenged, day->challenged);
	assert_int_equal(world.tokens[1].claims, day->claims_from != 0);
	end_day();
}

static const struct day days[] = {
	/* each renewed 5 minutes early, by one request for all operations */
	{ .name = "tokens_expire_in_the_middle_of_polling",
	  .flow = &flow_client_secret,
	  .life = 1200,
	  .tokens = { 4, 5 },
	  .apart = { 15 * MINUTE, 16 * MINUTE + SECOND } },
	{ .name = "refresh_in_is_honored",
	  .flow = &flow_client_secret,
	  .life = 86400,
	  .refresh_in = 600,
	  .tokens = { 6, 7 },
	  .apart = { 10 * MINUTE, 11 * MINUTE + SECOND } },
	{ .name = "a_secret_is_rotated",
	  .flow = &flow_client_secret,
	  .life = 1200,
	  .rotated_each = 17 * MINUTE },
	/* A secret that stays when the authority's has changed: refused at each
	   renewal, and fatal only when the last token has died. */
	{ .name = "a_secret_that_was_not_rotated",
	  .flow = &flow_client_secret,
	  .fixed = true,
	  .life = 1200,
	  .rotated_each = 10 * MINUTE,
	  .failed = FAIL_CREDENTIAL,
	  .failed_at = { 20 * MINUTE, 22 * MINUTE },
	  .tokens = { 1, 1 } },
	{ .name = "a_federated_file_changes",
	  .flow = &flow_workload_identity,
	  .life = 1200,
	  .rotated_each = 7 * MINUTE },
	/* Away when the token is to be renewed, and there again before it dies.
	   The polls of a minute ask, each time with up to three tries. */
	{ .name = "a_failed_early_refresh_spoils_nothing",
	  .flow = &flow_client_secret,
	  .life = 1200,
	  .away_from = 14 * MINUTE,
	  .away_to = 18 * MINUTE,
	  .second = { 18 * MINUTE, 20 * MINUTE - LATENCY },
	  .refused = { 1, 3 * 5 } },
	{ .name = "an_authority_that_stays_away",
	  .flow = &flow_client_secret,
	  .life = 1200,
	  .away_from = 10 * MINUTE,
	  .away_to = 2 * HOUR,
	  .failed = FAIL_TRANSPORT,
	  .failed_at = { 20 * MINUTE, 22 * MINUTE } },
	/* From the half hour on the service wants claims: one new token, with
	   them, for all, each of which was challenged with its poll. */
	{ .name = "claims_are_wanted_in_the_middle_of_polling",
	  .flow = &flow_client_secret,
	  .life = 7200,
	  .claims_from = 30 * MINUTE,
	  .tokens = { 2, 2 },
	  .second = { 30 * MINUTE, 31 * MINUTE + SECOND },
	  .challenged = OPS },
};

int main(void) {
	return RUN_TABLES(NULL, 0, TABLE(days, play));
}

/* hour.c -- an hour-long conversation in a second, over the whole core: many
   operations poll for an hour, and meanwhile tokens expire, secrets and files
   are rotated, the authority is away, the service wants other claims.  The
   clock is the test's own. */
#include "who.h"

#include "core/client.h"

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

struct day {
	const struct flow *flow;
	bool fixed;           /* the secret is no function: it stays */
	int64_t life;         /* s, of each token */
	int64_t refresh_in;   /* s; 0: not told */
	int64_t rotated_each; /* ms: the secret, or the file; 0: never */
	int64_t away_from, away_to;
	int64_t claims_from; /* since then tokens need claims; 0: never */
};

struct flight {
	int64_t due;
	struct job *job; /* NULL: the sign-in's */
	int token;       /* that the request carried, or that is granted */
	bool write;
};

static struct {
	const struct day *day;
	struct client c;
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
	struct signin_spec spec = { .flow = day->flow };
	struct op_spec op = { .kind = OP_UPDATE,
		              .url = SPAN(HOST "/x"),
		              .id = SPAN(TEST_ID),
		              .body = SPAN("{}"),
		              .status = SPAN("Approved"),
		              .timeout = 2 * HOUR };
	memset(&world, 0, sizeof world);
	world.day = day;
	assert_true(url_parse(SPAN(HOST), &world.origin));
	client_init(&world.c, &cfg, 2 * OPS);
	spec.value[SV_TENANT] = SPAN("tenant");
	spec.value[SV_CLIENT] = SPAN("app");
	spec.value[SV_PATH] = SPAN("/run/token");
	if (day->fixed)
		spec.value[SV_SECRET] = todays("secret");
	assert_true(signin_init(&world.c.signin, test_mem(), &spec, 1,
	                        SPAN("https://login.example"),
	                        SPAN(HOST "/.default"), 1));
	request_init(&world.q, test_mem());
	for (size_t i = 0; i < OPS; i++) {
		op.seed = (uint32_t)i + 1;
		assert_true(op_init(&world.jobs[i].op, &world.c.cfg, &op));
		assert_true(client_add(&world.c, &world.jobs[i]));
	}
}

static void end_day(void) {
	for (size_t i = 0; i < OPS; i++) {
		client_remove(&world.c, &world.jobs[i]);
		op_free(&world.jobs[i].op);
	}
	client_free(&world.c);
	signin_free(&world.c.signin);
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
	client_sent(&world.c, j, now_at(world.ms));
	request_free(&world.q);
}

static void meet(void) {
	struct signin *s = &world.c.signin;
	client_sent(&world.c, NULL, now_at(world.ms));
	assert_true(s->scratch.need == NEED_SECRET ||
	            s->scratch.need == NEED_FILE);
	signin_meet(s, todays(s->scratch.need == NEED_FILE ? "jwt" : "secret"),
	            now_at(world.ms));
	client_signed(&world.c, now_at(world.ms));
}

/* ---- what is answered --------------------------------------------------- */

static void feed(struct job *j, const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, world.ms);
	client_feed(&world.c, j, &a);
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
	feed(a->job, r, f);
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
	switch (client_next(&world.c, now_at(world.ms), &j, &world.q, &until)) {
	case CLIENT_SEND:
		send(j);
		break;
	case CLIENT_NEED:
		meet();
		break;
	case CLIENT_ENDED:
		ended(j);
		break;
	case CLIENT_WAIT:
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

static void all_approved(void) {
	assert_int_equal(world.failed, FAIL_NONE);
	assert_in_range(world.ms, HOUR, HOUR + 2 * MINUTE);
	assert_in_range(world.polls, OPS * 55, OPS * 61);
}

/* ---- the days ----------------------------------------------------------- */

/* Tokens of 20 minutes, each renewed 5 minutes early, by one request for all
   40 operations. */
static void test_tokens_expire_in_the_middle_of_polling(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .life = 1200 };
	(void)state;
	live(&day);
	all_approved();
	assert_int_equal(world.asked, world.ntokens);
	assert_in_range(world.ntokens, 4, 5);
	for (int i = 1; i < world.ntokens; i++) {
		int64_t since =
			world.tokens[i].issued - world.tokens[i - 1].issued;
		assert_in_range(since, 15 * MINUTE, 16 * MINUTE + SECOND);
	}
	end_day();
}

static void test_refresh_in_is_honored(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .life = 86400,
		                        .refresh_in = 600 };
	(void)state;
	live(&day);
	all_approved();
	assert_int_equal(world.asked, world.ntokens);
	assert_in_range(world.ntokens, 6, 7);
	for (int i = 1; i < world.ntokens; i++)
		assert_in_range(world.tokens[i].issued -
		                        world.tokens[i - 1].issued,
		                10 * MINUTE, 11 * MINUTE + SECOND);
	end_day();
}

static void test_a_secret_is_rotated(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .life = 1200,
		                        .rotated_each = 17 * MINUTE };
	(void)state;
	live(&day);
	all_approved();
	assert_int_equal(world.asked, world.ntokens); /* none was refused */
	end_day();
}

/* A secret that stays when the authority's has changed: refused at each
   renewal, and fatal only when the last token has died. */
static void test_a_secret_that_was_not_rotated(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .fixed = true,
		                        .life = 1200,
		                        .rotated_each = 10 * MINUTE };
	(void)state;
	live(&day);
	assert_int_equal(world.failed, FAIL_CREDENTIAL);
	assert_int_equal(world.ntokens, 1);
	assert_in_range(world.failed_at, world.tokens[0].ends,
	                world.tokens[0].ends + 2 * MINUTE);
	assert_true(op_unknown(&world.jobs[0].op)); /* it can be resumed */
	end_day();
}

static void test_a_federated_file_changes(void **state) {
	static const struct day day = { .flow = &flow_workload_identity,
		                        .life = 1200,
		                        .rotated_each = 7 * MINUTE };
	(void)state;
	live(&day);
	all_approved();
	assert_int_equal(world.asked, world.ntokens);
	end_day();
}

/* Away when the token is to be renewed, and there again before it dies. */
static void test_a_failed_early_refresh_spoils_nothing(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .life = 1200,
		                        .away_from = 14 * MINUTE,
		                        .away_to = 18 * MINUTE };
	(void)state;
	live(&day);
	all_approved();
	assert_in_range(world.tokens[1].issued, 18 * MINUTE,
	                20 * MINUTE - LATENCY);
	/* the polls of a minute ask, each time with up to three tries */
	assert_in_range(world.asked - world.ntokens, 1, 3 * 5);
	end_day();
}

static void test_an_authority_that_stays_away(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .life = 1200,
		                        .away_from = 10 * MINUTE,
		                        .away_to = 2 * HOUR };
	(void)state;
	live(&day);
	assert_int_equal(world.failed, FAIL_TRANSPORT);
	assert_in_range(world.failed_at, 20 * MINUTE, 22 * MINUTE);
	assert_int_equal(world.jobs[0].op.fail.phase, PHASE_TOKEN);
	assert_true(op_unknown(&world.jobs[0].op));
	end_day();
}

/* From the half hour on the service wants claims: one new token, with them,
   for all; those after it are asked for as ever, and challenged again. */
static void test_claims_are_wanted_in_the_middle_of_polling(void **state) {
	static const struct day day = { .flow = &flow_client_secret,
		                        .life = 7200,
		                        .claims_from = 30 * MINUTE };
	(void)state;
	live(&day);
	all_approved();
	assert_int_equal(world.ntokens, 2);
	assert_true(world.tokens[1].claims);
	assert_in_range(world.tokens[1].issued, 30 * MINUTE,
	                31 * MINUTE + SECOND);
	assert_int_equal(world.challenged, OPS); /* each with its poll */
	end_day();
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_tokens_expire_in_the_middle_of_polling),
		TEST(test_refresh_in_is_honored),
		TEST(test_a_secret_is_rotated),
		TEST(test_a_secret_that_was_not_rotated),
		TEST(test_a_federated_file_changes),
		TEST(test_a_failed_early_refresh_spoils_nothing),
		TEST(test_an_authority_that_stays_away),
		TEST(test_claims_are_wanted_in_the_middle_of_polling),
	};
	return RUN(tests);
}

/* chain.c -- a token's life, whatever it came from: when it is fetched, how
   long it is good, what is tried again, what became of each link. */
#include "script.h"

static const struct chain_spec secret = {
	.flow = &flow_client_secret,
	.value = { [SV_TENANT] =
	                   LITERAL("12345678-1234-1234-1234-123456789abc"),
	           [SV_CLIENT] = LITERAL("app"),
	           [SV_SECRET] = LITERAL("hunter2") },
};
static const struct chain_spec function = { .flow = &flow_function };
static const struct chain_spec none = { .flow = &flow_none };
static const struct chain_spec app_service = {
	.flow = &flow_app_service,
	.value = { [SV_ENDPOINT] = LITERAL("http://127.0.0.1/t"),
	           [SV_SECRET] = LITERAL("hunter2") },
};

#define NO REFUSES(401, "invalid_client", "AADSTS7000222: expired")

/* ---- how long a token lives --------------------------------------------- */

/* Nothing is sent at `rests`, the renewal at `renews`, nothing is left at
   `dead`: all in ms.  refresh_in -1: it is not said. */
#define LIVES(name, expires_in, refresh_in, rests, renews, dead)               \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, GRANTS_FRESH("tok", expires_in, refresh_in),     \
				TOKEN("tok"), LIFE(renews, dead), AT(rests),   \
				TOKEN("tok"), RESTS, AT(renews), TOKEN("tok"), \
				SENDS, AT(dead - 1), TOKEN("tok"), AT(dead),   \
				ASKS                                           \
		}                                                              \
	}
#define RENEWED(name, expires_in, refresh_in, renews)                          \
	LIVES(name, expires_in, refresh_in, (renews)*SECOND - 1,               \
	      (int64_t)(renews)*SECOND, (int64_t)(expires_in)*SECOND)

static const struct scenario lives[] = {
	RENEWED("an_hour_is_renewed_five_minutes_early", 3600, -1, 3300),
	RENEWED("a_day_is_renewed_five_minutes_early", 86400, -1, 86100),
	RENEWED("601_seconds", 601, -1, 301),
	RENEWED("ten_minutes", 600, -1, 300),
	RENEWED("a_second_more_than_five_minutes", 301, -1, 1),
	RENEWED("five_minutes_are_halved", 300, -1, 150),
	RENEWED("two_seconds_are_halved", 2, -1, 1),
	RENEWED("a_minute_is_halved", 60, -1, 30),
	{ "a_renewal_that_failed_is_tried_again_after_30_seconds",
	  { &secret },
	  { SENT, GRANTS("tok", 3600), AT(3300 * SECOND), TOKEN("tok"), SENDS,
	    NO, AT(3330 * SECOND - 1), TOKEN("tok"), RESTS, AT(3330 * SECOND),
	    TOKEN("tok"), SENDS } },
	{ "one_second_serves_to_its_end",
	  { &secret },
	  { SENT, GRANTS("tok", 1), TOKEN("tok"), AT(0), TOKEN("tok"), RESTS,
	    AT(999), TOKEN("tok"), SENDS, AT(SECOND), ASKS } },
	/* ten years are the longest */
	{ "ten_years",
	  { &secret },
	  { SENT, GRANTS("tok", 315360000), TOKEN("tok"),
	    AT(INT64_C(315359000) * SECOND), TOKEN("tok"), RESTS,
	    AT(INT64_C(315359999) * SECOND), TOKEN("tok"), SENDS,
	    AT(INT64_C(315360000) * SECOND), ASKS } },
	RENEWED("refresh_in_of_half_a_day", 86400, 43200, 43200),
	RENEWED("refresh_in_of_a_minute", 3600, 60, 60),
	RENEWED("refresh_in_of_half_an_hour", 3600, 1800, 1800),
	RENEWED("refresh_in_of_a_second", 3600, 1, 1),
	RENEWED("refresh_in_just_before_the_end", 3600, 3590, 3590),
	RENEWED("refresh_in_a_second_before_the_end", 3600, 3599, 3599),
	/* which it may not mean */
	RENEWED("refresh_in_at_the_end_is_passed_over", 3600, 3600, 3300),
	RENEWED("refresh_in_behind_the_end_is_passed_over", 3600, 7200, 3300),
	RENEWED("refresh_in_of_nothing_is_passed_over", 3600, 0, 3300),
	{ "a_life_is_counted_from_before_the_request",
	  { &secret },
	  { ASKS, AT(1000), SENDS, AT(21000), GRANTS("tok", 3600), TOKEN("tok"),
	    AT(HOUR + 999), TOKEN("tok"), AT(HOUR + 1000), ASKS } },
	{ "a_short_life_is_halved_from_where_it_began",
	  { &secret },
	  { AT(HOUR), SENT, GRANTS("tok", 60), AT(HOUR + 29 * SECOND),
	    TOKEN("tok"), RESTS, AT(HOUR + 30 * SECOND), TOKEN("tok"),
	    SENDS } },
	{ "expires_on_counts_by_the_wall_clock",
	  { &secret },
	  { SENT, GRANTS_UNTIL("tok", HOUR), AT(HOUR - 2000), TOKEN("tok"),
	    AT(HOUR + 1000), ASKS } },
	{ "a_token_that_does_not_say_how_long_it_lives",
	  { &secret },
	  { SENT, GRANTS("tok", -1), AT(5 * MINUTE - 1), TOKEN("tok"), RESTS,
	    AT(5 * MINUTE), TOKEN("tok"), SENDS,
	    LIFE(5 * MINUTE, 10 * MINUTE) } },
	{ "an_expiry_in_1970_counts_as_absent",
	  { &secret },
	  { SENT, GRANTS_UNTIL("tok", -TEST_WALL), AT(5 * MINUTE - 1),
	    TOKEN("tok"), RESTS, AT(5 * MINUTE), TOKEN("tok"), SENDS,
	    LIFE(5 * MINUTE, 10 * MINUTE) } },
};

/* Our clock is wrong, and expires_in says how long. */
static struct facts two_hours(void) {
	struct facts f = facts_token("tok", 7200);
	f.as.token.expires_on = TEST_WALL / 1000 - 5;
	return f;
}
/* RFC 6749 5.1 only recommends expires_in. */
static struct facts soon(void) {
	struct facts f = facts_token("tok", -1);
	f.as.token.expires_text = SPAN("soon");
	return f;
}

#define INVALID "expiry time is invalid"
#define PASSED "expiry time has passed"
#define SENSELESS(name, grants, why, hint)                                     \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, grants, FAILS(FAIL_PROTOCOL, why), hint, RESTS,  \
				ASKS                                           \
		}                                                              \
	}

static const struct scenario senseless_lives[] = {
	{ "expires_in_goes_before_expires_on",
	  { &secret },
	  { SENT, ANSWERS(200, NULL, "{}", two_hours), AT(2 * HOUR - 1),
	    TOKEN("tok"), AT(2 * HOUR), ASKS } },
	SENSELESS("nothing", GRANTS("tok", 0), INVALID, NO_HINT),
	SENSELESS("a_second_more_than_ten_years",
	          GRANTS("tok", INT64_C(315360001)), INVALID, NO_HINT),
	SENSELESS("beyond_all_sense", GRANTS("tok", INT64_C(999999999999999)),
	          INVALID, NO_HINT),
	SENSELESS("an_end_that_is_now", GRANTS_UNTIL("tok", 0), PASSED,
	          HINT("clock")),
	SENSELESS("an_end_that_has_been", GRANTS_UNTIL("tok", -HOUR), PASSED,
	          HINT("clock")),
	SENSELESS("an_end_in_more_than_ten_years",
	          GRANTS_UNTIL("tok", INT64_C(315360001) * 1000), INVALID,
	          NO_HINT),
	SENSELESS("an_end_beyond_all_sense",
	          GRANTS_UNTIL("tok", INT64_C(999999999999999) * 1000), INVALID,
	          NO_HINT),
	SENSELESS("an_end_that_cannot_be_read", ANSWERS(200, NULL, "{}", soon),
	          INVALID, NO_HINT),
};

/* ---- who is served by which token --------------------------------------- */

static const struct scenario tokens[] = {
	{ "nothing_is_fetched_before_it_is_asked_for",
	  { &secret },
	  { RESTS, AT(HOUR), RESTS, ASKS, SENDS, GRANTS("tok", 3600) } },
	{ "the_old_one_serves_while_a_new_one_is_fetched",
	  { &secret },
	  { SIGNED_IN, AT(56 * MINUTE), TOKEN("first"), SENDS, AT(57 * MINUTE),
	    TOKEN("first"), IN_FLIGHT, GRANTS("second", 3600),
	    TOKEN("second") } },
	/* half a minute passes before the next try */
	{ "a_failed_renewal_harms_no_living_one",
	  { &secret },
	  { SIGNED_IN, AT(56 * MINUTE), TOKEN("first"), SENDS, NO,
	    TOKEN("first"), RESTS, AT(56 * MINUTE + 29 * SECOND),
	    TOKEN("first"), RESTS, AT(56 * MINUTE + 30 * SECOND),
	    TOKEN("first"), SENDS, AT(57 * MINUTE), GRANTS("second", 3600),
	    TOKEN("second"), RESTS } },
	{ "an_expired_token_is_not_used_when_renewal_fails",
	  { &secret },
	  { SIGNED_IN, AT(HOUR), ASKS, SENDS, NO,
	    FAILS(FAIL_CREDENTIAL, "AADSTS7000222"), ASKS } },
	/* the next one is an ordinary one again */
	{ "claims_of_a_challenge_go_into_the_request",
	  { &secret },
	  { SIGNED_IN, AT(1), CHALLENGED("{\"access_token\":{\"nbf\":1}}"),
	    SENDS,
	    BODY_HAS("&claims=%7B%22access_token%22%3A%7B%22nbf%22%3A1%7D%7D"),
	    GRANTS("second", 3600), AT(2), TOKEN("second"), AT(HOUR + 1), ASKS,
	    SENDS, BODY_LACKS("claims") } },
	/* an ordinary renewal is on its way, and that token does not hold what
	   the challenge asks for */
	{ "claims_wait_for_a_fetch_of_their_own",
	  { &secret },
	  { SIGNED_IN, AT(56 * MINUTE), TOKEN("first"), SENDS,
	    AT(56 * MINUTE + 1), CHALLENGED("{\"a\":1}"), AT(56 * MINUTE + 2),
	    GRANTS("without", 3600), AT(56 * MINUTE + 3),
	    CHALLENGED("{\"a\":1}"), SENDS,
	    BODY_HAS("&claims=%7B%22a%22%3A1%7D") } },
	{ "after_a_failure_the_next_request_signs_in_again",
	  { &secret },
	  { SENT, NO, FAILS(FAIL_CREDENTIAL, "AADSTS7000222"), AT(1), ASKS,
	    SENDS, IN_FLIGHT, GRANTS("tok", 3600), TOKEN("tok") } },
	{ "an_answer_without_a_request_is_ignored",
	  { &secret },
	  { GRANTS("uncalled-for", 3600), SIGNED_IN, AT(1),
	    GRANTS("again", 3600), TOKEN("first") } },
	{ "a_201_is_accepted_like_a_200",
	  { &secret },
	  { SENT, STEP(play_grants, .text = "tok", .ms = 3600, .n = 201),
	    TOKEN("tok") } },
};

static void test_one_fetch_for_any_number_of_waiters(void **state) {
	uint32_t generation;
	(void)state;
	open_chain(&secret);
	for (t.ms = 0; t.ms < 1000; t.ms++)
		assert_int_equal(chain_token(&t.s, 0, NO_SPAN, now_at(t.ms)),
		                 0);
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(t.ms));
	for (; t.ms < 2000; t.ms++) {
		assert_int_equal(chain_token(&t.s, 0, NO_SPAN, now_at(t.ms)),
		                 0);
		assert_int_equal(next(), CHAIN_WAIT);
		assert_null(chain_failure(&t.s));
	}
	feed(reply_of(200, NULL, "{}"), facts_token("the-token", 3600));
	generation = chain_token(&t.s, 0, NO_SPAN, now_at(t.ms));
	assert_int_not_equal(generation, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(chain_token(&t.s, 0, NO_SPAN, now_at(t.ms)),
		                 generation);
	assert_int_equal(next(), CHAIN_IDLE);
	close_chain();
}

static void test_a_refused_token_is_fetched_again_once(void **state) {
	uint32_t first, second;
	(void)state;
	open_chain(&secret);
	chain_take(&t.s, SPAN("first"), 3600, -1, now_at(0));
	first = chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_null(chain_refused(&t.s).p);
	t.ms = 1;
	for (int i = 0; i < 10; i++) /* ten operations met a 401 */
		assert_int_equal(chain_token(&t.s, first, NO_SPAN, now_at(1)),
		                 0);
	assert_span(chain_refused(&t.s), "first");
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(1));
	assert_int_equal(next(), CHAIN_WAIT);
	feed(reply_of(200, NULL, "{}"), facts_token("second", 3600));
	assert_null(chain_refused(&t.s).p);
	second = chain_token(&t.s, 0, NO_SPAN, now_at(2));
	assert_int_not_equal(second, 0);
	assert_int_not_equal(second, first);
	/* those who come late with the same 401 get what there is */
	assert_int_equal(chain_token(&t.s, first, NO_SPAN, now_at(3)), second);
	assert_int_equal(next(), CHAIN_IDLE);
	close_chain();
}

/* ---- what is tried again ------------------------------------------------ */

#define AGAIN(name, answer)                                                    \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, answer, BACKS_OFF(1), SENDS, answer,             \
				BACKS_OFF(2), SENDS, answer, RESTS,            \
				STATUS_IS_KNOWN                                \
		}                                                              \
	}
#define STATUS_IS_KNOWN SAYS("sign-in ")
#define ONCE(name, answer)                                                     \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, answer, RESTS, STATUS_IS_KNOWN                   \
		}                                                              \
	}
#define BY(status) ANSWERS(status, NULL, NULL, no_facts)
/* Retry-After and the like, from a 429. */
#define ASKED(name, head, length)                                              \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, ANSWERS(429, head, NULL, no_facts),              \
				WAITS(length), SENDS                           \
		}                                                              \
	}
#define TOO_LONG(name, head)                                                   \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, ANSWERS(429, head, NULL, no_facts),              \
				RETRYABLE_AFTER(60000), RESTS                  \
		}                                                              \
	}

static const struct scenario retries[] = {
	AGAIN("408", BY(408)),
	AGAIN("429", BY(429)),
	AGAIN("500", REFUSES(500, "server_error", "AADSTS1: x")),
	AGAIN("502", BY(502)),
	AGAIN("503", REFUSES(503, "temporarily_unavailable", "AADSTS1: x")),
	AGAIN("504", BY(504)),
	AGAIN("temporarily_unavailable",
	      REFUSES(400, "temporarily_unavailable", "AADSTS1: x")),
	AGAIN("server_error", REFUSES(400, "server_error", "AADSTS1: x")),
	ONCE("invalid_request", REFUSES(400, "invalid_request", "AADSTS1: x")),
	ONCE("invalid_grant", REFUSES(400, "invalid_grant", "AADSTS1: x")),
	ONCE("invalid_client", REFUSES(401, "invalid_client", "AADSTS1: x")),
	ONCE("403", BY(403)),
	ONCE("404", BY(404)),
	AGAIN("no_such_host", BREAKS(NET_RESOLVE)),
	AGAIN("no_connection", BREAKS(NET_CONNECT)),
	AGAIN("a_time_out", BREAKS(NET_TIMEOUT)),
	AGAIN("broken_while_sending", BREAKS(NET_SEND)),
	AGAIN("broken_while_receiving", BREAKS(NET_RECV)),
	ONCE("another_certificate", BREAKS(NET_CERT)),
	ONCE("no_ca_file", BREAKS(NET_CA)),
	ONCE("an_unusable_url", BREAKS(NET_URL)),
	ONCE("too_large_an_answer", BREAKS(NET_TOO_BIG)),
	ASKED("retry_after_seconds", "Retry-After: 7", 7000),
	ASKED("retry_after_a_date",
	      "Retry-After: Mon, 01 Jan 2024 00:00:09 GMT", 9000),
	ASKED("retry_after_in_milliseconds_wins",
	      "x-ms-retry-after-ms: 20\nRetry-After: 7", 20),
	ASKED("retry_after_a_minute", "Retry-After: 60", 60000),
	TOO_LONG("retry_after_more_than_a_minute", "Retry-After: 61"),
	TOO_LONG("retry_after_years", "Retry-After: 99999999"),
	{ "each_fetch_has_all_its_tries",
	  { &secret },
	  { SENT,         BY(503),      BACKS_OFF(1), SENDS,   BY(503),
	    BACKS_OFF(2), SENDS,        BY(503),      RESTS,   RETRYABLE(1),
	    SENT,         BY(503),      BACKS_OFF(1), SENDS,   BY(503),
	    BACKS_OFF(2), SENDS,        BY(503),      RESTS,   SENT,
	    BY(503),      BACKS_OFF(1), SENDS,        BY(503), BACKS_OFF(2),
	    SENDS,        BY(503),      RESTS } },
};

/* ---- how it ends without a token ---------------------------------------- */

#define THRICE(...)                                                            \
	SENT, __VA_ARGS__, BACKS_OFF(1), SENDS, __VA_ARGS__, BACKS_OFF(2),     \
		SENDS, __VA_ARGS__
#define NOTE "what libcurl says"
#define LATER(name, answer, is)                                                \
	{                                                                      \
		name, { &secret }, {                                           \
			THRICE(answer), RESTS, RETRYABLE(is)                   \
		}                                                              \
	}
#define NEVER_LATER(name, status)                                              \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, BY(status), RESTS, RETRYABLE(0)                  \
		}                                                              \
	}
#define LAST(name, how, as, later)                                             \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, BREAKS_WITH(how, NOTE), FAILS(as, ": " NOTE),    \
				RETRYABLE(later)                               \
		}                                                              \
	}
#define LAST_OF_THREE(name, how, as, later)                                    \
	{                                                                      \
		name, { &secret }, {                                           \
			THRICE(BREAKS_WITH(how, NOTE)), FAILS(as, ": " NOTE),  \
				RETRYABLE(later)                               \
		}                                                              \
	}

static const struct scenario failures[] = {
	LAST_OF_THREE("no_such_host", NET_RESOLVE, FAIL_TRANSPORT, 1),
	LAST_OF_THREE("a_time_out", NET_TIMEOUT, FAIL_TRANSPORT, 1),
	LAST("another_certificate", NET_CERT, FAIL_UNTRUSTED, 0),
	LAST("no_ca_file", NET_CA, FAIL_TRANSPORT, 0),
	LAST("an_unusable_url", NET_URL, FAIL_TRANSPORT, 0),
	LAST("too_large_an_answer", NET_TOO_BIG, FAIL_LIMIT, 0),
	LATER("429_may_do_later", BY(429), 1),
	LATER("500_may_do_later", BY(500), 1),
	LATER("503_may_do_later", BY(503), 1),
	NEVER_LATER("400_will_not_do_later", 400),
	NEVER_LATER("401_will_not_do_later", 401),
	NEVER_LATER("403_will_not_do_later", 403),
	{ "error_of_a_single_credential",
	  { &secret },
	  { THRICE(BREAKS(NET_CONNECT)),
	    MESSAGE("sign-in failed: could not connect to the server") } },
	{ "no_credential_is_absent_and_no_chain_is_named",
	  { &none },
	  { ASKS, RESTS, FAILS(FAIL_CREDENTIAL, "not set up: "),
	    SAYS("AZURE_CLIENT_SECRET"), SAYS_NOT("chain"), HINT("") } },
};

/* What a person can do about a broken connection, at Entra ID and at a source
   on this machine. */
static void test_hint_for_a_broken_connection(void **state) {
	static const struct {
		enum net_error error;
		const char *entra, *local; /* NULL: none */
	} rows[] = {
		{ NET_CERT, "ca_file", "ca_file" },
		{ NET_CA, "check ca_file", "check ca_file" },
		{ NET_PROXY, "check the proxy's address", "check the proxy" },
		{ NET_PROXY_REFUSED, "check the proxy's address", "check the" },
		{ NET_PROXY_AUTH, "USER:PASSWORD", "USER:PASSWORD" },
		{ NET_PROXY_TLS, "with http://", "with http://" },
		{ NET_PROXY_CERT, "ca_file", "ca_file" },
		{ NET_RESOLVE, "check DNS", "IDENTITY_ENDPOINT" },
		{ NET_URL, NULL, "IDENTITY_ENDPOINT" },
		{ NET_CONNECT, NULL, "no managed identity endpoint answered" },
		{ NET_TIMEOUT, NULL, "no managed identity endpoint answered" },
		{ NET_TLS, NULL, NULL },
		{ NET_RECV, NULL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		const char *want =
			i % 2 ? rows[i / 2].local : rows[i / 2].entra;
		const struct step steps[] = {
			SENT,
			BREAKS_WITH(rows[i / 2].error, "its own words"),
			RESTS,
			SAYS(": its own words"),
			HINT(want),
		};
		open_chain(i % 2 ? &app_service : &secret);
		t.s.retry.max_tries = 1;
		for (size_t n = 0; n < COUNT(steps); n++) {
			t.step = &steps[n];
			t.step->play(t.step);
		}
		close_chain();
	}
}

static void test_claims_that_found_no_memory_end_one_fetch(void **state) {
	uint32_t first;
	(void)state;
	open_chain(&secret);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(0));
	feed(reply_of(200, NULL, "{}"), facts_token("tok", 3600));
	first = chain_token(&t.s, 0, NO_SPAN, now_at(0));
	test_mem_fail_from(1);
	chain_token(&t.s, first, SPAN("{\"a\":1}"), now_at(0));
	test_mem_fail_from(0);
	assert_int_equal(next(), CHAIN_IDLE);
	assert_int_equal(chain_failure(&t.s)->kind, FAIL_LIMIT);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_SEND);
	close_chain();
}

static void test_a_refusal_without_memory_for_its_words(void **state) {
	(void)state;
	open_chain(&secret);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(0));
	test_mem_fail_from(1);
	feed(reply_of(401, NULL, "{}"), facts_oauth("invalid_client", "no"));
	test_mem_fail_from(0);
	assert_int_equal(chain_failure(&t.s)->kind, FAIL_LIMIT);
	close_chain();
}

static void test_a_renewal_without_memory_leaves_no_token(void **state) {
	char longer[1024] = "";
	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	open_chain(&secret);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(0));
	feed(reply_of(200, NULL, "{}"), facts_token("tok", 3600));
	t.ms = 3300 * SECOND;
	assert_true(chain_token(&t.s, 0, NO_SPAN, now_at(t.ms)) > 0);
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(t.ms));
	test_mem_fail_from(1);
	feed(reply_of(200, NULL, "{}"), facts_token(longer, 3600));
	test_mem_fail_from(0);
	assert_int_equal(chain_token(&t.s, 0, NO_SPAN, now_at(t.ms)), 0);
	close_chain();
}

static void test_claims_replace_earlier_ones(void **state) {
	struct buf out;
	(void)state;
	open_chain(&secret);
	buf_init(&out, test_mem(), 100);
	buf_adds(&out, "before");
	buf_adds(&t.s.token, "e30.e30.e30");
	assert_true(chain_claims(&t.s, &out));
	assert_span(buf_span(&out), "{}");
	buf_free(&out);
	close_chain();
}

static void test_a_link_that_lacks_memory_has_failed(void **state) {
	(void)state;
	open_chain(&secret);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(0));
	chain_exhausted(&t.s, "no room", now_at(7));
	assert_int_equal(t.s.links[0].outcome, LINK_FAILED);
	assert_int_equal(t.s.links[0].took, 7);
	assert_span(buf_span(&t.s.links[0].why), "no room");
	assert_int_equal(chain_failure(&t.s)->kind, FAIL_LIMIT);
	close_chain();
}

/* ---- what nobody has asked for ------------------------------------------- */

static struct facts printed(void) {
	return facts_token("printed", 3600);
}
static void play_prints(const struct step *s) {
	struct answer a = answer_of(NULL, s->facts(), t.ms);
	chain_feed_output(&t.s, &a);
}
#define PRINTS STEP(play_prints, .facts = printed)

static const struct scenario uncalled_for[] = {
	/* a reply while a function is asked is somebody else's */
	{ "a_reply_does_not_meet_a_need",
	  { &function },
	  { ASKS, NEEDS(NEED_TOKEN), GRANTS("not this one", 3600), IN_FLIGHT,
	    ASKS, GIVES("this", -1), TOKEN("this") } },
	{ "a_program_does_not_answer_a_request",
	  { &secret },
	  { SENT, PROVIDES("x.y.z"), PRINTS, LACKS_IT("no"), IN_FLIGHT, ASKS,
	    GRANTS("tok", 3600), TOKEN("tok") } },
};

/* It changes nothing, whoever brings it. */
static void test_providing_without_a_need_has_no_effect(void **state) {
	struct fail before;
	(void)state;
	open_chain(&function);
	fail_init(&before, test_mem());
	for (int asked = 0; asked < 2; asked++) {
		struct answer a = answer_of(NULL, printed(), 0);
		chain_provided(&t.s, SPAN("x.y.z"), now_at(0));
		chain_feed_output(&t.s, &a);
		chain_fail_need(&t.s, SPAN("no"), NEED_FAILED, now_at(0));
		assert_null(chain_failure(&t.s));
		assert_int_equal(t.s.token.n, 0);
		chain_progress(&t.s, &before);
		assert_int_equal(before.message.n > 0, asked);
		assert_null(before.hint); /* of a managed identity */
		chain_token(&t.s, 0, NO_SPAN, now_at(0));
	}
	fail_free(&before);
	close_chain();
}

/* ---- what became of each link ------------------------------------------- */

static void play_source(const struct step *s) {
	equal(t.s.source, s->n, "the source");
}
#define SOURCE(is) STEP(play_source, .n = is)
static void play_took(const struct step *s) {
	equal(t.s.links[s->n].took, s->ms, "the link's time");
}
#define TOOK(which, length) STEP(play_took, .n = which, .ms = length)

#define UNTRIED(which) LINK(which, LINK_UNTRIED, NULL)
#define ABSENT LINK(0, LINK_ABSENT, "")
#define TRYING(which) LINK(which, LINK_TRYING, NULL)

static const struct scenario links[] = {
	/* a new fetch forgets all that was; the one that gave a token is asked
	   first, and its token lives on when it fails */
	{ "outcome_of_each_link",
	  { &none, &function },
	  { UNTRIED(0),
	    UNTRIED(1),
	    ASKS,
	    NEEDS(NEED_TOKEN),
	    ABSENT,
	    TRYING(1),
	    AT(5),
	    CANNOT("no"),
	    ABSENT,
	    LINK(1, LINK_FAILED, "no"),
	    TOOK(1, 5),
	    SAYS("the chain stopped: token: no (5 ms); environment: "),
	    AT(10),
	    ASKS,
	    TRYING(0),
	    UNTRIED(1),
	    NEEDS(NEED_TOKEN),
	    GIVES("t", -1),
	    ABSENT,
	    LINK(1, LINK_TOKEN, NULL),
	    SOURCE(1),
	    AT(56 * MINUTE),
	    TOKEN("t"),
	    ABSENT,
	    TRYING(1),
	    NEEDS(NEED_TOKEN),
	    CANNOT("no"),
	    ABSENT,
	    LINK(1, LINK_FAILED, "no"),
	    SOURCE(1),
	    TOKEN("t") } },
};

/* ---- memory and ceilings ------------------------------------------------ */

static void build_request(void) {
	memset(&t, 0, sizeof t);
	request_init(&t.q, test_mem());
	if (chain_init(&t.s, test_mem(), &secret, 1, SPAN(AUTHORITY),
	               SPAN(SCOPE), 1)) {
		assert_int_equal(test_memory.failures, 0);
		chain_token(&t.s, 0, NO_SPAN, now_at(0));
		if (next() == CHAIN_SEND && !request_failed(&t.q)) {
			assert_has(buf_span(&t.q.url), AUTHORITY "/123");
			assert_has(buf_span(&t.q.body), "&scope=https%3A%2F%2F"
			                                "management.azure.com"
			                                "%2F.default");
		} else if (test_memory.failures == 0) {
			FAIL("failed with memory for %s", "everything");
		}
	}
	close_chain();
}

static void test_without_memory_no_request_is_cut_short(void **state) {
	(void)state;
	test_each_failure(build_request);
}

/* A chain is given back as it was taken, however far it had come. */
static void build_chain(void) {
	const struct chain_spec specs[3] = { secret, secret, secret };
	struct chain s;
	bool ok = chain_init(&s, test_mem(), specs, COUNT(specs),
	                     SPAN(AUTHORITY), SPAN(SCOPE), 1);
	assert_int_equal(ok, test_memory.failures == 0);
	chain_free(&s);
}

static void test_a_chain_without_memory_is_freed(void **state) {
	(void)state;
	test_each_failure(build_chain);
}

static void test_an_authority_beyond_the_ceiling_is_given_back(void **state) {
	static char big[300 * 1024];
	struct chain s;
	(void)state;
	memset(big, 'x', sizeof big);
	assert_false(chain_init(&s, test_mem(), &function, 1,
	                        (struct span){ big, sizeof big }, SPAN(SCOPE),
	                        1));
	chain_free(&s);
}

static void test_a_token_beyond_the_ceiling(void **state) {
	static char big[100 * 1024];
	(void)state;
	memset(big, 'x', sizeof big - 1);
	open_chain(&secret);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_SEND);
	chain_sent(&t.s, now_at(0));
	feed(reply_of(200, NULL, "{}"), facts_token(big, 3600));
	assert_int_equal(chain_failure(&t.s)->kind, FAIL_LIMIT);
	assert_false(t.s.live);
	close_chain();
}

static void test_each_text_has_its_ceiling(void **state) {
	(void)state;
	open_chain(&secret);
	assert_ceiling(t.s.scratch.work, 262144);
	assert_ceiling(t.s.scratch.assertion, 262144);
	assert_ceiling(t.s.scratch.device, 262144);
	assert_ceiling(t.s.authority, 262144);
	assert_ceiling(t.s.scope, 262144);
	assert_ceiling(t.s.claims, 262144);
	assert_ceiling(t.s.endpoint, 262144);
	assert_ceiling(t.s.token, 65536);
	assert_ceiling(t.s.links[0].text, 262144);
	assert_ceiling(t.s.links[0].refresh_token, 262144);
	assert_ceiling(t.s.links[0].why, 262144);
	close_chain();
}

/* The texts are copied, an empty one too; the caller may overwrite his. */
static void test_own_error_of_a_credential_is_kept(void **state) {
	static const unsigned char yes = 1;
	char text[] = "hunter2";
	const struct chain_spec spec = {
		.flow = &flow_imds,
		.value = { [SV_ENDPOINT] = SPAN(""),
		           [SV_SECRET] = test_text(text) },
		.timeout = 1000,
		.developer = true,
		.probed = true,
		.send_x5c = true,
	};
	const struct chain_spec *kept;
	(void)state;
	open_chain(&spec);
	memset(text, 'x', sizeof text);
	kept = &t.s.links[0].spec;
	assert_int_equal(kept->timeout, 1000);
	assert_memory_equal(&kept->developer, &yes, 1);
	assert_memory_equal(&kept->probed, &yes, 1);
	assert_memory_equal(&kept->send_x5c, &yes, 1);
	for (int i = 0; i < SV_COUNT; i++)
		assert_span(kept->value[i], i == SV_ENDPOINT ? ""
		                            : i == SV_SECRET ? "hunter2"
		                                             : NULL);
	close_chain();
}

static void test_secrets_and_tokens_are_wiped(void **state) {
	static const struct scenario renewals[] = {
		{ "a secret",
		  { &secret },
		  { SIGNED_IN, AT(HOUR), ASKS, SENDS, NO } },
		{ "a token",
		  { &secret },
		  { SENT, GRANTS("t0ken-t0ken", 3600), AT(HOUR), ASKS, SENDS,
		    GRANTS("another-t0ken-t0ken-and-a-longer-one", 3600) } },
	};
	(void)state;
	test_mem_secret("hunter2");
	run(&renewals[0]);
	test_mem_secret("t0ken-t0ken");
	run(&renewals[1]);
}

/* ---- what a token says of itself ---------------------------------------- */

static void test_the_claims_of_a_token(void **state) {
	static const struct {
		const char *token, *claims; /* NULL: it is opaque */
	} rows[] = {
		{ "e30.eyJvaWQiOiJvIn0.c2ln", "{\"oid\":\"o\"}" },
		{ "e30.eyJvaWQiOiJvIn0.", "{\"oid\":\"o\"}" },
		{ "opaque", NULL },
		{ "two.parts", NULL },
		{ "e30.e.c2ln", NULL },    /* no multiple of bytes */
		{ "e30.e!30.c2ln", NULL }, /* no base64 */
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf claims;
		buf_init(&claims, test_mem(), 1000);
		open_chain(&secret);
		assert_false(chain_claims(&t.s, &claims)); /* none yet */
		chain_take(&t.s, test_text(rows[i].token), 3600, -1, now_at(0));
		assert_int_equal(chain_claims(&t.s, &claims),
		                 rows[i].claims != NULL);
		if (rows[i].claims)
			assert_span(buf_span(&claims), rows[i].claims);
		buf_free(&claims);
		close_chain();
	}
}

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_one_fetch_for_any_number_of_waiters),
		TEST(test_a_refused_token_is_fetched_again_once),
		TEST(test_hint_for_a_broken_connection),
		TEST(test_claims_that_found_no_memory_end_one_fetch),
		TEST(test_a_refusal_without_memory_for_its_words),
		TEST(test_a_renewal_without_memory_leaves_no_token),
		TEST(test_claims_replace_earlier_ones),
		TEST(test_a_link_that_lacks_memory_has_failed),
		TEST(test_providing_without_a_need_has_no_effect),
		TEST(test_without_memory_no_request_is_cut_short),
		TEST(test_a_chain_without_memory_is_freed),
		TEST(test_an_authority_beyond_the_ceiling_is_given_back),
		TEST(test_a_token_beyond_the_ceiling),
		TEST(test_each_text_has_its_ceiling),
		TEST(test_own_error_of_a_credential_is_kept),
		TEST(test_secrets_and_tokens_are_wiped),
		TEST(test_the_claims_of_a_token),
	};
	return RUN_TABLES(functions, COUNT(functions), SCRIPTS(lives),
	                  SCRIPTS(senseless_lives), SCRIPTS(tokens),
	                  SCRIPTS(retries), SCRIPTS(failures),
	                  SCRIPTS(uncalled_for), SCRIPTS(links));
}

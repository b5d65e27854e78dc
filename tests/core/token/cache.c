/* cache.c -- tokens that processes share: which record is believed, when one is
   left or removed, and what makes two chains one. */
#include "script.h"

#include "core/token/cache.h"

#define SHARED_SECRET                                                          \
	.flow = &flow_client_secret, .shared = true,                           \
	.value = {                                                             \
		[SV_TENANT] = LITERAL("tenant"),                               \
		[SV_CLIENT] = LITERAL("app"),                                  \
		[SV_SECRET] = LITERAL("hunter2"),                              \
	}
static const struct chain_spec secret = { SHARED_SECRET };
static const struct chain_spec none = { .flow = &flow_none };
static const struct chain_spec imds = {
	.flow = &flow_imds,
	.value = { [SV_ENDPOINT] = LITERAL("http://127.0.0.1/t") },
};

/* ---- steps --------------------------------------------------------------- */

static void play_shares(const struct step *s) {
	(void)s;
	chain_share(&t.s, &flow_cache);
}
#define SHARES STEP(play_shares)

/* It looks for a record, and finds this one; "": none. */
static void play_finds(const struct step *s) {
	wants(CHAIN_NEED);
	equal(t.s.scratch.need, NEED_CACHED, "the need");
	chain_sent(&t.s, now_at(t.ms));
	chain_provided(&t.s, s->bytes, now_at(t.ms));
}
#define FINDS(record) STEP(play_finds, .bytes = LITERAL(record))
#define FINDS_NONE FINDS("")

static void play_duty(const struct step *s) {
	struct buf record;
	int64_t life = 0;
	buf_init(&record, test_mem(), 70000);
	equal(cache_duty(&t.s, now_at(t.ms), &record, &life), s->n, "the duty");
	if (s->n == CACHE_STORE) {
		same(buf_span(&record), test_text(s->text), "the record");
		equal(life, s->ms, "its life");
	}
	equal(cache_duty(&t.s, now_at(t.ms), &record, &life), CACHE_NOTHING,
	      "the duty when it is done");
	buf_free(&record);
}
#define STORES(record, seconds)                                                \
	STEP(play_duty, .n = CACHE_STORE, .text = record, .ms = seconds)
#define REMOVES STEP(play_duty, .n = CACHE_REMOVE)
#define NOTHING_TO_DO STEP(play_duty, .n = CACHE_NOTHING)

static void play_source(const struct step *s) {
	equal(t.s.from_cache, s->n, "that it is another's");
}
#define FROM_CACHE STEP(play_source, .n = true)
#define OWN STEP(play_source, .n = false)

/* TEST_WALL is 1704067200 s. */
#define RECORD_OF(link, expires, refresh, scope, token)                        \
	"azpec token 2\n" link "\n" expires "\n" refresh "\n\n" scope "\n" token
#define RECORD(expires, refresh, token)                                        \
	RECORD_OF("0", expires, refresh, SCOPE, token)
#define AN_HOUR(token) RECORD("1704070800", "1704070500", token)

/* ---- a second process ---------------------------------------------------- */

#define SUB "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"
static const struct chain_spec az = { .flow = &flow_azure_cli, .shared = true };
static void play_for(const struct step *s) {
	assert_true(chain_name_subscription(&t.s, span_of(s->text)));
}
static void play_subscription(const struct step *s) {
	same(buf_span(&t.s.subscription), span_of(s->text), "the subscription");
}
#define SUBSCRIPTION(is) STEP(play_subscription, .text = is)
#define AZ_RECORD                                                              \
	"azpec token 2\n0\n1704070800\n1704070500\n" SUB "\n" SCOPE "\ntok"
static struct facts of_az(void) {
	struct facts f = facts_token("tok", 3600);
	f.as.token.subscription = SPAN(SUB);
	return f;
}

static const struct scenario second[] = {
	{ "az_leaves_its_default_subscription_there",
	  { &az },
	  { SHARES, ASKS, FINDS_NONE, NEEDS(NEED_PROGRAM),
	    ENDED(of_az, .out = LITERAL("{}")), TOKEN("tok"),
	    STORES(AZ_RECORD, 3600) } },
	{ "for_a_named_subscription_az_leaves_none_there",
	  { &az },
	  { STEP(play_for, .text = SUB), SHARES, ASKS, FINDS_NONE,
	    NEEDS(NEED_PROGRAM), ENDED(of_az, .out = LITERAL("{}")),
	    TOKEN("tok"), STORES(AN_HOUR("tok"), 3600) } },
	{ "and_the_second_takes_it",
	  { &az },
	  { SHARES, ASKS, FINDS(AZ_RECORD), TOKEN("tok"), FROM_CACHE,
	    SUBSCRIPTION(SUB) } },
	{ "the_first_process_leaves_a_record",
	  { &secret },
	  { SHARES, ASKS, FINDS_NONE, NOTHING_TO_DO, SENDS, GRANTS("tok", 3600),
	    TOKEN("tok"), OWN, STORES(AN_HOUR("tok"), 3600), RESTS } },
	{ "the_second_process_sends_no_request",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("tok")), TOKEN("tok"), FROM_CACHE,
	    NOTHING_TO_DO, RESTS, LIFE(3300 * SECOND, HOUR),
	    LINK(0, LINK_TOKEN, NULL) } },
	{ "without_sharing_the_cache_is_not_read",
	  { &secret },
	  { SENT, GRANTS("tok", 3600), TOKEN("tok"), NOTHING_TO_DO, OWN } },
	{ "times_are_those_of_the_wall",
	  { &secret },
	  { SHARES, AT(600 * SECOND), ASKS, FINDS(AN_HOUR("tok")), TOKEN("tok"),
	    LIFE(3300 * SECOND, HOUR) } },
	{ "a_record_holds_the_time_of_refresh_in",
	  { &secret },
	  { SHARES, AT(10 * SECOND), ASKS, FINDS_NONE, SENDS,
	    GRANTS_FRESH("tok", 7200, 600), AT(20 * SECOND),
	    STORES(RECORD("1704074410", "1704067810", "tok"), 7190) } },
	{ "one_that_is_due_is_used_while_a_new_one_is_fetched",
	  { &secret },
	  { SHARES, AT(3400 * SECOND), ASKS, FINDS(AN_HOUR("old")),
	    TOKEN("old"), FINDS(AN_HOUR("old")), NOTHING_TO_DO, SENDS,
	    TOKEN("old"), GRANTS("new", 3600), TOKEN("new"), OWN,
	    STORES(RECORD("1704074200", "1704073900", "new"), 3600) } },
	{ "a_long_process_uses_a_token_that_another_renewed",
	  { &secret },
	  { SHARES, ASKS, FINDS_NONE, SENDS, GRANTS("old", 3600), TOKEN("old"),
	    STORES(AN_HOUR("old"), 3600), AT(3400 * SECOND), TOKEN("old"),
	    FINDS(RECORD("1704074100", "1704073800", "new")), TOKEN("new"),
	    FROM_CACHE, NOTHING_TO_DO, RESTS } },
	{ "a_living_token_does_not_give_way_to_one_that_is_due_as_well",
	  { &secret },
	  { SHARES, ASKS, FINDS_NONE, SENDS, GRANTS("mine", 3600),
	    TOKEN("mine"), AT(3400 * SECOND), TOKEN("mine"),
	    FINDS(RECORD("1704070900", "1704070600", "theirs")), SENDS } },
	{ "a_failed_renewal_looks_again_after_30_seconds",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("old")), TOKEN("old"),
	    AT(3300 * SECOND), TOKEN("old"), FINDS(AN_HOUR("old")), SENDS,
	    REFUSES(401, "invalid_client", "AADSTS7000222: expired"),
	    AT(3330 * SECOND), TOKEN("old"),
	    FINDS(RECORD("1704074100", "1704073800", "new")), TOKEN("new") } },
	{ "the_link_is_the_one_that_gave_it",
	  { &none, &secret },
	  { SHARES, ASKS,
	    FINDS(RECORD_OF("1", "1704070800", "1704070500", SCOPE, "tok")),
	    TOKEN("tok"), LINK(0, LINK_UNTRIED, NULL),
	    LINK(1, LINK_TOKEN, NULL), AT(3300 * SECOND), TOKEN("tok"),
	    FINDS_NONE, SENDS, BODY_HAS("client_secret=hunter2") } },
	{ "a_link_that_may_not_share_leaves_none",
	  { &imds, &secret },
	  { SHARES, ASKS, FINDS_NONE, SENDS, GRANTS("tok", 3600), TOKEN("tok"),
	    NOTHING_TO_DO } },
	{ "a_chain_of_none_that_may_share_does_not_look",
	  { &imds },
	  { SHARES, SENT, GRANTS("tok", 3600), TOKEN("tok"), NOTHING_TO_DO } },
	{ "a_failure_leaves_none",
	  { &secret },
	  { SHARES, ASKS, FINDS_NONE, SENDS,
	    REFUSES(401, "invalid_client", "AADSTS7000222: expired"),
	    NOTHING_TO_DO } },
	{ "a_token_that_expires_before_it_is_stored_is_not_stored",
	  { &secret },
	  { SHARES, ASKS, FINDS_NONE, SENDS, GRANTS("tok", 2), AT(1001),
	    NOTHING_TO_DO } },
};

/* ---- what the service refused -------------------------------------------- */

#define CLAIMS "{\"access_token\":{\"nbf\":{\"value\":\"1\"}}}"

static const struct scenario refused[] = {
	{ "a_refused_token_is_removed_and_fetched_again",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("bad")), TOKEN("bad"), REFUSED,
	    FINDS(AN_HOUR("bad")), REMOVES, SENDS, GRANTS("good", 3600),
	    TOKEN("good"), STORES(AN_HOUR("good"), 3600) } },
	{ "a_token_that_another_process_fetched_is_used",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("bad")), TOKEN("bad"), REFUSED,
	    FINDS(AN_HOUR("good")), NOTHING_TO_DO, TOKEN("good"),
	    FROM_CACHE } },
	{ "claims_are_in_no_record",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("bad")), TOKEN("bad"),
	    CHALLENGED(CLAIMS), FINDS(AN_HOUR("other")), NOTHING_TO_DO, SENDS,
	    BODY_HAS("claims="), GRANTS("good", 3600), TOKEN("good"),
	    STORES(AN_HOUR("good"), 3600) } },
	{ "a_challenge_removes_the_refused_token",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("bad")), TOKEN("bad"),
	    CHALLENGED(CLAIMS), FINDS(AN_HOUR("bad")), REMOVES, SENDS } },
	/* az keeps the token as well */
	{ "a_refused_token_that_is_issued_again_is_not_stored_again",
	  { &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("bad")), TOKEN("bad"), REFUSED,
	    FINDS(AN_HOUR("bad")), REMOVES, SENDS, GRANTS("bad", 3600),
	    NOTHING_TO_DO } },
};

/* ---- records that are not believed --------------------------------------- */

#define FOREIGN(name, record)                                                  \
	{                                                                      \
		name, { &secret }, {                                           \
			SHARES, ASKS, FINDS(record), REMOVES, SENDS,           \
				GRANTS("tok", 3600), TOKEN("tok"),             \
				STORES(AN_HOUR("tok"), 3600)                   \
		}                                                              \
	}
#define OF(link, expires, refresh, scope, token)                               \
	RECORD_OF(link, expires, refresh, scope, token)

static const struct scenario foreign[] = {
	FOREIGN("a_blank", " "),
	FOREIGN("a_NUL", "\0"),
	FOREIGN("a_token_alone", "eyJ0eXAi.eyJ.sig"),
	FOREIGN("another_format",
	        "azpec token 1\n0\n1704070800\n1704070500\n" SCOPE "\ntok"),
	FOREIGN("the_format_alone", "azpec token 2"),
	FOREIGN("no_token",
	        "azpec token 2\n0\n1704070800\n1704070500\n\n" SCOPE),
	FOREIGN("an_empty_token", AN_HOUR("")),
	FOREIGN("a_token_with_a_line_end", AN_HOUR("tok\n")),
	FOREIGN("a_header_behind_the_token", AN_HOUR("tok\r\nX-Evil: 1")),
	FOREIGN("a_token_with_a_NUL", AN_HOUR("t\0k")),
	FOREIGN("a_token_with_a_blank", AN_HOUR("to k")),
	FOREIGN("a_token_beyond_ASCII", AN_HOUR("t\xc3\xb6k")),
	FOREIGN("another_scope", OF("0", "1704070800", "1704070500",
	                            "https://vault.azure.net/.default", "tok")),
	FOREIGN("no_scope", OF("0", "1704070800", "1704070500", "", "tok")),
	FOREIGN("a_link_that_is_not_there",
	        OF("1", "1704070800", "1704070500", SCOPE, "tok")),
	FOREIGN("a_link_beyond_all_numbers",
	        OF("99999999999999999999", "1704070800", "1704070500", SCOPE,
	           "tok")),
	FOREIGN("a_link_below_all_numbers",
	        OF("-1", "1704070800", "1704070500", SCOPE, "tok")),
	FOREIGN("an_end_that_is_now", RECORD("1704067200", "1704067100", "x")),
	FOREIGN("an_end_in_the_past", RECORD("1704067199", "1704067100", "x")),
	FOREIGN("an_end_in_more_than_ten_years",
	        RECORD("2019427201", "1704067300", "x")),
	FOREIGN("an_end_that_is_no_number", RECORD("soon", "1704067100", "x")),
	FOREIGN("an_end_with_a_sign", RECORD("+1704070800", "1704067100", "x")),
	FOREIGN("a_renewal_behind_the_end",
	        RECORD("1704070800", "1704070801", "x")),
};

static const struct scenario believed[] = {
	{ "a_second_before_the_end",
	  { &secret },
	  { SHARES, ASKS, FINDS(RECORD("1704067201", "1704067201", "x")),
	    TOKEN("x") } },
	{ "ten_years",
	  { &secret },
	  { SHARES, ASKS, FINDS(RECORD("2019427200", "2019427200", "x")),
	    TOKEN("x"), FROM_CACHE } },
	{ "one_of_a_link_that_may_not_share_is_not",
	  { &imds, &secret },
	  { SHARES, ASKS, FINDS(AN_HOUR("tok")), REMOVES, SENDS } },
};

static void test_a_token_beyond_the_ceiling_is_not_believed(void **state) {
	static char text[70000];
	size_t n = 0;
	(void)state;
	open_chain(&secret);
	chain_share(&t.s, &flow_cache);
	assert_int_equal(chain_token(&t.s, 0, NO_SPAN, now_at(0)), 0);
	assert_int_equal(next(), CHAIN_NEED);
	chain_sent(&t.s, now_at(0));
	n = (size_t)snprintf(text, sizeof text, "%s", AN_HOUR(""));
	memset(text + n, 'x', sizeof text - n);
	chain_provided(&t.s, (struct span){ text, sizeof text }, now_at(0));
	assert_false(t.s.live);
	assert_int_equal(t.s.duty, CACHE_REMOVE);
	assert_int_equal(next(), CHAIN_SEND);
	close_chain();
}

/* What an error of the caller's cut short is asked for again. */
static void test_a_look_that_was_cut_short_is_repeated(void **state) {
	(void)state;
	open_chain(&secret);
	chain_share(&t.s, &flow_cache);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_NEED);
	chain_sent(&t.s, now_at(0));
	assert_int_equal(next(), CHAIN_WAIT);
	t.s.in_flight = false; /* scheduler_lost_signin */
	t.s.scratch.need = NEED_NOTHING;
	assert_int_equal(next(), CHAIN_NEED);
	assert_int_equal(t.s.scratch.need, NEED_CACHED);
	close_chain();
}

static void test_without_memory_for_the_record_none_is_left(void **state) {
	struct buf record;
	int64_t life;
	(void)state;
	open_chain(&secret);
	chain_share(&t.s, &flow_cache);
	chain_take(&t.s, SPAN("tok"), 3600, -1, now_at(0));
	buf_init(&record, test_mem(), 10); /* it does not fit */
	assert_int_equal(cache_duty(&t.s, now_at(0), &record, &life),
	                 CACHE_STORE);
	assert_true(record.failed);
	buf_free(&record);
	close_chain();
}

static void test_without_memory_for_the_token_the_sign_in_fails(void **state) {
	const struct fail *why;
	(void)state;
	open_chain(&secret);
	chain_share(&t.s, &flow_cache);
	chain_token(&t.s, 0, NO_SPAN, now_at(0));
	assert_int_equal(next(), CHAIN_NEED);
	chain_sent(&t.s, now_at(0));
	test_memory.fail_from = test_memory.asked + 1;
	chain_provided(&t.s, SPAN(AN_HOUR("tok")), now_at(0));
	test_memory.fail_from = 0;
	assert_false(t.s.live || t.s.from_cache);
	why = chain_failure(&t.s);
	assert_non_null(why);
	assert_int_equal(why->kind, FAIL_LIMIT);
	chain_token(&t.s, 0, NO_SPAN, now_at(0)); /* and works again */
	assert_int_equal(next(), CHAIN_NEED);
	assert_int_equal(t.s.scratch.need, NEED_CACHED);
	close_chain();
}

/* ---- what makes two chains one ------------------------------------------- */

static void add_identity(const struct chain_spec *specs, size_t count,
                         struct span authority, struct span scope,
                         struct buf *out) {
	memset(&t, 0, sizeof t);
	open_at(specs, count, authority, scope);
	buf_clear(out);
	cache_add_identity(&t.s, out);
	close_chain();
}

static void expect_other(struct buf *a, const struct chain_spec *specs,
                         size_t count, struct span authority,
                         struct span scope) {
	struct buf b;
	buf_init(&b, test_mem(), 10000);
	add_identity(specs, count, authority, scope, &b);
	assert_false(span_eq(buf_span(a), buf_span(&b)));
	buf_free(&b);
}

/* az is asked for a token of the tenant of a named subscription. */
static void test_the_subscription_that_az_is_asked_for_counts(void **state) {
	static const char *const names[] = { NULL, SUB, "other", "s" };
	struct buf ids[COUNT(names)];
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		memset(&t, 0, sizeof t);
		open_at(&az, 1, SPAN(AUTHORITY), SPAN(SCOPE));
		if (names[i])
			assert_true(chain_name_subscription(&t.s,
			                                    span_of(names[i])));
		buf_init(&ids[i], test_mem(), 10000);
		cache_add_identity(&t.s, &ids[i]);
		close_chain();
		for (size_t k = 0; k < i; k++)
			assert_false(
				span_eq(buf_span(&ids[i]), buf_span(&ids[k])));
	}
	for (size_t i = 0; i < COUNT(names); i++)
		buf_free(&ids[i]);
}

static void test_each_part_of_a_credential_counts(void **state) {
	struct chain_spec specs[2] = { { .flow = &flow_client_secret },
		                       { .flow = &flow_none } };
	struct span authority = SPAN(AUTHORITY), scope = SPAN(SCOPE);
	struct buf a;
	(void)state;
	for (int v = 0; v < SV_COUNT; v++)
		specs[0].value[v] = SPAN("one");
	buf_init(&a, test_mem(), 10000);
	add_identity(specs, 1, authority, scope, &a);
	expect_other(&a, specs, 2, authority, scope);
	expect_other(&a, specs, 1, SPAN("https://login.example"), scope);
	expect_other(&a, specs, 1, authority, SPAN("api://mine/.default"));
	specs[0].flow = &flow_device_code;
	expect_other(&a, specs, 1, authority, scope);
	specs[0].flow = &flow_client_secret;
	for (int v = 0; v < SV_COUNT; v++) {
		static const struct span others[] = {
			LITERAL("two"), LITERAL("on"), LITERAL(""), { NULL, 0 }
		};
		for (size_t i = 0; i < COUNT(others); i++) {
			specs[0].value[v] = others[i];
			expect_other(&a, specs, 1, authority, scope);
		}
		specs[0].value[v] = SPAN("one");
	}
	{ /* and nothing else does */
		struct buf b;
		buf_init(&b, test_mem(), 10000);
		specs[0].send_x5c = specs[0].probed = true;
		add_identity(specs, 1, authority, scope, &b);
		assert_true(span_eq(buf_span(&a), buf_span(&b)));
		buf_free(&b);
	}
	buf_free(&a);
}

/* "ab" and "c" are not "a" and "bc", whatever is in them. */
static void test_parts_do_not_run_into_each_other(void **state) {
	static const struct {
		struct span one, two;
	} rows[] = {
		{ LITERAL("ab"), LITERAL("c") },
		{ LITERAL("a"), LITERAL("bc") },
		{ LITERAL("abc"), LITERAL("") },
		{ LITERAL(""), LITERAL("abc") },
		{ LITERAL("abc"), { NULL, 0 } },
		{ LITERAL("1:a"), LITERAL("") },
		{ LITERAL(""), LITERAL("3:abc") },
		{ { NULL, 0 }, LITERAL("") },
	};
	struct buf text[COUNT(rows)];
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_init(&text[i], test_mem(), 1000);
		cache_add_part(&text[i], rows[i].one);
		cache_add_part(&text[i], rows[i].two);
	}
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(span_eq(buf_span(&text[i]),
			                     buf_span(&text[j])));
	for (size_t i = 0; i < COUNT(rows); i++)
		buf_free(&text[i]);
}

/* Those that cost a request or a program, and whose values name the owner. */
static void test_these_flows_share_their_tokens(void **state) {
	static const struct {
		const struct flow *flow;
		bool shared;
	} rows[] = {
		{ &flow_client_secret, true },
		{ &flow_client_certificate, true },
		{ &flow_workload_identity, true },
		{ &flow_device_code, true },
		{ &flow_github_actions, true },
		{ &flow_azure_pipelines, true },
		{ &flow_azure_cli, true },
		{ &flow_azure_developer_cli, true },
		{ &flow_client_assertion, false },
		{ &flow_token, false },
		{ &flow_function, false },
		{ &flow_none, false },
		{ &flow_imds, false },
		{ &flow_app_service, false },
		{ &flow_cloud_shell, false },
		{ &flow_azure_ml, false },
		{ &flow_arc, false },
		{ &flow_service_fabric, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].flow->shared != rows[i].shared)
			FAIL("%s: shared is %d", rows[i].flow->name,
			     rows[i].flow->shared);
}

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_these_flows_share_their_tokens),
		TEST(test_a_token_beyond_the_ceiling_is_not_believed),
		TEST(test_a_look_that_was_cut_short_is_repeated),
		TEST(test_without_memory_for_the_record_none_is_left),
		TEST(test_without_memory_for_the_token_the_sign_in_fails),
		TEST(test_the_subscription_that_az_is_asked_for_counts),
		TEST(test_each_part_of_a_credential_counts),
		TEST(test_parts_do_not_run_into_each_other),
	};
	return RUN_TABLES(functions, COUNT(functions), SCRIPTS(second),
	                  SCRIPTS(refused), SCRIPTS(foreign),
	                  SCRIPTS(believed));
}

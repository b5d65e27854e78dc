/* op_limits.c -- an operation at its ceilings: too many pages, an ETag or text
   that is too large, no memory, calls that come too early or too late. */
#include "script.h"

#include "core/op_rules.h"

static const struct scenario list = { .name = "list", .asked = LIST };
static const struct scenario ensure = { .name = "ensure", .asked = ENSURE };
static const struct scenario update = { .name = "update", .asked = UPDATE };
static const struct scenario delete = { .name = "delete", .asked = DELETE };

static void says_at_end(struct player *p, enum fail_kind kind,
                        const char *part) {
	int64_t until;
	expect(p, OP_FAIL, &until);
	assert_int_equal(p->op.fail.kind, kind);
	assert_has(buf_span(&p->op.fail.message), part);
}

/* Whatever it wants to send is sent. */
static void send_it(struct player *p) {
	int64_t until;
	expect(p, OP_SEND, &until);
	op_sent(&p->op, now_at(p->t));
}

static void send_and_answer(struct player *p, const char *head,
                            const char *body) {
	send_it(p);
	feed(p, reply_of(200, head, body));
}

/* ---- lists -------------------------------------------------------------- */

static void feed_empty_page(struct player *p, int number) {
	char page[256];
	snprintf(page, sizeof page,
	         "{\"value\":[],\"nextLink\":\"" HOST "/x?page=%d\"}", number);
	send_and_answer(p, NULL, page);
}

static void test_a_list_of_empty_pages_comes_to_an_end(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &list);
	for (int i = 1; i <= 101; i++)
		feed_empty_page(&p, i);
	says_at_end(&p, FAIL_PROTOCOL, "too many empty pages in a row");
	player_free(&p);
}

static void
test_a_page_with_items_begins_the_count_of_empty_ones(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &list);
	for (int i = 1; i <= 100; i++)
		feed_empty_page(&p, i);
	send_and_answer(&p, NULL,
	                "{\"value\":[" APPROVED "],\"nextLink\":\"" HOST
	                "/x?page=101\"}");
	assert_true(op_next_page(&p.op));
	for (int i = 102; i <= 200; i++)
		feed_empty_page(&p, i);
	send_and_answer(&p, NULL, "{\"value\":[]}");
	assert_int_equal(p.op.end, OP_DONE);
	player_free(&p);
}

static void test_a_list_has_a_greatest_number_of_pages(void **state) {
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		struct player p;
		player_init(&p, &list);
		/* as after so many pages: 8 bytes remember each */
		for (size_t i = 0; i < 65535 + more; i++)
			buf_add(&p.op.pages.hashes, SPAN("anotherp"));
		send_and_answer(&p, NULL, "{\"value\":[" APPROVED "]}");
		if (more)
			says_at_end(&p, FAIL_LIMIT, "too many pages");
		else
			assert_int_equal(p.op.end, OP_DONE);
		player_free(&p);
	}
}

static void test_no_next_page_where_the_list_has_not_come_to_one(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &list);
	assert_false(op_next_page(&p.op));
	send_it(&p);
	assert_false(op_next_page(&p.op));
	feed(&p, reply_of(403, NULL, ERROR("AuthorizationFailed", "no")));
	assert_false(op_next_page(&p.op));
	player_free(&p);
}

/* ---- an ETag that cannot be given back ---------------------------------- */

static void found_with_tag(struct player *p, const char *tag) {
	char body[2048];
	snprintf(body, sizeof body,
	         "{\"id\":\"" ID "\",\"etag\":\"%s\",\"properties\":{"
	         "\"provisioningState\":\"Succeeded\"," STATE("Pending") "}}",
	         tag);
	player_init(p, &ensure);
	send_and_answer(p, NULL, body);
}

static void test_an_etag_has_a_greatest_length(void **state) {
	char tag[1026];
	struct player p;
	(void)state;
	memset(tag, 'x', sizeof tag);
	tag[1024] = '\0';
	found_with_tag(&p, tag);
	send_it(&p);
	check_field(&p, "If-Match", tag);
	player_free(&p);
	tag[1024] = 'x';
	tag[1025] = '\0';
	found_with_tag(&p, tag);
	says_at_end(&p, FAIL_PROTOCOL,
	            "the ETag cannot be sent in a header field");
	assert_int_equal(p.op.leg, LEG_READ); /* no write has begun */
	player_free(&p);
}

static void test_an_etag_that_is_refused_unchanged(void **state) {
	struct player p;
	(void)state;
	found_with_tag(&p, "\\\"1\\\"");
	for (int i = 0; i < 2; i++) {
		send_it(&p);
		check_field(&p, "If-Match", "\"1\"");
		feed(&p, reply_of(412, NULL, NULL));
		send_and_answer(&p, ETAG("\"1\""), PENDING);
	}
	says_at_end(&p, FAIL_PRECONDITION, "rejects the ETag that it returned");
	assert_int_equal(p.op.leg, LEG_READ);
	player_free(&p);
}

static void test_an_etag_that_would_end_a_header_field(void **state) {
	struct player p;
	(void)state;
	found_with_tag(&p, "a\r\nX: y");
	says_at_end(&p, FAIL_PROTOCOL,
	            "the ETag cannot be sent in a header field");
	player_free(&p);
}

static void test_each_text_has_its_ceiling(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &update);
	assert_ceiling(p.op.text, 2 << 20);
	assert_ceiling(p.op.change.etag, 2 << 20);
	assert_ceiling(p.op.change.found, 256);
	assert_ceiling(p.op.claims, 2 << 20);
	assert_ceiling(p.op.last_status, 256);
	assert_ceiling(p.op.shown, 256);
	assert_ceiling(p.op.fail.request_id, 256);
	assert_ceiling(p.op.fail.correlation_id, 256);
	assert_ceiling(p.op.poll.url, 65536);
	player_free(&p);
	p = (struct player){ .scenario = &list };
	player_init(&p, &list);
	assert_ceiling(p.op.pages.next, 2 << 20);
	assert_ceiling(p.op.pages.hashes, 2 << 20);
	player_free(&p);
}

/* ---- strings that are kept once ----------------------------------------- */

static void test_a_string_that_is_part_of_another_is_kept_once(void **state) {
	struct op_spec spec = spec_of(&update.asked);
	struct op_config cfg = { .mem = test_mem() };
	struct op o;
	size_t asked = test_memory.asked;
	(void)state;
	spec.query = SPAN("{\"a\":\"Approved");
	spec.client_request_id = NO_SPAN;
	spec.api_version = SPAN("https:");
	assert_true(op_init(&o, &cfg, &spec));
	assert_int_equal(o.text.n, spec.url.n + spec.query.n);
	assert_int_equal(test_memory.asked - asked, 2); /* and one to fit */
	assert_span(o.spec.status, "Approved");         /* at its end */
	assert_span(o.spec.api_version, "https:");
	assert_span(o.spec.id, ID);
	op_free(&o);
}

/* The allocator's fresh bytes are 0xdd: they belong to no string. */
static void test_a_string_is_not_found_in_unwritten_bytes(void **state) {
	struct op_spec spec = spec_of(&update.asked);
	struct op_config cfg = { .mem = test_mem() };
	struct op o;
	(void)state;
	spec.query = SPAN("{}$");
	spec.id = spec.status = NO_SPAN;
	spec.api_version = spec.client_request_id = NO_SPAN;
	spec.description = SPAN("$\xdd");
	spec.if_match = SPAN("*");
	assert_true(op_init(&o, &cfg, &spec));
	assert_span(o.spec.description, "$\xdd");
	assert_span(o.spec.if_match, "*");
	op_free(&o);
}

/* ---- no memory ---------------------------------------------------------- */

/* A request that lacks a part is not sent; who sends a write after a look sends
   it with the ETag of that look. */
static bool send_whole(struct player *p) {
	int64_t until;
	if (wants(p, &until) != OP_SEND || request_failed(&p->request))
		return false;
	if (p->request.method == HTTP_PATCH)
		check_field(p, "If-Match", "W/\"1\"");
	op_sent(&p->op, now_at(p->t));
	return true;
}

/* Sends the first read; false: there was no memory for it. */
static bool begin_ensure(struct player *p) {
	struct op_spec spec = spec_of(&ensure.asked);
	p->cfg = (struct op_config){ .mem = test_mem(),
		                     .retry = RETRY_DEFAULT,
		                     .try_timeout = 100000 };
	request_init(&p->request, test_mem());
	return op_init(&p->op, &p->cfg, &spec) && send_whole(p);
}

static void ensure_once(void) {
	struct player p = { .scenario = &ensure, .t = 5000 };
	if (begin_ensure(&p)) {
		feed(&p, reply_of(200, ETAG("W/\"1\""), PENDING));
		if (p.op.end == OP_FAIL) {
			assert_int_equal(p.op.fail.kind, FAIL_LIMIT);
			assert_int_equal(p.op.leg, LEG_READ);
		} else if (send_whole(&p)) {
			feed(&p, reply_of(200, NULL, APPROVED));
		}
	}
	assert_true(p.op.end != OP_DONE || p.op.changed);
	player_free(&p);
}

static void ensure_beside_another_operation(void) {
	struct player p = { .scenario = &ensure, .t = 5000 };
	if (begin_ensure(&p)) {
		feed(&p, reply_of(200, ETAG("W/\"1\""), UPDATING));
		p.t += 2000;
		if (p.op.end != OP_FAIL && send_whole(&p))
			feed(&p, reply_of(200, ETAG("W/\"2\""),
			                  RESOURCE("Succeeded", "Rejected")));
	}
	assert_int_equal(p.op.writes_sent, 0);
	assert_true(p.op.end != OP_DONE && p.op.leg == LEG_READ);
	player_free(&p);
}

static void test_without_memory_no_write_goes_out_unguarded(void **state) {
	(void)state;
	test_each_failure(ensure_once);
	test_each_single_failure(ensure_once);
	test_each_failure(ensure_beside_another_operation);
	test_each_single_failure(ensure_beside_another_operation);
}

/* Sends what is due; false: it is not whole. */
static bool sends_whole(struct player *p) {
	int64_t until;
	if (wants(p, &until) != OP_SEND || request_failed(&p->request))
		return false;
	assert_true(p->request.url.n > 0);
	op_sent(&p->op, now_at(p->t));
	return true;
}

/* A policy asks for a token, gets one, and the update goes out with it. */
static void guarded_once(void) {
	struct op_spec spec = spec_of(&update.asked);
	struct player p = { .scenario = &update, .t = 5000 };
	p.cfg = (struct op_config){ .mem = test_mem(),
		                    .retry = RETRY_DEFAULT,
		                    .try_timeout = 100000 };
	request_init(&p.request, test_mem());
	if (op_init(&p.op, &p.cfg, &spec) && sends_whole(&p)) {
		feed(&p, reply_of(403, NULL,
		                  "{\"error\":{\"code\":"
		                  "\"RequestDisallowedByPolicy\","
		                  "\"additionalInfo\":[{\"type\":"
		                  "\"PolicyViolation\","
		                  "\"info\":{\"evaluationDetails\":{"
		                  "\"missingPolicyTokenDetails\":{"
		                  "\"shouldDeny\":true}"
		                  "}}}]}}"));
		if (p.op.leg == LEG_ACQUIRE && sends_whole(&p))
			feed(&p, reply_of(200, NULL,
			                  "{\"result\":\"Succeeded\",\"token\":"
			                  "\"PoP abc\",\"tokenId\":\"1\"}"));
		if (p.op.leg == LEG_WRITE && sends_whole(&p)) {
			check_field(&p, "x-ms-policy-external-evaluations",
			            "PoP abc");
			feed(&p, reply_of(200, NULL, APPROVED));
		}
	}
	player_free(&p);
}

static void
test_without_memory_no_write_goes_out_without_its_token(void **state) {
	(void)state;
	test_each_failure(guarded_once);
	test_each_single_failure(guarded_once);
}

static void test_policy_token_has_three_values(void **state) {
	static const char *const names[] = { "auto", "always", "never" };
	(void)state;
	for (int i = 0; i < POLICY_WHENS; i++)
		assert_string_equal(policy_when_name((enum policy_when)i),
		                    names[i]);
}

static void list_once(void) {
	struct op_spec spec = spec_of(&list.asked);
	struct player p = { .scenario = &list, .t = 5000 };
	p.cfg = (struct op_config){ .mem = test_mem(),
		                    .origins = &p.origin,
		                    .origin_count = 1,
		                    .retry = RETRY_DEFAULT,
		                    .try_timeout = 100000 };
	assert_true(url_parse(SPAN(HOST "/"), &p.origin));
	request_init(&p.request, test_mem());
	if (op_init(&p.op, &p.cfg, &spec) && send_whole(&p)) {
		feed(&p, reply_of(200, NULL,
		                  "{\"value\":[" APPROVED
		                  "],\"nextLink\":\"" HOST "/x?page=2\"}"));
		if (p.op.end == OP_FAIL)
			assert_int_equal(p.op.fail.kind, FAIL_LIMIT);
		else /* it does not look as if it ended here */
			assert_true(op_next_page(&p.op));
	}
	player_free(&p);
}

static void test_without_memory_no_list_seems_complete(void **state) {
	(void)state;
	test_each_failure(list_once);
	test_each_single_failure(list_once);
}

/* ---- calls that come too early or too late ------------------------------ */

static void test_a_request_that_was_not_sent_is_sent_later(void **state) {
	const struct step patch = PATCH;
	struct player p;
	int64_t until;
	(void)state;
	player_init(&p, &update);
	send(&p, &patch);
	op_unsent(&p.op);
	expect(&p, OP_SEND, &until);
	check_request(&p, &patch);
	assert_false(op_unknown(&p.op));
	player_free(&p);
}

/* A clock may begin at 0. */
static void test_a_resumed_operation_polls_at_once(void **state) {
	static const struct scenario resumed[] = {
		{ .name = "at a URL",
		  .asked = RESUMED(POLL_LOCATION, OPERATION) },
		{ .name = "at the resource",
		  .asked = RESUMED(POLL_RESOURCE, NULL) },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(resumed); i++) {
		struct player p;
		player_init(&p, &resumed[i]);
		p.t = 0;
		send_it(&p);
		player_free(&p);
	}
}

static void test_the_next_page_is_asked_for_at_once(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &list);
	p.t = 0;
	send_and_answer(&p, NULL,
	                "{\"value\":[" APPROVED "],\"nextLink\":\"" HOST
	                "/x?page=2\"}");
	assert_true(op_next_page(&p.op));
	send_it(&p);
	player_free(&p);
}

static void test_an_answer_without_a_request_is_ignored(void **state) {
	struct player p;
	int64_t until;
	(void)state;
	player_init(&p, &update);
	feed(&p, reply_of(200, NULL, APPROVED));
	expect(&p, OP_SEND, &until);
	player_free(&p);
}

static void test_an_operation_that_never_began_took_no_time(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &update);
	op_stop(&p.op, FAIL_CANCELED, "canceled", now_at(p.t));
	assert_int_equal(p.op.end, OP_FAIL);
	for (int i = 0; i < PHASE_COUNT; i++)
		assert_int_equal(p.op.spent[i], 0);
	player_free(&p);
}

/* No conversation leads there (explore.c); it would be no success. */
static void test_an_answer_that_no_rule_foresees_is_an_error(void **state) {
	struct reply *r = reply_of(200, NULL, APPROVED);
	struct answer a =
		answer_of(r, facts_of(buf_span(&r->body), OP_UPDATE), 0);
	struct player p;
	(void)state;
	player_init(&p, &delete);
	p.op.leg = LEG_CONFIRM;
	op_judge(&p.op, &a);
	says_at_end(&p, FAIL_PROTOCOL, "unexpected response");
	player_free(&p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_list_of_empty_pages_comes_to_an_end),
		TEST(test_a_page_with_items_begins_the_count_of_empty_ones),
		TEST(test_a_list_has_a_greatest_number_of_pages),
		TEST(test_no_next_page_where_the_list_has_not_come_to_one),
		TEST(test_an_etag_has_a_greatest_length),
		TEST(test_an_etag_that_is_refused_unchanged),
		TEST(test_an_etag_that_would_end_a_header_field),
		TEST(test_each_text_has_its_ceiling),
		TEST(test_a_string_that_is_part_of_another_is_kept_once),
		TEST(test_a_string_is_not_found_in_unwritten_bytes),
		TEST(test_without_memory_no_write_goes_out_unguarded),
		TEST(test_without_memory_no_write_goes_out_without_its_token),
		TEST(test_policy_token_has_three_values),
		TEST(test_without_memory_no_list_seems_complete),
		TEST(test_a_request_that_was_not_sent_is_sent_later),
		TEST(test_a_resumed_operation_polls_at_once),
		TEST(test_the_next_page_is_asked_for_at_once),
		TEST(test_an_answer_without_a_request_is_ignored),
		TEST(test_an_operation_that_never_began_took_no_time),
		TEST(test_an_answer_that_no_rule_foresees_is_an_error),
	};
	return RUN(tests);
}

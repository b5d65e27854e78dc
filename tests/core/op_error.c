/* op_error.c -- the words, hints and marks of a failure: of a broken
   connection, of a refusal, of a token that does not come. */
#include "script.h"

#include "core/op_error.h"

static const struct scenario once = { .name = "once",
	                              .asked = UPDATE_WITH(.max_tries = 1) };
static const struct scenario get = { .name = "get", .asked = READ };

/* The request is sent and ends so. */
static void send_and_feed(struct player *p, const struct reply *r,
                          struct facts f) {
	struct answer a = answer_of(r, f, p->t);
	int64_t until;
	expect(p, OP_SEND, &until);
	op_sent(&p->op, now_at(p->t));
	op_feed(&p->op, &a);
}

static void test_each_break_of_the_transport_in_words(void **state) {
	static const struct {
		enum net_error error;
		bool retryable;
		const char *hint; /* NULL: none */
	} rows[] = {
		{ NET_RESOLVE, true, "check DNS" },
		{ NET_PROXY, true, "check the proxy's address" },
		{ NET_PROXY_TLS, true, "with http://" },
		{ NET_PROXY_CERT, false, "ca_file" },
		{ NET_CONNECT, true, NULL },
		{ NET_TLS, true, NULL },
		{ NET_SEND, true, NULL },
		{ NET_RECV, true, NULL },
		{ NET_REFUSED, true, NULL },
		{ NET_OTHER, true, NULL },
		{ NET_PROTOCOL, true, NULL },
		{ NET_CERT, false, "ca_file" },
		{ NET_CA, false, "check ca_file" },
		{ NET_URL, false, NULL },
		{ NET_TOO_BIG, false, NULL },
		{ NET_PROXY_REFUSED, false, "NO_PROXY" },
		{ NET_PROXY_AUTH, false, "USER:PASSWORD" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reply *r = no_reply(rows[i].error, false);
		struct player p;
		const struct fail *f = &p.op.fail;
		buf_adds(&r->note, "peer said Bearer 0123456789abcdefgh");
		player_init(&p, &once);
		send_and_feed(&p, r, no_facts());
		assert_int_equal(p.op.end, OP_FAIL);
		assert_has(buf_span(&f->message),
		           net_error_text(rows[i].error));
		assert_has(buf_span(&f->message), ": peer said <redacted>");
		if (f->retryable != rows[i].retryable)
			FAIL("%s: retryable is %d",
			     net_error_text(rows[i].error), f->retryable);
		if (rows[i].hint)
			assert_has(test_text(f->hint), rows[i].hint);
		else
			assert_null(f->hint);
		player_free(&p);
	}
}

static void test_a_second_text_follows_the_message(void **state) {
	static const struct {
		const char *message, *more, *says;
	} rows[] = {
		{ "It failed.", "Because.", "C: It failed. Because. (HTTP" },
		{ "It failed", "because", "C: It failed: because (HTTP" },
		{ "It failed", NULL, "C: It failed (HTTP" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_error("C", rows[i].message);
		struct player p;
		f.more = test_text(rows[i].more);
		player_init(&p, &get);
		send_and_feed(&p, reply_of(400, NULL, "{}"), f);
		assert_has(buf_span(&p.op.fail.message), rows[i].says);
		player_free(&p);
	}
}

static void test_the_rights_that_a_call_needs_are_its_own_hint(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &get);
	p.op.spec.needs = "the identity needs this and that";
	send_and_feed(&p, reply_of(403, NULL, "{}"),
	              facts_error("AuthorizationFailed", "no"));
	assert_string_equal(p.op.fail.hint, "the identity needs this and that");
	player_free(&p);
}

static void test_a_break_in_a_body_is_named_before_the_next_try(void **state) {
	struct reply *r = no_reply(NET_RECV, true);
	struct player p;
	(void)state;
	r->status = 200;
	player_init(&p, &get);
	send_and_feed(&p, r, no_facts());
	assert_int_equal(p.op.end, OP_WAIT);
	assert_has(buf_span(&p.op.fail.message), net_error_text(NET_RECV));
	player_free(&p);
}

static void
test_a_garbled_answer_shows_no_part_of_a_policy_token(void **state) {
	struct scenario first = {
		.name = "first", .asked = UPDATE_WITH(.policy = POLICY_ALWAYS)
	};
	struct player p;
	(void)state;
	player_init(&p, &first);
	send_and_feed(&p, reply_of(200, JSON_TYPE, "{\"token\":\"PoP"),
	              facts_broken());
	assert_int_equal(p.op.end, OP_WAIT);
	assert_string_equal(buf_cstr(&p.op.fail.message), op_not_json);
	player_free(&p);
}

static void
test_a_redirect_s_target_is_named_without_its_secrets(void **state) {
	static const struct {
		int status;
		const char *target;
	} rows[] = {
		{ 302, "Location: https://portal.example/in?sig=secret" },
		{ 302, "Location: https://portal.example/in#sig=secret" },
		{ 300, "Location: https://portal.example/in" },
		{ 399, "Location: https://portal.example/in" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		player_init(&p, &get);
		send_and_feed(&p,
		              reply_of(rows[i].status, rows[i].target, NULL),
		              no_facts());
		assert_has(buf_span(&p.op.fail.message),
		           ", redirect to https://portal.example/in (HTTP 3");
		player_free(&p);
	}
}

static void test_hint_for_a_status(void **state) {
	static const struct {
		int status;
		const char *hint; /* NULL: none */
	} rows[] = {
		{ 300, "redirects are never followed" },
		{ 399, "redirects are never followed" },
		{ 400, NULL },
		{ 401, "the token was rejected" },
		{ 402, NULL },
		{ 403, "privateEndpointConnections/read" },
		{ 404, "full connection name" },
		{ 405, NULL },
		{ 407, "requires authentication" },
		{ 409, NULL },
		{ 412, "the connection changed after" },
		{ 500, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		player_init(&p, &get);
		p.cfg.retry.max_tries = 1;
		p.op.reauthorized = true;
		send_and_feed(&p, reply_of(rows[i].status, NULL, "{}"),
		              facts_object());
		assert_int_equal(p.op.end, OP_FAIL);
		if (!rows[i].hint != !p.op.fail.hint)
			FAIL("%d: %s", rows[i].status, p.op.fail.hint);
		if (rows[i].hint)
			assert_has(test_text(p.op.fail.hint), rows[i].hint);
		player_free(&p);
	}
}

static void test_a_proxy_s_page_names_the_proxy(void **state) {
	static const struct {
		int status;
		const char *hint;
	} rows[] = {
		{ 406, "not from Azure Resource Manager" },
		{ 407, "requires authentication" },
		{ 403, "not from Azure Resource Manager" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		player_init(&p, &get);
		send_and_feed(&p, reply_of(rows[i].status, NULL, "<html>"),
		              facts_broken());
		assert_has(test_text(p.op.fail.hint), rows[i].hint);
		player_free(&p);
	}
}

static void test_a_refused_change_of_a_rejected_connection(void **state) {
	static const struct scenario ensure = { .name = "ensure",
		                                .asked = ENSURE };
	static const struct {
		const char *status;
		int refused;
		bool gone;
	} rows[] = {
		{ "Rejected", 400, true },     { "Rejected", 409, true },
		{ "Disconnected", 400, true }, { "Pending", 400, false },
		{ "Pending", 409, false },     { "Rejected", 403, false },
		{ "Rejected", 410, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_resource("Succeeded", rows[i].status);
		struct player p;
		bool gone;
		f.as.resource.id = SPAN(ID);
		player_init(&p, &ensure);
		send_and_feed(&p, reply_of(200, ETAG("\"1\""), "{}"), f);
		send_and_feed(&p, reply_of(rows[i].refused, NULL, "{}"),
		              facts_error("Odd", "no"));
		assert_int_equal(p.op.end, OP_FAIL);
		gone = test_has(test_text(p.op.fail.hint), "create a new one");
		if (gone != rows[i].gone)
			FAIL("%s, %d: %s", rows[i].status, rows[i].refused,
			     p.op.fail.hint);
		player_free(&p);
	}
}

static void test_error_of_a_read_only_ensure(void **state) {
	static const struct scenario look = {
		.name = "look", .asked = ENSURE_WITH(.read_only = true)
	};
	static const struct {
		const char *status, *says;
	} rows[] = {
		{ "Pending", "nothing was written: its status is Pending" },
		{ NULL, "nothing was written" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_resource("Succeeded", rows[i].status);
		struct player p;
		f.as.resource.id = SPAN(ID);
		player_init(&p, &look);
		send_and_feed(&p, reply_of(200, NULL, "{}"), f);
		assert_int_equal(p.op.end, OP_FAIL);
		assert_has(buf_span(&p.op.fail.message), rows[i].says);
		if (!rows[i].status)
			assert_lacks(buf_span(&p.op.fail.message), "status is");
		player_free(&p);
	}
}

static void test_an_empty_answer_adds_nothing_to_the_message(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &get);
	send_and_feed(&p, reply_of(204, NULL, NULL), no_facts());
	assert_span(buf_span(&p.op.fail.message),
	            "the response is not a JSON object");
	player_free(&p);
}

static void test_the_type_of_what_is_not_json_is_named(void **state) {
	static const struct {
		const char *head, *says;
	} rows[] = {
		{ "Content-Type: text/html",
		  "is not JSON but text/html: <html>" },
		{ "Content-Type: x", "is not JSON but x: <html>" },
		{ "Content-Type: application/json",
		  "the response says application/json but is not valid JSON: "
		  "<html>" },
		{ "Content-Type: Text/JSON; charset=utf-8",
		  "says Text/JSON; charset=utf-8 but is not valid JSON: <" },
		{ NULL, "is not JSON (no Content-Type): <html>" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		player_init(&p, &get);
		send_and_feed(&p, reply_of(404, rows[i].head, "<html>"),
		              facts_broken());
		assert_has(buf_span(&p.op.fail.message), rows[i].says);
		player_free(&p);
	}
}

static void test_404_of_a_proxy_is_not_the_service_s(void **state) {
	static const struct {
		const char *head, *body;
		bool foreign;
	} rows[] = {
		{ "Content-Type: text/html", "<html>", true },
		{ NULL, "<html>", true },
		{ NULL, "<", true },
		{ "Content-Type: application/json", "{", false },
		{ "Content-Type: text/html\nx-ms-request-id: a", "<html>",
		  false },
		{ "Content-Type: text/html\nx-ms-correlation-request-id: a",
		  "<html>", false },
		{ "Content-Type: text/html", NULL, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		player_init(&p, &get);
		send_and_feed(&p, reply_of(404, rows[i].head, rows[i].body),
		              rows[i].body ? facts_broken() : no_facts());
		if (test_has(test_text(p.op.fail.hint),
		             "not from Azure Resource Manager") !=
		    rows[i].foreign)
			FAIL("row %zu: %s", i, p.op.fail.hint);
		player_free(&p);
	}
}

static void test_a_read_without_an_id_takes_any_resource(void **state) {
	struct player p;
	(void)state;
	player_init(&p, &get);
	p.op.spec.id = NO_SPAN;
	send_and_feed(&p, reply_of(200, NULL, "{}"),
	              facts_resource("Succeeded", "Pending"));
	assert_int_equal(p.op.end, OP_DONE);
	player_free(&p);
}

/* A 2xx may have the token in it. */
static void test_only_a_refused_acquisition_s_body_is_kept(void **state) {
	static const struct scenario always = {
		.name = "always", .asked = UPDATE_WITH(.policy = POLICY_ALWAYS)
	};
	static const struct {
		int status;
		bool kept;
	} rows[] = {
		{ 200, false }, { 299, false }, { 300, true }, { 403, true }
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		player_init(&p, &always);
		send_and_feed(&p, reply_of(rows[i].status, NULL, "{}"),
		              facts_error("Odd", "no"));
		assert_int_equal(p.op.end, OP_FAIL);
		if (p.op.fail.body != rows[i].kept ||
		    p.op.keep != (rows[i].kept ? KEEP_ERROR : KEEP_NOTHING))
			FAIL("%d: body %d, keep %d", rows[i].status,
			     p.op.fail.body, p.op.keep);
		player_free(&p);
	}
}

static void test_the_only_attempt_speaks_of_no_earlier_one(void **state) {
	static const int rows[] = { 408, 500, 503 };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_resource("Succeeded", "Pending");
		struct player p;
		f.as.resource.id = SPAN(ID);
		player_init(&p, &once);
		send_and_feed(&p, reply_of(rows[i], NULL, NULL), no_facts());
		send_and_feed(&p, reply_of(200, NULL, "{}"), f);
		assert_int_equal(p.op.end, OP_FAIL);
		assert_int_equal(p.op.fail.http_status, rows[i]);
		assert_lacks(buf_span(&p.op.fail.message), "earlier attempt");
		player_free(&p);
	}
}

/* The hint of the code is about a refusal. */
static void test_a_failed_operation_has_no_hint_of_its_code(void **state) {
	struct facts f = facts_resource("Succeeded", "Pending");
	struct player p;
	(void)state;
	f.as.resource.id = SPAN(ID);
	player_init(&p, &once);
	send_and_feed(&p, reply_of(200, NULL, "{}"),
	              facts_error("ScopeLocked", "no"));
	send_and_feed(&p, reply_of(200, NULL, "{}"), f);
	assert_int_equal(p.op.end, OP_FAIL);
	assert_int_equal(p.op.fail.kind, FAIL_OPERATION);
	assert_has(buf_span(&p.op.fail.message), "ScopeLocked");
	assert_null(p.op.fail.hint);
	player_free(&p);
}

static void test_a_time_out_reports_only_known_facts(void **state) {
	struct player p;
	int64_t until;
	(void)state;
	player_init(&p, &get);
	expect(&p, OP_SEND, &until);
	p.t = p.op.deadline;
	expect(&p, OP_FAIL, &until);
	assert_span(buf_span(&p.op.fail.message), "timed out after 300 s");
	assert_null(p.op.fail.hint);
	player_free(&p);
}

#define CHALLENGE                                                              \
	"WWW-Authenticate: Bearer error=\"insufficient_claims\", "             \
	"claims=\"eyJhIjoxfQ==\""

/* ---- no token ----------------------------------------------------------- */

/* The answer that refused the token, then why there is no new one. */
static void lose_token_for(struct player *p, int status, const char *code,
                           const char *head, const char *hint, bool later) {
	struct fail why;
	int64_t until;
	player_init(p, &get);
	if (status) {
		send_and_feed(p, reply_of(status, head, "{}"),
		              facts_error(code, "the service's words"));
	}
	assert_int_equal(ask(p, &until), OP_TOKEN);
	fail_init(&why, test_mem());
	fail_set(&why, FAIL_CREDENTIAL, PHASE_TOKEN, "no such secret");
	why.hint = hint;
	why.retryable = later;
	why.retry_after = later ? 7000 : -1;
	buf_adds(&why.request_id, "trace");
	buf_adds(&why.correlation_id, "correlation");
	op_no_token(&p->op, &why, now_at(p->t));
	fail_free(&why);
	assert_int_equal(p->op.end, OP_FAIL);
	assert_true(p->op.no_token);
}

static void lose_token(struct player *p, int status, const char *code,
                       const char *head, const char *hint) {
	lose_token_for(p, status, code, head, hint, false);
}

static void
test_without_a_token_the_sign_in_s_failure_is_reported(void **state) {
	struct player p;
	(void)state;
	lose_token(&p, 0, NULL, NULL, "set it");
	assert_span(buf_span(&p.op.fail.message), "no such secret");
	assert_string_equal(p.op.fail.hint, "set it");
	assert_span(buf_span(&p.op.fail.request_id), "trace");
	assert_span(buf_span(&p.op.fail.correlation_id), "correlation");
	player_free(&p);
}

static void test_after_a_401_the_service_s_words_come_first(void **state) {
	static const char ids[] =
		"x-ms-request-id: r\nx-ms-correlation-request-id: c";
	struct player p;
	(void)state;
	lose_token(&p, 401, "Unauthorized", ids, "set it");
	assert_has(buf_span(&p.op.fail.message),
	           "the service's words (HTTP 401); no such secret");
	assert_string_equal(p.op.fail.hint, "set it");
	assert_span(buf_span(&p.op.fail.request_id), "r");
	assert_span(buf_span(&p.op.fail.correlation_id), "c");
	player_free(&p);
	lose_token(&p, 401, "Unauthorized", CHALLENGE, NULL);
	assert_has(test_text(p.op.fail.hint),
	           "requires a token with new claims");
	player_free(&p);
	lose_token(&p, 401, "Unauthorized", NULL, NULL);
	assert_has(test_text(p.op.fail.hint), "the token was rejected");
	assert_int_equal(p.op.fail.request_id.n, 0);
	assert_int_equal(p.op.fail.correlation_id.n, 0);
	player_free(&p);
	/* a token has expired: why there is no new one tells more */
	lose_token(&p, 401, "ExpiredAuthenticationToken", NULL, "set it");
	assert_string_equal(p.op.fail.hint, "set it");
	player_free(&p);
	lose_token(&p, 401, "ExpiredAuthenticationToken", NULL, NULL);
	assert_has(test_text(p.op.fail.hint), "sign in again");
	player_free(&p);
	/* the code's own advice is the better one */
	lose_token(&p, 401, "InvalidAuthenticationTokenTenant", NULL, "set it");
	assert_has(test_text(p.op.fail.hint), "another tenant");
	player_free(&p);
}

static void
test_the_failed_sign_in_says_whether_a_later_call_may_succeed(void **state) {
	static const struct {
		int status;
		const char *code;
		bool later, retryable;
	} rows[] = {
		{ 0, NULL, true, true },
		{ 0, NULL, false, false },
		{ 401, "Unauthorized", true, true },
		{ 401, "Unauthorized", false, false },
		{ 401, "ExpiredAuthenticationToken", true, true },
		/* a new token would be of the same tenant */
		{ 401, "InvalidAuthenticationTokenTenant", true, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		lose_token_for(&p, rows[i].status, rows[i].code, NULL, NULL,
		               rows[i].later);
		assert_int_equal(p.op.fail.kind, FAIL_CREDENTIAL);
		assert_int_equal(p.op.fail.retryable, rows[i].retryable);
		assert_int_equal(p.op.fail.retry_after,
		                 rows[i].retryable ? 7000 : -1);
		player_free(&p);
	}
}

#define AUTHORITY(uri)                                                         \
	"WWW-Authenticate: Bearer authorization_uri=\"" uri                    \
	"\", error=\"invalid_token\""
#define TENANT "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01"

static void test_a_wrong_tenant_s_hint_names_the_right_one(void **state) {
	static const struct {
		const char *head, *hint;
	} rows[] = {
		{ AUTHORITY("https://login.windows.net/" TENANT),
		  "the subscription belongs to tenant " TENANT
		  ": run az login --tenant " TENANT " (azd auth login "
		  "--tenant-id " TENANT "), or give it as tenant_id" },
		{ AUTHORITY("https://login.windows.net/contoso.com/"),
		  "az login --tenant contoso.com " },
		{ AUTHORITY("https://login.windows.net/x"),
		  "az login --tenant x " },
		{ AUTHORITY("https://login.windows.net/$(id)"),
		  "another tenant" },
		{ AUTHORITY(""), "another tenant" },
		{ NULL, "another tenant" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct player p;
		lose_token(&p, 401, "InvalidAuthenticationTokenTenant",
		           rows[i].head, "set it");
		assert_has(test_text(p.op.fail.hint), rows[i].hint);
		player_free(&p);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_wrong_tenant_s_hint_names_the_right_one),
		TEST(test_each_break_of_the_transport_in_words),
		TEST(test_a_second_text_follows_the_message),
		TEST(test_the_rights_that_a_call_needs_are_its_own_hint),
		TEST(test_a_break_in_a_body_is_named_before_the_next_try),
		TEST(test_a_garbled_answer_shows_no_part_of_a_policy_token),
		TEST(test_a_redirect_s_target_is_named_without_its_secrets),
		TEST(test_hint_for_a_status),
		TEST(test_a_proxy_s_page_names_the_proxy),
		TEST(test_a_refused_change_of_a_rejected_connection),
		TEST(test_error_of_a_read_only_ensure),
		TEST(test_an_empty_answer_adds_nothing_to_the_message),
		TEST(test_the_type_of_what_is_not_json_is_named),
		TEST(test_404_of_a_proxy_is_not_the_service_s),
		TEST(test_a_read_without_an_id_takes_any_resource),
		TEST(test_only_a_refused_acquisition_s_body_is_kept),
		TEST(test_the_only_attempt_speaks_of_no_earlier_one),
		TEST(test_a_failed_operation_has_no_hint_of_its_code),
		TEST(test_a_time_out_reports_only_known_facts),
		TEST(test_without_a_token_the_sign_in_s_failure_is_reported),
		TEST(test_after_a_401_the_service_s_words_come_first),
		TEST(test_the_failed_sign_in_says_whether_a_later_call_may_succeed),
	};
	return RUN(tests);
}

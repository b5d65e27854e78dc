/* answer.c -- who gave an answer, which of its ETags counts, and what an answer
   of another kind says. */
#include "support.h"

#include "core/answer.h"

static void test_a_body_s_etag_goes_before_the_header_s(void **state) {
	static const struct {
		const char *header, *body, *is;
	} rows[] = {
		{ "\"h\"", "\"b\"", "\"b\"" },
		{ "W/\"h\"", "W/\"b\"", "W/\"b\"" },
		{ "\"h\"", "\"\"", "\"\"" },
		{ NULL, "\"b\"", "\"b\"" },
		{ NULL, "b", "b" }, /* there is no better one */
		{ "\"h\"", NULL, "\"h\"" },
		{ NULL, NULL, NULL },
		/* the body's is no entity-tag (RFC 9110, 8.8.3) */
		{ "\"h\"", "b", "\"h\"" },
		{ "\"h\"", "W/b", "\"h\"" },
		{ "\"h\"", "W\"b\"", "\"h\"" },
		{ "\"h\"", "X/\"b\"", "\"h\"" },
		{ "\"h\"", "W/", "\"h\"" },
		{ "\"h\"", "W/\"", "\"h\"" },
		{ "\"h\"", "\"", "\"h\"" },
		{ "\"h\"", "\"b", "\"h\"" },
		{ "\"h\"", "b\"", "\"h\"" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char head[64];
		struct facts f = facts_resource("Succeeded", "Approved");
		struct answer a;
		snprintf(head, sizeof head, "ETag: %s", rows[i].header);
		f.as.resource.etag = test_text(rows[i].body);
		a = answer_of(reply_of(200, rows[i].header ? head : NULL, "{}"),
		              f, 0);
		if (!span_eq(answer_etag(&a), test_text(rows[i].is)))
			FAIL("row %zu: %.*s", i, (int)answer_etag(&a).n,
			     answer_etag(&a).p);
	}
}

static void test_a_garbled_answer_is_said_to_be_json_and_is_not(void **state) {
	static const struct {
		int status;
		const char *head;
		enum net_error error;
		bool broken, garbled;
	} rows[] = {
		{ 200, "Content-Type: application/json", NET_OK, true, true },
		{ 200, "Content-Type: text/json", NET_OK, true, true },
		{ 200, "Content-Type: application/json", NET_OK, false, false },
		{ 200, "Content-Type: text/html", NET_OK, true, false },
		{ 200, NULL, NET_OK, true, false },
		{ 202, "Content-Type: application/json", NET_OK, true, false },
		{ 200, "Content-Type: application/json", NET_RECV, true,
		  false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reply *r = reply_of(rows[i].status, rows[i].head, "{");
		struct answer a = answer_of(
			r, rows[i].broken ? facts_broken() : no_facts(), 0);
		r->error = rows[i].error;
		if (answer_is_garbled(&a) != rows[i].garbled)
			FAIL("row %zu", i);
	}
}

static void test_a_body_s_code_goes_before_the_header_s(void **state) {
	static const struct {
		const char *head, *body, *is;
	} rows[] = {
		{ "x-ms-error-code: H", "B", "B" },
		{ "x-ms-error-code: H", NULL, "H" },
		{ NULL, "B", "B" },
		{ NULL, NULL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct facts f = facts_error(rows[i].body, NULL);
		struct answer a =
			answer_of(reply_of(409, rows[i].head, NULL), f, 0);
		if (!span_eq(answer_code(&a), test_text(rows[i].is)))
			FAIL("row %zu", i);
	}
}

static void test_azure_s_answers_have_an_id(void **state) {
	static const struct {
		const char *head;
		bool azures;
	} rows[] = {
		{ "x-ms-request-id: a", true },
		{ "x-ms-correlation-request-id: b", true },
		{ "X-Ms-Request-Id: a\nServer: x", true },
		{ "x-ms-request-id:", false },
		{ "Server: x", false },
		{ NULL, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer a = answer_of(reply_of(404, rows[i].head, NULL),
		                            no_facts(), 0);
		if (answer_is_azures(&a) != rows[i].azures)
			FAIL("row %zu", i);
	}
}

static void test_another_document_says_nothing(void **state) {
	struct answer token =
		answer_of(reply_of(200, NULL, "{}"), facts_token("t", 1), 0);
	struct answer page = answer_of(reply_of(200, NULL, "{}"),
	                               facts_page("next", true), 0);
	(void)state;
	assert_int_equal(resource_of(&token)->percent, -1);
	assert_null(resource_of(&token)->status.p);
	assert_false(resource_of(&token)->is_resource);
	assert_null(page_of(&token)->next_link.p);
	assert_false(page_of(&token)->empty);
	assert_true(page_of(&page)->empty);
	assert_span(page_of(&page)->next_link, "next");
	assert_span(token_of(&token)->access_token, "t");
	assert_null(token_of(&page)->access_token.p);
	assert_int_equal(token_of(&page)->expires_in, -1);
	assert_int_equal(token_of(&page)->expires_on, -1);
	assert_int_equal(token_of(&page)->refresh_in, -1);
	assert_null(device_of(&page)->device_code.p);
	assert_int_equal(device_of(&page)->expires_in, -1);
	assert_int_equal(device_of(&page)->interval, -1);
	assert_null(cloud_of(&page)->login_endpoint.p);
	assert_null(cloud_of(&page)->audience.p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_body_s_etag_goes_before_the_header_s),
		TEST(test_a_garbled_answer_is_said_to_be_json_and_is_not),
		TEST(test_a_body_s_code_goes_before_the_header_s),
		TEST(test_azure_s_answers_have_an_id),
		TEST(test_another_document_says_nothing),
	};
	return RUN(tests);
}

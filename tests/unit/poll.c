/* poll.c -- where to look next, how often, and what is final. */
#include "support.h"

#include "core/poll.h"

#define HOST "https://management.azure.com"
#define RESOURCE HOST "/S/G/batchAccounts/acct/privateEndpointConnections/c"

static struct url trusted[2];

static void trust(void) {
	assert_true(url_parse(SPAN(HOST), &trusted[0]));
	assert_true(
		url_parse(SPAN("https://trusted.example:8443"), &trusted[1]));
}

static void follow(struct poll *p, const char *head) {
	poll_follow(p, reply_of(202, head, NULL),
	            SPAN(RESOURCE "?api-version=2022-06-01"), trusted,
	            COUNT(trusted));
}

/* ---- which header ------------------------------------------------------- */

static void test_which_header_is_followed(void **state) {
	static const struct {
		const char *head;
		enum poll_source source;
		const char *url;
	} rows[] = {
		{ NULL, POLL_RESOURCE, NULL },
		{ "Retry-After: 15", POLL_RESOURCE, NULL },
		{ "Location: " HOST "/l", POLL_LOCATION, HOST "/l" },
		{ "Azure-AsyncOperation: " HOST "/a", POLL_ASYNC, HOST "/a" },
		{ "Operation-Location: " HOST "/o", POLL_ASYNC, HOST "/o" },
		{ "Location: " HOST "/l\nAzure-AsyncOperation: " HOST "/a",
		  POLL_ASYNC, HOST "/a" },
		{ "Azure-AsyncOperation: " HOST "/a\nLocation: " HOST "/l",
		  POLL_ASYNC, HOST "/a" },
		{ "Operation-Location: " HOST "/o\nAzure-AsyncOperation: " HOST
		  "/a",
		  POLL_ASYNC, HOST "/a" },
		/* Batch puts one URL into both */
		{ "Location: " HOST "/x\nAzure-AsyncOperation: " HOST "/x",
		  POLL_BOTH, HOST "/x" },
		/* names in any case, values twice or empty */
		{ "LOCATION: " HOST "/l", POLL_LOCATION, HOST "/l" },
		{ "azure-asyncoperation: " HOST "/a", POLL_ASYNC, HOST "/a" },
		{ "AZURE-ASYNCOPERATION:" HOST "/a", POLL_ASYNC, HOST "/a" },
		{ "Location: " HOST "/1\nlocation: " HOST "/2", POLL_LOCATION,
		  HOST "/2" },
		{ "Location: " HOST "/1\nLocation:", POLL_LOCATION, HOST "/1" },
		{ "Azure-AsyncOperation:\nLocation: " HOST "/l", POLL_LOCATION,
		  HOST "/l" },
		{ "Location: " HOST "/1\nLocation: http://evil.example/",
		  POLL_LOCATION, HOST "/1" },
		{ "Location: http://evil.example/\nLocation: " HOST "/2",
		  POLL_LOCATION, HOST "/2" },
		/* relative */
		{ "Location: /l?x", POLL_LOCATION, HOST "/l?x" },
		{ "Location: r", POLL_LOCATION,
		  HOST "/S/G/batchAccounts/acct/privateEndpointConnections/r" },
		{ "Azure-AsyncOperation: ../a", POLL_ASYNC,
		  HOST "/S/G/batchAccounts/acct/a" },
		{ "Location: ?t=1", POLL_LOCATION, RESOURCE "?t=1" },
		/* another origin that the caller listed */
		{ "Location: https://trusted.example:8443/l", POLL_LOCATION,
		  "https://trusted.example:8443/l" },
		/* the same origin in another spelling */
		{ "Location: HTTPS://MANAGEMENT.azure.com:443/L", POLL_LOCATION,
		  "HTTPS://MANAGEMENT.azure.com:443/L" },
	};
	(void)state;
	trust();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct poll p;
		poll_init(&p, test_mem(), 0);
		follow(&p, rows[i].head);
		if (p.source != rows[i].source ||
		    !span_eq(buf_span(&p.url), test_text(rows[i].url)))
			FAIL("row %zu: source %d, \"%.*s\"", i, (int)p.source,
			     (int)p.url.n, p.url.n ? p.url.p : "");
		poll_free(&p);
		test_no_leaks();
	}
}

static void test_a_polling_url_is_kept_byte_for_byte(void **state) {
	static const char *const urls[] = {
		HOST "/subscriptions/subid/resourceGroups/g/providers/"
		     "Microsoft.Batch/batchAccounts/sampleacct/"
		     "privateEndpointConnectionProxyResults/Updating$pe5.24d6"
		     "$1?api-version=2022-01-01",
		HOST "/Updating%24pe5%2f%2F?api-version=2022-06-01"
		     "&api-version=2020-05-01",
		HOST "/a/../b/./c",
		HOST "/t?token=a+b%20c=%3D&x=[]{}|^`\"<>",
	};
	struct poll p;
	char head[200];
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	for (size_t i = 0; i < COUNT(urls); i++) {
		snprintf(head, sizeof head, "Location: %s", urls[i]);
		if (strlen(urls[i]) < 180) {
			follow(&p, head);
			assert_span(buf_span(&p.url), urls[i]);
		}
	}
	poll_free(&p);
}

static void test_a_polling_url_of_many_kilobytes(void **state) {
	static const char start[] = "Azure-AsyncOperation: " HOST "/a?t=";
	static char head[20000];
	struct poll p;
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	for (size_t n = 4096; n < sizeof head; n += 5000) {
		memset(head, '$', n);
		memcpy(head, start, sizeof start - 1);
		head[n] = '\0';
		follow(&p, head);
		assert_int_equal(p.source, POLL_ASYNC);
		assert_span(buf_span(&p.url), head + 22);
	}
	poll_free(&p);
}

static void test_untrusted_urls_are_never_followed(void **state) {
	static const char *const urls[] = {
		"https://evil.example/l",
		"http://management.azure.com/l",
		"https://management.azure.com:8443/l",
		"https://management.azure.com.evil.example/l",
		"https://u:p@management.azure.com/l",
		"https://management.azure.com@evil.example/l",
		"https://management.azure.com./l",
		"//evil.example/l",
		"https://trusted.example/l",
		"https:///l",
		"ftp://management.azure.com/l",
		"javascript:alert(1)",
		"https://management.azure.com/a b",
		"https://management.azure.com\\@evil.example/",
	};
	static const char *const names[] = { "Location", "Azure-AsyncOperation",
		                             "Operation-Location" };
	(void)state;
	trust();
	for (size_t i = 0; i < COUNT(urls) * COUNT(names); i++) {
		const char *name = names[i % COUNT(names)];
		char head[200];
		struct poll p;
		snprintf(head, sizeof head, "%s: %s", name,
		         urls[i / COUNT(names)]);
		poll_init(&p, test_mem(), 0);
		follow(&p, head);
		if (p.source != POLL_RESOURCE || p.url.n > 0 || !p.untrusted)
			FAIL("\"%s\": source %d, %sreported", head,
			     (int)p.source, p.untrusted ? "" : "not ");
		poll_free(&p);
	}
}

static void test_a_trusted_url_beside_an_untrusted_one_is_taken(void **state) {
	static const struct {
		const char *head;
		enum poll_source source;
		const char *url;
	} rows[] = {
		{ "Azure-AsyncOperation: "
		  "https://evil.example/a\nLocation: " HOST "/l",
		  POLL_LOCATION, HOST "/l" },
		{ "Azure-AsyncOperation: " HOST
		  "/a\nLocation: https://evil.example/l",
		  POLL_ASYNC, HOST "/a" },
		{ "Azure-AsyncOperation: https://evil.example/a\n"
		  "Operation-Location: " HOST "/o",
		  POLL_ASYNC, HOST "/o" },
	};
	(void)state;
	trust();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct poll p;
		poll_init(&p, test_mem(), 0);
		follow(&p, rows[i].head);
		assert_int_equal(p.source, rows[i].source);
		assert_span(buf_span(&p.url), rows[i].url);
		assert_true(p.untrusted);
		poll_free(&p);
	}
}

/* ---- from one poll to the next ------------------------------------------ */

static void test_what_a_later_answer_changes(void **state) {
	static const char location[] = "Location: " HOST "/l";
	static const char async[] = "Azure-AsyncOperation: " HOST "/a";
	static const char both[] =
		"Location: " HOST "/x\nAzure-AsyncOperation: " HOST "/x";
	const struct {
		const char *first, *second;
		enum poll_source source;
		const char *url;
	} rows[] = {
		/* nothing new: as before */
		{ location, NULL, POLL_LOCATION, HOST "/l" },
		{ async, NULL, POLL_ASYNC, HOST "/a" },
		{ both, NULL, POLL_BOTH, HOST "/x" },
		{ location, "Location:", POLL_LOCATION, HOST "/l" },
		/* the newest of its kind */
		{ location, "Location: " HOST "/l2", POLL_LOCATION,
		  HOST "/l2" },
		{ async, "Azure-AsyncOperation: " HOST "/a2", POLL_ASYNC,
		  HOST "/a2" },
		{ both,
		  "Location: " HOST "/y\nAzure-AsyncOperation: " HOST "/y",
		  POLL_BOTH, HOST "/y" },
		{ location, async, POLL_ASYNC, HOST "/a" },
		{ NULL, location, POLL_LOCATION, HOST "/l" },
		/* a Location does not displace the monitor */
		{ async, location, POLL_ASYNC, HOST "/a" },
		{ both, "Location: " HOST "/y", POLL_LOCATION, HOST "/y" },
	};
	(void)state;
	trust();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct poll p;
		poll_init(&p, test_mem(), 0);
		follow(&p, rows[i].first);
		follow(&p, rows[i].second);
		if (p.source != rows[i].source ||
		    !span_eq(buf_span(&p.url), test_text(rows[i].url)))
			FAIL("row %zu: source %d, \"%.*s\"", i, (int)p.source,
			     (int)p.url.n, p.url.n ? p.url.p : "");
		assert_false(p.untrusted);
		poll_free(&p);
	}
}

static void test_an_untrusted_url_later_on(void **state) {
	struct poll p;
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	follow(&p, "Location: " HOST "/l");
	follow(&p, "Location: https://evil.example/l");
	assert_true(p.untrusted);
	assert_int_equal(p.source, POLL_RESOURCE);
	assert_int_equal(p.url.n, 0);
	follow(&p, "Location: " HOST "/l2");
	assert_false(p.untrusted); /* it is said once */
	assert_span(buf_span(&p.url), HOST "/l2");
	poll_free(&p);
}

static void
test_a_foreign_location_does_not_displace_the_monitor(void **state) {
	struct poll p;
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	follow(&p, "Azure-AsyncOperation: " HOST "/a");
	follow(&p, "Location: https://evil.example/l");
	assert_true(p.untrusted);
	assert_int_equal(p.source, POLL_ASYNC);
	assert_span(buf_span(&p.url), HOST "/a");
	poll_free(&p);
}

static void test_relative_to_the_request_that_was_answered(void **state) {
	struct poll p;
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	poll_follow(&p, reply_of(202, "Location: 2?x", NULL),
	            SPAN(HOST "/results/1?api-version=2022-06-01"), trusted,
	            COUNT(trusted));
	assert_span(buf_span(&p.url), HOST "/results/2?x");
	poll_follow(&p, reply_of(202, "Location: 3", NULL), buf_span(&p.url),
	            trusted, COUNT(trusted));
	assert_span(buf_span(&p.url), HOST "/results/3");
	poll_free(&p);
}

static void test_turning_to_the_resource_forgets_the_url(void **state) {
	struct poll p;
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	follow(&p, "Location: " HOST "/l");
	poll_resource(&p);
	assert_int_equal(p.source, POLL_RESOURCE);
	assert_int_equal(p.url.n, 0);
	poll_free(&p);
}

static void follow_once(void) {
	struct poll p;
	trust();
	poll_init(&p, test_mem(), 0);
	follow(&p,
	       "Azure-AsyncOperation: /a/very/long/path\nLocation: " HOST "/l");
	if (test_memory.failures == 0)
		assert_int_equal(p.source, POLL_ASYNC);
	if (p.source == POLL_ASYNC)
		assert_span(buf_span(&p.url), HOST "/a/very/long/path");
	else if (p.source == POLL_LOCATION)
		assert_span(buf_span(&p.url), HOST "/l");
	else
		assert_int_equal(p.source, POLL_RESOURCE);
	poll_free(&p);
}

static void test_without_memory_no_url_is_cut_short(void **state) {
	(void)state;
	test_each_failure(follow_once);
}

/* ---- words -------------------------------------------------------------- */

static void test_words_in_every_case(void **state) {
	static const struct {
		const char *word;
		enum poll_verdict verdict;
	} rows[] = {
		{ "Succeeded", POLL_SUCCEEDED },
		{ "succeeded", POLL_SUCCEEDED },
		{ "SUCCEEDED", POLL_SUCCEEDED },
		{ "sUcCeEdEd", POLL_SUCCEEDED },
		{ "Completed", POLL_SUCCEEDED },
		{ "completed", POLL_SUCCEEDED },
		{ "Failed", POLL_FAILED },
		{ "FAILED", POLL_FAILED },
		{ "Canceled", POLL_CANCELED },
		{ "canceled", POLL_CANCELED },
		{ "Cancelled", POLL_CANCELED },
		{ "CANCELLED", POLL_CANCELED },
		/* every other word means running */
		{ "InProgress", POLL_RUNNING },
		{ "Running", POLL_RUNNING },
		{ "Accepted", POLL_RUNNING },
		{ "Creating", POLL_RUNNING },
		{ "Updating", POLL_RUNNING },
		{ "Deleting", POLL_RUNNING },
		{ "Pending", POLL_RUNNING },
		{ "Succeeded!", POLL_RUNNING },
		{ "Succeede", POLL_RUNNING },
		{ "NotSucceeded", POLL_RUNNING },
		{ "Failing", POLL_RUNNING },
		{ "Canceling", POLL_RUNNING },
		{ "", POLL_RUNNING },
		{ NULL, POLL_RUNNING },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (poll_word(test_text(rows[i].word)) != rows[i].verdict)
			FAIL("\"%s\"", rows[i].word);
}

/* ---- verdicts ----------------------------------------------------------- */

enum { ON_RESOURCE = 1, ON_LOCATION = 2, ON_ASYNC = 4, ON_BOTH = 8 };
enum { ON_URL = ON_LOCATION | ON_ASYNC | ON_BOTH, ON_ALL = 15 };

struct row {
	const char *name;
	int status;
	const char *body; /* only whether there is one counts */
	struct facts facts;
	int sources;
	enum poll_verdict verdict;
};

static void judge_all(const struct row *rows, size_t count) {
	for (size_t i = 0; i < count; i++) {
		for (int s = POLL_RESOURCE; s <= POLL_BOTH; s++) {
			enum poll_verdict v;
			struct answer a;
			if (!(rows[i].sources & 1 << s))
				continue;
			a = answer_of(
				reply_of(rows[i].status, NULL, rows[i].body),
				rows[i].facts, 0);
			v = poll_judge((enum poll_source)s, &a);
			if (v != rows[i].verdict)
				FAIL("%s, from source %d: %d and not %d",
				     rows[i].name, s, (int)v,
				     (int)rows[i].verdict);
		}
	}
}

static struct facts with_error(struct facts f) {
	f.error = true;
	f.code = SPAN("Code");
	f.message = SPAN("Message");
	return f;
}

static struct facts with_resource(struct facts f, const char *state) {
	if (f.document == DOCUMENT_NONE)
		f.as.resource = NO_RESOURCE;
	f.document = DOCUMENT_RESOURCE;
	f.as.resource.is_resource = true;
	f.as.resource.provisioning_state = test_text(state);
	return f;
}

static struct facts odd_status(void) {
	struct facts f = facts_state();
	f.as.resource.odd_status = true;
	return f;
}

static void test_answers_of_a_status_monitor(void **state) {
	const struct row rows[] = {
		{ "Succeeded", 200, "{}", facts_monitor("Succeeded"), ON_URL,
		  POLL_SUCCEEDED },
		{ "completed", 200, "{}", facts_monitor("completed"), ON_URL,
		  POLL_SUCCEEDED },
		{ "InProgress", 200, "{}", facts_monitor("InProgress"), ON_URL,
		  POLL_RUNNING },
		{ "an unknown word", 200, "{}", facts_monitor("Resting"),
		  ON_URL, POLL_RUNNING },
		{ "Failed", 200, "{}", with_error(facts_monitor("Failed")),
		  ON_URL, POLL_FAILED },
		{ "Failed without an error", 200, "{}", facts_monitor("failed"),
		  ON_URL, POLL_FAILED },
		{ "Canceled", 200, "{}", facts_monitor("Canceled"), ON_URL,
		  POLL_CANCELED },
		{ "Cancelled", 200, "{}", facts_monitor("CANCELLED"), ON_URL,
		  POLL_CANCELED },
		{ "202, InProgress", 202, "{}", facts_monitor("InProgress"),
		  ON_URL, POLL_RUNNING },
		{ "202, Succeeded", 202, "{}", facts_monitor("Succeeded"),
		  ON_ASYNC | ON_BOTH, POLL_SUCCEEDED },
		{ "202, Failed", 202, "{}", facts_monitor("Failed"),
		  ON_ASYNC | ON_BOTH, POLL_FAILED },
		{ "201, Succeeded", 201, "{}", facts_monitor("Succeeded"),
		  ON_ASYNC | ON_BOTH, POLL_SUCCEEDED },
		/* properties belong to the monitor: its own word counts */
		{ "InProgress, properties Succeeded", 200, "{}",
		  with_resource(facts_monitor("InProgress"), "Succeeded"),
		  ON_URL, POLL_RUNNING },
		{ "Succeeded, properties Updating", 200, "{}",
		  with_resource(facts_monitor("Succeeded"), "Updating"), ON_URL,
		  POLL_SUCCEEDED },
		{ "Succeeded, properties without a state", 200, "{}",
		  with_resource(facts_monitor("Succeeded"), NULL), ON_URL,
		  POLL_SUCCEEDED },
	};
	(void)state;
	judge_all(rows, COUNT(rows));
}

static void test_answers_that_are_the_resource(void **state) {
	const struct row rows[] = {
		{ "Succeeded", 200, "{}",
		  facts_resource("Succeeded", "Approved"), ON_ALL, POLL_FINAL },
		{ "SUCCEEDED", 200, "{}",
		  facts_resource("SUCCEEDED", "Approved"), ON_ALL, POLL_FINAL },
		{ "no provisioningState", 200, "{}",
		  facts_resource(NULL, "Approved"), ON_ALL, POLL_FINAL },
		{ "Updating", 200, "{}", facts_resource("Updating", "Pending"),
		  ON_ALL, POLL_RUNNING },
		{ "an unknown state", 200, "{}",
		  facts_resource("Thinking", NULL), ON_ALL, POLL_RUNNING },
		{ "Failed", 200, "{}", facts_resource("Failed", NULL), ON_ALL,
		  POLL_FAILED },
		{ "Canceled", 200, "{}", facts_resource("Canceled", NULL),
		  ON_ALL, POLL_CANCELED },
		{ "Cancelled", 200, "{}", facts_resource("cancelled", NULL),
		  ON_ALL, POLL_CANCELED },
		{ "properties.error and no state", 200, "{}",
		  with_error(facts_resource(NULL, NULL)), ON_ALL, POLL_FAILED },
		{ "201, Succeeded", 201, "{}",
		  facts_resource("Succeeded", "Approved"), ON_ALL, POLL_FINAL },
		{ "201, Updating", 201, "{}",
		  facts_resource("Updating", "Approved"), ON_ALL,
		  POLL_RUNNING },
		{ "202, whatever it says of the resource", 202, "{}",
		  facts_resource("Succeeded", "Approved"), ON_URL,
		  POLL_RUNNING },
		{ "a status of the resource's own", 200, "{}",
		  with_resource(facts_monitor("Failed"), "Succeeded"),
		  ON_RESOURCE, POLL_FINAL },
	};
	(void)state;
	judge_all(rows, COUNT(rows));
}

static void test_answers_with_nothing_in_them(void **state) {
	const struct row rows[] = {
		{ "202", 202, NULL, no_facts(), ON_ALL, POLL_RUNNING },
		{ "202, {}", 202, "{}", facts_object(), ON_ALL, POLL_RUNNING },
		{ "202, HTML", 202, "<p>", facts_broken(), ON_URL,
		  POLL_RUNNING },
		{ "204", 204, NULL, no_facts(), ON_URL, POLL_EMPTY },
		{ "200", 200, NULL, no_facts(), ON_URL, POLL_EMPTY },
		{ "201", 201, NULL, no_facts(), ON_URL, POLL_EMPTY },
		{ "200 where the resource should be", 200, NULL, no_facts(),
		  ON_RESOURCE, POLL_ODD },
		{ "204 where the resource should be", 204, NULL, no_facts(),
		  ON_RESOURCE, POLL_ODD },
		{ "200, {} at a Location", 200, "{}", facts_object(),
		  ON_LOCATION, POLL_EMPTY },
	};
	(void)state;
	judge_all(rows, COUNT(rows));
}

static void test_answers_that_make_no_sense(void **state) {
	const struct row rows[] = {
		{ "HTML", 200, "<html>", facts_broken(), ON_ALL, POLL_ODD },
		{ "a JSON array", 200, "[]", no_facts(), ON_ALL, POLL_ODD },
		{ "{}", 200, "{}", facts_object(),
		  ON_RESOURCE | ON_ASYNC | ON_BOTH, POLL_ODD },
		{ "a status that is no string", 200, "{}", odd_status(),
		  ON_RESOURCE | ON_ASYNC | ON_BOTH, POLL_ODD },
		{ "a status of no letters", 200, "{}", facts_monitor(""),
		  ON_RESOURCE | ON_ASYNC | ON_BOTH, POLL_ODD },
	};
	(void)state;
	judge_all(rows, COUNT(rows));
}

static void test_an_error_inside_a_200_is_a_failure(void **state) {
	const struct row rows[] = {
		{ "error", 200, "{}", facts_error("Conflict", "no"), ON_ALL,
		  POLL_FAILED },
		{ "error beside Failed", 200, "{}",
		  with_error(facts_monitor("Failed")), ON_URL, POLL_FAILED },
		{ "error beside Canceled", 200, "{}",
		  with_error(facts_monitor("Canceled")), ON_URL,
		  POLL_CANCELED },
		{ "error beside the resource's Failed", 200, "{}",
		  with_error(facts_resource("Failed", "Pending")), ON_ALL,
		  POLL_FAILED },
	};
	(void)state;
	judge_all(rows, COUNT(rows));
}

/* ---- intervals ---------------------------------------------------------- */

static void test_the_default_grows_from_two_to_thirty_seconds(void **state) {
	struct poll p;
	int64_t last = 0;
	(void)state;
	poll_init(&p, test_mem(), 0);
	for (int i = 0; i < 30; i++) {
		int64_t ms = poll_wait(&p, -1);
		if (i == 0)
			assert_int_equal(ms, 2000);
		if (ms < last || ms > 30000 || (ms == last && ms != 30000))
			FAIL("after %lld ms come %lld", (long long)last,
			     (long long)ms);
		last = ms;
	}
	assert_int_equal(last, 30000);
	poll_free(&p);
}

static void test_the_service_s_wish_is_followed_within_limits(void **state) {
	static const struct {
		int64_t asked, ms;
	} rows[] = {
		{ 1000, 1000 },     { 15000, 15000 },   { 599999, 599999 },
		{ 600000, 600000 }, { 600001, 600000 }, { INT64_MAX, 600000 },
	};
	struct poll p;
	(void)state;
	for (int64_t fixed = 0; fixed <= 5000; fixed += 5000) {
		poll_init(&p, test_mem(), fixed);
		for (size_t i = 0; i < COUNT(rows); i++)
			assert_int_equal(poll_wait(&p, rows[i].asked),
			                 rows[i].ms);
		/* it costs nothing of the default's growth */
		assert_int_equal(poll_wait(&p, -1), fixed ? fixed : 2000);
		assert_int_equal(poll_wait(&p, 0), fixed ? fixed : 3000);
		poll_free(&p);
	}
}

static void test_the_caller_s_interval_stays_as_it_is(void **state) {
	static const int64_t rows[] = { 1, 50, 999, 7000, 3600000 };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct poll p;
		poll_init(&p, test_mem(), rows[i]);
		for (int n = 0; n < 5; n++)
			assert_int_equal(poll_wait(&p, -1), rows[i]);
		assert_int_equal(poll_wait(&p, 0), rows[i]);
		poll_free(&p);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_which_header_is_followed),
		TEST(test_a_polling_url_is_kept_byte_for_byte),
		TEST(test_a_polling_url_of_many_kilobytes),
		TEST(test_untrusted_urls_are_never_followed),
		TEST(test_a_trusted_url_beside_an_untrusted_one_is_taken),
		TEST(test_what_a_later_answer_changes),
		TEST(test_an_untrusted_url_later_on),
		TEST(test_a_foreign_location_does_not_displace_the_monitor),
		TEST(test_relative_to_the_request_that_was_answered),
		TEST(test_turning_to_the_resource_forgets_the_url),
		TEST(test_without_memory_no_url_is_cut_short),
		TEST(test_words_in_every_case),
		TEST(test_answers_of_a_status_monitor),
		TEST(test_answers_that_are_the_resource),
		TEST(test_answers_with_nothing_in_them),
		TEST(test_answers_that_make_no_sense),
		TEST(test_an_error_inside_a_200_is_a_failure),
		TEST(test_the_default_grows_from_two_to_thirty_seconds),
		TEST(test_the_service_s_wish_is_followed_within_limits),
		TEST(test_the_caller_s_interval_stays_as_it_is),
	};
	return RUN(tests);
}

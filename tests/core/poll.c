/* poll.c -- where to look next, how often, and which words are final. */
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

static void follow_from(struct poll *p, struct span base, const char *head) {
	struct poll_place place = { .base = base,
		                    .resource = SPAN(RESOURCE),
		                    .origins = trusted,
		                    .count = COUNT(trusted) };
	poll_follow(p, reply_of(202, head, NULL), &place);
}

static void follow(struct poll *p, const char *head) {
	follow_from(p, SPAN(RESOURCE "?api-version=2022-06-01"), head);
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

static void test_a_trusted_url_is_used_despite_an_untrusted_one(void **state) {
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

static void test_effect_of_a_later_answer(void **state) {
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
	follow_from(&p, SPAN(HOST "/results/1?api-version=2022-06-01"),
	            "Location: 2?x");
	assert_span(buf_span(&p.url), HOST "/results/2?x");
	follow_from(&p, buf_span(&p.url), "Location: 3");
	assert_span(buf_span(&p.url), HOST "/results/3");
	poll_free(&p);
}

/* Byte for byte but for an api-version that is missing: Resource Manager
   refuses a request without one. */
static void test_a_missing_api_version_is_added(void **state) {
	static const struct {
		const char *url, *asked;
	} rows[] = {
		{ HOST "/r/1", HOST "/r/1?api-version=2022-06-01" },
		{ HOST "/r/1?t=1", HOST "/r/1?t=1&api-version=2022-06-01" },
		{ HOST "/r/1?", HOST "/r/1?api-version=2022-06-01" },
		{ HOST "/r/1?t=1&", HOST "/r/1?t=1&api-version=2022-06-01" },
		{ HOST "/r/1?t=1#f", HOST "/r/1?t=1&api-version=2022-06-01" },
		{ "/r/$1", HOST "/r/$1?api-version=2022-06-01" },
		{ HOST "/api-version=1",
		  HOST "/api-version=1?api-version=2022-06-01" },
		{ HOST "/r?x-api-version=1",
		  HOST "/r?x-api-version=1&api-version=2022-06-01" },
		{ HOST "/r/1?api-version=2020-05-01",
		  HOST "/r/1?api-version=2020-05-01" },
		{ HOST "/r/1?t=1&Api-Version=2020-05-01",
		  HOST "/r/1?t=1&Api-Version=2020-05-01" },
		/* a trusted origin need not be Resource Manager */
		{ "https://trusted.example:8443/r",
		  "https://trusted.example:8443/r" },
	};
	(void)state;
	trust();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct poll_place place = { .base = SPAN(RESOURCE),
			                    .resource = SPAN(RESOURCE),
			                    .api_version = SPAN("2022-06-01"),
			                    .origins = trusted,
			                    .count = COUNT(trusted) };
		char head[200];
		struct poll p;
		poll_init(&p, test_mem(), 0);
		snprintf(head, sizeof head, "Location: %s", rows[i].url);
		poll_follow(&p, reply_of(202, head, NULL), &place);
		assert_span(buf_span(&p.url), rows[i].asked);
		poll_free(&p);
	}
}

static void test_the_resource_itself_is_no_polling_url(void **state) {
	struct poll p;
	(void)state;
	trust();
	poll_init(&p, test_mem(), 0);
	follow(&p, "Location: " RESOURCE);
	assert_int_equal(p.source, POLL_RESOURCE);
	assert_false(p.untrusted);
	poll_free(&p);
}

static void test_polling_the_resource_forgets_the_url(void **state) {
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
		if (poll_verdict_of(test_text(rows[i].word)) != rows[i].verdict)
			FAIL("\"%s\"", rows[i].word);
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

static void test_retry_after_is_followed_within_limits(void **state) {
	static const struct {
		int64_t asked, ms;
	} rows[] = {
		{ 1, POLL_FLOOR },  { 99, POLL_FLOOR },    { 1000, 1000 },
		{ 15000, 15000 },   { 599999, 599999 },    { 600000, 600000 },
		{ 600001, 600000 }, { INT64_MAX, 600000 },
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

static void test_the_caller_s_interval_has_a_floor(void **state) {
	static const int64_t rows[] = { 1, 50, 100, 999, 7000, 3600000 };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t ms = rows[i] > POLL_FLOOR ? rows[i] : POLL_FLOOR;
		struct poll p;
		poll_init(&p, test_mem(), rows[i]);
		for (int n = 0; n < 5; n++)
			assert_int_equal(poll_wait(&p, -1), ms);
		assert_int_equal(poll_wait(&p, 0), ms);
		poll_free(&p);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_which_header_is_followed),
		TEST(test_a_polling_url_is_kept_byte_for_byte),
		TEST(test_a_polling_url_of_many_kilobytes),
		TEST(test_untrusted_urls_are_never_followed),
		TEST(test_a_trusted_url_is_used_despite_an_untrusted_one),
		TEST(test_effect_of_a_later_answer),
		TEST(test_an_untrusted_url_later_on),
		TEST(test_a_foreign_location_does_not_displace_the_monitor),
		TEST(test_relative_to_the_request_that_was_answered),
		TEST(test_a_missing_api_version_is_added),
		TEST(test_the_resource_itself_is_no_polling_url),
		TEST(test_polling_the_resource_forgets_the_url),
		TEST(test_without_memory_no_url_is_cut_short),
		TEST(test_words_in_every_case),
		TEST(test_the_default_grows_from_two_to_thirty_seconds),
		TEST(test_retry_after_is_followed_within_limits),
		TEST(test_the_caller_s_interval_has_a_floor),
	};
	return RUN(tests);
}

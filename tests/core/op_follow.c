/* op_follow.c -- the long-running operation: which URL is polled, and which one
   never is. */
#include "script.h"

#define EVIL "https://evil.example/steal"
/* A polling URL that is followed byte for byte. */
#define FOLLOWED(url)                                                          \
	PATCH, ANSWER(202, LOCATION(url), NULL), WAIT(2000), GET(url),         \
		ANSWER(200, NULL, APPROVED), DONE(KEEP_RESULT)
/* ... and one that never is. */
#define NOT_FOLLOWED(fields)                                                   \
	PATCH, ANSWER(202, fields RETRY_AFTER("15"), NULL), UNTRUSTED,         \
		WAIT(15000), GET(CONNECTION), ANSWER(200, NULL, UPDATING),     \
		WAIT(2000), GET(CONNECTION), ANSWER(200, NULL, APPROVED),      \
		DONE(KEEP_RESULT)
#define X8 "01234567"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define X512 X64 X64 X64 X64 X64 X64 X64 X64
#define LONG                                                                   \
	HOST RESULTS "Updating$" X512 X512 X512 X512 X512 X512 X512 X64 X64    \
		X64 X64 X8 X8 X8 VERSION

static const struct scenario sources[] = {
	{ "patch_202_location_only",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, LOCATION(OPERATION) RETRY_AFTER("15"), NULL),
		  WAIT(15000),
		  GET(OPERATION),
		  ANSWER(200, ETAG("\"0x1\""), APPROVED),
		  DONE(KEEP_RESULT),
		  CHANGED,
	  } },
	{ "patch_202_monitor_only",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, MONITOR("InProgress")),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "patch_202_operation_location",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, "Operation-Location: " OPERATION "\n", NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "patch_202_without_any_polling_url",
	  UPDATE,
	  {
		  BY_RESOURCE,
		  ANSWER(200, NULL, UPDATING),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "patch_202_with_a_body_of_status_succeeded",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION), APPROVED),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "patch_202_with_a_body_of_status_failed",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION), MONITOR("Failed")),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "monitor_before_location",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(SECOND) ASYNC(OPERATION), NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "location_when_the_monitor_is_foreign",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION) ASYNC(EVIL), NULL),
		  UNTRUSTED,
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "one_url_in_both_answers_as_a_monitor",
	  UPDATE,
	  {
		  BY_BOTH,
		  ANSWER(200, RETRY_AFTER("15"), MONITOR("Updating")),
		  WAIT(15000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "one_url_in_both_answers_with_the_resource",
	  UPDATE,
	  {
		  BY_BOTH,
		  ANSWER(202, NULL, NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "one_url_in_both_answers_with_nothing",
	  UPDATE,
	  {
		  BY_BOTH,
		  ANSWER(200, NULL, NULL),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "a_monitor_url_that_answers_with_the_resource",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, UPDATING),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "a_location_that_answers_as_a_monitor",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(200, NULL, MONITOR("Running")),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "a_monitor_answers_201_or_202_with_its_status",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(202, NULL, MONITOR("Running")),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(201, NULL, MONITOR("Running")),
		  WAIT(3000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "field_names_in_any_case",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202,
	                 "aZURE-aSYNCoPERATION:" OPERATION "\n"
	                 "RETRY-AFTER:  7 \n",
	                 NULL),
		  WAIT(7000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "field_sent_twice_the_last_usable_one_counts",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, ASYNC(SECOND) ASYNC(OPERATION) ASYNC(EVIL), NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "an_empty_field_counts_as_absent",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, ASYNC("") LOCATION(OPERATION), NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
};

static const struct scenario urls[] = {
	{ "url_that_repeats_the_token",
	  UPDATE_WITH(.token = X8),
	  {
		  PATCH,
		  ANSWER(202, LOCATION(HOST RESULTS X8 VERSION), NULL),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "url_that_has_a_token_of_seven_bytes",
	  UPDATE_WITH(.token = "0123456"),
	  {
		  FOLLOWED(HOST RESULTS X8 VERSION),
	  } },
	{ "url_with_a_dollar_sign",
	  UPDATE,
	  {
		  FOLLOWED(HOST RESULTS "Updating$a$b?api-version=2022-06-01"),
	  } },
	{ "url_with_an_escaped_dollar_sign",
	  UPDATE,
	  {
		  FOLLOWED(HOST RESULTS "Updating%24a%24b?x=%2f%2F+%20&y=a%3Db"
	                                "&api-version=2022-06-01"),
	  } },
	{ "url_with_another_api_version",
	  UPDATE,
	  {
		  FOLLOWED(HOST RESULTS "Updating$a?api-version=2022-01-01"),
	  } },
	{ "url_with_the_api_version_twice",
	  UPDATE,
	  {
		  FOLLOWED(HOST RESULTS
	                   "a?api-version=2022-01-01&api-version=2022"
	                   "-06-01"),
	  } },
	{ "url_with_dots_and_doubled_slashes",
	  UPDATE,
	  {
		  FOLLOWED(HOST "/a//b/./c/../d?e=../f&api-version=2022-06-01"),
	  } },
	{ "url_of_four_thousand_bytes",
	  UPDATE,
	  {
		  FOLLOWED(LONG),
	  } },
	{ "url_with_the_port_written_out",
	  UPDATE,
	  {
		  FOLLOWED("https://management.azure.com:443/x" VERSION),
	  } },
	{ "url_with_the_host_in_capitals",
	  UPDATE,
	  {
		  FOLLOWED("HTTPS://Management.Azure.COM/x" VERSION),
	  } },
	{ "url_under_the_subscription",
	  UPDATE,
	  {
		  FOLLOWED(HOST
	                   "/subscriptions/subid/providers/Microsoft.Batch/"
	                   "locations/eastus/operationResults/x-1" VERSION),
	  } },
	{ "url_without_an_api_version_gets_the_clients",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(HOST RESULTS "a?t=1"), NULL),
		  WAIT(2000),
		  GET(HOST RESULTS "a?t=1&api-version=2022-06-01"),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "url_of_the_resource_itself_reports_no_end",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(CONNECTION), NULL),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(3000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "relative_url_from_the_root",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(RESULTS "Updating$pe.24d6$1" VERSION),
	                 NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "relative_url_from_the_request",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202,
	                 LOCATION("../privateEndpointConnectionResults/"
	                          "Updating$pe.24d6$1" VERSION),
	                 NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(202, LOCATION("Updating$pe.24d6$2" VERSION), NULL),
		  WAIT(3000),
		  GET(SECOND),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "url_that_changes_at_each_poll",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, LOCATION(SECOND) RETRY_AFTER("4"), NULL),
		  WAIT(4000),
		  GET(SECOND),
		  ANSWER(202, LOCATION(DELETION) RETRY_AFTER("5"), NULL),
		  WAIT(5000),
		  GET(DELETION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "monitor_url_that_changes",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, ASYNC(SECOND), MONITOR("Running")),
		  WAIT(2000),
		  GET(SECOND),
		  CONFIRMED,
	  } },
	{ "location_missing_on_a_later_202",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, NULL, NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(202, NULL, NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "a_monitor_that_names_a_location_stays_the_monitor",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, LOCATION(SECOND), MONITOR("Running")),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "location_on_another_host",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION(EVIL)),
	  } },
	{ "monitor_on_another_host",
	  UPDATE,
	  {
		  NOT_FOLLOWED(ASYNC(EVIL)),
	  } },
	{ "both_on_another_host",
	  UPDATE,
	  {
		  NOT_FOLLOWED(ASYNC(EVIL) LOCATION(EVIL)),
	  } },
	{ "location_without_tls",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("http://management.azure.com/x")),
	  } },
	{ "location_on_another_port",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("https://management.azure.com:444/x")),
	  } },
	{ "location_with_user_info",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("https://a:b@management.azure.com/x")),
	  } },
	{ "location_with_our_host_as_user_info",
	  UPDATE,
	  {
		  NOT_FOLLOWED(
			  LOCATION("https://management.azure.com@evil.example/"
	                           "x")),
	  } },
	{ "location_with_our_host_as_prefix",
	  UPDATE,
	  {
		  NOT_FOLLOWED(
			  LOCATION("https://management.azure.com.evil.example/"
	                           "x")),
	  } },
	{ "location_with_our_host_as_suffix",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("https://evil-management.azure.com/x")),
	  } },
	{ "location_that_begins_with_two_slashes",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("//evil.example/x")),
	  } },
	{ "location_with_backslashes",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("https:\\\\evil.example\\x")),
	  } },
	{ "location_with_a_backslash_in_the_host",
	  UPDATE,
	  {
		  NOT_FOLLOWED(
			  LOCATION("https://evil.example\\@management.azure."
	                           "com/x")),
	  } },
	{ "location_of_another_scheme",
	  UPDATE,
	  {
		  NOT_FOLLOWED(LOCATION("file:///etc/passwd")),
	  } },
	{ "foreign_url_on_a_later_poll",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, LOCATION(EVIL), NULL),
		  UNTRUSTED,
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
};

int main(void) {
	return RUN_SCRIPTS(SCRIPTS(sources), SCRIPTS(urls));
}

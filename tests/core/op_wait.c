/* op_wait.c -- the long-running operation: how long each wait is, and going on
   with what another process began. */
#include "script.h"

/* How long it waits: what an answer's field asks, and what comes of it. */
#define ASKED(name, field, ms)                                                 \
	{                                                                      \
		name, UPDATE_WITH(.timeout = 3600000), {                       \
			PATCH, ANSWER(202, LOCATION(OPERATION) field, NULL),   \
				WAIT(ms), GET(OPERATION),                      \
				ANSWER(200, NULL, APPROVED),                   \
				DONE(KEEP_RESULT), COUNTED,                    \
		}                                                              \
	}
#define RUNNING(ms) ANSWER(202, NULL, NULL), WAIT(ms), GET(OPERATION)

static const struct scenario waits[] = {
	ASKED("retry_after_seconds", RETRY_AFTER("15"), 15000),
	ASKED("retry_after_one_second", RETRY_AFTER("1"), 1000),
	ASKED("retry_after_600_seconds", RETRY_AFTER("600"), 600000),
	ASKED("retry_after_601_seconds_is_cut", RETRY_AFTER("601"), 600000),
	ASKED("retry_after_absurd_is_cut", RETRY_AFTER("99999999999"), 600000),
	ASKED("retry_after_zero", RETRY_AFTER("0"), 2000),
	ASKED("retry_after_negative", RETRY_AFTER("-5"), 2000),
	ASKED("retry_after_garbage", RETRY_AFTER("soon"), 2000),
	ASKED("retry_after_a_fraction", RETRY_AFTER("1.5"), 2000),
	ASKED("retry_after_empty", RETRY_AFTER(""), 2000),
	ASKED("retry_after_missing", "", 2000),
	ASKED("retry_after_a_date",
	      RETRY_AFTER("Mon, 01 Jan 2024 00:00:25 GMT"), 20000),
	ASKED("retry_after_a_date_of_rfc_850",
	      RETRY_AFTER("Monday, 01-Jan-24 00:00:25 GMT"), 20000),
	ASKED("retry_after_a_date_of_asctime",
	      RETRY_AFTER("Mon Jan  1 00:00:25 2024"), 20000),
	ASKED("retry_after_a_date_next_year_is_cut",
	      RETRY_AFTER("Wed, 01 Jan 2025 00:00:00 GMT"), 600000),
	ASKED("retry_after_a_date_that_has_passed",
	      RETRY_AFTER("Sun, 31 Dec 2023 23:59:59 GMT"), 2000),
	ASKED("retry_after_in_milliseconds_wins",
	      RETRY_AFTER("15") "retry-after-ms: 1500\n", 1500),
	ASKED("retry_after_in_milliseconds_of_the_other_name",
	      "x-ms-retry-after-ms: 2500\n" RETRY_AFTER("15"), 2500),
	ASKED("retry_after_in_milliseconds_zero_counts_as_absent",
	      "retry-after-ms: 0\n" RETRY_AFTER("15"), 15000),
	ASKED("retry_after_in_milliseconds_malformed_counts_as_absent",
	      "retry-after-ms: x\n" RETRY_AFTER("15"), 15000),
	{ "intervals_grow_from_2_to_30_seconds",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION), NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  RUNNING(3000),
		  RUNNING(4500),
		  RUNNING(6750),
		  RUNNING(10125),
		  RUNNING(15187),
		  RUNNING(22780),
		  RUNNING(30000),
		  RUNNING(30000),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "interval_of_the_caller_has_a_floor",
	  UPDATE_WITH(.poll_interval = 50),
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION), NULL),
		  WAIT(100),
		  GET(OPERATION),
		  RUNNING(100),
		  RUNNING(100),
		  ANSWER(202, RETRY_AFTER("0"), NULL),
		  WAIT(100),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "retry_after_wins_over_the_caller_s_interval",
	  UPDATE_WITH(.poll_interval = 50),
	  {
		  BY_LOCATION,
		  RUNNING(100),
		  ANSWER(202, RETRY_AFTER("15"), NULL),
		  WAIT(15000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "retry_after_may_change_at_each_poll",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, RETRY_AFTER("3"), NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(202, RETRY_AFTER("20"), NULL),
		  WAIT(20000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "the_wait_ends_with_the_deadline",
	  UPDATE_WITH(.timeout = 10000),
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION) RETRY_AFTER("15"), NULL),
		  WAIT(10000),
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  COUNTED,
	  } },
	{ "the_time_out_names_the_last_status",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, MONITOR("Updating")),
		  WAIT(2000),
		  GET(OPERATION),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  SAYS("Updating"),
	  } },
	{ "the_time_out_names_the_resource_s_last_state",
	  UPDATE,
	  {
		  BY_RESOURCE,
		  ANSWER(200, NULL, UPDATING),
		  SHOWS_PROGRESS("Updating", -1),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(202, NULL, NULL), /* says nothing of it */
		  SHOWS_PROGRESS("Updating", -1),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  SAYS("timed out after 300 s; last status: Updating; "
	               "connection "
	               "status: Pending"),
	  } },
	{ "the_time_out_names_states_of_one_letter",
	  UPDATE,
	  {
		  BY_RESOURCE,
		  ANSWER(200, NULL, RESOURCE("U", "P")),
		  WAIT(2000),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  SAYS("last status: U; connection status: P"),
	  } },
	{ "host_sleeps_past_the_deadline_between_two_polls",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, NULL, NULL),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
	  } },
	{ "the_deadline_behind_a_proxy_s_page",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(503, "Content-Type: text/html\n", "<html>busy"),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  SAYS("; last error: "),
		  SAYS("check for a proxy or captive portal"),
		  COUNTED,
	  } },
	{ "the_deadline_while_a_poll_is_awaited",
	  UPDATE,
	  {
		  BY_LOCATION,
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
	  } },
	/* A step may be late: a stopped process, a slow machine. */
	{ "libcurls_time_out_after_the_deadline_is_the_deadline",
	  UPDATE_WITH(.timeout = 10000),
	  {
		  PATCH,
		  PASS(10300),
		  BREAK(NET_TIMEOUT, true),
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_REQUEST, 0, ""),
	  } },
	{ "libcurls_timeout_before_anything_was_sent",
	  UPDATE_WITH(.timeout = 10000),
	  {
		  PATCH,
		  PASS(10300),
		  BREAK(NET_TIMEOUT, false),
		  FAILS(FAIL_TIMEOUT, PHASE_REQUEST, 0, ""),
	  } },
	{ "canceled_between_two_polls",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(202, NULL, NULL),
		  CANCELS,
		  FAILS_UNKNOWN(FAIL_CANCELED, PHASE_POLL, 0, ""),
	  } },
	{ "canceled_while_a_poll_is_awaited",
	  UPDATE,
	  {
		  BY_LOCATION,
		  CANCELS,
		  FAILS_UNKNOWN(FAIL_CANCELED, PHASE_POLL, 0, ""),
	  } },
};

/* How the time that it had is written. */
#define WITHIN(name, ms, text)                                                 \
	{                                                                      \
		name, UPDATE_WITH(.timeout = ms), {                            \
			PATCH, DEADLINE,                                       \
				FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_REQUEST, 0,  \
			                      ""),                             \
				SAYS("timed out after " text), COUNTED,        \
		}                                                              \
	}
static const struct scenario times[] = {
	WITHIN("whole_seconds", 20000, "20 s"),
	WITHIN("tenths", 1500, "1.5 s"),
	WITHIN("hundredths", 1010, "1.01 s"),
	WITHIN("thousandths", 1001, "1.001 s"),
	WITHIN("less_than_a_second", 120, "0.12 s"),
};

#define BAD ERROR("InvalidState", "cannot be approved")

static const struct scenario resumed[] = {
	{ "resumed_at_a_location",
	  RESUMED(POLL_LOCATION, OPERATION),
	  {
		  GET(OPERATION),
		  ANSWER(202, RETRY_AFTER("15"), NULL),
		  WAIT(15000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "resumed_at_a_monitor",
	  RESUMED(POLL_ASYNC, OPERATION),
	  {
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "resumed_at_one_url_for_both",
	  RESUMED(POLL_BOTH, OPERATION),
	  {
		  GET(OPERATION),
		  ANSWER(200, NULL, NULL),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "resumed_at_the_resource",
	  RESUMED(POLL_RESOURCE, NULL),
	  {
		  GET(CONNECTION),
		  ANSWER(200, NULL, UPDATING),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "resumed_and_not_as_asked",
	  RESUMED(POLL_RESOURCE, NULL),
	  {
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  STAYS(PENDING),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
	  } },
	{ "resumed_and_the_operation_failed",
	  RESUMED(POLL_LOCATION, OPERATION),
	  {
		  GET(OPERATION),
		  ANSWER(409, NULL, BAD),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 409, "InvalidState"),
	  } },
	{ "resumed_and_canceled_can_be_resumed_again",
	  RESUMED(POLL_LOCATION, OPERATION),
	  {
		  CANCELS,
		  FAILS_UNKNOWN(FAIL_CANCELED, PHASE_POLL, 0, ""),
	  } },
	{ "resumed_without_a_token_can_be_resumed_again",
	  RESUMED(POLL_LOCATION, OPERATION),
	  {
		  NO_TOKEN,
		  FAILS_UNKNOWN(FAIL_CREDENTIAL, PHASE_TOKEN, 0, ""),
	  } },
};

int main(void) {
	return RUN_SCRIPTS(SCRIPTS(waits), SCRIPTS(times), SCRIPTS(resumed));
}

/* op_evidence.c -- no false word about a write: what counts as evidence, and
   what is done where there is none.  Every request is written down, so a round
   trip too many fails as well. */
#include "script.h"

#define NAMED(name, state, status)                                             \
	"{\"id\":\"" ACCOUNT "/privateEndpointConnections/" name "\",\"name\"" \
	":\"" name "\",\"properties\":{\"provisioningState\":\"" state         \
	"\"," STATE(status) "}}"
#define OTHER NAMED("other", "Succeeded", "Approved")
#define VAULT                                                                  \
	"{\"id\":\"/subscriptions/subid/resourceGroups/rg/providers/"          \
	"Microsoft.KeyVault/vaults/v\",\"properties\":{\"sku\":{}}}"
#define ELSEWHERE                                                              \
	"{\"id\":\"/subscriptions/another/resourceGroups/rg/providers/"        \
	"Microsoft.Batch/batchAccounts/sampleacct/"                            \
	"privateEndpointConnections/pe.24d6\",\"properties\":{"                \
	"\"provisioningState\":\"Succeeded\"," STATE("Approved") "}}"
#define SHOUTED                                                                \
	"{\"id\":\"/SUBSCRIPTIONS/SUBID/resourcegroups/RG/providers/"          \
	"microsoft.batch/BATCHACCOUNTS/sampleacct/"                            \
	"privateendpointconnections/PE.24D6\",\"properties\":{"                \
	"\"provisioningState\":\"Succeeded\"," STATE("Approved") "}}"
#define FAILED_WITH(code)                                                      \
	"{\"status\":\"Failed\",\"error\":{\"code\":\"" code                   \
	"\",\"message\":\"by rule\"}}"
#define STATELESS RESOURCE_WITH(STATE("Approved"))
#define STATUSLESS RESOURCE_WITH("\"provisioningState\":\"Succeeded\"")
#define EVIL "https://evil.example/steal"

/* ---- the polling URL is followed ---------------------------------------- */

static const struct scenario followed[] = {
	{ "approved_at_once_but_the_operation_fails",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, ASYNC(OPERATION) RETRY_AFTER("5"), APPROVED),
		  WAIT(5000),
		  GET(OPERATION),
		  ANSWER(200, NULL, MONITOR("InProgress")),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, FAILED_WITH("Denied")),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 200, "Denied"),
		  SAYS("by rule"),
	  } },
	{ "approved_without_a_state_but_the_operation_fails",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(201, LOCATION(OPERATION), STATELESS),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, FAILED_WITH("Denied")),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 200, "Denied"),
	  } },
	{ "approved_at_once_and_the_operation_succeeds",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, ASYNC(OPERATION), APPROVED),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "no_content_but_an_operation",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(204, ASYNC(OPERATION), NULL),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, FAILED_WITH("Denied")),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 200, "Denied"),
	  } },
	{ "failed_at_once_may_have_changed_something",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, NULL, RESOURCE("Failed", "Pending")),
		  FAILS(FAIL_OPERATION, PHASE_REQUEST, 200, NULL),
		  CHANGED,
	  } },
	{ "failed_where_no_write_was_accepted_changed_nothing",
	  UPDATE_WITH(.resumed = true, .resume = POLL_RESOURCE,
	              .unanswered = true),
	  {
		  GET(CONNECTION),
		  ANSWER(200, NULL, RESOURCE("Failed", "Pending")),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 200, NULL),
		  UNCHANGED,
	  } },
	{ "an_error_in_a_200_counts_if_nothing_has_changed",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, NULL, ERROR("Conflict", "no")),
		  AS_BEFORE,
		  FAILS(FAIL_OPERATION, PHASE_REQUEST, 200, "Conflict"),
		  SAYS("the operation failed: Conflict: no"),
	  } },
	{ "invalid_body_but_an_operation",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, ASYNC(OPERATION) JSON_TYPE, "{\"id\":"),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "failed_in_the_body_ends_at_once",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, ASYNC(OPERATION), RESOURCE("Failed", "Pending")),
		  FAILS(FAIL_OPERATION, PHASE_REQUEST, 200, ""),
	  } },
	{ "approved_at_once_with_a_foreign_operation",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, ASYNC(EVIL), APPROVED),
		  UNTRUSTED,
		  DONE(KEEP_RESULT),
	  } },
	{ "a_delete_with_no_content_but_an_operation",
	  DELETE,
	  {
		  DELETES,
		  ANSWER(204, LOCATION(DELETION), NULL),
		  WAIT(2000),
		  GET(DELETION),
		  ANSWER(200, NULL, FAILED_WITH("Locked")),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 200, "Locked"),
	  } },
};

/* ---- nobody said that it is over ---------------------------------------- */

#define LOOKS_PENDING(ms) WAIT(ms), GET(CONNECTION), ANSWER(200, NULL, PENDING)

static const struct scenario not_over[] = {
	{ "not_as_asked_beside_an_untrusted_url",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, LOCATION(EVIL), RESOURCE("Succeeded", "Pending")),
		  STAYS(RESOURCE("Succeeded", "Pending")),
		  WAIT(10125),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  UNTRUSTED,
	  } },
	{ "not_as_asked_and_a_wait",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, RETRY_AFTER("5"), PENDING),
		  WAIT(5000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  STAYS(PENDING),
		  WAIT(10125),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "accepted_without_a_url_and_slow",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, NULL, NULL),
		  LOOKS_PENDING(2000),
		  LOOKS_PENDING(3000),
		  LOOKS_PENDING(4500),
		  LOOKS_PENDING(6750),
		  LOOKS_PENDING(10125),
		  WAIT(15187),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "accepted_with_retry_after_alone_and_slow",
	  UPDATE_WITH(.poll_interval = 10000),
	  {
		  PATCH,
		  ANSWER(202, RETRY_AFTER("5"), NULL),
		  LOOKS_PENDING(5000),
		  LOOKS_PENDING(10000),
		  LOOKS_PENDING(10000),
		  LOOKS_PENDING(10000),
		  LOOKS_PENDING(10000),
		  LOOKS_PENDING(10000),
		  WAIT(10000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "accepted_with_a_foreign_url_and_never_so",
	  UPDATE_WITH(.timeout = 10000),
	  {
		  PATCH,
		  ANSWER(202, LOCATION(EVIL), NULL),
		  UNTRUSTED,
		  LOOKS_PENDING(2000),
		  LOOKS_PENDING(3000),
		  LOOKS_PENDING(4500),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  SAYS("connection status: Pending"),
		  SAYS("not trusted"),
		  SAYS("trusted_origins"),
		  COUNTED,
	  } },
	{ "another_description_is_not_yet_so",
	  UPDATE_WITH(.description = "by me"),
	  {
		  PATCH,
		  ANSWER(202, NULL, NULL),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  WAIT(3000),
		  GET(CONNECTION),
		  ANSWER(200, NULL,
	                 RESOURCE_WITH("\"privateLinkServiceConnectionState\":"
	                               "{\"status\":\"Approved\","
	                               "\"description\":\"by me\"}")),
		  DONE(KEEP_RESULT),
	  } },
	{ "its_own_state_is_succeeded",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, NULL, NULL),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, UPDATING),
		  WAIT(3000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(4500),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(6750),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(10125),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(15187),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  FAILS(FAIL_OPERATION, PHASE_RESULT, 200, ""),
		  COUNTED,
	  } },
	{ "a_monitor_that_shows_the_resource_is_no_end",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, PENDING),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "a_delete_waits_for_its_absence",
	  DELETE,
	  {
		  DELETES,
		  ANSWER(200, NULL, APPROVED),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  WAIT(2000),
		  GET(CONNECTION),
		  GONE,
		  DONE(KEEP_NOTHING),
	  } },
};

/* ---- refusals of the poll ----------------------------------------------- */

/* The poll itself is refused so; the connection tells. */
#define ABOUT_THE_POLL(name, status, code)                                     \
	{                                                                      \
		name, UPDATE, {                                                \
			BY_LOCATION, ANSWER(status, NULL, ERROR(code, "x")),   \
				GET(CONNECTION), ANSWER(200, NULL, PENDING),   \
				WAIT(2000), GET(CONNECTION),                   \
				ANSWER(200, NULL, APPROVED),                   \
				DONE(KEEP_RESULT),                             \
		}                                                              \
	}

static const struct scenario refusals[] = {
	ABOUT_THE_POLL("poll_lacks_an_api_version", 400,
	               "MissingApiVersionParameter"),
	ABOUT_THE_POLL("poll_has_a_bad_api_version", 400,
	               "invalidapiversionparameter"),
	ABOUT_THE_POLL("poll_of_no_resource_type", 400, "InvalidResourceType"),
	ABOUT_THE_POLL("poll_of_no_resource_type_by_404", 404,
	               "InvalidResourceType"),
	ABOUT_THE_POLL("poll_at_no_provider", 400, "NoRegisteredProviderFound"),
	ABOUT_THE_POLL("poll_without_a_registration", 409,
	               "SubscriptionNotRegistered"),
	ABOUT_THE_POLL("poll_without_a_registration_in_another_text", 409,
	               "MissingSubscriptionRegistration"),
	ABOUT_THE_POLL("poll_method_not_allowed", 405, "MethodNotAllowed"),
	ABOUT_THE_POLL("poll_gone", 410, "Gone"),
	ABOUT_THE_POLL("poll_not_implemented", 501, "NotImplemented"),
	{ "poll_refused_and_never_as_requested_reports_both",
	  UPDATE_WITH(.timeout = 20000, .poll_interval = 4000),
	  {
		  BY_LOCATION,
		  ANSWER(405, NULL, ERROR("MethodNotAllowed", "x")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(4000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  DEADLINE,
		  FAILS_UNKNOWN(FAIL_TIMEOUT, PHASE_POLL, 0, ""),
		  SAYS("MethodNotAllowed"),
		  COUNTED,
	  } },
	{ "a_conflict_at_a_location_but_it_is_so",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(409, NULL, ERROR("Whatever", "x")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "a_conflict_at_a_location_while_it_is_updating",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(409, NULL, ERROR("Whatever", "x")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, UPDATING),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "a_conflict_at_a_location_and_the_resource_is_not_to_be_read",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(409, NULL, ERROR("Whatever", "x")),
		  GET(CONNECTION),
		  ANSWER(403, NULL, ERROR("AuthorizationFailed", "no")),
		  FAILS_UNKNOWN(FAIL_CONFLICT, PHASE_POLL, 409, "Whatever"),
	  } },
	{ "poll_forbidden_but_it_is_so",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(403, NULL, ERROR("AuthorizationFailed", "no")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	/* hashicorp/terraform-provider-azurerm#22771 */
	{ "a_monitor_without_a_status_but_it_is_so",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, "{\"name\":\"1\"}"),
		  WAIT(2000),
		  GET(OPERATION),
		  ANSWER(200, NULL, "{\"name\":\"1\"}"),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(200, NULL, "{\"name\":\"1\"}"),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
	/* Azure/azure-sdk-for-net#52402 */
	{ "delete_poll_of_a_monitor_ends_with_204",
	  DELETE,
	  {
		  DELETES,
		  ANSWER(202, ASYNC(DELETION), NULL),
		  WAIT(2000),
		  GET(DELETION),
		  ANSWER(200, NULL, MONITOR("InProgress")),
		  WAIT(3000),
		  GET(DELETION),
		  ANSWER(204, NULL, NULL),
		  DONE(KEEP_NOTHING),
	  } },
	/* Azure/azure-sdk-for-python#26380: the header still comes first */
	{ "succeeded_together_with_a_monitor",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, ASYNC(OPERATION), MONITOR("Succeeded")),
		  WAIT(2000),
		  GET(OPERATION),
		  CONFIRMED,
	  } },
	{ "delete_poll_forbidden_but_it_is_gone",
	  DELETE,
	  {
		  DELETES,
		  ANSWER(202, ASYNC(DELETION), NULL),
		  WAIT(2000),
		  GET(DELETION),
		  ANSWER(403, NULL, ERROR("AuthorizationFailed", "no")),
		  GET(CONNECTION),
		  GONE,
		  DONE(KEEP_NOTHING),
	  } },
	/* 404 is borne for a quarter of the time that is left */
	{ "poll_404_for_ever_within_a_short_time",
	  UPDATE_WITH(.timeout = 42000, .poll_interval = 3000),
	  {
		  PATCH,
		  ANSWER(202, LOCATION(OPERATION), NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(404, NULL, NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(404, NULL, NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(404, NULL, NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(404, NULL, NULL),
		  WAIT(3000),
		  GET(OPERATION),
		  ANSWER(404, NULL, NULL),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
	{ "poll_404_and_the_next_poll_would_be_too_late",
	  UPDATE_WITH(.timeout = 20000),
	  {
		  BY_LOCATION,
		  ANSWER(404, RETRY_AFTER("15"), NULL),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
};

/* ---- our own resource --------------------------------------------------- */

/* The final answer is another resource's: only "over" is taken. */
#define ANOTHER(name, json)                                                    \
	{                                                                      \
		name, UPDATE, {                                                \
			BY_LOCATION, ANSWER(200, NULL, json), GET(CONNECTION), \
				ANSWER(200, NULL, APPROVED),                   \
				DONE(KEEP_RESULT),                             \
		}                                                              \
	}

static const struct scenario ours[] = {
	ANOTHER("location_ends_with_another_connection", OTHER),
	ANOTHER("location_ends_with_a_key_vault", VAULT),
	ANOTHER("location_ends_in_another_subscription", ELSEWHERE),
	ANOTHER("location_ends_with_nothing_known", "{\"hello\":1}"),
	{ "location_ends_with_another_and_ours_is_not_so",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(200, NULL, OTHER),
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  STAYS(PENDING),
		  FAILS(FAIL_OPERATION, PHASE_RESULT, 200, ""),
	  } },
	{ "our_id_in_another_letter_case",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(200, NULL, SHOUTED),
		  DONE(KEEP_RESULT),
	  } },
	{ "patch_200_with_another_resource",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(200, NULL, OTHER),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "another_resource_s_failure_counts_after_a_read",
	  UPDATE,
	  {
		  BY_LOCATION,
		  ANSWER(200, NULL, NAMED("other", "Failed", "Pending")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "ours_without_its_status_is_read_again",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, MONITOR("Succeeded")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, STATUSLESS),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
	{ "ours_that_never_shows_its_status_proves_nothing",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, MONITOR("Succeeded")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, STATUSLESS),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, STATUSLESS),
		  WAIT(3000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, STATUSLESS),
		  FAILS_UNKNOWN(FAIL_PROTOCOL, PHASE_RESULT, 200, ""),
		  COUNTED,
	  } },
	{ "members_in_another_letter_case_are_read",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(202, NULL, NULL),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL,
	                 "{\"Id\":\"" ID "\",\"Properties\":{"
	                 "\"ProvisioningState\":\"Updating\"," STATE(
				 "Approved") "}}"),
		  WAIT(3000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
	  } },
	{ "the_resource_s_own_url_answers_with_another",
	  UPDATE,
	  {
		  BY_MONITOR,
		  ANSWER(200, NULL, MONITOR("Succeeded")),
		  GET(CONNECTION),
		  ANSWER(200, NULL, OTHER),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, OTHER),
		  WAIT(3000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, OTHER),
		  FAILS_UNKNOWN(FAIL_PROTOCOL, PHASE_RESULT, 200, ""),
		  COUNTED,
	  } },
	{ "ensure_reads_another_and_writes_nothing",
	  ENSURE,
	  {
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"1\""),
	                 NAMED("other", "Succeeded", "Pending")),
		  FAILS(FAIL_PROTOCOL, PHASE_REQUEST, 200, ""),
		  SAYS("another resource"),
	  } },
	{ "get_reads_another",
	  READ,
	  {
		  GET(CONNECTION),
		  ANSWER(200, NULL, OTHER),
		  FAILS(FAIL_PROTOCOL, PHASE_REQUEST, 200, ""),
		  SAYS("another resource"),
	  } },
	{ "delete_ends_with_our_resource_that_is_still_there",
	  DELETE,
	  {
		  DELETES,
		  ANSWER(202, LOCATION(DELETION), NULL),
		  WAIT(2000),
		  GET(DELETION),
		  ANSWER(200, NULL, APPROVED),
		  GET(CONNECTION),
		  GONE,
		  DONE(KEEP_NOTHING),
	  } },
	{ "delete_ends_with_another_resource_that_succeeded",
	  DELETE,
	  {
		  DELETES,
		  ANSWER(202, LOCATION(DELETION), NULL),
		  WAIT(2000),
		  GET(DELETION),
		  ANSWER(200, NULL,
	                 "{\"id\":\"100\",\"properties\":{"
	                 "\"provisioningState\":\"Succeeded\"}}"),
		  DONE(KEEP_NOTHING),
	  } },
};

/* ---- the write ---------------------------------------------------------- */

static const struct scenario writes[] = {
	{ "patch_501_is_an_answer",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(501, NULL, ERROR("NotImplemented", "no")),
		  FAILS(FAIL_SERVICE, PHASE_REQUEST, 501, "NotImplemented"),
		  UNCHANGED,
	  } },
	{ "patch_505_is_an_answer",
	  UPDATE,
	  {
		  PATCH,
		  ANSWER(505, NULL, NULL),
		  FAILS(FAIL_SERVICE, PHASE_REQUEST, 505, ""),
	  } },
	{ "lost_and_another_decision_is_kept",
	  UPDATE,
	  {
		  PATCH,
		  LOST,
		  BACKOFF(1),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"3\""), RESOURCE("Succeeded", "Rejected")),
		  FAILS_UNKNOWN(FAIL_TRANSPORT, PHASE_REQUEST, 0, ""),
		  COUNTED,
	  } },
	{ "lost_and_still_pending_is_sent_again_with_the_etag_read",
	  UPDATE,
	  {
		  PATCH,
		  LOST,
		  BACKOFF(1),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"2\""), PENDING),
		  PATCH_IF("\"2\""),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
	{ "sent_again_and_answered_by_something_else_it_is_not_sent_a_third_"
	  "time",
	  UPDATE,
	  {
		  PATCH,
		  LOST,
		  BACKOFF(1),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"2\""), PENDING),
		  PATCH_IF("\"2\""),
		  ANSWER(200, NULL, "<html>Welcome</html>"),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"2\""), PENDING),
		  FAILS_UNKNOWN(FAIL_PROTOCOL, PHASE_REQUEST, 200, ""),
		  SAYS("unexpected response to the write"),
		  COUNTED,
	  } },
	{ "lost_and_still_running_is_waited_for",
	  UPDATE,
	  {
		  PATCH,
		  LOST,
		  BACKOFF(1),
		  GET(CONNECTION),
		  ANSWER(200, NULL, UPDATING),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  CHANGED,
	  } },
	{ "lost_with_the_caller_s_tag",
	  UPDATE_WITH(.if_match = "\"1\""),
	  {
		  PATCH_IF("\"1\""),
		  LOST,
		  BACKOFF(1),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"2\""), RESOURCE("Succeeded", "Rejected")),
		  PATCH_IF("\"1\""),
		  ANSWER(412, NULL, NULL),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"2\""), RESOURCE("Succeeded", "Rejected")),
		  STAYS(RESOURCE("Succeeded", "Rejected")),
		  FAILS_UNKNOWN(FAIL_PRECONDITION, PHASE_REQUEST, 412, ""),
		  COUNTED,
	  } },
	{ "lost_and_the_read_fails",
	  UPDATE,
	  {
		  PATCH,
		  LOST,
		  BACKOFF(1),
		  GET(CONNECTION),
		  ANSWER(403, NULL, ERROR("AuthorizationFailed", "no")),
		  FAILS_UNKNOWN(FAIL_TRANSPORT, PHASE_REQUEST, 0, ""),
		  COUNTED,
	  } },
	{ "409_of_a_registration_does_not_pass",
	  UPDATE_WITH(.conflict = true),
	  {
		  PATCH,
		  ANSWER(409, RETRY_AFTER("5"),
	                 ERROR("MissingSubscriptionRegistration", "not")),
		  FAILS(FAIL_SERVICE, PHASE_REQUEST, 409,
	                "MissingSubscriptionRegistration"),
		  SAYS("az provider register --namespace Microsoft.Batch"),
		  NOT_RETRYABLE_AFTER(5000),
	  } },
};

/* ---- the ETag ----------------------------------------------------------- */

#define TAGGED(tag)                                                            \
	"{\"id\":\"" ID "\",\"name\":\"pe.24d6\",\"etag\":\"" tag              \
	"\",\"properties\":{" STATE("Pending") "}}"
#define ZIPPED                                                                 \
	GET(CONNECTION), ANSWER(200, ETAG("\"1-gzip\""), TAGGED("\\\"1\\\""))

static const struct scenario tags[] = {
	{ "a_proxy_changed_the_header",
	  ENSURE,
	  {
		  ZIPPED,
		  PATCH_IF("\"1\""),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  CHANGED,
		  COUNTED,
	  } },
	{ "a_proxy_weakened_the_header",
	  ENSURE,
	  {
		  GET(CONNECTION),
		  ANSWER(200, ETAG("W/\"1\""), TAGGED("\\\"1\\\"")),
		  PATCH_IF("\"1\""),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
	{ "the_body_s_tag_is_refused",
	  ENSURE,
	  {
		  ZIPPED,
		  PATCH_IF("\"1\""),
		  ANSWER(412, NULL, NULL),
		  ZIPPED,
		  PATCH_IF("\"1-gzip\""),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  CHANGED,
		  COUNTED,
	  } },
	{ "both_tags_are_refused",
	  ENSURE,
	  {
		  ZIPPED,
		  PATCH_IF("\"1\""),
		  ANSWER(412, NULL, NULL),
		  ZIPPED,
		  PATCH_IF("\"1-gzip\""),
		  ANSWER(412, NULL, NULL),
		  ZIPPED,
		  PATCH_IF("\"1-gzip\""),
		  ANSWER(412, NULL, NULL),
		  ZIPPED,
		  FAILS(FAIL_PRECONDITION, PHASE_REQUEST, 412, ""),
		  SAYS("rejects the ETag that it returned"),
		  COUNTED,
	  } },
	{ "an_unchanged_etag_is_tried_once_more",
	  ENSURE,
	  {
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"1\""), PENDING),
		  PATCH_IF("\"1\""),
		  ANSWER(412, NULL, NULL),
		  GET(CONNECTION),
		  ANSWER(200, ETAG("\"1\""), PENDING),
		  PATCH_IF("\"1\""),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  COUNTED,
	  } },
};

/* ---- resumed ------------------------------------------------------------ */

static const struct scenario resumed[] = {
	{ "resumed_ensure_asks_the_polling_url",
	  ENSURE_WITH(.resumed = true, .resume = POLL_ASYNC,
	              .resume_url = OPERATION),
	  {
		  GET(OPERATION),
		  ANSWER(200, RETRY_AFTER("6"), MONITOR("InProgress")),
		  WAIT(6000),
		  GET(OPERATION),
		  CONFIRMED,
		  CHANGED,
	  } },
	{ "resumed_ensure_hears_the_operation_s_error",
	  ENSURE_WITH(.resumed = true, .resume = POLL_ASYNC,
	              .resume_url = OPERATION),
	  {
		  GET(OPERATION),
		  ANSWER(200, NULL, FAILED_WITH("Denied")),
		  FAILS(FAIL_OPERATION, PHASE_POLL, 200, "Denied"),
	  } },
	{ "resumed_ensure_whose_write_was_accepted_watches",
	  ENSURE_WITH(.resumed = true),
	  {
		  GET(CONNECTION),
		  ANSWER(200, NULL, PENDING),
		  WAIT(2000),
		  GET(CONNECTION),
		  ANSWER(200, NULL, APPROVED),
		  DONE(KEEP_RESULT),
		  CHANGED,
	  } },
};

int main(void) {
	return RUN_SCRIPTS(SCRIPTS(followed), SCRIPTS(not_over),
	                   SCRIPTS(refusals), SCRIPTS(ours), SCRIPTS(writes),
	                   SCRIPTS(tags), SCRIPTS(resumed));
}

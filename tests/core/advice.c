/* advice.c -- what is known of Azure Resource Manager's error codes. */
#include "support.h"

#include "core/advice.h"

static void test_kind_of_an_error_code(void **state) {
	static const struct {
		const char *code;
		enum fail_kind kind;
		const char *hint; /* NULL: none */
	} rows[] = {
		{ "AuthorizationFailed", FAIL_FORBIDDEN, NULL },
		{ "authorizationfailed", FAIL_FORBIDDEN, NULL },
		{ "RequestDisallowedByPolicy", FAIL_FORBIDDEN, "Policy" },
		{ "ScopeLocked", FAIL_CONFLICT, "lock" },
		{ "InvalidAuthenticationTokenTenant", FAIL_CREDENTIAL,
		  "tenant" },
		{ "InvalidAuthenticationToken", FAIL_CREDENTIAL, NULL },
		{ "SubscriptionNotFound", FAIL_NOT_FOUND, "subscription" },
		{ "MissingSubscriptionRegistration", FAIL_SERVICE,
		  "az provider register" },
		{ "InvalidResourceType", FAIL_NONE, "api-version" },
		{ "TooManyRequests", FAIL_THROTTLED, "too many" },
		/* the last of the table */
		{ "SubscriptionRequestsThrottled", FAIL_THROTTLED, "too many" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct advice *a = advice_for(test_text(rows[i].code));
		assert_non_null(a);
		assert_int_equal(a->kind, rows[i].kind);
		assert_int_equal(a->hint != NULL, rows[i].hint != NULL);
		if (rows[i].hint)
			assert_has(test_text(a->hint), rows[i].hint);
	}
}

static void test_other_codes_have_no_advice(void **state) {
	static const char *const codes[] = { "Teapot", "AuthorizationFaile",
		                             "AuthorizationFailedX", "", NULL };
	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++)
		assert_null(advice_for(test_text(codes[i])));
}

static void test_which_causes_last_until_somebody_removes_them(void **state) {
	static const struct {
		const char *code;
		bool lasts;
	} rows[] = {
		{ "ScopeLocked", true },
		{ "scopelocked", true },
		{ "MissingSubscriptionRegistration", true },
		{ "ResourceGroupBeingDeleted", true },
		{ "ReadOnlyDisabledSubscription", true },
		{ "AnotherOperationInProgress", false },
		{ "OperationNotAllowed", false },
		{ "TooManyRequests", false },
		{ "Teapot", false },
		{ NULL, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (advice_lasts(test_text(rows[i].code)) != rows[i].lasts)
			FAIL("row %zu", i);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_kind_of_an_error_code),
		TEST(test_other_codes_have_no_advice),
		TEST(test_which_causes_last_until_somebody_removes_them),
	};
	return RUN(tests);
}

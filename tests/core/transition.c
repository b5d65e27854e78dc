/* transition.c -- the table of transitions: complete for what a caller can ask
   for, and without contradiction. */
#include "support.h"

#include "core/transition.h"

static void test_each_status_has_a_rule_for_each_decision(void **state) {
	static const char *const statuses[] = { "Pending", "Approved",
		                                "Rejected" };
	static const char *const wanted[] = { "Approved", "Rejected",
		                              "Deleted" };
	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++)
		for (size_t j = 0; j < COUNT(wanted); j++)
			if (!transition_find(span_of(statuses[i]),
			                     span_of(wanted[j])))
				FAIL("%s -> %s", statuses[i], wanted[j]);
}

static void test_an_impossible_change_has_a_way_out_and_no_other(void **state) {
	const struct transition_rule *r;
	(void)state;
	for (r = transition_rules; r->status; r++)
		if ((r->result == TRANSITION_IMPOSSIBLE) != !!r->way_out)
			FAIL("%s -> %s", r->status, r->wanted);
}

static void test_a_pair_stands_once(void **state) {
	const struct transition_rule *r;
	(void)state;
	for (r = transition_rules; r->status; r++)
		assert_ptr_equal(
			transition_find(span_of(r->status), span_of(r->wanted)),
			r);
}

static void test_letter_case_does_not_matter(void **state) {
	(void)state;
	assert_int_equal(
		transition_find(SPAN("REJECTED"), SPAN("approved"))->result,
		TRANSITION_IMPOSSIBLE);
	assert_null(transition_find(SPAN("Suspended"), SPAN("Approved")));
	assert_null(transition_find(NO_SPAN, SPAN("Approved")));
}

static void test_each_result_has_a_name(void **state) {
	(void)state;
	assert_string_equal(transition_name(TRANSITION_UNCHANGED), "unchanged");
	assert_string_equal(transition_name(TRANSITION_ALLOWED), "allowed");
	assert_string_equal(transition_name(TRANSITION_IMPOSSIBLE),
	                    "impossible");
	assert_null(transition_name(TRANSITION_UNKNOWN));
}

int main(void) {
	static const struct CMUnitTest tests[] = {
		TEST(test_each_status_has_a_rule_for_each_decision),
		TEST(test_an_impossible_change_has_a_way_out_and_no_other),
		TEST(test_a_pair_stands_once),
		TEST(test_letter_case_does_not_matter),
		TEST(test_each_result_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

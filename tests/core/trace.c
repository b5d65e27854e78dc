/* trace.c -- W3C Trace Context: what is taken, ignored and sent. */
#include "support.h"

#include "core/trace.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID "00f067aa0ba902b7"

static void test_a_traceparent_is_taken_apart(void **state) {
	struct trace t;
	(void)state;
	assert_true(trace_parse(SPAN("00-" TRACE "-" SPAN_ID "-01"), &t));
	assert_span(t.trace_id, TRACE);
	assert_span(t.span_id, SPAN_ID);
	assert_true(t.sampled);
}

static void test_the_lowest_flag_says_sampled(void **state) {
	static const char digits[] = "0123456789abcdef";
	char text[] = "00-" TRACE "-" SPAN_ID "-00";
	struct trace t;
	(void)state;
	for (size_t i = 0; i < 16; i++) {
		text[54] = digits[i];
		assert_true(trace_parse(test_text(text), &t));
		assert_int_equal(t.sampled, i & 1);
	}
}

/* Section 3.2.4: a higher version may have more behind the four fields. */
static void test_a_higher_version_is_read_as_far_as_it_is_known(void **state) {
	struct trace t;
	(void)state;
	assert_true(trace_parse(SPAN("01-" TRACE "-" SPAN_ID "-01"), &t));
	assert_true(trace_parse(SPAN("cc-" TRACE "-" SPAN_ID "-01-what"), &t));
	assert_span(t.trace_id, TRACE);
}

static void test_ignored_bodies(void **state) {
	static const char *const bad[] = {
		"",
		"00",
		"00-" TRACE "-" SPAN_ID,
		"00-" TRACE "-" SPAN_ID "-0",
		"00-" TRACE "-" SPAN_ID "-01-",
		"00-" TRACE "-" SPAN_ID "-01-extra",
		"01-" TRACE "-" SPAN_ID "-01.extra",
		"ff-" TRACE "-" SPAN_ID "-01",
		"0x-" TRACE "-" SPAN_ID "-01",
		"00_" TRACE "-" SPAN_ID "-01",
		"00-" TRACE "_" SPAN_ID "-01",
		"00-" TRACE "-" SPAN_ID "_01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ID "-01",
		"00-" TRACE "-00F067AA0BA902B7-01",
		"00-" TRACE "-" SPAN_ID "-0X",
		"00-00000000000000000000000000000000-" SPAN_ID "-01",
		"00-" TRACE "-0000000000000000-01",
		" 00-" TRACE "-" SPAN_ID "-01",
	};
	struct trace t;
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (trace_parse(test_text(bad[i]), &t))
			test_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
}

static void test_ids_without_letters_are_ids(void **state) {
	struct trace t;
	(void)state;
	assert_true(trace_parse(SPAN("00-12345678901234567890123456789012-"
	                             "1234567890123456-00"),
	                        &t));
	assert_false(t.sampled);
}

static void test_a_state_has_thirty_two_members_at_most(void **state) {
	char many[] = "a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,"
		      "a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,"
		      "a=1,a=1,a=1,a=1,a=1";
	(void)state;
	assert_false(trace_state_fits(test_text(many)));
	assert_true(trace_state_fits(test_text(many + 4)));
	assert_false(trace_state_fits(SPAN("")));
	assert_false(trace_state_fits(SPAN("a=\r\n1")));
}

static void test_a_request_is_a_span_of_its_own(void **state) {
	static const unsigned char id[] = {
		0, 1, 0x2f, 0xf3, 0xab, 5, 6, 0xff
	};
	struct request q;
	struct trace parent, own;
	(void)state;
	request_init(&q, test_mem());
	assert_false(trace_of(&q, &own));
	assert_true(
		trace_parse(SPAN("02-" TRACE "-" SPAN_ID "-ff-more"), &parent));
	trace_add(&q, &parent, id, SPAN("congo=t61"));
	assert_spans(buf_span(&q.head),
	             SPAN("traceparent: 00-" TRACE "-00012ff3ab0506ff-01\0"
	                  "tracestate: congo=t61\0"));
	assert_true(trace_of(&q, &own));
	assert_span(own.span_id, "00012ff3ab0506ff");
	request_clear(&q);
	parent.sampled = false;
	trace_add(&q, &parent, id, NO_SPAN);
	assert_spans(buf_span(&q.head),
	             SPAN("traceparent: 00-" TRACE "-00012ff3ab0506ff-00\0"));
	request_free(&q);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_traceparent_is_taken_apart),
		TEST(test_the_lowest_flag_says_sampled),
		TEST(test_a_higher_version_is_read_as_far_as_it_is_known),
		TEST(test_ignored_bodies),
		TEST(test_ids_without_letters_are_ids),
		TEST(test_a_state_has_thirty_two_members_at_most),
		TEST(test_a_request_is_a_span_of_its_own),
	};
	return RUN(tests);
}

/* random.c -- numbers that differ, and GUIDs of bytes. */
#include "support.h"

#include "core/random.h"

static void test_a_guid_has_its_version_and_variant(void **state) {
	unsigned char bytes[GUID_BYTES];
	char text[GUID_LENGTH];
	(void)state;
	for (size_t i = 0; i < GUID_BYTES; i++)
		bytes[i] = (unsigned char)(0x11 * i);
	random_guid(bytes, text);
	assert_span(((struct span){ text, sizeof text }),
	            "00112233-4455-4677-8899-aabbccddeeff");
	memset(bytes, 0xff, sizeof bytes);
	random_guid(bytes, text);
	assert_span(((struct span){ text, sizeof text }),
	            "ffffffff-ffff-4fff-bfff-ffffffffffff");
	memset(bytes, 0, sizeof bytes);
	random_guid(bytes, text);
	assert_span(((struct span){ text, sizeof text }),
	            "00000000-0000-4000-8000-000000000000");
}

/* Marsaglia, "Xorshift RNGs" (2003): the triple 13, 17, 5 */
static void test_the_sequence_is_xorshift32(void **state) {
	uint32_t a = 2463534242u, b = 1;
	(void)state;
	assert_int_equal(random_next(&a), 723471715u);
	assert_int_equal(random_next(&a), 2497366906u);
	assert_int_equal(random_next(&a), 2064144800u);
	assert_int_equal(random_next(&b), 270369u);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_guid_has_its_version_and_variant),
		TEST(test_the_sequence_is_xorshift32),
	};
	return RUN(tests);
}

/*
 * chain.c -- random chains of ways to a token, see random_chain.h: the input is
 * what chance would be, and says which allocation fails.
 */
#include "fuzz.h"

#include "token/random_chain.h"

static uint32_t draw(uint32_t below) {
	return take() % below;
}

/* The first bytes: from which allocation on there is no memory, or just that
   one is not to be had; 0: there is enough. */
static void fuzz(void) {
	uint32_t n = take_number(2);
	memset(&t, 0, sizeof t);
	test_memory.fail_once = n & 1;
	test_mem_fail_from(n / 2 % 256);
	start();
	play();
}

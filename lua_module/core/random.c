/* random.c -- xorshift32, and GUIDs as text. */
#include "core/random.h"

#include <stddef.h>

uint32_t random_next(uint32_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* A version 4 GUID has six fixed bits. */
static unsigned char guid_byte(const unsigned char *bytes, size_t i) {
	if (i == 6) /* the version */
		return (unsigned char)((bytes[i] & 0x0f) | 0x40);
	if (i == 8) /* the variant */
		return (unsigned char)((bytes[i] & 0x3f) | 0x80);
	return bytes[i];
}

void random_guid(const unsigned char bytes[GUID_BYTES], char out[GUID_LENGTH]) {
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < GUID_BYTES; i++) {
		unsigned char b = guid_byte(bytes, i);
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[b >> 4];
		*out++ = hex[b & 15];
	}
}

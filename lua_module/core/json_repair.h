/*
 * json_repair.h -- repairs invalid characters in the strings of JSON text.
 *
 * Other people write the descriptions, and the service returns them unchecked:
 * half a surrogate pair ("\ud83d" alone), bytes that are not UTF-8, a NUL.  A
 * strict decoder then rejects the whole page, with all other connections in it.
 * Here each invalid character inside a string becomes U+FFFD, the replacement
 * character; all other bytes stay.  Truncated or otherwise invalid JSON is not
 * repaired.
 */
#ifndef AZPEC_JSON_REPAIR_H
#define AZPEC_JSON_REPAIR_H

#include "core/buf.h"

/* The number of invalid characters in the strings of text. */
size_t json_fault_count(struct span text);
/* Writes the repaired text to out, which has room for 3 * text.n bytes, and
   returns its length. */
size_t json_repair(char *out, struct span text);

#endif

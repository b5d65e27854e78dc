/*
 * mend.h -- JSON text in which a string has a fault, made readable.
 *
 * Descriptions are written by other people, and the service hands on what it
 * was given: half a surrogate pair ("\ud83d" alone), bytes that are not UTF-8,
 * a NUL.  A strict decoder then refuses the whole page, with all the other
 * connections in it.  Each such fault inside a string becomes U+FFFD, the
 * replacement character; every other byte stays as it is.  JSON that is cut
 * off or wrongly built is not repaired.
 */
#ifndef AZPEC_MEND_H
#define AZPEC_MEND_H

#include "buf.h"

/* The number of faults in the strings of text. */
size_t mend_count(struct span text);
/* Writes the mended text to out, which has room for 3 * text.n bytes; returns
   its length. */
size_t mend_copy(char *out, struct span text);

#endif

/*
 * redact.h -- removes secrets from foreign text.  All text from services,
 * proxies and programs passes through here before it reaches a message, an
 * event or a log.
 */
#ifndef AZPEC_REDACT_H
#define AZPEC_REDACT_H

#include "core/buf.h"

/* The secrets that must not be shown.  Absent spans are ignored. */
struct secrets {
	const struct span *list;
	size_t count;
};

/* Appends text to out until out is `limit` bytes long.  Each secret becomes
   "<redacted>", and each control character becomes a space.  Returns the part
   of text that did not fit. */
struct span redact_add(struct buf *out, struct span text,
                       struct secrets secrets, size_t limit);

#endif

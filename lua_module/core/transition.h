/*
 * transition.h -- the result of requesting a status, or the deletion, of a
 * connection with another status: unchanged, allowed or impossible.
 *
 * The rules are those of Private Link ("Manage Azure private endpoints",
 * Microsoft Learn).  A request is approved or rejected.  Approved access can be
 * rejected.  A rejected connection, and one whose endpoint was removed, is
 * final; its owner has to request a new one.  Batch's REST API description
 * allows all four statuses and names no error for a forbidden change.  So the
 * module sends what the caller requests, and uses these rules only for
 * forecasts and hints.
 */
#ifndef AZPEC_TRANSITION_H
#define AZPEC_TRANSITION_H

#include "core/buf.h"

enum transition {
	TRANSITION_UNKNOWN,    /* no rule is known */
	TRANSITION_UNCHANGED,  /* it has that status already */
	TRANSITION_ALLOWED,    /* the service makes the change */
	TRANSITION_IMPOSSIBLE, /* final; see way_out */
};

struct transition_rule {
	const char *status, *wanted; /* wanted: a status, or "Deleted" */
	enum transition result;
	const char *way_out; /* of an impossible change */
};

/* The rules; the last row has no status. */
extern const struct transition_rule transition_rules[];

/* "unchanged", "allowed", "impossible"; NULL: unknown. */
const char *transition_name(enum transition t);

/* The rule for a status and a requested one, in any letter case; NULL: none. */
const struct transition_rule *transition_find(struct span status,
                                              struct span wanted);

#endif

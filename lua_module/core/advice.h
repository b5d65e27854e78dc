/*
 * advice.h -- what to do about an error of Azure Resource Manager, by its code.
 *
 * A status says little: a 403 may be a missing role, a policy, a deny
 * assignment, or a subscription that is switched off, and each needs another
 * action.  The code says which; the status decides only where a code is not
 * in the table.  Codes: "Resolve common Azure deployment errors" and the
 * pages below it, Microsoft Learn.
 */
#ifndef AZPEC_ADVICE_H
#define AZPEC_ADVICE_H

#include "fail.h"

/* Ends the hints that name a role: Azure's role assignments take a while. */
#define WHEN_GRANTED "; if it was granted just now, wait some minutes"

struct advice {
	const char *code;
	const char *hint;    /* NULL: as the status says */
	enum fail_kind kind; /* FAIL_NONE: likewise */
};

/* NULL: the code is not in the table. */
const struct advice *advice_for(struct span code);

#endif

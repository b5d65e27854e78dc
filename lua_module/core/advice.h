/*
 * advice.h -- hints for the error codes of Azure Resource Manager.
 *
 * A status alone does not tell the cause.  A 403 may be a missing role, a
 * policy, a deny assignment or a disabled subscription, and each has another
 * cure.  The code tells the cause; the status decides only for codes that are
 * not in the table.  Codes: "Resolve common Azure deployment errors" and the
 * pages below it, Microsoft Learn.
 */
#ifndef AZPEC_ADVICE_H
#define AZPEC_ADVICE_H

#include "core/fail.h"

/* The end of hints that name a role: role assignments take effect after
   minutes. */
#define WHEN_GRANTED "; if it was granted recently, wait a few minutes"

struct advice {
	const char *code;
	const char *hint;    /* NULL: as for the status */
	enum fail_kind kind; /* FAIL_NONE: as for the status */
};

/* NULL: the code is not in the tables. */
const struct advice *advice_for(struct span code);
/* Does this code's conflict last until somebody removes its cause? */
bool advice_lasts(struct span code);

#endif

/*
 * op_rules.h -- the rules of an operation as a table: the meaning of each
 * answer, and the next leg.  The head of op_rules.c explains them.
 */
#ifndef AZPEC_OP_RULES_H
#define AZPEC_OP_RULES_H

#include "core/op_state.h"

enum meaning {
	NO_RESPONSE,    /* none, or one that tells nothing of the operation */
	REFUSED,        /* this request was refused, or never sent */
	NOT_FOUND,      /* 404; of a delete: one of Azure Resource Manager */
	ERROR_RESULT,   /* an error that may be the operation's result */
	RUNNING,        /* the operation is running */
	SUCCEEDED,      /* terminal status; the resource is not shown */
	AS_REQUESTED,   /* our resource, in a final state, as requested; of an
	                    acquisition: the policy token */
	DIFFERENT,      /* our resource, in a final state, not as requested */
	FAILED,         /* terminal status Failed or Canceled */
	UNEXPECTED,     /* malformed, or about something else */
	TOKEN_REQUIRED, /* of the write: a policy requires a policy token */
	MEANINGS
};

/* The tables: for update and ensure, and for delete. */
enum book { BOOK_WRITE, BOOK_DELETE, BOOKS };

/* Where a rule can lead, in addition to the legs. */
enum { TO_DONE = LEGS, TO_FAILURE, TO_ITSELF };

/* A rule: the next step for one meaning on one leg. */
struct rule {
	const char *text; /* for core/README.md */
	void (*take)(struct op *o, const struct answer *a);
	signed char leads[5]; /* legs and the places below, closed by -1 */
};

enum meaning meaning_of(const struct op *o, const struct answer *a);
/* The rule for that meaning on that leg; NULL: impossible. */
const struct rule *op_rule(enum book book, enum op_leg leg, enum meaning m);
const char *op_leg_name(enum op_leg leg);
const char *op_meaning_name(enum meaning m);

/* Handles an answer that is not retried: applies the rule for it. */
void op_judge(struct op *o, const struct answer *a);

#endif

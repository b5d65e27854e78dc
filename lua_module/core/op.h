/*
 * op.h -- one operation as a machine: request, polls, final GET, and ensure's
 * read-compare-write.  Asked what it wants (op_next), told what happened
 * (op_feed and its like).  No I/O, no clock: `now` comes in with each call.
 *
 *     op_next -> OP_TOKEN   op_grant, or op_no_token
 *             -> OP_SEND    op_sent, and later op_feed with what came back
 *             -> OP_WAIT    ask again at *until, or after the next feed
 *             -> OP_DONE, OP_FAIL   the end; never anything else after it
 */
#ifndef AZPEC_OP_H
#define AZPEC_OP_H

#include "opstate.h"

/* False: no memory; op_free is still needed. */
bool op_init(struct op *o, const struct op_config *cfg,
             const struct op_spec *spec);
void op_free(struct op *o);

enum op_want op_next(struct op *o, struct now now, struct request *out,
                     int64_t *until);
/* The token of that generation (never 0) may be used for the next request. */
void op_grant(struct op *o, uint32_t generation, struct now now);
void op_no_token(struct op *o, const struct fail *why, struct now now);
void op_sent(struct op *o, struct now now);
/* What ended it in flight was never sent: told after the end. */
void op_unsent(struct op *o);
void op_feed(struct op *o, const struct answer *a);
/* list: from a DONE page to the one after it; false: that was the last. */
bool op_next_page(struct op *o);
/* Goes on with an operation that another process began: from its polling URL,
   or, without one, from the resource itself.  changed: its write was
   accepted.  Only an ensure can write again, unless it is read_only. */
bool op_resume(struct op *o, enum poll_source source, struct span url,
               bool changed);

#endif

/* op_error.h -- the error messages of an operation.  "Ends it" means: the
   operation ends with o->fail. */
#ifndef AZPEC_OP_ERROR_H
#define AZPEC_OP_ERROR_H

#include "core/op_state.h"

/* Writes o->fail from an answer or a transport error. */
void op_error_describe(struct op *o, enum fail_kind kind,
                       const struct answer *a);
/* The same, with the kind of the status.  Ends it. */
void op_error_reply(struct op *o, const struct answer *a);
/* Writes o->fail for an answer that cannot be interpreted. */
void op_error_unexpected(struct op *o, const struct answer *a, const char *why);
/* The same, with a detail of the answer.  Ends it. */
void op_error_protocol(struct op *o, const struct answer *a, const char *why,
                       struct span detail);
/* The service reports that the operation failed or was canceled.  Ends it. */
void op_error_operation(struct op *o, const struct answer *a);
/* o->fail is such a report after all. */
void op_error_believe(struct op *o);
/* The operation has ended, and the resource is not as asked.  Ends it. */
void op_error_different(struct op *o, const struct answer *a);
/* The service refuses the ETag that it sent.  Ends it. */
void op_error_tag(struct op *o);
/* Another writer has decided: the present status.  Ends it. */
void op_error_decided(struct op *o, struct span status);
/* before_write does not allow the write; why: its reason.  Ends it. */
void op_error_veto(struct op *o, struct span why);
/* Not as asked, and it may not write. */
void op_error_read_only(struct op *o, const struct answer *a);
/* Writes o->fail: there is no policy token, and so no write; why: in our words,
   NULL: in the answer's.  Ends nothing. */
void op_error_policy(struct op *o, const struct answer *a, const char *why);
/* Keeps what the evaluations that gave no token say, for the error and the
   event of the next request. */
void op_error_note_evaluation(struct op *o, const struct policy_facts *f);
/* As op_error_policy: an evaluation has failed, or denies the write. */
void op_error_evaluation(struct op *o, const struct answer *a);
/* Why an answer cannot be interpreted. */
extern const char op_not_json[];
/* Hints of a write that a policy guards. */
extern const char op_policy_off[], op_policy_change[], op_policy_rejected[],
	op_policy_none[], op_policy_slow[];
/* Ends a list: its next page may not be asked for, see o->pages.way. */
void op_error_next(struct op *o);
/* True when the hint of the error's code (advice.h) tells more than that of the
   sign-in that failed afterwards.  An expired token only says that one was
   due. */
bool op_error_advised(const struct op *o);
/* Sets out to text of the service, without the token if it echoes it. */
void op_error_note(struct op *o, struct buf *out, struct span text);

#endif

/* opfail.h -- the failures of an operation, put into words. */
#ifndef AZPEC_OPFAIL_H
#define AZPEC_OPFAIL_H

#include "opstate.h"

/* Writes o->fail from an answer, or from the lack of one; ends nothing. */
void opfail_describe(struct op *o, enum fail_kind kind, const struct answer *a);
/* The same, of the kind the status has, and ends the operation. */
void opfail_reply(struct op *o, const struct answer *a);
/* Writes o->fail: an answer that makes no sense; ends nothing. */
void opfail_nonsense(struct op *o, const struct answer *a, const char *why);
/* Ends it: the same, with what came. */
void opfail_protocol(struct op *o, const struct answer *a, const char *why,
                     struct span detail);
/* Ends it: the service's own verdict on the operation. */
void opfail_operation(struct op *o, const struct answer *a);
/* o->fail is such a verdict after all; ends nothing. */
void opfail_believe(struct op *o);
/* Ends it: it is over, and the resource is not as asked. */
void opfail_otherwise(struct op *o, const struct answer *a);
/* Ends it: the service refuses the ETag that it gave. */
void opfail_tag(struct op *o);
/* Not as asked, and it may not write. */
void opfail_read_only(struct op *o, const struct answer *a);
/* Ends a list: its next page may not be asked for, see o->way. */
void opfail_next(struct op *o);
/* Does the error's code have a hint of its own, see advice.h? */
bool opfail_advised(const struct op *o);
/* Sets out to text of the service's, without our token should it echo it. */
void opfail_note(struct op *o, struct buf *out, struct span text);

#endif

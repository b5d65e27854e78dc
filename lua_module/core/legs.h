/* legs.h -- the rules of the conversation. */
#ifndef AZPEC_LEGS_H
#define AZPEC_LEGS_H

#include "opstate.h"

/* An answer that is not worth another try of the same request: moves the
   operation on to where it leads. */
void legs_judge(struct op *o, const struct answer *a);
/* Is this error the operation's own end, and not a poll's?  At a Location it
   is what the synchronous call would have answered. */
bool legs_is_result(const struct op *o, const struct answer *a);

#endif

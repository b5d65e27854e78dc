/* op_list.h -- a list: its pages, and what is checked of the way to the next. */
#ifndef AZPEC_OP_LIST_H
#define AZPEC_OP_LIST_H

#include "opstate.h"

/* A page has come: it is the result, or, where it is empty, the next one is
   asked for. */
void op_list_page(struct op *o, const struct answer *a);

#endif

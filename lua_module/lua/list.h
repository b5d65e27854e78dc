/*
 * list.h -- a list as an iterator of the generic for: one item a turn.  Only
 * one page of the service is in memory at a time.
 */
#ifndef AZPEC_LIST_H
#define AZPEC_LIST_H

#include "lua/objects.h"

/* Starts the list of the poller at 3, of the client at 1.  Returns the
   iterator, its state, nil and the value to close. */
int list_iterate(lua_State *L);

#endif

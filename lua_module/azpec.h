/*
 * azpec.h -- all that a program needs that embeds azpec:
 *
 *     luaL_requiref(L, "azpec", luaopen_azpec, 0);
 *
 * lua-cjson has to be reachable by require "cjson"; a static host registers
 * both.  Nothing here is global: any number of Lua states, in any number of
 * threads, may open the module.
 */
#ifndef AZPEC_H
#define AZPEC_H

#include <lua.h>

#define AZPEC_VERSION "0.1.0" /* the one place the version is written */

#if defined(__cplusplus)
extern "C" {
#endif

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_azpec(lua_State *L);

#if defined(__cplusplus)
}
#endif

#endif

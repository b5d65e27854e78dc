/*
 * needs.h -- included before each file that may use Lua or libcurl: where the
 * compiler does not find their headers, it says which package has them.
 */
#ifndef AZPEC_NEEDS_H
#define AZPEC_NEEDS_H

#if !__has_include(<lauxlib.h>)
#error "no headers of Lua 5.4: install liblua5.4-dev (Debian, Ubuntu), lua-devel (Fedora), lua5.4-dev (Alpine), lua54 (Arch) or lua@5.4 (Homebrew), or name their folder by LUA_INCDIR"
#endif

#if !__has_include(<curl/curl.h>)
#error "no headers of libcurl: install libcurl4-openssl-dev (Debian, Ubuntu), libcurl-devel (Fedora), curl-dev (Alpine) or curl (Arch, Homebrew), or name their folder by CURL_CFLAGS"
#endif

#endif

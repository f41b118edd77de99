#ifndef MOONTIDE_LUA_H
#define MOONTIDE_LUA_H
#endif

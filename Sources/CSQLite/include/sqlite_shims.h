#ifndef MOONTIDE_SQLITE_H
#define MOONTIDE_SQLITE_H
#include <sqlite3.h>
#endif

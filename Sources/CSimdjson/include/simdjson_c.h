#ifndef MOONTIDE_JSON_H
#define MOONTIDE_JSON_H
#endif

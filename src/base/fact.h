/* One fact of an environment: a name and a value, as env/ finds them and the manifest stores
 * them. */
#ifndef BASE_FACT_H
#define BASE_FACT_H

struct fact {
    char *name;  /* owned */
    char *value; /* owned */
};

#endif

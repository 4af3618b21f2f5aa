/* The roots of `auto`: where compilers and libraries keep what they compiled, by their own rules.
 *
 * One table, in a fixed order: of two roots with one path the first counts. A root lies where its
 * variable says, else at its default place, else nowhere. Kind inductor has those that PyTorch and
 * Triton use; servers have all.
 * Threads: any.
 */
#ifndef SETTINGS_AUTO_ROOT_H
#define SETTINGS_AUTO_ROOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "settings/host.h"

enum { AUTO_ROOT_COUNT = 10 };

/* What the default place lies below. */
enum auto_base {
    AUTO_NOWHERE, /* it has none */
    AUTO_HOME,
    AUTO_TORCH /* PyTorch's default directory, <tmp>/torchinductor_<user> */
};

struct auto_root {
    const char *name;
    const char *variable; /* NULL: none */
    const char *below;    /* of the variable's directory; "": that itself */
    enum auto_base base;
    const char *standard; /* below the base; "": that itself */
    bool for_servers;     /* only */
    /* By ninja, whose binary logs hold paths and hashes of commands: valid only where it was built. */
    bool built_in_place;
};

/* index < AUTO_ROOT_COUNT */
const struct auto_root *auto_root_at(size_t index);

/* Whether the root of this name is valid only where it was built. */
bool auto_root_is_built_in_place(const char *name);

/* *out = its default place, no symlink resolved; NULL where it has none. To be freed. */
MUST_CHECK enum b10_reason auto_root_default(char **out, const struct auto_root *root,
                                             const struct host *host, struct b10_error *error);

#endif

/* Paths as text: joining, prefixes by whole components, and what may come out of an archive. */
#ifndef FS_PATH_H
#define FS_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum {
    /* bytes of a path, the kernel's PATH_MAX without NUL; fixed by the archive format */
    PATH_LIMIT = 4096,
    PATH_NAME_LIMIT = 255,  /* bytes of a component */
    PATH_DEPTH_LIMIT = 256, /* components */
};

/* *out = a + "/" + b (b if a is empty); to be freed. */
MUST_CHECK enum b10_reason path_join(char **out, const char *a, const char *b,
                                     struct b10_error *error);

/* Last component, never empty for a non-empty path. Points into `path`. */
const char *path_base(const char *path);

/* *out = everything before the last component ("/" or "." where nothing is left); to be freed. */
MUST_CHECK enum b10_reason path_parent(char **out, const char *path, struct b10_error *error);

/* Relative, not empty, no empty component, no `.` or `..`, within the limits above. What an archive
 * may name. */
bool path_is_member(const char *path);

/* `..` occurs as a component ("kernel..v2" does not count). */
bool path_has_dotdot(const char *path);

/* The order of a walk: by components, so '/' comes before every other byte. Negative, 0 or positive
 * as with strcmp. */
int path_compare(const char *a, const char *b);

/* `path` is `prefix` or lies below it, by whole components; both absolute and resolved. */
bool path_is_within(const char *path, const char *prefix);

/* The same, but not equal. */
bool path_is_below(const char *path, const char *prefix);

/* A symlink at `link_path` (relative, inside its root) with this target stays inside the root:
 * relative, `..` only at its beginning (behind a name it would leave whatever directory that name,
 * perhaps a link itself, leads to), and never more of them than lead up to the root. */
bool path_link_stays_inside(const char *link_path, const char *target);

/* Resolves symlinks of the longest existing part and appends the rest; absolute result, to be
 * freed. `path` must be absolute without `..`. IO or DENIED when the kernel refuses. */
MUST_CHECK enum b10_reason path_resolve(char **out, const char *path, struct b10_error *error);

/* Shell-free quoting for messages: bytes outside printable ASCII become \xNN; cut with "…" if it
 * does not fit. Returns `buffer`. */
const char *path_quote(char *buffer, size_t size, const char *path);

#endif

/* Evidently truncated files, which would crash a server at every start: they are left out of a
 * save.
 *
 *   ELF    a segment, the program header table or the section header table ends behind the end of
 *          the file
 *   .json  empty, or the outermost value or a string is not closed (brackets and quotes only:
 *          Python writes numbers and texts that strict parsers refuse)
 *
 * Everything else is whole as far as this module knows. Threads: any.
 */
#ifndef ARCHIVE_TORN_H
#define ARCHIVE_TORN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A file whose content is in memory. `path` decides by its ending, the content by its first
 * bytes. */
bool torn_in_memory(const char *path, const void *content, size_t size);

/* A large file, read where needed. A read error counts as not torn (pack will meet it). */
bool torn_on_disk(const char *path, int fd, uint64_t size);

/* Holds code compiled for this host's CPU: ELF by its first bytes, or a precompiled header (.gch,
 * .pch, .pchi) by name. Triton's launchers and driver stubs are not: they are compiled for any CPU
 * of the architecture. They are known by their name and that of the directory they lie in ("" where
 * it is unknown). */
bool torn_is_host_code(const char *directory, const char *path, const void *first_bytes,
                       size_t size);

#endif

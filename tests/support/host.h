/* One replica: a local cache directory and a shared volume below a scratch directory, and a configuration for them.
 *
 *     struct host host;  host_init(&host, scratch);  …host_load(&host)…  host_release(&host);
 *
 * Calls go through the public API. The outcome of the last call stays in `error` and `report`.
 */
#ifndef SUPPORT_HOST_H
#define SUPPORT_HOST_H

#include "b10transfer.h"
#include "support/scratch.h"

struct host {
    const struct scratch *scratch;
    b10_config *config;
    b10_options options;
    b10_error error;
    b10_report report;
    char log[8192]; /* every line since host_init, newline-separated */
};

/* local/ and volume/ below the scratch directory (volume/ exists, local/ does not), no further roots, floors 0. */
void host_init(struct host *host, const struct scratch *scratch);
void host_release(struct host *host);

/* Sets one setting; fails the test if it is refused. */
void host_set(struct host *host, const char *key, const char *value);

OperationStatus host_load(struct host *host);
OperationStatus host_save(struct host *host);

/* Asserts status and reason together and prints the message when they differ. */
#define host_assert(host, status, expected_status, expected_reason)                                                     \
    host_assert_at(host, status, expected_status, expected_reason, __FILE__, __LINE__)
void host_assert_at(const struct host *host, OperationStatus status, OperationStatus expected, b10_reason reason,
                    const char *file, int line);

/* A small cache like Inductor's: sources, a shared object that is ELF, JSON, duplicates, an empty directory, a symlink, one file
 * above a frame (3 MB). */
void host_fill(const struct host *host, const char *relative);

/* Path of the only archive in the volume, "" if there is none or more than one; static buffer. */
const char *host_archive(const struct host *host);

/* Entries in the volume, hidden ones included. */
size_t host_volume_entries(const struct host *host);

#endif

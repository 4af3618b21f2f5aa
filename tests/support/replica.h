/* One replica: a local cache directory and a shared volume below a scratch directory, and a
 * configuration for them.
 *
 *     struct replica replica;  replica_init(&replica, scratch);  …replica_load(&replica)…  replica_release(&replica);
 *
 * Calls go through the public API. The outcome of the last call stays in `error` and `report`.
 */
#ifndef SUPPORT_REPLICA_H
#define SUPPORT_REPLICA_H

#include "b10transfer.h"
#include "support/scratch.h"

enum { REPLICA_SETTINGS_MAX = 48 };

struct replica {
    const struct scratch *scratch;
    b10_config *made; /* of the process `maker`; replica_config() makes another in a child */
    int maker;
    struct {
        char key[48];
        char value[600];
    } settings[REPLICA_SETTINGS_MAX];
    size_t setting_count;
    b10_options options;
    b10_error error;
    b10_report report;
    char log[8192]; /* every line since replica_init, newline-separated */
};

/* local/ and volume/ below the scratch directory (volume/ exists, local/ does not), no further
 * roots, floors 0. */
void replica_init(struct replica *replica, const struct scratch *scratch);
void replica_release(struct replica *replica);

/* Its configuration, also in a child that was forked since. */
b10_config *replica_config(struct replica *replica);

/* Sets one setting; fails the test if it is refused. */
void replica_set(struct replica *replica, const char *key, const char *value);

OperationStatus replica_load(struct replica *replica);
OperationStatus replica_save(struct replica *replica);

/* Asserts status and reason together and prints the message when they differ. */
#define replica_assert(replica, status, expected_status, expected_reason)                          \
    replica_assert_at(replica, status, expected_status, expected_reason, __FILE__, __LINE__)
void replica_assert_at(const struct replica *replica, OperationStatus status,
                       OperationStatus expected, b10_reason reason, const char *file, int line);

/* A small cache like Inductor's: sources, a shared object that is ELF, JSON, duplicates, an empty
 * directory, a symlink, one file above a frame (3 MB). */
void replica_fill(const struct replica *replica, const char *relative);

/* Path of the only archive in the volume, "" if there is none or more than one; static buffer. */
const char *replica_archive(const struct replica *replica);

/* Entries in the volume, hidden ones included. */
size_t replica_volume_entries(const struct replica *replica);

#endif

/* The names in a shared directory.
 *
 *     KEY.v1.tar.zst            the archive
 *     .KEY.<32 hex>.tmp         being written
 *     .KEY.<32 hex>.bad         set aside because it was damaged; one per key is kept
 *     .KEY.suspect-<16 hex>-<8 hex>
 *                               a server that had loaded it did not start (suspect.h): the first half of
 *                               the archive's token, and of which boot of which host
 *     .KEY.lock                 somebody saves this key (fs/lockfile.h)
 *     .KEY.<32 hex>.lock-new    about to be that lock
 *     .KEY.<32 hex>.lock-old    a lock that was taken away, about to be removed
 *
 * Threads: any.
 */
#ifndef CACHE_NAMES_H
#define CACHE_NAMES_H

#include <sys/stat.h>

#include "archive/reader.h"
#include "base/random.h"
#include "cache/volume.h"
#include "env/key.h"

enum { NAMES_SIZE = 256 };

/* KEY.v1.tar.zst */
void names_archive(char name[NAMES_SIZE], const char *key);

/* Parses an archive's file name; false if it is not one. */
bool names_parse(const char *name, char key[B10_KEY_SIZE]);

/* .KEY.suspect-TOKEN-BOOT, the beginnings of `token` and `boot`. */
enum { NAMES_SUSPECT_TOKEN = 16, NAMES_SUSPECT_BOOT = 8 };
void names_suspect(char name[NAMES_SIZE], const char *key, const char *token, const char *boot);

/* What a name in the shared directory says it is. */
enum names_kind {
    NAMES_FOREIGN, /* none of our forms, whatever it is */
    NAMES_ARCHIVE,
    NAMES_TEMPORARY,
    NAMES_SET_ASIDE,
    NAMES_SUSPECT,
    NAMES_LOCK,
    NAMES_LOCK_NEW,
    NAMES_LOCK_OLD
};

/* The kind, by exact form only; key and token as far as the kind has them, else "";
 * of a mark, the token's beginning. */
enum names_kind names_classify(const char *name, char key[B10_KEY_SIZE],
                               char token[TOKEN_TEXT_SIZE]);

/* Opens the archive of `key`. ABSENT if there is none. */
MUST_CHECK enum b10_reason names_open_archive(struct reader *reader, const struct volume *volume,
                                              const char *key, struct b10_error *error);

/* Renames a damaged archive to `.KEY.<token>.bad` if it is still the file judged (device and inode
 * of `judged`); another file that turns out to have been renamed is put back. Removes older .bad
 * files of the key. *done false when it was another file or the volume is read-only (no error). */
MUST_CHECK enum b10_reason names_set_aside(const struct volume *volume, const char *key,
                                           const struct stat *judged, bool *done,
                                           struct b10_error *error);

#endif

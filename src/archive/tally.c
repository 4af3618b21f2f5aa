#include "archive/tally.h"

#include <inttypes.h>

#include "fs/path.h"

static bool exceeds(_Atomic uint64_t *counter, uint64_t more, uint64_t limit)
{
    uint64_t before = atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
    return before > limit || more > limit - before;
}

/* True if that is more than announced. */
static bool count(struct tally *tally, const struct manifest_totals *totals,
                  const struct decoded *decoded)
{
    enum entry_type type = decoded->entry.type;
    if (type == ENTRY_SYMLINK)
        return exceeds(&tally->symlinks, 1, totals->symlinks);
    if (exceeds(&tally->disk_bytes, entry_on_disk(decoded->size), totals->disk_bytes))
        return true;
    if (type == ENTRY_DIRECTORY)
        return exceeds(&tally->directories, 1, totals->directories);
    return exceeds(&tally->files, 1, totals->files) ||
           exceeds(&tally->bytes, decoded->size, totals->bytes) ||
           (type == ENTRY_HARDLINK && exceeds(&tally->duplicates, 1, totals->duplicates));
}

enum b10_reason tally_add(struct tally *tally, const struct reader *reader,
                          const struct decoded *decoded, struct b10_error *error)
{
    if (decoded->is_void)
        return B10_REASON_OK;
    if (!count(tally, &reader->manifest.totals, decoded))
        return B10_REASON_OK;
    char quoted[512];
    return error_set(error, B10_REASON_CORRUPT,
                     "'%s' holds more than its manifest announces, from member '%s' on",
                     reader->name, path_quote(quoted, sizeof(quoted), decoded->entry.path));
}

static enum b10_reason compare(const struct reader *reader, const char *what, uint64_t found,
                               uint64_t announced, struct b10_error *error)
{
    if (found == announced)
        return B10_REASON_OK;
    return error_set(error, B10_REASON_CORRUPT,
                     "'%s' holds %" PRIu64 " %s, its manifest announces %" PRIu64, reader->name,
                     found, what, announced);
}

enum b10_reason tally_complete(const struct tally *tally, const struct reader *reader,
                               struct b10_error *error)
{
    const struct manifest_totals *totals = &reader->manifest.totals;
    TRY(compare(reader, "files", tally->files, totals->files, error));
    TRY(compare(reader, "symlinks", tally->symlinks, totals->symlinks, error));
    TRY(compare(reader, "directories", tally->directories, totals->directories, error));
    TRY(compare(reader, "duplicates", tally->duplicates, totals->duplicates, error));
    TRY(compare(reader, "bytes of content", tally->bytes, totals->bytes, error));
    return compare(reader, "bytes on a disk", tally->disk_bytes, totals->disk_bytes, error);
}

#include "archive/check.h"

#include <string.h>

#include "archive/decode.h"
#include "archive/index.h"
#include "archive/name_set.h"
#include "archive/tally.h"
#include "base/guard.h"
#include "fs/path.h"

struct checker {
    const struct reader *reader;
    struct progress *progress;
    struct decoder *decoder;     /* owned */
    struct index_reader *index;  /* owned */
    struct bytes run;            /* owned */
    struct name_set directories; /* owned: of the manifest */
    struct name_set members;     /* owned: of other types, met so far */
    struct tally seen;
};

static void checker_guard(struct checker *checker)
{
    decoder_free(checker->decoder);
    index_reader_free(checker->index);
    bytes_release(&checker->run);
    name_set_release(&checker->directories);
    name_set_release(&checker->members);
}

static enum b10_reason refuse(const struct checker *checker, const char *path,
                              enum b10_reason reason, const char *what, struct b10_error *error)
{
    char quoted[512];
    return error_set(error, reason, "member '%s' of '%s' %s",
                     path_quote(quoted, sizeof(quoted), path), checker->reader->name, what);
}

static size_t parent_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

static bool parent_is_known(const struct checker *checker, uint32_t root, const char *path)
{
    size_t length = parent_length(path);
    return length == 0 || name_set_has(&checker->directories, root, path, length);
}

static enum b10_reason learn_directories(struct checker *checker, struct b10_error *error)
{
    const struct manifest *manifest = &checker->reader->manifest;
    size_t count = 0;
    for (uint32_t i = 0; i < manifest->root_count; i++)
        count += manifest->roots[i].directory_count;
    TRY(name_set_init(&checker->directories, count, error));
    for (uint32_t i = 0; i < manifest->root_count; i++)
        for (size_t k = 0; k < manifest->roots[i].directory_count; k++) {
            const char *path = manifest->roots[i].directories[k];
            if (!parent_is_known(checker, i, path))
                return refuse(checker, path, B10_REASON_CORRUPT,
                              "does not lie in a directory of the archive", error);
            if (!name_set_add(&checker->directories, i, path, strlen(path)))
                return refuse(checker, path, B10_REASON_UNSAFE,
                              "exists already: two members have this name", error);
        }
    return B10_REASON_OK;
}

/* The rules that a load leaves to the file system. */
static enum b10_reason check_name(struct checker *checker, const struct decoded *decoded,
                                  struct b10_error *error)
{
    size_t length = strlen(decoded->path);
    bool is_directory = name_set_has(&checker->directories, decoded->root, decoded->path, length);
    if (decoded->entry.type == ENTRY_DIRECTORY) {
        if (!is_directory)
            return refuse(checker, decoded->entry.path, B10_REASON_CORRUPT,
                          "is no directory of the manifest", error);
        return B10_REASON_OK;
    }
    if (!parent_is_known(checker, decoded->root, decoded->path))
        return refuse(checker, decoded->entry.path, B10_REASON_CORRUPT,
                      "does not lie in a directory of the archive", error);
    if (is_directory || !name_set_add(&checker->members, decoded->root, decoded->path, length))
        return refuse(checker, decoded->entry.path, B10_REASON_UNSAFE,
                      "exists already: two members have this name", error);
    return B10_REASON_OK;
}

static bool same_target(const struct entry *line, const struct entry *entry)
{
    if (entry->type == ENTRY_SYMLINK)
        return line->target != NULL && strcmp(line->target, entry->target) == 0;
    if (entry->type == ENTRY_HARDLINK)
        return line->target != NULL && strcmp(line->target, entry_inner_path(entry->target)) == 0;
    return line->target == NULL;
}

static bool line_matches(const struct index_line *line, const struct decoded *decoded, size_t frame)
{
    const struct entry *entry = &decoded->entry;
    bool has_mode = entry->type == ENTRY_FILE || entry->type == ENTRY_HARDLINK;
    return line->root == decoded->root && line->frame == frame &&
           line->is_void == decoded->is_void && line->entry.type == entry->type &&
           strcmp(line->entry.path, decoded->path) == 0 &&
           (!has_mode || line->entry.executable == entry->executable) &&
           line->entry.size == entry->size && line->entry.mtime_s == entry->mtime_s &&
           line->entry.mtime_ns == entry->mtime_ns && same_target(&line->entry, entry);
}

static enum b10_reason check_member(struct checker *checker, const struct decoded *decoded,
                                    size_t frame, struct b10_error *error)
{
    TRY(tally_add(&checker->seen, checker->reader, decoded, error));
    TRY(check_name(checker, decoded, error));
    struct index_line line = {0};
    bool found = false;
    TRY(index_reader_next(checker->index, &line, &found, error));
    if (!found || !line_matches(&line, decoded, frame))
        return refuse(checker, decoded->entry.path, B10_REASON_CORRUPT,
                      "differs from its line in the index", error);
    return B10_REASON_OK;
}

static enum b10_reason check_frame(struct checker *checker, size_t frame, const unsigned char *data,
                                   struct b10_error *error)
{
    const unsigned char *content = NULL;
    size_t size = 0;
    TRY(decoder_begin(checker->decoder, checker->reader, frame, data, &content, &size, error));
    enum frame_kind kind = checker->reader->manifest.frames[frame].kind;
    while (kind == FRAME_MEMBERS || kind == FRAME_HEADER) {
        struct decoded decoded;
        bool found = false;
        TRY(decoder_next(checker->decoder, &decoded, &found, error));
        if (!found)
            break;
        TRY(check_member(checker, &decoded, frame, error));
        bool is_file = decoded.entry.type != ENTRY_DIRECTORY && !decoded.is_void;
        progress_add(checker->progress, is_file ? decoded.size : 0, is_file);
    }
    return B10_REASON_OK;
}

static enum b10_reason check_run(struct checker *checker, const struct reader_run *run,
                                 struct b10_error *error)
{
    const uint64_t *offsets = checker->reader->offsets;
    TRY(reader_read(checker->reader, run, &checker->run, error));
    TRY(progress_step(checker->progress, error));
    for (size_t i = run->first; i < run->first + run->count; i++)
        TRY(check_frame(checker, i, checker->run.data + (offsets[i] - offsets[run->first]), error));
    return progress_tick(checker->progress, error);
}

static enum b10_reason check_runs(struct checker *checker, struct b10_error *error)
{
    SCOPED(heap) struct reader_run *runs = NULL;
    size_t count = 0;
    TRY(reader_plan(checker->reader, READER_RUN_SIZE, NULL, &runs, &count, error));
    for (size_t i = 0; i < count; i++)
        TRY(check_run(checker, &runs[i], error));
    return B10_REASON_OK;
}

static enum b10_reason check_end(struct checker *checker, struct b10_error *error)
{
    struct index_line line = {0};
    bool found = false;
    TRY(index_reader_next(checker->index, &line, &found, error));
    if (found)
        return refuse(checker, line.entry.path, B10_REASON_CORRUPT,
                      "is in the index, but not in the archive", error);
    return tally_complete(&checker->seen, checker->reader, error);
}

enum b10_reason check_archive(const struct reader *reader, struct progress *progress,
                              struct b10_error *error)
{
    const struct manifest_totals *totals = &reader->manifest.totals;
    SCOPED(checker) struct checker checker = {.reader = reader, .progress = progress};
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    TRY(progress_phase(progress, "verify", totals->bytes, totals->files + totals->symlinks, error));
    TRY(reader_index(reader, &payload, error));
    TRY(progress_step(progress, error));
    TRY(index_reader_new(&checker.index, payload.data, payload.size, reader->name, error));
    TRY(decoder_new(&checker.decoder, error));
    /* A void member has a name, but is in no total. */
    TRY(name_set_init(&checker.members,
                      totals->files + totals->symlinks + reader->manifest.sliced_count, error));
    TRY(learn_directories(&checker, error));
    TRY(check_runs(&checker, error));
    return check_end(&checker, error);
}

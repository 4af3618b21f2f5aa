#include "archive/tar_codec.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tar_scan.h"
#include "fs/path.h"

/* ---- the thread's locale while libarchive works ---- */

struct c_locale {
    locale_t locale;   /* owned */
    locale_t previous; /* the caller's */
};

static bool c_locale_enter(struct c_locale *scope)
{
    scope->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (scope->locale == (locale_t)0)
        return false;
    scope->previous = uselocale(scope->locale);
    return true;
}

static void c_locale_guard(struct c_locale *scope)
{
    if (scope->locale == (locale_t)0)
        return;
    uselocale(scope->previous);
    freelocale(scope->locale);
}

/* ---- encoding ---- */

/* Takes what libarchive writes until the header is complete. From then on it refuses: that is how the
 * writer is freed without writing the padding of a content that was never given. Before that it does
 * not refuse, because a writer that fails in the middle of a header leaks. */
struct capture {
    struct bytes *out;
    struct b10_error *error;
    bool complete;
    enum b10_reason reason; /* of the first bytes_append that failed */
};

static la_ssize_t capture_write(struct archive *writer, void *user, const void *data, size_t size)
{
    (void)writer;
    struct capture *capture = user;
    if (capture->complete)
        return -1;
    if (capture->reason == B10_REASON_OK)
        capture->reason = bytes_append(capture->out, data, size, capture->error);
    return (la_ssize_t)size;
}

static bool has_high_byte(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text >= 0x80)
            return true;
    return false;
}

static struct archive *writer_open_on(struct capture *capture, const struct entry *entry)
{
    struct archive *writer = archive_write_new();
    bool binary = has_high_byte(entry->path) || has_high_byte(entry->target);
    if (!writer)
        return NULL;
    if (archive_write_set_format_pax(writer) == ARCHIVE_OK &&
        archive_write_add_filter_none(writer) == ARCHIVE_OK &&
        archive_write_set_bytes_per_block(writer, 0) == ARCHIVE_OK &&
        (!binary || archive_write_set_options(writer, "hdrcharset=BINARY") == ARCHIVE_OK) &&
        archive_write_open(writer, capture, NULL, capture_write, NULL) == ARCHIVE_OK)
        return writer;
    capture->complete = true;
    archive_write_free(writer);
    return NULL;
}

static void describe(struct archive_entry *to, const struct entry *entry)
{
    static const struct {
        unsigned type;
        unsigned mode;
    } as[] = {[ENTRY_FILE] = {AE_IFREG, 0644},
              [ENTRY_DIRECTORY] = {AE_IFDIR, 0755},
              [ENTRY_SYMLINK] = {AE_IFLNK, 0777},
              [ENTRY_HARDLINK] = {AE_IFREG, 0644}};
    bool regular = entry->type == ENTRY_FILE || entry->type == ENTRY_HARDLINK;
    archive_entry_copy_pathname(to, entry->path);
    archive_entry_set_filetype(to, as[entry->type].type);
    archive_entry_set_perm(to, regular && entry->executable ? 0755 : as[entry->type].mode);
    archive_entry_set_mtime(to, (time_t)entry->mtime_s, (long)entry->mtime_ns);
    archive_entry_set_size(to, entry->type == ENTRY_FILE ? (la_int64_t)entry->size : 0);
    if (entry->type == ENTRY_SYMLINK)
        archive_entry_copy_symlink(to, entry->target);
    if (entry->type == ENTRY_HARDLINK)
        archive_entry_copy_hardlink(to, entry->target);
}

static enum b10_reason encode_with(struct archive_entry *member, const struct entry *entry,
                                   struct capture *capture)
{
    size_t before = capture->out->size;
    struct archive *writer = writer_open_on(capture, entry);
    if (!writer)
        return error_no_memory(capture->error);
    describe(member, entry);
    errno = 0;
    int result = archive_write_header(writer, member);
    const bool no_memory = archive_errno(writer) == ENOMEM || errno == ENOMEM;
    capture->complete = true;
    enum b10_reason reason = capture->reason;
    if (reason == B10_REASON_OK && result != ARCHIVE_OK && no_memory)
        reason = error_no_memory(capture->error);
    else if (reason == B10_REASON_OK &&
             (result != ARCHIVE_OK || capture->out->size - before > TAR_HEADER_MAX))
        reason = error_set(capture->error, B10_REASON_INTERNAL, "libarchive refuses '%s': %s",
                           entry->path, archive_error_string(writer));
    if (reason != B10_REASON_OK)
        capture->out->size = before;
    archive_write_free(writer);
    return reason;
}

enum b10_reason tar_encode_header(const struct entry *entry, struct bytes *out,
                                  struct b10_error *error)
{
    SCOPED(c_locale) struct c_locale scope = {0};
    struct archive_entry *member = archive_entry_new();
    if (!member || !c_locale_enter(&scope)) {
        archive_entry_free(member);
        return error_no_memory(error);
    }
    struct capture capture = {.out = out, .error = error};
    enum b10_reason reason = encode_with(member, entry, &capture);
    archive_entry_free(member);
    return reason;
}

enum b10_reason tar_encode_padding(uint64_t content_size, struct bytes *out,
                                   struct b10_error *error)
{
    return bytes_append_zeros(out, (size_t)(entry_padded(content_size) - content_size), error);
}

/* ---- decoding ---- */

struct tar_decoder {
    struct archive *reader;       /* owned; NULL before the frame's first member */
    struct archive_entry *member; /* owned */
    const unsigned char *frame;   /* borrowed */
    size_t size;
    size_t position; /* of the next member */
    bool given;      /* the frame, to libarchive */
    const char *name;
    bool header_only;
    char path[PATH_LIMIT + 2]; /* a directory's, without the slash that tar puts behind it */
};

enum b10_reason tar_decoder_new(struct tar_decoder **out, struct b10_error *error)
{
    *out = NULL;
    SCOPED(tar_decoder) struct tar_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder || !(decoder->member = archive_entry_new()))
        return error_no_memory(error);
    *out = HEAP_TAKE(decoder);
    return B10_REASON_OK;
}

static void drop_reader(struct tar_decoder *decoder)
{
    if (decoder->reader)
        archive_read_free(decoder->reader);
    decoder->reader = NULL;
}

void tar_decoder_free(struct tar_decoder *decoder)
{
    if (!decoder)
        return;
    drop_reader(decoder);
    archive_entry_free(decoder->member);
    free(decoder);
}

void tar_decoder_guard(struct tar_decoder **decoder)
{
    tar_decoder_free(*decoder);
}

enum b10_reason tar_decoder_begin(struct tar_decoder *decoder, const void *data, size_t size,
                                  bool header_only, const char *name, struct b10_error *error)
{
    (void)error;
    drop_reader(decoder);
    decoder->frame = data;
    decoder->size = size;
    decoder->position = 0;
    decoder->header_only = header_only;
    decoder->name = name;
    return B10_REASON_OK;
}

static enum b10_reason corrupt(const struct tar_decoder *decoder, const char *what,
                               struct b10_error *error)
{
    return error_set(error, B10_REASON_CORRUPT, "'%s': %s at byte %zu of a frame", decoder->name,
                     what, decoder->position);
}

/* What libarchive refused; that memory is out, which it does not always say, says nothing about the frame. */
static enum b10_reason refused(const struct tar_decoder *decoder, struct b10_error *error)
{
    if (archive_errno(decoder->reader) == ENOMEM || errno == ENOMEM)
        return error_no_memory(error);
    return corrupt(decoder, "a damaged tar header", error);
}

/* Gives the whole frame at once, so that libarchive works in it without copying. */
static la_ssize_t give_frame(struct archive *reader, void *user, const void **data)
{
    (void)reader;
    struct tar_decoder *decoder = user;
    *data = decoder->frame;
    if (decoder->given)
        return 0;
    decoder->given = true;
    return (la_ssize_t)decoder->size;
}

/* What archive_read_open_memory does, but for ignoring that memory is out. */
static enum b10_reason open_reader(struct tar_decoder *decoder, struct b10_error *error)
{
    struct archive *reader = archive_read_new();
    decoder->reader = reader;
    decoder->given = false;
    if (!reader || archive_read_support_format_tar(reader) != ARCHIVE_OK ||
        archive_read_set_read_callback(reader, give_frame) != ARCHIVE_OK ||
        archive_read_set_callback_data(reader, decoder) != ARCHIVE_OK)
        return error_no_memory(error);
    errno = 0;
    return archive_read_open1(reader) == ARCHIVE_OK ? B10_REASON_OK : refused(decoder, error);
}

/* libarchive's view of the member that was just scanned. A warning is only about converting a name to the locale's character set:
 * names are compared byte by byte afterwards. */
static enum b10_reason read_header(struct tar_decoder *decoder, struct b10_error *error)
{
    if (!decoder->reader)
        TRY(open_reader(decoder, error));
    errno = 0;
    int result = archive_read_next_header2(decoder->reader, decoder->member);
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
        return refused(decoder, error);
    if (archive_read_header_position(decoder->reader) != (la_int64_t)decoder->position)
        return corrupt(decoder, "a member that does not begin where it should", error);
    return B10_REASON_OK;
}

static bool same_text(const char *text, struct tar_text prefix, struct tar_text rest)
{
    if (!text)
        return false;
    if (prefix.size > 0) {
        if (strncmp(text, prefix.data, prefix.size) != 0 || text[prefix.size] != '/')
            return false;
        text += prefix.size + 1;
    }
    return strlen(text) == rest.size && memcmp(text, rest.data, rest.size) == 0;
}

/* Names and type as libarchive sees them must be those of the blocks. Asks for the hard link first: the file type of one is 0. */
static enum b10_reason compare(struct tar_decoder *decoder, const struct tar_member *scanned,
                               struct entry *entry, struct b10_error *error)
{
    const struct tar_text none = {0};
    const char *hardlink = archive_entry_hardlink(decoder->member);
    const char *symlink = archive_entry_symlink(decoder->member);
    unsigned type = hardlink ? 0 : archive_entry_filetype(decoder->member);
    bool same = scanned->type == '1'   ? hardlink != NULL
                : scanned->type == '0' ? !hardlink && type == AE_IFREG
                : scanned->type == '2' ? !hardlink && type == AE_IFLNK
                                       : !hardlink && type == AE_IFDIR;
    entry->path = archive_entry_pathname(decoder->member);
    entry->target = hardlink ? hardlink : type == AE_IFLNK ? symlink : NULL;
    if (!same)
        return error_set(error, B10_REASON_UNSAFE,
                         "'%s': a member of two types at byte %zu of a frame", decoder->name,
                         decoder->position);
    if (!same_text(entry->path, scanned->prefix, scanned->path) ||
        (entry->target && !same_text(entry->target, none, scanned->linkpath)) ||
        (!hardlink && (uint64_t)archive_entry_size(decoder->member) != scanned->size))
        return corrupt(decoder, "a member that can be read in two ways", error);
    return B10_REASON_OK;
}

/* tar writes "name/" for a directory. */
static enum b10_reason strip_slash(struct tar_decoder *decoder, struct entry *entry,
                                   struct b10_error *error)
{
    size_t length = strlen(entry->path);
    if (length == 0 || entry->path[length - 1] != '/')
        return B10_REASON_OK;
    if (length >= sizeof decoder->path)
        return error_set(error, B10_REASON_UNSAFE,
                         "'%s': a path of %zu bytes at byte %zu of a frame", decoder->name, length,
                         decoder->position);
    memcpy(decoder->path, entry->path, length - 1);
    decoder->path[length - 1] = '\0';
    entry->path = decoder->path;
    return B10_REASON_OK;
}

static enum b10_reason take_entry(struct tar_decoder *decoder, const struct tar_member *scanned,
                                  struct entry *entry, struct b10_error *error)
{
    *entry = (struct entry){.size = scanned->size};
    TRY(compare(decoder, scanned, entry, error));
    entry->type = scanned->type == '0'   ? ENTRY_FILE
                  : scanned->type == '1' ? ENTRY_HARDLINK
                  : scanned->type == '2' ? ENTRY_SYMLINK
                                         : ENTRY_DIRECTORY;
    if (entry->type == ENTRY_DIRECTORY)
        TRY(strip_slash(decoder, entry, error));
    entry->executable =
        (entry->type == ENTRY_FILE || entry->type == ENTRY_HARDLINK) && (scanned->mode & 0100) != 0;
    entry->mtime_s = archive_entry_mtime(decoder->member);
    entry->mtime_ns = (uint32_t)archive_entry_mtime_nsec(decoder->member);
    return entry_check(entry, decoder->name, error);
}

/* The content must be the frame's own bytes, all of them in one piece, where the scan saw them. */
static enum b10_reason take_content(struct tar_decoder *decoder, const struct tar_member *scanned,
                                    struct entry *entry, struct b10_error *error)
{
    if (scanned->size == 0 || decoder->header_only)
        return B10_REASON_OK;
    const void *content = NULL;
    size_t size = 0;
    la_int64_t offset = 0;
    if (archive_read_data_block(decoder->reader, &content, &size, &offset) != ARCHIVE_OK ||
        content != decoder->frame + scanned->content || size != scanned->size || offset != 0)
        return corrupt(decoder, "a content that does not lie where it should", error);
    entry->content = content;
    return B10_REASON_OK;
}

enum b10_reason tar_decoder_next(struct tar_decoder *decoder, struct entry *entry, bool *found,
                                 struct b10_error *error)
{
    *found = false;
    if (decoder->position == decoder->size)
        return B10_REASON_OK;
    if (decoder->header_only && decoder->position != 0)
        return corrupt(decoder, "bytes behind the header", error);
    struct tar_member scanned = {0};
    TRY(tar_scan(decoder->frame, decoder->size, decoder->position, decoder->header_only, &scanned,
                 decoder->name, error));
    SCOPED(c_locale) struct c_locale scope = {0};
    if (!c_locale_enter(&scope))
        return error_no_memory(error);
    TRY(read_header(decoder, error));
    TRY(take_entry(decoder, &scanned, entry, error));
    TRY(take_content(decoder, &scanned, entry, error));
    decoder->position = scanned.end;
    *found = true;
    return B10_REASON_OK;
}

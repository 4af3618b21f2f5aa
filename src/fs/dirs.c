/* dirs.c: making and reading directories. Removing them is in dirs_remove.c. */
#include "fs/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"
#include "fs/path.h"

static bool is_directory(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Makes one component. What exists is fine whatever mkdir says about it: read-only file systems and
 * automounters have their own answers. */
static enum b10_reason make_one(const char *path, size_t *made, struct b10_error *error)
{
    if (mkdir(path, 0777) == 0) {
        ++*made;
        return B10_REASON_OK;
    }
    int failed = errno;
    if (!is_directory(path))
        return error_errno(error, failed == EEXIST ? ENOTDIR : failed,
                           "cannot create directory '%s'", path);
    *made = 0; /* only an unbroken row at the end is ours to undo */
    return B10_REASON_OK;
}

enum b10_reason dirs_make_all(const char *path, size_t *made, struct b10_error *error)
{
    size_t count = 0;
    if (made != NULL)
        *made = 0;
    if (*path != '/')
        return error_set(error, B10_REASON_INTERNAL, "'%s' is not an absolute path", path);
    if (is_directory(path))
        return B10_REASON_OK;
    SCOPED(heap) char *prefix = strdup(path);
    if (prefix == NULL)
        return error_no_memory(error);
    for (char *end = prefix; *end != '\0';) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = '\0';
        enum b10_reason reason = make_one(prefix, &count, error);
        if (reason != B10_REASON_OK) {
            *strrchr(prefix, '/') = '\0';
            dirs_unmake(prefix, count);
            return reason;
        }
        *end = kept;
        if (end[strspn(end, "/")] == '\0')
            break;
    }
    if (made != NULL)
        *made = count;
    return B10_REASON_OK;
}

void dirs_unmake(const char *path, size_t made)
{
    char rest[PATH_LIMIT + 1]; /* not allocated: memory may be what is missing */
    if (strlen(path) >= sizeof(rest))
        return;
    memcpy(rest, path, strlen(path) + 1);
    for (size_t length = strlen(rest); made > 0; made--) {
        while (length > 0 && rest[length - 1] == '/')
            length--;
        rest[length] = '\0';
        if (length == 0 || rmdir(rest) != 0)
            return;
        while (length > 0 && rest[length - 1] != '/')
            length--;
    }
}

/* What getdents64 writes (see its manual page); read directly, because a stream of the C library
 * costs five more system calls for each directory. */
struct record {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

struct stream {
    int fd;       /* owned, if the stream opened it */
    char *buffer; /* owned */
};

static const size_t buffer_size = 32768;

static void stream_guard(struct stream *stream)
{
    fd_guard(&stream->fd);
    free(stream->buffer);
}

/* Opened anew, so that the position of dirfd does not matter and O_PATH will do. */
static enum b10_reason stream_open(struct stream *stream, int dirfd, const char *name,
                                   struct b10_error *error)
{
    return io_open(&stream->fd, dirfd, ".", O_RDONLY | O_DIRECTORY, 0, name, error);
}

/* The next records of fd in the buffer, *size bytes of them; 0 at the end. A directory that was
 * removed since it was opened (ENOENT), as by a rename onto it, was empty. */
static enum b10_reason stream_read(struct stream *stream, int fd, size_t *size, const char *name,
                                   struct b10_error *error)
{
    if (stream->buffer == NULL && (stream->buffer = malloc(buffer_size)) == NULL)
        return error_no_memory(error);
    long got;
    do {
        got = syscall(SYS_getdents64, fd, stream->buffer, buffer_size);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno != ENOENT)
        return error_errno(error, errno, "cannot read directory '%s'", name);
    *size = got < 0 ? 0 : (size_t)got;
    return B10_REASON_OK;
}

/* The record at *at or behind it that is neither `.` nor `..`; *at moves past it. */
static const struct record *next_record(const struct stream *stream, size_t size, size_t *at)
{
    while (*at < size) {
        const struct record *record = (const void *)(stream->buffer + *at);
        *at += record->length;
        if (strcmp(record->name, ".") != 0 && strcmp(record->name, "..") != 0)
            return record;
    }
    return NULL;
}

struct listing {
    struct listed {
        char *name; /* owned */
        unsigned char type;
    } * items; /* owned */
    size_t count;
    size_t capacity;
};

static void listing_guard(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->items[i].name);
    free(listing->items);
}

static enum b10_reason listing_add(struct listing *listing, const struct record *entry,
                                   struct b10_error *error)
{
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 16 : listing->capacity * 2;
        struct listed *items = reallocarray(listing->items, capacity, sizeof(*items));
        if (items == NULL)
            return error_no_memory(error);
        listing->items = items;
        listing->capacity = capacity;
    }
    struct listed *item = &listing->items[listing->count];
    item->name = strdup(entry->name);
    item->type = entry->type;
    if (item->name == NULL)
        return error_no_memory(error);
    listing->count++;
    return B10_REASON_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct listed *left = a;
    const struct listed *right = b;
    return strcmp(left->name, right->name);
}

static enum b10_reason listing_finish(struct dirs_names *out, struct listing *listing,
                                      struct b10_error *error)
{
    if (listing->count == 0)
        return B10_REASON_OK;
    out->names = calloc(listing->count, sizeof(*out->names));
    out->types = calloc(listing->count, sizeof(*out->types));
    if (out->names == NULL || out->types == NULL) {
        dirs_names_release(out);
        return error_no_memory(error);
    }
    qsort(listing->items, listing->count, sizeof(*listing->items), compare_names);
    for (size_t i = 0; i < listing->count; i++) {
        out->names[i] = HEAP_TAKE(listing->items[i].name);
        out->types[i] = listing->items[i].type;
    }
    out->count = listing->count;
    return B10_REASON_OK;
}

static enum b10_reason add_records(struct listing *listing, const struct stream *stream,
                                   size_t size, struct b10_error *error)
{
    const struct record *record;
    for (size_t at = 0; (record = next_record(stream, size, &at)) != NULL;)
        TRY(listing_add(listing, record, error));
    return B10_REASON_OK;
}

enum b10_reason dirs_read(struct dirs_names *out, int fd, const char *name, struct b10_error *error)
{
    SCOPED(listing) struct listing listing = {0};
    SCOPED(stream) struct stream stream = {.fd = -1};
    size_t size = 0;
    *out = (struct dirs_names){0};
    do {
        TRY(stream_read(&stream, fd, &size, name, error));
        TRY(add_records(&listing, &stream, size, error));
    } while (size > 0);
    return listing_finish(out, &listing, error);
}

/* False when the entry has vanished. */
static bool resolve_type(unsigned char *type, int dirfd, const char *name)
{
    struct stat found;
    if (*type != DT_UNKNOWN)
        return true;
    if (fstatat(dirfd, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    *type = (unsigned char)IFTODT(found.st_mode);
    return true;
}

enum b10_reason dirs_list(struct dirs_names *out, int dirfd, const char *name,
                          struct b10_error *error)
{
    SCOPED(stream) struct stream stream = {.fd = -1};
    *out = (struct dirs_names){0};
    TRY(stream_open(&stream, dirfd, name, error));
    TRY(dirs_read(out, stream.fd, name, error));
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        char *entry = HEAP_TAKE(out->names[i]);
        if (resolve_type(&out->types[i], dirfd, entry)) {
            out->types[kept] = out->types[i];
            out->names[kept++] = entry;
        } else {
            free(entry);
        }
    }
    out->count = kept;
    return B10_REASON_OK;
}

void dirs_names_release(struct dirs_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    free(names->types);
    *names = (struct dirs_names){0};
}

void dirs_names_guard(struct dirs_names *names)
{
    dirs_names_release(names);
}

enum b10_reason dirs_is_empty(bool *empty, int dirfd, const char *name, struct b10_error *error)
{
    SCOPED(stream) struct stream stream = {.fd = -1};
    size_t size = 0;
    TRY(stream_open(&stream, dirfd, name, error));
    *empty = true;
    do {
        size_t at = 0;
        TRY(stream_read(&stream, stream.fd, &size, name, error));
        *empty = next_record(&stream, size, &at) == NULL;
    } while (*empty && size > 0);
    return B10_REASON_OK;
}

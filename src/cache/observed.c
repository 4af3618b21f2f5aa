#include "cache/observed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/boottime.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/guard.h"
#include "base/parse.h"
#include "fs/io.h"

/* Widths are fixed, so that whatever else stands there is left out line by line. */
enum {
    HEAD_SIZE = sizeof("b10transfer observed 1 ") - 1 + PROCESS_BOOT_SIZE,
    NUMBER_SIZE = 20,
    LINE_SIZE = NUMBER_SIZE + 1 + OBSERVED_VOLUME_SIZE + OBSERVED_STATE_SIZE,
    FILE_SIZE_MOST = HEAD_SIZE + OBSERVED_MOST * LINE_SIZE,
    STATE_BYTES_MOST = 1024
};

static void format_head(char head[HEAD_SIZE + 1], const char *boot)
{
    snprintf(head, HEAD_SIZE + 1, "b10transfer observed 1 %-36.36s\n", boot);
}

/* ---- reading ---- */

static bool parse_line(struct observation *line, const char *text, uint64_t now_ms)
{
    char number[NUMBER_SIZE + 1];
    char again[LINE_SIZE + 1];
    struct observation found = {.asked = false};
    if (sscanf(text, "%20[0-9] %16[0-9a-f] %32[0-9a-f]", number, found.volume, found.state) != 3 ||
        !parse_u64(number, &found.since_ms) || found.since_ms > now_ms)
        return false;
    snprintf(again, sizeof(again), "%020" PRIu64 " %s %s\n", found.since_ms, found.volume,
             found.state);
    *line = found;
    return memcmp(again, text, LINE_SIZE) == 0;
}

static void parse_lines(struct observed *observed, const char *text, size_t size)
{
    char head[HEAD_SIZE + 1];
    format_head(head, observed->boot);
    if (size < HEAD_SIZE || memcmp(text, head, HEAD_SIZE) != 0)
        return; /* another boot's times say nothing */
    for (size_t at = HEAD_SIZE; at + LINE_SIZE <= size; at += LINE_SIZE) {
        char line[LINE_SIZE + 1];
        memcpy(line, text + at, LINE_SIZE);
        line[LINE_SIZE] = '\0';
        observed->count += parse_line(&observed->all[observed->count], line, observed->now_ms);
    }
}

/* In a directory like /tmp anybody may have put anything under the name. */
static bool is_ours(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_uid == geteuid() &&
           (stat.st_mode & 022) == 0;
}

static void read_file(struct observed *observed)
{
    size_t size = 0;
    SCOPED(heap) char *text = malloc(FILE_SIZE_MOST);
    SCOPED(fd)
    int fd =
        openat(observed->dirfd, observed->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (text == NULL || fd < 0 || !is_ours(fd))
        return;
    if (io_pread(fd, text, FILE_SIZE_MOST, 0, &size, observed->name, NULL) == B10_REASON_OK)
        parse_lines(observed, text, size);
}

void observed_read(struct observed *observed, const char *directory, const char *volume_path,
                   const struct process *self)
{
    *observed = (struct observed)OBSERVED_NONE;
    if (strcmp(self->boot, "-") == 0 || !self->clock_is_hosts)
        return;
    observed->all = calloc(OBSERVED_MOST, sizeof(*observed->all));
    if (observed->all == NULL)
        return;
    observed->dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    observed->now_ms = boottime_ms();
    memcpy(observed->boot, self->boot, sizeof(observed->boot));
    digest_64_text(observed->volume, volume_path, strlen(volume_path));
    snprintf(observed->name, sizeof(observed->name), OBSERVED_PREFIX "%lu",
             (unsigned long)geteuid());
    if (observed->dirfd >= 0)
        read_file(observed);
}

/* ---- asking ---- */

static void digest_state(char text[OBSERVED_STATE_SIZE], const char *name, const void *state,
                         size_t size)
{
    unsigned char digest[DIGEST_SIZE];
    unsigned char bytes[STATE_BYTES_MOST];
    const size_t name_size = strnlen(name, STATE_BYTES_MOST / 2) + 1;
    const size_t state_size = size < STATE_BYTES_MOST / 2 - 1 ? size : STATE_BYTES_MOST / 2 - 1;
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, name, name_size - 1);
    memcpy(bytes + name_size, state, state_size);
    digest_256(digest, bytes, name_size + state_size);
    hex_encode(text, digest, OBSERVED_STATE_SIZE / 2);
}

static struct observation *find(struct observed *observed, const char *state)
{
    for (size_t i = 0; i < observed->count; i++)
        if (strcmp(observed->all[i].state, state) == 0 &&
            strcmp(observed->all[i].volume, observed->volume) == 0)
            return &observed->all[i];
    return NULL;
}

/* Room for one more; a full list loses one that nobody asked about. */
static struct observation *add(struct observed *observed)
{
    if (observed->count < OBSERVED_MOST)
        return &observed->all[observed->count++];
    for (size_t i = 0; i < observed->count; i++)
        if (!observed->all[i].asked)
            return &observed->all[i];
    return NULL;
}

uint64_t observed_unchanged_ms(struct observed *observed, const char *name, const void *state,
                               size_t size)
{
    char text[OBSERVED_STATE_SIZE];
    if (observed->dirfd < 0)
        return 0;
    digest_state(text, name, state, size);
    struct observation *line = find(observed, text);
    if (line == NULL) {
        line = add(observed);
        if (line == NULL)
            return 0;
        *line = (struct observation){.since_ms = observed->now_ms};
        memcpy(line->volume, observed->volume, sizeof(line->volume));
        memcpy(line->state, text, sizeof(line->state));
        observed->has_news = true;
    }
    line->asked = true;
    return observed->now_ms - line->since_ms;
}

/* ---- writing ---- */

/* Forgets what is gone; false if nothing was. */
static bool forget(struct observed *observed)
{
    size_t kept = 0;
    const size_t count = observed->count;
    for (size_t i = 0; i < count; i++) {
        const struct observation *line = &observed->all[i];
        if (line->asked || strcmp(line->volume, observed->volume) != 0)
            observed->all[kept++] = *line;
    }
    observed->count = kept;
    return kept < count;
}

static enum b10_reason format_lines(struct bytes *text, const struct observed *observed)
{
    char head[HEAD_SIZE + 1];
    format_head(head, observed->boot);
    TRY(bytes_append_text(text, head, NULL));
    for (size_t i = 0; i < observed->count; i++) {
        const struct observation *line = &observed->all[i];
        TRY(bytes_format(text, NULL, "%020" PRIu64 " %s %s\n", line->since_ms, line->volume,
                         line->state));
    }
    return B10_REASON_OK;
}

/* Two of this user at once may tear each other's new file: then its lines are not all there, which
 * is all that can happen. */
void observed_write(struct observed *observed, bool complete)
{
    char new_name[sizeof(observed->name) + sizeof(".new")];
    SCOPED(bytes) struct bytes text = BYTES_CAPPED(FILE_SIZE_MOST);
    const bool has_less = complete && forget(observed);
    if (observed->dirfd < 0 || (!observed->has_news && !has_less) ||
        format_lines(&text, observed) != B10_REASON_OK)
        return;
    snprintf(new_name, sizeof(new_name), "%s.new", observed->name);
    (void)unlinkat(observed->dirfd, new_name, 0);
    SCOPED(fd)
    int fd = openat(observed->dirfd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd < 0)
        return;
    if (io_write_full(fd, text.data, text.size, new_name, NULL) != B10_REASON_OK ||
        renameat(observed->dirfd, new_name, observed->dirfd, observed->name) != 0)
        (void)unlinkat(observed->dirfd, new_name, 0);
}

void observed_release(struct observed *observed)
{
    fd_guard(&observed->dirfd);
    free(observed->all);
    *observed = (struct observed)OBSERVED_NONE;
}

void observed_guard(struct observed *observed)
{
    observed_release(observed);
}

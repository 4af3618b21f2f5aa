#include "cli/progress_bar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"

enum { BAR_WIDTH = 16, PART_SIZE = 64, LINE_SIZE = 256, COLUMNS_UNKNOWN = 80 };

bool terminal_obeys(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

/* NO_COLOR counts when it is set and not empty (no-color.org). */
bool terminal_has_colours(void)
{
    const char *no_color = getenv("NO_COLOR");
    return terminal_obeys() && (no_color == NULL || no_color[0] == '\0');
}

void progress_bar_init(struct progress_bar *bar, const char *name, bool wanted)
{
    bar->name = name;
    bar->shown = wanted && terminal_obeys();
    bar->visible = false;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_UNKNOWN;
    return size.ws_col;
}

static unsigned percent(const b10_progress *progress)
{
    if (progress->phase_is_final || progress->bytes_done >= progress->bytes_total)
        return 100;
    return (unsigned)((double)progress->bytes_done * 100.0 / (double)progress->bytes_total);
}

/* "22.4 of 152.4 MiB", or "22.4 MiB" while the total is unknown. */
static const char *format_bytes(const b10_progress *progress, char out[PART_SIZE])
{
    const double mib = 1024.0 * 1024.0;
    if (progress->bytes_total > 0)
        snprintf(out, PART_SIZE, "%.1f of %.1f MiB", (double)progress->bytes_done / mib,
                 (double)progress->bytes_total / mib);
    else
        snprintf(out, PART_SIZE, "%.1f MiB", (double)progress->bytes_done / mib);
    return out;
}

static const char *format_bar(const b10_progress *progress, char out[PART_SIZE])
{
    unsigned hundredths = percent(progress);
    int filled = (int)(hundredths * BAR_WIDTH / 100);
    snprintf(out, PART_SIZE, "[%.*s%.*s] %3u %%  ", filled, "################", BAR_WIDTH - filled,
             "................", hundredths);
    return out;
}

static size_t format_line(char line[LINE_SIZE], const char *name, const b10_progress *progress)
{
    char bar[PART_SIZE];
    char bytes[PART_SIZE];
    char files[TEXT_SIZE];
    int length;
    if (progress->bytes_total == 0 && progress->bytes_done == 0 && progress->files_done == 0)
        length = snprintf(line, LINE_SIZE, "%s: %s", name, progress->phase);
    else
        length = snprintf(line, LINE_SIZE, "%s: %-8s %s%s, %s", name, progress->phase,
                          progress->bytes_total > 0 ? format_bar(progress, bar) : "",
                          format_bytes(progress, bytes),
                          text_count(progress->files_done, "file", "files", files));
    return length < LINE_SIZE ? (size_t)length : LINE_SIZE - 1;
}

void progress_bar_draw(struct progress_bar *bar, const b10_progress *progress)
{
    if (!bar->shown)
        return;
    char line[LINE_SIZE];
    size_t length = format_line(line, bar->name, progress);
    size_t columns = terminal_columns();
    /* The last column stays free: a full line would wrap and could not be drawn over. */
    if (length >= columns)
        length = columns - 1;
    fprintf(stderr, "\r%.*s\033[K", (int)length, line);
    fflush(stderr);
    bar->visible = true;
}

void progress_bar_clear(struct progress_bar *bar)
{
    if (!bar->visible)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    bar->visible = false;
}

#include "cli/progress_bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"

enum { BAR_WIDTH = 24, LINE_SIZE = 256, COLUMNS_UNKNOWN = 80 };

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

static size_t format_measured(char *line, const char *name, const b10_progress *progress)
{
    char done[TEXT_SIZE];
    char total[TEXT_SIZE];
    unsigned hundredths = percent(progress);
    size_t filled = hundredths * BAR_WIDTH / 100;
    int length =
        snprintf(line, LINE_SIZE, "%s: %-8s [%.*s%.*s] %3u %%  %s of %s, %" PRIu64 " files", name,
                 progress->phase, (int)filled, "########################",
                 (int)(BAR_WIDTH - filled), "........................", hundredths,
                 text_size(progress->bytes_done, done), text_size(progress->bytes_total, total),
                 progress->files_done);
    return (size_t)length;
}

static size_t format_unmeasured(char *line, const char *name, const b10_progress *progress)
{
    char done[TEXT_SIZE];
    int length = snprintf(line, LINE_SIZE, "%s: %-8s %s, %" PRIu64 " files", name, progress->phase,
                          text_size(progress->bytes_done, done), progress->files_done);
    return (size_t)length;
}

void progress_bar_draw(struct progress_bar *bar, const b10_progress *progress)
{
    if (!bar->shown)
        return;
    char line[LINE_SIZE];
    size_t length = progress->bytes_total > 0 ? format_measured(line, bar->name, progress)
                                              : format_unmeasured(line, bar->name, progress);
    size_t columns = terminal_columns();
    /* The last column stays free: a full line would wrap and could not be drawn over. */
    if (length >= columns)
        length = columns - 1;
    if (length >= LINE_SIZE)
        length = LINE_SIZE - 1;
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

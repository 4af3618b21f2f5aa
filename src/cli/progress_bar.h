/* One line on the terminal that says how far an operation is; drawn over itself, gone at the end.
 *
 * Only on a terminal that can move its cursor (stderr is one, TERM is set and not "dumb").
 */
#ifndef CLI_PROGRESS_BAR_H
#define CLI_PROGRESS_BAR_H

#include <stdbool.h>

#include "b10transfer.h"

struct progress_bar {
    const char *name; /* of the command */
    bool shown;       /* whether it is drawn at all */
    bool visible;     /* whether it stands on the terminal right now */
};

/* wanted: false for --json and --quiet. */
void progress_bar_init(struct progress_bar *bar, const char *name, bool wanted);
void progress_bar_draw(struct progress_bar *bar, const b10_progress *progress);

/* Takes the line away, before other text or at the end; harmless when nothing is visible. */
void progress_bar_clear(struct progress_bar *bar);

/* Whether stderr is a terminal that obeys control sequences; colours also ask NO_COLOR. */
bool terminal_obeys(void);
bool terminal_has_colours(void);

#endif

/* A file that holds one line about what was done, for whoever reads it afterwards.
 *
 * Written under a temporary name beside it and renamed, where that is possible; else plainly, as into
 * /dev/termination-log, which Kubernetes mounts as a single file.
 */
#ifndef CLI_REPORT_FILE_H
#define CLI_REPORT_FILE_H

#include <stdbool.h>

/* False, with a line on stderr, if it could not be written. */
bool report_file_write(const char *path, const char *line);

#endif

/* What the volume does wrong, and what it was asked: the rules and the log of faultfs.
 *
 *     OPERATION FROM COUNT ACTION VALUE [PATH]      one rule a line, in a file outside the volume
 *
 * A rule counts the operations that match it: OPERATION (`*`: any), PATH (a part of the path, any if absent; of an open
 * file the path it was opened by), and for `flip` that the byte is among those read. Number FROM to FROM + COUNT - 1 of
 * them meet ACTION:
 *
 *     errno EIO      fails, nothing is done         late EIO       is done, then fails
 *     short BYTES    of read, write: no more        flip OFFSET    of read: bit 0 of this byte of the file is wrong
 *     avail BYTES    of statfs                      zero 0         of statfs: nothing is known
 *     skew SECONDS   of getattr: mtime              delay MS       is done later
 *     exit 0         the file system dies           hang 0         waits until no rule says `hang`
 *
 * OPERATION is what FUSE calls it, but for one: what close() asks is `flush` for a file open for writing, else `close`.
 * The file is read again whenever another file stands under its name (replace it by rename); counting begins anew then.
 * The log has one line an operation, `OPERATION PATH`, with ` ACTION` after it if a rule fired.
 * Threads: any. */
#ifndef FAULTFS_RULES_H
#define FAULTFS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What happens to one operation. Zero: nothing. */
struct fault {
    int error; /* answered at once */
    int late;  /* answered when all is done */
    bool is_short;
    size_t size;
    bool is_flipped;
    off_t flipped;
    bool has_avail;
    unsigned long long avail;
    bool is_zero;
    long skew_s;
};

/* Both may be NULL: no rules, no log. */
void rules_init(const char *rules, const char *log);

/* The next operation; returns after `delay` and `hang`, never after `exit`. Bytes [offset, offset + size): of a read. */
struct fault rules_meet(const char *operation, const char *path, off_t offset, size_t size);

#endif

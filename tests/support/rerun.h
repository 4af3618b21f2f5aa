/* A part of a test in a fresh process of the same program, with an environment of its own: the
 * loader reads LD_LIBRARY_PATH when a process starts.
 *
 *     static void loads_the_library(void) { CHECK(…); }
 *     static const struct rerun_part parts[] = {{"loads", loads_the_library}, {0}};
 *     …in a test…  rerun("loads", "LD_LIBRARY_PATH=…", "CUDA_VISIBLE_DEVICES", NULL);
 *     int main(int argc, char **argv) { rerun_main(argc, argv, parts); … }
 *
 * CHECK (support/sandbox.h) in there ends the process, and rerun fails the test.
 */
#ifndef SUPPORT_RERUN_H
#define SUPPORT_RERUN_H

#include "support/sandbox.h"

struct rerun_part {
    const char *name;
    void (*fn)(void);
};

/* Runs the part, and does not return, if this process was started for one. */
void rerun_main(int argc, char **argv, const struct rerun_part *parts);

/* Starts the part and waits for it. Then come "NAME=value" to be set and "NAME" to be unset, NULL
 * at the end. */
void rerun(const char *part, ...) __attribute__((sentinel));

/* The same by the name `program`, absolute, which becomes a link to this program: for code that
 * looks beside the file that it is in. */
void rerun_as(const char *program, const char *part, ...) __attribute__((sentinel));

#endif

/* The command line: one table that feeds parsing and --help. Options may stand before or after
 * the command. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_flag {
    OPTION_STRICT = 1,
    OPTION_REQUIRE_HIT = 2,
    OPTION_EXPLAIN = 4,
    OPTION_REPORT = 8,
    OPTION_RETRY = 16,
    OPTION_PRUNE = 32
};

struct options {
    const char *command;
    bool is_named;       /* false: `command` is the one that is meant where none is named */
    const char *operand; /* NULL: none was given */
    bool help;
    bool version;
    bool json;
    bool quiet;
    bool strict;
    bool require_hit;
    bool explain;
    bool no_retry_cold;
    bool dry_run;
    bool include_current;
    const char *max_size; /* of prune, as given; NULL: not given */
    const char *max_age;
    const char *keep;
    bool pipe_ignored;     /* SIGPIPE was when the command was started; set by main() */
    char **argv;           /* run: what is to be executed, NULL at the end; NULL: none was given */
    const char *report;    /* file; NULL: none */
    const char *log_level; /* NULL: as the settings say */
    const char **sets;     /* owned array of NAME=VALUE, in order */
    size_t set_count;
    char problem[512]; /* what is wrong with the command line, "" if nothing is */
};

/* True if the command line can be followed; otherwise `problem` says why not and the other
 * fields hold what was understood. */
bool options_parse(struct options *options, int argc, char **argv);
void options_release(struct options *options);

/* One row of the table, for --help. */
struct option_row {
    const char *name;   /* "--log-level" */
    const char *letter; /* "-q", or NULL */
    const char *value;  /* "LEVEL", or NULL if it takes none */
    unsigned flag;      /* OPTION_*: only commands that take it; 0: every command */
    const char *help;
};

/* Row `index`, NULL beyond the end. */
const struct option_row *options_row(size_t index);

#endif

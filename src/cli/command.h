/* A subcommand: one row of the table in main.c, one cmd_*.c.
 *
 *     options_parse ──▶ [ child process: session_open ──▶ command->run ] ──▶ exit code
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/options.h"

/* Exit codes, as docs/errors.md and --help promise them. */
enum exit_code {
    EXIT_CODE_DONE = 0,   /* done, or nothing to do */
    EXIT_CODE_FAILED = 1, /* volume, disk, space, permissions, memory, output */
    EXIT_CODE_USAGE = 2,  /* bad usage, bad setting, BASETEN_FS_ENABLED off */
    EXIT_CODE_ABSENT =
        3, /* no such archive: verify; load and flow with --require-hit or --strict */
    EXIT_CODE_SKIPPED = 4, /* skipped, with --strict */
    EXIT_CODE_DAMAGED = 5, /* the archive is damaged, unsafe or of a newer format */
    EXIT_CODE_TIMEOUT = 6, /* volume, disk or server did not answer in time */
    EXIT_CODE_UNFIT = 7,   /* doctor: a check failed */
    EXIT_CODE_NEW = 8,     /* diff: something is here that the stored cache lacks */
    EXIT_CODE_SIGNAL = 128 /* plus the number of the signal that stopped the operation */
};

struct session;

struct command {
    const char *name;
    const char *summary; /* one line of the list of commands */
    const char *about;   /* paragraph of its own --help */
    const char *operand; /* "FILE|KEY", or NULL if it takes none */
    unsigned options;    /* OPTION_* that it takes beyond the common ones */
    bool in_process;     /* looks at no volume: needs no child process */
    bool takes_rest;     /* the operand and all that follows it are a command line */
    bool stops_cleanly;  /* signals cancel it and it cleans up; otherwise they just end it */
    bool absence_fails;  /* DOES_NOT_EXIST is exit code 3 without being asked for */
    const char *const *settings; /* names of those it reads, NULL at the end; NULL: all */
    enum exit_code (*run)(struct session *session);
};

extern const struct command command_flow; /* what is meant where no command is named */
extern const struct command command_load;
extern const struct command command_save;
extern const struct command command_info;
extern const struct command command_list;
extern const struct command command_clear;
extern const struct command command_key;
extern const struct command command_verify;
extern const struct command command_run;
extern const struct command command_prune;
extern const struct command command_diff;
extern const struct command command_doctor;
extern const struct command command_config;

/* What the commands that accompany a server read, flow and run; NULL at the end. */
extern const char *const command_server_settings[];

/* The command of that name, NULL if there is none; the command at `index`, NULL beyond the end. */
const struct command *command_find(const char *name);
const struct command *command_at(size_t index);

#endif

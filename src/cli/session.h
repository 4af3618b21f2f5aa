/* One run of one subcommand: its settings, its callbacks, and what its outcome means to the
 * shell. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "b10transfer.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress_bar.h"

struct session {
    const struct command *command;
    const struct options *options;
    b10_config *config;    /* owned */
    b10_options callbacks; /* borrows this session */
    struct progress_bar bar;
    enum exit_code found; /* what a command that did what it was asked has found, in place of 0 */
};

/* Applies --set, --log-level, -q. False if one of them is wrong: then it has been reported and
 * `code` is the exit code. */
bool session_open(struct session *session, const struct command *command,
                  const struct options *options, enum exit_code *code);
void session_close(struct session *session);

/* What a status and its reason mean to the shell. */
enum exit_code session_code(const struct session *session, OperationStatus status,
                            const b10_error *error);

/* Says in text what did not end in SUCCESS: on stdout what needs no attention (exit code 0), on
 * stderr everything else. */
void session_explain(const struct session *session, OperationStatus status, const b10_error *error);

/* The members that every JSON object begins with: command, status, reason, message, errno,
 * exit_code. Errors are told on stderr as well. */
struct document *session_document(const struct session *session, OperationStatus status,
                                  const b10_error *error);

/* Prints the document; the exit code, or FAILED if that was impossible. */
enum exit_code session_print(const struct session *session, struct document *document,
                             OperationStatus status, const b10_error *error);

/* What a command answers. */
struct answer {
    const void *what; /* borrowed */
    /* Adds it to the object of --json; also where the command failed. */
    void (*add)(struct document *document, const void *what);
    /* Prints it as text, after SUCCESS; unless --quiet was given, where quiet_hides. */
    void (*print)(const struct session *session, const void *what);
    bool quiet_hides;
};

/* The end of most commands: the answer, as JSON or text, or why there is none; the exit code. */
enum exit_code session_answer(struct session *session, OperationStatus status,
                              const b10_error *error, const struct answer *answer);

/* A command line that cannot be followed: one line on stderr, and an object with reason USAGE
 * when --json was given. */
enum exit_code session_bad_usage(const struct options *options);

#endif

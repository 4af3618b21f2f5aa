#include "cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/signals.h"
#include "cli/text.h"

static const char *const level_names[] = {"error", "warning", "", "debug"};
static const char *const level_colours[] = {"\033[31m", "\033[33m", "", "\033[2m"};

static void print_line(b10_log_level level, const char *message, const char *reason)
{
    size_t row = (unsigned)level <= B10_LOG_DEBUG ? (size_t)level : B10_LOG_DEBUG;
    const char *name = level_names[row];
    bool coloured = name[0] != '\0' && terminal_has_colours();
    fprintf(stderr, "b10-compile-cache: %s%s%s%s", coloured ? level_colours[row] : "", name,
            name[0] != '\0' ? ": " : "", coloured ? "\033[0m" : "");
    text_put(stderr, message);
    if (reason != NULL)
        fprintf(stderr, " (%s)", reason);
    fputc('\n', stderr);
}

static void on_log(void *user, b10_log_level level, const char *message)
{
    struct session *session = user;
    progress_bar_clear(&session->bar);
    print_line(level, message, NULL);
}

static int on_progress(void *user, const b10_progress *progress)
{
    struct session *session = user;
    progress_bar_draw(&session->bar, progress);
    return signals_caught();
}

static bool refuse(b10_error *error, b10_reason reason, const char *message, const char *subject)
{
    error->code = reason;
    snprintf(error->message, sizeof error->message, "%s%.900s", message, subject);
    return false;
}

/* The names of Python's levels. */
static bool read_flow_level(const char **level, b10_error *error)
{
    static const struct {
        const char *name;
        const char *level;
    } names[] = {{"DEBUG", "debug"}, {"INFO", "info"},   {"WARNING", "warn"},
                 {"WARN", "warn"},   {"ERROR", "error"}, {"CRITICAL", "error"}};
    const char *value = getenv("B10_TRANSFER_CLI_LOGLEVEL");
    if (value == NULL || value[0] == '\0')
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(value, names[i].name) == 0)
            *level = names[i].level;
    }
    return *level != NULL || refuse(error, B10_REASON_CONFIG,
                                    "B10_TRANSFER_CLI_LOGLEVEL must be one of DEBUG, INFO, "
                                    "WARNING, ERROR, CRITICAL, not ",
                                    value);
}

/* What is said on the command line goes before what its environment says. */
static bool set_log_level(struct session *session, b10_error *error)
{
    const char *level = session->options->quiet ? "error" : session->options->log_level;
    b10_error ignored = B10_INIT(b10_error);
    if (level == NULL &&
        session->command == &command_run) /* nothing in the environment stops a server */
        (void)read_flow_level(&level, &ignored);
    if (level == NULL && session->command == &command_flow && !read_flow_level(&level, error))
        return false;
    return level == NULL ||
           b10_config_set(session->config, "B10_LOG_LEVEL", level, error) == B10_SUCCESS;
}

static bool apply_set(b10_config *config, const char *text, b10_error *error)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return refuse(error, B10_REASON_CONFIG, "--set needs NAME=VALUE, not ", text);
    char *name = strndup(text, (size_t)(equals - text));
    if (name == NULL)
        return refuse(error, B10_REASON_NO_MEMORY, "out of memory", "");
    bool ok = b10_config_set(config, name, equals + 1, error) == B10_SUCCESS;
    free(name);
    return ok;
}

/* A process of its own may ask a helper that initialises CUDA. `config` shows what the library
 * would do in a server. */
static bool widen_probe(struct session *session, b10_error *error)
{
    char value[64];
    const bool is_auto = b10_config_get(session->config, "B10_GPU_PROBE", value, sizeof value, NULL,
                                        NULL) == B10_SUCCESS &&
                         strcmp(value, "auto") == 0;
    return !is_auto || session->command == &command_config ||
           b10_config_set(session->config, "B10_GPU_PROBE", "driver,nvml,spawn,proc", error) ==
               B10_SUCCESS;
}

static bool apply_options(struct session *session, b10_error *error)
{
    session->config = b10_config_new();
    if (session->config == NULL)
        return refuse(error, B10_REASON_NO_MEMORY, "out of memory", "");
    for (size_t i = 0; i < session->options->set_count; i++) {
        if (!apply_set(session->config, session->options->sets[i], error))
            return false;
    }
    return set_log_level(session, error) && widen_probe(session, error);
}

/* Tells a reader of the log which command and library wrote what follows. */
static void announce(const struct session *session)
{
    char level[16];
    if (b10_config_get(session->config, "B10_LOG_LEVEL", level, sizeof level, NULL, NULL) !=
            B10_SUCCESS ||
        strcmp(level, "debug") != 0)
        return;
    char line[128];
    snprintf(line, sizeof line, "%s, library %s", session->command->name, b10_version());
    print_line(B10_LOG_DEBUG, line, NULL);
}

bool session_open(struct session *session, const struct command *command,
                  const struct options *options, enum exit_code *code)
{
    *session = (struct session){.command = command, .options = options};
    session->callbacks = (b10_options)B10_INIT(b10_options);
    session->callbacks.log = on_log;
    session->callbacks.log_user = session;
    session->callbacks.progress = on_progress;
    session->callbacks.progress_user = session;
    progress_bar_init(&session->bar, command->name, !options->json && !options->quiet);

    b10_error error = B10_INIT(b10_error);
    if (apply_options(session, &error)) {
        announce(session);
        return true;
    }
    *code = session_code(session, B10_ERROR, &error);
    if (options->json)
        *code =
            session_print(session, session_document(session, B10_ERROR, &error), B10_ERROR, &error);
    else
        session_explain(session, B10_ERROR, &error);
    return false;
}

void session_close(struct session *session)
{
    progress_bar_clear(&session->bar);
    b10_config_free(session->config);
    session->config = NULL;
}

static enum exit_code code_of_error(const b10_error *error)
{
    switch ((b10_reason)error->code) {
    case B10_REASON_CONFIG:
    case B10_REASON_DISABLED:
        return EXIT_CODE_USAGE;
    case B10_REASON_CORRUPT:
    case B10_REASON_UNSAFE:
    case B10_REASON_FORMAT:
        return EXIT_CODE_DAMAGED;
    case B10_REASON_TIMEOUT:
        return EXIT_CODE_TIMEOUT;
    case B10_REASON_CANCELLED:
        return signals_caught() != 0 ? (enum exit_code)(EXIT_CODE_SIGNAL + signals_caught())
                                     : EXIT_CODE_FAILED;
    default:
        return EXIT_CODE_FAILED;
    }
}

static enum exit_code code_of_status(const struct session *session, OperationStatus status,
                                     const b10_error *error)
{
    const struct options *options = session->options;
    bool absence_matters =
        options->strict || options->require_hit || session->command->absence_fails;
    switch (status) {
    case B10_SUCCESS:
        return EXIT_CODE_DONE;
    case B10_DOES_NOT_EXIST:
        return absence_matters ? EXIT_CODE_ABSENT : EXIT_CODE_DONE;
    case B10_SKIPPED:
        return options->strict ? EXIT_CODE_SKIPPED : EXIT_CODE_DONE;
    default:
        return code_of_error(error);
    }
}

enum exit_code session_code(const struct session *session, OperationStatus status,
                            const b10_error *error)
{
    const enum exit_code code = code_of_status(session, status, error);
    return code == EXIT_CODE_DONE ? session->found : code;
}

static void explain_on_stderr(const b10_error *error)
{
    print_line(B10_LOG_ERROR, error->message, b10_reason_name(error->code));
}

void session_explain(const struct session *session, OperationStatus status, const b10_error *error)
{
    if (code_of_status(session, status, error) != EXIT_CODE_DONE) {
        explain_on_stderr(error);
    } else if (!session->options->quiet) {
        printf("nothing to %s: ", session->command->name);
        text_put(stdout, error->message);
        printf(" (%s)\n", b10_reason_name(error->code));
    }
}

struct document *session_document(const struct session *session, OperationStatus status,
                                  const b10_error *error)
{
    enum exit_code code = session_code(session, status, error);
    if (code_of_status(session, status, error) != EXIT_CODE_DONE)
        explain_on_stderr(error);
    struct document *document = document_new();
    document_text(document, "command", session->command->name);
    document_text(document, "status", b10_status_name(status));
    document_text(document, "reason", b10_reason_name(error->code));
    document_message(document, "message", error->message);
    document_count(document, "errno", error->sys_errno > 0 ? (uint64_t)error->sys_errno : 0);
    document_count(document, "exit_code", (uint64_t)code);
    return document;
}

enum exit_code session_print(const struct session *session, struct document *document,
                             OperationStatus status, const b10_error *error)
{
    if (!document_print(document))
        return EXIT_CODE_FAILED;
    return session_code(session, status, error);
}

enum exit_code session_answer(struct session *session, OperationStatus status,
                              const b10_error *error, const struct answer *answer)
{
    progress_bar_clear(&session->bar);
    if (session->options->json) {
        struct document *document = session_document(session, status, error);
        answer->add(document, answer->what);
        return session_print(session, document, status, error);
    }
    if (status != B10_SUCCESS)
        session_explain(session, status, error);
    else if (!session->options->quiet || !answer->quiet_hides)
        answer->print(session, answer->what);
    return session_code(session, status, error);
}

enum exit_code session_bad_usage(const struct options *options)
{
    print_line(B10_LOG_ERROR, options->problem, NULL);
    fputs("Try 'b10-compile-cache --help'.\n", stderr);
    if (!options->json)
        return EXIT_CODE_USAGE;
    struct document *document = document_new();
    document_text(document, "command", options->command);
    document_text(document, "status", b10_status_name(B10_ERROR));
    document_text(document, "reason", "USAGE");
    document_message(document, "message", options->problem);
    document_count(document, "errno", 0);
    document_count(document, "exit_code", EXIT_CODE_USAGE);
    return document_print(document) ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}

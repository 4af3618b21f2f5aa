/* b10-compile-cache: the library's calls as a command. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/session.h"
#include "cli/worker.h"

static const struct command *const commands[] = {
    &command_flow,   &command_run,    &command_load,   &command_save,  &command_diff,
    &command_prune,  &command_info,   &command_list,   &command_clear, &command_key,
    &command_verify, &command_doctor, &command_config,
};

const struct command *command_at(size_t index)
{
    return index < sizeof commands / sizeof commands[0] ? commands[index] : NULL;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

/* A closed descriptor 0, 1 or 2 would be given to the next file that is opened, and text meant
 * for the terminal would end in an archive. Opened the wrong way round, so that what is written
 * to a closed stdout is still an error. */
static bool standard_descriptors_are_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (open("/dev/null", flags) != fd)
            return false;
    }
    return true;
}

/* What was printed counts only once it is written. A reader that went away (`| head -1`) needs
 * no message. */
static enum exit_code close_output(enum exit_code code)
{
    errno = 0;
    int failed = ferror(stdout);
    if (fclose(stdout) != 0)
        failed = 1;
    if (!failed)
        return code;
    if (errno != EPIPE)
        fprintf(stderr, "b10-compile-cache: error: cannot write to standard output: %s\n",
                strerror(errno));
    return code != EXIT_CODE_DONE ? code : EXIT_CODE_FAILED;
}

static enum exit_code work(const struct options *options)
{
    const struct command *command = command_find(options->command);
    struct session session;
    enum exit_code code;
    if (session_open(&session, command, options, &code))
        code = command->run(&session);
    session_close(&session);
    return close_output(code);
}

static enum exit_code run(const struct options *options)
{
    const struct command *command = command_find(options->command);
    if (command->in_process)
        return work(options);
    return worker_run(work, options, command->stops_cleanly);
}

static enum exit_code dispatch(const struct options *options)
{
    if (options->version) {
        printf("b10-compile-cache %s\n", b10_version());
        return close_output(EXIT_CODE_DONE);
    }
    if (options->help && !options->is_named) {
        help_usage(stdout);
        return close_output(EXIT_CODE_DONE);
    }
    if (options->help) {
        help_command(stdout, command_find(options->command));
        return close_output(EXIT_CODE_DONE);
    }
    return run(options);
}

int main(int argc, char **argv)
{
    if (!standard_descriptors_are_open())
        return EXIT_CODE_FAILED;
    const bool pipe_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
    /* A line reaches the log in one piece. */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    struct options options;
    const bool understood = options_parse(&options, argc, argv);
    options.pipe_ignored = pipe_ignored;
    const enum exit_code code =
        understood ? dispatch(&options) : close_output(session_bad_usage(&options));
    options_release(&options);
    return (int)code;
}

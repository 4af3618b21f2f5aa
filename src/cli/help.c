#include "cli/help.h"

#include <string.h>

#include "b10transfer.h"
#include "cli/text.h"

static void print_options(FILE *stream, unsigned taken)
{
    const struct option_row *row;
    for (size_t i = 0; (row = options_row(i)) != NULL; i++) {
        if (row->flag != 0 && (row->flag & taken) == 0)
            continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s%s", row->letter != NULL ? row->letter : "",
                 row->letter != NULL ? ", " : "", row->name, row->value != NULL ? " " : "",
                 row->value != NULL ? row->value : "");
        fprintf(stream, "  %-18s  %s\n", left, row->help);
    }
}

static void print_exit_codes(FILE *stream)
{
    fputs("\nexit codes:\n"
          "  0  done, or nothing to do\n"
          "  1  failed: volume, disk, space, permissions, memory, output not written\n"
          "  2  bad usage, an invalid setting, or BASETEN_FS_ENABLED is off\n"
          "  3  no such archive (verify; load, flow with --require-hit or --strict;\n"
          "     run with --require-hit)\n"
          "  4  skipped (load, save, diff, flow with --strict)\n"
          "  5  the archive is damaged, unsafe or of a newer format (load, verify)\n"
          "  6  the volume, a disk or the server did not answer in time\n"
          "  7  not fit: a check failed (doctor)\n"
          "  8  something is here that the stored cache lacks (diff)\n"
          "  129, 130, 143  stopped by SIGHUP, SIGINT, SIGTERM; nothing is left half done\n"
          "  run: the server's own code, or 128 plus the signal that ended it; 126, 127: it\n"
          "     cannot be executed\n",
          stream);
}

void help_usage(FILE *stream)
{
    fputs("usage: b10-compile-cache [COMMAND] [OPTION]...\n\n"
          "Saves a model server's compile cache once on a shared volume and restores it in\n"
          "the next replica before it compiles. Without a command it is the flow, beside a\n"
          "server that starts: b10-compile-cache & vllm serve MODEL\n\ncommands:\n",
          stream);
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        fprintf(stream, "  %-8s  %s\n", command->name, command->summary);
    fputs("\noptions:\n", stream);
    print_options(stream, OPTION_STRICT | OPTION_REQUIRE_HIT | OPTION_EXPLAIN | OPTION_REPORT |
                              OPTION_RETRY | OPTION_PRUNE);
    print_exit_codes(stream);
    fputs("\nSettings are environment variables, or --set NAME=VALUE. Those that a command\n"
          "reads are in its own --help; 'b10-compile-cache config' prints those in force.\n",
          stream);
}

static int reads_setting(const struct command *command, const char *name)
{
    if (command->settings == NULL)
        return 1;
    for (const char *const *setting = command->settings; *setting != NULL; setting++) {
        if (strcmp(*setting, name) == 0)
            return 1;
    }
    return 0;
}

static void print_setting(FILE *stream, const b10_setting *setting)
{
    fprintf(stream, "  %s\n", setting->name);
    text_wrap(stream, 6, setting->description);
    char line[1024];
    if (setting->rule[0] != '\0') {
        snprintf(line, sizeof line, "accepts: %s", setting->rule);
        text_wrap(stream, 6, line);
    }
    snprintf(line, sizeof line, "default: %s",
             setting->default_value[0] != '\0' ? setting->default_value : "empty");
    text_wrap(stream, 6, line);
}

void help_command(FILE *stream, const struct command *command)
{
    fprintf(stream, "usage: b10-compile-cache %s [OPTION]...%s%s\n\n", command->name,
            command->operand != NULL ? " " : "", command->operand != NULL ? command->operand : "");
    text_wrap(stream, 0, command->about);
    fputs("\noptions:\n", stream);
    print_options(stream, command->options);
    print_exit_codes(stream);
    fputs("\nsettings (environment variables, or --set NAME=VALUE):\n", stream);
    b10_setting setting = B10_INIT(b10_setting);
    for (size_t i = 0; b10_setting_at(i, &setting) != 0; i++) {
        if (reads_setting(command, setting.name))
            print_setting(stream, &setting);
    }
}

#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static const struct option_row rows[] = {
    {"--json", NULL, NULL, 0, "print one JSON object instead of text"},
    {"--strict", NULL, NULL, OPTION_STRICT, "nothing done is exit code 3 (absent) or 4 (skipped)"},
    {"--require-hit", NULL, NULL, OPTION_REQUIRE_HIT,
     "no archive for this environment is exit code 3"},
    {"--explain", NULL, NULL, OPTION_EXPLAIN, "also compare with every stored cache"},
    {"--no-retry-cold", NULL, NULL, OPTION_RETRY,
     "do not start a failed server again without the cache"},
    {"--report", NULL, "FILE", OPTION_REPORT, "write the object of --json there, in one line"},
    {"--max-size", NULL, "SIZE", OPTION_PRUNE, "of all caches that stay: 20G, 500M"},
    {"--max-age", NULL, "AGE", OPTION_PRUNE, "of a cache that stays: 30d, 12h"},
    {"--keep", NULL, "N", OPTION_PRUNE, "only the N newest stay"},
    {"--dry-run", NULL, NULL, OPTION_PRUNE, "only say what would be removed"},
    {"--include-current", NULL, NULL, OPTION_PRUNE, "also this environment's cache"},
    {"--set", NULL, "NAME=VALUE", 0, "a setting; wins over the environment, may be repeated"},
    {"--log-level", NULL, "LEVEL", 0, "error, warn, info or debug; sets B10_LOG_LEVEL"},
    {"--verbose", "-v", NULL, 0, "the same as --log-level debug"},
    {"--quiet", "-q", NULL, 0, "only errors: no log, no progress bar, no summary"},
    {"--help", "-h", NULL, 0, "print this and exit"},
    {"--version", NULL, NULL, 0, "print the version and exit"},
};

const struct option_row *options_row(size_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}

static bool complain(struct options *options, const char *before, const char *subject,
                     const char *after)
{
    if (options->problem[0] == '\0')
        snprintf(options->problem, sizeof options->problem, "%s'%s'%s", before, subject, after);
    return false;
}

static void store_prune(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "max-size") == 0)
        options->max_size = value;
    else if (strcmp(name, "max-age") == 0)
        options->max_age = value;
    else if (strcmp(name, "keep") == 0)
        options->keep = value;
    else if (strcmp(name, "dry-run") == 0)
        options->dry_run = true;
    else
        options->include_current = true;
}

static bool asks_to_prune(const struct options *options)
{
    return options->max_size != NULL || options->max_age != NULL || options->keep != NULL ||
           options->dry_run || options->include_current;
}

static bool store(struct options *options, const struct option_row *row, const char *value)
{
    const char *name = row->name + 2;
    if (strcmp(name, "json") == 0)
        options->json = true;
    else if (strcmp(name, "strict") == 0)
        options->strict = true;
    else if (strcmp(name, "require-hit") == 0)
        options->require_hit = true;
    else if (strcmp(name, "explain") == 0)
        options->explain = true;
    else if (strcmp(name, "no-retry-cold") == 0)
        options->no_retry_cold = true;
    else if ((row->flag & OPTION_PRUNE) != 0)
        store_prune(options, name, value);
    else if (strcmp(name, "report") == 0)
        options->report = value;
    else if (strcmp(name, "set") == 0)
        options->sets[options->set_count++] = value;
    else if (strcmp(name, "log-level") == 0)
        options->log_level = value;
    else if (strcmp(name, "verbose") == 0)
        options->log_level = "debug";
    else if (strcmp(name, "quiet") == 0)
        options->quiet = true;
    else if (strcmp(name, "help") == 0)
        options->help = true;
    else
        options->version = true;
    return true;
}

static const struct option_row *find_long(const char *argument, size_t length)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, argument, length) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].letter != NULL && rows[i].letter[1] == letter)
            return &rows[i];
    }
    return NULL;
}

/* `next` is the argument behind it; *used becomes true if it was taken as the value. */
static bool parse_long(struct options *options, const char *argument, const char *next, bool *used)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    const struct option_row *row = find_long(argument, length);
    if (row == NULL)
        return complain(options, "unknown option ", argument, "");
    if (row->value == NULL && equals != NULL)
        return complain(options, "option ", row->name, " takes no value");
    if (row->value == NULL)
        return store(options, row, NULL);
    *used = equals == NULL;
    const char *value = equals != NULL ? equals + 1 : next;
    if (value == NULL)
        return complain(options, "option ", row->name, " needs a value");
    return store(options, row, value);
}

static bool parse_letters(struct options *options, const char *letters)
{
    bool ok = true;
    for (; *letters != '\0'; letters++) {
        const struct option_row *row = find_letter(*letters);
        const char text[] = {'-', *letters, '\0'};
        ok = (row != NULL ? store(options, row, NULL)
                          : complain(options, "unknown option ", text, "")) &&
             ok;
    }
    return ok;
}

/* The command that has been named takes all that follows its options. */
static bool takes_rest(const struct options *options)
{
    const struct command *command =
        options->command != NULL ? command_find(options->command) : NULL;
    return command != NULL && command->takes_rest;
}

static bool parse_operand(struct options *options, const char *argument)
{
    if (options->command == NULL)
        options->command = argument;
    else if (options->operand == NULL)
        options->operand = argument;
    else
        return complain(options, "unexpected argument ", argument, "");
    return true;
}

/* Everything is parsed even after a problem, so that --json is known when the problem is
 * reported. */
static bool parse_arguments(struct options *options, int argc, char **argv)
{
    bool ok = true;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        bool used_next = false;
        const bool is_operand = only_operands || argv[i][0] != '-' || argv[i][1] == '\0';
        if (is_operand && takes_rest(options)) {
            options->operand = argv[i];
            options->argv = &argv[i];
            break;
        }
        if (is_operand)
            ok = parse_operand(options, argv[i]) && ok;
        else if (strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (argv[i][1] == '-')
            ok = parse_long(options, argv[i], argv[i + 1], &used_next) && ok;
        else
            ok = parse_letters(options, argv[i] + 1) && ok;
        if (used_next && i + 1 < argc)
            i++;
    }
    return ok;
}

static bool check_command(struct options *options)
{
    const struct command *command = command_find(options->command);
    if (command == NULL)
        return complain(options, "unknown command ", options->command, "");
    if (options->help)
        return true;
    if (options->strict && (command->options & OPTION_STRICT) == 0)
        return complain(options, "option '--strict' does not apply to ", command->name, "");
    if (options->require_hit && (command->options & OPTION_REQUIRE_HIT) == 0)
        return complain(options, "option '--require-hit' does not apply to ", command->name, "");
    if (options->explain && (command->options & OPTION_EXPLAIN) == 0)
        return complain(options, "option '--explain' does not apply to ", command->name, "");
    if (options->report != NULL && (command->options & OPTION_REPORT) == 0)
        return complain(options, "option '--report' does not apply to ", command->name, "");
    if (options->operand != NULL && command->operand == NULL)
        return complain(options, "unexpected argument ", options->operand, "");
    if (options->no_retry_cold && (command->options & OPTION_RETRY) == 0)
        return complain(options, "option '--no-retry-cold' does not apply to ", command->name, "");
    if (asks_to_prune(options) && (command->options & OPTION_PRUNE) == 0)
        return complain(options, "the options of prune do not apply to ", command->name, "");
    if (options->operand == NULL && command->takes_rest)
        return complain(options, "", command->name, " needs a command to start");
    if (options->operand == NULL && command->operand != NULL)
        return complain(options, "", command->name, " needs an archive: its path or its key");
    return true;
}

bool options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){0};
    options->sets = calloc((size_t)argc + 1, sizeof *options->sets);
    if (options->sets == NULL) {
        snprintf(options->problem, sizeof options->problem, "out of memory");
        return false;
    }
    if (!parse_arguments(options, argc, argv))
        return false;
    options->is_named = options->command != NULL;
    if (!options->is_named)
        options->command = command_flow.name;
    return check_command(options);
}

void options_release(struct options *options)
{
    free(options->sets);
    options->sets = NULL;
}

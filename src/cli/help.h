/* --help, from the tables of commands, options and settings. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

void help_usage(FILE *stream);
void help_command(FILE *stream, const struct command *command);

#endif

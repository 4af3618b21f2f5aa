/* Walks the `name=value` lines in which the library gives key facts, and what each step said. */
#ifndef CLI_FACTS_LINES_H
#define CLI_FACTS_LINES_H

#include <stdbool.h>

#include "cli/output.h"

enum { FACT_NAME_SIZE = 64, FACT_VALUE_SIZE = 4096 };

struct fact_line {
    char name[FACT_NAME_SIZE];
    char value[FACT_VALUE_SIZE];
};

/* The next fact of *cursor, which moves behind it; false at the end. */
bool facts_lines_next(const char **cursor, struct fact_line *fact);

/* "facts": an object with one text per fact. */
void facts_lines_document(struct document *document, const char *facts);

/* "steps": a list of objects with `step` and `said`. */
void facts_lines_steps(struct document *document, const char *steps);

#endif

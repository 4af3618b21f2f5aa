#include "cli/facts_lines.h"

#include <stdio.h>
#include <string.h>

#include "cli/text.h"

bool facts_lines_next(const char **cursor, struct fact_line *fact)
{
    size_t length;
    const char *line = text_line(cursor, &length);
    if (line == NULL)
        return false;
    const char *equals = memchr(line, '=', length);
    size_t name = equals != NULL ? (size_t)(equals - line) : length;
    size_t value = equals != NULL ? length - name - 1 : 0;
    snprintf(fact->name, sizeof fact->name, "%.*s", (int)name, line);
    snprintf(fact->value, sizeof fact->value, "%.*s", (int)value, equals != NULL ? equals + 1 : "");
    return true;
}

void facts_lines_document(struct document *document, const char *facts)
{
    struct document *object = document_object(document, "facts");
    struct fact_line fact;
    while (facts_lines_next(&facts, &fact))
        document_message(object, fact.name, fact.value);
}

void facts_lines_steps(struct document *document, const char *steps)
{
    struct fact_line step;
    document_list(document, "steps");
    while (facts_lines_next(&steps, &step)) {
        struct document *row = document_row(document);
        document_message(row, "step", step.name);
        document_message(row, "said", step.value);
    }
}

#include "cli/output.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

struct document {
    json_t *object;       /* owned by a document, borrowed by a row */
    json_t *list;         /* borrowed from object: the list added last */
    struct document *row; /* owned: the row or object handed out last */
    bool failed;
};

struct document *document_new(void)
{
    struct document *document = calloc(1, sizeof *document);
    if (document == NULL)
        return NULL;
    document->object = json_object();
    document->failed = document->object == NULL;
    return document;
}

static void set_value(struct document *document, const char *name, json_t *value)
{
    if (document != NULL && json_object_set_new(document->object, name, value) != 0)
        document->failed = true;
}

/* NULL when out of memory. A unit is at most four times its source. */
static json_t *escaped_string(const char *value)
{
    char *buffer = malloc(4 * strlen(value) + 1);
    if (buffer == NULL)
        return NULL;
    size_t used = 0;
    char unit[TEXT_UNIT_SIZE];
    size_t length;
    while ((length = text_unit(&value, TEXT_JSON, unit)) > 0) {
        memcpy(buffer + used, unit, length);
        used += length;
    }
    json_t *string = json_stringn(buffer, used);
    free(buffer);
    return string;
}

void document_message(struct document *document, const char *name, const char *value)
{
    set_value(document, name, escaped_string(value));
}

void document_text(struct document *document, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        set_value(document, name, json_null());
    else
        document_message(document, name, value);
}

void document_count(struct document *document, const char *name, uint64_t value)
{
    set_value(document, name, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

void document_time(struct document *document, const char *name, int64_t value)
{
    set_value(document, name, value == 0 ? json_null() : json_integer((json_int_t)value));
}

void document_seconds(struct document *document, const char *name, uint64_t ns)
{
    set_value(document, name, json_real((double)ns / 1e9));
}

void document_number(struct document *document, const char *name, double value)
{
    set_value(document, name, value < 0 ? json_null() : json_real(value));
}

void document_flag(struct document *document, const char *name, bool value)
{
    set_value(document, name, json_boolean(value));
}

void document_list(struct document *document, const char *name)
{
    if (document == NULL)
        return;
    document->list = json_array();
    set_value(document, name, document->list);
}

/* Moves the failure of the row before into the document and makes room for the next one. */
static struct document *next_row(struct document *document, json_t *object)
{
    if (document->row == NULL)
        document->row = calloc(1, sizeof *document->row);
    if (document->row == NULL || object == NULL) {
        document->failed = true;
        return NULL;
    }
    document->failed = document->failed || document->row->failed;
    document->row->object = object;
    return document->row;
}

struct document *document_row(struct document *document)
{
    if (document == NULL)
        return NULL;
    json_t *object = json_object();
    if (json_array_append_new(document->list, object) != 0)
        object = NULL;
    return next_row(document, object);
}

void document_item(struct document *document, const char *value)
{
    if (document != NULL && json_array_append_new(document->list, escaped_string(value)) != 0)
        document->failed = true;
}

struct document *document_object(struct document *document, const char *name)
{
    if (document == NULL)
        return NULL;
    json_t *object = json_object();
    if (json_object_set_new(document->object, name, object) != 0)
        object = NULL;
    return next_row(document, object);
}

static void document_free(struct document *document)
{
    if (document == NULL)
        return;
    json_decref(document->object);
    free(document->row);
    free(document);
}

/* To be freed; NULL, with a line on stderr, if memory ran out. */
static char *dump(const struct document *document, size_t flags)
{
    bool ok =
        document != NULL && !document->failed && (document->row == NULL || !document->row->failed);
    char *text =
        ok ? json_dumps(document->object, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9))
           : NULL;
    if (text == NULL)
        fputs("b10-compile-cache: error: out of memory while writing JSON\n", stderr);
    return text;
}

char *document_line(struct document *document)
{
    char *text = dump(document, JSON_COMPACT);
    document_free(document);
    return text;
}

bool document_print(struct document *document)
{
    char *text = dump(document, JSON_INDENT(2));
    const bool ok = text != NULL;
    if (ok)
        puts(text);
    free(text);
    document_free(document);
    return ok;
}
